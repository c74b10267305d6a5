//! The command line: what may be typed, and every word of `--help`.

pub(crate) mod backup;
mod config;
mod login;
mod token;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hub_core::accounts::Username;
use hub_core::packages::KernelName;

use super::bundle::BundleVerb;
use super::env::EnvVerb;
use super::roster::RosterVerb;
use super::upgrade::UpgradeArguments;
use backup::BackupVerb;

/// What hubctl was told.
#[derive(Debug, Parser)]
#[command(name = "hubctl", version, about = "Manage the hub", max_term_width = 100, after_help = EXAMPLES, long_about = ABOUT)]
pub(super) struct Arguments {
    /// Print JSON instead of words; its form is stable
    #[arg(long, global = true, display_order = 900)]
    pub(super) json: bool,
    /// Print the answer and errors, nothing else
    #[arg(short, long, global = true, display_order = 901)]
    pub(super) quiet: bool,
    #[command(subcommand)]
    pub(super) noun: Noun,
}

const ABOUT: &str = "Manage the hub: people, servers, packages and configuration.

Administrators run it without sudo in a terminal inside the hub, and so do the machine's operators (host_operators in the \
configuration) in a shell: that is enough for people, servers, packages and limits. Whatever amounts to root, such as roles, \
addresses or bundles, needs an account with full sudo on the machine; hubctl tells you when.";

const EXAMPLES: &str = "Examples:
  sudo hubctl status                        is everything well?
  sudo hubctl doctor                        if not: what is wrong, and what to do?
  sudo hubctl user add ada bob              enrol two people and print their one-time links
  sudo hubctl roster apply class.csv        enrol a whole class, or bring it up to date
  sudo hubctl server list                   whose servers run, and what they use
  sudo hubctl config edit                   change limits, administrators, addresses
  sudo hubctl env install pandas            a package for everybody

Exit codes: 0 done or nothing to do, 1 failed, 2 wrong usage (doctor: something could not be looked at), 3 saved but not applied, 4 busy (try again), \
5 unchanged, 6 rolled back, 7 refused, 141 the output was cut off (as by head).";

#[derive(Debug, Subcommand)]
pub(super) enum Noun {
    /// Show whether the hub is well and what is running
    #[command(after_help = "Example:
  sudo hubctl status

Exits with 1 when something is wrong, so it can be used in a health check.")]
    Status,
    /// Look for everything that is wrong with the hub and its machine, and say what to do about it
    #[command(
        after_help = "Changes nothing without --fix, and takes seconds. --fix starts and enables units of the hub, gives what was \
installed back to its owners and applies limits: nothing that somebody made is changed, and no server stops.

Examples:
  sudo hubctl doctor
  sudo hubctl doctor --fix
  sudo hubctl doctor --json                 for a monitor

Exits with 0 when everything is well, 1 when something is not, 2 when nothing was found but something could not be looked at."
    )]
    Doctor {
        /// Also mend what can be mended safely
        #[arg(long)]
        fix: bool,
        /// What hubd-doctor.service does: keep what is found for the hub, and say only what is new or over
        #[arg(long, conflicts_with = "fix")]
        record: bool,
    },
    /// Print what somebody who helps from afar needs to know, without names, addresses and secrets
    #[command(
        after_help = "What is installed, what `hubctl doctor` finds, the configuration, units, and the last lines of the hub's own logs. \
People, groups, hosts and addresses become person-1, host-1 and so on; what looks like a secret is taken out. Read it before you pass it on.

Example:
  sudo hubctl report > report.txt"
    )]
    Report,
    /// Enrol, block and remove people; give them passwords and links
    #[command(after_help = "Examples:
  sudo hubctl user add ada                  enrol ada and print a one-time link
  sudo hubctl user list                     everybody who is enrolled")]
    User {
        #[command(subcommand)]
        verb: UserVerb,
    },
    /// Bring the hub in line with a class list
    #[command(after_help = "Examples:
  sudo hubctl roster apply class.csv --dry-run
                                            what would it change?
  sudo hubctl roster apply class.csv        show that, ask, and do it")]
    Roster {
        #[command(subcommand)]
        verb: RosterVerb,
    },
    /// See, start and stop people's servers
    #[command(after_help = "Examples:
  sudo hubctl server list                   everything that runs
  sudo hubctl server logs ada               the last lines of ada's server log")]
    Server {
        #[command(subcommand)]
        verb: ServerVerb,
    },
    /// Change the packages that everybody has, and go back
    #[command(after_help = "Every change builds a new environment next to the current one and tests it before anyone gets it. \
