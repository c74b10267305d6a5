//! A changed configuration, and what runs.

use super::*;

fn applied_of(reply: Reply) -> Applied {
    match reply {
        Reply::Applied(applied) => applied,
        other => panic!("{other:?}"),
    }
}

impl World {
    /// Lets the kernel show `limits` for the server of `name`, as systemd would see to.
    fn kernel_has(&self, name: &str, memory: u64) {
        let slice = format!("hubd.slice/hubd-users.slice/hubd-users-{name}.slice");
        for group in [slice.clone(), format!("{slice}/hubd-user-{name}.service")] {
            let directory = self.paths.cgroups().join(group);
            std::fs::create_dir_all(&directory).unwrap();
            for (file, value) in
                [("memory.max", memory.to_string()), ("pids.max", "512".to_owned()), ("cpu.max", "max 100000".to_owned())]
            {
                std::fs::write(directory.join(file), value).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn apply_changes_limits_where_they_are_others_and_only_there() {
    let world = World::new();
    for name in ["ada", "bob"] {
        state_of(world.start(name).await);
        world.kernel_has(name, 1 << 30);
    }
    assert_eq!(applied_of(world.ask(Request::Apply).await), Applied::default());
    world.configure("[users.bob.limits]\nmemory = \"2G\"\n");
    let before = world.systemd.calls().len();
    let waiting = tokio::spawn({
        let launcher = Arc::clone(&world.launcher);
        async move { launcher.answer(Request::Apply).await }
    });
    while !world.systemd.calls().contains(&"SetUnitProperties hubd-user-bob.service".to_owned()) {
        tokio::task::yield_now().await;
    }
    world.kernel_has("bob", 2 << 30);
    let applied = applied_of(waiting.await.unwrap());
    assert_eq!(applied, Applied { limited: vec!["bob".parse().unwrap()], ..Applied::default() });
    let calls = world.systemd.calls().split_off(before);
    assert!(!calls.iter().any(|call| call.contains("ada")), "{calls:?}");
    let memory = |unit: &str| world.systemd.property(unit, "MemoryMax").unwrap();
    assert_eq!(
        (memory("hubd-users-bob.slice"), memory("hubd-user-bob.service")),
        ("uint64 2147483648".to_owned(), "uint64 2147483648".to_owned())
    );
}

#[tokio::test]
async fn apply_says_when_the_kernel_does_not_have_a_limit() {
    let world = World::new();
    state_of(world.start("ada").await);
    world.kernel_has("ada", 1 << 30);
    world.configure("[limits]\nmemory = \"2G\"\n");
    let applied = applied_of(world.ask(Request::Apply).await);
    assert_eq!(applied.limited, []);
    let expected =
        "the kernel does not show them after 5 s: memory of the server is 1073741824; memory of the slice is 1073741824";
    assert!(applied.problems[0].starts_with("ada: ") && applied.problems[0].ends_with(expected), "{applied:?}");
}

#[tokio::test]
async fn apply_kills_what_has_rights_that_its_owner_lost() {
    let world = World::new();
    for name in ["ada", "bob", "zoe"] {
        state_of(world.start(name).await);
        world.kernel_has(name, 1 << 30);
    }
    world.configure("[roles]\nadmins = [\"ada\"]\nblocked = [\"bob\"]\n");
    let applied = applied_of(world.ask(Request::Apply).await);
    assert_eq!(applied.stopped, ["bob".parse().unwrap(), "zoe".parse().unwrap()]);
    let calls = world.systemd.calls();
    for name in ["bob", "zoe"] {
        assert!(calls.contains(&format!("KillUnit hubd-user-{name}.service 9")), "{calls:?}");
        assert!(!world.systemd.units().contains(&format!("hubd-user-{name}.service")));
    }
    assert!(world.systemd.units().contains(&"hubd-user-ada.service".to_owned()));
    assert_eq!(refusal_of(world.start("bob").await).kind, RefusalKind::NotAllowed);
    state_of(world.start("zoe").await);
    assert_eq!(world.systemd.property("hubd-user-zoe.service", "SupplementaryGroups").unwrap(), "@as []");
}

#[tokio::test]
async fn apply_refuses_an_invalid_file_and_changes_nothing() {
    let world = World::new();
    state_of(world.start("zoe").await);
    world.configure("[roles]\nadmins = 5\n");
    assert_eq!(refusal_of(world.ask(Request::Apply).await).kind, RefusalKind::Failed);
    assert!(world.systemd.units().contains(&"hubd-user-zoe.service".to_owned()));
}
