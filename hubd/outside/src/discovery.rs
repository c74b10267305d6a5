//! What a provider says about itself, and its keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hub_core::config::Provider;
use hub_core::outside::{Trouble, TroubleKind};
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use url::Url;

use crate::web::{Answer, Web, ask, is_loopback, place};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// How long what a provider said counts.
const LIFETIME: Duration = Duration::from_secs(600);
/// How soon its keys are asked for anew because of one that is not among them: whoever invents keys makes nobody ask.
const KEYS_PAUSE: Duration = Duration::from_secs(30);

/// What a provider says about itself, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) response_types_supported: Option<Vec<String>>,
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What is known of providers; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    by_issuer: Arc<Mutex<HashMap<String, Entry>>>,
}

#[derive(Debug, Clone)]
struct Entry {
    metadata: Arc<Metadata>,
    said: Instant,
    keys: Option<(Arc<JwkSet>, Instant)>,
}

impl Known {
    /// What `provider` says about itself.
    pub(crate) async fn metadata(&self, web: &Web, provider: &Provider) -> Result<Arc<Metadata>, Trouble> {
        let found = self.entries().get(&provider.issuer).filter(|entry| entry.said.elapsed() < LIFETIME).cloned();
        if let Some(entry) = found {
            return Ok(entry.metadata);
        }
        let (metadata, _) = discover(web, provider).await?;
        let metadata = Arc::new(metadata);
        let entry = Entry { metadata: Arc::clone(&metadata), said: Instant::now(), keys: None };
        self.entries().insert(provider.issuer.clone(), entry);
        Ok(metadata)
    }

    /// The keys of `provider`. `is_anew`: one is missing in those that are known.
    pub(crate) async fn keys(&self, web: &Web, provider: &Provider, is_anew: bool) -> Result<Arc<JwkSet>, Trouble> {
        let metadata = self.metadata(web, provider).await?;
        let found = self.entries().get(&provider.issuer).and_then(|entry| entry.keys.clone());
        if let Some((keys, said)) = found
            && said.elapsed() < (if is_anew { KEYS_PAUSE } else { LIFETIME })
        {
            return Ok(keys);
        }
        let keys = Arc::new(fetch_keys(web, &metadata).await?);
        if let Some(entry) = self.entries().get_mut(&provider.issuer) {
            entry.keys = Some((Arc::clone(&keys), Instant::now()));
        }
        Ok(keys)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.by_issuer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a provider about itself, and judges what it says.
pub(crate) async fn discover(web: &Web, provider: &Provider) -> Result<(Metadata, Answer), Trouble> {
    let address = format!("{}{WELL_KNOWN}", provider.issuer.trim_end_matches('/'));
    let url = Url::parse(&address).map_err(|error| settings(format!("{address:?} is no address: {error}")))?;
    let answer = ask(web.get(&url), &url).await?;
    if !answer.is_success() {
        let kind = if answer.status >= 500 { TroubleKind::Away } else { TroubleKind::Settings };
        return Err(Trouble::new(kind, format!("{address} answered with status {}", answer.status)));
    }
    let metadata: Metadata = serde_json::from_slice(&answer.body)
        .map_err(|error| settings(format!("what {address} says is no description of a provider: {error}")))?;
    validate(&metadata, provider)?;
    Ok((metadata, answer))
}

/// Whether a provider may say that of itself.
fn validate(metadata: &Metadata, provider: &Provider) -> Result<(), Trouble> {
    if metadata.issuer != provider.issuer {
        return Err(settings(format!("it calls itself {:?}, and `issuer` says {:?}", metadata.issuer, provider.issuer)));
    }
    let issuer = Url::parse(&provider.issuer).map_err(|error| settings(format!("`issuer` is no address: {error}")))?;
    let is_here = issuer.scheme() == "http" && is_loopback(&issuer);
    // At another port of this machine somebody else may listen.
    let is_same_place = |endpoint: &Url| endpoint.origin() == issuer.origin();
    let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
    for endpoint in endpoints.into_iter().chain(&metadata.userinfo_endpoint) {
        let is_fit = endpoint.scheme() == "https" || is_here && is_same_place(endpoint);
        if !is_fit || endpoint.host_str().is_none_or(str::is_empty) || !endpoint.username().is_empty() {
            return Err(settings(format!("it names {}, which is not at https", place(endpoint))));
        }
    }
    let has_code = |types: &Vec<String>| types.iter().any(|kind| kind == "code");
    if !metadata.response_types_supported.as_ref().is_none_or(has_code) {
        return Err(settings("it does not offer the authorization code flow (response type \"code\")".to_owned()));
    }
    Ok(())
}

pub(crate) async fn fetch_keys(web: &Web, metadata: &Metadata) -> Result<JwkSet, Trouble> {
    let answer = ask(web.get(&metadata.jwks_uri), &metadata.jwks_uri).await?;
    let shown = place(&metadata.jwks_uri);
    if !answer.is_success() {
        return Err(Trouble::new(TroubleKind::Away, format!("{shown} answered with status {}", answer.status)));
    }
    serde_json::from_slice(&answer.body).map_err(|error| settings(format!("what {shown} says are no keys: {error}")))
}

fn settings(message: String) -> Trouble {
    Trouble::new(TroubleKind::Settings, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::provider;

    fn metadata(issuer: &str, endpoint: &str) -> Metadata {
        let endpoint: Url = endpoint.parse().unwrap();
        Metadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: endpoint.clone(),
            token_endpoint: endpoint.clone(),
            jwks_uri: endpoint,
            userinfo_endpoint: None,
            response_types_supported: None,
            code_challenge_methods_supported: None,
            token_endpoint_auth_methods_supported: None,
        }
    }

    #[test]
    fn a_provider_is_who_the_configuration_says() {
        let issuer = "https://id.example.org";
        let provider = provider();
        assert_eq!(validate(&metadata(issuer, "https://id.example.org/x"), &provider), Ok(()));
        for (says, endpoint) in [
            ("https://id.example.org/", "https://id.example.org/x"),
            ("https://evil.example", "https://id.example.org/x"),
            (issuer, "http://id.example.org/x"),
            (issuer, "http://127.0.0.1/x"),
            (issuer, "file:///etc/passwd"),
            (issuer, "https://a@id.example.org/x"),
        ] {
            let refused = validate(&metadata(says, endpoint), &provider).unwrap_err();
            assert_eq!(refused.kind, TroubleKind::Settings, "{says} {endpoint}");
        }
        let implicit = Metadata {
            response_types_supported: Some(vec!["id_token".to_owned()]),
            ..metadata(issuer, "https://id.example.org/x")
        };
        assert!(validate(&implicit, &provider).is_err());
    }

    #[test]
    fn on_this_machine_clear_text_is_enough_and_leads_nowhere_else() {
        let provider = Provider { issuer: "http://127.0.0.1:81".to_owned(), ..provider() };
        assert_eq!(validate(&metadata("http://127.0.0.1:81", "http://127.0.0.1:81/x"), &provider), Ok(()));
        assert!(validate(&metadata("http://127.0.0.1:81", "http://169.254.169.254/x"), &provider).is_err());
        assert!(validate(&metadata("http://127.0.0.1:81", "http://127.0.0.1:8000/x"), &provider).is_err());
        assert!(validate(&metadata("http://127.0.0.1:81", "http://localhost/x"), &provider).is_err());
    }
}
