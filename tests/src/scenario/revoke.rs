//! What is taken away ends, with all that is open: an administrator is demoted while her notebook, her kernel's WebSocket,
//! her ssh session and a root shell begun from it are at work, and a student is blocked while hers are.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use hub_machine::{BaseSpec, Release};

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::{ADMIN, Hub, OPERATOR, PASSWORD};
use crate::{lab, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "revoke",
    about: "demoted admin has no root: notebook, WebSocket, ssh session and root shell end with one apply, and so does a blocked student",
    group: Group::Default,
    needs_programs: true,
    run,
};

/// The account of the machine that belongs to the same person as the administrator.
const SHELL_ACCOUNT: &str = "adalogin";
const STUDENT: &str = "bob";
const OTHER_ADMIN: &str = "eve";
/// Somebody for whom others make links.
const GUEST: &str = "cleo";
const CONFIG: &str = "/etc/hubd/config.toml";
/// Generous: how long it takes is printed, and what decides is that it happens.
const DEADLINE: Duration = Duration::from_secs(120);

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install_on(context, &BaseSpec::new(Release::Bookworm).with("openssh-server").with("openssh-client"))?;
    hub.add_students(&[STUDENT, OTHER_ADMIN, GUEST].map(str::to_owned))?;
    hub.sh(&format!("printf '%s' '{PASSWORD}' | hubctl user password {ADMIN} --password-stdin"))?;
    roles(&hub, &[ADMIN, OTHER_ADMIN], &[OPERATOR, SHELL_ACCOUNT], &[])?;
    hub.hubctl(&["config", "apply"])?;

    let (admin, student) = (context.browser(ADMIN)?, context.browser(STUDENT)?);
    for (browser, name) in [(&admin, ADMIN), (&student, STUDENT)] {
        open_lab(&hub, browser, name)?;
    }
    let link = link_from_inside(&hub)?;
    let shell = RootShell::open(context, &hub)?;
    may_ask(&hub, true)?;
    context.step("two notebooks with WebSockets, an ssh session and a root shell from it are at work")?;

    roles(&hub, &[OTHER_ADMIN], &[OPERATOR], &[STUDENT])?;
    let (began, began_at) = (Instant::now(), now());
    let told = hub.hubctl(&["config", "apply"])?;
    let applied_at = now();
    context.step(&format!("applied in {:.2} s: {told}", began.elapsed().as_secs_f64()))?;

    for (browser, name) in [(&admin, ADMIN), (&student, STUDENT)] {
        browser.wait_for_script("return window.closedAt !== undefined", DEADLINE)?;
        let closed_at = browser.execute("return window.closedAt", Vec::new())?.as_f64().context("closedAt")? / 1000.0;
        context.step(&format!(
            "{name}'s WebSocket: closed {:.2} s after hubctl began, {:+.2} s after it ended",
            closed_at - began_at,
            closed_at - applied_at
        ))?;
        let status = browser.execute(
            // Not by `fetch`, which waits in our pages until the login is back.
            &format!(
                "return new Promise(resolve => {{ const asked = new XMLHttpRequest(); asked.onload = asked.onerror = () => resolve(asked.status); \
                 asked.open('GET', '/user/{name}/api/status'); asked.send() }})"
            ),
            Vec::new(),
        )?;
        ensure!(status != serde_json::json!(200), "{name}'s server still answers her page: {status}");
        wait::for_end(&hub, &format!("hubd-user-{name}.service"))?;
    }
    demoted_admin_has_no_root(context, &hub, &shell)?;
    context.step(&format!("all of it was gone {:.2} s after hubctl had ended", now() - applied_at))?;

    hub.log_in(&student, STUDENT)?;
    student.wait_for_text("main", "Your access is switched off", DEADLINE)?;
    student.screenshot("blocked")?;
    // She may use the hub like anybody.
    hub.log_in(&admin, ADMIN)?;
    hub.wait_for_lab(&admin)?;
    let groups = hub.sh(&format!("systemctl show --property=SupplementaryGroups --value hubd-user-{ADMIN}.service"))?;
    ensure!(groups.trim().is_empty(), "the demoted administrator's new server is in {groups}");
    context.step("the blocked student stays out; the former administrator works as a student")?;
    is_taken_back(&hub, &student, &link)?;
    context.step("a link that she made as an administrator was taken back")?;
    links_and_promotions(context, &hub, &admin, &student)
}

