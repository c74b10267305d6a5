//! The page on which an install can be watched, at the address of the first admin's one-time link. A unit of its own shows
//! it (`hubd installing`), so that it is there to say why when an install fails.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::config::Config;
use hub_core::installing::{News, UNIT};
use hub_core::paths::Paths;
use hub_core::token::Token;
use hub_core::units::{SERVE, SERVE_SOCKETS};
use hub_system::sandbox::SHARED;
use hub_system::transient::{Attachment, TransientRun};

use crate::{addresses, systemctl};

/// From asked for to listening.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a page says why an install has stopped.
const LIFETIME: &str = "RuntimeMaxSec=1h";

/// What its unit may do beside [`SHARED`]: listen, and read the news that systemd hands to it.
const OWN: [&str; 9] = [
    "DynamicUser=yes",
    "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "MemoryDenyWriteExecute=yes",
    // Neither the system bus nor another socket of the machine's.
    "TemporaryFileSystem=/run:ro,nosuid,nodev,mode=0755",
    "BindReadOnlyPaths=/run/systemd/journal /run/systemd/notify",
    "TasksMax=16",
    "MemoryMax=128M",
];

/// What is shown, and where.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The secret in its address.
    pub(crate) link: Token,
    /// Whether the first admin chooses a password there afterwards.
    pub(crate) claims: bool,
}

/// A page that is shown.
#[derive(Debug)]
pub(crate) struct Page {
    /// Held open for its lock, by which the page sees that this process lives.
    news: File,
    /// What it says.
    pub(crate) latest: News,
}

impl Page {
    /// Whether browsers can be shown anything: not while the hub itself listens, nor behind a web server that knows nothing
    /// of it yet.
    pub(crate) fn is_possible(config: &Config) -> bool {
        let listens = systemctl::status("hubd.socket").is_ok_and(|status| status.active == "active");
        !listens && config.http.proxy_group.is_none() && config.hub.base().is_empty() && !config.http.listen.is_empty()
    }

    /// Shows it, in place of one that an earlier install has left.
    ///
    /// # Errors
    /// When the unit does not start.
    pub(crate) fn show(paths: &Paths, config: &Config, wish: &Wish) -> Result<Self> {
        take_away(paths)?;
        let path = paths.install_news();
        let news = File::options().append(true).create_new(true).mode(0o600).open(&path);
        let news = news.with_context(|| format!("creating `{}`", path.display()))?;
        news.lock().context("locking the news of the install")?;
        let input = format!("StandardInput=file:{}", path.display());
        let unit = TransientRun::new(Attachment::UntilReady, "Shows how the install of the hub goes")
            .unit(UNIT)
            .properties(SHARED.into_iter().chain(OWN).chain([LIFETIME, &input]));
        let mut arguments = vec!["installing".to_owned()];
        arguments.extend(config.http.listen.iter().map(|address| format!("--listen={address}")));
        arguments.extend([format!("--link={}", wish.link.hash()), format!("--name={}", config.hub.name)]);
        arguments.extend(wish.claims.then(|| "--claims".to_owned()));
        let started = unit.command(START_DEADLINE, &paths.binaries().join("hubd"), arguments).run();
        started.context("starting the page on which the install can be watched")?;
        Ok(Self { news, latest: News::default() })
    }

    /// Says what is being done.
    pub(crate) fn tell(&mut self, done: usize, total: usize, title: &str) {
        self.put(News { done, total, title: title.to_owned(), problem: None });
    }

    /// Says why the install has stopped. The page stays for a while.
    pub(crate) fn fail(mut self, problem: &str) {
        let news = News { problem: Some(problem.to_owned()), ..self.latest.clone() };
        self.put(news);
    }

