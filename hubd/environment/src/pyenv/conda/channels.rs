//! Where a build looks for conda packages: the channels that are named, below the alias, or a bundle's in place of them all.
//! Pure.

use std::path::Path;

use hub_core::packages::{Channel, Conda, CondaSpec};

/// What channels are asked, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channels<'a> {
    /// For those who name none.
    pub usual: &'a [Channel],
    /// Where channels are that have no address.
    pub alias: &'a str,
    /// The one channel there is, of a bundle; `None`: those that are named.
    pub bundle: Option<&'a Path>,
}

impl Channels<'_> {
    /// Addresses of all that are asked: those that are named, then those that only packages name.
    pub(in crate::pyenv) fn addresses(&self, conda: &Conda) -> Vec<String> {
        let named = if conda.channels.is_empty() { self.usual } else { &conda.channels };
        let of_packages = conda.specs.iter().filter_map(|spec| spec.channel());
        let mut addresses: Vec<String> = Vec::new();
        for address in named.iter().chain(of_packages).map(|channel| self.address(channel)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// A package as the library reads it: its channel is an address.
    pub(in crate::pyenv) fn resolved(&self, spec: &CondaSpec) -> String {
        match (spec.channel(), spec.as_str().split_once("::")) {
            (Some(channel), Some((_, rest))) => format!("{}::{rest}", self.address(channel)),
            _ => spec.as_str().to_owned(),
        }
    }

    fn address(&self, channel: &Channel) -> String {
        match self.bundle {
            Some(bundle) => format!("file://{}", bundle.display()),
            None => channel.address(self.alias),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conda(specs: &[&str], channels: &[&str]) -> Conda {
        Conda {
            specs: specs.iter().map(|text| text.parse().unwrap()).collect(),
            channels: channels.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn channels_are_those_named_then_those_of_packages() {
        let usual = ["conda-forge".parse().unwrap()];
        let channels = Channels { usual: &usual, alias: "file:///srv/conda", bundle: None };
        assert_eq!(channels.addresses(&conda(&["numpy"], &[])), ["file:///srv/conda/conda-forge"]);
        assert_eq!(
            channels.addresses(&conda(&["own::a", "conda-forge::b"], &["https://c.example/x", "conda-forge"])),
            ["https://c.example/x", "file:///srv/conda/conda-forge", "file:///srv/conda/own"]
        );
        assert_eq!(channels.resolved(&"own::a=1".parse().unwrap()), "file:///srv/conda/own::a=1");
    }

    #[test]
    fn a_bundle_stands_for_all_of_them() {
        let bundle = Some(Path::new("/opt/hubd/bundle/conda"));
        let channels = Channels { usual: &[], alias: "https://c.example", bundle };
        let asked = conda(&["own::a=1", "b"], &["https://c.example/x", "conda-forge"]);
        assert_eq!(channels.addresses(&asked), ["file:///opt/hubd/bundle/conda"]);
        assert_eq!(channels.resolved(&asked.specs[0]), "file:///opt/hubd/bundle/conda::a=1");
        assert_eq!(channels.resolved(&asked.specs[1]), "b");
    }
}
