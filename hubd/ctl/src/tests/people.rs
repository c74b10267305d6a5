//! `hubctl user`: what it asks the hub, what it prints, and what it refuses to do.

use hub_core::config::Role;
use hub_core::control::{AddedUser, NewUser, Refusal, RefusalKind, UserInfo};
use hub_core::launcher::protocol;
use hub_system::accounts::table::{Record, TableFile};

use super::*;

fn added(name: &str, link: Option<&str>) -> AddedUser {
    AddedUser {
        name: name.parse().unwrap(),
        added: true,
        link: link.map(str::to_owned),
        expires: link.map(|_| "2026-09-08T10:00:00Z".to_owned()),
    }
}

fn new(name: &str, password: Option<&str>) -> NewUser {
    NewUser { name: name.parse().unwrap(), password: password.map(str::to_owned) }
}

fn not_enrolled(name: &str) -> Reply {
    Refusal::new(RefusalKind::NotEnrolled, format!("{name} is not enrolled")).hint("hubctl user list").into()
}

#[test]
fn a_class_list_becomes_a_table_of_links() {
    let machine = Machine::host();
    let list = machine.write("class.csv", "username,password,group\r\nada,,1\r\nbob,correct horse,2\r\ncyd,,2\r\n");
    let reply = Reply::Added {
        users: vec![
            added("ada", Some("https://hub.example.org/hub/link/aaa")),
            added("bob", None),
            AddedUser { added: false, link: None, expires: None, ..added("cyd", None) },
        ],
    };
    let (ran, asked) = machine.run_with(&format!("user add --from {list}"), vec![reply]);
    assert_eq!(asked, [Request::UserAdd { users: vec![new("ada", None), new("bob", Some("correct horse")), new("cyd", None)] }]);
    assert_eq!(
        ran.output,
        "NAME  FIRST LOGIN\n\
         ada   https://hub.example.org/hub/link/aaa\n\
         bob   with the password given\n\
         cyd   enrolled already, nothing changed\n"
    );
    assert_eq!(
        ran.messages,
        format!(
            "Columns of {list} that are not used: group\n\n\
             Each link works once, until Tue 8 Sep, 10:00. Whoever opens it sets that person's password.\n\
             2 people added, 1 enrolled already.\n"
        )
    );
    assert_eq!(ran.code, 0);
}

#[test]
fn one_bad_line_and_the_hub_is_not_even_asked() {
    let machine = Machine::host().typing("ada\nBob\n");
    let ran = machine.run("user add cyd --from -");
    assert_eq!((ran.code, ran.output.as_str()), (1, ""));
    assert_eq!(
        ran.messages,
        "error: 1 problem in the list, so nothing was done\n\
         standard input:2:1: name \"Bob\" contains 'B'; allowed are a-z, 0-9, `.`, `_` and `-`\n  |\n2 | Bob\n  | ^^^\n  = hint: `bob` would do\n"
    );
}

#[test]
fn a_typed_name_that_can_t_be_one_comes_with_another() {
    let ran = Machine::host().run_arguments(["user", "add", "ada", "Anna Mu\u{308}ller"]);
    assert_eq!(ran.code, 2);
    let said = "name \"Anna M\u{fc}ller\" contains 'A'; allowed are a-z, 0-9, `.`, `_` and `-`; `anna.mueller` would do";
    assert!(ran.messages.contains(said), "{}", ran.messages);
}

#[test]
fn many_passwords_are_announced_since_each_takes_a_moment() {
    for (count, is_said) in [(19, false), (20, true)] {
        let machine = Machine::host();
        let people: String = (0..count).map(|number| format!("s{number},correct horse\n")).collect();
        let list = machine.write("class.csv", format!("username,password\n{people}"));
        let reply = Reply::Added { users: (0..count).map(|number| added(&format!("s{number}"), None)).collect() };
        let (ran, _) = machine.run_with(&format!("user add --from {list}"), vec![reply]);
        assert_eq!(ran.messages.starts_with("Storing 20 passwords. That takes a while"), is_said, "{}", ran.messages);
    }
}

