//! `sudo hubctl config edit`, as a new administrator with a terminal and an editor does it, and as it goes wrong.

mod terminal;

use anyhow::{Result, ensure};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;
use crate::wait;
use terminal::{HANG_UP, INTERRUPT, at_terminal};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "config-edit",
    about: "sudo hubctl config edit: problems save nothing, a fixed file is applied live, history, rollback, and all that goes wrong",
    group: Group::Default,
    needs_programs: true,
    run,
};

const CONFIG: &str = "/etc/hubd/config.toml";
/// Not the one who installed the hub: an account to which the machine's owner gave hubctl with sudo.
const ADMIN: &str = "admin";
const HUBCTL: &str = "/opt/hubd/bin/hubctl, /usr/local/bin/hubctl";
const WHAT_NOW: &str = "(q)uit and throw away? [e]";
const SAVE: &str = "Save this and put it in force? [Y/n]";
const KEPT: &str = "Your text is kept in /run/hubd-edit/";
/// Nobody changes the configuration.
const UNLOCKED: &str = "flock --nonblock /run/hubd-config.lock true";
const LEFT: &str = "(c)ontinue with it";
const NOW: &str = "Do it now? [y/N]";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned()])?;
    hub.hubctl(&["server", "start", "bob"])?;
    hub.sh(&format!(
        "useradd --create-home --shell /bin/bash --groups audio {ADMIN}
         umask 227; echo '{ADMIN} ALL=(root) NOPASSWD: {HUBCTL}, /usr/bin/tee' >/etc/sudoers.d/{ADMIN}"
    ))?;
    terminal::install(&hub)?;
    identity(context, &hub)?;
    first_edit(context, &hub)?;
    history(context, &hub)?;
    two_at_once(context, &hub)?;
    interrupted(context, &hub)?;
    disk_full(context, &hub)?;
    hostile_editor(context, &hub)?;
    meanwhile(context, &hub)?;
    packages(context, &hub)?;
    installer_waits(context, &hub)?;
    lock_out(context, &hub)
}

/// Editors are told a line before the file.
const LAST_ARGUMENT: &str = "shift $(($# - 1))";

/// `admin` edits: the editor does `script` to its file, `$1`.
fn edit(hub: &Hub, script: &str, answers: &[(&str, &str)]) -> Result<terminal::Said> {
    hub.write(&format!("/home/{ADMIN}/editor"), format!("#!/bin/sh\n{LAST_ARGUMENT}\n{script}\n"), 0o755)?;
    at_terminal(hub, ADMIN, &format!("EDITOR=/home/{ADMIN}/editor sudo hubctl config edit"), answers)
}

/// Who names packages of the distribution sees apt's plan at once, and has it done or not.
fn packages(context: &Context, hub: &Hub) -> Result<()> {
    let naming = |name: &str| {
        let line = format!("apt = [\"{name}\"]");
        format!(
            "sed -i '/^apt = /d; s/^\\[environment\\]/&\\n{line}/' \"$1\"; grep -q '^apt = ' \"$1\" || printf '\\n[environment]\\n{line}\\n' >>\"$1\""
        )
    };
    let said = edit(hub, &naming("fortune-mod"), &[(SAVE, "y\n"), (NOW, "\n")])?;
    said.expect(0, &["and in force.", "+ fortune-mod ", "are downloaded", "Nothing was installed or removed."])?;
    hub.sh("! dpkg -s fortune-mod 2>/dev/null")?;
    let said = edit(hub, &naming("figlet"), &[(SAVE, "y\n"), (NOW, "y\n")])?;
    said.expect(0, &["+ figlet ", "1 package changed"])?;
    hub.sh("figlet hub && ! dpkg -s fortune-mod 2>/dev/null")?;
    context.step(&format!("apt's plan after an edit, and done:\n{}", said.text))
}

fn live(hub: &Hub) -> Result<String> {
    hub.sh(&format!("cat {CONFIG}; stat -c '%U %G %a %h' {CONFIG}"))
}

/// Runs `act`, after which the configuration must be byte for byte what it was.
fn unchanged<T>(hub: &Hub, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = live(hub)?;
    let done = act()?;
    let after = live(hub)?;
    ensure!(before == after, "the configuration was changed:\n{before}\n---\n{after}");
    Ok(done)
}

