//! `hubctl user password`, and where a password may come from: the terminal, standard input, a file; never an argument.

use anyhow::{Context, Result};
use hub_core::accounts::Username;
use hub_core::control::{Reply, Request};
use hub_core::text;
use serde::Serialize;

use super::super::World;
use super::super::arguments::PasswordSource;
use super::super::connect::{ask, unexpected};
use super::super::failure::{Cause, Exit, Failure};

/// More than any password has.
const LARGEST_INPUT: u64 = 8 * 1024;

/// What `hubctl user password --json` prints.
#[derive(Debug, Serialize)]
struct PasswordSet {
    name: Username,
    password_set: bool,
}

pub(super) fn set(world: &mut World, name: Username, source: &PasswordSource) -> Result<Exit> {
    let password = if source.is_given() { given(world, source)? } else { typed(world, &name)? };
    match ask(world, &Request::UserPassword { name: name.clone(), password })? {
        Reply::Done if world.printer.json => world.printer.json(&PasswordSet { name, password_set: true })?,
        Reply::Done => world.printer.say(&format!("{name} has a new password. Sessions that were open are ended."))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Done)
}

/// The first line of standard input or of a file.
pub(super) fn given(world: &mut World, source: &PasswordSource) -> Result<String> {
    let path = source.password_file.clone().unwrap_or_else(|| "-".into());
    let content = world.caller.read(&path, LARGEST_INPUT, world.input)?;
    let decoded = text::decode(&content, LARGEST_INPUT).context("reading the password")?;
    match decoded.text.lines().next() {
        None | Some("") => Err(Failure::plain("the password is empty; expected it on the first line").into()),
        Some(password) => Ok(password.to_owned()),
    }
}

fn typed(world: &mut World, name: &Username) -> Result<String> {
    if !world.terminal.present() {
        let hint = "give the password with --password-stdin or --password-file";
        return Err(Failure::new(Cause::Refused, "there is no terminal to ask for the password on", hint.to_owned()).into());
    }
    let none = || Failure::new(Cause::Refused, "no password was given, so nothing was changed", None);
    let first = world.terminal.ask_secret(&format!("New password for {name}: "))?;
    let first = first.filter(|password| !password.is_empty()).ok_or_else(none)?;
    let second = world.terminal.ask_secret("Repeat password: ")?.ok_or_else(none)?;
    if first != second {
        return Err(Failure::plain("the two passwords differ, so nothing was changed").into());
    }
    Ok(first)
}