#[test]
fn a_list_of_nobody_and_a_name_twice_are_mistakes() {
    let ran = Machine::host().typing("# nobody yet\n").run("user add --from -");
    assert_eq!((ran.code, ran.messages.as_str()), (1, "error: `-` names nobody\n"));
    let ran = Machine::host().typing("ada\n").run("user add ada --from -");
    assert_eq!((ran.code, ran.messages.as_str()), (1, "error: ada is named twice; nobody was added\n"));
}

#[test]
fn the_json_of_user_add_is_stable() {
    let reply = Reply::Added { users: vec![added("ada", Some("/hub/link/aaa"))] };
    let (ran, _) = Machine::host().run_with("user add ada --json", vec![reply]);
    assert_eq!(
        ran.output,
        r#"{
  "users": [
    {
      "name": "ada",
      "added": true,
      "link": "/hub/link/aaa",
      "expires": "2026-09-08T10:00:00Z"
    }
  ]
}
"#
    );
    assert_eq!(ran.messages, "");
}

#[test]
fn a_link_without_an_address_says_what_is_missing() {
    let reply = Reply::Link { link: "/hub/link/aaa".to_owned(), expires: "2026-09-07T18:30:00Z".to_owned() };
    let (ran, asked) = Machine::host().run_with("user link ada", vec![reply]);
    assert_eq!(asked, [Request::UserLink { name: "ada".parse().unwrap() }]);
    assert_eq!(ran.output, "NAME  LINK\nada   /hub/link/aaa\n");
    assert!(ran.messages.contains("once, until today at 18:30."), "{}", ran.messages);
    assert!(ran.messages.contains("http://ADDRESS/hub/link/..."), "{}", ran.messages);
}

#[test]
fn the_list_tells_who_can_log_in() {
    let user = |name: &str, role, blocked, has_password, last_active: Option<&str>| UserInfo {
        name: name.parse().unwrap(),
        full_name: None,
        email: None,
        admin: role == Role::Admin,
        role,
        blocked,
        has_password,
        last_active: last_active.map(str::to_owned),
        added: None,
        link: None,
    };
    let users = vec![
        user("ada", Role::Admin, false, true, Some("2026-09-07T07:00:00Z")),
        user("bob", Role::Teacher, true, true, None),
        user("cyd", Role::Student, false, false, None),
    ];
    let (ran, _) = Machine::host().run_with("user list", vec![Reply::Users { users: users.clone() }]);
    assert_eq!(
        ran.output,
        "NAME  ROLE           LOGIN            LAST ACTIVE\n\
         ada   administrator  ready            3 hours ago\n\
         bob   teacher        blocked          never\n\
         cyd   student        no password yet  never\n"
    );
    let (ran, _) = Machine::host().run_with("--json user list", vec![Reply::Users { users: users[..1].to_vec() }]);
    assert_eq!(
        ran.output,
        r#"{
  "users": [
    {
      "name": "ada",
      "admin": true,
      "role": "admin",
      "blocked": false,
      "has_password": true,
      "last_active": "2026-09-07T07:00:00Z"
    }
  ]
}
"#
    );
}

#[test]
fn full_names_and_addresses_have_columns_where_there_are_any() {
    let ada = UserInfo {
        full_name: Some("Ada \u{1b}[31mLovelace".to_owned()),
        email: Some("ada@school.example".to_owned()),
        ..listed("ada")
    };
    let users = vec![ada.clone(), listed("bob")];
    let (ran, _) = Machine::host().run_with("user list", vec![Reply::Users { users }]);
    assert_eq!(
        ran.output,
        "NAME  FULL NAME     E-MAIL              ROLE     LOGIN    LAST ACTIVE\n\
         ada   Ada Lovelace  ada@school.example  student  ready    never\n\
         bob                                     student  blocked  never\n"
    );
    let (ran, _) = Machine::host().run_with("user list --json", vec![Reply::Users { users: vec![ada.clone()] }]);
    assert!(ran.output.contains("\"email\": \"ada@school.example\""), "{}", ran.output);
    let machine = Machine::host();
    machine.write("etc/hubd/config.toml", POLICY);
    let (ran, _) = machine.run_with("user show ada", vec![Reply::Users { users: vec![ada] }]);
    let squeezed = ran.output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed.contains("full name Ada Lovelace e-mail ada@school.example"), "{}", ran.output);
}

