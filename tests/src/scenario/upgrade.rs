//! From one release to the next while people work, and back when the next one is broken. The next one is made of the same
//! programs with other bytes at their ends.

mod automatic;
mod broken;
mod former;
mod load;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use fs_err as fs;
use hub_machine::Output;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, Hub};
use crate::{kernel, release, wait};
pub(super) use automatic::SCENARIO as AUTOMATIC;
pub(super) use broken::SCENARIO as BROKEN;
pub(super) use former::SCENARIO as FROM;
use load::{Load, Session};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upgrade",
    about: "a forged release is refused; a signed one goes in under 100 requests a second: none fails, kernels and WebSockets live",
    group: Group::Default,
    needs_programs: true,
    run: |context| run(context, 3, 2),
};

pub(super) const FULL: Scenario = Scenario {
    name: "upgrade-full",
    about: "the same with 20 open kernels",
    group: Group::Nightly,
    needs_programs: true,
    run: |context| run(context, 5, 4),
};

const UPGRADE_DEADLINE: Duration = Duration::from_secs(400);
const DONE: i32 = 0;
const ROLLED_BACK: i32 = 6;
const REFUSED: i32 = 7;
/// On an idle machine a second, of which a browser does not even say anything; what it was is in the log.
const LONGEST_GAP: Duration = Duration::from_secs(30);
/// Everything an upgrade may change.
const LOOK: &str = "find /opt/hubd/bin /etc/hubd/config.toml /etc/systemd/system/hubd* /var/lib/hubd-installer/receipt.json -type f -exec sha256sum '{}' +
    systemctl show --property=MainPID hubd.service hubd-launcher.service";

fn run(context: &Context, people: usize, kernels: usize) -> Result<()> {
    let hub = Hub::install(context)?;
    let names: Vec<String> = (1..=people).map(|number| format!("student-{number:02}")).collect();
    hub.add_students(&names)?;
    let next = release::later(context, "0.2.0", None)?;
    forged(context, &hub, next.path())?;

    let sessions = names.iter().map(|name| Session::open(hub.url(), name)).collect::<Result<Vec<_>>>()?;
    let mut opened = Vec::new();
    for session in &sessions {
        for _ in 0..kernels {
            opened.push((session, session.start_kernel()?));
        }
    }
    let processes = "pgrep --full --list-full ipykernel_launche[r] | sort";
    // One that begins may be two processes for a moment.
    wait::until("each kernel to be one process", || Ok(hub.sh(processes)?.lines().count() == people * kernels))?;
    let before = hub.sh(processes)?;
    let main = "systemctl show --property=MainPID hubd.service";
    let daemon = hub.sh(main)?;

    let load = Load::start(&sessions, &opened)?;
    let upgraded = upgrade(&hub, next.path(), "0.2.0")?;
    ensure!(upgraded.code == DONE, "the upgrade: {} {}\n{}", upgraded.code, upgraded.text(), upgraded.complaint());
    let seen = load.stop()?;
    let rate = seen.requests_each_second();
    context.step(&format!("upgraded under {rate:.0} requests a second:\n{}\n{seen:?}", upgraded.complaint()))?;

    ensure!(hub.sh(main)? != daemon, "hubd was not restarted, so nothing was shown");
    ensure!(seen.failures.is_empty(), "{} of {} requests failed: {:#?}", seen.failures.len(), seen.requests, seen.failures);
    ensure!(seen.requests > 200, "only {} requests were made", seen.requests);
    ensure!(seen.reconnects >= opened.len(), "{} WebSockets reconnected of {}", seen.reconnects, opened.len());
    ensure!(seen.longest_gap < LONGEST_GAP, "a WebSocket was away for {} ms", seen.longest_gap.as_millis());
    ensure!(hub.sh(processes)? == before, "kernels before: {before}\nafter: {}", hub.sh(processes)?);
    is_installed(&hub, "0.2.0")?;
    ensure!(!hub.sh("ls /etc/systemd/system/hubd.service.d || true")?.contains("upgrade"), "a drop-in was left behind");
    let again = upgrade(&hub, next.path(), "0.2.0")?;
    ensure!(again.code == DONE && again.text().contains("Nothing to change"), "again: {}", again.text());
    let far = release::later(context, "0.4.0", None)?;
    let far = upgrade(&hub, far.path(), "0.4.0")?;
    ensure!(far.code == REFUSED && far.complaint().contains("upgrade to 0.3 first"), "too far: {}", far.complaint());
    context.step("the same again changes nothing; two versions at once are refused")?;
    inside(context, &hub)
}

/// What an administrator types in a terminal of the hub, which then goes away.
const TYPED: &str = r#"
import subprocess, time
def hubctl(*words):
    done = subprocess.run(["hubctl", "upgrade", *words], capture_output=True, text=True)
    return f"[{done.returncode}] {done.stdout} {done.stderr}"
