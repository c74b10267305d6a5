//! What a student leaves in her home for others to run as her, outside of her server: a key for ssh, units of `systemd --user`, a
//! `.forward`, a crontab, a job of at. And what becomes of an account that is open, and of what runs as somebody who is kept out.

use anyhow::{Result, ensure};

use crate::context::Context;
use crate::hub::Hub;
use crate::{kernel, wait};

/// Run by eve. The pipe in `.forward` and the unit write where everybody may, inside and out.
const TRAPS: &str = r#"
import os, pathlib, subprocess
home = pathlib.Path.home()
def write(path, text):
    (home / path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / path).write_text(text)
subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', home / 'key'], check=True)
write('.ssh/authorized_keys', (home / 'key.pub').read_text())
write('.config/systemd/user/escape.service', '[Service]\nExecStart=/usr/bin/touch /var/tmp/by-systemd\n')
wants = home / '.config/systemd/user/default.target.wants'
wants.mkdir()
(wants / 'escape.service').symlink_to('../escape.service')
write('.forward', '"|/usr/bin/touch /var/tmp/by-mail"\n')
write('.procmailrc', ':0 i\n| /usr/bin/touch /var/tmp/by-mail\n')
print(home)
"#;
/// Run by eve: a way in with her own key, to sshd with PAM and without, and a mail to herself.
const TRIES: &str = r#"
import smtplib, subprocess
def ssh(port, *arguments, program='ssh'):
    port = ['-p', str(port)] if program == 'ssh' else ['-P', str(port)]
    options = ['-i', home + '/key', *port, '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no']
    command = ['timeout', '20', program, *options, *arguments]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ran.stdout.strip().splitlines()[-1:]
    print(f'{program} {arguments} -> {ran.returncode} {said}')
there = account + '@127.0.0.1'
for port in ports:
    ssh(port, '-N', there)
    ssh(port, '-N', '-L', '/tmp/forwarded:127.0.0.1:25', there)
    ssh(port, there, 'true')
    ssh(port, there, program='sftp')
with smtplib.SMTP('127.0.0.1', mail, timeout=20) as server:
    server.ehlo()
    print('mail ->', server.sendmail(account + '@localhost', account + '@localhost', 'Subject: x\n\nx\n'))
"#;
const WAYS: usize = 4;
const ACCOUNT: &str = "jupyter-eve";

/// Everything that waits for somebody to run it as eve.
pub(super) fn set_traps(hub: &Hub) -> Result<()> {
    let ran = kernel::run(hub, "eve", TRAPS)?;
    ensure!(ran.error.is_none(), "setting traps: {ran:?}");
    // As an earlier version, or a student who got out of her sandbox, might have left it.
    hub.sh(&format!("echo '* * * * * touch /var/tmp/by-cron' | crontab -u {ACCOUNT} -"))?;
    Ok(())
}

