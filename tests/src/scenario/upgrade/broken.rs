//! Releases that are broken on purpose, and upgrades that are cut short: the old version comes back, with everything.

use anyhow::{Context as _, Result, bail, ensure};

use super::{ROLLED_BACK, UPGRADE_DEADLINE, is_installed, name, upgrade};
use crate::context::Context;
use crate::hub::Hub;
use crate::release;
use crate::scenario::{Group, Scenario};

pub(in crate::scenario) const SCENARIO: Scenario = Scenario {
    name: "upgrade-broken",
    about: "releases that do not start, spoil the data, can't reach the launcher, bring accounts; a kill, a power cut: all go back",
    group: Group::Nightly,
    needs_programs: true,
    run: broken,
};

/// The daemon of a release that never starts.
pub(super) const DOES_NOT_START: &str = "#!/bin/sh\necho 'broken on purpose' >&2\nexit 1\n";
/// Its launcher says that it is there, and answers nobody.
pub(super) const NO_LAUNCHER: &str = "#!/bin/sh
[ $# = 0 ] || exec /usr/local/lib/hubd-launcher-real \"$@\"
exec /usr/bin/python3 -c 'import os, socket, time
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(os.environ[\"NOTIFY_SOCKET\"].replace(\"@\", \"\\0\", 1))
while True: notify.send(b\"READY=1\\nWATCHDOG=1\"); time.sleep(5)'
";
/// It changes the database beyond what the old version could read, loses people, and gives up.
const SPOILS_THE_DATA: &str = "#!/bin/sh
[ \"$1\" = serve ] || exec /usr/local/lib/hubd-real \"$@\"
/usr/bin/python3 -c 'import sqlite3
database = sqlite3.connect(\"/var/lib/hubd/hubd.db\")
database.execute(\"DELETE FROM people\"); database.execute(\"PRAGMA user_version = 99\"); database.commit()'
echo 'the migration failed on purpose' >&2
exit 1
";

/// It makes an account, says so in the receipt as an install does, and gives up.
const BRINGS_AN_ACCOUNT: &str = r#"#!/bin/sh
here=$(dirname "$0")
if [ "$1" != install ]; then
    # Beside the other programs, which it looks for.
    cp /usr/local/lib/hub-installer-real "$here/hub-installer-real"
    exec "$here/hub-installer-real" "$@"
fi
useradd --system --user-group hubd-new
/usr/bin/python3 -c 'import json
path = "/var/lib/hubd-installer/receipt.json"
receipt = json.load(open(path))
for kind in "group", "user":
    receipt["steps"].append({"id": kind + ":hubd-new", "title": "x", "state": "done", "outcome": "created",
                             "undo": {"undo": "delete_" + kind, "name": "hubd-new"}})
json.dump(receipt, open(path, "w"))'
echo 'error: no more of it on purpose' >&2
exit 1
"#;

fn broken(context: &Context) -> Result<()> {
    let mut hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned()])?;
    hub.hubctl(&["server", "start", "bob"])?;
    hub.sh("cp /opt/hubd/bin/hubd /usr/local/lib/hubd-real; cp /opt/hubd/bin/hubd-launcher /usr/local/lib/hubd-launcher-real; cp /opt/hubd/bin/hub-installer /usr/local/lib/hub-installer-real
            echo '# a word of the admin' >>/etc/hubd/config.toml")?;
    let processes = "systemctl show --property=MainPID hubd-user-bob.service";
    let state = "find /opt/hubd/bin /etc/hubd/config.toml /etc/systemd/system/hubd* /var/lib/hubd-installer/receipt.json -type f -exec sha256sum '{}' +";
    let (server, files) = (hub.sh(processes)?, hub.sh(state)?);
    let people = hub.hubctl(&["user", "list"])?;
    let is_as_before = |what: &str| -> Result<()> {
        ensure!(hub.sh(state)? == files, "{what}: files were left behind");
        ensure!(hub.sh(processes)? == server, "{what}: bob's server was restarted");
        ensure!(hub.hubctl(&["user", "list"])? == people, "{what}: people: {}", hub.hubctl(&["user", "list"])?);
        is_installed(&hub, env!("CARGO_PKG_VERSION"))
    };
    for (what, program, script, reason) in [
        ("does not start", "hubd", DOES_NOT_START, "broken on purpose"),
        ("can't reach the launcher", "hubd-launcher", NO_LAUNCHER, "launcher"),
        ("spoils the data", "hubd", SPOILS_THE_DATA, "the migration failed on purpose"),
        ("brings an account", "hub-installer", BRINGS_AN_ACCOUNT, "no more of it on purpose"),
    ] {
        let release = release::later(context, "0.2.0", Some((program, script)))?;
        let output = upgrade(&hub, release.path(), "0.2.0")?;
        ensure!(output.code == ROLLED_BACK, "{what}: {} {}\n{}", output.code, output.text(), output.complaint());
        ensure!(output.complaint().contains(reason), "{what}: {}", output.complaint());
        is_as_before(what)?;
        context.step(&format!("a release that {what} went back by itself:\n{}", output.complaint()))?;
    }
    ensure!(hub.sh("getent passwd hubd-new || getent group hubd-new || true")?.is_empty(), "an account was left behind");
    killed(&hub, context)?;
    is_as_before("killed")?;
    context.step("an upgrade that was killed in the middle went back by itself")?;

    power_cut(&mut hub, context)?;
    ensure!(hub.sh(state)? == files, "a power cut: files were left behind");
    ensure!(hub.hubctl(&["user", "list"])? == people, "a power cut: people: {}", hub.hubctl(&["user", "list"])?);
    is_installed(&hub, env!("CARGO_PKG_VERSION"))
}

/// The machine goes dark when the first new program is in place. What boots is the new version, which spoils the data before
/// the way back begins.
fn power_cut(hub: &mut Hub, context: &Context) -> Result<()> {
    let release = release::later(context, "0.2.0", Some(("hubd", SPOILS_THE_DATA)))?;
    hub.sh("rm -rf /root/release")?;
    hub.copy_tree_in(release.path(), "/root/release")?;
    hub.sh(&format!(
        "old=$(stat --format=%i /opt/hubd/bin/hubd)
         setsid hubctl upgrade --yes /root/release/{} >/dev/null 2>&1 &
         for i in $(seq 3000); do [ \"$(stat --format=%i /opt/hubd/bin/hubd)\" = $old ] || break; sleep 0.02; done
         systemctl kill --signal=STOP hubd-upgrade.service; sync",
        name("0.2.0")
    ))?;
    hub.power_cut()?;
    hub.power_on()?;
    let over = "for i in $(seq 1500); do hubctl upgrade --status >/root/over.txt 2>&1 || [ $? != 6 ] || exit 0; sleep 0.1; done
                cat /root/over.txt >&2; journalctl -u hubd-upgrade -u hubd --no-pager -n 40 >&2; exit 1";
    hub.command(["/bin/sh", "-euc", over])
        .timeout(UPGRADE_DEADLINE)
        .run()
        .context("waiting for the way back after a power cut")?;
    context.step("an upgrade whose machine lost its power went back at the next boot")
}

/// Everything of the upgrade is killed as soon as the first new program is in place.
pub(super) fn killed(hub: &Hub, context: &Context) -> Result<()> {
    let release = release::later(context, "0.2.0", None)?;
    hub.sh("rm -rf /root/release")?;
    hub.copy_tree_in(release.path(), "/root/release")?;
    let script = format!(
        "old=$(stat --format=%i /opt/hubd/bin/hubd)
         hubctl upgrade --yes /root/release/{} >/root/killed.txt 2>&1 & follower=$!
         for i in $(seq 3000); do [ \"$(stat --format=%i /opt/hubd/bin/hubd)\" = $old ] || break; sleep 0.02; done
         systemctl kill --signal=KILL hubd-upgrade.service
         code=0; wait $follower || code=$?; cat /root/killed.txt; exit $code",
        name("0.2.0")
    );
    let output = hub.command(["/bin/sh", "-euc", &script]).timeout(UPGRADE_DEADLINE).output().context("killing an upgrade")?;
    if output.code != ROLLED_BACK || !output.text().contains("interrupted") {
        bail!("killed: {} {}\n{}", output.code, output.text(), output.complaint());
    }
    Ok(())
}
