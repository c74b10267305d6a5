//! A release on its way in: copied or downloaded to where only root can reach it, verified there, unpacked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use fs_err as fs;
use hub_core::paths::Paths;
use hub_core::upgrade::{Source, Version};
use hub_system::command::Command;
use hub_system::tree;

use super::download::Server;
use super::index::{Index, choose};
use super::{Refusal, trust};
use crate::files;

const UNPACK_DEADLINE: Duration = Duration::from_secs(120);
const SUMS: &str = "SHA256SUMS";
const SIGNATURE: &str = "SHA256SUMS.minisig";
const INDEX: &str = "versions.json";
/// No release is nearly as large.
const LARGEST: u64 = 1 << 30;

/// A release that is genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Staged {
    pub(super) version: Version,
    /// The directory with its programs.
    pub(super) programs: PathBuf,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) version: Version,
    /// The version that was tried last and did not work here.
    pub(super) taken_back: Option<Version>,
}

/// Gets a release and verifies it; `None`: it is the one that is installed. What was staged before goes.
pub(super) fn fetch(paths: &Paths, source: &Source, installed: &Installed, say: &dyn Fn(&str)) -> Result<Option<Staged>> {
    let stage = paths.upgrade_stage();
    clear(&stage)?;
    files::ensure_private_directory(&stage)?;
    let key = trust::release_key().map_err(distrusted)?;
    let genuine_sums = || -> Result<String> {
        let sums = fs::read_to_string(stage.join(SUMS))?;
        trust::check_signature(&key, sums.as_bytes(), &fs::read_to_string(stage.join(SIGNATURE))?).map_err(distrusted)?;
        Ok(sums)
    };
    let (version, directory, name, sums) = match source {
        Source::File(tarball) => {
            let name = tarball.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let (version, directory) = parse_name(&name)?;
            let beside = tarball.parent().unwrap_or(Path::new("/"));
            for (from, to) in [(tarball.clone(), name.as_str()), (beside.join(SUMS), SUMS), (beside.join(SIGNATURE), SIGNATURE)] {
                copy(&from, &stage.join(to))?;
            }
            clear(&paths.upgrade_incoming())?;
            (version, directory, name, genuine_sums()?)
        }
        Source::Newest | Source::Untried | Source::Version(_) => {
            let server = Server::find(paths)?;
            for name in [SUMS, SIGNATURE, INDEX] {
                fs::write(stage.join(name), server.small(name)?)?;
            }
            let sums = genuine_sums()?;
            let index = fs::read(stage.join(INDEX))?;
            trust::check_sum(&sums, INDEX, &index).map_err(distrusted)?;
            let mut index = Index::parse(&index)?;
            index.keep(|version| trust::names(&sums, &name_of(version)));
            let Installed { version: from, taken_back } = installed;
            let version = choose(&index, source, server.channel, from, taken_back.as_ref())?;
            if version == *from {
                return Ok(None);
            }
            let (directory, name) = (directory_of(&version), name_of(&version));
            server.large(&name, &paths.upgrade_downloads().join(&name), say)?;
            fs::rename(paths.upgrade_downloads().join(&name), stage.join(&name))?;
            (version, directory, name, sums)
        }
    };
    trust::check_sum(&sums, &name, &fs::read(stage.join(&name))?).map_err(distrusted)?;
    let (archive, stage_text) = (stage.join(&name).display().to_string(), stage.display().to_string());
    let tar = Command::new(paths.tar(), UNPACK_DEADLINE).args(["-xzf", &archive, "-C", &stage_text, "--no-same-owner"]);
    tar.run().context("unpacking the release")?;
    open(paths, &version, &directory).map(Some)
}

/// The release that was verified before, if it is `version`.
pub(super) fn staged(paths: &Paths, version: &Version) -> Result<Staged> {
    open(paths, version, &directory_of(version))
}

fn open(paths: &Paths, version: &Version, directory: &str) -> Result<Staged> {
    let programs = paths.upgrade_stage().join(directory).join("bin");
    if !programs.join("hub-installer").is_file() {
        return Err(anyhow!("the release has no `{directory}/bin/hub-installer`"));
    }
    Ok(Staged { version: version.clone(), programs })
}

/// Removes what is staged.
pub(super) fn clear(stage: &Path) -> Result<()> {
    tree::remove(stage).map(drop)
}

fn distrusted(distrust: trust::Distrust) -> anyhow::Error {
    Refusal { reason: distrust.to_string(), hint: distrust.hint().to_owned() }.into()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let refuse = |reason: String| {
        let hint = format!("a release is a tarball with `{SUMS}` and `{SIGNATURE}` beside it, all three from one place");
        anyhow::Error::from(Refusal { reason, hint })
    };
    let size = fs::metadata(from).map_err(|error| refuse(error.to_string()))?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(refuse(format!("`{}` is not a file of a release", from.display())));
    }
    fs::copy(from, to).map(drop).map_err(|error| refuse(error.to_string()))
}

fn directory_of(version: &Version) -> String {
    format!("hubd-{version}-{}", std::env::consts::ARCH)
}

fn name_of(version: &Version) -> String {
    format!("{}.tar.gz", directory_of(version))
}

/// `hubd-0.2.0-x86_64.tar.gz`: the version, and the directory in it.
fn parse_name(name: &str) -> Result<(Version, String)> {
    let refuse = |reason: String, hint: &str| anyhow::Error::from(Refusal { reason, hint: hint.to_owned() });
    let parts = name.strip_prefix("hubd-").and_then(|rest| rest.strip_suffix(".tar.gz")).and_then(|rest| rest.rsplit_once('-'));
    let Some((version, architecture)) = parts else {
        return Err(refuse(format!("`{name}` is not named like a release"), "as in hubd-0.2.0-x86_64.tar.gz"));
    };
    if architecture != std::env::consts::ARCH {
        let reason = format!("`{name}` is for {architecture}, and this machine is {}", std::env::consts::ARCH);
        return Err(refuse(reason, "take the tarball of the same version for this machine"));
    }
    let version: Version = version.parse().map_err(|problem| refuse(problem, "as in hubd-0.2.0-x86_64.tar.gz"))?;
    let directory = directory_of(&version);
    Ok((version, directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_release_says_which_it_is() {
        let arch = std::env::consts::ARCH;
        let (version, directory) = parse_name(&format!("hubd-0.2.0-rc.1-{arch}.tar.gz")).unwrap();
        assert_eq!((version.to_string().as_str(), directory), ("0.2.0-rc.1", format!("hubd-0.2.0-rc.1-{arch}")));
        for (name, reason) in [
            ("hubd.tar.gz", "not named like"),
            ("hubd-0.2.0-riscv64.tar.gz", "for riscv64"),
            ("", "not named like"),
            (&format!("hubd-x-{arch}.tar.gz"), "not a version"),
        ] {
            let error = format!("{:#}", parse_name(name).unwrap_err());
            assert!(error.contains(reason), "{name}: {error}");
        }
    }

    #[test]
    fn what_is_missing_beside_a_tarball_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = copy(&directory.path().join(SUMS), &directory.path().join("x")).unwrap_err();
        assert!(error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.reason.contains(SUMS)), "{error:#}");
    }
}
