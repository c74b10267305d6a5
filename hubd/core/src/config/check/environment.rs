//! `[environment]`: what is installed for everybody, and in kernels of their own.

use std::collections::BTreeMap;

use super::{Check, first, read};
use crate::config::index_url::IndexUrl;
use crate::config::{Environment, Kernel};
use crate::pyenv::KernelName;

impl Check<'_, '_> {
    pub(super) fn environment(&mut self) -> Environment {
        Environment {
            packages: self.packages("environment.packages"),
            keep: self.integer("environment.keep", 1, 100).unwrap_or(3),
            index_url: self.text("environment.index_url", IndexUrl::parse),
            extra_index_urls: self
                .list("environment.extra_index_urls", IndexUrl::parse)
                .unwrap_or_default()
                .into_iter()
                .map(first)
                .collect(),
            kernels: self.kernels(),
            apt: self.list("environment.apt", read::apt_package).unwrap_or_default().into_iter().map(first).collect(),
            apt_by_admins: self.switch("environment.apt_by_admins").unwrap_or(false),
        }
    }

    fn kernels(&mut self) -> BTreeMap<KernelName, Kernel> {
        let mut kernels = BTreeMap::new();
        for (written, span) in std::mem::take(&mut self.tree.kernels) {
            let packages = self.packages(&format!("environment.kernels.{written}.packages"));
            match written.parse::<KernelName>() {
                Ok(name) => drop(kernels.insert(name, Kernel { packages })),
                Err(error) => self.problem(span, error.to_string(), None),
            }
        }
        kernels
    }

    fn packages(&mut self, path: &str) -> Vec<String> {
        self.list(path, read::package).unwrap_or_default().into_iter().map(first).collect()
    }
}
