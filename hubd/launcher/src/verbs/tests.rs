//! What each request does, on a systemd and a machine that are in memory.

mod apply;

use hub_core::launcher::protocol::{Active, Applied};
use hub_system::systemd::fake::Fake;

use super::super::accounts::fake::FakeMachine;
use super::*;

struct World {
    _directory: tempfile::TempDir,
    paths: Paths,
    systemd: Fake,
    machine: FakeMachine,
    launcher: Arc<Launcher<FakeMachine>>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::under(directory.path());
        for path in
            [paths.launcher_state(), paths.config_directory(), paths.environments(), paths.kernel_figures(), paths.servers()]
        {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::create_dir(paths.below("home")).unwrap();
        std::fs::write(paths.kernel_figures().join("meminfo"), "MemTotal: 4194304 kB\n").unwrap();
        let (systemd, machine) = (Fake::default(), FakeMachine::default());
        let launcher = Launcher::new(paths.clone(), systemd.manager(), machine.clone(), 990);
        let world = Self { _directory: directory, paths, systemd, machine, launcher: Arc::new(launcher) };
        world.switch(3);
        world.configure("[roles]\nadmins = [\"zoe\"]\n");
        world
    }

    /// Puts an environment generation there and makes it current.
    fn switch(&self, number: u32) {
        let directory = self.paths.environment(number);
        std::fs::create_dir_all(&directory).unwrap();
        let manifest = format!(
            r#"{{"format":1,"generation":{number},"python":{{"interpreter":"/usr/bin/python3","version":"3.11.2"}},"uv":"1","lock_sha256":""}}"#
        );
        std::fs::write(directory.join("hubd-environment.json"), manifest).unwrap();
        std::fs::write(self.paths.current_environment(), format!("{number}\n")).unwrap();
    }

    fn configure(&self, text: &str) {
        let homes = self.paths.below("home");
        let text = format!("{text}[accounts]\nhomes = \"{}\"\n", homes.display());
        std::fs::write(self.paths.config_file(), text).unwrap();
    }

    async fn ask(&self, request: Request) -> Reply {
        self.launcher.answer(request).await
    }

    async fn start(&self, name: &str) -> Reply {
        self.ask(Request::Start { name: name.parse().unwrap(), app: None }).await
    }

    fn property(&self, property: &str) -> String {
        self.systemd.property("hubd-user-ada.service", property).unwrap()
    }
}

fn ada() -> Username {
    "ada".parse().unwrap()
}

fn state_of(reply: Reply) -> UnitState {
    match reply {
        Reply::State(state) => state,
        other => panic!("{other:?}"),
    }
}

