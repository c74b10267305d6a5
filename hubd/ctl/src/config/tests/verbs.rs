//! The verbs that need no editor.

use super::*;

#[test]
fn one_setting_is_changed_and_everything_else_stays() {
    for (line, from, to) in [
        ("config set limits.memory 2G", "\"1G\"", "\"2G\""),
        ("config set limits.tasks 200", "memory = \"1G\"\n", "memory = \"1G\"\ntasks = 200\n"),
        ("config add roles.admins grace ada", "[\"ada\"]", "[\"ada\", \"grace\"]"),
        ("config set roles.admins ada grace", "[\"ada\"]", "[\"ada\", \"grace\"]"),
        ("config unset limits.memory", "memory = \"1G\"\n", ""),
        ("config unset limits", "[limits]\nmemory = \"1G\"\n", ""),
        ("config add groups.a.b.members ada", "\"1G\"\n", "\"1G\"\n\n[groups.\"a.b\"]\nmembers = [\"ada\"]\n"),
    ] {
        let machine = machine(&[]);
        let ran = machine.run(line);
        assert_eq!((ran.code, live(&machine)), (3, VALID.replace(from, to)), "{line}: {}", ran.messages);
        let again = machine.run(line);
        assert_eq!(again.code, 0, "{line}: {}", again.messages);
        assert_eq!(again.messages, "The file already says so; nothing to do.\n", "{line}");
    }
}

#[test]
fn what_edit_would_refuse_is_refused() {
    for (line, message) in [
        ("config set limits.memory banana", "the configuration would then have 1 problem, so nothing was changed\n"),
        ("config set http.listen 0.0.0.0:99999", "the configuration would then have 1 problem"),
        ("config set limits.tasks many", "\"many\" is not a value for `limits.tasks`; expected a whole number\n"),
        ("config set limits.memroy 2G", "`memroy` is not a key of [limits]\nhint: did you mean `memory`?\n"),
        ("config unset limits.memroy", "`memroy` is not a key of [limits]\n"),
        ("config add limits.memory 2G", "`limits.memory` is not a list"),
        ("config add roles.admins Ada", "the configuration would then have 1 problem"),
        ("config get limits.memroy", "`memroy` is not a key of [limits]\n"),
    ] {
        let machine = machine(&[]);
        let ran = machine.run(line);
        assert_eq!((ran.code, live(&machine).as_str()), (1, VALID), "{line}");
        assert!(ran.messages.starts_with(&format!("error: {message}")), "{line}: {}", ran.messages);
    }
    let usage = machine(&[]).run("config set limits..memory 2G");
    assert_eq!(usage.code, 2, "{}", usage.messages);
}

#[test]
fn a_dry_run_changes_nothing_and_needs_no_lock() {
    for line in ["config set limits.memory 2G --dry-run", "config apply - --dry-run"] {
        let machine = machine(&[]).typing(VALID.replace("1G", "2G"));
        let _other = hub_system::lock::try_lock(&machine.paths().config_lock()).unwrap().unwrap();
        let ran = machine.run(line);
        assert_eq!((ran.code, live(&machine).as_str()), (0, VALID), "{line}: {}", ran.messages);
        assert!(ran.messages.contains("limits.memory  \"1G\"  \"2G\"  now\n"), "{}", ran.messages);
        let json = machine.run(&format!("{line} --json"));
        let value: serde_json::Value = serde_json::from_str(&json.output).unwrap();
        assert_eq!((&value["outcome"], &value["changes"][0]["new"]), (&"dry_run".into(), &"\"2G\"".into()));
    }
}

#[test]
fn values_are_printed_bare() {
    let machine = machine(&[]);
    machine.run("config add roles.admins grace");
    for (line, code, output) in [
        ("config get limits.memory", 0, "1G\n"),
        ("config get limits.tasks", 0, "512\n"),
        ("config get roles.admins", 0, "ada\ngrace\n"),
        ("config get limits.cpu_quota", 1, ""),
        ("config get roles.teachers", 0, ""),
    ] {
        let ran = machine.run(line);
        assert_eq!((ran.code, ran.output.as_str()), (code, output), "{line}: {}", ran.messages);
    }
    let value: serde_json::Value = serde_json::from_str(&machine.run("config get roles.admins --json").output).unwrap();
    assert_eq!(value, serde_json::json!({"key": "roles.admins", "value": ["ada", "grace"]}));
}

/// Versions 1 to 3, all well, the third in force.
fn with_history(machine: &Machine) {
    use hub_core::config::history::{History, State};
    let history = History::open(&machine.paths());
    for (memory, how) in [("1G", How::Installer), ("2G", How::Edit), ("3G", How::Set)] {
        let text = VALID.replace("1G", memory);
        let entry = history.begin(&text, "debian", how, "2026-09-07T09:00:00Z".parse().unwrap()).unwrap();
        history.settle(entry.number, State::Healthy, None).unwrap();
        std::fs::write(live_path(machine), text).unwrap();
    }
}