/// The variable reaches the editor through sudo, and the editor is the person's own program.
fn identity(context: &Context, hub: &Hub) -> Result<()> {
    let report =
        "{ id -un; id -Gn; echo $HOME; tty; stat -c '%U %a' \"$1\"; } >$HOME/seen; ls /etc/hubd /root >>$HOME/seen 2>&1; true";
    edit(hub, report, &[])?.expect(5, &["Nothing was changed."])?;
    let seen = hub.sh(&format!("cat /home/{ADMIN}/seen"))?;
    let lines: Vec<&str> = seen.lines().collect();
    ensure!(lines.first() == Some(&ADMIN) && lines.get(1) == Some(&"admin audio"), "the editor ran as {seen}");
    ensure!(lines.get(2) == Some(&"/home/admin") && lines.get(4) == Some(&"admin 600"), "the editor's home and file: {seen}");
    ensure!(lines.get(3).is_some_and(|tty| tty.starts_with("/dev/")), "the editor's terminal: {seen}");
    ensure!(seen.contains("/root': Permission denied"), "the editor has rights that are not the person's: {seen}");
    let other = at_terminal(hub, ADMIN, &format!("sudo VISUAL=/home/{ADMIN}/editor hubctl config edit"), &[])?;
    other.expect(5, &["Nothing was changed."])?;
    context.step("the editor runs as the one who called sudo, at the terminal, with home and groups")
}

/// A typo, a wrong type and an impossible value; then the same file put right.
fn first_edit(context: &Context, hub: &Hub) -> Result<()> {
    let wrong = "sed -i 's/^\\[servers\\]/&\\nidle_timout = \"1h\"\\nconcurrent_starts = \"many\"/; s/^\\[sessions\\]/&\\nlifetime = \"900d\"/' \"$1\"";
    let said = unchanged(hub, || edit(hub, wrong, &[(WHAT_NOW, "q\\n")]))?;
    said.expect(5, &["error: 3 problems in the configuration", "did you mean `idle_timeout`?"])?;
    let places = said.text.lines().filter(|line| line.starts_with(&format!("{CONFIG}:"))).count();
    ensure!(places == 3, "{places} of three problems have a place:\n{}", said.text);
    context.step(&format!("three problems, nothing saved:\n{}", said.text))?;

    let turns = format!(
        "if [ -e $HOME/second ]; then sed -i 's/idle_timout/idle_timeout/; s/\"many\"/3/; s/900d/90d/' \"$1\"; else touch $HOME/second; {wrong}; fi"
    );
    let said = edit(hub, &turns, &[(WHAT_NOW, "\\n"), (SAVE, "\\n")])?;
    said.expect(0, &["+ concurrent_starts = 3", "servers.concurrent_starts", "in force"])?;
    context.step(&format!("put right, saved and in force:\n{}", said.text))?;
    let value = hub.sh("hubctl config get servers.concurrent_starts; hubctl config get sessions.lifetime")?;
    ensure!(value.trim() == "3\n90d", "in force: {value}");
    ensure!(live(hub)?.ends_with("root hubd 640 1"), "owner and mode: {}", live(hub)?);
    ensure!(hub.sh("ls /run/hubd-edit")?.is_empty(), "the draft is still there");

    let said = edit(
        hub,
        "sed -i '/^tasks = /d; s/^\\[limits\\]/&\\ntasks = 321/' \"$1\"; grep -q 'tasks = 321' \"$1\" || printf '\\n[limits]\\ntasks = 321\\n' >>\"$1\"",
        &[(SAVE, "y\\n")],
    )?;
    said.expect(0, &["limits.tasks", "321"])?;
    Ok(())
}

fn history(context: &Context, hub: &Hub) -> Result<()> {
    let versions = hub.hubctl(&["config", "history"])?;
    let newest = versions["versions"].as_array().and_then(|versions| versions.last()).cloned().unwrap_or_default();
    ensure!(newest["who"] == ADMIN && newest["how"] == "edit" && newest["state"] == "healthy", "newest version: {newest}");
    let said = at_terminal(hub, ADMIN, "sudo hubctl config rollback", &[("[Y/n]", "\\n")])?;
    said.expect(0, &["limits.tasks", "in force"])?;
    ensure!(hub.sh("hubctl config get limits.tasks")?.trim() != "321", "a rollback went back to nothing");
    let listed = hub.sh("hubctl config history")?;
    context.step(&format!("history after a rollback:\n{listed}"))?;
    let set = hub.hubctl(&["config", "set", "limits.tasks", "400"])?;
    ensure!(set["outcome"] == "applied", "set: {set}");
    Ok(())
}

