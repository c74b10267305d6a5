//! The sudo rules: who may run `hubctl` as root. Text only; the installer checks it with `visudo` and puts it in place.

use anyhow::{Result, bail};

/// What stands above the rules, in every installation the same.
const HEADER: &str = include_str!("../../../sudoers.d/hubd-admins");

/// The whole file: one rule for each of `operators`, accounts of the machine, who give their own password to sudo.
///
/// # Errors
/// When an operator is not plainly the name of a unix account: in this file `ALL`, `%` or a comma would mean more.
pub fn render(operators: &[String]) -> Result<String> {
    let mut text = HEADER.to_owned();
    if !operators.is_empty() {
        text.push('\n');
    }
    for operator in operators {
        if !is_plain(operator) {
            bail!("host operator {operator:?} is not the name of a unix account; expected a-z, 0-9, `-`, `_` and `.`");
        }
        text.push_str(operator);
        text.push_str(" ALL=(root) /opt/hubd/bin/hubctl, /usr/local/bin/hubctl\n");
    }
    Ok(text)
}

fn is_plain(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(operators: &[&str]) -> Result<String> {
        let operators: Vec<String> = operators.iter().map(|&name| name.to_owned()).collect();
        render(&operators).map(|text| text.strip_prefix(HEADER).unwrap().to_owned())
    }

    #[test]
    fn without_operators_nobody_gets_anything() {
        assert_eq!(rules(&[]).unwrap(), "");
        let granting: Vec<_> = HEADER.lines().filter(|line| !line.starts_with('#') && line.contains("ALL")).collect();
        assert!(granting.is_empty(), "{granting:?}");
    }

    #[test]
    fn each_operator_may_run_hubctl_and_nothing_else() {
        assert_eq!(
            rules(&["debian", "ada.l"]).unwrap(),
            "\ndebian ALL=(root) /opt/hubd/bin/hubctl, /usr/local/bin/hubctl\nada.l ALL=(root) /opt/hubd/bin/hubctl, /usr/local/bin/hubctl\n"
        );
    }

    #[test]
    fn rejects_what_means_more_than_a_name() {
        for name in ["ALL", "%sudo", "#0", "a,b", "a ALL=(ALL) NOPASSWD: ALL\nb", "", "+net", "a\\", "Ada", "!a"] {
            assert!(rules(&[name]).is_err(), "{name:?} was accepted");
        }
    }
}