/// She becomes a teacher and makes a link for a student, who then becomes an administrator.
fn links_and_promotions(context: &Context, hub: &Hub, teacher: &Browser, guest: &Browser) -> Result<()> {
    let told = hub.hubctl(&["config", "add", "roles.teachers", ADMIN])?;
    ensure!(told.to_string().contains("has to log in again"), "told of the promotion: {told}");
    teacher.goto(&format!("{}/hub/home", hub.url()))?;
    teacher.wait_for_url("/hub/login", DEADLINE)?;
    hub.hubctl(&["server", "stop", ADMIN])?;
    hub.log_in(teacher, ADMIN)?;
    hub.wait_for_lab(teacher)?;
    let link = link_from_inside(hub)?;
    let shown = hub.hubctl(&["user", "show", GUEST])?;
    ensure!(shown["link"]["maker"] == ADMIN, "the open link: {shown}");
    guest.goto(&link)?;
    guest.wait_for("#password", DEADLINE)?;
    hub.hubctl(&["config", "add", "roles.admins", GUEST])?;
    is_taken_back(hub, guest, &link)?;
    guest.screenshot("taken-back")?;
    context.step("a teacher's link for a student was taken back when the student became an administrator")?;
    hub.hubctl(&["server", "start", GUEST])?;
    let began = Instant::now();
    hub.hubctl(&["user", "block", GUEST])?;
    context.step(&format!("a block was answered in {:.2} s", began.elapsed().as_secs_f64()))?;
    wait::for_end(hub, &format!("hubd-user-{GUEST}.service"))
}

/// A link for somebody, made in the administrator's server: as its account, with its groups, in what it sees of the machine.
fn link_from_inside(hub: &Hub) -> Result<String> {
    let printed = hub.sh(&format!(
        "pid=$(systemctl show --property=MainPID --value hubd-user-{ADMIN}.service)
         groups=$(sed -n 's/^Groups:[[:space:]]*//p' /proc/$pid/status | xargs | tr ' ' ',')
         nsenter --target $pid --mount setpriv --reuid jupyter-{ADMIN} --regid jupyter-{ADMIN} --groups $groups /opt/hubd/bin/hubctl --json user link {GUEST}"
    ))?;
    let printed: serde_json::Value = serde_json::from_str(&printed).with_context(|| printed.clone())?;
    Ok(hub.whole(printed["links"][0]["link"].as_str().with_context(|| format!("no link in {printed}"))?))
}

fn is_taken_back(hub: &Hub, browser: &Browser, link: &str) -> Result<()> {
    browser.goto(link)?;
    browser.wait_for_text("main", "This link was taken back", DEADLINE)?;
    let status = hub.sh(&format!("curl -s -o /dev/null -w '%{{http_code}}' '{link}'"))?;
    ensure!(status == "403", "the link answers {status}");
    Ok(())
}

/// Writes who may what; nothing of it is in force yet.
fn roles(hub: &Hub, admins: &[&str], operators: &[&str], blocked: &[&str]) -> Result<()> {
    hub.sh(&format!(
        "sed -i -E -e '/^(admins|host_operators|blocked) = /d' -e '/^\\[roles\\]/a admins = {admins:?}\\nhost_operators = {operators:?}\\nblocked = {blocked:?}' {CONFIG}; hubctl config check"
    ))?;
    Ok(())
}

