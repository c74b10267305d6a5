//! `plan` and `install`: facts, judgement, plan, question, steps, proof.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::config::history::{History, How};
use hub_core::installing::News;
use hub_core::paths::Paths;
use hub_core::token::Token;
use hub_system::config_store::ConfigStore;

use crate::action::{Action, Check, Ground, Invitation, World, invite_the_rest, invite_with};
use crate::apply::Position;
use crate::facts::{self, ConfigFact, Facts};
use crate::finding::Finding;
use crate::network::Network;
use crate::options::Options;
use crate::page::{self, Page};
use crate::plan::{self, Step};
use crate::preflight::{self, Judgement};
use crate::progress::{self, Talk};
use crate::receipt::{self, Outcome, Receipt, State, Store};
use crate::report::{self, InstallReport, LimitsReport, PlanReport, PlannedStep};
use crate::verify::{self, Verification};
use crate::{apply, leftovers, settings};

/// A change of the configuration takes seconds.
const CONFIG_PATIENCE: Duration = Duration::from_secs(30);

/// What an install works with.
pub struct Task<'a> {
    /// Where things are.
    pub paths: &'a Paths,
    /// What is asked for.
    pub options: &'a Options,
    /// How the machine reaches the world.
    pub network: &'a Network,
    /// The account behind sudo.
    pub operator: Option<String>,
    /// Where talk goes.
    pub talk: &'a Talk,
    /// For tests of the installer: the process kills itself when the receipt was saved with this step in this state.
    pub die_at: Option<(String, State)>,
}

/// How an install ended.
#[derive(Debug)]
pub enum Ending {
    /// Something stands in the way; nothing was changed.
    Blocked(InstallReport),
    /// The person at the terminal said no; nothing was changed.
    Refused,
    /// Another installer is at work.
    Busy,
    /// The hub runs.
    Installed(InstallReport),
}

