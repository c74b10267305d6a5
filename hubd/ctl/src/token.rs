//! `hubctl token`: what programs may ask the hub for.

use anyhow::Result;
use hub_core::control::tokens::{Scope, TokenInfo};
use hub_core::control::{Reply, Request};
use jiff::Timestamp;
use serde::Serialize;

use super::World;
use super::arguments::{Lifetime, TokenVerb};
use super::connect::{ask, unexpected};
use super::failure::Exit;
use super::output::{Cell, Table, Tone};
use super::text::{ago, moment};

/// What `hubctl token create --json` prints.
#[derive(Debug, Serialize)]
struct Created {
    token: String,
    #[serde(flatten)]
    info: TokenInfo,
}

/// What `hubctl token list --json` prints.
#[derive(Debug, Serialize)]
struct Tokens {
    tokens: Vec<TokenInfo>,
}

/// What `hubctl token revoke --json` prints.
#[derive(Debug, Serialize)]
struct Revoked {
    revoked: Vec<i64>,
}

pub(super) fn run(verb: TokenVerb, world: &mut World) -> Result<Exit> {
    match verb {
        TokenVerb::Create { scopes, note, expires } => create(world, scopes, note, expires),
        TokenVerb::List => list(world),
        TokenVerb::Revoke { ids } => revoke(world, ids),
    }
}

fn create(world: &mut World, scopes: Vec<Scope>, note: String, Lifetime(lifetime): Lifetime) -> Result<Exit> {
    let lifetime_seconds = lifetime.map(|lifetime| lifetime.as_secs());
    let (token, info) = match ask(world, &Request::TokenCreate { scopes, note, lifetime_seconds })? {
        Reply::TokenCreated { token, info } => (token, info),
        other => return Err(unexpected(&other).into()),
    };
    if world.printer.json {
        world.printer.json(&Created { token, info })?;
        return Ok(Exit::Done);
    }
    world.printer.line(&token)?;
    let until = info
        .expires
        .as_deref()
        .map_or_else(|| "until it is revoked".to_owned(), |expires| format!("until {}", moment(expires, world.now, &world.zone)));
    world.printer.say(&format!(
        "\nThis is API token {}. It is shown only once and works {until}. Whoever has it can {}.",
        info.id,
        info.scopes.iter().map(|scope| scope.about()).collect::<Vec<_>>().join("; "),
    ))?;
    Ok(Exit::Done)
}

fn list(world: &mut World) -> Result<Exit> {
    let tokens = match ask(world, &Request::TokenList)? {
        Reply::Tokens { tokens } => tokens,
        other => return Err(unexpected(&other).into()),
    };
    if world.printer.json {
        world.printer.json(&Tokens { tokens })?;
    } else if tokens.is_empty() {
        world.printer.say("There is no API token. To make one: sudo hubctl token create SCOPE...")?;
    } else {
        let mut table = Table::with_heading(["ID", "MADE BY", "SCOPES", "WORKS UNTIL", "LAST USED", "NOTE"]);
        for token in &tokens {
            let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
            let used = token.last_used.as_deref().map_or_else(|| "never".to_owned(), |used| ago(used, world.now));
            table.row([
                token.id.to_string().into(),
                token.maker.as_str().into(),
                scopes.join(" ").into(),
                until(token, world),
                used.into(),
                token.note.as_str().into(),
            ]);
        }
        world.printer.table(&table)?;
    }
    Ok(Exit::Done)
}

fn until(token: &TokenInfo, world: &World) -> Cell {
    let Some(expires) = &token.expires else { return "it is revoked".into() };
    match expires.parse::<Timestamp>() {
        Ok(end) if end <= world.now => Cell::new("over", Tone::Bad),
        _ => moment(expires, world.now, &world.zone).into(),
    }
}

fn revoke(world: &mut World, ids: Vec<i64>) -> Result<Exit> {
    for id in &ids {
        match ask(world, &Request::TokenRevoke { id: *id })? {
            Reply::Done if world.printer.json => {}
            Reply::Done => world.printer.say(&format!("API token {id} does not work any more"))?,
            other => return Err(unexpected(&other).into()),
        }
    }
    if world.printer.json {
        world.printer.json(&Revoked { revoked: ids })?;
    }
    Ok(Exit::Done)
}
