//! Where backups go: a directory, another machine by SFTP, or a store that speaks S3. Pure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::check::absolute;

/// Where backups go, as restic is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repository {
    /// A directory of this machine, as of a disk that is mounted there.
    Directory(PathBuf),
    /// `sftp:user@host:/path`.
    Sftp(String),
    /// `s3:https://host/bucket`.
    S3(String),
}

impl Repository {
    /// The directory, if it is one of this machine.
    pub fn directory(&self) -> Option<&Path> {
        if let Self::Directory(path) = self { Some(path) } else { None }
    }
}

impl FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "{text:?} is not where backups can go; expected a directory as in \"/mnt/disk/hubd\", \"sftp:user@host:/path\" or \
                 \"s3:https://host/bucket\""
            )
        };
        let plain = |rest: &str| {
            rest.chars().all(|c| c.is_ascii_alphanumeric() || "._-@:/+~[]".contains(c))
                && !rest.split('/').any(|part| part == "..")
        };
        if let Some(rest) = text.strip_prefix("sftp:") {
            // What begins with a dash would be an option of ssh.
            let (host, path) = rest.split_once(":/").ok_or_else(expected)?;
            let parts: Vec<&str> = host.split('@').collect();
            let is_good = parts.len() <= 2 && parts.iter().all(|part| !part.is_empty() && !part.starts_with('-'));
            return if is_good && plain(rest) && !path.is_empty() { Ok(Self::Sftp(text.to_owned())) } else { Err(expected()) };
        }
        if let Some(rest) = text.strip_prefix("s3:") {
            let url = url::Url::parse(rest).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
            let has_bucket = url.is_some_and(|url| url.path().len() > 1 && url.username().is_empty() && url.password().is_none());
            return if has_bucket && plain(rest) { Ok(Self::S3(text.to_owned())) } else { Err(expected()) };
        }
        let path = absolute(text).map_err(|_| expected())?;
        // No blank and nothing that means something to systemd.
        if path.parent().is_none() || !plain(text) || text.contains(['[', ']', '~']) {
            return Err(expected());
        }
        Ok(Self::Directory(path))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(formatter),
            Self::Sftp(text) | Self::S3(text) => formatter.write_str(text),
        }
    }
}

impl Serialize for Repository {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_another_machine_and_a_store_are_told_apart_and_nothing_else_is_one() {
        for (text, kind) in [
            ("/mnt/disk/hubd", "Directory"),
            ("sftp:backup@nas.example.org:/srv/hubd", "Sftp"),
            ("sftp:nas:/hubd", "Sftp"),
            ("s3:https://s3.example.org/bucket", "S3"),
            ("s3:http://127.0.0.1:9000/bucket/hubd", "S3"),
        ] {
            let read: Repository = text.parse().unwrap();
            assert!(format!("{read:?}").starts_with(kind) && read.to_string() == text, "{read:?}");
        }
        for text in [
            "",
            "/",
            "disk",
            "/mnt/../etc",
            "/mnt/a disk",
            "/mnt/%h",
            "/mnt/$HOME",
            "sftp:-oProxyCommand=x:/hubd",
            "sftp:ada@-host:/hubd",
            "sftp:host",
            "sftp:@host:/x",
            "s3:https://s3.example.org",
            "s3:https://key:secret@s3.example.org/bucket",
            "s3:file:///etc",
            "rest:https://host/",
        ] {
            assert!(text.parse::<Repository>().is_err(), "{text:?} was accepted");
        }
    }
}