impl Task<'_> {
    /// What an install would find and do.
    ///
    /// # Errors
    /// When the machine can't be read.
    pub fn plan(&self) -> Result<PlanReport> {
        let (facts, judgement) = self.look()?;
        let steps = match self.steps(&facts) {
            Ok(steps) => self.pending(&steps, &receipt_of(&facts))?,
            // What is wrong with the configuration stands among the blockers already.
            Err(_) if !judgement.blockers.is_empty() => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(PlanReport { blockers: judgement.blockers, warnings: judgement.warnings, steps })
    }

    /// Installs, continues or upgrades. `confirm` is shown what will change, and says whether to go on.
    ///
    /// # Errors
    /// When a step fails. What was done stays; running it again continues. A proof that fails stands in the report.
    pub fn install(&self, confirm: &mut dyn FnMut(&[PlannedStep]) -> Result<bool>) -> Result<Ending> {
        let started = Instant::now();
        let (facts, judgement) = self.look()?;
        if !judgement.blockers.is_empty() {
            let (blockers, warnings) = (judgement.blockers, judgement.warnings);
            return Ok(Ending::Blocked(InstallReport { blockers, warnings, ..InstallReport::default() }));
        }
        let mut receipt = receipt_of(&facts);
        let steps = self.steps(&facts)?;
        let pending = self.pending(&steps, &receipt)?;
        if pending.is_empty() && receipt.complete && receipt.product == self.options.version {
            self.talk.say("Nothing to change: the hub is already installed as asked.");
            let report = InstallReport { seconds: seconds(started), ..self.outcome(&facts) };
            return Ok(Ending::Installed(report));
        }
        if !judgement.warnings.is_empty() {
            self.talk.warn(&format!("worth knowing:\n{}", report::findings(&judgement.warnings).trim_end()));
        }
        if !confirm(&pending)? {
            return Ok(Ending::Refused);
        }
        // The admin's umask is no business of a machine-wide install.
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        let Some(store) = Store::open(self.paths)? else { return Ok(Ending::Busy) };
        progress::log_to(&self.paths.install_log())?;
        tracing::info!(system = ?facts.system, options = ?self.options, network = ?self.network, "install begins");
        if receipt::load(self.paths)?.unwrap_or_default() != receipt {
            bail!("another hub-installer was at work meanwhile, so the plan is out of date");
        }
        if let Ok(Some(left)) = &facts.leftovers {
            adopt(&mut receipt, &steps, left);
        }
        receipt.product.clone_from(&self.options.version);
        let Applied { steps: applied, invitations, obstacles } = self.apply(&steps, &pending, &mut receipt, &store, &facts)?;
        self.talk.say("Every step is done. Now the check: limits are tested, and a temporary server is started.");
        let proof = verify::run(self.paths, self.talk).context("verifying the hub, which is installed and runs");
        if proof.is_ok() {
            receipt.complete = true;
            store.save(&receipt)?;
            self.remember()?;
        }
        self.talk.pause();
        Ok(Ending::Installed(InstallReport {
            warnings: judgement.warnings,
            changed: applied.changed.len(),
            notes: applied.notes,
            invitations,
            uncertified: uncertified(proof.as_ref().ok(), obstacles),
            problem: proof.as_ref().err().map(|error| format!("{error:#}")),
            verification: proof.ok(),
            seconds: seconds(started),
            ..self.outcome(&facts)
        }))
    }

    /// The hub was seen to be well with this configuration: what a change that fails goes back to.
    fn remember(&self) -> Result<()> {
        let _turn = ConfigStore::new(self.paths).turn_of_installer(CONFIG_PATIENCE)?;
        let text = fs_err::read_to_string(self.paths.config_file())?;
        let who = self.operator.as_deref().unwrap_or("root");
        History::open(self.paths).remember_healthy(&text, who, How::Installer, jiff::Timestamp::now())
    }

    fn look(&self) -> Result<(Facts, Judgement)> {
        self.talk.detail("looking at the machine");
        let facts = facts::probe(self.paths, self.options, self.network, self.operator.clone())?;
        let judgement = preflight::check(&facts, self.options);
        Ok((facts, judgement))
    }

    fn steps(&self, facts: &Facts) -> Result<Vec<Step>> {
        plan::build(self.paths, facts, self.options, self.network)
    }

    /// The steps that are not satisfied yet.
    fn pending(&self, steps: &[Step], receipt: &Receipt) -> Result<Vec<PlannedStep>> {
        let mut pending = Vec::new();
        let mut ignore = |_: &str| ();
        let mut world = self.world(&mut ignore);
        for step in steps {
            let checking = || format!("checking {}", step.title);
            let check = world.check(&step.action, receipt, receipt.step(&step.id)).with_context(checking)?;
            if let Check::Needed { exists, .. } = check {
                let outcome = if exists { Outcome::Changed } else { Outcome::Created };
                pending.push(PlannedStep { id: step.id.clone(), title: step.title.clone(), outcome });
            }
        }
        Ok(pending)
    }

    fn apply(
        &self,
        steps: &[Step],
        pending: &[PlannedStep],
        receipt: &mut Receipt,
        store: &Store,
        facts: &Facts,
    ) -> Result<Applied> {
        let resumed = !receipt.steps.is_empty() && !receipt.complete;
        let claims = self.options.admin_password.is_none() && matches!(facts.leftovers, Ok(None));
        let link = self.options.link_key.clone().map_or_else(Token::random, Ok).context("making up a one-time link")?;
        let wish = page::Wish { link, claims };
        let mut detail = |text: &str| self.talk.detail(text);
        let mut world = self.world(&mut detail);
        let mut watcher = Witness { task: self, address: facts.address, wish: &wish, page: None, news: None };
        let mut save = |receipt: &Receipt| store.save(receipt);
        let pending: Vec<String> = pending.iter().map(|step| step.id.clone()).collect();
        let applied = apply::run(steps, &pending, receipt, &mut world, &mut save, &mut watcher);
        // Nobody had to wait for them.
        let note = world.ahead.take().and_then(|ahead| {
            ahead.finish().unwrap_or_else(|error| {
                tracing::warn!(error = format!("{error:#}"), "installing packages in the background");
                None
            })
        });
        let mut steps = applied.inspect_err(|error| watcher.fail(error))?;
        steps.notes.extend(note);
        watcher.close();
        let mut invitations = std::mem::take(&mut world.invitations);
        if resumed {
            invitations.extend(invite_the_rest(self.paths, &self.options.admins, &invitations)?);
        }
        if let Some(first) = invitations.first_mut().filter(|_| wish.claims) {
            *first = invite_with(self.paths, &first.name, &wish.link)?;
        }
        Ok(Applied { steps, invitations, obstacles: world.obstacles })
    }

    fn world<'a>(&'a self, progress: &'a mut (dyn FnMut(&str) + Send)) -> World<'a> {
        World { bundle: self.options.bundle.as_deref(), ..World::new(self.paths, self.network, progress) }
    }

    /// What the configuration, as it is now, says.
    fn outcome(&self, facts: &Facts) -> InstallReport {
        let ConfigFact::Valid(_, config) = facts::read_config(self.paths) else { return InstallReport::default() };
        let limits = LimitsReport {
            memory_bytes: config.limits.memory,
            tasks: config.limits.tasks,
            users_memory_bytes: config.users_memory(facts.system.memory_bytes),
            machine_memory_bytes: facts.system.memory_bytes,
        };
        let url = settings::url(&config, facts.address);
        let behind = self.options.behind.zip(url.as_deref()).and_then(|(server, url)| server.snippet(url));
        InstallReport { url, behind, limits: Some(limits), ..InstallReport::default() }
    }
}

/// What came of the steps.
struct Applied {
    steps: apply::Applied,
    invitations: Vec<Invitation>,
    obstacles: Vec<Finding>,
}