/// The first one's editor waits until the second one has been told.
fn two_at_once(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("rm -f /tmp/at-it /tmp/go-on; mkfifo --mode=666 /tmp/go-on")?;
    hub.write(&format!("/home/{ADMIN}/editor"), "#!/bin/sh\ntouch /tmp/at-it\nread _ </tmp/go-on\n", 0o755)?;
    let first = "setsid at-terminal /tmp/first 'EDITOR=/home/admin/editor sudo hubctl config edit' >/tmp/first.said 2>&1 & echo $! >/tmp/first.pid";
    hub.command(["/bin/sh", "-c", first]).user(ADMIN).run()?;
    wait::for_shell(hub, "the first editor", "test -e /tmp/at-it")?;
    let said = at_terminal(hub, "debian", "sudo hubctl config edit", &[])?;
    said.expect(4, &["error: `admin` (process ", "is changing the configuration, since "])?;
    let output = hub.hubctl_output(&["config", "set", "limits.tasks", "500"])?;
    ensure!(output.code == 4, "set beside an editor: {output:?}");
    hub.sh("echo >/tmp/go-on")?;
    wait::for_shell(hub, "the end of the first editor", "hubctl config set limits.tasks 401 --json")?;
    context.step(&format!("the second one is told: {}", said.text.trim()))
}

/// Ctrl-C, a killed editor, a lost terminal: the text is kept, and offered.
fn interrupted(context: &Context, hub: &Hub) -> Result<()> {
    let more = "echo '# half a thought' >>\"$1\"";
    let begin_anew = (LEFT, "s\\n");
    unchanged(hub, || edit(hub, more, &[(SAVE, INTERRUPT)])?.expect(1, &[KEPT]))?;
    context.step("Ctrl-C at the question: the text is kept")?;
    let kill = format!("{more}; kill -KILL $$");
    unchanged(hub, || edit(hub, &kill, &[begin_anew, (WHAT_NOW, "k\\n")])?.expect(5, &["was ended by SIGKILL", KEPT]))?;
    let sleeping = format!("{more}; echo at it; exec sleep 100");
    let said = unchanged(hub, || edit(hub, &sleeping, &[begin_anew, ("at it", INTERRUPT), (WHAT_NOW, "k\\n")]))?;
    said.expect(5, &["was ended by SIGINT", KEPT])?;
    context.step("Ctrl-C in an editor ends the editor, and hubctl asks what now")?;
    let lost = unchanged(hub, || edit(hub, more, &[begin_anew, (SAVE, HANG_UP)]))?;
    ensure!(lost.text.contains(SAVE), "before the terminal was lost: {}", lost.text);
    wait::for_shell(hub, "the lock of a lost terminal", UNLOCKED)?;
    let lost = unchanged(hub, || edit(hub, &sleeping, &[begin_anew, ("at it", HANG_UP)]))?;
    ensure!(lost.text.contains("at it"), "before the terminal was lost: {}", lost.text);
    wait::for_shell(
        hub,
        "the end of an editor whose terminal is lost",
        &format!("{UNLOCKED} && ! grep -qs 'sleep.10[0]' /proc/[0-9]*/cmdline"),
    )?;
    context.step("a lost terminal, at the question and in the editor: lock and editor are gone, the text is kept")?;
    edit(hub, "true", &[(LEFT, "c\\n"), (SAVE, "y\\n")])?.expect(0, &["+ # half a thought", "No setting has another value."])?;
    ensure!(live(hub)?.contains("# half a thought"), "the text that was kept is not saved");
    context.step("the kept text was offered and saved")
}

/// No room where the configuration is, and then where its history is.
fn disk_full(context: &Context, hub: &Hub) -> Result<()> {
    for directory in ["/etc/hubd", "/var/lib/hubd-installer/config-history"] {
        hub.sh(&format!(
            "cp -a {directory} /tmp/copy; mount -t tmpfs -o size=256k,mode=$(stat -c %a {directory}) tmpfs {directory}
             cp -a /tmp/copy/. {directory}; rm -r /tmp/copy; cat /dev/zero >{directory}/full 2>/dev/null || true"
        ))?;
        let said = unchanged(hub, || edit(hub, "echo '# one more' >>\"$1\"", &[(SAVE, "y\\n")]))?;
        said.expect(1, &["No space left on device", KEPT])?;
        ensure!(hub.sh(&format!("find {directory} -name '.new-*'"))?.is_empty(), "something half-written is left in {directory}");
        hub.sh(&format!("umount {directory}; hubctl config check"))?;
        edit(hub, "exit 1", &[(LEFT, "s\\n")])?.expect(1, &["nothing was changed"])?;
        context.step(&format!("no room in {directory}: the file is whole, the text is kept"))?;
    }
    Ok(())
}

