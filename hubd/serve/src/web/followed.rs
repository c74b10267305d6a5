//! What becomes of a link to a person's server that they followed, as long as nobody knows who wrote it. Pure.

use hub_core::accounts::Username;

use crate::below::{self, Followed};

/// What becomes of a link to `target`, a path of the hub with its query; `None`: it is not on that person's server.
pub(super) fn followed(user: &Username, target: &str) -> Option<Followed> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    below(user, path).map(below::followed)
}

/// What is agreed to: the address as the browser will ask for it.
pub(super) fn what(target: &str) -> &str {
    target.split('#').next().unwrap_or_default()
}

/// The part of `path` that is on `user`'s server, if it leads there.
pub(super) fn below<'path>(user: &Username, path: &'path str) -> Option<&'path str> {
    path.strip_prefix("/user/")?.strip_prefix(user.as_str())?.strip_prefix('/')
}
