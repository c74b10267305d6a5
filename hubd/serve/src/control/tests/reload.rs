//! A changed configuration in a hub that is full of people.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::auth::{LoginError, Session};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "correct horse battery";

impl Hub {
    async fn reload(&self, text: &str) -> Reply {
        let path = self.context.paths.config_file();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self.root(&Request::Reload).await
    }

    async fn log_in(&self, person: &str) -> Result<Session, LoginError> {
        Ok(self.context.people.log_in(person, PASSWORD, HERE).await?.session)
    }

    /// A hub in which `person` is logged in and has a server.
    async fn with_open_lab(person: &str) -> (Self, Session) {
        let hub = Self::new().await;
        let people = hub.context.people.clone();
        hub.context.config.follow(move |config| people.set_policy(config.into()));
        hub.context.people.set_password(&name(person), PASSWORD, &Maker::Host).await.unwrap();
        hub.servers.ensure(&name(person));
        let session = hub.log_in(person).await.unwrap();
        (hub, session)
    }
}

#[tokio::test]
async fn whoever_is_logged_out_has_no_session_and_a_server_that_goes_on() {
    let (hub, bob) = Hub::with_open_lab("bob").await;
    assert!(!*bob.ended.borrow());
    assert!(matches!(hub.root(&Request::UserLogout { name: name("bob") }).await, Reply::Done));
    assert!(*bob.ended.borrow());
    assert_eq!(hub.servers.phase(&name("bob")), ServerPhase::Running);
    assert!(hub.log_in("bob").await.is_ok());
    assert_eq!(refusal(hub.root(&Request::UserLogout { name: name("nobody") }).await).0, RefusalKind::NotEnrolled);
}

#[tokio::test]
async fn whom_the_configuration_blocks_is_out_with_all_that_is_open() {
    let (hub, bob) = Hub::with_open_lab("bob").await;
    let blocked = CONFIG.replace("blocked = [", "blocked = [\"bob\", ");
    let Reply::Reloaded(reloaded) = hub.reload(&blocked).await else { panic!() };
    assert_eq!((reloaded.blocked, reloaded.stopping), (vec![name("bob"), name("olga")], vec![name("bob")]));
    assert!(*bob.ended.borrow());
    assert_eq!(hub.servers.phase(&name("bob")), ServerPhase::Stopped);
    assert!(matches!(hub.log_in("bob").await, Err(LoginError::Blocked)));
    assert!(hub.context.people.find(&name("bob")).await.unwrap().unwrap().blocked);
    let (kind, _) = refusal(hub.root(&Request::ServerStart { name: name("bob"), without_own: false }).await);
    assert_eq!(kind, RefusalKind::Invalid);
    let (_, message) = refusal(hub.root(&Request::UserBlock { name: name("bob"), blocked: false }).await);
    assert_eq!(message, "the configuration blocks bob");
    hub.reload(CONFIG).await;
    assert!(hub.log_in("bob").await.is_ok(), "let in again");
}

#[tokio::test]
async fn a_demoted_administrator_has_no_rights_no_session_and_no_server_with_them() {
    let (hub, ada) = Hub::with_open_lab("ada").await;
    assert!(matches!(hub.ask(Access::Admin, ADA, &Request::UserList).await, Reply::Users { .. }));
    let Reply::Reloaded(reloaded) = hub.reload("[roles]\nadmins = [\"cyd\"]\n").await else { panic!() };
    assert_eq!((reloaded.demoted, reloaded.stopping), (["ada", "dora", "tess", "theo"].map(name).to_vec(), vec![name("ada")]));
    assert!(*ada.ended.borrow());
    assert_eq!(hub.servers.phase(&name("ada")), ServerPhase::Stopped);
    assert_eq!(refusal(hub.ask(Access::Admin, ADA, &Request::UserList).await).0, RefusalKind::NotAllowed);
    let again = hub.log_in("ada").await.unwrap();
    assert!(!*again.ended.borrow(), "she may use the hub like anybody");
}

#[tokio::test]
async fn an_invalid_file_changes_nothing() {
    let (hub, bob) = Hub::with_open_lab("bob").await;
    let before = hub.context.config.get();
    let (kind, message) = refusal(hub.reload("[limits]\nmemory = \"banana\"\n").await);
    assert_eq!(kind, RefusalKind::Invalid);
    assert!(message.contains(":2:10: \"banana\""), "{message}");
    assert!(Arc::ptr_eq(&before, &hub.context.config.get()));
    assert!(!*bob.ended.borrow());
}

