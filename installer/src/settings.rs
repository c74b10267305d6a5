//! The configuration as an install leaves it: a commented file for a new hub, small edits in one that is there. Pure.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use hub_core::config::{self, Config, HttpsMethod, format_bytes};
use hub_core::packages::Channel;
use hub_core::packages::PackageName;
use hub_core::packages::{CondaSpec, Requirement};
use hub_environment::pyenv;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use crate::addresses::{guess_url, https_listen, listen};
use crate::assets;
use crate::facts::{ConfigFact, Facts};
use crate::options::{HttpsWish, Options};

const MEGABYTE: u64 = 1 << 20;
/// What a student gets where the machine has enough.
const USUAL_MEMORY: u64 = 1 << 30;
/// JupyterLab with one small kernel.
const LEAST_MEMORY: u64 = 384 * MEGABYTE;

/// The text of the configuration after the install.
///
/// # Errors
/// When what is asked for does not make a valid configuration.
pub fn config(facts: &Facts, options: &Options) -> Result<String> {
    let text = match &facts.config {
        ConfigFact::Valid(source, config) => edited(source, config, facts, options)?,
        ConfigFact::Absent | ConfigFact::Broken(_) => {
            let text = fresh(facts, options);
            let mut document: DocumentMut = text.parse().context("preparing the configuration")?;
            if let Some(wish) = &options.https {
                encrypt(&mut document, wish);
                // The default of the key would not do.
                if wish.listen.is_none() && !facts.ipv6 {
                    let addresses = https_listen(None, options, facts.ipv6).iter().map(ToString::to_string).collect();
                    set(&mut document, "https", "listen", Value::Array(addresses));
                }
            }
            stand_behind(&mut document, None, options);
            remember_source(&mut document, options);
            document.to_string()
        }
    };
    let text = asking_as_the_bundle(text, facts, options)?;
    if let Err(problems) = config::parse(&text, "config.toml") {
        return Err(problems).context("preparing the configuration");
    }
    Ok(text)
}

fn fresh(facts: &Facts, options: &Options) -> String {
    let listen = listen(None, options, facts.ipv6);
    let url = options.url.clone().or_else(|| guess_encrypted_url(None, options)).or_else(|| guess_url(&listen, facts.address));
    let total = facts.system.memory_bytes;
    let defaults = config::parse("", "defaults").map(|config| config.users_memory(total)).unwrap_or(total / 2);
    let operators: Vec<&str> = facts.operator.as_deref().into_iter().filter(|name| *name != "root").collect();
    assets::CONFIG
        .replace(
            "{{url}}",
            &url.map_or("#url = \"https://hub.example.org\"".to_owned(), |url| format!("url = {}", quoted([url]))),
        )
        .replace("{{listen}}", &quoted(listen))
        .replace("{{admins}}", &quoted(options.admins.iter()))
        .replace("{{operators}}", &quoted(operators))
        .replace("{{packages}}", &quoted(packages(facts, options)))
        .replace("{{machine_memory}}", &format_bytes(total))
        .replace("{{users_memory}}", &format_bytes(defaults))
        .replace("{{memory}}", &amount(student_memory(defaults)))
}

/// What the first environment has beside what the hub needs: what a bundle was made with, else what is asked for now, else what
/// the configuration asks for, else what a new hub has.
pub fn packages(facts: &Facts, options: &Options) -> Vec<Requirement> {
    match (&options.bundle, &options.packages, &facts.config) {
        (Some(bundle), _, _) => bundle.manifest().packages.clone(),
        (None, Some(asked), _) => asked.clone(),
        (None, None, ConfigFact::Valid(_, config)) => {
            config.environment.packages.iter().filter_map(|text| text.parse().ok()).collect()
        }
        (None, None, ConfigFact::Absent | ConfigFact::Broken(_)) => pyenv::first_lesson(),
    }
}

/// What one student may have: 1 GB, and on a small machine no more than half of what all of them have.
fn student_memory(users_memory: u64) -> u64 {
    let half = users_memory / 2 / (64 * MEGABYTE) * (64 * MEGABYTE);
    half.clamp(LEAST_MEMORY, USUAL_MEMORY)
}

