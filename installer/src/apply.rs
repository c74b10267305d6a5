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

/// Told how it goes.
pub trait Watcher {
    /// A step begins to change the machine; `index` of `total`, from 0.
    fn begins(&mut self, index: usize, total: usize, step: &Step);
    /// It is done.
    fn ends(&mut self, index: usize, total: usize, step: &Step, outcome: Outcome);
    /// It was so already.
    fn satisfied(&mut self, index: usize, total: usize, step: &Step);
    /// The receipt was saved with this step in this state.
    fn saved(&mut self, _id: &str, _state: State) {}
}

/// Brings the machine to where the plan wants it. `save` puts the receipt on disk.
///
/// Whether that completes the install is for the caller to say, who may want proof first.
///
/// # Errors
/// When a step can't be taken. What was done stays; the same plan can be applied again.
pub fn run(
    plan: &[Step],
    receipt: &mut Receipt,
    ground: &mut dyn Ground,
    save: &mut dyn FnMut(&Receipt) -> Result<()>,
    watcher: &mut dyn Watcher,
) -> Result<Applied> {
    let mut applied = Applied::default();
    let before = receipt.clone();
    for (index, step) in plan.iter().enumerate() {
        let earlier = receipt.step(&step.id).cloned();
        let checking = || format!("checking {}", step.title);
        match ground.check(&step.action, receipt, earlier.as_ref()).with_context(checking)? {
            Check::Satisfied(note) => {
                applied.notes.extend(note);
                receipt.put(satisfied(step, earlier));
                watcher.satisfied(index, plan.len(), step);
            }
            Check::Needed { exists, undo } => {
                watcher.begins(index, plan.len(), step);
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
                watcher.ends(index, plan.len(), step, record.outcome);
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
