//! The command line of `hub-installer`. Results go to standard output, talk to standard error.

mod arguments;

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use hub_core::paths::Paths;
use hub_core::token::Token;
use hub_core::upgrade::is_half_installed;
use hub_environment::bundle::Opened;
use serde::Serialize;

use arguments::{Arguments, Command, InstallArguments, Output, TryArguments, UninstallArguments};

use crate::install::{self, Task};
use crate::network::Network;
use crate::options::{self, Options};
use crate::progress::{self, Talk};
use crate::report::{self, PlannedStep};
use crate::{plan, receipt, status, trial, uninstall, upgrade, verify};

/// It did not work.
const FAILED: u8 = 1;
/// Somebody else is at it.
const BUSY: u8 = 4;
/// The person at the terminal said no.
const REFUSED: u8 = 7;

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("{error:#}"));
            // Where nothing was begun, nothing is to be continued.
            let is_begun = is_half_installed(&Paths::default());
            if let Some(hint) = arguments.command.hint_after_failure().filter(|_| is_begun) {
                progress::say(&format!("hint: {hint}"));
            }
            ExitCode::from(FAILED)
        }
    }
}

/// What can be typed, for the documentation.
pub fn command() -> clap::Command {
    Arguments::command()
}

fn complain(error: &str) {
    tracing::error!(error, "ended with an error");
    let (chain, hints) = split_hints(error);
    progress::say(&format!("error: {chain}"));
    for hint in hints {
        progress::say(&format!("hint: {hint}"));
    }
}

/// Hints of every depth go below the chain.
fn split_hints(text: &str) -> (String, Vec<String>) {
    let (hints, chain): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("hint: "));
    (chain.join("\n"), hints.into_iter().map(|hint| hint.trim_start_matches("hint: ").to_owned()).collect())
}

fn run(arguments: &Arguments) -> Result<u8> {
    let output = &arguments.output;
    let talk = Talk::new(output.loudness());
    let paths = Paths::default();
    match &arguments.command {
        Command::Plan(install) => show_plan(&paths, install, output, &talk),
        Command::Install(install) => self::install(&paths, install, output, &talk),
        Command::Verify => verify(&paths, output, &talk),
        Command::Uninstall(uninstall) => self::uninstall(&paths, uninstall, output, &talk),
        Command::Status => {
            needs_root()?;
            let report = status::look(&paths)?;
            print(output, &report, &status::describe(&report))?;
            Ok(if report.is_well() { 0 } else { FAILED })
        }
        Command::Try(arguments) => try_out(arguments, output, &talk),
        Command::ProbeLimit { probe, amount } => {
            verify::probe(*probe, *amount, &mut std::io::stdout())?;
            Ok(0)
        }
        Command::Upgrade => needs_root().and_then(|()| upgrade::work(&paths)).map(|()| 0),
        Command::KeepDatabase => needs_root().and_then(|()| upgrade::keep_database(&paths)).map(|()| 0),
    }
}

/// One JSON object, or the text for people.
fn print(output: &Output, report: &impl Serialize, text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = if output.json {
        let json = serde_json::to_string_pretty(report).context("writing the result as JSON")?;
        writeln!(stdout, "{json}")
    } else {
        write!(stdout, "{text}")
    };
    match written {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing the result"),
    }
}

fn with_task<T>(paths: &Paths, install: &InstallArguments, talk: &Talk, act: impl FnOnce(&Task<'_>) -> Result<T>) -> Result<T> {
    let bundle = match &install.bundle {
        Some(name) => {
            needs_root()?;
            let file = std::fs::File::open(name).with_context(|| format!("opening the bundle `{}`", name.display()))?;
            Some(Arc::new(Opened::open(paths, &file, name)?))
        }
        None => None,
    };
    let programs = bundle.as_ref().map_or_else(|| install.programs(), |bundle| Ok(bundle.programs()))?;
    let options = Options {
        admins: install.admins.clone(),
        admin_password: std::env::var("HUBD_ADMIN_PASSWORD").ok().filter(|password| !password.is_empty()),
        link_key: link_key(std::env::var("HUBD_LINK_KEY").ok().as_deref())?,
        listen: install.listen,
        behind: install.behind,
        url: install.url.clone(),
        https: install.https.wish()?,
        packages: install.packages.wish()?,
        source: std::env::var("HUBD_RELEASE_URL").ok().filter(|source| source.starts_with("http")),
        version: options::version_of(&programs),
        programs,
        bundle,
    };
    let network = Network::recall(paths, std::env::vars())?;
    let operator = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty() && name != "root");
    act(&Task { paths, options: &options, network: &network, operator, talk, die_at: install.die_at.clone() })
}

