//! One account that opens connections and says nothing: it keeps nobody else from the hub's sockets.

use anyhow::{Result, ensure};

use super::{OPERATOR, STRANGER, as_user, said};
use crate::context::Context;
use crate::hub::{ADMIN, Hub};
use crate::wait;

/// Opens 200 connections to the socket that is named first, counts those that are closed again, says so in the file that is named
/// next and holds the rest until it is ended.
const CROWD: &str = r#"
import pathlib, socket, sys, time
held = [socket.socket(socket.AF_UNIX) for _ in range(200)]
for one in held:
    one.connect(sys.argv[1])
closed = 0
for one in held:
    one.settimeout(0.2)
    try:
        while one.recv(4096):
            pass
        closed += 1
    except ConnectionResetError:
        closed += 1
    except TimeoutError:
        pass
pathlib.Path(sys.argv[2]).write_text(str(closed))
time.sleep(3600)
"#;

/// Asks for the list of people as `hubctl` in a server does; ends with 1 without one.
const ASK: &str = r#"
import json, socket, struct, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
asked = json.dumps({"request": "user_list"}).encode()
peer.sendall(struct.pack('>I', len(asked)) + asked)
said = peer.makefile('rb').read()
print(said)
sys.exit(b'"users"' not in said)
"#;

pub(super) fn crowd(context: &Context, hub: &Hub) -> Result<()> {
    hub.write("/usr/local/crowd.py", CROWD, 0o644)?;
    hub.hubctl(&["user", "add", "hugo"])?;
    hub.hubctl(&["config", "add", "roles.helpers", "hugo"])?;
    hub.hubctl(&["server", "start", "hugo"])?;
    hub.write("/usr/local/ask.py", ASK, 0o644)?;
    // Root makes persons' accounts connect from here; they can't be logged in with.
    let (operator, admin) = ("/run/hubd-operator/operator.sock", "/run/hubd-admin/admin.sock");
    for (socket, who, asker, asked) in [
        (operator, STRANGER, OPERATOR.to_owned(), "hubctl user list".to_owned()),
        (operator, OPERATOR, STRANGER.to_owned(), "hubctl user list".to_owned()),
        (admin, "jupyter-hugo", format!("jupyter-{ADMIN}"), format!("/usr/bin/python3 /usr/local/ask.py {admin}")),
    ] {
        let unit = "crowd";
        hub.sh(&format!(
            "rm -f /tmp/crowd; systemd-run --quiet --unit={unit} --uid={who} /usr/bin/python3 /usr/local/crowd.py {socket} /tmp/crowd"
        ))?;
        wait::for_shell(hub, "200 connections", "[ -s /tmp/crowd ]")?;
        let closed: u32 = hub.sh("cat /tmp/crowd")?.trim().parse()?;
        ensure!(closed >= 136, "{who} has {} of 200 connections to {socket}", 200 - closed);
        let output = as_user(hub, &asker, &asked)?;
        let is_answered = if asker == STRANGER { said(&output).contains("not an operator") } else { output.success() };
        ensure!(is_answered, "beside 200 connections of {who}: {}", said(&output));
        hub.hubctl(&["user", "list"])?;
        hub.sh(&format!("systemctl stop {unit}; rm /tmp/crowd"))?;
        context.step(&format!("{closed} of 200 connections of {who} to {socket} were closed, and {asker} was answered"))?;
    }
    Ok(())
}
