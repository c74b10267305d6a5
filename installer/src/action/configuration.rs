//! The configuration, which others change as well: not over what they wrote since the plan was made.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::config;
use hub_core::paths::Paths;
use hub_system::config_store::ConfigStore;

/// A change takes seconds; somebody who has it open in an editor is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes `text` the configuration in place of `from`; `None`: there is none yet.
pub(super) fn save(paths: &Paths, from: Option<&str>, text: &str) -> Result<()> {
    let turn = ConfigStore::new(paths).turn_of_installer(PATIENCE)?;
    let path = paths.config_file();
    let now = match fs_err::read(&path) {
        Ok(bytes) => Some(config::decode(&bytes).with_context(|| format!("reading `{}`", path.display()))?.text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    // Where it is as it is to be, only its owner is put right.
    if now.as_deref() != from && now.as_deref() != Some(text) {
        bail!(
            "`{}` was changed by somebody else meanwhile\nhint: run the same command again; it goes on from there",
            path.display()
        );
    }
    turn.save(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "[roles]\nadmins = [\"ada\"]\n";
    const NEW: &str = "[roles]\nadmins = [\"ada\", \"grace\"]\n";

    #[test]
    fn what_somebody_else_wrote_meanwhile_stays() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for directory in [paths.config_directory(), paths.config_lock().parent().unwrap().to_owned()] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let text = || std::fs::read_to_string(paths.config_file()).unwrap();
        save(&paths, None, OURS).unwrap();
        save(&paths, None, OURS).unwrap();
        save(&paths, Some(OURS), NEW).unwrap();
        assert_eq!(text(), NEW);
        std::fs::write(paths.config_file(), "# theirs\n").unwrap();
        let error = save(&paths, Some(OURS), NEW).unwrap_err().to_string();
        assert!(error.contains("was changed by somebody else meanwhile\nhint: run the same command again"), "{error}");
        assert_eq!(text(), "# theirs\n");
    }
}
