//! What went wrong: plain words, what to do, nothing internal. [`super::problem_page`] makes the answer of it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use hub_core::accounts::Username;
use hub_core::control::RefusalKind;

use super::next::spawn_location;

/// What our script in pages of servers knows a problem by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// There is no login, or it is over.
    LoggedOut,
    /// The login is not that of the person whose page it is.
    SomebodyElse,
    /// The page has no key, or one that nobody knows any more.
    StalePage,
    /// The server does not run.
    Stopped,
}

impl Word {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged-out",
            Self::SomebodyElse => "somebody-else",
            Self::StalePage => "stale-page",
            Self::Stopped => "stopped",
        }
    }
}

/// One thing that went wrong, for the person it happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) message: String,
    pub(super) action: Option<Action>,
    pub(super) retry_after: Option<u64>,
    word: Option<Word>,
}

/// What to do about it: a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) href: String,
    pub(super) label: String,
}

impl Problem {
    fn new(status: StatusCode, title: &str, message: impl Into<String>) -> Self {
        Self { status, title: title.to_owned(), message: message.into(), action: None, retry_after: None, word: None }
    }

    fn with_action(mut self, href: impl Into<String>, label: &str) -> Self {
        self.action = Some(Action { href: href.into(), label: label.to_owned() });
        self
    }

    fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    fn known_as(self, word: Word) -> Self {
        Self { word: Some(word), ..self }
    }

