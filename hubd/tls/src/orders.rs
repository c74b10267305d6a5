//! What authorities were asked for of late, on disk: authorities count, so the hub counts along. Written by `hubd
//! certificates`, read by `hubctl https check`. Nothing in it is secret.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use hub_core::sys::atomic::{Access, replace};
use hub_core::sys::entrusted;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// No authority is known to count for longer.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Far more than the hub asks for by itself in that time.
const MOST: usize = 200;

/// What was asked for, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    version: u32,
    orders: Vec<Asked>,
}

/// One certificate that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// When it was over.
    pub at: Timestamp,
    /// Of whom.
    pub directory: String,
    /// For what.
    pub names: BTreeSet<String>,
    /// Whether it was given, or refused.
    pub issued: bool,
}

impl Default for Orders {
    fn default() -> Self {
        Self { version: VERSION, orders: Vec::new() }
    }
}

impl Orders {
    /// Reads what is there; nothing when there is none yet.
    ///
    /// # Errors
    /// When it can't be read or was written by a later version.
    pub fn load(path: &Path) -> Result<Self> {
        let reading = || format!("reading `{}`", path.display());
        let Some(text) = entrusted::text(path, super::LARGEST).with_context(reading)? else { return Ok(Self::default()) };
        let orders: Self = serde_json::from_str(&text).with_context(reading)?;
        if orders.version != VERSION {
            bail!("`{}` has version {}, expected {VERSION}", path.display(), orders.version);
        }
        Ok(orders)
    }

    /// Writes what is there.
    ///
    /// # Errors
    /// When the directory is not there or the disk is full.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("writing what authorities were asked for")?;
        replace(path, &text, Access::mode(0o640))
    }

    /// One more; what is too old to count goes.
    pub fn add(&mut self, asked: Asked) {
        let now = asked.at;
        self.orders.push(asked);
        // One from the future was written while the clock was wrong.
        self.orders.retain(|order| order.at <= now && now.duration_since(order.at) <= KEPT);
        let surplus = self.orders.len().saturating_sub(MOST);
        self.orders.drain(..surplus);
    }

    /// When `directory` gave certificates for exactly these names, or refused them.
    pub fn moments(&self, directory: &str, names: &[String], issued: bool) -> Vec<Timestamp> {
        let names: BTreeSet<&String> = names.iter().collect();
        let is_same = |order: &&Asked| {
            order.issued == issued && order.directory == directory && order.names.iter().collect::<BTreeSet<_>>() == names
        };
        self.orders.iter().filter(is_same).map(|order| order.at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(at: &str, names: &[&str], issued: bool) -> Asked {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Asked { at: at.parse().unwrap(), directory: "https://ca.example/".to_owned(), names, issued }
    }

    #[test]
    fn a_week_is_kept_and_names_count_whatever_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orders.json");
        assert_eq!(Orders::load(&path).unwrap(), Orders::default());
        let mut orders = Orders::default();
        for order in [
            asked("2026-01-01T00:00:00Z", &["a", "b"], true),
            asked("2030-01-01T00:00:00Z", &["a", "b"], true),
            asked("2026-01-05T00:00:00Z", &["a"], true),
            asked("2026-01-06T00:00:00Z", &["b", "a"], false),
            asked("2026-01-08T00:00:01Z", &["b", "a"], true),
        ] {
            orders.add(order);
        }
        orders.save(&path).unwrap();
        let orders = Orders::load(&path).unwrap();
        let moments = |names: &[&str], issued| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let moments = orders.moments("https://ca.example/", &names, issued);
            moments.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(moments(&["b", "a"], true), ["2026-01-08T00:00:01Z"]);
        assert_eq!(moments(&["a", "b"], false), ["2026-01-06T00:00:00Z"]);
        assert_eq!(moments(&["a"], true), ["2026-01-05T00:00:00Z"]);
        assert!(orders.moments("https://other.example/", &["a".to_owned()], true).is_empty());
    }

    #[test]
    fn the_format_of_version_1_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orders.json");
        let order = r#"{"at":"2026-01-01T00:00:00Z","directory":"https://ca.example/","names":["a"],"issued":true}"#;
        std::fs::write(&path, format!(r#"{{"version":1,"orders":[{order}]}}"#)).unwrap();
        assert_eq!(Orders::load(&path).unwrap().orders, [asked("2026-01-01T00:00:00Z", &["a"], true)]);
        std::fs::write(&path, r#"{"version":2,"orders":[]}"#).unwrap();
        assert!(Orders::load(&path).unwrap_err().to_string().ends_with("has version 2, expected 1"));
    }
}
