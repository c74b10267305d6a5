//! Who may what, and how much.

use super::super::Default::{Unset, Value};
use super::super::Effect::{NewAccounts, NewServers, Now, Rights};
use super::super::Kind::{Integer, List, Memory, Number, Switch, Text};
use super::super::{Key, Table};

/// `[roles]`.
pub(super) const ROLES: Table = Table {
    name: "roles",
    doc: "Who may do more than use a server, and who is blocked. Who is enrolled is not set here: see hubctl user.",
    keys: &[
        Key {
            name: "admins",
            kind: List,
            default: Value("[]"),
            example: "[\"ada\"]",
            range: "names of people",
            doc: "People who manage the hub from inside it: they add students, see and stop servers, and may write to the \
                  class folder.",
            effect: Rights,
        },
        Key {
            name: "teachers",
            kind: List,
            default: Value("[]"),
            example: "[\"grace\"]",
            range: "names of people",
            doc: "People who run a class: they do what helpers do, add students and hand out links, block people and let \
                  them in again, and may write to the class folder.",
            effect: Rights,
        },
        Key {
            name: "helpers",
            kind: List,
            default: Value("[]"),
            example: "[\"bob\", \"eve\"]",
            range: "names of people",
            doc: "People who look after a class: they see whose servers run, start and stop them, and read their logs.",
            effect: Rights,
        },
        Key {
            name: "blocked",
            kind: List,
            default: Value("[]"),
            example: "[\"mallory\"]",
            range: "names of people, none of them an administrator",
            doc: "People who are blocked: they can't log in, and have no server. hubctl user block does the same without \
                  this file.",
            effect: Now,
        },
        Key {
            name: "host_operators",
            kind: List,
            default: Value("[]"),
            example: "[\"debian\"]",
            range: "unix accounts of this machine, none of them a student's",
            doc: "Accounts of this machine (ssh, console) that run hubctl as themselves, without sudo, and may do with it what \
                  administrators may inside the hub. They are not the people above. Whatever amounts to root needs full sudo.",
            effect: Now,
        },
    ],
};

/// `[groups.NAME]`.
pub(super) const GROUPS_ONE: Table = Table {
    name: "groups.NAME",
    doc: "A group of people. NAME is any name you like.",
    keys: &[Key {
        name: "members",
        kind: List,
        default: Value("[]"),
        example: "[\"ada\", \"bob\"]",
        range: "names of people",
        doc: "Who is in the group. One person may be in several.",
        effect: Now,
    }],
};

/// `[groups.NAME.limits]`.
pub(super) const GROUPS_ONE_LIMITS: Table = Table {
    name: "groups.NAME.limits",
    doc: "What each member of the group may use: any of the keys of [limits], instead of what [limits] says. For somebody in \
          several groups the largest value of each key counts.",
    keys: LIMIT_KEYS,
};

/// `[users.NAME]`.
pub(super) const USERS_ONE: Table = Table { name: "users.NAME", doc: "What applies to one person only.", keys: &[] };

/// `[users.NAME.limits]`.
pub(super) const USERS_ONE_LIMITS: Table = Table {
    name: "users.NAME.limits",
    doc: "What one person may use: any of the keys of [limits], instead of what [limits] and the groups say. A name with \
          a dot is put in quotes: [users.\"ada.lovelace\".limits].",
    keys: LIMIT_KEYS,
};

/// `[accounts]`.
pub(super) const ACCOUNTS: Table = Table {
    name: "accounts",
    doc: "The unix accounts behind the people. Accounts that exist keep their names and homes.",
    keys: &[
        Key {
            name: "prefix",
            kind: Text,
            default: Value("\"jupyter-\""),
            example: "\"class-\"",
            range: "1 to 16 of a-z, 0-9, `-` and `_`, a letter first",
            doc: "A student's unix account is this and the name: jupyter-ada.",
            effect: NewAccounts,
        },
        Key {
            name: "homes",
            kind: Text,
            default: Value("\"/home/hubd\""),
            example: "\"/srv/homes\"",
            range: "an absolute path, neither below nor above what the system or the hub needs",
            doc: "Where new homes are made; a link is followed. The directory and all above it must belong to root. If it is \
                  created for this, only root can enter it (mode 0700): each server sees its own home in it, and a mail server \
                  or sshd sees none.",
            effect: NewAccounts,
        },
        Key {
            name: "most",
            kind: Integer,
            default: Value("5000"),
            example: "20000",
            range: "1 to 40000",
            doc: "How many accounts there may be. Once they are used up, new people get no server, and hubctl status says so.",
            effect: Now,
        },
        Key {
            name: "most_per_hour",
            kind: Integer,
            default: Value("1000"),
            example: "3000",
            range: "1 to 40000",
            doc: "How many accounts may be made within an hour. Account numbers are never reused, so this keeps anything from using them up.",
            effect: Now,
        },
    ],
};

/// `[limits]`.
pub(super) const LIMITS: Table = Table { name: "limits", doc: "What one person's programs may use in total.", keys: LIMIT_KEYS };

const LIMIT_KEYS: &[Key] = &[
    Key {
        name: "memory",
        kind: Memory,
        default: Value("\"1G\""),
        example: "\"1.5G\"",
        range: "at least \"128M\"; a number and K, M, G or T",
        doc: "Memory. Programs that need more are stopped: first the kernel, rarely the server.",
        effect: Now,
    },
    Key {
        name: "swap",
        kind: Memory,
        default: Value("\"0\""),
        example: "\"512M\"",
        range: "a number and K, M, G or T",
        doc: "Swap on top of the memory.",
        effect: Now,
    },
    Key {
        name: "cpu_quota",
        kind: Number,
        default: Unset("everybody may use what is free"),
        example: "1.5",
        range: "0.05 to 4096 cores",
        doc: "Processor time in cores, as in 1.5.",
        effect: Now,
    },
    Key {
        name: "cpu_weight",
        kind: Integer,
        default: Value("100"),
        example: "200",
        range: "1 to 10000",
        doc: "The share when everybody wants the processor at once; 100 is normal.",
        effect: Now,
    },
    Key {
        name: "tasks",
        kind: Integer,
        default: Value("512"),
        example: "1000",
        range: "32 to 1000000",
        doc: "Processes and threads.",
        effect: Now,
    },
    Key {
        name: "network",
        kind: Switch,
        default: Value("true"),
        example: "false",
        range: "true or false",
        doc: "Whether programs reach anything beyond their own server. With false, notebooks work but packages can't be \
              installed: for an exam, say.",
        effect: NewServers,
    },
];
