//! The registry against a launcher with the real protocol on a real socket, whose servers are small HTTP servers.

mod fake;

use std::time::Duration;

use fake::{Fake, Fate};
use hub_core::accounts::Username;
use hub_core::control::ServerPhase::{self, Failed, Queued, Running, Starting, Stopped, Stopping};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Pace, Registry, Settings};
use crate::servers::{Servers, View};

/// Nothing in these tests takes a fraction of this; it only keeps a broken test from waiting for ever.
const PATIENCE: Duration = Duration::from_secs(30);

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

fn settings() -> Settings {
    let quick = Duration::from_millis(10);
    Settings {
        start_timeout: Duration::from_secs(20),
        idle_timeout: None,
        concurrent_starts: Some(2),
        cores: 2,
        reserve: 0,
        paths: hub_core::paths::Paths::under("/nonexistent"),
        proc: "/nonexistent".into(),
        base: String::new(),
        app: None,
        pace: Pace { list: quick, state: quick, queue: quick, cull: quick, retry: quick },
    }
}

fn registry(fake: &Fake, settings: Settings) -> Registry {
    Registry::new(fake.client(), settings).0
}

async fn until(views: &mut watch::Receiver<View>, phase: ServerPhase) -> View {
    let seen = timeout(PATIENCE, views.wait_for(|view| view.phase == phase)).await.map(|view| view.unwrap().clone());
    seen.unwrap_or_else(|_| panic!("waited for {phase:?}, still at {:?}", views.borrow().clone()))
}

#[tokio::test]
async fn starts_a_server_and_stops_it() {
    let fake = Fake::new();
    let (registry, mut departed) = Registry::new(fake.client(), settings());
    let mut ada = registry.ensure(&name("ada"));
    let view = until(&mut ada, Running).await;
    assert_eq!(view.endpoint.unwrap().socket, fake.socket(&name("ada")));
    assert_eq!(registry.list().len(), 1);

    registry.stop(&name("ada"));
    let view = until(&mut ada, Stopped).await;
    assert_eq!((view.endpoint, registry.list().len()), (None, 0));
    assert_eq!(departed.recv().await, Some(name("ada")));
    assert_eq!(fake.asked("start"), 1);
    assert_eq!(fake.asked("stop"), 1);
}

#[tokio::test]
async fn many_who_want_one_server_start_it_once() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let views: Vec<_> = (0..20).map(|_| registry.ensure(&name("ada"))).collect();
    for mut view in views {
        until(&mut view, Running).await;
    }
    registry.ensure(&name("ada"));
    assert_eq!(fake.asked("start"), 1);
}

#[tokio::test]
async fn a_plain_start_is_one_start_and_the_next_is_as_usual() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let mut view = registry.ensure_plain(&name("ada"));
    // The page that shows how it goes asks, too.
    registry.ensure(&name("ada"));
    until(&mut view, Running).await;
    assert_eq!((fake.asked("start_plain"), fake.asked("start")), (1, 0));
    registry.stop(&name("ada"));
    until(&mut view, Stopped).await;
    registry.ensure(&name("ada"));
    until(&mut view, Running).await;
    assert_eq!((fake.asked("start_plain"), fake.asked("start")), (1, 1));
}

#[tokio::test]
async fn fifty_at_once_all_get_in_two_at_a_time() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let views: Vec<_> = (0..50).map(|number| registry.ensure(&name(&format!("user{number}")))).collect();
    assert_eq!(views[0].borrow().phase, Queued, "nothing starts before the list of running servers is known");
    for mut view in views {
        until(&mut view, Running).await;
    }
    assert_eq!(fake.asked("start"), 50);
    assert!(fake.most_at_once() <= 2, "{} started at once", fake.most_at_once());
}

