//! A person at a terminal of the machine: a pseudo-terminal of its own, answers typed when the question stands there.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::hub::Hub;

const DEADLINE: Duration = Duration::from_secs(300);
/// What Ctrl-C types.
pub(super) const INTERRUPT: &str = "\\003";
/// Closes the terminal as when a connection is lost.
pub(super) const HANG_UP: &str = "hang up";

/// Types each answer once its question was asked as often as there are such questions in the list so far. `$1` is a
/// directory for what is said, `$2` the command line.
const DRIVER: &str = r#"#!/bin/sh
set -eu
place=$1 command=$2
shift 2
mkdir -p "$place"
rm -f "$place/keys" "$place/said"
: >"$place/said"
mkfifo "$place/keys"
script --quiet --flush --return --command "$command" "$place/said" <"$place/keys" >/dev/null &
terminal=$!
exec 3>"$place/keys"
typed=
while [ $# -ge 2 ]; do
    question=$1 answer=$2
    shift 2
    typed="$typed$question
"
    wanted=$(printf '%s' "$typed" | grep -cF -e "$question")
    tries=0
    while [ "$(grep -oF -e "$question" "$place/said" | wc -l)" -lt "$wanted" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 1800 ] || ! kill -0 $terminal 2>/dev/null; then
            echo "never asked: $question"
            cat "$place/said"
            kill $terminal 2>/dev/null || true
            exit 99
        fi
        sleep 0.1
    done
    if [ "$answer" = "hang up" ]; then
        kill -KILL $terminal
    else
        printf "$answer" >&3
    fi
done
code=0
wait $terminal || code=$?
cat "$place/said"
exit $code
"#;

/// What a command said at its terminal, and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) text: String,
}

impl Said {
    /// Fails unless it ended with `code` and said all of `words`.
    pub(super) fn expect(&self, code: i32, words: &[&str]) -> Result<()> {
        ensure!(self.code == code, "exit code {}, expected {code}:\n{}", self.code, self.text);
        for word in words {
            ensure!(self.text.contains(word), "{word:?} is not in what it said:\n{}", self.text);
        }
        Ok(())
    }
}

/// Puts the driver into the machine.
pub(super) fn install(hub: &Hub) -> Result<()> {
    hub.write("/usr/local/bin/at-terminal", DRIVER, 0o755)
}

/// Runs `command` as `account` at a terminal; `answers` are pairs of a question and what is typed then.
pub(super) fn at_terminal(hub: &Hub, account: &str, command: &str, answers: &[(&str, &str)]) -> Result<Said> {
    let place = format!("/tmp/terminal-{account}");
    let words = ["/usr/local/bin/at-terminal", &place, command];
    let typed = answers.iter().flat_map(|(question, answer)| [*question, *answer]);
    let output = hub.command(words.into_iter().chain(typed)).user(account).timeout(DEADLINE).output()?;
    let text = output.text().replace('\r', "");
    Ok(Said { code: output.code, text })
}
