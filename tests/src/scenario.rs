//! The machine scenarios: each boots what it needs, does one story from the outside, and leaves nothing behind.
//!
//! To add one: a file here with a `SCENARIO`, and a line in [`ALL`].

mod api;
mod apply;
mod apps;
mod apt;
mod backup;
mod behind;
mod browser_driver;
mod class;
mod cloud_init;
mod conda;
mod config_edit;
mod docs;
mod doctor;
mod environment;
mod files;
mod full_disk;
mod hardening;
mod https;
mod install;
mod isolation;
mod kernels;
mod limits;
mod links;
mod lived_in;
mod locks;
mod machine_limits;
mod machine_on_v2;
mod no_internet;
mod oidc;
mod operators;
mod own_packages;
mod packages;
mod page;
mod pam;
mod people;
mod proxy;
mod r;
mod release;
mod release_upgrade;
mod resume;
mod revoke;
mod roster;
mod settings;
mod shared_browser;
mod site;
mod storm;
mod survive;
mod trial;
mod uninstall;
mod upgrade;
mod usage;
mod vm_class;
mod vm_hub;
mod vm_limits;
mod vm_small;
mod watch;
mod watch_https;

use anyhow::Result;

use crate::context::Context;

/// When a part runs without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Always.
    Default,
    /// On `./tests/run nightly`, with optimised programs: slow, because a machine is emulated or many people log in.
    Nightly,
}

/// One story told to a machine.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// As given on the command line.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// When it runs.
    pub group: Group,
    /// Whether it uses the built programs of the hub.
    pub needs_programs: bool,
    /// Tells the story; an error is a failed test.
    pub run: fn(&Context) -> Result<()>,
}

/// Of the default group, those that measure something or take the whole machine: nothing runs beside them.
pub const ALONE: &[&str] = &["upgrade"];

/// Of the default group, those that mostly wait, for a timer or an end that takes its time: they have a lane of their own, where they
/// cost the others little.
pub const WAITING: &[&str] = &["settings", "isolation", "pam", "revoke"];

/// Those that wait for what goes on by itself, or race with it: kills, ends and returns, pages that follow, many at once.
#[rustfmt::skip]
pub const RACING: &[&str] = &[
    "isolation", "revoke", "storm", "survive", "upgrade", "people", "class", "settings", "behind", "oidc", "pam", "backup", "files", "links",
    "shared-browser", "lived-in", "apps", "apt", "environment", "own-packages", "limits", "operators", "config-edit", "full-disk", "watch",
    "usage", "apply", "https", "resume",
];

/// Those that take longest, in the order they begin before all others.
#[rustfmt::skip]
pub const LONGEST: &[&str] = &[
    "vm-limits", "unit", "lint", "docs", "environment", "https", "behind", "people", "lived-in", "try", "uninstall", "install", "own-packages",
];

/// Every scenario, in the order they begin.
#[rustfmt::skip]
pub const ALL: &[Scenario] = &[
    machine_limits::SCENARIO,
    machine_on_v2::SCENARIO,
    vm_limits::SCENARIO,
    vm_limits::TRIXIE,
    vm_hub::SCENARIO,
    vm_small::SCENARIO,
    vm_class::SCENARIO,
    browser_driver::SCENARIO,
    trial::SCENARIO,
    trial::FULL,
    install::SCENARIO,
    lived_in::SCENARIO,
    lived_in::TRIXIE,
    watch::SCENARIO,
    watch_https::SCENARIO,
    cloud_init::SCENARIO,
    class::SCENARIO,
    config_edit::SCENARIO,
    files::SCENARIO,
    docs::SCENARIO,
    doctor::SCENARIO,
    shared_browser::SCENARIO,
    shared_browser::FIREFOX,
    links::SCENARIO,
    survive::SCENARIO,
    storm::SCENARIO,
    storm::FULL,
    page::SCENARIO,
    packages::SCENARIO,
    people::SCENARIO,
    usage::SCENARIO,
    api::SCENARIO,
    roster::SCENARIO,
    apps::SCENARIO,
    backup::SCENARIO,
    apps::RECIPES,
    packages::TRIXIE,
    environment::SCENARIO,
    own_packages::SCENARIO,
    kernels::SCENARIO,
    locks::SCENARIO,
    apt::SCENARIO,
    r::SCENARIO,
    no_internet::SCENARIO,
    no_internet::WHOLE,
    release::SCENARIO,
    site::SCENARIO,
    conda::SCENARIO,
    release_upgrade::SCENARIO,
    resume::SCENARIO,
    apply::SCENARIO,
    revoke::SCENARIO,
    operators::SCENARIO,
    upgrade::SCENARIO,
    upgrade::FULL,
    upgrade::BROKEN,
    upgrade::FROM,
    upgrade::AUTOMATIC,
    uninstall::SCENARIO,
    uninstall::TRIXIE,
    isolation::SCENARIO,
    limits::SCENARIO,
    full_disk::SCENARIO,
    settings::SCENARIO,
    hardening::SCENARIO,
    https::SCENARIO,
    https::ORDEAL,
    oidc::SCENARIO,
    pam::SCENARIO,
    behind::SCENARIO,
    proxy::SCENARIO,
];
