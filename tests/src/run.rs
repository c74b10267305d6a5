//! `tests/run`: every part with a name, one line each, and a count at the end.

mod book;
mod changed;
mod flakes;
mod fuzz;
mod lint;
mod part;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use fs_err as fs;
use hub_core::programs;
use hub_system::command::Command;
use tempfile::TempDir;

use crate::context::{self, Context, Options};
use crate::scenario::{self, Group};
use flakes::Flakes;
use part::{Part, Work};

/// How many parts run at once: on two processors one more than that, for each waits for a browser, a disk or systemd half of its time.
const LANES: usize = 3;

/// Comes with gcc.
const STRIP: &str = "/usr/bin/strip";
const STRIP_DEADLINE: Duration = Duration::from_secs(60);

/// What `tests/run` was asked for.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Parts to run, or `default`, `nightly`, `all`
    #[arg(value_name = "PART")]
    parts: Vec<String>,
    /// Show the names of all parts and run nothing
    #[arg(long)]
    list: bool,
    /// Only the parts that can see what differs from a commit, the last one if none is named; the whole default group where
    /// that may be any
    #[arg(long, value_name = "COMMIT", num_args = 0..=1, default_missing_value = "HEAD", conflicts_with = "parts")]
    changed: Option<String>,
    /// Run scenarios again and again, for what fails now and then: those that wait or race sixty times, others ten; a second call for
    /// the same commit goes on where the first one was cut short
    #[arg(long, conflicts_with_all = ["changed", "list"])]
    flakes: bool,
    /// With --flakes: how often each of them
    #[arg(long, value_name = "NUMBER", requires = "flakes")]
    times: Option<u32>,
    /// Leave the machines of scenarios running, to look around in them
    #[arg(long)]
    keep_machines: bool,
    /// Use the built programs of this directory, as those of a release, instead of those that are built with the tests
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
    let mut names = arguments.parts.clone();
    if let Some(base) = &arguments.changed {
        let (touched, why) = changed::parts(&parts, base)?;
        println!("{why}: {}", touched.as_ref().map_or("the whole default group".to_owned(), |names| names.join(" ")));
        match touched {
            Some(touched) if touched.is_empty() => return Ok(ExitCode::SUCCESS),
            touched => names = touched.unwrap_or_default(),
        }
    }
    let mut selected = part::select(&parts, &names)?;
    if arguments.programs.is_some() {
        selected.retain(|part| !matches!(part.work, Work::Build));
    }
    if selected.iter().any(|part| matches!(part.work, Work::Scenario(_))) && !nix::unistd::Uid::effective().is_root() {
        bail!("machines need root\nhint: run this as root, or only the parts `lint` and `unit`");
    }
    context::sweep_machines()?;
    let needed = selected.iter().any(|part| matches!(part.work, Work::Scenario(scenario) if scenario.needs_programs));
    let run = Run {
        programs: Programs::new(arguments.programs.as_deref(), needed)?,
        options: Options { keep_machines: arguments.keep_machines, accelerator: arguments.accelerator.clone() },
        failed: AtomicUsize::new(0),
        flakes: arguments.flakes.then(|| Flakes::of_this_commit(arguments.times)).transpose()?,
    };
    if let Some(flakes) = &run.flakes {
        return again_and_again(&run, flakes, &selected);
    }
    let started = Instant::now();
    run.all(&selected);
    let failed = run.failed.into_inner();
    println!("{:<22}        {:8.1} s", "all", started.elapsed().as_secs_f64());
    println!("{} passed, {failed} failed", selected.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs parts until each was run as often as it is to be.
fn again_and_again(run: &Run, flakes: &Flakes, selected: &[&Part]) -> Result<ExitCode> {
    let builds: Vec<&Part> = selected.iter().filter(|part| matches!(part.work, Work::Build)).copied().collect();
    run.all(&builds);
    loop {
        let left = flakes.left(selected)?;
        if left.is_empty() {
            break;
        }
        let before = flakes.runs()?;
        run.all(&left);
        ensure!(flakes.runs()? > before, "how parts end can't be noted, so this would never end");
    }
    let (table, failures) = flakes.table()?;
    println!("{table}{failures} failed");
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What all parts of one run share.
struct Run {
    programs: Programs,
    options: Options,
    failed: AtomicUsize,
    /// Where it is noted how runs end, when there are many of each part.
    flakes: Option<Flakes>,
}

impl Run {
    /// Runs each of the parts once, beside others where that may be.
    fn all(&self, parts: &[&Part]) {
        let (builds, others): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| matches!(part.work, Work::Build));
        let (alone, mut together): (Vec<&Part>, Vec<&Part>) = others.iter().partition(|part| part.is_alone());
        // So that no lane is left with a long one at the end.
        together.sort_by_key(|part| scenario::LONGEST.iter().position(|name| *name == part.name).unwrap_or(usize::MAX));
        let (waiting, together): (Vec<&Part>, Vec<&Part>) =
            together.iter().partition(|part| scenario::WAITING.contains(&part.name));
        self.side_by_side(1, &builds);
        thread::scope(|scope| {
            scope.spawn(|| self.side_by_side(1, &waiting));
            self.side_by_side(LANES, &together);
        });
        self.side_by_side(1, &alone);
    }

    /// Runs parts, `lanes` at a time, in their order.
    fn side_by_side(&self, lanes: usize, parts: &[&Part]) {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..lanes {
                scope.spawn(|| {
                    while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.part(part);
                    }
                });
            }
        });
    }

    /// Runs one part and says how it ended.
    fn part(&self, part: &Part) {
        let started = Instant::now();
        if std::io::stderr().is_terminal() {
            eprint!("{:<22} ...\r", part.name);
        }
        let outcome = run_part(part, self.programs.of(part), &self.options);
        let seconds = started.elapsed().as_secs_f64();
        let noted = self.flakes.as_ref().map(|flakes| flakes.note(part.name, outcome.is_ok(), seconds)).transpose();
        let directory = noted.unwrap_or_else(|error| {
            eprintln!("noting how {} ended: {error:#}", part.name);
            None
        });
        let directory = directory.unwrap_or_else(|| artefacts(part.name));
        match outcome {
            Ok(()) => println!("{:<22} ok     {seconds:8.1} s", part.name),
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let (name, why, log) = (part.name, indent(&format!("{error:#}")), part.log(&directory));
                println!("{name:<22} FAILED {seconds:8.1} s\n{why}\n    log: {}", log.display());
            }
        }
    }
}