#[test]
fn removing_asks_first_and_no_is_the_answer_unless_it_is_yes() {
    for answer in [Some("n"), Some(""), Some("ada"), None] {
        let ran = Machine::host().answering(&[answer]).run("user remove ada bob");
        assert_eq!(ran.code, 7, "{answer:?}");
        assert!(ran.messages.starts_with("This takes 2 people off the list: ada and bob.\n"), "{}", ran.messages);
        assert!(ran.messages.contains("home directories stay"), "{}", ran.messages);
        assert!(ran.messages.ends_with("Remove them? [y/N] "), "{}", ran.messages);
    }
    let ran = Machine::host().typing("y\n").run("user remove ada");
    assert_eq!(ran.code, 7, "standard input is not a person");
    assert!(ran.messages.ends_with("hint: add --yes if you are sure\n"), "{}", ran.messages);
    let (ran, asked) = Machine::host().answering(&[Some("y")]).run_with("user remove ada", vec![Reply::Done]);
    assert_eq!((ran.code, asked), (0, vec![Request::UserRemove { name: "ada".parse().unwrap() }]));
}

#[test]
fn one_who_is_not_there_does_not_stop_the_others() {
    let replies = vec![Reply::Done, not_enrolled("bbo"), Reply::Done];
    let (ran, asked) = Machine::host().run_with("user remove ada bbo cyd --yes --json", replies);
    assert_eq!((ran.code, asked.len()), (1, 3));
    assert_eq!(
        ran.output,
        r#"{
  "users": [
    {
      "name": "ada",
      "removed": true,
      "home_deleted": false
    },
    {
      "name": "cyd",
      "removed": true,
      "home_deleted": false
    }
  ],
  "problems": [
    {
      "name": "bbo",
      "message": "bbo is not enrolled",
      "hint": "hubctl user list"
    }
  ]
}
"#
    );
    assert_eq!(ran.messages, "error: bbo: bbo is not enrolled\nhint: hubctl user list\n");
}

/// A launcher that gives one answer, and the question it was asked.
fn launcher(machine: &Machine, answer: protocol::Reply) -> std::thread::JoinHandle<protocol::Request> {
    let socket = machine.paths().launcher_socket();
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request: protocol::Request = wire::receive(&mut stream).unwrap();
        wire::send(&mut stream, &answer).unwrap();
        request
    })
}

#[test]
fn a_home_is_deleted_by_the_launcher_even_when_the_name_is_off_the_list() {
    let machine = Machine::host();
    let launcher = launcher(&machine, protocol::Reply::Done);
    let (ran, _) = machine.run_with("user remove ada --delete-home --yes", vec![not_enrolled("ada")]);
    assert_eq!((ran.code, ran.messages.as_str()), (0, "ada was not enrolled; account and home are deleted\n"));
    assert_eq!(launcher.join().unwrap(), protocol::Request::Remove { name: "ada".parse().unwrap(), home: true });
}

#[test]
fn somebody_who_never_had_a_server_has_no_home_to_delete() {
    let nothing = || protocol::Reply::Refused(Refusal::new(RefusalKind::NoAccount, "`ada` has no unix account"));
    for (hub, code, message) in [
        (Reply::Done, 0, "ada is off the list; there was no account, and so no home\n"),
        (not_enrolled("ada"), 1, "error: ada: ada is not enrolled\nhint: hubctl user list\n"),
    ] {
        let machine = Machine::host();
        let launcher = launcher(&machine, nothing());
        let (ran, _) = machine.run_with("user remove ada --delete-home --yes", vec![hub]);
        assert_eq!((ran.code, ran.messages.as_str()), (code, message));
        launcher.join().unwrap();
    }
}

#[test]
fn a_password_is_asked_for_twice() {
    let set = |answers: &[Option<&str>]| Machine::host().answering(answers);
    let (ran, asked) = set(&[Some("correct horse"), Some("correct horse")]).run_with("user password ada", vec![Reply::Done]);
    let password = "correct horse".to_owned();
    assert_eq!((ran.code, asked), (0, vec![Request::UserPassword { name: "ada".parse().unwrap(), password }]));
    assert!(!format!("{}{}", ran.output, ran.messages).contains("horse"));
    for (answers, code) in
        [(vec![Some("a"), Some("b")], 1), (vec![None], 7), (vec![Some("")], 7), (vec![Some("correct horse"), None], 7)]
    {
        let ran = set(&answers).run("user password ada");
        assert_eq!(ran.code, code, "{answers:?}: {}", ran.messages);
    }
    assert_eq!(Machine::host().run("user password ada").code, 7, "nobody to ask");
}

