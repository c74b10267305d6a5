//! Downloads for a bundle, by hash: nothing of them is run, and root takes out what the locks have hashes of.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use hub_core::sys::atomic::{self, Access};
use hub_system::digest;

use super::files::{plain_file, readable};
use super::run::run;
use super::{BuildEvent, BuildRequest, ProgressSink, Workshop};
use crate::pyenv::conda::{self as provider, Lock};
use crate::pyenv::workplace::{FETCHED, NETWORK_FILE};
use crate::pyenv::{Python, lock, network, unit};

impl Workshop {
    /// Downloads the wheels that the lock of `request` has for this machine into `target`; returns how many. They are for the
    /// Python of the version `python` where that is not the distribution's.
    ///
    /// # Errors
    /// When a package has no wheel, the index can't be reached or the disk is full.
    pub fn download(
        &self,
        request: &BuildRequest<'_>,
        python: Option<&str>,
        target: &Path,
        progress: ProgressSink<'_>,
    ) -> Result<usize> {
        self.tidied(request, || {
            let new = self.prepare(request, Some(&Python::probe(request.python)?))?;
            let input = self.unfinished(request.generation, "input");
            let mut variables = request.network.for_pip();
            if let Some(file) = request.network.visible_certificates(&input)? {
                variables.insert("PIP_CERT".to_owned(), file.display().to_string());
            }
            let variables = network::environment_file(&variables);
            atomic::replace(&input.join(NETWORK_FILE), variables.as_bytes(), Access::mode(0o600))?;
            let environment = self.paths.environment_at_work(request.generation);
            let places = self.places(request, &input, &environment);
            let (all, mut begun) = (lock::parse(request.lock)?.len(), 0);
            run(&unit::download(&places, python)?, &places, &new, &mut |said| {
                if matches!(said, BuildEvent::Detail(line) if line.starts_with("Collecting ")) {
                    begun += 1;
                    progress(BuildEvent::Detail(&format!("{begun} of {all}")));
                }
            })?;
            let taken = take_wheels(&new.join(FETCHED), target, &lock::hashes(request.lock))?;
            self.clear()?;
            Ok(taken)
        })
    }

    /// Downloads the archives of conda packages that `locked` names into the channel in the directory `target`.
    ///
    /// # Errors
    /// When a channel can't be reached, has something else by now, or the disk is full.
    pub fn download_conda(
        &self,
        request: &BuildRequest<'_>,
        locked: &Lock,
        target: &Path,
        progress: ProgressSink<'_>,
    ) -> Result<()> {
        self.tidied(request, || {
            let tool = self.tool(request, progress)?;
            let new = self.prepare(request, None)?;
            let input = self.unfinished(request.generation, "input");
            readable(&input.join(provider::RECORDS_FILE), &locked.to_text()?)?;
            readable(&input.join(provider::SCRIPT_FILE), provider::SCRIPT)?;
            let environment = self.paths.environment_at_work(request.generation);
            let places = self.places(request, &input, &environment);
            run(&provider::downloading(&places, request.python, &tool), &places, &new, progress)?;
            for archive in locked.archives() {
                fs_err::create_dir_all(target.join(archive.subdir))?;
                let copy = target.join(archive.subdir).join(archive.file_name);
                take(&new.join(FETCHED).join(archive.sha256), &copy, &BTreeSet::from([archive.sha256]))?;
            }
            self.clear()
        })
    }
}

/// Copies wheels that a step without rights downloaded, as far as the lock has their hashes.
fn take_wheels(fetched: &Path, target: &Path, hashes: &BTreeSet<&str>) -> Result<usize> {
    let mut taken = 0;
    for entry in fs_err::read_dir(fetched)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!".contains(c);
        if !name.ends_with(".whl") || !name.chars().all(is_plain) {
            bail!("the download left `{name}`, expected wheels");
        }
        take(&entry.path(), &target.join(&name), hashes)?;
        taken += 1;
    }
    Ok(taken)
}

/// Copies one of them to `copy`.
fn take(fetched: &Path, copy: &Path, hashes: &BTreeSet<&str>) -> Result<()> {
    let mut file = plain_file(fetched)?;
    std::io::copy(&mut file, &mut fs_err::File::create(copy)?)?;
    // What was copied is what counts: the other one may still change.
    if !hashes.contains(digest::of_file(copy)?.as_str()) {
        let name = copy.file_name().unwrap_or_default().to_string_lossy();
        bail!(
            "`{name}` does not match its hash in the lock\nhint: the index or channel has another file of that name by now; \
             hubctl env upgrade takes what is there (for a kernel: hubctl env --kernel NAME upgrade), then make the bundle again"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_lock_has_a_hash_of_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let (fetched, target) = (root.path().join("fetched"), root.path().join("target"));
        std::fs::create_dir_all(&fetched).unwrap();
        std::fs::create_dir_all(&target).unwrap();
        let wheel = "a-1.0-py3-none-any.whl";
        std::fs::write(fetched.join(wheel), "content").unwrap();
        let sum = digest::of_file(&fetched.join(wheel)).unwrap();
        assert_eq!(take_wheels(&fetched, &target, &BTreeSet::from([sum.as_str()])).unwrap(), 1);
        assert_eq!(std::fs::read_to_string(target.join(wheel)).unwrap(), "content");
        std::fs::write(fetched.join(wheel), "something else").unwrap();
        let error = take_wheels(&fetched, &target, &BTreeSet::from([sum.as_str()])).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{wheel}` does not match its hash in the lock")), "{error}");
        std::fs::remove_file(fetched.join(wheel)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", fetched.join(wheel)).unwrap();
        assert!(take_wheels(&fetched, &target, &BTreeSet::from([sum.as_str()])).is_err(), "a link");
    }
}
