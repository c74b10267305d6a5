//! What is short, in words, who uses it, and what helps. Pure: readings in, findings out. What was not read is `None`, and
//! nothing is said about it.

use hub_core::accounts::Username;
use hub_core::config::{format_bytes, format_cores};
use hub_core::control::usage::{Resource, Share, Shortage};
use hub_core::sys::room::{Fullness, Room};

/// What is known of the machine at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Readings {
    /// All memory.
    pub(super) memory: u64,
    /// What could be had without swapping.
    pub(super) available: Option<u64>,
    /// All swap, and what of it is free.
    pub(super) swap: Option<(u64, u64)>,
    /// What people's servers have of the memory, and may have together.
    pub(super) servers: Option<(u64, Option<u64>)>,
    /// Shares of the last minute in which some program waited: for memory, for a processor, for a disk.
    pub(super) waited: Waited,
    /// Share of the last minute in which processors were busy.
    pub(super) busy: Option<f64>,
    /// Processors.
    pub(super) cores: usize,
    /// The disk with people's homes.
    pub(super) homes: Option<Room>,
    /// The disk with what the hub keeps.
    pub(super) state: Option<Room>,
    /// Who has a server.
    pub(super) people: Vec<Person>,
}

/// Shares of a time, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Waited {
    pub(super) memory: Option<f64>,
    pub(super) cpu: Option<f64>,
    pub(super) disk: Option<f64>,
}

/// What one person's server uses.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Person {
    pub(super) name: Username,
    /// Bytes that the kernel can't take back at any time.
    pub(super) memory: u64,
    /// Processors, over the last minute.
    pub(super) cores: f64,
}

/// Nobody is named who has less of it than this.
const LEAST_SHARE: f64 = 0.02;
/// Below this it is not people's servers that use something.
const LEAST_TOGETHER: f64 = 0.25;
/// Those are named who have so much of what all servers use together, the largest first.
const NAMED_SHARE: f64 = 0.67;
const MOST_NAMED: usize = 5;

/// Everything that is short.
pub(super) fn judge(readings: &Readings) -> Vec<Shortage> {
    let mut found: Vec<Shortage> = [memory(readings), cpu(readings), disk_speed(readings)].into_iter().flatten().collect();
    let (homes, state) = ("people's homes", "what the hub keeps");
    match (readings.homes, readings.state) {
        (Some(one), Some(other)) if one.device == other.device => found.extend(disk(&one, &format!("{homes} and {state}"))),
        (one, other) => {
            found.extend(one.iter().flat_map(|room| disk(room, homes)));
            found.extend(other.iter().flat_map(|room| disk(room, state)));
        }
    }
    found
}

fn memory(readings: &Readings) -> Option<Shortage> {
    // A large machine has enough for the next program with a small share of it.
    let less = |percent: u64, bytes: u64| {
        readings.available.is_some_and(|available| available < (readings.memory / 100 * percent).min(bytes))
    };
    let taken = |percent: u64| {
        readings.servers.is_some_and(|(used, allowed)| allowed.is_some_and(|allowed| used / percent >= allowed / 100))
    };
    let no_swap = readings.swap.is_some_and(|(all, free)| all > 0 && free < all / 10)
        && readings.available.is_some_and(|available| available < readings.memory / 4);
    let waited = readings.waited.memory.filter(|share| *share >= 0.1);
    let is_full = less(4, 400 << 20) || taken(97);
    let head = match waited {
        _ if is_full => "Memory is full".to_owned(),
        _ if less(10, 1 << 30) || taken(90) => "Memory is nearly full".to_owned(),
        Some(share) => format!("Programs wait for memory {} of the time", percent(share)),
        None if no_swap => "Memory and swap are nearly full".to_owned(),
        None => return None,
    };
    // Whoever shares what is kept for servers sees what they have of that.
    let all = readings.servers.and_then(|(_, allowed)| allowed).filter(|_| taken(90)).unwrap_or(readings.memory);
    let used: Vec<(&Username, f64)> = readings.people.iter().map(|person| (&person.name, person.memory as f64)).collect();
    let users = users(used, all as f64, |bytes| format_bytes(bytes as u64));
    let remedy = if users.are_why && taken(90) {
        "Stop servers that nobody uses, or have notebooks closed. An administrator can lower a limit, keep less from all servers \
         together (machine.reserve), or add memory to the machine."
    } else if users.are_why {
        "Stop servers that nobody uses, or have notebooks closed. An administrator can lower a limit, or add memory to the machine."
    } else {
        "Something else on the machine uses it: an administrator finds it with the command top."
    };
    Some(shortage(Resource::Memory, is_full, &head, "it", users, remedy))
}

