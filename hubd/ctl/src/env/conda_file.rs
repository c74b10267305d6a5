//! What an `environment.yml` asks for: names and lists in, or every wrong line out. Pure.
//!
//! Only what conda's users write there is read; anchors, tags and further documents are not.

use std::path::Path;

use anyhow::{Result, bail};
use hub_core::packages::Channel;
use hub_core::packages::{CondaSpec, Requirement};
use saphyr_parser::{Event, Parser, ScanError, Span};

use crate::failure::Failure;

/// Lists in maps in a list, and nothing beyond.
const DEEPEST: usize = 6;

/// An environment as conda's users describe it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EnvironmentFile {
    pub(super) name: Option<String>,
    pub(super) channels: Vec<Channel>,
    pub(super) specs: Vec<CondaSpec>,
    pub(super) packages: Vec<Requirement>,
    /// What was left out, for people.
    pub(super) notes: Vec<String>,
}

impl EnvironmentFile {
    /// Whether the packages of the index are all there is: conda brings Python and pip only.
    pub(super) fn is_for_the_index(&self) -> bool {
        self.specs.iter().all(|spec| matches!(spec.name(), "python" | "pip"))
    }
}

struct Node {
    line: usize,
    value: Value,
}

enum Value {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

type Events<'text> = Box<dyn Iterator<Item = Result<(Event<'text>, Span), ScanError>> + 'text>;

/// Reads `text`, which is the content of `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<EnvironmentFile> {
    let mut problems = Vec::new();
    let file = match tree(text) {
        Ok(node) => read(node, text, &mut problems),
        Err(problem) => {
            problems.push(problem);
            EnvironmentFile::default()
        }
    };
    if !problems.is_empty() {
        let hint = "expected name, channels and dependencies, as conda env export writes them".to_owned();
        let message = format!("`{}` can't be used:\n{}", path.display(), problems.join("\n"));
        bail!(Failure { hint: Some(hint), ..Failure::plain(message) });
    }
    Ok(file)
}

fn read(node: Node, text: &str, problems: &mut Vec<String>) -> EnvironmentFile {
    let mut file = EnvironmentFile::default();
    let line = node.line;
    let Value::Map(entries) = node.value else {
        problems.push(format!("line {line}: expected `dependencies:` and a list"));
        return file;
    };
    let mut seen: Vec<String> = Vec::new();
    for (key, value) in entries {
        let (line, Value::Text(name)) = (key.line, key.value) else {
            problems.push(format!("line {line}: expected a word before the colon"));
            continue;
        };
        if seen.contains(&name) {
            problems.push(format!("line {line}: `{name}` is there twice"));
            continue;
        }
        match (name.as_str(), value.value) {
            ("name", Value::Text(name)) => file.name = Some(name),
            ("channels", Value::List(items)) => channels(items, &mut file, problems),
            ("dependencies", Value::List(items)) => dependencies(items, text, &mut file, problems),
            ("prefix", Value::Text(_)) => file.notes.push("`prefix` is left out: the hub decides where a kernel lies".to_owned()),
            ("variables", _) => problems
                .push(format!("line {line}: `variables` can't be set for a kernel; a first cell with os.environ does the same")),
            ("name" | "prefix", _) => problems.push(format!("line {line}: `{name}` takes one word")),
            ("channels" | "dependencies", _) => {
                problems.push(format!("line {line}: `{name}` takes a list, one `- ` in each line"))
            }
            _ => problems.push(format!("line {line}: `{name}` is not part of an environment")),
        }
        seen.push(name);
    }
    if file.specs.is_empty() && file.packages.is_empty() && problems.is_empty() {
        problems.push(format!("line {line}: it has no `dependencies` with a package in them"));
    }
    file
}

fn channels(items: Vec<Node>, file: &mut EnvironmentFile, problems: &mut Vec<String>) {
    for (line, item) in texts(items, "a channel", problems) {
        match item.as_str() {
            "nodefaults" => {}
            "defaults" => file.notes.push(
                "channel `defaults` is left out: it is Anaconda's own, under terms of theirs; conda-forge is what the hub asks"
                    .to_owned(),
            ),
            _ => match item.parse() {
                Ok(channel) => file.channels.push(channel),
                Err(error) => problems.push(format!("line {line}: {error}")),
            },
        }
    }
}

fn dependencies(items: Vec<Node>, text: &str, file: &mut EnvironmentFile, problems: &mut Vec<String>) {
    for Node { line, value } in items {
        match value {
            Value::Text(item) => {
                // conda itself takes it for a comment, and would install on Linux what is meant for Windows.
                if text.lines().nth(line - 1).is_some_and(|line| line.contains("# [")) {
                    problems.push(format!("line {line}: `# [...]` means something in recipes only; take out the line, or that"));
                    continue;
                }
                match item.parse() {
                    Ok(spec) => file.specs.push(spec),
                    Err(error) => problems.push(format!("line {line}: {error}")),
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    match (key.value, value.value) {
                        (Value::Text(key), Value::List(items)) if key == "pip" => packages(items, file, problems),
                        (Value::Text(key), _) => {
                            problems.push(format!("line {line}: `{key}:` among the dependencies; expected `pip:` and a list"));
                        }
                        _ => problems.push(format!("line {line}: expected a package, or `pip:` and a list")),
                    }
                }
            }
            Value::List(_) => problems.push(format!("line {line}: expected a package, found a list")),
        }
    }
}