/// Springs them, from her server and as the machine would. Returns what ran.
pub(super) fn attempts(context: &Context, hub: &Hub) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    let ports = [context.free_port()?, context.free_port()?];
    let mail = context.free_port()?;
    hub.sh(&format!(
        "mkdir -p /run/sshd
         /usr/sbin/sshd -p {} -o ListenAddress=127.0.0.1 -o UsePAM=yes
         /usr/sbin/sshd -p {} -o ListenAddress=127.0.0.1 -o UsePAM=no
         systemd-run --quiet --unit=mail-for-test exim4 -bdf -oX 127.0.0.1.{mail} -oP /run/exim-for-test.pid",
        ports[0], ports[1]
    ))?;
    for port in [ports[0], ports[1], mail] {
        wait::for_listener(hub, &format!("127.0.0.1:{port}"))?;
    }
    let home = hub.sh(&format!("getent passwd {ACCOUNT} | cut -d: -f6"))?;
    let code = format!("home, account, ports, mail = {home:?}, {ACCOUNT:?}, {ports:?}, {mail}\n{TRIES}");
    let ran = kernel::run(hub, "eve", &code)?;
    let lines: Vec<&str> = ran.printed.lines().collect();
    ensure!(ran.error.is_none() && lines.len() == 2 * WAYS + 1, "trying ssh and mail: {ran:?}");
    for line in lines {
        context.step(&format!("eve: {line}"))?;
        if !line.starts_with("mail") && !line.contains("-> 255 ") {
            failures.push(format!("eve gets in past the hub: {line}"));
        }
    }
    // What systemd and at would do for her.
    hub.sh(&format!(
        "runuser -u {ACCOUNT} -- sh -c 'echo touch /var/tmp/by-at | at now' 2>&1
         systemctl start user@$(id -u {ACCOUNT}).service 2>&1 || true"
    ))?;
    let heard = |who: &str| format!("journalctl --quiet -t {who} | grep -q {ACCOUNT}");
    wait::for_shell(hub, "a word of at", &format!("[ -e /var/tmp/by-at ] || {}", heard("atd")))?;
    wait::for_shell(hub, "a word of cron", &heard("CRON"))?;
    wait::for_shell(hub, "a word of exim", "grep -q R=userforward /var/log/exim4/mainlog")?;
    let marks = hub.sh("ls /var/tmp | grep ^by- | xargs")?;
    let outside = hub.sh(&format!("systemctl is-active user@$(id -u {ACCOUNT}).service || true"))?;
    context.step(&format!("what ran as eve outside of her server: {marks:?}; systemd --user is {outside}"))?;
    if !marks.is_empty() || outside == "active" {
        failures.push(format!("run as eve, outside of her server: {marks:?}; systemd --user is {outside}"));
    }
    hub.sh(&format!("crontab -u {ACCOUNT} -r; systemctl stop mail-for-test.service"))?;
    Ok(failures)
}

/// An account as earlier versions made them, with a login at work, is closed when the launcher starts; and what runs as somebody
/// who is kept out ends, wherever it is.
pub(super) fn mended(context: &Context, hub: &Hub) -> Result<Vec<String>> {
    const OLD: &str = "jupyter-bob";
    let mut failures = Vec::new();
    hub.sh(&format!(
        "usermod --expiredate '' {OLD}
         mkdir -p /var/lib/systemd/linger; touch /var/lib/systemd/linger/{OLD}
         systemctl start user@$(id -u {OLD}).service"
    ))?;
    let status = hub.hubctl_output(&["status"])?;
    if status.code != 1 || !status.text().contains(&format!("{OLD}` can be logged in to")) {
        failures.push(format!("hubctl status says nothing of an account that is open: {} {}", status.code, status.text()));
    }
    hub.sh("systemctl restart hubd-launcher.service")?;
    let is_closed = format!("! systemctl is-active -q user@$(id -u {OLD}).service && [ ! -e /var/lib/systemd/linger/{OLD} ]");
    wait::for_shell(hub, "an account that was open to be closed", &is_closed)?;
    let closed = format!(
        "getent shadow {OLD} | cut -d: -f8; ls /var/lib/systemd/linger; systemctl is-active user@$(id -u {OLD}).service || true"
    );
    let state = hub.sh(&closed)?;
    context.step(&format!("an account that was open, after the launcher's start: {state:?}"))?;
    if state.lines().next() != Some("1") || state.contains(OLD) || state.ends_with("\nactive") {
        failures.push(format!("an account that was open, after the launcher's start: {state:?}"));
    }
    ensure!(hub.sh("systemctl is-active hubd-user-bob.service")? == "active", "bob's server is gone");
    hub.hubctl(&["status"])?;
    hub.sh(&format!("systemd-run --quiet --service-type=exec --uid={OLD} sleep 86397; pgrep -u {OLD} -f 'sleep 86397'"))?;
    hub.hubctl(&["user", "block", "bob"])?;
    let left =
        hub.sh(&format!("for i in $(seq 600); do pgrep -u {OLD} >/dev/null || exit 0; sleep 0.1; done; ps -o args= -u {OLD}"))?;
    context.step(&format!("what runs as somebody who is blocked: {left:?}"))?;
    if !left.is_empty() {
        failures.push(format!("runs as somebody who is blocked: {left}"));
    }
    Ok(failures)
}
