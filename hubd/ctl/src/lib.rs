//! hubctl: reads the command line, asks the hub, prints the answer. It holds no policy of its own: who may do what is
//! decided at the other end of the socket.

mod arguments;
mod backup;
mod bundle;
mod caller;
mod config;
mod connect;
mod doctor;
mod env;
mod failure;
mod https;
mod interruption;
mod limits;
mod links;
mod login;
mod output;
mod roster;
mod server;
mod slip;
mod status;
mod terminal;
mod text;
mod token;
mod typed;
mod upgrade;
mod user;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use hub_core::config::Config;
use hub_core::control::change::Requester;
use hub_core::paths::Paths;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::unistd::Uid;

use arguments::{Arguments, Noun};
use connect::Place;
use failure::{Cause, Exit, Failure, exit_of, hint_of};

pub use caller::Caller;
pub use interruption::Interruptions;
use output::nobody_reads;
pub use output::{Printer, Told};
pub use terminal::{ControllingTerminal, Terminal};

/// As a shell says it of a program that SIGPIPE (13) ended, which is what becomes of others in `| head`.
const NOBODY_READS: u8 = 128 + 13;

/// Everything outside the program that hubctl looks at or writes to.
pub struct World<'a> {
    /// Where things are.
    pub paths: Paths,
    /// Who runs it.
    pub caller: Caller,
    /// Standard input.
    pub input: &'a mut dyn Read,
    /// Standard output and error.
    pub printer: Printer<'a>,
    /// The person to ask.
    pub terminal: &'a mut dyn Terminal,
    /// The variables of the environment.
    pub variables: BTreeMap<OsString, OsString>,
    /// Who wants this done without being root; `None`: the caller does.
    pub on_behalf_of: Option<Requester>,
    /// Ctrl-C and a lost terminal.
    pub interruptions: Interruptions,
    /// What an authority would trip over with a configuration, asked of the network; one sentence each.
    pub obstacles: fn(&World<'_>, &Config) -> Vec<String>,
    /// The clock.
    pub now: Timestamp,
    /// Where the clock hangs.
    pub zone: TimeZone,
}

/// Runs hubctl as this process.
pub fn main() -> ExitCode {
    let (mut input, mut messages) = (io::stdin(), Told(io::stderr()));
    match run_here(&mut input, &mut Told(io::stdout()), &mut messages) {
        Ok(code) => ExitCode::from(code),
        Err(error) if nobody_reads(&error) => ExitCode::from(NOBODY_READS),
        // Nobody is left to read why.
        Err(error) => match writeln!(messages, "error: {error:#}") {
            Ok(()) | Err(_) => ExitCode::FAILURE,
        },
    }
}

/// What can be typed, for the documentation.
pub fn command() -> clap::Command {
    Arguments::command()
}

fn run_here(input: &mut dyn Read, output: &mut Told<io::Stdout>, messages: &mut dyn Write) -> Result<u8> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let color = output.0.is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let paths = Paths::default();
    let mut terminal = ControllingTerminal::new(paths.terminal());
    let mut world = World {
        caller: Caller::new(Uid::effective().as_raw(), std::env::var("SUDO_UID").ok().as_deref())?,
        paths,
        input,
        printer: Printer { output, messages, color, json: false, quiet: false, with_sudo: true },
        terminal: &mut terminal,
        on_behalf_of: None,
        variables: std::env::vars_os().collect(),
        interruptions: Interruptions::of_this_process(),
        obstacles: https::obstacles,
        now: Timestamp::now(),
        zone: TimeZone::system(),
    };
    run(std::env::args_os(), &mut world)
}

/// Runs one command line, the program's name first; returns the exit code.
///
/// # Errors
/// When the answer can't be written, also because nobody reads it.
pub fn run(arguments: impl IntoIterator<Item = OsString>, world: &mut World) -> Result<u8> {
    let is_elsewhere = matches!(Place::find(world), Ok(Place::Operator(_) | Place::Inside(_)));
    world.printer.with_sudo = !is_elsewhere && world.on_behalf_of.is_none();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let hint = slip::meant(&error).map(|hint| format!("\n{hint}")).unwrap_or_default();
            let text = format!("{}{hint}", error.render());
            let text = if world.printer.with_sudo { text } else { typed::help(&text) };
            let to: &mut dyn Write = if error.use_stderr() { world.printer.messages } else { world.printer.output };
            write!(to, "{text}").context("writing to the terminal")?;
            return Ok(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    (world.printer.json, world.printer.quiet) = (arguments.json, arguments.quiet);
    let exit = match run_noun(arguments.noun, world) {
        Ok(exit) => exit,
        Err(error) if nobody_reads(&error) => return Err(error),
        Err(error) => report(world, &error)?,
    };
    Ok(exit as u8)
}

/// Says why something could not be done.
fn report(world: &mut World, error: &anyhow::Error) -> Result<Exit> {
    if world.printer.json {
        let told = failure::told(error, |text| world.printer.typed(text));
        world.printer.json(&told)?;
    }
    world.printer.error(&format!("{error:#}"), hint_of(error).as_deref())?;
    Ok(exit_of(error))
}

fn run_noun(noun: Noun, world: &mut World) -> Result<Exit> {
    match noun {
        Noun::Status => status::show(world),
        Noun::Doctor { fix, record } => doctor::run(world, fix, record),
        Noun::Report => doctor::report(world),
        Noun::User { verb } => user::run(verb, world),
        Noun::Roster { verb } => roster::run(verb, world),
        Noun::Server { verb } => server::run(verb, world),
        Noun::Env { kernel, verb } => env::run(kernel, verb, world),
        Noun::Backup { verb } => backup::run(verb, world),
        Noun::Bundle { verb } => bundle::run(verb, world),
        Noun::Config { verb } => config::run(verb, world),
        Noun::Limits { verb } => limits::run(verb, world),
        Noun::Login { verb } => login::run(verb, world),
        Noun::Token { verb } => token::run(verb, world),
        Noun::Https { verb } => https::run(verb, world),
        Noun::Upgrade(arguments) => upgrade::run(&arguments, world),
    }
}

impl World<'_> {
    /// Asks a question whose usual answer is yes. No answer is none.
    ///
    /// # Errors
    /// When there is nobody to give one.
    fn agree(&mut self, question: &str) -> Result<bool> {
        let answer = self.terminal.ask(&format!("{question} [Y/n] "))?;
        Ok(matches!(answer.as_deref().map(str::trim), Some("" | "y" | "Y" | "yes" | "Yes")))
    }

    /// Asks a question whose safe answer is no.
    ///
    /// # Errors
    /// When the answer is not yes, or there is nobody to give one.
    fn confirm(&mut self, question: &str) -> Result<()> {
        if !self.terminal.present() {
            let hint = "add --yes if you are sure";
            return Err(
                Failure::new(Cause::Refused, "there is no terminal to ask on, so nothing was done", hint.to_owned()).into()
            );
        }
        let answer = self.terminal.ask(&format!("{question} [y/N] "))?;
        match answer.as_deref().map(str::trim) {
            Some("y" | "Y" | "yes" | "Yes") => Ok(()),
            _ => Err(Failure::new(Cause::Refused, "nothing was done", None).into()),
        }
    }
}

#[cfg(test)]
mod tests;
