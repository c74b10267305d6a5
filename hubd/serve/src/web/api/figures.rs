//! Metrics as text. Those that mean what JupyterHub's mean have its names. No person's name is in any of them. Pure.

use std::fmt::Display;

use hub_core::control::{HubStatus, ServerPhase};
use jiff::Timestamp;

/// What is told.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) status: HubStatus,
    /// Whole days that the certificate still works; `None`: there is none.
    pub(super) certificate_days: Option<i64>,
    /// When people did something last.
    pub(super) last_active: Vec<Timestamp>,
    pub(super) now: Timestamp,
}

/// Spans in which people count as active, and their length in seconds.
const PERIODS: [(&str, i64); 3] = [("24h", 86_400), ("7d", 7 * 86_400), ("30d", 30 * 86_400)];
const PHASES: [(&str, ServerPhase); 5] = [
    ("queued", ServerPhase::Queued),
    ("starting", ServerPhase::Starting),
    ("running", ServerPhase::Running),
    ("stopping", ServerPhase::Stopping),
    ("failed", ServerPhase::Failed),
];

/// The text that Prometheus reads.
pub(super) fn text(figures: &Figures) -> String {
    let Figures { status, .. } = figures;
    let in_phase = |phase| status.servers.iter().filter(|server| server.phase == phase).count();
    let active = |seconds: i64| {
        let since = |time: &&Timestamp| figures.now.duration_since(**time).as_secs() < seconds;
        figures.last_active.iter().filter(since).count()
    };
    let mut page = Page::default();
    page.one("jupyterhub_running_servers", "Servers that run", in_phase(ServerPhase::Running));
    page.one("jupyterhub_total_users", "People who are enrolled", status.users);
    page.many(
        "jupyterhub_active_users",
        "People who did something in the period",
        "period",
        PERIODS.map(|(period, seconds)| (period, active(seconds))),
    );
    page.many("hubd_info", "Version of the hub", "version", [(status.version.as_str(), 1)]);
    page.one("hubd_uptime_seconds", "Seconds since the hub started", status.uptime_seconds);
    page.one("hubd_sessions", "People who are logged in", status.sessions);
    page.many("hubd_servers", "Servers by phase", "phase", PHASES.map(|(name, phase)| (name, in_phase(phase))));
    page.one("hubd_start_queue_length", "Servers that wait for their turn to start", in_phase(ServerPhase::Queued));
    if let Some(memory) = status.memory {
        page.one("hubd_servers_memory_bytes", "Memory that all servers use together", memory.used_bytes);
        if let Some(allowed) = memory.allowed_bytes {
            page.one("hubd_servers_memory_limit_bytes", "Memory that all servers may use together", allowed);
        }
    }
    let kills: u64 = status.servers.iter().map(|server| server.memory_kills.count).sum();
    page.one(
        "hubd_memory_kills",
        "Programs ended for want of memory in the servers that are there now, since each started",
        kills,
    );
    if let Some(number) = status.environment {
        page.one("hubd_environment_generation", "Number of the environment that new servers get", number);
    }
    if let Some(days) = figures.certificate_days {
        page.one("hubd_certificate_days_left", "Whole days until the certificate stops working; negative: it has", days);
    }
    if let Some(latest) = status.backup.as_deref().and_then(|text| text.parse::<Timestamp>().ok()) {
        let age = figures.now.duration_since(latest).as_secs();
        page.one("hubd_backup_age_seconds", "Seconds since the latest backup was made", age);
    }
    page.one("hubd_launcher_up", "Whether the launcher answers", u8::from(status.launcher_problem.is_none()));
    page.one("hubd_shortages", "Kinds of things that are short on the machine", status.shortages.len());
    page.0
}

/// Gauges, one after the other.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
    }

    fn one(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help);
        self.put(format_args!("{name} {value}\n"));
    }

    fn many<'label, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'label str, V)>,
    ) {
        self.head(name, help);
        for (text, value) in values {
            self.put(format_args!("{name}{{{label}=\"{text}\"}} {value}\n"));
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0 += &text.to_string();
    }
}

#[cfg(test)]
mod tests {
    use hub_core::control::{Memory, MemoryKills, ServerInfo};

    use super::*;

    fn figures() -> Figures {
        let server = |name: &str, phase, count| ServerInfo {
            name: name.parse().unwrap(),
            phase,
            unit: format!("hubd-user-{name}.service"),
            memory_bytes: None,
            memory_limit_bytes: None,
            cpu_cores: None,
            cpu_limit_cores: None,
            uptime_seconds: None,
            problem: None,
            without_own: false,
            own_may_be_why: false,
            memory_kills: MemoryKills { count, seconds_since_latest: None },
        };
        let status = HubStatus {
            version: "0.4.0".to_owned(),
            url: None,
            uptime_seconds: 60,
            launcher_version: Some("0.4.0".to_owned()),
            launcher_problem: None,
            environment: Some(4),
            users: 3,
            sessions: 2,
            memory: Some(Memory { used_bytes: 100, allowed_bytes: Some(200) }),
            servers: vec![
                server("zoe.secret", ServerPhase::Running, 2),
                server("bob", ServerPhase::Running, 1),
                server("cyd", ServerPhase::Queued, 0),
            ],
            shortages: Vec::new(),
            https_problem: None,
            backup_problem: None,
            backup: None,
            accounts_problem: None,
            listen_problem: None,
        };
        let now: Timestamp = "2026-09-07T10:00:00Z".parse().unwrap();
        let last_active = ["2026-09-07T09:00:00Z", "2026-09-03T09:00:00Z", "2026-01-01T00:00:00Z"];
        let last_active = last_active.map(|text| text.parse().unwrap()).to_vec();
        Figures { status, certificate_days: Some(-1), last_active, now }
    }

    #[test]
    fn says_each_figure_once_with_its_help_and_type_and_nobody_s_name() {
        let text = text(&figures());
        for line in [
            "jupyterhub_running_servers 2",
            "jupyterhub_total_users 3",
            "jupyterhub_active_users{period=\"24h\"} 1",
            "jupyterhub_active_users{period=\"7d\"} 2",
            "jupyterhub_active_users{period=\"30d\"} 2",
            "hubd_info{version=\"0.4.0\"} 1",
            "hubd_servers{phase=\"running\"} 2",
            "hubd_servers{phase=\"failed\"} 0",
            "hubd_start_queue_length 1",
            "hubd_servers_memory_bytes 100",
            "hubd_servers_memory_limit_bytes 200",
            "hubd_memory_kills 3",
            "hubd_environment_generation 4",
            "hubd_certificate_days_left -1",
            "hubd_launcher_up 1",
        ] {
            assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line}: {text}");
        }
        let mut known = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["#", "HELP", name, ..] => assert!(!known.contains(&name), "{name} twice"),
                ["#", "TYPE", name, "gauge"] => known.push(name),
                [metric, value] => {
                    let name = metric.split('{').next().unwrap();
                    assert_eq!(known.last(), Some(&name), "{line}");
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                }
                _ => panic!("{line}"),
            }
        }
        assert!(["zoe", "bob", "cyd"].iter().all(|name| !text.contains(name)), "{text}");
    }

    #[test]
    fn what_is_not_known_is_not_there() {
        let mut figures = figures();
        (figures.status.memory, figures.status.environment, figures.certificate_days) = (None, None, None);
        figures.status.launcher_problem = Some("away".to_owned());
        let text = text(&figures);
        for name in ["memory_bytes", "generation", "certificate"] {
            assert!(!text.contains(name), "{name}: {text}");
        }
        assert!(text.contains("\nhubd_launcher_up 0\n"), "{text}");
    }
}
