//! Roles that were `hubd ROLE` in version 0.1 and have programs of their own since. A unit of that version may still say so while an
//! upgrade, or the way back from one, is under way. To be removed in version 0.3.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Context;

/// The former role, the program that has it, and what that is told before the rest.
const MOVED: [(&str, &str, Option<&str>); 5] = [
    ("launcher", "hubd-launcher", None),
    ("certificates", "hubd-certificates", None),
    ("environment", "hubd-environment", None),
    ("expel", "hubd-launcher", Some("expel")),
    ("app", "hubd-app", None),
];

/// Where the first of `arguments` is a role that has moved, becomes the program that has it; comes back only when that fails.
pub(super) fn become_successor(mut arguments: impl Iterator<Item = OsString>) -> Option<anyhow::Error> {
    let (program, first) = successor(&arguments.next()?)?;
    let own = match std::env::current_exe().context("finding out where the hub's programs are") {
        Ok(own) => own,
        Err(error) => return Some(error),
    };
    let program = own.with_file_name(program);
    let error = Command::new(&program).args(first).args(arguments).exec();
    Some(anyhow::Error::new(error).context(format!("starting `{}`", program.display())))
}

fn successor(role: &OsStr) -> Option<(&'static str, Option<&'static str>)> {
    MOVED.iter().find(|(former, ..)| role == *former).map(|(_, program, first)| (*program, *first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_units_of_version_0_1_say_is_known() {
        assert_eq!(successor(OsStr::new("launcher")), Some(("hubd-launcher", None)));
        assert_eq!(successor(OsStr::new("expel")), Some(("hubd-launcher", Some("expel"))));
        for own in ["serve", "installing", "--version", ""] {
            assert_eq!(successor(OsStr::new(own)), None, "{own:?}");
        }
    }
}
