//! A change before it is made: the lines that differ, what each change takes, whom it would shut out, and the questions.

use hub_core::config::effects::{self, Change};
use hub_core::config::{self, Config, Finding, format_bytes};
use hub_core::control::{HubStatus, Reply, Request};
use similar::{ChangeTag, TextDiff};

use anyhow::Result;

use super::super::World;
use super::super::connect::{people, told_by_hub};
use super::super::failure::{Cause, Failure};
use super::super::https;
use super::super::output::{Table, Tone, paint};
use super::super::text::{counted, printable};
use super::lockout;

/// Unchanged lines around each change.
const CONTEXT: usize = 2;
/// A value longer than this is not repeated in the list of changes: the lines above it have it.
const LONGEST_VALUE: usize = 40;

/// What a person, or a script, may say beforehand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Consent {
    /// Do it without asking.
    pub(super) yes: bool,
    /// Even if it shuts people out.
    pub(super) allow_lockout: bool,
}

/// A valid text beside the one in force.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) text: String,
    pub(super) changes: Vec<Change>,
    /// Whom it would shut out, one sentence each.
    pub(super) lockouts: Vec<String>,
    /// Why the hub could not run with it at all, with what helps: nothing is changed then, whoever says yes.
    refusals: Vec<(String, String)>,
    /// What else to know beforehand, one sentence each.
    pub(super) warnings: Vec<String>,
    /// People online; `None`: the hub does not say.
    online: Option<u64>,
    before: String,
}

impl Review {
    /// Compares `text`, which is the valid configuration `new`, with `before`.
    pub(super) fn new(world: &World, before: &str, text: String, new: &Config) -> Result<Self> {
        let old = config::parse(before, "the configuration before").ok();
        let status = status(world);
        let changes = old.as_ref().map(|old| effects::compare(old, new)).unwrap_or_default();
        let (account, people) = (world.caller.account()?.name, people(world));
        let known = old.as_ref().map(|old| hub_doctor::configured(&world.paths, old, people.as_deref())).unwrap_or_default();
        let is_known = |finding: &Finding| known.iter().any(|known| (&known.key, &known.what) == (&finding.key, &finding.what));
        let (fatal, found): (Vec<Finding>, Vec<Finding>) = hub_doctor::configured(&world.paths, new, people.as_deref())
            .into_iter()
            .filter(|finding| !is_known(finding))
            .partition(|finding| finding.is_fatal);
        let facts = lockout::Facts {
            account: &account,
            people: people.as_deref(),
            is_here: &hub_core::sys::ports::is_here,
            uncertified: &|config| https::uncertified(config, &world.paths, world.now),
        };
        let mut warnings = status.as_ref().map(|status| squeezed(status, new, &changes)).unwrap_or_default();
        let method = |config: &Config| config.https.as_ref().map(|https| https.method.clone());
        if old.as_ref().is_none_or(|old| method(old) != method(new)) {
            warnings.extend((world.obstacles)(world, new));
        }
        // Who is not root sees no line of the file.
        let told = |finding: &Finding| match world.on_behalf_of {
            Some(_) => format!("{}; {}", finding.what, finding.remedy),
            None => finding.to_string(),
        };
        warnings.extend(found.iter().map(told));
        let mut lockouts = lockout::lockouts(old.as_ref(), new, &facts);
        lockouts.extend(fatal.iter().map(|finding| format!("{finding}.")));
        if says_nothing(&text) && !says_nothing(before) {
            lockouts.push("The text sets nothing: every setting would go back to its default.".to_owned());
        }
        let mut refusals = Vec::new();
        if old.as_ref().is_none_or(|old| method(old) != method(new)) {
            warnings.extend(https::doubts(new, &world.paths, world.now));
            if let Some((what, remedy)) = https::unusable(new) {
                // Certificates may come later than the configuration, as long as no hub is taken down by it.
                match status {
                    Some(_) => refusals.push((what, remedy)),
                    None if lockouts.iter().any(|lockout| lockout.contains(&what)) => {}
                    None => lockouts.push(format!("Nobody could log in: {what}; {remedy}.")),
                }
            }
        }
        let online = status.map(|status| status.sessions);
        Ok(Self { lockouts, refusals, warnings, online, changes, before: before.to_owned(), text })
    }

    /// Says what differs and what that takes.
    pub(super) fn show(&self, world: &mut World) -> Result<()> {
        if world.printer.json {
            return Ok(());
        }
        // The lines around a change are no business of who is not root: they may hold a secret.
        let lines = if world.on_behalf_of.is_some() { self.told(false) } else { self.lines(world.printer.color) };
        for line in lines {
            world.printer.say(&line)?;
        }
        Ok(())
    }

    /// What differs and what that takes, in lines.
    pub(super) fn lines(&self, color: bool) -> Vec<String> {
        let mut lines = difference(&self.before, &self.text, color);
        if lines.is_empty() {
            return lines;
        }
        lines.push(String::new());
        lines.extend(self.told(color));
        lines
    }

