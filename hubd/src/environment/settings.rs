//! What the configuration says about the environment, and changing that: one key, every other byte stays.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::config::history::History;
use hub_core::config::{self, Config, edit};
use hub_core::paths::Paths;
use hub_core::pyenv::Requirement;
use hub_core::sys::atomic::{self, Access};
use hub_core::sys::lock::wait_for_lock;
use jiff::Timestamp;

const KEY: &str = "environment.packages";
/// Somebody may have the configuration open in an editor.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// The configuration that is in force.
pub(super) fn read(paths: &Paths) -> Result<Config> {
    Ok(config::read(&paths.config_file())?.config)
}

/// What it asks for.
pub(super) fn asked(config: &Config) -> Result<Vec<Requirement>> {
    let packages = config.environment.packages.iter();
    packages.map(|text| text.parse().with_context(|| format!("reading `{KEY}` in the configuration"))).collect()
}

/// Makes the configuration ask for `packages` and nothing else, because `who` wants it.
pub(super) fn write(paths: &Paths, packages: &[Requirement], who: &str) -> Result<()> {
    let _lock = wait_for_lock(&paths.config_lock(), LOCK_PATIENCE).context("changing the configuration")?;
    let path = paths.config_file();
    let source = fs_err::read_to_string(&path).context("reading the configuration")?;
    let Some(text) = changed(&source, packages).with_context(|| format!("changing `{KEY}` in `{}`", path.display()))? else {
        return Ok(());
    };
    config::parse(&text, &path.display().to_string())?;
    let metadata = fs_err::metadata(&path)?;
    let access = Access::mode(metadata.mode() & 0o7777).owned_by(metadata.uid(), metadata.gid());
    atomic::replace(&path, text.as_bytes(), access)?;
    if let Err(error) = History::open(paths).note_packages(&source, &text, who, Timestamp::now()) {
        // What is asked for is in force all the same.
        tracing::warn!("the history of the configuration lacks what `{KEY}` is now: {error:#}");
    }
    Ok(())
}

/// `None`: it says so already.
fn changed(source: &str, packages: &[Requirement]) -> Result<Option<String>> {
    let key = edit::KeyPath::new(KEY.split('.'));
    let before = config::parse(source, "")?.environment.packages;
    let after: Vec<String> = packages.iter().map(ToString::to_string).collect();
    let gone: Vec<String> = before.iter().filter(|one| !after.contains(one)).cloned().collect();
    let mut text = source.to_owned();
    if !gone.is_empty() {
        text = edit::remove(&text, &key, &gone)?.unwrap_or(text);
    }
    let new: Vec<String> = after.into_iter().filter(|one| !before.contains(one)).collect();
    if !new.is_empty() {
        text = edit::add(&text, &key, &new)?.unwrap_or(text);
    }
    Ok((text != source).then_some(text))
}

#[cfg(test)]
mod tests {
    use hub_core::config::history::{How, State};

    use super::*;

    fn list(texts: &[&str]) -> Vec<Requirement> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn comments_stay_where_they_are() {
        let source = "# ours\n[environment]\npackages = [\n  \"pandas>=2\", # for the second week\n  \"cowsay\",\n]\n# end\n";
        let text = changed(source, &list(&["pandas>=2", "numpy"])).unwrap().unwrap();
        assert!(
            text.contains("\"pandas>=2\", # for the second week") && text.contains("# ours") && text.contains("# end"),
            "{text}"
        );
        assert!(text.contains("\"numpy\"") && !text.contains("cowsay"), "{text}");
        assert_eq!(asked(&config::parse(&text, "").unwrap()).unwrap(), list(&["pandas>=2", "numpy"]));
        assert_eq!(changed(&text, &list(&["numpy", "pandas>=2"])).unwrap(), None);
    }

    #[test]
    fn a_section_that_is_not_there_is_made() {
        let text = changed("[hub]\nname = \"Physics\"\n", &list(&["pandas"])).unwrap().unwrap();
        assert_eq!(asked(&config::parse(&text, "").unwrap()).unwrap(), list(&["pandas"]));
        let text = changed(&text, &[]).unwrap().unwrap();
        assert_eq!(asked(&config::parse(&text, "").unwrap()).unwrap(), []);
    }

    #[test]
    fn the_file_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.config_directory()).unwrap();
        std::fs::create_dir_all(paths.config_lock().parent().unwrap()).unwrap();
        std::fs::write(paths.config_file(), "").unwrap();
        std::fs::set_permissions(paths.config_file(), std::fs::Permissions::from_mode(0o640)).unwrap();
        write(&paths, &list(&["pandas"]), "ada").unwrap();
        let history = History::open(&paths).entries().unwrap();
        assert_eq!((history.len(), history[0].who.as_str(), history[0].how), (1, "ada", How::Env));
        assert_eq!(history[0].state, State::Pending, "nobody knows how the hub was with what was before");
        History::open(&paths).settle(1, State::Healthy, None).unwrap();
        write(&paths, &list(&["pandas"]), "ada").unwrap();
        write(&paths, &list(&["pandas", "numpy"]), "ada").unwrap();
        let history = History::open(&paths).entries().unwrap();
        assert_eq!((history.len(), history[1].state), (2, State::Healthy));
        write(&paths, &list(&["pandas"]), "ada").unwrap();
        assert_eq!(std::fs::metadata(paths.config_file()).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(read(&paths).unwrap().environment.packages, ["pandas"]);
    }
}
