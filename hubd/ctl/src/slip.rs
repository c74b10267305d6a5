//! What somebody may have meant who left a part of a command out.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Error};

use super::arguments::Arguments;

/// The commands that have the word which `error` did not know: of `hubctl restart`, `hubctl server restart`. Nothing when none
/// has.
pub(super) fn meant(error: &Error) -> Option<String> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let mut found = Vec::new();
    search(&Arguments::command(), "hubctl", word, &mut found);
    (!found.is_empty()).then(|| format!("hint: {}\n", found.join(", or ")))
}

fn search(command: &Command, path: &str, word: &str, found: &mut Vec<String>) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let path = format!("{path} {}", sub.get_name());
        if sub.get_name() == word {
            found.push(path.clone());
        }
        search(sub, &path, word, found);
    }
}
