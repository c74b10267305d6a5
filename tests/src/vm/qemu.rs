//! The qemu process of a virtual machine.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command as StdCommand, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_system::command::Command;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::VmOptions;
use super::image::Image;

const QEMU: &str = "/usr/bin/qemu-system-x86_64";
const CP: &str = "/usr/bin/cp";
const DISK_DEADLINE: Duration = Duration::from_secs(5 * 60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A running qemu; killed when dropped.
#[derive(Debug)]
pub(super) struct Qemu {
    child: Child,
    said: std::path::PathBuf,
}

/// Makes a disk like `image`. A plain copy of what the sparse file holds takes a second and needs no tool of qemu.
pub(super) fn make_disk(image: &Path, disk: &Path) -> Result<()> {
    Command::new(CP, DISK_DEADLINE)
        .args(["--sparse=always", "--reflink=auto"])
        .args([image, disk].map(|path| path.display().to_string()))
        .run()
        .context("making the disk of a virtual machine")?;
    Ok(())
}

impl Qemu {
    /// Starts the machine whose disk is in `directory`; `ports` are pairs of guest port and port on our loopback.
    pub(super) fn start(image: &Image, options: &VmOptions, directory: &Path, ports: &[(u16, u16)]) -> Result<Self> {
        let said = directory.join("qemu.txt");
        let output = fs::File::create(&said)?.into_parts().0;
        let forwards: String = ports.iter().map(|(guest, host)| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}")).collect();
        let accelerator = match options.accelerator.as_str() {
            "tcg" => "tcg,thread=multi",
            other => other,
        };
        let child = StdCommand::new(QEMU)
            .args(["-machine", "q35", "-cpu", "max", "-accel", accelerator])
            .args(["-m", &options.memory_mb.to_string(), "-smp", &options.processors.to_string()])
            // Resetting takes qemu minutes under emulation; ending and starting again takes none.
            .arg("-no-reboot")
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .arg("-kernel")
            .arg(&image.kernel)
            .arg("-initrd")
            .arg(&image.initrd)
            .args(["-append", &format!("root=/dev/vda rw console=ttyS0 quiet {}", options.kernel_arguments.join(" "))])
            // The host outlives every machine, so flushes to its disk would only cost time.
            .args(["-drive", &format!("if=virtio,format=raw,cache=unsafe,file={}/disk.ext4", directory.display())])
            .args(["-nic", &format!("user,model=virtio-net-pci{forwards}")])
            .args(["-device", "virtio-rng-pci"])
            .args(["-chardev", &format!("file,id=console,append=on,path={}/console.txt", directory.display())])
            .args(["-serial", "chardev:console"])
            .args(["-pidfile", &format!("{}/pid", directory.display())])
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .spawn()
            .with_context(|| format!("starting `{QEMU}`"))?;
        Ok(Self { child, said })
    }

    /// An error with what qemu said, if it has ended.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("qemu ended with {status}: {}", fs::read_to_string(&self.said)?.trim());
        }
        Ok(())
    }

    /// Waits until the machine has switched itself off.
    pub(super) fn wait(&mut self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                bail!("waited {} s for the virtual machine to switch itself off", timeout.as_secs());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("ending qemu: {error}");
        }
    }
}

/// Kills the qemu that belongs to a directory nobody owns any more.
pub(super) fn end_abandoned(directory: &Path) -> Result<()> {
    let pid_file = directory.join("pid");
    if !pid_file.exists() {
        return Ok(());
    }
    let pid: i32 = fs::read_to_string(&pid_file)?.trim().parse().context("reading the process number of qemu")?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if !String::from_utf8_lossy(&line).contains(&directory.display().to_string()) {
        return Ok(());
    }
    match kill(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("ending process {pid}")),
    }
}
