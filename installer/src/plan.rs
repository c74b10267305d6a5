//! Which steps an install takes, in which order. Pure: the same options, facts and texts give the same plan.

use std::path::PathBuf;

use hub_core::config::{self, Config};
use hub_core::listener;
use hub_core::packages::Requirement;
use hub_core::paths::Paths;
use hub_core::programs;
use hub_core::units::{LAUNCHER, SERVE};
use hub_system::accounts::homes;
use hub_system::distribution;

use crate::sudoers;
use anyhow::{Context, Result};

use crate::action::{Action, Contents, FileKind, Leaving, Ownership};
use crate::facts::{ConfigFact, Facts, OWN_GROUPS, OWN_USERS};
use crate::network::Network;
use crate::options::Options;
use crate::{assets, settings};

/// One thing to do, undone as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The same for the same step in every version.
    pub id: String,
    /// For people, as in "group `hubd`".
    pub title: String,
    /// What it takes.
    pub action: Action,
    /// Units that must start anew when this changes something.
    pub restarts: Vec<String>,
}

/// The step that builds the shared environment.
pub const ENVIRONMENT: &str = "environment";
/// nbgitpuller calls it.
const FOR_STUDENTS: &str = "git";

/// The steps that bring the machine to where `options` want it.
///
/// # Errors
/// When what is asked for makes no valid configuration.
pub fn build(paths: &Paths, facts: &Facts, options: &Options, network: &Network) -> Result<Vec<Step>> {
    let text = settings::config(facts, options)?;
    let config = config::parse(&text, "config.toml").map_err(anyhow::Error::from).context("preparing the configuration")?;
    let mut plan = Plan { steps: Vec::new() };
    plan.packages_at_once(facts);
    plan.accounts(paths);
    if let Ok(Some(_)) = &facts.leftovers {
        plan.add("leftovers", "give back homes and logins that an uninstall kept", Action::Leftovers);
    }
    plan.directories(paths);
    plan.programs(paths, options);
    if options.bundle.is_some() {
        plan.add("bundle", "the wheels of the bundle", Action::Bundle);
    }
    plan.settings(paths, configuration(facts, text), network);
    plan.units(paths, &config);
    plan.homes(paths, facts);
    plan.guards(paths);
    plan.add("uv", "uv, which builds Python environments", Action::Uv);
    let packages = settings::packages(facts, options);
    plan.add(ENVIRONMENT, environment_title(&packages), Action::Environment { packages });
    plan.packages_later(facts);
    plan.packages_kept();
    plan.add("services", "the hub's services, running and started at boot", Action::Services);
    plan.add(
        "people",
        format!("enrolled: {}", names(&config)),
        Action::People { admins: config.roles.admins.clone(), password: first_password(options) },
    );
    Ok(plan.steps)
}

/// Whose each file and directory is that an install puts in its place, whatever is in it.
pub fn places(paths: &Paths, config: &Config) -> Vec<(PathBuf, Ownership)> {
    let mut plan = Plan { steps: Vec::new() };
    plan.directories(paths);
    plan.programs(paths, &Options::default());
    plan.settings(paths, Contents::Text(String::new()), &Network::default());
    plan.units(paths, config);
    plan.guards(paths);
    let place = |step: Step| match step.action {
        Action::Directory { path, owner, .. } | Action::File { path, owner, .. } => Some((path, owner)),
        _ => None,
    };
    plan.steps.into_iter().filter_map(place).collect()
}

/// `text` in place of the configuration that was looked at.
fn configuration(facts: &Facts, text: String) -> Contents {
    let from = match &facts.config {
        ConfigFact::Valid(source, _) => Some(source.clone()),
        ConfigFact::Absent | ConfigFact::Broken(_) => None,
    };
    Contents::Configuration { from, text }
}

fn environment_title(packages: &[Requirement]) -> String {
    let names = ["JupyterLab"].into_iter().chain(packages.iter().map(Requirement::as_str));
    format!("shared Python environment with {}", names.collect::<Vec<_>>().join(", "))
}

