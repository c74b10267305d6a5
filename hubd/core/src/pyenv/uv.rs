//! Which `uv` builds environments, and how it gets out of its wheel. Downloading is the installer's work.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::sys::command::Command;

/// The pinned version.
pub const VERSION: &str = "0.13.7";
const UNPACK_TIMEOUT: Duration = Duration::from_secs(60);
/// Copies one member of an archive: source, member, target. Python is there before anything of ours is.
const COPY_MEMBER: &str = "\
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(sys.argv[2]) as source, open(sys.argv[3], 'xb') as target:
    shutil.copyfileobj(source, target)
";

/// One wheel on the package index, and the only content it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// The file's name on the index.
    pub filename: &'static str,
    /// SHA-256 of its content, lower-case hexadecimal.
    pub sha256: &'static str,
}

/// The wheel of `uv` for `architecture`, as `uname -m` calls it; `None` where there is none.
pub fn wheel(architecture: &str) -> Option<Wheel> {
    match architecture {
        "x86_64" => Some(Wheel {
            filename: "uv-0.13.7-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            sha256: "2c9bdc4a872b60a93c5f26c0791089ea11585a4f9d3b3c017d78eb8487505e25",
        }),
        "aarch64" => Some(Wheel {
            filename: "uv-0.13.7-py3-none-manylinux_2_28_aarch64.whl",
            sha256: "08f16fd463926786b702b497473511deae4b3e17a2fa6d22180950d6059a120d",
        }),
        _ => None,
    }
}

impl Wheel {
    /// Judges downloaded bytes.
    ///
    /// # Errors
    /// When they are not the pinned ones.
    pub fn check(&self, content: &[u8]) -> Result<()> {
        let found = hexadecimal(&Sha256::digest(content));
        if found != self.sha256 {
            bail!(
                "`{}` has the SHA-256 {found}, expected {}\nhint: the index or something on the way changed the file",
                self.filename,
                self.sha256
            );
        }
        Ok(())
    }
}

/// Takes the program out of the wheel at `wheel` (checked before) and puts it at `target`, mode 0755.
///
/// # Errors
/// When the wheel can't be read, or the target's directory not be written.
pub fn unpack(python: &Path, wheel: &Path, target: &Path) -> Result<()> {
    let directory = target.parent().with_context(|| format!("`{}` has no parent directory", target.display()))?;
    let unpack = || -> Result<()> {
        let scratch = tempfile::Builder::new().prefix(".uv-").tempdir_in(directory)?;
        let program = scratch.path().join("uv");
        Command::new(python, UNPACK_TIMEOUT)
            .args(["-I", "-c", COPY_MEMBER])
            .args([wheel.to_string_lossy(), format!("uv-{VERSION}.data/scripts/uv").into(), program.to_string_lossy()])
            .run()?;
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        fs_err::File::open(&program)?.sync_all()?;
        Ok(fs_err::rename(&program, target)?)
    };
    unpack().with_context(|| format!("unpacking `{}` to `{}`", wheel.display(), target.display()))
}

/// `bytes` as lower-case hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_are_of_the_pinned_version() {
        for architecture in ["x86_64", "aarch64"] {
            let wheel = wheel(architecture).unwrap();
            assert!(wheel.filename.starts_with(&format!("uv-{VERSION}-")) && wheel.filename.contains(architecture));
            assert!(wheel.sha256.len() == 64 && wheel.sha256.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()));
        }
        assert_eq!(wheel("riscv64"), None);
    }

    #[test]
    fn changed_content_is_refused() {
        let empty = Wheel { filename: "x.whl", sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" };
        empty.check(b"").unwrap();
        let error = empty.check(b"x").unwrap_err().to_string();
        assert!(error.starts_with("`x.whl` has the SHA-256 2d711642"), "{error}");
    }
}
