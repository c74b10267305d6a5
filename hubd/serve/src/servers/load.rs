//! How busy the machine is, from the kernel's own files. What a file does not tell is `None`, and the queue does without.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Figures shorter apart than this say nothing.
const SHORTEST_SPAN: Duration = Duration::from_millis(200);

/// The load since the sample before. Shares are between 0 and 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sample {
    /// Share of all processors' time that was used.
    pub(super) busy: Option<f64>,
    /// Share of the time in which some process waited for the disk.
    pub(super) disk_pressure: Option<f64>,
    /// Share of the time in which some process waited for memory.
    pub(super) memory_pressure: Option<f64>,
    /// Memory that could be had without swapping, bytes.
    pub(super) memory_available: Option<u64>,
}

impl Sample {
    /// Whether a program can't be expected to get on as usual.
    pub(super) fn is_strained(&self) -> bool {
        self.busy.is_some_and(|share| share > 0.9)
            || self.disk_pressure.is_some_and(|share| share > 0.5)
            || self.memory_pressure.is_some_and(|share| share > 0.2)
    }
}

/// Reads the kernel's counters and makes shares of them.
#[derive(Debug)]
pub(super) struct Meter {
    proc: PathBuf,
    before: Option<(Instant, Counters)>,
    latest: Sample,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counters {
    /// Used and all processor time, in ticks.
    ticks: Option<(u64, u64)>,
    /// Microseconds.
    disk_wait: Option<u64>,
    /// Microseconds.
    memory_wait: Option<u64>,
}

impl Meter {
    /// Reads below `proc`, which is `/proc` on a real machine.
    pub(super) fn new(proc: PathBuf) -> Self {
        Self { proc, before: None, latest: Sample::default() }
    }

    /// The load since the last call; the last sample again when that was a moment ago.
    pub(super) fn sample(&mut self, now: Instant) -> Sample {
        if self.before.is_some_and(|(then, _)| now.saturating_duration_since(then) < SHORTEST_SPAN) {
            return self.latest;
        }
        let read = |file: &str| fs_err::read_to_string(self.proc.join(file)).unwrap_or_default();
        let counters = Counters {
            ticks: parse_stat(&read("stat")),
            disk_wait: parse_pressure(&read("pressure/io")),
            memory_wait: parse_pressure(&read("pressure/memory")),
        };
        let memory_available = parse_memory(&read("meminfo"), "MemAvailable:");
        self.latest = match self.before {
            // A sample from long ago says nothing of now.
            Some((then, before)) if now.saturating_duration_since(then) < Duration::from_secs(10) => {
                Sample { memory_available, ..compare(&before, &counters, now.saturating_duration_since(then)) }
            }
            _ => Sample { memory_available, ..Sample::default() },
        };
        self.before = Some((now, counters));
        self.latest
    }
}

fn compare(before: &Counters, after: &Counters, span: Duration) -> Sample {
    let share = |part: u64, whole: u64| (whole > 0).then(|| (part as f64 / whole as f64).clamp(0.0, 1.0));
    let waited = |before: Option<u64>, after: Option<u64>| {
        share(after?.saturating_sub(before?), u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    };
    Sample {
        busy: before.ticks.zip(after.ticks).and_then(|((used_before, all_before), (used, all))| {
            share(used.saturating_sub(used_before), all.saturating_sub(all_before))
        }),
        disk_pressure: waited(before.disk_wait, after.disk_wait),
        memory_pressure: waited(before.memory_wait, after.memory_wait),
        memory_available: None,
    }
}

/// Used and all ticks from the first line of `/proc/stat`. Waiting for the disk counts as not used.
pub(crate) fn parse_stat(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let (user, nice, system, idle, disk) = (next()?, next()?, next()?, next()?, next()?);
    let (interrupt, soft, stolen) = (next().unwrap_or(0), next().unwrap_or(0), next().unwrap_or(0));
    let used = user + nice + system + interrupt + soft + stolen;
    Some((used, used + idle + disk))
}

/// Microseconds in which some process waited.
fn parse_pressure(text: &str) -> Option<u64> {
    text.lines().find(|line| line.starts_with("some "))?.rsplit_once("total=")?.1.trim().parse().ok()
}

/// All memory of the machine, bytes, where `proc` tells.
pub(super) fn memory_total(proc: &Path) -> Option<u64> {
    parse_memory(&fs_err::read_to_string(proc.join("meminfo")).ok()?, "MemTotal:")
}

/// One line of `/proc/meminfo`, bytes.
pub(crate) fn parse_memory(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_files() {
        assert_eq!(parse_stat("cpu  10 1 5 100 4 1 1 2 0 0\ncpu0 1 2 3\n"), Some((20, 124)));
        assert_eq!(
            parse_pressure("some avg10=6.71 avg60=8.09 avg300=11.15 total=157713932\nfull avg10=0.00 total=1\n"),
            Some(157_713_932)
        );
        assert_eq!(parse_memory("MemTotal: 9 kB\nMemAvailable:   2048 kB\n", "MemAvailable:"), Some(2 << 20));
    }

    #[test]
    fn a_file_that_says_something_else_is_no_figure() {
        for text in ["", "cpu", "cpu  1 2", "cpu  a b c d e", "intr 1 2 3 4 5"] {
            assert_eq!(parse_stat(text), None, "{text:?}");
        }
        assert_eq!(parse_pressure("some avg10=1 total=x"), None);
        assert_eq!(parse_memory("MemAvailable: lots", "MemAvailable:"), None);
    }

    #[test]
    fn shares_are_of_the_time_between() {
        let directory = tempfile::tempdir().unwrap();
        let write = |stat: &str, waited: u64| {
            std::fs::create_dir_all(directory.path().join("pressure")).unwrap();
            std::fs::write(directory.path().join("stat"), stat).unwrap();
            std::fs::write(directory.path().join("pressure/io"), format!("some avg10=0.00 total={waited}\n")).unwrap();
        };
        let mut meter = Meter::new(directory.path().to_owned());
        let start = Instant::now();
        write("cpu  100 0 0 100 0 0 0 0\n", 0);
        assert_eq!(meter.sample(start), Sample::default());
        write("cpu  175 0 0 125 0 0 0 0\n", 500_000);
        let sample = meter.sample(start + Duration::from_secs(1));
        assert_eq!(sample, Sample { busy: Some(0.75), disk_pressure: Some(0.5), ..Sample::default() });
        write("cpu  175 0 0 999 0 0 0 0\n", 500_000);
        assert_eq!(meter.sample(start + Duration::from_millis(1001)), sample, "too short a span");
        assert_eq!(meter.sample(start + Duration::from_secs(60)), Sample::default(), "too long a span");
    }

    #[test]
    fn strain_is_any_of_the_three() {
        assert!(!Sample::default().is_strained());
        assert!(Sample { busy: Some(0.95), ..Sample::default() }.is_strained());
        assert!(Sample { disk_pressure: Some(0.6), ..Sample::default() }.is_strained());
        assert!(Sample { memory_pressure: Some(0.3), ..Sample::default() }.is_strained());
    }
}
