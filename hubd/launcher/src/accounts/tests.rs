//! Whose account is whose, whatever is on the machine already.

use super::fake::FakeMachine;
use super::*;

struct Place {
    _directory: tempfile::TempDir,
    paths: Paths,
    config: Config,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::under(directory.path());
        std::fs::create_dir_all(paths.launcher_state()).unwrap();
        let homes = paths.below("home");
        std::fs::create_dir(&homes).unwrap();
        let source = format!("[accounts]\nhomes = \"{}\"\n", homes.display());
        Self { _directory: directory, paths, config: hub_core::config::parse(&source, "config.toml").unwrap() }
    }

    fn accounts(&self, machine: &FakeMachine) -> Accounts<FakeMachine> {
        Accounts::new(machine.clone(), &self.paths)
    }

    fn ensure(&self, machine: &FakeMachine, name: &str) -> Result<Account> {
        self.accounts(machine).ensure(&user(name), &self.config)
    }
}

fn user(name: &str) -> Username {
    name.parse().unwrap()
}

#[test]
fn a_new_person_gets_an_account_and_keeps_it() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    let made = place.ensure(&machine, "ada").unwrap();
    let home = place.config.accounts.homes.join("jupyter-ada");
    assert_eq!(made, Account { name: "jupyter-ada".to_owned(), uid: 20_000, gid: 20_000, home: home.clone() });
    assert_eq!(machine.state().homes, [home]);
    assert_eq!(place.ensure(&machine, "ada").unwrap(), made);
    assert_eq!(machine.account_names(), ["jupyter-ada"]);
    assert_eq!(place.accounts(&machine).table().unwrap().owner(20_000), Some(&user("ada")));
}

#[test]
fn an_account_that_is_somebody_elses_is_never_taken_over() {
    let place = Place::new();
    let machine = FakeMachine::default().with_account("jupyter-ada", 1001);
    machine.state().groups.push("jupyter-ada-2".to_owned());
    std::fs::create_dir(place.config.accounts.homes.join("jupyter-ada-3")).unwrap();
    let made = place.ensure(&machine, "ada").unwrap();
    assert_eq!((made.name.as_str(), made.uid), ("jupyter-ada-4", 20_000));
}

#[test]
fn a_uid_that_is_somebody_elses_is_never_given() {
    let place = Place::new();
    let machine = FakeMachine::default().with_account("bob", 20_000).with_account("carol", 20_001);
    assert_eq!(place.ensure(&machine, "ada").unwrap().uid, 20_002);
}

#[test]
fn names_that_would_meet_in_one_account_do_not() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    let long = "christopher.robinson.of.the.hundred.acre.wood";
    let names = ["a.b", "a-b", "a_b", "a-b-2", long, &format!("{long}.too"), &format!("{long}-too")];
    let accounts: Vec<Account> = names.iter().map(|name| place.ensure(&machine, name).unwrap()).collect();
    for one in 0..accounts.len() {
        for other in one + 1..accounts.len() {
            assert_ne!(accounts[one].name, accounts[other].name);
            assert_ne!(accounts[one].uid, accounts[other].uid);
            assert_ne!(accounts[one].home, accounts[other].home);
        }
    }
}

#[test]
fn an_interrupted_start_is_completed_with_the_same_account() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    machine.state().refuses = true;
    let error = format!("{:#}", place.ensure(&machine, "ada").unwrap_err());
    assert!(error.starts_with("making unix account `jupyter-ada`: useradd: cannot lock"), "{error}");
    place.ensure(&machine, "bob").unwrap();
    let made = place.ensure(&machine, "ada").unwrap();
    assert_eq!((made.name.as_str(), made.uid), ("jupyter-ada", 20_000));
}

#[test]
fn an_account_from_before_a_reinstall_comes_back_with_its_number() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    let file = TableFile::new(place.paths.accounts());
    let mut guard = file.lock().unwrap();
    let record = Record { name: user("ada"), account: "student-ada".to_owned(), uid: 20_117, created: 5 };
    guard.table.insert(record).unwrap();
    guard.save().unwrap();
    drop(guard);
    let made = place.ensure(&machine, "ada").unwrap();
    assert_eq!((made.name.as_str(), made.uid), ("student-ada", 20_117));
}

#[test]
fn an_account_that_can_be_logged_in_to_is_closed_at_once_and_at_the_next_start() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    for name in ["ada", "bob", "stuck"] {
        place.ensure(&machine, name).unwrap();
    }
    let accounts = place.accounts(&machine);
    assert_eq!(accounts.problem(&place.config).unwrap(), None);
    let open = |names: &[&str]| machine.state().open = names.iter().map(|name| (*name).to_owned()).collect();
    open(&["adalogin", "jupyter-ada", "jupyter-bob"]);
    let problem = accounts.problem(&place.config).unwrap().unwrap();
    assert!(problem.starts_with("unix account `jupyter-ada`, as can 1 more, can be logged in to"), "{problem}");
    place.ensure(&machine, "ada").unwrap();
    assert_eq!(machine.state().open.iter().collect::<Vec<_>>(), ["adalogin", "jupyter-bob"]);
    open(&["adalogin", "jupyter-ada", "jupyter-bob", "jupyter-stuck"]);
    let problems = accounts.close_all().unwrap();
    assert!(problems.len() == 1 && problems[0].starts_with("unix account `jupyter-stuck` of stuck can be"), "{problems:?}");
    assert_eq!(machine.state().open.iter().collect::<Vec<_>>(), ["adalogin", "jupyter-stuck"], "others' accounts are theirs");
}

