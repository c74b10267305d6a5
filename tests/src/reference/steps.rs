//! What an install does on a bare Debian, step by step, and how to take each back: from the installer's own plan.

use std::fmt::Write;

use hub_core::config::HomesInReach;
use hub_core::paths::Paths;
use installer::action::{Action, Contents, FileKind};
use installer::facts::{ConfigFact, Facts, Homes, System};
use installer::network::Network;
use installer::options::Options;
use installer::plan::{self, Step};
use installer::undo::Undo;

const BEGINNING: &str = "\
<!-- Generated from the code: see tests/src/reference.rs. -->

# What the installer does, and how to undo each

All of it, in order, on a bare Debian 12. What is so already is left alone and never undone. `hub-installer plan` shows the
same for your machine before anything is changed, and `/var/lib/hubd-installer/receipt.json` has what was really done.

`hub-installer uninstall` takes all of it back, last step first. The column *by hand* is for those who want to take back one
thing, or have lost the installer; stop the hub first, which is the last step.

A file that was there before is kept in `/var/lib/hubd-installer/backups` and put back. A file that you changed after the
install stays, and is named.

| step | an uninstall | by hand |
|---|---|---|
";

const END: &str = "
Beside these steps the hub makes things while it runs: a unix account and a home for each student, transient units
`hubd-user-NAME.service`, sockets below `/run`, and its database in `/var/lib/hubd`. An uninstall ends the units, deletes the
accounts, and keeps homes and database, for root alone. The installer's own log is `/var/log/hubd-install.log`; it goes, too.

Whose each file is and what it is for: [files and names on the machine](../architecture.md#names-on-the-machine).

Nothing else is touched: no package source, no firewall, no ssh configuration, no existing account.
";

/// The page.
pub(super) fn page() -> String {
    let paths = Paths::default();
    let options = Options { admins: vec!["ada".parse().unwrap()], ..Options::default() };
    let steps = plan::build(&paths, &bare_debian(), &options, &Network::default()).unwrap();
    let mut text = BEGINNING.to_owned();
    for step in &steps {
        let undo = step.action.undo_of_new(&paths);
        writeln!(text, "| {} | {} | {} |", title(step), uninstall(step, undo.as_ref()), by_hand(step, undo.as_ref())).unwrap();
    }
    text + END
}

fn title(step: &Step) -> String {
    match &step.action {
        Action::File { contents: Contents::CopyOf(_), .. } => format!("{}, from the release", step.title),
        _ => step.title.clone(),
    }
}

fn uninstall(step: &Step, undo: Option<&Undo>) -> String {
    match (undo, &step.action) {
        (None, Action::Environment { .. }) => "deletes it with `/opt/hubd/envs`".to_owned(),
        (None, Action::Network { .. }) => "deletes it with `/opt/hubd/share`".to_owned(),
        (None, Action::People { .. }) => "keeps the logins, for root alone; `--purge` deletes them".to_owned(),
        (None, _) => "nothing to do".to_owned(),
        (Some(Undo::LetGo { .. }), _) => "lets those go again that came along with others".to_owned(),
        (Some(Undo::Packages { .. }), _) => "leaves them, and names them".to_owned(),
        (Some(Undo::Keep { .. }), _) => "leaves it, for root alone; `--purge` deletes it".to_owned(),
        (Some(Undo::RemoveDirectory { .. }), _) => "deletes it when it is empty".to_owned(),
        (Some(Undo::RemoveTree { .. }), Action::Directory { .. }) => "deletes it with all that is in it".to_owned(),
        (Some(Undo::RemoveFile { .. }), Action::File { kind: FileKind::Unit | FileKind::Program, .. }) => {
            "deletes it, unless you changed it".to_owned()
        }
        (Some(Undo::RemoveLink { .. }), _) => "deletes it, unless it leads elsewhere by now".to_owned(),
        (Some(Undo::DisableUnits { .. }), _) => "stops them and every server".to_owned(),
        (Some(_), _) => "deletes it".to_owned(),
    }
}

fn by_hand(step: &Step, undo: Option<&Undo>) -> String {
    let command = match undo {
        None => return String::new(),
        Some(Undo::Keep { path }) if matches!(step.action, Action::File { .. }) => format!("rm {}", path.display()),
        Some(Undo::RemoveFile { path, .. } | Undo::RestoreFile { path, .. } | Undo::RemoveLink { path, .. }) => {
            format!("rm {}", path.display())
        }
        Some(Undo::RemoveDirectory { path }) => format!("rmdir {}", path.display()),
        Some(Undo::RemoveTree { path } | Undo::Keep { path }) => format!("rm -r {}", path.display()),
        Some(Undo::DeleteUser { name }) => format!("userdel {name}"),
        Some(Undo::DeleteGroup { name }) => format!("groupdel {name}"),
        Some(Undo::DisableUnits { units }) => {
            format!("systemctl disable --now {}; systemctl stop hubd.slice", units.join(" "))
        }
        Some(Undo::LetGo { names }) => format!("apt-mark auto {}", names.join(" ")),
        Some(Undo::Packages { names }) => format!("apt-get remove {}", names.join(" ")),
    };
    format!("`{command}`")
}

/// As debootstrap leaves it, with sudo.
fn bare_debian() -> Facts {
    let missing = ["python3", "python3-pip-whl", "ca-certificates", "dbus", "git"];
    Facts {
        root: true,
        system: System {
            id: "debian".to_owned(),
            version: "12".to_owned(),
            name: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            architecture: "x86_64".to_owned(),
            systemd: Some(252),
            python: None,
            apt: true,
            missing_packages: missing.map(str::to_owned).to_vec(),
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
        is_here: |_| true,
        index: None,
        certificate: installer::facts::certificate::Judged::default(),
        has_proxy_group: false,
        operator: Some("debian".to_owned()),
        address: None,
        missing_programs: Vec::new(),
        environment: None,
        ipv6: true,
        homes: Ok(Homes { real: Paths::default().usual_homes(), missing: vec![Paths::default().usual_homes()] }),
        homes_in_reach: HomesInReach::default(),
    }
}
