//! From who, limits and program to the unit that systemd runs. Pure, and the only place that decides what a server may
//! do on the machine.
//!
//! Every text in it comes from a validated type or from root's own files, and is judged once more: no secret and nothing
//! that a person typed freely reaches a property, because properties are public and systemd 252 writes some of them raw
//! into a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hub_core::accounts::lookup::Account;
use hub_core::config::{Limits, Role};
use hub_core::paths::Paths;
use hub_core::unit_name::UnitName;
use hub_system::systemd::{Bind, Property, TransientUnit, Value};

use super::which::Which;

/// How long systemd may take until the program runs (not until it answers).
const START_SECONDS: u64 = 60;
/// Size of the directory that holds the socket: a file system of its own, or one student could fill `/run` for all.
const SERVER_DIRECTORY_OPTIONS: &str = "size=16m,nr_inodes=4k,nosuid,nodev,noexec";
/// A file system of terminals of their own, with so many: nobody takes all that the kernel has, for then there is none for a
/// login by ssh. Group 5 is `tty` on every Debian.
const TERMINALS_OPTIONS: &str = "max=128,mode=620,ptmxmode=666,gid=5,nosuid,noexec";
/// What systemd itself says of a server, at each start and stop, is in the machine's journal: only that something went wrong is
/// worth a line there. What the server says has this level, or it would be left out as well.
const LOG_LEVEL: i32 = 4;
/// When the whole machine runs out of memory, servers go before the hub and sshd.
const OOM_SCORE: i32 = 500;
/// The group whose members may write to the class folder.
pub(super) const ADMINS_GROUP: &str = "hubd-admins";
/// The journal of what people's servers say.
pub(super) const LOG_NAMESPACE: &str = "hubd-users";
/// Lines that a server may say in this time; journald allows more while there is much room on the disk.
const LOG_BURST: u32 = 200;
const LOG_INTERVAL_SECONDS: u64 = 600;
/// `EPERM`: a program that tries a forbidden call is told so instead of being killed.
const EPERM: i32 = 1;
const IO_URING: [&str; 3] = ["io_uring_setup", "io_uring_enter", "io_uring_register"];
/// `MS_PRIVATE`: what is mounted on the machine later does not appear inside.
const PRIVATE: u64 = 1 << 18;
const MICROSECONDS: u64 = 1_000_000;
/// systemd's "no limit".
const NO_LIMIT: u64 = u64::MAX;

/// Whose server, and what it runs.
#[derive(Debug, Clone)]
pub(super) struct Order<'a> {
    pub(super) which: Which<'a>,
    /// What people call it.
    pub(super) title: &'a str,
    /// Whether it may reach the network at all, if the limits let its owner.
    pub(super) has_network: bool,
    pub(super) account: &'a Account,
    pub(super) role: Role,
    /// Number of the group `hubd`, which connects to the socket.
    pub(super) hub_gid: u32,
    pub(super) limits: &'a Limits,
    /// How long it may take to end before it is killed; kernels with unsaved state get this long.
    pub(super) stop_timeout: Duration,
    /// The home, every link on the way followed.
    pub(super) home: &'a Path,
    /// Where homes are, under all of their names; links followed, too.
    pub(super) hidden: &'a [PathBuf],
    /// Generation of the environment.
    pub(super) environment: u32,
    pub(super) program: Program,
    pub(super) paths: &'a Paths,
}

/// What runs in the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// The program and its arguments, as the unit sees them.
    pub(super) argv: Vec<String>,
    /// Its whole environment; nothing in it is secret.
    pub(super) environment: Vec<(String, String)>,
}

/// Why no unit can be made of an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SpecError {
    #[error("path {0:?} has characters with a meaning to systemd; expected letters, digits and `/._-+@`")]
    Path(PathBuf),
    #[error("`{0}` can't be where homes are: nothing of the machine would be left to see")]
    Homes(PathBuf),
    #[error("account `{account}` has uid {uid} and gid {gid}; expected at least 1000, which are people's")]
    System { account: String, uid: u32, gid: u32 },
    #[error("the server has no program")]
    NoProgram,
}

