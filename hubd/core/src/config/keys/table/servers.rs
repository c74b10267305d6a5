//! What runs for people, and what the machine keeps for itself.

use super::super::Default::{Unset, Value};
use super::super::Effect::{NewServers, Now};
use super::super::Kind::{Integer, List, Memory, Switch, Text, Time};
use super::super::{Key, Table};

/// `[servers]`.
pub(super) const SERVERS: Table = Table {
    name: "servers",
    doc: "How people's servers start and stop.",
    keys: &[
        Key {
            name: "default_app",
            kind: Text,
            default: Value("\"lab\""),
            example: "\"notebook\"",
            range: "\"lab\" or \"notebook\"",
            doc: "What opens first: \"lab\", which is JupyterLab, or \"notebook\", the plain Notebook.",
            effect: NewServers,
        },
        Key {
            name: "idle_timeout",
            kind: Time,
            default: Value("\"1h\""),
            example: "\"90m\"",
            range: "\"1m\" to \"365d\", or \"off\"",
            doc: "A server that nobody has used for this long is stopped; \"off\": never. Five minutes before (or half of a shorter time) its \
                  owner is told, on their page and in an open JupyterLab, and can keep it.",
            effect: Now,
        },
        Key {
            name: "start_timeout",
            kind: Time,
            default: Value("\"60s\""),
            example: "\"2m\"",
            range: "\"5s\" to \"1h\"",
            doc: "How long a server may take to answer, not counting the wait for its turn.",
            effect: Now,
        },
        Key {
            name: "stop_timeout",
            kind: Time,
            default: Value("\"10s\""),
            example: "\"15s\"",
            range: "\"1s\" to \"30s\"",
            doc: "How long a server may take to end before it is killed; kernels with unsaved work get this long.",
            effect: NewServers,
        },
        Key {
            name: "concurrent_starts",
            kind: Integer,
            default: Unset("by the number of processors and their load"),
            example: "4",
            range: "1 to 1000",
            doc: "How many servers may start at the same time; the others wait for their turn.",
            effect: Now,
        },
    ],
};

/// `[apps.NAME]`.
pub(super) const APPS_ONE: Table = Table {
    name: "apps.NAME",
    doc: "A web program beside Jupyter, at /user/PERSON/apps/NAME/: everybody starts their own from their page. NAME is made of a-z, \
          0-9 and `-`. When the table is taken out, everybody's ends at once.",
    keys: &[
        Key {
            name: "title",
            kind: Text,
            default: Unset("its name"),
            example: "\"OpenRefine\"",
            range: "1 to 60 characters",
            doc: "What people call it.",
            effect: Now,
        },
        Key {
            name: "description",
            kind: Text,
            default: Unset("nothing is said"),
            example: "\"Clean up tables.\"",
            range: "1 to 200 characters",
            doc: "What it is for; people see this before they start it.",
            effect: Now,
        },
        Key {
            name: "command",
            kind: List,
            default: Unset("an app needs one"),
            example: "[\"/usr/local/bin/colours\", \"{port}\"]",
            range: "a program and its arguments, with {socket} or {port}",
            doc: "What is run, as its owner and within their limits, in their home. {socket} or {port} is where it has to listen, {prefix} its \
                  address on the hub with a slash at both ends, {home} the home, {user} the name. No shell reads it.",
            effect: NewServers,
        },
        Key {
            name: "prefix",
            kind: Text,
            default: Value("\"stripped\""),
            example: "\"kept\"",
            range: "\"stripped\" or \"kept\"",
            doc: "What it is asked for: \"stripped\", without its address, as if it were alone on its host; \"kept\", with all of it, for a program \
                  that is told {prefix}. A running one has to be restarted.",
            effect: NewServers,
        },
        Key {
            name: "ready",
            kind: Text,
            default: Value("\"/\""),
            example: "\"/health\"",
            range: "a path with a slash first",
            doc: "What the hub asks it for until it answers with anything but an error of its own (5xx): then it is ready.",
            effect: Now,
        },
        Key {
            name: "network",
            kind: Switch,
            default: Value("false"),
            example: "true",
            range: "true or false",
            doc: "Whether it reaches the network, as far as the person's limits let them. Not with {port}: everybody on the machine could \
                  reach that port.",
            effect: NewServers,
        },
    ],
};

/// `[machine]`.
pub(super) const MACHINE: Table = Table {
    name: "machine",
    doc: "The machine underneath.",
    keys: &[
        Key {
            name: "reserve",
            kind: Memory,
            default: Unset("an eighth of the machine, at least 384 MB or a quarter of it"),
            example: "\"512M\"",
            range: "a number and K, M, G or T",
            doc: "Memory that is kept free: all students together can never use it.",
            effect: Now,
        },
        Key {
            name: "denied_addresses",
            kind: List,
            default: Value("[\"169.254.169.254\", \"fd00:ec2::254\"]"),
            example: "[\"169.254.169.254\", \"fd00:ec2::254\", \"10.0.0.0/8\"]",
            range: "addresses, and ranges as in \"10.0.0.0/8\"",
            doc: "Addresses that people's programs and package builds can't reach: by default those where cloud providers hand \
                  out data about a machine, including credentials. The machine's own name servers stay reachable.",
            effect: Now,
        },
    ],
};