#[tokio::test]
async fn who_waits_sees_the_place_and_moves_up() {
    let fake = Fake::new();
    fake.fate("slow1", Fate::NeverAnswers);
    fake.fate("slow2", Fate::NeverAnswers);
    let registry = registry(&fake, settings());
    registry.rebuild(PATIENCE).await.unwrap();
    let mut slow = [registry.ensure(&name("slow1")), registry.ensure(&name("slow2"))];
    for view in &mut slow {
        until(view, Starting).await;
    }
    let (bob, mut eve) = (registry.ensure(&name("bob")), registry.ensure(&name("eve")));
    assert_eq!(bob.borrow().message, "You are next.");
    assert_eq!((eve.borrow().position, eve.borrow().message.as_str()), (Some(2), "One person is ahead of you."));

    registry.stop(&name("bob"));
    assert_eq!((bob.borrow().phase, eve.borrow().position), (Stopped, Some(1)));
    registry.stop(&name("slow1"));
    until(&mut eve, Running).await;
    assert_eq!(fake.asked("start"), 3, "bob was never started");
}

#[tokio::test]
async fn a_crash_at_start_is_told_at_once_with_the_last_lines() {
    let fake = Fake::new();
    fake.fate("ada", Fate::Crashes);
    let registry = registry(&fake, settings());
    let mut ada = registry.ensure(&name("ada"));
    let failure = until(&mut ada, Failed).await.failure.unwrap();
    assert_eq!(failure.summary, "The program ended with exit code 1.");
    assert_eq!(failure.log, ["ModuleNotFoundError: No module named 'jupyterlab'"]);

    fake.fate("ada", Fate::Works);
    registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
}

#[tokio::test]
async fn a_refused_start_says_why() {
    let fake = Fake::new();
    fake.fate("ada", Fate::Refused);
    let registry = registry(&fake, settings());
    let failure = until(&mut registry.ensure(&name("ada")), Failed).await.failure.unwrap();
    assert_eq!(failure.summary, "It could not be started: the environment is not built yet.");
}

#[tokio::test]
async fn a_server_that_never_answers_is_stopped_and_says_so() {
    let fake = Fake::new();
    fake.fate("ada", Fate::NeverAnswers);
    let registry = registry(&fake, Settings { start_timeout: Duration::from_millis(200), ..settings() });
    let failure = until(&mut registry.ensure(&name("ada")), Failed).await.failure.unwrap();
    assert!(failure.summary.starts_with("It did not answer within 0 s: nobody listens"), "{failure:?}");
    assert_eq!(fake.asked("stop"), 1);
}

#[tokio::test]
async fn a_failed_start_frees_its_place() {
    let fake = Fake::new();
    for user in ["a", "b", "c"] {
        fake.fate(user, Fate::Crashes);
    }
    let registry = registry(&fake, settings());
    for user in ["a", "b", "c"] {
        registry.ensure(&name(user));
    }
    until(&mut registry.ensure(&name("d")), Running).await;
}

#[tokio::test]
async fn a_stop_during_the_start_waits_for_the_launcher_and_then_stops() {
    let fake = Fake::new();
    let gate = fake.hold_starts();
    let registry = registry(&fake, settings());
    registry.rebuild(PATIENCE).await.unwrap();
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Starting).await;
    timeout(PATIENCE, fake.until_asked("start", 1)).await.unwrap();
    registry.stop(&name("ada"));
    assert_eq!((ada.borrow().phase, fake.asked("stop")), (Stopping, 0));
    gate.add_permits(1);
    until(&mut ada, Stopped).await;
    assert_eq!((fake.asked("stop"), fake.is_up("ada")), (1, false));
}

#[tokio::test]
async fn a_start_during_the_stop_comes_after_it() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    registry.stop(&name("ada"));
    assert_eq!(registry.ensure(&name("ada")).borrow().phase, Stopping);
    until(&mut ada, Running).await;
    assert_eq!((fake.asked("start"), fake.asked("stop")), (2, 1));
}

