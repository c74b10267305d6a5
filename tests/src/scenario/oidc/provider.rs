//! A real provider of logins, npm's oidc-provider, at an address of the host's loopback device, which machines share.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use hub_machine::ensure_packages;
use hub_system::lock::wait_for_lock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::context::{Context, repository};

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const START_DEADLINE: Duration = Duration::from_secs(180);
/// Where npm puts what the lock names; kept from one run to the next.
const CACHE: &str = "/var/cache/hubd-machines";
const FILES: [&str; 3] = ["package.json", "package-lock.json", "provider.mjs"];

/// Where no student could listen.
const PORT: u16 = 81;
/// The secret that the hub shows it.
pub(super) const SECRET: &str = "a-secret-of-the-tests:%+&=";

/// A provider that runs until this is dropped.
pub(super) struct Provider {
    process: Child,
    issuer: String,
}

impl Provider {
    /// Starts one that knows `accounts`, by subject, and sends people back to `callbacks`.
    pub(super) fn start(context: &Context, callbacks: &[String], accounts: &Value) -> Result<Self> {
        let directory = installed()?;
        let address = context.own_address()?;
        let issuer = format!("http://{address}:{PORT}");
        let client = |id: &str| json!({"client_id": id, "client_secret": SECRET, "redirect_uris": callbacks});
        let settings = json!({"issuer": issuer, "clients": [client("hub"), client("other")], "accounts": accounts});
        let log = fs::File::create(context.artefacts().join("provider.log"))?;
        let process = Command::new("node")
            .args(["provider.mjs", &settings.to_string()])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log.file().try_clone()?)
            .stderr(log.into_file())
            .spawn()
            .context("starting the provider of logins")?;
        let mut provider = Self { process, issuer };
        let begun = Instant::now();
        while std::net::TcpStream::connect((address, PORT)).is_err() {
            ensure!(provider.process.try_wait()?.is_none(), "the provider of logins ended; see provider.log");
            ensure!(begun.elapsed() < START_DEADLINE, "the provider of logins does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(provider)
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Ends it; its port is closed then.
    pub(super) fn stop(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop).context("waiting for the provider of logins")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have been stopped.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The directory with the provider and all it needs.
fn installed() -> Result<PathBuf> {
    if Command::new("npm").arg("--version").stdout(Stdio::null()).status().is_err() {
        ensure_packages(&[("/usr/bin/npm", "npm")], &mut |text| eprintln!("{text}"))?;
    }
    let sources = repository().join("tests/oidc");
    let mut hash = Sha256::new();
    for name in FILES {
        hash.update(fs::read(sources.join(name))?);
    }
    let key: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let directory = PathBuf::from(CACHE).join(format!("oidc-provider-{key}"));
    // One run on this host fetches it, the others wait.
    fs::create_dir_all(CACHE)?;
    let _alone = wait_for_lock(&PathBuf::from(CACHE).join("oidc-provider.lock"), INSTALL_DEADLINE)?;
    if directory.join("done").exists() {
        return Ok(directory);
    }
    fs::create_dir_all(&directory)?;
    for name in FILES {
        fs::copy(sources.join(name), directory.join(name))?;
    }
    let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let mut npm = Command::new("npm").args(words).current_dir(&directory).stdin(Stdio::null()).spawn().context("starting npm")?;
    let begun = Instant::now();
    loop {
        match npm.try_wait()? {
            Some(status) if status.success() => break,
            Some(status) => bail!("npm could not fetch the provider of logins: {status}"),
            None if begun.elapsed() > INSTALL_DEADLINE => {
                npm.kill()?;
                bail!("npm did not fetch the provider of logins in {} s", INSTALL_DEADLINE.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    fs::write(directory.join("done"), "")?;
    Ok(directory)
}
