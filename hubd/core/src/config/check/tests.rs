//! Reading whole files.

use super::*;
use crate::config::Diagnostic;

fn problems(source: &str) -> Problems {
    parse(source, "config.toml").unwrap_err()
}

#[test]
fn an_empty_file_is_the_defaults() {
    let config = parse("", "config.toml").unwrap();
    assert_eq!(config.limits, Limits { memory: 1 << 30, swap: 0, cpu_quota: None, cpu_weight: 100, tasks: 512, network: true });
    assert_eq!(config.http.listen, ["[::]:80".parse().unwrap()]);
    assert_eq!(config.https, None);
}

#[test]
fn reads_what_an_admin_writes() {
    let config = parse(
        "[roles]\nadmins = [\"ada\"]\n[limits]\nmemory = \"1.5G\"\ncpu_quota = 0.5\n[servers]\nidle_timeout = \"off\"\ndefault_app = \"notebook\"\n",
        "config.toml",
    )
    .unwrap();
    assert!(config.is_admin(&"ada".parse().unwrap()));
    assert_eq!(config.limits.memory, 3 << 29);
    assert_eq!(config.servers.idle_timeout, None);
    assert_eq!(config.servers.default_app, DefaultApp::Notebook);
}

#[test]
fn shows_every_problem_with_its_place() {
    let found = problems("[limits]\nmemory = \"banana\"\ntasks = 1\n\n[http]\nlisten = [\"0.0.0.0:99999\"]\n");
    let places: Vec<_> = found.diagnostics.iter().map(|d| (d.line, d.column)).collect();
    assert_eq!(places, [(2, 10), (3, 9), (6, 11)]);
    let text = found.to_string();
    assert!(text.starts_with(
        "config.toml:2:10: \"banana\" is not an amount of memory; expected a number and a unit, as in \"512M\" or \"1.5G\"\n  |\n2 | memory = \"banana\"\n  |          ^^^^^^^^\n"
    ), "{text}");
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let found = problems("[limits]\nmemroy = \"1G\"\n");
    assert_eq!((found.diagnostics[0].line, found.diagnostics[0].column), (2, 1));
    assert_eq!(found.diagnostics[0].message, "`memroy` is not a key of [limits]");
    assert_eq!(found.diagnostics[0].hint.as_deref(), Some("did you mean `memory`?"));
}

#[test]
fn refuses_what_could_break_out_of_a_unit_property() {
    for text in [
        "homes = \"/home\\n[Service]\"",
        "homes = \"/h%n\"",
        "homes = \"home\"",
        "homes = \"/a/../b\"",
        "prefix = \"x y\"",
        "prefix = \"\"",
    ] {
        let source = format!("[accounts]\n{text}\n");
        assert!(parse(&source, "config.toml").is_err(), "{text} was accepted");
    }
}

#[test]
fn half_a_certificate_is_a_problem() {
    assert_eq!(
        problems("[https]\ncertificate = \"/etc/x.pem\"\n").diagnostics[0].message,
        "a certificate and its key belong together"
    );
    assert_eq!(
        problems("[https]\nlisten = [\"[::]:443\"]\n").diagnostics[0].message,
        "[https] does not say where the certificate comes from"
    );
}

#[test]
fn an_empty_table_of_https_is_no_https_and_claims_no_port() {
    let config = parse("[http]\nlisten = [\"[::]:443\"]\n[https]\n", "config.toml").unwrap();
    assert_eq!(config.https, None);
}

#[test]
fn a_syntax_error_has_a_place() {
    let found = problems("[limits\nmemory = 1\n");
    assert_eq!(found.diagnostics[0].line, 1);
}

#[test]
fn reads_what_a_released_version_knew() {
    let config = parse(include_str!("../fixtures/config-0.1.toml"), "config.toml").unwrap();
    assert_eq!((config.hub.name.as_str(), config.limits.tasks), ("Statistics \"A\"", 700));
    assert_eq!(config.upgrade.source.as_deref(), Some("https://downloads.example.org/hubd"));
    assert!(!config.upgrade.automatic);
}