Running servers keep theirs until they are restarted.

Examples:
  hubctl env install pandas matplotlib      two packages for everybody
  hubctl env status                         what is in force, who runs on what, what is being built
  hubctl env rollback                       back to the previous one
  hubctl env --kernel pytorch install torch a kernel of its own, in everybody's menus")]
    Env {
        /// Act on this kernel, an environment of its own beside everybody's
        #[arg(long, global = true, value_name = "NAME")]
        kernel: Option<KernelName>,
        #[command(subcommand)]
        verb: EnvVerb,
    },
    /// Back up the hub to another place, and restore it, on this machine or another
    #[command(
        after_help = "Backs up homes, the class folder, people and passwords, accounts, the configuration, certificates and the \
locks of packages, encrypted, with restic. Once it is set up, a backup is made every night.

Examples:
  sudo hubctl backup init /mnt/disk/hubd    choose where backups go
  sudo hubctl backup create                 make one now
  sudo hubctl backup restore --repository /mnt/disk/hubd
                                            on a new machine: everything as it was"
    )]
    Backup {
        #[command(subcommand)]
        verb: BackupVerb,
    },
    /// Carry the hub and its packages to machines without a network
    #[command(after_help = "Examples:
  sudo hubctl bundle create class.bundle    all an install needs, in one file
  sudo hubctl bundle add more.bundle        more packages, on the machine without a network")]
    Bundle {
        #[command(subcommand)]
        verb: BundleVerb,
    },
    /// Edit, show and check the configuration, and go back to earlier ones
    #[command(
        after_help = "A change is checked before it is saved, applied at once, and rolled back if the hub fails its health check.

Examples:
  sudo hubctl config edit                   change the file in your editor
  sudo hubctl config set limits.memory 2G   change one setting
  sudo hubctl config history                who changed what, and when"
    )]
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// See what one person may use, and why
    #[command(after_help = "Example:
  sudo hubctl limits explain ada            each limit, and the line that sets it")]
    Limits {
        #[command(subcommand)]
        verb: LimitsVerb,
    },
    /// Manage logins with your institution's accounts: check one, and see whose account is whose
    #[command(after_help = "Examples:
  sudo hubctl login check school            is anything wrong with it?
  sudo hubctl login list                    all of them, and whose account is whose")]
    Login {
        #[command(subcommand)]
        verb: LoginVerb,
    },
    /// Make, list and revoke API tokens, with which programs use the hub
    #[command(after_help = "Examples:
  sudo hubctl token create read:metrics --note prometheus
                                            make a token and print it, once
  sudo hubctl token list                    all tokens, and when each was last used")]
    Token {
        #[command(subcommand)]
        verb: TokenVerb,
    },
    /// See which certificate browsers get, and why there may be none
    #[command(after_help = "Examples:
  sudo hubctl https status                  for which names, from whom, until when
  sudo hubctl https check                   is anything wrong?")]
    Https {
        #[command(subcommand)]
        verb: HttpsVerb,
    },
    /// Upgrade the hub to another release; rolls back automatically if the new one is unhealthy
    #[command(
        after_help = "Signature and checksum are verified before any part of the release runs, and you see the plan first. \
Kernels keep running and no request is refused: connections wait while the hub restarts. If anything goes wrong, the old version \
comes back with its data and you are told why. An upgrade goes forward by one minor version at a time. Releases come from \
upgrade.source in the configuration. Administrators inside the hub and operators can do all of this except name a file.

Examples:
  hubctl upgrade --check                    is there a newer release, and what would it change?
  hubctl upgrade                            upgrade to it
  sudo hubctl upgrade 0.3                   to the newest 0.3
  sudo hubctl upgrade hubd-0.2.0-x86_64.tar.gz
                                            with SHA256SUMS and SHA256SUMS.minisig beside it
  hubctl upgrade --status                   how did the latest one go?
  sudo hubctl upgrade --automatic           what the timer does: upgrade now, or say why not