/// The unit for `order`.
///
/// # Errors
/// When something in it must not reach a unit.
pub(super) fn unit(order: &Order<'_>) -> Result<TransientUnit, SpecError> {
    let Account { name: account, uid, gid, .. } = order.account;
    if *uid < 1000 || *gid < 1000 {
        return Err(SpecError::System { account: account.clone(), uid: *uid, gid: *gid });
    }
    if order.program.argv.is_empty() {
        return Err(SpecError::NoProgram);
    }
    let directory = plain(&order.which.directory(order.paths))?;
    let mut properties = life(order, &directory)?;
    if order.which.app.is_none() {
        properties.extend(limits(order.limits));
    }
    properties.push(Property::new("OOMScoreAdjust", OOM_SCORE));
    // Its socket is a file, so it answers the hub all the same.
    properties.push(Property::new("PrivateNetwork", !(order.limits.network && order.has_network)));
    properties.extend(view(order, &directory)?);
    properties.extend(sandbox());
    Ok(TransientUnit {
        name: order.which.unit(),
        properties,
        auxiliary: vec![
            (UnitName::slice(order.which.name), slice(order)),
            (order.which.directory_unit(), server_directory(order)),
            (order.which.terminals_unit(), terminals(order)),
        ],
    })
}

/// What it runs as, how it starts and ends.
fn life(order: &Order<'_>, directory: &str) -> Result<Vec<Property>, SpecError> {
    let home = plain(&order.account.home)?;
    // systemd itself adds the groups that the account has.
    let groups = if keeps_class_folder(order.role) { vec![ADMINS_GROUP.to_owned()] } else { Vec::new() };
    Ok(vec![
        Property::new("Description", format!("{} of {}", order.title, order.which.name)),
        Property::new("Slice", UnitName::slice(order.which.name).as_str()),
        Property::new(
            "RequiresMountsFor",
            vec![directory.to_owned(), plain(&order.which.terminals(order.paths))?, plain(order.home)?],
        ),
        // A failed unit stays loaded, so that one can ask why; the next start clears it away.
        Property::new("CollectMode", "inactive"),
        Property::new("Type", "exec"),
        Property::new("ExecStart", Value::Program(order.program.argv.clone())),
        Property::new("Environment", variables(order)),
        // By number: an empty name would mean root.
        Property::new("User", order.account.uid.to_string()),
        Property::new("Group", order.account.gid.to_string()),
        Property::new("SupplementaryGroups", groups),
        Property::new("WorkingDirectory", home),
        Property::new("UMask", Value::Mode(mask(order))),
        Property::new("StandardInput", "null"),
        Property::new("StandardOutput", "journal"),
        Property::new("StandardError", "inherit"),
        // A journal for all people, apart from the machine's; a rate for each, so that nobody fills it alone. Levels that a
        // program writes before a line would each have a rate of their own.
        Property::new("LogNamespace", LOG_NAMESPACE),
        Property::new("LogRateLimitIntervalUSec", LOG_INTERVAL_SECONDS * MICROSECONDS),
        Property::new("LogRateLimitBurst", Value::Mode(LOG_BURST)),
        Property::new("SyslogLevelPrefix", false),
        Property::new("SyslogLevel", Value::Signed(LOG_LEVEL)),
        Property::new("LogLevelMax", Value::Signed(LOG_LEVEL)),
        Property::new("SyslogIdentifier", format!("hubd-user-{}", order.which.name)),
        Property::new("TimeoutStartUSec", START_SECONDS * MICROSECONDS),
        Property::new("TimeoutStopUSec", microseconds(order.stop_timeout)),
        Property::new("KillMode", "control-group"),
        Property::new("SendSIGKILL", true),
        // A kernel that runs out of memory is killed; the server lives and says so.
        Property::new("OOMPolicy", "continue"),
        Property::new("LimitCORE", 0_u64),
    ])
}

fn mask(order: &Order<'_>) -> u32 {
    match (order.which.app, keeps_class_folder(order.role)) {
        // The socket that an app makes is for its group, which is the hub's; homes are closed all the same.
        (Some(_), _) => 0o007,
        // What they put into the class folder is for everybody to read and for each of them to change.
        (None, true) => 0o002,
        (None, false) => 0o077,
    }
}

/// Whether somebody writes to the class folder. A helper looks after servers and does not teach.
pub(super) fn keeps_class_folder(role: Role) -> bool {
    role >= Role::Teacher
}

fn microseconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(MICROSECONDS)
}

/// The server's own variables, and the limit on its processors, which it can't read anywhere else.
fn variables(order: &Order<'_>) -> Vec<String> {
    let cores = order.limits.cpu_quota.map(|cores| format!("CPU_LIMIT={cores}"));
    order.program.environment.iter().map(|(name, value)| format!("{name}={value}")).chain(cores).collect()
}

