//! How the whole machine is, from the kernel's own files. What a file does not tell is `None`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hub_core::paths::Paths;

use super::judge::Waited;
use crate::servers::load::{parse_memory, parse_stat};

/// How far back the processors' time is known, for a share of it.
const SPAN: Duration = Duration::from_secs(60);
/// The same, at least.
const SHORTEST_SPAN: Duration = Duration::from_secs(20);

/// Reads below `/proc`.
#[derive(Debug)]
pub(super) struct Machine {
    proc: PathBuf,
    /// Used and all processor time, in ticks, the latest last.
    ticks: VecDeque<(Instant, (u64, u64))>,
}

/// What `/proc/meminfo` says, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) all: u64,
    pub(super) available: Option<u64>,
    /// All and free.
    pub(super) swap: Option<(u64, u64)>,
}

impl Machine {
    pub(super) fn new(paths: &Paths) -> Self {
        Self { proc: paths.kernel_figures(), ticks: VecDeque::new() }
    }

    pub(super) fn memory(&self) -> Memory {
        let text = self.text("meminfo");
        let line = |label| parse_memory(&text, label);
        Memory {
            all: line("MemTotal:").unwrap_or_default(),
            available: line("MemAvailable:"),
            swap: line("SwapTotal:").zip(line("SwapFree:")),
        }
    }

    /// Shares of the last minute. Only where the kernel counts that.
    pub(super) fn waited(&self) -> Waited {
        let share = |resource: &str| parse_minute(&self.text(&format!("pressure/{resource}")));
        Waited { memory: share("memory"), cpu: share("cpu"), disk: share("io") }
    }

    /// Share of the processors' time that was used in the last minute, or as much of it as is known.
    pub(super) fn busy(&mut self, now: Instant) -> Option<f64> {
        let ticks = parse_stat(&self.text("stat"))?;
        self.ticks.push_back((now, ticks));
        while self.ticks.get(1).is_some_and(|(then, _)| now.saturating_duration_since(*then) >= SPAN) {
            self.ticks.pop_front();
        }
        let (then, before) = self.ticks.front()?;
        if now.saturating_duration_since(*then) < SHORTEST_SPAN {
            return None;
        }
        let (used, all) = (ticks.0.checked_sub(before.0)?, ticks.1.checked_sub(before.1)?);
        (all > 0).then(|| (used as f64 / all as f64).min(1.0))
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.proc.join(file)).unwrap_or_default()
    }
}

/// The share of the last minute in which some program waited, from a file of `/proc/pressure`.
fn parse_minute(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = line.split(' ').find_map(|field| field.strip_prefix("avg60="))?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then(|| percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_files() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let mut machine = Machine::new(&paths);
        assert_eq!((machine.memory(), machine.waited(), machine.busy(Instant::now())), Default::default());
        let write = |file: &str, text: &str| {
            let path = paths.kernel_figures().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("meminfo", "MemTotal: 4096 kB\nMemAvailable: 1024 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
        let memory = Memory { all: 4 << 20, available: Some(1 << 20), swap: Some((0, 0)) };
        assert_eq!(machine.memory(), memory);
        write("pressure/memory", "some avg10=6.71 avg60=12.50 avg300=11.15 total=157713932\nfull avg60=0.00 total=1\n");
        write("pressure/io", "some avg10=1 avg60=nan\n");
        assert_eq!(machine.waited(), Waited { memory: Some(0.125), cpu: None, disk: None });
        let start = Instant::now();
        let mut at = |seconds, used: u64| {
            write("stat", &format!("cpu  {used} 0 0 {} 0 0 0 0\n", 100 * seconds - used));
            machine.busy(start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, 0), None);
        assert_eq!(at(10, 900), None, "too short a time");
        assert_eq!(at(20, 1500), Some(0.75));
        assert_eq!(at(65, 1500), Some(1500.0 / 6500.0));
        assert_eq!(at(70, 1500), Some(0.1), "what is more than a minute ago does not count");
    }
}