fn link_key(text: Option<&str>) -> Result<Option<Token>> {
    text.filter(|text| !text.is_empty()).map(options::parse_link_key).transpose().map_err(anyhow::Error::msg)
}

fn show_plan(paths: &Paths, install: &InstallArguments, output: &Output, talk: &Talk) -> Result<u8> {
    let report = with_task(paths, install, talk, |task| task.plan())?;
    talk.pause();
    let mut text = blocked(&report.blockers);
    if !report.warnings.is_empty() {
        text.push_str(&format!("Worth knowing:\n{}", report::findings(&report.warnings)));
    }
    text.push_str(&match report.steps.as_slice() {
        [] if report.blockers.is_empty() => "Nothing to change.\n".to_owned(),
        [] => String::new(),
        steps => format!("This would change:\n{}{}", list(steps), about_packages(steps, install)),
    });
    print(output, &report, &text)?;
    Ok(if report.blockers.is_empty() { 0 } else { FAILED })
}

fn blocked(blockers: &[crate::finding::Finding]) -> String {
    if blockers.is_empty() {
        return String::new();
    }
    format!("Cannot install:\n{}", report::findings(blockers))
}

fn list(steps: &[PlannedStep]) -> String {
    steps.iter().map(|step| format!("  {}\n", step.title)).collect()
}

/// Whoever named no packages may not know that they could.
fn about_packages(steps: &[PlannedStep], install: &InstallArguments) -> &'static str {
    let is_open = !install.packages.are_named() && install.bundle.is_none();
    if is_open && steps.iter().any(|step| step.id == plan::ENVIRONMENT) { PACKAGES_CAN_BE_NAMED } else { "" }
}

const PACKAGES_CAN_BE_NAMED: &str =
    "Other packages for everybody: --packages NAME...; none: --packages none; later on: sudo hubctl env install NAME...\n";

fn install(paths: &Paths, arguments: &InstallArguments, output: &Output, talk: &Talk) -> Result<u8> {
    let ending = with_task(paths, arguments, talk, |task| {
        task.install(&mut |pending| {
            if pending.is_empty() {
                talk.say("Every step is already done; only the check that the hub works is missing.");
                return Ok(true);
            }
            let text = format!("{}{}", list(pending), about_packages(pending, arguments));
            talk.say(&format!("This will change {} things:\n{}", pending.len(), text.trim_end()));
            Ok(arguments.yes || confirm(talk, "Go on?", true)?)
        })
    })?;
    talk.pause();
    match ending {
        install::Ending::Blocked(report) => {
            let text = format!("{}Nothing was changed.\n", blocked(&report.blockers));
            if output.json {
                print(output, &report, "")?
            } else {
                progress::say(text.trim_end())
            }
            Ok(FAILED)
        }
        install::Ending::Refused => {
            talk.say("Nothing was changed.");
            Ok(REFUSED)
        }
        install::Ending::Busy => Ok(busy()),
        install::Ending::Installed(report) => {
            for note in &report.notes {
                talk.warn(note);
            }
            let text =
                if report.changed > 0 || report.verification.is_some() { report::installed(&report) } else { String::new() };
            let text = text + &report.behind.as_ref().map(report::behind).unwrap_or_default();
            // Last of all, so that nobody overlooks it.
            let text = text + &report::uncertified(&report.uncertified);
            print(output, &report, &text)?;
            if let Some(problem) = &report.problem {
                complain(problem);
                return Ok(FAILED);
            }
            let limits_hold = report.verification.as_ref().is_none_or(|proof| proof.limits_not_held.is_empty());
            if !limits_hold {
                talk.warn(LIMITS_DO_NOT_HOLD);
            }
            Ok(if limits_hold { 0 } else { FAILED })
        }
    }
}

