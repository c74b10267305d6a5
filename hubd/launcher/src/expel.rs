//! Ends everything that runs as an account, wherever on the machine.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, setresuid};

/// An account that nobody has. Were it root, root's processes would be meant as well; were it the one whose processes are to
/// end, those could end this one first.
const NOBODY: Uid = Uid::from_raw(4_294_967_290);
/// Every process that this one may end, but not itself.
const ALL: Pid = Pid::from_raw(-1);

/// Kills every process of the account with number `uid`. Needs `CAP_SETUID` and, so that it hits nobody else, no `CAP_KILL`.
///
/// # Errors
/// When it can't become that account.
pub fn everything_of(uid: u32) -> Result<()> {
    setresuid(NOBODY, Uid::from_raw(uid), NOBODY).with_context(|| format!("becoming account {uid}"))?;
    match kill(ALL, Signal::SIGKILL) {
        // There is none.
        Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("ending the processes of account {uid}")),
    }
}