Exits with 6 if the old version was put back, with 7 if nothing was touched."
    )]
    Upgrade(UpgradeArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum LimitsVerb {
    /// Show somebody's limits, and where each comes from: the person's own, a group's, everybody's, or the default
    #[command(after_help = "A person's own limits win over those of their groups, and those over everybody's. With several \
groups the largest value counts.

Examples:
  sudo hubctl limits explain ada
  sudo hubctl limits explain ada --json")]
    Explain {
        /// Whose limits
        name: Username,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum HttpsVerb {
    /// Show the certificate that browsers get, and what is wrong with it or with getting the next one
    #[command(after_help = "Exits with 1 when something is wrong.

Example:
  sudo hubctl https status")]
    Status,
    /// Look for problems: names, ports, files, clock, authority
    #[command(after_help = "Changes nothing, and asks no certificate authority for anything but the time. Exits with 1 when \
something is wrong. With --certificate and --key it checks only these files, even before there is a hub.

Examples:
  sudo hubctl https check
  sudo hubctl https check --certificate fullchain.pem --key hub.key --host hub.example.org")]
    Check {
        /// A certificate with its chain, PEM
        #[arg(long, value_name = "FILE", requires = "key")]
        certificate: Option<PathBuf>,
        /// Its key, PEM
        #[arg(long, value_name = "FILE", requires = "certificate")]
        key: Option<PathBuf>,
        /// The name that people will type
        #[arg(long, value_name = "NAME", requires = "certificate")]
        host: Option<String>,
    },
    /// Get a certificate now if one is due, even right after failures
    #[command(after_help = "Certificate authorities count failures, and five in an hour are too many: run `https check` first.

Example:
  sudo hubctl https renew")]
    Renew,
}

#[derive(Debug, Subcommand)]
pub(super) enum UserVerb {
    /// Enrol people; those without a password get a one-time link
    #[command(after_help = "People who are already enrolled are left unchanged, so you can add to a list and use it again.
A FILE has one name a line, or is CSV whose first line names the columns: `username`, and optionally `password`; others are \
ignored. Exports from Moodle, Canvas and spreadsheets work as they are. Lines that start with # are skipped. If any line is wrong, every wrong line is shown and nobody is added.
For a list without login names: hubctl roster apply.

Examples:
  sudo hubctl user add ada bob
  sudo hubctl user add --from class.csv
  sudo hubctl user add --from - < names.txt
  pass show hub/ada | sudo hubctl user add ada --password-stdin")]
    Add {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List everybody who is enrolled
    #[command(after_help = "Examples:
  sudo hubctl user list
  sudo hubctl user list --json")]
    List,
    /// Show what somebody may do, and which line of the configuration says so
    #[command(after_help = "Examples:
  sudo hubctl user show ada
  sudo hubctl user show ada --json")]
    Show {
        /// Who
        name: Username,
    },
    /// Retire unix accounts of people who are not enrolled (on the host only)
    #[command(
        after_help = "Their homes stay, closed to everybody but root. Anyone enrolled again under the same name gets that \
home back, with a new account. Lists the accounts and asks first.

Examples:
  sudo hubctl user prune"
    )]
    Prune {
        /// Do it without asking
        #[arg(short, long)]
        yes: bool,
    },
    /// Take people off the list: their sessions end and their servers stop
    #[command(after_help = "Home directories stay, unless --delete-home is given. It asks first; the answer is no unless \
you say yes.

Examples:
  sudo hubctl user remove bob
  sudo hubctl user remove --from last-year.txt --yes
  sudo hubctl user remove bob --delete-home")]
    Remove {
        #[command(flatten)]
        who: Who,
        /// Also delete the unix account and the home directory with everything in it (on the host only)
        #[arg(long)]
        delete_home: bool,
        /// Do it without asking
        #[arg(short, long)]
        yes: bool,
    },
    /// Set somebody's password; their sessions elsewhere end
    #[command(after_help = "Without an option it asks for the password twice, without showing it. A password can't be an \
argument, because everybody on the machine could read it there.

Examples:
  sudo hubctl user password ada
  pass show hub/ada | sudo hubctl user password ada --password-stdin")]
    Password {
        /// Whose password
        name: Username,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Print a new one-time link with which somebody sets a password
    #[command(after_help = "Any older link for the same person stops working. The current password works until the link is used.

Examples:
  sudo hubctl user link ada
  sudo hubctl user link --from class.csv --json")]
    Link {
        #[command(flatten)]
        who: Who,
    },
    /// Move somebody's own packages out of the way; nothing is deleted
    #[command(after_help = "Whatever somebody installed with `pip install` in a terminal or notebook is in one directory of \
their home. That directory is renamed, and the new name is printed. A running server keeps what it has loaded until it is \
restarted, which you are offered.

Examples:
  sudo hubctl user reset-packages bob
  sudo hubctl user reset-packages bob --settings --restart")]
    ResetPackages {
        /// Whose packages
        name: Username,
        /// Also what that person set for Jupyter and IPython (~/.jupyter, ~/.ipython)
        #[arg(long)]
        settings: bool,
        /// Restart a running server without asking; what was not saved in a notebook is lost
        #[arg(long)]
        restart: bool,
    },
    /// Log people out everywhere, for example after a lost laptop; their servers keep running
    #[command(after_help = "They can log in again right away. To have them choose a new password: `hubctl user link`.

Example:
  sudo hubctl user logout bob")]
    Logout {
        #[command(flatten)]
        who: Who,
    },
    /// Block people: they are logged out at once and their servers stop
    #[command(after_help = "Nothing of theirs is deleted; `hubctl user unblock` lets them in again.

Example:
  sudo hubctl user block bob")]
    Block {
        #[command(flatten)]
        who: Who,
    },
    /// Unblock people
    #[command(after_help = "Example:
  sudo hubctl user unblock bob")]
    Unblock {
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ServerVerb {
    /// List every server that is not stopped
    #[command(after_help = "Examples:
  sudo hubctl server list
  sudo hubctl server list --json")]
    List,
    /// Start servers and wait until they answer
    #[command(after_help = "Examples:
  sudo hubctl server start ada bob
  sudo hubctl server start ada --without-own    when their own packages or settings break it")]
    Start {
        /// Whose servers
        #[arg(required = true, value_name = "NAME")]
        names: Vec<Username>,
        /// Start without the owner's own packages and settings, this once
        #[arg(long)]
        without_own: bool,
    },
    /// Restart servers and wait until they answer; what was not saved in a notebook is lost
    #[command(after_help = "Each server waits for its turn before it stops, and comes back even if hubctl is interrupted. A \
stopped server is started; one that is starting starts over.

Examples:
  sudo hubctl server restart ada bob
  sudo hubctl server restart ada --without-own  when their own packages or settings break it")]
    Restart {
        /// Whose servers
        #[arg(required = true, value_name = "NAME")]
        names: Vec<Username>,
        /// Start without the owner's own packages and settings, this once
        #[arg(long)]
        without_own: bool,
    },
    /// Stop servers, and the apps of the same people; what was not saved is lost
    #[command(after_help = "Example:
  sudo hubctl server stop ada bob")]
    Stop {
        /// Whose servers
        #[arg(required = true, value_name = "NAME")]
        names: Vec<Username>,
    },
    /// Print the last lines of somebody's server log
    #[command(after_help = "To watch a log as it grows, on the host: journalctl --namespace=hubd-users -f -u 'hubd-user-*'

Examples:
  sudo hubctl server logs ada
  sudo hubctl server logs ada -n 500")]
    Logs {
        /// Whose server
        name: Username,
        /// How many lines
        #[arg(short = 'n', long, default_value_t = 50, value_name = "N", value_parser = line_count)]
        lines: u32,
    },
}

pub(super) use config::{Careful, ConfigVerb, Entries};
pub(super) use login::LoginVerb;
pub(super) use token::{Lifetime, TokenVerb};

/// Whom a command is about.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// Names to log in with
    #[arg(value_name = "NAME", required_unless_present = "from", value_parser = hub_roster::typed)]
    pub(super) names: Vec<Username>,
    /// Read names from a file, one a line or CSV; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) from: Option<PathBuf>,
}

/// Where a password comes from; never an argument.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct PasswordSource {
    /// Read the password from standard input
    #[arg(long, alias = "stdin")]
    pub(super) password_stdin: bool,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

impl PasswordSource {
    /// Whether one was given.
    pub(super) fn is_given(&self) -> bool {
        self.password_stdin || self.password_file.is_some()
    }
}

/// Of a log; one answer must fit into a message.
fn line_count(text: &str) -> Result<u32, String> {
    let count = text.parse().ok().filter(|count| (1..=10_000).contains(count));
    count.ok_or_else(|| "expected a whole number from 1 to 10000".to_owned())
}
