//! Logging in at a provider of the institution's: there, and back. What is believed of it is decided by `hubd-outside`, who that
//! is here by [`crate::auth`].

mod ask;
mod link;
mod link_pam;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use hub_core::config::{Config, LoginName, Provider};
use hub_core::outside::{Request, TroubleKind};

pub(super) use link::submit as link;

use super::Hub;
use super::csrf::{self, Origin, Visitor, client};
use super::error::Problem;
use super::form::Form;
use super::kept_out::{not_begun, not_in};
use super::login::{cookies, forget_other};
use super::next::Next;
use super::outside::Outside;
use super::spawn::go;
use crate::auth::{Attempt, Browser, Purpose, Vouched};
use crate::control::named;

/// What goes before `next` where another site may have begun the login: nothing is started for it.
const FOREIGN: char = '!';

/// `GET /hub/login/NAME?next=PATH`: to the provider.
pub(super) async fn begin(
    State(hub): State<Arc<Hub>>,
    visitor: Option<Visitor>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, Problem> {
    let config = hub.config.get();
    let (login, provider) = find(&config, &name)?;
    let query = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let next = Next::parse(query.text("next"), config.hub.base());
    if let Some(visitor) = visitor {
        return Ok(go(&hub, &visitor.session, next.as_ref(), visitor.origin != Origin::Foreign));
    }
    let client = client(&parts)?;
    let is_foreign = csrf::origin(&parts.headers, client, config.hub.origin()) == Origin::Foreign;
    let mut kept = next.as_ref().map_or_else(String::new, |next| next.as_str().to_owned());
    if is_foreign {
        kept.insert(0, FOREIGN);
    }
    let (address, cookie) = to_provider(&hub, (&login, provider), Purpose::LogIn, &kept, &parts).await?;
    let mut response = Redirect::to(&address).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// `GET /hub/login/NAME/callback`: back from there.
pub(super) async fn callback(
    State(hub): State<Arc<Hub>>,
    visitor: Option<Visitor>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, Problem> {
    let config = hub.config.get();
    let (login, provider) = find(&config, &name)?;
    let client = client(&parts)?;
    let query = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let outside = Outside::of(&parts.headers, client.https).ok_or_else(not_begun)?;
    let attempt = hub.people.attempts().take(query.text("state"), &login, &outside.mark()).ok_or_else(not_begun)?;
    let issuer = query.text("iss");
    if !issuer.is_empty() && issuer != provider.issuer {
        return Err(not_begun());
    }
    if !query.text("error").is_empty() {
        return Err(denied(provider, query.text("error")));
    }
    let finish = Request::Finish {
        login: login.clone(),
        code: query.text("code").to_owned(),
        verifier: attempt.verifier.clone(),
        nonce: attempt.nonce.clone(),
    };
    if let Purpose::Link { session } = &attempt.purpose {
        return link::finish(&hub, visitor, (session, provider), finish).await;
    }
    if let Some(visitor) = visitor {
        return Err(somebody_else(&visitor));
    }
    let claims = ask::person(&hub, provider, &finish).await.map_err(|trouble| in_words(provider, trouble.kind))?;
    let reserved = named(&config);
    let vouched = Vouched::by_provider(provider, &claims, &reserved);
    let begun = hub.people.log_in_by(vouched, client.address).await.map_err(|why| {
        tracing::info!(source = %client.address, login = %login, "kept out, login {login}: {why}");
        not_in(&provider.title, why)
    })?;
    let forget = forget_other(&hub, &parts.headers, client, &begun);
    let cookies = cookies(&hub, &parts.headers, client, &begun);
    let (next, may_start) = kept_next(&attempt, config.hub.base());
    Ok((AppendHeaders(forget), cookies, go(&hub, &begun.session, next.as_ref(), may_start)).into_response())
}

fn kept_next(attempt: &Attempt, base: &str) -> (Option<Next>, bool) {
    let foreign = attempt.next.strip_prefix(FOREIGN);
    (Next::parse(foreign.unwrap_or(&attempt.next), base), foreign.is_none())
}

/// The login of that name in the configuration.
fn find<'config>(config: &'config Config, name: &str) -> Result<(LoginName, &'config Provider), Problem> {
    let name: LoginName = name.parse().map_err(|_| Problem::not_found())?;
    let provider = config.login.providers.get(&name).ok_or_else(Problem::not_found)?;
    Ok((name, provider))
}

/// Begins an attempt: where the browser goes, and the cookie by which it is known when it comes back.
async fn to_provider(
    hub: &Hub,
    (login, provider): (&LoginName, &Provider),
    purpose: Purpose,
    next: &str,
    parts: &Parts,
) -> Result<(String, Option<HeaderValue>), Problem> {
    let client = client(parts)?;
    let (outside, cookie) = Outside::ensure(&parts.headers, client.https)?;
    let browser = Browser { mark: &outside.mark(), source: client.address };
    let begun = hub.people.attempts().begin(login, purpose, next, browser).map_err(|error| Problem::internal(&error.into()))?;
    let request = Request::Begin {
        login: login.clone(),
        state: begun.state.as_str().to_owned(),
        nonce: begun.nonce,
        challenge: begun.challenge,
    };
    let address = ask::address(hub, &request).await.map_err(|trouble| in_words(provider, trouble.kind))?;
    Ok((address, cookie))
}

fn somebody_else(visitor: &Visitor) -> Problem {
    let message = format!(
        "You are logged in as {} in this browser. To log in as somebody else, log out first; then log in once more.",
        visitor.session.user
    );
    Problem::of_login(StatusCode::CONFLICT, "You are logged in already", &message).leading_to("/hub/logout", "Log out")
}

/// What the provider said in place of who somebody is. Its own words are not shown: whoever makes the address makes them.
fn denied(provider: &Provider, error: &str) -> Problem {
    let title = &provider.title;
    match error {
        "access_denied" | "login_required" | "interaction_required" | "consent_required" => {
            let message = format!("{title} says that it was cancelled, or that you may not use it for this hub.");
            Problem::of_login(StatusCode::FORBIDDEN, "You were not logged in", &message)
        }
        "temporarily_unavailable" | "server_error" => in_words(provider, TroubleKind::Away),
        _ => in_words(provider, TroubleKind::Settings),
    }
}

/// What went wrong between the hub and the provider, for whoever wants to log in.
fn in_words(provider: &Provider, kind: TroubleKind) -> Problem {
    let title = &provider.title;
    match kind {
        TroubleKind::Away => Problem::of_login(
            StatusCode::SERVICE_UNAVAILABLE,
            "The login does not answer",
            &format!(
                "{title} can't be reached at the moment, or takes too long. A password of this hub works as usual. Try again later."
            ),
        ),
        TroubleKind::Settings | TroubleKind::NotAllowed => Problem::of_login(
            StatusCode::BAD_GATEWAY,
            "The login is not set up right",
            &format!(
                "The hub and {title} do not understand each other. Please tell whoever runs this hub; for them: \
                 sudo hubctl login check says why."
            ),
        ),
        TroubleKind::Stale => not_begun(),
        TroubleKind::Forged => Problem::of_login(
            StatusCode::FORBIDDEN,
            "You were not logged in",
            &format!("What came back is not what {title} signs for this hub. Nothing was done. Log in once more."),
        ),
        TroubleKind::Busy => Problem::of_login(
            StatusCode::SERVICE_UNAVAILABLE,
            "Very many people are logging in",
            "Please try again in a few seconds.",
        ),
    }
}
