//! `hubctl config edit`: lock, a copy for the person's own editor, every problem at once, the changes and what they take,
//! one question, and only then the configuration. Whatever goes wrong, the file in force is whole and the text is kept.

use std::path::Path;

use anyhow::Result;
use hub_core::config::history::How;
use hub_core::config::{self, Config, decode};
use hub_core::control::change::Outcome;
use hub_system::config_store;

use super::super::World;
use super::super::connect::only_on_the_host;
use super::super::env::offer;
use super::super::failure::{Cause, Exit, Failure, hint_of};
use super::super::text::{ago, printable};
use super::commit::commit;
use super::draft::Draft;
use super::editor::Editor;
use super::live::Live;
use super::lock;
use super::review::{Consent, Review, difference};
use super::save::{Commit, save_with, untouched};

/// What comes next when a text can't be saved as it is.
enum Next {
    Edit,
    Keep,
    Quit,
}

/// What one turn in the editor came to.
enum Turn {
    /// The file is as it was.
    Unchanged,
    /// There is something to put right, at this line where known.
    Again(Option<usize>),
    /// It can be saved.
    Ready(Box<Review>),
}

pub(super) fn edit(world: &mut World, consent: Consent) -> Result<Exit> {
    let mut names_others = false;
    let exit = edit_with(world, consent, &mut |world, turn, text, how| {
        names_others = names_other_packages(world, text);
        commit(world, turn, text, how)
    })?;
    // What comes or goes is another question, asked when the lock of the configuration is free.
    if exit == Exit::Done && names_others && !world.printer.json {
        return offer(world);
    }
    Ok(exit)
}

/// Whether `text` asks for other packages of the distribution than the configuration in force.
fn names_other_packages(world: &World, text: &str) -> bool {
    let path = world.paths.config_file();
    match (config::read(&path), config::parse(text, &path.display().to_string())) {
        (Ok(before), Ok(after)) => before.config.environment.apt != after.environment.apt,
        // The first one ever, or one that was broken; what is missing is installed when the machine starts.
        _ => false,
    }
}

/// As [`edit`], with `commit` to save.
pub(super) fn edit_with(world: &mut World, consent: Consent, commit: Commit) -> Result<Exit> {
    only_on_the_host(world, "the configuration", "config edit")?;
    if !world.terminal.present() {
        let hint = "without one: hubctl config set KEY VALUE, or hubctl config apply FILE".to_owned();
        return Err(Failure::new(Cause::Refused, "there is no terminal for an editor", hint).into());
    }
    let turn = lock::take(world)?;
    let editor = Editor::choose(world)?;
    let live = Live::read(world)?;
    for notice in &live.notices {
        world.printer.say(&format!("note: {}", printable(notice)))?;
    }
    if live.bytes.is_none() {
        let path = world.paths.config_file();
        world.printer.say(&format!("note: there is no `{}` yet; you begin with an empty file.", path.display()))?;
    }
    let Some(draft) = begin(world, &live)? else { return Ok(Exit::Unchanged) };
    world.interruptions.watch(Some(kept(&draft.path())))?;
    let place = draft.path();
    match work(world, &editor, draft, consent, &turn, commit) {
        // Whatever it was, the text is still there.
        Err(error) if place.symlink_metadata().is_ok() => {
            let message = format!("{error:#}\n{}", kept(&place));
            Err(Failure { cause: cause_of(&error), message, hint: hint_of(&error) }.into())
        }
        ended => ended,
    }
}

/// Where the text is, for a person who was interrupted.
fn kept(place: &Path) -> String {
    format!("Your text is kept in {} until the machine restarts; the next hubctl config edit offers it.", place.display())
}

/// A new draft, or the one that was left. `None`: the person would rather not.
fn begin(world: &mut World, live: &Live) -> Result<Option<Draft>> {
    let current = live.bytes.clone().unwrap_or_default();
    let Some(left) = Draft::left(world)? else { return Draft::begin(world, &current).map(Some) };
    if left.read()?.is_ok_and(|content| left.base().is_ok_and(|base| base == content)) {
        left.discard()?;
        return Draft::begin(world, &current).map(Some);
    }
    let when =
        left.touched().map_or_else(String::new, |touched| format!(", last changed {}", ago(&touched.to_string(), world.now)));
    world.printer.say(&format!("There is a text of yours that was not saved{when}."))?;
    if left.base()? != current {
        world.printer.say("The configuration has been changed since you began it.")?;
    }
    loop {
        let answer = world.terminal.ask("(c)ontinue with it, (s)tart over and throw it away, (q)uit? [c] ")?;
        match answer.as_deref().map(str::trim) {
            Some("" | "c" | "C") => return Ok(Some(left)),
            Some("s" | "S") => {
                left.discard()?;
                return Draft::begin(world, &current).map(Some);
            }
            Some("q" | "Q") | None => {
                world.printer.say(&kept(&left.path()))?;
                return Ok(None);
            }
            Some(_) => {}
        }
    }
}