#[test]
fn a_home_that_an_uninstall_kept_where_homes_were_before_is_used_again() {
    let (mut place, machine) = (Place::new(), FakeMachine::default());
    let former = place.config.accounts.homes.clone();
    place.config.accounts.homes = place.paths.usual_homes();
    let (kept, fresh) = (former.join("jupyter-ada"), place.paths.usual_homes().join("jupyter-bob"));
    std::fs::create_dir(&kept).unwrap();
    let file = TableFile::new(place.paths.accounts());
    let mut guard = file.lock().unwrap();
    for (name, uid) in [("ada", 20_000), ("bob", 20_001)] {
        guard.table.insert(Record { name: user(name), account: format!("jupyter-{name}"), uid, created: 5 }).unwrap();
    }
    guard.save().unwrap();
    drop(guard);
    assert_eq!(place.ensure(&machine, "ada").unwrap().home, kept);
    assert_eq!(place.ensure(&machine, "bob").unwrap().home, fresh);
    std::fs::create_dir(former.join("jupyter-eve")).unwrap();
    assert_eq!(place.ensure(&machine, "eve").unwrap().name, "jupyter-eve-2", "somebody else's home");
}

#[test]
fn an_account_that_changed_under_us_is_refused() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    place.ensure(&machine, "ada").unwrap();
    machine.state().accounts[0].uid = 0;
    let error = place.ensure(&machine, "ada").unwrap_err().to_string();
    assert!(error.starts_with("unix account `jupyter-ada` has uid 0, but that of `ada` had uid 20000"), "{error}");
    let error = place.accounts(&machine).remove(&user("ada"), &place.config, true).unwrap_err().to_string();
    assert!(error.contains("has uid 0"), "{error}");
    assert_eq!(machine.account_names(), ["jupyter-ada"]);
}

#[test]
fn a_missing_account_whose_uid_went_to_somebody_else_is_not_made_again() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    place.ensure(&machine, "ada").unwrap();
    machine.state().accounts.clear();
    let machine = machine.with_account("bob", 20_000);
    let error = place.ensure(&machine, "ada").unwrap_err().to_string();
    assert!(error.contains("its uid 20000 belongs to somebody else"), "{error}");
}

#[test]
fn who_comes_back_after_removal_is_somebody_new() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    place.ensure(&machine, "ada").unwrap();
    assert!(place.accounts(&machine).remove(&user("ada"), &place.config, false).unwrap());
    assert_eq!(machine.account_names(), Vec::<String>::new());
    assert!(!place.accounts(&machine).remove(&user("ada"), &place.config, false).unwrap());
    let made = place.ensure(&machine, "ada").unwrap();
    assert_eq!((made.name.as_str(), made.uid), ("jupyter-ada-2", 20_001));
}

#[test]
fn a_home_that_takes_long_to_delete_holds_up_nobody() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    let made = place.ensure(&machine, "ada").unwrap();
    std::fs::create_dir_all(made.home.join("below")).unwrap();
    std::os::unix::fs::chown(&made.home, Some(made.uid), Some(made.gid)).unwrap();
    let accounts = place.accounts(&machine);
    std::thread::scope(|scope| {
        let guard = accounts.table.lock().unwrap();
        let removal = scope.spawn(|| accounts.remove(&user("ada"), &place.config, true).unwrap());
        while made.home.exists() && !removal.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!made.home.exists());
        drop(guard);
        assert!(removal.join().unwrap());
    });
    assert_eq!(place.accounts(&machine).table().unwrap().find(&user("ada")), None);
}

#[test]
fn a_damaged_table_makes_no_accounts() {
    let (place, machine) = (Place::new(), FakeMachine::default());
    std::fs::write(place.paths.accounts(), "{").unwrap();
    assert!(place.ensure(&machine, "ada").is_err());
    assert_eq!(machine.account_names(), Vec::<String>::new());
}

#[test]
fn names_that_nobody_enrolled_use_up_no_more_numbers_than_root_allows() {
    let (mut place, machine) = (Place::new(), FakeMachine::default());
    (place.config.accounts.most, place.config.accounts.most_per_hour) = (4, 3);
    let accounts = place.accounts(&machine);
    let ensure = |config: &Config, name: &str| accounts.ensure(&user(name), config).map(|account| account.uid);
    assert_eq!(accounts.problem(&place.config).unwrap(), None);
    for number in 0..3 {
        ensure(&place.config, &format!("nobody{number}")).unwrap();
    }
    assert_eq!(accounts.problem(&place.config).unwrap(), None, "nobody was refused");
    let error = ensure(&place.config, "ada").unwrap_err().to_string();
    assert!(error.starts_with("3 accounts were made within an hour"), "{error}");
    assert_eq!(accounts.problem(&place.config).unwrap(), Some(error));
    assert_eq!(ensure(&place.config, "nobody1").unwrap(), 20_001, "who has one keeps it");
    // Retiring gives nothing back within the hour: a number is used up for good.
    accounts.remove(&user("nobody0"), &place.config, false).unwrap();
    assert!(ensure(&place.config, "ada").is_err());
    place.config.accounts.most_per_hour = 100;
    assert_eq!(accounts.problem(&place.config).unwrap(), None);
    ensure(&place.config, "ada").unwrap();
    ensure(&place.config, "bob").unwrap();
    let error = ensure(&place.config, "eve").unwrap_err().to_string();
    assert!(error.starts_with("there are 4 accounts") && error.contains("hint: sudo hubctl user prune"), "{error}");
    accounts.remove(&user("nobody1"), &place.config, false).unwrap();
    ensure(&place.config, "eve").unwrap();
}
