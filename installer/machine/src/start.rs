//! Starting systemd-nspawn so that the limits of the machine bite, whatever the host has as PID 1.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_system::command::Command;
use hub_system::transient::{Attachment, TransientRun};

use super::cgroup::{Groups, Layout};
use super::process::{Process, wait_until};
use super::record::{Record, Running};

const NSPAWN: &str = "/usr/bin/systemd-nspawn";
const SETSID: &str = "/usr/bin/setsid";
const SHELL: &str = "/bin/sh";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// Exists while systemd is PID 1 of the host.
const SYSTEMD_RUNS: &str = "/run/systemd/system";
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How much of the console an error shows.
const CONSOLE_LINES: usize = 15;

/// Runs on the host: leaves its process number, joins the groups of the machine, becomes systemd-nspawn.
const JOIN_AND_START: &str = r#"exec </dev/null >>"$2" 2>&1
echo $$ >"$1"
shift 2
while [ "$1" != -- ]; do echo $$ >"$1"; shift; done
shift
exec "$@""#;

/// Runs as PID 1 of the machine and becomes systemd. systemd-nspawn leaves v1 controllers read-only, and systemd then
/// ignores every limit without a word.
const INIT: &str = r#"for mount in /sys/fs/cgroup/*; do
case "$mount" in */cpuset) continue;; esac
if mountpoint -q "$mount"; then mount -o remount,bind,rw "$mount" || exit 1; fi
done
exec /lib/systemd/systemd"#;

/// systemd 256 and later start on cgroup v1 only when told so twice.
const LEGACY_CGROUPS: &str = "--setenv=SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=0 \
                              SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1";

/// Starts the machine on its mounted disk and returns its processes; systemd inside is still booting then.
pub(super) fn start(record: &Record) -> Result<Running> {
    let disk = record.disk();
    let console = disk.directory.join("console.log");
    let groups = Groups::named(&record.name)?;
    let arguments = nspawn_arguments(record, groups.layout);
    let supervisor = if groups.layout == Layout::Unified && Path::new(SYSTEMD_RUNS).exists() {
        start_as_unit(&record.name, &console, &arguments)?
    } else {
        groups.remove()?;
        groups.create()?;
        start_detached(&disk.directory.join("pid"), &console, &groups, &arguments)?
    };
    let leader = wait_until("systemd-nspawn to start the machine", START_DEADLINE, || {
        let leader = supervisor.child_init()?;
        if leader.is_none() && !supervisor.is_alive() {
            bail!("systemd-nspawn ended at once; its last words:\n{}", last_lines(&console));
        }
        Ok(leader)
    })?;
    Ok(Running { supervisor, leader })
}

/// Ends what [`start`] left on the host besides the processes.
pub(super) fn forget_unit(name: &str) -> Result<()> {
    if !Path::new(SYSTEMD_RUNS).exists() {
        return Ok(());
    }
    let unit = unit(name);
    for verb in ["stop", "reset-failed"] {
        let output = Command::new(SYSTEMCTL, START_DEADLINE).args([verb, &unit]).output()?;
        if !output.success() {
            // The usual case: it is gone already, because it is collected when it ends.
            tracing::debug!(unit, verb, answer = output.stderr.trim(), "unit of machine not there");
        }
    }
    Ok(())
}

/// The end of what the machine wrote on its console.
pub(super) fn last_lines(console: &Path) -> String {
    let text = fs::read(console).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
}

fn nspawn_arguments(record: &Record, layout: Layout) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        "--kill-signal=SIGRTMIN+3",
        "--link-journal=no",
        "--timezone=off",
        "--resolv-conf=replace-host",
        "--console=pipe",
        "--capability=all",
        // A machine shares kernel and network with its host and must not change them for it.
        "--drop-capability=CAP_SYS_MODULE,CAP_SYS_RAWIO,CAP_SYS_TIME",
    ]
    .map(str::to_owned)
    .into();
    arguments.extend([format!("--machine={}", record.name), format!("--directory={}", record.disk().root().display())]);
    arguments.extend(record.private_network.then(|| "--private-network".to_owned()));
    match layout {
        Layout::Controllers => {
            arguments.extend([LEGACY_CGROUPS, SHELL, "-euc", INIT].map(str::to_owned));
        }
        Layout::Unified => arguments.push("/lib/systemd/systemd".to_owned()),
    }
    arguments
}

fn start_detached(pid_file: &Path, console: &Path, groups: &Groups, arguments: &[String]) -> Result<Process> {
    if pid_file.exists() {
        fs::remove_file(pid_file)?;
    }
    Command::new(SETSID, START_DEADLINE)
        .args(["--fork", SHELL, "-euc", JOIN_AND_START, SHELL])
        .args([pid_file, console].map(|path| path.display().to_string()))
        .args(groups.entrances().iter().map(|path| path.display().to_string()))
        .args(["--", NSPAWN])
        .args(arguments.iter().cloned())
        .run()
        .context("starting systemd-nspawn")?;
    let pid = wait_until("systemd-nspawn to start", START_DEADLINE, || {
        // Absent at first, then empty for a moment.
        Ok(std::fs::read_to_string(pid_file).unwrap_or_default().trim().parse().ok())
    })?;
    Process::find(pid).with_context(|| format!("systemd-nspawn ended at once; its last words:\n{}", last_lines(console)))
}

/// Where systemd owns the one hierarchy it has to be asked for a part of it.
fn start_as_unit(name: &str, console: &Path, arguments: &[String]) -> Result<Process> {
    let unit = unit(name);
    TransientRun::new(Attachment::UntilStarted, &format!("Throw-away machine {name}"))
        .unit(&unit)
        .slice("machine.slice")
        .properties(["Delegate=yes", "KillMode=mixed", "TasksMax=infinity"])
        .properties(["Output", "Error"].map(|stream| format!("Standard{stream}=append:{}", console.display())))
        .command(START_DEADLINE, Path::new(NSPAWN), arguments)
        .run()
        .context("starting systemd-nspawn as a unit")?;
    let pid = Command::new(SYSTEMCTL, START_DEADLINE)
        .args(["show", "--property=MainPID", "--value", &unit])
        .run()
        .with_context(|| format!("asking for the process of `{unit}`"))?;
    let pid = pid.trim().parse().with_context(|| format!("process number `{}` of `{unit}`", pid.trim()))?;
    Process::find(pid).with_context(|| format!("systemd-nspawn ended at once; its last words:\n{}", last_lines(console)))
}

fn unit(name: &str) -> String {
    format!("hubd-machine-{name}.service")
}
