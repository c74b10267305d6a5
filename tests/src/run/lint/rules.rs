//! The rules of the source tree that no compiler knows: who may use what, and how large a file gets.

const LARGEST_FILE: usize = 700;

/// Text that only some files may have.
struct Boundary {
    text: &'static [&'static str],
    /// Where the rule holds, as beginnings of paths.
    within: &'static [&'static str],
    /// Where the text is at home, as beginnings of paths.
    home: &'static [&'static str],
    reason: &'static str,
}

const PRODUCT: &[&str] = &["hubd/", "installer/"];
/// Files without input and output, clock and environment.
const PURE: &[&str] = &[
    "hubd/core/src/accounts/name.rs",
    "hubd/core/src/config/check.rs",
    "hubd/core/src/config/effects.rs",
    "hubd/launcher/src/spec.rs",
    "hubd/serve/src/proxy/headers.rs",
    "installer/src/plan.rs",
];

const BOUNDARIES: &[Boundary] = &[
    Boundary {
        text: &["zbus::"],
        within: &["hubd/", "installer/", "tests/src/"],
        home: &["hubd/system/src/systemd", "tests/src/run/lint/"],
        reason: "only hub-system's `systemd` speaks D-Bus",
    },
    Boundary {
        text: &["process::Command", "process::{Child"],
        within: PRODUCT,
        home: &["hubd/system/src/command", "hubd/app/src/main.rs", "hubd/serve/src/daemon/moved.rs"],
        reason: "programs are started by hub_system::command",
    },
    Boundary {
        text: &["bin/systemd-run"],
        within: PRODUCT,
        home: &["hubd/system/src/transient.rs"],
        reason: "units for one program are started by hub_system::transient",
    },
    Boundary {
        text: &["sbin/useradd", "sbin/usermod", "sbin/userdel"],
        within: PRODUCT,
        home: &["hubd/system/src/accounts/shadow.rs", "hubd/core/src/paths.rs"],
        reason: "accounts are made in accounts/shadow.rs",
    },
    Boundary {
        text: &["remove_dir_all"],
        within: PRODUCT,
        home: &[],
        reason: "trees are removed by hub_system::tree, without a descriptor per level",
    },
    Boundary {
        text: &["crate::proxy"],
        within: &["hubd/serve/src/web"],
        home: &[],
        reason: "web and proxy meet in front and daemon only",
    },
    Boundary {
        text: &["crate::web"],
        within: &["hubd/serve/src/proxy"],
        home: &[],
        reason: "web and proxy meet in front and daemon only",
    },
    Boundary {
        text: &["\"/etc/hubd", "\"/var/lib/hubd/", "\"/run/hubd/", "\"/opt/hubd"],
        within: PRODUCT,
        // The table of keys has examples of what people may write, and homes can't be where the system or the hub is.
        home: &["hubd/core/src/paths.rs", "hubd/core/src/config/keys/table", "hubd/core/src/accounts/homes.rs"],
        reason: "absolute paths of the hub are in hub_core::paths",
    },
    Boundary {
        text: &["std::fs", "fs_err", "std::env", "::now()", "TcpStream", "UnixStream", "UdpSocket"],
        within: PURE,
        home: &[],
        reason: "this file takes values and returns values",
    },
];

/// What is wrong with a source file, one line each.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let lines = text.lines().count();
    if lines > LARGEST_FILE {
        broken.push(format!("{name}: {lines} lines, at most {LARGEST_FILE} wanted"));
    }
    if name.ends_with("/mod.rs") {
        broken.push(format!("{name}: a module is called after its directory, not mod.rs"));
    }
    // Files of tests may use what they test with.
    if name.ends_with("/tests.rs") || name.contains("/tests/") {
        return broken;
    }
    if name.contains("src/") && !text.starts_with("//!") {
        broken.push(format!("{name}: starts without saying what it owns (`//!`)"));
    }
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
    for boundary in BOUNDARIES.iter().filter(|boundary| starts(boundary.within) && !starts(boundary.home)) {
        for (number, line) in product.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for text in boundary.text.iter().filter(|text| line.contains(**text)) {
                broken.push(format!("{name}:{}: `{text}`, but {}", number + 1, boundary.reason));
            }
        }
    }
    broken
}

/// Whether the first line names a shell.
pub(super) fn is_shell_script(content: &[u8]) -> bool {
    let first = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    first.starts_with(b"#!") && first.ends_with(b"sh")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_line_and_reason_of_a_crossed_boundary() {
        let broken = check("hubd/serve/src/web/login.rs", "//! Login.\nuse crate::proxy::forward;\n");
        assert_eq!(broken, ["hubd/serve/src/web/login.rs:2: `crate::proxy`, but web and proxy meet in front and daemon only"]);
    }

    #[test]
    fn lets_text_be_where_it_is_at_home_in_comments_and_in_tests() {
        assert_eq!(check("hubd/system/src/systemd/proxy.rs", "//! D-Bus.\nuse zbus::proxy;\n"), Vec::<String>::new());
        let text = "//! Pure.\n// std::fs is not for us\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert_eq!(check("installer/src/plan.rs", text), Vec::<String>::new());
        assert_eq!(check("hubd/launcher/src/spec/tests.rs", "use std::fs;\n"), Vec::<String>::new());
    }

    #[test]
    fn wants_small_documented_modules() {
        let long = "//! Long.\n".to_owned() + &"\n".repeat(LARGEST_FILE);
        assert_eq!(check("hubd/serve/src/long.rs", &long).len(), 1);
        assert_eq!(check("hubd/serve/src/silent.rs", "fn silent() {}\n").len(), 1);
        assert_eq!(check("hubd/serve/src/web/mod.rs", "//! Web.\n").len(), 1);
    }

    #[test]
    fn knows_shell_scripts_by_their_first_line() {
        assert!(is_shell_script(b"#!/bin/sh\nset -eu\n"));
        assert!(!is_shell_script(b"#!/usr/bin/python3\n"));
        assert!(!is_shell_script(b"sh\n"));
    }
}
