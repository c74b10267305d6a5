//! The lock-out guard, in every verb: its question is its own, and no is the answer of silence.

use hub_core::control::{Reply, UserInfo};

use super::super::super::tests::servers::status;
use super::*;

const OUT: &str = "sed -i 's/\\[\"ada\"\\]/[]/' \"$1\"";
const SENTENCE: &str = "warning: The hub would have no administrator any more.\n";
const QUESTION: &str = "Do it anyway? [y/N] ";

#[test]
fn an_edit_that_locks_out_asks_once_more() {
    for (line, answers, code) in [
        ("config edit", &[Some(""), Some("q")][..], 5),
        ("config edit", &[Some("n"), Some("q")], 5),
        ("config edit", &[None, None], 5),
        ("config edit", &[Some("y")], 3),
        // Consent to everything else is none to this.
        ("config edit --yes", &[Some(""), Some("q")], 5),
        ("config edit --yes", &[Some("y")], 3),
        ("config edit --yes --allow-lockout", &[], 3),
        ("config edit --allow-lockout", &[Some("y")], 3),
    ] {
        let machine = machine(&[OUT]).answering(answers);
        let ran = machine.run(line);
        let expected = if code == 3 { VALID.replace("[\"ada\"]", "[]") } else { VALID.to_owned() };
        assert_eq!((ran.code, live(&machine)), (code, expected), "{line} {answers:?}: {}", ran.messages);
        assert!(ran.messages.contains(SENTENCE), "{}", ran.messages);
        assert_eq!(ran.messages.contains(QUESTION), !line.contains("--allow-lockout"), "{}", ran.messages);
    }
}

#[test]
fn the_other_verbs_ask_too_and_refuse_without_a_terminal() {
    for line in [
        "config remove roles.admins ada",
        "config unset roles.admins",
        "config set roles.admins eve --allow-lockout",
        "config apply - --yes",
    ] {
        let input = VALID.replace("[\"ada\"]", "[]");
        let asked = machine(&[]).typing(input.clone()).answering(&[Some("")]);
        let alone = machine(&[]).typing(input);
        if line.contains("eve") {
            assert_eq!(alone.run(line).code, 3);
            continue;
        }
        let ran = asked.run(line);
        assert_eq!((ran.code, live(&asked).as_str()), (7, VALID), "{line}: {}", ran.messages);
        assert!(ran.messages.ends_with(QUESTION), "{}", ran.messages);
        let ran = alone.run(line);
        assert_eq!((ran.code, live(&alone).as_str()), (7, VALID), "{line}: {}", ran.messages);
        assert!(
            ran.messages.ends_with(
                "error: this could lock people out, so nothing was changed\nhint: if that is what you want, add --allow-lockout\n"
            ),
            "{}",
            ran.messages
        );
        assert_eq!(alone.run(&format!("{line} --allow-lockout")).code, 3, "{line}");
    }
}

#[test]
fn an_address_that_is_elsewhere_and_a_moved_hub_are_asked_about() {
    let before = format!("{VALID}[hub]\nurl = \"https://hub.example.org\"\n");
    for (line, sentence) in [
        ("config set http.listen 192.0.2.7:80", "warning: 192.0.2.7:80 is not an address of this machine"),
        ("config set hub.url https://lab.example.org", "warning: The hub's address becomes https://lab.example.org;"),
    ] {
        let machine = machine(&[]);
        std::fs::write(live_path(&machine), &before).unwrap();
        let ran = machine.run(line);
        assert_eq!((ran.code, live(&machine)), (7, before.clone()));
        assert!(ran.messages.contains(sentence), "{}", ran.messages);
    }
}

#[test]
fn https_that_nobody_could_log_in_over_is_asked_about() {
    let own = "[https]\ncertificate = \"/nonexistent/a.pem\"\nkey = \"/nonexistent/a.key\"\n";
    let acme = "[https]\nmethod = \"acme\"\nemail = \"ada@example.org\"\ndomains = [\"hub.example.org\"]\n";
    for (https, reason) in [
        (own, "there is no `/nonexistent/a.pem`; is the path right?"),
        (acme, "there is no certificate for hub.example.org until the authority gives one."),
    ] {
        let after = format!("{VALID}\n{https}");
        let machine = machine(&[]).typing(after.clone());
        let ran = machine.run("config apply - --yes");
        assert_eq!((ran.code, live(&machine).as_str()), (7, VALID), "{}", ran.messages);
        assert!(ran.messages.contains(&format!("warning: Nobody could log in: {reason}")), "{}", ran.messages);
        let obstacle = "warning: hub.example.org does not resolve\n";
        assert_eq!(ran.messages.contains(obstacle), https == acme, "{}", ran.messages);
        // As it is already, a change of something else is none of that.
        std::fs::write(live_path(&machine), &after).unwrap();
        let ran = machine.run("config set limits.tasks 100");
        assert_eq!((ran.code, ran.messages.contains(obstacle)), (3, false), "{}", ran.messages);
    }
}

