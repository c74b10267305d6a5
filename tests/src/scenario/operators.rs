//! An operator who is not root: what is an administrator's works, and with every verb, every key, every argument that names a file
//! they would like to be root; and the same with a sudo rule for `hubctl`, as earlier versions gave to operators.

mod crowd;
mod keys;
mod verbs;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::Output;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, Hub};
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "operators",
    about: "operators run hubctl without sudo, change what administrators may, and become root by no verb, key or file; with sudo, \
            files are the caller's",
    group: Group::Default,
    needs_programs: true,
    run,
};

/// Named in the configuration; sudo knows nothing of it.
const OPERATOR: &str = "opal";
/// Not named.
const STRANGER: &str = "sten";
/// What earlier versions gave operators, but for the password.
const FORMER: &str = "fern";
/// Only root can read it.
const SECRET_FILE: &str = "/etc/secret.conf";
const SECRET: &str = "canary-4410";
const NOBODYS: &str = "no-such-package-of-the-hub";
const DEADLINE: Duration = Duration::from_secs(300);
/// What a sudo rule, a set-uid program, a unit or another configuration would change.
const STATE: &str = "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /home -o -path '/var/lib/hubd*' \
     -o -path '/var/log' -o -path /var/backups -o -path /var/lib/apt/periodic -o -path /var/lib/systemd/timers -o -path /var/cache -o -path /var/tmp -o -path /root \\) -prune -o -type f -user root -printf '%p %m %s %T@\\n' | sort";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.sh(&format!(
        "for name in {OPERATOR} {STRANGER} {FORMER}; do useradd --create-home --shell /bin/bash $name; done
         umask 077; echo {SECRET} >{SECRET_FILE}
         umask 227; echo '{FORMER} ALL=(root) NOPASSWD: /opt/hubd/bin/hubctl, /usr/local/bin/hubctl' >/etc/sudoers.d/{FORMER}"
    ))?;
    hub.hubctl(&["config", "add", "roles.host_operators", OPERATOR])?;
    works(context, &hub)?;
    keys::change(context, &hub)?;
    keys::cut_short(context, &hub)?;
    nobody_else(context, &hub)?;
    crowd::crowd(context, &hub)?;
    let before = hub.sh(STATE)?;
    files(context, &hub)?;
    every_verb(context, &hub)?;
    keys::every(context, &hub)?;
    keys::forged(context, &hub)?;
    let after = hub.sh(STATE)?;
    let before: HashSet<&str> = before.lines().collect();
    let changed: Vec<_> = after.lines().filter(|line| !before.contains(line)).collect();
    ensure!(changed.is_empty(), "an operator changed files of root: {changed:#?}");
    context.step("no file of root's changed")?;
    bundle(context, &hub)?;
    old_rules(context, &hub)?;
    taken_away(context, &hub)
}

fn as_user(hub: &Hub, user: &str, script: &str) -> Result<Output> {
    let command = ["/bin/bash", "-c", &format!("cd; {script}")];
    hub.command(command).user(user).timeout(DEADLINE).output().with_context(|| script.to_owned())
}

fn said(output: &Output) -> String {
    format!("{} {}{}", output.code, output.text(), output.complaint())
}

/// What an administrator may inside the hub, and nothing of it runs as root.
fn works(context: &Context, hub: &Hub) -> Result<()> {
    for line in [
        "hubctl status",
        "hubctl user add bob",
        "printf 'cleo\\ndora\\n' >class.txt; hubctl user add --from class.txt",
        "hubctl server start bob",
        "hubctl server list",
        "hubctl server logs bob",
        "hubctl user block bob; hubctl user unblock bob",
        "hubctl user remove dora --yes",
        "hubctl env status",
        "hubctl env export >lock.txt",
        "hubctl upgrade --status",
        "hubctl https status",
    ] {
        let output = as_user(hub, OPERATOR, line)?;
        ensure!(output.success(), "{line}: {}", said(&output));
    }
    let users = hub.hubctl(&["user", "list"])?.to_string();
    ensure!(users.contains("bob") && users.contains("cleo") && !users.contains("dora"), "{users}");
    wait::for_log(hub, "--unit=hubd.service", &format!("{OPERATOR} on the host did user add for cleo, dora"))?;
    context.step("an operator enrolled people and started a server, without sudo")
}

fn nobody_else(context: &Context, hub: &Hub) -> Result<()> {
    let stranger = as_user(hub, STRANGER, "hubctl user list")?;
    ensure!(stranger.code == 7 && said(&stranger).contains("sten is not an operator of this hub"), "{}", said(&stranger));
    // A person's account can't even be logged in with; root makes it connect here.
    hub.hubctl(&["server", "start", ADMIN])?;
    let person = as_user(hub, &format!("jupyter-{ADMIN}"), "hubctl user list")?;
    ensure!(person.code == 7 && said(&person).contains("is not an operator"), "{}", said(&person));
    context.step(&format!("anybody else is refused: {}", said(&stranger)))
}

