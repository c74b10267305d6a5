//! `hubctl env`: the packages that everybody has. On the host it acts by itself, as root and without the hub; inside the
//! hub it asks.

mod apt;
mod arguments;
mod ask;
mod conda_file;
mod download;
mod file;
mod follow;
mod foreign;
mod locked;
mod nothing;
mod project;
mod show;
mod wheel;

use std::path::Path;

use anyhow::Result;
use hub_core::control::environment::{Change, EnvironmentReply, EnvironmentRequest, Record};
use hub_core::packages::conda::SpecError;
use hub_core::packages::{Conda, CondaSpec, KernelName, Requirement};
use hub_core::text::decode;
use hub_environment::pyenv::lock;

pub(super) use apt::offer;
pub(super) use arguments::EnvVerb;

use hub_environment::jobs::requests::only_names;

use self::conda_file::EnvironmentFile;
use super::World;
use super::failure::{Cause, Exit, Failure};

/// No list of packages is longer.
const LARGEST_FILE: u64 = 3 << 20;

pub(super) fn run(kernel: Option<KernelName>, verb: EnvVerb, world: &mut World) -> Result<Exit> {
    use EnvironmentRequest as Ask;
    let (kernel, ask) = match (verb, kernel) {
        (EnvVerb::Kernels, None) => (None, Ask::Kernels),
        (EnvVerb::RemoveKernel { name }, None) => (Some(name), Ask::RemoveKernel),
        (EnvVerb::Apt { verb }, None) => return apt::run(verb, world),
        (EnvVerb::Kernels | EnvVerb::RemoveKernel { .. } | EnvVerb::Apt { .. }, Some(_)) => {
            return Err(Failure::plain("this command does not take --kernel; leave it out").into());
        }
        (EnvVerb::Status, kernel) => (kernel, Ask::Status),
        (EnvVerb::List, kernel) => (kernel, Ask::List),
        (EnvVerb::Show { number }, kernel) => (kernel, Ask::Show { number }),
        (EnvVerb::Export { number, explicit }, kernel) => (kernel, Ask::Export { number, explicit }),
        (EnvVerb::Diff { from, to }, kernel) => (kernel, Ask::Diff { from, to }),
        (EnvVerb::History, kernel) => (kernel, Ask::History),
        (EnvVerb::Check, kernel) => (kernel, Ask::Check),
        (EnvVerb::Rollback { number }, kernel) => (kernel, Ask::Rollback { to: number }),
        (EnvVerb::Gc, kernel) => (kernel, Ask::Collect),
        (EnvVerb::Install { packages, from }, kernel) => {
            let change = match from.is_conda(world, kernel.as_ref())? {
                true => Change::InstallConda { specs: specs(&packages)? },
                false => Change::Install { packages: wanted(world, &packages)? },
            };
            (kernel, build(change))
        }
        (EnvVerb::Remove { packages, from }, kernel) => {
            let change = match from.is_conda(world, kernel.as_ref())? {
                true => Change::RemoveConda { specs: conda_names(&packages)? },
                false => Change::Remove { packages: names(&packages)? },
            };
            (kernel, build(change))
        }
        (EnvVerb::Upgrade { packages, from }, kernel) => {
            let change = match !packages.is_empty() && from.is_conda(world, kernel.as_ref())? {
                true => Change::UpgradeConda { specs: conda_names(&packages)? },
                false => Change::Upgrade { packages: names(&packages)? },
            };
            (kernel, build(change))
        }
        (EnvVerb::Apply { file, yes }, kernel) => {
            let change = match file {
                Some(file) => applied(world, kernel.as_ref(), &file)?,
                None => Change::Configured,
            };
            if !yes {
                nothing::agreed(world, kernel.as_ref(), &change)?;
            }
            (kernel, build(change))
        }
    };
    let ask = match kernel {
        Some(name) => Ask::Kernel { name, about: Box::new(ask) },
        None => ask,
    };
    if ask.act().is_some() { act(world, &ask) } else { show::answer(world, &ask) }
}

fn build(change: Change) -> EnvironmentRequest {
    EnvironmentRequest::Build { change }
}

/// Has something done and follows it to its end.
fn act(world: &mut World, request: &EnvironmentRequest) -> Result<Exit> {
    match ask::ask(world, request)? {
        EnvironmentReply::Started { number } => follow::follow(world, number),
        other => Err(ask::unexpected(&other).into()),
    }
}

/// Builds everybody's environment from what `hubctl env export` printed, and says what came of it.
pub(super) fn build_from(world: &mut World, lock: &str) -> Result<Record> {
    let Some(change) = locked::read("lock.txt", lock)? else {
        return Err(Failure::plain("this lock does not say what was asked for").into());
    };
    match ask::ask(world, &build(change))? {
        EnvironmentReply::Started { number } => follow::wait(world, number),
        other => Err(ask::unexpected(&other).into()),
    }
}

