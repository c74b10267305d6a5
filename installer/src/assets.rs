//! The text files this program carries: units, the configuration as it starts out, documents.

/// systemd units, by file name.
pub const UNITS: [(&str, &str); 18] = [
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
    ("hubd-control.socket", include_str!("../../units/hubd-control.socket")),
    ("hubd-admin.socket", include_str!("../../units/hubd-admin.socket")),
    ("hubd-operator.socket", include_str!("../../units/hubd-operator.socket")),
    ("hubd.socket", include_str!("../../units/hubd.socket")),
    ("hubd.service", include_str!("../../units/hubd.service")),
    ("hubd-certificates.service", include_str!("../../units/hubd-certificates.service")),
    ("hubd-certificates.timer", include_str!("../../units/hubd-certificates.timer")),
    ("hubd-certificates.path", include_str!("../../units/hubd-certificates.path")),
];

/// What systemd reads beside units.
pub const TMPFILES: &str = include_str!("assets/tmpfiles.conf");
/// As [`TMPFILES`].
pub const USERS_JOURNAL: &str = include_str!("assets/journald-users.conf");
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