/// A notebook with a kernel, and one more WebSocket to that kernel that notes when it is closed.
fn open_lab(hub: &Hub, browser: &Browser, name: &str) -> Result<()> {
    hub.log_in(browser, name)?;
    hub.wait_for_lab(browser)?;
    lab::new_notebook(browser)?;
    lab::run_cell(browser, "6*7", "42")?;
    let script = format!(
        "return fetch('/user/{name}/api/kernels').then(answer => answer.json()).then(kernels => new Promise((resolve, reject) => {{
           window.probe = new WebSocket(`ws://${{location.host}}/user/{name}/api/kernels/${{kernels[0].id}}/channels`);
           window.probe.onopen = () => resolve(true);
           window.probe.onclose = () => {{ window.closedAt = Date.now(); reject('closed') }};
         }}))"
    );
    ensure!(browser.execute(&script, Vec::new())? == serde_json::json!(true), "no WebSocket to {name}'s kernel");
    ensure!(browser.execute("return window.closedAt === undefined", Vec::new())? == serde_json::json!(true), "closed at once");
    Ok(())
}

/// Seconds since 1970, on the clock that browsers have too.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A shell that root was given in an ssh session.
struct RootShell {
    pid: String,
}

impl RootShell {
    /// Logs in by ssh as the account of the machine and becomes root there.
    fn open(context: &Context, hub: &Hub) -> Result<Self> {
        let port = context.free_port()?;
        // The rule for a shell is the machine owner's, and gone before anybody is demoted.
        hub.sh(&format!(
            "useradd --create-home --shell /bin/bash {SHELL_ACCOUNT}
             echo '{SHELL_ACCOUNT}:{PASSWORD}' | chpasswd
             echo '{SHELL_ACCOUNT} ALL=(root) NOPASSWD: /bin/sh' >/etc/sudoers.d/for-a-moment
             ssh-keygen -q -t ed25519 -N '' -f /root/key
             install -d -m 700 -o {SHELL_ACCOUNT} -g {SHELL_ACCOUNT} /home/{SHELL_ACCOUNT}/.ssh
             install -m 600 -o {SHELL_ACCOUNT} -g {SHELL_ACCOUNT} /root/key.pub /home/{SHELL_ACCOUNT}/.ssh/authorized_keys
             mkdir -p /run/sshd
             /usr/sbin/sshd -p {port} -o ListenAddress=127.0.0.1
             setsid ssh -i /root/key -p {port} -o StrictHostKeyChecking=no -o ConnectionAttempts=60 {SHELL_ACCOUNT}@127.0.0.1 \"sudo -n /bin/sh -c 'echo \\$\\$ >/root/shell.pid; while :; do /bin/sleep 1; done'\" >/root/ssh.log 2>&1 </dev/null &
             for i in $(seq 600); do [ -s /root/shell.pid ] && break; sleep 0.1; done
             [ -s /root/shell.pid ] || {{ cat /root/ssh.log >&2; exit 1; }}
             rm /etc/sudoers.d/for-a-moment"
        ))?;
        let pid = hub.sh("cat /root/shell.pid")?.trim().to_owned();
        let owner =
            hub.sh(&format!("stat -c %u /proc/{pid}; cat /proc/{pid}/cgroup | tail -1; loginctl list-sessions --no-legend"))?;
        ensure!(owner.starts_with("0\n") && owner.contains(SHELL_ACCOUNT), "no root shell in a session: {owner}");
        context.step(&format!("root shell {pid} in an ssh session: {}", owner.replace('\n', " | ")))?;
        Ok(Self { pid })
    }
}

/// Whether the account may run hubctl, as itself.
fn may_ask(hub: &Hub, expected: bool) -> Result<()> {
    let output = hub.command(["/usr/local/bin/hubctl", "status"]).user(SHELL_ACCOUNT).timeout(DEADLINE).output()?;
    ensure!(output.success() == expected, "hubctl as {SHELL_ACCOUNT}: {} {}", output.text(), output.complaint());
    Ok(())
}

fn demoted_admin_has_no_root(context: &Context, hub: &Hub, shell: &RootShell) -> Result<()> {
    let began = Instant::now();
    let gone = format!("! [ -e /proc/{} ] && ! pgrep -u {SHELL_ACCOUNT} >/dev/null", shell.pid);
    wait::for_shell(hub, "the end of the root shell", &gone)?;
    context.step(&format!("the root shell was gone {:.2} s after it was looked for", began.elapsed().as_secs_f64()))?;
    may_ask(hub, false)?;
    context.step("no root shell, no session, no hubctl")
}
