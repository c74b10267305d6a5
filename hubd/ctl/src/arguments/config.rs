//! `hubctl config ...`: what may be typed, and every word of its `--help`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hub_core::config::edit::KeyPath;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Change the configuration in your editor
    #[command(
        after_help = "The editor is taken from SUDO_EDITOR, VISUAL or EDITOR, else editor, nano or vi; it runs as you, not as \
root. Only a valid file is saved: you see where each problem is, and can go on editing. Then you see what each change does (now, \
for new servers, restarts the hub, ...) and are asked once before it is applied. If the hub fails its health check, the previous \
configuration is put back.

If you are interrupted, your text is kept, and the next `hubctl config edit` offers it.

Exit codes: 0 applied, 3 saved but not applied, 4 somebody else is editing, 5 unchanged, 6 rolled back, 7 refused.

Examples:
  sudo hubctl config edit
  sudo EDITOR=nano hubctl config edit"
    )]
    Edit {
        /// Save a valid text without asking
        #[arg(short, long)]
        yes: bool,
        /// Do it even if it locks somebody out: the last administrator, yourself, or everybody, by an address that is not here
        #[arg(long)]
        allow_lockout: bool,
    },
    /// Print the configuration
    #[command(after_help = "Examples:
  sudo hubctl config show
  sudo hubctl config show --effective")]
    Show {
        /// Print every value in force, the defaults too, instead of the file as it is
        #[arg(long)]
        effective: bool,
    },
    /// Print the current value of one setting
    #[command(
        after_help = "Prints the default if the file does not set it, and the entries of a list one per line. Exits with 1 \
if there is no value.

Examples:
  sudo hubctl config get limits.memory
  sudo hubctl config get roles.admins"
    )]
    Get {
        /// The setting, as in limits.memory
        key: KeyPath,
    },
    /// Give one setting a value
    #[command(after_help = "Comments, order and everything else in the file stay as they are. What `hubctl config edit` would \
refuse is refused here too.

Examples:
  sudo hubctl config set limits.memory 2G
  sudo hubctl config set users.ada.limits.cpu_quota 1.5
  sudo hubctl config set http.listen 0.0.0.0:80 [::1]:8000
  sudo hubctl config set servers.idle_timeout 90m --dry-run")]
    Set {
        /// The setting, as in limits.memory
        key: KeyPath,
        /// The value, without quotation marks; several for a list
        #[arg(required = true, value_name = "VALUE")]
        values: Vec<String>,
        #[command(flatten)]
        careful: Careful,
    },
    /// Remove one setting, or a whole section, from the file, so that the default applies again
    #[command(after_help = "Examples:
  sudo hubctl config unset limits.cpu_quota
  sudo hubctl config unset users.ada")]
    Unset {
        /// The setting or section
        key: KeyPath,
        #[command(flatten)]
        careful: Careful,
    },
    /// Add entries to a list
    #[command(after_help = "Entries that are already in the list are left unchanged.

Examples:
  sudo hubctl config add roles.admins grace
  sudo hubctl config add groups.math.members ada bob")]
    Add(Entries),
    /// Remove entries from a list
    #[command(after_help = "This takes effect at once: an administrator who is removed loses the role with the next click.

Examples:
  sudo hubctl config remove roles.admins grace
  sudo hubctl config remove groups.math.members ada bob")]
    Remove(Entries),
    /// Check the configuration, or a file that you want to use as one
    #[command(after_help = "Shows where each problem is, and changes nothing. Exits with 1 if there is a problem.

Examples:
  sudo hubctl config check
  hubctl config check new-config.toml")]
    Check {
        /// The file to check; `-` is standard input [default: the hub's configuration]
        file: Option<PathBuf>,
    },
    /// Show what differs between two versions, and what each difference does
    #[command(after_help = "Without an argument: what is in the file but not applied yet. With a FILE: what `hubctl config \
apply FILE` would change. With a NUMBER: what `hubctl config rollback NUMBER` would change.

Examples:
  sudo hubctl config diff
  sudo hubctl config diff new-config.toml
  sudo hubctl config diff 7")]
    Diff {
        /// Another file, or the number of a version
        #[arg(value_name = "FILE|NUMBER")]
        what: Option<PathBuf>,
    },
    /// List earlier versions: who saved them, when, and whether the hub was healthy with them
    #[command(after_help = "Examples:
  sudo hubctl config history
  sudo hubctl config history --json")]
    History,
    /// Go back to the last version that the hub was healthy with, if one is unconfirmed (hubd-config-guard.service runs it)
    #[command(
        hide = true,
        after_help = "It does nothing when no change was cut short.

Example:
  sudo hubctl config recover"
    )]
    Recover,
    /// Make the change that an operator or somebody inside the hub asked for (hubd-config.service runs it)
    #[command(
        hide = true,
        after_help = "What the launcher left is checked against root's configuration once more, and done as `hubctl config set` does it.

Example:
  sudo hubctl config perform"
    )]
    Perform,
    /// Go back to an earlier version
    #[command(
        after_help = "Without a number: to the last different version that the hub was healthy with. You see what changes and \
are asked first.

Examples:
  sudo hubctl config rollback
  sudo hubctl config rollback 7 --yes"
    )]
    Rollback {
        /// Which version, by its number in the history
        #[arg(value_name = "NUMBER")]
        number: Option<u32>,
        /// Do it without asking
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        careful: Careful,
    },
    /// Apply a configuration file: the hub's own after a program has written it, or another one in its place
    #[command(
        after_help = "Afterwards the hub's health is checked. If it is unhealthy, the last configuration it was healthy with is \
put back. `hubctl config edit` does all of this for you.

Examples:
  sudo hubctl config apply
  sudo hubctl config apply new-config.toml --yes"
    )]
    Apply {
        /// The file to put in the place of the hub's own; `-` is standard input
        file: Option<PathBuf>,
        /// Do it without asking
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        careful: Careful,
    },
}

/// What goes into a list, or out of it.
#[derive(Debug, Args)]
pub(crate) struct Entries {
    /// The list, as in roles.admins
    pub(crate) key: KeyPath,
    /// The entries
    #[arg(required = true, value_name = "VALUE")]
    pub(crate) values: Vec<String>,
    #[command(flatten)]
    pub(crate) careful: Careful,
}

/// How careful to be with a change.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Careful {
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do it even if it locks somebody out: the last administrator, yourself, or everybody, by an address that is not here
    #[arg(long)]
    pub(crate) allow_lockout: bool,
}
