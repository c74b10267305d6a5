//! `hubctl login`: which logins at providers there are, what is wrong with one, and who came by them.

mod pam;

use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::config::{LoginName, Provider};
use hub_core::control::logins::{LinkedLogin, LoginInfo};
use hub_core::control::{Reply, Request};
use hub_core::outside::{self, Looked, Verdict};
use hub_core::units::OUTSIDE;
use hub_core::{config, wire};
use hub_system::systemctl::Systemctl;
use serde::Serialize;

use super::World;
use super::arguments::LoginVerb;
use super::connect::{ask, for_each, only_on_the_host, unexpected};
use super::failure::{Cause, Exit, Failure};
use super::output::{Cell, Table, Tone};
use super::text::ago;

/// A little more than the other end takes at most.
const PATIENCE: Duration = Duration::from_secs(45);

/// What `hubctl login list --json` prints.
#[derive(Debug, Serialize)]
struct Logins {
    logins: Vec<LoginInfo>,
    links: Vec<LinkedLogin>,
}

/// What `hubctl login check --json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    login: LoginName,
    /// `null` where nobody is sent anywhere.
    callback: Option<String>,
    looked: Vec<Looked>,
}

pub(super) fn run(verb: LoginVerb, world: &mut World) -> Result<Exit> {
    match verb {
        LoginVerb::List => list(world),
        LoginVerb::Check { name } => check(world, &name),
        LoginVerb::Unlink { names } => {
            let outcomes = for_each(world, &names, |world, name| {
                match ask(world, &Request::LoginUnlink { name: name.clone() })? {
                    Reply::Done => world
                        .printer
                        .say(&format!("{name} is no longer linked to an account of a provider, and was logged out"))?,
                    other => return Err(unexpected(&other).into()),
                }
                Ok(name.clone())
            })?;
            if world.printer.json {
                world.printer.json(&serde_json::json!({ "unlinked": outcomes.done, "problems": outcomes.problems }))?;
            }
            Ok(outcomes.exit)
        }
    }
}

fn list(world: &mut World) -> Result<Exit> {
    let (logins, links) = match ask(world, &Request::LoginList)? {
        Reply::Logins { logins, links } => (logins, links),
        other => return Err(unexpected(&other).into()),
    };
    if world.printer.json {
        world.printer.json(&Logins { logins, links })?;
        return Ok(Exit::Done);
    }
    if logins.is_empty() && links.is_empty() {
        world
            .printer
            .say("People log in with passwords of the hub only. docs/howto/logins.md adds a login of your institution.")?;
        return Ok(Exit::Done);
    }
    let mut table = Table::with_heading(["LOGIN", "TITLE", "PROVIDER", "REDIRECT ADDRESS"]);
    for login in &logins {
        let LoginInfo { name, title, issuer, callback } = login;
        table.row([name.to_string().into(), title.as_str().into(), issuer.as_str().into(), callback.as_str().into()]);
    }
    world.printer.table(&table)?;
    if !links.is_empty() {
        world.printer.say("")?;
        let mut table = Table::with_heading(["PERSON", "LAST USED", "PROVIDER", "ACCOUNT THERE"]);
        for link in &links {
            let used = match (&link.last_used, link.is_gone) {
                (_, true) => Cell::new("off the list", Tone::Faint),
                (Some(used), false) => ago(used, world.now).into(),
                (None, false) => "never".into(),
            };
            table.row([link.name.as_str().into(), used, link.issuer.as_str().into(), link.subject.as_str().into()]);
        }
        world.printer.table(&table)?;
    }
    Ok(Exit::Done)
}

/// Has the program that speaks to providers look, from where it is, with the file and the secrets as they are now.
fn check(world: &mut World, name: &LoginName) -> Result<Exit> {
    only_on_the_host(world, "checking a login", &format!("login check {name}"))?;
    let config = config::read(&world.paths.config_file())?.config;
    if let Some(pam) = config.login.pam.as_ref().filter(|pam| pam.login == *name) {
        let looked = pam::check(world, pam)?;
        return conclude(world, name, None, looked);
    }
    let Some(provider) = config.login.providers.get(name) else {
        let by_pam = config.login.pam.iter().map(|pam| &pam.login);
        let known: Vec<&str> = config.login.providers.keys().chain(by_pam).map(LoginName::as_str).collect();
        let hint = match known.is_empty() {
            true => "there is none; docs/howto/logins.md shows how to add one".to_owned(),
            false => format!("there is: {}", known.join(", ")),
        };
        return Err(Failure::new(Cause::Failed, format!("the configuration has no login `{name}`"), hint).into());
    };
    let callback = config.login_callback(name).unwrap_or_default();
    let mut looked: Vec<Looked> = file_of_secret(world, provider)?.into_iter().collect();
    let systemctl = Systemctl::new(&world.paths);
    // The next one to ask starts it, with what the files say then.
    systemctl.job(["stop", OUTSIDE]).with_context(|| format!("stopping {OUTSIDE}"))?;
    let reply = wire::ask(&world.paths.outside_socket(), &outside::Request::Check { login: name.clone() }, PATIENCE)
        .with_context(|| format!("asking {OUTSIDE}; its last log lines:\n{}", systemctl.last_words(OUTSIDE).trim_end()))?;
    match reply {
        outside::Reply::Checked(more) => looked.extend(more),
        outside::Reply::Refused(trouble) => return Err(Failure::plain(trouble.message).into()),
        _ => return Err(Failure::plain(format!("unexpected answer of {OUTSIDE}")).into()),
    }
    conclude(world, name, Some(callback), looked)
}

fn conclude(world: &mut World, name: &LoginName, callback: Option<String>, looked: Vec<Looked>) -> Result<Exit> {
    let is_bad = looked.iter().any(|looked| looked.verdict == Verdict::Bad);
    if world.printer.json {
        world.printer.json(&Checked { login: name.clone(), callback, looked })?;
    } else {
        show(world, callback.as_deref(), &looked)?;
        world.printer.say(if is_bad { "\nNobody can log in this way." } else { "\nNo problems found." })?;
    }
    Ok(if is_bad { Exit::Failed } else { Exit::Done })
}

fn show(world: &mut World, callback: Option<&str>, looked: &[Looked]) -> Result<()> {
    if let Some(callback) = callback {
        world.printer.say(&format!("The redirect address to register at the provider: {callback}\n"))?;
    }
    for Looked { verdict, text, hint } in looked {
        let mark = match verdict {
            Verdict::Good => "ok      ",
            Verdict::Unsure => "unsure  ",
            Verdict::Bad => "wrong   ",
        };
        world.printer.line(&format!("{mark}{text}"))?;
        if let Some(hint) = hint {
            world.printer.line(&format!("        hint: {hint}"))?;
        }
    }
    Ok(())
}

/// A secret that others can read is none.
fn file_of_secret(world: &World, provider: &Provider) -> Result<Option<Looked>> {
    use std::os::unix::fs::MetadataExt;
    let Some(path) = &provider.client_secret_file else { return Ok(None) };
    let path = world.paths.below(path.strip_prefix("/").unwrap_or(path));
    let found = match fs_err::symlink_metadata(&path) {
        Ok(found) => found,
        // What reads it says so.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let is_closed = found.is_file() && found.uid() == 0 && found.mode() & 0o077 == 0;
    Ok((!is_closed).then(|| Looked {
        verdict: Verdict::Bad,
        text: format!(
            "`{}` is not a file of root's that nobody else can read (mode {:o})",
            path.display(),
            found.mode() & 0o7777
        ),
        hint: Some(format!("sudo chown root: {path} && sudo chmod 600 {path}", path = path.display())),
    }))
}
