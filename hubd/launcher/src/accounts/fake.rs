//! A machine whose accounts are in memory.

use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::ensure;

use super::*;

/// Clones are the same machine.
#[derive(Clone, Default)]
pub(crate) struct FakeMachine(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) accounts: Vec<Account>,
    pub(crate) groups: Vec<String>,
    pub(crate) homes: Vec<PathBuf>,
    /// Names of accounts that can be logged in to.
    pub(crate) open: BTreeSet<String>,
    /// The next account can't be made.
    pub(crate) refuses: bool,
}

impl FakeMachine {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn with_account(self, name: &str, uid: u32) -> Self {
        let home = Path::new("/home").join(name);
        self.state().accounts.push(Account { name: name.to_owned(), uid, gid: uid, home });
        self
    }

    pub(crate) fn account_names(&self) -> Vec<String> {
        self.state().accounts.iter().map(|account| account.name.clone()).collect()
    }
}

impl Machine for FakeMachine {
    fn account_by_name(&self, name: &str) -> Result<Option<Account>> {
        Ok(self.state().accounts.iter().find(|account| account.name == name).cloned())
    }

    fn is_number_taken(&self, number: u32) -> Result<bool> {
        Ok(self.state().accounts.iter().any(|account| account.uid == number))
    }

    fn is_group(&self, name: &str) -> Result<bool> {
        Ok(self.state().groups.iter().any(|group| group == name))
    }

    fn add(&self, new: &NewAccount<'_>) -> Result<()> {
        let mut state = self.state();
        if std::mem::take(&mut state.refuses) {
            bail!("useradd: cannot lock /etc/passwd; try again later.");
        }
        assert_eq!(new.group, "hubd-users");
        let account = Account { name: new.name.to_owned(), uid: new.uid, gid: new.uid, home: new.home.to_owned() };
        state.accounts.push(account);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.state().accounts.retain(|account| account.name != name);
        Ok(())
    }

    fn open(&self, table: &Table) -> Result<BTreeSet<String>> {
        let state = self.state();
        Ok(table.records().map(|record| record.account.clone()).filter(|account| state.open.contains(account)).collect())
    }

    fn close(&self, account: &str) -> Result<()> {
        ensure!(account != "jupyter-stuck", "usermod: cannot lock /etc/passwd; try again later.");
        self.state().open.remove(account);
        Ok(())
    }

    fn ensure_home(&self, home: &Home<'_>) -> Result<Outcome> {
        let mut state = self.state();
        if state.homes.iter().any(|path| path == home.path) {
            return Ok(Outcome::AlreadyThere);
        }
        state.homes.push(home.path.to_owned());
        Ok(Outcome::Created)
    }
}
