//! The build as data: which programs run in which sandbox. Pure.

use std::path::Path;
use std::time::Duration;

use hub_core::config::Denied;
use hub_system::sandbox::SHARED;

use super::{Python, pip, workplace};

/// The one build that may run at a time.
pub(super) const UNIT: &str = "hubd-build.service";
/// The account that builds, with rights to nothing.
pub(super) const USER: &str = "hubd-build";
/// Downloading a few hundred megabytes over a slow line; the rest takes seconds.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(1800);

/// uv builds nothing, and says so when something would have to be.
const NO_BUILD: &str = "--no-build";

/// What a build and a trial have in common beside [`SHARED`].
pub(super) const BESIDE_A_CLASS: [&str; 12] = [
    "CapabilityBoundingSet=",
    "RestrictRealtime=yes",
    "SystemCallArchitectures=native",
    "KeyringMode=private",
    "RemoveIPC=yes",
    "TasksMax=512",
    "LimitCORE=0",
    // Half of the machine's memory, so that no class in session is ended for a package that is compiled.
    "MemoryMax=50%",
    "OOMScoreAdjust=800",
    // Behind the students, when a build runs during a class.
    "CPUWeight=20",
    "IOWeight=20",
    // No system bus and no socket of any service.
    "TemporaryFileSystem=/run:ro",
];

/// One program of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What it does, for people.
    pub(super) title: String,
    pub(super) network: bool,
    pub(super) arguments: Vec<String>,
}

/// Where the build finds things, as seen from its sandbox.
pub(super) struct Places<'a> {
    /// Holds the lock file and our own files.
    pub(super) input: &'a Path,
    /// The environment being built.
    pub(super) environment: &'a Path,
    /// The program `uv`.
    pub(super) uv: &'a Path,
    /// The service that asked for the build, which does not outlive it.
    pub(super) service: Option<&'a str>,
    /// Wheels of a bundle.
    pub(super) bundle: Option<&'a Path>,
    /// Whether there is nothing else to install from.
    pub(super) is_bundle_only: bool,
    /// Whether packages are files of this machine, made for machines like this one alone.
    pub(super) is_local: bool,
    /// What of the network is out of reach, but for what is spared.
    pub(super) denied: Denied,
    /// What is seen beside the environment, where others lie beside it; `None`: it has a place of its own.
    pub(super) beside: Option<Vec<&'a Path>>,
}

/// What the resolver is told beside its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// Versions of the lock before stay where they can.
    Nothing,
    /// As new as possible.
    Everything,
    /// These as new as possible.
    Packages(Vec<String>),
}

/// What packages may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packages {
    /// Wheels: nothing of them runs.
    Wheels,
    /// Sources as well, whose code runs to build them.
    Any,
}

/// Finds out which versions go together. What is asked for travels by file, names to be upgraded are words of PEP 508.
pub(super) fn resolution(places: &Places<'_>, python: &Python, upgrade: &Upgrade) -> Step {
    let input = |name: &str| places.input.join(name).display().to_string();
    let version = python.directory().trim_start_matches("python").to_owned();
    let mut arguments = vec![
        places.uv.display().to_string(),
        "pip".to_owned(),
        "compile".to_owned(),
        format!("--python={}", python.interpreter.display()),
        "--generate-hashes".to_owned(),
        "--no-header".to_owned(),
        "--no-annotate".to_owned(),
        "--quiet".to_owned(),
        format!("--excludes={}", input("excludes.txt")),
        format!("--find-links={}", input("wheels")),
        format!("--output-file={}", places.environment.join(workplace::LOCK_FILE).display()),
    ];
    if !places.is_local {
        // For every processor and for later Pythons, so that the lock serves another machine and the next Debian.
        arguments.extend(["--universal".to_owned(), format!("--python-version={version}")]);
    }
    arguments.extend(sources(places));
    match upgrade {
        Upgrade::Nothing => {}
        Upgrade::Everything => arguments.push("--upgrade".to_owned()),
        Upgrade::Packages(names) => arguments.extend(names.iter().map(|name| format!("--upgrade-package={name}"))),
    }
    arguments.push(input("requirements.in"));
    Step { title: "finding versions that fit together".to_owned(), network: true, arguments }
}

/// Where uv looks for packages beside an index, or in place of one.
pub(super) fn sources(places: &Places<'_>) -> Vec<String> {
    let links = places.bundle.map(|wheels| format!("--find-links={}", wheels.display()));
    links.into_iter().chain(places.is_bundle_only.then(|| "--no-index".to_owned())).collect()
}