fn amount(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 30) { format!("{}G", bytes >> 30) } else { format!("{}M", bytes / MEGABYTE) }
}

fn quoted<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let quote = |value: T| Value::from(value.to_string()).to_string();
    values.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

/// The hub's address where a certificate is wished for: browsers accept it for the names in it.
fn guess_encrypted_url(config: Option<&Config>, options: &Options) -> Option<String> {
    let wish = options.https.as_ref()?;
    let (HttpsMethod::Acme { domains, .. } | HttpsMethod::Lan { domains }) = &wish.method else { return None };
    let name = domains.first()?;
    let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    match https_listen(config, options, true).first()?.port() {
        443 => Some(format!("https://{name}")),
        port => Some(format!("https://{name}:{port}")),
    }
}

/// Writes down where this release came from, unless somebody said where others come from.
fn remember_source(document: &mut DocumentMut, options: &Options) {
    let said = document.get("upgrade").and_then(|table| table.get("source"));
    if let (None, Some(source)) = (said, &options.source) {
        set(document, "upgrade", "source", Value::from(source.as_str()));
    }
}

/// What was asked for on the hub that a bundle is from is asked for here, too, where nobody asked for anything yet.
fn asking_as_the_bundle(text: String, facts: &Facts, options: &Options) -> Result<String> {
    let Some(bundle) = options.bundle.as_ref().filter(|_| facts.environment.is_none()) else { return Ok(text) };
    let mut document: DocumentMut = text.parse().context("preparing the configuration")?;
    let texts = |texts: &mut dyn Iterator<Item = &str>| Value::Array(texts.collect::<Array>());
    let list = |asked: &[Requirement]| texts(&mut asked.iter().map(Requirement::as_str));
    let manifest = bundle.manifest();
    let says = |document: &DocumentMut, key: &str| document.get("environment").and_then(|table| table.get(key)).is_some();
    if !manifest.packages.is_empty() && !says(&document, "packages") {
        set(&mut document, "environment", "packages", list(&manifest.packages));
    }
    if !manifest.apt.is_empty() && !says(&document, "apt") {
        set(&mut document, "environment", "apt", texts(&mut manifest.apt.iter().map(PackageName::as_str)));
    }
    let has_kernels = !manifest.kernels.is_empty() || !manifest.conda_kernels.is_empty();
    if has_kernels && !says(&document, "kernels") {
        let mut kernels = Table::new();
        kernels.set_implicit(true);
        for (name, packages) in &manifest.kernels {
            let kernel = Table::from_iter([("packages", toml_edit::value(list(packages)))]);
            kernels.insert(name.as_str(), Item::Table(kernel));
        }
        for (name, asked) in &manifest.conda_kernels {
            let mut kernel = Table::from_iter([("packages", toml_edit::value(list(&asked.packages)))]);
            if let Some(conda) = &asked.conda {
                kernel.insert("conda", toml_edit::value(texts(&mut conda.specs.iter().map(CondaSpec::as_str))));
                kernel.insert("channels", toml_edit::value(texts(&mut conda.channels.iter().map(Channel::as_str))));
            }
            kernels.insert(name.as_str(), Item::Table(kernel));
        }
        document.entry("environment").or_insert(toml_edit::table())["kernels"] = Item::Table(kernels);
    }
    Ok(document.to_string())
}

/// Writes down where the certificate comes from, and nothing of where one came from before.
fn encrypt(document: &mut DocumentMut, wish: &HttpsWish) {
    let texts = |values: &[String]| Value::Array(values.iter().map(String::as_str).collect::<Array>());
    let path = |path: &Path| Some(Value::from(path.display().to_string()));
    let mut keys: Vec<(&str, Option<Value>)> = Vec::new();
    let own: &[&str] = match &wish.method {
        HttpsMethod::Files { certificate, key } => {
            keys.extend([("certificate", path(certificate)), ("key", path(key))]);
            &["certificate", "key"]
        }
        HttpsMethod::Acme { email, domains, directory, directory_ca } => {
            keys.extend([("method", Some(Value::from("acme"))), ("email", Some(Value::from(email.as_str())))]);
            keys.extend([("domains", Some(texts(domains))), ("directory", directory.as_deref().map(Value::from))]);
            keys.push(("directory_ca", directory_ca.as_deref().and_then(path)));
            &["method", "email", "domains", "directory", "directory_ca"]
        }
        HttpsMethod::Lan { domains } => {
            keys.push(("method", Some(Value::from("lan"))));
            keys.push(("domains", Some(texts(domains)).filter(|_| !domains.is_empty())));
            &["method", "domains"]
        }
    };
    if let Some(table) = document.get_mut("https").and_then(Item::as_table_like_mut) {
        for key in ["method", "certificate", "key", "email", "domains", "directory", "directory_ca"] {
            if !own.contains(&key) || keys.iter().any(|(name, value)| *name == key && value.is_none()) {
                table.remove(key);
            }
        }
    }
    keys.insert(0, ("listen", wish.listen.map(|address| texts(&[address.to_string()]))));
    for (key, value) in keys {
        if let Some(value) = value {
            set(document, "https", key, value);
        }
    }
}

