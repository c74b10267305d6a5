//! Every absolute path of the product, below a root that tests can move.

use std::path::{Path, PathBuf};

use crate::packages::KernelName;

/// Where things are on the machine. `Paths::default()` is the real machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
    /// Whose generations [`Paths::environments`] has; `None`: everybody's environment.
    kernel: Option<KernelName>,
}

impl Default for Paths {
    fn default() -> Self {
        Self::under("/")
    }
}

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
        impl Paths {
            $($(#[$doc])* pub fn $name(&self) -> PathBuf { self.below($path) })*
        }
    };
}

paths! {
    /// The administrator's directory.
    config_directory = "etc/hubd";
    /// Which name servers the machine asks.
    resolv_conf = "etc/resolv.conf";
    /// The configuration, the one truth about policy.
    config_file = "etc/hubd/config.toml";
    /// Secrets of logins at an institution; root only.
    secrets = "etc/hubd/secrets";
    /// Proxies, mirrors and certificates as the administrator set them; root only.
    network_file = "etc/hubd/network.env";
    /// Programs, environments, shared data of the product.
    program_directory = "opt/hubd";
    /// The hub's programs.
    binaries = "opt/hubd/bin";
    /// What builds Python environments.
    uv = "opt/hubd/bin/uv";
    /// Read-only data that user servers load (the Jupyter configuration).
    share = "opt/hubd/share";
    /// What students' servers are told of proxies, mirrors and certificates.
    network_told = "opt/hubd/share/network.json";
    /// Documents that come with the programs.
    documents = "opt/hubd/share/doc";
    /// What was taken in of bundles: wheels that builds and students install from.
    bundle = "opt/hubd/bundle";
    /// What Jupyter finds beside the environment that a server runs in.
    jupyter = "opt/hubd/jupyter";
    /// One directory for each kernel that is an environment of its own: its generations, and what Jupyter reads about it.
    kernels = "opt/hubd/jupyter/kernels";
    /// What builds fetch to do their work with, one directory each, made on first need.
    tools = "opt/hubd/tools";
    /// Held by whoever builds, whatever for.
    workshop_lock = "opt/hubd/envs/.lock";
    /// What was asked about environments and what came of it: records, logs, the job under way.
    environment_state = "var/lib/hubd-environments";
    /// What is to be done next, or is being done.
    environment_job = "var/lib/hubd-environments/job.json";
    /// Which packages of the distribution came because of the hub.
    apt_state = "var/lib/hubd-environments/apt.json";
    /// Held by whoever writes or takes a job.
    environment_lock = "var/lib/hubd-environments/lock";
    /// Wheels that no index has, as an administrator of the host gave them.
    environment_wheels = "var/lib/hubd-environments/wheels";
    /// Where every server, and every build, sees its one generation: an empty real directory outside a unit.
    environment_mount = "opt/hubd/env";
    /// `hubctl` for everybody's `PATH`.
    hubctl_link = "usr/local/bin/hubctl";
    /// What `hubd serve` keeps: people, passwords, sessions.
    state = "var/lib/hubd";
    /// The database; root never opens it.
    database = "var/lib/hubd/hubd.db";
    /// What was used of the machine, in a day and in a term.
    usage_history = "var/lib/hubd/usage";
    /// Where the hub asks what must be asked outside.
    outside_socket = "run/hubd-outside/outside.sock";
    /// The directory around it.
    outside_directory = "run/hubd-outside";
    /// Where the hub asks the machine's PAM.
    pam_socket = "run/hubd-pam/pam.sock";
    /// How many attempts accounts had of late; root only.
    pam_attempts = "run/hubd-pam-attempts/attempts";
    /// What PAM does when the hub asks it.
    pam_service = "etc/pam.d/hubd";
    /// What the launcher keeps.
    launcher_state = "var/lib/hubd-launcher";
    /// What the launcher leaves for `hubd-config.service`, and gets back.
    config_change = "var/lib/hubd-launcher/config-change";
    /// Which name owns which account.
    accounts = "var/lib/hubd-launcher/accounts";
    /// What `hubd-certificates` keeps; `hubd serve` may read all of it but `certificates_private`.
    certificates = "var/lib/hubd-certificates";
    /// The certificate from an ACME authority, its chain and its key: one file, so that they always belong together.
    acme_certificate = "var/lib/hubd-certificates/acme.pem";
    /// The same from the local authority. Another file, so that neither is ever used in place of the other.
    lan_certificate = "var/lib/hubd-certificates/lan.pem";
    /// How getting certificates went.
    certificate_record = "var/lib/hubd-certificates/record.json";
    /// What authorities were asked for of late.
    certificate_orders = "var/lib/hubd-certificates/orders.json";
    /// When an authority suggests to renew.
    certificate_suggestion = "var/lib/hubd-certificates/suggestion.json";
    /// The certificate of the local authority, for people to trust.
    certificate_authority = "var/lib/hubd-certificates/ca.pem";
    /// Answers for an authority that asks over http, by token.
    http_answers = "var/lib/hubd-certificates/http-01";
    /// Certificates for an authority that asks over https, by name.
    tls_answers = "var/lib/hubd-certificates/tls-alpn-01";
    /// Account, order under way, the local authority's key.
    certificates_private = "var/lib/hubd-certificates/private";
    /// What the installer keeps: receipt, backups of replaced files.
    installer_state = "var/lib/hubd-installer";
    /// The installer's record of what it did.
    receipt = "var/lib/hubd-installer/receipt.json";
    /// Former content of files that the installer replaced.
    installer_backups = "var/lib/hubd-installer/backups";
    /// Every configuration that was in force, with what came of it.
    config_history = "var/lib/hubd-installer/config-history";
    /// There while a new configuration is put in force; `hubd-config-guard.service` goes by it.
    config_pending = "var/lib/hubd-installer/config-history/pending";
    /// What was asked about upgrades and what came of it, the release that is to be installed, copies of what it replaces.
    upgrade_state = "var/lib/hubd-upgrade";
    /// What is to be done next, or is being done.
    upgrade_job = "var/lib/hubd-upgrade/job.json";
    /// How the latest upgrade went.
    upgrade_record = "var/lib/hubd-upgrade/record.json";
    /// How the latest one went that changed something or was taken back.
    upgrade_outcome = "var/lib/hubd-upgrade/outcome.json";
    /// What was done in the latest upgrade.
    upgrade_log = "var/lib/hubd-upgrade/log";
    /// Held by whoever leaves a job.
    upgrade_lock = "var/lib/hubd-upgrade/lock";
    /// Held by whoever does one.
    upgrade_turn = "var/lib/hubd-upgrade/turn";
    /// A release from a file, on its way to be verified.
    upgrade_incoming = "var/lib/hubd-upgrade/incoming";
    /// A release that was fetched and verified.
    upgrade_stage = "var/lib/hubd-upgrade/stage";
    /// Tarballs of releases that did not come to their end yet.
    upgrade_downloads = "var/lib/hubd-upgrade/downloads";
    /// Everything the latest upgrade replaced.
    upgrade_before = "var/lib/hubd-upgrade/before";
    /// There from the first change of an upgrade until it is known that the hub is well, or the old version is back.
    upgrade_pending = "var/lib/hubd-upgrade/pending";
    /// Has the database copied between the last moment of the old version and the first of the new one, be it after a power
    /// cut.
    upgrade_drop_in = "etc/systemd/system/hubd.service.d/10-hubd-upgrade.conf";
    /// The password of backups, unless the configuration says another place.
    backup_password = "etc/hubd/backup.password";
    /// What is kept about backups; the hub reads the record.
    backup_state = "var/lib/hubd-backup";
    /// How the latest backup went.
    backup_record = "var/lib/hubd-backup/record.json";
    /// Held by whoever makes a backup, or brings one back.
    backup_lock = "var/lib/hubd-backup/lock";
    /// There when somebody wants a backup now.
    backup_asked = "var/lib/hubd-backup/now";
    /// Which hub's backups are this one's.
    backup_hub = "var/lib/hubd-backup/hub";
    /// What is put together for a backup.
    backup_stage = "var/lib/hubd-backup/stage";
    /// What restic remembers of a repository elsewhere.
    backup_cache = "var/lib/hubd-backup/cache";
    /// What a restore got from the backup and did not put in its place yet.
    backup_restore = "var/lib/hubd-backup/restore";
    /// What a restore replaced.
    backup_before = "var/lib/hubd-backup/before";
    /// Keys for a store of S3, as variables; root only.
    backup_variables = "etc/hubd/backup.env";
    /// What `hubctl doctor` found last; the hub reads it.
    findings = "run/hubd-doctor/findings.json";
    /// Where the hub leaves a copy of its database, whole, for root.
    database_copies = "var/lib/hubd/copy";
    /// What makes backups.
    restic = "usr/bin/restic";
    /// What the page on which an install can be watched shows.
    install_news = "run/hubd-installing.jsonl";
    /// Held by whoever changes the configuration.
    config_lock = "run/hubd-config.lock";
    /// Texts that are being edited, one directory for each account.
    drafts = "run/hubd-edit";
    /// What an uninstall keeps for the next install.
    uninstalled = "var/lib/hubd-uninstalled";
    /// Whose the homes were that an uninstall closed.
    uninstalled_manifest = "var/lib/hubd-uninstalled/manifest.json";
    /// What was in `state`.
    uninstalled_people = "var/lib/hubd-uninstalled/people";
    /// What was in `launcher_state`.
    uninstalled_launcher = "var/lib/hubd-uninstalled/launcher";
    /// What is known of a running trial (`hub-installer try`), on the host of its machine.
    trial = "var/lib/hubd-try";
    /// Held by whoever begins or ends one.
    trial_lock = "run/hubd-try.lock";
    /// The installer's full log.
    install_log = "var/log/hubd-install.log";
    /// What the launcher listens on.
    launcher_socket = "run/hubd-launcher/launcher.sock";
    /// The directory of that socket, which the hub sees.
    launcher_directory = "run/hubd-launcher";
    /// Where a web server in front of the hub connects.
    front_socket = "run/hubd-front.sock";
    /// What `hubctl` on the host speaks to (root only).
    control_socket = "run/hubd/control.sock";
    /// The directory that is bound into the units of administrators, and of nobody else.
    admin_directory = "run/hubd-admin";
    /// What `hubctl` inside an administrator's server speaks to.
    admin_socket = "run/hubd-admin/admin.sock";
    /// `hubctl` of operators, on the host.
    operator_socket = "run/hubd-operator/operator.sock";
    /// One directory per running server.
    servers = "run/hubd-servers";
    /// The class folder: read-only for students, at this same path in every server.
    class_folder = "srv/class";
    /// What new homes start with.
    home_skeleton = "etc/skel";
    /// Where the kernel tells about load and memory.
    kernel_figures = "proc";
    /// Where homes are unless the configuration says otherwise: only root goes through this directory.
    usual_homes = "home/hubd";
    /// Where the machine's other accounts have theirs, and where earlier versions made those of people.
    common_homes = "home";
    /// Root's own.
    root_home = "root";
    /// What the launcher's unit is told of where homes are.
    homes_drop_in = "etc/systemd/system/hubd-launcher.service.d/homes.conf";
    /// Our systemd units.
    units = "etc/systemd/system";
    /// Directories that have to be there before any unit of the hub starts.
    tmpfiles = "etc/tmpfiles.d/hubd.conf";
    /// What the kernel is told.
    kernel_settings = "etc/sysctl.d/50-hubd.conf";
    /// How much of what people's servers say is kept, apart from the machine's journal.
    users_journal_settings = "etc/systemd/journald@hubd-users.conf";
    /// sudo rules.
    ///
    /// Named so that it is read first: the last rule that matches counts, and on rented servers that must go on to be the one
    /// that asks for no password, since the account has none.
    sudoers = "etc/sudoers.d/00-hubd-admins";
    /// Where journals are that outlive a reboot.
    journals = "var/log/journal";
    /// Where journals are that do not.
    runtime_journals = "run/log/journal";
    /// What stands as the home of accounts that have none.
    no_home = "nonexistent";
    /// Where the kernel keeps control groups.
    cgroups = "sys/fs/cgroup";
    /// Where `hubd.socket` listens.
    listen_drop_in = "etc/systemd/system/hubd.socket.d/listen.conf";
    /// What needrestart is told, by whoever wants to; it need not be installed.
    needrestart = "etc/needrestart/conf.d/hubd.conf";
    /// Accounts of the machine.
    passwd = "etc/passwd";
    /// Passwords of the machine, and until when accounts are good.
    shadow = "etc/shadow";
    /// A file for each account that systemd starts things for at boot.
    linger = "var/lib/systemd/linger";
    /// Ends login sessions.
    loginctl = "usr/bin/loginctl";
    /// Asks systemd.
    systemctl = "usr/bin/systemctl";
    /// Where something large lies for some minutes.
    large_temporary = "var/tmp";
    /// Unpacks a release.
    tar = "usr/bin/tar";
    /// Runs a program as somebody else.
    setpriv = "usr/bin/setpriv";
    /// Reads the journal.
    journalctl = "usr/bin/journalctl";
    /// The terminal somebody sits at, whatever standard input is.
    terminal = "dev/tty";
}

