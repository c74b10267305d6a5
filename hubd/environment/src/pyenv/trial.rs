//! A server in an environment that nobody has yet: started as a student's is, by an account that exists for as long as
//! it runs, without a network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::packages::KernelName;
use hub_core::packages::requirement::Requirement;
use hub_core::paths::Paths;
use hub_system::sandbox::SHARED;
use hub_system::transient::{Attachment, TransientRun};

use super::conda::Language;
use super::progress::{BuildEvent, ProgressSink};
use super::{BASE, generation, unit};

pub(super) const UNIT: &str = "hubd-trial.service";
/// What Jupyter reads about a kernel that is tried, among the input of its build.
pub(super) const SPECIFICATION: &str = "kernel.json";
const SCRIPT: &str = include_str!("assets/trial.py");
/// A server's start and a few imports, on a machine that a whole class is busy with.
const DEADLINE: Duration = Duration::from_secs(480);
/// systemd ends it at its deadline by itself; this only covers systemd not answering.
const GRACE: Duration = Duration::from_secs(60);
/// Lines that an error repeats.
const LAST_LINES: usize = 40;

/// What is tried out.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) paths: &'a Paths,
    /// The number it will have.
    pub(super) number: u32,
    /// Where it lies.
    pub(super) candidate: &'a Path,
    /// Where its packages are, as seen from inside.
    pub(super) packages: PathBuf,
    /// Conda packages that were asked for, by name.
    pub(super) conda: Vec<String>,
    pub(super) language: Language,
    /// The service that asked for it, which it does not outlive.
    pub(super) service: Option<&'a str>,
}

/// Tries out an environment; see `assets/trial.py`. One that is a kernel is tried in a server of everybody's.
///
/// # Errors
/// With what does not work.
pub(super) fn prove(trial: &Trial<'_>, asked: &[Requirement], progress: ProgressSink<'_>) -> Result<()> {
    let paths = trial.paths;
    let text = |path: &Path| path.display().to_string();
    let unit = TransientRun::new(Attachment::Piped, "Trial of a Python environment of the hub")
        .unit(UNIT)
        .env("HUBD_SHARE", &text(&paths.share()))
        .env("HUBD_JUPYTER", &text(&paths.jupyter()))
        .properties(properties(trial, &server(trial)?));
    let mut arguments = vec![text(&paths.environment_mount().join("bin/python"))];
    arguments.extend(["-I", "-", &floors(), paths.kernel().map_or("python3", KernelName::as_str)].map(str::to_owned));
    arguments.extend([trial.language.word().to_owned(), text(&paths.environment_at_work(trial.number)), text(&trial.packages)]);
    let names = asked.iter().filter(|requirement| !requirement.as_str().contains(';')).map(Requirement::name);
    arguments.extend(names.map(|name| name.to_string()));
    arguments.extend(trial.conda.iter().map(|name| format!("conda:{name}")));
    // The environment's own program does not exist outside the sandbox, where it is looked for.
    let command = unit.command(DEADLINE + GRACE, Path::new("/usr/bin/env"), arguments).input(SCRIPT);
    let output = command.output_with(|line| progress(BuildEvent::Detail(line)))?;
    if output.success() {
        return Ok(());
    }
    let said = output.stderr.trim_end();
    let lines: Vec<&str> = said.lines().collect();
    let (last, before) = lines.split_last().unwrap_or((&"it ended without a word", &[]));
    let before = before[before.len().saturating_sub(LAST_LINES)..].join("\n");
    bail!("{last}\n{before}")
}

/// The environment that the server of the trial runs in.
fn server(trial: &Trial<'_>) -> Result<PathBuf> {
    if trial.paths.kernel().is_none() {
        return Ok(trial.candidate.to_owned());
    }
    let everybody = trial.paths.of_everybody();
    let current = generation::current(&everybody)?.context("there is no environment yet that a server could run in")?;
    Ok(everybody.environment(current))
}

/// The oldest versions that are safe, as the script reads them.
fn floors() -> String {
    let floors = BASE.lines().filter(|line| line.contains(">=") && !line.starts_with('#'));
    floors.collect::<Vec<_>>().join(",")
}