#[tokio::test]
async fn a_restart_is_one_request_so_nobody_is_left_without() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let mut ada = registry.restart(&name("ada"), true);
    assert!(until(&mut ada, Running).await.without_own, "one that is stopped is started");
    let gate = fake.hold_starts();
    let mut ada = registry.restart(&name("ada"), false);
    assert_eq!((ada.borrow().phase, ada.borrow().without_own, &ada.borrow().endpoint), (Starting, false, &None));
    gate.add_permits(1);
    assert!(!until(&mut ada, Running).await.without_own);
    assert_eq!((fake.asked("restart"), fake.asked("start"), fake.asked("stop")), (2, 0, 0));
}

#[tokio::test]
async fn a_server_that_waits_to_be_started_anew_runs_until_its_turn() {
    let fake = Fake::new();
    fake.fate("slow", Fate::NeverAnswers);
    let registry = registry(&fake, Settings { concurrent_starts: Some(1), ..settings() });
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    until(&mut registry.ensure(&name("slow")), Starting).await;
    registry.restart(&name("ada"), false);
    assert_eq!((ada.borrow().phase, fake.is_up("ada")), (Queued, true));
    registry.stop(&name("slow"));
    until(&mut ada, Running).await;
    assert_eq!(fake.asked("restart"), 1);
}

#[tokio::test]
async fn a_restart_needs_no_memory_that_is_free() {
    let fake = Fake::new();
    until(&mut registry(&fake, settings()).ensure(&name("ada")), Running).await;
    let proc = tempfile::tempdir().unwrap();
    std::fs::write(proc.path().join("meminfo"), "MemAvailable: 50000 kB\n").unwrap();
    let registry = registry(&fake, Settings { proc: proc.path().to_owned(), ..settings() });
    registry.rebuild(PATIENCE).await.unwrap();
    let bob = registry.ensure(&name("bob"));
    assert!(bob.borrow().message.starts_with("The machine's memory is full"), "{}", bob.borrow().message);
    let mut ada = registry.restart(&name("ada"), false);
    until(&mut ada, Running).await;
    assert_eq!((fake.asked("restart"), bob.borrow().phase), (1, Queued));
}

#[tokio::test]
async fn a_restart_of_one_that_hangs_at_its_start_begins_anew() {
    let fake = Fake::new();
    fake.fate("ada", Fate::NeverAnswers);
    let registry = registry(&fake, settings());
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Starting).await;
    timeout(PATIENCE, fake.until_asked("start", 1)).await.unwrap();
    fake.fate("ada", Fate::Works);
    registry.restart(&name("ada"), true);
    assert!(until(&mut ada, Running).await.without_own);
    assert_eq!((fake.asked("restart"), fake.asked("stop")), (1, 0));
}

#[tokio::test]
async fn a_restart_during_the_stop_comes_after_it() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    registry.stop(&name("ada"));
    assert_eq!(registry.restart(&name("ada"), false).borrow().phase, Stopping);
    until(&mut ada, Running).await;
    assert_eq!(fake.asked("stop"), 1);
}

#[tokio::test]
async fn a_launcher_that_hangs_up_during_a_restart_is_asked_again() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    until(&mut registry.ensure(&name("ada")), Running).await;
    fake.hang_up_on_next("restart");
    until(&mut registry.restart(&name("ada"), false), Running).await;
    assert_eq!(fake.asked("restart"), 2);
}

#[tokio::test]
async fn a_death_is_noticed_and_explained() {
    let fake = Fake::new();
    let (registry, mut departed) = Registry::new(fake.client(), settings());
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    fake.kill("ada", "oom-kill");
    let failure = until(&mut ada, Failed).await.failure.unwrap();
    assert_eq!(failure.summary, "It used all of its memory (1 GB) and was stopped.");
    assert_eq!(departed.recv().await, Some(name("ada")));
}

