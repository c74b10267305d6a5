//! What a scenario gets handed: machines, browsers, built programs, and a place for what it wants to keep.

use std::cell::{Cell, OnceCell, RefCell};
use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use hub_machine::{Base, BaseSpec, BootOptions, CACHE_DIRECTORY, Machine, Release, carried_environment};

use crate::address::{self, OwnAddress};
use crate::browser::{Browser, Kind, Trust};
use crate::guest::Guest;
use crate::vm::{self, Vm, VmOptions};

const SHELL: &str = "/bin/sh";
/// What all programs of a machine took since its boot, in seconds.
const PROCESSOR_TIME: &str = "cd /sys/fs/cgroup
if [ -e cpuacct ]; then awk '{ printf \"%.1f\", $1 / 1e9 }' cpuacct/cpuacct.usage
else awk '$1 == \"usage_usec\" { printf \"%.1f\", $2 / 1e6 }' cpu.stat; fi";
const JOURNAL_DEADLINE: Duration = Duration::from_secs(60);
/// Machines of tests are called `t<process number>-...`, so that those of a killed run can be told from living ones.
const NAME_PREFIX: &str = "t";

/// What the caller of the tests may choose for all scenarios.
#[derive(Debug, Clone)]
pub struct Options {
    /// Leave machines running, to look around in them.
    pub keep_machines: bool,
    /// How virtual machines run; see [`VmOptions::accelerator`].
    pub accelerator: String,
}

/// The surroundings of one scenario.
#[derive(Debug)]
pub struct Context {
    name: &'static str,
    artefacts: PathBuf,
    programs: PathBuf,
    options: Options,
    started: Instant,
    log: RefCell<File>,
    machines: Cell<u32>,
    address: OnceCell<OwnAddress>,
}

impl Context {
    /// For the scenario `name`, which may write into the empty directory `artefacts`; the built programs of the hub are
    /// in `programs`.
    ///
    /// # Errors
    /// When the log in there can't be made.
    pub fn new(name: &'static str, artefacts: PathBuf, programs: PathBuf, options: Options) -> Result<Self> {
        let log = File::create(artefacts.join("log.txt")).context("making the log of the scenario")?;
        let started = Instant::now();
        let (log, machines, address) = (RefCell::new(log), Cell::new(0), OnceCell::new());
        Ok(Self { name, artefacts, programs, options, started, log, machines, address })
    }

    /// The scenario's directory for logs and screenshots, kept after the run.
    pub fn artefacts(&self) -> &Path {
        &self.artefacts
    }

    /// Writes a line with the time since the start into the scenario's log.
    pub fn step(&self, text: &str) -> Result<()> {
        let line = format!("{:8.2} s  {text}\n", self.started.elapsed().as_secs_f64());
        self.log.borrow_mut().write_all(line.as_bytes()).context("writing the log of the scenario")
    }

