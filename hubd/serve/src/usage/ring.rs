//! Readings of a day and of a term, in one file that never grows: each minute has its place in it, and each quarter of an
//! hour, which a later one takes over. What goes wrong with it costs the pictures and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use hub_core::control::usage::{History, Reading, Span};

use super::record::{SIZE, decode, encode};

/// Which file this is, and how it is written.
const HEADER: &[u8; 16] = b"hubd usage, 1\n\0\0";
/// Readings of the last day, one a minute.
const DAY: Part = Part { begins: 0, places: 24 * 60, step: 60 };
const WEEK: u64 = 7 * 24 * 60 * 60;
/// Readings of 26 weeks, one a quarter of an hour.
const TERM: Part = Part { begins: DAY.places, places: 26 * WEEK / (15 * 60), step: 15 * 60 };

/// Part of the file.
#[derive(Clone, Copy)]
struct Part {
    /// Its first place.
    begins: u64,
    places: u64,
    /// Seconds.
    step: u64,
}

impl Part {
    /// Where the reading of `time` is in the file.
    fn offset(&self, time: u64) -> u64 {
        self.at(time / self.step % self.places)
    }

    fn at(&self, place: u64) -> u64 {
        HEADER.len() as u64 + (self.begins + place) * SIZE as u64
    }
}

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Ring(PathBuf);

impl Ring {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Keeps `reading`. A file that is not one of these begins anew.
    ///
    /// # Errors
    /// When it can't be written, as on a full disk.
    pub(super) fn keep(&self, reading: &Reading) -> io::Result<()> {
        let file = self.open()?;
        for part in [DAY, TERM] {
            let offset = part.offset(reading.time);
            let mut kept = Reading { time: reading.time / part.step * part.step, ..*reading };
            if let Some(before) = read(&file, offset)?.filter(|before| before.time == kept.time) {
                kept.merge(&before);
            }
            file.write_all_at(&encode(&kept), offset)?;
        }
        Ok(())
    }

    /// What was kept of the last day in steps of five minutes, or of the term in days, until `now`, with `latest`, which is
    /// not kept yet. Clocks of people are `offset` seconds before UTC's: their days begin at their midnight.
    ///
    /// # Errors
    /// When the file is there and can't be read.
    pub(super) fn history(&self, span: Span, now: u64, offset: i64, latest: Option<Reading>) -> io::Result<History> {
        let (part, step) = match span {
            Span::Day => (DAY, 5 * 60),
            Span::Term => (TERM, 24 * 60 * 60),
        };
        let begin = |time: u64| (time.saturating_add_signed(offset) / step * step).saturating_add_signed(-offset);
        let from = begin(now.saturating_sub(part.places * part.step)) + step;
        let mut readings = self.readings(part)?;
        readings.extend(latest);
        readings.retain(|reading| (from..=now).contains(&reading.time));
        readings.sort_by_key(|reading| reading.time);
        // Of a hub that is new, a week is enough to begin with.
        let first = readings.first().map_or(now, |reading| reading.time).min(now.saturating_sub(WEEK));
        let from = if span == Span::Term { from.max(begin(first)) } else { from };
        let mut coarse: Vec<Reading> = Vec::new();
        for reading in readings {
            let time = begin(reading.time);
            match coarse.last_mut().filter(|last| last.time == time) {
                Some(last) => last.merge(&reading),
                None => coarse.push(Reading { time, ..reading }),
            }
        }
        Ok(History { from, until: begin(now) + step, step, readings: coarse, now: None })
    }

    fn readings(&self, part: Part) -> io::Result<Vec<Reading>> {
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        if !is_one(&file) {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; part.places as usize * SIZE];
        match file.read_exact_at(&mut bytes, part.at(0)) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            outcome => outcome?,
        }
        let kept = bytes.chunks_exact(SIZE).zip(0..).filter_map(|(record, place)| {
            // One that stands in another's place was copied there.
            decode(record).filter(|reading| part.offset(reading.time) == part.at(place))
        });
        Ok(kept.collect())
    }

    fn open(&self) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&self.0)?;
        let size = TERM.at(TERM.places);
        if file.metadata()?.len() != size || !is_one(&file) {
            file.set_len(0)?;
            file.set_len(size)?;
            file.write_all_at(HEADER, 0)?;
        }
        Ok(file)
    }
}

fn is_one(file: &File) -> bool {
    let mut header = [0; HEADER.len()];
    file.read_exact_at(&mut header, 0).is_ok() && header == *HEADER
}

