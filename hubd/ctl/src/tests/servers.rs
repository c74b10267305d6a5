//! `hubctl status`, `server` and `config`: what they print.

use hub_core::control::usage::{Resource, Share, Shortage};
use hub_core::control::{HubStatus, Memory, Refusal, RefusalKind};

use super::*;

pub(in super::super) fn status() -> HubStatus {
    HubStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: Some("https://hub.example.org".to_owned()),
        uptime_seconds: 3 * 86400,
        launcher_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        launcher_problem: None,
        environment: Some(3),
        users: 42,
        sessions: 17,
        memory: Some(Memory { used_bytes: 5 << 30, allowed_bytes: Some(12 << 30) }),
        servers: vec![server("ada", ServerPhase::Running), server("bob", ServerPhase::Running)],
        shortages: Vec::new(),
        https_problem: None,
        backup_problem: None,
        backup: None,
        accounts_problem: None,
        listen_problem: None,
    }
}

#[test]
fn status_is_one_look() {
    let (ran, _) = Machine::host().run_with("status", vec![Reply::Status(status())]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        ran.output,
        format!(
            "hub          running, version {version}, up 3 days\n\
             address      https://hub.example.org\n\
             launcher     answers\n\
             environment  generation 3\n\
             people       42 enrolled, 17 logged in\n\
             servers      2 running\n\
             memory       5 GB of 12 GB in use by servers\n"
        )
    );
    assert_eq!((ran.code, ran.messages.as_str()), (0, ""));
}

#[test]
fn status_says_what_is_wrong_and_fails() {
    let mut ill = status();
    ill.launcher_problem = Some("nobody listens".to_owned());
    ill.servers.push(server("cyd", ServerPhase::Failed));
    (ill.version, ill.environment) = ("0.0.1".to_owned(), None);
    let (ran, _) = Machine::host().run_with("status", vec![Reply::Status(ill)]);
    assert_eq!(ran.code, 1);
    assert!(ran.output.contains("launcher     does not answer: nobody listens\n"), "{}", ran.output);
    assert!(ran.output.contains("environment  unknown: only the launcher can tell\n"), "{}", ran.output);
    assert!(ran.output.ends_with("\ncyd: it used more memory than it may\n"), "{}", ran.output);
    let hints = "hint: hubctl server logs cyd\n\
                 hint: start without cyd's own packages and settings: hubctl server start cyd --without-own\n";
    assert!(ran.messages.starts_with(hints), "{}", ran.messages);
    assert!(ran.messages.contains("To let the hub follow: systemctl restart hubd\n"), "{}", ran.messages);
}

#[test]
fn status_fails_for_each_thing_that_is_wrong_and_for_nothing_else() {
    let wrong: [fn(&mut HubStatus); 6] = [
        |status| status.listen_problem = Some("the hub does not listen at [::]:80".to_owned()),
        |status| status.accounts_problem = Some("20 accounts were made within an hour".to_owned()),
        |status| status.backup_problem = Some(hub_core::backup::Problem::new("the latest backup failed", "look there")),
        |status| status.https_problem = Some("the certificate expired yesterday".to_owned()),
        |status| status.environment = None,
        |status| status.launcher_problem = Some("nobody listens".to_owned()),
    ];
    for spoil in wrong {
        let mut ill = status();
        spoil(&mut ill);
        assert_eq!(Machine::host().run_with("status", vec![Reply::Status(ill.clone())]).0.code, 1, "{ill:?}");
        assert_eq!(Machine::host().run_with("status --json", vec![Reply::Status(ill)]).0.code, 1);
    }
    let machine = Machine::host();
    machine.write("var/lib/hubd-upgrade/outcome.json", "{");
    assert_eq!(machine.run_with("status", vec![Reply::Status(status())]).0.code, 1, "how the latest upgrade ended is not known");
    let mut well = status();
    well.servers.push(server("cyd", ServerPhase::Failed));
    assert_eq!(
        Machine::host().run_with("status", vec![Reply::Status(well)]).0.code,
        0,
        "a student's own server is no fault of the hub"
    );
}

#[test]
fn status_says_what_is_short_and_is_well_all_the_same() {
    let mut short = status();
    let share = |name: &str, amount: &str| Share { name: name.parse().unwrap(), amount: amount.to_owned() };
    short.shortages = vec![Shortage {
        of: Resource::Memory,
        is_severe: true,
        what: "Memory is full: 2 people use 70 % of it".to_owned(),
        who: vec![share("ada", "2 GB"), share("bob", "1 GB")],
        remedy: "Stop servers that nobody uses.".to_owned(),
    }];
    let (ran, _) = Machine::host().run_with("status", vec![Reply::Status(short.clone())]);
    let said = "warning: Memory is full: 2 people use 70 % of it (ada 2 GB, bob 1 GB). Stop servers that nobody uses.\n";
    assert_eq!((ran.code, ran.messages.as_str()), (0, said));
    let (ran, _) = Machine::host().run_with("status --json", vec![Reply::Status(short)]);
    let told: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(
        told["shortages"],
        serde_json::json!([{
            "of": "memory",
            "is_severe": true,
            "what": "Memory is full: 2 people use 70 % of it",
            "who": [{ "name": "ada", "amount": "2 GB" }, { "name": "bob", "amount": "1 GB" }],
            "remedy": "Stop servers that nobody uses.",
        }])
    );
}