fn run_part(part: &Part, programs: &Path, options: &Options) -> Result<()> {
    let directory = artefacts(part.name);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    match part.work {
        Work::Lint => lint::run(&directory),
        Work::Unit => part::cargo(&directory, "test", &["--workspace", "--quiet", "--no-fail-fast"]),
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

/// Where the built programs of the hub are.
struct Programs {
    with_the_tests: PathBuf,
    optimised: PathBuf,
    /// Goes with the value.
    _stripped: Option<TempDir>,
}

impl Programs {
    /// Those of `chosen`, or of this build, wherever its target directory is: this program lies in it. Nobody installs the
    /// three hundred megabytes of what is only for a debugger, so that is left out.
    fn new(chosen: Option<&Path>, needed: bool) -> Result<Self> {
        let own = std::env::current_exe().context("looking for this program")?;
        let debug = own.parent().context("this program is in no directory")?;
        let target = debug.parent().context("this program has no directory above its own")?;
        let chosen = chosen.map(fs::canonicalize).transpose()?;
        let optimised = chosen.clone().unwrap_or_else(|| target.join("release"));
        if !needed || chosen.as_ref().is_some_and(|chosen| chosen != debug) {
            return Ok(Self { with_the_tests: optimised.clone(), optimised, _stripped: None });
        }
        let stripped = TempDir::with_prefix("hubd-programs-")?;
        for name in programs::names() {
            let [from, to] = [debug.join(name), stripped.path().join(name)].map(|path| path.display().to_string());
            Command::new(STRIP, STRIP_DEADLINE).args(["--strip-debug", "-o", &to, &from]).run()?;
        }
        let with_the_tests = stripped.path().to_owned();
        let optimised = if chosen.is_some() { with_the_tests.clone() } else { optimised };
        Ok(Self { with_the_tests, optimised, _stripped: Some(stripped) })
    }

    fn of(&self, part: &Part) -> &Path {
        if part.is_of_a_release() { &self.optimised } else { &self.with_the_tests }
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
