//! What may be typed behind `hubctl env`, and every word of its `--help`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueHint};
use hub_core::control::environment::{EnvironmentReply, EnvironmentRequest};
use hub_core::packages::KernelName;

use super::ask;
use crate::World;

use super::apt::AptVerb;

#[derive(Debug, Subcommand)]
pub(crate) enum EnvVerb {
    /// Show which environment is in force, who runs on which, and what is being built
    #[command(after_help = "Examples:
  hubctl env status
  hubctl env status --json")]
    Status,
    /// List the environments that are kept
    #[command(after_help = "Example:
  hubctl env list")]
    List,
    /// Show the packages of an environment
    #[command(after_help = "Examples:
  hubctl env show                           of the one that new servers get
  hubctl env show 2")]
    Show {
        /// Which environment [default: the one that new servers get]
        number: Option<u32>,
    },
    /// Install packages for everybody
    #[command(
        after_help = "A package is written as in a requirements file: a name, with versions and extras as wanted. What is \
installed already stays at its version where it can. The new environment is tried out before anybody gets it: when it \
does not work, nobody is affected. It goes on when this terminal goes away. Running servers keep what they have; people \
get the new packages with the next start of their server.

With full sudo on the machine a PACKAGE may also be a wheel: ./course-1.0-py3-none-any.whl

A kernel may be made of conda packages (--conda), written as in an environment.yml; what is installed in it later is conda's, \
too, unless --pip says otherwise.

Examples:
  hubctl env install pandas matplotlib
  hubctl env install 'pandas>=2,<3' 'dask[array]'
  hubctl env --kernel r install --conda r-irkernel r-ggplot2"
    )]
    Install {
        /// Packages
        #[arg(required = true, value_name = "PACKAGE", value_hint = ValueHint::FilePath)]
        packages: Vec<String>,
        #[command(flatten)]
        from: From,
    },
    /// Remove packages that were asked for
    #[command(after_help = "What only they needed goes, too. What the hub or another package needs stays.

Example:
  hubctl env remove pandas")]
    Remove {
        /// Packages
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<String>,
        #[command(flatten)]
        from: From,
    },
    /// Bring packages to newer versions, all of them or some
    #[command(after_help = "Examples:
  hubctl env upgrade                        everything, JupyterLab too
  hubctl env upgrade pandas")]
    Upgrade {
        /// Packages [default: all]
        #[arg(value_name = "PACKAGE")]
        packages: Vec<String>,
        #[command(flatten)]
        from: From,
    },
    /// Ask for exactly what a file lists, or build what the configuration says
    #[command(
        after_help = "FILE is a requirements.txt, a pyproject.toml whose dependencies count, a uv.lock, what hubctl env export \
printed, or an environment.yml, which makes a kernel of conda packages (with --kernel). With a lock, or requirements that all have \
hashes, it is exactly these versions and files, or nothing. It is opened with your own rights. Options in it (--index-url, -r, -e) \
are refused: mirrors are set in the configuration of the machine. A file that does not say what is needed is refused, too; one \
that says that nothing is (dependencies = []) asks first. Without a FILE \
it builds what `packages` under [environment] in the configuration says, for when that was edited by hand.

Examples:
  hubctl env apply requirements.txt
  hubctl env apply uv.lock
  hubctl env --kernel science apply environment.yml
  sudo hubctl env apply                     what the configuration says"
    )]
    Apply {
        /// The file; `-` is standard input
        file: Option<PathBuf>,
        /// Do not ask when the list says that there are to be no packages at all
        #[arg(long)]
        yes: bool,
    },
    /// Print the lock of an environment: every package with its version and hashes
    #[command(
        after_help = "On another machine hubctl env apply lock.txt makes the same environment of it. Of a kernel of conda \
packages it is an environment.yml with the exact versions.

Examples:
  hubctl env export > lock.txt
  hubctl env --kernel science export > environment.yml
  hubctl env --kernel science export --explicit   addresses and hashes of its conda packages"
    )]
    Export {
        /// Which environment [default: the one that new servers get]
        number: Option<u32>,
        /// Of conda packages: addresses with hashes, as `conda create --file` takes them
        #[arg(long)]
        explicit: bool,
    },
    /// Show what differs between two environments
    #[command(after_help = "Examples:
  hubctl env diff                           the last change
  hubctl env diff 2 5")]
    Diff {
        /// The one before [default: the one kept before the other]
        from: Option<u32>,
        /// The one after [default: the one that new servers get]
        to: Option<u32>,
    },
    /// Show everything that was asked for, by whom, and what came of it
    #[command(after_help = "Example:
  hubctl env history")]
    History,
    /// Give new servers an earlier environment; takes a moment
    #[command(
        after_help = "The configuration asks for what that environment was asked to hold, too. Works on the host also when \
the hub is down.

Examples:
  hubctl env rollback                       to the one before
  hubctl env rollback 2"
    )]
    Rollback {
        /// Which environment [default: the one kept before the present one]
        number: Option<u32>,
    },
    /// Delete environments that are neither among the newest nor in use
    #[command(after_help = "Every successful change does this by itself. How many are kept: `keep` under [environment].

Example:
  hubctl env gc")]
    Gc,
    /// List the kernels that are environments of their own
    #[command(after_help = "With --kernel every other command here is about one of them. The first `install` makes it; it is \
in the menus of all servers at once, also of those that run. Kernels that run keep their environment.

Examples:
  hubctl env kernels
  hubctl env --kernel pytorch install 'torch==2.9.*'
  hubctl env --kernel pytorch status
  hubctl env --kernel pytorch rollback")]
    Kernels,
    /// Take a kernel out of everybody's menus, and off the disk
    #[command(after_help = "What runs in it goes on until it is ended. The configuration does not name it any more.

Example:
  hubctl env remove-kernel pytorch")]
    RemoveKernel {
        /// Which kernel
        name: KernelName,
    },
    /// Change the packages of the distribution that everybody has
    #[command(
        after_help = "Scripts of such packages run as root, so it takes full sudo on the machine, unless the configuration lets \
administrators and operators do it: apt_by_admins under [environment].

Examples:
  sudo hubctl env apt install r-cran-irkernel   R, as a kernel in every server
  sudo hubctl env apt list"
    )]
    Apt {
        #[command(subcommand)]
        verb: AptVerb,
    },
    /// Check that the environment is whole, as asked for, and fits the machine's Python
    #[command(after_help = "Ends with 1 when something is wrong.

Example:
  hubctl env check")]
    Check,
}

/// Where packages come from.
#[derive(Debug, Args)]
pub(crate) struct From {
    /// Conda packages, of a kernel [default: where the kernel has some]
    #[arg(long)]
    conda: bool,
    /// Packages of the package index, also where the kernel has conda packages
    #[arg(long, conflicts_with = "conda")]
    pip: bool,
}

impl From {
    /// Whether it is conda.
    pub(super) fn is_conda(&self, world: &World, kernel: Option<&KernelName>) -> Result<bool> {
        let (false, false, Some(kernel)) = (self.conda, self.pip, kernel) else { return Ok(self.conda) };
        match ask::ask(world, &EnvironmentRequest::Kernels)? {
            EnvironmentReply::Kernels { kernels } => Ok(kernels.iter().any(|one| one.name == *kernel && one.conda.is_some())),
            other => Err(ask::unexpected(&other).into()),
        }
    }
}
