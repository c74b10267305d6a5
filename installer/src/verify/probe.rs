//! What runs inside a limited unit: it takes more and more of one thing, and says after each step how much it has.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use nix::time::{ClockId, clock_gettime};

/// Memory is taken in pieces of this size.
const PIECE: usize = 4 << 20;
/// The smallest page of memory there is.
const PAGE: usize = 4096;
/// How long processor time is used up.
const SPIN: Duration = Duration::from_secs(1);
/// Between two programs of one machine.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// Something a probe takes too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Probe {
    /// Memory, bytes.
    Memory,
    /// Threads.
    Tasks,
    /// Processor time, thousandths of a core.
    Processor,
    /// An address of the network.
    Addresses,
}

/// Takes up to `amount`, and writes how much it has to `output`, a number a line.
///
/// # Errors
/// When it can't write, or reach an address.
pub fn probe(probe: Probe, amount: u64, output: &mut impl Write) -> Result<()> {
    match probe {
        Probe::Memory => take_memory(amount, output),
        Probe::Tasks => tell(output, take_threads(amount)?),
        Probe::Processor => tell(output, spin(amount)?),
        Probe::Addresses => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            TcpStream::connect_timeout(&listener.local_addr()?, CONNECT_DEADLINE)?;
            tell(output, 1)
        }
    }
}

fn tell(output: &mut impl Write, number: u64) -> Result<()> {
    writeln!(output, "{number}").and_then(|()| output.flush()).context("telling how much it has")
}

fn take_memory(amount: u64, output: &mut impl Write) -> Result<()> {
    let mut held = Vec::new();
    let mut taken = 0;
    while taken < amount {
        // Written to, page by page: memory that is only reserved counts for nothing.
        let mut piece = vec![0_u8; PIECE];
        piece.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        held.push(std::hint::black_box(piece));
        taken += PIECE as u64;
        tell(output, taken)?;
    }
    Ok(())
}

/// How many threads there were in the end, the first one counted.
fn take_threads(amount: u64) -> Result<u64> {
    let gate = Arc::new(RwLock::new(()));
    // Each thread waits at the gate until all are there.
    let closed = gate.write();
    let mut threads = Vec::new();
    for _ in 1..amount {
        let gate = gate.clone();
        match std::thread::Builder::new().stack_size(64 * 1024).spawn(move || drop(gate.read())) {
            Ok(thread) => threads.push(thread),
            // What it was tried for.
            Err(_) => break,
        }
    }
    drop(closed);
    let count = threads.len() as u64 + 1;
    for thread in threads {
        if thread.join().is_err() {
            bail!("a thread of the probe ended badly");
        }
    }
    Ok(count)
}

/// Thousandths of a core that were had by as many threads as would use `amount` of them.
fn spin(amount: u64) -> Result<u64> {
    let used = || Ok::<_, anyhow::Error>(Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?));
    let (begun, before) = (Instant::now(), used()?);
    std::thread::scope(|scope| {
        for _ in 0..amount.div_ceil(1000) {
            scope.spawn(|| while begun.elapsed() < SPIN {});
        }
    });
    let share = (used()? - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    Ok((share * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_a_probe_gets_what_it_wants() {
        for (what, amount, got) in [(Probe::Memory, 9 << 20, 12 << 20), (Probe::Tasks, 20, 20), (Probe::Addresses, 1, 1)] {
            let mut output = Vec::new();
            probe(what, amount, &mut output).unwrap();
            let text = String::from_utf8(output).unwrap();
            assert_eq!(text.lines().last(), Some(got.to_string().as_str()), "{what:?}: {text}");
        }
    }

    #[test]
    fn processor_time_is_measured_in_thousandths_of_a_core() {
        let mut output = Vec::new();
        probe(Probe::Processor, 1000, &mut output).unwrap();
        let got: u64 = String::from_utf8(output).unwrap().trim().parse().unwrap();
        assert!((1..=1050).contains(&got), "{got}");
    }
}
