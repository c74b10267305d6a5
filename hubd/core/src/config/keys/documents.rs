//! The texts that are made of the table of keys: the reference, and the commented file that a new hub starts with. The test
//! here fails when they are stale, and writes them when asked.

use super::super::Role;
use super::{Default, Effect, Key, Kind, TABLES, Table};

/// Columns of a comment in the default file.
const WIDTH: usize = 118;

/// Lines that `hub-installer` fills in, in place of the key and its default.
const FILLED_IN: &[(&str, &str)] = &[
    ("hub.url", "{{url}}"),
    ("http.listen", "listen = [{{listen}}]"),
    ("roles.admins", "admins = [{{admins}}]"),
    ("roles.host_operators", "host_operators = [{{operators}}]"),
    ("environment.packages", "packages = [{{packages}}]"),
    ("limits.memory", "memory = \"{{memory}}\""),
];

const FILE_HEAD: &str = "# The hub's configuration. Change it with
#
#     sudo hubctl config edit
#
# which saves nothing that is invalid, says what each change does, and applies it. Lines that begin with \"#\" are comments;
# those with a setting show its default, or an example where there is none.
";

const MACHINE: &str = "This machine has {{machine_memory}} of memory, of which all students together can have {{users_memory}}.";

const PEOPLE: &str = "
# A group of people can have limits of its own, and so can one person. A person's own limits win over those of their groups,
# and those over everybody's under [limits]. `hubctl limits explain NAME` shows what comes from where.
#[groups.exam]
#members = [\"ada\", \"bob\"]
#[groups.exam.limits]
#memory = \"2G\"
#network = false
#[users.ada.limits]
#memory = \"4G\"
";

const REFERENCE_HEAD: &str = "<!-- Made from hubd/core/src/config/keys/table/. Change it there, then: \
HUBD_UPDATE=1 cargo test -p hub-core --lib documents -->

# Configuration

The hub has one configuration file, `/etc/hubd/config.toml`, in [TOML](https://toml.io). `sudo hubctl config edit` changes
it: nothing invalid can be saved, and you see what each change does beforehand. `sudo hubctl config check` checks it,
`sudo hubctl config show --effective` prints every value in force.

Amounts of memory are strings with `K`, `M`, `G` or `T` (powers of 1024), as in `\"1.5G\"`; spans of time are strings with
`s`, `m`, `h` or `d`, as in `\"90m\"`. Anything that is not on this page is an error, with its place and the nearest name.

A person's own limits (`[users.NAME.limits]`) win over those of their groups (`[groups.NAME.limits]`), and those over everybody's
(`[limits]`), key by key. `hubctl limits explain NAME` says where each comes from.

`hubctl config get`, `set`, `unset`, `add` and `remove` work in a terminal of the hub, too, for what is not the machine's own:
each key says who may change it there.
";

/// `docs/reference/config.md`
fn reference() -> String {
    let mut text = REFERENCE_HEAD.to_owned();
    for table in TABLES {
        text.push_str(&format!("\n## [{}]\n\n{}\n", table.name, table.doc));
        if table.name.ends_with(".limits") {
            continue;
        }
        for key in table.keys {
            let default = match key.default {
                Default::Value(value) => format!("`{value}`"),
                Default::Unset("") => "none".to_owned(),
                Default::Unset(meaning) => format!("none: {meaning}"),
            };
            text.push_str(&format!(
                "\n### {}.{}\n\n{}\n\n- Takes {}: {}.\n- Default: {default}.\n- Example: `{} = {}`\n- A change takes hold {}.\n- Changed {}.\n",
                table.name,
                key.name,
                key.doc,
                key.kind.name(),
                key.range,
                key.name,
                key.example,
                in_words(key.effect),
                changed_by(&format!("{}.{}", table.name, key.name)),
            ));
        }
    }
    text
}

fn changed_by(key: &str) -> &'static str {
    match super::inside::may_change(key) {
        None => "by root only",
        Some(Role::Admin) => "by root, by operators, and by administrators in a terminal of the hub",
        Some(_) => "by root, by operators, and by teachers and administrators in a terminal of the hub",
    }
}