fn read(file: &File, offset: u64) -> io::Result<Option<Reading>> {
    let mut record = [0; SIZE];
    file.read_exact_at(&mut record, offset)?;
    Ok(decode(&record))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday, noon.
    const NOON: u64 = 1_764_590_400;
    const HOUR: u64 = 3600;

    fn ring() -> (tempfile::TempDir, Ring) {
        let directory = tempfile::tempdir().unwrap();
        let ring = Ring::new(directory.path().join("usage"));
        (directory, ring)
    }

    fn people(time: u64, people: u32) -> Reading {
        Reading { time, people, ..Reading::default() }
    }

    fn told(ring: &Ring, span: Span, now: u64) -> Vec<(u64, u32)> {
        let history = ring.history(span, now, 0, None).unwrap();
        history.readings.iter().map(|reading| (reading.time, reading.people)).collect()
    }

    #[test]
    fn a_day_in_minutes_and_a_term_in_quarters_of_an_hour() {
        let (_directory, ring) = ring();
        assert_eq!(told(&ring, Span::Day, NOON), []);
        for (minute, count) in [(0, 1), (1, 7), (1, 6), (4, 3), (5, 2), (16, 9)] {
            ring.keep(&people(NOON + minute * 60 + 59, count)).unwrap();
        }
        let now = NOON + 20 * 60;
        assert_eq!(told(&ring, Span::Day, now), [(NOON, 7), (NOON + 300, 2), (NOON + 900, 9)]);
        let midnight = NOON - 12 * HOUR;
        assert_eq!(told(&ring, Span::Term, now), [(midnight, 9)]);
        for hours in [-5, 2] {
            let there = ring.history(Span::Term, now, hours * 3600, None).unwrap();
            assert_eq!(there.readings[0].time, midnight.saturating_add_signed(-hours * 3600), "midnight of people");
        }
        assert_eq!(told(&ring, Span::Day, NOON - HOUR), [], "what the clock has not reached");
        assert_eq!(told(&ring, Span::Day, now + 25 * HOUR), [], "what is more than a day ago");
        assert_eq!(told(&ring, Span::Term, now + 30 * 24 * HOUR), [(midnight, 9)]);
        assert_eq!(told(&ring, Span::Term, now + 27 * 7 * 24 * HOUR), []);
        let latest = ring.history(Span::Day, now, 0, Some(people(now, 4))).unwrap();
        assert_eq!(latest.readings.last().map(|reading| reading.people), Some(4));
        assert_eq!((latest.until, latest.step), (now + 300, 300));
        let from = |now| ring.history(Span::Term, now, 0, None).unwrap().from;
        assert_eq!(from(now), midnight - WEEK, "at least a week");
        assert_eq!(from(NOON + 2 * WEEK), midnight, "no more than is known");
        assert_eq!(from(NOON + 40 * WEEK), midnight + 39 * WEEK, "nothing is known any more");
    }

    #[test]
    fn it_never_grows_and_later_ones_take_the_place_of_earlier_ones() {
        let (_directory, ring) = ring();
        ring.keep(&people(NOON, 1)).unwrap();
        let size = std::fs::metadata(&ring.0).unwrap().len();
        assert!(size < 1 << 20, "{size}");
        for day in 0..400 {
            ring.keep(&people(NOON + day * 24 * HOUR, day as u32)).unwrap();
        }
        assert_eq!(std::fs::metadata(&ring.0).unwrap().len(), size);
        let now = NOON + 399 * 24 * HOUR;
        assert_eq!(told(&ring, Span::Day, now), [(now, 399)]);
        let term = told(&ring, Span::Term, now);
        assert_eq!((term.len(), term[0].1, term[181].1), (182, 218, 399), "26 weeks");
    }

    #[test]
    fn a_damaged_file_costs_what_is_damaged() {
        let (_directory, ring) = ring();
        for minute in 0..2 {
            ring.keep(&people(NOON + minute * 600, 5)).unwrap();
        }
        let good = std::fs::read(&ring.0).unwrap();
        let mut one_byte = good.clone();
        one_byte[DAY.offset(NOON) as usize + 5] ^= 0xff;
        std::fs::write(&ring.0, &one_byte).unwrap();
        assert_eq!(told(&ring, Span::Day, NOON + 600), [(NOON + 600, 5)]);
        let mut moved = good.clone();
        let (from, to) = (DAY.offset(NOON) as usize, DAY.offset(NOON + 60) as usize);
        moved.copy_within(from..from + SIZE, to);
        std::fs::write(&ring.0, &moved).unwrap();
        assert_eq!(told(&ring, Span::Day, NOON + 600).len(), 2, "a record counts once, and in its place");
        for spoilt in [&good[..good.len() / 2], b"", b"something else", &[good.as_slice(), b"x"].concat(), &[0xff; 5000]] {
            std::fs::write(&ring.0, spoilt).unwrap();
            assert!(ring.history(Span::Term, NOON, 0, None).is_ok());
            ring.keep(&people(NOON, 3)).unwrap();
            assert_eq!(told(&ring, Span::Day, NOON), [(NOON, 3)], "it begins anew");
        }
    }

    #[test]
    fn where_it_can_not_be_written_that_is_an_error_and_no_more() {
        let ring = Ring::new("/proc/nowhere/usage".into());
        assert!(ring.keep(&people(NOON, 1)).is_err());
        assert_eq!(told(&ring, Span::Day, NOON), []);
    }
}
