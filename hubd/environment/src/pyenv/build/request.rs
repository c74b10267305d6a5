//! What is to be built, and what was found for it.

use std::path::Path;

use hub_core::packages::Conda;
use hub_core::packages::requirement::Requirement;

use crate::pyenv::conda as provider;
use crate::pyenv::unit::Upgrade;
use crate::pyenv::{Generation, NetworkSettings};

/// What to build.
#[derive(Debug)]
pub struct BuildRequest<'a> {
    /// The number it gets; 0 where nothing is built.
    pub generation: u32,
    /// The program `uv`.
    pub uv: &'a Path,
    /// The interpreter to build on, for example `/usr/bin/python3`.
    pub python: &'a Path,
    /// Requirements with hashes; [`crate::pyenv::LOCK`] is the one we ship.
    pub lock: &'a str,
    /// The administrator's mirrors, proxies and certificates.
    pub network: &'a NetworkSettings,
    /// What was asked for on top of what the hub needs.
    pub asked: &'a [Requirement],
    /// What it is to have from conda; `None`: it is the package index's alone.
    pub conda: Option<CondaRequest<'a>>,
    /// The generation to share files with.
    pub previous: Option<&'a Generation>,
    /// A directory of wheels that no index has.
    pub wheels: Option<&'a Path>,
}

/// The part of a build that comes from conda's channels.
#[derive(Debug, Clone, Copy)]
pub struct CondaRequest<'a> {
    /// What was asked for.
    pub asked: &'a Conda,
    /// Where it comes from.
    pub channels: &'a provider::Channels<'a>,
    /// What was found; before that: nothing.
    pub lock: Option<&'a provider::Lock>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locks {
    /// Packages of the index, with hashes.
    pub packages: String,
    /// Packages of conda's channels; `None`: none are asked for.
    pub conda: Option<provider::Lock>,
}

/// What versions are to be found for.
#[derive(Debug)]
pub struct Resolution<'a> {
    /// The build that they are for; its lock is the one before, whose versions stay where they can.
    pub build: &'a BuildRequest<'a>,
    /// What may get newer although it need not: nothing when empty and not `everything`.
    pub upgrade: &'a [Requirement],
    /// The same of conda's, by name.
    pub upgrade_conda: &'a [String],
    /// Whether everything may.
    pub everything: bool,
}

impl Resolution<'_> {
    pub(super) fn upgrade(&self, names: Vec<String>) -> Upgrade {
        match (self.everything, names.is_empty()) {
            (true, _) => Upgrade::Everything,
            (false, true) => Upgrade::Nothing,
            (false, false) => Upgrade::Packages(names),
        }
    }
}
