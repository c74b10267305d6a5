//! What is short on the machine, and who uses it. Also what `hubctl status --json` prints: stable.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::accounts::Username;

/// Something that can be short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Memory.
    Memory,
    /// The processors.
    Cpu,
    /// How fast disks are.
    DiskSpeed,
    /// Room on a disk.
    Disk,
    /// How many files a disk takes.
    Files,
    /// Backups: none of late.
    Backups,
}

/// Something that is short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Of what.
    pub of: Resource,
    /// Whether something goes wrong already.
    pub is_severe: bool,
    /// What is the matter; a sentence without its period.
    pub what: String,
    /// Who uses most of it, the one with most first; empty: nobody can be named.
    pub who: Vec<Share>,
    /// What helps; one or more sentences.
    pub remedy: String,
}

/// What one person has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Who.
    pub name: Username,
    /// How much: "1.2 GB", "1.8 cores".
    pub amount: String,
}

/// On one line, for a terminal.
impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who: Vec<String> = self.who.iter().map(|share| format!("{} {}", share.name, share.amount)).collect();
        let who = if who.is_empty() { String::new() } else { format!(" ({})", who.join(", ")) };
        write!(formatter, "{}{who}. {}", self.what, self.remedy)
    }
}

/// How far back readings are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// The last 24 hours.
    Day,
    /// The last 26 weeks.
    Term,
}

/// What was used, one reading after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Where it begins, seconds since 1970.
    pub from: u64,
    /// Where it ends.
    pub until: u64,
    /// From one reading to the next, seconds; where the hub did not run, there is none.
    pub step: u64,
    /// The oldest first. Of each figure the highest within its time.
    pub readings: Vec<Reading>,
    /// The latest figures, as they were read.
    pub now: Option<Reading>,
}

/// What was used at one time. What is not known is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Where its time begins, seconds since 1970.
    pub time: u64,
    /// People with a server.
    pub people: u32,
    /// Share of all processors that was busy, from 0 to 1.
    pub cpu: Option<f64>,
    /// What of that people's servers used.
    pub servers_cpu: Option<f64>,
    /// Memory of the machine.
    pub memory: Option<Part>,
    /// What of that people's servers used, bytes.
    pub servers_memory: Option<u64>,
    /// The disk with people's homes.
    pub homes: Option<Part>,
    /// The disk with what the hub keeps.
    pub state: Option<Part>,
}

/// Bytes of something that are in use, and all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// In use.
    pub used_bytes: u64,
    /// All.
    pub all_bytes: u64,
}

impl Reading {
    /// Of each figure the higher one; the time stays.
    pub fn merge(&mut self, other: &Self) {
        let higher = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
        let fuller = |one: Option<Part>, other: Option<Part>| one.into_iter().chain(other).max_by_key(|part| part.used_bytes);
        *self = Self {
            time: self.time,
            people: self.people.max(other.people),
            cpu: higher(self.cpu, other.cpu),
            servers_cpu: higher(self.servers_cpu, other.servers_cpu),
            memory: fuller(self.memory, other.memory),
            servers_memory: self.servers_memory.max(other.servers_memory),
            homes: fuller(self.homes, other.homes),
            state: fuller(self.state, other.state),
        };
    }
}