#[test]
fn history_lists_the_newest_first() {
    let machine = machine(&[]);
    assert_eq!(machine.run("config history").output, "");
    with_history(&machine);
    let ran = machine.run("config history");
    assert_eq!(
        ran.output,
        "VERSION  SAVED           BY      WITH           STATE         NOTE
3        today at 09:00  debian  set            last healthy
2        today at 09:00  debian  edit           healthy
1        today at 09:00  debian  hub-installer  healthy\n"
    );
    let json: serde_json::Value = serde_json::from_str(&machine.run("config history --json").output).unwrap();
    assert_eq!(json["versions"].as_array().unwrap().len(), 3);
}

#[test]
fn a_rollback_goes_back_to_what_was_well_and_different() {
    let machine = machine(&[]);
    assert_eq!(machine.run("config rollback --yes").code, 1, "there is nothing to go back to");
    with_history(&machine);
    let refused = machine.run("config rollback");
    assert_eq!((refused.code, live(&machine)), (7, VALID.replace("1G", "3G")), "{}", refused.messages);
    let ran = machine.run("config rollback --yes");
    assert_eq!((ran.code, live(&machine)), (3, VALID.replace("1G", "2G")), "{}", ran.messages);
    let machine = machine.answering(&[Some("n")]);
    let ran = machine.run("config rollback 1");
    assert_eq!(ran.code, 7);
    assert!(ran.messages.contains("limits.memory  \"2G\"  \"1G\"  now\n"), "{}", ran.messages);
    assert!(ran.messages.ends_with("Go back to version 1? [Y/n] "), "{}", ran.messages);
    let machine = machine.answering(&[Some("")]);
    assert_eq!((machine.run("config rollback 1").code, live(&machine).as_str()), (3, VALID));
    assert_eq!(machine.run("config rollback 1").code, 0);
    let ran = machine.run("config rollback 99");
    assert_eq!(ran.code, 1);
    assert!(ran.messages.contains("there is no version 99"), "{}", ran.messages);
}

#[test]
fn a_difference_says_what_it_takes() {
    let machine = machine(&[]);
    with_history(&machine);
    assert_eq!(machine.run("config diff").messages, "There is no difference.\n");
    std::fs::write(live_path(&machine), VALID.replace("memory = \"1G\"", "memory = \"3G\"\nnetwork = false")).unwrap();
    let ran = machine.run("config diff");
    assert_eq!(ran.code, 0);
    assert!(ran.output.contains("  + network = false\n"), "{}", ran.output);
    assert!(ran.output.contains("limits.network  true  false  for new servers\n"), "{}", ran.output);
    let to_first = machine.run("config diff 1").output;
    assert!(to_first.contains("limits.memory   \"3G\"   \"1G\"  now\n"), "{to_first}");
    let file = machine.write("new.toml", VALID.replace("\"ada\"", "\"ada\", \"eve\""));
    let to_file = machine.run(&format!("config diff {file}")).output;
    assert!(to_file.contains("roles.admins    -      \"eve\""), "{to_file}");
    let bad = machine.write("bad.toml", "[limits]\nmemory = 7\n");
    assert_eq!(machine.run(&format!("config diff {bad}")).code, 1);
}

#[test]
fn another_file_is_applied_after_a_question() {
    let machine = machine(&[]);
    let file = machine.write("new.toml", VALID.replace("1G", "2G"));
    assert_eq!(machine.run(&format!("config apply {file}")).code, 7);
    assert_eq!(live(&machine), VALID);
    let ran = machine.run(&format!("config apply {file} --yes"));
    assert_eq!((ran.code, live(&machine)), (3, VALID.replace("1G", "2G")), "{}", ran.messages);
    let bad = machine.write("bad.toml", "[limits]\nmemory = 7\n");
    assert_eq!(machine.run(&format!("config apply {bad} --yes")).code, 1);
    assert_eq!(live(&machine), VALID.replace("1G", "2G"));
}

#[test]
fn a_file_argument_is_opened_as_the_caller() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let mut machine = machine(&[]);
    let file = machine.write("secret.toml", VALID);
    set_mode(std::path::Path::new(&file), 0o600);
    set_mode(machine.root.path(), 0o755);
    machine.behind_sudo = Some(65534);
    for verb in ["apply", "diff", "check"] {
        let ran = machine.run(&format!("config {verb} {file}"));
        assert!(ran.code == 1 && ran.messages.contains("Permission denied"), "{verb}: {}", ran.messages);
    }
}
