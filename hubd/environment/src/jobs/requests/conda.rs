//! What is particular about kernels of conda's packages: what may be asked of which kernel, and how one is written down.

use hub_core::control::environment::Change;
use hub_core::packages::DEFAULT_CHANNEL;
use hub_core::packages::{CondaSpec, KernelName};

use crate::pyenv::Generation;
use crate::pyenv::conda::Lock;
use anyhow::Result;

use crate::jobs::requests::{MOST_PACKAGES, Problem, Requests, refused, settings};

/// Judges a change that is about conda's packages, or that would take them from a kernel. False: it is neither.
pub(super) fn validate(requests: &Requests, change: &Change) -> Result<bool, Problem> {
    let asked = settings::asked(&settings::read(&requests.paths)?, requests.paths.kernel())?.conda;
    let specs = match (change, &asked) {
        (Change::Set { .. }, Some(_)) => {
            let hint = "apply an environment.yml, or remove the kernel first: hubctl env remove-kernel NAME";
            return Err(refused("this kernel is made of conda packages, and the file lists none", Some(hint)));
        }
        (Change::InstallConda { specs } | Change::RemoveConda { specs } | Change::UpgradeConda { specs }, _) => specs,
        (Change::SetConda { conda, .. }, _) => &conda.specs,
        _ => return Ok(false),
    };
    if requests.paths.kernel().is_none() {
        let hint = "conda packages go into a kernel of their own: hubctl env --kernel NAME install --conda PACKAGE";
        return Err(refused("everybody's environment is made from the package index", Some(hint)));
    }
    if specs.is_empty() || specs.len() > MOST_PACKAGES {
        return Err(refused(format!("{} conda packages are named, expected 1 to {MOST_PACKAGES}", specs.len()), None));
    }
    let asked = asked.map_or(Vec::new(), |conda| conda.specs);
    let is_in = |list: &[CondaSpec], spec: &CondaSpec| list.iter().any(|one| one.name() == spec.name());
    if let Change::RemoveConda { .. } = change {
        if let Some(unknown) = specs.iter().find(|spec| !is_in(&asked, spec)) {
            return Err(refused(
                format!("`{}` was not asked for from conda, so it can't be removed", unknown.name()),
                Some("what was asked for: hubctl env --kernel NAME show; --pip is for packages of the package index"),
            ));
        }
        if asked.iter().all(|one| is_in(specs, one)) {
            let hint = "hubctl env remove-kernel NAME takes the kernel away";
            return Err(refused("no conda package would be left", Some(hint)));
        }
    }
    if let Change::UpgradeConda { .. } = change {
        let there = requests.generation(None)?.conda_lock()?.unwrap_or_default();
        if let Some(unknown) = specs.iter().find(|spec| there.version(spec.name()).is_none()) {
            return Err(refused(
                format!("`{}` is not a conda package in it", unknown.name()),
                Some("hubctl env --kernel NAME show lists them; --pip is for packages of the package index"),
            ));
        }
    }
    Ok(true)
}

/// The Python of a generation, in words.
pub(super) fn stands_on(generation: &Generation) -> Result<String> {
    if let Some(python) = &generation.manifest().python {
        return Ok(python.to_string());
    }
    let lock = generation.conda_lock()?.unwrap_or_default();
    let found = [("Python", "python"), ("R", "r-base")].map(|(word, name)| Some(format!("{word} {}", lock.version(name)?)));
    Ok(format!("{} of conda", found.into_iter().flatten().next().unwrap_or_else(|| "packages".to_owned())))
}

/// The generation as an `environment.yml` that makes the same again.
pub(super) fn file(kernel: Option<&KernelName>, generation: &Generation, lock: &Lock) -> Result<String> {
    // A text in JSON is one in YAML, too.
    let line = |indent: &str, text: &str| Ok::<_, anyhow::Error>(format!("{indent}- {}\n", serde_json::to_string(text)?));
    let mut text = format!("name: {}\nchannels:\n", kernel.map_or("everybody", KernelName::as_str));
    let channels = generation.manifest().conda.as_ref().map_or(&[][..], |conda| &conda.channels);
    for channel in channels {
        text.push_str(&line("  ", channel.as_str())?);
    }
    if channels.is_empty() {
        text.push_str(&line("  ", DEFAULT_CHANNEL)?);
    }
    text.push_str("dependencies:\n");
    for package in lock.pinned() {
        text.push_str(&line("  ", &package)?);
    }
    let of_conda = lock.installed();
    let others: Vec<_> = generation.installed()?.into_iter().filter(|one| !of_conda.contains(one)).collect();
    if !others.is_empty() {
        text.push_str("  - pip:\n");
    }
    for package in others {
        text.push_str(&line("    ", &format!("{}=={}", package.name, package.version))?);
    }
    Ok(text)
}
