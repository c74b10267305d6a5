//! What the configuration says that this machine and the people on it do not bear out, asked of both.

use std::collections::BTreeSet;

use hub_core::accounts::{Username, lookup};
use hub_core::config::{self, Config, Finding, HomesInReach, Reality};
use hub_core::control::UserInfo;
use hub_core::paths::Paths;
use hub_core::sys::figures::Figures;
use hub_system::accounts::homes;

/// Everything in `config` that is not as it says; `people` are who is enrolled, where the hub says it.
pub fn findings(paths: &Paths, config: &Config, people: Option<&[UserInfo]>) -> Vec<Finding> {
    let Figures { memory, swap, cores } = Figures::probe(paths);
    let people: Option<BTreeSet<Username>> = people.map(|people| people.iter().map(|person| person.name.clone()).collect());
    // A directory service that is down makes no account wrong.
    let exists = |found: anyhow::Result<bool>| {
        found.unwrap_or_else(|error| {
            tracing::debug!("{error:#}");
            true
        })
    };
    let has_account = |name: &str| exists(lookup::account_by_name(name).map(|found| found.is_some()));
    let has_group = |name: &str| exists(lookup::group_by_name(name).map(|found| found.is_some()));
    // Only root may know whose accounts there are.
    let there = homes::of_people(paths).unwrap_or_else(|error| {
        tracing::debug!("{error:#}");
        Vec::new()
    });
    let homes = HomesInReach::probe(config, there);
    let reality =
        Reality { memory, swap, cores, people: people.as_ref(), homes: &homes, has_account: &has_account, has_group: &has_group };
    config::findings(config, &reality)
}
