//! What the manager makes of a systemd's answers, and of their absence.

use super::super::fake::Fake;
use super::super::property::Bind;
use super::*;

fn ada() -> Username {
    "ada".parse().unwrap()
}

fn unit(name: &Username) -> TransientUnit {
    let bind = Bind { source: "/envs/3".to_owned(), target: "/env".to_owned(), optional: false };
    TransientUnit {
        name: UnitName::server(name),
        properties: vec![
            Property::new("Description", "a server"),
            Property::new("MemoryMax", 1_u64 << 30),
            Property::new("BindReadOnlyPaths", vec![bind]),
        ],
        auxiliary: vec![(UnitName::slice(name), vec![Property::new("TasksMax", 512_u64)])],
    }
}

#[tokio::test]
async fn starts_a_unit_with_its_slice_and_tells_how_it_is() {
    let fake = Fake::default();
    let manager = fake.manager();
    manager.start(&unit(&ada())).await.unwrap();
    assert_eq!(fake.units(), ["hubd-user-ada.service", "hubd-users-ada.slice"]);
    assert_eq!(fake.property("hubd-users-ada.slice", "TasksMax").as_deref(), Some("uint64 512"));
    let status = manager.server(&ada()).await.unwrap().unwrap();
    assert_eq!((status.active_state.as_str(), status.main_pid, status.memory_max), ("active", Some(4242), Some(1 << 30)));
    assert_eq!(status.read_only_binds, [("/envs/3".to_owned(), "/env".to_owned())]);
    assert_eq!(status.started, Some(1_700_000_000));
}

#[tokio::test]
async fn a_failed_job_is_an_error_that_names_the_unit_and_the_result() {
    let fake = Fake::default();
    fake.fail_next_start("hubd-user-ada.service", "failed");
    let manager = fake.manager();
    let error = manager.start(&unit(&ada())).await.unwrap_err();
    assert_eq!(error.to_string(), "systemd could not start `hubd-user-ada.service`: its job ended as `failed`");
    let status = manager.server(&ada()).await.unwrap().unwrap();
    assert_eq!((status.active_state.as_str(), status.ended), ("failed", Some(Ended::Exited(203))));
}

#[tokio::test]
async fn a_unit_that_exists_is_told_apart() {
    let manager = Fake::default().manager();
    manager.start(&unit(&ada())).await.unwrap();
    assert!(matches!(manager.start(&unit(&ada())).await.unwrap_err(), UnitError::Exists(_)));
}

#[tokio::test]
async fn stopping_what_is_not_there_is_done() {
    let fake = Fake::default();
    let manager = fake.manager();
    manager.stop(&UnitName::server(&ada())).await.unwrap();
    manager.start(&unit(&ada())).await.unwrap();
    manager.stop(&UnitName::server(&ada())).await.unwrap();
    assert_eq!(manager.server(&ada()).await.unwrap(), None);
}

#[tokio::test]
async fn a_line_break_never_reaches_systemd() {
    let fake = Fake::default();
    let manager = fake.manager();
    let mut evil = unit(&ada());
    evil.auxiliary[0].1.push(Property::new("Description", "x\n[Service]\nExecStartPre=+/bin/touch /tmp/p"));
    assert!(matches!(manager.start(&evil).await.unwrap_err(), UnitError::Property(_)));
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_type_is_refused_with_the_reason() {
    let manager = Fake::default().manager();
    let mut wrong = unit(&ada());
    wrong.properties.push(Property::new("TasksMax", "many"));
    let error = manager.start(&wrong).await.unwrap_err();
    let UnitError::Refused { doing, source } = error else { panic!("{error:?}") };
    assert_eq!(doing, "start `hubd-user-ada.service`");
    assert!(source.to_string().contains("property TasksMax has signature s, expected t"), "{source}");
}

#[tokio::test]
async fn survives_a_restart_of_the_bus() {
    let fake = Fake::default();
    let manager = fake.manager();
    manager.start(&unit(&ada())).await.unwrap();
    fake.cut().await;
    assert_eq!(manager.server(&ada()).await.unwrap().unwrap().active_state, "active");
}

#[tokio::test]
async fn a_job_whose_end_nobody_announced_is_looked_up() {
    let fake = Fake::default();
    fake.keep_quiet();
    let manager = Arc::new(fake.manager());
    let starting = tokio::spawn({
        let manager = Arc::clone(&manager);
        async move { manager.start(&unit(&ada())).await }
    });
    while fake.calls().is_empty() || manager.server(&ada()).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    fake.cut().await;
    starting.await.unwrap().unwrap();
}

#[tokio::test]
async fn lists_servers_by_name_and_leaves_out_what_is_not_one() {
    let fake = Fake::default();
    let manager = fake.manager();
    for name in ["cleo", "ada", "b-c"] {
        manager.start(&unit(&name.parse().unwrap())).await.unwrap();
    }
    let owners: Vec<String> =
        manager.servers().await.unwrap().into_iter().map(|status| status.owner.as_str().to_owned()).collect();
    assert_eq!(owners, ["ada", "b-c", "cleo"]);
}

#[tokio::test]
async fn a_missing_bus_says_what_was_wanted_and_where_to_look() {
    let mut manager = Manager::with_connector(|| {
        Box::pin(async { Err(zbus::Error::InputOutput(Arc::new(std::io::Error::other("no such socket")))) })
    });
    manager.patience = Duration::ZERO;
    let error = manager.server(&ada()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "systemd can't be reached over the system bus to tell the state of `hubd-user-ada.service`: I/O error: no such socket\n\
         hint: systemctl status dbus.socket dbus.service"
    );
}
