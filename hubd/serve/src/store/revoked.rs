//! What must not come undone although the database can't be written: sessions that ended, people who are kept out. A file of
//! fixed size beside the database, whose parts are written in place, so it needs no room on the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hub_core::accounts::Username;

/// A block of any disk, so that a power cut leaves the old or the new one.
const SLOT: usize = 512;
const SLOTS: usize = 1024;
const SESSION: u8 = b'S';
const PERSON: u8 = b'P';

/// Something that was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// The session with this id.
    Session([u8; 32]),
    /// This person may not log in.
    Person(Username),
}

/// The open file.
#[derive(Debug)]
pub struct Revocations {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    slots: Vec<Option<Revoked>>,
}

impl Revocations {
    /// Opens the file, and makes it where it is not there or not whole.
    ///
    /// # Errors
    /// When it can't be read or made.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        if content.len() < SLOT * SLOTS {
            // Real zeros: what was never written would need room later.
            file.write_all(&vec![0; SLOT * SLOTS - content.len()])?;
            file.sync_all()?;
            content.resize(SLOT * SLOTS, 0);
        }
        let slots = content.chunks(SLOT).take(SLOTS).map(decode).collect();
        Ok(Self { inner: Mutex::new(Inner { file, slots }) })
    }

    /// All that is noted.
    pub fn all(&self) -> Vec<Revoked> {
        self.lock().slots.iter().flatten().cloned().collect()
    }

    /// Notes all of `revoked`; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the file can't be written, or there are more than a thousand.
    pub fn note(&self, revoked: &[Revoked]) -> io::Result<()> {
        let mut inner = self.lock();
        for one in revoked {
            if inner.slots.iter().flatten().any(|known| known == one) {
                continue;
            }
            let free = inner.slots.iter().position(Option::is_none);
            let free = free.ok_or_else(|| io::Error::other(format!("all {SLOTS} places are taken")))?;
            inner.write(free, Some(one.clone()))?;
        }
        inner.file.sync_data()
    }

    /// Forgets what `is_over` says of; the database knows it by now.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn forget(&self, is_over: impl Fn(&Revoked) -> bool) -> io::Result<()> {
        let mut inner = self.lock();
        let over: Vec<usize> =
            (0..SLOTS).filter(|slot| inner.slots.get(*slot).and_then(Option::as_ref).is_some_and(&is_over)).collect();
        over.into_iter().try_for_each(|slot| inner.write(slot, None))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, slot: usize, revoked: Option<Revoked>) -> io::Result<()> {
        self.file.write_all_at(&encode(revoked.as_ref()), (slot * SLOT) as u64)?;
        if let Some(place) = self.slots.get_mut(slot) {
            *place = revoked;
        }
        Ok(())
    }
}

fn encode(revoked: Option<&Revoked>) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let (kind, bytes) = match revoked {
        Some(Revoked::Session(id)) => (SESSION, &id[..]),
        Some(Revoked::Person(name)) => (PERSON, name.as_str().as_bytes()),
        None => return slot,
    };
    // Both are far shorter than a slot.
    let place = slot.iter_mut().skip(2).zip(bytes);
    let length = place.map(|(place, byte)| *place = *byte).count();
    slot[0] = kind;
    slot[1] = u8::try_from(length).unwrap_or_default();
    slot
}

/// What is in a slot. A damaged one holds nothing: it was being written when the power went.
fn decode(slot: &[u8]) -> Option<Revoked> {
    let length = usize::from(*slot.get(1)?);
    let bytes = slot.get(2..2 + length)?;
    match *slot.first()? {
        SESSION => Some(Revoked::Session(bytes.try_into().ok()?)),
        PERSON => Some(Revoked::Person(std::str::from_utf8(bytes).ok()?.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_there_again_until_it_is_forgotten_and_the_file_never_grows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("revoked");
        let (session, person) = (Revoked::Session([7; 32]), Revoked::Person("ada.lovelace".parse().unwrap()));
        let revocations = Revocations::open(&path).unwrap();
        assert_eq!(revocations.all(), []);
        let size = path.metadata().unwrap().len();
        revocations.note(&[session.clone(), person.clone(), session.clone()]).unwrap();
        let again = Revocations::open(&path).unwrap();
        assert_eq!(again.all(), [session.clone(), person.clone()]);
        again.forget(|one| *one == session).unwrap();
        assert_eq!(Revocations::open(&path).unwrap().all(), [person]);
        assert_eq!(path.metadata().unwrap().len(), size);
    }

    #[test]
    fn more_than_there_is_room_for_is_an_error_and_damage_is_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("revoked");
        let many: Vec<Revoked> = (0..=SLOTS).map(|number| Revoked::Person(format!("u{number}").parse().unwrap())).collect();
        let revocations = Revocations::open(&path).unwrap();
        assert_eq!(revocations.note(&many).unwrap_err().to_string(), "all 1024 places are taken");
        assert_eq!(revocations.all().len(), SLOTS);
        std::fs::write(&path, "S").unwrap();
        assert_eq!(Revocations::open(&path).unwrap().all(), []);
    }
}