    /// Says this from now on.
    pub(crate) fn put(&mut self, news: News) {
        self.latest = news;
        let line = serde_json::to_string(&self.latest).map(|line| format!("{line}\n"));
        let written = line.map_err(Into::into).and_then(|line| self.news.write_all(line.as_bytes()));
        if let Err(error) = written {
            tracing::warn!(%error, "telling a browser how the install goes");
        }
    }
}

/// Stops a hub that does not work, so that there is a port to say so. The next install, or boot, starts it again; nobody
/// else does, for none of its sockets is there.
///
/// # Errors
/// When systemd can't stop it.
pub(crate) fn free_the_port() -> Result<()> {
    systemctl::job(["stop"].into_iter().chain(SERVE_SOCKETS).chain([SERVE])).context("stopping the hub, which does not work")
}

/// Gives its port to whoever wants it next. Fine when there is none.
///
/// # Errors
/// When systemd can't end it.
pub(crate) fn take_away(paths: &Paths) -> Result<()> {
    if systemctl::status(UNIT)?.active != "inactive" {
        systemctl::job(["stop", UNIT]).context("ending the page on which an install can be watched")?;
    }
    match fs_err::remove_file(paths.install_news()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The process that shows one now.
pub(crate) fn process() -> Option<u32> {
    let output = systemctl::ask(["show", "--property=MainPID", "--value", UNIT]).ok()?;
    output.stdout.trim().parse().ok().filter(|pid| *pid != 0)
}

/// Where a browser finds it: in clear, for there is no certificate yet.
pub(crate) fn address(config: &Config, own: Option<IpAddr>) -> Option<String> {
    let guessed = addresses::guess_url(&config.http.listen, own)?;
    let host = config.hub.url.as_deref().and_then(|url| url::Url::parse(url).ok()?.host_str().map(str::to_owned));
    let port = config.http.listen.first()?.port();
    Some(match (host, port) {
        (Some(host), 80) => format!("http://{host}"),
        (Some(host), port) => format!("http://{host}:{port}"),
        (None, _) => guessed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_unit_may_listen_and_no_more() {
        let mut properties: Vec<&str> = SHARED.into_iter().chain(OWN).collect();
        properties.sort_unstable();
        let expected = [
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "BindReadOnlyPaths=/run/systemd/journal /run/systemd/notify",
            "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
            "DynamicUser=yes",
            "LockPersonality=yes",
            "MemoryDenyWriteExecute=yes",
            "MemoryMax=128M",
            "NoNewPrivileges=yes",
            "PrivateDevices=yes",
            "PrivateTmp=yes",
            "ProtectClock=yes",
            "ProtectControlGroups=yes",
            "ProtectHome=yes",
            "ProtectHostname=yes",
            "ProtectKernelLogs=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "ProtectProc=invisible",
            "ProtectSystem=strict",
            "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
            "RestrictNamespaces=yes",
            "SystemCallErrorNumber=EPERM",
            "SystemCallFilter=@system-service",
            "SystemCallFilter=~io_uring_setup io_uring_enter io_uring_register",
            "TasksMax=16",
            "TemporaryFileSystem=/run:ro,nosuid,nodev,mode=0755",
        ];
        assert_eq!(properties, expected);
    }

    #[test]
    fn the_address_is_in_clear_and_where_the_hub_will_be() {
        for (source, expected) in [
            ("", "http://192.0.2.7"),
            ("[http]\nlisten = [\"[::]:8000\"]\n", "http://192.0.2.7:8000"),
            ("[hub]\nurl = \"https://hub.example.org\"\n", "http://hub.example.org"),
            ("[hub]\nurl = \"http://[2001:db8::1]:81\"\n[http]\nlisten = [\"[::]:81\"]\n", "http://[2001:db8::1]:81"),
        ] {
            let config = hub_core::config::parse(&format!("[roles]\nadmins = [\"ada\"]\n{source}"), "config.toml").unwrap();
            assert_eq!(address(&config, "192.0.2.7".parse().ok()).as_deref(), Some(expected), "{source}");
        }
    }
}