fn names(config: &Config) -> String {
    config.roles.admins.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

fn first_password(options: &Options) -> Option<(hub_core::accounts::Username, crate::action::Secret)> {
    let (name, password) = (options.admins.first()?, options.admin_password.as_ref()?);
    Some((name.clone(), crate::action::Secret(password.clone())))
}

/// Missing packages: those the install needs, and those it does not.
fn split(facts: &Facts) -> (Vec<String>, Vec<String>) {
    facts.system.missing_packages.iter().cloned().partition(|name| name != FOR_STUDENTS)
}

struct Plan {
    steps: Vec<Step>,
}

impl Plan {
    fn add(&mut self, id: impl Into<String>, title: impl Into<String>, action: Action) {
        self.steps.push(Step { id: id.into(), title: title.into(), action, restarts: Vec::new() });
    }

    /// What the install itself needs comes at once; what only students need comes while the environment is built.
    fn packages_at_once(&mut self, facts: &Facts) {
        let (needed, later) = split(facts);
        if !needed.is_empty() {
            self.add("packages", format!("distribution packages: {}", needed.join(", ")), Action::Packages { names: needed });
        }
        if !later.is_empty() {
            let title = format!("distribution packages, begun in the background: {}", later.join(", "));
            self.add("packages-begun", title, Action::PackagesAhead { names: later });
        }
    }

    fn packages_later(&mut self, facts: &Facts) {
        let (_, names) = split(facts);
        if !names.is_empty() {
            let title = format!("distribution packages for students: {}", names.join(", "));
            self.add("packages-for-students", title, Action::Packages { names });
        }
    }

    fn accounts(&mut self, paths: &Paths) {
        for name in OWN_GROUPS {
            self.add(format!("group:{name}"), format!("group `{name}`"), Action::Group { name: name.to_owned() });
        }
        for (name, comment) in OWN_USERS {
            let action = Action::User { name: name.to_owned(), comment: comment.to_owned(), home: paths.no_home() };
            self.add(format!("user:{name}"), format!("account `{name}` for the {comment}"), action);
        }
    }

    fn directory(&mut self, path: PathBuf, owner: Ownership, leaving: Leaving) {
        let id = format!("directory:{}", path.display());
        self.add(id, format!("directory `{}`", path.display()), Action::Directory { path, owner, leaving });
    }

    fn directories(&mut self, paths: &Paths) {
        let root = Ownership::root(0o755);
        self.directory(paths.config_directory(), root, Leaving::Keep);
        self.directory(paths.secrets(), Ownership::root(0o700), Leaving::Keep);
        self.directory(paths.program_directory(), root, Leaving::RemoveEmpty);
        self.directory(paths.binaries(), root, Leaving::RemoveEmpty);
        let trees = [paths.share(), paths.documents(), paths.environments(), paths.bundle(), paths.jupyter(), paths.tools()];
        for path in trees {
            self.directory(path, root, Leaving::RemoveTree);
        }
        self.directory(paths.environment_mount(), root, Leaving::RemoveEmpty);
        self.directory(paths.state(), Ownership { user: "hubd", group: "hubd", mode: 0o700 }, Leaving::Keep);
        let certificates = Ownership { user: "hubd-certificates", group: "hubd-certificates", mode: 0o750 };
        self.directory(paths.certificates(), certificates, Leaving::RemoveTree);
        self.directory(paths.launcher_state(), Ownership::root(0o700), Leaving::RemoveTree);
        self.directory(paths.environment_state(), Ownership::root(0o700), Leaving::RemoveTree);
        self.directory(paths.upgrade_state(), Ownership::root(0o700), Leaving::RemoveTree);
        // What is made in it gets its group: the hub reads how backups are doing.
        let backup = Ownership { user: "root", group: "hubd", mode: 0o2750 };
        self.directory(paths.backup_state(), backup, Leaving::RemoveTree);
        let class = Ownership { user: "root", group: "hubd-admins", mode: 0o2775 };
        self.directory(paths.class_folder(), class, Leaving::Keep);
    }

    fn file(&mut self, path: PathBuf, what: &str, contents: Contents, owner: Ownership, kind: FileKind, restarts: &[&str]) {
        self.steps.push(Step {
            id: format!("file:{}", path.display()),
            title: format!("{what} `{}`", path.display()),
            action: Action::File { path, contents, owner, kind },
            restarts: restarts.iter().map(|unit| (*unit).to_owned()).collect(),
        });
    }

    fn programs(&mut self, paths: &Paths, options: &Options) {
        for program in programs::all() {
            let contents = Contents::CopyOf(options.programs.join(program.name));
            let (path, owner) = (paths.binaries().join(program.name), Ownership::root(0o755));
            self.file(path, "program", contents, owner, FileKind::Program, &program.restarts);
        }
        let link = paths.hubctl_link();
        let action = Action::Link { path: link.clone(), target: paths.binaries().join("hubctl") };
        self.add(format!("link:{}", link.display()), format!("link `{}`", link.display()), action);
        for (name, text) in assets::DOCUMENTS {
            let contents = Contents::Text(text.to_owned());
            self.file(paths.documents().join(name), "document", contents, Ownership::root(0o644), FileKind::Program, &[]);
        }
    }

    fn settings(&mut self, paths: &Paths, config: Contents, network: &Network) {
        let owner = Ownership { user: "root", group: "hubd", mode: 0o640 };
        self.file(paths.config_file(), "configuration", config, owner, FileKind::Settings, &[LAUNCHER, SERVE]);
        self.add("network", "what builds and servers are told of the network", Action::Network { text: network.text() });
        let contents = Contents::Text(sudoers::RULES.to_owned());
        self.file(paths.sudoers(), "sudo rules", contents, Ownership::root(0o440), FileKind::SudoRules, &[]);
    }

    fn units(&mut self, paths: &Paths, config: &Config) {
        for (path, text) in [
            (paths.tmpfiles(), assets::TMPFILES),
            (paths.users_journal_settings(), assets::USERS_JOURNAL),
            (paths.kernel_settings(), assets::KERNEL),
        ] {
            let contents = Contents::Text(text.to_owned());
            self.file(path, "systemd settings", contents, Ownership::root(0o644), FileKind::Unit, &[]);
        }
        // Where there is no PAM, nobody asks it.
        let contents = Contents::Text(assets::PAM.to_owned());
        self.file(paths.pam_service(), "what PAM does for the hub, in", contents, Ownership::root(0o644), FileKind::Unit, &[]);
        for (name, text) in assets::UNITS {
            let contents = Contents::Text(text.to_owned());
            self.file(paths.units().join(name), "unit", contents, Ownership::root(0o644), FileKind::Unit, &[name]);
        }
        self.drop_in(paths, "hubd.socket", "listen.conf", listener::drop_in(config));
    }

    fn homes(&mut self, paths: &Paths, facts: &Facts) {
        // Preflight says why there is none.
        let Ok(place) = &facts.homes else { return };
        for path in &place.missing {
            // Others may have something in those above.
            let mode = if *path == place.real { homes::HOMES_MODE } else { homes::ABOVE_MODE };
            self.directory(path.clone(), Ownership::root(mode), Leaving::RemoveEmpty);
        }
        self.drop_in(paths, LAUNCHER, "homes.conf", homes::drop_in(&place.real));
    }

    /// Against software of the distribution that restarts or removes what it does not know.
    fn guards(&mut self, paths: &Paths) {
        let path = paths.needrestart();
        // needrestart may be installed later, and then reads what is there.
        for directory in path.ancestors().skip(1).take(2).collect::<Vec<_>>().into_iter().rev() {
            self.directory(directory.to_owned(), Ownership::root(0o755), Leaving::RemoveEmpty);
        }
        let contents = Contents::Text(assets::NEEDRESTART.to_owned());
        self.file(path, "what needrestart leaves alone, in", contents, Ownership::root(0o644), FileKind::Generated, &[]);
    }

    /// After apt has installed whatever was missing: what it knows of packages it writes anew at its end.
    fn packages_kept(&mut self) {
        let names = distribution::needed_packages().into_iter().map(str::to_owned).collect();
        self.add("packages-kept", "apt keeps the distribution packages that the hub needs", Action::KeepPackages { names });
    }

    fn drop_in(&mut self, paths: &Paths, unit: &str, name: &str, text: String) {
        let directory = paths.units().join(format!("{unit}.d"));
        self.directory(directory.clone(), Ownership::root(0o755), Leaving::RemoveEmpty);
        let contents = Contents::Text(text);
        self.file(directory.join(name), "drop-in", contents, Ownership::root(0o644), FileKind::Generated, &[unit]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::tests::{configured, machine, options};

    fn plan(facts: &Facts, options: &Options) -> Vec<Step> {
        build(&Paths::default(), facts, options, &Network::default()).unwrap()
    }

    fn position(steps: &[Step], id: &str) -> usize {
        steps.iter().position(|step| step.id == id).unwrap_or_else(|| panic!("no step {id}"))
    }

    #[test]
    fn what_others_need_comes_first() {
        let mut facts = machine();
        facts.system.missing_packages.push("dbus".into());
        let steps = plan(&facts, &options());
        for (first, then) in [
            ("packages", "group:hubd"),
            ("packages-begun", "environment"),
            ("environment", "packages-for-students"),
            ("packages-for-students", "services"),
            ("group:hubd", "user:hubd"),
            ("user:hubd", "directory:/var/lib/hubd"),
            ("directory:/opt/hubd", "directory:/opt/hubd/bin"),
            ("directory:/opt/hubd/bin", "file:/opt/hubd/bin/hubd"),
            ("file:/opt/hubd/bin/hubctl", "link:/usr/local/bin/hubctl"),
            ("directory:/etc/hubd", "file:/etc/hubd/config.toml"),
            ("file:/etc/systemd/system/hubd.socket", "services"),
            ("directory:/etc/systemd/system/hubd.socket.d", "file:/etc/systemd/system/hubd.socket.d/listen.conf"),
            ("file:/etc/hubd/config.toml", "services"),
            ("environment", "services"),
            ("services", "people"),
        ] {
            assert!(position(&steps, first) < position(&steps, then), "{first} before {then}");
        }
    }

    #[test]
    fn every_step_has_an_id_of_its_own() {
        let steps = plan(&machine(), &options());
        let mut ids: Vec<_> = steps.iter().map(|step| &step.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), steps.len());
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        assert_eq!(plan(&machine(), &options()), plan(&machine(), &options()));
    }

    #[test]
    fn optional_steps_are_there_when_needed() {
        let mut facts = machine();
        let has = |facts: &Facts, id: &str| plan(facts, &options()).iter().any(|step| step.id == id);
        assert!(!has(&facts, "packages") && has(&facts, "packages-for-students") && !has(&facts, "leftovers"));
        facts.system.missing_packages = vec!["dbus".into()];
        facts.leftovers = Ok(Some(crate::leftovers::Leftovers::default()));
        assert!(has(&facts, "packages") && !has(&facts, "packages-for-students") && has(&facts, "leftovers"));
    }

    #[test]
    fn homes_are_opened_to_the_launcher_where_they_really_are() {
        let (real, missing) = (PathBuf::from("/data/class/homes"), vec!["/data/class".into(), "/data/class/homes".into()]);
        let steps = plan(&Facts { homes: Ok(crate::facts::Homes { real, missing }), ..machine() }, &options());
        let id = "file:/etc/systemd/system/hubd-launcher.service.d/homes.conf";
        let Action::File { contents: Contents::Text(text), .. } = &steps[position(&steps, id)].action else { panic!() };
        let expected = "[Unit]\nRequiresMountsFor=/data/class/homes\n[Service]\nReadWritePaths=-/data/class/homes\n";
        assert!(text.ends_with(expected), "{text}");
        assert!(position(&steps, "directory:/data/class") < position(&steps, "directory:/data/class/homes"));
        let mode = |id: &str| match &steps[position(&steps, id)].action {
            Action::Directory { owner, .. } => owner.mode,
            other => panic!("{other:?}"),
        };
        assert_eq!((mode("directory:/data/class"), mode("directory:/data/class/homes")), (0o755, 0o700));
        assert!(!plan(&machine(), &options()).iter().any(|step| step.id == "directory:/home"), "what is there is left as it is");
    }

    #[test]
    fn what_tidies_up_is_told_of_the_hub_and_what_people_say_is_bounded() {
        let steps = plan(&machine(), &options());
        for (path, expected) in [
            ("/etc/needrestart/conf.d/hubd.conf", assets::NEEDRESTART),
            ("/etc/systemd/journald@hubd-users.conf", assets::USERS_JOURNAL),
            ("/etc/tmpfiles.d/hubd.conf", assets::TMPFILES),
        ] {
            let step = &steps[position(&steps, &format!("file:{path}"))];
            let Action::File { contents: Contents::Text(text), .. } = &step.action else { panic!("{step:?}") };
            assert_eq!(text, expected, "{path}");
        }
        let Action::KeepPackages { names } = &steps[position(&steps, "packages-kept")].action else { panic!() };
        assert_eq!(*names, distribution::needed_packages());
    }

    /// A program that is started for one, as `systemd --user`, finds nothing of that account's to obey.
    #[test]
    fn accounts_of_the_hub_have_no_home() {
        let homes: Vec<_> = plan(&machine(), &options())
            .into_iter()
            .filter_map(|step| if let Action::User { name, home, .. } = step.action { Some((name, home)) } else { None })
            .collect();
        assert_eq!(homes.len(), OWN_USERS.len());
        assert!(homes.iter().all(|(_, home)| home.as_os_str() == "/nonexistent"), "{homes:?}");
    }

    #[test]
    fn the_environment_says_what_is_in_it() {
        let title = |options: &Options| {
            let steps = plan(&machine(), options);
            steps[position(&steps, ENVIRONMENT)].title.clone()
        };
        assert_eq!(title(&options()), "shared Python environment with JupyterLab, numpy, pandas, matplotlib");
        let none = Options { packages: Some(Vec::new()), ..options() };
        assert_eq!(title(&none), "shared Python environment with JupyterLab");
    }

    #[test]
    fn the_hub_listens_where_it_is_told() {
        let options = Options { listen: Some("127.0.0.1:8000".parse().unwrap()), ..options() };
        let steps = plan(&machine(), &options);
        let step = &steps[position(&steps, "file:/etc/systemd/system/hubd.socket.d/listen.conf")];
        let Action::File { contents: Contents::Text(text), .. } = &step.action else { panic!("{step:?}") };
        assert!(text.contains("ListenStream=\nListenStream=127.0.0.1:8000\n"), "{text}");
        assert_eq!(step.restarts, ["hubd.socket"]);
    }

    #[test]
    fn everybody_configured_as_admin_is_enrolled_and_only_the_first_named_gets_the_password() {
        let facts = Facts { config: configured("[roles]\nadmins = [\"eve\"]\n"), ..machine() };
        let options = Options { admin_password: Some("long enough".into()), ..options() };
        let steps = plan(&facts, &options);
        let Action::People { admins, password } = &steps[position(&steps, "people")].action else { panic!() };
        assert_eq!(admins.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["eve", "ada"]);
        assert_eq!(password.as_ref().map(|(name, _)| name.as_str()), Some("ada"));
        assert!(!format!("{steps:?}").contains("long enough"));
    }
}
