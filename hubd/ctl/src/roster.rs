//! `hubctl roster`: a class list put in force, as on the page for it: looked at first, then done as it was seen.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use hub_core::accounts::Username;
use hub_core::control::roster::{Changed, Column, Go, LARGEST, RosterPlan, RosterReply, RosterRequest};
use hub_core::control::{Reply, Request};
use hub_core::text::decode_guessing;

use super::World;
use super::connect::{ask, unexpected};
use super::failure::{Cause, Exit, Failure};
use super::links::explain_links;
use super::output::{Cell, Table, Tone};
use super::text::{counted, enumerate, printable};

#[derive(Debug, Subcommand)]
pub(super) enum RosterVerb {
    /// Bring the hub in line with a class list: add new people, correct names, see who is missing
    #[command(
        after_help = "FILE has one person per line, or is CSV from Excel, Moodle, Canvas or another program: names, e-mail \
addresses, ID numbers, login names. The kind of each column is detected and shown; --columns overrides it. If the list has no \
login names they are made, and stay: the next list finds people by e-mail address, ID number or full name. You see first what \
would change; then all of it is done, or nothing if any line is wrong. The same list again changes nothing.

Nobody is blocked unless you say that the list is the --whole-class. Then students who are not on it are blocked: logged out at \
once, their servers stopped. Their files stay, and `hubctl user unblock` lets them in again.

Examples:
  sudo hubctl roster apply class.csv --dry-run
  sudo hubctl roster apply class.csv
  sudo hubctl roster apply class.csv --columns family,given,unused,email
  sudo hubctl roster apply class.csv --whole-class --yes --json"
    )]
    Apply {
        /// The list; `-` is standard input
        #[arg(value_name = "FILE")]
        list: PathBuf,
        /// Show what would change, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// What each column is, in order: login, name, given, family, email, id, password, unused
        #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
        columns: Vec<Column>,
        /// Block students who are not on the list
        #[arg(long)]
        whole_class: bool,
        /// Block them even if they are more than one in five
        #[arg(long, requires = "whole_class")]
        many_leave: bool,
        /// Do it without asking
        #[arg(short, long)]
        yes: bool,
    },
}

/// What was typed beside the list.
struct Choices {
    dry_run: bool,
    many_leave: bool,
    yes: bool,
}

pub(super) fn run(verb: RosterVerb, world: &mut World) -> Result<Exit> {
    let RosterVerb::Apply { list, dry_run, columns, whole_class, many_leave, yes } = verb;
    let content = world.caller.read(&list, LARGEST, world.input)?;
    let called = if list.as_os_str() == "-" { "standard input".to_owned() } else { list.display().to_string() };
    let text = decode_guessing(&content, LARGEST)
        .map_err(|error| Failure::new(Cause::Failed, format!("{called} can't be read: {error}"), error.hint().to_owned()))?;
    let request =
        RosterRequest { list: text.text, is_guessed: text.is_guessed, columns, has_heading: None, whole_class, go: None };
    apply(world, &called, request, &Choices { dry_run, many_leave, yes })
}

