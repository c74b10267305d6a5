//! Everything that stands in the way of an install, all at once, each with its remedy. Pure: facts in, findings out.

use hub_core::config::{self, Reality, format_bytes};
use hub_core::paths::Paths;
use hub_core::upgrade::{Version, Way, way};
use hub_environment::pyenv;

use crate::addresses::{https_listen, listen};
use crate::facts::{ConfigFact, Facts};
use crate::finding::Finding;
use crate::options::{Options, SHORTEST_PASSWORD};
use crate::reverse_proxy::ReverseProxy;
use crate::settings;

/// Systems the hub is proven on; all have systemd 249 or later and Python 3.11 or later.
pub const SUPPORTED: [(&str, &str, &str); 3] =
    [("debian", "12", "Debian 12"), ("debian", "13", "Debian 13"), ("ubuntu", "24.04", "Ubuntu 24.04")];
/// Processors the programs are built for.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];
const OLDEST_SYSTEMD: u32 = 249;
const OLDEST_PYTHON: (u32, u32) = (3, 11);
/// A machine that is sold as 1 GB has about 960 MB of it.
const LEAST_MEMORY: u64 = 700 << 20;
/// Below this a class gets little joy, but it works.
const SPARSE_MEMORY: u64 = 1900 << 20;
/// Programs, logs and logins beside the environment.
const DISK_BESIDE: u64 = 300 << 20;
/// TLS certificates and logins tolerate this much.
const LARGEST_CLOCK_ERROR: u64 = 300;

/// The judgement on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The install can't begin before these are gone.
    pub blockers: Vec<Finding>,
    /// The install can go on.
    pub warnings: Vec<Finding>,
}

impl Judgement {
    fn block(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.blockers.push(Finding { what: what.into(), remedy: remedy.into() });
    }

    fn warn(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.warnings.push(Finding { what: what.into(), remedy: remedy.into() });
    }
}

/// Judges the machine for an install with `options`.
pub fn check(facts: &Facts, options: &Options) -> Judgement {
    let mut judgement = Judgement::default();
    check_system(facts, &mut judgement);
    check_size(facts, &mut judgement);
    check_disk(facts, options, &mut judgement);
    check_packages(facts, options, &mut judgement);
    check_bundle(facts, options, &mut judgement);
    check_network(facts, &mut judgement);
    judgement.blockers.extend(facts.certificate.bad.iter().cloned());
    judgement.warnings.extend(facts.certificate.doubtful.iter().cloned());
    check_ports(facts, options, &mut judgement);
    if !facts.ipv6 {
        judgement.warn("this machine has no IPv6", "nothing to do: the hub listens at addresses of IPv4 alone");
    }
    check_behind(facts, options, &mut judgement);
    check_names(facts, &mut judgement);
    check_homes(facts, &mut judgement);
    check_earlier(facts, options, &mut judgement);
    check_admins(facts, options, &mut judgement);
    judgement
}

fn check_system(facts: &Facts, judgement: &mut Judgement) {
    let system = &facts.system;
    if !facts.root {
        judgement.block("this needs root: it makes accounts and services", "run it again with sudo in front");
    }
    match system.systemd {
        None => judgement.block(
            "this machine does not run systemd (as PID 1), and the hub needs it for everything",
            "use a server or a virtual machine with systemd; to try the hub out on this one: hub-installer try",
        ),
        Some(version) if version < OLDEST_SYSTEMD => judgement.block(
            format!("systemd {version} is too old: the hub needs {OLDEST_SYSTEMD} or later"),
            format!("use {}", supported_systems()),
        ),
        Some(_) => {}
    }
    if !SUPPORTED.iter().any(|(id, version, _)| *id == system.id && *version == system.version) {
        judgement.block(format!("{} is not a system that the hub supports", system.name), format!("use {}", supported_systems()));
    }
    if !ARCHITECTURES.contains(&system.architecture.as_str()) {
        judgement.block(
            format!("the processor ({}) is not one that the hub is built for", system.architecture),
            format!("use a machine with {}", ARCHITECTURES.join(" or ")),
        );
    }
    if let Some(version) = system.python.filter(|version| *version < OLDEST_PYTHON) {
        let ((major, minor), (least_major, least_minor)) = (version, OLDEST_PYTHON);
        judgement.block(
            format!("Python {major}.{minor} is too old: notebooks need {least_major}.{least_minor} or later"),
            format!("use {}", supported_systems()),
        );
    }
    if !system.missing_packages.is_empty() && !system.apt {
        judgement.block(
            format!("missing: {}; and there is no apt-get to install with", system.missing_packages.join(", ")),
            "install these packages by other means, then run this again",
        );
    }
    if !facts.missing_programs.is_empty() {
        let missing: Vec<_> = facts.missing_programs.iter().map(|path| format!("`{}`", path.display())).collect();
        judgement.block(
            format!("{} not found; a release has all of the hub's programs side by side", missing.join(", ")),
            "unpack the release again, or give the directory with --programs",
        );
    }
}