    /// The root of the repository.
    pub fn repository(&self) -> &'static Path {
        repository()
    }

    /// A built program of the hub: `hubd`, `hubctl`, `hub-installer`.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.programs.join(name);
        if !path.is_file() {
            bail!("program `{}` is not built\nhint: set `needs_programs` in the scenario", path.display());
        }
        Ok(path)
    }

    /// Whether machines are left running for a look.
    pub(crate) fn keeps_machines(&self) -> bool {
        self.options.keep_machines
    }

    /// The directory of the built programs of the hub.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// A fresh machine of `release` with nothing installed but what a small server has.
    pub fn machine(&self, release: Release) -> Result<TestMachine> {
        self.machine_with(&BaseSpec::new(release))
    }

    /// A fresh machine made of `spec`; it is gone when the value is dropped.
    pub fn machine_with(&self, spec: &BaseSpec) -> Result<TestMachine> {
        let environment = carried_environment(std::env::vars());
        self.boot(spec, BootOptions { environment, ..BootOptions::default() })
    }

    /// As [`Context::machine_with`], but nothing leads from the machine to anywhere, nor from anywhere to it.
    pub fn offline_machine(&self, spec: &BaseSpec) -> Result<TestMachine> {
        self.boot(spec, BootOptions { private_network: true, ..BootOptions::default() })
    }

    fn boot(&self, spec: &BaseSpec, options: BootOptions) -> Result<TestMachine> {
        self.boot_on(&self.base(spec)?, options)
    }

    /// The root tree that machines made of `spec` begin with.
    pub(crate) fn base(&self, spec: &BaseSpec) -> Result<Base> {
        let mut told = Vec::new();
        let base = Base::ensure(spec, Path::new(CACHE_DIRECTORY), &mut |text| told.push(text.to_owned()))?;
        for text in told {
            self.step(&text)?;
        }
        Ok(base)
    }

    /// As [`Context::machine_with`], on a root tree that is there.
    pub(crate) fn machine_on(&self, base: &Base) -> Result<TestMachine> {
        let environment = carried_environment(std::env::vars());
        self.boot_on(base, BootOptions { environment, ..BootOptions::default() })
    }

    fn boot_on(&self, base: &Base, options: BootOptions) -> Result<TestMachine> {
        self.machines.set(self.machines.get() + 1);
        let name = format!("{NAME_PREFIX}{}-{}-{}", std::process::id(), self.name, self.machines.get());
        let machine = Machine::boot(base, &name, options)?;
        self.step(&format!("booted machine `{name}`, Debian {}", base.release.codename()))?;
        Ok(TestMachine { machine, artefacts: self.artefacts.clone(), keep: self.options.keep_machines, is_gone: false })
    }

    /// A fresh virtual machine, for what a container can't show; it is gone when the value is dropped. The environment
    /// and the accelerator of `options` are filled in.
    pub fn vm(&self, mut options: VmOptions) -> Result<TestVm> {
        options.accelerator.clone_from(&self.options.accelerator);
        options.environment = carried_environment(std::env::vars());
        self.machines.set(self.machines.get() + 1);
        let name = format!("{}-{}", self.name, self.machines.get());
        let mut told = Vec::new();
        let vm = Vm::boot(&name, options, Path::new(CACHE_DIRECTORY), &mut |text| told.push(text.to_owned()))?;
        for text in told {
            self.step(&text)?;
        }
        self.step(&format!("booted virtual machine `{name}`"))?;
        Ok(TestVm { vm, artefacts: self.artefacts.clone() })
    }

    /// A browser of its own, with an empty profile. `label` names its files among the artefacts.
    pub fn browser(&self, label: &str) -> Result<Browser> {
        self.browser_of(Kind::Chromium, label)
    }

    /// The same of another kind.
    pub fn browser_of(&self, kind: Kind, label: &str) -> Result<Browser> {
        let browser = Browser::open(&self.artefacts, label, kind)?;
        self.step(&format!("opened browser `{label}`"))?;
        Ok(browser)
    }

    /// The same, but it takes certificates of one authority only.
    pub fn browser_trusting(&self, label: &str, trust: &Trust<'_>) -> Result<Browser> {
        let browser = Browser::open_trusting(&self.artefacts, label, trust)?;
        self.step(&format!("opened browser `{label}`, which trusts one authority"))?;
        Ok(browser)
    }

    /// An address of the loopback device that this scenario alone uses, so that usual ports are free there; the same one
    /// whenever it is asked for.
    ///
    /// # Errors
    /// When there are too many scenarios at once on this host.
    pub fn own_address(&self) -> Result<Ipv4Addr> {
        if let Some(own) = self.address.get() {
            return Ok(own.address);
        }
        let own = OwnAddress::take()?;
        Ok(self.address.get_or_init(|| own).address)
    }

    /// A TCP port of the loopback device that was free a moment ago and is given to nobody else. Machines share it with
    /// the host.
    ///
    /// # Errors
    /// When all are taken.
    pub fn free_port(&self) -> Result<u16> {
        address::free_port()
    }
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// A machine that is destroyed with this value, after its journal was saved.
#[derive(Debug)]
pub struct TestMachine {
    machine: Machine,
    artefacts: PathBuf,
    keep: bool,
    is_gone: bool,
}

