//! How this machine reaches the world: proxies, mirrors and certificates the admin set, remembered for later.
//!
//! sudo drops such variables, so what the first install was told is kept in a file that only root reads (addresses of
//! proxies hold passwords) and completed by what a later run is told.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hub_core::paths::Paths;

/// Variables, in lower case, that are worth remembering. Most programs know them in either case.
const REMEMBERED: [&str; 21] = [
    "all_proxy",
    "curl_ca_bundle",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "pip_cert",
    "pip_default_timeout",
    "pip_extra_index_url",
    "pip_index_url",
    "pip_trusted_host",
    "requests_ca_bundle",
    "ssl_cert_dir",
    "ssl_cert_file",
    "uv_default_index",
    "uv_extra_index_url",
    "uv_http_timeout",
    "uv_index",
    "uv_index_url",
    "uv_insecure_host",
    "uv_native_tls",
    "uv_system_certs",
];

/// What the admin set.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Network {
    variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values hold passwords of proxies and mirrors.
        formatter.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Network {
    /// Those of `variables` that are worth remembering, on top of what an earlier run was told.
    ///
    /// # Errors
    /// When the remembered ones can't be read (only root can).
    pub fn recall(paths: &Paths, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let path = paths.network_file();
        let mut network = match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            // Without root nothing is installed either; a plan is still of use.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Self::default(),
            Err(error) => return Err(error).with_context(|| format!("reading `{}`", path.display())),
        };
        network.learn(variables);
        Ok(network)
    }

    fn learn(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            let plain = !value.is_empty() && !value.contains(['\n', '\0', '"', '\\']);
            if plain && REMEMBERED.contains(&name.to_ascii_lowercase().as_str()) {
                self.variables.insert(name, value);
            }
        }
    }

    /// Reads what [`Network::text`] wrote.
    pub fn parse(text: &str) -> Self {
        let mut network = Self::default();
        let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        network.learn(pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())));
        network
    }

    /// A file that shells and systemd's `EnvironmentFile=` read; `None`: there is nothing to remember.
    pub fn text(&self) -> Option<String> {
        if self.variables.is_empty() {
            return None;
        }
        let mut text = "# Proxies, mirrors and certificates for the hub's downloads; hub-installer adds to them.\n".to_owned();
        for (name, value) in &self.variables {
            text.push_str(&format!("{name}=\"{value}\"\n"));
        }
        Some(text)
    }

    /// The variables, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a variable in either case.
    pub fn value(&self, name: &str) -> Option<&str> {
        let by = |name: &str| self.variables.get(name).map(String::as_str);
        by(name).or_else(|| by(&name.to_ascii_lowercase())).or_else(|| by(&name.to_ascii_uppercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn remembers_across_runs_and_a_later_word_wins() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.config_directory()).unwrap();
        let first = [
            pair("HTTPS_PROXY", "http://user:secret@proxy.example:3128"),
            pair("PATH", "/bin"),
            pair("UV_DEFAULT_INDEX", "https://mirror.example/simple/?a=b"),
        ];
        let network = Network::recall(&paths, first.clone()).unwrap();
        std::fs::write(paths.network_file(), network.text().unwrap()).unwrap();
        let again = Network::recall(&paths, [pair("HTTPS_PROXY", "http://other.example:1")]).unwrap();
        let variables: Vec<_> = again.variables().collect();
        assert_eq!(
            variables,
            [("HTTPS_PROXY", "http://other.example:1"), ("UV_DEFAULT_INDEX", "https://mirror.example/simple/?a=b")]
        );
    }

    #[test]
    fn finds_a_variable_in_either_case() {
        let network = Network::parse("https_proxy=\"http://proxy.example\"\n");
        assert_eq!(network.value("HTTPS_PROXY"), Some("http://proxy.example"));
        assert_eq!(network.value("NO_PROXY"), None);
    }

    #[test]
    fn shows_no_secret_when_logged_and_keeps_none_that_breaks_a_line() {
        let network = Network::parse("HTTPS_PROXY=\"http://user:secret@proxy.example\"\n");
        assert_eq!(format!("{network:?}"), "{\"HTTPS_PROXY\"}");
        let mut network = Network::default();
        network.learn([pair("HTTPS_PROXY", "x\nPATH=/tmp")]);
        assert_eq!(network.text(), None);
    }
}
