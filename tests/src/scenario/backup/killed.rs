//! A restore that is killed while it fetches: nothing has changed, and the same line again does it.

use anyhow::{Result, ensure};

use super::{DISK, said};
use crate::context::Context;
use crate::hub::Hub;
use crate::wait;

/// A restic that never ends where it fetches homes, and one that does.
const HOLD_FETCH: &str = r#"mv /usr/bin/restic /usr/bin/restic.real
printf '#!/bin/sh\ncase "$*" in *--include=/home*) exec sleep 1000;; esac\nexec /usr/bin/restic.real "$@"\n' >/usr/bin/restic; chmod 755 /usr/bin/restic"#;

/// In a unit, as from a terminal that goes away.
fn begin(hub: &Hub, terminal: &str, more: &str) -> Result<()> {
    let restore = format!("hubctl backup restore --repository {DISK} --password-file /root/password --yes {more}");
    hub.sh(&format!("systemd-run --quiet --unit={terminal} --property=KillMode=process {restore}")).map(drop)
}

/// Ends hubctl and nothing that it started.
fn kill(hub: &Hub, terminal: &str) -> Result<()> {
    hub.sh(&format!("systemctl kill --signal=KILL --kill-who=main {terminal}"))?;
    wait::for_end(hub, terminal)
}

pub(super) fn in_the_fetch(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh(HOLD_FETCH)?;
    begin(hub, "terminal-1", "--keep-config")?;
    let fetches = "grep -qx sleep /proc/$(systemctl show --property=MainPID --value hubd-backup-work)/comm";
    wait::for_shell(hub, "a fetch of homes", fetches)?;
    kill(hub, "terminal-1")?;
    hub.sh("mv /usr/bin/restic.real /usr/bin/restic; systemctl is-active hubd-backup-work")?;
    let people = hub.sh("hubctl user list; ls /home/hubd")?;
    ensure!(!people.contains("bob"), "nothing has changed: {people}");
    let (code, text) = said(hub, &["backup", "status"])?;
    ensure!(text.contains("was interrupted; to continue: sudo hubctl backup restore"), "status: {code} {text}");
    context.step("killed while it fetched; the hub goes on, and says so")
}