fn check_size(facts: &Facts, judgement: &mut Judgement) {
    let system = &facts.system;
    if system.memory_bytes < LEAST_MEMORY {
        judgement.block(
            format!("{} of memory is too little: the hub and one student need 1 GB", format_bytes(system.memory_bytes)),
            "use a larger machine",
        );
    } else if system.memory_bytes < SPARSE_MEMORY {
        judgement.warn(
            format!("{} of memory is enough for two or three students at a time", format_bytes(system.memory_bytes)),
            "plan about 1 GB for each student who works at the same time",
        );
    }
    if let Some(config) = facts.config.config() {
        let reality = Reality {
            memory: Some(system.memory_bytes),
            swap: None,
            cores: Some(system.processors),
            people: None,
            homes: &facts.homes_in_reach,
            has_account: &|_| true,
            has_group: &|_| true,
        };
        for finding in config::findings(config, &reality) {
            let what = format!("the configuration's `{}`: {}", finding.key, finding.what);
            match finding.is_fatal {
                true => judgement.block(what, finding.remedy),
                false => judgement.warn(what, finding.remedy),
            }
        }
    }
    if system.clock_behind_seconds > LARGEST_CLOCK_ERROR {
        clock_is_wrong(judgement, &format!("{} minutes behind", system.clock_behind_seconds / 60));
    }
}

fn check_disk(facts: &Facts, options: &Options, judgement: &mut Judgement) {
    let (free, packages) = (facts.system.disk_free_bytes, settings::packages(facts, options));
    let (needed, least) = (DISK_BESIDE + pyenv::disk_bytes(&packages), DISK_BESIDE + pyenv::disk_bytes(&[]));
    if facts.environment.is_some() || free >= needed {
        return;
    }
    let names: String = packages.iter().map(|package| format!(", {}", package.name())).collect();
    let room = "free some space (apt-get clean often helps), or use a larger disk";
    let remedy = if options.bundle.is_none() && free >= least {
        format!("{room}; or begin without packages besides JupyterLab, which needs {}: --packages none", format_bytes(least))
    } else {
        room.to_owned()
    };
    judgement.block(
        format!(
            "{} of disk space is free; programs and the Python environment with JupyterLab{names} need {}",
            format_bytes(free),
            format_bytes(needed)
        ),
        remedy,
    );
}

/// An environment that is there is changed by the hub, which tries out what it changes, and not behind its back.
fn check_packages(facts: &Facts, options: &Options, judgement: &mut Judgement) {
    let (Some(asked), Some(_), Some(config)) = (&options.packages, facts.environment, facts.config.config()) else { return };
    let has = &config.environment.packages;
    let missing: Vec<String> =
        asked.iter().filter(|one| !has.iter().any(|text| text == one.as_str())).map(|one| format!("'{one}'")).collect();
    if !missing.is_empty() {
        judgement.block(
            "--packages is for a new hub, and this one has its environment already".to_owned(),
            format!("leave out --packages, and add to them later: sudo hubctl env install {}", missing.join(" ")),
        );
    } else if asked.is_empty() && !has.is_empty() {
        judgement.warn(
            format!("--packages is for a new hub, and this one keeps its packages: {}", has.join(", ")),
            "to take some out: sudo hubctl env remove NAME",
        );
    }
}