fn properties(trial: &Trial<'_>, server: &Path) -> Vec<String> {
    let paths = trial.paths;
    let own = [
        // An account that exists as long as the unit, can write to its own /tmp and nowhere else.
        "DynamicUser=yes",
        "PrivateNetwork=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "UMask=0077",
        "WorkingDirectory=/tmp",
    ];
    let mut properties: Vec<String> = SHARED.into_iter().chain(unit::BESIDE_A_CLASS).chain(own).map(str::to_owned).collect();
    properties.push(format!("RuntimeMaxSec={}", DEADLINE.as_secs()));
    properties.push(format!("BindReadOnlyPaths={}:{}", server.display(), paths.environment_mount().display()));
    properties.push(format!("InaccessiblePaths={}", paths.of_everybody().environments().display()));
    if paths.kernel().is_some() {
        // Where it will be, and as Jupyter will read of it.
        let specification = paths.environments().join(format!("{}.input", trial.number)).join(SPECIFICATION);
        let place = paths.environment_at_work(trial.number);
        properties.push(format!("TemporaryFileSystem={}:ro", paths.environments().display()));
        properties.push(format!("BindReadOnlyPaths={}:{}", trial.candidate.display(), place.display()));
        properties.push(format!("BindReadOnlyPaths={}:{}", specification.display(), paths.current_environment().display()));
    }
    if let Some(service) = trial.service {
        properties.push(format!("BindsTo={service}"));
        properties.push(format!("After={service}"));
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floors_are_those_of_the_shipped_requirements() {
        let floors = floors();
        assert!(floors.contains("jupyterlab>=") && floors.contains("jupyter-server>="), "{floors}");
        assert!(!floors.contains([' ', '\n', '#']), "{floors}");
    }

    #[test]
    fn it_has_no_network_and_nothing_to_write_to() {
        let candidate = Path::new("/opt/hubd/envs/2.sealed");
        let trial = Trial {
            paths: &Paths::default(),
            number: 2,
            candidate,
            packages: PathBuf::new(),
            conda: Vec::new(),
            language: Language::Python,
            service: None,
        };
        let mut properties = properties(&trial, candidate);
        properties.sort();
        let expected = [
            "BindReadOnlyPaths=/opt/hubd/envs/2.sealed:/opt/hubd/env",
            "CPUWeight=20",
            "CapabilityBoundingSet=",
            "DynamicUser=yes",
            "IOWeight=20",
            "InaccessiblePaths=/opt/hubd/envs",
            "KeyringMode=private",
            "LimitCORE=0",
            "LockPersonality=yes",
            "MemoryMax=50%",
            "NoNewPrivileges=yes",
            "OOMScoreAdjust=800",
            "PrivateDevices=yes",
            "PrivateNetwork=yes",
            "PrivateTmp=yes",
            "ProtectClock=yes",
            "ProtectControlGroups=yes",
            "ProtectHome=yes",
            "ProtectHostname=yes",
            "ProtectKernelLogs=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "ProtectProc=invisible",
            "ProtectSystem=strict",
            "RemoveIPC=yes",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
            "RestrictNamespaces=yes",
            "RestrictRealtime=yes",
            "RuntimeMaxSec=480",
            "SystemCallArchitectures=native",
            "SystemCallErrorNumber=EPERM",
            "SystemCallFilter=@system-service",
            "SystemCallFilter=~io_uring_setup io_uring_enter io_uring_register",
            "TasksMax=512",
            "TemporaryFileSystem=/run:ro",
            "UMask=0077",
            "WorkingDirectory=/tmp",
        ];
        assert_eq!(properties, expected);
    }

    #[test]
    fn a_kernel_is_tried_where_it_will_be_by_a_server_of_everybodys() {
        let paths = Paths::default().of_kernel(&"r".parse().unwrap());
        let candidate = Path::new("/opt/hubd/jupyter/kernels/r/7.sealed");
        let trial = Trial {
            paths: &paths,
            number: 7,
            candidate,
            packages: PathBuf::new(),
            conda: Vec::new(),
            language: Language::Python,
            service: None,
        };
        let properties = properties(&trial, Path::new("/opt/hubd/envs/2"));
        for expected in [
            "BindReadOnlyPaths=/opt/hubd/envs/2:/opt/hubd/env",
            "BindReadOnlyPaths=/opt/hubd/jupyter/kernels/r/7.sealed:/opt/hubd/jupyter/kernels/r/7",
            "BindReadOnlyPaths=/opt/hubd/jupyter/kernels/r/7.input/kernel.json:/opt/hubd/jupyter/kernels/r/kernel.json",
        ] {
            assert!(properties.iter().any(|property| property == expected), "{expected}");
        }
    }
}
