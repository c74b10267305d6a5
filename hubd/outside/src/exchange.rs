//! One login: the address to go to, and who came back from there.

use hub_core::config::{Claims, Provider};
use hub_core::outside::{Trouble, TroubleKind};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::discovery::{Known, Metadata};
use crate::person;
use crate::token::{NotBelieved, Signed, verify};
use crate::web::{Answer, Web, ask, place};

/// No code, state, nonce, verifier or challenge is longer, in bytes.
const LONGEST: usize = 4096;

/// As whom the hub speaks to a provider, and where people come back.
pub(crate) struct Hub<'hub> {
    pub(crate) provider: &'hub Provider,
    pub(crate) secret: Option<&'hub str>,
    pub(crate) callback: &'hub str,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Denied {
    #[serde(default)]
    error: String,
}

impl Hub<'_> {
    /// The address at the provider where somebody logs in.
    pub(crate) fn address(&self, metadata: &Metadata, state: &str, nonce: &str, challenge: &str) -> Url {
        let mut scopes = self.provider.scopes.clone();
        if !scopes.iter().any(|scope| scope == "openid") {
            scopes.insert(0, "openid".to_owned());
        }
        let mut address = metadata.authorization_endpoint.clone();
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.provider.client_id)
            .append_pair("redirect_uri", self.callback)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        address
    }

    /// Who came back with `code`.
    pub(crate) async fn person(
        &self,
        web: &Web,
        known: &Known,
        code: &str,
        verifier: &str,
        nonce: &str,
    ) -> Result<Claims, Trouble> {
        for (what, text) in [("code", code), ("verifier", verifier), ("nonce", nonce)] {
            if text.is_empty() || text.len() > LONGEST {
                return Err(Trouble::new(TroubleKind::Stale, format!("its {what} can't be one")));
            }
        }
        let metadata = known.metadata(web, self.provider).await?;
        let answer = self.redeem(web, &metadata, code, verifier).await?;
        let tokens = validate(&answer, &metadata)?;
        let Some(token) = tokens.id_token else {
            return Err(settings("the provider signed nothing about who it is (no id_token); is \"openid\" allowed?"));
        };
        let keys = known.keys(web, self.provider, false).await?;
        let signed = match verify(&token, &keys, self.provider, nonce) {
            Err(NotBelieved::UnknownKey) => {
                let keys = known.keys(web, self.provider, true).await?;
                verify(&token, &keys, self.provider, nonce)
            }
            judged => judged,
        };
        let signed = signed.map_err(|why| match why {
            NotBelieved::Trouble(trouble) => trouble,
            NotBelieved::UnknownKey => {
                Trouble::new(TroubleKind::Forged, "the provider's token names a key that it does not have")
            }
        })?;
        let more = match (person::is_enough(&signed, self.provider), &metadata.userinfo_endpoint, &tokens.access_token) {
            (false, Some(endpoint), Some(access)) => Some(more(web, endpoint, access, &signed).await?),
            _ => None,
        };
        Ok(person::claims(&signed, more.as_ref(), self.provider))
    }

    /// Shows the provider the code, and that it is this hub that has it.
    pub(crate) async fn redeem(&self, web: &Web, metadata: &Metadata, code: &str, verifier: &str) -> Result<Answer, Trouble> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.callback),
            ("code_verifier", verifier),
        ];
        let endpoint = &metadata.token_endpoint;
        let mut question = web.post(endpoint).header("Accept", "application/json");
        match self.secret {
            Some(secret) if speaks_basic(metadata) => question = basic(question, &self.provider.client_id, secret),
            Some(secret) => fields.extend([("client_id", self.provider.client_id.as_str()), ("client_secret", secret)]),
            None => fields.push(("client_id", &self.provider.client_id)),
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        ask(question.header("Content-Type", "application/x-www-form-urlencoded").body(body), endpoint).await
    }
}

/// Whether the secret goes where it goes when a provider says nothing about that.
fn speaks_basic(metadata: &Metadata) -> bool {
    let methods = metadata.token_endpoint_auth_methods_supported.as_ref();
    methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
}

