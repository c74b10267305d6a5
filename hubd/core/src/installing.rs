//! News of an install under way: the installer writes them, line by line; `hubd installing` shows them in a browser.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

/// The unit that shows them.
pub const UNIT: &str = "hubd-installing.service";

/// More than any install has to say.
const MOST_BYTES: usize = 1 << 20;

/// How far an install is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Steps that are done.
    pub done: usize,
    /// Steps altogether.
    pub total: usize,
    /// What is being done.
    pub title: String,
    /// Why the install has stopped; absent: it has not.
    #[serde(default)]
    pub problem: Option<String>,
}

impl News {
    /// How much is done, in percent.
    pub fn percent(&self) -> usize {
        (100 * self.done).checked_div(self.total).unwrap_or_default().min(100)
    }
}

/// What stands in the file of an installer: its latest news, and whether it is still there. It holds a lock on the file
/// as long as it lives, which nobody who opened the file on their own has a part in.
///
/// # Errors
/// When the file can't be read.
pub fn read(file: &File) -> io::Result<(News, bool)> {
    let mut text = vec![0; MOST_BYTES];
    let mut length = 0;
    while let read @ 1.. = file.read_at(&mut text[length..], length as u64)? {
        length += read;
    }
    let lives = match file.try_lock_shared() {
        Ok(()) => {
            file.unlock()?;
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => return Err(error),
    };
    // The last line may be half-written; one before it is not.
    let lines = text[..length].split(|byte| *byte == b'\n').rev();
    Ok((lines.filter_map(|line| serde_json::from_slice(line).ok()).next().unwrap_or_default(), lives))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_latest_whole_line_counts_and_the_lock_says_who_lives() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let mut writer = File::options().append(true).open(&path).unwrap();
        let reader = File::open(&path).unwrap();
        writer.lock().unwrap();
        assert_eq!(read(&reader).unwrap(), (News::default(), true));
        let news = News { done: 3, total: 4, title: "units".into(), problem: None };
        let old = News { title: "old".into(), ..news.clone() };
        for news in [&old, &news] {
            writeln!(writer, "{}", serde_json::to_string(news).unwrap()).unwrap();
        }
        write!(writer, "{{\"done\":4,\"tot").unwrap();
        assert_eq!(read(&reader).unwrap(), (news.clone(), true));
        drop(writer);
        assert_eq!(read(&reader).unwrap(), (news, false));
    }

    #[test]
    fn percent_is_never_out_of_range() {
        let percent = |done, total| News { done, total, ..News::default() }.percent();
        assert_eq!([percent(0, 0), percent(0, 7), percent(3, 4), percent(9, 4)], [0, 0, 75, 100]);
    }
}
