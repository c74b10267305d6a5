//! A throw-away person, from enrolment to the removal of the last trace.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::accounts::Username;
use hub_core::control::{NewUser, Reply, Request, ServerPhase};
use hub_core::paths::Paths;
use hub_core::wire;
use serde_json::{Value, json};

use super::http;
use crate::action::ask;
use crate::facts::{self, ConfigFact};
use crate::options::VERIFY_NAME;

const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Deleting an account with a fresh home.
const REMOVE_DEADLINE: Duration = Duration::from_secs(90);

/// Returns the version the server said it has.
pub(super) fn try_out(paths: &Paths) -> Result<String> {
    let name: Username = VERIFY_NAME.parse().context("naming the throw-away person")?;
    // An earlier verification may have been cut short.
    remove(paths, &name).context("removing what an earlier verification left")?;
    let tried = start_and_ask(paths, &name);
    let removed = remove(paths, &name).context("removing the throw-away person");
    let version = tried.context("trying out a server")?;
    removed?;
    Ok(version)
}

fn start_and_ask(paths: &Paths, name: &Username) -> Result<String> {
    let person = NewUser { name: name.clone(), password: None };
    ask(paths, &Request::UserAdd { users: vec![person] }).context("enrolling the throw-away person")?;
    let servers =
        match ask(paths, &Request::ServerStart { name: name.clone(), without_own: false }).context("starting its server")? {
            Reply::Servers { servers } => servers,
            other => bail!("starting its server: unexpected answer {other:?}"),
        };
    match servers.iter().find(|server| server.name == *name) {
        Some(server) if server.phase == ServerPhase::Running => {}
        Some(server) => bail!("its server is {:?}: {}", server.phase, server.problem.as_deref().unwrap_or("it did not say why")),
        None => bail!("the hub says that its server started, but does not list it"),
    }
    let base = match facts::read_config(paths) {
        ConfigFact::Valid(_, config) => config.hub.base().to_owned(),
        _ => String::new(),
    };
    let status = ask_server(&paths.server_socket(name), &base, name).context("asking its server for its status")?;
    let version = status.get("version").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    ask(paths, &Request::ServerStop { name: name.clone() }).context("stopping its server")?;
    Ok(version)
}

/// `GET /api` of the server, past the hub's proxy: it gives the version and needs the header that the proxy sets.
fn ask_server(socket: &Path, base: &str, name: &Username) -> Result<Value> {
    let stream = UnixStream::connect(socket).with_context(|| format!("connecting to `{}`", socket.display()))?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
    let answer = http::get(stream, "localhost", &format!("{base}/user/{name}/api"), &format!("X-Hubd-User: {name}\r\n"))?;
    if answer.status != 200 {
        bail!("it answered with status {}, expected 200", answer.status);
    }
    serde_json::from_str(&answer.body).with_context(|| format!("reading its answer `{}`", answer.body))
}

/// Takes the person off the list and deletes account and home. Fine when there is none.
fn remove(paths: &Paths, name: &Username) -> Result<()> {
    let enrolled = match ask(paths, &Request::UserList)? {
        Reply::Users { users } => users.iter().any(|user| user.name == *name),
        other => bail!("asking who is enrolled: unexpected answer {other:?}"),
    };
    if enrolled {
        ask(paths, &Request::UserRemove { name: name.clone() })?;
    }
    // The launcher's own words: only root may say them, and only to it.
    let request = json!({"request": "remove", "name": name, "home": true});
    let reply: Value = wire::ask(&paths.launcher_socket(), &request, REMOVE_DEADLINE)
        .with_context(|| format!("asking the launcher through `{}`", paths.launcher_socket().display()))?;
    match reply.get("reply").and_then(Value::as_str) {
        Some("done") => Ok(()),
        Some("refused") if reply.get("kind").and_then(Value::as_str) == Some("no_account") => Ok(()),
        _ => {
            bail!("deleting its account: {}", reply.get("message").and_then(Value::as_str).unwrap_or("the answer makes no sense"))
        }
    }
}