#[test]
fn the_json_of_status_is_stable() {
    let mut status = status();
    (status.version, status.launcher_version) = ("1.2.3".to_owned(), Some("1.2.3".to_owned()));
    status.servers.truncate(1);
    let (ran, _) = Machine::host().run_with("status --json", vec![Reply::Status(status)]);
    assert_eq!(
        ran.output,
        r#"{
  "running": true,
  "version": "1.2.3",
  "url": "https://hub.example.org",
  "uptime_seconds": 259200,
  "launcher_version": "1.2.3",
  "launcher_problem": null,
  "environment": 3,
  "users": 42,
  "sessions": 17,
  "memory": {
    "used_bytes": 5368709120,
    "allowed_bytes": 12884901888
  },
  "servers": [
    {
      "name": "ada",
      "phase": "running",
      "unit": "hubd-user-ada.service",
      "memory_bytes": 209715200,
      "memory_limit_bytes": 1073741824,
      "cpu_cores": 0.76,
      "cpu_limit_cores": 2.0,
      "uptime_seconds": 7300,
      "problem": null,
      "without_own": false,
      "own_may_be_why": false,
      "memory_kills": {
        "count": 0,
        "seconds_since_latest": null
      }
    }
  ]
}
"#
    );
}

#[test]
fn a_kernel_that_was_killed_for_memory_is_called_that() {
    let mut ada = server("ada", ServerPhase::Running);
    ada.memory_kills = MemoryKills { count: 2, seconds_since_latest: Some(300) };
    let said = "ada's server used up its 1 GB of memory: the kernel ended 2 programs in it, last 5 minutes ago.\n";
    let (ran, _) = Machine::host().run_with("server list", vec![Reply::Servers { servers: vec![ada.clone()] }]);
    assert!(ran.output.ends_with(said), "{}", ran.output);
    let logs = Reply::Logs { lines: vec!["plain".to_owned()], memory_kills: ada.memory_kills, memory_limit_bytes: Some(1 << 30) };
    let (ran, _) = Machine::host().run_with("server logs ada", vec![logs]);
    assert_eq!((ran.output.as_str(), ran.messages.trim_start()), ("plain\n", said));
    ada.memory_kills = MemoryKills { count: 1, seconds_since_latest: None };
    let (ran, _) = Machine::host().run_with("server list", vec![Reply::Servers { servers: vec![ada] }]);
    assert!(ran.output.ends_with("the kernel ended 1 program in it.\n"), "{}", ran.output);
}

#[test]
fn servers_are_a_table() {
    let mut queued = server("b", ServerPhase::Queued);
    (queued.cpu_cores, queued.memory_bytes, queued.uptime_seconds) = (None, None, None);
    let servers = vec![server("ada", ServerPhase::Running), queued];
    let (ran, _) = Machine::host().run_with("server list", vec![Reply::Servers { servers: servers.clone() }]);
    assert_eq!(
        ran.output,
        "NAME  STATE    CPU             MEMORY          UP       UNIT\n\
         ada   running  0.8 of 2 cores  200 MB of 1 GB  2 hours  hubd-user-ada.service\n\
         b     queued   -               -               -        hubd-user-b.service\n"
    );
    let colourful = Machine { color: true, ..Machine::host() };
    let (painted, _) = colourful.run_with("server list", vec![Reply::Servers { servers }]);
    assert!(painted.output.contains("\u{1b}[32mrunning\u{1b}[0m"));
    let (ran, _) = Machine::host().run_with("server list", vec![Reply::Servers { servers: Vec::new() }]);
    assert_eq!((ran.output.as_str(), ran.messages.as_str()), ("", "No server is running.\n"));
}

#[test]
fn starting_several_reports_each() {
    let refused = Reply::from(Refusal::new(RefusalKind::Busy, "bob still waits behind 7 others"));
    let started = Reply::Servers { servers: vec![server("ada", ServerPhase::Running)] };
    let (ran, asked) = Machine::host().run_with("server start ada bob", vec![started, refused]);
    let name = |name: &str| name.parse().unwrap();
    let start = |text| Request::ServerStart { name: name(text), without_own: false };
    assert_eq!(asked, [start("ada"), start("bob")]);
    assert_eq!(ran.code, 4);
    assert!(ran.output.contains("ada   running"), "{}", ran.output);
    assert_eq!(ran.messages, "error: bob: bob still waits behind 7 others\n");
}

