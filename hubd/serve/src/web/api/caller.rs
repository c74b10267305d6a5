//! Who asks: whoever holds the token in the header `Authorization`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use hub_core::control::tokens::Scope;
use hub_core::control::{Reply, Request};

use super::super::Hub;
use super::refused::Refused;
use crate::auth::{Holder, NoToken};
use crate::control;
use crate::listen::Client;

/// A request with a token that works.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) holder: Holder,
}

impl Caller {
    /// # Errors
    /// When the token may do none of `wanted`.
    pub(super) fn needs(&self, wanted: &[Scope]) -> Result<(), Refused> {
        if wanted.iter().any(|scope| self.holder.may(*scope)) { Ok(()) } else { Err(Refused::no_scope(wanted)) }
    }

    /// What the hub says to whoever made the token.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) async fn ask(&self, hub: &Hub, request: &Request) -> Result<Reply, Refused> {
        match control::ask_by_token(&hub.control, &self.holder, request).await {
            refused @ Reply::Refused(_) => Err(Refused::of(&refused)),
            reply => Ok(reply),
        }
    }
}

impl FromRequestParts<Arc<Hub>> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Refused> {
        let token = token(&parts.headers).ok_or_else(Refused::no_token)?;
        let client = parts.extensions.get::<Client>().ok_or_else(|| Refused::internal(&"a request without its client"))?;
        match hub.people.holder(token, client.address).await {
            Ok(holder) => Ok(Self { holder }),
            Err(NoToken::TooMany(wait)) => {
                let message = "Too many wrong tokens from this address.";
                Err(Refused::later(StatusCode::TOO_MANY_REQUESTS, message, wait.as_secs()))
            }
            Err(NoToken::Store(error)) => Err(Refused::internal(&format!("{:#}", anyhow::Error::new(error)))),
            Err(NoToken::Wrong | NoToken::Full | NoToken::Internal(_)) => Err(Refused::no_token()),
        }
    }
}

/// The secret in `Authorization: token SECRET`, or `Bearer SECRET`; `None`: there is none, or more than one.
fn token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, secret) = value.trim().split_once(' ')?;
    let is_ours = scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer");
    is_ours.then(|| secret.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_comes_in_one_header_of_two_kinds() {
        for (values, expected) in [
            (vec!["token abc"], Some("abc")),
            (vec!["Token abc"], Some("abc")),
            (vec!["bearer abc"], Some("abc")),
            (vec!["BEARER  abc "], Some("abc")),
            (vec!["Basic abc"], None),
            (vec!["abc"], None),
            (vec!["tokenabc"], None),
            (vec![""], None),
            (vec![], None),
            (vec!["token abc", "token abc"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            assert_eq!(token(&headers), expected, "{values:?}");
        }
    }
}
