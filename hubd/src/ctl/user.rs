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
use super::output::{Cell, Table, Tone};
use super::text::{ago, counted, moment};

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

pub(super) fn obey(verb: UserVerb, world: &mut World) -> Result<Exit> {
    match verb {
        UserVerb::Add { who, password } => add::add(world, &who, &password),
        UserVerb::List => list(world),
        UserVerb::Show { name } => show::show(world, &name),
        UserVerb::Remove { who, delete_home, yes } => remove::remove(world, &who, delete_home, yes),
        UserVerb::Prune { yes } => prune::prune(world, yes),
        UserVerb::Password { name, password } => password::set(world, name, &password),
        UserVerb::ResetPackages { name, settings, restart } => reset::reset(world, name, settings, restart),
        UserVerb::Link { who } => link(world, &who),
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
    let mut table = Table::with_heading(["NAME", "ROLE", "LOGIN", "LAST ACTIVE"]);
    for user in &users {
        let login = match user {
            UserInfo { blocked: true, .. } => Cell::new("blocked", Tone::Bad),
            UserInfo { has_password: false, .. } => Cell::new("no password yet", Tone::Warning),
            UserInfo { .. } => "ready".into(),
        };
        let last = user.last_active.as_deref().map_or_else(|| "never".to_owned(), |then| ago(then, world.now));
        table.row([user.name.as_str().into(), user.role.to_string().into(), login, last.into()]);
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

/// What whoever hands out links has to know about them.
fn explain_links<'a>(world: &mut World, links: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let links: Vec<_> = links.collect();
    let Some(expires) = links.iter().map(|(_, expires)| *expires).min() else { return Ok(()) };
    let until = moment(expires, world.now, &world.zone);
    world.printer.say(&format!("\nEach link works once, until {until}. Whoever opens it sets that person's password."))?;
    if links.iter().any(|(link, _)| link.starts_with('/')) {
        world.printer.say(
            "The hub does not know its own address: put it in front of the links, as in http://ADDRESS/hub/link/...,\n\
             or set `url` under [hub] in the configuration.",
        )?;
    }
    Ok(())
}

fn block(world: &mut World, who: &Who, blocked: bool) -> Result<Exit> {
    let names = names(world, who)?;
    let outcomes =
        for_each(world, &names, |world, name| match ask(world, &Request::UserBlock { name: name.clone(), blocked })? {
            Reply::Done => {
                if !world.printer.json {
                    let what =
                        if blocked { "is kept out: sessions ended, and the server is stopping" } else { "may log in again" };
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

/// `ada`, `ada, bob and cyd`, `ada, bob, cyd and 37 more`.
fn enumerate(names: &[Username]) -> String {
    const SHOWN: usize = 5;
    match names {
        [] => "nobody".to_owned(),
        [only] => only.to_string(),
        [first @ .., last] if names.len() <= SHOWN => {
            format!("{} and {last}", first.iter().map(Username::as_str).collect::<Vec<_>>().join(", "))
        }
        _ => {
            let first: Vec<_> = names[..SHOWN - 1].iter().map(Username::as_str).collect();
            format!("{} and {}", first.join(", "), counted(names.len() - first.len(), "more", "more"))
        }
    }
}

/// A file that names nobody is a mistake somebody wants to hear about.
fn nobody(path: &std::path::Path) -> Failure {
    Failure::plain(format!("`{}` names nobody", path.display()))
}