print("file", hubctl("--yes", "/etc/hostname"))
print("check", hubctl("--check"))
terminal = subprocess.Popen(["hubctl", "upgrade", "--yes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
seen = 0
for line in terminal.stdout:
    seen += "is genuine" in line
    if seen == 2:
        break
terminal.kill()
for attempt in range(600):
    told = hubctl("--status")
    if "[0]" in told and "0.3.0" in told:
        break
    time.sleep(0.2)
print("status", told)
"#;

fn inside(context: &Context, hub: &Hub) -> Result<()> {
    let next = release::later(context, "0.3.0", None)?;
    let source = release::serve(next.path().to_owned())?;
    hub.sh(&format!("hubctl config set upgrade.source {source}"))?;
    hub.hubctl(&["server", "start", ADMIN])?;
    let ran = kernel::run(hub, ADMIN, TYPED)?;
    context.step(&format!("inside the hub: {}", ran.printed))?;
    ensure!(ran.error.is_none() && ran.printed.contains("file [7]"), "a file from inside: {ran:?}");
    ensure!(ran.printed.contains("check [0] The upgrade from 0.2.0 to 0.3.0 changes:"), "--check: {ran:?}");
    ensure!(ran.printed.contains("status [0] The hub runs hubd 0.3.0"), "--status: {ran:?}");
    is_installed(hub, "0.3.0")?;
    let record: serde_json::Value = hub.hubctl(&["upgrade", "--status"])?;
    ensure!(record["who"] == ADMIN, "recorded: {record}");
    context.step("upgraded from a terminal inside the hub that went away, with a release from the web")
}

/// Each is refused, and nothing is touched.
fn forged(context: &Context, hub: &Hub, genuine: &Path) -> Result<()> {
    let tarball = name("0.2.0");
    let before = hub.sh(LOOK)?;
    let other = "untrusted comment: signature from another key\n\
                 RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
                 trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
                 wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";
    type Forge<'a> = &'a dyn Fn(&Path) -> Result<()>;
    let cases: [(&str, Forge<'_>, &str); 5] = [
        ("tarball", &|release| append(&release.join(&tarball), "x"), "is not what `SHA256SUMS` says it is"),
        ("checksums", &|release| append(&release.join("SHA256SUMS"), "#\n"), "`SHA256SUMS` is not what was signed"),
        (
            "signature",
            &|release| {
                let path = release.join("SHA256SUMS.minisig");
                let text = fs::read_to_string(&path)?.replace("trusted comment: hubd", "trusted comment: not hubd");
                Ok(fs::write(path, text)?)
            },
            "`SHA256SUMS` is not what was signed",
        ),
        ("key", &|release| Ok(fs::write(release.join("SHA256SUMS.minisig"), other)?), "signed with another key"),
        ("no signature", &|release| Ok(fs::remove_file(release.join("SHA256SUMS.minisig"))?), "SHA256SUMS.minisig"),
    ];
    hub.copy_in(&genuine.join("bootstrap.sh"), "/root/bootstrap.sh", 0o755)?;
    for (what, forge, expected) in cases {
        let copy = tempfile::tempdir()?;
        for file in [tarball.as_str(), "SHA256SUMS", "SHA256SUMS.minisig"] {
            fs::copy(genuine.join(file), copy.path().join(file))?;
        }
        forge(copy.path())?;
        let output = upgrade(hub, copy.path(), "0.2.0")?;
        ensure!(
            output.code == REFUSED && output.complaint().contains(expected),
            "{what}: {} {}",
            output.code,
            output.complaint()
        );
        ensure!(hub.sh(LOOK)? == before, "{what}: something was touched");
        if what != "signature" {
            // Its comment is checked by minisign and hubctl alone; it says nothing that counts.
            let url = release::serve(copy.path().to_owned())?;
            let line = ["/usr/bin/env", &format!("HUBD_RELEASE_URL={url}"), "/root/bootstrap.sh", "--yes"];
            let output = hub.command(line).timeout(UPGRADE_DEADLINE).output()?;
            ensure!(output.code != DONE && output.complaint().contains("error: "), "{what}: bootstrap.sh took it");
            context.step(&format!("{what}: {}", output.complaint().trim()))?;
            ensure!(hub.sh(LOOK)? == before, "{what}: bootstrap.sh touched something");
        }
    }
    context.step("tampered tarball, checksums, signature, key, and none: refused, nothing touched")
}

fn append(path: &Path, text: &str) -> Result<()> {
    let mut content = fs::read(path)?;
    content.extend_from_slice(text.as_bytes());
    Ok(fs::write(path, content)?)
}

fn name(version: &str) -> String {
    format!("hubd-{version}-{}.tar.gz", std::env::consts::ARCH)
}

/// Upgrades as the operator does, who copied a release to the machine.
fn upgrade(hub: &Hub, release: &Path, version: &str) -> Result<Output> {
    hub.sh("rm -rf /root/release")?;
    hub.copy_tree_in(release, "/root/release")?;
    let file = format!("/root/release/{}", name(version));
    hub.command(["/usr/local/bin/hubctl", "upgrade", "--yes", &file]).timeout(UPGRADE_DEADLINE).output()
}

fn is_installed(hub: &Hub, version: &str) -> Result<()> {
    let status = hub.sh("/opt/hubd/bin/hub-installer status")?;
    ensure!(status.starts_with(&format!("hubd {version} is installed")), "status: {status}");
    ensure!(!hub.sh("test -e /var/lib/hubd-upgrade/pending && echo pending || true")?.contains("pending"));
    Ok(())
}
