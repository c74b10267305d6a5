//! The whole unit of one student, written out, and what must never get into any.

use std::collections::BTreeMap;

use hub_core::accounts::Username;
use hub_core::config::AppName;

use super::*;

fn account(home: &str) -> Account {
    Account { name: "jupyter-ada".to_owned(), uid: 20_000, gid: 20_001, home: PathBuf::from(home) }
}

fn limits() -> Limits {
    Limits { memory: 1 << 30, swap: 0, cpu_quota: Some(1.5), cpu_weight: 100, tasks: 512, network: true }
}

fn program() -> Program {
    Program {
        argv: vec!["/opt/hubd/env/bin/python".to_owned(), "-m".to_owned(), "server".to_owned()],
        environment: vec![("HOME".to_owned(), "/home/jupyter-ada".to_owned()), ("HUBD_USER".to_owned(), "ada".to_owned())],
    }
}

struct Case {
    name: Username,
    app: Option<AppName>,
    account: Account,
    limits: Limits,
    hidden: Vec<PathBuf>,
    role: Role,
    paths: Paths,
    program: Program,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: "ada".parse().unwrap(),
            app: None,
            account: account("/home/jupyter-ada"),
            limits: limits(),
            hidden: vec!["/home".into(), "/root".into()],
            role: Role::Student,
            paths: Paths::default(),
            program: program(),
        }
    }
}

impl Case {
    fn unit(&self) -> Result<TransientUnit, SpecError> {
        unit(&Order {
            which: Which { name: &self.name, app: self.app.as_ref() },
            title: "Jupyter server",
            has_network: self.app.is_none(),
            account: &self.account,
            role: self.role,
            hub_gid: 990,
            limits: &self.limits,
            stop_timeout: Duration::from_secs(10),
            home: &self.account.home,
            hidden: &self.hidden,
            environment: 3,
            program: self.program.clone(),
            paths: &self.paths,
        })
    }

    fn property(&self, name: &str) -> Value {
        let unit = self.unit().unwrap();
        unit.properties.into_iter().find(|property| property.name == name).unwrap().value
    }
}

fn written(properties: &[Property]) -> Vec<String> {
    properties.iter().map(|property| format!("{} = {:?}", property.name, property.value)).collect()
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| (*item).to_owned()).collect())
}

#[test]
fn the_unit_of_a_student_is_exactly_this() {
    let unit = Case::default().unit().unwrap();
    let mut lines = vec![unit.name.to_string()];
    lines.extend(written(&unit.properties));
    for (name, properties) in &unit.auxiliary {
        lines.push(String::new());
        lines.push(name.to_string());
        lines.extend(written(properties));
    }
    assert_eq!(lines.join("\n") + "\n", include_str!("fixtures/student-unit"));
}

#[test]
fn no_property_is_there_twice() {
    let unit = Case { role: Role::Admin, ..Case::default() }.unit().unwrap();
    for properties in [&unit.properties, &unit.auxiliary[0].1, &unit.auxiliary[1].1, &unit.auxiliary[2].1] {
        let mut seen = BTreeMap::new();
        // One says what is allowed, the next what of that is not.
        for property in properties.iter().filter(|property| property.name != "SystemCallFilter") {
            assert!(seen.insert(property.name, ()).is_none(), "{} is there twice", property.name);
        }
    }
}

#[test]
fn an_administrator_gets_the_class_folder_and_the_admin_socket_and_nothing_else() {
    let (student, admin) = (Case::default().unit().unwrap(), Case { role: Role::Admin, ..Case::default() }.unit().unwrap());
    let (student, admin) = (written(&student.properties), written(&admin.properties));
    let more: Vec<&String> = admin.iter().filter(|line| !student.contains(line)).collect();
    assert_eq!(more.len(), 4, "{more:#?}");
    assert!(more.iter().any(|line| *line == "UMask = Mode(2)"));
    assert!(more.iter().any(|line| line.starts_with("SupplementaryGroups") && line.contains("[\"hubd-admins\"]")));
    assert!(more.iter().any(|line| line.starts_with("ReadWritePaths") && line.contains("[\"-/srv/class\"]")));
    assert!(more.iter().any(|line| line.starts_with("BindPaths") && line.contains("/run/hubd-admin")));
}

#[test]
fn a_teacher_gets_the_same_and_a_helper_the_socket_alone() {
    let lines = |role| written(&Case { role, ..Case::default() }.unit().unwrap().properties);
    let (student, helper) = (lines(Role::Student), lines(Role::Helper));
    assert_eq!(lines(Role::Teacher), lines(Role::Admin));
    let more: Vec<&String> = helper.iter().filter(|line| !student.contains(line)).collect();
    assert_eq!(more.len(), 1, "{more:#?}");
    assert!(more[0].starts_with("BindPaths") && more[0].contains("/run/hubd-admin"), "{more:#?}");
}

#[test]
fn without_network_there_is_nothing_but_loopback() {
    assert_eq!(Case::default().property("PrivateNetwork"), Value::Bool(false));
    let case = Case { limits: Limits { network: false, ..limits() }, ..Case::default() };
    assert_eq!(case.property("PrivateNetwork"), Value::Bool(true));
}

