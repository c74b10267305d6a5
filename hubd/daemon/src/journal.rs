//! Where log lines go: to the journal with their fields when systemd started us, to stderr otherwise.

mod rate;

use nix::sys::stat::fstat;
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What the environment says about logging.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// `JOURNAL_STREAM`: device and inode of the stream that systemd made of stderr.
    pub(crate) stream: Option<String>,
    /// `HUBD_LOG`: which lines, as in `debug` or `hubd::servers=debug`.
    pub(crate) filter: Option<String>,
}

/// Sets logging up for the whole process. Which lines were wished for and make no sense is said once.
pub(crate) fn set_up(wishes: &Wishes, identifier: &str) {
    let parsed = wishes.filter.as_deref().map(EnvFilter::try_new).transpose();
    let (filter, complaint) = match parsed {
        Ok(filter) => (filter, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let filter = filter.unwrap_or_else(|| EnvFilter::default().add_directive(LevelFilter::from_level(Level::INFO).into()));
    let journal = if is_journal(wishes.stream.as_deref()) { tracing_journald::layer().ok() } else { None };
    let to_journal =
        journal.map(|layer| layer.with_syslog_identifier(identifier.to_owned()).with_field_prefix(Some("HUBD".to_owned())));
    let to_stderr =
        to_journal.is_none().then(|| tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false));
    tracing_subscriber::registry().with(filter).with(rate::Rate::default()).with(to_journal).with(to_stderr).init();
    if let Some(complaint) = complaint {
        tracing::warn!(complaint, "HUBD_LOG can't be understood and is ignored");
    }
}

/// Whether stderr goes to the journal.
fn is_journal(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else { return false };
    let Ok(stderr) = fstat(std::io::stderr()) else { return false };
    device.parse() == Ok(stderr.st_dev) && inode.parse() == Ok(stderr.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_that_stderr_really_is_counts() {
        let stderr = fstat(std::io::stderr()).unwrap();
        assert!(is_journal(Some(&format!("{}:{}", stderr.st_dev, stderr.st_ino))));
        for other in [None, Some(""), Some("1:2:3"), Some("0:0"), Some("a:b")] {
            assert!(!is_journal(other), "{other:?}");
        }
    }
}