#[test]
fn a_password_comes_from_standard_input_or_a_file() {
    let machine = Machine::host().typing("correct horse\r\nsecond line\n");
    let file = machine.write("secret", "correct horse\n");
    let lines = ["user password ada --password-stdin".to_owned(), format!("user password ada --password-file {file}")];
    for line in lines {
        let (ran, asked) = machine.run_with(&line, vec![Reply::Done]);
        std::fs::remove_file(machine.paths().control_socket()).unwrap();
        assert_eq!(ran.code, 0, "{}", ran.messages);
        assert_eq!(asked, [Request::UserPassword { name: "ada".parse().unwrap(), password: "correct horse".to_owned() }]);
    }
    let ran = Machine::host().typing("\n").run("user password ada --stdin");
    assert_eq!((ran.code, ran.messages.as_str()), (1, "error: the password is empty; expected it on the first line\n"));
    let ran = Machine::host().typing("correct horse\n").run("user add ada bob --password-stdin");
    assert!(ran.messages.contains("one password is for one person"), "{}", ran.messages);
    assert_eq!(Machine::host().run("user password ada --password-stdin --password-file x").code, 2);
}

#[test]
fn logging_out_says_what_it_did() {
    let (ran, asked) = Machine::host().run_with("user logout bob", vec![Reply::Done]);
    assert_eq!(asked, [Request::UserLogout { name: "bob".parse().unwrap() }]);
    assert_eq!(ran.messages, "bob is logged out everywhere\n");
}

#[test]
fn blocking_says_what_it_did() {
    let (ran, asked) = Machine::host().run_with("user block bob", vec![Reply::Done]);
    assert_eq!(asked, [Request::UserBlock { name: "bob".parse().unwrap(), blocked: true }]);
    assert_eq!(ran.messages, "bob is blocked: sessions ended, and the server is stopping\n");
    let (ran, asked) = Machine::host().run_with("user unblock bob --quiet", vec![Reply::Done]);
    assert_eq!(asked, [Request::UserBlock { name: "bob".parse().unwrap(), blocked: false }]);
    assert_eq!((ran.code, ran.messages.as_str(), ran.output.as_str()), (0, "", ""));
}

const POLICY: &str = r#"[roles]
admins = ["zoe"]
teachers = ["ada"]
blocked = [
  "bob",
]
[groups.lab]
members = ["ada"]
[groups.lab.limits]
memory = "4G"
"#;

fn listed(name: &str) -> UserInfo {
    UserInfo {
        name: name.parse().unwrap(),
        full_name: None,
        email: None,
        admin: false,
        role: Role::Student,
        blocked: name == "bob",
        has_password: true,
        last_active: None,
        added: None,
        link: None,
    }
}

#[test]
fn what_somebody_may_do_names_the_lines_that_say_so() {
    let machine = Machine::host();
    machine.write("etc/hubd/config.toml", POLICY);
    let show = |name: &str| {
        let reply = Reply::Users { users: vec![listed("ada"), listed("bob")] };
        std::fs::remove_file(machine.paths().control_socket()).ok();
        machine.run_with(&format!("user show {name}"), vec![reply]).0
    };
    let ada = show("ada");
    assert_eq!(ada.code, 0, "{}", ada.messages);
    for line in [
        "role         teacher (line 3): what helpers may, enrols and blocks people, writes to the class folder",
        "group        lab (line 8)",
        "memory       4G: group lab (line 10)",
        "tasks        512: the default",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ada.output.lines().any(|found| squeezed(found) == squeezed(line)), "{line} is not in\n{}", ada.output);
    }
    assert!(show("bob").output.contains("blocked (line 5)"), "{}", show("bob").output);
    let eve = show("eve");
    assert_eq!(eve.code, 1);
    assert!(eve.messages.contains("eve is not enrolled") && eve.output.contains("student"), "{}", eve.output);
}

