//! What everybody can import.

use super::super::Default::{Unset, Value};
use super::super::Effect::{Builds, NewServers, Now};
use super::super::Kind::{Integer, List, Switch, Text};
use super::super::{Key, Table};

/// `[environment]`.
pub(super) const ENVIRONMENT: Table = Table {
    name: "environment",
    doc: "The Python environment of everybody's servers.",
    keys: &[
        Key {
            name: "packages",
            kind: List,
            default: Value("[]"),
            example: "[\"pandas>=2\", \"matplotlib\"]",
            range: "packages as in a requirements file",
            doc: "What is installed besides JupyterLab; a new hub starts with what hub-installer was given with --packages. \
                  hubctl env install adds to it; after a change by hand, hubctl env apply builds it.",
            effect: Builds,
        },
        Key {
            name: "keep",
            kind: Integer,
            default: Value("3"),
            example: "5",
            range: "1 to 100",
            doc: "How many versions of the environment, and of each kernel, are kept to go back to.",
            effect: Now,
        },
        Key {
            name: "apt",
            kind: List,
            default: Value("[]"),
            example: "[\"r-cran-irkernel\", \"ffmpeg\"]",
            range: "names of packages of the distribution",
            doc: "The distribution packages that everybody has. hubctl env apt install adds to it; after a change by hand, \
                  hubctl env apt apply shows what would change and does it. Whatever is missing when the machine starts is \
                  installed then.",
            effect: Builds,
        },
        Key {
            name: "apt_by_admins",
            kind: Switch,
            default: Value("false"),
            example: "true",
            range: "true or false",
            doc: "Whether administrators may change `apt` from inside the hub. Such packages run scripts as root and may bring \
                  services: with true, administrators do what otherwise takes sudo on the machine.",
            effect: Now,
        },
        Key {
            name: "index_url",
            kind: Text,
            default: Unset("as the install was told, else the usual one of pip and uv"),
            example: "\"https://mirror.example.org/simple/\"",
            range: "an address that begins with https://, http:// or file:///",
            doc: "The index that packages come from. Builds use it, and so do pip and uv in students' servers, unless it \
                  contains a password.",
            effect: NewServers,
        },
        Key {
            name: "extra_index_urls",
            kind: List,
            default: Value("[]"),
            example: "[\"https://wheels.example.org/simple/\"]",
            range: "addresses as for index_url",
            doc: "Additional indexes to ask.",
            effect: NewServers,
        },
        Key {
            name: "conda_channels",
            kind: List,
            default: Value("[\"conda-forge\"]"),
            example: "[\"conda-forge\", \"bioconda\"]",
            range: "names of channels, or addresses with https:// or file:///",
            doc: "Where conda kernels without `channels` of their own get their packages; the first channel that has one wins.",
            effect: Builds,
        },
        Key {
            name: "conda_channel_alias",
            kind: Text,
            default: Value("\"https://conda.anaconda.org\""),
            example: "\"https://mirror.example.org/conda\"",
            range: "an address with https:// or file:///",
            doc: "Where to find channels that are named without an address, as in .condarc: a mirror, or a directory on this \
                  machine.",
            effect: Builds,
        },
    ],
};

/// `[environment.kernels.NAME]`.
pub(super) const ENVIRONMENT_KERNELS_ONE: Table = Table {
    name: "environment.kernels.NAME",
    doc: "A kernel with an environment of its own, next to the Python of everybody's notebooks. Every server has it.",
    keys: &[
        Key {
            name: "packages",
            kind: List,
            default: Value("[]"),
            example: "[\"torch==2.9.*\", \"torchvision\"]",
            range: "packages as in a requirements file",
            doc: "What is installed in it. hubctl env --kernel NAME install adds to it; after a change by hand, hubctl env \
                  --kernel NAME apply builds it.",
            effect: Builds,
        },
        Key {
            name: "conda",
            kind: List,
            default: Value("[]"),
            example: "[\"python=3.12\", \"numpy\", \"ipykernel\"]",
            range: "packages as in the dependencies of an environment.yml",
            doc: "What is installed in it from conda's channels, including its Python; `packages` come on top. hubctl env --kernel \
                  NAME apply environment.yml sets it.",
            effect: Builds,
        },
        Key {
            name: "channels",
            kind: List,
            default: Unset("`conda_channels` under [environment]"),
            example: "[\"conda-forge\", \"file:///srv/own\"]",
            range: "names of channels, or addresses with https:// or file:///",
            doc: "Where its conda packages come from; the first channel that has one wins.",
            effect: Builds,
        },
    ],
};