impl Paths {
    /// The same layout below `root`.
    pub fn under(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), kernel: None }
    }

    /// `relative` below the root.
    pub fn below(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// The authorities that programs of this machine trust, PEM.
    pub fn trusted_authorities(&self) -> PathBuf {
        self.below("etc/ssl/certs/ca-certificates.crt")
    }

    /// What a running hub, and the journal of its people, have below `/run`.
    pub fn runtime(&self) -> [PathBuf; 14] {
        let (launcher, front, hub) = (self.launcher_directory(), self.front_socket(), self.below("run/hubd"));
        let (operators, journal) = (self.below("run/hubd-operator"), self.below("run/systemd/journal.hubd-users"));
        let (lock, drafts, news) = (self.config_lock(), self.drafts(), self.install_news());
        [
            launcher,
            self.outside_directory(),
            self.below("run/hubd-pam"),
            self.below("run/hubd-pam-attempts"),
            front,
            hub,
            operators,
            journal,
            self.admin_directory(),
            self.below("run/hubd-doctor"),
            self.servers(),
            lock,
            drafts,
            news,
        ]
    }

    /// Where systemd keeps what is set on units until the next boot.
    pub fn runtime_units(&self) -> [PathBuf; 2] {
        [self.below("run/systemd/system.control"), self.below("run/systemd/transient")]
    }

    /// The same machine; generations are those of the kernel `name`.
    pub fn of_kernel(&self, name: &KernelName) -> Self {
        Self { root: self.root.clone(), kernel: Some(name.clone()) }
    }

    /// The same machine; generations are those of everybody's environment.
    pub fn of_everybody(&self) -> Self {
        Self::under(&self.root)
    }

    /// The kernel whose generations [`Paths::environments`] has; `None`: they are everybody's.
    pub fn kernel(&self) -> Option<&KernelName> {
        self.kernel.as_ref()
    }

    /// Generations of the shared Python environment, or of a kernel, by number.
    pub fn environments(&self) -> PathBuf {
        match &self.kernel {
            Some(name) => self.kernels().join(name.as_str()),
            None => self.below("opt/hubd/envs"),
        }
    }

    /// Says which generation new servers get, or which one a new kernel is.
    pub fn current_environment(&self) -> PathBuf {
        self.environments().join(if self.kernel.is_some() { "kernel.json" } else { "current" })
    }

    /// Where generation `number` is seen by what runs in it.
    pub fn environment_at_work(&self, number: u32) -> PathBuf {
        if self.kernel.is_some() { self.environment(number) } else { self.environment_mount() }
    }

    /// The directory of environment generation `number`.
    pub fn environment(&self, number: u32) -> PathBuf {
        self.environments().join(number.to_string())
    }

    /// The directory that holds the socket of `name`'s server; root-owned parent, fresh at each start.
    pub fn server_directory(&self, name: &crate::accounts::Username) -> PathBuf {
        self.servers().join(name.as_str())
    }

    /// The file system of terminals that `name`'s server has, in a directory that only root enters; fresh at each start.
    pub fn terminals(&self, name: &crate::accounts::Username) -> PathBuf {
        self.servers().join(".terminals").join(name.as_str())
    }

    /// The directory that holds the socket of `name`'s `app`; root-owned parents, fresh at each start.
    pub fn app_directory(&self, name: &crate::accounts::Username, app: &crate::app_name::AppName) -> PathBuf {
        self.servers().join(".apps").join(name.as_str()).join(app.as_str())
    }

    /// The file system of terminals that `name`'s `app` has; fresh at each start.
    pub fn app_terminals(&self, name: &crate::accounts::Username, app: &crate::app_name::AppName) -> PathBuf {
        self.servers().join(".app-terminals").join(name.as_str()).join(app.as_str())
    }

    /// The Unix socket that `name`'s server listens on.
    pub fn server_socket(&self, name: &crate::accounts::Username) -> PathBuf {
        self.server_directory(name).join("server.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_has_generations_of_its_own_and_all_else_with_everybody() {
        let (paths, name) = (Paths::default(), "r".parse().unwrap());
        let kernel = paths.of_kernel(&name);
        assert_eq!(kernel.environment(7), Path::new("/opt/hubd/jupyter/kernels/r/7"));
        assert_eq!(kernel.current_environment(), Path::new("/opt/hubd/jupyter/kernels/r/kernel.json"));
        assert_eq!((kernel.environment_state(), kernel.workshop_lock()), (paths.environment_state(), paths.workshop_lock()));
        assert_eq!(kernel.of_everybody(), paths);
        assert_eq!(
            (paths.environment_at_work(7), kernel.environment_at_work(7)),
            (paths.environment_mount(), kernel.environment(7))
        );
    }

    #[test]
    fn everything_moves_with_the_root() {
        let paths = Paths::under("/tmp/x");
        assert_eq!(paths.config_file(), Path::new("/tmp/x/etc/hubd/config.toml"));
        assert_eq!(Paths::default().config_file(), Path::new("/etc/hubd/config.toml"));
    }
}
