//! A change that somebody who is not root asks for: at their end, and on root's side.

use hub_core::config::edit::KeyPath;
use hub_core::control::change::{ChangeVerb, Ended, KeyChange, Manner, Requester};
use hub_core::control::{Reply, Request};
use hub_system::config_change::Asked;

use super::super::inside::validate;
use super::super::review::Review;
use crate::tests::Machine;

const FILE: &str = "[roles]\nadmins = [\"ada\", \"olga\"]\nteachers = [\"tess\"]\nblocked = []\nhost_operators = [\"opal\"]\n\
                    [environment]\nindex_url = \"https://user:secret@mirror.example.org/simple\"\n[limits]\nmemory = \"1G\"\n";

fn wanted(verb: ChangeVerb, key: &str, values: &[&str]) -> KeyChange {
    KeyChange {
        verb,
        key: key.split('.').map(str::to_owned).collect(),
        values: values.iter().map(|&value| value.to_owned()).collect(),
        manner: Manner { dry_run: true, ..Manner::default() },
    }
}

/// What root's side makes of it, and the file afterwards.
fn perform(requester: Requester, change: KeyChange) -> Ended {
    let machine = Machine::host();
    machine.write("etc/hubd/config.toml", FILE);
    let asked = Asked { requester, change };
    machine.write("var/lib/hubd-launcher/config-change/request.json", serde_json::to_vec(&asked).unwrap());
    let ran = machine.run("config perform");
    assert_eq!((ran.code, ran.output.as_str(), ran.messages.as_str()), (0, "", ""));
    let text = std::fs::read(machine.paths().config_change().join("result.json")).unwrap();
    assert_eq!(std::fs::read_to_string(machine.paths().config_file()).unwrap(), FILE);
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn roots_side_judges_the_request_by_roots_file() {
    for (name, verb, key, values, code, said) in [
        ("ada", ChangeVerb::Set, "limits.memory", &["2G"][..], 0, "Nothing was changed: this was a dry run."),
        ("ada", ChangeVerb::Unset, "limits.memory", &[], 0, "Nothing was changed: this was a dry run."),
        ("ada", ChangeVerb::Set, "users.bob.limits.memory", &["2G"], 0, "users.bob.limits.memory"),
        ("ada", ChangeVerb::Add, "groups.lab.members", &["bob"], 0, "groups.lab.members"),
        ("ada", ChangeVerb::Set, "groups.lab.limits.memory", &["2G"], 0, "groups.lab.limits.memory"),
        ("tess", ChangeVerb::Set, "hub.announcement", &["Exam at noon"], 0, "hub.announcement"),
        ("ada", ChangeVerb::Set, "hub.name", &["x\"\n[http]\nlisten = [\"[::]:1\"]"], 1, "name has more than one line"),
        ("tess", ChangeVerb::Set, "limits.memory", &["2G"], 7, "is changed by administrators, and tess is a teacher"),
        ("bob", ChangeVerb::Set, "hub.announcement", &["x"], 7, "and bob is a student"),
        ("ada", ChangeVerb::Add, "roles.admins", &["bob"], 7, "`roles.admins` is changed on the machine only"),
        ("ada", ChangeVerb::Unset, "roles", &[], 7, "`roles` is changed on the machine only"),
        ("ada", ChangeVerb::Unset, "environment.index_url", &[], 7, "is changed on the machine only"),
        ("ada", ChangeVerb::Set, "limits.memory", &["banana"], 1, "banana"),
        ("@opal", ChangeVerb::Set, "users.bob.limits.memory", &["2G"], 0, "users.bob.limits.memory"),
        ("@opal", ChangeVerb::Set, "limits.memory", &["banana"], 1, "banana"),
        ("@opal", ChangeVerb::Add, "roles.admins", &["bob"], 7, "changing `roles.admins` needs full root on this machine"),
        ("@opal", ChangeVerb::Unset, "roles", &[], 7, "changing `roles` needs full root on this machine"),
        ("@sten", ChangeVerb::Set, "limits.memory", &["2G"], 7, "sten is not an operator of this hub"),
        ("@ada", ChangeVerb::Set, "limits.memory", &["2G"], 7, "ada is not an operator of this hub"),
        ("ada", ChangeVerb::Set, "limits.memory", &["1G", "2G"], 1, "is not a value for `limits.memory`"),
    ] {
        let requester = match name.strip_prefix('@') {
            Some(account) => Requester::Operator(account.to_owned()),
            None => Requester::Person(name.parse().unwrap()),
        };
        let ended = perform(requester, wanted(verb, key, values));
        assert_eq!(ended.code, code, "{name} {verb:?} {key} {values:?}: {ended:?}");
        assert!(ended.messages.contains(said), "{name} {verb:?} {key} {values:?}: {}", ended.messages);
        assert!(!ended.messages.contains("secret"), "a line of the file that is nobody's business: {}", ended.messages);
    }
}

/// Whatever makes one key change another, the other one is judged, too.
#[test]
fn a_change_that_would_change_another_key_as_well_is_refused() {
    let machine = Machine::host();
    machine.write("etc/hubd/config.toml", FILE);
    let key: KeyPath = "limits.memory".parse().unwrap();
    let judged = |name: &str, text: String| {
        let mut answer = None;
        machine.run_by(|world| {
            world.on_behalf_of = Some(Requester::Person(name.parse().unwrap()));
            let new = hub_core::config::parse(&text, "").unwrap();
            let review = Review::new(world, FILE, text, &new).unwrap();
            answer = Some(validate(world, &key, FILE, &review).map_err(|failure| failure.message));
            0
        });
        answer.unwrap()
    };
    let larger = FILE.replace("\"1G\"", "\"2G\"");
    assert_eq!(judged("ada", larger.clone()), Ok(()));
    let refused = judged("ada", larger.replace("[\"tess\"]", "[\"tess\", \"bob\"]"));
    assert_eq!(refused, Err("that would change `roles.teachers`, too".to_owned()));
}

#[test]
fn inside_the_answer_of_roots_side_is_printed_as_it_is() {
    let ended = Ended { code: 6, output: "{}\n".to_owned(), messages: "the hub failed its health check with it\n".to_owned() };
    let (ran, asked) = Machine::inside().run_with("config set hub.name Maths --dry-run", vec![Reply::ConfigChanged { ended }]);
    assert_eq!((ran.code, ran.output.as_str(), ran.messages.as_str()), (6, "{}\n", "the hub failed its health check with it\n"));
    assert_eq!(asked, [Request::ConfigChange { change: wanted(ChangeVerb::Set, "hub.name", &["Maths"]) }]);
    let (ran, asked) =
        Machine::inside().run_with("config get users.ada.l.limits.memory", vec![Reply::ConfigValue { value: Some("2G".into()) }]);
    assert_eq!((ran.code, ran.output.as_str()), (0, "2G\n"));
    assert_eq!(asked, [Request::ConfigGet { key: ["users", "ada.l", "limits", "memory"].map(str::to_owned).to_vec() }]);
}

#[test]
fn an_operator_asks_the_hub_as_somebody_inside_does() {
    for machine in [Machine::inside, Machine::operator] {
        let ended = Ended { code: 0, output: String::new(), messages: "Saved as version 2, and in force.\n".to_owned() };
        let (ran, asked) = machine().run_with("config unset limits.memory --dry-run", vec![Reply::ConfigChanged { ended }]);
        assert_eq!((ran.code, ran.messages.as_str()), (0, "Saved as version 2, and in force.\n"));
        assert_eq!(asked, [Request::ConfigChange { change: wanted(ChangeVerb::Unset, "limits.memory", &[]) }]);
        let (ran, _) = machine().run_with("config get limits.memory", vec![Reply::ConfigValue { value: Some("2G".into()) }]);
        assert_eq!((ran.code, ran.output.as_str()), (0, "2G\n"));
        // Told as to root, and nobody has to be asked for it.
        let ran = machine().run("config set limits.memroy 2G");
        assert_eq!(ran.messages, "error: `memroy` is not a key of [limits]\nhint: did you mean `memory`?\n");
    }
}
