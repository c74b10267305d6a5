//! What somebody asks for, in the words of PEP 508: judged here before any program reads it. Pure.
//!
//! Nothing that could be an option, a path or a second line gets through; programs read the text from a file, never from
//! their command line.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// No requirement anybody types is longer.
const LONGEST: usize = 500;
const OPERATORS: [&str; 8] = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"];

/// A package by name, with extras, versions or an address, and a marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Requirement {
    text: String,
    name: String,
}

/// Why a text is no requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {problem}")]
pub struct RequirementError {
    text: String,
    problem: String,
}

impl Requirement {
    /// The package's name as indexes compare it: lower case, one `-` for each run of `-`, `_` and `.`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

validated_text!(Requirement, RequirementError, text);

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        let text = text.trim();
        match name_of(text) {
            Ok(name) => Ok(Self { text: text.to_owned(), name: normalized(name) }),
            Err(problem) => {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
                Err(RequirementError { text: shown, problem })
            }
        }
    }
}

/// A package's name as indexes compare it.
pub fn normalized(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '-' | '_' | '.' if plain.ends_with('-') => {}
            '-' | '_' | '.' => plain.push('-'),
            character => plain.push(character.to_ascii_lowercase()),
        }
    }
    plain
}

/// The name in a requirement that is right in every part.
fn name_of(text: &str) -> Result<&str, String> {
    if text.len() > LONGEST {
        return Err(format!("has more than {LONGEST} characters"));
    }
    if let Some(strange) = text.chars().find(|c| !c.is_ascii() || c.is_ascii_control()) {
        return Err(format!("has the character {strange:?}; expected plain ASCII on one line"));
    }
    if text.starts_with('-') {
        return Err("is an option; expected a package, as in `pandas` or `pandas>=2`".to_owned());
    }
    if text.starts_with(['.', '/', '~']) || text.contains("file:") {
        return Err("is a path; expected a package's name (wheels in files are added on the host)".to_owned());
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if !ends_well(name.chars().next()) || !ends_well(name.chars().next_back()) {
        return Err("is not a package; expected a name, as in `pandas`, `pandas>=2` or `dask[array]`".to_owned());
    }
    let (rest, marker) = match rest.split_once(';') {
        Some((rest, marker)) => (rest.trim(), Some(marker.trim())),
        None => (rest.trim(), None),
    };
    if let Some(marker) = marker {
        check_marker(marker)?;
    }
    let rest = match rest.strip_prefix('[') {
        Some(rest) => {
            let (extras, rest) = rest.split_once(']').ok_or("has `[` without `]`")?;
            if !extras.split(',').all(|extra| is_word(extra.trim(), "-_.")) {
                return Err(format!("asks for the extras `{extras}`; expected words with commas between them"));
            }
            rest.trim()
        }
        None => rest,
    };
    match rest.strip_prefix('@') {
        Some(address) => check_address(address.trim())?,
        None => check_versions(rest)?,
    }
    Ok(name)
}

fn is_word(text: &str, also: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

fn check_versions(text: &str) -> Result<(), String> {
    let text = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    if text.is_empty() {
        return Ok(());
    }
    if text.starts_with(',') {
        return Err(
            "has a comma behind the name; expected one package on each line, or spaces between them where they are typed"
                .to_owned(),
        );
    }
    for clause in text.split(',').map(str::trim) {
        if clause.is_empty() {
            return Err("has a comma with no version behind it; expected `>=2,<3` or the like".to_owned());
        }
        if let Some(version) = clause.strip_prefix('=').filter(|rest| !rest.starts_with('=')) {
            let version = version.split('=').next().unwrap_or_default().trim();
            return Err(format!("has one `=` before the version; expected two, as in `=={version}`"));
        }
        let operator = OPERATORS.into_iter().find(|operator| clause.starts_with(operator));
        let version = operator.and_then(|operator| clause.strip_prefix(operator)).map(str::trim);
        if !version.is_some_and(|version| is_word(version, "._-+!*")) {
            return Err(format!("has `{clause}` where a version belongs; expected one as in `>=2` or `==2.1.0`"));
        }
    }
    Ok(())
}

fn check_address(address: &str) -> Result<(), String> {
    if address.starts_with("git+") || address.starts_with("hg+") || address.starts_with("svn+") || address.starts_with("bzr+") {
        return Err("is a repository, which has no hash to be pinned by; expected the https address of an archive of one \
                    commit (for example `https://HOST/OWNER/NAME/archive/COMMIT.tar.gz`)"
            .to_owned());
    }
    let rest = address.strip_prefix("https://").ok_or("has an address that does not begin with `https://`")?;
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() || host.contains('@') || !rest.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/%+=&?#:!,@".contains(c))
    {
        return Err("has an address with characters or a password that do not belong there".to_owned());
    }
    Ok(())
}

/// Words, quoted values, comparisons and brackets; what they mean is the resolver's affair.
fn check_marker(marker: &str) -> Result<(), String> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || " '\"()<>=!~._,+-*".contains(c);
    match marker.chars().find(|c| !is_known(*c)) {
        Some(strange) => {
            Err(format!("has {strange:?} in what follows `;`; expected a marker, as in `python_version < \"3.12\"`"))
        }
        None if marker.is_empty() => Err("has nothing after `;`".to_owned()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_write() {
        for (text, name) in [
            ("pandas", "pandas"),
            (" Scikit_Learn ", "scikit-learn"),
            ("zope.interface", "zope-interface"),
            ("a..b__c", "a-b-c"),
            ("pandas>=2", "pandas"),
            ("pandas >= 2, < 4, != 3.1.*", "pandas"),
            ("pandas (>=2,<4)", "pandas"),
            ("torch==2.9.0+cpu", "torch"),
            ("epoch==1!2.0", "epoch"),
            ("dask[array, dataframe]>=2024", "dask"),
            ("tomli>=2; python_version < \"3.11\" and sys_platform == 'linux'", "tomli"),
            ("demo @ https://example.org/demo-1.0-py3-none-any.whl#sha256=abc", "demo"),
            ("demo@https://example.org/a.tar.gz", "demo"),
            ("exact===1.0", "exact"),
        ] {
            let requirement: Requirement = text.parse().unwrap();
            assert_eq!((requirement.name(), requirement.as_str()), (name, text.trim()), "{text}");
        }
    }

    #[test]
    fn refuses_options_paths_and_second_lines() {
        for text in [
            "",
            "-r other.txt",
            "--index-url=https://evil.example",
            "-e .",
            "./local",
            "/tmp/x.whl",
            "~/x.whl",
            "demo @ file:///etc/shadow",
            "demo @ http://example.org/x.whl",
            "demo @ git+https://example.org/x",
            "demo @ https://user:secret@example.org/x.whl",
            "demo @ https://",
            "demo @ https://example.org/a b",
            "pandas\n--index-url https://evil.example",
            "pandas\u{0}",
            "pandas --hash=sha256:00",
            "pandas # comment",
            "pandas>=2 --no-binary :all:",
            "pandas 2",
            "pandas=2",
            "pandas>=",
            "pandas>=2,",
            "dask[",
            "dask[]",
            "dask[a b]",
            "_private",
            "name-",
            "päckage",
            "x;",
            "x; import os\\",
            "x; `id`",
            "$(id)",
        ] {
            assert!(text.parse::<Requirement>().is_err(), "{text:?} was accepted");
        }
        let long = format!("a{}", "b".repeat(LONGEST));
        assert!(long.parse::<Requirement>().is_err());
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, message) in [
            ("--user", "`--user` is an option; expected a package, as in `pandas` or `pandas>=2`"),
            ("pandas=2", "`pandas=2` has one `=` before the version; expected two, as in `==2`"),
            ("numpy = 1.26=py311_0", "`numpy = 1.26=py311_0` has one `=` before the version; expected two, as in `==1.26`"),
            (
                "numpy, pandas",
                "`numpy, pandas` has a comma behind the name; expected one package on each line, or spaces between them where they are typed",
            ),
            ("pandas>=2,", "`pandas>=2,` has a comma with no version behind it; expected `>=2,<3` or the like"),
            ("pandas 2", "`pandas 2` has `2` where a version belongs; expected one as in `>=2` or `==2.1.0`"),
        ] {
            assert_eq!(text.parse::<Requirement>().unwrap_err().to_string(), message);
        }
    }
}
