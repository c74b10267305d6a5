use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;

use super::*;
use crate::action::{Contents, FileKind, Ownership};
use crate::undo::Undo;

/// A machine that is a list of files, and that can lose power before any change to it or to the receipt.
#[derive(Clone, Default)]
struct Model {
    files: BTreeMap<PathBuf, String>,
    backups: BTreeMap<PathBuf, String>,
    receipt: Option<Receipt>,
    started_with: Option<BTreeMap<PathBuf, String>>,
    /// Changes until the power goes; `None`: it stays.
    power: Option<usize>,
}

impl Model {
    fn tick(&mut self) -> Result<()> {
        match &mut self.power {
            Some(0) => bail!("the power went"),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }
}

fn parts(action: &Action) -> (&PathBuf, &String) {
    let Action::File { path, contents: Contents::Text(text), .. } = action else { panic!("{action:?}") };
    (path, text)
}

impl Ground for Model {
    fn check(&mut self, action: &Action, receipt: &Receipt, _: Option<&StepRecord>) -> Result<Check> {
        if *action == Action::Services {
            let current = self.started_with.as_ref() == Some(&self.files) && receipt.restarts.is_empty();
            return Ok(if current { Check::Satisfied(None) } else { Check::Needed { exists: false, undo: None } });
        }
        let (path, text) = parts(action);
        Ok(match self.files.get(path) {
            Some(found) if found == text => Check::Satisfied(None),
            Some(_) => {
                let (path, backup) = (path.clone(), path.with_extension("backup"));
                let undo = Undo::RestoreFile { path, sha256: Some(text.clone()), backup, mode: 0o644, uid: 0, gid: 0 };
                Check::Needed { exists: true, undo: Some(undo) }
            }
            None => {
                let undo = Undo::RemoveFile { path: path.clone(), sha256: Some(text.clone()) };
                Check::Needed { exists: false, undo: Some(undo) }
            }
        })
    }

    fn act(&mut self, action: &Action, receipt: &Receipt, _: Option<&StepRecord>) -> Result<Option<String>> {
        self.tick()?;
        if *action == Action::Services {
            self.started_with = Some(self.files.clone());
            return self.tick().map(|()| None);
        }
        let (path, text) = parts(action);
        let undo = receipt.step(&id(path)).and_then(|record| record.undo.clone());
        if let (Some(Undo::RestoreFile { backup, .. }), Some(found)) = (undo, self.files.get(path).cloned()) {
            self.backups.entry(backup).or_insert(found);
            self.tick()?;
        }
        self.files.insert(path.clone(), text.clone());
        self.tick()?;
        Ok(None)
    }
}

struct Silent;

impl Watcher for Silent {
    fn begins(&mut self, _: Position, _: &Step) {}
    fn ends(&mut self, _: Position, _: &Step, _: Option<Outcome>) {}
    fn satisfied(&mut self, _: &Step) {}
}

fn id(path: &std::path::Path) -> String {
    format!("file:{}", path.display())
}

fn file(path: &str, text: &str) -> Step {
    let path = PathBuf::from(path);
    Step {
        id: id(&path),
        title: path.display().to_string(),
        action: Action::File {
            path,
            contents: Contents::Text(text.into()),
            owner: Ownership::root(0o644),
            kind: FileKind::Program,
        },
        restarts: vec!["hubd.service".into()],
    }
}

fn plan(version: &str) -> Vec<Step> {
    let services = Step { id: "services".into(), title: "services".into(), action: Action::Services, restarts: Vec::new() };
    vec![file("/new", version), file("/replaced", version), file("/same", "same"), services]
}

fn machine() -> Model {
    let files = [("/replaced", "theirs"), ("/same", "same"), ("/other", "other")];
    Model { files: files.map(|(path, text)| (path.into(), text.to_owned())).into(), ..Model::default() }
}

fn apply(model: &mut Model, plan: &[Step]) -> Result<Applied> {
    let mut receipt = model.receipt.clone().unwrap_or_default();
    // The ground and the saving share one supply of power.
    let shared = std::cell::RefCell::new(std::mem::take(model));
    struct Shared<'a>(&'a std::cell::RefCell<Model>);
    impl Ground for Shared<'_> {
        fn check(&mut self, action: &Action, receipt: &Receipt, earlier: Option<&StepRecord>) -> Result<Check> {
            self.0.borrow_mut().check(action, receipt, earlier)
        }
        fn act(&mut self, action: &Action, receipt: &Receipt, earlier: Option<&StepRecord>) -> Result<Option<String>> {
            self.0.borrow_mut().act(action, receipt, earlier)
        }
    }
    let mut save = |receipt: &Receipt| {
        let mut model = shared.borrow_mut();
        model.tick()?;
        model.receipt = Some(receipt.clone());
        model.tick()
    };
    let pending: Vec<String> = plan.iter().map(|step| step.id.clone()).collect();
    let applied = run(plan, &pending, &mut receipt, &mut Shared(&shared), &mut save, &mut Silent);
    *model = shared.into_inner();
    applied
}