#[test]
fn what_somebody_may_do_is_asked_of_the_hub_by_who_is_not_root() {
    let config = hub_core::config::parse(POLICY, "").unwrap();
    for (name, said) in [("ada", "lab (line 8)"), ("bob", "blocked (line 5)")] {
        let host = Machine::host();
        host.write("etc/hubd/config.toml", POLICY);
        let (root, _) = host.run_with(&format!("user show {name}"), vec![Reply::Users { users: vec![listed(name)] }]);
        for machine in [Machine::operator(), Machine::inside()] {
            let reply = Reply::User { user: Some(listed(name)), rights: config.rights_of(&name.parse().unwrap()) };
            let (ran, asked) = machine.run_with(&format!("user show {name}"), vec![reply]);
            assert_eq!((ran.code, ran.messages, &ran.output), (0, String::new(), &root.output));
            assert_eq!(asked, [Request::UserShow { name: name.parse().unwrap() }]);
        }
        assert!(root.output.contains(said), "{}", root.output);
    }
    let nobody = Reply::User { user: None, rights: config.rights_of(&"eve".parse().unwrap()) };
    assert_eq!(Machine::operator().run_with("user show eve", vec![nobody]).0.code, 1);
}

#[test]
fn packages_are_moved_aside_and_a_restart_is_offered() {
    let moved =
        |is_running| Reply::PackagesReset { places: vec!["/home/jupyter-bob/.local/share/hubd.aside-1".into()], is_running };
    let asked_first = Request::UserResetPackages { name: "bob".parse().unwrap(), settings: false };
    let (ran, asked) = Machine::host().run_with("user reset-packages bob", vec![moved(true)]);
    assert_eq!(asked, std::slice::from_ref(&asked_first));
    assert_eq!(ran.output, "moved aside, nothing is lost: /home/jupyter-bob/.local/share/hubd.aside-1\n");
    assert!(ran.messages.contains("hubctl server restart bob"), "{}", ran.messages);
    let done = Reply::Servers { servers: Vec::new() };
    let (ran, asked) = Machine::host().run_with("user reset-packages bob --restart", vec![moved(true), done]);
    let restart = Request::ServerRestart { name: "bob".parse().unwrap(), without_own: false };
    assert_eq!(asked, [asked_first, restart]);
    assert_eq!((ran.code, ran.messages.as_str()), (0, "bob's server was restarted.\n"));
    let nothing = Reply::PackagesReset { places: Vec::new(), is_running: true };
    let (ran, asked) = Machine::host().run_with("user reset-packages bob --settings --restart", vec![nothing]);
    assert_eq!(
        (asked.len(), ran.messages.as_str()),
        (1, "bob has no packages or settings of their own; there is nothing to move.\n")
    );
}

/// Retired, with the home kept, is who has an account and is not enrolled; nobody else, and nobody before a yes.
#[test]
fn accounts_that_nobody_stands_behind_are_retired() {
    let users = || vec![Reply::Users { users: vec![listed("ada")] }];
    let machine = |answers: &[Option<&str>]| {
        let machine = Machine::host().answering(answers);
        let path = machine.paths().accounts();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut guard = TableFile::new(path).lock().unwrap();
        for (name, uid) in [("ada", 20_000), ("ghost", 20_001)] {
            let record = Record { name: name.parse().unwrap(), account: format!("jupyter-{name}"), uid, created: 5 };
            guard.table.insert(record).unwrap();
        }
        guard.save().unwrap();
        machine
    };
    let told = "This retires the unix 1 account of people who are not enrolled: ghost.\n";
    let (ran, _) = machine(&[Some("no")]).run_with("user prune", users());
    assert!(ran.code != 0 && ran.messages.starts_with(told), "{}", ran.messages);
    let machine = machine(&[Some("yes")]);
    let launcher = launcher(&machine, protocol::Reply::Done);
    let (ran, _) = machine.run_with("user prune", users());
    assert!(ran.code == 0 && ran.messages.contains("the account of ghost is retired\n"), "{}", ran.messages);
    assert_eq!(launcher.join().unwrap(), protocol::Request::Remove { name: "ghost".parse().unwrap(), home: false });
}
