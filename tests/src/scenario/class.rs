//! The main story: a fresh machine, one line, and a class at work in its browsers.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use fs_err as fs;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::{ADMIN, Hub, PASSWORD};
use crate::{kernel, lab, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "class",
    about: "installed by curl, claimed by its admin; two students log in at once, run cells, open a terminal, move 100 MB",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);
const FILE_BYTES: u64 = 100_000_000;
/// How often something is begun that is to be caught at its work.
const ATTEMPTS: u32 = 20;

/// Repositories of others: three in the class folder, one of them where everybody may write, and one elsewhere. Each would run
/// something for whoever asks for its state.
const REPOSITORIES: &str = "
set -e
git init --quiet --initial-branch main /srv/class/course
cd /srv/class/course
echo welcome > lesson.txt
git add lesson.txt
git -c user.name=ada -c user.email=ada@example.org commit --quiet --message first
git clone --quiet --bare . /srv/class/bare.git
git config core.fsmonitor 'touch ~/evil-ran; false'
mkdir -m 1777 /srv/class/drop
for place in /srv/class/drop/evil /usr/local/evil; do cp -r /srv/class/course $place; done
chmod -R a+rX /srv/class /usr/local/evil
";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    let admin = context.browser(ADMIN)?;
    claim(context, &hub, &admin)?;
    enrol_from_inside(context, &hub, &admin)?;

    let (bob, cleo) = (context.browser("bob")?, context.browser("cleo.d-e")?);
    hub.log_in(&bob, "bob")?;
    hub.log_in(&cleo, "cleo.d-e")?;
    for (browser, name) in [(&bob, "bob"), (&cleo, "cleo.d-e")] {
        hub.wait_for_lab(browser)?;
        lab::new_notebook(browser)?;
        lab::run_cell(browser, "1+1", "2")?;
        lab::run_cell(browser, "import os; os.environ['HUBD_USER']", name)?;
        browser.screenshot("cell")?;
    }
    context.step("two students ran cells")?;
    terminal(context, &hub, &bob)?;
    clones(context, &hub)?;
    files(context, &hub, &bob)?;
    leave(context, &hub, &bob)
}

/// The admin follows the installer's link, sets a password and lands in JupyterLab. A second use of the link does nothing.
pub(super) fn claim(context: &Context, hub: &Hub, admin: &Browser) -> Result<()> {
    let link = hub.invitation()?;
    admin.goto(&link)?;
    admin.screenshot("claim")?;
    admin.fill("#password", PASSWORD)?;
    admin.fill("#repeat", PASSWORD)?;
    admin.click_text("Save and go to my server")?;
    hub.wait_for_lab(admin)?;
    admin.screenshot("lab")?;
    lab::new_notebook(admin)?;
    lab::run_cell(admin, "1+1", "2")?;
    context.step("the admin claimed the hub and ran a cell")?;
    let second = context.browser("late")?;
    second.goto(&link)?;
    ensure!(second.count("#password")? == 0, "the link still works after it was used");
    second.screenshot("used-link")?;
    Ok(())
}

/// Students are enrolled by `hubctl` in a terminal of the admin's own server.
fn enrol_from_inside(context: &Context, hub: &Hub, admin: &Browser) -> Result<()> {
    lab::new_terminal(admin)?;
    let line = format!(
        "printf 'name,password\\nbob,{PASSWORD}\\ncleo.d-e,{PASSWORD}\\n' | hubctl user add --from - > added.txt 2>&1; echo \"exit $?\" >> added.txt"
    );
    lab::terminal_line(admin, &line)?;
    let added = wait_for_line(hub, ADMIN, "added.txt", "exit ")?;
    ensure!(added.contains("exit 0"), "hubctl inside the hub: {added}");
    admin.screenshot("hubctl-inside")?;
    lab::terminal_line(
        admin,
        "hubctl config check > refused.txt 2>&1; echo \"exit $?\" >> refused.txt; clear; hubctl user list",
    )?;
    let refused = wait_for_line(hub, ADMIN, "refused.txt", "exit ")?;
    ensure!(!refused.contains("exit 0") && refused.contains("works only on the server"), "a host verb inside the hub: {refused}");
    admin.screenshot("hubctl-list")?;
    configure_from_inside(context, hub, admin)?;
    let listed = hub.hubctl(&["user", "list"])?;
    ensure!(listed["users"].as_array().is_some_and(|users| users.len() == 3), "enrolled: {listed}");
    context.step("two students were enrolled from inside the hub")
}

