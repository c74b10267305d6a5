//! A time of day, as in "03:00". Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::window::minutes;

/// Hours and minutes, by the machine's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is not a time of day; expected one as in \"03:00\"");
        let minutes = minutes(text).ok_or_else(expected)?;
        let (hour, minute) = (u8::try_from(minutes / 60), u8::try_from(minutes % 60));
        match (hour, minute) {
            (Ok(hour), Ok(minute)) if hour < 24 => Ok(Self { hour, minute }),
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_of_day_are_read() {
        for text in ["00:00", "03:00", "23:59"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
        }
        for text in ["", "3:00", "24:00", "03:60", "03", "03:00:00", "+3:00"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text:?} was accepted");
        }
    }
}
