//! `tests/run`: every part with a name, one line each, and a count at the end.

mod book;
mod fuzz;
mod lint;
mod part;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;

use crate::context::{self, Context, Options};
use crate::scenario::Group;
use part::{Part, Work};

/// What `tests/run` was asked for.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Parts to run, or `default`, `nightly`, `all`
    #[arg(value_name = "PART")]
    parts: Vec<String>,
    /// Show the names of all parts and run nothing
    #[arg(long)]
    list: bool,
    /// Leave the machines of scenarios running, to look around in them
    #[arg(long)]
    keep_machines: bool,
    /// Use the built programs of this directory instead of building them, as those of a release
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
    /// How virtual machines run: `tcg` is emulation and works everywhere, `kvm` is fast where it works
    #[arg(long, env = "HUBD_TESTS_ACCELERATOR", default_value = "tcg")]
    accelerator: String,
}

/// Runs the parts asked for; the exit code tells whether all passed.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let parts = part::all();
    if arguments.list {
        for part in &parts {
            let group = if part.group == Group::Nightly { "nightly" } else { "" };
            println!("{:<22} {group:<8} {}", part.name, part.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut selected = part::select(&parts, &arguments.parts)?;
    if arguments.programs.is_some() {
        selected.retain(|part| !matches!(part.work, Work::Build));
    }
    if selected.iter().any(|part| matches!(part.work, Work::Scenario(_))) && !nix::unistd::Uid::effective().is_root() {
        bail!("machines need root\nhint: run this as root, or only the parts `lint` and `unit`");
    }
    context::sweep_machines()?;
    let programs = arguments.programs.as_deref().map(fs::canonicalize).transpose()?;
    let programs = programs.map_or_else(programs_of_this_build, Ok)?;
    let options = Options { keep_machines: arguments.keep_machines, accelerator: arguments.accelerator.clone() };
    let (mut passed, mut failed) = (0, 0);
    for part in selected {
        let started = Instant::now();
        if std::io::stderr().is_terminal() {
            eprint!("{:<22} ...\r", part.name);
        }
        let outcome = run_part(part, &programs, &options);
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                passed += 1;
                println!("{:<22} ok     {seconds:8.1} s", part.name);
            }
            Err(error) => {
                failed += 1;
                println!("{:<22} FAILED {seconds:8.1} s", part.name);
                println!("{}", indent(&format!("{error:#}")));
                println!("    more in {}", artefacts(part.name).display());
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_part(part: &Part, programs: &Path, options: &Options) -> Result<()> {
    let directory = artefacts(part.name);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    match part.work {
        Work::Lint => lint::run(&directory),
        Work::Unit => part::cargo(&directory, "test", &["--workspace", "--quiet"]),
        Work::Build => part::build(&directory),
        Work::Book => book::run(&directory),
        Work::Fuzz => fuzz::run(&directory),
        Work::Scenario(scenario) => {
            let context = Context::new(scenario.name, directory, programs.to_owned(), options.clone())?;
            // A thread of its own, so that a panic fails this part and the others still run.
            let told = thread::spawn(move || (scenario.run)(&context)).join();
            told.unwrap_or_else(|panic| Err(anyhow!("the scenario panicked: {}", panic_text(panic.as_ref()))))
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

/// The directory of a part below `tests/artefacts`.
fn artefacts(part: &str) -> PathBuf {
    context::repository().join("tests/artefacts").join(part)
}

/// Where cargo puts release builds, wherever the target directory is: this program lies in `debug` beside it.
fn programs_of_this_build() -> Result<PathBuf> {
    let own = std::env::current_exe().context("looking for this program")?;
    let target = own.parent().and_then(Path::parent).context("this program has no directory above its own")?;
    Ok(target.join("release"))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
