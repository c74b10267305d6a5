//! What is wrong with a login, in words, before anybody tries it: everything that can be seen without logging in.

use std::time::SystemTime;

use hub_core::outside::{Looked, Trouble, TroubleKind, Verdict};
use jsonwebtoken::jwk::PublicKeyUse;
use jsonwebtoken::{AlgorithmFamily, DecodingKey};

use crate::discovery::{Metadata, discover, fetch_keys};
use crate::exchange::{Hub, error_of};
use crate::web::{Answer, Web, ask, place};

/// How far two clocks may be apart, in seconds.
const CLOCK: u64 = 60;
/// Nobody's: what a provider says to it shows whether it takes the secret.
const NO_CODE: &str = "hubd-login-check";
/// 43 characters are the least that PKCE takes.
const NO_VERIFIER: &str = "hubd-login-check-hubd-login-check-hubd-login";

/// What was looked at, the first things first. `secret`: why it can't be read, if it can't.
pub(crate) async fn check(web: &Web, hub: &Hub<'_>, secret: Option<&Trouble>) -> Vec<Looked> {
    let mut looked = vec![said_secret(hub, secret)];
    let (metadata, answer) = match discover(web, hub.provider).await {
        Ok(found) => found,
        Err(trouble) => {
            looked.push(bad(trouble.message, hint_for(trouble.kind)));
            return looked;
        }
    };
    looked.push(good(format!("{} describes itself", hub.provider.issuer)));
    looked.extend(clock(&answer, SystemTime::now()));
    looked.extend(pkce(&metadata));
    looked.push(keys(web, &metadata).await);
    looked.push(way_back(web, hub, &metadata).await);
    if secret.is_none() {
        looked.push(credentials(web, hub, &metadata).await);
    }
    looked.extend(rules(hub));
    looked
}

fn said_secret(hub: &Hub<'_>, secret: Option<&Trouble>) -> Looked {
    let file = "write it there, as in: sudo install -m 600 /dev/stdin /etc/hubd/secrets/NAME";
    match (secret, &hub.provider.client_secret_file) {
        (Some(trouble), _) => bad(trouble.message.clone(), Some(file)),
        (None, Some(path)) => good(format!("the secret in `{}` can be read", path.display())),
        (None, None) => good("no secret is used: the hub is a public client with PKCE".to_owned()),
    }
}

fn hint_for(kind: TroubleKind) -> Option<&'static str> {
    match kind {
        TroubleKind::Away => {
            Some("is the address right, and does this machine get there? A proxy is set with: hub-installer install")
        }
        TroubleKind::Settings => Some(
            "`issuer` is what the provider calls itself, to the letter: what comes before /.well-known/openid-configuration, with or \
             without a slash at its end as it says",
        ),
        _ => None,
    }
}

fn clock(answer: &Answer, now: SystemTime) -> Option<Looked> {
    let there = answer.date?;
    let apart = now.duration_since(there).unwrap_or_else(|error| error.duration()).as_secs();
    Some(match apart <= CLOCK {
        true => good("the clocks of the provider and of this machine agree".to_owned()),
        false => bad(
            format!("this machine's clock is {apart} s away from the provider's, so that what it signs is over or not yet good"),
            Some("timedatectl set-ntp true"),
        ),
    })
}

fn pkce(metadata: &Metadata) -> Option<Looked> {
    let methods = metadata.code_challenge_methods_supported.as_ref()?;
    let has = methods.iter().any(|method| method == "S256");
    (!has).then(|| unsure("it does not say that it looks at PKCE (S256); the hub sends it all the same".to_owned(), None))
}

async fn keys(web: &Web, metadata: &Metadata) -> Looked {
    match fetch_keys(web, metadata).await {
        Err(trouble) => bad(trouble.message, None),
        Ok(keys) => {
            let signs = |key: &&jsonwebtoken::jwk::Jwk| {
                let is_pair = DecodingKey::from_jwk(key).is_ok_and(|key| key.family() != AlgorithmFamily::Hmac);
                is_pair && key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
            };
            match keys.keys.iter().filter(signs).count() {
                0 => bad(
                    format!("{} has no key of a kind that the hub can check", place(&metadata.jwks_uri)),
                    Some("have the provider sign with RS256 or ES256"),
                ),
                count => good(format!("it has {count} key{} to sign with", if count == 1 { "" } else { "s" })),
            }
        }
    }
}

