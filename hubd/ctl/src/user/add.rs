//! `hubctl user add`: enrol people, from the command line or a class list.

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::control::{AddedUser, NewUser, Reply, Request};
use serde::Serialize;

use super::super::World;
use super::super::arguments::{PasswordSource, Who};
use super::super::connect::{ask, unexpected};
use super::super::failure::{Exit, Failure};
use super::super::links::explain_links;
use super::super::output::{Cell, Table, Tone};
use super::super::text::counted;
use super::{nobody, password};

/// So many take long enough to be wondered about.
const MANY_PASSWORDS: usize = 20;

/// What `hubctl user add --json` prints.
#[derive(Debug, Serialize)]
struct AddedUsers {
    users: Vec<AddedUser>,
}

pub(super) fn add(world: &mut World, who: &Who, password: &PasswordSource) -> Result<Exit> {
    let mut users: Vec<NewUser> = who.names.iter().map(|name| NewUser { name: name.clone(), password: None }).collect();
    users.extend(roster(world, who)?);
    for (index, user) in users.iter().enumerate() {
        if users[..index].iter().any(|earlier| earlier.name == user.name) {
            return Err(Failure::plain(format!("{} is named twice; nobody was added", user.name)).into());
        }
    }
    if password.is_given() {
        let [only] = users.as_mut_slice() else {
            let message = "one password is for one person, but more than one is named; nobody was added";
            return Err(Failure::plain(message).into());
        };
        only.password = Some(password::given(world, password)?);
    }
    let with_password: Vec<bool> = users.iter().map(|user| user.password.is_some()).collect();
    let passwords = with_password.iter().filter(|has| **has).count();
    if passwords >= MANY_PASSWORDS {
        world.printer.say(&format!("Storing {passwords} passwords. That takes a while, since each is made costly to guess."))?;
    }
    let added = match ask(world, &Request::UserAdd { users })? {
        Reply::Added { users } => users,
        other => return Err(unexpected(&other).into()),
    };
    if world.printer.json {
        world.printer.json(&AddedUsers { users: added })?;
        return Ok(Exit::Done);
    }
    let mut table = Table::with_heading(["NAME", "FIRST LOGIN"]);
    for (user, with_password) in added.iter().zip(with_password) {
        let login = match user {
            AddedUser { added: false, .. } => Cell::new("enrolled already, nothing changed", Tone::Faint),
            AddedUser { link: Some(link), .. } => link.as_str().into(),
            AddedUser { link: None, .. } if with_password => "with the password given".into(),
            AddedUser { link: None, .. } => Cell::new("needs a link: hubctl user link", Tone::Warning),
        };
        table.row([user.name.as_str().into(), login]);
    }
    world.printer.table(&table)?;
    let links = added.iter().filter_map(|user| Some((user.link.as_deref()?, user.expires.as_deref()?)));
    explain_links(world, links)?;
    let new = added.iter().filter(|user| user.added).count();
    let old = added.len() - new;
    let already = if old == 0 { String::new() } else { format!(", {old} enrolled already") };
    world.printer.say(&format!("{} added{already}.", counted(new, "person", "people")))?;
    Ok(Exit::Done)
}

/// The people in the file that was given, if one was.
pub(super) fn roster(world: &mut World, who: &Who) -> Result<Vec<NewUser>> {
    let Some(path) = &who.from else { return Ok(Vec::new()) };
    let content = world.caller.read(path, hub_roster::LARGEST, world.input)?;
    let called = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
    let roster = hub_roster::parse(&content, &called, check_password).map_err(|problems| {
        let count = counted(problems.diagnostics.len(), "problem", "problems");
        Failure::plain(format!("{count} in the list, so nothing was done\n{problems}"))
    })?;
    if !roster.unused_columns.is_empty() {
        let columns = roster.unused_columns.join(", ");
        world.printer.say(&format!("Columns of {called} that are not used: {}", super::super::text::printable(&columns)))?;
    }
    for note in &roster.notes {
        world.printer.say(&format!("note: {note}"))?;
    }
    if roster.people.is_empty() {
        return Err(nobody(path).into());
    }
    Ok(roster.people)
}

/// The hub checks this again; here it can still be told on which line it is.
fn check_password(name: &Username, password: &str) -> Result<(), String> {
    hub_core::password::check(name, password).map_err(|problem| problem.to_string())
}
