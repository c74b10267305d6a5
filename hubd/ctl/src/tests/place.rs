//! Where hubctl runs, what it may do there, and what it says when nobody answers.

use std::os::unix::fs::PermissionsExt;

use hub_core::control::{Refusal, RefusalKind};

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
        assert!(
            ran.messages.contains("works only on the server itself\nhint: log in to the machine with ssh and run: "),
            "{}",
            ran.messages
        );
        assert!(ran.messages.contains(command), "{}", ran.messages);
    }
}

#[test]
fn without_a_hub_around_it_says_where_it_belongs() {
    let root = tempfile::tempdir().unwrap();
    let ran = Machine { uid: 2000, root, ..Machine::host() }.run("status");
    assert_eq!(ran.code, 7);
    assert!(ran.messages.starts_with("error: cannot reach the hub from here\n"), "{}", ran.messages);
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
        let reply = Reply::from(Refusal::new(kind, "no").hint("ask somebody else"));
        let (ran, _) = Machine::inside().run_with("user list", vec![reply]);
        assert_eq!((ran.code, ran.messages.as_str()), (code, "error: no\nhint: ask somebody else\n"));
    }
}

/// Every verb as it is typed here, and whether it was refused because it amounts to root.
fn refused(machine: &Machine) -> Vec<(String, bool)> {
    let file = machine.write("list.tar.gz", "ada\n");
    let mut lines = Vec::new();
    operators::walk(&command(), &[], &file, &mut lines);
    let run = |(verb, line): (String, Vec<String>)| {
        let ran = machine.run_arguments(line.iter().map(String::as_str));
        (verb, ran.code == 7 && ran.messages.contains(": sudo hubctl "))
    };
    lines.into_iter().map(run).collect()
}

#[test]
fn only_what_amounts_to_root_is_told_with_sudo() {
    for machine in [Machine::inside(), Machine::operator()] {
        let mut told = 0;
        for (verb, is_refused) in refused(&machine.answering(&[None, None])) {
            // With a file it is another thing than without; what hubctl refuses an operator may be asked of the hub some day.
            let is_both = ["upgrade", "config check", "limits explain"].contains(&verb.as_str());
            let is_of_keys =
                verb.starts_with("config ") && ["get", "set", "unset", "add", "remove"].iter().any(|one| verb.ends_with(one));
            if !is_both && !is_of_keys {
                assert_eq!(typed::remark(&format!("sudo hubctl {verb}")).contains("sudo"), is_refused, "{verb}");
                told += usize::from(is_refused);
            }
        }
        assert!(told > 5, "{told}");
    }
}

#[test]
fn no_help_has_sudo_where_it_is_of_no_use() {
    let helps = |machine: &Machine| {
        let mut lines = vec![(String::new(), Vec::new())];
        operators::walk(&command(), &[], "", &mut lines);
        let words = |verb: &str| verb.split_whitespace().chain(["--help"]).map(str::to_owned).collect::<Vec<_>>();
        let help = |(verb, _): (String, _)| machine.run_arguments(words(&verb).iter().map(String::as_str)).output;
        lines.into_iter().map(help).collect::<Vec<_>>()
    };
    assert!(helps(&Machine::host()).iter().all(|help| !help.contains("What begins with sudo is for")));
    for machine in [Machine::inside(), Machine::operator()] {
        let mut plain = 0;
        for help in helps(&machine) {
            let commands: Vec<&str> = help.split("sudo hubctl ").skip(1).collect();
            for command in &commands {
                assert!(typed::remark(&format!("sudo hubctl {command}")).contains("sudo hubctl"), "{help}");
            }
            assert_eq!(help.contains("What begins with sudo is for"), !commands.is_empty(), "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
            plain += help.matches("  hubctl ").count();
        }
        assert!(plain > 30, "{plain}");
    }
}

#[test]
fn remarks_and_errors_fit_where_they_are_read() {
    let refused = |hint: &str| Reply::from(Refusal::new(RefusalKind::Failed, "no").hint(hint));
    for (machine, user, root) in [
        (Machine::host as fn() -> Machine, "sudo hubctl user list", "sudo hubctl config edit"),
        (Machine::inside, "hubctl user list", "with full sudo on the machine: sudo hubctl config edit"),
        (Machine::operator, "hubctl user list", "with full sudo on the machine: sudo hubctl config edit"),
    ] {
        for (said, expected) in [("sudo hubctl user list", user), ("sudo hubctl config edit", root)] {
            let (ran, _) = machine().run_with("user list", vec![refused(said)]);
            assert_eq!(ran.messages, format!("error: no\nhint: {expected}\n"));
            let (ran, _) = machine().run_with("user list --json", vec![refused(said)]);
            assert!(ran.output.contains(&format!("\"hint\": \"{expected}\"")), "{}", ran.output);
            let (ran, _) = machine().run_with("server start ada --json", vec![refused(said)]);
            assert!(ran.output.contains(&format!("\"hint\": \"{expected}\"")), "{}", ran.output);
        }
    }
}

#[test]
fn an_error_has_a_form_for_machines_too() {
    let ran = Machine::inside().run("config show --json");
    assert_eq!(
        ran.output,
        r#"{
  "error": {
    "message": "`hubctl config show` works only on the server itself",
    "hint": "log in to the machine with ssh and run: sudo hubctl config show"
  }
}
"#
    );
}

#[test]
fn where_no_hub_is_installed_nothing_else_is_said_to_be_missing() {
    let machine = Machine::bare();
    for line in ["status", "config show", "user list", "config get limits.memory"] {
        let ran = machine.run(line);
        assert_eq!(ran.code, 1, "{line}");
        let said = format!("{}{}", ran.output, ran.messages);
        assert!(said.contains("no hub is installed on this machine\n"), "{line}: {said}");
        assert!(said.contains("hint: to install one, as it is said in the README: "), "{line}: {said}");
    }
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
    for (complete, hint) in
        [(true, "systemctl status hubd.service"), (false, "an install or uninstall of the hub was interrupted")]
    {
        let receipt = machine.paths().receipt();
        std::fs::create_dir_all(receipt.parent().unwrap()).unwrap();
        std::fs::write(receipt, format!("{{\"product\": \"0.1.0\", \"complete\": {complete}}}")).unwrap();
        let messages = machine.run("status").messages;
        assert!(messages.starts_with(&format!("\nhint: {hint}")), "{messages}");
    }
    let json: serde_json::Value = serde_json::from_str(&machine.run("status --json").output).unwrap();
    assert_eq!((&json["running"], &json["units"][0]["result"]), (&false.into(), &"exit-code".into()));
}
