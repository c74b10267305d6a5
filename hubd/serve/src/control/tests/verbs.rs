//! What each verb does.

use hub_core::config::Role;
use hub_core::control::NewUser;
use hub_core::control::usage::{Resource, Shortage};
use jiff::Timestamp;

use super::*;
use crate::store::Revoked;

fn new(text: &str, password: Option<&str>) -> NewUser {
    NewUser { name: name(text), password: password.map(str::to_owned) }
}

#[tokio::test]
async fn a_class_is_enrolled_with_whole_links() {
    let hub = Hub::new().await;
    let users = vec![new("fay", None), new("gus", Some("correct horse")), new("bob", None)];
    let Reply::Added { users } = hub.root(&Request::UserAdd { users }).await else { panic!("not added") };
    let outcomes: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.added, user.link.is_some())).collect();
    assert_eq!(outcomes, [("fay", true, true), ("gus", true, false), ("bob", false, false)]);
    let link = users[0].link.as_deref().unwrap();
    assert!(link.starts_with("https://hub.example.org/hub/link/"), "{link}");
    let expires: Timestamp = users[0].expires.as_deref().unwrap().parse().unwrap();
    assert!(expires > Timestamp::now());
    let gus = hub.context.people.find(&name("gus")).await.unwrap().unwrap();
    assert!(gus.has_password);
}

