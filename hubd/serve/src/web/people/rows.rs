//! The list of people as a page shows it: who, whether their server runs, what it uses of the machine, what their account
//! waits for. The same words for the page as it is loaded and for what it is told later.

use std::collections::BTreeMap;
use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::config::{Role, format_bytes, format_cores};
use hub_core::control::{Reply, Request, ServerInfo, ServerPhase, UserInfo};
use jiff::Timestamp;
use serde::Serialize;

use super::super::Hub;
use super::super::error::Problem;
use super::super::staff::{ask, unexpected};
use super::super::state::{in_words, phase_in_words};

/// One person on the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) name: Username,
    /// What class lists call them; else nothing.
    pub(super) full_name: String,
    pub(super) email: String,
    /// A role above a student's; else nothing.
    pub(super) role: String,
    /// One word that pages and the script go by.
    pub(super) phase: &'static str,
    /// The state of the server in a few words.
    pub(super) server: &'static str,
    /// Why the server failed; else nothing.
    pub(super) problem: String,
    /// That the kernel ended programs of the server for want of memory; else nothing.
    pub(super) ended: String,
    /// "0.8 of 2 cores"
    pub(super) cpu: String,
    /// "212 MB of 1 GB"
    pub(super) memory: String,
    /// "3 hours ago"
    pub(super) active: String,
    /// What is unusual about the account; else nothing.
    pub(super) account: &'static str,
    /// Processors that are kept busy, in hundredths.
    #[serde(skip)]
    pub(super) centicores: u64,
    /// Memory in use, bytes.
    #[serde(skip)]
    pub(super) bytes: u64,
    /// When they last did something.
    #[serde(skip)]
    pub(super) last: Option<Timestamp>,
    /// Whether whoever looks may do something about them.
    #[serde(skip)]
    pub(super) is_in_reach: bool,
    #[serde(skip)]
    pub(super) is_blocked: bool,
    #[serde(skip)]
    pub(super) has_password: bool,
    /// Whether this is somebody on the list of people, not just a server of somebody who was on it.
    #[serde(skip)]
    pub(super) is_enrolled: bool,
}

impl Row {
    /// Whether `text`, in small letters, is part of what this person is called.
    pub(super) fn is_called(&self, text: &str) -> bool {
        self.name.as_str().contains(text) || [&self.full_name, &self.email].iter().any(|said| said.to_lowercase().contains(text))
    }
}

/// Everybody that `name`, who asks, may see: teachers see who is enrolled, helpers whose servers run.
///
/// # Errors
/// What the hub refuses, in its words.
pub(super) async fn everybody(hub: &Hub, name: &Username) -> Result<Vec<Row>, Problem> {
    let config = hub.config.get();
    let own = config.role_of(name);
    let users = if own >= Role::Teacher {
        match ask(hub, name, &Request::UserList).await? {
            Reply::Users { users } => Some(users),
            _ => return Err(unexpected()),
        }
    } else {
        None
    };
    match ask(hub, name, &Request::ServerList).await? {
        Reply::Servers { servers } => {
            let mut rows = rows(users, servers, Timestamp::now());
            for row in &mut rows {
                row.is_in_reach = own == Role::Admin || config.role_of(&row.name) < own || row.name == *name;
            }
            Ok(rows)
        }
        _ => Err(unexpected()),
    }
}

/// By name. `users`: `None` where only servers may be seen.
pub(super) fn rows(users: Option<Vec<UserInfo>>, servers: Vec<ServerInfo>, now: Timestamp) -> Vec<Row> {
    let may_see_people = users.is_some();
    let mut servers: BTreeMap<Username, ServerInfo> = servers.into_iter().map(|server| (server.name.clone(), server)).collect();
    let mut rows: Vec<Row> = users
        .into_iter()
        .flatten()
        .map(|user| {
            let server = servers.remove(&user.name);
            of_person(&user, server.as_ref(), now)
        })
        .collect();
    rows.extend(servers.values().map(|server| of_server(server, may_see_people)));
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    rows
}

fn of_person(user: &UserInfo, server: Option<&ServerInfo>, now: Timestamp) -> Row {
    let last = user.last_active.as_ref().and_then(|text| text.parse().ok());
    let ago = |last: Timestamp| format!("{} ago", in_words(Duration::try_from(now.duration_since(last)).unwrap_or_default()));
    let bare = Row {
        name: user.name.clone(),
        full_name: user.full_name.clone().unwrap_or_default(),
        email: user.email.clone().unwrap_or_default(),
        role: if user.role == Role::Student { String::new() } else { user.role.to_string() },
        active: last.map(ago).unwrap_or_default(),
        account: account(user),
        last,
        is_blocked: user.blocked,
        has_password: user.has_password,
        ..stopped(&user.name)
    };
    match server {
        Some(server) => with_server(bare, server),
        None => bare,
    }
}

