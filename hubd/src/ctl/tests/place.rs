//! Where hubctl runs, what it may do there, and what it says when nobody answers.

use std::os::unix::fs::PermissionsExt;

use hub_core::control::RefusalKind;

use super::*;

fn tool(path: &Path, script: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{script}")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_administrator_inside_the_hub_speaks_to_the_admin_socket() {
    let (ran, asked) = Machine::inside().run_with("user list", vec![Reply::Users { users: Vec::new() }]);
    assert_eq!((ran.code, asked), (0, vec![Request::UserList]));
    assert_eq!(ran.messages, "Nobody is enrolled yet. To begin: hubctl user add NAME...\n");
}

#[test]
fn what_needs_the_host_says_so_inside() {
    for (line, command) in [
        ("user remove ada --delete-home --yes", "sudo hubctl user remove NAME --delete-home"),
        ("config show", "sudo hubctl config show"),
        ("config check", "sudo hubctl config check"),
    ] {
        let ran = Machine::inside().run(line);
        assert_eq!(ran.code, 7, "{line}");
        assert!(ran.messages.contains("needs the host\nhint: log in to the machine with ssh and run: "), "{}", ran.messages);
        assert!(ran.messages.contains(command), "{}", ran.messages);
    }
}

#[test]
fn without_a_hub_around_it_says_where_it_belongs() {
    let root = tempfile::tempdir().unwrap();
    let ran = Machine { uid: 2000, root, ..Machine::host() }.run("status");
    assert_eq!(ran.code, 7);
    assert!(ran.messages.starts_with("error: there is no hub to be reached from here\n"), "{}", ran.messages);
}

#[test]
fn a_refusal_ends_with_the_code_of_its_kind() {
    for (kind, code) in [
        (RefusalKind::NotAllowed, 7),
        (RefusalKind::Busy, 4),
        (RefusalKind::NotEnrolled, 1),
        (RefusalKind::Invalid, 1),
        (RefusalKind::Failed, 1),
    ] {
        let reply = Reply::Refused { kind, message: "no".to_owned(), hint: Some("ask somebody else".to_owned()) };
        let (ran, _) = Machine::inside().run_with("user list", vec![reply]);
        assert_eq!((ran.code, ran.messages.as_str()), (code, "error: no\nhint: ask somebody else\n"));
    }
}

#[test]
fn an_error_has_a_form_for_machines_too() {
    let ran = Machine::inside().run("config show --json");
    assert_eq!(
        ran.output,
        r#"{
  "error": {
    "message": "the configuration needs the host",
    "hint": "log in to the machine with ssh and run: sudo hubctl config show"
  }
}
"#
    );
}

#[test]
fn a_hub_that_hangs_up_is_told_from_one_that_is_not_there() {
    let machine = Machine::inside();
    let ran = machine.run("user list");
    assert!(ran.messages.starts_with("error: the hub is not running: asking it through `"), "{}", ran.messages);
    let listener = UnixListener::bind(machine.paths().admin_socket()).unwrap();
    let hub = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let ran = machine.run("user block ada bob");
    hub.join().unwrap();
    assert_eq!(ran.code, 1);
    assert_eq!(ran.messages.matches("the hub does not answer").count(), 1, "asked again for bob: {}", ran.messages);
    let ran = machine.run("user list");
    assert!(ran.messages.starts_with("error: the hub is not running: asking it through `"), "{}", ran.messages);
    assert!(ran.messages.contains("hint: ask whoever looks after the machine"), "{}", ran.messages);
}

#[test]
fn status_of_a_hub_that_is_down_shows_the_unit_and_its_last_words() {
    let machine = Machine::host();
    tool(
        &machine.paths().systemctl(),
        "cat <<END\nId=hubd.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n\n\
         Id=hubd.socket\nLoadState=loaded\nActiveState=active\nSubState=listening\nResult=success\nEND\n",
    );
    tool(&machine.paths().journalctl(), "printf 'said: %s\\n\\033[31mport 80 is taken\\033[0m\\n' \"$*\"\n");
    let ran = machine.run("status");
    assert_eq!(ran.code, 1);
    let socket = machine.paths().control_socket();
    assert_eq!(
        ran.output,
        format!(
            "the hub is not running: asking it through `{}`: No such file or directory (os error 2)\n\n\
             UNIT          STATE\n\
             hubd.service  failed (failed), exit-code\n\
             hubd.socket   active (listening)\n\n\
             The last 2 lines of its log:\n\
             \x20 said: --no-pager --quiet --output=cat --lines 8 --unit hubd.service\n\
             \x20 port 80 is taken\n",
            socket.display()
        )
    );
    assert_eq!(ran.messages, "\nhint: systemctl status hubd.service; journalctl -u hubd.service\n");
    let json: serde_json::Value = serde_json::from_str(&machine.run("status --json").output).unwrap();
    assert_eq!((&json["running"], &json["units"][0]["result"]), (&false.into(), &"exit-code".into()));
}
