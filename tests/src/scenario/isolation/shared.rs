//! What all share that has an end: terminals, the machine's journal.

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::hub::Hub;
use crate::{kernel, wait};

/// Opens terminals until there is none.
const TERMINALS: &str = "
import os, resource
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
held = []
try:
    while len(held) < 5000:
        held.append(os.openpty())
except OSError as error:
    print(error)
print('terminals:', len(held), os.ttyname(held[0][1]).rsplit('/', 1)[0])
";
/// A server may have so many, and what reads from it in the kernel has one or two of them.
const MOST_TERMINALS: u32 = 128;
/// Lines of systemd's about people's units in the machine's journal.
const SAID: &str =
    "journalctl --quiet -b _PID=1 -o cat | grep -c -e hubd-user-bob -e 'Jupyter server of bob' -e 'of bob' || true";

/// Returns what does not hold.
pub(super) fn attempts(context: &Context, hub: &Hub) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    let ran = kernel::run(hub, "bob", TERMINALS)?;
    context.step(&format!("bob opens terminals: {}", ran.printed.trim().replace('\n', "; ")))?;
    let said = ran.printed.rsplit("terminals: ").next().unwrap_or_default();
    let (count, place) = said.trim().split_once(' ').with_context(|| format!("{ran:?}"))?;
    let count: u32 = count.parse().with_context(|| format!("{ran:?}"))?;
    if !(MOST_TERMINALS / 2..=MOST_TERMINALS).contains(&count) || place != "/dev/pts" {
        failures.push(format!("bob has {count} terminals in {place}, expected up to {MOST_TERMINALS}"));
    }
    wait::for_journal(hub)?;
    let before: u32 = hub.sh(SAID)?.trim().parse()?;
    for _ in 0..3 {
        hub.hubctl(&["server", "restart", "bob"])?;
    }
    wait::for_log(hub, "-b -u hubd-launcher", "bob").context("the launcher says nothing of bob")?;
    wait::for_journal(hub)?;
    let after: u32 = hub.sh(SAID)?.trim().parse()?;
    context.step(&format!("systemd's lines about bob's units: {before}, after three restarts {after}"))?;
    if after > before {
        failures.push(format!("three restarts had systemd write {} lines into the machine's journal", after - before));
    }
    Ok(failures)
}
