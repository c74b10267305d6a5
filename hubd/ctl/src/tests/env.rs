//! `hubctl env apply`: what a file asks for, and what it does not say.

use hub_core::control::environment::{Change, EnvironmentReply, EnvironmentRequest, GenerationInfo};

use super::*;

const NOTHING: &str = "[project]\nname = \"course\"\ndependencies = []\n";

/// What the hub has now.
fn generations(asked: &[&str]) -> Reply {
    let current = GenerationInfo {
        number: 3,
        is_current: true,
        packages: 90,
        asked: asked.iter().map(|text| text.parse().unwrap()).collect(),
        conda: None,
        when: None,
        who: None,
    };
    Reply::Environment { answer: Box::new(EnvironmentReply::Generations { generations: vec![current] }) }
}

/// Enough for a change to be begun, and no more.
fn busy() -> Reply {
    hub_core::control::Refusal::new(hub_core::control::RefusalKind::Busy, "later").into()
}

fn asks(ask: EnvironmentRequest) -> Request {
    Request::Environment { ask }
}

#[test]
fn a_list_of_nothing_asks_before_it_takes_everything_away() {
    let emptied = EnvironmentRequest::Build { change: Change::Set { packages: Vec::new(), lock: None } };
    for (machine, code, is_done) in [
        (Machine::inside(), 7, false),
        (Machine::inside().answering(&[Some("no")]), 7, false),
        (Machine::inside().answering(&[None]), 7, false),
        (Machine::inside().answering(&[Some("yes")]), 4, true),
    ] {
        let file = machine.write("pyproject.toml", NOTHING);
        let replies = [vec![generations(&["cowsay", "numpy<3"])], if is_done { vec![busy()] } else { Vec::new() }].concat();
        let (ran, asked) = machine.run_with(&format!("env apply {file}"), replies);
        let question = "This takes 2 packages out of everybody's environment: cowsay, numpy<3.";
        assert!(ran.messages.contains(question), "{}", ran.messages);
        assert_eq!((ran.code == 0, asked.len()), (false, 1 + usize::from(is_done)), "{}", ran.messages);
        assert_eq!(ran.code, code, "{}", ran.messages);
        assert_eq!(asked[0], asks(EnvironmentRequest::List));
        assert!(!is_done || asked[1] == asks(emptied.clone()), "{asked:?}");
    }
    let machine = Machine::inside();
    let file = machine.write("pyproject.toml", NOTHING);
    let (_, asked) = machine.run_with(&format!("env apply {file} --yes"), vec![busy()]);
    assert_eq!(asked, [asks(emptied.clone())]);
    let (_, asked) = Machine::inside().run_with(&format!("env apply {file}"), vec![generations(&[]), busy()]);
    assert_eq!(asked, [asks(EnvironmentRequest::List), asks(emptied)], "there is nothing to take away");
}

#[test]
fn a_file_that_does_not_say_what_it_asks_for_is_refused() {
    for (name, text, told, helps) in [
        ("pyproject.toml", "[project]\ndynamic = [\"dependencies\"]\n", "`dynamic` under [project]", "uv pip compile"),
        ("requirements.txt", "# later\n", "lists no package", "hubctl env remove"),
        ("Pipfile", "[packages]\nnumpy = \"*\"\n", "is a file of Pipenv", "pipenv requirements"),
        ("poetry.lock", "[[package]]\nname = \"numpy\"\n", "is a file of Poetry", "poetry export"),
        ("setup.cfg", "[options]\ninstall_requires = numpy\n", "is a file of setuptools", "uv pip compile setup.cfg"),
    ] {
        let machine = Machine::inside();
        let file = machine.write(name, text);
        let ran = machine.run(&format!("env apply {file} --yes"));
        assert_eq!(ran.code, 1, "{name}: {}", ran.messages);
        assert!(ran.messages.contains(told) && ran.messages.contains(helps), "{name}: {}", ran.messages);
    }
}
