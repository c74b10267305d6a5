//! The chromedriver process behind a browser: a free port, and no process left when it is dropped.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use installer::machine::ensure_packages;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

pub(super) const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
const START_DEADLINE: Duration = Duration::from_secs(30);
const END_DEADLINE: Duration = Duration::from_secs(5);
const LOG_DEADLINE: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// What chromedriver says once it listens, before the port and a full stop.
const STARTED: &str = "started successfully on port ";

/// A running chromedriver.
#[derive(Debug)]
pub(super) struct Driver {
    child: Child,
    port: u16,
    home: PathBuf,
}

impl Driver {
    /// Starts chromedriver on a free port, with `home` as the only place it and the browser write to.
    pub(super) fn start(home: &Path, log: &Path) -> Result<Self> {
        ensure_packages(&[(CHROMIUM, "chromium"), (CHROMEDRIVER, "chromium-driver")], &mut |text| eprintln!("{text}"))?;
        let output = fs::File::create(log)?.into_parts().0;
        let child = Command::new(CHROMEDRIVER)
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
            .with_context(|| format!("starting `{CHROMEDRIVER}`"))?;
        let mut driver = Self { child, port: 0, home: home.to_owned() };
        driver.port = driver.wait_for_port(log)?;
        Ok(driver)
    }

    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the pages of a session wrote on the console since the last call.
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
        let client = reqwest::Client::builder().no_proxy().timeout(LOG_DEADLINE).build()?;
        let answer = client
            .post(format!("{}/session/{session}/se/log", self.address()))
            .header("content-type", "application/json")
            .body(r#"{"type":"browser"}"#)
            .send()
            .await
            .context("asking for the console of the browser")?
            .bytes()
            .await?;
        let answer: Answer = serde_json::from_slice(&answer).context("reading the console of the browser")?;
        Ok(answer.value.into_iter().map(|line| format!("{}: {}", line.level, line.message)).collect())
    }

    fn wait_for_port(&mut self, log: &Path) -> Result<u16> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let said = fs::read_to_string(log)?;
            if let Some((_, after)) = said.split_once(STARTED) {
                let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
                return digits.parse().with_context(|| format!("port `{digits}` of chromedriver"));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("chromedriver ended at once with {status}: {}", said.trim());
            }
            if Instant::now() >= deadline {
                bail!("waited {} s for chromedriver to listen; it said: {}", START_DEADLINE.as_secs(), said.trim());
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
            eprintln!("ending chromedriver: {error:#}");
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
