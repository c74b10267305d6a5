//! `hubctl config edit` with an editor that leaves any bytes, as any kind of file, and a person who answers anything: the
//! file in force is what it was, or a valid configuration, whole; and nothing else is touched.

#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::empty;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hub_core::config::validate;
use hub_core::paths::Paths;
use hubctl::{Caller, Interruptions, Printer, Terminal, World, run};
use jiff::tz::TimeZone;
use libfuzzer_sys::{arbitrary, fuzz_target};

const VALID: &str = "# Monday\n[roles]\nadmins = [\"ada\"]\n\n[limits]\nmemory = \"1G\" # each\n";
const BYSTANDER: &str = "somebody else's\n";
/// All that hubctl may end with.
const EXITS: [u8; 7] = [0, 1, 3, 4, 5, 6, 7];

/// What the editor does to the file, `$1`, after it took away what it left there the last time; the bytes are in `written`.
const EDITORS: [&str; 9] = [
    "cp written \"$1\"",
    "cat written >\"$1\"",
    "cp written new; mv new \"$1\"",
    "ln -s \"$PWD/bystander\" \"$1\"",
    "ln bystander \"$1\"",
    "mkfifo \"$1\"",
    "mkdir \"$1\"",
    "true",
    "cp written \"$1\"; exit 3",
];

#[derive(Debug, arbitrary::Arbitrary)]
struct Session<'a> {
    editors: [u8; 3],
    answers: Vec<u8>,
    written: &'a [u8],
}

/// Answers what it was told to, then hangs up.
struct Answers(VecDeque<&'static str>);

impl Terminal for Answers {
    fn present(&self) -> bool {
        true
    }

    fn ask(&mut self, _prompt: &str) -> Result<Option<String>, anyhow::Error> {
        Ok(self.0.pop_front().map(str::to_owned))
    }

    fn ask_secret(&mut self, prompt: &str) -> Result<Option<String>, anyhow::Error> {
        self.ask(prompt)
    }
}

fuzz_target!(|session: Session<'_>| {
    let root = tempfile::tempdir().unwrap();
    let (paths, place) = (Paths::under(root.path()), root.path().join("editor"));
    let live = paths.config_file();
    for directory in [live.parent(), paths.control_socket().parent(), Some(&place)].into_iter().flatten() {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(&live, VALID).unwrap();
    std::fs::set_permissions(&live, PermissionsExt::from_mode(0o640)).unwrap();
    std::fs::write(place.join("bystander"), BYSTANDER).unwrap();
    std::fs::write(place.join("written"), session.written).unwrap();
    let turns = session.editors.map(|editor| EDITORS[usize::from(editor) % EDITORS.len()]);
    let script = format!(
        "#!/bin/sh\nshift $(($# - 1))\ncd {}\necho >>turns\nrm -rf \"$1\"\ncase $(wc -l <turns) in\n1) {};;\n2) {};;\n*) {};;\nesac\n",
        place.display(),
        turns[0],
        turns[1],
        turns[2]
    );
    let editor = place.join("run");
    std::fs::write(&editor, script).unwrap();
    std::fs::set_permissions(&editor, PermissionsExt::from_mode(0o755)).unwrap();

    let words = ["", "e", "q", "y", "n", "s", "c", "x"];
    let answers = session.answers.iter().take(12).map(|answer| words[usize::from(*answer) % words.len()]).collect();
    let code = edit(paths, &editor, Answers(answers));
    assert!(EXITS.contains(&code), "exit code {code}");

    let saved = std::fs::read(&live).unwrap();
    assert!(saved == VALID.as_bytes() || validate(&saved, "live").is_ok(), "{:?}", String::from_utf8_lossy(&saved));
    assert_eq!(std::fs::metadata(&live).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(std::fs::symlink_metadata(&live).unwrap().is_file());
    assert_eq!(std::fs::read_to_string(place.join("bystander")).unwrap(), BYSTANDER);
});

/// As root, from the console.
fn edit(paths: Paths, editor: &Path, mut terminal: Answers) -> u8 {
    let (mut output, mut messages) = (Vec::new(), Vec::new());
    let variables = [("EDITOR", editor.as_os_str()), ("PATH", "/usr/bin:/bin".as_ref())];
    let mut world = World {
        paths,
        caller: Caller::new(0, None).unwrap(),
        input: &mut empty(),
        printer: Printer {
            output: &mut output,
            messages: &mut messages,
            color: false,
            json: false,
            quiet: false,
            with_sudo: true,
        },
        terminal: &mut terminal,
        variables: variables
            .map(|(name, value)| (OsString::from(name), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        interruptions: Interruptions::none(),
        now: "2026-09-07T10:00:00Z".parse().unwrap(),
        zone: TimeZone::UTC,
    };
    run(["hubctl", "config", "edit"].map(OsString::from), &mut world).unwrap()
}