fn in_words(effect: Effect) -> &'static str {
    match effect {
        Effect::Now => "at once",
        Effect::Rights => {
            "at once where something is taken away; what is given is there after a new login, and what goes with it (hubctl in a \
             terminal, the class folder) in a server that starts from then on: `hubctl server restart NAME`"
        }
        Effect::NewAccounts => "for accounts that are made from then on",
        Effect::Builds => {
            "with the next build (`hubctl env apply`, `hubctl env --kernel NAME apply`, `hubctl env apt apply`), for what starts from then on"
        }
        Effect::NewServers => "for servers that start from then on",
        Effect::RestartsHub => "by a restart of the hub, which people's servers outlive",
        Effect::MovesListener => "when the listening socket was moved",
        Effect::NeedsInstaller => "when `hub-installer install` was run again",
    }
}

/// `installer/src/assets/config.toml`
fn default_file() -> String {
    let mut text = FILE_HEAD.to_owned();
    for table in TABLES {
        if table.name.contains("NAME") {
            if table.name == "groups.NAME" {
                text.push_str(PEOPLE);
            }
            continue;
        }
        text.push_str(&format!("\n# {}\n[{}]\n", wrapped(table.doc), table.name));
        let blocks: Vec<String> = table.keys.iter().map(|key| block(table, key)).collect();
        text.push_str(&blocks.join("\n"));
    }
    text
}

fn block(table: &Table, key: &Key) -> String {
    let path = format!("{}.{}", table.name, key.name);
    let (mut doc, value) = match key.default {
        Default::Value(value) => (key.doc.to_owned(), value),
        Default::Unset("") => (key.doc.to_owned(), key.example),
        Default::Unset(meaning) => (format!("{} Without it: {meaning}.", key.doc), key.example),
    };
    if matches!(key.kind, Kind::Integer | Kind::Number | Kind::Time) && !key.doc.contains(key.range) {
        doc.push_str(&format!(" ({})", key.range));
    }
    if path == "limits.memory" {
        doc = format!("{doc} {MACHINE}");
    }
    let line = FILLED_IN.iter().find(|(filled, _)| *filled == path);
    let line = line.map_or_else(|| format!("#{} = {value}", key.name), |(_, line)| (*line).to_owned());
    format!("# {}\n{line}\n", wrapped(&doc))
}

/// A comment of several lines.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n# ")
}

fn is_current(file: &str, wanted: &str) {
    let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("HUBD_UPDATE").is_some() {
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    let is_current = found == wanted;
    assert!(is_current, "{file} is stale: HUBD_UPDATE=1 cargo test -p hub-core --lib documents\nfirst difference: {differs:?}");
}

#[test]
fn the_reference_is_current() {
    is_current("docs/reference/config.md", &reference());
}

#[test]
fn the_default_file_is_current() {
    is_current("installer/src/assets/config.toml", &default_file());
}

/// Whoever takes the `#` away gets what the line says.
#[test]
fn every_setting_of_the_default_file_can_be_switched_on() {
    let (text, people) = (default_file(), PEOPLE.replace("\n#", "\n"));
    let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
    let settings: Vec<&str> = text.lines().filter(is_setting).filter(|setting| !PEOPLE.contains(setting)).collect();
    assert!(settings.len() >= 30, "{} settings", settings.len());
    let filled = text.replace("{{url}}", "").replace("{{listen}}", "\"[::]:8080\"").replace("{{memory}}", "1G");
    let filled = filled.replace("{{admins}}", "").replace("{{operators}}", "").replace("{{packages}}", "");
    super::super::parse(&filled, "config.toml").unwrap();
    for setting in settings {
        if let Err(problems) = super::super::parse(&filled.replace(setting, &setting[1..]), "config.toml") {
            // Of what belongs together each half alone is not enough.
            let is_half = problems.diagnostics.iter().all(|problem| matches!(problem.kind, "incomplete" | "conflict"));
            assert!(is_half, "{setting}\n{problems}");
        }
    }
    let people: String = people.lines().filter(|line| !line.starts_with(' ')).map(|line| format!("{line}\n")).collect();
    let config = super::super::parse(&people, "config.toml").unwrap();
    assert_eq!((config.groups.len(), config.users.len()), (1, 1));
}
