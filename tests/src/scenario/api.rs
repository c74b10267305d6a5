//! Programs with a token: `/hub/api` as clients of JupyterHub ask it, and metrics. What may not ask is refused: no token, one that
//! is over, revoked, too small or of somebody who lost the right, a cookie.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, Hub, PASSWORD};
use crate::login;
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "api",
    about: "programs with a token list people, start and stop a server, read metrics; what is over, revoked, too small, demoted, or a cookie gets nothing",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(180);
const STUDENT: &str = "bob";
/// An administrator for a while.
const OTHER_ADMIN: &str = "cleo";

/// A program that asks the hub from outside.
struct Program<'a> {
    hub: &'a Hub,
    http: Client,
    token: String,
}

/// A status and a body.
type Answer = (u16, String);

impl<'a> Program<'a> {
    fn new(hub: &'a Hub, token: &str) -> Result<Self> {
        let http = Client::builder().no_proxy().timeout(DEADLINE).build()?;
        Ok(Self { hub, http, token: token.to_owned() })
    }

    fn ask(&self, method: Method, path: &str) -> Result<Answer> {
        let request = self.http.request(method, format!("{}{path}", self.hub.url()));
        let answer = request.header("Authorization", format!("token {}", self.token)).send().with_context(|| path.to_owned())?;
        Ok((answer.status().as_u16(), answer.text()?))
    }

    fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.ask(Method::GET, path)?;
        ensure!(status == 200, "{path}: {status} {body}");
        serde_json::from_str(&body).with_context(|| body)
    }

    /// That nothing is answered, in the shape that clients know.
    fn is_refused(&self, path: &str, why: &str) -> Result<()> {
        let (status, body) = self.ask(Method::GET, path)?;
        let told: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        ensure!(status == 403 && told["status"] == 403 && told["message"].is_string(), "{why}: {status} {body}");
        Ok(())
    }
}

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&[STUDENT.to_owned(), OTHER_ADMIN.to_owned()])?;
    let all = create(&hub, &["list:users", "read:users", "admin:servers", "read:metrics", "--note", "all"])?;
    let program = Program::new(&hub, &all)?;
    people(context, &program)?;
    server(context, &hub, &program)?;
    metrics(context, &hub, &program)?;
    refused(context, &hub, &program)?;
    demoted(context, &hub)
}

fn create(hub: &Hub, arguments: &[&str]) -> Result<String> {
    let created = hub.hubctl(&[&["token", "create"], arguments].concat())?;
    Ok(created["token"].as_str().with_context(|| created.to_string())?.to_owned())
}

fn people(context: &Context, program: &Program) -> Result<()> {
    let version = program.http.get(format!("{}/hub/api/", program.hub.url())).send()?.text()?;
    ensure!(version == r#"{"version":"6.1.1"}"#, "{version}");
    let users = program.get("/hub/api/users")?;
    let names: Vec<&str> = users.as_array().into_iter().flatten().filter_map(|user| user["name"].as_str()).collect();
    ensure!(names == [ADMIN, STUDENT, OTHER_ADMIN], "{users}");
    ensure!(users[0]["admin"] == true && users[1]["admin"] == false && users[1]["created"].is_string(), "{users}");
    ensure!(program.get("/hub/api/users?state=ready")? == Value::Array(Vec::new()), "somebody's server runs");
    let me = program.get("/hub/api/user")?;
    ensure!(me["kind"] == "service" && me["name"] == "root", "{me}");
    let (status, _) = program.ask(Method::GET, "/hub/api/users/nobody")?;
    ensure!(status == 404, "nobody: {status}");
    context.step("a token lists who is enrolled")
}

fn server(context: &Context, hub: &Hub, program: &Program) -> Result<()> {
    let path = format!("/hub/api/users/{STUDENT}/server");
    let started = program.ask(Method::POST, &path)?;
    ensure!(matches!(started, (201 | 202, _)), "{started:?}");
    let runs = || Ok(program.get(&format!("/hub/api/users/{STUDENT}"))?["servers"][""]["ready"] == true);
    wait::until("the server to run", runs)?;
    let bob = program.get("/hub/api/users?state=ready")?;
    ensure!(bob[0]["name"] == STUDENT && bob[0]["server"] == "/user/bob/" && bob[1].is_null(), "{bob}");
    ensure!(hub.hubctl(&["server", "list"])?["servers"][0]["phase"] == "running", "hubctl sees no server");
    let again = program.ask(Method::POST, &path)?;
    ensure!(again.0 == 400 && again.1.contains("already running"), "{again:?}");
    let text = program.ask(Method::GET, "/hub/metrics")?.1;
    ensure!(text.contains("\njupyterhub_running_servers 1\n") && text.contains("\nhubd_servers_memory_bytes "), "{text}");
    let stopped = program.ask(Method::DELETE, &path)?;
    ensure!(matches!(stopped, (202 | 204, _)), "{stopped:?}");
    wait::until("the server to be stopped", || Ok(program.ask(Method::DELETE, &path)?.0 == 204))?;
    ensure!(program.get("/hub/api/users?state=active")? == Value::Array(Vec::new()), "it runs still");
    for verb in ["start", "stop"] {
        wait::for_log(
            hub,
            "--unit=hubd.service",
            &format!("root on the host, with API token 1, did server {verb} for {STUDENT}"),
        )?;
    }
    wait::for_journal(hub)?;
    let journal = hub.sh("journalctl --unit=hubd.service --no-pager --output=cat")?;
    ensure!(!journal.contains(&program.token), "the token is in the log");
    context.step(&format!("it started a server ({}) and stopped it ({}), and the log says so", started.0, stopped.0))
}

/// Every figure has its help and its type, and nobody's name is among them.
fn metrics(context: &Context, hub: &Hub, program: &Program) -> Result<()> {
    let (status, text) = program.ask(Method::GET, "/hub/metrics")?;
    ensure!(status == 200, "{status} {text}");
    let (mut names, mut typed) = (Vec::new(), "");
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["#", "HELP", ..] => {}
            ["#", "TYPE", name, "gauge"] => typed = name,
            [figure, value] => {
                ensure!(figure.split('{').next() == Some(typed) && value.parse::<f64>().is_ok(), "{line}");
                names.push(typed);
            }
            _ => anyhow::bail!("no line of Prometheus: {line}"),
        }
    }
    for name in ["jupyterhub_total_users", "hubd_environment_generation", "hubd_uptime_seconds", "hubd_info"] {
        ensure!(names.contains(&name), "{name} is missing: {text}");
    }
    ensure!(text.contains("\njupyterhub_total_users 3\n") && text.contains("\nhubd_launcher_up 1\n"), "{text}");
    ensure!([ADMIN, STUDENT, OTHER_ADMIN].iter().all(|name| !text.contains(name)), "a name: {text}");
    let small = Program::new(hub, &create(hub, &["read:metrics"])?)?;
    ensure!(small.ask(Method::GET, "/hub/metrics")?.0 == 200, "read:metrics is not enough for metrics");
    context.step(&format!("{} figures, each with help and type", names.len()))
}

