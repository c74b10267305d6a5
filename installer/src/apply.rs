//! Takes the steps of a plan, one after the other, and keeps the receipt ahead of the machine.

use anyhow::{Context, Result};

use crate::action::{Action, Check, Ground};
use crate::plan::Step;
use crate::receipt::{Outcome, Receipt, State, StepRecord};

/// What came of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Titles of the steps that changed something, and how.
    pub changed: Vec<(String, Outcome)>,
    /// What the admin should know.
    pub notes: Vec<String>,
}

/// How far it has come, counted in steps that change something, so that no number is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Such steps before this one.
    pub before: usize,
    /// Such steps in all.
    pub total: usize,
}

impl Position {
    /// The number of this step, from 1.
    pub fn number(self) -> usize {
        self.before + 1
    }
}

/// Told how it goes.
pub trait Watcher {
    /// A step begins to change the machine.
    fn begins(&mut self, at: Position, step: &Step);
    /// It is done; without an outcome, it was to change something and came about without that.
    fn ends(&mut self, at: Position, step: &Step, outcome: Option<Outcome>);
    /// It was so already, as expected.
    fn satisfied(&mut self, step: &Step);
    /// The receipt was saved with this step in this state.
    fn saved(&mut self, _id: &str, _state: State) {}
}

/// Brings the machine to where the plan wants it. `pending` has the ids of the steps that are expected to change something;
/// `save` puts the receipt on disk.
///
/// Whether that completes the install is for the caller to say, who may want proof first.
///
/// # Errors
/// When a step can't be taken. What was done stays; the same plan can be applied again.
pub fn run(
    plan: &[Step],
    pending: &[String],
    receipt: &mut Receipt,
    ground: &mut dyn Ground,
    save: &mut dyn FnMut(&Receipt) -> Result<()>,
    watcher: &mut dyn Watcher,
) -> Result<Applied> {
    let mut applied = Applied::default();
    let before = receipt.clone();
    let mut at = Position { before: 0, total: plan.iter().filter(|step| pending.contains(&step.id)).count() };
    for step in plan {
        let expected = pending.contains(&step.id);
        let earlier = receipt.step(&step.id).cloned();
        let checking = || format!("checking {}", step.title);
        match ground.check(&step.action, receipt, earlier.as_ref()).with_context(checking)? {
            Check::Satisfied(note) => {
                applied.notes.extend(note);
                receipt.put(satisfied(step, earlier));
                if expected {
                    watcher.ends(at, step, None);
                    at.before += 1;
                } else {
                    watcher.satisfied(step);
                }
            }
            Check::Needed { exists, undo } => {
                at.total += usize::from(!expected);
                watcher.begins(at, step);
                let mut record = started(step, earlier.as_ref(), exists, undo);
                receipt.complete = false;
                for unit in &step.restarts {
                    if !receipt.restarts.contains(unit) {
                        receipt.restarts.push(unit.clone());
                    }
                }
                receipt.put(record.clone());
                save(receipt)?;
                watcher.saved(&step.id, State::Started);
                let act = ground.act(&step.action, receipt, earlier.as_ref());
                applied.notes.extend(act.with_context(|| format!("installing {}", step.title))?);
                if step.action == Action::Services {
                    receipt.restarts.clear();
                }
                record.state = State::Done;
                watcher.ends(at, step, Some(record.outcome));
                at.before += 1;
                applied.changed.push((step.title.clone(), record.outcome));
                receipt.put(record);
                save(receipt)?;
                watcher.saved(&step.id, State::Done);
            }
        }
    }
    if *receipt != before {
        save(receipt)?;
    }
    Ok(applied)
}

fn satisfied(step: &Step, earlier: Option<StepRecord>) -> StepRecord {
    match earlier {
        // What was begun came to its end before the power cut; it is ours all the same.
        Some(record) => StepRecord { state: State::Done, ..record },
        None => StepRecord {
            id: step.id.clone(),
            title: step.title.clone(),
            state: State::Done,
            outcome: Outcome::AlreadyThere,
            undo: None,
        },
    }
}

/// What was there before the very first time counts, not what an earlier version or a half-done step left.
fn started(step: &Step, earlier: Option<&StepRecord>, exists: bool, undo: Option<crate::undo::Undo>) -> StepRecord {
    let first = earlier.filter(|record| record.outcome != Outcome::AlreadyThere);
    let outcome = match first {
        Some(record) => record.outcome,
        None if exists => Outcome::Changed,
        None => Outcome::Created,
    };
    let undo = match first.and_then(|record| record.undo.clone()) {
        Some(known) => Some(known.renewed(undo.as_ref())),
        None => undo,
    };
    StepRecord { id: step.id.clone(), title: step.title.clone(), state: State::Started, outcome, undo }
}

#[cfg(test)]
mod tests;
