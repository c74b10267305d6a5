use fs_err as fs;
use serde_json::json;

use super::*;

#[test]
fn a_way_back_that_fails_is_told_and_can_be_tried_again() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    for path in [paths.upgrade_pending(), paths.upgrade_turn(), paths.upgrade_lock(), paths.upgrade_record()] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    // The power was cut in the middle, and the disk lost the copies.
    fs::write(paths.upgrade_pending(), "").unwrap();
    let running = json!({ "number": 1, "who": "ada", "when": "then", "state": "running", "plan": [] });
    let store = JobStore::new(&paths);
    store.save(&serde_json::from_value(running).unwrap()).unwrap();
    for _ in 0..2 {
        work(&paths).unwrap();
        let record = store.record().unwrap().unwrap();
        assert_eq!(record.state, State::Failed);
        assert_eq!(record.reason.as_deref(), Some("it was interrupted before the new version was known to be well"));
        let hint = record.hint.unwrap();
        assert!(hint.starts_with("going back did not work either: "), "{hint}");
        let copies = format!("What was there before lies in `{}`", paths.upgrade_before().display());
        assert!(hint.contains(&copies) && hint.contains("`systemctl start hubd-upgrade` tries it once more"), "{hint}");
        assert!(paths.upgrade_pending().exists(), "nothing would try it once more");
    }
}
