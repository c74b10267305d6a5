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
    /// Show the current environment, which one each server runs on, and what is being built
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
        after_help = "Write a package as in a requirements file: a name, optionally with versions and extras. Installed packages \
keep their versions where possible. The new environment is tested before anyone gets it; if it does not work, nobody is \
affected. It continues if you close this terminal. Running servers keep what they have; people get the new packages the next \
time their server starts.

With full sudo on the machine a PACKAGE may also be a wheel: ./course-1.0-py3-none-any.whl

A kernel can be made of conda packages (--conda), written as in an environment.yml. Later installs into it use conda too, unless \
you add --pip.

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
    #[command(after_help = "Packages that only they needed are removed too. Whatever the hub or another package needs stays.

Example:
  hubctl env remove pandas")]
    Remove {
        /// Packages
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<String>,
        #[command(flatten)]
        from: From,
    },
    /// Upgrade packages, all of them or some
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
    /// Install exactly what a file lists, or what the configuration says
    #[command(
        after_help = "FILE is a requirements.txt, a pyproject.toml (its dependencies are used), a uv.lock, the output of hubctl \
env export, or an environment.yml, which makes a kernel of conda packages (with --kernel). With a lock, or with requirements \
that all have hashes, you get exactly those versions and files, or nothing. The file is opened with your own rights. Options in \
it (--index-url, -r, -e) are refused: mirrors are set in the machine's configuration. A file that does not list what is needed \
is refused, too; for one that lists nothing (dependencies = []) you are asked first. Without a FILE it builds what `packages` \
under [environment] in the configuration says; use that after editing it by hand.

Examples:
  hubctl env apply requirements.txt
  hubctl env apply uv.lock
  hubctl env --kernel science apply environment.yml
  sudo hubctl env apply                     what the configuration says"
    )]
    Apply {
        /// The file; `-` is standard input
        file: Option<PathBuf>,
        /// Do not ask, even if the list is empty
        #[arg(long)]
        yes: bool,
    },
    /// Print the lock of an environment: every package with its version and hashes
    #[command(
        after_help = "On another machine, hubctl env apply lock.txt builds the same environment from it. For a kernel of conda \
packages it is an environment.yml with the exact versions.

Examples:
  hubctl env export > lock.txt
  hubctl env --kernel science export > environment.yml
  hubctl env --kernel science export --explicit   addresses and hashes of its conda packages"
    )]
    Export {
        /// Which environment [default: the one that new servers get]
        number: Option<u32>,
        /// For conda packages: addresses with hashes, as `conda create --file` reads them
        #[arg(long)]
        explicit: bool,
    },
    /// Show what differs between two environments
    #[command(after_help = "Examples:
  hubctl env diff                           the last change
  hubctl env diff 2 5")]
    Diff {
        /// The older one [default: the one kept before the other]
        from: Option<u32>,
        /// The newer one [default: the one that new servers get]
        to: Option<u32>,
    },
    /// Show every change that was asked for, by whom, and how it ended
    #[command(after_help = "Example:
  hubctl env history")]
    History,
    /// Go back to an earlier environment for new servers; takes a moment
    #[command(
        after_help = "The list of packages in the configuration goes back with it. On the host this works even when the hub is \
down.

Examples:
  hubctl env rollback                       to the previous one
  hubctl env rollback 2"
    )]
    Rollback {
        /// Which environment [default: the one kept before the current one]
        number: Option<u32>,
    },
    /// Delete environments that are neither among the newest nor in use
    #[command(after_help = "Every successful change does this automatically. How many are kept: `keep` under [environment].

Example:
  hubctl env gc")]
    Gc,
    /// List the kernels that are environments of their own
    #[command(
        after_help = "With --kernel, every other command here works on one of them. The first `install` creates it, and it \
appears at once in the menus of all servers, even running ones. Running kernels keep their environment.

Examples:
  hubctl env kernels
  hubctl env --kernel pytorch install 'torch==2.9.*'
  hubctl env --kernel pytorch status
  hubctl env --kernel pytorch rollback"
    )]
    Kernels,
    /// Remove a kernel from everybody's menus and from the disk
    #[command(after_help = "Whatever runs in it keeps running until it ends. The kernel is also removed from the configuration.

Example:
  hubctl env remove-kernel pytorch")]
    RemoveKernel {
        /// Which kernel
        name: KernelName,
    },
    /// Change the distribution packages (apt) that everybody has
    #[command(
        after_help = "Scripts of these packages run as root, so this needs full sudo on the machine, unless apt_by_admins under \
[environment] lets administrators and operators do it.

Examples:
  sudo hubctl env apt install r-cran-irkernel   R, as a kernel in every server
  sudo hubctl env apt list"
    )]
    Apt {
        #[command(subcommand)]
        verb: AptVerb,
    },
    /// Check that the environment is complete, is what was asked for, and fits the machine's Python
    #[command(after_help = "Exits with 1 when something is wrong.

Example:
  hubctl env check")]
    Check,
}

/// Where packages come from.
#[derive(Debug, Args)]
pub(crate) struct From {
    /// Use conda packages, in a kernel [default: if the kernel already has some]
    #[arg(long)]
    conda: bool,
    /// Use the package index, even if the kernel has conda packages
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