fn refused(context: &Context, hub: &Hub, program: &Program) -> Result<()> {
    let small = Program::new(hub, &create(hub, &["read:metrics", "--note", "small"])?)?;
    for path in ["/hub/api/users", "/hub/api/users/bob", "/hub/api/users/nobody", "/hub/api/info"] {
        small.is_refused(path, "another scope")?;
    }
    let tokens = hub.hubctl(&["token", "list"])?;
    let id = tokens["tokens"].as_array().into_iter().flatten().find(|token| token["note"] == "small").context("not listed")?;
    ensure!(!tokens.to_string().contains(&small.token), "the list has the secret");
    hub.hubctl(&["token", "revoke", &id["id"].to_string()])?;
    small.is_refused("/hub/metrics", "revoked")?;
    let short = Program::new(hub, &create(hub, &["list:users", "--expires", "1s"])?)?;
    wait::until("the end of a token", || Ok(short.ask(Method::GET, "/hub/api/user")?.0 == 403))?;
    const JAR: &str = "/root/ada.jar";
    hub.sh(&format!("printf '{PASSWORD}' | hubctl user password {ADMIN} --password-stdin"))?;
    ensure!(login::with_curl(&***hub, hub.url(), ADMIN, JAR)? == "303", "the administrator can't log in");
    for (path, expected) in [("/hub/home", "200"), ("/hub/api/users", "403"), ("/hub/api/user", "403"), ("/hub/metrics", "403")] {
        let status = hub.sh(&format!("curl -sS -o /dev/null -w '%{{http_code}}' -b {JAR} {}{path}", hub.url()))?;
        ensure!(status == expected, "with an administrator's cookie, {path}: {status}");
    }
    let guessing = Program::new(hub, &"A".repeat(43))?;
    let statuses: Vec<u16> = (0..40).map(|_| Ok(guessing.ask(Method::GET, "/hub/api/users")?.0)).collect::<Result<_>>()?;
    ensure!(statuses.first() == Some(&403) && statuses.last() == Some(&429), "{statuses:?}");
    program.get("/hub/api/users")?;
    context.step("another scope, revoked, over, a cookie and wrong ones are refused, and the right one works on")
}

/// A token that an administrator made in their own terminal ends with the role, for good.
fn demoted(context: &Context, hub: &Hub) -> Result<()> {
    hub.hubctl(&["config", "add", "roles.admins", OTHER_ADMIN])?;
    hub.hubctl(&["server", "start", OTHER_ADMIN])?;
    let printed = hub.sh(&format!(
        "pid=$(systemctl show --property=MainPID --value hubd-user-{OTHER_ADMIN}.service)
         groups=$(sed -n 's/^Groups:[[:space:]]*//p' /proc/$pid/status | xargs | tr ' ' ',')
         nsenter --target $pid --mount setpriv --reuid jupyter-{OTHER_ADMIN} --regid jupyter-{OTHER_ADMIN} --groups $groups \
             /opt/hubd/bin/hubctl --json token create list:users --note theirs"
    ))?;
    let printed: Value = serde_json::from_str(&printed).with_context(|| printed.clone())?;
    let program = Program::new(hub, printed["token"].as_str().context("no token")?)?;
    let me = program.get("/hub/api/user")?;
    ensure!(me["kind"] == "user" && me["name"] == OTHER_ADMIN && me["admin"] == true, "{me}");
    ensure!(program.get("/hub/api/users")?.as_array().is_some_and(|users| users.len() == 3), "it lists nobody");
    hub.hubctl(&["config", "remove", "roles.admins", OTHER_ADMIN])?;
    program.is_refused("/hub/api/users", "after a demotion")?;
    hub.hubctl(&["config", "add", "roles.admins", OTHER_ADMIN])?;
    program.is_refused("/hub/api/users", "after a promotion that follows")?;
    let left = hub.hubctl(&["token", "list"])?.to_string();
    ensure!(!left.contains("theirs"), "{left}");
    context.step("an administrator's token, made in their terminal, ended with the role and did not come back")
}