/// What the provider says to somebody who comes to log in: nobody does, so nothing comes of it.
async fn way_back(web: &Web, hub: &Hub<'_>, metadata: &Metadata) -> Looked {
    let address = hub.address(metadata, "check", "check", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let answer = match ask(web.get(&address), &address).await {
        Ok(answer) => answer,
        Err(trouble) => return bad(trouble.message, None),
    };
    let register = format!("at the provider, give the client `{}` the redirect address {}", hub.provider.client_id, hub.callback);
    let text = String::from_utf8_lossy(&answer.body).to_lowercase();
    let location = answer.location.unwrap_or_default();
    match () {
        () if answer.status >= 500 => bad(format!("its login page is out of order (status {})", answer.status), None),
        () if answer.status >= 400 && text.contains("redirect") => {
            bad(format!("it does not let people come back to {}", hub.callback), Some(&register))
        }
        () if answer.status >= 400 => bad(
            format!(
                "its login page refuses this hub (status {}): it does not know the client or the redirect address",
                answer.status
            ),
            Some(&format!("compare `client_id` with what the provider has; {register}")),
        ),
        () if location.starts_with(hub.callback) && location.contains("error=") => {
            let error = location.split("error=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
            let error: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
            match error.as_str() {
                // It would have to ask somebody, and did not say so with a page.
                "login_required" | "interaction_required" | "consent_required" => {
                    good("its login page accepts this hub".to_owned())
                }
                _ => bad(format!("its login page sends everybody back with the error {error}"), Some("are `scopes` right?")),
            }
        }
        () if location.contains("/error") => bad("its login page shows an error to this hub".to_owned(), Some(&register)),
        () => good(format!("its login page accepts this hub, with {} as the way back", hub.callback)),
    }
}

/// Whether the provider takes client and secret: it looks at these before it looks at the code.
async fn credentials(web: &Web, hub: &Hub<'_>, metadata: &Metadata) -> Looked {
    let answer = match hub.redeem(web, metadata, NO_CODE, NO_VERIFIER).await {
        Ok(answer) => answer,
        Err(trouble) => return bad(trouble.message, None),
    };
    match error_of(&answer).as_str() {
        "invalid_grant" => good("it accepts client and secret".to_owned()),
        "invalid_client" | "unauthorized_client" => bad(
            format!("it does not accept the secret, or not for the client `{}` (invalid_client)", hub.provider.client_id),
            Some("copy the secret again from the provider into the file that client_secret_file names, then check again"),
        ),
        error => unsure(format!("can't tell whether it accepts the secret (status {}, {error:?})", answer.status), None),
    }
}

fn rules(hub: &Hub<'_>) -> Option<Looked> {
    let needs_email = hub.provider.allow_domains.is_some() || hub.provider.username_claim == "email";
    let asks = hub.provider.scopes.iter().any(|scope| scope == "email");
    (needs_email && !asks)
        .then(|| unsure("addresses count, and `scopes` does not ask for \"email\"".to_owned(), Some("add \"email\" to `scopes`")))
}

fn good(text: String) -> Looked {
    Looked { verdict: Verdict::Good, text, hint: None }
}

fn unsure(text: String, hint: Option<&str>) -> Looked {
    Looked { verdict: Verdict::Unsure, text, hint: hint.map(str::to_owned) }
}

fn bad(text: String, hint: Option<&str>) -> Looked {
    Looked { verdict: Verdict::Bad, text, hint: hint.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_is_wrong_is_told() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let answer = |date| Answer { status: 200, body: Vec::new(), is_json: true, location: None, date };
        let verdict = |seconds: i64| {
            let date = if seconds < 0 {
                now - Duration::from_secs(seconds.unsigned_abs())
            } else {
                now + Duration::from_secs(seconds.unsigned_abs())
            };
            clock(&answer(Some(date)), now).unwrap().verdict
        };
        assert_eq!([verdict(0), verdict(-59), verdict(59)], [Verdict::Good; 3]);
        assert_eq!([verdict(-90), verdict(90)], [Verdict::Bad; 2]);
        assert!(clock(&answer(None), now).is_none());
    }
}