fn check_bundle(facts: &Facts, options: &Options, judgement: &mut Judgement) {
    let Some(bundle) = &options.bundle else { return };
    if let Err(misfit) = bundle.manifest().check(&facts.system.machine()) {
        judgement.block(misfit.what, misfit.remedy);
    }
    let missing = &facts.system.missing_packages;
    if !missing.is_empty() && bundle.packages().is_none() {
        judgement.warn(
            format!("{} missing, and the bundle was made without packages of the distribution", missing.join(", ")),
            "apt takes them from where it usually does; without a network, make the bundle again without --no-packages",
        );
    }
}

fn check_network(facts: &Facts, judgement: &mut Judgement) {
    let Some(index) = &facts.index else { return };
    match &index.answer {
        Err(reason) => judgement.block(
            format!("the Python package index `{}` can't be reached: {reason}", index.address),
            "check the network; a proxy, mirror or private certificate is given with HTTPS_PROXY, UV_DEFAULT_INDEX or \
             SSL_CERT_FILE (sudo drops them: put them behind `sudo env`)",
        ),
        Ok(Some(ahead)) if ahead.unsigned_abs() > LARGEST_CLOCK_ERROR && judgement.blockers_about_clock() == 0 => {
            let direction = if *ahead > 0 { "ahead" } else { "behind" };
            clock_is_wrong(judgement, &format!("{} minutes {direction}", ahead.unsigned_abs() / 60));
        }
        Ok(_) => {}
    }
}

const CLOCK: &str = "this machine's clock is";

impl Judgement {
    fn blockers_about_clock(&self) -> usize {
        self.blockers.iter().filter(|finding| finding.what.starts_with(CLOCK)).count()
    }
}

fn clock_is_wrong(judgement: &mut Judgement, how: &str) {
    judgement.block(format!("{CLOCK} {how}; certificates and logins depend on it"), "set it: timedatectl set-ntp true");
}

fn check_ports(facts: &Facts, options: &Options, judgement: &mut Judgement) {
    let config = facts.config.config();
    let encrypted = https_listen(config, options, facts.ipv6);
    let mut told = Vec::new();
    for wanted in listen(config, options, facts.ipv6).iter().chain(&encrypted) {
        // All addresses of IPv6 are all of IPv4, too, and where there is no IPv6 systemd takes those alone.
        if !facts.ipv6 && wanted.is_ipv6() && !wanted.ip().is_unspecified() {
            judgement.block(
                format!("the hub can't listen at {wanted}: this machine has no IPv6"),
                "give an address of IPv4, as in --listen 0.0.0.0:80, or correct `listen` in the configuration",
            );
        } else if !(facts.is_here)(wanted.ip()) {
            judgement.block(
                format!("the hub can't listen at {wanted}: this machine has no such address"),
                "give one of its own (ip address shows them), or 0.0.0.0 for all of them, as in --listen 0.0.0.0:80; or correct \
                 `listen` in the configuration",
            );
        }
        for listener in facts.listeners.iter().filter(|listener| listener.blocks(*wanted)) {
            let what = format!("port {} is taken by {}", wanted.port(), listener.who());
            if !told.contains(&what) {
                let server = listener.process.as_ref().and_then(|(_, name)| ReverseProxy::of_process(name));
                let behind = server.map_or(String::new(), |server| {
                    format!("put the hub behind it: --behind {} --url https://hub.example.org; or ", server.name())
                });
                let elsewhere = "stop that program for good, or let the hub listen elsewhere, as in --listen 0.0.0.0:8000";
                judgement.block(what.clone(), format!("{behind}{elsewhere}"));
                told.push(what);
            }
        }
    }
}