#[tokio::test]
async fn one_weak_password_and_nobody_is_enrolled() {
    let hub = Hub::new().await;
    for users in [vec![new("fay", None), new("gus", Some("short"))], vec![new("fay", None), new("fay", None)]] {
        let (kind, message) = refusal(hub.root(&Request::UserAdd { users }).await);
        assert_eq!(kind, RefusalKind::Invalid);
        assert!(message.ends_with("nobody was added"), "{message}");
        assert_eq!(hub.context.people.find(&name("fay")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn without_an_address_a_link_is_a_path() {
    let hub = Hub::with("").await;
    let Reply::Link { link, .. } = hub.root(&Request::UserLink { name: name("bob") }).await else { panic!("no link") };
    assert!(link.starts_with("/hub/link/"), "{link}");
}

#[tokio::test]
async fn somebody_who_is_kept_out_gets_no_link() {
    let hub = Hub::new().await;
    let link = Request::UserLink { name: name("cyd") };
    let (kind, message) = refusal(hub.root(&link).await);
    assert_eq!((kind, message.as_str()), (RefusalKind::Invalid, "cyd is blocked, so a link would let nobody in"));
    hub.context.people.set_blocked(&name("cyd"), false).await.unwrap();
    assert!(matches!(hub.root(&link).await, Reply::Link { .. }));
    let blocks = hub_core::config::parse("[roles]\nblocked = [\"cyd\"]\n", "config.toml").unwrap();
    hub.context.config.replace(blocks);
    assert_eq!(refusal(hub.root(&link).await).1, "the configuration blocks cyd, so a link would let nobody in");
}

#[tokio::test]
async fn the_list_knows_roles_and_who_is_out() {
    let hub = Hub::staffed().await;
    let Reply::Users { users } = hub.root(&Request::UserList).await else { panic!("no list") };
    let told: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.role, user.admin, user.blocked)).collect();
    assert_eq!(
        told,
        [
            ("ada", Role::Admin, true, false),
            ("bob", Role::Student, false, false),
            ("cyd", Role::Admin, true, true),
            ("hugo", Role::Helper, false, false),
            ("olga", Role::Helper, false, true),
            ("tess", Role::Teacher, false, false),
        ]
    );
    assert!(users.iter().all(|user| !user.has_password));
}

#[tokio::test]
async fn who_is_removed_or_blocked_has_no_server_left() {
    let hub = Hub::new().await;
    for request in [Request::UserBlock { name: name("bob"), blocked: true }, Request::UserRemove { name: name("bob") }] {
        hub.servers.set(&name("bob"), ServerPhase::Running);
        assert!(matches!(hub.root(&request).await, Reply::Done));
        assert_eq!(hub.servers.phase(&name("bob")), ServerPhase::Stopped, "{request:?}");
    }
    let (kind, message) = refusal(hub.root(&Request::UserRemove { name: name("bob") }).await);
    assert_eq!((kind, message.as_str()), (RefusalKind::NotEnrolled, "nobody named bob is enrolled"));
}

#[tokio::test]
async fn a_block_waits_for_no_server() {
    let hub = Hub::new().await;
    hub.servers.set(&name("bob"), ServerPhase::Running);
    *hub.servers.lingers.lock().unwrap() = true;
    let block = Request::UserBlock { name: name("bob"), blocked: true };
    let answered = tokio::time::timeout(Duration::from_secs(60), hub.root(&block)).await;
    assert!(matches!(answered, Ok(Reply::Done)), "{answered:?}");
    assert_eq!(hub.servers.phase(&name("bob")), ServerPhase::Stopping);
}

#[tokio::test]
async fn a_block_ends_the_server_whatever_the_database_says() {
    let hub = Hub::new().await;
    let store = hub.context.people.store();
    store.run(|connection| connection.pragma_update(None, "query_only", true)).await.unwrap();
    let block = Request::UserBlock { name: name("bob"), blocked: true };
    hub.servers.set(&name("bob"), ServerPhase::Running);
    assert!(matches!(hub.root(&block).await, Reply::Done), "it is noted beside the database");
    assert_eq!(hub.servers.phase(&name("bob")), ServerPhase::Stopped);
    // Where nothing can be noted either, that is said; bob is out, and nothing of his runs.
    let others: Vec<Revoked> = (0..1024).map(|number| Revoked::Person(name(&format!("u{number}")))).collect();
    store.revoked().forget(|_| true).unwrap();
    store.revoked().note(&others).unwrap();
    hub.servers.set(&name("bob"), ServerPhase::Running);
    assert_eq!(refusal(hub.root(&block).await).0, RefusalKind::Failed);
    assert_eq!(hub.servers.phase(&name("bob")), ServerPhase::Stopped);
}

#[tokio::test]
async fn a_server_that_does_not_stop_is_told_and_the_person_is_out_all_the_same() {
    let hub = Hub::new().await;
    hub.servers.set(&name("bob"), ServerPhase::Running);
    *hub.servers.fails.lock().unwrap() = true;
    let (kind, message) = refusal(hub.root(&Request::UserBlock { name: name("bob"), blocked: true }).await);
    assert_eq!(kind, RefusalKind::Failed);
    assert_eq!(message, "bob can't log in any more, but the server still runs: The server would not start.");
    assert!(hub.context.people.find(&name("bob")).await.unwrap().unwrap().blocked);
}

#[tokio::test]
async fn servers_start_for_people_who_may_log_in() {
    let hub = Hub::new().await;
    let start = |text: &str| Request::ServerStart { name: name(text), without_own: false };
    let Reply::Servers { servers } = hub.root(&start("bob")).await else { panic!("not started") };
    assert_eq!((servers[0].unit.as_str(), servers[0].phase), ("hubd-user-bob.service", ServerPhase::Running));
    assert_eq!(refusal(hub.root(&start("zoe")).await).0, RefusalKind::NotEnrolled);
    assert_eq!(refusal(hub.root(&start("cyd")).await), (RefusalKind::Invalid, "cyd is blocked".to_owned()));
    assert_eq!(hub.servers.phase(&name("cyd")), ServerPhase::Stopped);
    *hub.servers.fails.lock().unwrap() = true;
    assert_eq!(refusal(hub.root(&start("ada")).await), (RefusalKind::Failed, "The server would not start.".to_owned()));
}

#[tokio::test]
async fn who_looks_after_servers_has_the_same_remedy_as_their_owners() {
    let hub = Hub::new().await;
    let start = |without_own| Request::ServerStart { name: name("bob"), without_own };
    let restart = |without_own| Request::ServerRestart { name: name("bob"), without_own };
    *hub.servers.fails.lock().unwrap() = true;
    let Reply::Refused(Refusal { hint, .. }) = hub.root(&start(false)).await else { panic!("started") };
    let offered = "hubctl server logs bob; start without bob's own packages and settings: hubctl server start bob --without-own";
    assert_eq!(hint.as_deref(), Some(offered));
    let Reply::Servers { servers } = hub.root(&Request::ServerList).await else { panic!("no list") };
    assert!(servers[0].own_may_be_why && !servers[0].without_own, "{servers:?}");
    let Reply::Refused(Refusal { hint, .. }) = hub.root(&start(true)).await else { panic!("started") };
    assert_eq!(hint.as_deref(), Some("hubctl server logs bob"), "it failed without them, too");
    *hub.servers.fails.lock().unwrap() = false;
    for (request, without_own) in [(start(true), true), (restart(false), false), (restart(true), true)] {
        let Reply::Servers { servers } = hub.root(&request).await else { panic!("{request:?}") };
        assert_eq!((servers[0].without_own, servers[0].phase), (without_own, ServerPhase::Running), "{request:?}");
    }
    hub.root(&restart(false)).await;
    let Reply::Refused(Refusal { message, hint, .. }) = hub.root(&start(true)).await else { panic!("started") };
    assert_eq!(message, "bob's server already runs, with bob's own packages and settings");
    assert_eq!(hint.as_deref(), Some("hubctl server restart bob --without-own"));
    assert_eq!(refusal(hub.root(&Request::ServerRestart { name: name("cyd"), without_own: false }).await).1, "cyd is blocked");
}

#[tokio::test]
async fn stopping_a_server_that_is_down_is_nothing_to_do() {
    let hub = Hub::new().await;
    let stop = |text: &str| Request::ServerStop { name: name(text) };
    let Reply::Servers { servers } = hub.root(&stop("bob")).await else { panic!("refused") };
    assert_eq!(servers[0].phase, ServerPhase::Stopped);
    assert_eq!(refusal(hub.root(&stop("zoe")).await).0, RefusalKind::NotEnrolled);
    hub.servers.set(&name("zoe"), ServerPhase::Running);
    assert!(matches!(hub.root(&stop("zoe")).await, Reply::Servers { .. }), "what somebody left running can be stopped");
}

#[tokio::test]
async fn logs_come_from_the_launcher() {
    let hub = Hub::new().await;
    let Reply::Logs { lines, .. } = hub.root(&Request::ServerLogs { name: name("bob"), lines: 2 }).await else {
        panic!("no log")
    };
    assert_eq!(lines, ["line 0", "line 1"]);
    assert_eq!(refusal(hub.root(&Request::ServerLogs { name: name("zoe"), lines: 2 }).await).0, RefusalKind::NotEnrolled);
}

#[tokio::test]
async fn what_is_short_is_for_whom_the_table_says() {
    let hub = Hub::staffed().await;
    let proc = hub.context.paths.kernel_figures();
    std::fs::create_dir_all(&proc).unwrap();
    std::fs::write(proc.join("meminfo"), "MemTotal: 8000000 kB\nMemAvailable: 100000 kB\n").unwrap();
    hub.context.usage.look(Instant::now(), Timestamp::now().as_second().unsigned_abs());
    let memory =
        |shortages: Vec<Shortage>| shortages.into_iter().find(|found| found.of == Resource::Memory).map(|found| found.what);
    for (uid, sees) in [(ADA, true), (TESS, true), (HUGO, false)] {
        let Reply::Status(status) = hub.ask(Access::Admin, uid, &Request::Status).await else { panic!("no status") };
        assert_eq!(memory(status.shortages), sees.then(|| "Memory is full".to_owned()), "{uid}");
        match hub.ask(Access::Admin, uid, &Request::Shortages).await {
            Reply::Shortages { shortages } => assert!(sees && memory(shortages).is_some(), "{uid}"),
            reply => assert_eq!((sees, refusal(reply).0), (false, RefusalKind::NotAllowed)),
        }
    }
    std::fs::write(proc.join("meminfo"), "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n").unwrap();
    hub.context.usage.look(Instant::now(), Timestamp::now().as_second().unsigned_abs());
    let Reply::Status(status) = hub.root(&Request::Status).await else { panic!("no status") };
    assert_eq!(memory(status.shortages), None, "it is over");
}

#[tokio::test]
async fn status_counts_and_names_what_is_wrong() {
    let hub = Hub::new().await;
    hub.servers.set(&name("bob"), ServerPhase::Running);
    let Reply::Status(status) = hub.root(&Request::Status).await else { panic!("no status") };
    assert_eq!((status.users, status.sessions, status.servers.len()), (3, 0, 1));
    assert_eq!((status.launcher_version.as_deref(), status.environment), (Some("9.9.9"), Some(4)));
    assert_eq!((status.launcher_problem, status.memory), (None, None));
    std::fs::remove_file(hub.context.paths.launcher_socket()).unwrap();
    let Reply::Status(status) = hub.root(&Request::Status).await else { panic!("no status") };
    let problem = status.launcher_problem.unwrap();
    assert!(problem.ends_with("`: No such file or directory (os error 2)") && !problem.contains("hint"), "{problem}");
}