/// What everything of one student may use, on the slice as on the one server: the slice holds for all of their servers
/// together, and the unit's own limit tells which of them it was that had no memory left.
fn limits(limits: &Limits) -> Vec<Property> {
    let mut properties = vec![
        Property::new("MemoryMax", limits.memory),
        Property::new("MemorySwapMax", limits.swap),
        Property::new("TasksMax", limits.tasks),
    ];
    if let Some(cores) = limits.cpu_quota {
        // Rounded to whole microseconds; config allows 0.05 to 4096 cores.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and far below 2^53")]
        properties.push(Property::new("CPUQuotaPerSecUSec", (cores * MICROSECONDS as f64).round() as u64));
    }
    properties
}

/// The limits of a running server. A quota that was taken away has to be said.
pub(super) fn server_limits(limits: &Limits) -> Vec<Property> {
    let mut properties = self::limits(limits);
    if limits.cpu_quota.is_none() {
        properties.push(Property::new("CPUQuotaPerSecUSec", NO_LIMIT));
    }
    properties
}

/// The limits of a running student's slice.
pub(super) fn slice_limits(limits: &Limits) -> Vec<Property> {
    let mut properties = server_limits(limits);
    properties.push(Property::new("CPUWeight", limits.cpu_weight));
    properties
}

fn slice(order: &Order<'_>) -> Vec<Property> {
    let mut properties = vec![
        Property::new("Description", format!("Everything {} runs", order.which.name)),
        Property::new("CPUWeight", order.limits.cpu_weight),
    ];
    properties.extend(limits(order.limits));
    properties
}

/// A small file system for the socket, fresh at each start. Its owner may put anything there, and hubd may enter.
fn server_directory(order: &Order<'_>) -> Vec<Property> {
    let (uid, gid) = (order.account.uid, order.hub_gid);
    vec![
        Property::new("Description", format!("Server directory of {}", order.which.name)),
        Property::new("What", "tmpfs"),
        Property::new("Type", "tmpfs"),
        // The set-group bit makes the socket hubd's to connect to.
        Property::new("Options", format!("mode=2750,uid={uid},gid={gid},{SERVER_DIRECTORY_OPTIONS}")),
        // A forgotten process must not keep the directory of the next server busy.
        Property::new("LazyUnmount", true),
        Property::new("LogLevelMax", Value::Signed(LOG_LEVEL)),
    ]
}

/// Terminals that nobody else's are counted with.
fn terminals(order: &Order<'_>) -> Vec<Property> {
    vec![
        Property::new("Description", format!("Terminals of {}", order.which.name)),
        Property::new("What", "devpts"),
        Property::new("Type", "devpts"),
        Property::new("Options", TERMINALS_OPTIONS),
        Property::new("DirectoryMode", Value::Mode(0o700)),
        Property::new("LazyUnmount", true),
        Property::new("LogLevelMax", Value::Signed(LOG_LEVEL)),
    ]
}

