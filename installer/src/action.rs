//! The dozen things a step can be, and what each finds out and does.
//!
//! `check` reads the machine and never changes it; `act` brings about what `check` found missing. Both may be run
//! again at any moment, also after a power cut in the middle of `act`.

mod account;
mod bundle;
mod configuration;
mod environment;
mod file;
mod fresh;
mod leftovers;
mod network;
mod packages;
mod people;
mod services;
mod uv;

use std::path::PathBuf;

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::config;
use hub_core::packages::Requirement;
use hub_core::paths::Paths;
use hub_environment::bundle::Opened;
use hub_environment::pyenv::NetworkSettings;

pub(crate) use account::undo;
pub use packages::Ahead;
pub use people::Invitation;
pub(crate) use people::{ask, invite_the_rest, invite_with};
pub(crate) use services::{bring_up, disable, wait_until_it_answers};

use crate::files::Attributes;
use crate::finding::Finding;
use crate::network::Network;
use crate::receipt::{Receipt, StepRecord};
use crate::undo::Undo;

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Distribution packages are installed.
    Packages {
        /// Which are missing.
        names: Vec<String>,
    },
    /// Their install is under way while other steps are taken; [`Action::Packages`] waits for it.
    PackagesAhead {
        /// Which are missing.
        names: Vec<String>,
    },
    /// apt takes none of these away as one that nobody needs any more.
    KeepPackages {
        /// Which.
        names: Vec<String>,
    },
    /// A unix group exists.
    Group {
        /// Its name.
        name: String,
    },
    /// A unix account nobody logs in to exists, in the group of the same name.
    User {
        /// Its name.
        name: String,
        /// What it is for.
        comment: String,
        /// What stands as its home; not made here.
        home: PathBuf,
    },
    /// A directory exists.
    Directory {
        /// Where.
        path: PathBuf,
        /// Whose.
        owner: Ownership,
        /// What an uninstall does with it.
        leaving: Leaving,
    },
    /// A file has this content.
    File {
        /// Where.
        path: PathBuf,
        /// What is in it.
        contents: Contents,
        /// Whose.
        owner: Ownership,
        /// Who else may change it.
        kind: FileKind,
    },
    /// A symbolic link leads somewhere.
    Link {
        /// Where.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// What an uninstall kept has its owners again.
    Leftovers,
    /// The wheels of the bundle are where builds find them.
    Bundle,
    /// Builds, and students' servers, know the way to the package index.
    Network {
        /// What is remembered; `None`: nothing is set.
        text: Option<String>,
    },
    /// The pinned program that builds Python environments is there.
    Uv,
    /// The first generation of the shared environment is there.
    Environment {
        /// What it has beside what the hub needs.
        packages: Vec<Requirement>,
    },
    /// The services run with what is on disk.
    Services,
    /// The admins are enrolled.
    People {
        /// Who.
        admins: Vec<Username>,
        /// Whose password is known already.
        password: Option<(Username, Secret)>,
    },
}

impl Action {
    /// The file, directory or link it is about.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Directory { path, .. } | Self::File { path, .. } | Self::Link { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Whether somebody who waits for it wants to know what for.
    pub fn takes_long(&self) -> bool {
        matches!(
            self,
            Self::Packages { .. } | Self::Leftovers | Self::Bundle | Self::Uv | Self::Environment { .. } | Self::Services
        )
    }
}

/// A text that shows in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// Owner, group and permission bits by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// Owner.
    pub user: &'static str,
    /// Group.
    pub group: &'static str,
    /// Permission bits.
    pub mode: u32,
}

impl Ownership {
    /// Root's, with these permission bits.
    pub const fn root(mode: u32) -> Self {
        Self { user: "root", group: "root", mode }
    }

    /// The same by number.
    ///
    /// # Errors
    /// When there is no such account or group (yet).
    pub fn resolve(self) -> Result<Attributes> {
        account::resolve(self)
    }
}

/// What an uninstall does with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// Removes it when nothing is in it.
    RemoveEmpty,
    /// Removes it with all that is in it.
    RemoveTree,
    /// Leaves it unless everything is to go.
    Keep,
}

/// Where the content of a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// This.
    Text(String),
    /// What is in another file.
    CopyOf(PathBuf),
    /// What came of the configuration `from`, which is in force as long as nobody else changes it; `None`: there is none.
    Configuration {
        /// What it was made of.
        from: Option<String>,
        /// What it is to be.
        text: String,
    },
}

/// Who else may change a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Nobody: what differs is replaced.
    Program,
    /// Nobody should; an admin who did keeps the change until a new version brings another text.
    Unit,
    /// The hub writes it anew from its configuration.
    Generated,
    /// As generated; sudo checks it before it is put in place.
    SudoRules,
    /// The admin; it stays when everything else goes.
    Settings,
}

/// What `check` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is so already; perhaps there is something to say about it.
    Satisfied(Option<String>),
    /// It is not so yet.
    Needed {
        /// Whether something of that name is there and will change.
        exists: bool,
        /// How to take back what `act` will do.
        undo: Option<Undo>,
    },
}

