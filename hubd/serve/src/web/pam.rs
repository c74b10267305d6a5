//! Logging in with name and password of the machine, by PAM. What it says is decided by `hubd-pam`, who that is here by
//! [`crate::auth`].

mod ask;

use std::net::IpAddr;

use http::StatusCode;
use hub_core::config::{Claims, Pam};
use hub_core::pam::{Account, Password, Reply, Request, Verdict};
use hub_core::password::check_form;

use super::Hub;
use super::error::Problem;
use super::kept_out::{not_in, unexpected};
use super::state::seconds_in_words;
use crate::auth::throttle::Origin;
use crate::auth::{Guess, LoginError, NewSession, Vouched};
use crate::control::named;

/// Why somebody is not logged in.
pub(super) enum NotLoggedIn {
    /// For the login page: they may try again.
    Again {
        /// How the answer is marked.
        status: StatusCode,
        /// What to read there.
        problem: String,
        /// After how many seconds it makes sense to come back.
        retry_after: Option<u64>,
    },
    /// On a page of its own.
    Page(Problem),
}

/// What was typed, and where.
pub(super) struct Typed<'typed> {
    pub(super) name: &'typed str,
    pub(super) password: &'typed str,
    pub(super) origin: Origin,
    pub(super) source: IpAddr,
}

/// Begins a session for whoever has this name and password on the machine.
pub(super) async fn log_in(hub: &Hub, pam: &Pam, typed: Typed<'_>) -> Result<NewSession, NotLoggedIn> {
    let source = typed.source;
    let claims = account(hub, pam, typed).await.map(claims)?;
    let config = hub.config.get();
    let begun = hub.people.log_in_by(Vouched::by_pam(pam, &claims, &named(&config)), source).await;
    begun.map_err(|why| {
        tracing::info!(%source, login = %pam.login, "kept out, login {}: {why}", pam.login);
        NotLoggedIn::Page(not_in(&pam.title, why))
    })
}

/// The account that the machine has for that name and password.
pub(super) async fn account(hub: &Hub, pam: &Pam, typed: Typed<'_>) -> Result<Account, NotLoggedIn> {
    let title = &pam.title;
    let wrong = || again(StatusCode::UNAUTHORIZED, format!("{title}: wrong name or password."));
    if typed.name.is_empty() || check_form(typed.password).is_err() {
        return Err(wrong());
    }
    let request = Request { name: typed.name.to_owned(), password: Password::new(typed.password), source: Some(typed.source) };
    let socket = hub.control.paths.pam_socket();
    let check = async move {
        let reply = ask::ask(&socket, &request).await;
        let guess = match reply.verdict {
            Verdict::Wrong => Guess::Wrong,
            Verdict::Allowed(_) | Verdict::Expired | Verdict::Locked => Guess::Right,
            Verdict::TooMany { .. } | Verdict::Unavailable | Verdict::NotAllowed => Guess::Unknown,
        };
        (guess, reply)
    };
    // Apart from guesses for the same name at the hub's own passwords.
    let counted = format!("{} by pam", typed.name);
    let Reply { verdict, messages, .. } = hub.people.guess(counted, typed.origin, check).await.map_err(not_asked)?;
    let with_words = |text: String| std::iter::once(text).chain(messages).collect::<Vec<_>>().join(" ");
    match verdict {
        Verdict::Allowed(account) => Ok(account),
        Verdict::Wrong => {
            tracing::info!(source = %typed.source, login = %pam.login, "wrong name or password, login {}", pam.login);
            Err(wrong())
        }
        Verdict::Expired => {
            let text = format!("{title}: your password has expired. Change it there first, then log in here.");
            Err(again(StatusCode::FORBIDDEN, with_words(text)))
        }
        Verdict::Locked => {
            let text = format!("{title}: your account there is locked or has expired. Ask whoever runs it.");
            Err(again(StatusCode::FORBIDDEN, with_words(text)))
        }
        Verdict::TooMany { seconds } => Err(too_many(seconds)),
        Verdict::Unavailable | Verdict::NotAllowed => {
            let text = format!(
                "{title} can't be asked at the moment, or takes too long. Other logins and passwords of this hub work as usual. Try \
                 again later."
            );
            Err(again(StatusCode::SERVICE_UNAVAILABLE, text))
        }
    }
}

/// What PAM says of somebody, as what a provider would.
pub(super) fn claims(account: Account) -> Claims {
    Claims {
        issuer: Pam::ISSUER.to_owned(),
        subject: account.name.clone(),
        username: Some(account.name),
        full_name: account.full_name,
        groups: account.groups,
        ..Claims::default()
    }
}

fn again(status: StatusCode, problem: String) -> NotLoggedIn {
    NotLoggedIn::Again { status, problem, retry_after: None }
}

fn too_many(seconds: u64) -> NotLoggedIn {
    let problem = format!("Too many wrong passwords. Please wait {} and try again.", seconds_in_words(seconds));
    NotLoggedIn::Again { status: StatusCode::TOO_MANY_REQUESTS, problem, retry_after: Some(seconds) }
}

/// Why nothing was asked.
fn not_asked(error: LoginError) -> NotLoggedIn {
    match error {
        LoginError::TooMany(wait) => too_many(wait.as_secs() + 1),
        LoginError::Busy(_) => NotLoggedIn::Again {
            status: StatusCode::SERVICE_UNAVAILABLE,
            problem: "Very many people are logging in right now. Please try again in a few seconds.".to_owned(),
            retry_after: Some(5),
        },
        error => NotLoggedIn::Page(unexpected(error)),
    }
}
