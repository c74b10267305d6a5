//! A time of day during which something may begin. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

const DAY: u32 = 24 * 60;

/// `03:00-05:00`; over midnight, too, as in `22:00-04:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Minutes since midnight; the second is the first that is outside.
    from: u32,
    until: u32,
}

impl Window {
    /// Whether a time of day is inside.
    pub fn contains(self, hour: u32, minute: u32) -> bool {
        let now = hour * 60 + minute;
        if self.from < self.until { (self.from..self.until).contains(&now) } else { now >= self.from || now < self.until }
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { from: 3 * 60, until: 5 * 60 }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is not a time of day; expected one as in \"03:00-05:00\"");
        let (from, until) = text.split_once('-').ok_or_else(expected)?;
        let (from, until) = (minutes(from).ok_or_else(expected)?, minutes(until).ok_or_else(expected)?);
        if from == until {
            return Err(format!("{text:?} is an empty span; expected one as in \"03:00-05:00\", or \"00:00-24:00\" for always"));
        }
        if from == DAY { Err(expected()) } else { Ok(Self { from, until }) }
    }
}

/// Minutes since midnight.
pub(super) fn minutes(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number =
        |part: &str| if part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None };
    let (hour, minute): (u32, u32) = (number(hour)?, number(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (self.from, self.until);
        write!(formatter, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_a_beginning_and_an_end() {
        for (window, inside, outside) in [
            ("03:00-05:00", &[(3, 0), (4, 59)][..], &[(2, 59), (5, 0), (15, 0)][..]),
            ("22:30-04:00", &[(22, 30), (23, 59), (0, 0), (3, 59)], &[(22, 29), (4, 0), (12, 0)]),
            ("00:00-24:00", &[(0, 0), (12, 0), (23, 59)], &[]),
            ("23:00-24:00", &[(23, 0), (23, 59)], &[(0, 0), (22, 59)]),
        ] {
            let parsed: Window = window.parse().unwrap();
            assert_eq!(parsed.to_string(), window);
            for (hour, minute) in inside {
                assert!(parsed.contains(*hour, *minute), "{hour}:{minute} is in {window}");
            }
            for (hour, minute) in outside {
                assert!(!parsed.contains(*hour, *minute), "{hour}:{minute} is not in {window}");
            }
        }
        assert_eq!(Window::default().to_string(), "03:00-05:00");
    }

    #[test]
    fn what_is_no_time_of_day_is_refused() {
        for text in [
            "",
            "3-5",
            "03:00",
            "03:00-25:00",
            "03:60-05:00",
            "24:00-05:00",
            "03:00-03:00",
            "3:00-5:00",
            "+3:00-05:00",
            "03:00-24:01",
        ] {
            assert!(text.parse::<Window>().is_err(), "{text:?} was accepted");
        }
    }
}
