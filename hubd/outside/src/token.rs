//! What a provider has signed about somebody: judged, nothing of it believed before. Pure.

use hub_core::config::Provider;
use hub_core::outside::{Trouble, TroubleKind};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// How far two clocks may be apart, in seconds.
const LEEWAY: u64 = 60;
/// No subject is longer, in bytes; OpenID Connect has it so.
const LONGEST_SUBJECT: usize = 255;

/// What was signed.
pub(crate) type Signed = Map<String, Value>;

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotBelieved {
    /// The key it names is not among those known.
    UnknownKey,
    /// Anything else.
    Trouble(Trouble),
}

/// What `token` says, when `provider` has signed it, for this hub, for this login.
pub(crate) fn verify(token: &str, keys: &JwkSet, provider: &Provider, nonce: &str) -> Result<Signed, NotBelieved> {
    let header = decode_header(token).map_err(|error| forged(format!("it can't be read: {error}")))?;
    // A secret that both know proves nothing here, and is what a public key is taken for in an old trick.
    if header.alg.family() == AlgorithmFamily::Hmac {
        return Err(forged(format!("it is signed with {:?}, and only signatures by a key pair count", header.alg)));
    }
    let candidates = candidates(&header, keys);
    if candidates.is_empty() {
        return Err(NotBelieved::UnknownKey);
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_issuer(&[&provider.issuer]);
    validation.set_audience(&[&provider.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let mut last = None;
    for key in candidates {
        let key = DecodingKey::from_jwk(key).map_err(|error| forged(format!("its key can't be used: {error}")))?;
        match decode::<Signed>(token, &key, &validation) {
            Ok(found) => return validate(found.claims, provider, nonce).map_err(NotBelieved::Trouble),
            Err(error) => last = Some(error),
        }
    }
    Err(forged(last.map_or_else(|| "it has no key".to_owned(), |error| error.to_string())))
}

/// The keys that may have signed something with this header.
fn candidates<'keys>(header: &Header, keys: &'keys JwkSet) -> Vec<&'keys Jwk> {
    let fits = |key: &&Jwk| {
        let use_fits = key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let algorithm_fits = key.common.key_algorithm.is_none_or(|algorithm| is_same(algorithm, header.alg));
        let family_fits = DecodingKey::from_jwk(key).is_ok_and(|key| key.family() == header.alg.family());
        let id_fits = header.kid.is_none() || key.common.key_id == header.kid;
        use_fits && algorithm_fits && family_fits && id_fits
    };
    keys.keys.iter().filter(fits).take(8).collect()
}

fn is_same(of_key: KeyAlgorithm, of_token: Algorithm) -> bool {
    of_key.to_string() == format!("{of_token:?}")
}

/// What the signature does not show: that it is this login, and that the hub alone is meant.
fn validate(claims: Signed, provider: &Provider, nonce: &str) -> Result<Signed, Trouble> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // The crate takes a list of issuers, too.
    if text("iss") != Some(&provider.issuer) {
        return Err(Trouble::new(TroubleKind::Forged, "it is of another provider (iss)"));
    }
    if text("nonce") != Some(nonce) {
        return Err(Trouble::new(TroubleKind::Forged, "it is of another login (nonce)"));
    }
    let is_alone = match claims.get("aud") {
        Some(Value::Array(audience)) => audience.len() == 1,
        _ => true,
    };
    let party = text("azp");
    if party.is_some_and(|party| party != provider.client_id) || (!is_alone && party.is_none()) {
        return Err(Trouble::new(TroubleKind::Forged, "it was given to another than this hub (azp)"));
    }
    match text("sub") {
        Some(subject) if is_subject(subject) => Ok(claims),
        _ => Err(Trouble::new(TroubleKind::Forged, "it does not say of whom it is (sub)")),
    }
}

/// Whether a text can be told apart from every other, for ever.
fn is_subject(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_SUBJECT && !text.chars().any(char::is_control)
}

fn forged(why: String) -> NotBelieved {
    NotBelieved::Trouble(Trouble::new(TroubleKind::Forged, format!("the provider's token is not good: {why}")))
}

#[cfg(test)]
pub(crate) mod tests;