impl Deref for TestMachine {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl DerefMut for TestMachine {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

impl TestMachine {
    /// Shuts the machine down and keeps what it changed on its base in the new directory `target`.
    pub(crate) fn keep_changes(mut self, target: &Path) -> Result<()> {
        self.save_logs()?;
        self.machine.power_off()?;
        Machine::open(self.machine.name())?.keep_changes(target)?;
        self.is_gone = true;
        Ok(())
    }

    fn save_logs(&self) -> Result<()> {
        let name = self.machine.name();
        fs::copy(self.machine.console(), self.artefacts.join(format!("{name}.console.txt")))?;
        if self.machine.is_running() {
            let seconds = self.machine.command([SHELL, "-uc", PROCESSOR_TIME]).timeout(JOURNAL_DEADLINE).run()?.text();
            let mut log = fs::OpenOptions::new().append(true).open(self.artefacts.join("log.txt"))?;
            writeln!(log, "           machine `{name}` took {seconds} s of the processors")?;
            let command = ["/usr/bin/journalctl", "--no-pager", "--output=short-precise"];
            let journal = self.machine.command(command).timeout(JOURNAL_DEADLINE).run()?;
            fs::write(self.artefacts.join(format!("{name}.journal.txt")), journal.stdout)?;
        }
        Ok(())
    }
}

impl Drop for TestMachine {
    fn drop(&mut self) {
        let name = self.machine.name();
        if self.is_gone {
            return;
        }
        if let Err(error) = self.save_logs() {
            eprintln!("saving the logs of machine `{name}`: {error:#}");
        }
        if self.keep {
            eprintln!("machine `{name}` is kept: tests/machine shell {name}; tests/machine destroy {name}");
        } else if let Err(error) = Machine::destroy_named(name) {
            eprintln!("{error:#}");
        }
    }
}

/// A virtual machine that is gone with this value, after its console was saved.
#[derive(Debug)]
pub struct TestVm {
    vm: Vm,
    artefacts: PathBuf,
}

impl Deref for TestVm {
    type Target = Vm;

    fn deref(&self) -> &Vm {
        &self.vm
    }
}

impl DerefMut for TestVm {
    fn deref_mut(&mut self) -> &mut Vm {
        &mut self.vm
    }
}

impl Drop for TestVm {
    fn drop(&mut self) {
        let name = self.vm.name();
        if let Err(error) = fs::copy(self.vm.console(), self.artefacts.join(format!("{name}.console.txt"))) {
            eprintln!("saving the console of virtual machine `{name}`: {error}");
        }
        if self.vm.is_running() {
            let command = ["/usr/bin/journalctl", "--no-pager", "--output=short-precise"];
            let saved = self.vm.output(&command, b"", JOURNAL_DEADLINE).and_then(|journal| {
                Ok(fs::write(self.artefacts.join(format!("{name}.journal.txt")), journal.checked()?.stdout)?)
            });
            if let Err(error) = saved {
                eprintln!("saving the journal of virtual machine `{name}`: {error:#}");
            }
        }
    }
}

/// Ends the machines of test runs that were killed before they could do so.
pub fn sweep_machines() -> Result<()> {
    for machine in Machine::list()? {
        let name = machine.name().to_owned();
        let owner = name.strip_prefix(NAME_PREFIX).and_then(|rest| rest.split_once('-')).map(|(pid, _)| pid);
        let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{owner}")).exists() {
            eprintln!("ending machine `{name}`, left behind by a test run that was killed");
            machine.destroy()?;
        }
    }
    vm::sweep()
}
