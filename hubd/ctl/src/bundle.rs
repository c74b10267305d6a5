//! `hubctl bundle`: everything that an install needs, in one file, for machines that reach no network; and what a machine
//! has taken in of such files. On the host only, and without the hub.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use hub_core::config::{self, Environment, format_bytes};
use hub_core::packages::PackageName;
use hub_core::packages::{CondaSpec, KernelName, Requirement};
use hub_core::upgrade;
use hub_environment::bundle::{Machine, Making, Manifest, Opened, store};
use hub_environment::pyenv::{BuildEvent, Builder, NetworkSettings, Workshop};
use serde::Serialize;

use super::World;
use super::caller::NewFile;
use super::connect::only_on_the_host;
use super::failure::{Cause, Exit, Failure};
use super::text::counted;

/// What a machine needs before it has anything.
const BOOTSTRAP: &str = include_str!("../../../bootstrap.sh");
/// After so many downloads the next line about them.
const LINE_EVERY: usize = 20;

/// What to do with bundles.
#[derive(Debug, Subcommand)]
pub(super) enum BundleVerb {
    /// Make a file with the hub's programs, uv, and every package of the current environment and kernels, conda's too
    #[command(
        after_help = "All packages are downloaded again and checked against the locks. The file works on machines with the same \
distribution release and the same kind of processor. It contains no secrets, no people and no configuration.

Examples:
  sudo hubctl bundle create class.bundle
  sudo hubctl bundle create class.bundle --with scikit-learn --with seaborn
  sudo hubctl bundle create class.bundle --apt

On the other machine:
  tar -xOf class.bundle bootstrap.sh | sudo sh -s -- --bundle class.bundle --admin ada"
    )]
    Create {
        /// The file to make
        file: PathBuf,
        /// A package that is not installed here, to install from the bundle later; may be given several times
        #[arg(long = "with", value_name = "PACKAGE")]
        more: Vec<Requirement>,
        /// Leave out distribution packages; the other machine must then already have git, python3-pip-whl and the like
        #[arg(long)]
        no_packages: bool,
        /// Include the distribution packages listed in environment.apt in the configuration, with all they need
        #[arg(long)]
        apt: bool,
    },
    /// Copy the packages of a bundle to this machine, to install from
    #[command(after_help = "From then on this machine installs only from its bundles, unless environment.index_url in the \
configuration names an index.

Example:
  sudo hubctl bundle add /media/stick/more.bundle")]
    Add {
        /// The bundle
        file: PathBuf,
    },
    /// Show what is in a bundle, or in all bundles added to this machine
    #[command(after_help = "Examples:
  sudo hubctl bundle show
  sudo hubctl bundle show /media/stick/class.bundle")]
    Show {
        /// The bundle [default: all that were added]
        file: Option<PathBuf>,
    },
    /// Remove all bundles: packages come from an index again
    #[command(after_help = "What is installed stays installed.

Example:
  sudo hubctl bundle remove")]
    Remove {
        /// Do it without asking
        #[arg(short, long)]
        yes: bool,
    },
}

/// What `show` and `add` print with `--json`.
#[derive(Debug, Serialize)]
struct Held {
    /// What the bundle says of itself, the latest of several; `null`: none was taken in.
    bundle: Option<Manifest>,
    /// How many wheels are new.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<usize>,
    /// All wheels that were taken in, of all bundles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wheels: Vec<String>,
}

pub(super) fn run(verb: BundleVerb, world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "a bundle", "bundle ...")?;
    let done = match verb {
        BundleVerb::Create { file, more, no_packages, apt } => create(world, &file, &more, (!no_packages, apt)),
        BundleVerb::Add { file } => add(world, &file),
        BundleVerb::Show { file } => show(world, file.as_deref()),
        BundleVerb::Remove { yes } => remove(world, yes),
    };
    done.map(|()| Exit::Done).map_err(with_hint)
}