fn apply(world: &mut World, called: &str, request: RosterRequest, choices: &Choices) -> Result<Exit> {
    let seen = look(world, &request)?;
    let plan = &seen.plan;
    if !plan.problems.is_empty() {
        return Err(problems(called, plan).into());
    }
    if !world.printer.json {
        show(world, plan)?;
    }
    if choices.dry_run || plan.is_empty() {
        if world.printer.json {
            world.printer.json(&seen)?;
        }
        return Ok(Exit::Done);
    }
    let is_sure = agree(world, plan, choices)?;
    let go = Some(Go { mark: plan.mark.clone(), many_leave: is_sure });
    let reply = look(world, &RosterRequest { go, ..request })?;
    let Some(done) = &reply.done else {
        let message = "somebody else changed the list of people meanwhile, so nothing was done";
        return Err(Failure::new(Cause::Busy, message, "run the command again".to_owned()).into());
    };
    if world.printer.json {
        world.printer.json(&reply)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::with_heading(["NAME", "FULL NAME", "FIRST LOGIN"]);
    for (user, comer) in done.users.iter().zip(&reply.plan.comes) {
        let login = user.link.as_deref().unwrap_or("with the password given");
        table.row([user.name.as_str().into(), comer.full_name.as_deref().unwrap_or_default().into(), login.into()]);
    }
    if !table.is_empty() {
        world.printer.table(&table)?;
    }
    let links = done.users.iter().filter_map(|user| Some((user.link.as_deref()?, user.expires.as_deref()?)));
    explain_links(world, links)?;
    for problem in &done.problems {
        world.printer.say(problem)?;
    }
    let plan = &reply.plan;
    let people = |count| counted(count, "person", "people");
    let (new, changed, left) = (people(plan.comes.len()), people(plan.changes.len()), people(plan.leaves().len()));
    world.printer.say(&format!("{new} added, {changed} changed, {left} blocked."))?;
    Ok(if done.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

fn look(world: &World, request: &RosterRequest) -> Result<RosterReply> {
    match ask(world, &Request::Roster { ask: Box::new(request.clone()) })? {
        Reply::Roster(reply) => Ok(*reply),
        other => Err(unexpected(&other).into()),
    }
}

/// Whether it was said that many leave, where many do.
fn agree(world: &mut World, plan: &RosterPlan, choices: &Choices) -> Result<bool> {
    let many = plan.absent_leave && plan.many_leave;
    if many && choices.yes && !choices.many_leave {
        let leaves = counted(plan.leaves().len(), "person", "people");
        let message = format!("{leaves} would be blocked, more than one in five, so nothing was done");
        return Err(Failure::new(Cause::Refused, message, "add --many-leave if that is right".to_owned()).into());
    }
    if !choices.yes {
        world.confirm("Do it?")?;
    }
    if many && !choices.many_leave {
        world.confirm(&format!("{} would be blocked, more than one in five. Is that right?", plan.leaves().len()))?;
    }
    Ok(many)
}

fn problems(called: &str, plan: &RosterPlan) -> Failure {
    let count = counted(plan.problems.len(), "problem", "problems");
    let mut message = format!("{count} in the list, so nothing was done");
    for problem in &plan.problems {
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        message += &format!("\n{called}{line}: {}", printable(&problem.message));
        if let Some(hint) = &problem.hint {
            message += &format!("\n  = hint: {}", printable(hint));
        }
    }
    Failure::plain(message)
}

fn show(world: &mut World, plan: &RosterPlan) -> Result<()> {
    if plan.columns.len() > 1 || plan.columns.iter().any(|found| found.column != Column::Login) {
        let named = plan.columns.iter().enumerate().map(|(at, found)| {
            let title = if found.title.is_empty() { format!("column {}", at + 1) } else { found.title.clone() };
            format!("{title} = {}", found.column)
        });
        let named = named.collect::<Vec<_>>().join(", ");
        world.printer.say(&format!("Columns: {}", printable(&named)))?;
    }
    let mut table = Table::with_heading(["", "NAME", "FULL NAME", "E-MAIL"]);
    let text = |text: &Option<String>| Cell::from(text.as_deref().unwrap_or_default());
    for comer in &plan.comes {
        table.row([Cell::new("new", Tone::Good), comer.name.as_str().into(), text(&comer.full_name), text(&comer.email)]);
    }
    for change in &plan.changes {
        let what = Cell::new("changes", Tone::Warning);
        table.row([what, change.name.as_str().into(), from_to(change.full_name.as_ref()), from_to(change.email.as_ref())]);
    }
    for person in plan.leaves() {
        table.row([Cell::new("blocked", Tone::Bad), person.name.as_str().into(), text(&person.full_name), "".into()]);
    }
    if !table.is_empty() {
        world.printer.table(&table)?;
    }
    for note in &plan.notes {
        world.printer.say(&format!("note: {}", printable(note)))?;
    }
    if !plan.absent_leave && !plan.absent.is_empty() {
        let names: Vec<Username> = plan.absent.iter().map(|person| person.name.clone()).collect();
        let count = counted(names.len(), "student is", "students are");
        world.printer.say(&format!("{count} not on the list: {}. With --whole-class they are blocked.", enumerate(&names)))?;
    }
    let made = plan.comes.iter().filter(|comer| comer.is_made).count();
    if made > 0 {
        world
            .printer
            .say(&format!("{} made; who has one keeps it for good.", counted(made, "login name is", "login names are")))?;
    }
    let stay = counted(plan.unchanged, "person stays as they are", "people stay as they are");
    world.printer.say(&format!("{stay}.{}", if plan.is_empty() { " There is nothing to do." } else { "" }))?;
    Ok(())
}

fn from_to(changed: Option<&Changed>) -> Cell {
    match changed {
        Some(Changed { from: Some(from), to }) => format!("{from} -> {to}").into(),
        Some(Changed { from: None, to }) => to.as_str().into(),
        None => "".into(),
    }
}