#[tokio::test]
async fn a_suspicion_is_looked_into_without_waiting_for_the_round() {
    let fake = Fake::new();
    let seldom = Pace { list: Duration::from_secs(3600), ..settings().pace };
    let registry = registry(&fake, Settings { pace: seldom, ..settings() });
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    registry.suspect(&name("ada"));
    registry.suspect(&name("nobody"));
    timeout(PATIENCE, fake.until_asked("state", 1)).await.unwrap();
    assert_eq!(ada.borrow().phase, Running, "an unfounded suspicion changes nothing");
    fake.kill("ada", "exit-code");
    while ada.borrow().phase == Running {
        registry.suspect(&name("ada"));
        tokio::task::yield_now().await;
    }
    assert_eq!(ada.borrow().phase, Failed);
}

#[tokio::test]
async fn a_server_its_owner_shuts_down_has_not_failed() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    fake.kill("ada", "success");
    assert_eq!(until(&mut ada, Stopped).await.message, "The server was shut down.");
}

#[tokio::test]
async fn a_restart_of_the_hub_takes_in_what_runs() {
    let fake = Fake::new();
    {
        let before = registry(&fake, settings());
        for user in ["ada", "bob"] {
            until(&mut before.ensure(&name(user)), Running).await;
        }
    }
    fake.fate("eve", Fate::NeverAnswers);
    let after = registry(&fake, settings());
    assert_eq!(after.rebuild(PATIENCE).await.unwrap(), 2);
    let ada = after.watch(&name("ada"));
    assert_eq!(ada.borrow().phase, Running);
    assert_eq!(ada.borrow().endpoint.as_ref().unwrap().socket, fake.socket(&name("ada")));
    assert_eq!((fake.asked("start"), fake.asked("stop")), (2, 0));
}

#[tokio::test]
async fn after_a_restart_of_the_hub_it_is_known_who_runs_without_own_things() {
    let fake = Fake::new();
    until(&mut registry(&fake, settings()).ensure_plain(&name("ada")), Running).await;
    let after = registry(&fake, settings());
    after.rebuild(PATIENCE).await.unwrap();
    assert!(after.watch(&name("ada")).borrow().without_own);
    // It ends later: nothing of hers can be why.
    fake.kill("ada", "exit-code");
    let view = until(&mut after.watch(&name("ada")), Failed).await;
    assert!(view.without_own, "{view:?}");
}

#[tokio::test]
async fn closing_lets_go_who_watches_and_stops_no_server() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    registry.close();
    timeout(PATIENCE, async { while ada.changed().await.is_ok() {} }).await.unwrap();
    assert!(fake.is_up("ada"));
}

#[tokio::test]
async fn without_a_launcher_people_wait_and_get_in_when_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("launcher.sock");
    let (registry, _departed) = Registry::new(hub_core::launcher::client::Client::new(socket.clone()), settings());
    let error = registry.rebuild(Duration::from_millis(50)).await.unwrap_err();
    assert!(error.to_string().starts_with("the launcher did not list the running servers"), "{error}");
    let mut ada = registry.ensure(&name("ada"));
    assert_eq!(ada.borrow().phase, Queued);
    assert!(ada.borrow().message.starts_with("The hub can't reach its launcher at the moment"), "{}", ada.borrow().message);
    let _fake = Fake::listening_on(&socket);
    until(&mut ada, Running).await;
}

#[tokio::test]
async fn a_launcher_that_restarts_during_a_start_fails_nobody() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    registry.rebuild(PATIENCE).await.unwrap();
    fake.hang_up_on_next("start");
    until(&mut registry.ensure(&name("ada")), Running).await;
    assert_eq!(fake.asked("start"), 2);
}

#[tokio::test]
async fn a_stop_that_systemd_refuses_is_shown_and_the_server_is_found_again() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    fake.fate("ada", Fate::NeverStops);
    registry.stop(&name("ada"));
    let failure = until(&mut ada, Failed).await.failure.unwrap();
    assert_eq!(failure.summary, "It could not be stopped: the job timed out.");
    until(&mut ada, Running).await;
}

