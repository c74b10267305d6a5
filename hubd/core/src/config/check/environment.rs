//! `[environment]`: what is installed for everybody, and in kernels of their own.

use std::collections::BTreeMap;

use super::{Check, first, read};
use crate::config::index_url::IndexUrl;
use crate::config::{Environment, Kernel};
use crate::packages::KernelName;
use crate::packages::{Channel, DEFAULT_ALIAS, DEFAULT_CHANNEL};

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
            conda_channels: self.conda_channels(),
            conda_channel_alias: self
                .text("environment.conda_channel_alias", read::channel_alias)
                .unwrap_or_else(|| DEFAULT_ALIAS.to_owned()),
            kernels: self.kernels(),
            apt: self.list("environment.apt", read::apt_package).unwrap_or_default().into_iter().map(first).collect(),
            apt_by_admins: self.switch("environment.apt_by_admins").unwrap_or(false),
        }
    }

    fn kernels(&mut self) -> BTreeMap<KernelName, Kernel> {
        let mut kernels = BTreeMap::new();
        for (written, span) in std::mem::take(&mut self.tree.kernels) {
            let path = |key: &str| format!("environment.kernels.{written}.{key}");
            let kernel = Kernel {
                packages: self.packages(&path("packages")),
                conda: self.conda(&path("conda"), read::conda_spec),
                channels: self.conda(&path("channels"), read::conda_channel),
            };
            match written.parse::<KernelName>() {
                Ok(name) => drop(kernels.insert(name, kernel)),
                Err(error) => self.problem(span, error.to_string(), None),
            }
        }
        kernels
    }

    fn conda_channels(&mut self) -> Vec<Channel> {
        match self.conda("environment.conda_channels", read::conda_channel) {
            named if named.is_empty() => DEFAULT_CHANNEL.parse().into_iter().collect(),
            named => named,
        }
    }

    fn conda<T>(&mut self, path: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.list(path, read).unwrap_or_default().into_iter().map(first).collect()
    }

    fn packages(&mut self, path: &str) -> Vec<String> {
        self.list(path, read::package).unwrap_or_default().into_iter().map(first).collect()
    }
}
