//! Every verb as an operator types it, without sudo: it is asked of the hub, or it amounts to root and says so.

use clap::{Arg, Command};

use super::*;

/// What amounts to root, or needs files that only root has. Whatever is not here is asked of the hub.
const ROOTS: [&str; 27] = [
    "backup check",
    "backup create",
    "backup init",
    "backup list",
    "backup perform",
    "backup restore",
    "backup status",
    "backup switch",
    "bundle create",
    "bundle add",
    "bundle show",
    "bundle remove",
    "config edit",
    "config show",
    "config diff",
    "config history",
    "config perform",
    "config recover",
    "config rollback",
    "config apply",
    "doctor",
    "report",
    "https check",
    "https renew",
    "login check",
    "user prune",
    // With a file, as it is walked here.
    "upgrade",
];
/// What hubctl does by itself with files that the caller can open.
const OWN: [&str; 2] = ["backup receive", "config check"];

/// Every verb that can be typed, with all its positional arguments.
pub(super) fn walk(command: &Command, above: &[&str], file: &str, lines: &mut Vec<(String, Vec<String>)>) {
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        let name = [above, &[verb.get_name()]].concat();
        if verb.has_subcommands() {
            walk(verb, &name, file, lines);
            continue;
        }
        let mut line: Vec<String> = name.iter().map(|&word| word.to_owned()).collect();
        line.extend(verb.get_positionals().map(|argument| value(argument, file)));
        if verb.get_arguments().any(|argument| argument.get_long() == Some("yes")) {
            line.push("--yes".to_owned());
        }
        lines.push((name.join(" "), line));
    }
}

fn value(argument: &Arg, file: &str) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    match names.first().map_or("", |name| name.as_str()) {
        "FILE" | "VERSION|FILE" | "FILE|NUMBER" => file.to_owned(),
        "REPOSITORY" => "/mnt/disk/hubd".to_owned(),
        "KEY" => "roles.admins".to_owned(),
        "SCOPE" => "list:users".to_owned(),
        "NUMBER" | "FROM" | "TO" => "1".to_owned(),
        _ => "ada".to_owned(),
    }
}

#[test]
fn every_verb_is_asked_of_the_hub_or_amounts_to_root_and_says_so() {
    let password = Some("a quiet afternoon");
    let machine = Machine::operator().answering(&[password, password]);
    let file = machine.write("list.tar.gz", "ada\n");
    let mut lines = Vec::new();
    walk(&command(), &[], &file, &mut lines);
    let (mut roots, mut own) = (Vec::new(), Vec::new());
    for (verb, line) in &lines {
        let ran = machine.run_arguments(line.iter().map(String::as_str));
        let said = format!("{}{}", ran.output, ran.messages);
        if ran.code == 7 && said.contains("needs full root on this machine\nhint: an account with full sudo can: sudo hubctl ") {
            roots.push(verb.as_str());
        } else if !said.contains("asking it through `") || !said.contains("/operator.sock`") {
            own.push(verb.as_str());
            assert!(OWN.contains(&verb.as_str()), "{line:?}: {said}");
        }
    }
    let sorted = |mut list: Vec<&str>| {
        list.sort_unstable();
        list.join("\n")
    };
    assert!(lines.len() > ROOTS.len() + 20, "{lines:?}");
    assert_eq!(sorted(roots), sorted(ROOTS.to_vec()));
    assert_eq!(sorted(own), sorted(OWN.to_vec()));
}

#[test]
fn whatever_is_asked_of_the_hub_inside_is_asked_of_it_by_operators() {
    let password = Some("a quiet afternoon");
    let (inside, operator) = (Machine::inside(), Machine::operator());
    let (inside, operator) = (inside.answering(&[password, password]), operator.answering(&[password, password]));
    let mut lines = Vec::new();
    for machine in [&inside, &operator] {
        let file = machine.write("list.tar.gz", "ada\n");
        lines.clear();
        walk(&command(), &[], &file, &mut lines);
    }
    let is_asked = |machine: &Machine, line: &[String]| {
        let ran = machine.run_arguments(line.iter().map(String::as_str));
        format!("{}{}", ran.output, ran.messages).contains("asking it through `")
    };
    let mut asked = 0;
    for (verb, line) in lines.iter().filter(|(_, line)| is_asked(&inside, line)) {
        assert!(is_asked(&operator, line), "{verb}");
        asked += 1;
    }
    assert!(asked > 30, "{asked}");
}

#[test]
fn options_that_amount_to_root_say_so_too() {
    let machine = Machine::operator();
    machine.write("course-1.0-py3-none-any.whl", "");
    for line in ["user remove ada --delete-home --yes", "upgrade --automatic", "env install ./course-1.0-py3-none-any.whl"] {
        let ran = machine.run(line);
        assert!(ran.code == 7 && ran.messages.contains("needs full root on this machine"), "{line}: {}", ran.messages);
    }
}

#[test]
fn an_operator_speaks_to_the_operator_socket_without_sudo() {
    let (ran, asked) = Machine::operator().run_with("user list", vec![Reply::Users { users: Vec::new() }]);
    assert_eq!((ran.code, asked), (0, vec![Request::UserList]));
}