const BAD: &str = include_str!("fixtures/bad.txt");

/// Every file in `fixtures/bad.txt` with the problems found in it: `=== name`, the file, `---`, the problems.
fn validated() -> (String, usize) {
    let (mut text, mut count) = (String::new(), 0);
    for case in BAD.split("=== ").filter(|case| !case.is_empty()) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (source, _) = rest.split_once("---\n").unwrap();
        text.push_str(&format!("=== {name}\n{source}---\n"));
        let found = parse(source, "config.toml").map_or_else(|problems| problems.diagnostics, |_| panic!("{name} is valid"));
        for Diagnostic { kind, line, column, width, message, hint, .. } in found {
            text.push_str(&format!("{line}:{column}+{width} {kind}: {message}\n"));
            text.extend(hint.map(|hint| format!("    hint: {hint}\n")));
        }
        count += 1;
    }
    (text, count)
}

#[test]
fn every_bad_file_gets_exactly_these_messages() {
    let (text, count) = validated();
    if std::env::var_os("HUBD_UPDATE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/check/fixtures/bad.txt"), &text).unwrap();
    } else {
        assert_eq!(text, BAD, "\nafter reading what changed: HUBD_UPDATE=1 cargo test -p hub-core --lib config");
    }
    assert!(count >= 120, "{count} files");
}

/// A small generator of numbers; what it gives is the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// Damages a text: takes bytes out, repeats some, puts in what matters to the format, swaps lines.
fn damaged(text: &[u8], chance: &mut Chance) -> Vec<u8> {
    const PIECES: &[&str] = &[
        "\"",
        "'",
        "[",
        "]",
        "[[",
        "]]",
        "=",
        "\n",
        "\r\n",
        ".",
        ",",
        "{",
        "}",
        "#",
        "\\",
        "\"\"\"",
        "\u{1b}[31m",
        "\0",
        "\u{feff}",
        "é",
        "名",
        "-",
        "1e999",
        "0x",
        "true",
        "99999999999999999999",
        "limits",
        "users.a.limits",
        "\t",
        "inf",
        "1979-05-27",
    ];
    let mut text = text.to_vec();
    for _ in 0..=chance.below(6) {
        let at = chance.below(text.len());
        match chance.below(4) {
            0 => drop(text.drain(at..(at + chance.below(20)).min(text.len()))),
            1 => {
                let piece = PIECES[chance.below(PIECES.len())].bytes();
                drop(text.splice(at..at, piece));
            }
            2 => {
                let again = text[at..(at + chance.below(60)).min(text.len())].to_vec();
                let to = chance.below(text.len());
                drop(text.splice(to..to, again));
            }
            _ => text.extend_from_slice(PIECES[chance.below(PIECES.len())].as_bytes()),
        }
    }
    text
}

/// The configurations that have every key, and all the bad ones.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = BAD.split("---\n").map(|part| part.as_bytes().to_vec()).collect();
    let whole: String = crate::config::keys::TABLES
        .iter()
        .map(|table| {
            let keys = table.keys.iter().filter(|key| !matches!(key.name, "email" | "domains" | "directory" | "directory_ca"));
            let keys: String = keys.map(|key| format!("{} = {}\n", key.name, key.example)).collect();
            format!("[{}]\n{keys}", table.name.replace("NAME", "ada"))
        })
        .collect();
    seeds.push(whole.into_bytes());
    seeds
}