/// What the library knows to do about an error stands behind its words.
fn with_hint(error: anyhow::Error) -> anyhow::Error {
    if error.downcast_ref::<Failure>().is_some() {
        return error;
    }
    let text = format!("{error:#}");
    match text.split_once("\nhint: ") {
        Some((reason, hint)) => Failure::new(Cause::Failed, reason.trim_end(), hint.to_owned()).into(),
        None => error,
    }
}

fn create(world: &mut World, file: &Path, more: &[Requirement], (has_packages, has_apt): (bool, bool)) -> Result<()> {
    let new = NewFile::begin(world.caller, file)?;
    let version = upgrade::installed_version(&world.paths)?;
    let asked = asked(world)?;
    if has_apt && asked.apt.is_empty() {
        let hint = "leave out --apt, or name packages first: hubctl env apt install PACKAGE".to_owned();
        return Err(Failure::new(Cause::Refused, "the configuration's environment.apt names no package", hint).into());
    }
    let network = NetworkSettings::of_machine(&world.paths, &asked)?;
    let (paths, now) = (world.paths.clone(), world.now.to_string());
    let (version, asked) = (version.as_str(), &asked);
    let making =
        Making { paths: &paths, version, bootstrap: BOOTSTRAP, now, network: &network, more, has_packages, asked, has_apt };
    let (told, heard) = mpsc::channel();
    let made = thread::scope(|scope| {
        let target = new.file();
        let maker = scope.spawn(move || making.make(target, file, &mut |said| tell(said, &told)));
        for line in heard {
            world.printer.say(&super::text::printable(&line))?;
        }
        maker.join().unwrap_or_else(|_| Err(anyhow!("making the bundle panicked")))
    })?;
    new.finish().with_context(|| format!("writing `{}`", file.display()))?;
    if world.printer.json {
        return Ok(world.printer.json(&made)?);
    }
    let wheels = counted(made.wheels, "wheel", "wheels");
    world.printer.line(&format!("{}: {}, {wheels}", made.file.display(), format_bytes(made.bytes)))?;
    world.printer.line(&format!("sha256: {}", made.sha256))?;
    for line in left_out(&made.manifest) {
        world.printer.say(&line)?;
    }
    let name = made.file.display();
    world.printer.say(&format!(
        "Install from it on another machine: tar -xOf {name} bootstrap.sh | sudo sh -s -- --bundle {name} --admin NAME"
    ))?;
    Ok(())
}

/// Phases, and now and then how far a long one is.
fn tell(said: BuildEvent<'_>, told: &mpsc::Sender<String>) {
    let line = match said {
        BuildEvent::Phase(text) => text.to_owned(),
        BuildEvent::Detail(text) if text.split(' ').next().and_then(|count| count.parse().ok()).is_some_and(is_told) => {
            format!("  {text}")
        }
        BuildEvent::Detail(_) | BuildEvent::Downloading(_) => return,
    };
    if let Err(error) = told.send(line) {
        tracing::debug!(%error, "nobody hears what is done");
    }
}

fn is_told(count: usize) -> bool {
    count.is_multiple_of(LINE_EVERY)
}

fn open(world: &World, file: &Path) -> Result<Opened> {
    Opened::open(&world.paths, &world.caller.open(file)?, file)
}

fn add(world: &mut World, file: &Path) -> Result<()> {
    let bundle = open(world, file)?;
    bundle.manifest().check(&Machine::probe(&world.paths)?)?;
    let _workshop = workshop(world)?;
    let new = store::add(&world.paths, &bundle)?;
    network(world)?.publish(&world.paths)?;
    if world.printer.json {
        let held = Held { bundle: Some(bundle.manifest().clone()), new: Some(new), wheels: Vec::new() };
        return Ok(world.printer.json(&held)?);
    }
    world.printer.line(&format!("{} added.", counted(new, "new package", "new packages")))?;
    world.printer.say("Packages now come only from bundles. To install one: hubctl env install PACKAGE")?;
    Ok(())
}

