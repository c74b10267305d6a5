//! `hubctl roster`: shows what a class list changes, asks, and has that done.

use hub_core::control::AddedUser;
use hub_core::control::roster::{
    Absent, Change, Changed, Comer, Go, LineProblem, RosterDone, RosterPlan, RosterReply, RosterRequest,
};

use super::*;

fn plan() -> RosterPlan {
    let comer = Comer {
        line: 2,
        name: "anna.mueller".parse().unwrap(),
        is_made: true,
        full_name: Some("Anna \u{1b}[31mMüller".to_owned()),
        email: Some("am@x.org".to_owned()),
        has_password: false,
    };
    let name = Changed { from: Some("Bob".to_owned()), to: "Bob M".to_owned() };
    let change = Change { line: 3, name: "bob".parse().unwrap(), full_name: Some(name), email: None };
    RosterPlan {
        comes: vec![comer],
        changes: vec![change],
        unchanged: 2,
        absent: vec![Absent { name: "cyd".parse().unwrap(), full_name: None }],
        mark: "m".to_owned(),
        ..RosterPlan::default()
    }
}

fn seen(plan: RosterPlan) -> Reply {
    Reply::Roster(Box::new(RosterReply { plan, done: None }))
}

fn done(plan: RosterPlan) -> Reply {
    let user = AddedUser {
        name: "anna.mueller".parse().unwrap(),
        added: true,
        link: Some("/hub/link/aaa".to_owned()),
        expires: Some("2026-09-08T10:00:00Z".to_owned()),
    };
    Reply::Roster(Box::new(RosterReply { plan, done: Some(RosterDone { users: vec![user], problems: Vec::new() }) }))
}

fn asked(asked: &[Request]) -> Vec<&RosterRequest> {
    let asks = asked.iter().map(|request| match request {
        Request::Roster { ask } => &**ask,
        other => panic!("{other:?}"),
    });
    asks.collect()
}

#[test]
fn a_list_is_shown_asked_about_and_done_as_it_was_seen() {
    let machine = Machine::host().answering(&[Some("y")]);
    let list = machine.write("class.csv", b"Name;Mail\r\nAnna M\xfcller;am@x.org\r\n");
    let (ran, requests) = machine.run_with(&format!("roster apply {list}"), vec![seen(plan()), done(plan())]);
    assert_eq!(ran.code, 0, "{}", ran.messages);
    let requests = asked(&requests);
    assert_eq!((requests[0].list.as_str(), requests[0].is_guessed), ("Name;Mail\nAnna Müller;am@x.org\n", true));
    assert_eq!((&requests[0].go, &requests[1].go), (&None, &Some(Go { mark: "m".to_owned(), many_leave: false })));
    assert_eq!(
        ran.output,
        "         NAME          FULL NAME     E-MAIL\n\
         new      anna.mueller  Anna Müller   am@x.org\n\
         changes  bob           Bob -> Bob M\n\
         NAME          FULL NAME    FIRST LOGIN\n\
         anna.mueller  Anna Müller  /hub/link/aaa\n"
    );
    for said in
        ["1 student is not on the list: cyd. With --whole-class", "1 login name is made", "Do it? [y/N]", "0 people blocked."]
    {
        assert!(ran.messages.contains(said), "{said}: {}", ran.messages);
    }
}

#[test]
fn without_a_yes_nothing_is_done() {
    for answer in [Some("n"), Some(""), None] {
        let machine = Machine::host().answering(&[answer]).typing("ada\n");
        let (ran, requests) = machine.run_with("roster apply -", vec![seen(plan())]);
        assert_eq!((ran.code, requests.len()), (7, 1), "{}", ran.messages);
    }
    let (ran, requests) = Machine::host().typing("ada\n").run_with("roster apply - --dry-run", vec![seen(plan())]);
    assert_eq!((ran.code, requests.len()), (0, 1), "{}", ran.messages);
    let empty = RosterPlan { comes: Vec::new(), changes: Vec::new(), ..plan() };
    let (ran, requests) = Machine::host().typing("ada\n").run_with("roster apply -", vec![seen(empty)]);
    assert_eq!((ran.code, requests.len()), (0, 1), "{}", ran.messages);
    assert!(ran.messages.contains("There is nothing to do."), "{}", ran.messages);
    let (ran, _) = Machine::host().typing("ada\n").run_with("roster apply - --yes", vec![seen(plan()), seen(plan())]);
    assert_eq!((ran.code, ran.messages.contains("changed the list of people meanwhile")), (4, true), "{}", ran.messages);
}

#[test]
fn many_leave_only_when_that_is_said_too() {
    let many = || RosterPlan { absent_leave: true, many_leave: true, ..plan() };
    let (ran, requests) = Machine::host().typing("x\n").run_with("roster apply - --whole-class --yes", vec![seen(many())]);
    assert_eq!((ran.code, requests.len()), (7, 1), "{}", ran.messages);
    assert!(ran.messages.contains("add --many-leave"), "{}", ran.messages);
    let line = "roster apply - --whole-class --many-leave --yes --columns given,family";
    let (ran, requests) = Machine::host().typing("x\n").run_with(line, vec![seen(many()), done(many())]);
    assert_eq!(ran.code, 0, "{}", ran.messages);
    let last = asked(&requests)[1].clone();
    assert!(last.whole_class && last.go.unwrap().many_leave && last.columns.len() == 2);
    let machine = Machine::host().answering(&[Some("y"), Some("n")]).typing("x\n");
    let (ran, requests) = machine.run_with("roster apply - --whole-class", vec![seen(many())]);
    assert_eq!((ran.code, requests.len()), (7, 1), "{}", ran.messages);
}

#[test]
fn problems_are_told_with_their_lines_and_json_is_the_whole_answer() {
    let problem =
        LineProblem { line: Some(3), message: "`x` is not an e-mail address".to_owned(), hint: Some("correct it".to_owned()) };
    let wrong = RosterPlan { problems: vec![problem], ..plan() };
    let (ran, requests) = Machine::host().typing("x\n").run_with("roster apply - --yes", vec![seen(wrong)]);
    assert_eq!((ran.code, requests.len()), (1, 1));
    let said = "1 problem in the list, so nothing was done\nstandard input:3: `x` is not an e-mail address\n  = hint: correct it";
    assert!(ran.messages.contains(said), "{}", ran.messages);
    let ran = Machine::host().typing(&b"PK\x03\x04\0\0xl/workbook.xml"[..]).run("roster apply -");
    assert!(ran.code == 1 && ran.messages.contains("it is a spreadsheet"), "{}", ran.messages);
    let replies = vec![seen(plan()), done(plan())];
    let (ran, _) = Machine::host().typing("x\n").run_with("roster apply - --yes --json", replies);
    let told: RosterReply = serde_json::from_str(&ran.output).unwrap();
    assert_eq!((told.plan, told.done.unwrap().users.len(), ran.messages.as_str()), (plan(), 1, ""));
    let ran = Machine::host().typing("x\n").run("roster apply - --columns surname");
    assert!(ran.code == 2 && ran.messages.contains("there are unused, login, name, given"), "{}", ran.messages);
}
