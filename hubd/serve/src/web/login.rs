//! Logging in and out.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use http::header::{HOST, RETRY_AFTER, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use hub_core::config::{Config, LoginName, Pam, Provider};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::csrf::{Origin, Visitor, client};
use super::error::Problem;
use super::form::Form;
use super::frame::{Confirm, Frame, Look, render};
use super::kept_out::unexpected;
use super::next::Next;
use super::outside::Outside;
use super::pam::{self, NotLoggedIn, Typed};
use super::spawn::go;
use super::state::seconds_in_words;
use super::{Hub, clear};
use crate::auth::sessions::{candidates, cookie_value};
use crate::auth::{LoginError, NewSession};
use crate::listen::Client;

#[derive(Template)]
#[template(path = "login.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    next: &'page str,
    name: &'page str,
    problem: &'page str,
    notice: &'page str,
    unencrypted: bool,
    /// Buttons of logins at providers: where each leads, and what is on it.
    logins: Vec<(String, String)>,
    /// The login with name and password that are not the hub's: its name, and what people call it.
    pam: Option<(&'page str, &'page str)>,
}

/// `GET /hub/login?next=PATH`
pub(super) async fn page(
    State(hub): State<Arc<Hub>>,
    visitor: Option<Visitor>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, Problem> {
    let query = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    if let Some(visitor) = visitor {
        return Ok(go(
            &hub,
            &visitor.session,
            Next::parse(query.text("next"), hub.config.get().hub.base()).as_ref(),
            visitor.origin != Origin::Foreign,
        ));
    }
    let notice = if query.text("after") == "logout" { "You are logged out." } else { "" };
    answer(&hub, &parts.headers, client(&parts)?, Shown { next: query.text("next"), notice, ..Shown::default() })
}

/// `POST /hub/login`
pub(super) async fn submit(State(hub): State<Arc<Hub>>, parts: Parts, form: Form) -> Result<Response, Problem> {
    let client = client(&parts)?;
    let name = form.name("username");
    let again = |status, problem: &str, retry_after| {
        let shown = Shown { status, next: form.text("next"), name: &name, problem, retry_after, ..Shown::default() };
        answer(&hub, &parts.headers, client, shown)
    };
    if !Outside::of(&parts.headers, client.https).is_some_and(|outside| outside.check(&form)) {
        let problem =
            "This page was open for a long time, or your browser keeps no cookies for this site. Please log in once more.";
        return again(StatusCode::FORBIDDEN, problem, None);
    }
    let origin = hub.people.origin(client.address, &parts.headers, client.https, &name);
    let begun = async |begun: NewSession| {
        let forget = forget_other(&hub, &parts.headers, client, &begun);
        replace_session(&hub, &parts.headers, client, &begun).await;
        let next = Next::parse(form.text("next"), hub.config.get().hub.base());
        let cookies = cookies(&hub, &parts.headers, client, &begun);
        (AppendHeaders(forget), cookies, go(&hub, &begun.session, next.as_ref(), true)).into_response()
    };
    if !form.text("login").is_empty() {
        let config = hub.config.get();
        let is_meant = |pam: &&Pam| pam.login.as_str() == form.text("login");
        let pam = config.login.pam.as_ref().filter(is_meant).ok_or_else(Problem::not_found)?;
        let typed = Typed { name: &name, password: form.text("password"), origin, source: client.address };
        return match pam::log_in(&hub, pam, typed).await {
            Ok(session) => Ok(begun(session).await),
            Err(NotLoggedIn::Again { status, problem, retry_after }) => again(status, &problem, retry_after),
            Err(NotLoggedIn::Page(problem)) => Err(problem),
        };
    }
    match hub.people.log_in(&name, form.text("password"), origin).await {
        Ok(session) => Ok(begun(session).await),
        Err(LoginError::Wrong) => again(StatusCode::UNAUTHORIZED, "Wrong name or password.", None),
        Err(LoginError::Malformed(_)) => again(StatusCode::BAD_REQUEST, "Wrong name or password.", None),
        Err(LoginError::Blocked) => {
            let problem = "Your access is switched off at the moment. Please ask whoever runs this hub.";
            again(StatusCode::FORBIDDEN, problem, None)
        }
        Err(LoginError::Outranked) => {
            let problem = "Your role in this hub has changed, and this password came from somebody who can't give one to people of \
                           your role now. Ask an administrator of this hub for a new link; your files are as they were.";
            again(StatusCode::FORBIDDEN, problem, None)
        }
        Err(LoginError::TooMany(wait)) => {
            let seconds = wait.as_secs() + 1;
            let problem = format!("Too many wrong passwords. Please wait {} and try again.", seconds_in_words(seconds));
            again(StatusCode::TOO_MANY_REQUESTS, &problem, Some(seconds))
        }
        Err(LoginError::Busy(_)) => {
            let problem = "Very many people are logging in right now. Please try again in a few seconds.";
            again(StatusCode::SERVICE_UNAVAILABLE, problem, Some(5))
        }
        Err(error) => Err(unexpected(error)),
    }
}

/// `GET /hub/logout`: JupyterLab's Log Out comes here. Another site can send people here too, so that needs a click.
pub(super) async fn logout_page(
    State(hub): State<Arc<Hub>>,
    visitor: Option<Visitor>,
    parts: Parts,
) -> Result<Response, Problem> {
    let client = client(&parts)?;
    let Some(visitor) = visitor else { return Ok(logged_out(&hub, client)) };
    if visitor.origin == Origin::Ours && parts.method == http::Method::GET {
        return end(&hub, &visitor, client).await;
    }
    let confirm = Confirm {
        look: Look::Narrow,
        frame: Frame::for_session(&hub.config.get().hub, &visitor.session),
        title: "Log out?",
        message: "Your server keeps running for a while, and nothing you saved is lost.",
        action: "/hub/logout",
        label: "Log out",
        next: "",
    };
    render(StatusCode::OK, &confirm)
}

/// `POST /hub/logout`
pub(super) async fn logout(
    State(hub): State<Arc<Hub>>,
    visitor: Option<Visitor>,
    parts: Parts,
    form: Form,
) -> Result<Response, Problem> {
    let client = client(&parts)?;
    let Some(visitor) = visitor else { return Ok(logged_out(&hub, client)) };
    visitor.check(&form)?;
    end(&hub, &visitor, client).await
}

async fn end(hub: &Hub, visitor: &Visitor, client: Client) -> Result<Response, Problem> {
    if let Err(error) = hub.people.log_out(&visitor.session).await {
        // It has ended and stays so as long as this process lives; storing it is tried again.
        tracing::error!(error = %format_args!("{:#}", anyhow::Error::from(error)), "storing that a session ended");
    }
    Ok(logged_out(hub, client))
}

fn logged_out(hub: &Hub, client: Client) -> Response {
    let forget = [(SET_COOKIE, cookie_value(None, client.https))];
    (AppendHeaders(forget), AppendHeaders(clear::storage(hub)), Redirect::to("/hub/login?after=logout")).into_response()
}

/// What the browser is to forget when the last to log in there was somebody else, or it is not known who.
pub(super) fn forget_other(
    hub: &Hub,
    headers: &HeaderMap,
    client: Client,
    begun: &NewSession,
) -> Option<(http::HeaderName, &'static str)> {
    let last = hub.people.sessions().last_owner(headers, client.https);
    clear::storage(hub).filter(|_| last.as_ref() != Some(&begun.session.user))
}

/// Ends the session that the browser had until now.
pub(super) async fn replace_session(hub: &Hub, headers: &HeaderMap, client: Client, begun: &NewSession) {
    let Some(old) = hub.people.sessions().find(headers, client.https).filter(|old| !old.is(&begun.session)) else { return };
    if let Err(error) = hub.people.log_out(&old).await {
        tracing::warn!(error = %format_args!("{:#}", anyhow::Error::from(error)), "storing that a session was replaced");
    }
}

/// The headers that give the new session to the browser, let it be known again, and take away what else is there under its name.
pub(super) fn cookies(
    hub: &Hub,
    headers: &HeaderMap,
    client: Client,
    begun: &NewSession,
) -> AppendHeaders<Vec<(http::HeaderName, String)>> {
    let mut cookies = vec![(SET_COOKIE, begun.cookie(client.https))];
    let known = hub.people.browser_cookie(headers, client.https, &begun.session.user);
    cookies.extend(known.map(|cookie| (SET_COOKIE, cookie)));
    if candidates(headers, client.https).nth(1).is_some() && !client.https {
        // Planted ones hide behind longer paths; browsers send those first.
        let user = format!("/user/{}", begun.session.user);
        for path in
            ["/hub".to_owned(), "/hub/".to_owned(), "/user".to_owned(), "/user/".to_owned(), user.clone(), format!("{user}/")]
        {
            cookies.push((SET_COOKIE, cookie_value(None, false).replace("Path=/;", &format!("Path={path};"))));
        }
    }
    AppendHeaders(cookies)
}

/// What the login page shows besides its fields.
#[derive(Default)]
struct Shown<'shown> {
    status: StatusCode,
    next: &'shown str,
    name: &'shown str,
    problem: &'shown str,
    notice: &'shown str,
    retry_after: Option<u64>,
}

