//! Forms of people who are not logged in yet: they prove with a cookie that the page they were on was ours.

use http::{HeaderMap, HeaderValue};

use super::csrf::same;
use super::error::Problem;
use super::form::Form;
use crate::auth::Token;
use crate::auth::sessions::values;

const PURPOSE: &str = "hubd form before login";
const LOGIN_PURPOSE: &str = "hubd login at a provider";

/// Somebody who is not logged in, recognised from one page to the next.
pub(super) struct Outside(Token);

impl Outside {
    /// Who the request's cookie says it is.
    pub(super) fn of(headers: &HeaderMap, https: bool) -> Option<Self> {
        values(headers, name(https)).find_map(Token::parse).map(Self)
    }

    /// The same, or somebody new together with the cookie to set.
    pub(super) fn ensure(headers: &HeaderMap, https: bool) -> Result<(Self, Option<HeaderValue>), Problem> {
        if let Some(known) = Self::of(headers, https) {
            return Ok((known, None));
        }
        let token = Token::random().map_err(|error| Problem::internal(&error.into()))?;
        let secure = if https { "; Secure" } else { "" };
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", name(https), token.as_str());
        let cookie = HeaderValue::try_from(cookie).map_err(|error| Problem::internal(&error.into()))?;
        Ok((Self(token), Some(cookie)))
    }

    /// By what a login that began in this browser is known when it comes back. It goes nowhere else.
    pub(super) fn mark(&self) -> String {
        self.0.hash().derive(LOGIN_PURPOSE)
    }

    /// What the form carries.
    pub(super) fn form_token(&self) -> String {
        self.0.hash().derive(PURPOSE)
    }

    /// Whether `form` is from a page that this visitor was shown.
    pub(super) fn check(&self, form: &Form) -> bool {
        same(&self.form_token(), form.text("token"))
    }
}

fn name(https: bool) -> &'static str {
    if https { "__Host-hubd-form" } else { "hubd-form" }
}
