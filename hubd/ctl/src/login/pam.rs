//! What is wrong with the login by the machine's PAM: its service file, the modules in it, and how it answers.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hub_core::accounts::lookup;
use hub_core::config::Pam;
use hub_core::outside::{Looked, Verdict};
use hub_core::pam::{Password, Reply, Request, Verdict as Said};
use hub_core::wire;

use super::super::World;

/// A little more than the other end takes at most.
const PATIENCE: Duration = Duration::from_secs(25);
/// From here on people think that the hub hangs.
const SLOW: Duration = Duration::from_secs(8);
/// Nobody's.
const NOBODY: &str = "hubd-login-check";
/// Where modules are, below the root; `*` stands for the processor's name.
const MODULES: [&str; 4] = ["lib", "usr/lib", "lib64", "usr/lib64"];
/// Files that are included, at most: one may include itself.
const MOST_FILES: usize = 32;

/// What was looked at, the first things first.
pub(super) fn check(world: &World, pam: &Pam) -> Result<Vec<Looked>> {
    let mut looked = vec![service_file(world)?];
    if looked[0].verdict != Verdict::Bad {
        looked.push(modules(world)?);
    }
    looked.extend(groups(pam)?);
    looked.push(answer(world)?);
    Ok(looked)
}

fn service_file(world: &World) -> Result<Looked> {
    let path = world.paths.pam_service();
    let place = path.display();
    let found = match fs_err::symlink_metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let hint = "sudo hub-installer install puts it back";
            return Ok(bad(format!("there is no `{place}`, which says what PAM does for the hub"), Some(hint)));
        }
        Err(error) => return Err(error.into()),
    };
    let is_roots = found.is_file() && found.uid() == 0 && found.mode() & 0o022 == 0;
    Ok(match is_roots {
        true => good(format!("`{place}` is there")),
        false => bad(
            format!("`{place}` is not a file of root's that only root can change (mode {:o})", found.mode() & 0o7777),
            Some("sudo chown root: /etc/pam.d/hubd && sudo chmod 644 /etc/pam.d/hubd"),
        ),
    })
}

/// Whether everything that the service file names is there.
fn modules(world: &World) -> Result<Looked> {
    let directory = world.paths.pam_service().parent().map(Path::to_owned).unwrap_or_default();
    let places = module_places(world)?;
    let (mut files, mut seen, mut named) = (vec!["hubd".to_owned()], BTreeSet::new(), BTreeSet::new());
    while let Some(file) = files.pop() {
        if !seen.insert(file.clone()) || seen.len() > MOST_FILES {
            continue;
        }
        let path = directory.join(&file);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(bad(
                    format!("`{}` is included and not there", path.display()),
                    Some("correct the name in /etc/pam.d"),
                ));
            }
            Err(error) => return Err(error.into()),
        };
        for line in lines(&text) {
            match line {
                Line::Include(other) => files.push(other),
                Line::Module(module) => drop(named.insert(module)),
            }
        }
    }
    let is_there = |module: &String| match module.starts_with('/') {
        true => world.paths.below(module.trim_start_matches('/')).is_file(),
        false => places.iter().any(|place| place.join(module).is_file()),
    };
    let missing: Vec<&str> = named.iter().filter(|module| !is_there(module)).map(String::as_str).collect();
    Ok(match missing[..] {
        [] => good(format!("its modules are there: {}", named.iter().map(String::as_str).collect::<Vec<_>>().join(", "))),
        _ => bad(
            format!("these modules are not on this machine: {}", missing.join(", ")),
            Some("install the package that has them (as libpam-ldapd, libpam-sss), or take the lines out of /etc/pam.d"),
        ),
    })
}

fn module_places(world: &World) -> Result<Vec<PathBuf>> {
    let mut places = Vec::new();
    for base in MODULES.map(|base| world.paths.below(base)) {
        let Ok(inside) = fs_err::read_dir(&base) else { continue };
        places.push(base.join("security"));
        for entry in inside {
            places.push(entry?.path().join("security"));
        }
    }
    Ok(places)
}

