//! What went wrong, in words for the person whose server it was. Pure.

use std::time::Duration;

use hub_core::config::format_bytes;
use hub_core::launcher::protocol::{Active, UnitState};
use nix::sys::signal::Signal;

use super::Failure;

/// Why `unit` runs no more; `None`: it ended in good order, as when its owner shuts it down.
pub(super) fn of_ended(unit: &UnitState, log: Vec<String>) -> Option<Failure> {
    if unit.active != Active::Failed && unit.result == "success" {
        return None;
    }
    let limit = unit.memory_limit_bytes.map_or(String::new(), |bytes| format!(" ({})", format_bytes(bytes)));
    // systemd waits until the program runs, so exit codes are the program's, whatever they are.
    let (summary, hint) = match (unit.result.as_str(), unit.exit_status) {
        ("oom-kill", _) => (format!("It used all of its memory{limit} and was stopped."), LESS_MEMORY),
        ("signal", Some(9)) => {
            (format!("It was killed from outside, most likely because it used all of its memory{limit}."), LESS_MEMORY)
        }
        ("signal" | "core-dump", Some(number)) => {
            let signal = Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.to_string());
            (format!("The program crashed (signal {signal})."), START_AGAIN)
        }
        ("exit-code", Some(code)) => (format!("The program ended with exit code {code}."), START_AGAIN),
        ("timeout", _) => ("systemd stopped it because it took too long to start or to end.".to_owned(), START_AGAIN),
        ("resources" | "start-limit-hit" | "protocol" | "exec-condition", _) => {
            (format!("systemd could not start it ({}).", unit.result), TELL_WHO_RUNS_IT)
        }
        (other, _) => (format!("It ended on its own (systemd says {other:?})."), START_AGAIN),
    };
    // What takes all memory when it has been in use for a while is a notebook.
    Some(Failure { summary, hint: Some(hint.to_owned()), log, is_inside: hint == START_AGAIN })
}

/// It ended in good order, but before it had answered once.
pub(super) fn ended_early(unit: &UnitState, log: Vec<String>) -> Failure {
    match of_ended(unit, log.clone()) {
        Some(failure) => Failure { is_inside: failure.hint.as_deref() != Some(TELL_WHO_RUNS_IT), ..failure },
        None => Failure {
            summary: "The program ended before it answered.".to_owned(),
            hint: Some(START_AGAIN.to_owned()),
            log,
            is_inside: true,
        },
    }
}

/// It runs but does not answer; `last` is what it did instead.
pub(super) fn no_answer(waited: Duration, last: &str, log: Vec<String>) -> Failure {
    Failure {
        summary: format!("It did not answer within {} s: {last}.", waited.as_secs()),
        hint: Some(START_AGAIN.to_owned()),
        log,
        is_inside: true,
    }
}

/// Somebody else's program listens where the server should.
pub(super) fn impostor(expected: u32, found: u32) -> Failure {
    Failure {
        summary: "Another account's program listens where your server should. The hub does not talk to it.".to_owned(),
        hint: Some(format!("Tell whoever runs this hub: the socket belongs to uid {found}, not {expected}.")),
        log: Vec::new(),
        is_inside: false,
    }
}

/// The launcher said no, or nothing.
pub(super) fn not_started(problem: &str) -> Failure {
    outside(format!("It could not be started: {problem}."), TELL_WHO_RUNS_IT)
}

/// The launcher could not stop it.
pub(super) fn not_stopped(problem: &str) -> Failure {
    outside(format!("It could not be stopped: {problem}."), TELL_WHO_RUNS_IT)
}

/// The machine had no memory for it for too long.
pub(super) fn no_memory(waited: Duration) -> Failure {
    let summary = format!("The machine has had no memory for another server for {} s.", waited.as_secs());
    outside(summary, "Try again in a while, or ask for servers that nobody uses to be stopped.")
}

fn outside(summary: String, hint: &str) -> Failure {
    Failure { summary, hint: Some(hint.to_owned()), log: Vec::new(), is_inside: false }
}

const LESS_MEMORY: &str = "Start it again and load less data at a time. Whoever runs this hub can raise the limit.";
const START_AGAIN: &str = "Start it again. If that does not help, the log below says more.";
const TELL_WHO_RUNS_IT: &str = "You did nothing wrong. Show this page to whoever runs this hub.";

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn unit(active: Active, result: &str, exit_status: Option<i32>) -> UnitState {
        UnitState {
            name: "ada".parse().unwrap(),
            unit: "hubd-user-ada.service".to_owned(),
            active,
            result: result.to_owned(),
            exit_status,
            main_pid: None,
            memory_bytes: None,
            memory_limit_bytes: Some(1 << 30),
            memory_kills: 0,
            started: None,
            environment: None,
            without_own: false,
            endpoint: None,
        }
    }

    #[test]
    fn says_in_words_what_systemd_says_in_codes() {
        for (result, status, summary) in [
            ("oom-kill", None, "It used all of its memory (1 GB) and was stopped."),
            ("signal", Some(9), "It was killed from outside, most likely because it used all of its memory (1 GB)."),
            ("signal", Some(15), "The program crashed (signal SIGTERM)."),
            ("core-dump", Some(11), "The program crashed (signal SIGSEGV)."),
            ("exit-code", Some(1), "The program ended with exit code 1."),
            ("exit-code", Some(203), "The program ended with exit code 203."),
            ("timeout", None, "systemd stopped it because it took too long to start or to end."),
            ("resources", None, "systemd could not start it (resources)."),
            ("moon-phase", None, "It ended on its own (systemd says \"moon-phase\")."),
        ] {
            let failure = of_ended(&unit(Active::Failed, result, status), vec!["last words".to_owned()]).unwrap();
            assert_eq!((failure.summary.as_str(), failure.log.len()), (summary, 1));
        }
    }

    #[test]
    fn a_server_that_was_shut_down_has_not_failed() {
        assert_eq!(of_ended(&unit(Active::Inactive, "success", Some(0)), vec![]), None);
        let early = ended_early(&unit(Active::Inactive, "success", Some(0)), vec![]);
        assert_eq!(early.summary, "The program ended before it answered.");
    }

    #[test]
    fn a_failure_that_systemd_has_already_forgotten_is_one() {
        let failure = of_ended(&unit(Active::Inactive, "exit-code", Some(1)), vec![]).unwrap();
        assert_eq!(failure.summary, "The program ended with exit code 1.");
    }
}