fn refusal_of(reply: Reply) -> Refusal {
    match reply {
        Reply::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_start_makes_account_slice_directory_and_server() {
    let world = World::new();
    let state = state_of(world.start("ada").await);
    assert_eq!((state.active, state.environment), (Active::Active, Some(3)));
    let endpoint = state.endpoint.unwrap();
    assert_eq!((endpoint.uid, endpoint.socket), (20_000, world.paths.server_socket(&ada())));
    assert_eq!(world.machine.account_names(), ["jupyter-ada"]);
    assert_eq!(
        world.systemd.units(),
        [
            "hubd-user-ada.service",
            "hubd-users-ada.slice",
            "hubd-users.slice",
            "run-hubd\\x2dservers-.terminals-ada.mount",
            "run-hubd\\x2dservers-ada.mount"
        ]
    );
    assert_eq!(world.property("User"), "\"20000\"");
}

/// Calls that concern logins past the hub, and what runs as somebody's account.
fn ending(world: &World) -> Vec<String> {
    let is_meant = |call: &String| call.contains("user-2") && call.contains(".slice") || call.contains("hubd-expel-");
    world.systemd.calls().into_iter().filter(is_meant).collect()
}

#[tokio::test]
async fn whoever_is_kept_out_has_nothing_left_that_runs() {
    const ENDED: [&str; 3] =
        ["KillUnit user-20000.slice 9", "StopUnit user-20000.slice", "StartTransientUnit hubd-expel-ada.service"];
    let world = World::new();
    world.start("ada").await;
    world.systemd.log_in(20_000);
    assert_eq!(world.ask(Request::Expel { name: ada() }).await, Reply::Done);
    assert_eq!(ending(&world), ENDED);
    let program = world.systemd.property("hubd-expel-ada.service", "ExecStart").unwrap();
    assert!(program.contains("/bin/hubd-launcher\", \"expel\", \"20000\"]"), "{program}");
    assert!(!world.systemd.units().contains(&"hubd-user-ada.service".to_owned()), "her server runs");
    // Root's file keeps her out, too; she has no server any more.
    world.systemd.log_in(20_000);
    world.configure("[roles]\nblocked = [\"ada\", \"nobody\"]\n");
    assert_eq!(world.ask(Request::Apply).await, Reply::Applied(Applied::default()));
    assert_eq!(ending(&world)[3..], ENDED);
    world.systemd.log_in(20_000);
    assert_eq!(world.ask(Request::Remove { name: ada(), home: false }).await, Reply::Done);
    assert_eq!(ending(&world)[6..], ENDED);
}

#[tokio::test]
async fn accounts_that_can_be_logged_in_to_are_closed_before_what_they_run_is_ended() {
    let world = World::new();
    for name in ["ada", "bob"] {
        world.start(name).await;
    }
    world.machine.state().open = ["adalogin", "jupyter-ada"].map(str::to_owned).into();
    for uid in [1000, 20_000] {
        world.systemd.log_in(uid);
    }
    Arc::clone(&world.launcher).follow_logins().await;
    assert_eq!(world.machine.state().open.iter().collect::<Vec<_>>(), ["adalogin"]);
    assert_eq!(ending(&world), ["KillUnit user-20000.slice 9", "StopUnit user-20000.slice"]);
    assert!(world.systemd.units().contains(&"user-1000.slice".to_owned()), "somebody else's session ended");
    assert_eq!(state_of(world.ask(Request::State { name: ada(), app: None }).await).active, Active::Active);
}

#[tokio::test]
async fn everybody_together_leaves_the_machine_its_reserve() {
    let world = World::new();
    world.launcher.prepare().await;
    // 4 GiB less an eighth.
    assert_eq!(world.systemd.property("hubd-users.slice", "MemoryMax").unwrap(), format!("uint64 {}", 3584_u64 << 20));
    world.configure("[machine]\nreserve = \"1G\"\n");
    world.start("ada").await;
    assert_eq!(world.systemd.property("hubd-users.slice", "MemoryMax").unwrap(), format!("uint64 {}", 3072_u64 << 20));
}

#[tokio::test]
async fn nobody_reaches_what_is_denied_but_for_name_servers() {
    const NONE: &str = "@a(iayu) []";
    let world = World::new();
    let property = |name| world.systemd.property("hubd-users.slice", name).unwrap();
    world.launcher.prepare().await;
    let metadata = "(2, [byte 0xa9, 0xfe, 0xa9, 0xfe], uint32 32)";
    let (denied, allowed) = (property("IPAddressDeny"), property("IPAddressAllow"));
    assert!(denied.contains(metadata) && denied.contains(", 128)") && allowed == NONE, "{denied}; {allowed}");
    // Some providers' name servers are at the same address; it may become one at any moment.
    std::fs::create_dir_all(world.paths.resolv_conf().parent().unwrap()).unwrap();
    std::fs::write(world.paths.resolv_conf(), "nameserver 169.254.169.254\n").unwrap();
    world.start("ada").await;
    assert_eq!(property("IPAddressAllow"), format!("[{metadata}]"));
    world.configure("[machine]\ndenied_addresses = []\n");
    world.start("bob").await;
    let all = "[(2, [byte 0x00, 0x00, 0x00, 0x00], uint32 0), (10, ";
    let (denied, allowed) = (property("IPAddressDeny"), property("IPAddressAllow"));
    assert!(denied == NONE && allowed.starts_with(all), "{denied}; {allowed}");
}

#[tokio::test]
async fn a_second_start_changes_nothing() {
    let world = World::new();
    let first = state_of(world.start("ada").await);
    assert_eq!(state_of(world.start("ada").await), first);
    let starts = world.systemd.calls().iter().filter(|call| call.starts_with("StartTransientUnit")).count();
    assert_eq!(starts, 1);
}

#[tokio::test]
async fn a_restart_is_another_run_and_systemd_tells_what_is_left_out() {
    let world = World::new();
    let restart = |plain| world.ask(Request::Restart { name: ada(), plain, app: None });
    assert!(state_of(restart(true).await).without_own, "one that is down is started");
    let calls = || world.systemd.calls();
    let before = calls().len();
    assert!(!state_of(restart(false).await).without_own);
    assert!(calls()[before..].iter().any(|call| call.starts_with("StopUnit hubd-user-ada.service")), "{:?}", calls());
    let listed = |world: &World| {
        let launcher = Launcher::new(world.paths.clone(), world.systemd.manager(), world.machine.clone(), 990);
        async move { Arc::new(launcher).answer(Request::List { app: None }).await }
    };
    state_of(restart(true).await);
    let Reply::States { states } = listed(&world).await else { panic!("no list") };
    assert!(states[0].without_own, "after a restart of the launcher: {states:?}");
}

#[tokio::test]
async fn what_can_not_be_started_again_is_not_stopped() {
    let world = World::new();
    world.start("ada").await;
    hub_system::tree::remove(&world.paths.environment(3)).unwrap();
    assert_eq!(
        refusal_of(world.ask(Request::Restart { name: ada(), plain: false, app: None }).await).kind,
        RefusalKind::NoEnvironment
    );
    assert_eq!(state_of(world.ask(Request::State { name: ada(), app: None }).await).active, Active::Active);
}

#[tokio::test]
async fn many_starts_of_one_name_at_once_are_one() {
    let world = Arc::new(World::new());
    let starts: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { state_of(world.start("ada").await).active })
        })
        .collect();
    for start in starts {
        assert_eq!(start.await.unwrap(), Active::Active);
    }
    let calls = world.systemd.calls().into_iter().filter(|call| call.starts_with("StartTransientUnit")).count();
    assert_eq!(calls, 1);
    assert_eq!(world.machine.account_names(), ["jupyter-ada"]);
}

