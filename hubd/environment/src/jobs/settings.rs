//! What the configuration says about the environment, and changing that: one key, every other byte stays.

use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::config::edit::{self, KeyPath};
use hub_core::config::history::History;
use hub_core::config::{self, Config};
use hub_core::packages::PackageName;
use hub_core::packages::{Asked, Conda, CondaSpec, KernelName, Requirement};
use hub_core::paths::Paths;
use hub_system::config_store::ConfigStore;
use jiff::Timestamp;
use toml_edit::{Array, Value};

/// The packages of the index in everybody's environment, or in a kernel.
fn key(kernel: Option<&KernelName>) -> KeyPath {
    match kernel {
        Some(name) => of_kernel(name, "packages"),
        None => KeyPath::new(["environment", "packages"]),
    }
}

fn of_kernel(name: &KernelName, key: &str) -> KeyPath {
    KeyPath::new(["environment", "kernels", name.as_str(), key])
}

/// Somebody may have the configuration open in an editor.
const PATIENCE: Duration = Duration::from_secs(20);

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
pub(super) fn asked(config: &Config, kernel: Option<&KernelName>) -> Result<Asked> {
    let packages = listed(config, kernel).into_iter().flatten();
    let packages = packages.map(|text| text.parse().with_context(|| format!("reading `{}` in the configuration", key(kernel))));
    let kernel = kernel.and_then(|name| config.environment.kernels.get(name)).filter(|kernel| !kernel.conda.is_empty());
    let conda = kernel.map(|kernel| Conda { specs: kernel.conda.clone(), channels: kernel.channels.clone() });
    Ok(Asked { packages: packages.collect::<Result<_>>()?, conda })
}

/// Makes the configuration ask for `asked` and nothing else in the environment that `paths` is about, because `who` wants it.
pub(super) fn write(paths: &Paths, asked: &Asked, who: &str) -> Result<()> {
    edit(paths, &key(paths.kernel()), who, |source| changed(source, paths.kernel(), asked))
}

/// Makes the configuration ask for these packages of the distribution and no others, because `who` wants it.
pub(super) fn write_apt(paths: &Paths, packages: &[PackageName], who: &str) -> Result<()> {
    let key = KeyPath::new(["environment", "apt"]);
    edit(paths, &key, who, |source| {
        let before: Vec<String> = config::parse(source, "")?.environment.apt.iter().map(ToString::to_string).collect();
        let text = relist(source, &key, &before, packages.iter().map(PackageName::as_str))?;
        Ok((text != source).then_some(text))
    })
}

/// Makes the configuration not name the kernel `name`, because `who` wants it.
pub(super) fn forget(paths: &Paths, name: &KernelName, who: &str) -> Result<()> {
    let section = KeyPath::new(["environment", "kernels", name.as_str()]);
    edit(paths, &section, who, |source| Ok(edit::unset(source, &section)?))
}

/// Puts what `change` makes of the configuration in its place; `None`: nothing is to be changed.
fn edit(paths: &Paths, key: &KeyPath, who: &str, change: impl FnOnce(&str) -> Result<Option<String>>) -> Result<()> {
    let turn = ConfigStore::new(paths).wait_for_turn(PATIENCE).with_context(|| format!("changing `{key}`"))?;
    let path = paths.config_file();
    let bytes = fs_err::read(&path).context("reading the configuration")?;
    let source = config::decode(&bytes).with_context(|| format!("reading the configuration `{}`", path.display()))?.text;
    let Some(text) = change(&source).with_context(|| format!("changing `{key}` in `{}`", path.display()))? else {
        return Ok(());
    };
    turn.save(&text)?;
    if let Err(error) = History::open(paths).note_packages(&source, &text, who, Timestamp::now()) {
        // What is asked for is in force all the same.
        tracing::warn!("the history of the configuration lacks what `{key}` is now: {error:#}");
    }
    Ok(())
}

