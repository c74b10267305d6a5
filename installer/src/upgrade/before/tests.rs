use super::*;
use crate::receipt::{Outcome, State, StepRecord};
use crate::undo::Undo;

fn machine() -> (tempfile::TempDir, Paths, Receipt) {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    let program = paths.binaries().join("hub-installer");
    let undo = Undo::RemoveFile { path: program.clone(), sha256: None };
    let step = StepRecord { id: "x".into(), title: "x".into(), state: State::Done, outcome: Outcome::Created, undo: Some(undo) };
    let receipt = Receipt { steps: vec![step], product: "0.1.0".into(), ..Receipt::default() };
    for (path, content) in [
        (program, "old program".to_owned()),
        (paths.config_file(), "old configuration".to_owned()),
        (paths.receipt(), serde_json::to_string(&receipt).unwrap()),
        (paths.accounts(), Table::default().render().unwrap()),
        (paths.database(), "old data".to_owned()),
        (with_end(&paths.database(), "-wal"), "old log".to_owned()),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    (root, paths, receipt)
}

#[test]
fn what_an_upgrade_replaced_comes_back_and_the_rest_is_left_alone() {
    let (_root, paths, receipt) = machine();
    let before = keep(&paths, &receipt).unwrap();
    assert_eq!(load(&paths).unwrap(), before);
    assert_eq!(before.receipt(&paths).unwrap(), receipt);
    assert_eq!(before.restore(&paths).unwrap(), Vec::<PathBuf>::new(), "nothing was changed");
    let program = paths.binaries().join("hub-installer");
    fs::write(&program, "new program").unwrap();
    fs::remove_file(paths.config_file()).unwrap();
    assert_eq!(before.restore(&paths).unwrap(), [program.clone(), paths.config_file()]);
    assert_eq!(fs::read_to_string(program).unwrap(), "old program");
    assert_eq!(fs::read_to_string(paths.config_file()).unwrap(), "old configuration");
}

#[test]
fn the_table_of_accounts_goes_back_only_when_it_can_not_be_read() {
    let (_root, paths, receipt) = machine();
    let before = keep(&paths, &receipt).unwrap();
    let mut table = Table::default();
    let record = hub_system::accounts::table::Record {
        name: "ada".parse().unwrap(),
        account: "jupyter-ada".into(),
        uid: 20_000,
        created: 1,
    };
    table.insert(record).unwrap();
    fs::write(paths.accounts(), table.render().unwrap()).unwrap();
    assert!(before.restore(&paths).unwrap().is_empty());
    fs::write(paths.accounts(), r#"{"version": 99}"#).unwrap();
    assert_eq!(before.restore(&paths).unwrap(), [paths.accounts()]);
}

#[test]
fn the_database_is_copied_once_and_comes_back_whole() {
    let (_root, paths, receipt) = machine();
    keep(&paths, &receipt).unwrap();
    assert!(!restore_database(&paths).unwrap(), "nothing was copied");
    keep_database(&paths).unwrap();
    fs::write(paths.database(), "new data").unwrap();
    fs::remove_file(with_end(&paths.database(), "-wal")).unwrap();
    fs::write(with_end(&paths.database(), "-shm"), "new index").unwrap();
    keep_database(&paths).unwrap();
    assert!(restore_database(&paths).unwrap());
    assert_eq!(fs::read_to_string(paths.database()).unwrap(), "old data");
    assert_eq!(fs::read_to_string(with_end(&paths.database(), "-wal")).unwrap(), "old log");
    assert!(!with_end(&paths.database(), "-shm").exists());
}

#[test]
fn a_link_in_the_hubs_own_directory_leads_nowhere() {
    let (root, paths, receipt) = machine();
    keep(&paths, &receipt).unwrap();
    let secret = root.path().join("shadow");
    fs::write(&secret, "secret").unwrap();
    fs::remove_file(paths.database()).unwrap();
    std::os::unix::fs::symlink(&secret, paths.database()).unwrap();
    assert!(keep_database(&paths).is_err());
    fs::remove_file(paths.database()).unwrap();
    fs::hard_link(&secret, paths.database()).unwrap();
    assert!(keep_database(&paths).unwrap_err().to_string().contains("one name"));
}
