//! Why somebody is not logged in, or not linked, in words for that somebody.

use http::StatusCode;

use super::error::Problem;
use crate::auth::{LoginError, NotIn, NotLinked};
use crate::store::StoreError;

/// What a page says when neither the visitor nor the password is to blame.
pub(super) fn unexpected(error: LoginError) -> Problem {
    let full = matches!(&error, LoginError::Store(StoreError::Full { .. }));
    let error = anyhow::Error::from(error);
    if full {
        tracing::error!(error = %format_args!("{error:#}"), "no session could be stored");
        return Problem::unavailable(
            "The hub's disk is full, so nobody can log in at the moment. People who are logged in can carry on. Please tell whoever runs \
             this hub.",
        );
    }
    Problem::internal(&error)
}

/// What came back did not begin in this browser, was used, or is over.
pub(super) fn not_begun() -> Problem {
    Problem::of_login(
        StatusCode::FORBIDDEN,
        "This login did not begin here",
        "It began in another browser, took too long, or was used already. Nothing was done. Log in once more.",
    )
}

/// Why somebody whom the provider knows did not get in, for that somebody.
pub(super) fn not_in(title: &str, why: NotIn) -> Problem {
    let forbidden = |heading: &str, message: &str| Problem::of_login(StatusCode::FORBIDDEN, heading, message);
    match why {
        NotIn::Rules(_) => forbidden(
            "This hub is not for your account",
            &format!(
                "Only some people with an account of {title} can log in here. If you should be one of them, ask whoever runs this hub."
            ),
        ),
        NotIn::NotEnrolled(called) => {
            let called = called.map(|name| format!(" You are called {name} there.")).unwrap_or_default();
            let text = format!("{title} knows you, and nobody is enrolled here by that name.{called} Ask whoever runs this hub.");
            forbidden("You are not enrolled here", &text)
        }
        NotIn::Taken(name) => forbidden(
            "That name is already taken here",
            &format!(
                "{name} is enrolled here and logs in another way, or has a role here. If that is you, log in with your \
                 password and link your account of {title} on the page \u{201c}Change password\u{201d}. If not, or without a \
                 password, ask whoever runs this hub."
            ),
        ),
        NotIn::Removed(_) => forbidden("You are not enrolled here any more", "If that is a mistake, ask whoever runs this hub."),
        NotIn::Blocked(_) => forbidden("Your access is switched off", "Please ask whoever runs this hub."),
        NotIn::Outranked(_) => forbidden(
            "Your role in this hub has changed",
            &format!(
                "Your account of {title} was linked while you had a lower one. Ask an administrator of this hub for a one-time link, \
                 set a password with it, and link your account once more on the page \u{201c}Change password\u{201d}."
            ),
        ),
        NotIn::Nameless => forbidden(
            "No name can be made for you",
            &format!(
                "What {title} says about you has no letters that a login name could be made from. Ask whoever runs this hub to enrol you."
            ),
        ),
        NotIn::Store(error) => unexpected(error.into()),
        NotIn::Internal(error) => Problem::internal(&error),
    }
}

/// Why an account elsewhere, called `title`, was not linked.
pub(super) fn not_linked(title: &str, why: NotLinked) -> Problem {
    let message = match why {
        NotLinked::Rules(_) => {
            format!(
                "Only some people with an account of {title} can log in here, and the account that you used is not one of them."
            )
        }
        NotLinked::Others => {
            format!(
                "The account of {title} that you used is, or was, somebody else here. Whoever runs this hub can look into it."
            )
        }
        NotLinked::Another => {
            format!(
                "You have already linked another account of {title} here. Whoever runs this hub can undo that: hubctl login unlink."
            )
        }
        NotLinked::Over => return not_begun(),
        NotLinked::Store(error) => return unexpected(error.into()),
    };
    Problem::of_login(StatusCode::CONFLICT, "The account was not linked", &message).leading_to("/hub/home", "Go to my page")
}