/// A hub that runs would have to go back to what it had; so it is not begun, whoever says yes.
#[test]
fn a_certificate_that_can_not_be_used_is_refused_before_anything_is_changed() {
    let fixtures = std::fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../tls/fixtures")).unwrap();
    let fixture = |name: &str| fixtures.join(name).display().to_string();
    let (certificate, key) = (fixture("first.pem"), fixture("second.key.pem"));
    let after = format!("{VALID}\n[https]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
    let machine = machine(&[]).typing(after);
    let replies = vec![Reply::Status(status()), Reply::Users { users: Vec::new() }];
    let (ran, _) = machine.run_with("config apply - --yes --allow-lockout", replies);
    assert_eq!((ran.code, live(&machine).as_str()), (7, VALID), "{}", ran.messages);
    let told = format!("the key `{key}` is not the one that the certificate `{certificate}` was made for");
    assert!(ran.messages.contains(&told) && ran.messages.contains("hint: these two must print the same"), "{}", ran.messages);
}

#[test]
fn administrators_whom_the_hub_does_not_know_are_asked_about() {
    let ada = UserInfo {
        name: "ada".parse().unwrap(),
        full_name: None,
        email: None,
        admin: true,
        role: hub_core::config::Role::Admin,
        blocked: false,
        has_password: true,
        last_active: None,
        added: None,
        link: None,
    };
    let replies = vec![Reply::Status(status()), Reply::Users { users: vec![ada] }];
    let machine = machine(&[]);
    let (ran, _) = machine.run_with("config set roles.admins adda", replies);
    assert_eq!((ran.code, live(&machine).as_str()), (7, VALID), "{}", ran.messages);
    assert!(
        ran.messages.contains("warning: No administrator could log in: adda is not enrolled, or blocked.\n"),
        "{}",
        ran.messages
    );
}

#[test]
fn the_callers_own_way_in_is_asked_about() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let account = "nobody";
    let before = format!("[roles]\nadmins = [\"ada\"]\nhost_operators = [\"{account}\", \"debian\"]\n");
    let mut machine = machine(&[]);
    machine.behind_sudo = Some(65534);
    std::fs::write(live_path(&machine), &before).unwrap();
    assert_eq!(machine.run("config remove roles.host_operators debian --dry-run").code, 0);
    let ran = machine.run(&format!("config remove roles.host_operators {account}"));
    assert_eq!(ran.code, 7);
    assert!(ran.messages.contains(&format!("Your own account, `{account}`, would no longer be an operator")), "{}", ran.messages);
}

#[test]
fn what_the_machine_does_not_bear_out_is_said_and_what_stops_all_servers_is_asked() {
    let on_4_gb = || {
        let machine = machine(&[]);
        let figures = machine.paths().kernel_figures();
        std::fs::create_dir_all(&figures).unwrap();
        std::fs::write(figures.join("meminfo"), "MemTotal: 4194304 kB\nSwapTotal: 0 kB\n").unwrap();
        machine
    };
    for (line, said) in [
        ("config set limits.memory 40G", "warning: `limits.memory` (line 6): 40G for one person, but all students together have"),
        ("config set limits.swap 1G", "1G of swap, but the machine has no swap"),
        ("config set users.samm.limits.memory 2G", "warning: `users`: samm is not enrolled; did you mean sam?"),
    ] {
        let machine = on_4_gb();
        let person = |name: &str| UserInfo {
            name: name.parse().unwrap(),
            full_name: None,
            email: None,
            admin: name == "ada",
            role: hub_core::config::Role::Student,
            blocked: false,
            has_password: true,
            last_active: None,
            added: None,
            link: None,
        };
        let users = vec![Reply::Status(status()), Reply::Users { users: vec![person("ada"), person("sam")] }];
        let (ran, _) = machine.run_with(&format!("{line} --dry-run"), users);
        assert_eq!(ran.code, 0, "{line}: {}", ran.messages);
        assert!(ran.messages.contains(said), "{line}: {}", ran.messages);
    }
    let machine = on_4_gb();
    let ran = machine.run("config set machine.reserve 32G");
    assert_eq!((ran.code, live(&machine).as_str()), (7, VALID), "{}", ran.messages);
    assert!(ran.messages.contains("so no server could start"), "{}", ran.messages);
    let valid = machine.typing("[machine]\nreserve = \"32G\"\n").run("config check -");
    assert_eq!(valid.code, 0);
    assert!(valid.messages.starts_with("warning: `machine.reserve` (line 2): 32G are kept from students"), "{}", valid.messages);
}

#[test]
fn an_empty_text_is_not_taken_for_a_configuration_without_asking() {
    for text in ["", "\n", "# [limits]\n"] {
        let machine = machine(&[]).typing(text);
        std::fs::write(live_path(&machine), "[limits]\nmemory = \"2G\"\n").unwrap();
        let ran = machine.run("config apply - --yes");
        assert_eq!((ran.code, live(&machine).as_str()), (7, "[limits]\nmemory = \"2G\"\n"), "{text:?}: {}", ran.messages);
        assert!(ran.messages.contains("warning: The text sets nothing: every setting would go back"), "{}", ran.messages);
    }
}