fn cpu(readings: &Readings) -> Option<Shortage> {
    // Busy is well, unless somebody waits.
    if readings.busy? < 0.95 || readings.waited.cpu.is_some_and(|share| share < 0.25) {
        return None;
    }
    let used = readings.people.iter().map(|person| (&person.name, person.cores)).collect();
    let users = users(used, readings.cores as f64, |cores| format_cores(cores, None));
    let remedy = if users.are_why {
        "Everybody gets their share and can go on working, only slower. Stop programs that nobody needs. An administrator can limit somebody's \
         processor time."
    } else {
        "Something else on the machine uses them: an administrator finds it with the command top."
    };
    Some(shortage(Resource::Cpu, false, "The processors are busy", "them", users, remedy))
}

fn disk_speed(readings: &Readings) -> Option<Shortage> {
    let share = readings.waited.disk.filter(|share| *share >= 0.5)?;
    Some(Shortage {
        of: Resource::DiskSpeed,
        is_severe: false,
        what: format!("Programs wait for the disk {} of the time", percent(share)),
        who: Vec::new(),
        remedy: "It passes when a large file is written or read, or many servers start. If it does not, an administrator finds \
                 what it is with the command iotop."
            .to_owned(),
    })
}

/// Both kinds of room.
fn disk(room: &Room, holds: &str) -> Vec<Shortage> {
    let mut found = Vec::new();
    let remedy = "Have files deleted that nobody needs. An administrator finds the large ones with the command du, and can enlarge the disk.";
    let found_here = |of, is_severe, what| Shortage { of, is_severe, what, who: Vec::new(), remedy: remedy.to_owned() };
    let fullness = room.fullness();
    if fullness > Fullness::Room {
        let (is_full, left) = (fullness == Fullness::Full, format_bytes(room.free_bytes));
        let how = if is_full { "full" } else { "nearly full" };
        let what = format!("The disk with {holds} is {how}: {left} of {} are left", format_bytes(room.bytes));
        found.push(found_here(Resource::Disk, is_full, what));
    }
    let fullness = room.fullness_of_files();
    if fullness > Fullness::Room {
        let what = format!(
            "The disk with {holds} takes hardly any more files, however small: {} of {} are left",
            room.free_files, room.files
        );
        found.push(found_here(Resource::Files, fullness == Fullness::Full, what));
    }
    found
}

/// Who uses something.
struct Users {
    /// "3 people use 71 %"; nothing when it is not they who use it.
    are_why: bool,
    count: usize,
    share: f64,
    named: Vec<Share>,
}

/// `used` of `all`, by the largest.
fn users(mut used: Vec<(&Username, f64)>, all: f64, amount: impl Fn(f64) -> String) -> Users {
    used.sort_by(|(one, first), (other, second)| second.total_cmp(first).then_with(|| one.cmp(other)));
    let together: f64 = used.iter().map(|(_, used)| used).sum();
    let share = |part: f64| if all > 0.0 { (part / all).clamp(0.0, 1.0) } else { 0.0 };
    if share(together) < LEAST_TOGETHER {
        return Users { are_why: false, count: used.len(), share: share(together), named: Vec::new() };
    }
    let (mut sum, mut named) = (0.0, Vec::new());
    for (name, used) in used {
        if named.len() == MOST_NAMED || sum >= together * NAMED_SHARE || share(used) < LEAST_SHARE {
            break;
        }
        sum += used;
        named.push(Share { name: name.clone(), amount: amount(used) });
    }
    Users { are_why: true, count: named.len(), share: share(sum), named }
}

fn shortage(of: Resource, is_severe: bool, head: &str, it: &str, users: Users, remedy: &str) -> Shortage {
    let share = percent(users.share);
    let what = match users {
        Users { are_why: true, count: 1, .. } => format!("{head}: one person uses {share} of {it}"),
        Users { are_why: true, count: 2.., .. } => format!("{head}: {} people use {share} of {it}", users.count),
        Users { are_why: false, count: 1.., share: ..0.01, .. } => format!("{head}, and people's servers use hardly any of {it}"),
        Users { are_why: false, count: 1.., .. } => format!("{head}, and people's servers use only {share} of {it}"),
        _ => head.to_owned(),
    };
    Shortage { of, is_severe, what, who: users.named, remedy: remedy.to_owned() }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests;
