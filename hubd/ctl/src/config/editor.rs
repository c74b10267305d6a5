//! Which editor, and running it as the person who asked for it: their uid, their groups, their home, no shell between.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hub_system::command::foreground::{Ended, Foreground};
use nix::sys::signal::Signal;

use super::super::World;
use super::super::failure::{Cause, Failure};
use super::super::interruption::Doing;
use super::super::text::printable;

/// Where a person says which editor, the strongest word first.
const VARIABLES: [&str; 3] = ["SUDO_EDITOR", "VISUAL", "EDITOR"];
/// What is tried when nobody said.
const USUAL: [&str; 3] = ["editor", "nano", "vi"];
/// Editors that go to a line with `+LINE`.
const GO_TO_LINE: [&str; 9] = ["vi", "vim", "nvim", "vim.basic", "vim.tiny", "nano", "editor", "emacs", "micro"];
/// What follows a program that could not be started at all, in setpriv as in a shell.
const NOT_STARTED: [i32; 2] = [126, 127];

/// A program with its first arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Editor {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Editor {
    /// The one the person wants, or the first usual one that is there.
    pub(super) fn choose(world: &World) -> Result<Self> {
        let search: Vec<PathBuf> =
            world.variables.get(std::ffi::OsStr::new("PATH")).map_or_else(Vec::new, |path| std::env::split_paths(path).collect());
        for variable in VARIABLES {
            let Some(value) = world.variables.get(std::ffi::OsStr::new(variable)).filter(|value| !value.is_empty()) else {
                continue;
            };
            let refused = |problem: &str| {
                let hint = format!("set {variable} to an editor that is there, as in: {variable}=nano");
                Failure::new(
                    Cause::Failed,
                    format!("the editor in {variable}, `{}`, {problem}", printable(&value.to_string_lossy())),
                    hint,
                )
            };
            let words = value.to_str().and_then(words).ok_or_else(|| refused("can't be read: a quotation mark is open"))?;
            let Some((name, arguments)) = words.split_first() else { continue };
            let program = find(name, &search).ok_or_else(|| refused("was not found"))?;
            return Ok(Self { program, arguments: arguments.to_vec() });
        }
        let usual = USUAL.iter().find_map(|name| find(name, &search));
        let program = usual.ok_or_else(|| {
            let hint = "apt install nano, or change one key at a time: hubctl config set KEY VALUE".to_owned();
            Failure::new(Cause::Failed, "no editor was found (editor, nano, vi)", hint)
        })?;
        Ok(Self { program, arguments: Vec::new() })
    }

    /// Opens `file` in it, at `line` where it can; `Some`: why the person did not end it in the usual way.
    pub(super) fn open(&self, world: &World, file: &Path, line: Option<usize>) -> Result<Option<String>> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut environment = world.variables.clone();
        let mut program = self.program.clone();
        if world.caller.behind_sudo.is_some() {
            let person = world.caller.account()?;
            program = world.paths.setpriv();
            let (uid, gid) = (format!("--reuid={}", person.uid), format!("--regid={}", person.gid));
            arguments.extend(
                [uid, gid, "--init-groups".to_owned(), "--inh-caps=-all".to_owned(), "--".to_owned()].map(OsString::from),
            );
            arguments.push(self.program.clone().into());
            for (name, value) in [
                ("HOME", person.dir.into_os_string()),
                ("SHELL", person.shell.into_os_string()),
                ("USER", person.name.clone().into()),
                ("LOGNAME", person.name.into()),
            ] {
                environment.insert(name.into(), value);
            }
        }
        arguments.extend(self.arguments.iter().map(OsString::from));
        let name = self.program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        arguments.extend(line.filter(|_| GO_TO_LINE.contains(&name)).map(|line| OsString::from(format!("+{line}"))));
        arguments.push(file.into());
        let terminal = world.terminal.device()?;
        let command = Foreground { program, arguments, environment: environment.into_iter().collect(), terminal };
        world.interruptions.now(Doing::Unbroken);
        let ended = command.run(|process| world.interruptions.now(Doing::Editing(process))).context("running the editor");
        let is_key = |number: &i32| [Signal::SIGINT as i32, Signal::SIGQUIT as i32].contains(number);
        if matches!(&ended, Ok(Ended::Signal(number)) if is_key(number)) {
            world.interruptions.editor_was_interrupted();
        }
        world.interruptions.now(Doing::Asking);
        Ok(match ended? {
            Ended::Code(0) => None,
            Ended::Code(code) if NOT_STARTED.contains(&code) => {
                Some(format!("the editor `{}` could not be started", self.program.display()))
            }
            Ended::Code(code) => Some(format!("the editor ended with exit code {code}")),
            Ended::Signal(number) => {
                let signal = Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |signal| signal.to_string());
                Some(format!("the editor was ended by {signal}"))
            }
        })
    }
}

/// The program called `name`, which may be a path.
fn find(name: &str, search: &[PathBuf]) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_absolute() && is_program(path));
    }
    search.iter().filter(|directory| directory.is_absolute()).map(|directory| directory.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// The words of a command as a shell would split them, with nothing in them that a shell would replace. `None`: a
/// quotation mark is open.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(mark), character) if character == mark => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(characters.next()?),
            (None, character) if character.is_whitespace() => words.extend(word.take()),
            (_, character) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_may_have_arguments() {
        for (text, expected) in [
            ("vim", &["vim"][..]),
            ("  code  --wait ", &["code", "--wait"]),
            ("'/opt/my editor' -c \"set tw=0\"", &["/opt/my editor", "-c", "set tw=0"]),
            ("vi a\\ b \"c\\\"d\" ''", &["vi", "a b", "c\"d", ""]),
            ("vi $(touch /tmp/x); `id`", &["vi", "$(touch", "/tmp/x);", "`id`"]),
            ("", &[]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for text in ["vi 'a", "vi \"a", "vi \\"] {
            assert_eq!(words(text), None, "{text}");
        }
    }
}
