//! The configuration in force, as a file: opened once, never through a link, never larger than sense.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use hub_core::config::{LARGEST, decode};
use hub_core::text::Decoded;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::Uid;

use super::super::World;
use super::super::connect::refuse_without_hub;
use super::super::failure::{Cause, Failure};
use super::super::text::printable;

/// Permission bits that let others than root change a file.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    /// `None`: there is no file.
    pub(super) bytes: Option<Vec<u8>>,
    /// What is odd about the file, and goes away when it is saved; one sentence each.
    pub(super) notices: Vec<String>,
}

impl Live {
    pub(super) fn read(world: &World) -> Result<Self> {
        let path = world.paths.config_file();
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match File::options().read(true).custom_flags(flags.bits()).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { bytes: None, notices: Vec::new() }),
            Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => return Err(link(&path).into()),
            Err(error) => return Err(error).with_context(|| format!("opening the configuration `{}`", path.display())),
        };
        let about = file.metadata().with_context(|| format!("looking at `{}`", path.display()))?;
        if !about.is_file() {
            let hint = "move it away; hubctl config edit then begins a new one".to_owned();
            return Err(Failure::new(Cause::Failed, format!("`{}` is not a regular file", path.display()), hint).into());
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).with_context(|| format!("reading `{}`", path.display()))?;
        if bytes.len() as u64 > LARGEST {
            let size = format!("`{}` has {} kB; expected at most {}", path.display(), about.len() / 1024, LARGEST / 1024);
            let hint = "hubctl config rollback brings back the version before it, hubctl config apply FILE another one";
            return Err(Failure::new(Cause::Failed, size, hint.to_owned()).into());
        }
        let mut notices = Vec::new();
        if about.uid() != Uid::effective().as_raw() {
            notices.push(format!(
                "`{}` belongs to account {}, not to root; saving it puts that right.",
                path.display(),
                about.uid()
            ));
        }
        if about.mode() & WRITABLE_BY_OTHERS != 0 {
            let mode = about.mode() & 0o7777;
            notices.push(format!(
                "`{}` can be changed by others than root (mode {mode:04o}); saving it puts that right.",
                path.display()
            ));
        }
        Ok(Self { bytes: Some(bytes), notices })
    }

    /// The text, for what can't work with anything else.
    pub(super) fn text(&self, world: &World) -> Result<Decoded> {
        let path = world.paths.config_file();
        let Some(bytes) = &self.bytes else {
            refuse_without_hub(world)?;
            let hint = "hubctl config edit makes a new one; hubctl config history lists earlier ones".to_owned();
            return Err(Failure::new(Cause::Failed, format!("there is no `{}`", path.display()), hint).into());
        };
        decode(bytes).map_err(|problem| {
            let message = format!("`{}` can't be read: {problem}", path.display());
            Failure::new(Cause::Failed, message, problem.hint().to_owned()).into()
        })
    }

    /// The text for comparing and showing, whatever the file is.
    pub(super) fn lossy(&self) -> String {
        let bytes = self.bytes.as_deref().unwrap_or_default();
        decode(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), |decoded| decoded.text)
    }
}

fn link(path: &Path) -> Failure {
    let target = std::fs::read_link(path).map(|target| target.display().to_string()).unwrap_or_default();
    Failure::new(
        Cause::Failed,
        format!("`{}` is a symbolic link to `{}`; expected the file itself", path.display(), printable(&target)),
        format!("saving would replace the link: cp --remove-destination {} {}", printable(&target), path.display()),
    )
}