/// What the person's program can put in the draft's place gives it nothing of root's, and the configuration nothing.
fn hostile_editor(context: &Context, hub: &Hub) -> Result<()> {
    for (script, words) in [
        ("rm \"$1\"; ln -s /etc/shadow \"$1\"", "it is a symbolic link"),
        ("rm \"$1\"; mkfifo \"$1\"", "it is no file"),
        ("ln \"$1\" \"$1.second\"", "it has a second name (a hard link)"),
        ("cd \"$(dirname \"$1\")\"; mv ../* ./x; rm config.toml; ln -s /etc/shadow config.toml", "it is a symbolic link"),
    ] {
        let said = unchanged(hub, || edit(hub, script, &[(WHAT_NOW, "q\\n")]))?;
        said.expect(5, &[words])?;
        ensure!(!said.text.contains("root:"), "it shows what only root may read:\n{}", said.text);
    }
    let mode = hub.sh("stat -c '%U %a' /run/hubd-edit; ls /run/hubd-edit")?;
    ensure!(mode.trim() == "root 711", "the place of drafts: {mode}");
    unchanged(hub, || {
        hub.sh(&format!("mv {CONFIG} {CONFIG}.real; ln -s {CONFIG}.real {CONFIG}"))?;
        let said = edit(hub, "true", &[])?;
        hub.sh(&format!("mv -f {CONFIG}.real {CONFIG}"))?;
        said.expect(1, &["is a symbolic link to `/etc/hubd/config.toml.real`; expected the file itself"])
    })?;
    context.step("links, pipes and second names are refused, in the draft's place and in the configuration's")
}

fn meanwhile(context: &Context, hub: &Hub) -> Result<()> {
    let script = format!(
        "if [ -e $HOME/again ]; then exit 0; fi; touch $HOME/again; echo '# mine' >>\"$1\"; echo '# theirs' | sudo tee -a {CONFIG} >/dev/null"
    );
    let said = edit(hub, &script, &[(WHAT_NOW, "e\\n"), (SAVE, "y\\n")])?;
    said.expect(0, &["was changed by somebody else while you were editing", "+ # theirs", "- # theirs", "+ # mine"])?;
    ensure!(!live(hub)?.contains("# theirs"), "what was shown as going is still there");
    context.step("a file that was changed meanwhile is shown, and replaced only after that")
}

/// The installer changes the configuration, too, and not while somebody else does: who has it here gives it back when the installer
/// waits for it, with the file as it was then.
fn installer_waits(context: &Context, hub: &Hub) -> Result<()> {
    let holder = format!(
        "touch /root/has-it; until grep -q 'waiting for whoever has the configuration' /var/log/hubd-install.log; do sleep 0.1; done
         cp {CONFIG} /root/given-back"
    );
    hub.write("/root/holder", format!("#!/bin/sh\n{holder}\n"), 0o755)?;
    hub.sh("systemd-run --quiet --unit=holder flock /run/hubd-config.lock /root/holder")?;
    wait::for_shell(hub, "somebody to have the configuration", "[ -e /root/has-it ]")?;
    let install = ["/opt/hubd/bin/hub-installer", "install", "--yes", "--url", "http://class.example"];
    hub.command(install).timeout(wait::PATIENCE).run()?;
    hub.sh(&format!("! grep -qF class.example /root/given-back && grep -qF '\"http://class.example\"' {CONFIG}"))?;
    context.step("the installer waits for whoever changes the configuration")
}

fn lock_out(context: &Context, hub: &Hub) -> Result<()> {
    let out = "sed -i 's/^admins = .*/admins = []/' \"$1\"";
    let said = unchanged(hub, || edit(hub, out, &[("[y/N]", "\\n"), (WHAT_NOW, "q\\n")]))?;
    said.expect(5, &["warning: The hub would have no administrator any more."])?;
    let output = unchanged(hub, || hub.hubctl_output(&["config", "unset", "roles.admins"]))?;
    ensure!(output.code == 7, "unset without a terminal: {output:?}");
    let output = hub.hubctl_output(&["config", "unset", "roles.admins", "--allow-lockout"])?;
    ensure!(output.code == 0, "unset with --allow-lockout: {output:?}");
    context.step("the last administrator goes only after a question of its own")
}
