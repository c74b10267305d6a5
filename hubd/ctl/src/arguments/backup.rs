//! What may be typed after `hubctl backup`, and its help.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hub_core::accounts::Username;
use hub_core::config::Repository;

/// What to do with backups.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Set up backups: choose where they go and make their password
    #[command(
        after_help = "A repository is a directory, for example on a mounted disk; `sftp:user@host:/path`, if root on this \
machine can log in there without being asked for anything; or `s3:https://host/bucket`, with AWS_ACCESS_KEY_ID and \
AWS_SECRET_ACCESS_KEY in /etc/hubd/backup.env. Backups are encrypted. Their password is printed once: write it down and keep it \
somewhere else. Without it nobody can read them, and this machine may be gone by then. If the repository has backups already, \
you are asked for their password and new ones are added.

Examples:
  sudo hubctl backup init /mnt/disk/hubd
  sudo hubctl backup init sftp:backup@nas.example.org:/srv/hubd"
    )]
    Init {
        /// Where backups go
        repository: Repository,
        /// Read the password from this file; `-` is standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Make a backup now
    #[command(after_help = "The hub and everybody's servers keep running meanwhile.

Example:
  sudo hubctl backup create")]
    Create,
    /// List the backups there are
    #[command(after_help = "Examples:
  sudo hubctl backup list
  sudo hubctl backup list --repository /mnt/disk/hubd --password-file -")]
    List {
        #[command(flatten)]
        from: From,
    },
    /// Show how backups are doing
    #[command(after_help = "Exits with 1 when something is wrong with them, as hubctl status does.

Example:
  sudo hubctl backup status")]
    Status,
    /// Check that the backups are intact
    #[command(after_help = "Examples:
  sudo hubctl backup check
  sudo hubctl backup check --read-data      also read every byte, which takes long")]
    Check {
        /// Read every byte of them
        #[arg(long)]
        read_data: bool,
        #[command(flatten)]
        from: From,
    },
    /// Restore a whole hub, on this machine or another, or one person's file
    #[command(
        after_help = "A whole hub: install hubd on this machine first. Afterwards people log in with the passwords they had at \
the time of the backup and find the files they had; packages, certificates and the configuration are as they were. It shows what \
it will replace, and asks. Whatever is replaced is moved aside, not deleted. Everybody's servers are stopped while files are put \
in place. If it is interrupted, run the same command again. Sessions, one-time links and API tokens are not restored.

One file: it is written to a new directory, restored-DATE, in that person's home, so nothing is overwritten.

Examples:
  sudo hubctl backup restore --repository /mnt/disk/hubd --dry-run
                                            what would come back, and what would be replaced?
  sudo hubctl backup restore --repository /mnt/disk/hubd
                                            the newest backup, on a fresh machine
  sudo hubctl backup restore 5a458f8c       another one of those that are listed
  sudo hubctl backup restore --person bob --path notebooks/x.ipynb"
    )]
    Restore(RestoreArguments),
    /// What the timer's service does: a backup, if it is time for one
    #[command(
        hide = true,
        after_help = "Example:
  sudo hubctl backup perform"
    )]
    Perform,
    /// What the unit of a restore does: put everything that was fetched in its place
    #[command(
        hide = true,
        after_help = "Example:
  sudo hubctl backup switch"
    )]
    Switch,
    /// Write what was brought back and comes on standard input into a new directory of one's home
    #[command(
        hide = true,
        after_help = "Example:
  hubctl backup receive /home/hubd/jupyter-ada 2026-11-30 notebooks/x.ipynb < x.ipynb"
    )]
    Receive {
        /// Whose home
        #[arg(value_name = "HOME")]
        home: String,
        /// The day
        date: String,
        /// Which, below the home
        #[arg(value_name = "BELOW_HOME")]
        path: String,
    },
}

/// Which backups are meant.
#[derive(Debug, Args)]
pub(crate) struct From {
    /// Use the backups in this place instead of the configured one
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) repository: Option<Repository>,
    /// Read their password from this file instead of asking; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// What to bring back.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// Which backup [default: the newest]
    pub(crate) snapshot: Option<String>,
    /// Restore only one file, of this person
    #[arg(long, value_name = "NAME", requires = "path")]
    pub(crate) person: Option<Username>,
    /// Which file: its path below their home
    #[arg(long, value_name = "BELOW_HOME", requires = "person")]
    pub(crate) path: Option<String>,
    /// Keep the configuration of this machine
    #[arg(long, conflicts_with = "person")]
    pub(crate) keep_config: bool,
    /// Show what would come back, and change nothing
    #[arg(long, conflicts_with = "person")]
    pub(crate) dry_run: bool,
    /// Do it without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) from: From,
}