/// What an uninstall would leave.
fn undone(model: &Model) -> BTreeMap<PathBuf, String> {
    let mut files = model.files.clone();
    for record in model.receipt.iter().flat_map(|receipt| receipt.steps.iter().rev()) {
        match &record.undo {
            Some(Undo::RemoveFile { path, .. }) => {
                files.remove(path);
            }
            Some(Undo::RestoreFile { path, backup, .. }) => {
                if let Some(former) = model.backups.get(backup) {
                    files.insert(path.clone(), former.clone());
                }
            }
            _ => {}
        }
    }
    files
}

#[test]
fn a_second_run_changes_nothing_and_saves_nothing() {
    let mut model = machine();
    let first = apply(&mut model, &plan("1")).unwrap();
    let outcomes: Vec<_> = first.changed.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, [Outcome::Created, Outcome::Changed, Outcome::Created]);
    model.power = Some(0);
    assert_eq!(apply(&mut model, &plan("1")).unwrap(), Applied::default());
}

#[test]
fn what_was_there_before_is_never_undone() {
    let mut model = machine();
    apply(&mut model, &plan("1")).unwrap();
    assert_eq!(model.receipt.as_ref().unwrap().step("file:/same").unwrap().outcome, Outcome::AlreadyThere);
    assert_eq!(undone(&model), machine().files);
}

#[test]
fn a_power_cut_at_any_moment_is_survived() {
    let mut cuts = 0;
    loop {
        let mut model = Model { power: Some(cuts), ..machine() };
        if apply(&mut model, &plan("1")).is_ok() {
            break;
        }
        assert_eq!(undone(&model), machine().files, "uninstalled after cut {cuts}");
        model.power = None;
        apply(&mut model, &plan("1")).unwrap();
        assert_eq!(model.files[&PathBuf::from("/new")], "1");
        assert_eq!(model.started_with.as_ref(), Some(&model.files), "services run with what is on disk, cut {cuts}");
        assert!(model.receipt.as_ref().unwrap().steps.iter().all(|record| record.state == State::Done));
        assert_eq!(undone(&model), machine().files, "uninstalled after cut {cuts} and a second run");
        cuts += 1;
    }
    assert!(cuts > 15, "only {cuts} moments were tried");
}

#[test]
fn a_power_cut_during_an_upgrade_is_survived() {
    for cuts in 0..40 {
        let mut model = machine();
        apply(&mut model, &plan("1")).unwrap();
        model.power = Some(cuts);
        let cut = apply(&mut model, &plan("2")).is_err();
        assert_eq!(undone(&model), machine().files, "uninstalled after cut {cuts}");
        model.power = None;
        apply(&mut model, &plan("2")).unwrap();
        assert_eq!(model.started_with.as_ref(), Some(&model.files), "cut {cuts}");
        assert_eq!(undone(&model), machine().files, "cut {cuts}");
        if !cut {
            return;
        }
    }
    panic!("the upgrade never came to its end");
}

#[test]
fn a_step_that_fails_leaves_a_receipt_that_says_so() {
    let mut model = Model { power: Some(3), ..machine() };
    let error = apply(&mut model, &plan("1")).unwrap_err();
    assert_eq!(format!("{error:#}"), "installing /new: the power went");
    let receipt = model.receipt.unwrap();
    assert!(!receipt.complete);
    assert_eq!(receipt.step("file:/new").unwrap().state, State::Started);
}

/// What it was told of steps that change something: title, number, how many there are.
#[derive(Default)]
struct Told(Vec<(String, usize, usize)>);

impl Watcher for Told {
    fn begins(&mut self, _: Position, _: &Step) {}
    fn ends(&mut self, at: Position, step: &Step, _: Option<Outcome>) {
        self.0.push((step.title.clone(), at.number(), at.total));
    }
    fn satisfied(&mut self, _: &Step) {}
}

#[test]
fn steps_are_counted_without_a_gap_whatever_came_about_meanwhile() {
    let (mut model, mut told) = (machine(), Told::default());
    // `/same` came about since it was looked at, as packages do that are installed in the background; `/replaced` did not
    // need anything then.
    let pending = ["file:/new", "file:/same", "services"].map(str::to_owned);
    run(&plan("1"), &pending, &mut Receipt::default(), &mut model, &mut |_| Ok(()), &mut told).unwrap();
    let numbers: Vec<_> = told.0.iter().map(|(title, number, total)| (title.as_str(), *number, *total)).collect();
    assert_eq!(numbers, [("/new", 1, 3), ("/replaced", 2, 4), ("/same", 3, 4), ("services", 4, 4)]);
}