/// In the same terminal: what an administrator may change takes hold, and what is the machine's own is refused.
fn configure_from_inside(context: &Context, hub: &Hub, admin: &Browser) -> Result<()> {
    let asked = |file: &str, line: &str| {
        lab::terminal_line(admin, &format!("({line}) > {file} 2>&1; echo \"exit $?\" >> {file}"))?;
        wait_for_line(hub, ADMIN, file, "exit ")
    };
    let set = asked("memory.txt", "hubctl config set limits.memory 900M && hubctl config get limits.memory")?;
    ensure!(set.contains("and in force.") && set.trim_end().ends_with("900M\nexit 0"), "limits.memory inside the hub: {set}");
    let slice = hub.sh(&format!("systemctl show --property=Slice --value hubd-user-{ADMIN}.service"))?;
    let most = hub.sh(&format!("systemctl show --property=MemoryMax --value {}", slice.trim()))?;
    ensure!(most.trim() == (900_u64 << 20).to_string(), "MemoryMax of {}: {most}", slice.trim());
    let explained = asked("limits.txt", &format!("hubctl limits explain {ADMIN}"))?;
    ensure!(explained.contains("900M"), "limits explain inside the hub: {explained}");
    let announced = asked("announced.txt", "hubctl config set hub.announcement 'Exam at noon.'")?;
    ensure!(announced.contains("exit 0"), "hub.announcement inside the hub: {announced}");
    let page = hub.sh(&format!("curl -s {}/hub/login", hub.url()))?;
    ensure!(page.contains("Exam at noon."), "the announcement is on no page: {page}");
    admin.wait_for_text("#hubd-notes", "Exam at noon.", DEADLINE)?;
    admin.screenshot("announcement-in-lab")?;
    admin.click("#hubd-notes button")?;
    admin.wait_until_gone("[data-note^=announced]", DEADLINE)?;
    let before = hub.sh("cat /etc/hubd/config.toml")?;
    let refused = asked("listen.txt", "hubctl config set http.listen 127.0.0.1:1")?;
    ensure!(
        refused.contains("changed on the machine only") && refused.contains("exit 7"),
        "http.listen inside the hub: {refused}"
    );
    ensure!(hub.sh("cat /etc/hubd/config.toml")? == before, "a refused change changed the configuration");
    // Whatever a taken-over hub sends, root's side decides.
    let forged = hub.sh(
        r#"printf '%s' '{"requester":{"person":"ada"},"change":{"verb":"add","key":["roles","admins"],"values":["bob"],"manner":{"dry_run":false,"allow_lockout":true,"json":false}}}' >/root/forged.json
           mkdir -p /var/lib/hubd-launcher/config-change; cp /root/forged.json /var/lib/hubd-launcher/config-change/request.json
           systemctl start hubd-config.service; cat /var/lib/hubd-launcher/config-change/result.json; rm /var/lib/hubd-launcher/config-change/*"#,
    )?;
    let ended: serde_json::Value = serde_json::from_str(&forged)?;
    let is_refused =
        ended["code"] == 7 && ended["messages"].as_str().is_some_and(|said| said.contains("changed on the machine only"));
    ensure!(is_refused, "a forged request: {forged}");
    let killed = killed_at_its_work(hub, admin)?;
    hub.hubctl(&["config", "check"])?;
    let again = asked("again.txt", "hubctl config set servers.idle_timeout 78m")?;
    ensure!(again.contains("exit 0"), "after a killed change: {again}");
    let by = hub.hubctl(&["config", "history"])?;
    ensure!(by["versions"].as_array().and_then(|all| all.last()).is_some_and(|last| last["who"] == "ada, in the hub"), "{by}");
    context.step(&format!("an administrator changed limits and announced something from inside; killed at it: {killed}"))
}

/// A change that is killed: the file is whole, and nobody stands in the way afterwards. One that was done sooner is made once more.
fn killed_at_its_work(hub: &Hub, admin: &Browser) -> Result<String> {
    for attempt in 1..=ATTEMPTS {
        let file = format!("killed-{attempt}.txt");
        let set = format!("hubctl config set servers.idle_timeout {}m", 60 + attempt);
        lab::terminal_line(admin, &format!("{set} > {file} 2>&1; echo \"exit $?\" >> {file}"))?;
        let kill = "systemctl kill --signal=KILL hubd-config.service 2>/dev/null";
        wait::for_shell(hub, "a change", &format!("{kill} || grep -qs 'exit ' /home/hubd/jupyter-{ADMIN}/{file}"))?;
        let said = wait_for_line(hub, ADMIN, &file, "exit ")?;
        if !said.contains("exit 0") {
            return Ok(said);
        }
    }
    bail!("no change was killed in {ATTEMPTS} attempts")
}

fn terminal(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    lab::new_terminal(bob)?;
    lab::terminal_line(bob, "id -un > who.txt; echo $SHELL >> who.txt; echo done >> who.txt")?;
    let who = wait_for_line(hub, "bob", "who.txt", "done")?;
    ensure!(who.trim() == "jupyter-bob\n/bin/bash\ndone", "in the terminal: {who:?}");
    bob.screenshot("terminal")?;
    context.step("a terminal works")
}

/// Repositories in the class folder can be cloned, also by a link of nbgitpuller, and none that is elsewhere, or where everybody
/// may write; and where a teacher has the files checked out git runs nothing.
fn clones(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh(REPOSITORIES)?;
    let run = |command: &str| -> Result<String> {
        let code = format!(
            "import subprocess\nran = subprocess.run({command:?}, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n\
             print(ran.returncode, ran.stdout)"
        );
        Ok(kernel::run(hub, "bob", &code)?.answer())
    };
    for clone in [
        "cd; git clone /srv/class/course one; cat one/lesson.txt",
        "cd; git clone ~/class/bare.git two; cat two/lesson.txt",
        "cd; gitpuller file:///srv/class/course main three; cat three/lesson.txt",
    ] {
        let said = run(clone)?;
        ensure!(said.starts_with("0 ") && said.ends_with("welcome"), "{clone}: {said}");
    }
    for refused in
        ["cd; git clone /usr/local/evil four", "cd; git clone /srv/class/drop/evil four", "cd /srv/class/course; git status"]
    {
        let said = run(refused)?;
        ensure!(said.starts_with("128 ") && said.contains("dubious"), "{refused}: {said}");
    }
    let ran = hub.sh("ls /home/hubd/jupyter-bob | grep -x evil-ran || true")?;
    ensure!(ran.is_empty(), "something of a stranger's repository ran");
    context.step("cloned from the class folder, and from nowhere else")
}

fn files(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    let directory = TempDir::with_prefix("hubd-upload-")?;
    let file = directory.path().join("large.bin");
    let mut content = Vec::new();
    File::open("/dev/urandom")?.take(FILE_BYTES).read_to_end(&mut content)?;
    fs::write(&file, &content)?;
    let digest = hexadecimal(&content);
    lab::upload(bob, &file)?;
    // Lab lists the file before its last part has arrived.
    wait::for_shell(hub, "the upload", &format!("[ $(stat -c %s /home/hubd/jupyter-bob/large.bin) = {FILE_BYTES} ]"))?;
    let arrived = hub.sh("sha256sum /home/hubd/jupyter-bob/large.bin | cut -c1-64")?;
    ensure!(arrived.trim() == digest, "uploaded {arrived}, sent {digest}");
    context.step("uploaded 100 MB")?;
    bob.execute(
        "const link = document.createElement('a'); link.href = '/user/bob/files/large.bin?download=1'; link.download = 'large.bin'; document.body.append(link); link.click()",
        Vec::new(),
    )?;
    let downloaded = hexadecimal(&fs::read(bob.downloaded("large.bin")?)?);
    ensure!(downloaded == digest, "downloaded {downloaded}, uploaded {digest}");
    context.step("downloaded 100 MB")
}

fn hexadecimal(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The home page, the menu entries of JupyterLab, and logging out.
fn leave(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    bob.goto(&format!("{}/hub/home", hub.url()))?;
    bob.wait_for_text("main", "Memory", DEADLINE)?;
    bob.screenshot("home")?;
    bob.goto(&format!("{}/user/cleo.d-e/lab", hub.url()))?;
    ensure!(bob.count(".jp-Launcher")? == 0, "bob got into cleo's server");
    bob.screenshot("not-yours")?;
    bob.goto(&format!("{}/user/bob/lab", hub.url()))?;
    hub.wait_for_lab(bob)?;
    ensure!(bob.source()?.contains("\"hubPrefix\": \"/hub/\""), "JupyterLab does not know the hub");
    bob.execute("window.location.href = '/user/bob/logout'", Vec::new())?;
    bob.wait_for_url("/hub/login", DEADLINE)?;
    bob.screenshot("logged-out")?;
    bob.goto(&format!("{}/user/bob/lab", hub.url()))?;
    bob.wait_for_url("/hub/login", DEADLINE)?;
    context.step("logged out")
}

/// Waits until `file` in somebody's home has a line with `text`, and returns the file.
pub(super) fn wait_for_line(hub: &Hub, name: &str, file: &str, text: &str) -> Result<String> {
    let path = format!("/home/hubd/jupyter-{}/{file}", name.replace('.', "-"));
    wait::for_shell(hub, &format!("`{text}` in {path}"), &format!("grep -qs '{text}' {path}"))?;
    hub.sh(&format!("cat {path}"))
}