/// What it sees of the machine's files.
fn view(order: &Order<'_>, directory: &str) -> Result<Vec<Property>, SpecError> {
    let paths = order.paths;
    // Mounts are put where links lead to; the way there by the link stays.
    let home = plain(order.home)?;
    let same = |path: &str, optional| Bind { source: path.to_owned(), target: path.to_owned(), optional };
    let mut hidden = vec![
        // The system bus, systemd's own sockets, the launcher's, other students' directories: with logind's alone one
        // could have a session outside of one's limits.
        ("/run".to_owned(), "ro,nosuid,nodev,mode=0755".to_owned()),
        // `ProtectHome=tmpfs` would leave it writable and as large as half of the memory.
        ("/run/user".to_owned(), "ro,nosuid,nodev,mode=0755".to_owned()),
        // Counts as memory, but belongs to no process: were all of the limit allowed here, filling it would kill one
        // process after the other and free nothing.
        ("/dev/shm".to_owned(), format!("nosuid,nodev,noexec,mode=1777,size={}", order.limits.memory / 2)),
    ];
    for homes in hidden_homes(order)? {
        hidden.push((homes, "ro,nosuid,nodev,mode=0755".to_owned()));
    }
    let terminals = Bind { source: plain(&order.which.terminals(paths))?, target: "/dev/pts".to_owned(), optional: false };
    let mut writable = vec![same(&home, false), same(directory, false), terminals];
    let mut read_only = vec![
        Bind {
            source: plain(&paths.environment(order.environment))?,
            target: plain(&paths.environment_mount())?,
            optional: false,
        },
        // How names become addresses, where programs of the machine keep that below `/run`.
        same("/run/systemd/resolve", true),
        same("/run/resolvconf", true),
        same("/run/NetworkManager/resolv.conf", true),
    ];
    read_only.sort_by(|one, other| one.target.cmp(&other.target));
    let mut also_writable = Vec::new();
    if order.role > Role::Student {
        // At its other end the hub looks up who asks and what that person may do, at each request.
        writable.push(same(&plain(&paths.admin_directory())?, true));
    }
    if keeps_class_folder(order.role) {
        also_writable.push(format!("-{}", plain(&paths.class_folder())?));
    }
    let invisible =
        [paths.state(), paths.launcher_state(), paths.installer_state(), paths.config_directory(), paths.environments()];
    let mut invisible = invisible.iter().map(|path| Ok(format!("-{}", plain(path)?))).collect::<Result<Vec<_>, SpecError>>()?;
    // A log name space brings its sockets along; what a server says reaches it by the descriptors that systemd opens.
    invisible.push("-/run/systemd/journal".to_owned());
    Ok(vec![
        Property::new("ProtectSystem", "strict"),
        Property::new("PrivateTmp", true),
        Property::new("TemporaryFileSystem", Value::Places(hidden)),
        Property::new("BindPaths", writable),
        Property::new("BindReadOnlyPaths", read_only),
        Property::new("ReadWritePaths", also_writable),
        Property::new("InaccessiblePaths", invisible),
        Property::new("MountFlags", PRIVATE),
    ])
}

/// Everybody's homes, wherever they are. Not `ProtectHome=tmpfs`: it leaves them writable under systemd 252, and where `/home`
/// is a link it hides the one home that is to be seen, too.
fn hidden_homes(order: &Order<'_>) -> Result<Vec<String>, SpecError> {
    let mut hidden: Vec<String> = Vec::new();
    for homes in order.hidden.iter().map(PathBuf::as_path).chain([order.home.parent().unwrap_or(order.home)]) {
        if homes == Path::new("/") {
            return Err(SpecError::Homes(order.home.to_owned()));
        }
        let text = plain(homes)?;
        if !hidden.iter().any(|covered| homes.starts_with(covered)) {
            hidden.push(text);
        }
    }
    Ok(hidden)
}

/// What it may ask of the kernel, the same for everybody.
fn sandbox() -> Vec<Property> {
    let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    vec![
        Property::new("NoNewPrivileges", true),
        Property::new("CapabilityBoundingSet", 0_u64),
        Property::new("AmbientCapabilities", 0_u64),
        Property::new("PrivateDevices", true),
        Property::new("DevicePolicy", "closed"),
        Property::new("PrivateIPC", true),
        Property::new("ProtectClock", true),
        Property::new("ProtectControlGroups", true),
        Property::new("ProtectHostname", true),
        Property::new("ProtectKernelLogs", true),
        Property::new("ProtectKernelModules", true),
        Property::new("ProtectKernelTunables", true),
        Property::new("ProtectProc", "invisible"),
        // `pid` would break ps, free, top and psutil.
        Property::new("ProcSubset", "all"),
        Property::new("KeyringMode", "private"),
        Property::new("LockPersonality", true),
        Property::new("RemoveIPC", true),
        // No name space of any kind may be made.
        Property::new("RestrictNamespaces", 0_u64),
        Property::new("RestrictRealtime", true),
        Property::new("RestrictSUIDSGID", true),
        Property::new("SystemCallArchitectures", list(&["native"])),
        Property::new("SystemCallFilter", Value::Filter(true, list(&["@system-service"]))),
        // What is asked for in its queues is looked at by no filter.
        Property::new("SystemCallFilter", Value::Filter(false, list(&IO_URING))),
        Property::new("SystemCallErrorNumber", EPERM),
        Property::new("RestrictAddressFamilies", Value::Filter(true, list(&["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]))),
    ]
}

/// A path as text, if it means nothing but itself to systemd.
fn plain(path: &Path) -> Result<String, SpecError> {
    let refused = || SpecError::Path(path.to_owned());
    let text = path.to_str().ok_or_else(refused)?;
    let is_plain = path.is_absolute()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c))
        && !path.components().any(|part| part == std::path::Component::ParentDir);
    if is_plain { Ok(text.to_owned()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests;