/// Packages by name; on the host also wheels in files.
fn wanted(world: &mut World, packages: &[String]) -> Result<Vec<Requirement>> {
    // Copied from a page about pip: there are packages that are called so.
    if let [tool, verb, ..] = packages
        && matches!(tool.as_str(), "pip" | "pip3" | "conda" | "mamba")
        && verb == "install"
    {
        let message = format!("`{tool} install` is a command, not a package");
        let hint = format!("leave it out: sudo hubctl env install {}", packages[2..].join(" "));
        return Err(Failure::new(Cause::Failed, message, hint.trim_end().to_owned()).into());
    }
    let mut wanted = Vec::new();
    for package in packages {
        if package.ends_with(".whl") && !package.contains("://") {
            wanted.push(wheel::take(world, Path::new(package))?);
        } else {
            wanted.push(package.parse().map_err(|error| Failure::plain(format!("{error}")))?);
        }
    }
    Ok(wanted)
}

fn specs(packages: &[String]) -> Result<Vec<CondaSpec>> {
    let parse = |package: &String| package.parse().map_err(|error: SpecError| Failure::plain(error.to_string()).into());
    packages.iter().map(parse).collect()
}

fn conda_names(packages: &[String]) -> Result<Vec<CondaSpec>> {
    let specs = specs(packages)?;
    match specs.iter().all(CondaSpec::is_name) {
        true => Ok(specs),
        false => Err(not_a_name("versions are asked for with hubctl env --kernel NAME install, as in 'numpy<2'")),
    }
}

fn names(packages: &[String]) -> Result<Vec<Requirement>> {
    let parse = |package: &String| package.parse().map_err(|error| Failure::plain(format!("{error}")).into());
    let packages = packages.iter().map(parse).collect::<Result<Vec<Requirement>>>()?;
    match only_names(&packages) {
        true => Ok(packages),
        false => Err(not_a_name("versions are asked for with hubctl env install, as in 'pandas<3'")),
    }
}

fn not_a_name(hint: &str) -> anyhow::Error {
    let plain = Failure::plain("only names count here; expected packages without versions");
    Failure { hint: Some(hint.to_owned()), ..plain }.into()
}

/// The text of a file, whatever program saved it.
fn text(path: &Path, content: &[u8]) -> Result<String> {
    let decoded = decode(content, LARGEST_FILE).map_err(|problem| {
        let message = format!("`{}` can't be read: {problem}", path.display());
        Failure { hint: Some(problem.hint().to_owned()), ..Failure::plain(message) }
    })?;
    Ok(decoded.text)
}

/// What a file asks for.
fn applied(world: &mut World, kernel: Option<&KernelName>, path: &Path) -> Result<Change> {
    let content = world.caller.read(path, LARGEST_FILE, world.input)?;
    let text = text(path, &content)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    if let Some(failure) = foreign::refusal(&name) {
        return Err(failure.into());
    }
    if let Some(change) = locked::read(&name, &text)? {
        return Ok(change);
    }
    let is_conda = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("yml") || end.eq_ignore_ascii_case("yaml"));
    if !is_conda {
        // Requirements that are all pinned by hash are a lock.
        let is_lock = lock::parse(&text).is_ok_and(|locked| !locked.is_empty());
        return Ok(Change::Set { packages: file::parse(path, &text)?, lock: is_lock.then_some(text) });
    }
    let file = conda_file::parse(path, &text)?;
    for note in &file.notes {
        world.printer.say(note)?;
    }
    let EnvironmentFile { channels, specs, packages, .. } = match kernel {
        Some(_) => file,
        None if file.is_for_the_index() => {
            if file.packages.is_empty() {
                let hint = "list packages for everybody under `pip:`; conda packages make a kernel: --kernel NAME";
                let plain = Failure::plain(format!("`{}` lists no package but Python itself", path.display()));
                return Err(Failure { hint: Some(hint.to_owned()), ..plain }.into());
            }
            if !file.specs.is_empty() {
                world
                    .printer
                    .say("Everybody's environment uses the machine's own Python; only the packages under `pip:` are installed")?;
            }
            EnvironmentFile { specs: Vec::new(), ..file }
        }
        None => {
            let name = file.name.as_deref().filter(|name| name.parse::<KernelName>().is_ok()).unwrap_or("NAME");
            let hint = format!("it can be a kernel for everybody: hubctl env --kernel {name} apply {}", path.display());
            let plain = Failure::plain(format!(
                "`{}` asks for conda packages, but everybody's environment is made from the package index",
                path.display()
            ));
            return Err(Failure { hint: Some(hint), ..plain }.into());
        }
    };
    match specs.is_empty() {
        true => Ok(Change::Set { packages, lock: None }),
        false => Ok(Change::SetConda { conda: Conda { specs, channels }, packages }),
    }
}
