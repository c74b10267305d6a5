//! Virtual machines: a Debian with a kernel of its own and cgroup v2, under qemu.
//!
//! Software emulation unless told otherwise, so everything in them takes several times longer; deadlines are generous
//! and scenarios few.

mod image;
mod qemu;
mod ssh;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_machine::{Output, Release, ensure_packages};

use crate::address::free_port;
use crate::guest::Guest;
use image::Image;
use qemu::Qemu;
use ssh::Ssh;

/// Where a guest finds the loopback device of its host.
pub const HOST: &str = "10.0.2.2";
/// About 20 s on an idle machine, ten times that on a busy one.
const BOOT_DEADLINE: Duration = Duration::from_secs(6 * 60);
const POWER_OFF_DEADLINE: Duration = Duration::from_secs(3 * 60);
const QUESTION_DEADLINE: Duration = Duration::from_secs(60);
const COPY_DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Directories of virtual machines are called `<prefix><number of the owning process>-...`.
const DIRECTORY_PREFIX: &str = "hubd-vm-";
const PARENT_DIRECTORY: &str = "/var/tmp";
const PROGRAMS: [(&str, &str); 4] = [
    ("/usr/bin/qemu-system-x86_64", "qemu-system-x86"),
    ("/usr/sbin/mke2fs", "e2fsprogs"),
    ("/usr/bin/ssh", "openssh-client"),
    ("/usr/bin/ssh-keygen", "openssh-client"),
];

/// How a virtual machine is made.
#[derive(Debug, Clone)]
pub struct VmOptions {
    /// The Debian release.
    pub release: Release,
    /// Debian packages beyond those of a small server, the kernel and an ssh server.
    pub packages: Vec<String>,
    /// As qemu's `-accel` takes it: `tcg` is software emulation and works everywhere, `kvm` is fast where it works.
    pub accelerator: String,
    /// Memory in MB.
    pub memory_mb: u32,
    /// Number of processors.
    pub processors: u32,
    /// Ports of the guest to be reached from the host; see [`Vm::port`].
    pub forwarded_ports: Vec<u16>,
    /// What the kernel is told beside what it needs.
    pub kernel_arguments: Vec<String>,
    /// Variables for `/etc/environment`; see [`hub_machine::carried_environment`].
    pub environment: Vec<(String, String)>,
}

