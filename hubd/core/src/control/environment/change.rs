//! What is to be different in an environment: a form that travels, and what comes of it. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::packages::{Asked, Conda, CondaSpec, Requirement};

/// What is to be different in the next generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// These are there, too.
    Install {
        /// Which.
        packages: Vec<Requirement>,
    },
    /// These are no longer asked for.
    Remove {
        /// Only their names count.
        packages: Vec<Requirement>,
    },
    /// These are as new as possible; none: all are.
    Upgrade {
        /// Only their names count.
        packages: Vec<Requirement>,
    },
    /// These are there, and nothing else is asked for.
    Set {
        /// Which.
        packages: Vec<Requirement>,
        /// Exactly these versions and files, where the list came with a lock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<String>,
    },
    /// These conda packages are there, too; only of a kernel.
    InstallConda {
        /// Which.
        specs: Vec<CondaSpec>,
    },
    /// These conda packages are no longer asked for.
    RemoveConda {
        /// Only their names count.
        specs: Vec<CondaSpec>,
    },
    /// These conda packages are as new as possible.
    UpgradeConda {
        /// Only their names count.
        specs: Vec<CondaSpec>,
    },
    /// This is there, and nothing else is asked for; only of a kernel.
    SetConda {
        /// What comes from conda's channels.
        conda: Conda,
        /// What comes from the package index, on top.
        packages: Vec<Requirement>,
    },
    /// What the configuration says.
    Configured,
}

impl Change {
    /// What is asked for afterwards, when it was `before`.
    pub fn apply(&self, before: &Asked) -> Asked {
        let specs = before.conda.as_ref().map_or(&[][..], |conda| &conda.specs);
        let channels = before.conda.as_ref().map_or(&[][..], |conda| &conda.channels);
        let conda = |specs: Vec<CondaSpec>| (!specs.is_empty()).then(|| Conda { specs, channels: channels.to_vec() });
        match self {
            Self::Install { packages } => {
                Asked { packages: with(&before.packages, packages, Requirement::name), ..before.clone() }
            }
            Self::Remove { packages } => {
                Asked { packages: without(&before.packages, packages, Requirement::name), ..before.clone() }
            }
            Self::InstallConda { specs: new } => Asked { conda: conda(with(specs, new, CondaSpec::name)), ..before.clone() },
            Self::RemoveConda { specs: old } => Asked { conda: conda(without(specs, old, CondaSpec::name)), ..before.clone() },
            Self::Upgrade { .. } | Self::UpgradeConda { .. } | Self::Configured => before.clone(),
            Self::Set { packages, .. } => Asked { packages: packages.clone(), conda: None },
            Self::SetConda { conda, packages } => Asked { packages: packages.clone(), conda: Some(conda.clone()) },
        }
    }

    /// The verb, and what it is about.
    fn words(&self) -> (&'static str, Vec<&str>) {
        fn packages(list: &[Requirement]) -> Vec<&str> {
            list.iter().map(Requirement::as_str).collect()
        }
        match self {
            Self::Install { packages: list } => ("install", packages(list)),
            Self::Remove { packages: list } => ("remove", packages(list)),
            Self::Upgrade { packages: list } => ("upgrade", packages(list)),
            Self::Set { packages: list, .. } => ("apply", packages(list)),
            Self::InstallConda { specs } => ("install --conda", specs.iter().map(CondaSpec::as_str).collect()),
            Self::RemoveConda { specs } => ("remove --conda", specs.iter().map(CondaSpec::as_str).collect()),
            Self::UpgradeConda { specs } => ("upgrade --conda", specs.iter().map(CondaSpec::as_str).collect()),
            Self::SetConda { conda, packages: list } => {
                ("apply", conda.specs.iter().map(CondaSpec::as_str).chain(list.iter().map(Requirement::as_str)).collect())
            }
            Self::Configured => ("apply", Vec::new()),
        }
    }
}

/// `before` and `new`. One that is asked for already stays in its place, with what is asked of it now.
fn with<T: Clone>(before: &[T], new: &[T], name: impl Fn(&T) -> &str) -> Vec<T> {
    let last = |wanted: &str| new.iter().rev().find(|one| name(one) == wanted).cloned();
    let mut after: Vec<T> = before.iter().map(|one| last(name(one)).unwrap_or_else(|| one.clone())).collect();
    for one in new {
        if !after.iter().any(|other| name(other) == name(one)) {
            after.extend(last(name(one)));
        }
    }
    after
}

fn without<T: Clone>(before: &[T], old: &[T], name: impl Fn(&T) -> &str) -> Vec<T> {
    before.iter().filter(|one| !old.iter().any(|other| name(other) == name(one))).cloned().collect()
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        let (verb, packages) = self.words();
        formatter.write_str(verb)?;
        for package in packages.iter().take(SHOWN) {
            write!(formatter, " {package}")?;
        }
        if packages.len() > SHOWN {
            write!(formatter, " and {} more", packages.len() - SHOWN)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<Requirement> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn specs(texts: &[&str]) -> Vec<CondaSpec> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn conda_packages_and_those_of_the_index_are_two_lists() {
        let conda = |texts: &[&str]| Conda { specs: specs(texts), channels: vec!["own".parse().unwrap()] };
        let before = Asked { packages: list(&["cowsay"]), conda: Some(conda(&["python=3.12", "numpy"])) };
        for (change, packages, wanted) in [
            (
                Change::InstallConda { specs: specs(&["numpy<2", "r-base"]) },
                &["cowsay"][..],
                &["python=3.12", "numpy<2", "r-base"][..],
            ),
            (Change::RemoveConda { specs: specs(&["Numpy"]) }, &["cowsay"], &["python=3.12"]),
            (Change::UpgradeConda { specs: specs(&["numpy"]) }, &["cowsay"], &["python=3.12", "numpy"]),
            (Change::Install { packages: list(&["numpy"]) }, &["cowsay", "numpy"], &["python=3.12", "numpy"]),
            (Change::SetConda { conda: conda(&["x"]), packages: Vec::new() }, &[], &["x"]),
        ] {
            let after = Asked { packages: list(packages), conda: Some(conda(wanted)) };
            assert_eq!(change.apply(&before), after, "{change}");
        }
        let none = Change::RemoveConda { specs: specs(&["numpy", "python"]) }.apply(&before);
        assert_eq!(none, Asked { packages: list(&["cowsay"]), conda: None });
        let first = Change::InstallConda { specs: specs(&["r-base"]) }.apply(&Asked::default());
        assert_eq!(first.conda, Some(Conda { specs: specs(&["r-base"]), channels: Vec::new() }));
    }

    #[test]
    fn a_change_leaves_what_it_is_not_about() {
        let before = Asked { packages: list(&["pandas>=2", "cowsay"]), conda: None };
        for (change, after) in [
            (Change::Install { packages: list(&["numpy", "Pandas==3"]) }, &["Pandas==3", "cowsay", "numpy"][..]),
            (Change::Install { packages: list(&["a==1", "a==2"]) }, &["pandas>=2", "cowsay", "a==2"]),
            (Change::Remove { packages: list(&["PANDAS", "missing"]) }, &["cowsay"]),
            (Change::Upgrade { packages: list(&["pandas"]) }, &["pandas>=2", "cowsay"]),
            (Change::Set { packages: list(&["x"]), lock: None }, &["x"]),
            (Change::Configured, &["pandas>=2", "cowsay"]),
        ] {
            assert_eq!(change.apply(&before).packages, list(after), "{change}");
        }
    }
}
