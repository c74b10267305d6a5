//! Which numbers the owners of a backup have on this machine: accounts keep theirs where nobody else has them. Pure.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hub_core::accounts::Username;
use hub_system::accounts::account_names;
use hub_system::accounts::table::{Record, Table};

/// What is known of this machine's accounts.
pub trait Machine {
    /// Whether an account or a group has this number.
    ///
    /// # Errors
    /// When the machine can't tell.
    fn is_number_taken(&self, number: u32) -> Result<bool>;
    /// Whether an account or a group is called so.
    ///
    /// # Errors
    /// When the machine can't tell.
    fn is_name_taken(&self, name: &str) -> Result<bool>;
}

/// Everybody's account on this machine, by name.
pub type Accounts = BTreeMap<Username, Record>;

/// Takes the accounts of `old` into `table`, and says which each person has there. Done again, it says the same.
///
/// # Errors
/// When the machine can't tell what it has, or has no number left.
pub fn merge(old: &Table, table: &mut Table, prefix: &str, machine: &dyn Machine) -> Result<Accounts> {
    let mut accounts = Accounts::new();
    for record in old.records() {
        table.known_since(&record.name, record.created);
        let found = match table.find(&record.name) {
            Some(found) => found.clone(),
            None => {
                let record = fitting(record, old, table, prefix, machine)?;
                table.insert(record.clone())?;
                record
            }
        };
        accounts.insert(record.name.clone(), found);
    }
    Ok(accounts)
}

/// `record`, with another number or another name of the account where its own is somebody else's here.
fn fitting(record: &Record, old: &Table, table: &Table, prefix: &str, machine: &dyn Machine) -> Result<Record> {
    let is_free = |name: &str| -> Result<bool> { Ok(!table.knows_account(name) && !machine.is_name_taken(name)?) };
    let has_uid = table.clone().insert(Record { account: "hubd-none".to_owned(), ..record.clone() }).is_err();
    let uid = match has_uid || machine.is_number_taken(record.uid)? {
        false => record.uid,
        // Not one that somebody else of the backup will want to keep.
        true => table.next_uid(|number| Ok(old.owner(number).is_some() || machine.is_number_taken(number)?))?,
    };
    let mut names = std::iter::once(record.account.clone()).chain(account_names(prefix, &record.name));
    let account = loop {
        let name = names.next().with_context(|| format!("every account name for `{}` is taken", record.name))?;
        if is_free(&name)? {
            break name;
        }
    };
    Ok(Record { account, uid, ..record.clone() })
}

/// Numbers of groups here, by those of the backup.
pub fn groups(old: &BTreeMap<String, u32>, new: &BTreeMap<String, u32>) -> BTreeMap<u32, u32> {
    old.iter().filter_map(|(name, gid)| Some((*gid, *new.get(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Taken(&'static [u32], &'static [&'static str]);

    impl Machine for Taken {
        fn is_number_taken(&self, number: u32) -> Result<bool> {
            Ok(self.0.contains(&number))
        }

        fn is_name_taken(&self, name: &str) -> Result<bool> {
            Ok(self.1.contains(&name))
        }
    }

    fn table(records: &[(&str, u32)]) -> Table {
        let mut table = Table::default();
        for (name, uid) in records {
            let record = Record { name: name.parse().unwrap(), account: format!("jupyter-{name}"), uid: *uid, created: 5 };
            table.insert(record).unwrap();
        }
        table
    }

    fn of<'a>(accounts: &'a Accounts, name: &str) -> (&'a str, u32) {
        let record = &accounts[&name.parse::<Username>().unwrap()];
        (&record.account, record.uid)
    }

    #[test]
    fn on_a_fresh_machine_everybody_keeps_name_and_number() {
        let (old, mut new) = (table(&[("ada", 20_000), ("bob", 20_001)]), Table::default());
        let accounts = merge(&old, &mut new, "jupyter-", &Taken(&[], &[])).unwrap();
        assert_eq!((of(&accounts, "ada"), of(&accounts, "bob")), (("jupyter-ada", 20_000), ("jupyter-bob", 20_001)));
        assert_eq!(new, old);
    }

    #[test]
    fn whoever_is_here_already_keeps_what_they_have_and_gets_in_nobodys_way() {
        let (old, mut new) = (table(&[("ada", 20_000), ("bob", 20_001)]), Table::default());
        let here = Record { name: "bob".parse().unwrap(), account: "jupyter-bob".to_owned(), uid: 20_000, created: 900 };
        new.insert(here).unwrap();
        let accounts = merge(&old, &mut new, "jupyter-", &Taken(&[], &[])).unwrap();
        assert_eq!((of(&accounts, "ada"), of(&accounts, "bob")), (("jupyter-ada", 20_002), ("jupyter-bob", 20_000)));
        // What bob had there is bob's, also later.
        assert_eq!(accounts[&"bob".parse::<Username>().unwrap()].created, 5);
        // A restore that was cut short begins again.
        let before = new.clone();
        assert_eq!(merge(&old, &mut new, "jupyter-", &Taken(&[], &[])).unwrap(), accounts);
        assert_eq!(new, before);
    }

    #[test]
    fn what_others_of_the_machine_have_is_not_taken() {
        let (old, mut new) = (table(&[("ada", 20_000), ("bob", 20_001)]), Table::default());
        let accounts = merge(&old, &mut new, "jupyter-", &Taken(&[20_000], &["jupyter-bob"])).unwrap();
        assert_eq!(of(&accounts, "bob"), ("jupyter-bob-2", 20_001));
        let (account, uid) = of(&accounts, "ada");
        assert!(account == "jupyter-ada" && uid > 20_000 && uid != 20_001, "{account} {uid}");
    }

    #[test]
    fn a_number_that_somebody_ever_had_here_is_given_to_nobody() {
        let (old, mut new) = (table(&[("bob", 20_000)]), table(&[("eve", 20_000)]));
        new.retire(&"eve".parse().unwrap());
        let accounts = merge(&old, &mut new, "jupyter-", &Taken(&[], &[])).unwrap();
        assert_eq!(of(&accounts, "bob").1, 20_001);
    }

    #[test]
    fn groups_are_found_by_name() {
        let groups_of = |records: &[(&str, u32)]| records.iter().map(|(name, gid)| ((*name).to_owned(), *gid)).collect();
        let old = groups_of(&[("hubd", 990), ("hubd-admins", 988), ("gone", 1)]);
        let new = groups_of(&[("hubd", 988), ("hubd-admins", 990)]);
        assert_eq!(groups(&old, &new), [(988, 990), (990, 988)].into());
    }
}