/// `None`: it says so already.
fn changed(source: &str, kernel: Option<&KernelName>, asked: &Asked) -> Result<Option<String>> {
    let config = config::parse(source, "")?;
    let before = kernel.and_then(|name| config.environment.kernels.get(name));
    let mut text = match listed(&config, kernel) {
        Some(before) => relist(source, &key(kernel), before, asked.packages.iter().map(Requirement::as_str))?,
        None => {
            let packages = Array::from_iter(asked.packages.iter().map(Requirement::as_str));
            edit::set(source, &key(kernel), &Value::from(packages))?
        }
    };
    if let Some(name) = kernel {
        let specs: Vec<String> = before.map_or(Vec::new(), |kernel| kernel.conda.iter().map(ToString::to_string).collect());
        let channels: Vec<String> = before.map_or(Vec::new(), |kernel| kernel.channels.iter().map(ToString::to_string).collect());
        match &asked.conda {
            Some(conda) => {
                let wanted = conda.channels.iter().map(|channel| channel.as_str());
                text = relist(&text, &of_kernel(name, "conda"), &specs, conda.specs.iter().map(CondaSpec::as_str))?;
                text = rewrite(&text, &of_kernel(name, "channels"), &channels, &wanted.collect::<Vec<_>>())?;
            }
            None => {
                for key in ["conda", "channels"] {
                    text = edit::unset(&text, &of_kernel(name, key))?.unwrap_or(text);
                }
            }
        }
    }
    Ok((text != source).then_some(text))
}

/// The list at `key` with `after` in place of `before`; what is in both stays where it is.
fn relist<'a>(source: &str, key: &KeyPath, before: &[String], after: impl Iterator<Item = &'a str>) -> Result<String> {
    let after: Vec<String> = after.map(str::to_owned).collect();
    let gone: Vec<String> = before.iter().filter(|one| !after.contains(one)).cloned().collect();
    let mut text = source.to_owned();
    if !gone.is_empty() {
        text = edit::remove(&text, key, &gone)?.unwrap_or(text);
    }
    let new: Vec<String> = after.into_iter().filter(|one| !before.contains(one)).collect();
    if !new.is_empty() {
        text = edit::add(&text, key, &new)?.unwrap_or(text);
    }
    Ok(text)
}

/// The same where the order counts.
fn rewrite(source: &str, key: &KeyPath, before: &[String], after: &[&str]) -> Result<String> {
    match after {
        _ if before == after => Ok(source.to_owned()),
        [] => Ok(edit::unset(source, key)?.unwrap_or_else(|| source.to_owned())),
        _ => Ok(edit::set(source, key, &Value::from(Array::from_iter(after.iter().copied())))?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use hub_core::config::history::{How, State};

    use super::*;

    fn list(texts: &[&str]) -> Asked {
        Asked { packages: texts.iter().map(|text| text.parse().unwrap()).collect(), conda: None }
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
        let text = changed(&text, None, &list(&[])).unwrap().unwrap();
        assert_eq!(asked(&config::parse(&text, "").unwrap(), None).unwrap(), list(&[]));
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
        let bare = changed(source, Some(&name), &list(&[])).unwrap().unwrap();
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
    fn a_conda_kernel_has_three_lists_and_may_become_an_ordinary_one() {
        let name: KernelName = "science".parse().unwrap();
        let asked = |specs: &[&str], channels: &[&str], packages: &[&str]| Asked {
            conda: Some(Conda {
                specs: specs.iter().map(|text| text.parse().unwrap()).collect(),
                channels: channels.iter().map(|text| text.parse().unwrap()).collect(),
            }),
            ..list(packages)
        };
        let read = |text: &str| super::asked(&config::parse(text, "").unwrap(), Some(&name)).unwrap();
        let first = asked(&["python=3.12", "ipykernel"], &["b", "a"], &["cowsay"]);
        let text = changed("# ours\n", Some(&name), &first).unwrap().unwrap();
        assert_eq!(read(&text), first, "{text}");
        assert_eq!(changed(&text, Some(&name), &first).unwrap(), None);
        let text = text.replace("\"ipykernel\"", "\"ipykernel\" # for notebooks\n");
        let second = asked(&["python=3.12", "ipykernel", "numpy"], &["a", "b"], &[]);
        let text = changed(&text, Some(&name), &second).unwrap().unwrap();
        assert!(read(&text) == second && text.contains("# for notebooks"), "{text}");
        let text = changed(&text, Some(&name), &asked(&["r-base"], &[], &[])).unwrap().unwrap();
        assert!(!text.contains("channels"), "{text}");
        let text = changed(&text, Some(&name), &list(&["torch"])).unwrap().unwrap();
        assert!(read(&text) == list(&["torch"]) && !text.contains("conda"), "{text}");
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
