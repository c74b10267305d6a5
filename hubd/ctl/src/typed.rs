//! Commands as they can be typed where they are read. Inside the hub there is no sudo, and operators need none. Every text spells
//! commands for a shell of the machine's administrator, `sudo hubctl ...`, and goes through here on its way out. Pure.

const COMMAND: &str = "sudo hubctl";
const SUDO: &str = "sudo ";
/// What amounts to root, wherever hubctl runs: it stays with sudo. Beginnings of command lines.
pub(super) const ROOTS: [&str; 28] = [
    "backup check",
    "backup create",
    "backup init",
    "backup list",
    "backup perform",
    "backup restore",
    "backup status",
    "backup switch",
    "bundle",
    "config apply",
    "config check",
    "config diff",
    "config edit",
    "config history",
    "config perform",
    "config recover",
    "config rollback",
    "config show",
    "env install ./",
    "doctor",
    "https check",
    "https renew",
    "login check",
    "report",
    "upgrade --automatic",
    "upgrade FILE",
    "upgrade hubd-",
    "user prune",
];
/// What makes root's of other command lines.
const ROOTS_OPTIONS: [&str; 1] = ["--delete-home"];
/// A text that says where a command is for is meant as it stands.
const SAYS_WHERE: [&str; 5] = ["full sudo", "on the host", "on the machine", "with ssh", "looks after the machine"];
const WHERE: &str = "with full sudo on the machine: ";
/// Below help that still has commands with sudo.
const FOOTER: &str = "\nWhat begins with sudo is for accounts with full sudo on the machine.\n";

/// A hint or another remark, for somebody who can't, or need not, type sudo.
pub(super) fn remark(text: &str) -> String {
    let rewritten = text.split_inclusive('\n').map(|line| {
        each_command(line, |before, command| match (amounts_to_root(command), says_where(before)) {
            (_, true) => COMMAND.to_owned(),
            (true, false) => format!("{WHERE}{COMMAND}"),
            (false, false) => COMMAND[SUDO.len()..].to_owned(),
        })
    });
    rewritten.collect()
}

/// A help text for the same reader. What stands beside a command stays in its column.
pub(super) fn help(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let typed = each_command(line, |_, command| match amounts_to_root(command) {
            true => COMMAND.to_owned(),
            false => COMMAND[SUDO.len()..].to_owned(),
        });
        let shorter = line.len() - typed.len();
        match typed.trim_start().split_once("  ") {
            Some((command, _)) if shorter > 0 => {
                let end = typed.len() - typed.trim_start().len() + command.len();
                format!("{}{}{}", &typed[..end], " ".repeat(shorter), &typed[end..])
            }
            _ => typed,
        }
    });
    let typed: String = lines.collect();
    let footer = if typed.contains(COMMAND) { FOOTER } else { "" };
    typed + footer
}

/// The line with what `typed` makes of each command; it is told what is before it, and what comes after its name.
fn each_command(line: &str, typed: impl Fn(&str, &str) -> String) -> String {
    let (mut done, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once(COMMAND) {
        done.push_str(before);
        let command = typed(&done, after.trim_start());
        done.push_str(&command);
        rest = after;
    }
    done + rest
}

fn amounts_to_root(command: &str) -> bool {
    ROOTS.iter().any(|root| command.starts_with(root)) || ROOTS_OPTIONS.iter().any(|option| command.contains(option))
}

fn says_where(before: &str) -> bool {
    let before = before.to_lowercase();
    SAYS_WHERE.iter().any(|words| before.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_names_what_can_be_typed_or_says_where() {
        for (text, expected) in [
            ("sudo hubctl status says more", "hubctl status says more"),
            ("sudo hubctl https check looks for it", "with full sudo on the machine: sudo hubctl https check looks for it"),
            ("an account with full sudo can: sudo hubctl config edit", "an account with full sudo can: sudo hubctl config edit"),
            ("on the host: sudo hubctl config set a.b 1", "on the host: sudo hubctl config set a.b 1"),
            ("sudo hubctl user add NAME\nsudo hubctl server list", "hubctl user add NAME\nhubctl server list"),
            (
                "sudo hubctl user remove bob --delete-home",
                "with full sudo on the machine: sudo hubctl user remove bob --delete-home",
            ),
            ("nothing to type", "nothing to type"),
        ] {
            assert_eq!(remark(text), expected);
        }
    }

    #[test]
    fn help_keeps_its_columns() {
        let text =
            "Examples:\n  sudo hubctl status              well?\n  sudo hubctl config edit         change it\n  sudo hubctl x\n";
        let expected =
            "Examples:\n  hubctl status                   well?\n  sudo hubctl config edit         change it\n  hubctl x\n";
        assert_eq!(help(text), format!("{expected}{FOOTER}"));
        assert_eq!(help("  sudo hubctl status\n"), "  hubctl status\n");
    }
}
