//! The administrator's mirrors, proxies and certificates, as builds and as students' servers need to be told of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hub_core::config::{Environment, IndexUrl};
use hub_core::packages::DEFAULT_ALIAS;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};

use crate::taken_in;

/// Variables that name one file of certificates, the telling one first.
const CERTIFICATE_FILES: [&str; 4] = ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
/// Variables that different programs read for the same file.
const CERTIFICATE_READERS: [&str; 6] =
    ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"];
/// Variables that name the package index, the telling one first.
const INDEX: [&str; 3] = ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"];
const MORE_INDEXES: [&str; 3] = ["UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"];
const TRUSTED_HOSTS: [&str; 2] = ["UV_INSECURE_HOST", "PIP_TRUSTED_HOST"];
const TIMEOUTS: [&str; 2] = ["UV_HTTP_TIMEOUT", "PIP_DEFAULT_TIMEOUT"];
/// Usual in lower case, and read in either.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];
/// What the sandboxes of builds and servers show as it is on the machine.
const VISIBLE: [&str; 2] = ["/etc", "/usr"];

/// What the administrator set. The configuration's word goes before a bundle, a bundle before variables, and those before
/// the usual index of uv and pip.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NetworkSettings {
    /// By name as in their shell.
    variables: BTreeMap<String, String>,
    /// `[environment] index_url`
    index_url: Option<String>,
    /// `[environment] extra_index_urls`, divided by blanks; empty: not set.
    extra_index_urls: String,
    /// The wheels of a bundle.
    bundle: Option<PathBuf>,
    /// The conda packages of a bundle.
    channel: Option<PathBuf>,
}

impl std::fmt::Debug for NetworkSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values hold passwords of proxies and mirrors.
        formatter.debug_set().entries(self.variables.keys()).entries(&self.bundle).finish()
    }
}

impl<Name: Into<String>, Value: Into<String>> FromIterator<(Name, Value)> for NetworkSettings {
    /// Takes any variables; those that are not about the network have no effect.
    fn from_iter<Pairs: IntoIterator<Item = (Name, Value)>>(variables: Pairs) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let variables = variables.filter(|(_, value): &(_, String)| !value.is_empty()).collect();
        Self { variables, ..Self::default() }
    }
}