#[tokio::test]
async fn an_impostor_behind_the_socket_is_told_apart() {
    let fake = Fake::new();
    fake.fate("ada", Fate::Impostor);
    let registry = registry(&fake, settings());
    let failure = until(&mut registry.ensure(&name("ada")), Failed).await.failure.unwrap();
    assert!(failure.summary.starts_with("Another account's program listens"), "{failure:?}");
}

#[tokio::test]
async fn no_memory_makes_people_wait_and_not_crash() {
    let proc = tempfile::tempdir().unwrap();
    let memory = |megabytes: u64| {
        std::fs::write(proc.path().join("meminfo"), format!("MemAvailable: {} kB\n", megabytes * 1024)).unwrap();
    };
    memory(50);
    let fake = Fake::new();
    let registry = registry(&fake, Settings { proc: proc.path().to_owned(), ..settings() });
    registry.rebuild(PATIENCE).await.unwrap();
    let mut ada = registry.ensure(&name("ada"));
    assert_eq!(ada.borrow().phase, Queued);
    assert!(ada.borrow().message.starts_with("The machine's memory is full"), "{}", ada.borrow().message);
    memory(4096);
    until(&mut ada, Running).await;
}

#[tokio::test]
async fn a_server_whose_programs_use_up_its_memory_over_and_over_stays_down_for_a_while() {
    let fake = Fake::new();
    let registry = registry(&fake, settings());
    let (mut ada, mut bob) = (registry.ensure(&name("ada")), registry.ensure(&name("bob")));
    until(&mut ada, Running).await;
    until(&mut bob, Running).await;
    registry.rebuild(PATIENCE).await.unwrap();
    fake.memory_kills("bob", 10);
    fake.memory_kills("ada", 60);
    until(&mut ada, Stopped).await;
    for again in [registry.ensure(&name("ada")), registry.restart(&name("ada"), false), registry.ensure_plain(&name("ada"))] {
        let view = again.borrow();
        assert_eq!(view.phase, Stopped);
        assert!(view.message.contains("over and over") && view.message.ends_with("in 5 minutes."), "{}", view.message);
    }
    assert_eq!(bob.borrow().phase, Running);
}

#[tokio::test]
async fn the_owner_of_an_unused_server_is_told_and_can_keep_it() {
    let fake = Fake::new();
    let registry = registry(&fake, Settings { idle_timeout: Some(Duration::from_secs(2)), ..settings() });
    let mut ada = registry.ensure(&name("ada"));
    until(&mut ada, Running).await;
    timeout(PATIENCE, ada.wait_for(|view| view.stops_at.is_some())).await.unwrap().unwrap();
    assert_eq!(ada.borrow().phase, Running);
    registry.touch(&name("ada"));
    assert!(ada.borrow().stops_at.is_none());
    timeout(PATIENCE, ada.wait_for(|view| view.stops_at.is_some())).await.unwrap().unwrap();
    until(&mut ada, Stopped).await;
}

#[tokio::test]
async fn an_idle_server_is_stopped_and_a_busy_one_is_not() {
    let fake = Fake::new();
    fake.fate("busy", Fate::Busy);
    let registry = registry(&fake, Settings { idle_timeout: Some(Duration::from_millis(50)), ..settings() });
    let (mut idle, mut busy) = (registry.ensure(&name("idle")), registry.ensure(&name("busy")));
    until(&mut busy, Running).await;
    until(&mut idle, Stopped).await;
    assert_eq!(idle.borrow().message, "The server was stopped because nobody used it.");
    let asked = fake.questions("busy");
    timeout(PATIENCE, fake.until_questions("busy", asked + 4)).await.unwrap();
    assert_eq!(busy.borrow().phase, Running);
}
