//! The requests of a machine whose generations are directories with a record, and whose systemd is a script.

use std::os::unix::fs::PermissionsExt;

use hub_core::control::environment::apt::AptChange;
use hub_core::control::environment::{BuildState, KernelInfo, Record};

use crate::jobs::requests::*;

struct Machine {
    _root: tempfile::TempDir,
    paths: Paths,
    requests: Requests,
}

impl Machine {
    /// With generations 1 (only what the hub needs) and 2 (cowsay too, which is current).
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for directory in [paths.config_directory(), paths.environments(), paths.config_lock().parent().unwrap().to_owned()] {
            std::fs::create_dir_all(directory).unwrap();
        }
        std::fs::write(paths.config_file(), "[environment]\npackages = [\"cowsay\"]\n").unwrap();
        let machine = Self { requests: Requests::new(paths.clone()), paths, _root: root };
        machine.generation(1, &[], &["jupyterlab-4.6.2"]);
        machine.generation(2, &["cowsay"], &["jupyterlab-4.6.2", "cowsay-6.1"]);
        std::fs::write(machine.paths.current_environment(), "2\n").unwrap();
        machine.systemctl("exit 3");
        drop(machine.requests.store.lock().unwrap());
        machine
    }

    fn generation(&self, number: u32, asked: &[&str], packages: &[&str]) {
        let directory = self.paths.environment(number);
        for package in packages {
            std::fs::create_dir_all(directory.join(format!("lib/python3.11/site-packages/{package}.dist-info"))).unwrap();
        }
        let manifest = serde_json::json!({
            "format": 1, "generation": number, "uv": "0", "lock_sha256": "", "asked": asked,
            "python": {"interpreter": "/usr/bin/python3.11", "version": "3.11.2"},
        });
        std::fs::write(directory.join("hubd-environment.json"), manifest.to_string()).unwrap();
    }

    fn systemctl(&self, script: &str) {
        let path = self.paths.systemctl();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn ask(&self, request: &EnvironmentRequest) -> EnvironmentReply {
        self.requests.answer(&ada(), request, None)
    }

    fn refusal(&self, request: &EnvironmentRequest) -> (RefusalKind, String) {
        match self.ask(request) {
            EnvironmentReply::Refused(refusal) => (refusal.kind, refusal.message),
            other => panic!("{request:?}: {other:?}"),
        }
    }
}

fn ada() -> Asker {
    Asker::Admin { name: "ada".parse().unwrap() }
}