fn answer(hub: &Hub, headers: &HeaderMap, client: Client, shown: Shown<'_>) -> Result<Response, Problem> {
    let (outside, cookie) = Outside::ensure(headers, client.https)?;
    let config = hub.config.get();
    let next = Next::parse(shown.next, config.hub.base());
    let page = Page {
        look: Look::Narrow,
        frame: Frame::without_visitor(&hub.config.get().hub),
        token: &outside.form_token(),
        next: next.as_ref().map_or("", Next::as_str),
        name: shown.name,
        problem: shown.problem,
        notice: shown.notice,
        unencrypted: is_unencrypted(headers, client),
        logins: buttons(&config, next.as_ref()),
        pam: config.login.pam.as_ref().map(|pam| (pam.login.as_str(), pam.title.as_str())),
    };
    let mut response = render(shown.status, &page)?;
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    if let Some(seconds) = shown.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

fn buttons(config: &Config, next: Option<&Next>) -> Vec<(String, String)> {
    let query = next.map(|next| format!("?next={}", utf8_percent_encode(next.as_str(), NON_ALPHANUMERIC))).unwrap_or_default();
    let button = |(name, provider): (&LoginName, &Provider)| (format!("/hub/login/{name}{query}"), provider.title.clone());
    config.login.providers.iter().map(button).collect()
}

/// Whether passwords can be read on their way here: not over https, and not when the way never leaves the machine.
pub(super) fn is_unencrypted(headers: &HeaderMap, client: Client) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = without_port.trim_start_matches('[').trim_end_matches(']');
    let is_local_name = address.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let stays_here = is_local_name && client.address.to_canonical().is_loopback();
    !(client.https || stays_here)
}