fn packages(items: Vec<Node>, file: &mut EnvironmentFile, problems: &mut Vec<String>) {
    for (line, item) in texts(items, "a package", problems) {
        match item.parse() {
            Ok(package) => file.packages.push(package),
            Err(error) => problems.push(format!("line {line}: {error}")),
        }
    }
}

fn texts(items: Vec<Node>, what: &str, problems: &mut Vec<String>) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for Node { line, value } in items {
        match value {
            Value::Text(text) => found.push((line, text)),
            _ => problems.push(format!("line {line}: expected {what} in one line")),
        }
    }
    found
}

/// The one document in `text`, or what is wrong with it.
fn tree(text: &str) -> Result<Node, String> {
    let mut events: Events<'_> = Box::new(Parser::new_from_str(text));
    let mut document = None;
    while let Some(event) = events.next() {
        let (event, span) = event.map_err(|error| unreadable(&error))?;
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if document.is_some() => return Err(format!("line {}: a second document begins", span.start.line())),
            event => document = Some(node(event, span, &mut events, DEEPEST)?),
        }
    }
    document.ok_or_else(|| "it is empty".to_owned())
}

fn node(event: Event<'_>, span: Span, events: &mut Events<'_>, depth: usize) -> Result<Node, String> {
    let line = span.start.line();
    if depth == 0 {
        return Err(format!("line {line}: lists in lists in lists; expected one list of packages"));
    }
    let value = match event {
        Event::Scalar(text, _, 0, None) => Value::Text(text.into_owned()),
        Event::SequenceStart(0, None) => {
            let mut items = Vec::new();
            loop {
                match following(events)? {
                    (Event::SequenceEnd, _) => break Value::List(items),
                    (event, span) => items.push(node(event, span, events, depth - 1)?),
                }
            }
        }
        Event::MappingStart(0, None) => {
            let mut entries = Vec::new();
            loop {
                match following(events)? {
                    (Event::MappingEnd, _) => break Value::Map(entries),
                    (event, span) => {
                        let key = node(event, span, events, depth - 1)?;
                        let (event, span) = following(events)?;
                        entries.push((key, node(event, span, events, depth - 1)?));
                    }
                }
            }
        }
        _ => return Err(format!("line {line}: anchors (&), aliases (*) and tags (!) are not read here")),
    };
    Ok(Node { line, value })
}

fn following<'text>(events: &mut Events<'text>) -> Result<(Event<'text>, Span), String> {
    events.next().ok_or_else(|| "it ends in the middle".to_owned())?.map_err(|error| unreadable(&error))
}

fn unreadable(error: &ScanError) -> String {
    format!("line {}: this is not YAML: {}", error.marker().line(), error.info())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EnvironmentFile> {
        parse(Path::new("environment.yml"), text)
    }

    #[test]
    fn reads_what_conda_writes() {
        let file = read(
            "# of the course\nname: science\nchannels:\n  - conda-forge\n  - defaults\ndependencies:\n  - python=3.12\n  \
             - numpy>=2  # for week two\n  - \"blas=*=openblas\"\n  - pip\n  - pip:\n    - cowsay==6.1\n    - dask[array]\n\
             prefix: /opt/conda/envs/science\n",
        )
        .unwrap();
        let texts = |items: Vec<String>| items.join(" ");
        assert_eq!(file.name.as_deref(), Some("science"));
        assert_eq!(file.channels, ["conda-forge".parse().unwrap()]);
        assert_eq!(texts(file.specs.iter().map(ToString::to_string).collect()), "python=3.12 numpy>=2 blas=*=openblas pip");
        assert_eq!(texts(file.packages.iter().map(ToString::to_string).collect()), "cowsay==6.1 dask[array]");
        assert_eq!(file.notes.len(), 2);
        assert!(!file.is_for_the_index());
        assert!(read("dependencies: [python, pip, {pip: [cowsay]}]").unwrap().is_for_the_index());
    }

    #[test]
    fn shows_every_line_that_is_wrong() {
        let error = read(
            "variables:\n  A: b\nchannels:\n  - ../own\ndependencies:\n  - numpy\n  - pywin32  # [win]\n  - sel(win): x\n  \
             - pip:\n    - -r other.txt\nauthor: me\nname: a\nname: b\n",
        )
        .unwrap_err()
        .to_string();
        for line in [
            "line 1: `variables`",
            "line 4: `../own`",
            "line 7: `# [...]`",
            "line 8: `sel(win):`",
            "line 10: `-r other.txt`",
            "line 11: `author`",
            "line 13: `name` is there twice",
        ] {
            assert!(error.contains(line), "{line} is not in: {error}");
        }
    }

    #[test]
    fn what_is_no_environment_is_an_error() {
        for (text, expected) in [
            ("", "it is empty"),
            ("name: x\n", "it has no `dependencies`"),
            ("dependencies: []\n", "it has no `dependencies`"),
            ("dependencies:\n", "`dependencies` takes a list"),
            ("- a\n", "line 1: expected `dependencies:`"),
            ("dependencies: numpy\n", "line 1: `dependencies` takes a list"),
            ("dependencies:\n  - \n", "line 2"),
            ("dependencies: [a\n", "this is not YAML"),
            ("a: &x [1]\nb: *x\n", "line 1: anchors"),
            ("dependencies: [a]\n---\nname: b\n", "a second document"),
            ("dependencies: [[[[[[[[[[a]]]]]]]]]]\n", "lists in lists"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
