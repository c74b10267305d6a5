//! Time for sessions and the login throttle: one that only goes forward, for measuring, and the calendar's, for storing.

#[cfg(test)]
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// Where time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System {
        /// When measuring began.
        origin: Instant,
    },
    /// A test's: measured time and calendar time.
    #[cfg(test)]
    Manual(Arc<Mutex<(Duration, SystemTime)>>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::System { origin: Instant::now() }
    }

    /// Time since the clock was made; steps of the calendar don't touch it.
    pub fn elapsed(&self) -> Duration {
        match self {
            Self::System { origin } => origin.elapsed(),
            #[cfg(test)]
            Self::Manual(times) => times.lock().unwrap().0,
        }
    }

    /// The calendar's time.
    pub fn now(&self) -> SystemTime {
        match self {
            Self::System { .. } => SystemTime::now(),
            #[cfg(test)]
            Self::Manual(times) => times.lock().unwrap().1,
        }
    }
}

#[cfg(test)]
impl Clock {
    /// A clock that stands still until it is told otherwise.
    pub(crate) fn manual() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Self::Manual(Arc::new(Mutex::new((Duration::ZERO, start))))
    }

    /// Lets time pass, measured and on the calendar.
    pub(crate) fn advance(&self, by: Duration) {
        if let Self::Manual(times) = self {
            let mut times = times.lock().unwrap();
            times.0 += by;
            times.1 += by;
        }
    }

    /// Sets the calendar without time passing.
    pub(crate) fn set_calendar(&self, to: SystemTime) {
        if let Self::Manual(times) = self {
            times.lock().unwrap().1 = to;
        }
    }
}