#[test]
fn a_restart_is_one_request_for_each_and_tells_what_is_left_out() {
    let plain = ServerInfo { without_own: true, ..server("ada", ServerPhase::Running) };
    let replies = vec![Reply::Servers { servers: vec![plain.clone()] }, Reply::Servers { servers: vec![plain.clone()] }];
    let (ran, asked) = Machine::inside().run_with("server restart ada bob --without-own", replies);
    let restart = |text: &str| Request::ServerRestart { name: text.parse().unwrap(), without_own: true };
    assert_eq!((ran.code, asked), (0, vec![restart("ada"), restart("bob")]));
    let said = "ada's server runs without ada's own packages and settings; hubctl server restart ada brings them back.\n";
    assert!(ran.output.ends_with(said), "{}", ran.output);
    let (ran, _) = Machine::host().run_with("server list", vec![Reply::Servers { servers: vec![plain.clone()] }]);
    assert!(ran.output.ends_with(said), "{}", ran.output);
    let (ran, _) = Machine::host().run_with("status", vec![Reply::Status(HubStatus { servers: vec![plain], ..status() })]);
    assert!(ran.output.ends_with(said), "{}", ran.output);
}

#[test]
fn a_log_can_not_drive_the_terminal() {
    let lines = vec!["plain".to_owned(), "\u{1b}]0;owned\u{7}\u{1b}[2Jtext".to_owned()];
    let kills = MemoryKills { count: 2, seconds_since_latest: Some(300) };
    let logs = |memory_kills| Reply::Logs { lines: lines.clone(), memory_kills, memory_limit_bytes: Some(1 << 30) };
    let (ran, asked) = Machine::host().run_with("server logs ada -n 2", vec![logs(MemoryKills::default())]);
    assert_eq!(asked, [Request::ServerLogs { name: "ada".parse().unwrap(), lines: 2 }]);
    assert_eq!(ran.output, "plain\ntext\n");
    let (ran, _) = Machine::host().run_with("server logs ada --json", vec![logs(kills)]);
    assert_eq!(
        ran.output,
        "{\n  \"name\": \"ada\",\n  \"lines\": [\n    \"plain\",\n    \"text\"\n  ],\n  \"memory_kills\": {\n    \"count\": 2,\n    \"seconds_since_latest\": 300\n  }\n}\n"
    );
}

const CONFIG: &str = "# ours\n[limits]\n\tmemory = \"2G\"";

#[test]
fn the_configuration_is_shown_as_it_is_or_in_full() {
    let machine = Machine::host();
    machine.write("etc/hubd/config.toml", CONFIG);
    assert_eq!(machine.run("config show").output, CONFIG);
    let effective = machine.run("config show --effective").output;
    assert!(effective.contains("memory = \"2G\"\n") && effective.contains("tasks = 512\n"), "{effective}");
    let json: serde_json::Value = serde_json::from_str(&machine.run("config show --json").output).unwrap();
    assert_eq!(json["config"]["limits"]["memory"], "2G");
    assert_eq!(json["path"], machine.paths().config_file().display().to_string());
}

#[test]
fn the_check_finds_problems_and_fails() {
    let machine = Machine::host();
    let path = machine.write("etc/hubd/config.toml", CONFIG);
    let ran = machine.run("config check");
    assert_eq!((ran.code, ran.messages), (0, format!("{path} is valid.\n")));
    let other = machine.write("new.toml", "[limits]\nmemory = \"banana\"\n");
    let ran = machine.run(&format!("config check {other}"));
    assert_eq!(ran.code, 1);
    assert!(
        ran.messages.starts_with(&format!("error: 1 problem in the configuration\n{other}:2:10: \"banana\" is not")),
        "{}",
        ran.messages
    );
    assert!(ran.messages.contains("2 | memory = \"banana\"\n  |          ^^^^^^^^\n"), "{}", ran.messages);
    let ran = machine.run(&format!("config check {other} --json"));
    let json: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!((ran.code, &json["valid"], &json["problems"][0]["line"]), (1, &false.into(), &2.into()));
    let inside = Machine::inside().typing("[hub]\nname = \"x\"\n").run("config check -");
    assert_eq!(inside.code, 0, "checking a text needs no host: {}", inside.messages);
    let missing = machine.run("config check /nonexistent.toml");
    assert_eq!((missing.code, missing.messages.as_str()), (1, "error: there is no file `/nonexistent.toml`\n"));
    let ran = machine.run("server logs ada -n many");
    assert!(ran.code == 2 && ran.messages.contains("expected a whole number from 1 to 10000"), "{}", ran.messages);
}

#[test]
fn less_memory_than_is_in_use_is_said_beforehand() {
    for (line, warning) in [
        (
            "config set limits.memory 128M --dry-run",
            "warning: 2 servers use more memory than is then allowed, so programs in there will be ended: ada (200 MB), bob (200 MB)\n",
        ),
        (
            "config set users.bob.limits.memory 128M --dry-run",
            "warning: 1 server uses more memory than is then allowed, so programs in there will be ended: bob (200 MB)\n",
        ),
        ("config set limits.memory 512M --dry-run", ""),
    ] {
        let machine = Machine::host();
        machine.write("etc/hubd/config.toml", "");
        let (ran, _) = machine.run_with(line, vec![Reply::Status(status())]);
        assert_eq!(ran.code, 0, "{}", ran.messages);
        assert!(ran.messages.contains(warning), "{line}: {}", ran.messages);
        assert_eq!(ran.messages.contains("warning"), !warning.is_empty(), "{line}: {}", ran.messages);
    }
}
