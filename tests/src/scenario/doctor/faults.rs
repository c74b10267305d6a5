//! What can be wrong with a hub, as data: how to break it, what the doctor says, how it is mended. What stands in one list is there
//! at the same time.

/// One fault.
pub(super) struct Fault {
    pub(super) name: &'static str,
    /// Commands of a shell.
    pub(super) plant: &'static str,
    /// Each finding's id, and what it is about. The first is the fault itself.
    pub(super) finds: &'static [(&'static str, &'static str)],
    /// What the first says of the way out.
    pub(super) remedy: &'static str,
    pub(super) mend: Mend,
}

pub(super) enum Mend {
    /// `hubctl doctor --fix`
    Fix,
    /// Commands of a shell.
    By(&'static str),
}

use Mend::{By, Fix};

/// Stands for where the hub listens.
pub(super) const PORT: &str = "the hub's address";

const fn fault(
    name: &'static str,
    plant: &'static str,
    finds: &'static [(&'static str, &'static str)],
    remedy: &'static str,
    mend: Mend,
) -> Fault {
    Fault { name, plant, finds, remedy, mend }
}

pub(super) const TOGETHER: &[&[Fault]] = &[INVALID, DAMAGE, LAUNCHER, DOWN, INTRUDER, FILES, MACHINE, KEPT, FORCE];

const FILES: &[Fault] = &[
    fault(
        "a unit changed by hand",
        "echo '# by hand' >>/etc/systemd/system/hubd-backup.service",
        &[("changed", "/etc/systemd/system/hubd-backup.service")],
        "sudo systemctl edit hubd-backup.service",
        By("sed -i '$d' /etc/systemd/system/hubd-backup.service"),
    ),
    fault(
        "a damaged program",
        "printf x >>/opt/hubd/bin/hubd-app",
        &[("changed", "/opt/hubd/bin/hubd-app")],
        "install the same release again",
        By("truncate --size=-1 /opt/hubd/bin/hubd-app"),
    ),
    fault(
        "a file that is gone",
        "mv /etc/tmpfiles.d/hubd.conf /root/",
        &[("missing", "/etc/tmpfiles.d/hubd.conf")],
        "sudo /opt/hubd/bin/hub-installer install",
        By("mv /root/hubd.conf /etc/tmpfiles.d/"),
    ),
    fault(
        "needrestart may restart servers",
        "mv /etc/needrestart/conf.d/hubd.conf /root/needrestart.conf",
        &[("missing", "/etc/needrestart/conf.d/hubd.conf")],
        "the installer puts it back",
        By("mv /root/needrestart.conf /etc/needrestart/conf.d/hubd.conf"),
    ),
    fault(
        "a configuration that everybody reads",
        "chmod 0644 /etc/hubd/config.toml",
        &[("permissions", "/etc/hubd/config.toml")],
        "sudo chown root:hubd '/etc/hubd/config.toml' && sudo chmod 0640",
        Fix,
    ),
    fault(
        "secrets that everybody reads",
        "chmod 0755 /etc/hubd/secrets",
        &[("permissions", "/etc/hubd/secrets")],
        "--fix puts it right",
        Fix,
    ),
    fault(
        "a directory of programs that is somebody else's",
        "chown nobody /opt/hubd/share",
        &[("permissions", "/opt/hubd/share")],
        "sudo chown root:root '/opt/hubd/share'",
        Fix,
    ),
    fault(
        "sudo rules with the wrong mode",
        "chmod 0666 /etc/sudoers.d/00-hubd-admins",
        &[("permissions", "/etc/sudoers.d/00-hubd-admins")],
        "sudo chmod 0440",
        Fix,
    ),
    fault(
        "accounts that everybody reads",
        "chmod 0755 /var/lib/hubd-launcher",
        &[("permissions", "/var/lib/hubd-launcher")],
        "sudo chmod 0700",
        Fix,
    ),
    fault(
        "an environment that others can change",
        "chmod o+w /opt/hubd/envs/current",
        &[("writable", "/opt/hubd/envs/current")],
        "sudo chmod go-w,ug-s '/opt/hubd/envs/current'",
        By("chmod go-w,ug-s /opt/hubd/envs/current"),
    ),
    fault(
        "a program that gives rights",
        "install -m 4755 /bin/true /opt/hubd/tools/rights",
        &[("writable", "/opt/hubd/tools/rights")],
        "find out who did that",
        By("rm /opt/hubd/tools/rights"),
    ),
];

const MACHINE: &[Fault] = &[
    fault(
        "a clock that was set back",
        "touch --date='1 day' /var/lib/hubd-installer/receipt.json",
        &[("clock", "")],
        "sudo timedatectl set-ntp true",
        By("touch /var/lib/hubd-installer/receipt.json"),
    ),
    fault(
        "restarts at any moment",
        "printf 'APT::Periodic::Unattended-Upgrade \"1\";\\nUnattended-Upgrade::Automatic-Reboot \"true\";\\n' >/etc/apt/apt.conf.d/99doctor",
        &[("reboot-by-itself", "")],
        "Automatic-Reboot-Time",
        By("rm /etc/apt/apt.conf.d/99doctor"),
    ),
    fault(
        "a release without updates",
        "cp /usr/lib/os-release /root/; sed -i 's/^VERSION_ID=.*/VERSION_ID=11/' /usr/lib/os-release",
        &[("release-end", "")],
        "upgrade the distribution",
        By("cp /root/os-release /usr/lib/os-release"),
    ),
    fault(
        "a full disk",
        "mount -t tmpfs -o size=16m full /srv/class
         dd if=/dev/zero of=/srv/class/fill bs=1M status=none 2>/dev/null || true",
        &[("disk-space", "/srv/class")],
        "sudo du -xh --max-depth=2 /srv/class",
        By("umount /srv/class"),
    ),
    fault(
        "a disk that takes no more files",
        "mount -t tmpfs -o nr_inodes=20,mode=0700,size=100m files /var/lib/hubd-upgrade
         for i in $(seq 30); do touch /var/lib/hubd-upgrade/$i 2>/dev/null || true; done",
        &[("disk-files", "/var/lib/hubd-upgrade")],
        "du -x --inodes",
        By("umount /var/lib/hubd-upgrade"),
    ),
    fault(
        "a disk that can't be written",
        "mount -t tmpfs -o ro,mode=0700,size=100m broken /var/lib/hubd-environments",
        &[("disk-read-only", "/var/lib/hubd-environments")],
        "sudo dmesg --level=err",
        By("umount /var/lib/hubd-environments"),
    ),
    fault(
        "no limit for all servers together",
        "systemctl set-property --runtime hubd-users.slice MemoryMax=infinity",
        &[("limit-together", "")],
        "sudo hubctl config apply",
        Fix,
    ),
    fault(
        "a timer that a reboot ends",
        "systemctl disable hubd-backup.timer",
        &[("unit-disabled", "hubd-backup.timer")],
        "sudo systemctl enable hubd-backup.timer",
        Fix,
    ),
    fault(
        "a timer that does not run",
        "systemctl stop hubd-auto-upgrade.timer",
        &[("unit-down", "hubd-auto-upgrade.timer")],
        "systemctl status hubd-auto-upgrade.timer",
        Fix,
    ),
    fault(
        "a unit that is masked",
        "mv /etc/systemd/system/hubd-certificates.timer /root/; systemctl mask hubd-certificates.timer",
        &[("unit-masked", "hubd-certificates.timer"), ("changed", "/etc/systemd/system/hubd-certificates.timer")],
        "sudo systemctl unmask hubd-certificates.timer",
        By("systemctl unmask hubd-certificates.timer; mv /root/hubd-certificates.timer /etc/systemd/system/
            systemctl daemon-reload; systemctl enable --now hubd-certificates.timer"),
    ),
    fault(
        "a unit that failed",
        "mkdir -p /run/systemd/system/hubd-auto-upgrade.service.d
         printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >/run/systemd/system/hubd-auto-upgrade.service.d/fail.conf
         systemctl daemon-reload; systemctl start hubd-auto-upgrade.service || true",
        &[("unit-failed", "hubd-auto-upgrade.service")],
        "sudo journalctl --lines=30 --unit=hubd-auto-upgrade.service",
        By("rm -r /run/systemd/system/hubd-auto-upgrade.service.d; systemctl daemon-reload
            systemctl reset-failed hubd-auto-upgrade.service"),
    ),
    fault(
        "homes that others get to",
        "chmod 0755 /home/hubd",
        // Bob's, and those to come.
        &[("config", "accounts.homes"), ("config", "accounts.homes")],
        "sudo chmod 0700",
        By("chmod 0700 /home/hubd"),
    ),
];

const KEPT: &[Fault] = &[
    fault(
        "an install that was interrupted",
        "sed -i 's/\"complete\": true/\"complete\": false/' /var/lib/hubd-installer/receipt.json",
        &[("install-interrupted", "")],
        "the same command again",
        By("sed -i 's/\"complete\": false/\"complete\": true/' /var/lib/hubd-installer/receipt.json"),
    ),
    fault(
        "an upgrade that could not be rolled back",
        "printf '{\"number\":1,\"who\":\"root\",\"when\":\"2026-11-20T12:00:00Z\",\"state\":\"failed\",\"from\":\"0.0.9\",\"to\":\"0.1.0\",\
         \"plan\":[],\"reason\":\"no room\",\"hint\":null}' >/var/lib/hubd-upgrade/outcome.json",
        &[("upgrade", "")],
        "sudo hubctl upgrade --status",
        By("rm /var/lib/hubd-upgrade/outcome.json"),
    ),
    fault(
        "more memory than there is",
        "hubctl config set limits.memory 4000G",
        &[("config", "limits.memory")],
        "sudo hubctl config edit",
        By("hubctl config unset limits.memory"),
    ),
    fault(
        "an account that can be logged in to",
        "usermod --expiredate '' jupyter-bob",
        &[("accounts", "")],
        "sudo hubctl config apply",
        Fix,
    ),
    fault(
        "an environment that lost a package",
        "mv /opt/hubd/envs/$(cat /opt/hubd/envs/current)/lib/python3.*/site-packages/jupyterlab /root/",
        &[("environment-broken", "")],
        "sudo hubctl env rollback",
        By("mv /root/jupyterlab /opt/hubd/envs/$(cat /opt/hubd/envs/current)/lib/python3.*/site-packages/"),
    ),
];

const FORCE: &[Fault] = &[
    fault(
        "a configuration that is not in force",
        "echo '# by hand' >>/etc/hubd/config.toml",
        &[("config-not-applied", "")],
        "sudo hubctl config apply",
        By("hubctl config apply"),
    ),
    fault(
        "no environment",
        "mv /opt/hubd/envs/current /root/",
        &[("environment", "")],
        "sudo hubctl env status",
        By("mv /root/current /opt/hubd/envs/"),
    ),
];

const INVALID: &[Fault] = &[fault(
    "a configuration that is not valid",
    "echo 'nonsense = 1' >>/etc/hubd/config.toml",
    &[("config-invalid", "")],
    "sudo hubctl config check",
    // What gets certificates follows the file, and has failed meanwhile.
    By("sed -i '$d' /etc/hubd/config.toml; systemctl start hubd-certificates.service"),
)];

const DAMAGE: &[Fault] = &[fault(
    "a damaged database",
    "systemctl stop hubd.service; cp /var/lib/hubd/hubd.db /root/; hubctl user list >/dev/null
         dd if=/dev/urandom of=/var/lib/hubd/hubd.db bs=4096 seek=1 count=2 conv=notrunc status=none",
    &[("database", "")],
    "hubctl backup restore",
    By(
        "systemctl stop hubd.service; cat /root/hubd.db >/var/lib/hubd/hubd.db; rm -f /var/lib/hubd/hubd.db-*; systemctl start hubd.service",
    ),
)];

const LAUNCHER: &[Fault] = &[
    fault(
        "a launcher that is down",
        "systemctl stop hubd-launcher.socket hubd-launcher.service",
        &[("launcher", ""), ("unit-down", "hubd-launcher.socket")],
        "systemctl status hubd-launcher.service",
        Fix,
    ),
    fault(
        "a history that can't be read",
        "cd /var/lib/hubd-installer/config-history; cp \"$(ls *.json | tail -n 1)\" /root/entry; echo x >\"$(ls *.json | tail -n 1)\"",
        &[("config-history", "")],
        "",
        By("cd /var/lib/hubd-installer/config-history; cat /root/entry >\"$(ls *.json | tail -n 1)\""),
    ),
];

const DOWN: &[Fault] = &[fault(
    "a hub that is down",
    "systemctl stop hubd.socket hubd-control.socket hubd-admin.socket hubd-operator.socket hubd.service",
    &[
        ("hub", ""),
        ("unit-down", "hubd.service"),
        ("unit-down", "hubd.socket"),
        ("unit-down", "hubd-control.socket"),
        ("unit-down", "hubd-admin.socket"),
        ("unit-down", "hubd-operator.socket"),
    ],
    "sudo hubctl status",
    Fix,
)];

const INTRUDER: &[Fault] = &[fault(
    "another program with the hub's port",
    "port=$(hubctl config get http.listen | grep -o '127.0.0.1:[0-9]*' | cut -d: -f2)
     systemctl stop hubd.socket hubd-control.socket hubd-admin.socket hubd-operator.socket hubd.service
     systemd-run --quiet --unit=intruder python3 -m http.server --bind 127.0.0.1 $port
     until ss -Htln | grep -q \":$port \"; do sleep 0.1; done",
    &[
        ("port-taken", PORT),
        ("hub", ""),
        ("unit-down", "hubd.service"),
        ("unit-down", "hubd.socket"),
        ("unit-down", "hubd-control.socket"),
        ("unit-down", "hubd-admin.socket"),
        ("unit-down", "hubd-operator.socket"),
    ],
    "sudo ss -ltnp",
    By("systemctl stop intruder.service; hubctl doctor --fix || true"),
)];
