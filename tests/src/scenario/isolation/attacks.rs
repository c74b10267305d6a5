//! What is tried from inside a server, and what has to come back.

/// One line of Python, with the words of `probe.py`, and what the answer must have in it (one of these);
/// `END` stands for the end of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) expression: &'static str,
    pub(super) expected: &'static [&'static str],
}

const fn attempt(expression: &'static str, expected: &'static [&'static str]) -> Attempt {
    Attempt { expression, expected }
}

const ABSENT: &[&str] = &["refused ENOENT"];
const CLOSED: &[&str] = &["refused EACCES", "refused EPERM", "refused ENOENT"];
const READ_ONLY: &[&str] = &["refused EROFS", "refused EACCES", "refused ENOENT"];
const NO_BUS: &[&str] = &["Failed to connect to bus", "Failed to connect to", "No such file or directory", "Host is down"];

/// What a student tries. Those that must succeed show that the others fail for the right reason.
#[rustfmt::skip]
pub(super) const STUDENT: &[Attempt] = &[
    // Her own things work.
    attempt("write(os.path.expanduser('~/own.txt'))", &["wrote"]),
    attempt("connect('/run/hubd-servers/eve/server.sock')", &["connected"]),
    attempt("write('/tmp/own')", &["wrote"]),
    attempt("write('/dev/shm/own')", &["wrote"]),
    attempt("run('id -un')", &["exit 0: jupyter-eve"]),
    // Another's home.
    attempt("entries('/home')", &["listed hubdEND"]),
    attempt("entries('/home/hubd')", &["listed jupyter-eveEND"]),
    attempt("read('/home/hubd/jupyter-bob/secret.txt')", ABSENT),
    attempt("entries('/proc/1/root/home')", CLOSED),
    attempt("read('/proc/self/root/home/hubd/jupyter-bob/secret.txt')", ABSENT),
    attempt("read('/proc/BOB_PID/root/home/hubd/jupyter-bob/secret.txt')", CLOSED),
    attempt("entries('/root')", &["listed END"]),
    // Another's server.
    attempt("entries('/run/hubd-servers')", &["listed eveEND"]),
    attempt("entries('/run/hubd-servers/bob')", CLOSED),
    attempt("connect('/run/hubd-servers/bob/server.sock')", CLOSED),
    attempt("entries('/run')", &["listed hubd-servers systemd userEND", "listed hubd-servers systemdEND", "listed hubd-serversEND"]),
    // Another's processes, temporary files, shared memory.
    attempt("owners()", &["uids EVE_UIDEND"]),
    attempt("read('/proc/BOB_PID/environ')", ABSENT),
    attempt("read('/proc/BOB_PID/cmdline')", ABSENT),
    attempt("str(os.kill(BOB_PID, 0))", CLOSED),
    attempt("run('ls /tmp /var/tmp /dev/shm | grep -c canary')", &["exit 1: 0"]),
    attempt("run('ipcs --shmems | grep -c 0x')", &["exit 1: 0"]),
    // The machine's files.
    attempt("run('ls /opt/hubd/env/bin/jupyter')", &["exit 0"]),
    attempt("write('/opt/hubd/env/bin/python')", READ_ONLY),
    attempt("write('/opt/hubd/env/new')", READ_ONLY),
    attempt("write('/srv/class/new')", READ_ONLY),
    attempt("write('/usr/bin/new')", READ_ONLY),
    attempt("write('/etc/passwd')", READ_ONLY),
    attempt("write('/var/spool/cron/crontabs/jupyter-eve')", READ_ONLY),
    attempt("read('/etc/shadow')", &["refused EACCES"]),
    attempt("read('/etc/hubd/config.toml')", CLOSED),
    attempt("entries('/var/lib/hubd')", CLOSED),
    attempt("read('/var/lib/hubd-launcher/accounts')", CLOSED),
    attempt("read('/var/lib/hubd-installer/receipt.json')", CLOSED),
    attempt("entries('/opt/hubd/envs')", CLOSED),
    attempt("read('/dev/sda')", CLOSED),
    attempt("read('/dev/mem')", CLOSED),
    attempt("read('/dev/kmsg')", CLOSED),
    // Whoever could do something for her.
    attempt("connect('/run/hubd-launcher/launcher.sock')", ABSENT),
    attempt("connect('/run/hubd/control.sock')", ABSENT),
    attempt("connect('/run/hubd-admin/admin.sock')", ABSENT),
    attempt("connect('/run/hubd-operator/operator.sock')", ABSENT),
    attempt("connect('/run/dbus/system_bus_socket')", ABSENT),
    attempt("connect('/var/run/dbus/system_bus_socket')", ABSENT),
    attempt("connect('/run/systemd/private')", ABSENT),
    attempt("connect('/run/systemd/notify')", ABSENT),
    attempt("connect('/run/systemd/journal/socket')", CLOSED),
    attempt("connect('/run/systemd/journal/stdout')", CLOSED),
    attempt("write('/run/user/new')", READ_ONLY),
    attempt("connect('/run/systemd/userdb/io.systemd.DynamicUser')", ABSENT),
    attempt("connect('/run/systemd/io.system.ManagedOOM')", ABSENT),
    // Places for mounts; nothing is in them.
    attempt("run('find /run -not -type d -not -path \"/run/hubd-servers/eve/*\" 2>/dev/null; true')", &["exit 0: END"]),
    attempt("entries('/run/systemd/transient')", ABSENT),
    attempt("run('busctl --system list')", NO_BUS),
    attempt("run('systemctl stop hubd.service')", NO_BUS),
    attempt("run('systemctl show hubd-user-bob.service')", NO_BUS),
    attempt("run('loginctl enable-linger')", NO_BUS),
    attempt("run('systemd-run --user true')", NO_BUS),
    attempt("run('systemd-run true')", NO_BUS),
    attempt("run('hubctl user list')", &["exit 1", "exit 7"]),
    // More rights.
    attempt("run('sudo -n true')", &["no new privileges"]),
    attempt("run('su -c true')", &["exit 1", "exit 126"]),
    attempt("run('pkexec true')", &["must be setuid root", "exit 127"]),
    attempt("run('echo \"* * * * * true\" | crontab -')", &["exit 1"]),
    attempt("run('echo true | at now')", &["exit 1"]),
    attempt("run('unshare -U true')", &["Operation not permitted"]),
    attempt("run('unshare -m true')", &["Operation not permitted"]),
    attempt("uring()", &["refused EPERM"]),
    attempt("vsock()", &["refused EAFNOSUPPORT"]),
    attempt("run('mount -t tmpfs none /tmp')", &["exit 1", "exit 32"]),
    attempt("run('chmod u+s ~/own.txt')", &["Operation not permitted"]),
    attempt("run('dmesg')", &["exit 1"]),
    attempt("run('find /sys/fs/cgroup -writable -type f | wc -l')", &["exit 0: 0END"]),
    attempt("run('ssh -o BatchMode=yes localhost true')", &["exit 255", "exit 127"]),
    attempt("status('NoNewPrivs', 'Seccomp', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')", &["NoNewPrivs=1 Seccomp=2 CapInh=0000000000000000 CapPrm=0000000000000000 CapEff=0000000000000000 CapBnd=0000000000000000 CapAmb=0000000000000000"]),
    attempt("run('umask; id -u; id -g; id -Gn')", &["exit 0: 0077\nEVE_UID\nEVE_GID\njupyter-eve hubd-usersEND"]),
];

/// What every service of the hub tries whose account is not root.
#[rustfmt::skip]
pub(super) const SERVICE: &[Attempt] = &[
    attempt("run('getent passwd $(id -un) | cut -d: -f6')", &["exit 0: /nonexistentEND"]),
    attempt("connect('/run/systemd/journal/stdout')", &["connected"]),
    attempt("connect('/run/dbus/system_bus_socket')", ABSENT),
    attempt("connect('/run/systemd/private')", ABSENT),
    attempt("connect('/run/systemd/userdb/io.systemd.DynamicUser')", ABSENT),
    attempt("connect('/run/hubd/control.sock')", ABSENT),
    attempt("connect('/run/hubd-admin/admin.sock')", ABSENT),
    attempt("write('/run/new')", READ_ONLY),
    attempt("write('/run/user/new')", READ_ONLY),
    attempt("run('busctl --system list')", NO_BUS),
    attempt("run('busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager SetUserLinger ubb $(id -u) true false')", NO_BUS),
    attempt("run('loginctl enable-linger')", NO_BUS),
    attempt("run('systemd-run --user true')", &["Failed to connect", "exit 1"]),
    attempt("run('systemd-run true')", NO_BUS),
    attempt("uring()", &["refused EPERM"]),
    attempt("vsock()", &["refused EAFNOSUPPORT"]),
    attempt("run('unshare -U true')", &["Operation not permitted"]),
    attempt("run('sudo -n true')", &["no new privileges"]),
    attempt("entries('/home')", CLOSED),
    attempt("status('NoNewPrivs', 'Seccomp', 'CapEff', 'CapBnd')", &["NoNewPrivs=1 Seccomp=2 CapEff=0000000000000000 CapBnd=0000000000000000"]),
];

/// What the network face needs, and has.
#[rustfmt::skip]
pub(super) const SERVE: &[Attempt] = &[
    attempt("connect('/run/hubd-launcher/launcher.sock')", &["connected"]),
    attempt("connect('/run/hubd-servers/bob/server.sock')", &["connected"]),
    attempt("connect('/run/systemd/notify')", &["refused EPROTOTYPE"]),
];

/// What an administrator's notebook tries: it is not root either.
#[rustfmt::skip]
pub(super) const ADMIN: &[Attempt] = &[
    attempt("connect('/run/hubd-admin/admin.sock')", &["connected"]),
    attempt("run('hubctl user list')", &["exit 0"]),
    attempt("run('hubctl config check')", &["works only on the server"]),
    attempt("run('sudo -n true')", &["no new privileges"]),
    attempt("entries('/home/hubd')", &["listed jupyter-adaEND"]),
    attempt("connect('/run/hubd-launcher/launcher.sock')", ABSENT),
    attempt("connect('/run/hubd/control.sock')", ABSENT),
    attempt("connect('/run/hubd-operator/operator.sock')", ABSENT),
    attempt("connect('/run/dbus/system_bus_socket')", ABSENT),
    attempt("write('/opt/hubd/env/new')", READ_ONLY),
    attempt("write('/etc/passwd')", READ_ONLY),
    attempt("status('NoNewPrivs', 'Seccomp', 'CapEff', 'CapBnd')", &["NoNewPrivs=1 Seccomp=2 CapEff=0000000000000000 CapBnd=0000000000000000"]),
];
