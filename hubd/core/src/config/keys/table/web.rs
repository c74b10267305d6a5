//! How the hub is reached, and how people log in.

use super::super::Default::{Unset, Value};
use super::super::Effect::{MovesListener, Now};
use super::super::Kind::{List, Switch, Text, Time};
use super::super::{Key, Table};
use super::logins;

/// `[hub]`.
pub(super) const HUB: Table = Table {
    name: "hub",
    doc: "How the hub presents itself.",
    keys: &[
        Key {
            name: "name",
            kind: Text,
            default: Value("\"Classroom\""),
            example: "\"Statistics 1\"",
            range: "1 to 60 characters",
            doc: "The name on every page.",
            effect: Now,
        },
        Key {
            name: "url",
            kind: Text,
            default: Unset("links are printed without an address"),
            example: "\"https://hub.example.org\"",
            range: "http:// or https:// and a host, with a port and a path if need be",
            doc: "Where people reach the hub, without a slash at the end; links begin with it. With a path, as in \
                  \"https://www.example.org/jupyter\", everything of the hub is below that; when the path changes the hub is \
                  restarted, and servers that run have to be, too.",
            effect: Now,
        },
        Key {
            name: "announcement",
            kind: Text,
            default: Unset("nothing is announced"),
            example: "\"The hub is closed on Friday from 6 pm.\"",
            range: "1 to 500 characters of plain text",
            doc: "A short text on every page of the hub, and in every open JupyterLab. It is shown as it is: no HTML, no Markdown.",
            effect: Now,
        },
    ],
};

/// `[http]`.
pub(super) const HTTP: Table = Table {
    name: "http",
    doc: "The plain (http) listener. Without HTTPS, passwords travel unencrypted.",
    keys: &[
        Key {
            name: "listen",
            kind: List,
            default: Value("[\"[::]:80\"]"),
            example: "[\"127.0.0.1:8000\"]",
            range: "addresses, each with a port",
            doc: "Addresses and ports. With HTTPS they send browsers on to the encrypted ones.",
            effect: MovesListener,
        },
        Key {
            name: "proxy_group",
            kind: Text,
            default: Unset("no web server is in front of the hub"),
            example: "\"www-data\"",
            range: "a unix group of this machine",
            doc: "The group of a web server (nginx, Apache, Caddy) that stands in front of the hub. It reaches the hub at the \
                  socket /run/hubd-front.sock, which is for this group alone, and what it says about its clients \
                  (X-Forwarded-For and X-Forwarded-Proto) is believed. From everywhere else it never is.",
            effect: MovesListener,
        },
    ],
};

/// `[https]`.
pub(super) const HTTPS: Table = Table {
    name: "https",
    doc: "The encrypted listener. It is there as soon as this table says where the certificate comes from.",
    keys: &[
        Key {
            name: "listen",
            kind: List,
            default: Value("[\"[::]:443\"]"),
            example: "[\"0.0.0.0:8443\"]",
            range: "addresses, each with a port",
            doc: "Addresses and ports.",
            effect: MovesListener,
        },
        Key {
            name: "method",
            kind: Text,
            default: Unset("\"files\" where `certificate` and `key` are given, else no HTTPS"),
            example: "\"files\"",
            range: "\"files\", \"acme\" or \"lan\"",
            doc: "Where the certificate comes from: \"files\" of your own, an authority that speaks ACME as Let's Encrypt \
                  does, or, for a network without names in public, an authority of the hub's own.",
            effect: Now,
        },
        Key {
            name: "certificate",
            kind: Text,
            default: Unset(""),
            example: "\"/etc/hubd/certificate.pem\"",
            range: "an absolute path",
            doc: "With method \"files\": the certificate and its chain, a PEM file.",
            effect: Now,
        },
        Key {
            name: "key",
            kind: Text,
            default: Unset(""),
            example: "\"/etc/hubd/key.pem\"",
            range: "an absolute path",
            doc: "With method \"files\": the certificate's private key, a PEM file.",
            effect: Now,
        },
        Key {
            name: "email",
            kind: Text,
            default: Unset(""),
            example: "\"admin@example.org\"",
            range: "an e-mail address",
            doc: "With method \"acme\": whom the authority may write to when something is wrong with a certificate.",
            effect: Now,
        },
        Key {
            name: "domains",
            kind: List,
            default: Value("[]"),
            example: "[\"hub.example.org\"]",
            range: "host names; with method \"lan\" also IP addresses",
            doc: "With methods \"acme\" and \"lan\": what the certificate is for.",
            effect: Now,
        },
        Key {
            name: "directory",
            kind: Text,
            default: Unset("Let's Encrypt"),
            example: "\"https://acme.example.org/directory\"",
            range: "an https:// address",
            doc: "With method \"acme\": the authority's directory.",
            effect: Now,
        },
        Key {
            name: "directory_ca",
            kind: Text,
            default: Unset("the machine's own roots vouch for it"),
            example: "\"/etc/hubd/acme-root.pem\"",
            range: "an absolute path",
            doc: "With method \"acme\": the root certificate that vouches for the directory, a PEM file.",
            effect: Now,
        },
        Key {
            name: "hsts",
            kind: Switch,
            default: Value("false"),
            example: "true",
            range: "true or false",
            doc: "Tell browsers to use only HTTPS here from now on (HSTS). They remember it for a long time: switch it on once \
                  HTTPS is here to stay.",
            effect: Now,
        },
    ],
};

/// `[login]`.
pub(super) const LOGIN: Table = Table {
    name: "login",
    doc: "How people log in.",
    keys: &[Key {
        name: "sign_up",
        kind: Text,
        default: Value("\"closed\""),
        example: "\"closed\"",
        range: "\"closed\"",
        doc: "\"closed\": somebody enrols people with hubctl, or a login with `enrol` does. This version knows no other way.",
        effect: Now,
    }],
};

/// `[login.NAME]`.
pub(super) const LOGIN_ONE: Table = Table {
    name: "login.NAME",
    doc: "A login of your institution, next to passwords of the hub: a provider that speaks OpenID Connect, or PAM of this \
          machine. The login page has a button for each. NAME is made of a-z, 0-9 and `-`, and stands in the address that a \
          provider sends people back to: https://HUB/hub/login/NAME/callback, for which `hub.url` is needed. Who is enrolled gets in, and nobody else unless \
          `enrol` says so. docs/howto/logins.md goes through it; `sudo hubctl login check NAME` says what is wrong.",
    keys: logins::KEYS,
};

/// `[sessions]`.
pub(super) const SESSIONS: Table = Table {
    name: "sessions",
    doc: "Logins.",
    keys: &[Key {
        name: "lifetime",
        kind: Time,
        default: Value("\"14d\""),
        example: "\"12h\"",
        range: "\"10m\" to \"365d\"",
        doc: "A login ends when it has not been used for this long.",
        effect: Now,
    }],
};