#[tokio::test]
async fn many_people_at_once_get_accounts_of_their_own() {
    let world = Arc::new(World::new());
    let starts: Vec<_> = (0..30)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { state_of(world.start(&format!("user{number}")).await).endpoint.unwrap().uid })
        })
        .collect();
    let mut uids = Vec::new();
    for start in starts {
        uids.push(start.await.unwrap());
    }
    uids.sort_unstable();
    assert_eq!(uids, (20_000..20_030).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_role_is_what_the_configuration_says_at_this_start() {
    let world = World::new();
    world.start("ada").await;
    assert_eq!(world.property("SupplementaryGroups"), "@as []");
    world.ask(Request::Stop { name: ada(), app: None }).await;
    world.configure("[roles]\nadmins = [\"ada\"]\n");
    world.start("ada").await;
    assert_eq!(world.property("SupplementaryGroups"), "[\"hubd-admins\"]");
    world.ask(Request::Stop { name: ada(), app: None }).await;
    world.configure("");
    world.start("ada").await;
    assert_eq!(world.property("SupplementaryGroups"), "@as []");
}

#[tokio::test]
async fn limits_are_those_of_the_person() {
    let world = World::new();
    world.configure(
        "[groups.exam]\nmembers = [\"ada\"]\nlimits = { network = false, memory = \"512M\", swap = \"1G\" }\n\
         [users.ada.limits]\nmemory = \"256M\"\n[servers]\nstop_timeout = \"3s\"\n",
    );
    world.start("ada").await;
    for unit in ["hubd-user-ada.service", "hubd-users-ada.slice"] {
        assert_eq!(world.systemd.property(unit, "MemoryMax").unwrap(), format!("uint64 {}", 256_u64 << 20), "{unit}");
    }
    assert_eq!(world.property("PrivateNetwork"), "true");
    assert_eq!(world.property("TimeoutStopUSec"), "uint64 3000000");
    assert!(world.property("Environment").contains(&format!("MEM_LIMIT={}", 256 << 20)), "{}", world.property("Environment"));
    // Nobody could have swap if everybody together had none.
    assert_eq!(world.systemd.property("hubd-users.slice", "MemorySwapMax").unwrap(), format!("uint64 {}", u64::MAX));
    world.start("bob").await;
    assert_eq!(world.systemd.property("hubd-user-bob.service", "PrivateNetwork").unwrap(), "false");
}

#[tokio::test]
async fn who_is_blocked_gets_no_server_and_no_account() {
    let world = World::new();
    world.configure("[roles]\nblocked = [\"ada\"]\n");
    let refusal = refusal_of(world.start("ada").await);
    assert_eq!(refusal.kind, RefusalKind::NotAllowed);
    assert_eq!(refusal.message, "ada is blocked: the configuration lists ada under `blocked` in [roles]");
    assert_eq!(world.machine.account_names(), Vec::<String>::new());
    world.configure("");
    assert_eq!(state_of(world.start("ada").await).active, Active::Active);
}

#[tokio::test]
async fn a_server_keeps_its_environment_when_the_current_one_changes() {
    let world = World::new();
    world.start("ada").await;
    world.switch(4);
    assert_eq!(state_of(world.ask(Request::State { name: ada(), app: None }).await).environment, Some(3));
    assert_eq!(state_of(world.start("bob").await).environment, Some(4));
    let pong = world.ask(Request::Ping).await;
    let Reply::Pong { version, environment: Some(4), accounts_problem: None, homes: Some(homes) } = &pong else {
        panic!("{pong:?}")
    };
    assert!(version == env!("CARGO_PKG_VERSION") && homes.bytes > 0, "{pong:?}");
}

#[tokio::test]
async fn without_an_environment_nothing_starts_and_nobody_gets_an_account() {
    let world = World::new();
    hub_system::tree::remove(&world.paths.environment(3)).unwrap();
    assert_eq!(refusal_of(world.start("ada").await).kind, RefusalKind::NoEnvironment);
    std::fs::remove_file(world.paths.current_environment()).unwrap();
    let refusal = refusal_of(world.start("ada").await);
    assert_eq!(refusal.kind, RefusalKind::NoEnvironment);
    assert_eq!((refusal.message.as_str(), refusal.hint.is_some()), ("there is no Python environment yet", true));
    assert_eq!(world.machine.account_names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_start_that_fails_says_how_and_the_next_one_may_succeed() {
    let world = World::new();
    world.systemd.fail_next_start("hubd-user-ada.service", "failed");
    let refusal = refusal_of(world.start("ada").await);
    assert_eq!(refusal.kind, RefusalKind::Unit);
    assert_eq!(
        refusal.message,
        "systemd could not start `hubd-user-ada.service`: its job ended as `failed` (systemd says: exit-code, exit code 203)"
    );
    let state = state_of(world.ask(Request::State { name: ada(), app: None }).await);
    assert_eq!((state.active, state.exit_status), (Active::Failed, Some(203)));
    assert_eq!(state_of(world.start("ada").await).active, Active::Active);
}

#[tokio::test]
async fn a_server_that_died_can_be_asked_why_until_it_is_started_or_stopped() {
    let world = World::new();
    world.start("ada").await;
    world.systemd.end("hubd-user-ada.service", "exit-code", 1, 3);
    let state = state_of(world.ask(Request::State { name: ada(), app: None }).await);
    assert_eq!((state.active, state.result.as_str(), state.exit_status), (Active::Failed, "exit-code", Some(3)));
    assert_eq!(state.endpoint, None);
    assert_eq!(world.ask(Request::Stop { name: ada(), app: None }).await, Reply::Done);
    assert_eq!(state_of(world.ask(Request::State { name: ada(), app: None }).await).active, Active::Inactive);
}

#[tokio::test]
async fn stopping_leaves_nothing_and_is_done_when_nothing_runs() {
    let world = World::new();
    world.start("ada").await;
    std::fs::create_dir(world.paths.server_directory(&ada())).unwrap();
    assert_eq!(world.ask(Request::Stop { name: ada(), app: None }).await, Reply::Done);
    assert!(!world.paths.server_directory(&ada()).exists());
    assert_eq!(world.ask(Request::Stop { name: ada(), app: None }).await, Reply::Done);
    assert!(!world.systemd.units().iter().any(|unit| unit.contains("hubd-user-") || unit.ends_with(".mount")));
}

#[tokio::test]
async fn after_a_restart_of_the_launcher_systemd_still_knows_every_server() {
    let world = World::new();
    for name in ["ada", "b-c"] {
        world.start(name).await;
    }
    let other = Arc::new(Launcher::new(world.paths.clone(), world.systemd.manager(), world.machine.clone(), 990));
    let Reply::States { states } = other.answer(Request::List { app: None }).await else { panic!("no list") };
    let found: Vec<_> =
        states.iter().map(|state| (state.name.as_str(), state.endpoint.as_ref().unwrap().uid, state.environment)).collect();
    assert_eq!(found, [("ada", 20_000, Some(3)), ("b-c", 20_001, Some(3))]);
}

#[tokio::test]
async fn an_account_leads_to_its_owner_and_to_nobody_else() {
    let world = World::new();
    assert_eq!(
        world.ask(Request::Ensure { name: ada() }).await,
        Reply::Account { uid: 20_000, account: "jupyter-ada".to_owned() }
    );
    assert_eq!(world.ask(Request::WhoIs { uid: 20_000 }).await, Reply::Name { name: Some(ada()) });
    for uid in [0, 1000, 20_001] {
        assert_eq!(world.ask(Request::WhoIs { uid }).await, Reply::Name { name: None });
    }
}

#[tokio::test]
async fn removal_stops_everything_first_and_needs_an_account() {
    let world = World::new();
    let remove = || Request::Remove { name: ada(), home: false };
    assert_eq!(refusal_of(world.ask(remove()).await).kind, RefusalKind::NoAccount);
    world.start("ada").await;
    assert_eq!(world.ask(remove()).await, Reply::Done);
    assert_eq!(world.systemd.units(), ["hubd-users.slice"]);
    assert_eq!(world.machine.account_names(), Vec::<String>::new());
}

#[tokio::test]
async fn an_invalid_configuration_is_told_with_its_place() {
    let world = World::new();
    std::fs::write(world.paths.config_file(), "[limits]\nmemory = \"banana\"\n").unwrap();
    let refusal = refusal_of(world.start("ada").await);
    assert_eq!(refusal.kind, RefusalKind::Failed);
    assert!(refusal.message.contains("config.toml:2:10: \"banana\" is not an amount of memory"), "{refusal}");
}

#[tokio::test]
async fn changes_of_the_configuration_do_not_queue_without_an_end() {
    use hub_core::control::change::{ChangeVerb, KeyChange, Manner, Requester};
    let world = World::new();
    world.configure("[roles]\nadmins = [\"zoe\"]\nhost_operators = [\"opal\"]\n");
    let ask = |requester: Requester, key: &str| {
        let change = KeyChange {
            verb: ChangeVerb::Set,
            key: key.split('.').map(str::to_owned).collect(),
            values: vec!["2G".to_owned()],
            manner: Manner::default(),
        };
        let launcher = Arc::clone(&world.launcher);
        async move { refusal_of(launcher.answer(Request::Configure { requester, change }).await) }
    };
    let opal = || Requester::Operator("opal".to_owned());
    let turn = world.launcher.configuring.lock().await;
    let waiting: Vec<_> = (0..configure::MOST_CHANGES).map(|_| tokio::spawn(ask(opal(), "limits.memory"))).collect();
    while world.launcher.changes.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let refusal = ask(opal(), "limits.memory").await;
    assert_eq!(refusal.kind, RefusalKind::Busy, "{refusal}");
    // What is not granted takes no place, and is told as such.
    assert_eq!(ask(opal(), "http.listen").await.kind, RefusalKind::NotAllowed);
    assert_eq!(ask(Requester::Operator("sten".to_owned()), "limits.memory").await.kind, RefusalKind::NotAllowed);
    assert_eq!(ask(Requester::Person("opal".parse().unwrap()), "limits.memory").await.kind, RefusalKind::NotAllowed);
    drop(turn);
    for one in waiting {
        // There is no systemd here that could do it.
        assert_eq!(one.await.unwrap().kind, RefusalKind::Failed);
    }
    assert_eq!(world.launcher.changes.available_permits(), configure::MOST_CHANGES);
}
