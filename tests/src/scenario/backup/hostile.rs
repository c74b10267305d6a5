//! What one person does to everybody's backup: files of nothing but a hole, names as long as the kernel has them, links to others' files.

use anyhow::{Result, ensure};

use super::said;
use crate::context::Context;
use crate::hub::Hub;

/// In bob's home: 8 TB in a file of a few blocks, a pipe, and a file whose path is 4090 bytes long, which is too long where it comes back.
const FILES: &str = r"
import os, socket
os.chdir('/home/hubd/jupyter-bob')
with open('x [*] $HOME\n', 'w') as file: file.truncate(8 << 40)
os.mkfifo('pipe')
socket.socket(socket.AF_UNIX).bind('socket')
left = 4090 - len(os.getcwd())
while left > 250:
    os.mkdir('d' * 200); os.chdir('d' * 200); left -= 201
open('f' * (left - 1), 'w').write('deep')
";

pub(super) fn prepare(hub: &Hub) -> Result<()> {
    hub.write("/root/files.py", FILES, 0o600)?;
    hub.sh("python3 /root/files.py; cd /home/hubd; echo both >jupyter-cleo/both; chown jupyter-cleo: jupyter-cleo/both
        ln jupyter-cleo/both jupyter-bob/both; chown -hR jupyter-bob: jupyter-bob/pipe jupyter-bob/socket jupyter-bob/x* jupyter-bob/d*
        printf secret >/etc/hubd/secrets/school; chmod 600 /etc/hubd/secrets/school")?;
    hub.hubctl(&["config", "set", "servers.idle_timeout", "7h"]).map(drop)
}

/// It ends, everybody else's files are in it, and whose are not is told. Before anything comes back: who would get in again.
pub(super) fn told(context: &Context, hub: &Hub) -> Result<()> {
    let status = hub.hubctl(&["backup", "status"])?;
    let lacking = &status["record"]["success"]["lacking"];
    ensure!(
        lacking[0]["person"] == "bob" && lacking[0]["why"] == "holes" && lacking[0]["files"] == 1,
        "what is left out: {status}"
    );
    ensure!(lacking[1].is_null() && status["problem"].is_null(), "nothing else is: {status}");
    let (_, text) = said(hub, &["backup", "status"])?;
    ensure!(text.contains("1 file of bob with large holes"), "status: {text}");
    hub.hubctl(&["user", "block", "cleo"])?;
    let (code, text) = said(hub, &["backup", "restore", "--dry-run"])?;
    ensure!(code == 0 && text.contains("cleo is blocked now, and gets in again"), "who gets in again: {code} {text}");
    hub.hubctl(&["user", "unblock", "cleo"])?;
    context.step(text.trim())
}

/// On the other machine: what had one name too many is two files, and the long one is told.
pub(super) fn restored(hub: &Hub) -> Result<()> {
    let found = hub.sh("cd /home/hubd; stat --format='%h %U' jupyter-cleo/both jupyter-bob/both; test -p jupyter-bob/pipe
        cat jupyter-cleo/both; ls jupyter-bob | grep -c '^x ' || :; stat --format=%U:%a /etc/hubd/secrets/school; cat /etc/hubd/secrets/school")?;
    let expected = "1 jupyter-cleo\n1 jupyter-bob\nboth\n0\nroot:600\nsecret";
    ensure!(found == expected, "links, holes and secrets: {found}");
    Ok(())
}
