//! `tests/machine`: the machines of the tests, for a person.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use hub_machine::{Base, BaseSpec, BootOptions, CACHE_DIRECTORY, Machine, Release, carried_environment};

use crate::vm::{Vm, VmOptions};

/// What to do with machines.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Boot a new Debian; the first one of its kind takes a minute
    Boot {
        /// Name of the machine, also its host name
        name: String,
        /// bookworm (Debian 12) or trixie (Debian 13)
        #[arg(long, default_value = "bookworm")]
        release: Release,
        /// A Debian package the machine has from the start; may be given again
        #[arg(long = "with", value_name = "PACKAGE")]
        packages: Vec<String>,
        /// No network but a loopback device of its own
        #[arg(long)]
        offline: bool,
        /// Use this root tree instead of making one
        #[arg(long, hide = true)]
        base: Option<PathBuf>,
    },
    /// Boot a virtual machine and keep it until Enter is pressed; for what a container can't show
    Vm {
        /// Name of the machine, also its host name
        name: String,
        /// bookworm (Debian 12) or trixie (Debian 13)
        #[arg(long, default_value = "bookworm")]
        release: Release,
        /// A Debian package the machine has from the start; may be given again
        #[arg(long = "with", value_name = "PACKAGE")]
        packages: Vec<String>,
        /// A port of the machine to be reached from here; may be given again
        #[arg(long = "port", value_name = "PORT")]
        ports: Vec<u16>,
        /// Something for the kernel, as in `ipv6.disable=1`; may be given again
        #[arg(long = "kernel", value_name = "ARGUMENT")]
        kernel_arguments: Vec<String>,
        /// `tcg` is emulation and works everywhere, `kvm` is fast where it works
        #[arg(long, env = "HUBD_TESTS_ACCELERATOR", default_value = "tcg")]
        accelerator: String,
    },
    /// Run a program in a machine, as root
    Exec {
        /// Name of the machine
        name: String,
        /// The program and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<String>,
    },
    /// Open a shell in a machine, as root
    Shell {
        /// Name of the machine
        name: String,
    },
    /// Shut a machine down and boot it again from its disk
    Reboot {
        /// Name of the machine
        name: String,
    },
    /// End machines and remove everything of them
    Destroy {
        /// Names of machines
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Show the machines there are
    List,
}

/// Does it.
pub fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Boot { name, release, packages, offline, base } => {
            let spec = packages.iter().fold(BaseSpec::new(release), |spec, package| spec.with(package));
            let base = match base {
                Some(directory) => Base { directory, release },
                None => Base::ensure(&spec, Path::new(CACHE_DIRECTORY), &mut |text| eprintln!("{text}"))?,
            };
            let environment = if offline { Vec::new() } else { carried_environment(std::env::vars()) };
            let options = BootOptions { environment, private_network: offline, ..BootOptions::default() };
            let machine = Machine::boot(&base, &name, options)?;
            for unit in machine.failed_units()? {
                eprintln!("unit `{unit}` did not start");
            }
            println!("machine `{name}` runs Debian {}", release.codename());
            println!("enter it: tests/machine shell {name}");
            println!("end it:   tests/machine destroy {name}");
        }
        Verb::Vm { name, release, packages, ports, kernel_arguments, accelerator } => {
            let environment = carried_environment(std::env::vars());
            let options = VmOptions {
                packages,
                accelerator,
                forwarded_ports: ports,
                kernel_arguments,
                environment,
                ..VmOptions::new(release)
            };
            keep_vm(&name, options)?;
        }
        Verb::Exec { name, program } => return attach(&name, program),
        Verb::Shell { name } => return attach(&name, Vec::new()),
        Verb::Reboot { name } => Machine::open(&name)?.reboot()?,
        Verb::Destroy { names } => {
            for name in names {
                Machine::destroy_named(&name)?;
            }
        }
        Verb::List => {
            for machine in Machine::list()? {
                let state = machine.leader_pid().map_or("stopped".to_owned(), |pid| format!("running, PID 1 is {pid}"));
                println!("{:<24} {:<10} {state}", machine.name(), machine.release().codename());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A virtual machine lives as long as this process.
fn keep_vm(name: &str, options: VmOptions) -> Result<()> {
    let ports = options.forwarded_ports.clone();
    let vm = Vm::boot(name, options, Path::new(CACHE_DIRECTORY), &mut |text| eprintln!("{text}"))?;
    println!("virtual machine `{name}` runs; enter it with");
    println!("    {}", vm.entry_command()?);
    for port in ports {
        println!("its port {port} is port {} of this machine", vm.port(port)?);
    }
    println!("Enter ends it.");
    std::io::stdin().read_line(&mut String::new()).context("waiting for Enter")?;
    Ok(())
}

/// Becomes the program in the machine, on the terminal of the caller.
fn attach(name: &str, program: Vec<String>) -> Result<ExitCode> {
    let attachment = Machine::open(name)?.attach(program)?;
    let error =
        std::process::Command::new(attachment.program).args(attachment.arguments).env_clear().envs(attachment.environment).exec();
    Err(error).with_context(|| format!("starting `{}`", attachment.program))
}
