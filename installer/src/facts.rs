//! What this machine is: everything preflight and the plan want to know, looked up once and changed by nothing.

mod accounts;
pub mod certificate;
mod index;
mod system;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use hub_core::config::{self, Config, HomesInReach, ReadError};
use hub_core::paths::Paths;
use hub_core::programs;
use hub_environment::pyenv;
use hub_system::accounts::homes;

pub use accounts::{OWN_GROUPS, OWN_USERS, OwnAccount};
pub use hub_core::sys::ports::Listener;
pub use index::Index;
pub use system::System;

use crate::leftovers::{self, Leftovers};
use crate::network::Network;
use crate::options::Options;
use crate::receipt::{self, Receipt};
use crate::{page, systemctl};

/// What is known about the machine.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Whether this program may change the machine.
    pub root: bool,
    /// The machine itself.
    pub system: System,
    /// Who listens on which port.
    pub listeners: Vec<Listener>,
    /// Accounts and groups that carry our names.
    pub accounts: Vec<OwnAccount>,
    /// The configuration.
    pub config: ConfigFact,
    /// What earlier runs did; an unreadable receipt is a text.
    pub receipt: Result<Option<Receipt>, String>,
    /// What an uninstall left for the next install; unreadable is a text.
    pub leftovers: Result<Option<Leftovers>, String>,
    /// The package index the Python environment comes from; `None`: not asked, for nothing is needed from it.
    pub index: Option<Index>,
    /// The account behind `sudo`.
    pub operator: Option<String>,
    /// The address by which the machine reaches others.
    pub address: Option<IpAddr>,
    /// Programs of the release that are not where they should be.
    pub missing_programs: Vec<PathBuf>,
    /// What is the matter with the certificate files that were given.
    pub certificate: certificate::Judged,
    /// Whether the group is there of the web server that is to stand in front of the hub.
    pub has_proxy_group: bool,
    /// Whether an environment for the servers is there.
    pub environment: Option<u32>,
    /// Whether the kernel speaks IPv6.
    pub ipv6: bool,
    /// Whether this machine has an address.
    pub is_here: fn(IpAddr) -> bool,
    /// Where homes are to be made, or why they can't be.
    pub homes: Result<Homes, String>,
    /// What of people's homes others than root get to.
    pub homes_in_reach: HomesInReach,
}

/// Where homes are to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Homes {
    /// The directory, every link on the way followed.
    pub real: PathBuf,
    /// What of it and the directories above it is not there, the highest first.
    pub missing: Vec<PathBuf>,
}

impl Homes {
    fn find(said: &Path) -> Result<Self, String> {
        let real = homes::place(said).map_err(|error| format!("{error:#}"))?;
        Ok(Self { missing: homes::missing(&real), real })
    }
}

/// The configuration as it is on the machine.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigFact {
    /// There is none yet.
    Absent,
    /// As written, and what it means.
    Valid(String, Box<Config>),
    /// What is wrong with it, for people.
    Broken(String),
}

impl ConfigFact {
    /// What it means, when it is valid.
    pub fn config(&self) -> Option<&Config> {
        match self {
            Self::Valid(_, config) => Some(config),
            _ => None,
        }
    }
}

/// Looks everything up. What can't be looked up is a fact too; this fails only when `/proc` does.
///
/// # Errors
/// When the machine does not even say what it is.
pub fn probe(paths: &Paths, options: &Options, network: &Network, operator: Option<String>) -> Result<Facts> {
    let root = nix::unistd::geteuid().is_root();
    // Only root may read what earlier runs left; that this is not root is told anyway.
    let receipt = if root { receipt::load(paths).map_err(|error| format!("{error:#}")) } else { Ok(None) };
    let environment = pyenv::current(paths).unwrap_or_default();
    let config = if root { read_config(paths) } else { ConfigFact::Absent };
    let system = system::probe(paths)?;
    let mut listeners = hub_core::sys::ports::probe(&systemctl::listening_addresses(paths))?;
    let page = page::process();
    for listener in &mut listeners {
        listener.own |= page.is_some() && listener.process.as_ref().map(|(pid, _)| *pid) == page;
    }
    Ok(Facts {
        root,
        listeners,
        accounts: accounts::probe()?,
        leftovers: if root { leftovers::load(paths).map_err(|error| format!("{error:#}")) } else { Ok(None) },
        // Where an environment is there already, a machine that is offline by now is no less a hub.
        index: if environment.is_none() && options.bundle.is_none() && system.can_check_certificates() {
            index::probe(paths, network, config.config())
        } else {
            None
        },
        homes_in_reach: match config.config() {
            Some(config) => HomesInReach::probe(config, homes::of_people(paths).unwrap_or_default()),
            None => HomesInReach::default(),
        },
        homes: Homes::find(&config.config().map_or_else(|| paths.usual_homes(), |config| config.accounts.homes.clone())),
        config,
        operator,
        ipv6: system::has_ipv6(),
        is_here: hub_core::sys::ports::is_here,
        address: system::address(),
        missing_programs: programs::names().map(|name| options.programs.join(name)).filter(|path| !path.is_file()).collect(),
        certificate: certificate::probe(options),
        has_proxy_group: options.behind.is_some_and(|server| accounts::has_group(server.group())),
        environment,
        system,
        receipt,
    })
}

/// Reads and judges the configuration.
pub fn read_config(paths: &Paths) -> ConfigFact {
    match config::read(&paths.config_file()) {
        Ok(loaded) => ConfigFact::Valid(loaded.text, Box::new(loaded.config)),
        Err(error) if error.is_missing() => ConfigFact::Absent,
        Err(ReadError::Invalid(problems)) => ConfigFact::Broken(problems.to_string()),
        Err(error) => ConfigFact::Broken(format!("{:#}", anyhow::Error::from(error))),
    }
}