#[test]
fn homes_are_hidden_wherever_they_are() {
    let hidden = |case: &Case| match case.property("TemporaryFileSystem") {
        Value::Places(places) => places.into_iter().map(|(place, _)| place).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(hidden(&Case::default()), ["/run", "/run/user", "/dev/shm", "/home", "/root"]);
    let places = |more: &str| vec!["/home".into(), "/root".into(), more.into()];
    let elsewhere = Case { hidden: places("/data/class"), account: account("/data/class/jupyter-ada"), ..Case::default() };
    assert_eq!(hidden(&elsewhere), ["/run", "/run/user", "/dev/shm", "/home", "/root", "/data/class"]);
    let moved = Case { hidden: places("/data/class"), account: account("/old/jupyter-ada"), ..Case::default() };
    assert_eq!(hidden(&moved), ["/run", "/run/user", "/dev/shm", "/home", "/root", "/data/class", "/old"]);
}

#[test]
fn refuses_accounts_of_the_system() {
    for (uid, gid) in [(0, 20_000), (999, 20_000), (20_000, 0), (20_000, 999)] {
        let account = Account { uid, gid, ..account("/home/jupyter-ada") };
        let error = Case { account, ..Case::default() }.unit().unwrap_err();
        assert_eq!(error, SpecError::System { account: "jupyter-ada".to_owned(), uid, gid });
    }
}

#[test]
fn refuses_paths_that_mean_more_to_systemd_than_a_path() {
    for home in [
        "",
        "home",
        "/",
        "/home/a b",
        "/home/a\nExecStartPre=+/bin/touch /tmp/p",
        "/home/%n",
        "/home/a:b",
        "/home/a\"b",
        "/home/$x",
        "/home/a\\x20b",
        "/home/../etc",
        "/home/ä",
        "/ada",
    ] {
        let case = Case { account: account(home), ..Case::default() };
        assert!(case.unit().is_err(), "{home:?} was accepted");
    }
    for homes in ["/", "/da ta", "data"] {
        assert!(Case { hidden: vec![homes.into()], ..Case::default() }.unit().is_err(), "{homes:?} was accepted");
    }
}

#[test]
fn refuses_a_server_without_a_program() {
    let program = Program { argv: Vec::new(), environment: Vec::new() };
    assert_eq!(Case { program, ..Case::default() }.unit().unwrap_err(), SpecError::NoProgram);
}

#[test]
fn runs_as_numbers_that_are_never_empty() {
    let case = Case::default();
    assert_eq!(case.property("User"), Value::Text("20000".to_owned()));
    assert_eq!(case.property("Group"), Value::Text("20001".to_owned()));
    assert_eq!(case.property("SupplementaryGroups"), list(&[]));
}

#[test]
fn without_a_quota_a_student_may_use_every_free_processor() {
    let case = Case { limits: Limits { cpu_quota: None, ..limits() }, ..Case::default() };
    let unit = case.unit().unwrap();
    assert!(!unit.properties.iter().chain(&unit.auxiliary[0].1).any(|property| property.name == "CPUQuotaPerSecUSec"));
    assert!(!format!("{:?}", case.property("Environment")).contains("CPU_LIMIT"));
}

#[test]
fn every_property_passes_the_check_that_the_manager_makes() {
    let unit = Case { role: Role::Admin, ..Case::default() }.unit().unwrap();
    for property in unit.properties.iter().chain(unit.auxiliary.iter().flat_map(|(_, properties)| properties)) {
        assert_eq!(property.check(), Ok(()));
    }
}

#[test]
fn an_app_is_a_unit_of_its_own_in_its_owners_slice_and_without_their_rights() {
    let case = Case { app: Some("refine".parse().unwrap()), ..Case::default() };
    let unit = case.unit().unwrap();
    assert_eq!(unit.name.as_str(), "hubd-user-ada-refine.service");
    assert_eq!(case.property("Slice"), Value::Text("hubd-users-ada.slice".to_owned()));
    // Who connects to its socket is in the group of its directory.
    assert_eq!(case.property("UMask"), Value::Mode(0o007));
    assert_eq!(case.property("PrivateNetwork"), Value::Bool(true));
    assert!(!unit.properties.iter().any(|property| property.name == "MemoryMax"), "its own limit would not follow its owner's");
    let mounts: Vec<&str> = unit.auxiliary.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        mounts,
        [
            "hubd-users-ada.slice",
            "run-hubd\\x2dservers-.apps-ada-refine.mount",
            "run-hubd\\x2dservers-.app\\x2dterminals-ada-refine.mount"
        ]
    );
    let others: BTreeMap<&str, &Value> = unit.properties.iter().map(|property| (property.name, &property.value)).collect();
    let server = Case::default().unit().unwrap();
    let weaker = server.properties.iter().filter(|property| {
        let differs =
            ["Description", "Slice", "UMask", "PrivateNetwork", "MemoryMax", "MemorySwapMax", "TasksMax", "CPUQuotaPerSecUSec"];
        let is_place = ["RequiresMountsFor", "BindPaths"].contains(&property.name);
        !differs.contains(&property.name) && !is_place && others.get(property.name) != Some(&&property.value)
    });
    // The last of two filters stands for both.
    assert_eq!(weaker.map(|property| property.name).collect::<Vec<_>>(), ["SystemCallFilter"]);
}