/// Each argument that may name a file, by name and through links: without sudo, and with the rule of before.
fn files(context: &Context, hub: &Hub) -> Result<()> {
    let prepare = format!(
        "cd; mkdir -p links; cd links
         for name in plain course-1.0-py3-none-any.whl hubd-0.2.0-$(uname -m).tar.gz SHA256SUMS SHA256SUMS.minisig; do
             ln -sf {SECRET_FILE} $name
         done
         ln -sfn /etc/sudoers.d rules; ln -sf /etc/sudoers.d/new new; ln -sf /etc/sudoers.d/new new2.part; ls"
    );
    let mut tried = 0;
    for (user, hubctl) in [(OPERATOR, "hubctl"), (FORMER, "sudo -n hubctl")] {
        as_user(hub, user, &prepare)?;
        for line in verbs::with_files() {
            let targets = match line.verb.as_str() {
                "bundle create" => vec!["/etc/sudoers.d/new", "links/rules/new", "links/new"],
                "env apt install" | "env apt remove" => continue,
                "upgrade" => vec!["links/hubd-0.2.0-$(uname -m).tar.gz"],
                verb if verb.starts_with("env ") && verb != "env apply" => vec!["links/course-1.0-py3-none-any.whl"],
                _ => vec![SECRET_FILE, "links/plain", "/etc/shadow"],
            };
            for target in targets {
                let output = as_user(hub, user, &format!("{hubctl} {}", line.text.replace("{}", target)))?;
                let all = said(&output);
                ensure!(!output.success(), "{user}: {line} worked with {target}: {all}", line = line.text);
                ensure!(!all.contains(SECRET) && !all.contains(":99999:"), "{user}: {}: it was read: {all}", line.text);
                tried += 1;
            }
        }
    }
    hub.sh("test ! -e /etc/sudoers.d/new")?;
    context.step(&format!("{tried} command lines with files that only root may read or write: all were refused"))
}

/// What is not refused with full root named is done by the hub, as for an administrator.
fn every_verb(context: &Context, hub: &Hub) -> Result<()> {
    let (mut roots, mut others) = (Vec::new(), Vec::new());
    for line in verbs::all() {
        // What is about ada's server or asks for an upgrade is tried elsewhere, and would only take time.
        as_user(hub, OPERATOR, &format!("echo {NOBODYS} >list.txt"))?;
        let file = if line.verb.starts_with("env ") && line.verb != "env apply" { NOBODYS } else { "list.txt" };
        let output = as_user(hub, OPERATOR, &format!("hubctl {} </dev/null", line.text.replace("{}", file)))?;
        let is_root = output.code == 7 && said(&output).contains("need") && said(&output).contains("full root");
        if is_root { &mut roots } else { &mut others }.push(format!("{} ({})", line.verb, output.code));
        ensure!(is_root || !is_roots(&line.verb), "{}: {}", line.text, said(&output));
    }
    context.step(&format!("{} verbs need full root: {}", roots.len(), roots.join(", ")))?;
    context.step(&format!("{} are the hub's: {}", others.len(), others.join(", ")))
}

/// By its words alone; `config check FILE` and reading are for everybody.
fn is_roots(verb: &str) -> bool {
    let changes =
        ["config edit", "config rollback", "config apply", "env apt install", "env apt remove", "env apt apply", "https renew"];
    verb.starts_with("bundle ") || changes.contains(&verb)
}

/// With sudo a bundle is made where the caller could, and belongs to the caller.
fn bundle(context: &Context, hub: &Hub) -> Result<()> {
    as_user(hub, FORMER, "ln -sf /etc/sudoers.d/new class.bundle.part")?;
    let made = as_user(
        hub,
        FORMER,
        "sudo -n hubctl bundle create class.bundle --no-packages && hubctl_file=class.bundle; stat --format='%U %a' $hubctl_file; tar -tf $hubctl_file | head -n 1",
    )?;
    ensure!(made.success() && made.text().contains(&format!("{FORMER} 644\nSHA256SUMS")), "{}", said(&made));
    let shown = as_user(hub, FORMER, "sudo -n hubctl bundle show class.bundle; ls -A | grep part")?;
    ensure!(shown.text().contains("hubd ") && shown.text().ends_with("class.bundle.part"), "{}", said(&shown));
    let again = as_user(hub, FORMER, "sudo -n hubctl bundle create class.bundle --no-packages")?;
    ensure!(again.code == 7 && said(&again).contains("is there already"), "{}", said(&again));
    hub.sh("test ! -e /etc/sudoers.d/new")?;
    context.step("a bundle that was made with sudo belongs to the account behind it, and no link was followed")
}

/// An upgrade takes away the rule that earlier versions gave.
fn old_rules(context: &Context, hub: &Hub) -> Result<()> {
    let rules = "/etc/sudoers.d/00-hubd-admins";
    hub.sh(&format!("chmod u+w {rules}; printf '\\n{OPERATOR} ALL=(root) NOPASSWD: /opt/hubd/bin/hubctl, /usr/local/bin/hubctl\\n' >>{rules}; chmod u-w {rules}"))?;
    ensure!(as_user(hub, OPERATOR, "sudo -n hubctl status")?.success(), "the rule of before is not in force");
    hub.command(["/opt/hubd/bin/hub-installer", "install", "--yes", "--json"]).timeout(DEADLINE).run()?;
    let output = as_user(hub, OPERATOR, "sudo -n hubctl status")?;
    ensure!(!output.success(), "the rule is still there: {}", said(&output));
    ensure!(!hub.sh(&format!("cat {rules}"))?.contains("ALL="), "the rule is still there");
    ensure!(as_user(hub, OPERATOR, "hubctl status")?.success(), "without sudo");
    context.step(&format!("the sudo rule of earlier versions is gone after an install of this one: {}", said(&output)))
}

/// Looked up at each request.
fn taken_away(context: &Context, hub: &Hub) -> Result<()> {
    hub.hubctl(&["config", "remove", "roles.host_operators", OPERATOR])?;
    for line in ["hubctl user list", "hubctl config set limits.memory 2G", "hubctl config get limits.memory"] {
        let output = as_user(hub, OPERATOR, line)?;
        ensure!(output.code == 7 && said(&output).contains("is not an operator"), "{line}: {}", said(&output));
    }
    context.step("a former operator is refused with the next request")
}