/// Both are encoded first: RFC 6749, section 2.3.1.
fn basic(question: RequestBuilder, client: &str, secret: &str) -> RequestBuilder {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    question.basic_auth(encoded(client), Some(encoded(secret)))
}

fn validate(answer: &Answer, metadata: &Metadata) -> Result<Tokens, Trouble> {
    let whom = place(&metadata.token_endpoint);
    if answer.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|_| settings(&format!("what {whom} says are no tokens")));
    }
    Err(match error_of(answer).as_str() {
        "invalid_grant" => Trouble::new(TroubleKind::Stale, format!("{whom} does not accept the code (invalid_grant)")),
        "" if answer.status >= 500 => Trouble::new(TroubleKind::Away, format!("{whom} answered with status {}", answer.status)),
        "" => settings(&format!("{whom} answered with status {}", answer.status)),
        "invalid_client" | "unauthorized_client" => {
            settings(&format!("{whom} does not know this hub: client_id or secret are wrong (invalid_client)"))
        }
        "temporarily_unavailable" | "server_error" => Trouble::new(TroubleKind::Away, format!("{whom} is out of order")),
        error => settings(&format!("{whom} refused ({error})")),
    })
}

/// The error that the provider gives, by its name; one word, or nothing.
pub(crate) fn error_of(answer: &Answer) -> String {
    let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_word = denied.error.len() <= 64 && denied.error.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_word { denied.error } else { "unknown".to_owned() }
}

/// What the provider says beside what it signed. Only of the same subject: the access token may be another's.
async fn more(web: &Web, endpoint: &Url, access: &str, signed: &Signed) -> Result<Signed, Trouble> {
    let answer = ask(web.get(endpoint).bearer_auth(access).header("Accept", "application/json"), endpoint).await?;
    let whom = place(endpoint);
    if !answer.is_success() || !answer.is_json {
        return Err(settings(&format!("{whom} says nothing about people (status {})", answer.status)));
    }
    let said: Value = serde_json::from_slice(&answer.body).map_err(|_| settings(&format!("what {whom} says can't be read")))?;
    match said {
        Value::Object(said) if said.get("sub") == signed.get("sub") => Ok(said),
        _ => Err(Trouble::new(TroubleKind::Forged, format!("{whom} speaks of somebody else than the token (sub)"))),
    }
}

fn settings(message: &str) -> Trouble {
    Trouble::new(TroubleKind::Settings, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::provider;

    fn metadata() -> Metadata {
        serde_json::from_value(serde_json::json!({
            "issuer": "https://id.example.org", "authorization_endpoint": "https://id.example.org/auth?tenant=7",
            "token_endpoint": "https://id.example.org/token", "jwks_uri": "https://id.example.org/keys",
        }))
        .unwrap()
    }

    #[test]
    fn the_way_out_says_what_must_come_back() {
        let provider = provider();
        let hub = Hub { provider: &provider, secret: None, callback: "https://hub.example.org/hub/login/school/callback" };
        let address = hub.address(&metadata(), "s&x=1", "n", "c").to_string();
        assert_eq!(
            address,
            "https://id.example.org/auth?tenant=7&response_type=code&client_id=hub&redirect_uri=https%3A%2F%2Fhub.example.org\
             %2Fhub%2Flogin%2Fschool%2Fcallback&scope=openid&state=s%26x%3D1&nonce=n&code_challenge=c&code_challenge_method=S256"
        );
    }

    #[test]
    fn a_refusal_says_whose_matter_it_is() {
        let answer = |status, body: &str| Answer { status, body: body.into(), is_json: true, location: None, date: None };
        for (status, body, kind) in [
            (400, "{\"error\":\"invalid_grant\"}", TroubleKind::Stale),
            (401, "{\"error\":\"invalid_client\"}", TroubleKind::Settings),
            (400, "{\"error\":\"<script>\"}", TroubleKind::Settings),
            (404, "nothing", TroubleKind::Settings),
            (503, "nothing", TroubleKind::Away),
            (200, "nothing", TroubleKind::Settings),
        ] {
            let refused = validate(&answer(status, body), &metadata()).unwrap_err();
            assert_eq!(refused.kind, kind, "{body}");
            assert!(!refused.message.contains('<'));
        }
    }
}
