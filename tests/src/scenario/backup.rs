//! Backups: made of a class at work, brought back onto another machine, where people log in with the passwords they had and find
//! their files; one file of yesterday for one person; and what goes wrong has words, and loses nothing.

mod hostile;
mod killed;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{Hub, PASSWORD, record};
use crate::{kernel, login};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "backup",
    about: "backups to a disk; another machine from one, with old passwords, files, packages; one file of yesterday; what goes wrong, and who is killed",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(300);
const RESTIC: &str = "command -v restic >/dev/null || {
    apt-get update --quiet=2; DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends restic; } >/root/apt.txt 2>&1";
const DISK: &str = "/mnt/disk/hubd";
const PASSWORD_FILE: &str = "/etc/hubd/backup.password";
/// What bob has: names that mean something to a shell, to systemd and to restic, what is not to be kept, and a way out.
const WORK: &str = r"
import os
home = os.path.expanduser('~')
for path, text in {'notebooks/x.ipynb': 'yesterday', 'notebooks/$HOME %h.txt': 'odd', 'notebooks/two\nlines': 'lines', '.cache/big': 'cache',
                   'notebooks/.ipynb_checkpoints/x': 'checkpoint', 'private': 'mine'}.items():
    path = os.path.join(home, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as file: file.write(text)
os.chmod(os.path.join(home, 'private'), 0o600)
os.symlink('/etc', os.path.join(home, 'way-out'))
print(os.getuid())
";

fn run(context: &Context) -> Result<()> {
    let mut hub = Hub::install(context)?;
    hub.command(["/bin/sh", "-euc", RESTIC]).timeout(DEADLINE).run()?;
    hub.add_students(&["bob".to_owned(), "cleo".to_owned()])?;
    hub.hubctl(&["server", "start", "cleo", "bob"])?;
    let uid = kernel::run(&hub, "bob", WORK)?.answer();
    let installed = record(&hub, &["env", "install", "cowsay"])?;
    ensure!(installed["state"] == "done", "installing a package: {installed}");
    hub.sh("echo welcome >/srv/class/lesson.txt; chgrp hubd-admins /srv/class/lesson.txt")?;
    hostile::prepare(&hub)?;
    let password = made(context, &hub)?;
    hostile::told(context, &hub)?;
    one_file(context, &hub)?;
    trouble(context, &hub)?;

    let url = hub.url().to_owned();
    let disk = context.artefacts().join("disk.tar");
    hub.sh("tar -C /mnt/disk -cf /root/disk.tar hubd")?;
    hub.copy_out("/root/disk.tar", &disk)?;
    // The other one gets its address.
    hub.power_off()?;

    let other = Hub::install(context)?;
    other.command(["/bin/sh", "-euc", RESTIC]).timeout(DEADLINE).run()?;
    other.copy_in(&disk, "/root/disk.tar", 0o600)?;
    std::fs::remove_file(&disk).context("removing the copy of the disk")?;
    other.sh("mkdir -p /mnt/disk; tar -C /mnt/disk -xf /root/disk.tar")?;
    // Somebody has bob's number here.
    other.sh(&format!("groupadd --gid {uid} taken; useradd --uid {uid} --gid {uid} taken"))?;
    moved(context, &other, &url, &password, &uid)
}

/// `hubctl` with `arguments`, and what it said, whatever came of it.
fn said(hub: &Hub, arguments: &[&str]) -> Result<(i32, String)> {
    let command = ["/usr/local/bin/hubctl"].into_iter().chain(arguments.iter().copied());
    let output = hub.command(command).timeout(DEADLINE).output()?;
    Ok((output.code, format!("{}{}", output.text(), output.complaint())))
}

fn made(context: &Context, hub: &Hub) -> Result<String> {
    let (code, text) = said(hub, &["backup", "init", DISK])?;
    ensure!(code == 1 && text.contains("there is no directory `/mnt/disk`"), "a disk that is not there: {code} {text}");
    hub.sh(&format!("mkdir /mnt/disk; mount -t tmpfs none /mnt/disk; test ! -e {PASSWORD_FILE}"))?;
    let (code, text) = said(hub, &["backup", "init", DISK])?;
    ensure!(code == 0 && text.contains("which is shown this once"), "init: {code} {text}");
    let password = hub.sh(&format!("stat --format=%U:%a {PASSWORD_FILE}; cat {PASSWORD_FILE}"))?;
    let (mode, password) = password.split_once('\n').context("the file with the password")?;
    ensure!(mode == "root:600" && text.contains(password), "the password: {mode}, and {text}");
    let before = hub.hubctl_output(&["status"])?;
    ensure!(before.code == 0, "nothing is wrong before the first night: {}", before.text());

    let (code, text) = said(hub, &["backup", "create"])?;
    ensure!(code == 0, "create: {code} {text}\n{}", hub.sh("journalctl --no-pager -u hubd-backup")?);
    let listed = hub.hubctl(&["backup", "list"])?;
    ensure!(listed["backups"].as_array().is_some_and(|backups| backups.len() == 1), "list: {listed}");
    let (code, text) = said(hub, &["backup", "check"])?;
    ensure!(code == 0 && text.contains("are intact"), "check: {code} {text}");
    let status = hub.hubctl(&["status"])?;
    ensure!(status["backup"].is_string() && status["backup_problem"].is_null(), "status: {status}");
    context.step(&format!("a backup of two people: {}", text.trim()))?;
    let again = said(hub, &["backup", "create"])?;
    ensure!(again.0 == 0, "a second one: {again:?}");
    context.step(&again.1)?;
    Ok(password.to_owned())
}

/// What was yesterday's lies in a new directory, as bob's; nothing of today's is touched, and no other home is a way.
fn one_file(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("cd /home/hubd/jupyter-bob; echo today >notebooks/x.ipynb; ln -s /etc restored-$(date +%F); chown --no-dereference jupyter-bob: restored-*")?;
    for (path, content) in
        [("notebooks/x.ipynb", "yesterday"), ("notebooks/$HOME %h.txt", "odd"), ("notebooks/two\nlines", "lines")]
    {
        let brought = hub.hubctl(&["backup", "restore", "--person", "bob", "--path", path])?;
        let place = brought["path"].as_str().with_context(|| format!("{path:?}: {brought}"))?;
        let full = format!("/home/hubd/jupyter-bob/{place}");
        let found = hub.command(["/bin/cat", &full]).run()?.text();
        let owner = hub.command(["/usr/bin/stat", "--format=%U:%a", &full]).run()?.text();
        ensure!(found == content && owner.trim() == "jupyter-bob:600", "{path:?}: {found} {owner}");
    }
    let today = hub.sh("cat /home/hubd/jupyter-bob/notebooks/x.ipynb; ls -d /etc/notebooks 2>&1 | wc -l")?;
    ensure!(today == "today\n1", "what was there: {today}");
    for (path, words) in [
        ("../jupyter-cleo/private", "not the path of a file below a home"),
        ("/etc/shadow", "not the path of a file below a home"),
        ("way-out/shadow", "that is not in this backup"),
        ("notebooks/nothing", "that is not in this backup"),
        (".cache/big", "that is not in this backup"),
    ] {
        let (code, text) = said(hub, &["backup", "restore", "--person", "bob", "--path", path])?;
        ensure!(code == 1 && text.contains(words), "{path}: {code} {text}");
    }
    let left = hub.sh("ls -A /var/lib/hubd-backup | xargs; ls /home/hubd | xargs")?;
    context.step(&format!("one file came back, beside the present one; left over: {left}"))
}

/// A wrong password, a damaged file, a full disk, a disk that is gone: words, and what was there stays.
fn trouble(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh(&format!("cp {PASSWORD_FILE} /root/password; echo wrong >{PASSWORD_FILE}"))?;
    fails(context, hub, "the password is not the one of the backups")?;
    hub.sh(&format!("cp /root/password {PASSWORD_FILE}"))?;

    hub.sh(&format!("umount --lazy /mnt/disk; mkdir -p {DISK}"))?;
    fails(context, hub, "there are no backups in")?;
    hub.sh(&format!("rmdir {DISK}; mount -t tmpfs -o size=1M none /mnt/disk; mkdir {DISK}; cp /root/password /root/copy"))?;
    let (code, text) = said(hub, &["backup", "init", DISK])?;
    ensure!(code == 0, "another disk with the same password: {code} {text}");
    hub.sh("head -c 3000000 /dev/urandom >/srv/class/big")?;
    fails(context, hub, "there is no room left in")?;
    hub.sh("rm /srv/class/big")?;
    hub.sh(&format!("umount /mnt/disk; mount -t tmpfs none /mnt/disk; mkdir {DISK}"))?;
    let (code, text) = said(hub, &["backup", "init", DISK])?;
    ensure!(code == 0, "an empty disk: {code} {text}");
    let (code, text) = said(hub, &["backup", "create"])?;
    ensure!(code == 0, "after all that: {code} {text}");
    let status = hub.hubctl(&["status"])?;
    ensure!(status["backup_problem"].is_null(), "the problem is over: {status}");

    hub.sh(&format!("cp -a {DISK} /root/whole; truncate -s 100 $(ls -S {DISK}/data/*/* | head -n 1)"))?;
    let (code, text) = said(hub, &["backup", "check"])?;
    ensure!(code == 1 && text.contains("is damaged or incomplete"), "a damaged file: {code} {text}");
    context.step(&format!("damaged: {}", text.trim()))?;
    hub.sh(&format!("rm -r {DISK}; mv /root/whole {DISK}"))?;
    hub.hubctl(&["backup", "check"]).map(drop)
}

/// A backup does not work and says why; so does the hub.
fn fails(context: &Context, hub: &Hub, words: &str) -> Result<()> {
    let (code, text) = said(hub, &["backup", "create"])?;
    ensure!(code == 1 && text.contains(words), "{words}: {code} {text}");
    let status = hub.hubctl_output(&["status"])?;
    let told: Value = serde_json::from_str(&status.text())?;
    let problem = told["backup_problem"]["what"].as_str().unwrap_or_default();
    ensure!(status.code == 1 && problem.contains(words), "status: {} {told}", status.code);
    context.step(text.trim())
}

fn moved(context: &Context, hub: &Hub, url: &str, password: &str, uid: &str) -> Result<()> {
    let whole = ["backup", "restore", "--repository", DISK];
    let (code, text) = said(hub, &whole)?;
    ensure!(code == 1 && text.contains("the password of the backups is needed"), "without a password: {code} {text}");
    hub.write("/root/wrong", "wrong\n", 0o600)?;
    hub.write("/root/password", format!("{password}\n"), 0o600)?;
    let (code, text) = said(hub, &[&whole[..], &["--password-file", "/root/wrong", "--yes"]].concat())?;
    ensure!(code == 1 && text.contains("the password is not the one of the backups"), "a wrong password: {code} {text}");
    let with = [&whole[..], &["--password-file", "/root/password"]].concat();
    let (code, text) = said(hub, &[&with[..], &["--dry-run"]].concat())?;
    ensure!(code == 0 && text.contains("Nothing was changed") && text.contains("2 homes"), "dry run: {code} {text}");
    let before = hub.sh("ls -A /home/hubd /var/lib/hubd-launcher; hubctl user list")?;
    ensure!(!before.contains("bob"), "after a dry run: {before}");

    killed::in_the_fetch(context, hub)?;
    let (code, text) = said(hub, &[&with[..], &["--yes", "--keep-config"]].concat())?;
    context.step(&text)?;
    ensure!(code == 1 && text.contains("1 file could not be brought back"), "the long path is told: {code} {text}");
    ensure!(text.contains("2 homes of people") && !text.contains("is enrolled again"), "restore: {text}");
    let idle = hub.sh("hubctl config get servers.idle_timeout")?;
    ensure!(!idle.contains('7'), "the configuration stays: {idle}");
    let (code, text) = said(hub, &[&with[..], &["--yes"]].concat())?;
    ensure!(code == 1 && text.contains("1 file could not be brought back"), "with the configuration: {code} {text}");
    let idle = hub.sh("hubctl config get servers.idle_timeout")?;
    ensure!(idle.contains("7h"), "the configuration is back: {idle}");
    let said_status = hub.hubctl(&["status"])?;
    ensure!(said_status["url"] == json!(null) || said_status["url"] == url, "status: {said_status}");
    for (name, expected) in [("bob", "303"), ("cleo", "303"), ("nobody", "401")] {
        let answer = login::with_curl(&***hub, url, name, "/root/jar")?;
        ensure!(answer == expected || (expected == "401" && answer != "303"), "login of {name} with {PASSWORD:?}: {answer}");
    }
    let started = hub.hubctl(&["server", "start", "bob", "cleo"])?;
    ensure!(started["problems"] == json!([]), "starting servers: {started}");
    let code = "import os, cowsay
found = {path: open(os.path.expanduser('~/notebooks/' + path)).read() for path in ('x.ipynb', '$HOME %h.txt', 'two\\nlines')}
print(sorted(found.values()), oct(os.stat(os.path.expanduser('~/private')).st_mode & 0o777), os.path.exists(os.path.expanduser('~/.cache/big')))
open(os.path.expanduser('~/new'), 'w').write('new'); print(open('/srv/class/lesson.txt').read().strip(), os.getuid())";
    let ran = kernel::run(hub, "bob", code)?.answer();
    let [files, rest] = ran.lines().collect::<Vec<_>>()[..] else { anyhow::bail!("in bob's server: {ran}") };
    ensure!(files == "['lines', 'odd', 'yesterday'] 0o600 False" || files.starts_with("['lines', 'odd', 'today"), "files: {ran}");
    ensure!(rest.starts_with("welcome ") && !rest.ends_with(uid), "another number, and the class folder: {ran}");
    let owners = hub.sh("find /home/hubd/jupyter-bob /home/hubd/jupyter-cleo -printf '%H %u:%g\\n' | sort -u; stat --format=%G /srv/class/lesson.txt")?;
    let expected =
        "/home/hubd/jupyter-bob jupyter-bob:jupyter-bob\n/home/hubd/jupyter-cleo jupyter-cleo:jupyter-cleo\nhubd-admins";
    ensure!(owners == expected, "owners: {owners}");
    hostile::restored(hub)?;
    let left = hub.sh("ls -A /home/hubd /srv/class /var/lib/hubd-backup | xargs")?;
    context.step(&format!("people log in and find their work; there is now: {left}"))?;
    let (code, text) = said(hub, &["backup", "create"])?;
    ensure!(code == 0, "the new machine goes on with backups: {code} {text}");
    // The machines have one name. What the old one made stays, and is bob's, whose account has another number here.
    let listed = hub.hubctl(&["backup", "list"])?;
    let backups = listed["backups"].as_array().context("list")?;
    let (first, last) = (&backups[0], &backups[backups.len() - 1]);
    ensure!(backups.len() == 2 && first["hub"] != last["hub"] && first["own"] == true, "list: {listed}");
    let first = first["id"].as_str().unwrap_or_default();
    let brought = hub.hubctl(&["backup", "restore", first, "--person", "bob", "--path", "private"])?;
    let place = brought["path"].as_str().unwrap_or_default();
    let found = hub.sh(&format!("cat /home/hubd/jupyter-bob/{place}"))?;
    ensure!(found == "mine", "one file of the old machine's: {brought} {found}");
    // Another hub has the same repository, and the name of the machine.
    hub.sh("mv /var/lib/hubd-backup/hub /root/hub")?;
    let (code, text) = said(hub, &["backup", "create"])?;
    ensure!(code == 0, "another hub: {code} {text}");
    let listed = hub.hubctl(&["backup", "list"])?;
    ensure!(listed["backups"].as_array().is_some_and(|backups| backups.len() == 3), "everybody's stay: {listed}");
    let (code, text) = said(hub, &["backup", "restore", first, "--person", "bob", "--path", "private"])?;
    ensure!(code == 1 && text.contains("is another hub's"), "another hub's file: {code} {text}");
    Ok(())
}