fn of_server(server: &ServerInfo, may_see_people: bool) -> Row {
    let account = if may_see_people { "Off the list" } else { "" };
    with_server(Row { account, is_enrolled: !may_see_people, ..stopped(&server.name) }, server)
}

fn with_server(row: Row, server: &ServerInfo) -> Row {
    let (phase, words) = phase_in_words(server.phase);
    let is_up = matches!(server.phase, ServerPhase::Running | ServerPhase::Starting | ServerPhase::Stopping);
    let memory = match (server.memory_bytes.filter(|_| is_up), server.memory_limit_bytes) {
        (Some(used), Some(limit)) => format!("{} of {}", format_bytes(used), format_bytes(limit)),
        (Some(used), None) => format_bytes(used),
        (None, _) => String::new(),
    };
    let cores = server.cpu_cores.filter(|_| is_up);
    Row {
        phase,
        cpu: cores.map(|used| format_cores(used, server.cpu_limit_cores)).unwrap_or_default(),
        centicores: (cores.unwrap_or_default() * 100.0).round() as u64,
        server: if server.phase == ServerPhase::Failed { "Failed" } else { words },
        problem: server.problem.clone().unwrap_or_default(),
        ended: ended(server),
        bytes: if memory.is_empty() { 0 } else { server.memory_bytes.unwrap_or_default() },
        memory,
        ..row
    }
}

fn ended(server: &ServerInfo) -> String {
    let kills = server.memory_kills;
    let programs = match kills.count {
        0 => return String::new(),
        1 => "A program was ended".to_owned(),
        count => format!("{count} programs were ended"),
    };
    let when = kills.seconds_since_latest.map(|seconds| format!(", the last {} ago", in_words(Duration::from_secs(seconds))));
    format!("{programs} because the server's memory was used up{}.", when.unwrap_or_default())
}

fn stopped(name: &Username) -> Row {
    let (phase, server) = phase_in_words(ServerPhase::Stopped);
    Row {
        name: name.clone(),
        full_name: String::new(),
        email: String::new(),
        role: String::new(),
        phase,
        server,
        problem: String::new(),
        ended: String::new(),
        cpu: String::new(),
        memory: String::new(),
        active: String::new(),
        account: "",
        centicores: 0,
        bytes: 0,
        last: None,
        is_in_reach: true,
        is_blocked: false,
        has_password: true,
        is_enrolled: true,
    }
}

fn account(user: &UserInfo) -> &'static str {
    match (user.blocked, user.has_password, user.link.is_some()) {
        (true, _, _) => "Blocked",
        (false, false, true) => "Link not used yet",
        (false, false, false) => "Needs a link",
        (false, true, true) => "Link for a new password",
        (false, true, false) => "",
    }
}

#[cfg(test)]
mod tests {
    use hub_core::control::MemoryKills;

    use super::*;

    fn user(name: &str, blocked: bool, has_password: bool) -> UserInfo {
        UserInfo {
            name: name.parse().unwrap(),
            full_name: None,
            email: None,
            admin: false,
            role: Role::Student,
            blocked,
            has_password,
            last_active: Some("2026-11-28T10:00:00Z".to_owned()),
            added: None,
            link: None,
        }
    }

    fn server(name: &str, phase: ServerPhase) -> ServerInfo {
        ServerInfo {
            name: name.parse().unwrap(),
            phase,
            unit: String::new(),
            memory_bytes: Some(200 << 20),
            memory_limit_bytes: Some(1 << 30),
            cpu_cores: Some(0.76),
            cpu_limit_cores: Some(2.0),
            uptime_seconds: None,
            problem: (phase == ServerPhase::Failed).then(|| "It ended.".to_owned()),
            without_own: false,
            own_may_be_why: false,
            memory_kills: MemoryKills::default(),
        }
    }

    #[test]
    fn people_and_their_servers_are_one_list() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let people = vec![user("bob", false, true), user("ada", true, true), user("eve", false, false)];
        let servers = vec![server("bob", ServerPhase::Running), server("old", ServerPhase::Failed)];
        let rows = rows(Some(people), servers.clone(), now);
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.name.as_str(), row.phase, row.cpu.as_str(), row.memory.as_str(), row.account, row.active.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("ada", "stopped", "", "", "Blocked", "2 hours ago"),
                ("bob", "running", "0.8 of 2 cores", "200 MB of 1 GB", "", "2 hours ago"),
                ("eve", "stopped", "", "", "Needs a link", "2 hours ago"),
                ("old", "failed", "", "", "Off the list", ""),
            ]
        );
        let seen = super::rows(None, servers, now);
        assert_eq!(seen.iter().map(|row| (row.name.as_str(), row.account)).collect::<Vec<_>>(), [("bob", ""), ("old", "")]);
        assert_eq!(seen[1].problem, "It ended.");
    }
}