const LIMITS_DO_NOT_HOLD: &str = "the hub runs, but this machine ignores limits: one student can use up all of it.\n\
     hint: the usual reason is a container whose host keeps the control groups to itself; use a virtual machine";

fn verify(paths: &Paths, output: &Output, talk: &Talk) -> Result<u8> {
    needs_root()?;
    if receipt::load(paths)?.is_none() {
        anyhow::bail!("no hub is installed on this machine\nhint: hub-installer install --admin NAME");
    }
    let proof = verify::run(paths, talk)?;
    talk.pause();
    print(output, &proof, &report::verified(&proof))?;
    if !proof.limits_not_held.is_empty() {
        talk.warn(LIMITS_DO_NOT_HOLD);
    }
    if let Some(problem) = &proof.uncertified {
        talk.warn(&format!(
            "nobody can log in, because there is no certificate for https: {problem}\nhint: sudo hubctl https check"
        ));
    }
    Ok(if proof.limits_not_held.is_empty() && proof.uncertified.is_none() { 0 } else { FAILED })
}

fn uninstall(paths: &Paths, arguments: &UninstallArguments, output: &Output, talk: &Talk) -> Result<u8> {
    needs_root()?;
    if uninstall::is_needed(paths, arguments.purge)? && !arguments.yes {
        let what = if arguments.purge {
            "This deletes the hub and all that belongs to it: homes, logins, class folder and configuration."
        } else {
            "This removes the hub and the students' accounts. Homes, logins and configuration stay, closed to everybody but root."
        };
        talk.say(what);
        if !confirm(talk, "Go on?", false)? {
            talk.say("Nothing was changed. (Without a terminal to ask on, add --yes to continue.)");
            return Ok(REFUSED);
        }
    }
    match uninstall::run(paths, arguments.purge, talk)? {
        uninstall::Ending::Nothing => {
            talk.say("Nothing to remove: no hub is installed on this machine.");
            print(output, &report::UninstallReport::default(), "")?;
            Ok(0)
        }
        uninstall::Ending::Busy => Ok(busy()),
        uninstall::Ending::Done(report) => {
            print(output, &report, &report::uninstalled(&report, paths))?;
            Ok(0)
        }
    }
}

fn try_out(arguments: &TryArguments, output: &Output, talk: &Talk) -> Result<u8> {
    if arguments.stop {
        let there = trial::stop(&arguments.machine, talk)?;
        talk.pause();
        talk.say(if there { "The trial is ended and its machine removed." } else { "No trial is running." });
        return Ok(0);
    }
    let programs = arguments::programs(arguments.programs.as_ref())?;
    let trial = trial::start(&arguments.machine, &programs, arguments.port, arguments.packages.wish()?.as_deref(), talk)?;
    talk.pause();
    print(output, &trial, &trial::describe(&trial))?;
    Ok(0)
}

fn needs_root() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        anyhow::bail!("this needs root\nhint: run it again with sudo in front");
    }
    Ok(())
}

fn busy() -> u8 {
    progress::say("error: another hub-installer is running on this machine\nhint: wait until it is done");
    BUSY
}

/// Asks the person at the terminal. Without one, the answer is `default`; so it is for a bare return key, and "no" when
/// the terminal goes away.
fn confirm(talk: &Talk, question: &str, default: bool) -> Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(default);
    }
    talk.pause();
    let mut stderr = std::io::stderr();
    write!(stderr, "{question} {} ", if default { "[Y/n]" } else { "[y/N]" }).context("asking")?;
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer).context("reading the answer")? == 0 {
        return Ok(false);
    }
    Ok(match answer.trim().to_ascii_lowercase().as_str() {
        "" => default,
        "y" | "yes" => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_go_below_the_whole_chain() {
        let (chain, hints) = split_hints("a: b\nhint: do this\nmore\nhint: or that");
        assert_eq!(chain, "a: b\nmore");
        assert_eq!(hints, ["do this", "or that"]);
    }
}
