//! A machine from its first boot to its end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_system::lock::{self, LockGuard};
use nix::sys::signal::Signal;

use super::base::Base;
use super::cgroup::Groups;
use super::process::{Process, wait_until};
use super::record::{self, Record, Running};
use super::release::Release;
use super::{STATE_DIRECTORY, host, overlay, start, surroundings};

/// Where systemd-nspawn keeps a directory per machine, which it leaves behind when it is killed.
const NSPAWN_LEFTOVERS: [&str; 2] = ["/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export"];
const LOCK_DEADLINE: Duration = Duration::from_secs(60);
const KILL_DEADLINE: Duration = Duration::from_secs(15);
/// A unit inside may take systemd's own 90 s to stop.
const POWER_OFF_DEADLINE: Duration = Duration::from_secs(120);
const QUESTION_DEADLINE: Duration = Duration::from_secs(20);

/// How a machine is booted.
#[derive(Debug, Clone)]
pub struct BootOptions {
    /// Variables that every program sent into the machine gets and that stand in its `/etc/environment`; see
    /// [`super::carried_environment`].
    pub environment: Vec<(String, String)>,
    /// How long systemd may take to have started everything.
    pub timeout: Duration,
    /// Whether the machine has no network but its own loopback device, instead of sharing that of its host.
    pub private_network: bool,
}

impl Default for BootOptions {
    fn default() -> Self {
        Self { environment: Vec::new(), timeout: Duration::from_secs(180), private_network: false }
    }
}

/// A Debian machine in a container. It lives on when this value is dropped, until [`Machine::destroy`].
#[derive(Debug)]
pub struct Machine {
    record: Record,
}

impl Machine {
    /// Boots a new machine on top of `base` and waits until systemd has started everything.
    ///
    /// # Errors
    /// When there is a machine of this name already, or this one does not come up; nothing of it is left then.
    pub fn boot(base: &Base, name: &str, options: BootOptions) -> Result<Self> {
        record::check_name(name)?;
        host::ensure_packages(&host::PROGRAMS, &mut |_| ())?;
        fs::create_dir_all(STATE_DIRECTORY)?;
        let _guard = lock(name)?;
        if Record::load(name)?.is_some() || !record::disk(name).is_gone() {
            bail!("machine `{name}` exists already\nhint: end it first: tests/machine destroy {name}");
        }
        let environment = options.environment.clone();
        let mut record = Record::new(name, base.release, &base.directory, environment);
        record.private_network = options.private_network;
        let mut machine = Self { record };
        let booted = machine.prepare().and_then(|()| machine.start(options.timeout));
        if let Err(error) = booted {
            let error = error.context(format!("booting machine `{name}`"));
            return Err(match clean_up(name) {
                Ok(()) => error,
                Err(second) => error.context(format!("and then cleaning up after it: {second:#}")),
            });
        }
        Ok(machine)
    }

