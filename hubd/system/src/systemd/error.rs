//! Why systemd did not do something, and how to tell from what the bus says.

use hub_core::unit_name::UnitName;

use super::property::PropertyError;

/// Why systemd did not do it.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// A value that must not be sent.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// A unit of that name is there already.
    #[error("unit `{0}` exists already")]
    Exists(UnitName),
    /// systemd, or the bus to it, could not be reached.
    #[error("systemd can't be reached over the system bus to {doing}: {cause}\nhint: systemctl status dbus.socket dbus.service")]
    Unreachable {
        /// What it was wanted for.
        doing: String,
        /// What went wrong.
        cause: zbus::Error,
    },
    /// systemd answered no.
    #[error("asking systemd to {doing}")]
    Refused {
        /// What it was asked.
        doing: String,
        /// Its answer.
        source: zbus::Error,
    },
    /// The unit did not reach the state that was wanted.
    #[error("systemd could not {doing}: its job ended as `{result}`")]
    Job {
        /// What was wanted.
        doing: String,
        /// The job's result: `failed`, `timeout`, `canceled`, `dependency`, ...
        result: String,
    },
    /// It took too long.
    #[error("systemd did not {doing} within {seconds} s")]
    Deadline {
        /// What was wanted.
        doing: String,
        /// How long we waited.
        seconds: u64,
    },
}

/// Whether systemd's answer is its own error called `name`.
pub(super) fn is_named(error: &zbus::Error, name: &str) -> bool {
    match error {
        zbus::Error::MethodError(found, _, _) => found.as_str().strip_prefix("org.freedesktop.systemd1.") == Some(name),
        _ => false,
    }
}

/// Whether the call never reached systemd, or its answer never us.
pub(super) fn is_absence(error: &zbus::Error) -> bool {
    use zbus::fdo::Error as Fdo;
    match error {
        zbus::Error::InputOutput(_) => true,
        zbus::Error::FDO(error) => {
            matches!(**error, Fdo::ServiceUnknown(_) | Fdo::NameHasNoOwner(_) | Fdo::NoReply(_) | Fdo::Disconnected(_))
        }
        _ => false,
    }
}

pub(super) fn is_timeout(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::InputOutput(error) if error.kind() == std::io::ErrorKind::TimedOut)
}