fn list(texts: &[&str]) -> Vec<Requirement> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_rollback_needs_nothing_that_runs_and_takes_the_request_back() {
    let machine = Machine::new();
    let reply = machine.requests.act_here(&Asker::Host { account: None }, &EnvironmentRequest::Rollback { to: None });
    assert_eq!(reply, EnvironmentReply::Started { number: 3 });
    assert_eq!(pyenv::current(&machine.paths).unwrap(), Some(1));
    let EnvironmentReply::Progress { record, .. } = machine.ask(&EnvironmentRequest::Progress { number: 3, after: 0 }) else {
        panic!()
    };
    assert_eq!((record.state, record.from, record.to), (BuildState::Done, Some(2), Some(1)));
    assert_eq!((record.what.as_str(), record.changes.len()), ("rollback 1", 1));
    let EnvironmentReply::Status(status) = machine.ask(&EnvironmentRequest::Status) else { panic!() };
    assert!(status.is_as_asked && status.asked.is_empty(), "{status:?}");
    let back = machine.requests.act_here(&Asker::Host { account: None }, &EnvironmentRequest::Rollback { to: Some(2) });
    assert_eq!(back, EnvironmentReply::Started { number: 4 });
    assert_eq!(settings::read(&machine.paths).unwrap().environment.packages, ["cowsay"]);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_begins() {
    let machine = Machine::new();
    let build = |change| EnvironmentRequest::Build { change };
    for (request, message) in [
        (build(Change::Install { packages: Vec::new() }), "no package is named"),
        (build(Change::Remove { packages: list(&["numpy"]) }), "`numpy` was not asked for, so it can't be removed"),
        (build(Change::Upgrade { packages: list(&["numpy"]) }), "`numpy` is not installed"),
        (EnvironmentRequest::Rollback { to: Some(9) }, "there is no environment 9"),
        (EnvironmentRequest::Rollback { to: Some(2) }, "environment 2 is what new servers get already"),
        (EnvironmentRequest::Show { number: Some(7) }, "there is no environment 7"),
        (EnvironmentRequest::Progress { number: 7, after: 0 }, "there is no record 7"),
    ] {
        assert_eq!(machine.refusal(&request), (RefusalKind::Invalid, message.to_owned()));
    }
    assert_eq!(machine.requests.store.records().unwrap(), []);
}

#[test]
fn the_second_is_told_who_was_first() {
    let machine = Machine::new();
    let store = &machine.requests.store;
    let record = store.begin(&ada(), "install pandas".to_owned(), "2026-09-07T10:00:00Z".parse().unwrap()).unwrap();
    store.save(&Record { state: BuildState::Building, phase: "sealing".to_owned(), ..record }).unwrap();
    store.submit(&Job { number: 3, kernel: None, task: Task::Build { change: Change::Configured } }).unwrap();
    machine.systemctl("echo ActiveState=active");
    let (kind, message) = machine.refusal(&EnvironmentRequest::Collect);
    assert_eq!(kind, RefusalKind::Busy);
    assert_eq!(message, "`install pandas` is under way, asked for by ada at 2026-09-07T10:00:00Z: sealing");
}

#[test]
fn a_job_that_nobody_works_on_stands_in_nobodys_way() {
    let machine = Machine::new();
    let store = &machine.requests.store;
    let record = store.begin(&ada(), "install pandas".to_owned(), Timestamp::UNIX_EPOCH).unwrap();
    store.save(&Record { state: BuildState::Building, ..record }).unwrap();
    store.submit(&Job { number: 3, kernel: None, task: Task::Build { change: Change::Configured } }).unwrap();
    let reply = machine.requests.act_here(&ada(), &EnvironmentRequest::Rollback { to: Some(1) });
    assert_eq!(reply, EnvironmentReply::Started { number: 4 });
    let EnvironmentReply::History { records } = machine.ask(&EnvironmentRequest::History) else { panic!() };
    assert_eq!(records.iter().map(|record| record.state).collect::<Vec<_>>(), [BuildState::Failed, BuildState::Done]);
    assert!(records[0].reason.as_ref().unwrap().starts_with("it was interrupted"));
}

#[test]
fn a_service_that_can_not_start_is_said_at_once() {
    let machine = Machine::new();
    machine.systemctl("echo 'Unit hubd-environment.service not found.' >&2; exit 5");
    let (kind, message) = machine.refusal(&EnvironmentRequest::Build { change: Change::Configured });
    assert_eq!(kind, RefusalKind::Failed);
    assert!(message.contains("not found"), "{message}");
}

#[test]
fn looks_things_up() {
    let machine = Machine::new();
    let EnvironmentReply::Generations { generations } = machine.ask(&EnvironmentRequest::List) else { panic!() };
    let shown: Vec<_> = generations.iter().map(|one| (one.number, one.is_current, one.packages)).collect();
    assert_eq!(shown, [(1, false, 1), (2, true, 2)]);
    let EnvironmentReply::Diff { from, to, changes } = machine.ask(&EnvironmentRequest::Diff { from: None, to: None }) else {
        panic!()
    };
    assert_eq!((from, to, changes[0].name.as_str(), changes[0].to.as_deref()), (1, 2, "cowsay", Some("6.1")));
    let EnvironmentReply::Lock { text, .. } = machine.ask(&EnvironmentRequest::Export { number: None, explicit: false }) else {
        panic!()
    };
    let exported = format!("# asked for: cowsay\n{}", pyenv::LOCK);
    assert_eq!(text, exported, "the first generations kept no lock");
}

#[test]
fn a_kernel_has_generations_records_and_a_part_of_the_configuration_of_its_own() {
    let machine = Machine::new();
    let name: KernelName = "r".parse().unwrap();
    let about = |about| EnvironmentRequest::Kernel { name: name.clone(), about: Box::new(about) };
    let EnvironmentReply::Kernels { kernels } = machine.ask(&EnvironmentRequest::Kernels) else { panic!() };
    assert_eq!(kernels, []);
    for request in [EnvironmentRequest::RemoveKernel, EnvironmentRequest::Check, EnvironmentRequest::Show { number: None }] {
        assert_eq!(machine.refusal(&about(request)), (RefusalKind::Invalid, "there is no kernel `r`".to_owned()));
    }
    let configured = EnvironmentRequest::Build { change: Change::Configured };
    let message = "the configuration has no [environment.kernels.r]".to_owned();
    assert_eq!(machine.refusal(&about(configured)), (RefusalKind::Invalid, message));

    let store = machine.paths.of_kernel(&name);
    let of_kernel = Machine { requests: Requests::new(store.clone()), paths: store.clone(), _root: tempfile::tempdir().unwrap() };
    of_kernel.generation(7, &["numpy"], &["ipykernel-7.0", "numpy-2.1"]);
    of_kernel.generation(9, &["numpy", "pandas"], &["ipykernel-7.0", "numpy-2.1", "pandas-3.0"]);
    pyenv::switch(&store, &Generation::open(&store, 9).unwrap().unwrap()).unwrap();
    let host = Asker::Host { account: None };
    // The number is no other kernel's and not everybody's.
    let reply = machine.requests.act_here(&host, &about(EnvironmentRequest::Rollback { to: None }));
    assert_eq!(reply, EnvironmentReply::Started { number: 10 });
    assert_eq!((pyenv::current(&store).unwrap(), pyenv::current(&machine.paths).unwrap()), (Some(7), Some(2)));
    let config = settings::read(&machine.paths).unwrap().environment;
    assert_eq!((config.packages, config.kernels[&name].packages.clone()), (vec!["cowsay".to_owned()], vec!["numpy".to_owned()]));
    let EnvironmentReply::Kernels { kernels } = machine.ask(&EnvironmentRequest::Kernels) else { panic!() };
    let asked = Some(list(&["numpy"]));
    let info = KernelInfo { name: name.clone(), current: Some(7), asked, conda: None, is_as_asked: true, is_outdated: false };
    assert_eq!(kernels, [info]);
    let EnvironmentReply::History { records } = machine.ask(&about(EnvironmentRequest::History)) else { panic!() };
    assert_eq!((records.len(), records[0].what.as_str()), (1, "--kernel r rollback 7"));
}

#[test]
fn a_kernel_of_conda_packages_is_judged_by_them_and_written_out() {
    let machine = Machine::new();
    let name: KernelName = "r".parse().unwrap();
    let config = "[environment.kernels.r]\nconda = [\"r-base>=4\"]\nchannels = [\"own\"]\npackages = [\"cowsay\"]\n";
    std::fs::write(machine.paths.config_file(), config).unwrap();
    let place = machine.paths.of_kernel(&name).environment(7);
    std::fs::create_dir_all(&place).unwrap();
    let manifest = serde_json::json!({
        "format": 1, "generation": 7, "uv": "0", "lock_sha256": "", "asked": ["cowsay"], "python": null,
        "conda": {"specs": ["r-base>=4"], "channels": ["own"]},
    });
    let package = serde_json::json!([{
        "name": "r-base", "version": "4.5.1", "build": "h0_1", "build_number": 1, "subdir": "noarch", "channel": "file:///own",
        "sha256": "0".repeat(64), "fn": "r-base-4.5.1-h0_1.conda", "url": "file:///own/noarch/r-base-4.5.1-h0_1.conda",
    }]);
    std::fs::write(place.join("hubd-environment.json"), manifest.to_string()).unwrap();
    std::fs::write(place.join("hubd-environment.conda.json"), package.to_string()).unwrap();
    std::fs::write(place.join("hubd-environment.lock"), "").unwrap();
    let current = machine.paths.of_kernel(&name).current_environment();
    std::fs::write(current, "{\"metadata\": {\"hubd\": {\"generation\": 7}}}").unwrap();

    let about = |about| EnvironmentRequest::Kernel { name: name.clone(), about: Box::new(about) };
    let EnvironmentReply::Status(status) = machine.ask(&about(EnvironmentRequest::Status)) else { panic!() };
    assert_eq!((status.python.as_deref(), status.is_as_asked), (Some("R 4.5.1 of conda"), true));
    let export = |explicit| machine.ask(&about(EnvironmentRequest::Export { number: None, explicit }));
    let EnvironmentReply::Lock { text, .. } = export(false) else { panic!() };
    assert_eq!(text, "name: r\nchannels:\n  - \"own\"\ndependencies:\n  - \"r-base=4.5.1=h0_1\"\n");
    let EnvironmentReply::Lock { text, .. } = export(true) else { panic!() };
    assert!(text.starts_with("@EXPLICIT\nfile:///own/noarch/r-base-4.5.1-h0_1.conda#sha256:000"), "{text}");

    let specs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let build = |change| EnvironmentRequest::Build { change };
    for (request, message) in [
        (about(build(Change::RemoveConda { specs: specs(&["r-base"]) })), "no conda package would be left"),
        (about(build(Change::RemoveConda { specs: specs(&["x"]) })), "`x` was not asked for from conda, so it can't be removed"),
        (about(build(Change::UpgradeConda { specs: specs(&["x"]) })), "`x` is not a conda package in it"),
        (
            about(build(Change::Set { packages: list(&["x"]), lock: None })),
            "this kernel is made of conda packages, and the file lists none",
        ),
        (build(Change::InstallConda { specs: specs(&["x"]) }), "everybody's environment is made from the package index"),
    ] {
        assert_eq!(machine.refusal(&request), (RefusalKind::Invalid, message.to_owned()));
    }
}

#[test]
fn a_replaced_python_has_the_environment_built_anew_once() {
    let machine = Machine::new();
    let python = |version: &str, name: &str| {
        let path = machine.paths.below("usr/bin").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\necho {version} /usr/bin/{name}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    machine.systemctl("exit 0");
    python("3.11.9", "python3");
    assert!(!machine.requests.is_outdated().unwrap(), "a newer patch of the same version");
    python("3.14.0", "python3");
    assert_eq!(machine.requests.is_outdated().unwrap(), !std::path::Path::new("/usr/bin/python3.11").exists());
    python("3.13.5", "python3");
    assert!(machine.requests.is_outdated().unwrap());
    machine.requests.wake().unwrap();
    machine.requests.wake().unwrap();
    let records = machine.requests.store.records().unwrap();
    assert_eq!((records.len(), records[0].who.as_str()), (1, "a new Python on the host"));
    let job = machine.requests.store.job().unwrap().unwrap();
    assert_eq!(job.task, Task::Build { change: Change::Configured });
    // It failed: not again at once.
    machine.requests.store.save(&interrupted(records[0].clone())).unwrap();
    machine.requests.store.clear_job().unwrap();
    machine.requests.wake().unwrap();
    assert_eq!(machine.requests.store.job().unwrap(), None);
    // Somebody went back to the old one, which works as long as its Python is there.
    let text = std::fs::read_to_string(machine.paths.environment(2).join("hubd-environment.json")).unwrap();
    let text = text.replace("\"generation\":2", "\"generation\":3").replace("3.11", "3.13");
    std::fs::create_dir(machine.paths.environment(3)).unwrap();
    std::fs::write(machine.paths.environment(3).join("hubd-environment.json"), text).unwrap();
    assert_eq!(machine.requests.is_outdated().unwrap(), !std::path::Path::new("/usr/bin/python3.11").exists());
}

#[test]
fn a_kernel_follows_a_replaced_python_after_everybodys_environment() {
    let machine = Machine::new();
    let path = machine.paths.below("usr/bin/python3");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "#!/bin/sh\necho 3.13.5 /usr/bin/python3.13\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    machine.systemctl("exit 0");
    let config = "[environment]\npackages = [\"cowsay\"]\n[environment.kernels.r]\npackages = [\"numpy\"]\n";
    std::fs::write(machine.paths.config_file(), config).unwrap();
    let store = machine.paths.of_kernel(&"r".parse().unwrap());
    let of_kernel = Machine { requests: Requests::new(store.clone()), paths: store.clone(), _root: tempfile::tempdir().unwrap() };
    of_kernel.generation(7, &["numpy"], &["ipykernel-7.0", "numpy-2.1"]);
    pyenv::switch(&store, &Generation::open(&store, 7).unwrap().unwrap()).unwrap();
    let job = || machine.requests.store.job().unwrap().unwrap();
    let finish = |state| {
        let record = machine.requests.store.record(job().number).unwrap().unwrap();
        machine.requests.store.save(&Record { state, ..record }).unwrap();
        machine.requests.store.clear_job().unwrap();
    };

    machine.requests.wake().unwrap();
    assert_eq!(job().kernel, None, "everybody's first");
    finish(BuildState::Done);
    let text = std::fs::read_to_string(machine.paths.environment(2).join("hubd-environment.json")).unwrap();
    let text = text.replace("\"generation\":2", "\"generation\":8").replace("3.11", "3.13");
    std::fs::create_dir(machine.paths.environment(8)).unwrap();
    std::fs::write(machine.paths.environment(8).join("hubd-environment.json"), text).unwrap();
    pyenv::switch(&machine.paths, &Generation::open(&machine.paths, 8).unwrap().unwrap()).unwrap();

    let EnvironmentReply::Kernels { kernels } = machine.ask(&EnvironmentRequest::Kernels) else { panic!() };
    assert!(kernels[0].is_outdated, "{kernels:?}");
    assert!(machine.requests.is_outdated().unwrap());
    machine.requests.wake().unwrap();
    assert_eq!(job().kernel.as_ref().map(KernelName::as_str), Some("r"));
    let record = machine.requests.store.record(job().number).unwrap().unwrap();
    assert_eq!((record.what.as_str(), record.who.as_str()), ("--kernel r apply", "a new Python on the host"));
    finish(BuildState::Failed);
    assert!(!machine.requests.is_outdated().unwrap(), "not again at once");
}

#[test]
fn packages_of_the_distribution_are_the_hosts_unless_the_configuration_says_otherwise() {
    let machine = Machine::new();
    let change = AptChange::Install { packages: vec!["ffmpeg".parse().unwrap()] };
    let plan = EnvironmentRequest::Apt { about: AptRequest::Plan { change: change.clone() } };
    let perform = |plan| EnvironmentRequest::Apt { about: AptRequest::Perform { plan } };
    for request in [&plan, &perform(1)] {
        let EnvironmentReply::Refused(refusal) = machine.requests.answer(&ada(), request, None) else { panic!() };
        assert_eq!(refusal.kind, RefusalKind::NotAllowed);
    }
    assert_eq!(machine.requests.store.records().unwrap(), [], "nothing was begun");
    let config = "[environment]\npackages = [\"cowsay\"]\napt_by_admins = true\n";
    std::fs::write(machine.paths.config_file(), config).unwrap();
    assert_eq!(machine.refusal(&perform(1)), (RefusalKind::Invalid, "1 is no plan".to_owned()));
    let (what, task) = machine.requests.task(&plan).ok().unwrap();
    assert_eq!((what.as_str(), task), ("apt install ffmpeg", Task::PlanApt { change }));
    let kernel = EnvironmentRequest::Kernel { name: "r".parse().unwrap(), about: Box::new(perform(1)) };
    assert_eq!(machine.refusal(&kernel).0, RefusalKind::Invalid);
}