    /// The machine of this name, running or stopped.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(name: &str) -> Result<Self> {
        let Some(record) = Record::load(name)? else {
            let names = Record::names()?;
            let known = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
            bail!("no machine `{name}`, known: {known}");
        };
        Ok(Self { record })
    }

    /// All machines of this host.
    ///
    /// # Errors
    /// When a record can't be read.
    pub fn list() -> Result<Vec<Self>> {
        let mut machines = Vec::new();
        for name in Record::names()? {
            // One that ends meanwhile is not there any more.
            machines.extend(Record::load(&name)?.map(|record| Self { record }));
        }
        Ok(machines)
    }

    /// Its name, which is its host name too.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Its Debian release.
    pub fn release(&self) -> Release {
        self.record.release
    }

    /// Its root tree as the host sees it. What the machine mounts on top (`/run`, `/tmp`) is not to be seen there.
    pub fn root(&self) -> PathBuf {
        self.record.disk().root()
    }

    /// The file that holds what it wrote on its console.
    pub fn console(&self) -> PathBuf {
        self.record.disk().directory.join("console.log")
    }

    /// Whether its systemd runs.
    pub fn is_running(&self) -> bool {
        self.record.running.is_some_and(|running| running.leader.is_alive())
    }

    /// The number of its PID 1 as the host sees it.
    pub fn leader_pid(&self) -> Option<i32> {
        self.record.running.filter(|running| running.leader.is_alive()).map(|running| running.leader.pid)
    }

    /// The units that did not start.
    ///
    /// # Errors
    /// When the machine does not run.
    pub fn failed_units(&self) -> Result<Vec<String>> {
        let listed = self.sh("systemctl list-units --failed --plain --no-legend --no-pager")?;
        Ok(listed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// Shuts the machine down in good order and boots the same disk again; `/run` is fresh then.
    ///
    /// # Errors
    /// When it does not stop or does not come up again.
    pub fn reboot(&mut self) -> Result<()> {
        self.power_off()?;
        self.power_on()
    }

    /// Shuts the machine down in good order.
    ///
    /// # Errors
    /// When it does not stop within two minutes.
    pub fn power_off(&mut self) -> Result<()> {
        let asked = self.command(["/usr/bin/systemctl", "--no-wall", "poweroff"]).timeout(QUESTION_DEADLINE).output();
        if let Err(error) = asked {
            // The machine may take the asking program down before that has its answer; what counts is the wait below.
            tracing::debug!(%error, machine = self.name(), "asking machine to power off");
        }
        self.wait_until_stopped(POWER_OFF_DEADLINE)
    }

    /// Waits until the machine has shut down by itself.
    ///
    /// # Errors
    /// When it still runs after `timeout`.
    pub fn wait_until_stopped(&mut self, timeout: Duration) -> Result<()> {
        let _guard = lock(&self.record.name)?;
        if let Some(running) = self.record.running {
            running.supervisor.wait(&format!("machine `{}` to stop", self.record.name), timeout)?;
        }
        self.stopped()
    }

    /// Ends every process of the machine at once, as a power cut would. What was written stays, also what a real power
    /// cut would lose because it had not reached the disk yet.
    ///
    /// # Errors
    /// When a process can't be ended.
    pub fn power_cut(&mut self) -> Result<()> {
        let _guard = lock(&self.record.name)?;
        if let Some(running) = self.record.running {
            kill(running)?;
        }
        self.stopped()
    }

    /// Boots a stopped machine from its disk.
    ///
    /// # Errors
    /// When it runs or does not come up.
    pub fn power_on(&mut self) -> Result<()> {
        self.power_on_within(BootOptions::default().timeout)
    }

    /// The same for a machine that has more to do at its boot than others.
    ///
    /// # Errors
    /// When it runs or does not come up in time.
    pub fn power_on_within(&mut self, timeout: Duration) -> Result<()> {
        let _guard = lock(&self.record.name)?;
        if self.is_running() {
            bail!("machine `{}` runs already", self.record.name);
        }
        self.start(timeout)
    }

    /// Ends the machine and removes everything of it. Fine when it is gone already.
    ///
    /// # Errors
    /// When something of it can't be removed.
    pub fn destroy(self) -> Result<()> {
        Self::destroy_named(&self.record.name)
    }

    /// Ends a machine that was shut down, and keeps what it changed on its base at `target`, a new directory below
    /// [`super::LAYERS_DIRECTORY`]; see [`Base::with_changes`].
    ///
    /// # Errors
    /// When it runs, or the changes can't be moved there.
    pub fn keep_changes(self, target: &Path) -> Result<()> {
        let name = &self.record.name;
        let _guard = lock(name)?;
        if self.is_running() {
            bail!("machine `{name}` runs");
        }
        self.record.disk().keep_changes(target).with_context(|| format!("keeping the changes of machine `{name}`"))?;
        clean_up(name).with_context(|| format!("ending machine `{name}`"))
    }

    /// As [`Machine::destroy`], also for a machine whose record is lost.
    ///
    /// # Errors
    /// As there, and for a name no machine can have.
    pub fn destroy_named(name: &str) -> Result<()> {
        record::check_name(name)?;
        fs::create_dir_all(STATE_DIRECTORY)?;
        let _guard = lock(name)?;
        clean_up(name).with_context(|| format!("ending machine `{name}`"))
    }

    pub(super) fn leader(&self) -> Result<Process> {
        match self.record.running {
            Some(running) if running.leader.is_alive() => Ok(running.leader),
            _ => bail!("machine `{}` does not run", self.record.name),
        }
    }

    pub(super) fn carried(&self) -> &[(String, String)] {
        &self.record.environment
    }

    /// What a new machine needs before its first boot.
    fn prepare(&self) -> Result<()> {
        let disk = self.record.disk();
        disk.mount(&self.record.base)?;
        let root = disk.root();
        surroundings::bring_along(&root, &self.record.environment)?;
        fs::write(root.join("etc/machine-id"), format!("{}\n", random_id()?))?;
        fs::write(root.join("etc/hostname"), format!("{}\n", self.record.name))?;
        let hosts = format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 {}\n", self.record.name);
        fs::write(root.join("etc/hosts"), hosts)?;
        Ok(())
    }

    fn start(&mut self, timeout: Duration) -> Result<()> {
        // A restart of the host takes the mount away and leaves the disk.
        self.record.disk().mount(&self.record.base)?;
        self.record.save()?;
        self.record.running = Some(start::start(&self.record)?);
        self.record.save()?;
        self.wait_until_booted(timeout)
    }

    fn wait_until_booted(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut last = String::new();
        let booted = wait_until("systemd to have started everything", timeout, || {
            if !self.is_running() {
                bail!("its systemd ended");
            }
            let left = deadline.saturating_duration_since(Instant::now()).clamp(QUESTION_DEADLINE / 20, QUESTION_DEADLINE);
            let answer = self.command(["/usr/bin/systemctl", "is-system-running"]).timeout(left).output()?;
            last = if answer.text().is_empty() { answer.complaint() } else { answer.text() };
            Ok(matches!(last.as_str(), "running" | "degraded").then_some(()))
        });
        booted.with_context(|| {
            format!("state of the system: `{last}`; its console ends with\n{}", start::last_lines(&self.console()))
        })
    }

    /// Tidies up after the processes are gone.
    fn stopped(&mut self) -> Result<()> {
        self.record.running = None;
        self.record.save()?;
        remove_traces(&self.record.name)
    }
}

fn clean_up(name: &str) -> Result<()> {
    if let Some(running) = Record::load(name)?.and_then(|record| record.running) {
        kill(running)?;
    }
    remove_traces(name)?;
    overlay::remove_tree(&record::disk(name).directory)?;
    let file = record::file(name);
    if file.exists() {
        fs::remove_file(file)?;
    }
    Ok(())
}

/// PID 1 takes every process of the machine with it, and systemd-nspawn then ends by itself.
fn kill(running: Running) -> Result<()> {
    running.leader.signal(Signal::SIGKILL)?;
    if running.supervisor.wait("systemd-nspawn to end", KILL_DEADLINE).is_err() {
        running.supervisor.signal(Signal::SIGKILL)?;
        running.supervisor.wait("systemd-nspawn to be ended", KILL_DEADLINE)?;
    }
    Ok(())
}

/// What a machine that runs has on the host besides its disk and record.
fn remove_traces(name: &str) -> Result<()> {
    start::forget_unit(name)?;
    Groups::named(name)?.remove()?;
    for parent in NSPAWN_LEFTOVERS {
        overlay::remove_tree(&Path::new(parent).join(name))?;
    }
    Ok(())
}

fn lock(name: &str) -> Result<LockGuard> {
    let path = record::lock_file(name);
    let what = format!("lock `{}`, which another process holds", path.display());
    wait_until(&what, LOCK_DEADLINE, || lock::try_lock(&path))
}

fn random_id() -> Result<String> {
    const KERNEL_UUID: &str = "/proc/sys/kernel/random/uuid";
    Ok(fs::read_to_string(KERNEL_UUID)?.trim().replace('-', ""))
}