    /// What our script in pages of servers knows it by; those wait then, and say why.
    pub fn word(&self) -> Option<&'static str> {
        self.word.map(Word::text)
    }

    /// A login at a provider that did not work.
    pub(super) fn of_login(status: StatusCode, title: &str, message: &str) -> Self {
        Self::new(status, title, message).with_action("/hub/login", "Back to the login page")
    }

    /// The same with another way on.
    pub(super) fn leading_to(self, href: &str, label: &str) -> Self {
        self.with_action(href, label)
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// 424: the visitor's own server does not run. JupyterLab then offers a restart. `path`: where the visitor wanted to
    /// go, with its query.
    pub fn not_running(path: &str) -> Self {
        Self::new(StatusCode::FAILED_DEPENDENCY, "Your server is not running", "It was stopped, or has not been started yet.")
            .with_action(spawn_location(path), "Start my server")
            .known_as(Word::Stopped)
    }

    /// 502: the server is there and answers nonsense, or broke off.
    pub fn bad_gateway() -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "Your server did not answer properly",
            "The hub is fine and reached your server, but its answer broke off or was garbled. Try again; if it stays like \
             this, stop your server and start it again.",
        )
        .with_action("/hub/home", "Go to my server's page")
    }

    /// 502: somebody else's program listens where the visitor's server should be.
    pub fn impostor() -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "Something else is in your server's place",
            "The hub is fine, but what listens where your server should be does not belong to you, so nothing was sent to it. \
             Stop your server and start it again; if this comes back, tell whoever runs the hub.",
        )
        .with_action("/hub/home", "Go to my server's page")
    }

    /// 503: the server's socket is there and nobody is behind it.
    pub fn unreachable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Your server can't be reached",
            "The hub is fine, but nothing answers where your server should be. It may just have stopped.",
        )
        .with_action("/hub/home", "Go to my server's page")
        .with_retry_after(2)
        .known_as(Word::Stopped)
    }

    /// 504: the server is there and silent.
    pub fn gateway_timeout() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "Your server takes too long",
            "The hub is fine and handed your request on, but your server has not answered in time. It may be busy with a long \
             computation.",
        )
        .with_action("/hub/home", "Go to my server's page")
    }

    /// 403, for programs: no session. People are sent to the login page instead. Not 401: Jupyter's clients know 403.
    pub fn not_logged_in() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Please log in", "You were logged out, or have not logged in yet.")
            .with_action("/hub/login", "Log in")
            .known_as(Word::LoggedOut)
    }

    /// 404: a server that belongs to somebody else. The same whether there is such a person or not.
    pub fn not_yours() -> Self {
        Self::new(StatusCode::NOT_FOUND, "That is not your server", "You can only open your own server.")
            .with_action("/hub/home", "Go to my own server")
            .known_as(Word::SomebodyElse)
    }

    /// 403: a request that another site, or a script, may have sent in the visitor's name.
    pub fn foreign_request() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This did not come from a page of the hub",
            "To protect you, the hub does such things only when they are asked for on one of its own pages. Go back, load the page \
             again, and try once more.",
        )
        .with_action("/hub/home", "Go to my page")
    }

    /// 403: a request for a person's server that does not come from a page which their session was given.
    pub fn no_key() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This page can't use your server",
            "It was opened before you logged in, or by somebody else in this browser. Open your server in a new tab.",
        )
        .with_action("/hub/home", "Go to my page")
        .known_as(Word::StalePage)
    }

    /// 403: what is for the pages of a server's programs, asked for by a link or by a page that nobody agreed to.
    pub fn not_by_link() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This is not a page to open",
            "Pages of your server use this address to do something; it is not meant to be opened as a link. Nothing was done.",
        )
        .with_action("/hub/home", "Go to my page")
    }

    /// 403: a link of nbgitpuller that is followed for nobody. `why`: one sentence.
    pub fn bad_link(why: &str) -> Self {
        let message =
            format!("It would copy files to your server. {why} Nothing was copied. Ask whoever gave you the link for another.");
        Self::new(StatusCode::FORBIDDEN, "This link can't be followed", message).with_action("/hub/home", "Go to my page")
    }

    /// 403: a page of a person's server inside another page.
    pub fn framed() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This only opens in its own tab",
            "To protect you, the hub shows nothing of your server inside another page.",
        )
        .with_action("/hub/home", "Go to my page")
    }

    /// 403: a script that would go on working after its owner has logged out.
    pub fn service_worker() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Service workers are off here",
            "They would go on working for whoever logs in next in the same browser.",
        )
    }

    /// 403: a form that is too old or not ours.
    pub fn stale_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This page is out of date",
            "You may have logged out or in again meanwhile. Nothing was changed. Load the page again and try once more.",
        )
        .with_action("/hub/home", "Go to my page")
    }

    /// 400: a request that makes no sense. `what`: one sentence.
    pub fn bad_request(what: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad request", what)
    }

    /// 403: a page for those who look after others.
    pub(super) fn staff_only() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This page is not for you",
            "It is for people with a role in this hub: helpers, teachers and administrators. An administrator gives roles.",
        )
        .with_action("/hub/home", "Go to my page")
    }

    /// 400: something to do, and nobody to do it to.
    pub(super) fn nobody_selected() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Nobody is selected", "Tick the boxes next to the names first.")
            .with_action("/hub/people", "Back to the list")
    }

    /// 404: a page about somebody who is not there.
    pub(super) fn nobody_called(name: &Username) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Nobody has this name", format!("There is nobody called {name} on the list."))
            .with_action("/hub/people", "Back to the list")
    }

    /// What the hub refused to somebody who looks after others. `message`: a sentence without its full stop.
    pub(super) fn refused(kind: RefusalKind, message: &str) -> Self {
        let (status, title) = match kind {
            RefusalKind::NotAllowed => (StatusCode::FORBIDDEN, "You can't do that"),
            RefusalKind::NotEnrolled => (StatusCode::NOT_FOUND, "Nobody has this name"),
            RefusalKind::Invalid => (StatusCode::BAD_REQUEST, "That can't be done"),
            RefusalKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Not right now"),
            RefusalKind::Failed
            | RefusalKind::NoAccount
            | RefusalKind::NoEnvironment
            | RefusalKind::Rebuilding
            | RefusalKind::Unit => (StatusCode::INTERNAL_SERVER_ERROR, "That did not work"),
        };
        let mut letters = message.chars();
        // A name at the beginning stays as it is written.
        let message = match message.strip_prefix("a ").or_else(|| message.strip_prefix("an ")) {
            Some(_) => letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default(),
            None => message.to_owned(),
        };
        Self::new(status, title, format!("{message}.")).with_action("/hub/people", "Back to the list")
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such page", "The address may be mistyped, or the page is gone.")
            .with_action("/hub/home", "Go to my page")
    }

    /// 404: a one-time link that was used, is over, or never was.
    pub fn link_over() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "This link does not work any more",
            "A link works once, for one day, and only until a newer one is made. If you have set your password already, just log \
             in. If not, ask whoever gave you the link for a new one.",
        )
        .with_action("/hub/login", "Log in")
    }

    /// 403: a one-time link whose maker may not make it any more, or not for this person.
    pub fn link_revoked() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This link was taken back",
            "The role of whoever made it has changed, or yours has. Your account and your files are as they were. Ask an \
             administrator of this hub for a new link.",
        )
        .with_action("/hub/login", "Log in")
    }

    /// 403: a one-time link that is good, of somebody who is blocked.
    pub fn link_of_blocked() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Your access is switched off",
            "Whoever runs this hub has switched it off for now. Ask them to switch it on; the link works from then on, until the \
             time that goes with it.",
        )
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "That can't be done here", "This page can't be used in that way.")
            .with_action("/hub/home", "Go to my page")
    }

    /// 408: the request's body did not arrive.
    pub fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "Your request did not arrive",
            "The connection was too slow, or broke off. Try again.",
        )
    }

    /// 413.
    pub fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request too large", "The hub's own pages only accept short texts.")
    }

    /// 414.
    pub fn address_too_long() -> Self {
        Self::new(StatusCode::URI_TOO_LONG, "This address is too long", "The hub can't handle an address of that length.")
    }

    /// 415: a form in a format that browsers don't send.
    pub fn wrong_format() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Bad request",
            "The request is not in the format that the hub's forms send.",
        )
    }

    /// 429. `wait`: after how many seconds it makes sense to try again.
    pub fn too_many(wait: u64) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many at once",
            format!("Please wait {} and try again.", super::state::seconds_in_words(wait.max(1))),
        )
        .with_retry_after(wait)
    }

    /// 431: mostly too many cookies, which a page of the visitor's own server can set. It points to the page that
    /// removes them.
    pub fn headers_too_large() -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "Your browser sends too many cookies",
            "Something on this site has filled your browser with more cookies than the hub can accept. Removing them \
             helps; you have to log in again afterwards.",
        )
        .with_action("/hub/clear", "Remove the cookies")
    }

    /// 500. What happened is in the hub's log under the number that the page shows; nothing of it is shown.
    pub fn internal(error: &anyhow::Error) -> Self {
        let mut bytes = [0_u8; 4];
        // Without random numbers the incident has number 0; the log still has the error.
        let number = getrandom::fill(&mut bytes).map_or(0, |()| u32::from_le_bytes(bytes));
        tracing::error!(incident = %format_args!("{number:08x}"), error = %format_args!("{error:#}"), "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong in the hub",
            format!(
                "It was not your fault, and your server is not affected. Try again; if it stays like this, tell whoever runs this \
                 hub the number {number:08x}."
            ),
        )
    }

    /// 503: the hub can't do this now.
    pub fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not right now", message).with_retry_after(5)
    }
}

/// Carries the problem to the layer that knows who asked; see [`super::layers`].
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether the answer will be looked at by a person: browsers say so when somebody goes to an address.
pub fn wants_html(headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| headers.get(name).is_none_or(|value| value == wanted);
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    is("sec-fetch-mode", "navigate") && accepts.contains("text/html")
}
