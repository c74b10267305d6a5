//! What people's Jupyter servers are set to, and what of it is theirs to change: from the table that the server reads.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

const TABLE: &str = include_str!("../../../hubd/environment/src/pyenv/assets/hubd_jupyter/settings.json");

const BEGINNING: &str = "\
<!-- Generated from the code: see tests/src/reference.rs. -->

# Settings of people's Jupyter servers

Everybody can change how their own server is set up, in `~/.jupyter/jupyter_server_config.py`, `jupyter_server_config.json` or
`jupyter_lab_config.py`, and the machine's administrators for everybody in `/etc/jupyter/`. It counts from the next start of a server.
Words in braces stand for what differs from person to person.

## Yours to change

| setting | here | why |
|---|---|---|
";

const FORCED: &str = "
## Set by the hub

Without these the hub could not reach the server, or others could. A file that says something else is read all the same; the
server's log (`hubctl server logs NAME`) names the settings in it that are not used.

| setting | here | why |
|---|---|---|
";

const END: &str = "
`ServerApp.tornado_settings` is merged: `hub_prefix`, `hub_host` and `user` in it are the hub's.
";

/// The page.
pub(super) fn page() -> String {
    let table: Value = serde_json::from_str(TABLE).unwrap();
    let rows = |name: &str| table[name].as_object().map(rows).unwrap();
    [BEGINNING, &rows("defaults"), FORCED, &rows("forced"), END].concat()
}

fn rows(settings: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, setting) in settings.iter().collect::<BTreeMap<_, _>>() {
        writeln!(text, "| `{name}` | `{}` | {} |", setting[0], setting[1].as_str().unwrap()).unwrap();
    }
    text
}
