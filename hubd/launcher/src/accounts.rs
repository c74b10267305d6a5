//! People's unix accounts: found or made by name alone, never taken over from somebody else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use hub_core::accounts::Username;
use hub_core::accounts::lookup::{self, Account};
use hub_core::config::Config;
use hub_core::paths::Paths;
use hub_system::accounts::account_names;
use hub_system::accounts::home::{Home, Outcome};
use hub_system::accounts::logins;
use hub_system::accounts::shadow::{self, NewAccount};
use hub_system::accounts::table::{Record, Table, TableFile};
use hub_system::tree;
use nix::errno::Errno;

/// The group of all people of the hub.
const USERS_GROUP: &str = "hubd-users";
/// The link in a new home that leads to the class folder.
const CLASS_LINK: &str = "class";
/// Seconds.
const HOUR: u64 = 3600;
/// What people install for themselves, below their home; `hubd_layer.py` makes it.
const OWN_PACKAGES: [&str; 1] = [".local/share/hubd"];
/// What they set for themselves, below their home.
const OWN_SETTINGS: [&str; 2] = [".jupyter", ".ipython"];

/// The machine's accounts, as far as the launcher uses them.
pub(super) trait Machine: Send + Sync {
    fn account_by_name(&self, name: &str) -> Result<Option<Account>>;
    /// Whether an account or a group has this number.
    fn is_number_taken(&self, number: u32) -> Result<bool>;
    fn is_group(&self, name: &str) -> Result<bool>;
    fn add(&self, account: &NewAccount<'_>) -> Result<()>;
    fn remove(&self, name: &str) -> Result<()>;
    /// Accounts of the table's that can be logged in to.
    fn open(&self, table: &Table) -> Result<BTreeSet<String>>;
    /// Sees to it that this one can't.
    fn close(&self, account: &str) -> Result<()>;
    fn ensure_home(&self, home: &Home<'_>) -> Result<Outcome>;
}

/// The machine this runs on.
pub(super) struct ThisMachine(pub(super) Paths);

impl Machine for ThisMachine {
    fn account_by_name(&self, name: &str) -> Result<Option<Account>> {
        lookup::account_by_name(name)
    }

    fn is_number_taken(&self, number: u32) -> Result<bool> {
        Ok(lookup::account_by_uid(number)?.is_some() || lookup::group_by_gid(number)?.is_some())
    }

    fn is_group(&self, name: &str) -> Result<bool> {
        Ok(lookup::group_by_name(name)?.is_some())
    }

    fn add(&self, account: &NewAccount<'_>) -> Result<()> {
        shadow::add(account)
    }

    fn remove(&self, name: &str) -> Result<()> {
        shadow::remove(name)
    }

    fn open(&self, table: &Table) -> Result<BTreeSet<String>> {
        logins::open(&self.0, table)
    }

    fn close(&self, account: &str) -> Result<()> {
        logins::close(&self.0, account)
    }

    fn ensure_home(&self, home: &Home<'_>) -> Result<Outcome> {
        home.ensure()
    }
}

/// Everybody's account. Calls block.
pub(super) struct Accounts<M> {
    machine: M,
    table: TableFile,
    skeleton: PathBuf,
    class_folder: PathBuf,
    /// Where earlier versions made homes.
    former_homes: PathBuf,
    /// Whether somebody got no account because there are too many.
    has_refused: AtomicBool,
}

impl<M: Machine> Accounts<M> {
    pub(super) fn new(machine: M, paths: &Paths) -> Self {
        Self {
            machine,
            table: TableFile::new(paths.accounts()),
            skeleton: paths.home_skeleton(),
            class_folder: paths.class_folder(),
            former_homes: paths.common_homes(),
            has_refused: AtomicBool::new(false),
        }
    }

    /// The table as it is now.
    pub(super) fn table(&self) -> Result<Table> {
        self.table.read()
    }

    /// `name`'s account with its home; made when it is not there. Interrupted anywhere, the next call completes it: the
    /// table is written first, so the account gets the same name and number again.
    pub(super) fn ensure(&self, name: &Username, config: &Config) -> Result<Account> {
        // Most calls find everything in place and need not wait for those that make something.
        let table = self.table()?;
        if let Some(record) = table.find(name)
            && let Some(account) = self.machine.account_by_name(&record.account)?
        {
            let account = own(record, account)?;
            if self.machine.open(&table)?.contains(&record.account) {
                self.close(record)?;
            }
            return self.with_home(record, account);
        }
        let mut guard = self.table.lock()?;
        let record = match guard.table.find(name) {
            Some(record) => record.clone(),
            None => {
                let record = self.reserve(&guard.table, name, config)?;
                guard.table.insert(record.clone())?;
                guard.save()?;
                record
            }
        };
        let account = match self.machine.account_by_name(&record.account)? {
            Some(account) => account,
            None => self.make(&record, config)?,
        };
        self.with_home(&record, account)
    }

    /// Closes every account that can be logged in to. Returns what went wrong, one sentence each.
    pub(super) fn close_all(&self) -> Result<Vec<String>> {
        let table = self.table()?;
        let open = self.machine.open(&table)?;
        let mut problems = Vec::new();
        for record in table.records().filter(|record| open.contains(&record.account)) {
            // One that is not there can't be logged in to, and one that is somebody else's is none of ours.
            let is_ours = self.machine.account_by_name(&record.account)?.is_some_and(|account| account.uid == record.uid);
            if is_ours && let Err(error) = self.close(record) {
                problems.push(format!(
                    "unix account `{}` of {} can be logged in to past the hub: {error:#}",
                    record.account, record.name
                ));
            }
        }
        Ok(problems)
    }

    fn close(&self, record: &Record) -> Result<()> {
        self.machine.close(&record.account).with_context(|| format!("closing unix account `{}`", record.account))?;
        tracing::info!(user = %record.name, account = record.account, "nobody can log in to this account past the hub any more");
        Ok(())
    }

    /// `name`'s account, if there is one.
    pub(super) fn find(&self, name: &Username) -> Result<Option<Account>> {
        let table = self.table()?;
        let Some(record) = table.find(name) else { return Ok(None) };
        self.machine.account_by_name(&record.account)?.map(|account| own(record, account)).transpose()
    }

    /// Deletes `name`'s account, and the home too or keeps it for root. `false`: there was none. Nothing of it may run. A home
    /// may take minutes to delete, in which others get accounts.
    pub(super) fn remove(&self, name: &Username, config: &Config, with_home: bool) -> Result<bool> {
        let Some(record) = self.table()?.find(name).cloned() else { return Ok(false) };
        let path = match self.machine.account_by_name(&record.account)? {
            Some(account) => own(&record, account)?.home,
            None => self.home_to_be(&record, config),
        };
        let home = self.home(&path, record.uid, record.uid);
        if !with_home {
            home.put_aside()?;
        } else if home.is_there()? {
            tree::remove(&path).with_context(|| format!("deleting home `{}`", path.display()))?;
        }
        let mut guard = self.table.lock()?;
        self.machine.remove(&record.account)?;
        guard.table.retire(name);
        guard.save()?;
        Ok(true)
    }

    /// Moves the packages that `name` installed aside, with `settings` those of Jupyter and IPython too; returns where they
    /// are now. Whoever has no account has none of it.
    pub(super) fn move_aside(&self, name: &Username, settings: bool) -> Result<Vec<PathBuf>> {
        let table = self.table()?;
        let Some(record) = table.find(name) else { return Ok(Vec::new()) };
        let Some(account) = self.machine.account_by_name(&record.account)? else { return Ok(Vec::new()) };
        let account = own(record, account)?;
        let home = self.home(&account.home, account.uid, account.gid);
        let mut places = Vec::new();
        for what in OWN_PACKAGES.iter().chain(OWN_SETTINGS.iter().filter(|_| settings)) {
            places.extend(home.move_aside(Path::new(what)).map_err(explain)?);
        }
        Ok(places)
    }

    /// Why nobody new can have an account now; `None`: they can. `now`: seconds since 1970.
    fn crowded(table: &Table, config: &Config, now: u64) -> Option<String> {
        let (most, per_hour) = (config.accounts.most, config.accounts.most_per_hour);
        if table.records().count() >= most {
            return Some(format!(
                "there are {most} accounts, and accounts.most allows no more\nhint: sudo hubctl user prune shows those \
                 without a person; or raise it on the host: sudo hubctl config set accounts.most NUMBER"
            ));
        }
        (table.made_since(now.saturating_sub(HOUR)) >= per_hour).then(|| {
            format!(
                "{per_hour} accounts were made within an hour, and accounts.most_per_hour allows no more\nhint: if that \
                 was a class, wait or raise it on the host: sudo hubctl config set accounts.most_per_hour NUMBER"
            )
        })
    }

    /// Why somebody was refused an account, or which accounts can be logged in to, as long as that is still so.
    pub(super) fn problem(&self, config: &Config) -> Result<Option<String>> {
        if let Some(problem) = logins::problem(&self.machine.open(&self.table()?)?) {
            return Ok(Some(problem));
        }
        if !self.has_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let problem = Self::crowded(&self.table()?, config, now());
        self.has_refused.store(problem.is_some(), Ordering::Relaxed);
        Ok(problem)
    }

    /// A name and a number that nobody has or ever had here. An account, a group or a home that is there already is
    /// somebody else's.
    fn reserve(&self, table: &Table, name: &Username, config: &Config) -> Result<Record> {
        if let Some(problem) = Self::crowded(table, config, now()) {
            self.has_refused.store(true, Ordering::Relaxed);
            bail!("{problem}");
        }
        let uid = table.next_uid(|number| self.machine.is_number_taken(number))?;
        for account in account_names(&config.accounts.prefix, name) {
            let is_taken = table.knows_account(&account)
                || self.machine.account_by_name(&account)?.is_some()
                || self.machine.is_group(&account)?
                || [&config.accounts.homes, &self.former_homes].iter().any(|homes| is_there(&homes.join(&account)));
            if is_taken {
                tracing::info!(user = %name, account, "this account, group or home is somebody else's; trying the next name");
                continue;
            }
            return Ok(Record { name: name.clone(), account, uid, created: now() });
        }
        bail!("every account name for `{name}` is taken")
    }

    fn make(&self, record: &Record, config: &Config) -> Result<Account> {
        if self.machine.is_number_taken(record.uid)? {
            bail!(
                "account `{}` of `{}` is missing and its uid {} belongs to somebody else",
                record.account,
                record.name,
                record.uid
            );
        }
        let home = self.home_to_be(record, config);
        let account = NewAccount { name: &record.account, uid: record.uid, home: &home, group: USERS_GROUP };
        self.machine.add(&account).with_context(|| format!("making unix account `{}`", record.account))?;
        tracing::info!(user = %record.name, account = record.account, uid = record.uid, "made a unix account");
        match self.machine.account_by_name(&record.account)? {
            Some(account) => Ok(account),
            None => bail!("unix account `{}` can't be found although it was just made", record.account),
        }
    }

    /// Where the home of an account is that has to be made: one that an uninstall or a backup kept may be where earlier versions
    /// made it.
    fn home_to_be(&self, record: &Record, config: &Config) -> PathBuf {
        let (home, former) = (config.accounts.homes.join(&record.account), self.former_homes.join(&record.account));
        if !is_there(&home) && is_there(&former) { former } else { home }
    }

    fn with_home(&self, record: &Record, account: Account) -> Result<Account> {
        let account = own(record, account)?;
        let outcome = self.machine.ensure_home(&self.home(&account.home, account.uid, account.gid)).map_err(explain)?;
        if outcome != Outcome::AlreadyThere {
            tracing::info!(user = %record.name, path = %account.home.display(), ?outcome, "prepared a home");
        }
        Ok(account)
    }

    fn home<'a>(&'a self, path: &'a Path, uid: u32, gid: u32) -> Home<'a> {
        Home { path, uid, gid, skeleton: &self.skeleton, link: Some((CLASS_LINK, &self.class_folder)) }
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The account, if it is the one that the table means.
fn own(record: &Record, account: Account) -> Result<Account> {
    if account.uid != record.uid {
        bail!(
            "unix account `{}` has uid {}, but that of `{}` had uid {}; it was not touched",
            account.name,
            account.uid,
            record.name,
            record.uid
        );
    }
    Ok(account)
}

/// The launcher's sandbox opens the directory of homes and nothing else.
fn explain(error: anyhow::Error) -> anyhow::Error {
    let is_read_only = error.chain().any(|cause| {
        cause.downcast_ref::<Errno>() == Some(&Errno::EROFS)
            || cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem)
    });
    if !is_read_only {
        return error;
    }
    anyhow::anyhow!(
        "{error:#}\nhint: the launcher may only write where its unit allows; have it told where homes are: sudo hubctl config apply, then \
         sudo systemctl restart hubd-launcher.service"
    )
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