/// Opens the socket of the web server in front of the hub, and leaves the ports to it.
fn stand_behind(document: &mut DocumentMut, config: Option<&Config>, options: &Options) {
    let Some(server) = options.behind else { return };
    let has = config.map(|config| &config.http);
    if has.is_none_or(|http| http.proxy_group.as_deref() != Some(server.group())) {
        set(document, "http", "proxy_group", Value::from(server.group()));
    }
    if options.listen.is_none() && has.is_some_and(|http| !http.listen.is_empty()) {
        set(document, "http", "listen", Value::Array(Array::new()));
    }
}

/// The address people type, as configured or guessed.
pub fn url(config: &Config, address: Option<IpAddr>) -> Option<String> {
    config.hub.url.clone().or_else(|| match &config.https {
        Some(_) => None,
        None => guess_url(&config.http.listen, address),
    })
}

/// Only what the command line names changes; comments and order stay.
fn edited(source: &str, config: &Config, facts: &Facts, options: &Options) -> Result<String> {
    let address = facts.address;
    let mut document: DocumentMut = source.parse().context("reading the configuration")?;
    let missing: Vec<_> = options.admins.iter().filter(|name| !config.is_admin(name)).collect();
    if !missing.is_empty() {
        let admins = config.roles.admins.iter().chain(missing).map(|name| name.as_str());
        set(&mut document, "roles", "admins", Value::Array(admins.collect::<Array>()));
    }
    if let Some(address) = options.listen.filter(|address| config.http.listen != [*address]) {
        set(&mut document, "http", "listen", Value::Array([address.to_string()].into_iter().collect::<Array>()));
    }
    // An environment that is there is changed by the hub, which builds and tries out what it changes.
    if let Some(asked) = options.packages.as_ref().filter(|_| facts.environment.is_none()) {
        let asked: Vec<&str> = asked.iter().map(Requirement::as_str).collect();
        if config.environment.packages != asked {
            set(&mut document, "environment", "packages", Value::Array(asked.into_iter().collect::<Array>()));
        }
    }
    stand_behind(&mut document, Some(config), options);
    let has = config.https.as_ref();
    if let Some(wish) = options.https.as_ref().filter(|wish| {
        !has.is_some_and(|https| https.method == wish.method && wish.listen.is_none_or(|address| https.listen == [address]))
    }) {
        encrypt(&mut document, wish);
    }
    // An address that was guessed from where the hub listened is guessed again.
    let guessed = config.hub.url.is_some() && config.hub.url == guess_url(&config.http.listen, address);
    let plain = || options.listen.filter(|_| guessed).and_then(|listen| guess_url(&[listen], address));
    let was_plain = config.hub.url.as_ref().is_none_or(|url| url.starts_with("http://"));
    let guess = || guess_encrypted_url(Some(config), options).filter(|_| was_plain).or_else(plain);
    if let Some(url) = options.url.clone().or_else(guess).filter(|url| config.hub.url.as_ref() != Some(url)) {
        set(&mut document, "hub", "url", Value::from(url));
    }
    remember_source(&mut document, options);
    Ok(document.to_string())
}

