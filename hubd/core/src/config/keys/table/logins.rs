//! The keys of a login of an institution.

use super::super::Default::{Unset, Value};
use super::super::Effect::Now;
use super::super::Key;
use super::super::Kind::{List, Switch, Text};

/// Those of `[login.NAME]`.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "type",
        kind: Text,
        default: Unset("a login needs one"),
        example: "\"oidc\"",
        range: "\"oidc\" or \"pam\"",
        doc: "How people prove who they are: to a provider that speaks OpenID Connect, or with name and password to PAM of this \
              machine, which asks LDAP, Active Directory or its own accounts. There is one login of the type \"pam\" at most; of the \
              keys below it has `title`, `allow_groups`, `enrol` and `allow_privileged`.",
        effect: Now,
    },
    Key {
        name: "title",
        kind: Text,
        default: Unset("its name"),
        example: "\"University login\"",
        range: "1 to 40 characters",
        doc: "What people call it; this is on the login button.",
        effect: Now,
    },
    Key {
        name: "issuer",
        kind: Text,
        default: Unset("a login needs one"),
        example: "\"https://id.example.org/realms/school\"",
        range: "an https:// address; http:// for a provider at a loopback address of this machine, at a port below 1024",
        doc: "The provider's address, exactly as the provider itself writes it: what comes before /.well-known/openid-configuration.",
        effect: Now,
    },
    Key {
        name: "client_id",
        kind: Text,
        default: Unset("a login needs one"),
        example: "\"hub\"",
        range: "1 to 255 characters",
        doc: "The name under which the provider knows this hub.",
        effect: Now,
    },
    Key {
        name: "client_secret_file",
        kind: Text,
        default: Unset("the provider gave the hub no secret"),
        example: "\"/etc/hubd/secrets/school\"",
        range: "a file in /etc/hubd/secrets",
        doc: "The file with the secret that goes with `client_id`: root's, mode 0600, nothing else in it. The hub's web front \
              never sees it.",
        effect: Now,
    },
    Key {
        name: "scopes",
        kind: List,
        default: Unset("\"openid\", \"profile\" and \"email\""),
        example: "[\"openid\", \"profile\", \"email\", \"groups\"]",
        range: "words that the provider knows",
        doc: "What to ask the provider for, always including \"openid\". Some providers only list groups if you ask for \"groups\".",
        effect: Now,
    },
    Key {
        name: "username_claim",
        kind: Text,
        default: Unset("\"preferred_username\"; \"email\" for Google"),
        example: "\"uid\"",
        range: "the name of a claim",
        doc: "What people are called there. Somebody's first login takes the enrolled name that is just this, if nobody has \
              logged in by it yet, it has no password and no role. With \"email\", who is enrolled by a class list is found \
              by the address in it, once the provider has verified that. From then on the account at the provider is that \
              person, whatever it is called later; another account never is.",
        effect: Now,
    },
    Key {
        name: "groups_claim",
        kind: Text,
        default: Value("\"groups\""),
        example: "\"roles\"",
        range: "the name of a claim",
        doc: "The claim that lists the groups people are in.",
        effect: Now,
    },
    Key {
        name: "allow_domains",
        kind: List,
        default: Unset("addresses do not matter"),
        example: "[\"school.example\"]",
        range: "what follows the @ of an address",
        doc: "Only lets people in whose address, verified by the provider, is in one of these domains. With Google the account \
              must be one of that domain's own (its `hd`). Checked at each login.",
        effect: Now,
    },
    Key {
        name: "allow_groups",
        kind: List,
        default: Unset("groups do not matter"),
        example: "[\"physics-101\"]",
        range: "names of groups at the provider; with PAM, unix groups",
        doc: "Only lets people in who are in one of these groups. With `allow_domains`, both must be true. Checked at each login.",
        effect: Now,
    },
    Key {
        name: "enrol",
        kind: Switch,
        default: Value("false"),
        example: "true",
        range: "true or false",
        doc: "Whether somebody whom `allow_domains` and `allow_groups` let in is enrolled when they first come. Their name is made \
              as for a class list: nobody else's, and none that stands in this file.",
        effect: Now,
    },
    Key {
        name: "allow_privileged",
        kind: List,
        default: Unset("nobody with rights on the machine"),
        example: "[\"grace\"]",
        range: "names of accounts of this machine",
        doc: "Only with PAM: accounts that may log in although they have rights on the machine (see docs/howto/logins.md). All others \
              of these are refused before PAM is asked, so that nobody can try out their passwords at the hub.",
        effect: Now,
    },
];
