//! `hubctl user show`: what somebody may do, and which line of the configuration says so. Who is enrolled is the hub's to
//! know, what the enrolled may do is the file's.

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::config::{self, ExplainedLimit, Membership, Origin, ReadError, Rights, Role};
use hub_core::control::{OpenLink, Reply, Request, UserInfo};
use serde::Serialize;

use super::super::World;
use super::super::connect::{Place, ask, unexpected};
use super::super::failure::{Exit, Failure};
use super::super::output::{Cell, Table, Tone};
use super::super::text::{ago, moment};

/// What `hubctl user show --json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    name: Username,
    /// Whether this person is on the list; `null`: the hub does not answer.
    enrolled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    has_password: Option<bool>,
    last_active: Option<String>,
    /// The one-time link that was not used yet.
    link: Option<OpenLink>,
    /// Whether this person is kept out, by the hub's list or by the file.
    blocked: bool,
    /// The line of the file that keeps this person out.
    blocked_line: Option<usize>,
    role: Role,
    /// The line of the file that gives the role.
    role_line: Option<usize>,
    groups: Vec<Membership>,
    limits: Vec<ExplainedLimit>,
}

pub(super) fn show(world: &mut World, name: &Username) -> Result<Exit> {
    let (rights, user, silence) = match Place::find(world)? {
        Place::Host(_) => by_the_file(world, name)?,
        Place::Operator(_) | Place::Inside(_) => match ask(world, &Request::UserShow { name: name.clone() })? {
            Reply::User { user, rights } => (rights, user, None),
            other => return Err(unexpected(&other).into()),
        },
    };
    let shown = describe(name, rights, user.as_ref(), silence.is_none());
    if world.printer.json {
        world.printer.json(&shown)?;
    } else {
        world.printer.table(&table(&shown, world))?;
    }
    if let Some(failure) = silence {
        world.printer.say(&format!("\nCan't tell whether {name} is enrolled: {failure}"))?;
    } else if user.is_none() {
        world.printer.say(&format!("\n{name} is not enrolled, so nobody can log in as {name}: hubctl user add {name}"))?;
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// For root, also while the hub does not answer.
fn by_the_file(world: &World, name: &Username) -> Result<(Rights, Option<UserInfo>, Option<Failure>)> {
    let config = config::read(&world.paths.config_file()).map_err(|error| match error {
        ReadError::Invalid(problems) => Failure::plain(problems.to_string()).into(),
        error => anyhow::Error::new(error),
    })?;
    let (user, silence) = match ask(world, &Request::UserList) {
        Ok(Reply::Users { users }) => (users.into_iter().find(|user| user.name == *name), None),
        Ok(other) => return Err(unexpected(&other).into()),
        Err(failure) if failure.stops_everything() => (None, Some(failure)),
        Err(failure) => return Err(failure.into()),
    };
    Ok((config.config.rights_of(name), user, silence))
}

fn describe(name: &Username, rights: Rights, user: Option<&UserInfo>, is_known: bool) -> Shown {
    Shown {
        name: name.clone(),
        enrolled: is_known.then_some(user.is_some()),
        full_name: user.and_then(|user| user.full_name.clone()),
        email: user.and_then(|user| user.email.clone()),
        has_password: user.map(|user| user.has_password),
        last_active: user.and_then(|user| user.last_active.clone()),
        link: user.and_then(|user| user.link.clone()),
        blocked: rights.blocked || user.is_some_and(|user| user.blocked),
        blocked_line: rights.blocked_line,
        role: rights.role,
        role_line: rights.role_line,
        groups: rights.groups,
        limits: rights.limits,
    }
}

fn table(shown: &Shown, world: &World) -> Table {
    let mut table = Table::default();
    let mut row = |label: &str, cell: Cell| table.row([Cell::new(label, Tone::Faint), cell]);
    row("name", shown.name.as_str().into());
    for (label, text) in [("full name", &shown.full_name), ("e-mail", &shown.email)] {
        if let Some(text) = text {
            row(label, text.into());
        }
    }
    row(
        "enrolled",
        match shown.enrolled {
            Some(true) => "yes".into(),
            Some(false) => Cell::new("no", Tone::Warning),
            None => Cell::new("not known", Tone::Warning),
        },
    );
    let login = match (shown.blocked, shown.blocked_line, shown.has_password) {
        (true, Some(line), _) => Cell::new(format!("blocked{}", at(Some(line))), Tone::Bad),
        (true, None, _) => Cell::new("blocked (hubctl user unblock lets in again)", Tone::Bad),
        (false, _, Some(false)) => Cell::new("no password yet", Tone::Warning),
        (false, _, Some(true)) => "ready".into(),
        (false, _, None) => "".into(),
    };
    row("login", login);
    if let Some(last) = &shown.last_active {
        row("last active", ago(last, world.now).into());
    }
    if let Some(link) = &shown.link {
        let maker = link.maker.as_ref().map_or("somebody on the host", Username::as_str);
        row("open link", format!("made by {maker}, works until {}", moment(&link.expires, world.now, &world.zone)).into());
    }
    row("role", format!("{}{}: {}", shown.role, at(shown.role_line), may(shown.role)).into());
    for group in &shown.groups {
        row("group", format!("{}{}", group.name, at(group.line)).into());
    }
    for limit in &shown.limits {
        let origin = match &limit.origin {
            Origin::Default => "the default".to_owned(),
            Origin::Everybody => "for everybody".to_owned(),
            Origin::Group(group) => format!("group {group}"),
            Origin::User => "for this person".to_owned(),
        };
        row(&limit.key, format!("{}: {origin}{}", limit.value, at(limit.line)).into());
    }
    table
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

fn may(role: Role) -> &'static str {
    match role {
        Role::Student => "uses a server",
        Role::Helper => "sees who runs, starts and stops servers, reads their logs",
        Role::Teacher => "what helpers may, enrols and blocks people, writes to the class folder",
        Role::Admin => "everything that can be done from inside the hub",
    }
}
