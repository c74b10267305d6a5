//! What is wrong with a class list: every line while they are few, one problem with its lines when many have the same cause.
//! Pure.

use std::fmt::Write as _;

use hub_core::accounts::Username;
use hub_core::config::Diagnostic;

/// More lines of one cause than this are told as one problem.
const MOST_APART: usize = 3;
/// Proposals that are shown; a list beyond that is mended by a program anyway.
const MOST_PROPOSALS: usize = 100;
/// Lines that are named.
const MOST_LINES: usize = 20;

/// Why lines are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// It can't be a name to log in with; what is written, and what would do.
    Name(String, Option<Username>),
    /// Another one, told alike on every line.
    Same(String),
    /// One that is told of each line by itself.
    Own,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<(Cause, Diagnostic)>);

impl Found {
    pub(super) fn push(&mut self, cause: Cause, diagnostic: Diagnostic) {
        self.0.push((cause, diagnostic));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the list.
    pub(super) fn told(self) -> Vec<Diagnostic> {
        let mut told = Vec::new();
        let mut groups: Vec<(Cause, Vec<(Cause, Diagnostic)>)> = Vec::new();
        for (cause, diagnostic) in self.0 {
            let kind = match &cause {
                Cause::Name(..) => Cause::Name(String::new(), None),
                other => other.clone(),
            };
            match groups.iter_mut().find(|(known, _)| *known == kind && kind != Cause::Own) {
                Some((_, group)) => group.push((cause, diagnostic)),
                None => groups.push((kind, vec![(cause, diagnostic)])),
            }
        }
        for (_, mut group) in groups {
            group.sort_by_key(|(_, diagnostic)| (diagnostic.line, diagnostic.column));
            if group.len() <= MOST_APART {
                told.extend(group.into_iter().map(|(_, diagnostic)| diagnostic));
            } else {
                told.extend(together(group));
            }
        }
        told.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        told
    }
}

/// One problem in place of many.
fn together(group: Vec<(Cause, Diagnostic)>) -> Option<Diagnostic> {
    let count = group.len();
    let names = matches!(group.first(), Some((Cause::Name(..), _)));
    let mut proposals = String::from("these would do; put them into the list, or names of your own:");
    let mut lines = Vec::new();
    for (index, (cause, diagnostic)) in group.iter().enumerate() {
        lines.push(diagnostic.line.to_string());
        if let Cause::Name(written, proposal) = cause
            && index < MOST_PROPOSALS
        {
            let proposal = proposal.as_ref().map_or("(none that is close)", Username::as_str);
            let _infallible = write!(proposals, "\n    line {}: {written} -> {proposal}", diagnostic.line);
        }
    }
    if count > MOST_PROPOSALS {
        let _infallible = write!(proposals, "\n    and {} more", count - MOST_PROPOSALS);
    }
    let more = if count > MOST_LINES { format!(" and {} more", count - MOST_LINES) } else { String::new() };
    lines.truncate(MOST_LINES);
    let lines = format!("{count} lines: {}{more}", lines.join(", "));
    let first = group.into_iter().next()?.1;
    Some(if names {
        let message = format!("{count} names can't be logged in with; allowed are a-z, 0-9, `.`, `_` and `-`, the first is this");
        Diagnostic { message, hint: Some(proposals), ..first }
    } else {
        Diagnostic { message: format!("{} ({lines})", first.message), ..first }
    })
}
