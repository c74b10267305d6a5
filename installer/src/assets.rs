//! The text files this program carries: units, the configuration as it starts out, documents.

/// systemd units, by file name.
pub const UNITS: [(&str, &str); 26] = [
    ("hubd-config-guard.service", include_str!("../../units/hubd-config-guard.service")),
    ("hubd.slice", include_str!("../../units/hubd.slice")),
    ("hubd-users.slice", include_str!("../../units/hubd-users.slice")),
    ("hubd-launcher.socket", include_str!("../../units/hubd-launcher.socket")),
    ("hubd-launcher.service", include_str!("../../units/hubd-launcher.service")),
    ("hubd-environment.service", include_str!("../../units/hubd-environment.service")),
    ("hubd-config.service", include_str!("../../units/hubd-config.service")),
    ("hubd-upgrade.service", include_str!("../../units/hubd-upgrade.service")),
    ("hubd-auto-upgrade.service", include_str!("../../units/hubd-auto-upgrade.service")),
    ("hubd-auto-upgrade.timer", include_str!("../../units/hubd-auto-upgrade.timer")),
    ("hubd-backup.service", include_str!("../../units/hubd-backup.service")),
    ("hubd-backup.timer", include_str!("../../units/hubd-backup.timer")),
    ("hubd-doctor.service", include_str!("../../units/hubd-doctor.service")),
    ("hubd-doctor.timer", include_str!("../../units/hubd-doctor.timer")),
    ("hubd-control.socket", include_str!("../../units/hubd-control.socket")),
    ("hubd-admin.socket", include_str!("../../units/hubd-admin.socket")),
    ("hubd-operator.socket", include_str!("../../units/hubd-operator.socket")),
    ("hubd.socket", include_str!("../../units/hubd.socket")),
    ("hubd-outside.socket", include_str!("../../units/hubd-outside.socket")),
    ("hubd-outside.service", include_str!("../../units/hubd-outside.service")),
    ("hubd-pam.socket", include_str!("../../units/hubd-pam.socket")),
    ("hubd-pam@.service", include_str!("../../units/hubd-pam@.service")),
    ("hubd.service", include_str!("../../units/hubd.service")),
    ("hubd-certificates.service", include_str!("../../units/hubd-certificates.service")),
    ("hubd-certificates.timer", include_str!("../../units/hubd-certificates.timer")),
    ("hubd-certificates.path", include_str!("../../units/hubd-certificates.path")),
];

/// What systemd reads beside units.
pub const TMPFILES: &str = include_str!("assets/tmpfiles.conf");
/// As [`TMPFILES`].
pub const USERS_JOURNAL: &str = include_str!("assets/journald-users.conf");
/// What PAM does when the hub asks it.
pub const PAM: &str = include_str!("assets/pam");
/// What the kernel is told.
pub const KERNEL: &str = include_str!("assets/sysctl.conf");

/// What an admin may want to read on the machine itself.
pub const DOCUMENTS: [(&str, &str); 3] = [
    ("configuration.md", include_str!("../../docs/reference/config.md")),
    ("architecture.md", include_str!("../../docs/architecture.md")),
    ("threat-model.md", include_str!("../../docs/threat-model.md")),
];

/// The configuration a new hub starts with; `{{...}}` are filled in by [`crate::settings`].
pub const CONFIG: &str = include_str!("assets/config.toml");