fn check_behind(facts: &Facts, options: &Options, judgement: &mut Judgement) {
    let Some(server) = options.behind else { return };
    if !facts.has_proxy_group {
        judgement.block(
            format!("there is no group `{}` on this machine, which {} runs with", server.group(), server.name()),
            format!("install {} first", server.name()),
        );
    }
    let has_url = options.url.is_some() || facts.config.config().is_some_and(|config| config.hub.url.is_some());
    if !has_url {
        judgement.block(
            format!("behind {} the hub can't guess its own address", server.name()),
            "say what people will type, as in --url https://hub.example.org",
        );
    }
}

fn check_names(facts: &Facts, judgement: &mut Judgement) {
    for account in facts.accounts.iter().filter(|account| !account.is_for_a_service()) {
        judgement.block(
            format!(
                "an account `{}` (number {}, shell {}) exists already and is not one of a service",
                account.name, account.uid, account.shell
            ),
            format!("rename or remove it: usermod --login NEWNAME {0}, or userdel {0}", account.name),
        );
    }
}

fn check_homes(facts: &Facts, judgement: &mut Judgement) {
    let Err(problem) = &facts.homes else { return };
    let (problem, remedy) = problem.split_once("\nhint: ").unwrap_or((problem, ""));
    let file = Paths::default().config_file();
    let elsewhere = format!("or name another directory in {}, as in homes = \"/srv/homes\" under [accounts]", file.display());
    let remedy =
        if remedy.is_empty() { elsewhere.trim_start_matches("or ").to_owned() } else { format!("{remedy}; {elsewhere}") };
    judgement.block(format!("homes can't be made in the configured place: {problem}"), remedy);
}

fn check_earlier(facts: &Facts, options: &Options, judgement: &mut Judgement) {
    match &facts.receipt {
        Err(problem) => judgement.block(
            format!("what an earlier install did can't be read: {problem}"),
            "run the hub-installer of the version that is installed, or move the receipt aside",
        ),
        Ok(Some(receipt)) => {
            if let Some((reason, hint)) = closed_way(&receipt.product, &options.version) {
                judgement.block(reason, hint);
            } else if !receipt.complete {
                judgement.warn("an earlier install was interrupted", "nothing to do: this one continues it");
            }
        }
        Ok(None) => {}
    }
    if let Err(problem) = &facts.leftovers {
        judgement.block(
            format!("what an earlier uninstall kept can't be read: {problem}"),
            "repair the file, or move it aside; the homes in it are then not given back",
        );
    }
    if let ConfigFact::Broken(problems) = &facts.config {
        judgement.block(format!("the configuration has problems:\n{problems}"), "correct them, then run this again");
    }
}

fn check_admins(facts: &Facts, options: &Options, judgement: &mut Judgement) {
    let configured = facts.config.config().is_some_and(|config| !config.roles.admins.is_empty());
    if options.admins.is_empty() && !configured && !matches!(facts.config, ConfigFact::Broken(_)) {
        judgement.block("no administrator is named", "name one, as in --admin ada");
    }
    if let Some(password) = &options.admin_password {
        if password.chars().count() < SHORTEST_PASSWORD {
            judgement.block(
                format!("HUBD_ADMIN_PASSWORD is shorter than {SHORTEST_PASSWORD} characters"),
                "choose a longer one, or leave it out to get a link with which to set it",
            );
        }
        if options.admins.is_empty() {
            judgement.warn("HUBD_ADMIN_PASSWORD is set but no --admin is given", "it is not used");
        }
    }
}

/// `Debian 12, Debian 13 or Ubuntu 24.04`.
pub fn supported_systems() -> String {
    let names: Vec<&str> = SUPPORTED.iter().map(|(_, _, name)| *name).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Why the version that is installed can't become the one at hand, and what to do.
fn closed_way(installed: &str, wanted: &str) -> Option<(String, String)> {
    let parse = |text: &str| text.parse::<Version>().map_err(|problem| (problem, "install a release".to_owned()));
    match parse(installed).and_then(|from| Ok(way(&from, &parse(wanted)?))) {
        Ok(Way::There | Way::Open) => None,
        Ok(Way::Closed { reason, hint }) => Some((reason, hint)),
        Err(problem) => Some(problem),
    }
}

#[cfg(test)]
pub(crate) mod tests;
