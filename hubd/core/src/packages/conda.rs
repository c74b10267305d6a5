//! Packages and channels in the words of conda's users: judged here before any program reads them. Pure.
//!
//! The library has the last word on what a version means; nothing that is an option, a path or a second line gets there.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The channel of kernels that name none, where the configuration says nothing else.
pub const DEFAULT_CHANNEL: &str = "conda-forge";
/// Where channels are that are named without an address.
pub const DEFAULT_ALIAS: &str = "https://conda.anaconda.org";
const LONGEST: usize = 300;
/// What may stand in versions, builds and `[key=value]`.
const MARKS: &str = "=<>!~,|*.+-_ ()[]'\"^$:";
const SCHEMES: [&str; 3] = ["https://", "http://", "file:///"];

/// A package by name, with versions, a build or a channel, as in `numpy`, `python=3.12` or `conda-forge::r-base>=4.4`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CondaSpec {
    text: String,
    channel: Option<Channel>,
    name: String,
}

/// Where packages come from: a name below the alias, as in `conda-forge`, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(String);

/// Why a text is no package or no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {problem}")]
pub struct SpecError {
    text: String,
    problem: String,
}

/// What a conda environment is asked to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conda {
    /// Packages, as conda's users write them.
    pub specs: Vec<CondaSpec>,
    /// Where they come from, the first that has a package wins; none: the configuration's `conda_channels`.
    #[serde(default)]
    pub channels: Vec<Channel>,
}

impl CondaSpec {
    /// The package's name, in lower case as channels have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The channel it has to come from.
    pub fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    /// Whether it is a name and nothing else.
    pub fn is_name(&self) -> bool {
        self.text.eq_ignore_ascii_case(&self.name)
    }
}

impl Channel {
    /// Its address, without a slash at the end; names are looked up below `alias`.
    pub fn address(&self, alias: &str) -> String {
        match is_address(&self.0) {
            true => self.0.trim_end_matches('/').to_owned(),
            false => format!("{}/{}", alias.trim_end_matches('/'), self.0),
        }
    }
}

validated_text!(CondaSpec, SpecError, text);

impl FromStr for CondaSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let text = text.trim();
        let wrong = |problem: String| SpecError { text: shown(text), problem };
        check_text(text).map_err(wrong)?;
        if text.starts_with('-') {
            return Err(wrong("is an option; expected a conda package, as in `numpy` or `python=3.12`".to_owned()));
        }
        let (channel, rest) = match text.split_once("::") {
            Some((channel, rest)) => (Some(channel.parse::<Channel>()?), rest),
            None => (None, text),
        };
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
        let (name, versions) = rest.split_at(end);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return Err(wrong(
                "is not a conda package; expected a name, as in `numpy`, `python=3.12` or `r-base>=4.4`".to_owned(),
            ));
        }
        if let Some(strange) = versions.chars().find(|c| !(c.is_ascii_alphanumeric() || MARKS.contains(*c))) {
            return Err(wrong(format!("has the character {strange:?}; expected a name with versions, as in `python=3.12`")));
        }
        Ok(Self { name: name.to_ascii_lowercase(), channel, text: text.to_owned() })
    }
}

validated_text!(Channel, SpecError, 0);

impl FromStr for Channel {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let text = text.trim();
        let wrong = |problem: &str| SpecError { text: shown(text), problem: problem.to_owned() };
        check_text(text).map_err(|problem| wrong(&problem))?;
        if is_address(text) {
            check_address(text).map_err(wrong)?;
            return Ok(Self(text.to_owned()));
        }
        let is_part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if text.split('/').all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(wrong("is not a channel; expected a name, as in `conda-forge`, or an address with https:// or file:///"))
    }
}

/// The base that names of channels are looked up below.
///
/// # Errors
/// When it is no address, or one with a password.
pub fn check_alias(text: &str) -> Result<(), SpecError> {
    let wrong = |problem: &str| SpecError { text: shown(text), problem: problem.to_owned() };
    if !is_address(text) {
        return Err(wrong("is not an address; expected one as in `https://conda.anaconda.org` or `file:///srv/conda`"));
    }
    check_text(text).map_err(|problem| wrong(&problem))?;
    check_address(text).map_err(wrong)
}

fn is_address(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Addresses of packages are in every lock, which everybody may read.
fn check_address(text: &str) -> Result<(), &'static str> {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    if rest.split('/').next().is_some_and(|host| host.contains('@')) {
        return Err("has a password in it, and the addresses of packages are no secret; expected one without");
    }
    if rest.contains(['?', '#', ' ', '"', '\\']) || rest.split('/').any(|part| part == "..") {
        return Err("is not a plain address; expected one as in `https://mirror.example.org/conda-forge`");
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > LONGEST {
        return Err(format!("has more than {LONGEST} characters"));
    }
    match text.chars().find(|c| !c.is_ascii() || c.is_ascii_control()) {
        Some(strange) => Err(format!("has the character {strange:?}; expected plain ASCII on one line")),
        None => Ok(()),
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_a_name_and_may_have_a_channel() {
        for (text, name, channel) in [
            ("numpy", "numpy", None),
            ("python=3.12", "python", None),
            (" R-base >=4.4,<5 ", "r-base", None),
            ("blas=*=openblas", "blas", None),
            ("_openmp_mutex", "_openmp_mutex", None),
            ("conda-forge::numpy=2.1=py312_0", "numpy", Some("conda-forge")),
            ("file:///srv/own::course[version='>=1']", "course", Some("file:///srv/own")),
        ] {
            let spec: CondaSpec = text.parse().unwrap();
            assert_eq!((spec.name(), spec.channel().map(Channel::as_str)), (name, channel), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_package() {
        for text in [
            "",
            "-c",
            "--prefix=/",
            "/etc/passwd",
            "./x",
            "https://evil.example/x.conda",
            "a/b",
            "a\nb",
            "nümpy",
            "a;b",
            "a&b",
            "a::-b",
            "=3",
            "a@b",
            "../x::a",
        ] {
            assert!(text.parse::<CondaSpec>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_channel_is_below_the_alias_or_has_an_address() {
        let address = |text: &str| text.parse::<Channel>().unwrap().address(DEFAULT_ALIAS);
        assert_eq!(address("conda-forge"), "https://conda.anaconda.org/conda-forge");
        assert_eq!(address("conda-forge/label/rc"), "https://conda.anaconda.org/conda-forge/label/rc");
        assert_eq!(address("https://mirror.example.org/own/"), "https://mirror.example.org/own");
        assert_eq!(address("file:///srv/own"), "file:///srv/own");
        for text in
            ["", "/srv/own", "-x", "a b", "../own", "https://ada:secret@mirror.example.org", "file:///srv/../etc", "ftp://x/y"]
        {
            assert!(text.parse::<Channel>().is_err(), "{text:?} was accepted");
        }
        assert!(check_alias("conda-forge").is_err() && check_alias("file:///srv/conda").is_ok());
    }
}
