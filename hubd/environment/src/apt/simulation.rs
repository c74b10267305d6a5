//! What apt says it would do. Pure.

use hub_core::packages::PackageName;
use hub_core::packages::VersionChange;

/// What an `apt-get --simulate` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// What comes or gets another version, by name.
    pub arrivals: Vec<VersionChange>,
    /// What goes, by name.
    pub removals: Vec<VersionChange>,
}

/// What packages take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of their archives.
    pub download: u64,
    /// Bytes of what is in them, as their maker reckoned.
    pub installed: u64,
}

impl Simulation {
    /// Reads what it printed: `Inst NAME [OLD] (NEW ARCHIVE [PROCESSOR])` and `Remv NAME [OLD]` among other lines.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(what @ ("Inst" | "Remv")), Some(name)) = (words.next(), words.next()) else { continue };
            let bracketed = |open, close| {
                let inside = line.split_once(open)?.1.split_once(close)?.0;
                Some(inside.split_whitespace().next()?.to_owned())
            };
            let before_parenthesis = line.split('(').next().unwrap_or_default();
            let from = before_parenthesis.contains('[').then(|| bracketed('[', ']')).flatten();
            let change = VersionChange { name: name.to_owned(), from, to: None };
            if what == "Remv" {
                found.removals.push(change);
            } else {
                found.arrivals.push(VersionChange { to: bracketed('(', ')'), ..change });
            }
        }
        found.arrivals.sort_by(|one, other| one.name.cmp(&other.name));
        found.removals.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Whether `name` would come, or get another version.
    pub fn brings(&self, name: &PackageName) -> bool {
        self.arrivals.iter().any(|change| change.name == name.as_str())
    }

    /// The names of what would go and is not among `expected`.
    pub fn unexpected_removals<'a>(&'a self, expected: &[String]) -> Vec<&'a str> {
        self.removals.iter().map(|change| change.name.as_str()).filter(|name| !expected.iter().any(|one| one == name)).collect()
    }
}

/// Adds up what `apt-cache show` says.
pub fn sizes(text: &str) -> Sizes {
    let mut sizes = Sizes::default();
    for line in text.lines() {
        let number = |key: &str| line.strip_prefix(key).and_then(|value| value.trim().parse::<u64>().ok());
        sizes.download += number("Size:").unwrap_or(0);
        sizes.installed += number("Installed-Size:").unwrap_or(0) << 10;
    }
    sizes
}

/// The program that apt waits for, as it says: `... held by process 812 (unattended-upgr)`.
pub fn held_by(text: &str) -> Option<&str> {
    let waiting = text.rsplit(['\n', '\r']).find(|line| !line.trim().is_empty())?;
    let rest = waiting.strip_prefix("Waiting for cache lock")?;
    Some(rest.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("another program", |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "NOTE: This is only a simulation!
Reading package lists...
The following NEW packages will be installed:
  r-base-core
Remv exim4 [4.96-15] [bsd-mailx:amd64 ]
Inst libblas3 (3.11.0-2 Debian:12.11/oldstable [amd64])
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.11/oldstable [amd64]) []
Inst r-base-core (4.2.2.20221110-2 Debian:12.11/oldstable [amd64])
Conf libblas3 (3.11.0-2 Debian:12.11/oldstable [amd64])
";

    #[test]
    fn reads_what_comes_and_what_goes() {
        let found = Simulation::parse(SAID);
        let shown: Vec<String> = found
            .arrivals
            .iter()
            .map(|change| format!("{} {:?} {:?}", change.name, change.from.as_deref(), change.to.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                "libblas3 None Some(\"3.11.0-2\")",
                "libc6 Some(\"2.36-9+deb12u9\") Some(\"2.36-9+deb12u10\")",
                "r-base-core None Some(\"4.2.2.20221110-2\")"
            ]
        );
        assert_eq!(found.removals, [VersionChange { name: "exim4".into(), from: Some("4.96-15".into()), to: None }]);
        assert_eq!(found.unexpected_removals(&[]), ["exim4"]);
        assert!(found.unexpected_removals(&["exim4".to_owned()]).is_empty());
        assert!(found.brings(&"libc6".parse().unwrap()) && !found.brings(&"exim4".parse().unwrap()));
        assert_eq!(Simulation::parse("Reading package lists...\n"), Simulation::default());
    }

    #[test]
    fn adds_sizes_up() {
        let said =
            "Package: a\nInstalled-Size: 279\nSize: 221404\nDescription: x\n Size: 9\n\nPackage: b\nInstalled-Size: 1\nSize: 2\n";
        assert_eq!(sizes(said), Sizes { download: 221_406, installed: 280 << 10 });
    }

    #[test]
    fn knows_whom_apt_waits_for() {
        let waiting = "Reading package lists...\nWaiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held \
                       by process 812 (unattended-upgr)... 3s\n";
        assert_eq!(held_by(waiting), Some("unattended-upgr"));
        assert_eq!(held_by(&format!("{waiting}Reading state information...\n")), None);
        assert_eq!(held_by(""), None);
    }
}
