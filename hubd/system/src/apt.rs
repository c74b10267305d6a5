//! The list of packages that apt knows, fetched anew. A source that does not answer stops nobody: what is known already, and
//! what the other sources say, has to do. Who runs apt-get, and how, is the caller's.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What scripts of packages and apt's own hooks are told. Nobody is there to answer, and nothing that runs is to be restarted
/// but by the packages themselves.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("LC_ALL", "C.UTF-8"),
];
/// A source that keeps silent is waited for as long as this, twice; a machine has several, and the lists are several files.
const UPDATE: [&str; 4] = ["--quiet", "--option=Acquire::Retries=1", "--option=Acquire::http::Timeout=20", "update"];
/// How long somebody else's work on packages is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(15 * 60);
const AGAIN_INTERVAL: Duration = Duration::from_secs(3);

/// Fetches the list with `run`, which is handed the arguments of apt-get. For the lock on it apt does not wait by itself, so
/// this does, and calls `waiting` before each pause. Returns what was wrong, where something was.
pub fn update(run: &mut dyn FnMut(&[&str]) -> Result<()>, waiting: &mut dyn FnMut()) -> Option<String> {
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match run(&UPDATE).map_err(|error| format!("{error:#}")) {
            Ok(()) => return None,
            Err(problem) if problem.contains("/lists/lock") && Instant::now() < end => {
                waiting();
                thread::sleep(AGAIN_INTERVAL);
            }
            Err(problem) => return Some(problem),
        }
    }
}

/// Of what apt said, the lines that name a source or a reason, each once.
pub fn complaints(said: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    let reason = |line: &'_ str| line.starts_with("E: ") || line.starts_with("W: Failed ");
    for line in said.lines().filter(|line| reason(line)).map(|line| line[3..].trim()) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_source_that_does_not_answer_is_told_and_stops_nothing() {
        let dead = "`/usr/bin/apt-get update`: exit code 100\nE: The repository 'http://ppa.example Release' does not have a \
                    Release file.";
        let problem = update(&mut |_| Err(anyhow!(dead)), &mut || panic!("nobody holds the lock")).unwrap();
        assert_eq!(complaints(&problem), ["The repository 'http://ppa.example Release' does not have a Release file."]);
        let mut asked = Vec::new();
        let answer = update(
            &mut |arguments| {
                asked.extend(arguments.last().map(ToString::to_string));
                Ok(())
            },
            &mut || (),
        );
        assert_eq!((answer, asked), (None, vec!["update".to_owned()]));
    }

    #[test]
    fn of_what_apt_said_each_reason_is_told_once() {
        let said = "Err:1 http://a\nW: Failed to fetch http://a  Could not connect\nW: Some index files failed to download.\n\
                    E: no such file\nE: no such file\n";
        assert_eq!(complaints(said), ["Failed to fetch http://a  Could not connect", "no such file"]);
    }
}
