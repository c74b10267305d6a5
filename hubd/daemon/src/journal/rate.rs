//! How much one person, or one address, can have this process write: whoever fails to log in all day, or starts and stops a
//! server, must not push what the machine and the others said out of the journal.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines of one kind about the same within [`WINDOW`].
const MOST: u32 = 60;
/// So many are told apart within [`WINDOW`]; whoever comes later counts with all others who do.
const MOST_SUBJECTS: usize = 4096;
const WINDOW: Duration = Duration::from_secs(600);
/// The fields that say who or what a line is about. Lines without one are the process's own. The verb is among them, so that many
/// harmless acts leave no room to hide another.
const SUBJECTS: [&str; 7] = ["user", "source", "client", "uid", "actor", "target", "verb"];
/// Of a subject, so much counts.
const LONGEST: usize = 200;

/// Leaves out what is too much, and says so in the next window.
#[derive(Debug, Default)]
pub(super) struct Rate {
    window: Mutex<Option<Window>>,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    lines: HashMap<(Identifier, String), u32>,
    left_out: u64,
}

impl Rate {
    /// Whether there is room for one more line of that kind about that subject, and how many were left out in a window that
    /// is over.
    fn take(&self, kind: Identifier, subject: String, now: Instant) -> (bool, u64) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let over = window.take_if(|window| now.duration_since(window.begun) >= WINDOW).map_or(0, |window| window.left_out);
        let window = window.get_or_insert_with(|| Window { begun: now, lines: HashMap::new(), left_out: 0 });
        let mut key = (kind, subject);
        if window.lines.len() >= MOST_SUBJECTS && !window.lines.contains_key(&key) {
            key.1.clear();
        }
        let lines = window.lines.entry(key).or_default();
        *lines = lines.saturating_add(1);
        let has_room = *lines <= MOST;
        window.left_out += u64::from(!has_room);
        (has_room, over)
    }
}

impl<S: Subscriber> Layer<S> for Rate {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let mut subject = Subject::default();
        event.record(&mut subject);
        let Subject(subject) = subject;
        if subject.is_empty() {
            return true;
        }
        let (has_room, left_out) = self.take(event.metadata().callsite(), subject, Instant::now());
        if left_out > 0 {
            tracing::warn!(
                "{left_out} lines were left out: of one kind about one person or address {MOST} are kept in ten minutes"
            );
        }
        has_room
    }
}

/// All that a line is about.
#[derive(Default)]
struct Subject(String);

impl Visit for Subject {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if SUBJECTS.contains(&field.name()) && self.0.len() < LONGEST {
            // Writing to a text can't fail.
            write!(self.0, " {value:?}").ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_who_never_stops_is_cut_and_nobody_else() {
        let written = Written::default();
        let lines = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || lines.clone()).with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Rate::default()).with(layer), || {
            for number in 0..1000 {
                tracing::info!(user = "eve", number, "wrong password");
                if number % 100 == 0 {
                    tracing::info!(user = "eve", "logged out");
                    tracing::info!(user = %"bob", "wrong password");
                }
                tracing::info!("of the hub's own");
            }
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let count = |words: &[&str]| text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
        assert_eq!(count(&["wrong password", "eve"]), 60);
        assert_eq!((count(&["logged out"]), count(&["bob"]), count(&["own"])), (10, 10, 1000));
    }

    #[test]
    fn many_who_come_once_are_cut_together() {
        let rate = Rate::default();
        let kind = || tracing::callsite!(name: "test", kind: tracing::metadata::Kind::EVENT, fields: user);
        let (kind, now) = (tracing::callsite::Identifier(kind()), Instant::now());
        let kept = (0..100_000).filter(|number| rate.take(kind.clone(), number.to_string(), now).0).count();
        assert_eq!(kept, MOST_SUBJECTS + MOST as usize);
        assert!(rate.take(kind, "7".to_owned(), now).0);
    }

    #[test]
    fn in_the_next_window_there_is_room_again_and_it_is_said_what_was_left_out() {
        let rate = Rate::default();
        let kind = || tracing::callsite!(name: "test", kind: tracing::metadata::Kind::EVENT, fields: user);
        let (kind, begun) = (tracing::callsite::Identifier(kind()), Instant::now());
        let take = |seconds| rate.take(kind.clone(), "eve".to_owned(), begun + Duration::from_secs(seconds));
        let kept = (0..100).filter(|_| take(1).0).count();
        assert_eq!(kept, 60);
        assert_eq!(take(599), (false, 0));
        assert_eq!(take(601), (true, 41));
        assert_eq!(take(602), (true, 0));
    }
}
