//! The driver process behind a browser: a free port, and no process left when it is dropped.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_machine::ensure_packages;
use hub_system::command;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::json;

pub(super) const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
pub(super) const FIREFOX: &str = "/usr/bin/firefox-esr";
/// Debian 12 has none, so it is built, once.
const GECKODRIVER: &str = "/opt/geckodriver";
const GECKODRIVER_VERSION: &str = "0.36.0";
const INSTALL_DEADLINE: Duration = Duration::from_secs(60 * 60);
const START_DEADLINE: Duration = Duration::from_secs(120);
const END_DEADLINE: Duration = Duration::from_secs(5);
const LOG_DEADLINE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Which browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Debian's Chromium.
    Chromium,
    /// Debian's Firefox, for what browsers do differently.
    Firefox,
}

impl Kind {
    /// What the driver says once it listens, before the port.
    fn started(self) -> &'static str {
        match self {
            Self::Chromium => "started successfully on port ",
            Self::Firefox => "Listening on 127.0.0.1:",
        }
    }

    /// The driver, with the browser there.
    fn program(self) -> Result<String> {
        let say = &mut |text: &str| eprintln!("{text}");
        match self {
            Self::Chromium => {
                ensure_packages(&[(CHROMIUM, "chromium"), (CHROMEDRIVER, "chromium-driver")], say)?;
                Ok(CHROMEDRIVER.to_owned())
            }
            Self::Firefox => {
                ensure_packages(&[(FIREFOX, "firefox-esr")], say)?;
                let program = format!("{GECKODRIVER}/bin/geckodriver");
                if !Path::new(&program).is_file() {
                    eprintln!("building geckodriver {GECKODRIVER_VERSION} (some minutes, once)");
                    let cargo = std::env::var("CARGO").context("reading the variable `CARGO`\nhint: use tests/run")?;
                    command::Command::new(cargo, INSTALL_DEADLINE)
                        .args(["install", "geckodriver", "--locked", "--quiet", "--root", GECKODRIVER])
                        .arg(format!("--version={GECKODRIVER_VERSION}"))
                        .run()?;
                }
                Ok(program)
            }
        }
    }
}

/// A running driver.
#[derive(Debug)]
pub(super) struct Driver {
    kind: Kind,
    child: Child,
    port: u16,
    home: PathBuf,
}

impl Driver {
    /// Starts a driver on a free port, with `home` as the only place it and the browser write to.
    pub(super) fn start(kind: Kind, home: &Path, log: &Path) -> Result<Self> {
        let program = kind.program()?;
        let output = fs::File::create(log)?.into_parts().0;
        let child = Command::new(&program)
            .arg("--port=0")
            .env("HOME", home)
            .env("TMPDIR", home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .spawn()
            .with_context(|| format!("starting `{program}`"))?;
        let mut driver = Self { kind, child, port: 0, home: home.to_owned() };
        driver.port = driver.wait_for_port(log)?;
        Ok(driver)
    }

    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the pages of a session wrote on the console since the last call; Firefox does not tell.
    pub(super) async fn console_log(&self, session: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Answer {
            value: Vec<Line>,
        }
        #[derive(Deserialize)]
        struct Line {
            level: String,
            message: String,
        }
        if self.kind == Kind::Firefox {
            return Ok(Vec::new());
        }
        let answer = self.post(session, "se/log", r#"{"type":"browser"}"#.to_owned()).await;
        let answer = answer.context("asking for the console of the browser")?;
        let answer: Answer = serde_json::from_slice(&answer).context("reading the console of the browser")?;
        Ok(answer.value.into_iter().map(|line| format!("{}: {}", line.level, line.message)).collect())
    }

    /// Has the pages of a session believe that their reader wants dark colours, or light ones.
    pub(super) async fn emulate_dark(&self, session: &str, dark: bool) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.post(session, "goog/cdp/execute", command.to_string()).await.context("choosing colours in the browser")?;
        Ok(())
    }

    /// What is not of the standard.
    async fn post(&self, session: &str, what: &str, body: String) -> Result<Vec<u8>> {
        let client = reqwest::Client::builder().no_proxy().timeout(LOG_DEADLINE).build()?;
        let address = format!("{}/session/{session}/{what}", self.address());
        let answer = client.post(address).header("content-type", "application/json").body(body).send().await?;
        Ok(answer.error_for_status()?.bytes().await?.to_vec())
    }

    fn wait_for_port(&mut self, log: &Path) -> Result<u16> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let said = fs::read_to_string(log)?;
            // With its line end, so that all digits are there.
            if let Some((line, _)) = said.split_once(self.kind.started()).and_then(|(_, after)| after.split_once('\n')) {
                let digits: String = line.chars().take_while(char::is_ascii_digit).collect();
                return digits.parse().with_context(|| format!("port `{digits}` of the browser's driver"));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the browser's driver ended at once with {status}: {}", said.trim());
            }
            if Instant::now() >= deadline {
                bail!("waited {} s for the browser's driver to listen; it said: {}", START_DEADLINE.as_secs(), said.trim());
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn end(&mut self) -> Result<()> {
        signal(i32::try_from(self.child.id())?, Signal::SIGTERM)?;
        let deadline = Instant::now() + END_DEADLINE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                self.child.kill()?;
                self.child.wait()?;
                break;
            }
            thread::sleep(POLL_INTERVAL);
        }
        // Only these processes know this directory, which nobody else has.
        for pid in processes_mentioning(&self.home)? {
            signal(pid, Signal::SIGKILL)?;
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("ending the browser's driver: {error:#}");
        }
    }
}

fn signal(pid: i32, signal: Signal) -> Result<()> {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("sending {signal} to process {pid}")),
    }
}

/// Processes with `directory` on their command line, this one excepted.
fn processes_mentioning(directory: &Path) -> Result<Vec<i32>> {
    let needle = directory.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // It may end while we look.
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if u32::try_from(pid) != Ok(std::process::id()) && String::from_utf8_lossy(&line).contains(&needle) {
            found.push(pid);
        }
    }
    Ok(found)
}
