//! `hubctl server`: whose servers run, starting and stopping them, what they logged.

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::config::format_cores;
use hub_core::control::{MemoryKills, Reply, Request, ServerInfo, ServerPhase};
use serde::Serialize;

use super::World;
use super::arguments::ServerVerb;
use super::connect::{Problem, ask, for_each, unexpected};
use super::failure::Exit;
use super::output::{Cell, Table, Tone};
use super::text::{memory, memory_kills, printable, span};

/// What `hubctl server list --json` prints.
#[derive(Debug, Serialize)]
struct ServerList {
    servers: Vec<ServerInfo>,
}

/// What `hubctl server start --json`, `restart --json` and `stop --json` print.
#[derive(Debug, Serialize)]
struct Servers {
    servers: Vec<ServerInfo>,
    problems: Vec<Problem>,
}

/// What `hubctl server logs --json` prints.
#[derive(Debug, Serialize)]
struct Log {
    name: Username,
    lines: Vec<String>,
    memory_kills: MemoryKills,
}

pub(super) fn run(verb: ServerVerb, world: &mut World) -> Result<Exit> {
    match verb {
        ServerVerb::List => list(world),
        ServerVerb::Start { names, without_own } => change(world, &names, |name| Request::ServerStart { name, without_own }),
        ServerVerb::Restart { names, without_own } => change(world, &names, |name| Request::ServerRestart { name, without_own }),
        ServerVerb::Stop { names } => change(world, &names, |name| Request::ServerStop { name }),
        ServerVerb::Logs { name, lines } => logs(world, name, lines),
    }
}

fn list(world: &mut World) -> Result<Exit> {
    let servers = match ask(world, &Request::ServerList)? {
        Reply::Servers { servers } => servers,
        other => return Err(unexpected(&other).into()),
    };
    if world.printer.json {
        world.printer.json(&ServerList { servers })?;
    } else if servers.is_empty() {
        world.printer.say("No server is running.")?;
    } else {
        world.printer.table(&table(&servers))?;
        for text in servers.iter().flat_map(remarks) {
            world.printer.line(&text)?;
        }
    }
    Ok(Exit::Done)
}

fn change(world: &mut World, names: &[Username], request: impl Fn(Username) -> Request) -> Result<Exit> {
    let outcomes = for_each(world, names, |world, name| match ask(world, &request(name.clone()))? {
        Reply::Servers { servers } => Ok(servers),
        other => Err(unexpected(&other).into()),
    })?;
    let servers: Vec<ServerInfo> = outcomes.done.into_iter().flatten().collect();
    if world.printer.json {
        world.printer.json(&Servers { servers, problems: outcomes.problems })?;
    } else if !servers.is_empty() {
        world.printer.table(&table(&servers))?;
        for text in servers.iter().filter_map(without_own) {
            world.printer.line(&text)?;
        }
    }
    Ok(outcomes.exit)
}

fn logs(world: &mut World, name: Username, lines: u32) -> Result<Exit> {
    let (lines, kills, limit) = match ask(world, &Request::ServerLogs { name: name.clone(), lines })? {
        Reply::Logs { lines, memory_kills, memory_limit_bytes } => (lines, memory_kills, memory_limit_bytes),
        other => return Err(unexpected(&other).into()),
    };
    if world.printer.json {
        let lines = lines.iter().map(|line| printable(line)).collect();
        world.printer.json(&Log { name, lines, memory_kills: kills })?;
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        world.printer.say(&format!("The server of {name} has logged nothing."))?;
    } else {
        for line in &lines {
            world.printer.line(line)?;
        }
    }
    if let Some(text) = memory_kills(&name, kills, limit) {
        world.printer.say(&format!("\n{text}"))?;
    }
    Ok(Exit::Done)
}

/// What is to be said about a server beside its state.
pub(super) fn remarks(server: &ServerInfo) -> impl Iterator<Item = String> {
    let kills = memory_kills(&server.name, server.memory_kills, server.memory_limit_bytes);
    without_own(server).into_iter().chain(kills)
}

fn without_own(server: &ServerInfo) -> Option<String> {
    let ServerInfo { name, .. } = server;
    let text = || {
        format!("{name}'s server runs without {name}'s own packages and settings; hubctl server restart {name} brings them back.")
    };
    (server.without_own && server.phase != ServerPhase::Failed).then(text)
}

fn table(servers: &[ServerInfo]) -> Table {
    let mut table = Table::with_heading(["NAME", "STATE", "CPU", "MEMORY", "UP", "UNIT"]);
    for server in servers {
        let state = match server.phase {
            ServerPhase::Running => Cell::new("running", Tone::Good),
            ServerPhase::Stopped => "stopped".into(),
            ServerPhase::Queued => Cell::new("queued", Tone::Warning),
            ServerPhase::Starting => Cell::new("starting", Tone::Warning),
            ServerPhase::Stopping => Cell::new("stopping", Tone::Warning),
            ServerPhase::Failed => Cell::new("failed", Tone::Bad),
        };
        let up = server.uptime_seconds.map_or_else(|| "-".to_owned(), span);
        let memory = memory(server.memory_bytes, server.memory_limit_bytes);
        let cpu = server.cpu_cores.map_or_else(|| "-".to_owned(), |used| format_cores(used, server.cpu_limit_cores));
        table.row([server.name.as_str().into(), state, cpu.into(), memory.into(), up.into(), server.unit.as_str().into()]);
    }
    table
}
