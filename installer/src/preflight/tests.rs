use std::net::IpAddr;
use std::path::PathBuf;

use hub_core::config::{self, HomesInReach};

use super::*;
use crate::facts::certificate::Judged;
use crate::facts::{Index, Listener, OwnAccount, System};
use crate::receipt::Receipt;
use crate::reverse_proxy::ReverseProxy;

pub(crate) fn machine() -> Facts {
    Facts {
        root: true,
        system: System {
            id: "debian".into(),
            version: "12".into(),
            name: "Debian GNU/Linux 12 (bookworm)".into(),
            architecture: "x86_64".into(),
            systemd: Some(252),
            python: Some((3, 11)),
            apt: true,
            missing_packages: vec!["git".into()],
            memory_bytes: 4 << 30,
            processors: 2,
            disk_free_bytes: 20 << 30,
            clock_behind_seconds: 0,
        },
        listeners: Vec::new(),
        accounts: Vec::new(),
        config: ConfigFact::Absent,
        receipt: Ok(None),
        leftovers: Ok(None),
        index: Some(Index { address: "https://index.example/simple/".into(), answer: Ok(Some(2)) }),
        operator: Some("debian".into()),
        address: None,
        missing_programs: Vec::new(),
        certificate: Judged::default(),
        has_proxy_group: true,
        environment: None,
        ipv6: true,
        is_here: |address| address != IpAddr::from([192, 0, 2, 7]),
        homes_in_reach: HomesInReach::default(),
        homes: Ok(crate::facts::Homes { real: "/home".into(), missing: Vec::new() }),
    }
}

pub(crate) fn options() -> Options {
    Options { admins: vec!["ada".parse().unwrap()], version: "0.1.0".into(), ..Options::default() }
}

pub(crate) fn configured(source: &str) -> ConfigFact {
    ConfigFact::Valid(source.to_owned(), Box::new(config::parse(source, "config.toml").unwrap()))
}

fn listener(address: &str, own: bool) -> Listener {
    Listener { address: address.parse().unwrap(), process: Some((812, "nginx".into())), own }
}

#[test]
fn a_fresh_machine_is_fine() {
    assert_eq!(check(&machine(), &options()), Judgement::default());
}