/// Downloads the wheels of the lock, for a Python of the version `python` where that is another one.
pub(super) fn download(places: &Places<'_>, python: Option<&str>) -> anyhow::Result<Step> {
    let wheels = places.input.join("wheels");
    let (list, target) = (places.input.join("requirements.txt"), places.environment.join(workplace::FETCHED));
    let mut arguments = pip::download(&list, &target, python)?;
    arguments.push(format!("--find-links={}", wheels.display()));
    Ok(Step { title: "downloading wheels".to_owned(), network: true, arguments })
}

/// An environment without packages.
pub(super) fn making(places: &Places<'_>, python: &Python) -> Step {
    let (interpreter, place) = (python.interpreter.display().to_string(), places.environment.join("").display().to_string());
    let arguments = [&uv(places), "venv", "--no-cache", "--allow-existing", "--python", &interpreter, &place];
    step("making an empty environment", false, &arguments)
}

/// Downloads and installs what is in the lock.
pub(super) fn installing(places: &Places<'_>, packages: Packages) -> Step {
    let python = places.environment.join("bin/python").display().to_string();
    let links = format!("--find-links={}", places.input.join("wheels").display());
    let lock = places.input.join("requirements.txt").display().to_string();
    let uv = uv(places);
    let mut arguments = vec![&uv, "pip", "sync", "--python", &python, "--require-hashes", "--allow-empty-requirements", &links];
    if packages == Packages::Wheels {
        arguments.push(NO_BUILD);
    }
    arguments.push(&lock);
    let mut installing = step("downloading and installing the packages", true, &arguments);
    installing.arguments.extend(sources(places));
    installing
}

/// Puts the hub's own files over what was installed.
pub(super) fn adding_ours(places: &Places<'_>) -> Step {
    let (overlay, place) =
        (places.input.join("overlay/.").display().to_string(), places.environment.join("").display().to_string());
    step("adding the hub's own files", false, &["/bin/cp", "--recursive", "--remove-destination", &overlay, &place])
}

