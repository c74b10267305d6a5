//! Links that a person followed to a server: what may do something there is asked about first, by a page of the hub's own.

use http::{Method, Request, Uri};

use super::browser::{is_followed, is_navigation};
use super::{app, target, whole_path};
use crate::auth::Consents;
use crate::below::{Followed, Kind, Pull, followed, kind, pulled};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Passed,
    /// The person is asked first.
    Asked,
    /// It is refused.
    Refused,
}

/// Decides about a request without the key of its session. Consent counts once: what there is for it is used up.
pub(super) fn judge<B>(request: &Request<B>, https: bool, session: &str, consents: &Consents) -> Verdict {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let path = target::below(uri.path());
    let verdict = followed(path);
    if kind(path) == Kind::Pull {
        return pull(path, method, uri, is_navigation(method, headers), session, consents);
    }
    match verdict {
        Followed::Shown => Verdict::Passed,
        // The first page of an app, as a bookmark has it.
        _ if app::is_door(path) && uri.query().is_none() => Verdict::Passed,
        _ if !is_followed(method, headers, https) => Verdict::Passed,
        Followed::Asked if consents.take(session, whole_path(uri)) => Verdict::Passed,
        Followed::Asked => Verdict::Asked,
        Followed::Refused => Verdict::Refused,
    }
}

/// nbgitpuller copies what it is asked for, so nobody gets to it without having agreed to just that, wherever they come from: first
/// to its page, by which the page's own request is agreed to.
fn pull(path: &str, method: &Method, uri: &Uri, is_page: bool, session: &str, consents: &Consents) -> Verdict {
    let query = uri.query().unwrap_or_default();
    match (path, Pull::read(query)) {
        ("git-pull/api", _) if !is_page && *method == Method::GET => match pulled(query) {
            Some(work) if consents.take(session, &work) => Verdict::Passed,
            _ => Verdict::Refused,
        },
        ("git-pull", Ok(pull)) if is_page && consents.take(session, whole_path(uri)) => {
            consents.give(session, &pull.work());
            Verdict::Passed
        }
        _ if is_page && followed(path) == Followed::Asked => Verdict::Asked,
        _ => Verdict::Refused,
    }
}
