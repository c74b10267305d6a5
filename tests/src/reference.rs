//! Pages of docs/reference/ that are made from the code, and a test for each that fails when it is out of date (hub-core
//! makes the one of the configuration). To write them anew:
//!
//!     HUBD_UPDATE=1 cargo test --package hub-tests reference

mod command_line;
mod jupyter_settings;
mod steps;

use fs_err as fs;

use crate::book;

/// Set to anything to write the pages instead of comparing them.
const UPDATE: &str = "HUBD_UPDATE";

fn is_up_to_date(name: &str, text: &str) {
    let path = book::directory().join("reference").join(name);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let first = text.lines().zip(found.lines()).find(|(now, then)| now != then);
    assert!(
        found == text,
        "docs/reference/{name} is out of date (first difference, code and page: {first:?})\n\
         to write it anew: {UPDATE}=1 cargo test --package hub-tests reference"
    );
}

#[test]
fn the_page_of_hubctl_is_up_to_date() {
    is_up_to_date("hubctl.md", &command_line::page(hubctl::command(), HUBCTL));
}

#[test]
fn the_page_of_hub_installer_is_up_to_date() {
    is_up_to_date("hub-installer.md", &command_line::page(installer::cli::command(), HUB_INSTALLER));
}

#[test]
fn the_page_of_jupyter_settings_is_up_to_date() {
    is_up_to_date("jupyter-settings.md", &jupyter_settings::page());
}

#[test]
fn the_page_of_installer_steps_is_up_to_date() {
    is_up_to_date("installer-steps.md", &steps::page());
}

const HUBCTL: &str = "\
Manages the hub. Operators, and accounts with sudo, run it on the machine; administrators run it in a terminal of their own \
server. Every command prints its text with `--help`.";

const HUB_INSTALLER: &str = "\
Installs, verifies and removes the hub. It is in `/opt/hubd/bin/`, which is not in the `PATH`. Every command prints its text \
with `--help`.";