impl VmOptions {
    /// A small rented server of `release`: two processors, 2 GB.
    pub fn new(release: Release) -> Self {
        Self {
            release,
            packages: Vec::new(),
            accelerator: "tcg".to_owned(),
            memory_mb: 2048,
            processors: 2,
            forwarded_ports: Vec::new(),
            kernel_arguments: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// A running virtual machine; it and its disk are gone when the value is dropped.
#[derive(Debug)]
pub struct Vm {
    name: String,
    directory: tempfile::TempDir,
    image: Image,
    options: VmOptions,
    /// Guest port and host port.
    ports: Vec<(u16, u16)>,
    qemu: Option<Qemu>,
    ssh: Option<Ssh>,
}

impl Vm {
    /// Boots a new machine and waits until systemd has started everything. The first one of its kind takes minutes,
    /// because its disk image is made. `progress` is told what takes time.
    ///
    /// # Errors
    /// When a program is missing and can't be installed, or the machine does not come up in time.
    pub fn boot(name: &str, options: VmOptions, cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        ensure_packages(&PROGRAMS, progress)?;
        let image = Image::ensure(&options, cache, progress)?;
        let directory = tempfile::Builder::new()
            .prefix(&format!("{DIRECTORY_PREFIX}{}-", std::process::id()))
            .tempdir_in(PARENT_DIRECTORY)?;
        qemu::make_disk(&image.disk, &directory.path().join("disk.ext4"))?;
        let mut ports = Vec::new();
        for guest in std::iter::once(ssh::PORT).chain(options.forwarded_ports.iter().copied()) {
            ports.push((guest, free_port()?));
        }
        let mut vm = Self { name: name.to_owned(), directory, image, options, ports, qemu: None, ssh: None };
        vm.power_on()?;
        vm.script(&format!("hostnamectl set-hostname {name}; echo 127.0.1.1 {name} >>/etc/hosts"), QUESTION_DEADLINE)?;
        Ok(vm)
    }

    /// The port of the host's loopback device behind which `guest`, one of the forwarded ports, is.
    ///
    /// # Errors
    /// When it is not among the forwarded ports.
    pub fn port(&self, guest: u16) -> Result<u16> {
        let found = self.ports.iter().find(|(number, _)| *number == guest).map(|(_, host)| *host);
        found.with_context(|| format!("port {guest} is not among the forwarded ports of `{}`", self.name))
    }

    /// The file with what the machine wrote on its console.
    pub fn console(&self) -> PathBuf {
        self.directory.path().join("console.txt")
    }

    /// Whether it can be entered.
    pub fn is_running(&self) -> bool {
        self.ssh.is_some()
    }

    /// The command with which a person enters.
    pub fn entry_command(&self) -> Result<String> {
        Ok(format!(
            "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i {} -p {} root@127.0.0.1",
            self.image.key.display(),
            self.port(ssh::PORT)?
        ))
    }

    /// Shuts down in good order and boots again.
    ///
    /// # Errors
    /// When it does not stop or does not come up again in time.
    pub fn reboot(&mut self) -> Result<()> {
        self.shut_down("reboot")?;
        self.power_on()
    }

    /// Shuts down in good order.
    ///
    /// # Errors
    /// When it still runs after three minutes.
    pub fn power_off(&mut self) -> Result<()> {
        self.shut_down("poweroff")
    }

    fn shut_down(&mut self, verb: &str) -> Result<()> {
        // The connection may go before the answer comes; what counts is that qemu ends.
        let asked = self.output(&["/usr/bin/systemctl", "--no-wall", verb], b"", QUESTION_DEADLINE);
        self.ssh = None;
        let Some(mut qemu) = self.qemu.take() else { return Ok(()) };
        qemu.wait(POWER_OFF_DEADLINE).with_context(|| format!("asking for {verb} gave {asked:?}"))
    }

    /// Takes its power away. What the guest had not written to its disk yet is lost.
    pub fn power_cut(&mut self) {
        self.ssh = None;
        self.qemu = None;
    }

    /// Boots the machine from its disk.
    ///
    /// # Errors
    /// When it runs already or does not come up in time.
    pub fn power_on(&mut self) -> Result<()> {
        if self.qemu.is_some() {
            bail!("virtual machine `{}` runs already", self.name);
        }
        self.qemu = Some(Qemu::start(&self.image, &self.options, self.directory.path(), &self.ports)?);
        self.wait_until_booted()
    }

    fn wait_until_booted(&mut self) -> Result<()> {
        let deadline = Instant::now() + BOOT_DEADLINE;
        loop {
            if let Some(qemu) = &mut self.qemu {
                qemu.check_alive()?;
            }
            match self.try_connect() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    let console = fs::read_to_string(self.console()).unwrap_or_default();
                    let lines: Vec<&str> = console.lines().collect();
                    let end = lines[lines.len().saturating_sub(15)..].join("\n");
                    let waited = BOOT_DEADLINE.as_secs();
                    return Err(error.context(format!("waited {waited} s for `{}` to boot; its console:\n{end}", self.name)));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(500)),
            }
        }
    }

    fn try_connect(&mut self) -> Result<()> {
        let ssh = Ssh::connect(&self.image.key, self.port(ssh::PORT)?, self.directory.path())?;
        self.ssh = Some(ssh);
        let command = ["/usr/bin/systemctl", "is-system-running", "--wait"];
        let state = self.output(&command, b"", BOOT_DEADLINE)?.text();
        if !matches!(state.as_str(), "running" | "degraded") {
            bail!("state of the system: `{state}`");
        }
        Ok(())
    }

    fn ssh(&self) -> Result<&Ssh> {
        self.ssh.as_ref().with_context(|| format!("virtual machine `{}` does not run", self.name))
    }
}

impl Guest for Vm {
    fn name(&self) -> &str {
        &self.name
    }

    fn output(&self, arguments: &[&str], input: &[u8], timeout: Duration) -> Result<Output> {
        self.ssh()?.output(arguments, input, timeout)
    }

    fn copy_in(&self, source: &Path, target: &str, mode: u32) -> Result<()> {
        let script = r#"mkdir -p "$(dirname "$1")"; umask 077
cat >"$1.part"; chmod "$2" "$1.part"; mv -f "$1.part" "$1""#;
        let mode = format!("{mode:o}");
        let command = ["/bin/sh", "-euc", script, "sh", target, &mode];
        self.ssh()?.output(&command, &fs::read(source)?, COPY_DEADLINE)?.checked()?;
        Ok(())
    }

    fn copy_tree_in(&self, source: &Path, target: &str) -> Result<()> {
        let archive = self.directory.path().join("tree.tar");
        image::pack(source, &archive)?;
        let script = r#"mkdir -p "$1"; tar --extract --directory="$1""#;
        let command = ["/bin/sh", "-euc", script, "sh", target];
        self.ssh()?.output(&command, &fs::read(&archive)?, COPY_DEADLINE)?.checked()?;
        Ok(())
    }

    fn copy_out(&self, source: &str, target: &Path) -> Result<()> {
        let output = self.ssh()?.output(&["/bin/cat", "--", source], b"", COPY_DEADLINE)?.checked()?;
        fs::write(target, output.stdout)?;
        Ok(())
    }
}

/// Ends the virtual machines of processes that were killed before they could do so.
pub(crate) fn sweep() -> Result<()> {
    for entry in fs::read_dir(PARENT_DIRECTORY)? {
        let path = entry?.path();
        let Some(rest) = path.file_name().and_then(|name| name.to_str()?.strip_prefix(DIRECTORY_PREFIX)) else { continue };
        let Some(owner) = rest.split('-').next().and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{owner}")).exists() {
            eprintln!("ending a virtual machine left behind by a test run that was killed");
            qemu::end_abandoned(&path)?;
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}
