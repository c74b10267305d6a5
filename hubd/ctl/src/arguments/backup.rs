//! What may be typed after `hubctl backup`, and its help.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hub_core::accounts::Username;
use hub_core::config::Repository;

/// What to do with backups.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Choose where backups go, make their password, and begin
    #[command(
        after_help = "A repository is a directory, as of a disk that is mounted there; `sftp:user@host:/path`, where root of this \
machine gets without being asked for anything; or `s3:https://host/bucket`, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in \
/etc/hubd/backup.env. Backups are encrypted. Their password is printed once: write it down and keep it elsewhere, for without it \
nobody can read them, and this machine may be gone. Where backups are already, it goes on with them and asks for their password.

Examples:
  sudo hubctl backup init /mnt/disk/hubd
  sudo hubctl backup init sftp:backup@nas.example.org:/srv/hubd"
    )]
    Init {
        /// Where backups go
        repository: Repository,
        /// Take the password from this file, or from - for standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Make a backup now
    #[command(after_help = "The hub and everybody's servers go on meanwhile.

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
    #[command(after_help = "Ends with 1 when something is wrong with them, as hubctl status does.

Example:
  sudo hubctl backup status")]
    Status,
    /// Look whether the backups are whole
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
    /// Bring back a whole hub, also onto another machine, or one file of one person
    #[command(
        after_help = "A whole hub: on this machine, where hubd is installed, people log in with the passwords of then and find \
the files of then; packages, certificates and the configuration are as they were. It shows what it will replace, and asks. What is \
replaced is put aside, not deleted. Everybody's servers are stopped while files take their places. When it is cut short, run the same line \
again. Sessions, one-time links and API tokens do not come back.

One file: it is written as that person into a new directory, restored-DATE, in their home, and never over another.

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
    /// Take the backups that are here, in place of those of the configuration
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) repository: Option<Repository>,
    /// Take their password from this file, or from - for standard input, in place of asking
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// What to bring back.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// Which backup; the newest if none is named
    pub(crate) snapshot: Option<String>,
    /// Only one file of this person
    #[arg(long, value_name = "NAME", requires = "path")]
    pub(crate) person: Option<Username>,
    /// Which, as seen from the home
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
