//! What systemd says about the unit of a server.

use hub_core::accounts::Username;

/// How a loaded unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitStatus {
    /// Whose server it runs.
    pub owner: Username,
    /// `active`, `activating`, `deactivating`, `inactive`, `failed`, ...
    pub active_state: String,
    /// Whether systemd is about to start or stop it.
    pub has_job: bool,
    /// `success`, `exit-code`, `signal`, `oom-kill`, `timeout`, ...
    pub result: String,
    /// How the main process ended; `None` while it runs.
    pub ended: Option<Ended>,
    /// The main process, while it runs.
    pub main_pid: Option<u32>,
    /// Bytes in use by all of the unit.
    pub memory_current: Option<u64>,
    /// Bytes the unit may use.
    pub memory_max: Option<u64>,
    /// When the main process started, seconds since 1970.
    pub started: Option<u64>,
    /// The number of this run, 32 hexadecimal digits.
    pub invocation: Option<String>,
    /// The variables it was started with, as in `NAME=value`.
    pub variables: Vec<String>,
    /// What is shown read-only to the unit: source and target.
    pub read_only_binds: Vec<(String, String)>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// `CLD_EXITED` of the kernel's `siginfo`.
const EXITED: i32 = 1;
/// systemd's "no limit" and "not known".
const NOT_SET: u64 = u64::MAX;

impl Ended {
    pub(super) fn from_codes(code: i32, status: i32) -> Option<Self> {
        match code {
            0 => None,
            EXITED => Some(Self::Exited(status)),
            _ => Some(Self::Killed(status)),
        }
    }
}

/// systemd says 2^64-1 for "not set".
pub(super) fn known(value: u64) -> Option<u64> {
    (value != NOT_SET).then_some(value)
}

/// Hexadecimal digits of an invocation id; `None` when the unit never ran.
pub(super) fn invocation(bytes: &[u8]) -> Option<String> {
    (bytes.len() == 16).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_an_exit_from_a_signal() {
        assert_eq!(Ended::from_codes(0, 0), None);
        assert_eq!(Ended::from_codes(1, 3), Some(Ended::Exited(3)));
        assert_eq!(Ended::from_codes(2, 9), Some(Ended::Killed(9)));
        assert_eq!(Ended::from_codes(3, 11), Some(Ended::Killed(11)));
    }

    #[test]
    fn no_limit_is_not_a_number() {
        assert_eq!(known(u64::MAX), None);
        assert_eq!(known(5), Some(5));
    }

    #[test]
    fn an_invocation_is_32_digits_or_nothing() {
        assert_eq!(invocation(&[0xab; 16]).unwrap(), "ab".repeat(16));
        assert_eq!(invocation(&[]), None);
    }
}
