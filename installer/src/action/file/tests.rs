use super::*;
use crate::receipt::Outcome;

struct Sandbox {
    _root: tempfile::TempDir,
    paths: Paths,
    path: PathBuf,
}

fn sandbox() -> Sandbox {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    let path = paths.units().join("hubd.service");
    std::fs::create_dir_all(paths.units()).unwrap();
    Sandbox { _root: root, paths, path }
}

impl Sandbox {
    fn place(&self, kind: FileKind) -> Place<'_> {
        Place { path: &self.path, owner: Ownership::root(0o644), kind }
    }

    fn check(&self, kind: FileKind, text: &str, earlier: Option<&StepRecord>) -> Check {
        check(&self.paths, &self.place(kind), &Contents::Text(text.into()), earlier).unwrap()
    }

    /// Checks and writes as the apply loop does, and returns the record it would keep.
    fn install(&self, kind: FileKind, text: &str, earlier: Option<&StepRecord>) -> (StepRecord, Option<String>) {
        let Check::Needed { undo, .. } = self.check(kind, text, earlier) else { panic!("nothing to do") };
        let known = earlier.and_then(|record| record.undo.clone());
        let undo = known.map_or(undo.clone(), |known| Some(known.renewed(undo.as_ref())));
        let record = StepRecord { id: "unit".into(), title: "unit".into(), state: State::Done, outcome: Outcome::Created, undo };
        let contents = Contents::Text(text.into());
        let note = write(&self.paths, &self.place(kind), &contents, earlier, Some(&record)).unwrap();
        (record, note)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }
}

#[test]
fn a_unit_changed_by_hand_stays_until_a_new_version_brings_another() {
    let sandbox = sandbox();
    let (record, _) = sandbox.install(FileKind::Unit, "version 1", None);
    std::fs::write(&sandbox.path, "by hand").unwrap();
    let Check::Satisfied(Some(note)) = sandbox.check(FileKind::Unit, "version 1", Some(&record)) else { panic!() };
    assert!(note.contains("systemctl edit hubd.service"), "{note}");
    let (record, note) = sandbox.install(FileKind::Unit, "version 2", Some(&record));
    assert_eq!(sandbox.text(), "version 2");
    assert!(note.unwrap().contains("your text is in"));
    let copy = sandbox.paths.installer_backups().join(format!("edited-{}", flat_name(&sandbox.path)));
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "by hand");
    assert_eq!(sandbox.check(FileKind::Unit, "version 2", Some(&record)), Check::Satisfied(None));
}

#[test]
fn a_unit_that_was_begun_and_not_written_is_not_taken_for_a_change_by_hand() {
    let sandbox = sandbox();
    std::fs::write(&sandbox.path, "theirs").unwrap();
    let Check::Needed { undo, exists: true } = sandbox.check(FileKind::Unit, "ours", None) else { panic!() };
    let begun = StepRecord { id: "unit".into(), title: "unit".into(), state: State::Started, outcome: Outcome::Changed, undo };
    assert!(matches!(sandbox.check(FileKind::Unit, "ours", Some(&begun)), Check::Needed { .. }));
}

#[test]
fn a_foreign_file_comes_back() {
    let sandbox = sandbox();
    std::fs::write(&sandbox.path, "theirs").unwrap();
    let (record, note) = sandbox.install(FileKind::Program, "ours", None);
    assert_eq!((sandbox.text().as_str(), note), ("ours", None));
    record.undo.unwrap().files(false).unwrap();
    assert_eq!(sandbox.text(), "theirs");
}

#[test]
fn a_damaged_program_is_replaced() {
    let sandbox = sandbox();
    let (record, _) = sandbox.install(FileKind::Program, "program", None);
    std::fs::write(&sandbox.path, "damaged").unwrap();
    assert!(matches!(sandbox.check(FileKind::Program, "program", Some(&record)), Check::Needed { .. }));
}

#[test]
fn wrong_bits_are_put_right() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = sandbox();
    sandbox.install(FileKind::Program, "program", None);
    assert_eq!(sandbox.check(FileKind::Program, "program", None), Check::Satisfied(None));
    std::fs::set_permissions(&sandbox.path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(sandbox.check(FileKind::Program, "program", None), Check::Needed { exists: true, .. }));
}

#[test]
fn settings_stay_at_an_uninstall() {
    let sandbox = sandbox();
    let (record, _) = sandbox.install(FileKind::Settings, "text", None);
    assert_eq!(record.undo, Some(Undo::Keep { path: sandbox.path.clone() }));
}

#[test]
fn a_link_of_somebody_else_is_left_alone() {
    let sandbox = sandbox();
    let (link, target) = (sandbox.paths.units().join("hubctl"), Path::new("/opt/hubd/bin/hubctl"));
    assert!(matches!(check_link(&link, target).unwrap(), Check::Needed { exists: false, .. }));
    make_link(&link, target).unwrap();
    assert_eq!(check_link(&link, target).unwrap(), Check::Satisfied(None));
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/usr/bin/true", &link).unwrap();
    assert!(matches!(check_link(&link, target).unwrap(), Check::Satisfied(Some(_))));
}

#[test]
fn a_directory_that_was_there_is_not_ours_to_remove() {
    let sandbox = sandbox();
    let path = sandbox.paths.below("srv/class");
    let owner = Ownership::root(0o2775);
    let check = |leaving| check_directory(&path, owner, leaving).unwrap();
    let undo = Some(Undo::Keep { path: path.clone() });
    assert_eq!(check(Leaving::Keep), Check::Needed { exists: false, undo });
    std::fs::create_dir_all(&path).unwrap();
    assert_eq!(check(Leaving::Keep), Check::Needed { exists: true, undo: None });
    make_directory(&path, owner).unwrap();
    assert_eq!(check(Leaving::Keep), Check::Satisfied(None));
}
