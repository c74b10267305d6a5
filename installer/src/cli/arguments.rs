//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use hub_core::accounts::Username;
use hub_core::config::HttpsMethod;
use hub_core::packages::Requirement;
use hub_core::packages::requirement::RequirementError;
use hub_environment::pyenv::FIRST_LESSON;

use crate::options::{self, HttpsWish};
use crate::progress::Loudness;
use crate::receipt::State;
use crate::reverse_proxy::ReverseProxy;
use crate::trial;
use crate::verify::Probe;

/// Installs hubd: a classroom on one machine, a browser login and a JupyterLab for every student.
#[derive(Debug, Parser)]
#[command(name = "hub-installer", version, disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Output {
    /// Print one JSON object at the end
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print errors only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Also print what is checked
    #[arg(long, short, global = true)]
    verbose: bool,
}

impl Output {
    pub(super) fn loudness(&self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (_, true) => Loudness::Verbose,
            _ => Loudness::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what an install would do, and what would prevent it; change nothing
    Plan(InstallArguments),
    /// Install the hub; continue an install that was cut short; upgrade
    Install(InstallArguments),
    /// Check that the hub works: start a temporary server and test that limits hold
    Verify,
    /// Remove the hub; homes, logins and configuration stay, closed to everybody but root
    Uninstall(UninstallArguments),
    /// Show what is installed and whether it works
    Status,
    /// Try the hub out in a temporary Debian on this machine, installed for real
    Try(TryArguments),
    /// Take more than a limit would allow (used by `verify`)
    #[command(hide = true)]
    ProbeLimit { probe: Probe, amount: u64 },
    /// Do what was asked for about upgrades (run by `hubd-upgrade.service`)
    #[command(hide = true)]
    Upgrade,
    /// Copy the database aside (run while the hub is upgraded, before the new version starts)
    #[command(hide = true)]
    KeepDatabase,
}

impl Command {
    pub(super) fn hint_after_failure(&self) -> Option<&'static str> {
        match self {
            Self::Install(_) => {
                Some("what was done so far stays; run the same command again to continue. The log: /var/log/hubd-install.log")
            }
            Self::Uninstall(_) => Some("run the same command again to continue. The log: /var/log/hubd-install.log"),
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct InstallArguments {
    /// Who manages the hub; may be given several times. The environment variable HUBD_ADMIN_PASSWORD sets the first one's
    /// password; without it a one-time link is printed, where you can also watch the install in a browser. HUBD_LINK_KEY sets the
    /// secret in that link, if it must be known beforehand (32 random bytes in base64url)
    #[arg(long = "admin", value_name = "NAME", value_parser = options::parse_admin)]
    pub(super) admins: Vec<Username>,
    /// Where the hub listens, as in 127.0.0.1:8000 [default: every address, port 80]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = options::parse_listen)]
    pub(super) listen: Option<SocketAddr>,
    /// Run behind a web server that is already here: the hub listens on a socket just for it, and prints what to put into its
    /// configuration; needs --url
    #[arg(long, value_name = "SERVER")]
    pub(super) behind: Option<ReverseProxy>,
    /// The hub's address as people type it, as in https://hub.example.org [default: guessed]
    #[arg(long, value_parser = hub_core::config::address_of_hub)]
    pub(super) url: Option<String>,
    #[command(flatten)]
    pub(super) https: HttpsArguments,
    #[command(flatten)]
    pub(super) packages: PackagesArguments,
    /// Ask no question
    #[arg(long)]
    pub(super) yes: bool,
    /// The directory with hubd, hubctl and hub-installer [default: where this program is]
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
    /// Install from this file, made with `hubctl bundle create` on a hub like this one, without using a network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["programs", "packages"])]
    pub(super) bundle: Option<PathBuf>,
    /// For tests of the installer: die like in a power cut when STEP was begun or done
    #[arg(long, value_name = "STEP=started|done", value_parser = parse_death, hide = true)]
    pub(super) die_at: Option<(String, State)>,
}

impl InstallArguments {
    pub(super) fn programs(&self) -> Result<PathBuf> {
        programs(self.programs.as_ref())
    }
}

/// What everybody's environment begins with.
#[derive(Debug, Args)]
pub(super) struct PackagesArguments {
    /// Packages that everybody can import on a new hub, as in --packages numpy 'scipy>=1.15'; `none`: nothing besides JupyterLab.
    /// hubctl env changes them later [default: numpy pandas matplotlib; with a bundle: what is in it]
    #[arg(long, value_name = "PACKAGE", num_args = 1.., value_parser = parse_packages)]
    packages: Option<Vec<Packages>>,
}

/// As it is typed.
#[derive(Debug, Clone)]
enum Packages {
    None,
    One(Requirement),
}

fn parse_packages(text: &str) -> Result<Packages, String> {
    match text {
        "none" => Ok(Packages::None),
        text => text.parse().map(Packages::One).map_err(|error: RequirementError| {
            let words = FIRST_LESSON.map(|(name, _)| name).join(" ");
            format!("{error}; separate packages with spaces, as in --packages {words}")
        }),
    }
}

impl PackagesArguments {
    pub(super) fn are_named(&self) -> bool {
        self.packages.is_some()
    }

    /// What is asked for; `None`: nothing was said.
    pub(super) fn wish(&self) -> Result<Option<Vec<Requirement>>> {
        let Some(said) = &self.packages else { return Ok(None) };
        let packages: Vec<Requirement> = said
            .iter()
            .filter_map(|one| match one {
                Packages::None => None,
                Packages::One(package) => Some(package.clone()),
            })
            .collect();
        if !packages.is_empty() && packages.len() < said.len() {
            bail!("--packages asks for packages and for none\nhint: leave out `none`, or the packages");
        }
        Ok(Some(packages))
    }
}

/// Where the certificate for https comes from.
#[derive(Debug, Args)]
pub(super) struct HttpsArguments {
    /// Encrypt, with a certificate from an authority on the internet (acme: needs --domain and --email), from an
    /// authority of the hub's own (lan: for rooms without a domain), or from files (files: needs --certificate and
    /// --key) [default: as configured, else not at all]
    #[arg(long = "https", value_name = "HOW")]
    method: Option<HttpsWay>,
    /// A name that leads to this machine, as in hub.example.org; may be given several times
    #[arg(long = "domain", value_name = "NAME", requires = "method")]
    domains: Vec<String>,
    /// Where the authority can write if something is wrong with the certificate
    #[arg(long, value_name = "ADDRESS", requires = "method")]
    email: Option<String>,
    /// The certificate with its chain, PEM
    #[arg(long, value_name = "FILE", requires = "method")]
    certificate: Option<PathBuf>,
    /// Its key, PEM; the account `hubd` must be able to read it
    #[arg(long, value_name = "FILE", requires = "method")]
    key: Option<PathBuf>,
    /// Where the hub listens for https [default: every address, port 443]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = options::parse_listen, requires = "method")]
    https_listen: Option<SocketAddr>,
    /// The ACME directory of an authority other than Let's Encrypt
    #[arg(long, value_name = "URL", requires = "method")]
    acme_directory: Option<String>,
    /// The certificate that vouches for that authority's directory, PEM
    #[arg(long, value_name = "FILE", requires = "acme_directory")]
    acme_directory_ca: Option<PathBuf>,
}

/// As it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HttpsWay {
    Acme,
    Lan,
    Files,
}

impl HttpsArguments {
    /// What is wished for, as far as it goes together; whether it is valid is judged with the configuration.
    pub(super) fn wish(&self) -> Result<Option<HttpsWish>> {
        let Some(way) = self.method else { return Ok(None) };
        let domains = self.domains.clone();
        let method = match way {
            HttpsWay::Acme => {
                let (Some(email), false) = (self.email.clone(), domains.is_empty()) else {
                    bail!("--https acme needs a name and an address\nhint: --domain hub.example.org --email you@example.org");
                };
                let (directory, directory_ca) = (self.acme_directory.clone(), self.acme_directory_ca.clone());
                HttpsMethod::Acme { email, domains, directory, directory_ca }
            }
            HttpsWay::Lan => HttpsMethod::Lan { domains },
            HttpsWay::Files => {
                let (Some(certificate), Some(key)) = (self.certificate.clone(), self.key.clone()) else {
                    bail!("--https files needs both files\nhint: --certificate /etc/ssl/hub.pem --key /etc/ssl/hub.key");
                };
                HttpsMethod::Files { certificate, key }
            }
        };
        Ok(Some(HttpsWish { listen: self.https_listen, method }))
    }
}

#[derive(Debug, Args)]
pub(super) struct UninstallArguments {
    /// Delete homes, logins, class folder and configuration too
    #[arg(long)]
    pub(super) purge: bool,
    /// Ask no question
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct TryArguments {
    /// End the trial and remove its machine
    #[arg(long)]
    pub(super) stop: bool,
    /// The port of 127.0.0.1 the hub listens on [default: 8000, or the next that is free]
    #[arg(long)]
    pub(super) port: Option<u16>,
    #[command(flatten)]
    pub(super) packages: PackagesArguments,
    /// The name of the throw-away machine, for more than one trial at a time
    #[arg(long, value_name = "NAME", default_value = trial::MACHINE, hide = true)]
    pub(super) machine: String,
    /// The directory with hubd, hubctl and hub-installer [default: where this program is]
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) programs: Option<PathBuf>,
}

/// The directory with the programs to install.
pub(super) fn programs(given: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(directory) = given {
        return directory.canonicalize().with_context(|| format!("looking for programs in `{}`", directory.display()));
    }
    let own = std::env::current_exe().context("looking for this program's own place")?;
    own.parent().map(std::path::Path::to_owned).context("looking for the directory of this program")
}

fn parse_death(text: &str) -> Result<(String, State), String> {
    match text.rsplit_once('=') {
        Some((step, "started")) => Ok((step.to_owned(), State::Started)),
        Some((step, "done")) => Ok((step.to_owned(), State::Done)),
        _ => Err("expected STEP=started or STEP=done".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn several_admins_may_be_named() {
        let line = ["hub-installer", "install", "--admin", "ada", "--admin", "bob", "--listen", "8000", "--json"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        assert!(arguments.output.json);
        let Command::Install(install) = arguments.command else { panic!() };
        assert_eq!(install.admins.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
        assert_eq!(install.listen, Some("[::]:8000".parse().unwrap()));
    }

    #[test]
    fn what_a_certificate_needs_is_asked_for() {
        let wish = |line: &str| {
            let words = ["hub-installer", "install"].into_iter().chain(line.split_whitespace());
            let Command::Install(install) = Arguments::try_parse_from(words)?.command else { panic!() };
            anyhow::Ok(install.https.wish())
        };
        assert_eq!(wish("").unwrap().unwrap(), None);
        let lan = wish("--https lan --https-listen 8443").unwrap().unwrap().unwrap();
        assert_eq!((lan.listen, lan.method), (Some("[::]:8443".parse().unwrap()), HttpsMethod::Lan { domains: Vec::new() }));
        let acme = wish("--https acme --domain a.example.org --domain b.example.org --email x@example.org").unwrap().unwrap();
        let HttpsMethod::Acme { domains, email, directory: None, directory_ca: None } = acme.unwrap().method else { panic!() };
        assert_eq!((domains, email.as_str()), (vec!["a.example.org".to_owned(), "b.example.org".to_owned()], "x@example.org"));
        for line in ["--https acme --domain a.example.org", "--https acme --email x@example.org", "--https files --key /k"] {
            assert!(wish(line).unwrap().is_err(), "{line}");
        }
        for line in ["--domain a.example.org", "--https nonsense"] {
            assert!(wish(line).is_err(), "{line}");
        }
    }

    #[test]
    fn packages_are_words_that_a_requirements_file_could_have() {
        let wish = |line: &[&str]| {
            let words = ["hub-installer", "install"].iter().chain(line);
            let Command::Install(install) = Arguments::try_parse_from(words)?.command else { panic!() };
            let packages = install.packages.wish()?;
            anyhow::Ok(packages.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")))
        };
        assert_eq!(wish(&["--admin", "ada"]).unwrap(), None);
        for (line, asked) in [
            (&["--packages", "none"][..], ""),
            (&["--packages", "numpy", "pandas>=2,<3", "--yes"], "numpy pandas>=2,<3"),
            (&["--packages=numpy", "--packages", "dask[array]"], "numpy dask[array]"),
        ] {
            assert_eq!(wish(line).unwrap().as_deref(), Some(asked), "{line:?}");
        }
        for (line, said) in [
            (&["--packages", "numpy,pandas"][..], "as in --packages numpy pandas matplotlib"),
            (&["--packages", "./wheel.whl"], "is a path"),
            (&["--packages", "numpy", "none"], "for none"),
            (&["--packages"], "a value is required"),
            (&["--packages", "numpy", "--bundle", "class.bundle"], "cannot be used with"),
        ] {
            let error = wish(line).unwrap_err().to_string();
            assert!(error.contains(said), "{line:?}: {error}");
        }
        let help = Arguments::try_parse_from(["hub-installer", "install", "--help"]).unwrap_err().to_string();
        // A terminal may be narrow.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = FIRST_LESSON.map(|(name, _)| name).join(" ");
        assert!(help.contains(&format!("[default: {words}")), "{help}");
    }

    #[test]
    fn a_name_nobody_can_have_is_refused_at_once() {
        let error = Arguments::try_parse_from(["hub-installer", "install", "--admin", "Ada"]).unwrap_err().to_string();
        assert!(error.contains("'A'"), "{error}");
    }
}