fn set(document: &mut DocumentMut, table: &str, key: &str, value: Value) {
    let table = document.entry(table).or_insert(toml_edit::table());
    match table.get_mut(key).and_then(Item::as_value_mut) {
        // The comment behind the old value belongs to the line.
        Some(old) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => table[key] = toml_edit::value(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::tests::{configured, machine, options};

    fn parsed(facts: &Facts, options: &Options) -> Config {
        config::parse(&config(facts, options).unwrap(), "config.toml").unwrap()
    }

    #[test]
    fn a_new_hub_starts_with_what_was_asked_for() {
        let facts = Facts { address: Some("203.0.113.7".parse().unwrap()), ..machine() };
        let config = parsed(&facts, &options());
        assert!(config.is_admin(&"ada".parse().unwrap()));
        assert_eq!(config.roles.host_operators, ["debian"]);
        assert_eq!(config.hub.url.as_deref(), Some("http://203.0.113.7"));
        assert_eq!(config.limits.memory, 1 << 30);
        let expected = config::parse(
            "[hub]\nurl = \"http://203.0.113.7\"\n[roles]\nadmins = [\"ada\"]\nhost_operators = [\"debian\"]\n\
             [environment]\npackages = [\"numpy\", \"pandas\", \"matplotlib\"]\n",
            "",
        );
        assert_eq!(config, expected.unwrap(), "everything else is the default");
    }

    #[test]
    fn a_new_hub_asks_for_the_packages_that_were_named() {
        let asking = |names: &[&str]| Some(names.iter().map(|name| name.parse().unwrap()).collect());
        for names in [&[][..], &["scipy>=1.15,<2", "numpy"]] {
            let options = Options { packages: asking(names), ..options() };
            assert_eq!(parsed(&machine(), &options).environment.packages, names);
        }
        let source = "[roles]\nadmins = [\"ada\"]\n[environment]\npackages = [\"cowsay\"] # mine\n";
        let facts = |environment| Facts { config: configured(source), environment, ..machine() };
        let named = Options { packages: asking(&["numpy"]), ..options() };
        assert!(config(&facts(None), &named).unwrap().ends_with("packages = [\"numpy\"] # mine\n"), "nothing is built yet");
        assert_eq!(config(&facts(Some(1)), &named).unwrap(), source, "what is built is the hub's affair");
        for environment in [None, Some(1)] {
            assert_eq!(config(&facts(environment), &options()).unwrap(), source, "nobody named any");
            assert_eq!(packages(&facts(environment), &options()), ["cowsay".parse().unwrap()]);
        }
        assert!(packages(&Facts { config: configured("[roles]\nadmins = [\"ada\"]\n"), ..machine() }, &options()).is_empty());
    }

    #[test]
    fn a_web_server_in_front_has_the_ports() {
        let url = Some("https://hub.example.org".to_owned());
        let behind = Options { behind: Some(crate::reverse_proxy::ReverseProxy::Nginx), url, ..options() };
        let new = parsed(&machine(), &behind);
        assert_eq!((new.http.listen.len(), new.http.proxy_group.as_deref()), (0, Some("www-data")));
        let source = "# mine\n[http]\nlisten = [\"[::]:80\"] # all\n[roles]\nadmins = [\"ada\"]\n[hub]\nurl = \"http://a\"\n";
        let facts = Facts { config: configured(source), ..machine() };
        let text = config(&facts, &behind).unwrap();
        assert_eq!(
            text,
            "# mine\n[http]\nlisten = [] # all\nproxy_group = \"www-data\"\n[roles]\nadmins = [\"ada\"]\n[hub]\nurl = \"https://hub.example.org\"\n"
        );
        let facts = Facts { config: configured(&text), ..machine() };
        assert_eq!(config(&facts, &behind).unwrap(), text, "asked for what is so already");
    }

    #[test]
    fn a_small_machine_gives_less_to_each() {
        for (total, memory) in [(1_u64 << 30, "384M"), (2 << 30, "832M"), (4 << 30, "1G"), (64 << 30, "1G")] {
            let users = config::parse("", "").unwrap().users_memory(total);
            assert_eq!(amount(student_memory(users)), memory, "{total}");
        }
    }

    #[test]
    fn only_what_was_named_changes_in_a_configuration_that_is_there() {
        let source = "# mine\n[roles]\nadmins = [\"ada\"] # the teacher\n\n[limits]\nmemory = \"2G\"\n";
        let facts = Facts { config: configured(source), ..machine() };
        assert_eq!(config(&facts, &options()).unwrap(), source, "asked for what is so already");
        let more = Options {
            admins: vec!["bob".parse().unwrap()],
            listen: Some("127.0.0.1:8000".parse().unwrap()),
            ..Options::default()
        };
        assert_eq!(
            config(&facts, &more).unwrap(),
            "# mine\n[roles]\nadmins = [\"ada\", \"bob\"] # the teacher\n\n[limits]\nmemory = \"2G\"\n\n\
             [http]\nlisten = [\"127.0.0.1:8000\"]\n"
        );
    }

    #[test]
    fn a_guessed_address_moves_with_the_listener_and_a_given_one_stays() {
        let elsewhere = Options { listen: Some("127.0.0.1:8001".parse().unwrap()), ..Options::default() };
        for (url, moved) in [("http://127.0.0.1:8000", "http://127.0.0.1:8001"), ("http://hub.example", "http://hub.example")] {
            let source = format!("[hub]\nurl = \"{url}\"\n[http]\nlisten = [\"127.0.0.1:8000\"]\n[roles]\nadmins = [\"ada\"]\n");
            let facts = Facts { config: configured(&source), ..machine() };
            assert_eq!(parsed(&facts, &elsewhere).hub.url.as_deref(), Some(moved));
        }
    }

    fn acme(listen: Option<&str>) -> Option<HttpsWish> {
        let (email, domains) = ("x@example.org".to_owned(), vec!["hub.example.org".to_owned()]);
        let method = HttpsMethod::Acme { email, domains, directory: None, directory_ca: None };
        Some(HttpsWish { listen: listen.map(|address| address.parse().unwrap()), method })
    }

    #[test]
    fn a_wish_for_https_is_written_down() {
        let new = parsed(&machine(), &Options { https: acme(None), ..options() });
        assert_eq!(new.https.unwrap().method, acme(None).unwrap().method);
        assert_eq!(new.hub.url.as_deref(), Some("https://hub.example.org"));
        let elsewhere = parsed(&machine(), &Options { https: acme(Some("[::]:8443")), ..options() });
        assert_eq!(elsewhere.https.unwrap().listen, ["[::]:8443".parse().unwrap()]);
        assert_eq!(elsewhere.hub.url.as_deref(), Some("https://hub.example.org:8443"));
    }

    #[test]
    fn defaults_are_those_of_the_machine() {
        let old = Facts { ipv6: false, ..machine() };
        let new = parsed(&old, &Options { https: acme(None), ..options() });
        assert_eq!(new.http.listen, ["0.0.0.0:80".parse().unwrap()]);
        assert_eq!(new.https.unwrap().listen, ["0.0.0.0:443".parse().unwrap()]);
        assert_eq!(parsed(&machine(), &options()).http.listen, ["[::]:80".parse().unwrap()]);
    }

    #[test]
    fn another_way_to_a_certificate_leaves_nothing_of_the_first() {
        let source = "[hub]\nurl = \"http://10.0.0.5\"\n[roles]\nadmins = [\"ada\"]\n[https]\ncertificate = \"/c\" # mine\n\
                      key = \"/k\"\nlisten = [\"[::]:8443\"]\n";
        let facts = Facts { config: configured(source), ..machine() };
        let text = config(&facts, &Options { https: acme(None), ..Options::default() }).unwrap();
        assert!(!text.contains("certificate") && !text.contains("key ="), "{text}");
        let config = config::parse(&text, "").unwrap();
        assert_eq!(config.hub.url.as_deref(), Some("https://hub.example.org:8443"));
        assert_eq!(config.https.unwrap().method, acme(None).unwrap().method);
        // Asked for what is so already: nothing changes.
        let facts = Facts { config: configured(&text), ..machine() };
        assert_eq!(super::config(&facts, &Options { https: acme(None), ..Options::default() }).unwrap(), text);
    }

    #[test]
    fn refuses_to_write_what_the_hub_would_not_read() {
        let options = Options { url: Some("nonsense".into()), ..options() };
        assert!(format!("{:#}", config(&machine(), &options).unwrap_err()).contains("nonsense"));
    }
}