/// Damages files and judges them: nothing may panic, every refusal has a problem and every place is in the file, what is
/// accepted says the same when it is written out, and the text for terminals drives none.
fn validate_damaged(rounds: usize, seed: u64) {
    let (mut chance, seeds) = (Chance(seed), seeds());
    for round in 0..rounds {
        let bytes = damaged(&seeds[chance.below(seeds.len())], &mut chance);
        let shown = || format!("round {round} of {seed}: {:?}", String::from_utf8_lossy(&bytes));
        match crate::config::validate(&bytes, "config.toml") {
            Ok(loaded) => {
                let again =
                    parse(&loaded.config.to_toml(), "written").unwrap_or_else(|problems| panic!("{}\n{problems}", shown()));
                assert_eq!(again, loaded.config, "{}", shown());
            }
            Err(problems) => {
                assert!(!problems.diagnostics.is_empty(), "{}", shown());
                let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
                for problem in &problems.diagnostics {
                    assert!((1..=lines).contains(&problem.line) && problem.column >= 1 && problem.width >= 1, "{}", shown());
                }
                let text = problems.to_string();
                assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{}\n{text:?}", shown());
            }
        }
    }
}

#[test]
fn damaged_files_are_judged_and_never_stumbled_over() {
    validate_damaged(3_000, 1);
}

/// `HUBD_ROUNDS=1000000 cargo test --release -p hub-core --lib damaged -- --ignored`, with `HUBD_SEED` for other files.
#[test]
#[ignore = "takes minutes; for the night"]
fn damaged_files_for_a_night() {
    let number = |name: &str, usual: u64| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    validate_damaged(usize::try_from(number("HUBD_ROUNDS", 1_000_000)).unwrap(), number("HUBD_SEED", 2));
}

#[test]
fn every_example_is_valid_and_every_default_is_the_default() {
    use crate::config::keys::{Default, TABLES};
    let write = |value: &dyn Fn(&crate::config::keys::Key) -> Option<&'static str>| -> String {
        let table = |table: &crate::config::keys::Table| {
            let keys = table.keys.iter().filter_map(|key| value(key).map(|value| format!("{} = {value}\n", key.name)));
            let keys: String = keys.collect();
            if keys.is_empty() { keys } else { format!("[{}]\n{keys}", table.name.replace("NAME", "ada")) }
        };
        TABLES.iter().filter(|known| known.name != "https" && !known.name.contains("NAME")).map(table).collect()
    };
    let defaults = write(&|key| match key.default {
        Default::Value(value) => Some(value),
        Default::Unset(_) => None,
    });
    assert_eq!(parse(&defaults, "defaults").unwrap(), parse("", "empty").unwrap());
    for table in TABLES.iter().filter(|table| table.name != "https") {
        for key in table.keys {
            // What an app can't be without.
            let needed = match (table.name, key.name) {
                ("apps.NAME", "title" | "description" | "prefix" | "ready" | "network") => "command = [\"x\", \"{socket}\"]\n",
                _ => "",
            };
            let is_login = table.name == "login.NAME";
            let before = if is_login { "[hub]\nurl = \"https://hub.example.org\"\n" } else { "" };
            let parts =
                ["type = \"oidc\"\n", "issuer = \"https://a.example\"\n", "client_id = \"b\"\n", "allow_groups = [\"c\"]\n"];
            let of_login: String = match key.name {
                "allow_privileged" => "type = \"pam\"\n".to_owned(),
                name => parts.into_iter().filter(|part| is_login && !part.starts_with(&format!("{name} "))).collect(),
            };
            let source =
                format!("{before}[{}]\n{needed}{of_login}{} = {}\n", table.name.replace("NAME", "ada"), key.name, key.example);
            let config = parse(&source, "example").unwrap();
            let is_default = key.default == Default::Value(key.example);
            assert_eq!(config == parse("", "empty").unwrap(), is_default, "{source}");
        }
    }
    for method in [
        "files\"\ncertificate = \"/a\"\nkey = \"/b",
        "acme\"\nemail = \"a@b.org\"\ndomains = [\"b.org\"]\ndirectory = \"https://a/b",
        "lan",
    ] {
        let config = parse(&format!("[https]\nmethod = \"{method}\"\n"), "https").unwrap();
        assert_eq!(parse(&config.to_toml(), "written").unwrap(), config);
    }
}
