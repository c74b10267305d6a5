//! The loop of `hubctl config edit`: every way through it, and every way out.

use super::super::commit::{Outcome, Report};
use super::*;

fn write(text: &str) -> String {
    format!("cat >\"$1\" <<'END'\n{text}END\n")
}

const YES: Option<&str> = Some("y");
const MORE: &str = "sed -i 's/1G/2G/' \"$1\"";
const WRONG: &str = "sed -i 's/1G/banana/; s/admins/admin/' \"$1\"; printf '[http]\\nlisten = [\"0.0.0.0:99999\"]\\n' >>\"$1\"";

#[test]
fn a_valid_text_is_shown_agreed_to_and_saved() {
    let machine = machine(&[MORE]).answering(&[Some("")]);
    let ran = machine.run("config edit");
    assert_eq!(ran.code, 3, "{}", ran.messages);
    assert_eq!(live(&machine), VALID.replace("1G", "2G"));
    let mode = std::fs::metadata(live_path(&machine)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert!(ran.messages.contains("  - memory = \"1G\"\n  + memory = \"2G\"\n"), "{}", ran.messages);
    assert!(ran.messages.contains("limits.memory  \"1G\"  \"2G\"  now\n"), "{}", ran.messages);
    assert!(ran.messages.ends_with("Save this and put it in force? [Y/n] "), "{}", ran.messages);
    assert!(!draft(&machine).exists(), "the draft is still there");
}

#[test]
fn the_outcome_of_a_commit_is_the_exit_code() {
    for (outcome, code, words) in [
        (
            Outcome::Applied(Report { number: 2, done: vec!["Limits changed.".into()], warnings: vec![] }),
            0,
            "Limits changed.\nSaved as version 2, and in force.\n",
        ),
        (
            Outcome::SavedNotApplied { number: 2, reason: "no hub".into() },
            3,
            "error: saved as version 2, but not applied: no hub\n",
        ),
        (Outcome::RolledBack { number: 2, reason: "no answer".into() }, 6, "in force again: no answer\n"),
    ] {
        let machine = machine(&[MORE]).answering(&[YES]);
        let ran = edit_to(&machine, || Ok(outcome.clone()));
        assert_eq!(ran.code, code, "{}", ran.messages);
        assert!(ran.messages.contains(words), "{}", ran.messages);
        assert!(!draft(&machine).exists());
    }
}

#[test]
fn a_save_that_fails_keeps_file_and_text() {
    let machine = machine(&[MORE]).answering(&[YES]);
    let ran = edit_to(&machine, || Err(std::io::Error::from_raw_os_error(28).into()));
    assert_eq!(ran.code, 1);
    assert_eq!(live(&machine), VALID);
    assert!(ran.messages.contains("No space left on device"), "{}", ran.messages);
    assert!(ran.messages.contains(&format!("Your text is kept in {}", draft(&machine).display())), "{}", ran.messages);
    assert_eq!(std::fs::read_to_string(draft(&machine)).unwrap(), VALID.replace("1G", "2G"));
}

#[test]
fn every_problem_is_shown_and_nothing_is_saved_until_there_is_none() {
    let fixed = write(&VALID.replace("1G", "2G"));
    let machine = machine(&[WRONG, &fixed]).answering(&[Some(""), YES]);
    let ran = machine.run("config edit");
    assert_eq!((ran.code, turns_taken(&machine)), (3, 2), "{}", ran.messages);
    let path = live_path(&machine).display().to_string();
    for place in [":3:1: ", ":6:10: ", ":8:11: "] {
        assert!(ran.messages.contains(&format!("{path}{place}")), "{place}: {}", ran.messages);
    }
    assert!(ran.messages.starts_with("error: 3 problems in the configuration\n"), "{}", ran.messages);
    assert_eq!(live(&machine), VALID.replace("1G", "2G"));
}

#[test]
fn a_text_with_problems_can_be_kept_or_thrown_away_and_never_saved() {
    for (answers, kept) in [(&[Some("s"), Some("save"), Some("q")][..], false), (&[Some("k")], true), (&[None], true)] {
        let machine = machine(&[WRONG]).answering(answers);
        let ran = machine.run("config edit");
        assert_eq!((ran.code, live(&machine).as_str()), (5, VALID), "{}", ran.messages);
        assert_eq!(draft(&machine).exists(), kept, "{answers:?}");
        assert_eq!(ran.messages.contains("Your text is kept in "), kept, "{}", ran.messages);
    }
}

#[test]
fn a_kept_text_is_offered_by_the_next_edit() {
    let first = machine(&[WRONG, MORE, MORE]).answering(&[Some("k")]);
    assert_eq!(first.run("config edit").code, 5);
    // Not this time.
    let second = first.answering(&[Some("q")]);
    let ran = second.run("config edit");
    assert_eq!((ran.code, turns_taken(&second)), (5, 1));
    assert!(ran.messages.contains("There is a text of yours that was not saved, last changed "), "{}", ran.messages);
    // Go on with it: it still has its problems.
    let third = second.answering(&[Some("c"), Some("k")]);
    assert!(third.run("config edit").messages.contains("3 problems in the configuration"));
    // Begin anew.
    let fourth = third.answering(&[Some("s"), YES]);
    let ran = fourth.run("config edit");
    assert_eq!((ran.code, live(&fourth)), (3, VALID.replace("1G", "2G")), "{}", ran.messages);
}

#[test]
fn no_means_that_nothing_is_saved() {
    let machine = machine(&[MORE]).answering(&[Some("n"), Some("q")]);
    let ran = machine.run("config edit");
    assert_eq!((ran.code, live(&machine).as_str()), (5, VALID));
    assert!(ran.messages.contains("(e)dit again, (k)eep the draft and quit, (q)uit and throw away? [e] "), "{}", ran.messages);
}

#[test]
fn an_unchanged_file_is_no_change() {
    let machine = machine(&["touch \"$1\""]).answering(&[]);
    let ran = machine.run("config edit");
    assert_eq!((ran.code, ran.messages.as_str()), (5, "Nothing was changed.\n"));
    assert!(!draft(&machine).exists() && !machine.paths().config_history().exists());
}

#[test]
fn a_comment_is_saved_and_changes_no_setting() {
    let machine = machine(&["sed -i 's/Monday/Tuesday/' \"$1\""]).answering(&[YES]);
    let ran = machine.run("config edit");
    assert_eq!((ran.code, live(&machine)), (3, VALID.replace("Monday", "Tuesday")));
    assert!(ran.messages.contains("\nNo setting has another value.\n"), "{}", ran.messages);
}

#[test]
fn an_editor_that_fails_changes_nothing_and_loses_nothing() {
    for (turn, code, reason) in [
        ("exit 3", 1, "error: the editor ended with exit code 3; nothing was changed\n"),
        ("kill -KILL $$", 1, "error: the editor was ended by SIGKILL; nothing was changed\n"),
    ] {
        let machine = machine(&[turn]).answering(&[]);
        let ran = machine.run("config edit");
        assert_eq!((ran.code, ran.messages.as_str()), (code, reason));
        assert!(!draft(&machine).exists());
    }
    // Whoever started the tests may have told them to ignore SIGHUP, as nohup does, and a shell can't take that back.
    let hung_up = "exec env --default-signal=HUP sh -c 'kill -HUP $$'";
    for (turn, reason) in [("exit 3", "exit code 3"), ("kill -KILL $$", "SIGKILL"), (hung_up, "SIGHUP")] {
        // The terminal has gone with the editor, so nobody answers.
        let machine = machine(&[&format!("{MORE}\n{turn}")]).answering(&[None]);
        let ran = machine.run("config edit");
        assert_eq!((ran.code, live(&machine).as_str()), (5, VALID));
        assert!(ran.messages.contains(reason) && ran.messages.contains("Your text is kept in"), "{}", ran.messages);
        assert_eq!(std::fs::read_to_string(draft(&machine)).unwrap(), VALID.replace("1G", "2G"));
    }
}

#[test]
fn the_editor_is_the_one_the_person_named() {
    for (set, expected) in [
        (&[("SUDO_EDITOR", "one"), ("VISUAL", "two"), ("EDITOR", "three")][..], "one"),
        (&[("SUDO_EDITOR", ""), ("VISUAL", "two"), ("EDITOR", "three")], "two"),
        (&[("EDITOR", "three")], "three"),
        (&[("EDITOR", "'spaced one' -n \"an argument\"")], "spaced one -n an argument"),
        (&[], "editor"),
    ] {
        let mut machine = machine(&[]).answering(&[YES]);
        for name in ["one", "two", "three", "spaced one", "editor", "nano"] {
            program(
                &machine,
                &format!("bin/{name}"),
                "#!/bin/sh\nfor last; do :; done\necho \"# $(basename \"$0\") $1 $2\" >>\"$last\"\n",
            );
        }
        machine.variables = set.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let path = format!("{}:/usr/bin:/bin", machine.root.path().join("bin").display());
        machine.variables.insert("PATH".into(), path.into());
        machine.run("config edit");
        let last = live(&machine).lines().last().unwrap().to_owned();
        assert!(last.starts_with(&format!("# {expected}")), "{set:?}: {last}");
    }
}

#[test]
fn an_editor_that_can_is_opened_at_the_first_problem() {
    let mut machine = machine(&[]).answering(&[Some("e"), Some("k")]);
    let script = "#!/bin/sh\nfor last; do :; done\necho \"$1\" >>\"$last.seen\"\nsed -i s/1G/banana/ \"$last\"\n";
    machine.variables.insert("EDITOR".into(), program(&machine, "bin/nano", script).into());
    machine.run("config edit");
    let file = draft(&machine);
    let seen = std::fs::read_to_string(file.with_extension("toml.seen")).unwrap();
    assert_eq!(seen, format!("{}\n+6\n", file.display()));
}

#[test]
fn an_editor_that_is_not_there_is_named() {
    for (name, value, message) in [
        (
            "EDITOR",
            "no-such-editor -x",
            "error: the editor in EDITOR, `no-such-editor -x`, was not found\nhint: set EDITOR to an editor that is there, as in: EDITOR=nano\n",
        ),
        ("VISUAL", "/etc/passwd", "error: the editor in VISUAL, `/etc/passwd`, was not found\nhint: set VISUAL"),
        ("SUDO_EDITOR", "vi 'x", "error: the editor in SUDO_EDITOR, `vi 'x`, can't be read: a quotation mark is open\n"),
        ("PATH", "/nowhere", "error: no editor was found (editor, nano, vi)\nhint: apt install nano"),
    ] {
        let mut machine = machine(&[]).answering(&[]);
        machine.variables.remove(std::ffi::OsStr::new("EDITOR"));
        machine.variables.insert(name.into(), value.into());
        let ran = machine.run("config edit");
        assert_eq!(ran.code, 1);
        assert!(ran.messages.starts_with(message), "{}", ran.messages);
    }
}

#[test]
fn the_second_editor_is_told_who_is_at_it() {
    let machine = machine(&[]).answering(&[]);
    let mut guard = hub_system::lock::try_lock(&machine.paths().config_lock()).unwrap().unwrap();
    let told = "`debian` (process 4711) is changing the configuration, since today at 09:58";
    guard.leave_note("{\"account\": \"debian\", \"process\": 4711, \"since\": \"2026-09-07T09:58:30Z\"}").unwrap();
    for line in ["config edit", "config set limits.memory 2G", "config apply", "config rollback 1"] {
        let ran = machine.run(line);
        assert_eq!((ran.code, ran.messages.lines().next()), (4, Some(format!("error: {told}").as_str())), "{line}");
    }
    guard.leave_note("").unwrap();
    assert!(machine.run("config edit").messages.starts_with("error: somebody is changing the configuration\n"));
    drop(guard);
    assert_eq!(machine.run("config set limits.memory 2G").code, 3);
}

#[test]
fn while_one_edits_the_lock_says_so() {
    let machine = machine(&["cp ../run/hubd-config.lock note"]).answering(&[]);
    machine.run("config edit");
    let note = std::fs::read_to_string(machine.root.path().join("turns/note")).unwrap();
    assert!(note.contains(&format!("\"process\":{}", std::process::id())) && note.contains("2026-09-07T10:00:00Z"), "{note}");
}

#[test]
fn a_file_that_was_changed_meanwhile_is_not_overwritten_unseen() {
    let theirs = "echo '# theirs' >>../etc/hubd/config.toml";
    for (answers, code, expected, kept) in [
        (&[Some("k")][..], 5, format!("{VALID}# theirs\n"), true),
        (&[Some("q")], 5, format!("{VALID}# theirs\n"), false),
        (&[Some("e"), YES], 3, VALID.replace("1G", "2G"), false),
    ] {
        let machine = machine(&[&format!("{MORE}\n{theirs}"), "true"]).answering(answers);
        let ran = machine.run("config edit");
        assert_eq!((ran.code, live(&machine)), (code, expected), "{}", ran.messages);
        assert!(ran.messages.contains("was changed by somebody else while you were editing:\n"), "{}", ran.messages);
        assert!(ran.messages.contains("  + # theirs\n"), "{}", ran.messages);
        assert_eq!(draft(&machine).exists(), kept);
    }
}

#[test]
fn without_a_terminal_there_is_another_way() {
    let machine = machine(&[MORE]);
    let ran = machine.run("config edit");
    assert_eq!((ran.code, turns_taken(&machine)), (7, 0));
    assert_eq!(
        ran.messages,
        "error: there is no terminal for an editor\nhint: without one: hubctl config set KEY VALUE, or hubctl config apply FILE\n"
    );
}

#[test]
fn json_is_one_value_and_nothing_else() {
    let machine = machine(&[MORE]).answering(&[YES]);
    let ran = machine.run("config edit --json");
    let value: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(value["outcome"], "saved_not_applied");
    assert_eq!(value["changes"][0]["key"], "limits.memory");
    assert_eq!(value["changes"][0]["effect"], "now");
}