/// What a line of a service file names, of those that count for a login.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Include(String),
    Module(String),
}

fn lines(text: &str) -> Vec<Line> {
    let text = text.replace("\\\n", " ");
    text.lines().filter_map(|line| line_of(line.split('#').next().unwrap_or_default())).collect()
}

fn line_of(line: &str) -> Option<Line> {
    let (kind, rest) = line.trim().split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    if kind == "@include" {
        return Some(Line::Include(rest.split_whitespace().next()?.to_owned()));
    }
    // With a `-` before it, a module that is not there is left out.
    if !["auth", "account"].contains(&kind) {
        return None;
    }
    let (control, rest) = match rest.strip_prefix('[') {
        Some(rest) => ("[", rest.split_once(']')?.1),
        None => rest.split_once(char::is_whitespace)?,
    };
    let named = rest.split_whitespace().next()?.to_owned();
    Some(if ["include", "substack"].contains(&control) { Line::Include(named) } else { Line::Module(named) })
}

fn groups(pam: &Pam) -> Result<Vec<Looked>> {
    let mut looked = Vec::new();
    for group in pam.allow_groups.iter().flatten() {
        if lookup::group_by_name(group)?.is_none() {
            let hint = "getent group shows which there are; is the directory asked for groups (/etc/nsswitch.conf)?";
            looked.push(bad(format!("the machine has no group `{group}`, which `allow_groups` lets in"), Some(hint)));
        }
    }
    Ok(looked)
}

/// Asks PAM about nobody.
fn answer(world: &World) -> Result<Looked> {
    let socket = world.paths.pam_socket();
    let request = Request { name: NOBODY.to_owned(), password: Password::new(NOBODY), source: None };
    let begun = Instant::now();
    let reply: Reply = wire::ask(&socket, &request, PATIENCE)
        .with_context(|| format!("asking at `{}`; systemctl status hubd-pam.socket", socket.display()))?;
    let (took, why) = (begun.elapsed(), reply.detail.unwrap_or_default());
    let seconds = took.as_secs_f64();
    Ok(match reply.verdict {
        Said::Wrong if took < SLOW => good(format!("a name that nobody has is refused, after {seconds:.1} s")),
        Said::Wrong => unsure(
            format!("a name that nobody has is refused, and only after {seconds:.0} s"),
            Some("which module is slow? Its own log says it, or journalctl -t hubd-pam"),
        ),
        Said::Unavailable => bad(format!("PAM can't tell who somebody is: {why}"), Some("journalctl -t hubd-pam")),
        Said::NotAllowed => bad(format!("the hub may not ask: {why}"), None),
        Said::Allowed(_) | Said::Expired | Said::Locked | Said::TooMany { .. } => {
            bad("PAM takes a name that nobody has for somebody".to_owned(), Some("look into /etc/pam.d/hubd"))
        }
    })
}

fn good(text: String) -> Looked {
    Looked { verdict: Verdict::Good, text, hint: None }
}

fn unsure(text: String, hint: Option<&str>) -> Looked {
    Looked { verdict: Verdict::Unsure, text, hint: hint.map(str::to_owned) }
}

fn bad(text: String, hint: Option<&str>) -> Looked {
    Looked { verdict: Verdict::Bad, text, hint: hint.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_file_is_read_as_pam_reads_it() {
        let text = "# auth required pam_no.so\n@include common-auth\nauth include other\n-auth optional pam_maybe.so\n\
                    auth\t[success=1 default=ignore]\tpam_unix.so nullok\naccount required \\\n  /opt/own.so x # y\n\
                    session required pam_deny.so\npassword required pam_deny.so\n";
        let (include, module) = (|name: &str| Line::Include(name.to_owned()), |name: &str| Line::Module(name.to_owned()));
        let expected = [include("common-auth"), include("other"), module("pam_unix.so"), module("/opt/own.so")];
        assert_eq!(lines(text), expected);
    }
}