#[test]
fn each_obstacle_is_named_with_a_remedy() {
    type Case = (fn(&mut Facts, &mut Options), &'static str, &'static str);
    let cases: [Case; 30] = [
        (|facts, _| facts.root = false, "needs root", "sudo"),
        (|facts, _| facts.system.systemd = None, "as PID 1", "hub-installer try"),
        (|facts, _| facts.system.systemd = Some(247), "systemd 247 is too old", "Debian 12, Debian 13 or Ubuntu 24.04"),
        (|facts, _| facts.system.version = "11".into(), "not a system that the hub supports", "Debian 12"),
        (|facts, _| facts.system.id = "fedora".into(), "not a system", "Ubuntu 24.04"),
        (|facts, _| facts.system.architecture = "riscv64".into(), "riscv64", "x86_64 or aarch64"),
        (|facts, _| facts.system.python = Some((3, 10)), "Python 3.10 is too old", "Debian 12"),
        (|facts, _| facts.system.apt = false, "missing: git", "install these packages"),
        (|facts, _| facts.missing_programs = vec![PathBuf::from("/tmp/hubd")], "`/tmp/hubd` not found", "--programs"),
        (|facts, _| facts.system.memory_bytes = 256 << 20, "256 MB of memory is too little", "larger machine"),
        (|facts, _| facts.system.disk_free_bytes = 100 << 20, "100 MB of disk space is free", "apt-get clean"),
        (
            |facts, _| facts.system.disk_free_bytes = 900 << 20,
            "the Python environment with JupyterLab, numpy, pandas, matplotlib need",
            "or begin without packages besides JupyterLab, which needs 870 MB: --packages none",
        ),
        (
            |facts, options| {
                (facts.system.disk_free_bytes, options.packages) = (700 << 20, Some(Vec::new()));
            },
            "the Python environment with JupyterLab need 870 MB",
            "apt-get clean",
        ),
        (
            |facts, options| {
                facts.config = configured("[environment]\npackages = [\"numpy\"]\n");
                facts.environment = Some(1);
                options.packages = Some(vec!["numpy".parse().unwrap(), "scipy>=1".parse().unwrap()]);
            },
            "--packages is for a new hub",
            "sudo hubctl env install 'scipy>=1'",
        ),
        (
            |_, options| options.listen = Some("192.0.2.7:80".parse().unwrap()),
            "the hub can't listen at 192.0.2.7:80: this machine has no such address",
            "--listen 0.0.0.0:80",
        ),
        (
            |facts, options| {
                facts.ipv6 = false;
                options.listen = Some("[::1]:8000".parse().unwrap());
            },
            "the hub can't listen at [::1]:8000: this machine has no IPv6",
            "--listen 0.0.0.0:80",
        ),
        (
            |facts, _| facts.homes = Err("`/data` has owner 7\nhint: sudo chown root:root /data".into()),
            "homes can't be made in the configured place: `/data` has owner 7",
            "sudo chown root:root /data; or name another directory in /etc/hubd/config.toml",
        ),
        (|facts, _| facts.system.clock_behind_seconds = 7200, "120 minutes behind", "timedatectl"),
        (
            |facts, _| facts.index = Some(Index { address: "https://index.example/".into(), answer: Err("no route".into()) }),
            "can't be reached: no route",
            "HTTPS_PROXY",
        ),
        (
            |facts, _| facts.index = Some(Index { address: "https://index.example/".into(), answer: Ok(Some(3600)) }),
            "60 minutes ahead",
            "timedatectl",
        ),
        (
            |facts, _| facts.listeners = vec![listener("0.0.0.0:80", false)],
            "port 80 is taken by `nginx` (process 812)",
            "--behind nginx --url https://hub.example.org; or stop that program for good, or let the hub listen elsewhere",
        ),
        (
            |facts, _| {
                facts.config = configured("[roles]\nadmins = [\"ada\"]\n[https]\ncertificate = \"/c\"\nkey = \"/k\"\n");
                facts.listeners = vec![listener("[::]:443", false)];
            },
            "port 443 is taken",
            "stop that program",
        ),
        (
            |facts, _| facts.accounts = vec![OwnAccount { name: "hubd".into(), uid: 1000, shell: "/bin/bash".into() }],
            "an account `hubd`",
            "userdel hubd",
        ),
        (|facts, _| facts.receipt = Err("garbled".into()), "garbled", "move the receipt aside"),
        (
            |facts, _| facts.receipt = Ok(Some(Receipt { product: "99.0.0".into(), ..Receipt::default() })),
            "version 99.0.0 is installed",
            "that version or a later one",
        ),
        (|facts, _| facts.config = ConfigFact::Broken("config.toml:1:1: bad".into()), "config.toml:1:1: bad", "correct them"),
        (
            |facts, options| {
                (facts.has_proxy_group, options.url) = (false, Some("http://hub.example.org".into()));
                options.behind = Some(ReverseProxy::Caddy);
            },
            "no group `caddy`",
            "install caddy first",
        ),
        (|_, options| options.behind = Some(ReverseProxy::Apache), "can't guess its own address", "--url"),
        (|_, options| options.admins.clear(), "no administrator is named", "--admin ada"),
        (|_, options| options.admin_password = Some("short".into()), "HUBD_ADMIN_PASSWORD is shorter", "longer one"),
    ];
    for (change, what, remedy) in cases {
        let (mut facts, mut options) = (machine(), options());
        change(&mut facts, &mut options);
        let blockers = check(&facts, &options).blockers;
        assert_eq!(blockers.len(), 1, "{what}: {blockers:?}");
        assert!(blockers[0].what.contains(what), "{what}: {blockers:?}");
        assert!(blockers[0].remedy.contains(remedy), "{what}: {blockers:?}");
    }
}

#[test]
fn all_obstacles_are_told_at_once() {
    let facts = Facts { root: false, listeners: vec![listener("[::]:80", false)], ..machine() };
    assert_eq!(check(&facts, &Options::default()).blockers.len(), 3);
}

