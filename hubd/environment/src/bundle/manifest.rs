//! What a bundle says of itself, and whether it is for this machine. Pure but for [`Machine::probe`].

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use hub_core::packages::PackageName;
use hub_core::packages::{Asked, KernelName, Requirement};
use hub_core::paths::Paths;
use hub_system::distribution::{PYTHON, os_release_field};
use serde::{Deserialize, Serialize};

use crate::pyenv::Python;

/// The form that bundles are written in.
pub const FORMAT: u32 = 1;

/// What a bundle holds, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the bundle's form.
    pub format: u32,
    /// The version of hubd in it.
    pub version: String,
    /// When it was made.
    pub made: String,
    /// The machines it is for.
    pub machine: Machine,
    /// The version of uv in it.
    pub uv: String,
    /// What administrators asked for in everybody's environment.
    pub packages: Vec<Requirement>,
    /// What they asked for in kernels of their own.
    pub kernels: BTreeMap<KernelName, Vec<Requirement>>,
    /// What was added for later.
    pub more: Vec<Requirement>,
    /// What they asked for in kernels of conda packages, which are in it, too.
    #[serde(default)]
    pub conda_kernels: BTreeMap<KernelName, Asked>,
    /// Packages of the distribution that an install needs and takes from it; empty: none.
    pub distribution_packages: Vec<String>,
    /// Packages of `environment.apt` that can be installed from it.
    #[serde(default)]
    pub apt: Vec<PackageName>,
    /// What the hub that it is from has, and the bundle has not.
    #[serde(default)]
    pub left_out: LeftOut,
}

/// What stayed behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Packages of `environment.apt`.
    pub apt: Vec<PackageName>,
    /// Kernels that the configuration names and that were never built.
    pub kernels: Vec<KernelName>,
}

/// What programs and wheels are made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The distribution and its release, as in `debian 12`.
    pub system: String,
    /// The processor, as in `x86_64`.
    pub architecture: String,
    /// The distribution's Python, as in `3.11`; `None`: it is not installed.
    pub python: Option<String>,
}

/// Why a bundle is not for a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}\nhint: {remedy}")]
pub struct Misfit {
    /// What is the matter.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// When its Python can't be run.
    pub fn probe(paths: &Paths) -> Result<Self> {
        let release = std::fs::read_to_string(paths.below("etc/os-release")).unwrap_or_default();
        let field = |name| os_release_field(&release, name).unwrap_or_default();
        let python = Path::new(PYTHON);
        let python = python.exists().then(|| Python::probe(python)).transpose()?;
        Ok(Self {
            system: format!("{} {}", field("ID"), field("VERSION_ID")),
            architecture: std::env::consts::ARCH.to_owned(),
            python: python.map(|python| python.directory().trim_start_matches("python").to_owned()),
        })
    }
}

impl Manifest {
    /// Reads the text of a manifest.
    ///
    /// # Errors
    /// When it is none, or of a form that this version does not know.
    pub fn parse(text: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let Form { format } = serde_json::from_slice(text).context("reading the bundle's manifest")?;
        if format != FORMAT {
            bail!(
                "the bundle has format {format}, expected {FORMAT}\n\
                 hint: use the bootstrap.sh that is in it: tar -xOf FILE bootstrap.sh"
            );
        }
        serde_json::from_slice(text).context("reading the bundle's manifest")
    }

    /// Whether it can be used on `machine`.
    ///
    /// # Errors
    /// What does not fit first.
    pub fn check(&self, machine: &Machine) -> Result<(), Misfit> {
        let misfit = |what: &str, made_for: &str, is: &str, where_to: &str| Misfit {
            what: format!("the bundle is for {what} {made_for}, but this machine has {is}"),
            remedy: format!("make one with `hubctl bundle create` on a hub {where_to}"),
        };
        if self.machine.architecture != machine.architecture {
            return Err(misfit(
                "processors of the kind",
                &self.machine.architecture,
                &machine.architecture,
                "whose processor is like this one's",
            ));
        }
        if self.machine.system != machine.system {
            return Err(misfit("the system", &self.machine.system, &machine.system, "of exactly this release"));
        }
        match (&self.machine.python, &machine.python) {
            (Some(made_for), Some(is)) if made_for != is => Err(misfit("Python", made_for, is, "with exactly this Python")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bundle) fn machine() -> Machine {
        Machine { system: "debian 12".into(), architecture: "x86_64".into(), python: Some("3.11".into()) }
    }

    pub(in crate::bundle) fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            version: "0.1.0".into(),
            made: "2026-11-21T10:00:00Z".into(),
            machine: machine(),
            uv: "0.13.7".into(),
            packages: vec!["pandas>=2".parse().unwrap()],
            kernels: BTreeMap::from([("r".parse().unwrap(), Vec::new())]),
            more: Vec::new(),
            conda_kernels: BTreeMap::new(),
            distribution_packages: Vec::new(),
            apt: Vec::new(),
            left_out: LeftOut::default(),
        }
    }

    #[test]
    fn is_for_machines_like_the_one_it_was_made_on() {
        let manifest = manifest();
        assert_eq!(manifest.check(&machine()), Ok(()));
        assert_eq!(manifest.check(&Machine { python: None, ..machine() }), Ok(()), "its Python comes with the bundle");
        for (other, said) in [
            (Machine { system: "debian 13".into(), ..machine() }, "for the system debian 12, but this machine has debian 13"),
            (Machine { architecture: "aarch64".into(), ..machine() }, "of the kind x86_64, but this machine has aarch64"),
            (Machine { python: Some("3.13".into()), ..machine() }, "for Python 3.11, but this machine has 3.13"),
        ] {
            let misfit = manifest.check(&other).unwrap_err().to_string();
            assert!(misfit.contains(said), "{misfit}");
        }
    }

    #[test]
    fn a_later_form_is_refused_by_its_number() {
        let text = serde_json::to_vec(&manifest()).unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest());
        let error = Manifest::parse(br#"{"format": 2, "anything": []}"#).unwrap_err().to_string();
        assert!(error.starts_with("the bundle has format 2, expected 1"), "{error}");
    }

    #[test]
    fn reads_a_bundle_of_the_first_version() {
        let text = r#"{"format": 1, "version": "0.1.0", "made": "2026-11-21T10:00:00Z",
            "machine": {"system": "debian 12", "architecture": "x86_64", "python": "3.11"}, "uv": "0.13.7",
            "packages": ["pandas>=2"], "kernels": {"r": []}, "more": [], "distribution_packages": []}"#;
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest());
    }
}
