//! Who can log in to an account, and who has systemd start things without: nobody may for those of the hub's people.
//!
//! What a person writes into their home (a key for ssh, units of `systemd --user`, a crontab) is then obeyed by nobody.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use hub_core::paths::Paths;

use super::shadow;
use super::table::Table;
use crate::command::Command;

const LOGIND_DEADLINE: Duration = Duration::from_secs(15);
/// Seconds.
const DAY: u64 = 24 * 3600;
/// Where a line of the shadow file has the day (after 1970) that its account was good for last.
const EXPIRY: usize = 7;

/// Accounts of `table` that can be logged in to, or that systemd starts things for at boot ("linger"): those that an earlier
/// version made, or that somebody opened by hand.
///
/// # Errors
/// When the machine's files can't be read.
pub fn open(paths: &Paths, table: &Table) -> Result<BTreeSet<String>> {
    let path = paths.shadow();
    let text = fs_err::read_to_string(&path).context("finding out which accounts have expired")?;
    let today = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / DAY);
    let good: BTreeSet<&str> = good(&text, today).collect();
    let is_open = |account: &&str| good.contains(account) || paths.linger().join(account).exists();
    Ok(table.records().map(|record| record.account.as_str()).filter(is_open).map(str::to_owned).collect())
}

/// Closes an account that is [`open`].
///
/// # Errors
/// When `usermod` or logind refuses.
pub fn close(paths: &Paths, account: &str) -> Result<()> {
    shadow::expire(account)?;
    if paths.linger().join(account).exists() {
        Command::new(paths.loginctl(), LOGIND_DEADLINE).args(["disable-linger", "--", account]).run()?;
    }
    Ok(())
}

/// Names of the accounts in the text of a shadow file that have not expired; `today` in days after 1970.
fn good(text: &str, today: u64) -> impl Iterator<Item = &str> {
    text.lines().filter_map(move |line| {
        let mut fields = line.split(':');
        let (name, day) = (fields.next()?, fields.nth(EXPIRY - 1)?);
        // Not all programs take the day 0 for one.
        let has_expired = day.parse().is_ok_and(|day: u64| day > 0 && day < today);
        (!has_expired).then_some(name)
    })
}

/// What is wrong when `accounts` are [`open`], and what to do; `None`: nothing.
pub fn problem(accounts: &BTreeSet<String>) -> Option<String> {
    let first = accounts.first()?;
    let others = match accounts.len() - 1 {
        0 => String::new(),
        others => format!(", as can {others} more,"),
    };
    Some(format!(
        "unix account `{first}`{others} can be logged in to past the hub, where no sandbox and no limit holds\nhint: sudo hubctl config \
         apply"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_day_that_is_past_lets_nobody_in() {
        let text = "root:*:19000:0:99999:7:::\nold:!:19000:0:99999:7:::\nnew:!:19000:0:99999:7::1:\nzero:!:19000:0:99999:7::0:\n\
                    later:!:19000:0:99999:7::20001:\nsoon:!:19000:0:99999:7::20000:\nodd:!::::::-1:\nbroken\n";
        assert_eq!(good(text, 20_000).collect::<Vec<_>>(), ["root", "old", "zero", "later", "soon", "odd"]);
    }

    #[test]
    fn what_is_open_is_said_in_words() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(problem(&names(&[])), None);
        let one = problem(&names(&["jupyter-ada"])).unwrap();
        assert!(one.starts_with("unix account `jupyter-ada` can be logged in to past the hub"), "{one}");
        let more = problem(&names(&["jupyter-bob", "jupyter-ada"])).unwrap();
        assert!(more.starts_with("unix account `jupyter-ada`, as can 1 more, can be"), "{more}");
    }
}