#[tokio::test]
async fn only_other_sockets_need_a_new_process() {
    let hub = Hub::new().await;
    for (text, expected) in [("[limits]\nmemory = \"2G\"\n", false), ("[http]\nlisten = [\"[::]:8000\"]\n", true), ("", false)] {
        let Reply::Reloaded(reloaded) = hub.reload(text).await else { panic!() };
        assert_eq!(reloaded.restart_needed, expected, "{text}");
    }
}

#[tokio::test]
async fn only_root_of_the_machine_may_ask_for_it() {
    let hub = Hub::new().await;
    for (access, uid) in [(Access::Admin, ADA), (Access::Admin, BOB), (Access::Host, ADA)] {
        let (kind, _) = refusal(hub.ask(access, uid, &Request::Reload).await);
        assert_eq!(kind, RefusalKind::NotAllowed, "{uid} at {access:?}");
    }
}

#[tokio::test]
async fn whoever_rises_logs_in_anew_and_a_teachers_link_for_them_is_void() {
    let (hub, bob) = Hub::with_open_lab("bob").await;
    hub.context.people.add(&name("tess"), None, &Maker::Host).await.unwrap();
    let Reply::Link { link, .. } = hub.ask(Access::Admin, TESS, &Request::UserLink { name: name("bob") }).await else { panic!() };
    let token = crate::auth::Token::parse(link.rsplit_once('/').unwrap().1).unwrap();
    let Reply::Users { users } = hub.root(&Request::UserList).await else { panic!() };
    let listed = users.iter().find(|user| user.name == name("bob")).unwrap();
    assert_eq!(listed.link.as_ref().unwrap().maker, Some(name("tess")));
    let Reply::Reloaded(reloaded) = hub.reload(&CONFIG.replace("admins = [", "admins = [\"bob\", ")).await else { panic!() };
    assert_eq!((reloaded.promoted, reloaded.need_link, reloaded.stopping), (vec![name("bob")], vec![], vec![]));
    assert!(*bob.ended.borrow());
    let refused = hub.context.people.use_link(&token, PASSWORD, HERE).await;
    assert!(matches!(refused, Err(crate::auth::PeopleError::LinkRevoked)));
    let Reply::Users { users } = hub.root(&Request::UserList).await else { panic!() };
    assert!(users.iter().all(|user| user.name != name("bob") || user.link.is_none()));
}

/// What waits in it for the role would have it at once.
#[tokio::test]
async fn the_server_of_a_helper_who_rises_is_stopped() {
    let (hub, _) = Hub::with_open_lab("bob").await;
    for (role, stopping) in [("helpers = [", vec![]), ("admins = [", vec![name("bob")])] {
        let Reply::Reloaded(reloaded) = hub.reload(&CONFIG.replace(role, &format!("{role}\"bob\", "))).await else { panic!() };
        assert_eq!((reloaded.promoted, reloaded.stopping), (vec![name("bob")], stopping), "{role}");
    }
}

#[tokio::test]
async fn whose_password_came_from_a_former_operator_is_said_to_need_a_link() {
    let (hub, _) = Hub::with_open_lab("ada").await;
    let link = hub.ask(Access::Operator, OPERATOR, &Request::UserLink { name: name("ada") }).await;
    let Reply::Link { link, .. } = link else { panic!("{link:?}") };
    let token = crate::auth::Token::parse(link.rsplit_once('/').unwrap().1).unwrap();
    let ada = hub.context.people.use_link(&token, PASSWORD, HERE).await.unwrap().session;
    let Reply::Reloaded(reloaded) = hub.reload(&CONFIG.replace("\"nobody\", ", "")).await else { panic!() };
    assert_eq!((reloaded.need_link, *ada.ended.borrow()), (vec![name("ada")], true));
}

#[tokio::test]
async fn who_blocks_the_maker_of_their_password_goes_on() {
    let hub = Hub::new().await;
    hub.root(&Request::UserBlock { name: name("cyd"), blocked: false }).await;
    let cyd = crate::auth::Maker::Person(name("cyd"), hub_core::config::Role::Admin);
    hub.context.people.set_password(&name("ada"), PASSWORD, &cyd).await.unwrap();
    let ada = hub.context.people.log_in("ada", PASSWORD, HERE).await.unwrap().session;
    hub.ask(Access::Admin, ADA, &Request::UserBlock { name: name("cyd"), blocked: true }).await;
    assert!(!*ada.ended.borrow());
}