fn work(
    world: &mut World,
    editor: &Editor,
    draft: Draft,
    consent: Consent,
    configuration: &config_store::Turn,
    commit: Commit,
) -> Result<Exit> {
    let mut line = None;
    loop {
        let ended = editor.open(world, &draft.path(), line)?;
        if world.interruptions.are_ending() {
            world.printer.warn(&kept(&draft.path()))?;
            return Ok(Exit::Failed);
        }
        let turn = match ended {
            Some(reason) => {
                if draft.read()?.is_ok_and(|content| draft.base().is_ok_and(|base| base == content)) {
                    draft.discard()?;
                    return Err(Failure::plain(format!("{reason}; nothing was changed")).into());
                }
                world.printer.error(&reason, None)?;
                Turn::Again(None)
            }
            None => validate(world, &draft)?,
        };
        let review = match turn {
            Turn::Unchanged => {
                draft.discard()?;
                untouched(world, Outcome::Unchanged, None, "Nothing was changed.")?;
                return Ok(Exit::Unchanged);
            }
            Turn::Again(at) => {
                line = at;
                None
            }
            Turn::Ready(review) => {
                review.show(world)?;
                Some(review)
            }
        };
        if let Some(review) = review
            && review.agreed(world, consent, Some("Save this and put it in force?"))?
        {
            // Nobody may have changed the file while the question stood.
            if Live::read(world)?.bytes.unwrap_or_default() == draft.base()? {
                let exit = save_with(world, configuration, &review, How::Edit, commit)?;
                draft.discard()?;
                return Ok(exit);
            }
            changed_meanwhile(world, &draft)?;
        }
        match what_now(world)? {
            Next::Edit => {}
            Next::Keep => {
                world.printer.warn(&kept(&draft.path()))?;
                return Ok(Exit::Unchanged);
            }
            Next::Quit => {
                draft.discard()?;
                untouched(world, Outcome::Unchanged, None, "Nothing was changed, and the text is thrown away.")?;
                return Ok(Exit::Unchanged);
            }
        }
    }
}

/// Reads the draft once, and judges what was read.
fn validate(world: &mut World, draft: &Draft) -> Result<Turn> {
    let bytes = match draft.read()? {
        Ok(bytes) => bytes,
        Err(unusable) => {
            world.printer.error(&format!("`{}` can't be used: {unusable}", draft.path().display()), None)?;
            return Ok(Turn::Again(None));
        }
    };
    let base = draft.base()?;
    if bytes == base {
        return Ok(Turn::Unchanged);
    }
    let decoded = match decode(&bytes) {
        Ok(decoded) => decoded,
        Err(problem) => {
            world.printer.error(&format!("the text can't be saved: {problem}"), Some(problem.hint()))?;
            return Ok(Turn::Again(None));
        }
    };
    for notice in &decoded.notices {
        world.printer.say(&format!("note: {notice}"))?;
    }
    let new: Config = match config::parse(&decoded.text, &world.paths.config_file().display().to_string()) {
        Ok(new) => new,
        Err(problems) => {
            world.printer.error(&super::invalid(&problems).message, None)?;
            return Ok(Turn::Again(problems.diagnostics.first().map(|diagnostic| diagnostic.line)));
        }
    };
    if Live::read(world)?.bytes.unwrap_or_default() != base {
        changed_meanwhile(world, draft)?;
        return Ok(Turn::Again(None));
    }
    let before = decode(&base).map_or_else(|_| String::from_utf8_lossy(&base).into_owned(), |decoded| decoded.text);
    Ok(Turn::Ready(Box::new(Review::new(world, &before, decoded.text, &new)?)))
}

/// Somebody else wrote to the file in force: shows what, and lets the text count as begun with that.
fn changed_meanwhile(world: &mut World, draft: &Draft) -> Result<()> {
    let (live, base) = (Live::read(world)?, draft.base()?);
    let path = world.paths.config_file();
    world.printer.error(&format!("`{}` was changed by somebody else while you were editing:", path.display()), None)?;
    for line in difference(&String::from_utf8_lossy(&base), &live.lossy(), world.printer.color) {
        world.printer.warn(&line)?;
    }
    world.printer.say("Copy into your text what you want to keep of that; what you save replaces it.")?;
    draft.rebase(&live.bytes.unwrap_or_default())
}

fn what_now(world: &mut World) -> Result<Next> {
    loop {
        let answer = world.terminal.ask("(e)dit again, (k)eep the draft and quit, (q)uit and throw away? [e] ");
        // A terminal that is gone does not answer either.
        match answer.unwrap_or_default().as_deref().map(str::trim) {
            Some("" | "e" | "E") => return Ok(Next::Edit),
            Some("k" | "K") | None => return Ok(Next::Keep),
            Some("q" | "Q") => return Ok(Next::Quit),
            Some(_) => {}
        }
    }
}

fn cause_of(error: &anyhow::Error) -> Cause {
    error.downcast_ref::<Failure>().map_or(Cause::Failed, |failure| failure.cause)
}
