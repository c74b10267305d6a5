//! How each step is taken back on a machine that had nothing of it: what the documentation shows. Pure.

use hub_core::paths::Paths;
use hub_core::units::ENABLED;

use super::{Action, FileKind, Leaving};
use crate::undo::Undo;

impl Action {
    /// How to take the step back where nothing of it was there before; `None`: it needs no undo of its own. Digests of
    /// files are left out.
    pub fn undo_of_new(&self, paths: &Paths) -> Option<Undo> {
        match self {
            Self::Packages { names } => Some(Undo::Packages { names: names.clone() }),
            Self::Group { name } => Some(Undo::DeleteGroup { name: name.clone() }),
            Self::User { name, .. } => Some(Undo::DeleteUser { name: name.clone() }),
            Self::Directory { path, leaving, .. } => Some(match leaving {
                Leaving::RemoveEmpty => Undo::RemoveDirectory { path: path.clone() },
                Leaving::RemoveTree => Undo::RemoveTree { path: path.clone() },
                Leaving::Keep => Undo::Keep { path: path.clone() },
            }),
            Self::File { path, kind: FileKind::Settings, .. } => Some(Undo::Keep { path: path.clone() }),
            Self::File { path, .. } => Some(Undo::RemoveFile { path: path.clone(), sha256: None }),
            Self::Link { path, target } => Some(Undo::RemoveLink { path: path.clone(), target: target.clone() }),
            Self::Network { text } => text.as_ref().map(|_| Undo::Keep { path: paths.network_file() }),
            Self::Uv => Some(Undo::RemoveTree { path: paths.uv() }),
            Self::Services => Some(Undo::DisableUnits { units: ENABLED.map(str::to_owned).to_vec() }),
            Self::KeepPackages { names } => Some(Undo::LetGo { names: names.clone() }),
            // What they make lies in directories that go, or is somebody's who goes.
            Self::PackagesAhead { .. } | Self::Leftovers | Self::Bundle | Self::Environment { .. } | Self::People { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Check, Ground, World};
    use super::*;
    use crate::network::Network;
    use crate::preflight::tests::{machine, options};
    use crate::receipt::Receipt;

    /// The digest depends on the text of the file, which is of no interest here.
    fn without_digest(undo: Undo) -> Undo {
        match undo {
            Undo::RemoveFile { path, .. } => Undo::RemoveFile { path, sha256: None },
            other => other,
        }
    }

    #[test]
    fn what_is_told_is_what_an_install_records() {
        let root = tempfile::tempdir().unwrap();
        let programs = root.path().join("release");
        std::fs::create_dir(&programs).unwrap();
        for name in hub_core::programs::names() {
            std::fs::write(programs.join(name), name).unwrap();
        }
        let paths = Paths::under(root.path().join("machine"));
        let network = Network::parse("https_proxy=\"http://proxy.example:3128\"\n");
        let options = crate::options::Options { programs, ..options() };
        let steps = crate::plan::build(&paths, &machine(), &options, &network).unwrap();
        let mut ignore = |_: &str| ();
        let mut world = World::new(&paths, &network, &mut ignore);
        let mut compared = 0;
        for step in steps {
            // The others look at the machine itself, wherever the root is; so does where homes are.
            let below_the_root = match &step.action {
                Action::Directory { path, .. } | Action::File { path, .. } | Action::Link { path, .. } => {
                    path.starts_with(root.path())
                }
                Action::Network { .. } | Action::Uv => true,
                _ => false,
            };
            if !below_the_root {
                continue;
            }
            let Check::Needed { undo, .. } = world.check(&step.action, &Receipt::default(), None).unwrap() else {
                panic!("{} is there already", step.title)
            };
            assert_eq!(undo.map(without_digest), step.action.undo_of_new(&paths), "{}", step.title);
            compared += 1;
        }
        assert!(compared > 25, "only {compared} steps were compared");
    }
}
