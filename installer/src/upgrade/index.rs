//! `versions.json`: which releases there are. It is among the files whose checksums are signed. Pure.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use hub_core::config::Channel;
use hub_core::upgrade::{Source, Version, Way, way};
use serde::Deserialize;

use super::refusal;

const FORMAT: u32 = 1;

/// What is in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Index {
    format: u32,
    /// The newest of each.
    channels: BTreeMap<String, Version>,
    /// All that can be had.
    versions: Vec<Version>,
}

impl Index {
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let index: Self = serde_json::from_slice(text).context("reading `versions.json`")?;
        if index.format != FORMAT {
            bail!("`versions.json` has format {}, this program knows {FORMAT}", index.format);
        }
        Ok(index)
    }

    /// Forgets the versions that are not for this machine.
    pub(super) fn keep(&mut self, is_here: impl Fn(&Version) -> bool) {
        self.versions.retain(is_here);
    }
}

/// The version that is meant. `taken_back`: one that did not work here.
pub(super) fn choose(
    index: &Index,
    source: &Source,
    channel: Channel,
    installed: &Version,
    taken_back: Option<&Version>,
) -> Result<Version> {
    if let Source::Version(wanted) = source {
        let found = index.versions.iter().filter(|version| version.is_of(wanted)).max();
        return found.cloned().ok_or_else(|| {
            let there: Vec<String> = index.versions.iter().map(ToString::to_string).collect();
            refusal(format!("there is no version {wanted}"), format!("there are {}", there.join(", ")))
        });
    }
    let Some(newest) = index.channels.get(channel.name()) else {
        let hint = "upgrade.channel in the configuration names it; a version can be named, too: hubctl upgrade 0.3";
        return Err(refusal(format!("there is nothing in channel {}", channel.name()), hint));
    };
    // As far as one gets in one step.
    let in_reach = |version: &&Version| *version <= newest && way(installed, version) == Way::Open;
    if *source == Source::Untried {
        let untried = index.versions.iter().filter(in_reach).filter(|version| taken_back.is_none_or(|back| *version > back));
        return Ok(untried.max().unwrap_or(installed).clone());
    }
    Ok(index.versions.iter().filter(in_reach).max().unwrap_or(newest).clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::Refusal;

    const INDEX: &str = r#"{"format": 1, "channels": {"stable": "0.4.0", "testing": "0.5.0-rc.1"},
        "versions": ["0.1.0", "0.2.0", "0.2.1", "0.3.0-rc.1", "0.3.0", "0.4.0", "0.5.0-rc.1"]}"#;

    #[test]
    fn the_newest_within_one_step_or_what_is_named() {
        let index = Index::parse(INDEX.as_bytes()).unwrap();
        for (installed, wanted, channel, chosen) in [
            ("0.1.0", None, Channel::Stable, "0.2.1"),
            ("0.2.1", None, Channel::Stable, "0.3.0"),
            ("0.4.0", None, Channel::Stable, "0.4.0"),
            ("0.4.0", None, Channel::Testing, "0.5.0-rc.1"),
            ("0.5.0-rc.1", None, Channel::Stable, "0.4.0"),
            ("0.1.0", Some("0.3"), Channel::Stable, "0.3.0"),
            ("0.1.0", Some("0.2.0"), Channel::Stable, "0.2.0"),
        ] {
            let source = wanted.map_or(Source::Newest, |wanted: &str| Source::Version(wanted.to_owned()));
            let found = choose(&index, &source, channel, &installed.parse().unwrap(), None).unwrap();
            assert_eq!(found.to_string(), chosen, "{installed}, {wanted:?}, {channel:?}");
        }
        let wanted = Source::Version("0.9".into());
        let error = choose(&index, &wanted, Channel::Stable, &"0.1.0".parse().unwrap(), None).unwrap_err();
        assert!(error.downcast_ref::<Refusal>().unwrap().hint.contains("0.2.1"), "{error:#}");
    }

    #[test]
    fn what_was_taken_back_is_not_tried_again() {
        let index = Index::parse(INDEX.as_bytes()).unwrap();
        for (installed, taken_back, chosen) in [
            ("0.1.0", None, "0.2.1"),
            ("0.1.0", Some("0.2.0"), "0.2.1"),
            ("0.1.0", Some("0.2.1"), "0.1.0"),
            ("0.4.0", None, "0.4.0"),
        ] {
            let taken_back: Option<Version> = taken_back.map(|version: &str| version.parse().unwrap());
            let found = choose(&index, &Source::Untried, Channel::Stable, &installed.parse().unwrap(), taken_back.as_ref());
            assert_eq!(found.unwrap().to_string(), chosen, "{installed}, {taken_back:?}");
        }
    }

    #[test]
    fn what_was_not_built_for_this_machine_is_not_chosen() {
        let mut index = Index::parse(INDEX.as_bytes()).unwrap();
        index.keep(|version| version.is_of("0.1"));
        let found = choose(&index, &Source::Untried, Channel::Stable, &"0.1.0".parse().unwrap(), None).unwrap();
        assert_eq!(found.to_string(), "0.1.0");
    }

    #[test]
    fn another_format_is_refused() {
        assert!(Index::parse(br#"{"format": 2, "channels": {}, "versions": []}"#).is_err());
        assert!(Index::parse(b"<html>").is_err());
    }
}