/// What steps work on.
pub struct World<'a> {
    /// Where things are.
    pub paths: &'a Paths,
    /// How the machine reaches the world.
    pub network: &'a Network,
    /// What is installed from in place of a network.
    pub bundle: Option<&'a Opened>,
    /// Told what takes time.
    pub progress: &'a mut (dyn FnMut(&str) + Send),
    /// An install of packages that is under way.
    pub ahead: Option<Ahead>,
    /// How people who have no password yet set one; filled by enrolling them.
    pub invitations: Vec<Invitation>,
    /// Why an authority was not asked for a certificate; filled by starting the services.
    pub obstacles: Vec<Finding>,
}

impl<'a> World<'a> {
    /// In which nothing has happened yet.
    pub fn new(paths: &'a Paths, network: &'a Network, progress: &'a mut (dyn FnMut(&str) + Send)) -> Self {
        Self { paths, network, bundle: None, progress, ahead: None, invitations: Vec::new(), obstacles: Vec::new() }
    }

    /// Where packages come from, with what the configuration on disk says.
    fn settings(&self) -> NetworkSettings {
        let settings: NetworkSettings = self.network.variables().collect();
        let config =
            config::read(&self.paths.config_file()).map_err(|error| tracing::debug!("reading the configuration: {error}"));
        settings.on(self.paths, config.ok().map(|loaded| loaded.config.environment).as_ref())
    }
}

/// Something that can check steps and take them; the machine, or a model of one in tests.
pub trait Ground {
    /// Whether the step is satisfied. Changes nothing.
    ///
    /// # Errors
    /// When the machine can't be read.
    fn check(&mut self, action: &Action, receipt: &Receipt, earlier: Option<&StepRecord>) -> Result<Check>;

    /// Takes the step. Returns what is worth telling.
    ///
    /// # Errors
    /// When it can't be done; it may be half done then, and can be taken again.
    fn act(&mut self, action: &Action, receipt: &Receipt, earlier: Option<&StepRecord>) -> Result<Option<String>>;
}

impl Ground for World<'_> {
    fn check(&mut self, action: &Action, receipt: &Receipt, earlier: Option<&StepRecord>) -> Result<Check> {
        match action {
            Action::Packages { names } => Ok(packages::check(names)),
            Action::PackagesAhead { names } => Ok(packages::check(names)),
            Action::KeepPackages { names } => packages::check_kept(names),
            Action::Group { name } => account::check_group(name),
            Action::User { name, .. } => account::check_user(name),
            Action::Directory { path, owner, leaving } => file::check_directory(path, *owner, *leaving),
            Action::File { path, contents, owner, kind } => {
                let place = file::Place { path, owner: *owner, kind: *kind };
                file::check(self.paths, &place, contents, earlier)
            }
            Action::Link { path, target } => file::check_link(path, target),
            Action::Leftovers => leftovers::check(self.paths),
            Action::Bundle => bundle::check(self),
            Action::Network { text } => network::check(self.paths, text.as_deref()),
            Action::Uv => uv::check(self.paths),
            Action::Environment { .. } => environment::check(self.paths),
            Action::Services => services::check(receipt),
            Action::People { admins, .. } => people::check(self.paths, admins),
        }
    }

    fn act(&mut self, action: &Action, receipt: &Receipt, earlier: Option<&StepRecord>) -> Result<Option<String>> {
        match action {
            Action::Packages { names } => packages::install(self, names),
            Action::PackagesAhead { names } => {
                packages::begin(self, names);
                Ok(None)
            }
            Action::KeepPackages { names } => packages::keep(names).map(|()| None),
            Action::Group { name } => account::make_group(name).map(|()| None),
            Action::User { name, comment, home } => account::make_user(name, comment, home).map(|()| None),
            Action::Directory { path, owner, .. } => file::make_directory(path, *owner).map(|()| None),
            Action::File { contents: Contents::Configuration { from, text }, .. } => {
                configuration::save(self.paths, from.as_deref(), text).map(|()| None)
            }
            Action::File { path, contents, owner, kind } => {
                let place = file::Place { path, owner: *owner, kind: *kind };
                let now = receipt.steps.iter().find(|record| record.undo.as_ref().is_some_and(|undo| undo.concerns(path)));
                file::write(self.paths, &place, contents, earlier, now)
            }
            Action::Link { path, target } => file::make_link(path, target).map(|()| None),
            Action::Leftovers => leftovers::give_back(self),
            Action::Bundle => bundle::take_in(self).map(|()| None),
            Action::Network { text } => network::write(self, text.as_deref()).map(|()| None),
            Action::Uv => uv::fetch(self).map(|()| None),
            Action::Environment { packages } => environment::build(self, packages).map(|()| None),
            Action::Services => services::bring_up(self, &receipt.restarts).map(|()| None),
            Action::People { admins, password } => people::enrol(self, admins, password.as_ref()).map(|()| None),
        }
    }
}
