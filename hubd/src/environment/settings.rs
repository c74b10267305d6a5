//! What the configuration says about the environment, and changing that: one key, every other byte stays.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::apt::PackageName;
use hub_core::config::edit::{self, KeyPath};
use hub_core::config::history::History;
use hub_core::config::{self, Config};
use hub_core::paths::Paths;
use hub_core::pyenv::{KernelName, Requirement};
use hub_core::sys::atomic::{self, Access};
use hub_core::sys::lock::wait_for_lock;
use jiff::Timestamp;
use toml_edit::{Array, Value};

/// What the environment that `paths` is about holds.
fn key(kernel: Option<&KernelName>) -> KeyPath {
    match kernel {
        Some(name) => KeyPath::new(["environment", "kernels", name.as_str(), "packages"]),
        None => KeyPath::new(["environment", "packages"]),
    }
}

/// Somebody may have the configuration open in an editor.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// The configuration that is in force.
pub(super) fn read(paths: &Paths) -> Result<Config> {
    Ok(config::read(&paths.config_file())?.config)
}

/// What it asks for, for everybody's environment or a kernel; `None`: it does not name that kernel.
fn listed<'config>(config: &'config Config, kernel: Option<&KernelName>) -> Option<&'config Vec<String>> {
    match kernel {
        Some(name) => config.environment.kernels.get(name).map(|kernel| &kernel.packages),
        None => Some(&config.environment.packages),
    }
}

/// What it asks for, for everybody's environment or a kernel; nothing where it does not name that kernel.
pub(super) fn asked(config: &Config, kernel: Option<&KernelName>) -> Result<Vec<Requirement>> {
    let packages = listed(config, kernel).into_iter().flatten();
    packages.map(|text| text.parse().with_context(|| format!("reading `{}` in the configuration", key(kernel)))).collect()
}

/// Makes the configuration ask for `packages` and nothing else in the environment that `paths` is about, because `who` wants it.
pub(super) fn write(paths: &Paths, packages: &[Requirement], who: &str) -> Result<()> {
    edit(paths, &key(paths.kernel()), who, |source| changed(source, paths.kernel(), packages))
}

/// Makes the configuration ask for these packages of the distribution and no others, because `who` wants it.
pub(super) fn write_apt(paths: &Paths, packages: &[PackageName], who: &str) -> Result<()> {
    let key = KeyPath::new(["environment", "apt"]);
    let after: Vec<String> = packages.iter().map(ToString::to_string).collect();
    edit(paths, &key, who, |source| {
        let before: Vec<String> = config::parse(source, "")?.environment.apt.iter().map(ToString::to_string).collect();
        relisted(source, &key, &before, after)
    })
}

/// Makes the configuration not name the kernel `name`, because `who` wants it.
pub(super) fn forget(paths: &Paths, name: &KernelName, who: &str) -> Result<()> {
    let section = KeyPath::new(["environment", "kernels", name.as_str()]);
    edit(paths, &section, who, |source| Ok(edit::unset(source, &section)?))
}

/// Puts what `change` makes of the configuration in its place; `None`: nothing is to be changed.
fn edit(paths: &Paths, key: &KeyPath, who: &str, change: impl FnOnce(&str) -> Result<Option<String>>) -> Result<()> {
    let _lock = wait_for_lock(&paths.config_lock(), LOCK_PATIENCE).context("changing the configuration")?;
    let path = paths.config_file();
    let source = fs_err::read_to_string(&path).context("reading the configuration")?;
    let Some(text) = change(&source).with_context(|| format!("changing `{key}` in `{}`", path.display()))? else {
        return Ok(());
    };
    config::parse(&text, &path.display().to_string())?;
    let metadata = fs_err::metadata(&path)?;
    let access = Access::mode(metadata.mode() & 0o7777).owned_by(metadata.uid(), metadata.gid());
    atomic::replace(&path, text.as_bytes(), access)?;
    if let Err(error) = History::open(paths).note_packages(&source, &text, who, Timestamp::now()) {
        // What is asked for is in force all the same.
        tracing::warn!("the history of the configuration lacks what `{key}` is now: {error:#}");
    }
    Ok(())
}

/// `None`: it says so already.
fn changed(source: &str, kernel: Option<&KernelName>, packages: &[Requirement]) -> Result<Option<String>> {
    let (key, config) = (key(kernel), config::parse(source, "")?);
    let Some(before) = listed(&config, kernel) else {
        let packages = packages.iter().map(Requirement::as_str);
        return Ok(Some(edit::set(source, &key, &Value::from(Array::from_iter(packages)))?));
    };
    relisted(source, &key, before, packages.iter().map(ToString::to_string).collect())
}

/// The text with `after` in the list at `key` in place of `before`; `None`: it says so already.
fn relisted(source: &str, key: &KeyPath, before: &[String], after: Vec<String>) -> Result<Option<String>> {
    let gone: Vec<String> = before.iter().filter(|one| !after.contains(one)).cloned().collect();
    let mut text = source.to_owned();
    if !gone.is_empty() {
        text = edit::remove(&text, key, &gone)?.unwrap_or(text);
    }
    let new: Vec<String> = after.into_iter().filter(|one| !before.contains(one)).collect();
    if !new.is_empty() {
        text = edit::add(&text, key, &new)?.unwrap_or(text);
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
        let text = changed(source, None, &list(&["pandas>=2", "numpy"])).unwrap().unwrap();
        assert!(
            text.contains("\"pandas>=2\", # for the second week") && text.contains("# ours") && text.contains("# end"),
            "{text}"
        );
        assert!(text.contains("\"numpy\"") && !text.contains("cowsay"), "{text}");
        assert_eq!(asked(&config::parse(&text, "").unwrap(), None).unwrap(), list(&["pandas>=2", "numpy"]));
        assert_eq!(changed(&text, None, &list(&["numpy", "pandas>=2"])).unwrap(), None);
    }

    #[test]
    fn a_section_that_is_not_there_is_made() {
        let text = changed("[hub]\nname = \"Physics\"\n", None, &list(&["pandas"])).unwrap().unwrap();
        assert_eq!(asked(&config::parse(&text, "").unwrap(), None).unwrap(), list(&["pandas"]));
        let text = changed(&text, None, &[]).unwrap().unwrap();
        assert_eq!(asked(&config::parse(&text, "").unwrap(), None).unwrap(), []);
    }

    #[test]
    fn a_kernel_has_a_section_of_its_own_which_can_be_forgotten() {
        let name: KernelName = "pytorch".parse().unwrap();
        let source = "# ours\n[environment]\npackages = [\"cowsay\"]\n";
        let text = changed(source, Some(&name), &list(&["torch==2.9.*"])).unwrap().unwrap();
        assert!(text.starts_with(source) && text.contains("[environment.kernels.pytorch]"), "{text}");
        let config = config::parse(&text, "").unwrap();
        assert_eq!(asked(&config, Some(&name)).unwrap(), list(&["torch==2.9.*"]));
        assert_eq!(asked(&config, None).unwrap(), list(&["cowsay"]));
        let bare = changed(source, Some(&name), &[]).unwrap().unwrap();
        assert!(config::parse(&bare, "").unwrap().environment.kernels[&name].packages.is_empty());

        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.config_directory()).unwrap();
        std::fs::create_dir_all(paths.config_lock().parent().unwrap()).unwrap();
        std::fs::write(paths.config_file(), text).unwrap();
        forget(&paths, &name, "ada").unwrap();
        assert!(read(&paths).unwrap().environment.kernels.is_empty());
        forget(&paths, &name, "ada").unwrap();
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
