//! Every argument that names a file, of every verb: opened with the rights of whoever calls, and with no others.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use clap::{Arg, Command, ValueHint};

use super::*;

/// An account that owns nothing, and exists everywhere.
const NOBODY: u32 = 65534;
const SECRET: &str = "root:$y$j9T$secret:20000:0:99999:7:::";
/// Each of them as [`walk`] finds it, and a command line with it: `{}` is a file that is there, `{new}` one that is to be made.
const LINES: [(&str, &str); 16] = [
    ("user add --from", "user add --from {}"),
    ("user add --password-file", "user add ada --password-file {}"),
    ("user remove --from", "user remove --from {} --yes"),
    ("user password --password-file", "user password ada --password-file {}"),
    ("user link --from", "user link --from {}"),
    ("user logout --from", "user logout --from {}"),
    ("user block --from", "user block --from {}"),
    ("user unblock --from", "user unblock --from {}"),
    ("roster apply FILE", "roster apply {} --yes"),
    ("env install PACKAGE", "env install {}"),
    ("env apply FILE", "env apply {}"),
    ("bundle create FILE", "bundle create {new}"),
    ("bundle add FILE", "bundle add {}"),
    ("bundle show FILE", "bundle show {}"),
    ("config check FILE", "config check {}"),
    ("config diff FILE|NUMBER", "config diff {}"),
];
const MORE_LINES: [(&str, &str); 8] = [
    ("backup init --password-file", "backup init /nowhere/hubd --password-file {}"),
    ("backup list --password-file", "backup list --repository /nowhere/hubd --password-file {}"),
    ("backup check --password-file", "backup check --repository /nowhere/hubd --password-file {}"),
    ("backup restore --password-file", "backup restore --repository /nowhere/hubd --password-file {} --yes"),
    ("config apply FILE", "config apply {} --yes"),
    ("upgrade VERSION|FILE", "upgrade {}"),
    ("https check --certificate", "https check --certificate {} --key /dev/null"),
    ("https check --key", "https check --certificate /dev/null --key {}"),
];

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    LINES.into_iter().chain(MORE_LINES)
}

/// Names of all arguments below `command` that may name a file.
fn walk(command: &Command, above: &str, found: &mut BTreeSet<String>) {
    for argument in command.get_arguments().filter(|argument| is_file(argument)) {
        let value = argument.get_value_names().and_then(|names| names.first()).map(|name| name.to_string());
        let name = argument.get_long().map(|long| format!("--{long}")).or(value).unwrap_or_default();
        found.insert(format!("{above}{name}"));
    }
    for verb in command.get_subcommands() {
        walk(verb, &format!("{above}{} ", verb.get_name()), found);
    }
}

fn is_file(argument: &Arg) -> bool {
    let is_called_so =
        argument.get_value_names().into_iter().flatten().any(|name| name.contains("FILE") || name.contains("PATH"));
    is_called_so
        || argument.get_value_parser().type_id() == TypeId::of::<PathBuf>()
        || !matches!(argument.get_value_hint(), ValueHint::Unknown | ValueHint::Other)
}

#[test]
fn none_is_forgotten_here() {
    let mut found = BTreeSet::new();
    walk(&command(), "", &mut found);
    assert_eq!(found, lines().map(|(name, _)| name.to_owned()).collect());
}

/// A machine whose files the caller reaches, but may not read or write.
fn machine() -> Machine {
    let machine = Machine { behind_sudo: Some(NOBODY), ..Machine::host() };
    std::fs::set_permissions(machine.root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    machine.write("etc/hubd/config.toml", "");
    machine
}

#[test]
fn behind_sudo_none_opens_what_the_caller_could_not() {
    if !Uid::effective().is_root() {
        return;
    }
    let machine = machine();
    let names = ["shadow", "shadow.whl", "shadow.tar.gz", "SHA256SUMS", "SHA256SUMS.minisig"];
    for name in names {
        let path = machine.write(name, SECRET);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        symlink(machine.root.path().join(name), machine.root.path().join(format!("link-{name}"))).unwrap();
    }
    for (argument, line) in lines() {
        for prefix in ["", "link-"] {
            let name = match argument {
                "env install PACKAGE" => "course-1.0-py3-none-any.whl",
                "upgrade VERSION|FILE" => "shadow.tar.gz",
                _ => "shadow",
            };
            let (source, path) = (machine.root.path().join("shadow"), machine.root.path().join(format!("{prefix}{name}")));
            if !path.exists() {
                std::fs::hard_link(source, &path).unwrap();
            }
            let ran = machine.run(
                &line
                    .replace("{new}", &machine.root.path().join("new").display().to_string())
                    .replace("{}", &path.display().to_string()),
            );
            let said = format!("{argument}: {} {}{}", ran.code, ran.output, ran.messages);
            assert!(ran.code != 0 && said.contains("ermission denied"), "{said}");
            assert!(!said.contains("secret"), "{said}");
            assert!(!machine.root.path().join("new").exists(), "{said}");
        }
    }
}

#[test]
fn a_bundle_is_not_made_through_a_link_nor_in_the_place_of_anything() {
    let machine = Machine { behind_sudo: None, ..machine() };
    let target = machine.root.path().join("sudoers");
    for name in ["class.bundle", "class.bundle.part"] {
        symlink(&target, machine.root.path().join(name)).unwrap();
    }
    let ran = machine.run(&format!("bundle create {}/class.bundle", machine.root.path().display()));
    assert!(ran.code == 7 && ran.messages.contains("is there already"), "{}", ran.messages);
    assert!(!target.exists(), "a link was followed");
}
