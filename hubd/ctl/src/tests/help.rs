//! The help is part of the product: it is read on narrow terminals, by people who look for an example.

use clap::CommandFactory;

use super::*;

fn every_command(command: &clap::Command, path: &str, found: &mut Vec<(String, bool)>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name()).trim().to_owned();
        found.push((path.clone(), sub.has_subcommands()));
        every_command(sub, &path, found);
    }
}

fn commands() -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut command = Arguments::command();
    command.build();
    every_command(&command, "", &mut found);
    found
}

#[test]
fn the_verbs_are_the_ones_in_the_manual() {
    let verbs: Vec<String> = commands().into_iter().filter(|(_, is_noun)| !is_noun).map(|(path, _)| path).collect();
    assert_eq!(
        verbs,
        [
            "status",
            "doctor",
            "report",
            "user add",
            "user list",
            "user show",
            "user prune",
            "user remove",
            "user password",
            "user link",
            "user reset-packages",
            "user logout",
            "user block",
            "user unblock",
            "roster apply",
            "server list",
            "server start",
            "server restart",
            "server stop",
            "server logs",
            "env status",
            "env list",
            "env show",
            "env install",
            "env remove",
            "env upgrade",
            "env apply",
            "env export",
            "env diff",
            "env history",
            "env rollback",
            "env gc",
            "env kernels",
            "env remove-kernel",
            "env apt install",
            "env apt remove",
            "env apt apply",
            "env apt list",
            "env check",
            "backup init",
            "backup create",
            "backup list",
            "backup status",
            "backup check",
            "backup restore",
            "backup perform",
            "backup switch",
            "backup receive",
            "bundle create",
            "bundle add",
            "bundle show",
            "bundle remove",
            "config edit",
            "config show",
            "config get",
            "config set",
            "config unset",
            "config add",
            "config remove",
            "config check",
            "config diff",
            "config history",
            "config recover",
            "config perform",
            "config rollback",
            "config apply",
            "limits explain",
            "login list",
            "login check",
            "login unlink",
            "token create",
            "token list",
            "token revoke",
            "https status",
            "https check",
            "https renew",
            "upgrade",
        ]
    );
}

#[test]
fn every_help_has_an_example_and_fits_a_terminal() {
    for (path, _) in commands().into_iter().chain([(String::new(), true)]) {
        for flag in ["--help", "-h"] {
            let words: Vec<&str> = path.split(' ').filter(|word| !word.is_empty()).chain([flag]).collect();
            let ran = Machine::host().run_arguments(words);
            assert_eq!((ran.code, ran.messages.as_str()), (0, ""), "{path}");
            assert!(ran.output.contains("Example"), "{path} {flag} has no example:\n{}", ran.output);
            let example = format!("hubctl {path}");
            assert!(
                ran.output.lines().any(|line| line.starts_with("  ") && line.contains(example.trim())),
                "{path}: {}",
                ran.output
            );
            for line in ran.output.lines() {
                assert!(line.chars().count() <= 100, "{path}: {line}");
            }
        }
    }
}

#[test]
fn every_example_can_be_typed() {
    let mut tried = 0;
    for (path, _) in commands() {
        let words: Vec<&str> = path.split(' ').chain(["--help"]).collect();
        let help = Machine::host().run_arguments(words).output;
        for line in help.lines().filter(|line| line.starts_with("  ") && line.contains("hubctl ")) {
            let (_, command) = line.rsplit_once("hubctl ").unwrap();
            let command = command.split("  ").next().unwrap().split(['<', '>']).next().unwrap();
            let words = ["hubctl"].into_iter().chain(command.split_whitespace());
            assert!(Arguments::try_parse_from(words).is_ok(), "{line}");
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} examples were found");
}

#[test]
fn a_wrong_command_line_is_usage_and_goes_to_standard_error() {
    for line in
        ["", "user", "user add", "user add Ada", "user password ada secret", "server logs ada -n 0", "user add ada --frm x"]
    {
        let ran = Machine::host().run_arguments(line.split(' ').filter(|word| !word.is_empty()));
        assert_eq!((ran.code, ran.output.as_str()), (2, ""), "{line:?}");
        assert!(!ran.messages.is_empty());
    }
}

#[test]
fn a_verb_without_its_noun_is_told_with_it() {
    for (line, hint) in [
        ("restart ada", "hint: hubctl server restart"),
        ("logs ada", "hint: hubctl server logs"),
        ("user logs ada", "hint: hubctl server logs"),
        ("list", "hint: hubctl user list, or hubctl server list, or hubctl env list"),
    ] {
        let ran = Machine::host().run(line);
        assert_eq!(ran.code, 2, "{line}");
        assert!(ran.messages.contains(hint), "{line}: {}", ran.messages);
    }
    assert!(!Machine::host().run("nonsense").messages.contains("hint:"));
}

#[test]
fn a_command_of_pip_is_not_taken_for_packages() {
    let ran = Machine::host().run("env install pip install numpy pandas");
    assert_ne!(ran.code, 0);
    assert!(ran.messages.contains("`pip install` is a command, not a package"), "{}", ran.messages);
    assert!(ran.messages.contains("sudo hubctl env install numpy pandas"), "{}", ran.messages);
}