    /// What the changes are and take, without the lines of the file.
    fn told(&self, color: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if self.changes.is_empty() {
            lines.push("No setting has another value.".to_owned());
        } else {
            let mut table = Table::with_heading(["CHANGE", "FROM", "TO", "TAKES HOLD"]);
            for change in &self.changes {
                let (old, new) = told(change);
                let effect = effects::describe(change.effect, self.online);
                table.row([change.key.as_str().into(), old.into(), new.into(), effect.into()]);
            }
            lines.extend(table.lines(color));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines
    }

    /// Asks whether it is to be done; `false`: no. What shuts people out is asked first, by itself.
    ///
    /// # Errors
    /// When a question has to be asked, and there is nobody to ask.
    pub(super) fn agreed(&self, world: &mut World, consent: Consent, question: Option<&str>) -> Result<bool> {
        if !self.refusals.is_empty() {
            for (what, remedy) in &self.refusals {
                world.printer.error(&format!("https can't work with that: {what}"), Some(remedy))?;
            }
            return Ok(false);
        }
        if !self.lockouts.is_empty() {
            for lockout in &self.lockouts {
                world.printer.warn(&format!("warning: {lockout}"))?;
            }
            if !consent.allow_lockout {
                if !world.terminal.present() {
                    let hint = "if that is what you want, add --allow-lockout".to_owned();
                    return Err(Failure::new(Cause::Refused, "this could lock people out, so nothing was changed", hint).into());
                }
                let answer = world.terminal.ask("Do it anyway? [y/N] ")?;
                return Ok(matches!(answer.as_deref().map(str::trim), Some("y" | "Y" | "yes" | "Yes")));
            }
        }
        match question {
            Some(question) if !consent.yes => {
                if !world.terminal.present() {
                    let hint = "add --yes if you are sure".to_owned();
                    let message = "there is no terminal to ask on, so nothing was changed";
                    return Err(Failure::new(Cause::Refused, message, hint).into());
                }
                world.agree(question)
            }
            _ => Ok(true),
        }
    }
}

/// Whether a text has no setting in it.
fn says_nothing(text: &str) -> bool {
    toml::from_str::<toml::Table>(text).is_ok_and(|table| table.is_empty())
}

/// The lines that differ, with a few around them; none: nothing does.
pub(super) fn difference(before: &str, after: &str, color: bool) -> Vec<String> {
    let difference = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for group in difference.grouped_ops(CONTEXT) {
        if !lines.is_empty() {
            lines.push("    ...".to_owned());
        }
        for change in group.iter().flat_map(|operation| difference.iter_changes(operation)) {
            let (mark, tone) = match change.tag() {
                ChangeTag::Equal => (' ', Tone::Plain),
                ChangeTag::Delete => ('-', Tone::Bad),
                ChangeTag::Insert => ('+', Tone::Good),
            };
            let line = printable(change.value().trim_end_matches(['\n', '\r']));
            lines.push(paint(&format!("  {mark} {line}"), tone, color));
        }
    }
    lines
}

/// The values of a change for a line of a table: of lists what comes and goes, of long texts that there is one.
fn told(change: &Change) -> (String, String) {
    let list = |text: &str| {
        let value = toml::from_str::<toml::Table>(&format!("value = {text}")).ok()?.remove("value")?;
        Some(value.as_array()?.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    if let (Some(old), Some(new)) = (list(&change.old), list(&change.new)) {
        let only = |these: &[String], those: &[String]| {
            let own: Vec<_> = these.iter().filter(|item| !those.contains(item)).cloned().collect();
            if own.is_empty() { "-".to_owned() } else { shortened(&own.join(", ")) }
        };
        return (only(&old, &new), only(&new, &old));
    }
    (shortened(&change.old), shortened(&change.new))
}

fn shortened(value: &str) -> String {
    match value {
        "" => "not set".to_owned(),
        value if value.chars().count() > LONGEST_VALUE => value.chars().take(LONGEST_VALUE - 3).chain("...".chars()).collect(),
        value => value.to_owned(),
    }
}

/// Servers that use more memory than they may have from then on.
fn squeezed(status: &HubStatus, new: &Config, changes: &[Change]) -> Vec<String> {
    if !changes.iter().any(|change| change.key.ends_with("memory") || change.key.ends_with("members")) {
        return Vec::new();
    }
    let server = |server: &hub_core::control::ServerInfo| {
        let (used, allowed) = (server.memory_bytes?, new.limits_of(&server.name).memory);
        (used > allowed).then(|| format!("{} ({})", server.name, format_bytes(used)))
    };
    let servers: Vec<String> = status.servers.iter().filter_map(server).collect();
    if servers.is_empty() {
        return Vec::new();
    }
    let count = counted(servers.len(), "server uses", "servers use");
    vec![format!("{count} more memory than is then allowed, so programs in there will be ended: {}", servers.join(", "))]
}

/// What the hub says of itself.
fn status(world: &World) -> Option<HubStatus> {
    match told_by_hub(world, &Request::Status)? {
        Reply::Status(status) => Some(status),
        _ => None,
    }
}