fn show(world: &mut World, file: Option<&Path>) -> Result<()> {
    let (bundle, wheels) = match file {
        Some(file) => (Some(open(world, file)?.manifest().clone()), Vec::new()),
        None => (store::latest(&world.paths)?, store::names(&world.paths)?),
    };
    if world.printer.json {
        return Ok(world.printer.json(&Held { bundle, new: None, wheels })?);
    }
    let Some(manifest) = bundle else {
        world.printer.line("No bundle was added to this machine; packages come from an index.")?;
        return Ok(());
    };
    let python = manifest.machine.python.as_deref().unwrap_or("?");
    let of = &manifest.machine;
    world.printer.line(&format!("hubd {}, made {}", manifest.version, manifest.made))?;
    world.printer.line(&format!("for {} on {}, Python {python}", of.system, of.architecture))?;
    let list = |asked: &[Requirement]| asked.iter().map(Requirement::as_str).collect::<Vec<_>>().join(", ");
    for (what, asked) in [("asked for", &manifest.packages), ("for later", &manifest.more)] {
        if !asked.is_empty() {
            world.printer.line(&format!("{what}: {}", list(asked)))?;
        }
    }
    for (name, asked) in &manifest.kernels {
        world.printer.line(&format!("kernel {name}: {}", list(asked)))?;
    }
    for (name, asked) in &manifest.conda_kernels {
        let specs = asked.conda.iter().flat_map(|conda| &conda.specs).map(CondaSpec::as_str).collect::<Vec<_>>().join(", ");
        let packages = if asked.packages.is_empty() { String::new() } else { format!("; on top: {}", list(&asked.packages)) };
        world.printer.line(&format!("kernel {name}, of conda packages: {specs}{packages}"))?;
    }
    for (what, names) in [
        ("for the install, of the distribution", manifest.distribution_packages.join(", ")),
        ("of environment.apt", manifest.apt.iter().map(PackageName::as_str).collect::<Vec<_>>().join(", ")),
    ] {
        if !names.is_empty() {
            world.printer.line(&format!("{what}: {names}"))?;
        }
    }
    for line in left_out(&manifest) {
        world.printer.line(&line)?;
    }
    for wheel in wheels {
        world.printer.line(&format!("  {wheel}"))?;
    }
    Ok(())
}

/// What the hub that a bundle is from has, and the bundle has not, in lines for people.
fn left_out(manifest: &Manifest) -> Vec<String> {
    let names = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    if manifest.distribution_packages.is_empty() {
        lines.push("not in it: what an install needs of the distribution (--no-packages)".to_owned());
    }
    if !manifest.left_out.apt.is_empty() {
        let packages = names(&mut manifest.left_out.apt.iter().map(PackageName::as_str));
        lines.push(format!("not in it: {packages} of environment.apt (--apt takes them along)"));
    }
    if !manifest.left_out.kernels.is_empty() {
        let kernels = names(&mut manifest.left_out.kernels.iter().map(KernelName::as_str));
        lines.push(format!("not in it: kernels that were never built: {kernels} (hubctl env --kernel NAME apply)"));
    }
    lines.push("never in one: people, passwords, files, the rest of the configuration".to_owned());
    lines
}

fn remove(world: &mut World, yes: bool) -> Result<()> {
    if store::latest(&world.paths)?.is_none() {
        return Ok(world.printer.line("Nothing to remove: no bundle was added to this machine.")?);
    }
    if !yes {
        world.confirm("Packages will come from an index again, which this machine must reach. Remove the bundles?")?;
    }
    let _workshop = workshop(world)?;
    store::clear(&world.paths)?;
    network(world)?.publish(&world.paths)?;
    Ok(world.printer.line("Removed. What is installed stays installed.")?)
}

/// No build is under way, and none begins.
fn workshop(world: &World) -> Result<Workshop> {
    Builder::new(world.paths.clone()).enter()?.ok_or_else(|| {
        let hint = "hubctl env status says which; try again after it".to_owned();
        Failure::new(Cause::Busy, "an environment is being built right now", hint).into()
    })
}

fn network(world: &World) -> Result<NetworkSettings> {
    NetworkSettings::of_machine(&world.paths, &asked(world)?)
}

fn asked(world: &World) -> Result<Environment> {
    Ok(config::read(&world.paths.config_file()).context("reading the configuration")?.config.environment)
}
