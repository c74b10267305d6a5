//! From the programs of an earlier commit, which `tests/upgrade-from` names, to today's; and back by what that commit installed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use hub_system::command::Command;
use tempfile::TempDir;

use super::broken::{NO_LAUNCHER, killed};
use super::{DONE, ROLLED_BACK, is_installed, upgrade};
use crate::context::{Context, repository};
use crate::hub::Hub;
use crate::release::{self, ReleaseServer};
use crate::scenario::{Group, Scenario};

pub(in crate::scenario) const SCENARIO: Scenario = Scenario {
    name: "upgrade-from",
    about: "a hub of an earlier commit is upgraded to this one; a broken release and a kill lead back by what it installed",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

const COMMIT: &str = include_str!("../../../upgrade-from");
const GIT: &str = "/usr/bin/git";
const GIT_DEADLINE: Duration = Duration::from_secs(120);
const BUILD_DEADLINE: Duration = Duration::from_secs(60 * 60);
const LOOK: &str = "find /opt/hubd/bin /etc/hubd/config.toml /etc/systemd/system/hubd* -type f -exec sha256sum '{}' + | sort";
const SERVER: &str = "systemctl show --property=MainPID hubd-user-bob.service";

fn run(context: &Context) -> Result<()> {
    let former = built(context)?;
    let port = context.free_port()?;
    let machine = context.machine(hub_machine::Release::Bookworm)?;
    let url = format!("http://127.0.0.1:{port}");
    let arguments = format!("--admin {} --listen 127.0.0.1:{port} --packages none", crate::hub::ADMIN);
    let hub = Hub::install_from(context, machine, &ReleaseServer::of(former.path())?, &arguments, url)?;
    hub.add_students(&["bob".to_owned(), "cleo".to_owned()])?;
    hub.hubctl(&["server", "start", "bob"])?;
    let (files, server) = (hub.sh(LOOK)?, hub.sh(SERVER)?);

    let broken = release::later(context, "0.2.0", Some(("hubd-launcher", NO_LAUNCHER)))?;
    let output = upgrade(&hub, broken.path(), "0.2.0")?;
    ensure!(output.code == ROLLED_BACK, "a broken release: {} {}\n{}", output.code, output.text(), output.complaint());
    ensure!(hub.sh(LOOK)? == files, "a broken release left files: {}", hub.sh(LOOK)?);
    ensure!(hub.sh(SERVER)? == server, "bob's server was restarted");
    context.step("a release whose launcher answers nobody went back by the former installer")?;
    killed(&hub, context)?;
    ensure!(hub.sh(LOOK)? == files, "a killed upgrade left files: {}", hub.sh(LOOK)?);
    context.step("an upgrade that was killed between its programs and its units went back")?;

    let next = release::later(context, "0.2.0", None)?;
    let upgraded = upgrade(&hub, next.path(), "0.2.0")?;
    ensure!(upgraded.code == DONE, "the upgrade: {} {}\n{}", upgraded.code, upgraded.text(), upgraded.complaint());
    is_installed(&hub, "0.2.0")?;
    ensure!(hub.sh(SERVER)? == server, "bob's server was restarted");
    hub.hubctl(&["server", "start", "cleo"])?;
    hub.hubctl(&["server", "restart", "bob"])?;
    let failed = hub.sh("systemctl --failed --no-legend --plain")?;
    ensure!(failed.is_empty(), "failed units: {failed}");
    // Whoever still says it as the former units did meets the program that has the role now.
    let said = hub.sh("/opt/hubd/bin/hubd certificates --version")?;
    ensure!(said.starts_with("hubd-certificates "), "a former role: {said}");
    context.step("upgraded; bob's server ran on, and servers start and stop")
}

/// A release of the former programs, which are built once and kept beside today's.
fn built(context: &Context) -> Result<TempDir> {
    let commit = COMMIT.trim();
    let kept = repository().join("target/upgrade-from").join(commit);
    let sources = kept.join("sources");
    if !kept.join("built").exists() {
        drop(fs::create_dir_all(&kept));
        let git = |arguments: &[&str]| {
            Command::new(GIT, GIT_DEADLINE)
                .args(["-C", &repository().display().to_string()])
                .args(arguments.iter().copied())
                .run()
        };
        git(&["worktree", "prune"])?;
        if !sources.exists() {
            let place = sources.display().to_string();
            git(&["worktree", "add", "--detach", "--force", &place, commit])
                .with_context(|| format!("taking out commit {commit}\nhint: it must be in this clone's history"))?;
        }
        build(&sources, &kept)?;
        fs::write(kept.join("built"), "")?;
    }
    let release = TempDir::with_prefix("hubd-release-")?;
    let command = release::release_command(&sources, release.path(), BUILD_DEADLINE)?;
    let programs = programs_of(&kept);
    command.env("HUBD_PROGRAMS", programs.display().to_string()).env("GZIP", "-1").run().context("packaging")?;
    context.step(&format!("the hub of commit {commit} is built"))?;
    Ok(release)
}

fn programs_of(kept: &Path) -> PathBuf {
    kept.join("target/debug")
}

fn build(sources: &Path, kept: &Path) -> Result<()> {
    let cargo = std::env::var("CARGO").context("reading the variable `CARGO`\nhint: use tests/run")?;
    Command::new(cargo, BUILD_DEADLINE)
        .args(["build", "--workspace", "--exclude", "hub-tests", "--bins", "--config", "profile.dev.debug=false"])
        .arg(format!("--manifest-path={}", sources.join("Cargo.toml").display()))
        .arg(format!("--target-dir={}", kept.join("target").display()))
        .env("HUBD_RELEASE_KEY", release::test_key())
        .run()
        .map(drop)
        .context("building the former programs")
}
