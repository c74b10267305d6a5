//! Releases from a web server, through the admin's proxy. What comes is believed by nobody before it was verified.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use hub_core::config::{Channel, without_secret};
use hub_core::paths::Paths;
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::RANGE;

use super::refusal;
use crate::facts::{self, ConfigFact};
use crate::fetch::client;
use crate::files;
use crate::network::Network;

/// For a whole tarball over a slow line.
const DEADLINE: Duration = Duration::from_secs(60 * 60);
/// Checksums, signature, index.
const LARGEST_SMALL: u64 = 1 << 20;
/// No release is nearly as large.
const LARGEST: u64 = 1 << 30;
/// How often a line may break.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Where releases are, and which are wanted.
pub(super) struct Server {
    client: Client,
    base: String,
    pub(super) channel: Channel,
}

impl Server {
    /// What the configuration names.
    pub(super) fn find(paths: &Paths) -> Result<Self> {
        let ConfigFact::Valid(_, config) = facts::read_config(paths) else { bail!("the configuration can't be read") };
        let Some(base) = config.upgrade.source else {
            let hint = "sudo hubctl config set upgrade.source https://...; or copy a release here: sudo hubctl upgrade FILE";
            return Err(refusal("the configuration does not say where to get releases (upgrade.source)", hint));
        };
        let network = Network::recall(paths, std::iter::empty())?;
        Ok(Self { client: client(&network)?, base, channel: config.upgrade.channel })
    }

    /// A file of a few lines.
    pub(super) fn small(&self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let answer = self.ask(name, 0)?;
        answer.take(LARGEST_SMALL).read_to_end(&mut bytes).with_context(|| self.about(name))?;
        Ok(bytes)
    }

    /// A tarball. A line that breaks is taken up where it broke, also by a later upgrade.
    pub(super) fn large(&self, name: &str, to: &Path, say: &dyn Fn(&str)) -> Result<()> {
        let directory = to.parent().context("a download needs a directory")?;
        files::ensure_private_directory(directory)?;
        let part = to.with_extension("part");
        say(&format!("Downloading {name}."));
        for attempt in 1.. {
            match self.take_up(name, &part) {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS || error.downcast_ref::<super::Refusal>().is_some() => return Err(error),
                Err(error) => say(&format!("The line broke ({error:#}); going on from there.")),
            }
            thread::sleep(PAUSE);
        }
        Ok(fs_err::rename(part, to)?)
    }

    fn take_up(&self, name: &str, part: &Path) -> Result<()> {
        let there = part.symlink_metadata().map_or(0, |found| found.len());
        let mut answer = match self.ask(name, there) {
            Err(error) if is_complete(&error) => return Ok(()),
            answer => answer?,
        };
        let goes_on = answer.status() == StatusCode::PARTIAL_CONTENT;
        let expected = answer.content_length().map(|length| length + if goes_on { there } else { 0 });
        if expected.is_some_and(|length| length > LARGEST) {
            return Err(refusal(format!("{} is too large for a release", self.about(name)), "look at upgrade.source"));
        }
        let mut file = File::options().create(true).append(goes_on).write(true).truncate(!goes_on).open(part)?;
        std::io::copy(&mut answer, &mut file).with_context(|| self.about(name))?;
        file.flush()?;
        file.sync_all()?;
        let length = file.metadata()?.len();
        if expected.is_some_and(|expected| expected != length) {
            bail!("{}: {length} bytes came of {}", self.about(name), expected.unwrap_or_default());
        }
        Ok(())
    }

    fn ask(&self, name: &str, from: u64) -> Result<Response> {
        let mut request = self.client.get(format!("{}/{name}", self.base)).timeout(DEADLINE);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        // The error of the library has the address, which may hold a password.
        let answer = request.send().map_err(|error| anyhow!(error.without_url()).context(self.about(name)))?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(Complete.into()),
            status => Err(refusal(format!("{}: the server answered {status}", self.about(name)), "look at upgrade.source")),
        }
    }

    fn about(&self, name: &str) -> String {
        format!("downloading {}/{name}", without_secret(&self.base))
    }
}

/// There is nothing after what is there already.
#[derive(Debug, thiserror::Error)]
#[error("the server has no more of it")]
struct Complete;

fn is_complete(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Complete>().is_some()
}

#[cfg(test)]
mod tests;