/// Why nobody can log in yet: what kept an authority from being asked, else what came of asking.
fn uncertified(proof: Option<&Verification>, obstacles: Vec<Finding>) -> Vec<Finding> {
    let Some(problem) = proof.and_then(|proof| proof.uncertified.clone()) else { return Vec::new() };
    let asked = || Finding { what: problem, remedy: "see what the check below says".to_owned() };
    if obstacles.is_empty() { vec![asked()] } else { obstacles }
}

fn receipt_of(facts: &Facts) -> Receipt {
    facts.receipt.clone().ok().flatten().unwrap_or_default()
}

fn seconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10.0).round() / 10.0
}

/// What an uninstall kept was ours before, and is again.
fn adopt(receipt: &mut Receipt, steps: &[Step], left: &leftovers::Leftovers) {
    let ours: HashMap<_, _> = steps.iter().filter_map(|step| Some((step.action.path()?, step))).collect();
    for path in &left.kept {
        let Some(step) = ours.get(path.as_path()) else { continue };
        // An uninstall that was cut short leaves a record without its undo.
        if receipt.step(&step.id).is_none_or(|record| record.undo.is_none()) {
            receipt.put(crate::receipt::StepRecord {
                id: step.id.clone(),
                title: step.title.clone(),
                state: State::Done,
                outcome: Outcome::Created,
                undo: Some(crate::undo::Undo::Keep { path: path.clone() }),
            });
        }
    }
}

/// Talks, here and in a browser, and dies where a test wants it to.
struct Witness<'a> {
    task: &'a Task<'a>,
    address: Option<IpAddr>,
    wish: &'a page::Wish,
    page: Option<Page>,
    /// Its last log lines, while the hub has its place.
    news: Option<News>,
}

impl Witness<'_> {
    /// Opens the page as soon as program and configuration are there.
    fn open(&mut self) {
        let task = self.task;
        let ConfigFact::Valid(_, config) = facts::read_config(task.paths) else { return };
        if !Page::is_possible(&config) {
            return;
        }
        match Page::show(task.paths, &config, self.wish) {
            Ok(page) => self.page = Some(page),
            Err(error) => return tracing::warn!(error = format!("{error:#}"), "this install can't be watched in a browser"),
        }
        let Some(address) = page::address(&config, self.address) else { return };
        let what =
            if self.wish.claims { "Watch it in a browser, and choose your password there:" } else { "Watch it in a browser:" };
        // A key that somebody chose is known, and not everybody may know it who reads this.
        let key = if task.options.link_key.is_some() { "HUBD_LINK_KEY" } else { self.wish.link.as_str() };
        task.talk.confide(&format!("{what}\n  {address}/hub/link/{key}"));
    }

    fn fail(&mut self, error: &anyhow::Error) {
        if let Some(page) = self.page.take().or_else(|| self.come_back()) {
            page.fail(&format!("{error:#}"));
        }
    }

    /// Takes the place of a hub that nobody has used yet and that does not work.
    fn come_back(&mut self) -> Option<Page> {
        let news = self.news.take()?;
        let ConfigFact::Valid(_, config) = facts::read_config(self.task.paths) else { return None };
        let shown = page::free_the_port().and_then(|()| Page::show(self.task.paths, &config, self.wish));
        match shown {
            Ok(mut page) => {
                page.put(news);
                Some(page)
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "no browser is told why the install has stopped");
                None
            }
        }
    }

    /// Leaves its place to the hub.
    fn close(&mut self) {
        let Some(page) = self.page.take() else { return };
        self.news = Some(page.latest);
        if let Err(error) = page::take_away(self.task.paths) {
            tracing::warn!(error = format!("{error:#}"), "the page on which the install could be watched stays");
        }
    }

    fn past(&mut self, at: Option<Position>, step: &Step) {
        if step.action.path() == Some(&self.task.paths.config_file()) {
            self.open();
            if let (Some(page), Some(at)) = (&mut self.page, at) {
                page.tell(at.number(), at.total, &step.title);
            }
        }
    }
}

impl apply::Watcher for Witness<'_> {
    fn begins(&mut self, at: Position, step: &Step) {
        self.task.talk.clone().begins(at, step);
        if let Some(page) = &mut self.page {
            page.tell(at.before, at.total, &step.title);
        }
        if step.action == Action::Services {
            // From here on the hub itself is there.
            self.close();
        }
    }

    fn ends(&mut self, at: Position, step: &Step, outcome: Option<Outcome>) {
        self.task.talk.clone().ends(at, step, outcome);
        self.past(Some(at), step);
    }

    fn satisfied(&mut self, step: &Step) {
        self.task.talk.clone().satisfied(step);
        self.past(None, step);
    }

    fn saved(&mut self, id: &str, state: State) {
        if self.task.die_at.as_ref().is_some_and(|(step, at)| step == id && *at == state) {
            let own = nix::unistd::Pid::this();
            if let Err(error) = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL) {
                tracing::error!(%error, "could not die");
            }
        }
    }
}
