//! Moving something of a person's out of the way, inside the home: it gets another name in the directory that it is in.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{RenameFlags, renameat2};
use nix::sys::stat::fstat;

use super::{Home, open_directory, status};

/// Nobody moves something aside more often than this without looking.
const MOST_ASIDE: u32 = 1000;

impl Home<'_> {
    /// Gives `what`, a path below the home, the name of the same with `.aside-N` behind it, and returns that; `None`: it is
    /// not there. Nothing is followed and nothing replaced, and only directories of the owner's are gone through: the owner
    /// could do the same, so whatever is swapped meanwhile gains nothing.
    ///
    /// # Errors
    /// When a link or somebody else's directory is on the way, or the home is not the owner's.
    pub fn move_aside(&self, what: &Path) -> Result<Option<PathBuf>> {
        let place = || format!("moving `{}` aside", self.path.join(what).display());
        let Some(mut directory) = self.open_own()? else { return Ok(None) };
        let (Some(parent), Some(leaf)) = (what.parent(), what.file_name().and_then(|leaf| leaf.to_str())) else {
            bail!("`{}` names nothing below a home", what.display());
        };
        for component in parent.components() {
            let Component::Normal(name) = component else { bail!("`{}` is no path below a home", what.display()) };
            let name = name.to_str().with_context(place)?;
            if status(&directory, name).with_context(place)?.is_none() {
                return Ok(None);
            }
            directory = open_directory(&directory, name)
                .with_context(place)
                .context("it is no directory of the owner's\nhint: if there is a link on the way, its owner can remove it")?;
            let owner = fstat(&directory).with_context(place)?.st_uid;
            if owner != self.uid {
                bail!("`{name}` on the way to `{}` belongs to uid {owner}, expected {}", what.display(), self.uid);
            }
        }
        if status(&directory, leaf).with_context(place)?.is_none() {
            return Ok(None);
        }
        for number in 1..=MOST_ASIDE {
            let name = format!("{leaf}.aside-{number}");
            match renameat2(&directory, leaf, &directory, name.as_str(), RenameFlags::RENAME_NOREPLACE) {
                Ok(()) => return Ok(Some(self.path.join(parent).join(name))),
                Err(Errno::EEXIST) => {}
                Err(error) => return Err(error).with_context(place),
            }
        }
        bail!("there are {MOST_ASIDE} of `{}` already\nhint: delete some", self.path.join(what).display())
    }
}
