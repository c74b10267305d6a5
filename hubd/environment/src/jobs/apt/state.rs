//! What is remembered about packages of the distribution, so that only what came because of the hub ever goes because of it.

use std::io::ErrorKind;

use anyhow::{Context, Result, bail};
use hub_core::packages::PackageName;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    /// What was asked for when something was last done about it.
    pub(super) asked: Vec<PackageName>,
    /// Every package that came because of that, by name.
    pub(super) brought: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        Self { format: FORMAT, asked: Vec::new(), brought: Vec::new() }
    }
}

impl State {
    pub(super) fn read(paths: &Paths) -> Result<Self> {
        let path = paths.apt_state();
        let text = match fs_err::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            read => read?,
        };
        let state: Self = serde_json::from_slice(&text).with_context(|| format!("reading `{}`", path.display()))?;
        if state.format != FORMAT {
            bail!("`{}` has format {}, expected {FORMAT}", path.display(), state.format);
        }
        Ok(state)
    }

    pub(super) fn write(&self, paths: &Paths) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        atomic::replace(&paths.apt_state(), &text, Access::mode(0o600))
    }

    /// These came because of the hub.
    pub(super) fn note_arrivals(&mut self, names: &[String]) {
        self.brought.extend(names.iter().filter(|name| !self.brought.contains(name)).cloned().collect::<Vec<_>>());
        self.brought.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_known_once_and_survives() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.environment_state()).unwrap();
        let mut state = State::read(&paths).unwrap();
        assert_eq!(state, State::default());
        state.note_arrivals(&["r-base-core".to_owned(), "libblas3".to_owned()]);
        state.note_arrivals(&["libblas3".to_owned()]);
        state.write(&paths).unwrap();
        assert_eq!(State::read(&paths).unwrap().brought, ["libblas3", "r-base-core"]);
        let text = include_str!("fixtures/apt-1.json");
        std::fs::write(paths.apt_state(), text).unwrap();
        assert_eq!(State::read(&paths).unwrap().asked.len(), 1, "a released form is still read");
        std::fs::write(paths.apt_state(), text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        assert!(State::read(&paths).unwrap_err().to_string().contains("has format 2"));
    }
}
