//! `hubctl user`: who may use the hub.

mod add;
mod password;
mod prune;
mod remove;
mod reset;
mod show;

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::control::{Reply, Request, UserInfo};
use serde::Serialize;

use super::World;
use super::arguments::{UserVerb, Who};
use super::connect::{Problem, ask, for_each, unexpected};
use super::failure::{Exit, Failure};
use super::links::explain_links;
use super::output::{Cell, Table, Tone};
use super::text::ago;

/// What `hubctl user list --json` prints.
#[derive(Debug, Serialize)]
struct UserList {
    users: Vec<UserInfo>,
}

/// What `hubctl user link --json` prints.
#[derive(Debug, Serialize)]
struct Links {
    links: Vec<IssuedLink>,
    problems: Vec<Problem>,
}

/// A one-time link, and whose it is.
#[derive(Debug, Serialize)]
struct IssuedLink {
    name: Username,
    link: String,
    expires: String,
}

/// What `hubctl user logout --json` prints.
#[derive(Debug, Serialize)]
struct LoggedOutPeople {
    users: Vec<LoggedOut>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct LoggedOut {
    name: Username,
}

/// What `hubctl user block --json` and `unblock --json` print.
#[derive(Debug, Serialize)]
struct Blocks {
    users: Vec<Block>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Block {
    name: Username,
    blocked: bool,
}

pub(super) fn run(verb: UserVerb, world: &mut World) -> Result<Exit> {
    match verb {
        UserVerb::Add { who, password } => add::add(world, &who, &password),
        UserVerb::List => list(world),
        UserVerb::Show { name } => show::show(world, &name),
        UserVerb::Remove { who, delete_home, yes } => remove::remove(world, &who, delete_home, yes),
        UserVerb::Prune { yes } => prune::prune(world, yes),
        UserVerb::Password { name, password } => password::set(world, name, &password),
        UserVerb::ResetPackages { name, settings, restart } => reset::reset(world, name, settings, restart),
        UserVerb::Link { who } => link(world, &who),
        UserVerb::Logout { who } => log_out(world, &who),
        UserVerb::Block { who } => block(world, &who, true),
        UserVerb::Unblock { who } => block(world, &who, false),
    }
}

fn list(world: &mut World) -> Result<Exit> {
    let users = match ask(world, &Request::UserList)? {
        Reply::Users { users } => users,
        other => return Err(unexpected(&other).into()),
    };
    if world.printer.json {
        world.printer.json(&UserList { users })?;
        return Ok(Exit::Done);
    }
    let is_called = users.iter().any(|user| user.full_name.is_some() || user.email.is_some());
    let mut table = match is_called {
        true => Table::with_heading(["NAME", "FULL NAME", "E-MAIL", "ROLE", "LOGIN", "LAST ACTIVE"]),
        false => Table::with_heading(["NAME", "ROLE", "LOGIN", "LAST ACTIVE"]),
    };
    for user in &users {
        let login = match user {
            UserInfo { blocked: true, .. } => Cell::new("blocked", Tone::Bad),
            UserInfo { has_password: false, .. } => Cell::new("no password yet", Tone::Warning),
            UserInfo { .. } => "ready".into(),
        };
        let last = user.last_active.as_deref().map_or_else(|| "never".to_owned(), |then| ago(then, world.now));
        let (name, role, last) = (user.name.as_str().into(), user.role.to_string().into(), last.into());
        let said = |text: &Option<String>| Cell::from(text.as_deref().unwrap_or_default());
        match is_called {
            true => table.row([name, said(&user.full_name), said(&user.email), role, login, last]),
            false => table.row([name, role, login, last]),
        }
    }
    if table.is_empty() {
        world.printer.say("Nobody is enrolled yet. To begin: hubctl user add NAME...")?;
    } else {
        world.printer.table(&table)?;
    }
    Ok(Exit::Done)
}

fn link(world: &mut World, who: &Who) -> Result<Exit> {
    let names = names(world, who)?;
    let outcomes = for_each(world, &names, |world, name| match ask(world, &Request::UserLink { name: name.clone() })? {
        Reply::Link { link, expires } => Ok(IssuedLink { name: name.clone(), link, expires }),
        other => Err(unexpected(&other).into()),
    })?;
    if world.printer.json {
        world.printer.json(&Links { links: outcomes.done, problems: outcomes.problems })?;
        return Ok(outcomes.exit);
    }
    let mut table = Table::with_heading(["NAME", "LINK"]);
    for issued in &outcomes.done {
        table.row([issued.name.as_str().into(), issued.link.as_str().into()]);
    }
    if !table.is_empty() {
        world.printer.table(&table)?;
    }
    let links = outcomes.done.iter().map(|issued| (issued.link.as_str(), issued.expires.as_str()));
    explain_links(world, links)?;
    Ok(outcomes.exit)
}

fn log_out(world: &mut World, who: &Who) -> Result<Exit> {
    let names = names(world, who)?;
    let outcomes = for_each(world, &names, |world, name| match ask(world, &Request::UserLogout { name: name.clone() })? {
        Reply::Done => {
            if !world.printer.json {
                world.printer.say(&format!("{name} is logged out everywhere"))?;
            }
            Ok(LoggedOut { name: name.clone() })
        }
        other => Err(unexpected(&other).into()),
    })?;
    if world.printer.json {
        world.printer.json(&LoggedOutPeople { users: outcomes.done, problems: outcomes.problems })?;
    }
    Ok(outcomes.exit)
}

fn block(world: &mut World, who: &Who, blocked: bool) -> Result<Exit> {
    let names = names(world, who)?;
    let outcomes =
        for_each(world, &names, |world, name| match ask(world, &Request::UserBlock { name: name.clone(), blocked })? {
            Reply::Done => {
                if !world.printer.json {
                    let what =
                        if blocked { "is blocked: sessions ended, and the server is stopping" } else { "can log in again" };
                    world.printer.say(&format!("{name} {what}"))?;
                }
                Ok(Block { name: name.clone(), blocked })
            }
            other => Err(unexpected(&other).into()),
        })?;
    if world.printer.json {
        world.printer.json(&Blocks { users: outcomes.done, problems: outcomes.problems })?;
    }
    Ok(outcomes.exit)
}

/// The names somebody gave, on the command line and in a file, each once.
fn names(world: &mut World, who: &Who) -> Result<Vec<Username>> {
    let mut names = Vec::new();
    for name in who.names.iter().cloned().chain(add::roster(world, who)?.into_iter().map(|person| person.name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// A file that names nobody is a mistake somebody wants to hear about.
fn nobody(path: &std::path::Path) -> Failure {
    Failure::plain(format!("`{}` names nobody", path.display()))
}
