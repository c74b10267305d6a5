//! Class lists: looked at, applied, and what they may not do.

use hub_core::control::roster::{Go, RosterPlan, RosterReply, RosterRequest};
use hub_roster::Profile;

use super::*;
use crate::auth::Token;

fn list(text: &str) -> RosterRequest {
    RosterRequest {
        list: text.to_owned(),
        is_guessed: false,
        columns: Vec::new(),
        has_heading: None,
        whole_class: false,
        go: None,
    }
}

/// Asks that `about` be on a list, which does nothing: nobody has seen what it would change.
pub(super) fn apply_to(about: &str) -> Request {
    let go = Some(Go { mark: "another".to_owned(), many_leave: true });
    Request::Roster { ask: Box::new(RosterRequest { whole_class: true, go, ..list(&format!("username,name\n{about},X Y\n")) }) }
}

impl Hub {
    async fn roster(&self, access: Access, uid: u32, ask: RosterRequest) -> Result<RosterReply, (RefusalKind, String)> {
        match self.ask(access, uid, &Request::Roster { ask: Box::new(ask) }).await {
            Reply::Roster(reply) => Ok(*reply),
            refused => Err(refusal(refused)),
        }
    }

    /// Looks, and has done what was seen.
    async fn apply(&self, access: Access, uid: u32, ask: RosterRequest) -> Result<RosterReply, (RefusalKind, String)> {
        let mark = self.roster(access, uid, ask.clone()).await?.plan.mark;
        self.roster(access, uid, RosterRequest { go: Some(Go { mark, many_leave: false }), ..ask }).await
    }

    async fn profile(&self, who: &str) -> Profile {
        self.context.people.find(&name(who)).await.unwrap().unwrap().profile
    }
}

fn problems(plan: &RosterPlan) -> Vec<&str> {
    plan.problems.iter().map(|problem| problem.message.as_str()).collect()
}

const CLASS: &str = "Nachname;Vorname;E-Mail\nMüller;Bob;BOB@school.example\nGroß;Zoë;zoe.gross@school.example\n";

#[tokio::test]
async fn a_class_list_is_looked_at_applied_and_then_there_is_nothing_to_do() {
    let hub = Hub::staffed().await;
    let seen = hub.roster(Access::Admin, TESS, list(CLASS)).await.unwrap();
    assert!(seen.done.is_none() && hub.context.people.find(&name("zoe.gross")).await.unwrap().is_none());
    let done = hub.apply(Access::Admin, TESS, list(CLASS)).await.unwrap().done.unwrap();
    assert_eq!(done.users.len(), 1);
    let link = done.users[0].link.as_deref().unwrap();
    assert!(link.starts_with("https://hub.example.org/hub/link/"), "{link}");
    let token = Token::parse(link.rsplit('/').next().unwrap()).unwrap();
    assert_eq!(hub.context.people.look_at_link(&token).await.unwrap(), name("zoe.gross"));
    assert_eq!(hub.profile("bob").await.full_name.as_deref(), Some("Bob Müller"));
    assert_eq!(hub.profile("zoe.gross").await.email.as_deref(), Some("zoe.gross@school.example"));
    let again = hub.apply(Access::Admin, TESS, list(CLASS)).await.unwrap();
    assert!(again.plan.is_empty() && again.plan.unchanged == 2 && again.done.unwrap().users.is_empty());
    assert!(hub.context.people.look_at_link(&token).await.is_ok(), "links stay");
    // Also when somebody was removed in between: the name is theirs.
    assert!(matches!(hub.root(&Request::UserRemove { name: name("zoe.gross") }).await, Reply::Done));
    let other = "Name;E-Mail\nZoe Gross;zoe.gross@other.example\nZoë Groß;zoe.gross@school.example\n";
    let plan = hub.roster(Access::Admin, TESS, list(other)).await.unwrap().plan;
    assert_eq!(plan.comes.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["zoe.gross2", "zoe.gross"]);
}

#[tokio::test]
async fn nothing_is_done_that_was_not_seen_and_nothing_half() {
    let hub = Hub::staffed().await;
    let go = |mark: String| RosterRequest { go: Some(Go { mark, many_leave: false }), ..list("username\nfay\ngus\n") };
    let mark = hub.roster(Access::Host, 0, list("username\nfay\ngus\n")).await.unwrap().plan.mark;
    hub.context.people.add(&name("gus"), None, &Maker::Host).await.unwrap();
    let reply = hub.roster(Access::Host, 0, go(mark)).await.unwrap();
    assert!(reply.done.is_none() && reply.plan.comes.len() == 1, "{reply:?}");
    let mistaken = "username,email\nfay,fay@x.org\nhal,no address\n";
    let (kind, message) = hub.apply(Access::Host, 0, list(mistaken)).await.unwrap_err();
    assert_eq!((kind, message.as_str()), (RefusalKind::Invalid, "there are problems in the list, so nothing was done"));
    assert!(hub.context.people.find(&name("fay")).await.unwrap().is_none());
    // As it is when two lists are applied at the same moment.
    let profile = Profile::default();
    let comer = |who: &str| hub_roster::NewPerson { name: name(who), profile: profile.clone(), password: None };
    let change = hub_roster::ClassChange { comers: vec![comer("fay"), comer("gus")], ..Default::default() };
    let error = hub.context.people.apply(change, &Maker::Host, None).await.err().unwrap();
    assert!(matches!(error, crate::auth::PeopleError::Changed), "{error:?}");
    assert!(hub.context.people.find(&name("fay")).await.unwrap().is_none(), "half of it was done");
}