impl NetworkSettings {
    /// What an install was told and remembers.
    ///
    /// # Errors
    /// When the file can't be read (only root can).
    pub fn recall(paths: &Paths) -> Result<Self> {
        let file = paths.network_file();
        let text = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("reading `{}`", file.display()))?,
        };
        let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        Ok(pairs.map(|(name, value)| (name, value.trim_matches('"'))).collect())
    }

    /// All that the machine at `paths` knows, with what its configuration says.
    ///
    /// # Errors
    /// As [`NetworkSettings::recall`].
    pub fn of_machine(paths: &Paths, environment: &Environment) -> Result<Self> {
        Ok(Self::recall(paths)?.on(paths, Some(environment)))
    }

    /// The same, with what the configuration and bundles of the machine at `paths` have to say.
    #[must_use]
    pub fn on(mut self, paths: &Paths, environment: Option<&Environment>) -> Self {
        if let Some(environment) = environment {
            self.index_url = environment.index_url.as_ref().map(|url| url.as_str().to_owned());
            let more: Vec<&str> = environment.extra_index_urls.iter().map(IndexUrl::as_str).collect();
            self.extra_index_urls = more.join(" ");
        }
        self.bundle = taken_in::wheels(paths);
        let is_alias_usual = environment.is_none_or(|environment| environment.conda_channel_alias == DEFAULT_ALIAS);
        self.channel = taken_in::channel(paths).filter(|_| self.only_bundle() && is_alias_usual);
        self
    }

    /// The package index, uv's word before pip's; `None`: the usual one of uv and pip, or none at all. May hold a password.
    pub fn index(&self) -> Option<&str> {
        match self.only_bundle() {
            true => None,
            false => self.index_url.as_deref().or_else(|| self.first(INDEX)),
        }
    }

    /// Whether packages come from a bundle and no index is asked.
    pub(super) fn only_bundle(&self) -> bool {
        self.bundle.is_some() && self.index_url.is_none()
    }

    /// Whether packages are files of this machine, and for machines like this one alone.
    pub(super) fn is_local(&self) -> bool {
        self.only_bundle() || self.index().is_some_and(|index| index.starts_with("file:"))
    }

    /// The wheels of a bundle, where this machine has one.
    pub(super) fn bundle(&self) -> Option<&Path> {
        self.bundle.as_deref()
    }

    /// The conda packages of a bundle, where there are no others: neither an index nor a place of channels is configured.
    pub fn channel(&self) -> Option<&Path> {
        self.channel.as_deref()
    }

    fn more_indexes(&self) -> Option<&str> {
        match (self.only_bundle(), self.extra_index_urls.as_str()) {
            (true, _) => None,
            (false, "") => self.first(MORE_INDEXES),
            (false, configured) => Some(configured),
        }
    }

    /// The proxy on the way to addresses of https, and whom to ask without it.
    pub fn https_proxy(&self) -> Option<(&str, &str)> {
        let either = |name: &str| self.first([name, &name.to_ascii_uppercase()]);
        let proxy = either("https_proxy").or_else(|| either("all_proxy"))?;
        Some((proxy, either("no_proxy").unwrap_or_default()))
    }

    /// The file of certificates to trust, where one is set.
    pub fn certificates(&self) -> Option<PathBuf> {
        self.first(CERTIFICATE_FILES).map(PathBuf::from)
    }

    /// What a build is told: uv's variables, passwords included.
    pub(super) fn for_build(&self, certificates: Option<&Path>) -> BTreeMap<String, String> {
        let mut told = self.proxies();
        put(&mut told, "UV_DEFAULT_INDEX", self.index());
        put(&mut told, "UV_INDEX", self.more_indexes());
        self.hand_on(&mut told, "UV_INSECURE_HOST", TRUSTED_HOSTS);
        self.hand_on(&mut told, "UV_HTTP_TIMEOUT", TIMEOUTS);
        match certificates {
            Some(file) => told.insert("SSL_CERT_FILE".to_owned(), file.display().to_string()),
            // The machine's own certificates, which an administrator may have added to.
            None => told.insert("UV_SYSTEM_CERTS".to_owned(), "true".to_owned()),
        };
        told
    }

    /// What apt is told.
    pub fn for_apt(&self) -> BTreeMap<String, String> {
        self.proxies()
    }

    /// What pip is told when it fetches something: its own variables, passwords included.
    pub fn for_pip(&self) -> BTreeMap<String, String> {
        let mut told = self.proxies();
        put(&mut told, "PIP_INDEX_URL", self.index());
        put(&mut told, "PIP_EXTRA_INDEX_URL", self.more_indexes());
        put(&mut told, "PIP_FIND_LINKS", self.bundle_text().as_deref());
        put(&mut told, "PIP_NO_INDEX", self.only_bundle().then_some("1"));
        self.hand_on(&mut told, "PIP_TRUSTED_HOST", TRUSTED_HOSTS);
        self.hand_on(&mut told, "PIP_DEFAULT_TIMEOUT", TIMEOUTS);
        self.hand_on(&mut told, "PIP_CERT", CERTIFICATE_FILES);
        told
    }

    /// What students' servers are told. An address with a password in it stays out: every student could read it.
    pub(super) fn for_students(&self, certificates: Option<&Path>) -> BTreeMap<String, String> {
        let mut told = self.proxies();
        let (links, nothing_else) = (self.bundle_text(), self.only_bundle().then_some("1"));
        for (pip, uv, value) in [
            ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", self.index()),
            ("PIP_EXTRA_INDEX_URL", "UV_INDEX", self.more_indexes()),
            ("PIP_TRUSTED_HOST", "UV_INSECURE_HOST", self.first(TRUSTED_HOSTS)),
            ("PIP_FIND_LINKS", "UV_FIND_LINKS", links.as_deref()),
            ("PIP_NO_INDEX", "UV_OFFLINE", nothing_else),
        ] {
            put(&mut told, pip, value);
            put(&mut told, uv, value);
        }
        if let Some(file) = certificates {
            let file = file.display().to_string();
            told.extend(CERTIFICATE_READERS.map(|name| (name.to_owned(), file.clone())));
        }
        told.retain(|_, value| !has_secret(value));
        told
    }

    /// Writes what students' servers are told below `/opt/hubd/share`, with a copy of the certificates when they lie
    /// where a server can't see them. Returns the files that are there now.
    ///
    /// # Errors
    /// When the certificates can't be read or the directory not be written.
    pub fn publish(&self, paths: &Paths) -> Result<Vec<PathBuf>> {
        let share = paths.share();
        let mut files = Vec::new();
        let certificates = self.visible_certificates(&share)?;
        files.extend(certificates.iter().filter(|file| file.starts_with(&share)).cloned());
        let told = serde_json::to_string_pretty(&self.for_students(certificates.as_deref()))?;
        let file = share.join("network.json");
        atomic::replace(&file, format!("{told}\n").as_bytes(), Access::mode(0o644))?;
        files.push(file);
        Ok(files)
    }

    /// The certificates, copied to `directory` when they lie where a sandbox hides them.
    pub(super) fn visible_certificates(&self, directory: &Path) -> Result<Option<PathBuf>> {
        let Some(file) = self.certificates() else { return Ok(None) };
        let resolved = fs_err::canonicalize(&file).context("looking for the certificates to trust")?;
        if VISIBLE.iter().any(|visible| resolved.starts_with(visible)) {
            return Ok(Some(resolved));
        }
        let copy = directory.join("certificates.pem");
        let content = fs_err::read(&file).context("reading the certificates to trust")?;
        atomic::replace(&copy, &content, Access::mode(0o644))?;
        Ok(Some(copy))
    }

    fn proxies(&self) -> BTreeMap<String, String> {
        let mut told = BTreeMap::new();
        for lower in PROXIES {
            let upper = lower.to_ascii_uppercase();
            if let Some(value) = self.first([lower, &upper]) {
                told.insert(lower.to_owned(), value.to_owned());
                told.insert(upper, value.to_owned());
            }
        }
        told
    }

    fn bundle_text(&self) -> Option<String> {
        self.bundle.as_ref().map(|wheels| wheels.display().to_string())
    }

    fn hand_on<'name>(&self, told: &mut BTreeMap<String, String>, name: &str, from: impl IntoIterator<Item = &'name str>) {
        put(told, name, self.first(from));
    }

    fn first<'name>(&self, names: impl IntoIterator<Item = &'name str>) -> Option<&str> {
        names.into_iter().find_map(|name| self.variables.get(name)).map(String::as_str)
    }
}

