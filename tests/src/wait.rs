//! Waits. What goes on by itself in a machine (a server that ends, a service that comes back, a line on its way into the journal) is
//! looked at again and again until it is as wanted; no test looks once and hopes.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hub_machine::Machine;

/// A bound and no measure: on a machine with ten times as much to do as it has processors for, nothing takes as long.
pub const PATIENCE: Duration = Duration::from_secs(180);
const INTERVAL: Duration = Duration::from_millis(100);

/// Waits until `is_so`.
///
/// # Errors
/// When it is not within [`PATIENCE`], and its own.
pub fn until(what: &str, is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    until_within(PATIENCE, what, is_so)
}

/// As [`until`], for what takes longer.
///
/// # Errors
/// As there.
pub fn until_within(patience: Duration, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + patience;
    while !is_so()? {
        ensure!(Instant::now() < end, "waited {} s for {what}", patience.as_secs());
        thread::sleep(INTERVAL);
    }
    Ok(())
}

/// Waits until `condition`, commands of a POSIX shell in the machine, ends with 0.
///
/// # Errors
/// When it does not within [`PATIENCE`].
pub fn for_shell(machine: &Machine, what: &str, condition: &str) -> Result<()> {
    let script = format!("until {{ {condition}\n}}; do sleep 0.1; done");
    let waited = machine.command(["/bin/sh", "-uc", &script]).timeout(PATIENCE).run();
    waited.map(drop).with_context(|| format!("waiting for {what}"))
}

/// Waits until somebody listens on a TCP port at `place`, an address and a port.
///
/// # Errors
/// As [`for_shell`].
pub fn for_listener(machine: &Machine, place: &str) -> Result<()> {
    for_shell(machine, &format!("a listener at {place}"), &format!("ss -Htln | grep -qF ' {place} '"))
}

/// Waits until a unit is down.
///
/// # Errors
/// As [`for_shell`].
pub fn for_end(machine: &Machine, unit: &str) -> Result<()> {
    let state =
        format!("case $(systemctl show --property=ActiveState --value '{unit}') in inactive | failed) ;; *) false ;; esac");
    for_shell(machine, &format!("the end of {unit}"), &state)
}

/// Kills a service that starts by itself again, and waits until it runs with another main process.
///
/// # Errors
/// When it did not run, and as [`for_shell`].
pub fn for_return_of_killed(machine: &Machine, unit: &str) -> Result<()> {
    let pid = format!("systemctl show --property=MainPID --value {unit}");
    let before = machine.sh(&pid)?;
    ensure!(before != "0", "{unit} does not run");
    machine.sh(&format!("systemctl kill --signal=KILL {unit}"))?;
    let is_back = format!("pid=$({pid}); [ $pid != {before} ] && [ $pid != 0 ] && systemctl is-active --quiet {unit}");
    for_shell(machine, &format!("{unit} to come back"), &is_back)
}

/// Waits until the journal, as far as `arguments` of journalctl choose it, has `text`, and returns it. What was said a moment ago may
/// not be there yet.
///
/// # Errors
/// When it does not come within [`PATIENCE`]; the error shows what is there.
pub fn for_log(machine: &Machine, arguments: &str, text: &str) -> Result<String> {
    let mut journal = String::new();
    let found = until(&format!("`{text}` in the journal"), || {
        journal = machine.sh(&format!("journalctl --quiet --no-pager --output=cat {arguments}"))?;
        Ok(journal.contains(text))
    });
    found.with_context(|| format!("journalctl {arguments}: {journal}"))?;
    Ok(journal)
}

/// Waits until what was said so far is in the journal, for whoever counts lines or wants none.
///
/// # Errors
/// As [`for_shell`].
pub fn for_journal(machine: &Machine) -> Result<()> {
    // Whatever is written now is read after what was written before.
    let mark = machine.sh("mark=mark-$$-$(date +%s%N); echo MESSAGE=$mark | logger --journald; echo $mark")?;
    for_shell(machine, "the journal", &format!("journalctl --quiet --output=cat MESSAGE={mark} | grep -q ."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_until_it_is_so_or_says_what_did_not_come() {
        let mut looks = 0;
        until("the third look", || {
            looks += 1;
            Ok(looks == 3)
        })
        .unwrap();
        assert_eq!(looks, 3);
        let error = until_within(Duration::ZERO, "the moon", || Ok(false)).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for the moon");
    }
}