/// What needrestart leaves alone.
pub const NEEDRESTART: &str = include_str!("assets/needrestart.conf");

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The values of `key` in a unit or another file of systemd's.
    fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
        text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    }

    fn services() -> impl Iterator<Item = (&'static str, &'static str)> {
        UNITS.into_iter().filter(|(name, _)| name.ends_with(".service"))
    }

    #[test]
    fn a_service_that_is_not_root_sees_what_it_needs_of_run_and_nothing_else() {
        let seen: Vec<_> = services()
            .filter(|(_, text)| values(text, "User").into_iter().any(|user| user != "root"))
            .map(|(name, text)| (name, values(text, "TemporaryFileSystem"), values(text, "BindReadOnlyPaths")))
            .collect();
        let closed = vec!["/run:ro,nosuid,nodev,mode=0755"];
        let serve = "/run/hubd-doctor /run/hubd-launcher /run/hubd-outside /run/hubd-pam /run/hubd-servers /run/systemd/journal /run/systemd/notify";
        let outside = "/run/systemd/journal -/run/systemd/resolve -/run/resolvconf -/run/NetworkManager/resolv.conf";
        assert_eq!(
            seen,
            [
                ("hubd-outside.service", closed.clone(), vec![outside]),
                ("hubd.service", closed.clone(), vec![serve]),
                ("hubd-certificates.service", closed, vec![outside])
            ]
        );
        // Nothing starts in a unit of which a place is missing.
        let made: Vec<_> = TMPFILES.lines().filter(|line| line.starts_with("d ")).collect();
        for place in serve.split(' ').filter(|place| place.starts_with("/run/hubd")) {
            assert!(made.iter().any(|line| line.starts_with(&format!("d {place} "))), "{place} is not made at boot");
        }
    }

    #[test]
    fn every_service_with_a_sandbox_has_neither_io_uring_nor_name_spaces() {
        let open: Vec<_> = services()
            .filter(|(_, text)| {
                !values(text, "SystemCallFilter").contains(&"~io_uring_setup io_uring_enter io_uring_register")
                    || ["NoNewPrivileges", "RestrictNamespaces"].iter().any(|key| values(text, key) != ["yes"])
            })
            .map(|(name, _)| name)
            .collect();
        assert_eq!(open, ["hubd-upgrade.service"], "an upgrade brings accounts, units and packages");
    }

    #[test]
    fn the_hub_is_not_what_goes_when_memory_is_short() {
        let spared: Vec<_> = services().filter(|(_, text)| values(text, "ManagedOOMPreference") == ["omit"]).collect();
        assert_eq!(spared.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["hubd-launcher.service", "hubd.service"]);
        assert!(spared.iter().all(|(_, text)| values(text, "OOMScoreAdjust") == ["-500"]));
    }

    /// As needrestart itself reads it, which is written in Perl, and decides.
    #[test]
    fn needrestart_restarts_the_hub_and_nothing_that_people_run() {
        let script = format!(
            "our %nrconf;\n{NEEDRESTART}\nfor my $unit (@ARGV) {{\n  my $is_left = grep {{ !$nrconf{{override_rc}}{{$_}} && $unit =~ /$_/ }} \
             keys %{{$nrconf{{override_rc}}}};\n  print \"$unit \" unless $is_left;\n}}\nprint $nrconf{{interpscan}};"
        );
        let work = ["hubd-build.service", "hubd-environment.service", "hubd-upgrade.service"];
        let units = ["hubd.service", "hubd-launcher.service", "hubd-user-ada.service", "hubd-user-b\\x2dc.service"];
        let output = Command::new("/usr/bin/perl").args(["-e", &script]).args(units).args(work).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hubd.service hubd-launcher.service 0");
    }

    #[test]
    fn what_people_say_is_bounded_and_leads_nowhere_else() {
        let bytes = |key: &str| match values(USERS_JOURNAL, key)[..] {
            [value] => value.trim_end_matches(['K', 'M', 'G']).parse::<u32>().is_ok_and(|amount| amount > 0),
            _ => false,
        };
        assert!(bytes("SystemMaxUse") && bytes("RuntimeMaxUse") && bytes("LineMax"), "{USERS_JOURNAL}");
        assert_eq!(values(USERS_JOURNAL, "SplitMode"), ["none"]);
        for elsewhere in ["ForwardToSyslog", "ForwardToConsole", "ForwardToWall"] {
            assert_eq!(values(USERS_JOURNAL, elsewhere), ["no"], "{elsewhere}");
        }
    }
}
