//! The name of a package of the distribution.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longer than any package's.
const LONGEST: usize = 100;

/// A name as Debian has it: small letters, digits and `+`, `-`, `.`, a letter or digit first. No version, no release, no
/// processor, and nothing that apt takes for a pattern or for what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

/// Why a text is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {problem}")]
pub struct PackageNameError {
    text: String,
    problem: &'static str,
}

validated_text!(PackageName, PackageNameError, 0);

impl FromStr for PackageName {
    type Err = PackageNameError;

    fn from_str(text: &str) -> Result<Self, PackageNameError> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let problem = if text.contains('=') {
            Some("asks for a version; expected the name alone: the archives of this machine decide on versions")
        } else if text.contains(['/', ':', '_']) || text.ends_with(".deb") {
            Some("is not the name of a package; expected one as in \"ffmpeg\", without release, processor or path")
        } else if text.len() < 2
            || text.len() > LONGEST
            || !text.starts_with(is_plain)
            // `name-` would be a package to remove, and a `.` at the end a pattern.
            || !text.ends_with(|c| is_plain(c) || c == '+')
            || !text.chars().all(|c| is_plain(c) || "+-.".contains(c))
        {
            Some("is not the name of a distribution package; expected one as in \"ffmpeg\" or \"r-cran-irkernel\"")
        } else {
            None
        };
        match problem {
            Some(problem) => Err(PackageNameError { text: text.chars().take(80).collect(), problem }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_debian_are_taken_and_nothing_that_apt_reads_otherwise() {
        for good in ["r-base-core", "ffmpeg", "g++", "libstdc++6", "0ad", "python3.11", "7zip"] {
            assert_eq!(good.parse::<PackageName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "x",
            "-y",
            "--allow-downgrades",
            "ffmpeg-",
            "r-.",
            "R",
            "a b",
            "a\n",
            "lib*",
            "^r-",
            "?installed",
            "task^",
            "ä",
            "+a",
            "./evil.deb",
            "evil.deb",
            "/root/evil.deb",
            "ffmpeg/sid",
            "libc6:i386",
            "a_b",
            &"a".repeat(101),
        ] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?} was accepted");
        }
        let told = "ffmpeg=7:5.1".parse::<PackageName>().unwrap_err().to_string();
        assert!(told.starts_with("\"ffmpeg=7:5.1\" asks for a version"), "{told}");
    }
}