fn put(told: &mut BTreeMap<String, String>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        told.insert(name.to_owned(), value.to_owned());
    }
}

/// Whether one of the addresses in `value` comes with a user name or a password.
fn has_secret(value: &str) -> bool {
    value.split_whitespace().any(|word| {
        let authority = word.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
        authority.is_some_and(|authority| authority.contains('@'))
    })
}

/// `variables` in the form of systemd's `EnvironmentFile=`.
pub(super) fn environment_file(variables: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        // Inside double quotes these four keep their meaning unless escaped; a line can't be continued.
        let mut quoted = String::with_capacity(value.len());
        for character in value.chars().filter(|character| !character.is_control()) {
            if matches!(character, '"' | '\\' | '$' | '`') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        text.push_str(&format!("{name}=\"{quoted}\"\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn nothing_set_means_the_usual_index_and_the_machines_certificates() {
        let settings: NetworkSettings = [("PATH", "/bin"), ("PIP_INDEX_URL", "")].into_iter().collect();
        assert_eq!(settings.for_build(None), map(&[("UV_SYSTEM_CERTS", "true")]));
        assert_eq!(settings.for_pip(), map(&[]));
        assert_eq!(settings.for_students(None), map(&[]));
    }

    #[test]
    fn pips_variables_reach_uv_and_uvs_reach_pip() {
        let settings: NetworkSettings =
            [("PIP_INDEX_URL", "https://mirror.example/simple"), ("https_proxy", "http://proxy.example:3128")]
                .into_iter()
                .collect();
        assert_eq!(
            settings.for_build(Some(Path::new("/etc/ssl/own.pem"))),
            map(&[
                ("HTTPS_PROXY", "http://proxy.example:3128"),
                ("SSL_CERT_FILE", "/etc/ssl/own.pem"),
                ("UV_DEFAULT_INDEX", "https://mirror.example/simple"),
                ("https_proxy", "http://proxy.example:3128"),
            ])
        );
        assert_eq!(
            settings.for_pip(),
            map(&[
                ("HTTPS_PROXY", "http://proxy.example:3128"),
                ("PIP_INDEX_URL", "https://mirror.example/simple"),
                ("https_proxy", "http://proxy.example:3128"),
            ])
        );
        let settings: NetworkSettings = [("UV_DEFAULT_INDEX", "https://mirror.example/simple")].into_iter().collect();
        assert_eq!(
            settings.for_students(None),
            map(&[("PIP_INDEX_URL", "https://mirror.example/simple"), ("UV_DEFAULT_INDEX", "https://mirror.example/simple"),])
        );
    }

    #[test]
    fn students_are_told_no_password_and_logs_neither() {
        let settings: NetworkSettings = [
            ("UV_DEFAULT_INDEX", "https://ada:secret@mirror.example/simple"),
            ("HTTPS_PROXY", "http://ada:secret@proxy.example"),
            ("PIP_EXTRA_INDEX_URL", "https://mirror.example/more https://ada:secret@mirror.example/own"),
            ("PIP_TRUSTED_HOST", "mirror.example"),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            settings.for_students(None),
            map(&[("PIP_TRUSTED_HOST", "mirror.example"), ("UV_INSECURE_HOST", "mirror.example")])
        );
        assert!(!format!("{settings:?}").contains("secret"));
        assert_eq!(settings.for_build(None)["UV_DEFAULT_INDEX"], "https://ada:secret@mirror.example/simple");
    }

    fn environment(text: &str) -> Environment {
        hub_core::config::parse(&format!("[environment]\n{text}"), "config.toml").unwrap().environment
    }

    #[test]
    fn the_configuration_wins_over_a_bundle_and_that_over_variables() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let told = |paths: &Paths, text: &str| {
            let variables = [("UV_DEFAULT_INDEX", "https://told.example/"), ("HTTPS_PROXY", "http://proxy.example")];
            variables.into_iter().collect::<NetworkSettings>().on(paths, Some(&environment(text)))
        };
        let of = |settings: &NetworkSettings, name: &str| settings.for_students(None).get(name).cloned();
        let both =
            "index_url = \"https://mirror.example/\"\nextra_index_urls = [\"https://a.example/\", \"https://b.example/\"]\n";
        let (index, more) =
            (Some("https://mirror.example/".to_owned()), Some("https://a.example/ https://b.example/".to_owned()));

        assert_eq!(of(&told(&paths, ""), "PIP_INDEX_URL").as_deref(), Some("https://told.example/"));
        let configured = told(&paths, both);
        assert_eq!((of(&configured, "PIP_INDEX_URL"), of(&configured, "UV_INDEX")), (index.clone(), more));
        assert_eq!(configured.for_build(None)["UV_DEFAULT_INDEX"], "https://mirror.example/");
        assert!(of(&configured, "https_proxy").is_some(), "the proxy is what the install was told");
        assert!(!configured.is_local() && told(&paths, "index_url = \"file:///srv/index/\"\n").is_local());

        std::fs::create_dir_all(paths.bundle()).unwrap();
        std::fs::write(paths.bundle().join("manifest.json"), "{}").unwrap();
        let wheels = paths.bundle().join("wheels").display().to_string();
        let bundle = told(&paths, "extra_index_urls = [\"https://a.example/\"]\n");
        assert!(bundle.only_bundle() && bundle.is_local() && bundle.index().is_none());
        assert!(!bundle.for_build(None).keys().any(|name| name.contains("INDEX")), "{:?}", bundle.for_build(None));
        assert_eq!((of(&bundle, "PIP_NO_INDEX").as_deref(), of(&bundle, "PIP_INDEX_URL")), (Some("1"), None));
        assert_eq!(of(&bundle, "PIP_FIND_LINKS").as_ref(), Some(&wheels));
        let beside = told(&paths, both);
        assert!(!beside.only_bundle() && !beside.is_local());
        assert_eq!((of(&beside, "PIP_INDEX_URL"), of(&beside, "PIP_NO_INDEX")), (index, None));
        assert_eq!(of(&beside, "PIP_FIND_LINKS"), Some(wheels));
    }

    #[test]
    fn students_are_not_told_of_an_index_with_a_password() {
        let root = tempfile::tempdir().unwrap();
        let secret = environment("index_url = \"https://ada:secret@mirror.example/\"\n");
        let settings = NetworkSettings::default().on(&Paths::under(root.path()), Some(&secret));
        assert_eq!(settings.for_students(None), map(&[]));
        assert_eq!(settings.for_pip(), map(&[("PIP_INDEX_URL", "https://ada:secret@mirror.example/")]));
        assert!(!format!("{settings:?} {secret:?}").contains("secret"));
    }

    #[test]
    fn publishes_certificates_from_a_hidden_place() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path().join("machine"));
        std::fs::create_dir_all(paths.share()).unwrap();
        let bundle = root.path().join("own.pem");
        std::fs::write(&bundle, "certificate").unwrap();
        let settings: NetworkSettings = [("SSL_CERT_FILE", bundle.to_str().unwrap())].into_iter().collect();
        let files = settings.publish(&paths).unwrap();
        assert_eq!(files, [paths.share().join("certificates.pem"), paths.share().join("network.json")]);
        assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), "certificate");
        let told: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(&files[1]).unwrap()).unwrap();
        assert_eq!(told["PIP_CERT"], files[0].to_str().unwrap());
    }

    #[test]
    fn recalls_what_an_install_wrote() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        assert_eq!(NetworkSettings::recall(&paths).unwrap(), NetworkSettings::default());
        std::fs::create_dir_all(paths.config_directory()).unwrap();
        std::fs::write(paths.network_file(), "# Proxies\nUV_DEFAULT_INDEX=\"https://mirror.example/simple/?a=b\"\n").unwrap();
        assert_eq!(NetworkSettings::recall(&paths).unwrap().index(), Some("https://mirror.example/simple/?a=b"));
    }

    #[test]
    fn certificates_that_are_missing_are_an_error_that_names_them() {
        let root = tempfile::tempdir().unwrap();
        let settings: NetworkSettings = [("SSL_CERT_FILE", "/nonexistent/own.pem")].into_iter().collect();
        let error = format!("{:#}", settings.visible_certificates(root.path()).unwrap_err());
        assert!(error.contains("/nonexistent/own.pem"), "{error}");
    }

    #[test]
    fn values_can_not_leave_their_line_of_an_environment_file() {
        let text = environment_file(&map(&[("A", "x\nPATH=/tmp"), ("B", "p\"a$s`s\\")]));
        assert_eq!(text, "A=\"xPATH=/tmp\"\nB=\"p\\\"a\\$s\\`s\\\\\"\n");
    }
}