/// Servers can't write bytecode here, and would compile everything anew at each start. `previous` is a generation of the same
/// Python, whose bytecode serves where the source is the same.
pub(super) fn compiling(places: &Places<'_>, python: &Python, previous: Option<&Path>) -> Step {
    // The environment's own link to it does not exist outside the sandbox, where systemd-run looks.
    let interpreter = python.interpreter.display().to_string();
    let (script, library) = (places.input.join("compile.py"), places.environment.join("lib"));
    let paths = [Some(script), Some(library), previous.map(|previous| previous.join("lib"))];
    let paths: Vec<String> = paths.into_iter().flatten().map(|path| path.display().to_string()).collect();
    let arguments: Vec<&str> =
        [interpreter.as_str(), "-I", "-W", "ignore"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    step("compiling", false, &arguments)
}

fn uv(places: &Places<'_>) -> String {
    places.uv.display().to_string()
}

fn step(title: &str, network: bool, arguments: &[&str]) -> Step {
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    Step { title: title.to_owned(), network, arguments }
}

/// Whether installing failed because a package has to be built, and [`Packages::Wheels`] were asked for.
pub(super) fn lacks_wheel(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains(NO_BUILD)
}

/// Environment of every step. Nothing here is secret: systemd shows it to anyone.
pub(super) fn environment(places: &Places<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("HOME", "/tmp".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("PATH", "/usr/bin:/bin".to_owned()),
        ("UV_NO_CONFIG", "1".to_owned()),
        ("UV_NO_PROGRESS", "1".to_owned()),
        ("UV_PYTHON_DOWNLOADS", "never".to_owned()),
        // Inside the new generation, so that installing moves names instead of bytes; taken away before sealing.
        ("UV_CACHE_DIR", cache(places.environment)),
        ("UV_LINK_MODE", "hardlink".to_owned()),
    ]
}

fn cache(environment: &Path) -> String {
    environment.join(workplace::CACHE).display().to_string()
}

/// Unit properties of every step. `new` is the directory that appears as the environment.
pub(super) fn properties(places: &Places<'_>, new: &Path, network: bool) -> Vec<String> {
    let own = [
        "DevicePolicy=closed",
        "RestrictSUIDSGID=yes",
        "UMask=0022",
        "LimitNOFILE=65536",
        // Names are still resolved where systemd-resolved does it.
        "BindReadOnlyPaths=-/run/systemd/resolve",
    ];
    let mut properties: Vec<String> = SHARED.into_iter().chain(BESIDE_A_CLASS).chain(own).map(str::to_owned).collect();
    properties.push(format!("User={USER}"));
    properties.push(format!("Group={USER}"));
    properties.push(format!("RuntimeMaxSec={}", STEP_TIMEOUT.as_secs()));
    if let (Some(beside), Some(store)) = (&places.beside, places.environment.parent()) {
        // The new one appears where it will be, without being there.
        properties.push(format!("TemporaryFileSystem={}:ro", store.display()));
        properties.extend(beside.iter().map(|path| format!("BindReadOnlyPaths={}", path.display())));
    }
    properties.push(format!("BindPaths={}:{}", new.display(), places.environment.display()));
    properties.push(format!("ReadWritePaths={}", places.environment.display()));
    if let Some(service) = places.service {
        // When whoever asked is killed, what runs for it ends, too.
        properties.push(format!("BindsTo={service}"));
        properties.push(format!("After={service}"));
    }
    if network {
        properties.push("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK".to_owned());
        let Denied { ranges, spared } = &places.denied;
        properties.extend(ranges.iter().map(|range| format!("IPAddressDeny={range}")));
        properties.extend(spared.iter().map(|address| format!("IPAddressAllow={address}")));
        // By file, for the addresses of mirrors and proxies may hold passwords.
        properties.push(format!("EnvironmentFile={}", places.input.join(workplace::NETWORK_FILE).display()));
    } else {
        properties.push("RestrictAddressFamilies=AF_UNIX".to_owned());
        properties.push("PrivateNetwork=yes".to_owned());
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places<'static> {
        Places {
            input: Path::new("/opt/hubd/envs/1.input"),
            environment: Path::new("/opt/hubd/env"),
            uv: Path::new("/opt/hubd/bin/uv"),
            service: None,
            bundle: None,
            is_bundle_only: false,
            is_local: false,
            denied: Denied { ranges: vec!["10.0.0.0/8".parse().unwrap()], spared: vec!["10.0.0.2".parse().unwrap()] },
            beside: None,
        }
    }

    fn python() -> Python {
        Python { interpreter: "/usr/bin/python3.11".into(), version: "3.11.2".to_owned() }
    }

    fn steps(places: &Places<'_>, previous: Option<&Path>) -> Vec<Step> {
        let installing = installing(places, Packages::Wheels);
        vec![making(places, &python()), installing, adding_ours(places), compiling(places, &python(), previous)]
    }

    #[test]
    fn code_of_packages_runs_only_when_one_has_no_wheel() {
        let has = |packages| installing(&places(), packages).arguments.contains(&NO_BUILD.to_owned());
        assert!(has(Packages::Wheels) && !has(Packages::Any));
        let said = "hint: Wheels are required for `x` because building from source is disabled (i.e., with `--no-build`)";
        assert!(lacks_wheel(&anyhow::anyhow!(said).context("downloading")));
        assert!(!lacks_wheel(&anyhow::anyhow!("No space left on device")));
    }

    #[test]
    fn only_the_download_has_a_network_and_it_demands_hashes() {
        let steps = steps(&places(), None);
        let with_network: Vec<_> = steps.iter().filter(|step| step.network).collect();
        assert_eq!(with_network.len(), 1);
        assert!(with_network[0].arguments.iter().any(|argument| argument == "--require-hashes"));
        assert!(properties(&places(), Path::new("/opt/hubd/envs/1.new"), false).contains(&"PrivateNetwork=yes".to_owned()));
    }

    #[test]
    fn programs_are_absolute_and_write_where_the_generation_is_seen() {
        let resolution = resolution(&places(), &python(), &Upgrade::Nothing);
        for step in steps(&places(), Some(Path::new("/opt/hubd/envs/3"))).into_iter().chain([resolution]) {
            assert!(step.arguments[0].starts_with('/'), "{:?}", step.arguments);
            assert!(step.arguments.iter().any(|argument| argument.contains("/opt/hubd/env/")), "{:?}", step.arguments);
            assert!(!step.arguments.iter().any(|argument| argument.contains("1.new")), "{:?}", step.arguments);
        }
    }

    #[test]
    fn the_resolver_is_told_what_may_change() {
        let told = |upgrade| resolution(&places(), &python(), &upgrade).arguments;
        let is_upgrade = |argument: &&String| argument.starts_with("--upgrade");
        assert_eq!(told(Upgrade::Nothing).iter().filter(is_upgrade).count(), 0);
        assert_eq!(told(Upgrade::Everything).iter().filter(is_upgrade).collect::<Vec<_>>(), ["--upgrade"]);
        let some = told(Upgrade::Packages(vec!["pandas".to_owned(), "numpy".to_owned()]));
        assert_eq!(some.iter().filter(is_upgrade).collect::<Vec<_>>(), ["--upgrade-package=pandas", "--upgrade-package=numpy"]);
        assert!(some.contains(&"--python-version=3.11".to_owned()), "{some:?}");
    }

    #[test]
    fn with_a_bundle_alone_no_index_is_asked_and_versions_are_for_this_machine() {
        let wheels = Path::new("/opt/hubd/bundle/wheels");
        let alone = Places { bundle: Some(wheels), is_bundle_only: true, is_local: true, ..places() };
        let beside = Places { bundle: Some(wheels), ..places() };
        let has = |arguments: &[String], wanted: &str| arguments.iter().any(|argument| argument == wanted);
        for (places, is_alone) in [(&alone, true), (&beside, false)] {
            let resolving = resolution(places, &python(), &Upgrade::Nothing).arguments;
            let installing = installing(places, Packages::Any).arguments;
            for arguments in [&resolving, &installing] {
                assert!(has(arguments, "--find-links=/opt/hubd/bundle/wheels"), "{arguments:?}");
                assert_eq!(has(arguments, "--no-index"), is_alone, "{arguments:?}");
            }
            assert_eq!(has(&resolving, "--universal"), !is_alone, "{resolving:?}");
        }
    }

    #[test]
    fn a_build_reaches_no_further_than_a_student() {
        let properties = properties(&places(), Path::new("/opt/hubd/envs/1.new"), true);
        for expected in ["IPAddressDeny=10.0.0.0/8", "IPAddressAllow=10.0.0.2"] {
            assert!(properties.iter().any(|property| property == expected), "{expected}: {properties:?}");
        }
    }

    #[test]
    fn a_build_has_no_right_but_to_write_to_its_directory() {
        let mut properties = properties(&places(), Path::new("/opt/hubd/envs/1.new"), false);
        properties.sort();
        let expected = [
            "BindPaths=/opt/hubd/envs/1.new:/opt/hubd/env",
            "BindReadOnlyPaths=-/run/systemd/resolve",
            "CPUWeight=20",
            "CapabilityBoundingSet=",
            "DevicePolicy=closed",
            "Group=hubd-build",
            "IOWeight=20",
            "KeyringMode=private",
            "LimitCORE=0",
            "LimitNOFILE=65536",
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
            "ReadWritePaths=/opt/hubd/env",
            "RemoveIPC=yes",
            "RestrictAddressFamilies=AF_UNIX",
            "RestrictNamespaces=yes",
            "RestrictRealtime=yes",
            "RestrictSUIDSGID=yes",
            "RuntimeMaxSec=1800",
            "SystemCallArchitectures=native",
            "SystemCallErrorNumber=EPERM",
            "SystemCallFilter=@system-service",
            "SystemCallFilter=~io_uring_setup io_uring_enter io_uring_register",
            "TasksMax=512",
            "TemporaryFileSystem=/run:ro",
            "UMask=0022",
            "User=hubd-build",
        ];
        assert_eq!(properties, expected);
    }

    #[test]
    fn a_build_ends_with_the_service_that_asked_for_it() {
        let places = Places { service: Some("hubd-environment.service"), ..places() };
        let properties = properties(&places, Path::new("/opt/hubd/envs/1.new"), true);
        assert!(properties.contains(&"BindsTo=hubd-environment.service".to_owned()));
    }

    #[test]
    fn a_kernel_is_built_where_it_will_be() {
        let (previous, environment) = (Path::new("/opt/hubd/envs/3"), Path::new("/opt/hubd/jupyter/kernels/r/4"));
        let input = Path::new("/opt/hubd/jupyter/kernels/r/4.input");
        let places = Places { input, environment, beside: Some(vec![input, previous]), ..places() };
        let properties = properties(&places, Path::new("/opt/hubd/jupyter/kernels/r/4.new"), false);
        for expected in [
            "TemporaryFileSystem=/opt/hubd/jupyter/kernels/r:ro",
            "BindReadOnlyPaths=/opt/hubd/jupyter/kernels/r/4.input",
            "BindReadOnlyPaths=/opt/hubd/envs/3",
            "BindPaths=/opt/hubd/jupyter/kernels/r/4.new:/opt/hubd/jupyter/kernels/r/4",
        ] {
            assert!(properties.iter().any(|property| property == expected), "{expected}");
        }
    }

    #[test]
    fn passwords_travel_by_file() {
        let properties = properties(&places(), Path::new("/opt/hubd/envs/1.new"), true);
        assert!(properties.contains(&"EnvironmentFile=/opt/hubd/envs/1.input/network.env".to_owned()));
        assert!(!properties.iter().any(|property| property.starts_with("Environment=")));
        assert!(!environment(&places()).iter().any(|(name, _)| name.contains("INDEX") || name.contains("PROXY")));
    }
}
