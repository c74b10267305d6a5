//! Wheels in files, which no index has: on the host they are taken in, opened as whoever calls, and asked for by name and
//! version like any other package. The lock has their hash.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;
use hub_core::packages::Requirement;
use hub_core::sys::atomic::{self, Access};

use crate::World;
use crate::connect::only_on_the_host;
use crate::failure::Failure;

/// The largest that are around have two.
const LARGEST_WHEEL: u64 = 4 << 30;

/// Takes in the wheel at `path`; returns what to ask for.
pub(super) fn take(world: &mut World, path: &Path) -> Result<Requirement> {
    only_on_the_host(world, "a wheel in a file", "env install ./FILE.whl")?;
    let (name, requirement) = described(path)?;
    let content = world.caller.read(path, LARGEST_WHEEL, world.input)?;
    let directory = world.paths.environment_wheels();
    fs_err::create_dir_all(&directory)?;
    for private in [world.paths.environment_state(), directory.clone()] {
        fs_err::set_permissions(private, Permissions::from_mode(0o700))?;
    }
    atomic::replace(&directory.join(name), &content, Access::mode(0o600))?;
    Ok(requirement)
}

/// `NAME-VERSION-...-PYTHON-ABI-PLATFORM.whl`
fn described(path: &Path) -> Result<(String, Requirement), Failure> {
    let wrong = || {
        Failure::plain(format!(
            "`{}` is not the name of a wheel; expected one as in `course-1.0-py3-none-any.whl`",
            path.display()
        ))
    };
    let file = path.file_name().and_then(|name| name.to_str()).ok_or_else(wrong)?;
    let parts: Vec<&str> = file.strip_suffix(".whl").ok_or_else(wrong)?.split('-').collect();
    let ([name, version, _, _, _] | [name, version, _, _, _, _]) = parts[..] else { return Err(wrong()) };
    let requirement = format!("{name}=={version}").parse().map_err(|_| wrong())?;
    Ok((file.to_owned(), requirement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_name_of_a_wheel() {
        let (file, requirement) = described(Path::new("dist/My_Course-1.0.post1-py3-none-any.whl")).unwrap();
        assert_eq!((file.as_str(), requirement.as_str()), ("My_Course-1.0.post1-py3-none-any.whl", "My_Course==1.0.post1"));
        for wrong in ["x.whl", "x-1.0.whl", "-1.0-py3-none-any.whl", "x-1 0-py3-none-any.whl", "a-b-c-d-e-f-g.whl", "x.txt"] {
            assert!(described(Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
