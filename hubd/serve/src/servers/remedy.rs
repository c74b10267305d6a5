//! Whether it may help to start a server without what its owner installed and set. All that is offered to people goes by this
//! one judgement: their pages, and what hubctl says to those who look after them. Pure.

use hub_core::control::ServerPhase;

use super::View;

/// Whether a start without what its owner installed and set may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It can't, or there is nothing to mend.
    Pointless,
    /// Nothing speaks against it.
    MayHelp,
    /// The log names something of the owner's.
    IsLikely,
}

impl Remedy {
    /// For a server as `view` shows it.
    pub fn of(view: &View) -> Self {
        if view.without_own {
            return Self::Pointless;
        }
        match (view.phase, &view.failure) {
            (ServerPhase::Failed, Some(failure)) if !failure.is_inside => Self::Pointless,
            (ServerPhase::Failed, Some(failure)) if failure.log.iter().any(|line| names_own_things(line)) => Self::IsLikely,
            // Many things end or stop a program without a word. One that runs may work badly, as with a broken extension.
            (ServerPhase::Failed | ServerPhase::Stopped | ServerPhase::Running, _) => Self::MayHelp,
            (ServerPhase::Queued | ServerPhase::Starting | ServerPhase::Stopping, _) => Self::Pointless,
        }
    }
}

/// Whether a line of a log is about what a student installed or set themselves.
fn names_own_things(line: &str) -> bool {
    ["/.local/share/hubd/", "/.local/lib/python", "/.jupyter/", "/.ipython/"].iter().any(|place| line.contains(place))
}

#[cfg(test)]
mod tests {
    use hub_core::launcher::protocol::{Active, UnitState};

    use super::super::failure;
    use super::super::state_machine::ServerState;
    use super::super::view::{Surroundings, render};
    use super::*;
    use crate::servers::Failure;

    const OWN: &str = "File \"/home/jupyter-ada/.jupyter/jupyter_server_config.py\", line 3";
    const OTHER: &str = "File \"/opt/hubd/env/lib/python3.11/site-packages/tornado/web.py\", line 7";

    fn unit(active: Active, result: &str, exit_status: Option<i32>) -> UnitState {
        failure::tests::unit(active, result, exit_status)
    }

    fn judged(state: &ServerState, is_plain: bool) -> Remedy {
        Remedy::of(&render(&"ada".parse().unwrap(), state, Surroundings { is_plain, ..Surroundings::default() }))
    }

    fn of_failure(failure: Failure) -> Remedy {
        judged(&ServerState::Failed(failure), false)
    }

    #[test]
    fn whatever_ends_or_hangs_a_server_from_inside_may_be_its_owners() {
        let log = |line: &str| vec![line.to_owned()];
        let exited = |code| unit(Active::Failed, "exit-code", Some(code));
        for (what, failure, expected) in [
            ("its own config raises", failure::ended_early(&exited(1), log(OWN)), Remedy::IsLikely),
            ("its own config ends it without a word", failure::ended_early(&exited(3), vec![]), Remedy::MayHelp),
            ("so does one with a code of systemd", failure::ended_early(&exited(203), vec![]), Remedy::MayHelp),
            ("and one in good order", failure::ended_early(&unit(Active::Inactive, "success", Some(0)), vec![]), Remedy::MayHelp),
            ("an extension crashes", failure::ended_early(&unit(Active::Failed, "signal", Some(11)), vec![]), Remedy::MayHelp),
            ("it takes all memory", failure::ended_early(&unit(Active::Failed, "oom-kill", None), vec![]), Remedy::MayHelp),
            ("it hangs", failure::no_answer(std::time::Duration::from_secs(60), "nobody listens", vec![]), Remedy::MayHelp),
            ("a crash later on", failure::of_ended(&exited(1), log(OTHER)).unwrap(), Remedy::MayHelp),
            ("memory later on", failure::of_ended(&unit(Active::Failed, "oom-kill", None), log(OWN)).unwrap(), Remedy::Pointless),
            ("systemd", failure::of_ended(&unit(Active::Failed, "resources", None), vec![]).unwrap(), Remedy::Pointless),
            ("the launcher", failure::not_started("there is no environment"), Remedy::Pointless),
            ("an impostor", failure::impostor(1, 2), Remedy::Pointless),
            ("the machine", failure::no_memory(std::time::Duration::from_secs(9)), Remedy::Pointless),
            ("it does not stop", failure::not_stopped("the job timed out"), Remedy::Pointless),
        ] {
            assert_eq!(of_failure(failure.clone()), expected, "{what}");
            assert_eq!(judged(&ServerState::Failed(failure), true), Remedy::Pointless, "{what}, without them");
        }
    }

    #[test]
    fn one_that_stands_still_or_runs_may_have_it_and_one_under_way_has_nothing_yet() {
        let up = || unit(Active::Active, "success", None);
        for (state, expected) in [
            (ServerState::Stopped, Remedy::MayHelp),
            (ServerState::Running(up()), Remedy::MayHelp),
            (ServerState::Running(UnitState { without_own: true, ..up() }), Remedy::Pointless),
            (ServerState::Queued, Remedy::Pointless),
            (ServerState::Launching, Remedy::Pointless),
            (ServerState::Waking(up()), Remedy::Pointless),
        ] {
            assert_eq!(judged(&state, false), expected, "{state:?}");
        }
    }

    #[test]
    fn only_a_log_about_own_things_makes_them_likely() {
        for (line, expected) in [
            ("File \"/home/jupyter-ada/.local/share/hubd/python3.11/lib/python3.11/site-packages/traitlets.py\", line 1", true),
            (OWN, true),
            (OTHER, false),
            ("MemoryError", false),
        ] {
            assert_eq!(names_own_things(line), expected, "{line}");
        }
    }
}