#[tokio::test]
async fn a_list_does_nothing_to_somebody_above_and_a_made_name_is_no_role() {
    let hub = Hub::staffed().await;
    for (about, says) in [
        ("dora", "dora is an administrator, whom administrators look after"),
        ("theo", "theo is a teacher, whom administrators look after"),
    ] {
        let reply = hub.roster(Access::Admin, TESS, list(&format!("username\n{about}\n"))).await.unwrap();
        assert_eq!(problems(&reply.plan), [says]);
        let refused = hub.apply(Access::Admin, TESS, list(&format!("username\n{about}\n"))).await.unwrap_err();
        assert_eq!(refused.0, RefusalKind::Invalid);
        assert!(hub.context.people.find(&name(about)).await.unwrap().is_none());
    }
    for about in ["ada", "tess"] {
        let reply = hub.apply(Access::Admin, TESS, list(&format!("username,name\n{about},Evil\n"))).await.unwrap();
        assert!(reply.plan.is_empty() && reply.plan.notes.len() == 1, "{:?}", reply.plan);
        assert_eq!(hub.profile(about).await, Profile::default());
    }
    let made = "Name,Mail\nDora X,dora@x.org\nAda X,ada@x.org\nOlga X,olga@x.org\nTheo X,theo@x.org\n";
    for (access, uid) in [(Access::Admin, TESS), (Access::Admin, ADA), (Access::Host, 0)] {
        let plan = hub.roster(access, uid, list(made)).await.unwrap().plan;
        let names: Vec<&str> = plan.comes.iter().map(|comer| comer.name.as_str()).collect();
        assert_eq!(names, ["dora2", "ada2", "olga2", "theo2"]);
    }
    assert_eq!(hub.roster(Access::Admin, HUGO, list("eve\n")).await.unwrap_err().0, RefusalKind::NotAllowed);
    assert_eq!(hub.roster(Access::Admin, BOB, list("eve\n")).await.unwrap_err().0, RefusalKind::NotAllowed);
}

#[tokio::test]
async fn who_left_is_out_at_once_and_many_leave_only_when_that_is_said() {
    let hub = Hub::staffed().await;
    let class: Vec<String> = (0..9).map(|number| format!("s{number}")).collect();
    for one in &class {
        hub.context.people.add(&name(one), None, &Maker::Host).await.unwrap();
    }
    let whole = |names: &[String]| RosterRequest { whole_class: true, ..list(&names.join("\n")) };
    let here = [&["bob".to_owned()], &class[1..]].concat();
    hub.servers.set(&name("s0"), ServerPhase::Running);
    let done = hub.apply(Access::Admin, TESS, whole(&here)).await.unwrap();
    assert_eq!(done.plan.leaves().iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["s0"]);
    assert!(hub.context.people.find(&name("s0")).await.unwrap().unwrap().blocked);
    assert_eq!(hub.servers.phase(&name("s0")), ServerPhase::Stopped);
    for staff in ["tess", "hugo", "ada"] {
        assert!(!hub.context.people.find(&name(staff)).await.unwrap().unwrap().blocked, "{staff}");
    }
    assert!(hub.apply(Access::Admin, TESS, whole(&here)).await.unwrap().plan.is_empty(), "the same list again");
    let (kind, message) = hub.apply(Access::Admin, TESS, whole(&here[..6])).await.unwrap_err();
    assert_eq!((kind, message.contains("3 people would leave")), (RefusalKind::Invalid, true), "{message}");
    assert!(!hub.context.people.find(&name("s8")).await.unwrap().unwrap().blocked);
    let (kind, _) = hub.apply(Access::Admin, TESS, whole(&[])).await.unwrap_err();
    assert_eq!(kind, RefusalKind::Invalid, "nobody leaves by an empty list");
    let mark = hub.roster(Access::Admin, TESS, whole(&here[..6])).await.unwrap().plan.mark;
    let go = Some(Go { mark, many_leave: true });
    let done = hub.roster(Access::Admin, TESS, RosterRequest { go, ..whole(&here[..6]) }).await.unwrap();
    assert_eq!(done.plan.leaves().len(), 3);
    assert!(hub.context.people.find(&name("s8")).await.unwrap().unwrap().blocked);
}

#[tokio::test]
async fn more_than_is_allowed_is_refused() {
    let hub = Hub::new().await;
    let request = Request::Roster { ask: Box::new(list(&"x".repeat((2 << 20) + 1))) };
    let (kind, message) = refusal(carry_out(&Actor::Root, Through::Page, &request, &hub.context).await);
    assert_eq!((kind, message.as_str()), (RefusalKind::Invalid, "the list has more than 2 MB"));
    let many: String = (0..5002).map(|number| format!("s{number}\n")).collect();
    let plan = hub.roster(Access::Host, 0, list(&many)).await.unwrap().plan;
    assert_eq!(problems(&plan), ["the list has more than 5000 rows"]);
}
