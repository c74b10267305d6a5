//! What keeps a hub going: upgrades, copies.

use super::super::Default::{Unset, Value};
use super::super::Effect::Now;
use super::super::Kind::{Integer, Switch, Text};
use super::super::{Key, Table};

/// `[upgrade]`.
pub(super) const UPGRADE: Table = Table {
    name: "upgrade",
    doc: "Newer releases of hubd itself.",
    keys: &[
        Key {
            name: "source",
            kind: Text,
            default: Unset("only releases that were copied to the machine can be upgraded to"),
            example: "\"https://downloads.example.org/hubd\"",
            range: "an http:// or https:// address",
            doc: "The web address of the folder with the releases. The install writes down where it came from. What comes from \
                  there is believed only if it is signed.",
            effect: Now,
        },
        Key {
            name: "channel",
            kind: Text,
            default: Value("\"stable\""),
            example: "\"testing\"",
            range: "\"stable\" or \"testing\"",
            doc: "Which releases hubctl upgrade takes when no version is named: stable ones only, or also those still being tested.",
            effect: Now,
        },
        Key {
            name: "automatic",
            kind: Switch,
            default: Value("false"),
            example: "true",
            range: "true or false",
            doc: "Whether the hub upgrades automatically, one step at a time. A version that did not work is rolled back and not \
                  tried again; hubctl status says so.",
            effect: Now,
        },
        Key {
            name: "window",
            kind: Text,
            default: Value("\"03:00-05:00\""),
            example: "\"22:30-04:00\"",
            range: "two times of day, HH:MM-HH:MM; \"00:00-24:00\" is always",
            doc: "When an automatic upgrade may begin, in the machine's local time.",
            effect: Now,
        },
        Key {
            name: "max_online",
            kind: Integer,
            default: Value("0"),
            example: "5",
            range: "0 to 100000",
            doc: "The hub does not upgrade automatically while more people than this have a running server.",
            effect: Now,
        },
    ],
};

/// `[backup]`.
pub(super) const BACKUP: Table = Table {
    name: "backup",
    doc: "Backups of everything that can't be recreated: homes, class folder, people and passwords, configuration, certificates, locks of \
          the environment. hubctl backup init writes this table.",
    keys: &[
        Key {
            name: "repository",
            kind: Text,
            default: Unset("no backups are made"),
            example: "\"/mnt/disk/hubd\"",
            range: "a directory, \"sftp:user@host:/path\" or \"s3:https://host/bucket\"",
            doc: "Where backups go, encrypted.",
            effect: Now,
        },
        Key {
            name: "password_file",
            kind: Text,
            default: Value("\"/etc/hubd/backup.password\""),
            example: "\"/root/hubd-backup.password\"",
            range: "an absolute path",
            doc: "The file with the password of the backups, readable by root only. Without that password nobody can read them, \
                  so keep it somewhere else as well.",
            effect: Now,
        },
        Key {
            name: "enabled",
            kind: Switch,
            default: Value("true"),
            example: "false",
            range: "true or false",
            doc: "Whether backups are made automatically.",
            effect: Now,
        },
        Key {
            name: "at",
            kind: Text,
            default: Value("\"03:00\""),
            example: "\"22:30\"",
            range: "a time of day, HH:MM",
            doc: "When, in the machine's local time. A machine that was off then makes up for it.",
            effect: Now,
        },
        Key {
            name: "keep_daily",
            kind: Integer,
            default: Value("7"),
            example: "14",
            range: "0 to 10000",
            doc: "For how many days the last backup of each day is kept.",
            effect: Now,
        },
        Key {
            name: "keep_weekly",
            kind: Integer,
            default: Value("5"),
            example: "8",
            range: "0 to 10000",
            doc: "For how many weeks the last backup of each week is kept.",
            effect: Now,
        },
        Key {
            name: "keep_monthly",
            kind: Integer,
            default: Value("12"),
            example: "24",
            range: "0 to 10000",
            doc: "For how many months the last backup of each month is kept. The newest one always is.",
            effect: Now,
        },
    ],
};