#[test]
fn a_running_hub_does_not_stand_in_its_own_way() {
    let facts = Facts {
        listeners: vec![listener("[::]:80", true)],
        config: configured("[roles]\nadmins = [\"ada\"]\n"),
        receipt: Ok(Some(Receipt { complete: true, ..Receipt::default() })),
        index: None,
        environment: Some(1),
        ..machine()
    };
    assert_eq!(check(&facts, &Options { admins: Vec::new(), ..options() }), Judgement::default());
}

#[test]
fn a_machine_without_ipv6_is_fine_and_is_told() {
    let wish = crate::options::HttpsWish { listen: None, method: config::HttpsMethod::Lan { domains: Vec::new() } };
    for config in [ConfigFact::Absent, configured("[roles]\nadmins = [\"ada\"]\n[http]\nlisten = [\"[::]:80\"]\n")] {
        let facts = Facts { ipv6: false, config, ..machine() };
        let judgement = check(&facts, &Options { https: Some(wish.clone()), ..options() });
        assert_eq!(judgement.blockers, []);
        let told: Vec<&str> = judgement.warnings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(told, ["this machine has no IPv6"]);
    }
}

#[test]
fn a_configuration_that_asks_for_more_than_the_machine_has_is_told() {
    let judged = |text: &str| {
        let facts = Facts { config: configured(text), environment: Some(1), ..machine() };
        check(&facts, &Options { admins: Vec::new(), ..options() })
    };
    let roles = "[roles]\nadmins = [\"ada\"]\n";
    let reserved = judged(&format!("{roles}[machine]\nreserve = \"900G\"\n"));
    assert!(reserved.blockers[0].what.contains("so no server could start"), "{reserved:?}");
    let large = judged(&format!("{roles}[limits]\nmemory = \"900G\"\n"));
    assert!(large.blockers.is_empty() && large.warnings[0].what.contains("`limits.memory`: 900G for one person"), "{large:?}");
}

#[test]
fn packages_that_a_hub_has_may_be_named_again() {
    let facts = |environment| Facts {
        config: configured("[environment]\npackages = [\"numpy\", \"cowsay\"]\n"),
        environment,
        ..machine()
    };
    let judged = |environment, names: &[&str]| {
        let packages = Some(names.iter().map(|name| name.parse().unwrap()).collect());
        check(&facts(environment), &Options { packages, ..options() })
    };
    assert_eq!(judged(Some(1), &["cowsay"]), Judgement::default());
    let none = judged(Some(1), &[]);
    assert!(none.blockers.is_empty() && none.warnings[0].what.contains("keeps its packages: numpy, cowsay"), "{none:?}");
    assert_eq!(judged(None, &["scipy"]), Judgement::default(), "as long as nothing is built, they are chosen");
}

#[test]
fn a_half_finished_install_is_continued() {
    let facts = Facts { receipt: Ok(Some(Receipt::default())), ..machine() };
    let judgement = check(&facts, &options());
    assert!(judgement.blockers.is_empty());
    assert!(judgement.warnings[0].what.contains("interrupted"));
}

#[test]
fn another_port_is_free() {
    let facts = Facts { listeners: vec![listener("0.0.0.0:80", false)], ..machine() };
    let options = Options { listen: Some("127.0.0.1:8000".parse().unwrap()), ..options() };
    assert!(check(&facts, &options).blockers.is_empty());
}

#[test]
fn an_install_over_another_version_goes_one_minor_version_forward() {
    for (installed, wanted, blocker) in [
        ("0.1.0", "0.1.0", None),
        ("0.9.9", "0.10.0", None),
        ("0.10.0", "0.9.9", Some("newer than 0.9.9")),
        ("0.1.0", "0.3.0", Some("one minor version back")),
    ] {
        let receipt = Receipt { product: installed.into(), complete: true, ..Receipt::default() };
        let facts = Facts { receipt: Ok(Some(receipt)), ..machine() };
        let blockers = check(&facts, &Options { version: wanted.into(), ..options() }).blockers;
        match blocker {
            None => assert!(blockers.is_empty(), "{installed} to {wanted}: {blockers:?}"),
            Some(text) => assert!(blockers[0].what.contains(text), "{installed} to {wanted}: {blockers:?}"),
        }
    }
}
