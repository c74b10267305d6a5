use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, encode};
use serde_json::json;

use super::*;

pub(crate) fn provider() -> Provider {
    Provider {
        title: "School".to_owned(),
        issuer: "https://id.example.org".to_owned(),
        client_id: "hub".to_owned(),
        client_secret_file: None,
        scopes: vec!["openid".to_owned()],
        username_claim: "preferred_username".to_owned(),
        groups_claim: "groups".to_owned(),
        allow_domains: None,
        allow_groups: None,
        enrol: false,
    }
}

struct Keys {
    private: EncodingKey,
    public: JwkSet,
}

fn keys(id: &str) -> Keys {
    let pair = rcgen::KeyPair::generate().unwrap();
    let private = EncodingKey::from_ec_der(&pair.serialize_der());
    let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap();
    public.common.key_id = Some(id.to_owned());
    Keys { private, public: JwkSet { keys: vec![public] } }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://id.example.org", "aud": "hub", "sub": "42", "exp": now() + 300, "iat": now(), "nonce": "n",
           "preferred_username": "ada"})
}

fn header(id: &str) -> Header {
    Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::ES256) }
}

fn signed(keys: &Keys, claims: &Value) -> String {
    encode(&header("a"), claims, &keys.private).unwrap()
}

fn kind(result: Result<Signed, NotBelieved>) -> Option<TroubleKind> {
    match result {
        Err(NotBelieved::Trouble(trouble)) => Some(trouble.kind),
        _ => None,
    }
}

#[test]
fn what_the_provider_signed_for_this_login_is_believed() {
    let keys = keys("a");
    let found = verify(&signed(&keys, &claims()), &keys.public, &provider(), "n").unwrap();
    assert_eq!(found["preferred_username"], "ada");
}

#[test]
fn security_20_nonce_aud_iss_exp() {
    let keys = keys("a");
    for (name, value) in [
        ("nonce", json!("m")),
        ("nonce", json!(null)),
        ("nonce", json!(["n"])),
        ("aud", json!("other")),
        ("aud", json!(["hub", "other"])),
        ("aud", json!([])),
        ("aud", json!(null)),
        ("azp", json!("other")),
        ("iss", json!("https://id.example.org/")),
        ("iss", json!("https://evil.example")),
        ("iss", json!(["https://id.example.org"])),
        ("iss", json!(null)),
        ("exp", json!(now() - 120)),
        ("exp", json!("never")),
        ("exp", json!(null)),
        ("nbf", json!(now() + 3600)),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!(42)),
        ("sub", json!(null)),
    ] {
        let mut wrong = claims();
        wrong[name] = value.clone();
        if value.is_null() {
            wrong.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(
            kind(verify(&signed(&keys, &wrong), &keys.public, &provider(), "n")),
            Some(TroubleKind::Forged),
            "{name} {value}"
        );
    }
    let mut both = claims();
    both["aud"] = json!(["hub", "other"]);
    both["azp"] = json!("hub");
    assert!(verify(&signed(&keys, &both), &keys.public, &provider(), "n").is_ok());
}

#[test]
fn security_20_alg_none_and_a_public_key_as_a_secret() {
    let keys = keys("a");
    let good = signed(&keys, &claims());
    let body = good.split('.').nth(1).unwrap();
    // {"alg":"none"}, in two spellings, with an empty and the old signature.
    for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIn0"] {
        for signature in ["", good.rsplit('.').next().unwrap()] {
            let token = format!("{header}.{body}.{signature}");
            assert_eq!(kind(verify(&token, &keys.public, &provider(), "n")), Some(TroubleKind::Forged), "{token}");
        }
    }
    let public = serde_json::to_string(&keys.public.keys[0]).unwrap();
    for secret in [public.as_bytes(), b"hub", b"secret"] {
        let header = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &claims(), &EncodingKey::from_secret(secret).unwrap()).unwrap();
        assert_eq!(kind(verify(&token, &keys.public, &provider(), "n")), Some(TroubleKind::Forged));
    }
}

#[test]
fn security_20_another_key_or_one_for_something_else() {
    let (own, other) = (keys("a"), keys("a"));
    assert_eq!(kind(verify(&signed(&other, &claims()), &own.public, &provider(), "n")), Some(TroubleKind::Forged));
    let token = encode(&header("b"), &claims(), &own.private).unwrap();
    assert_eq!(verify(&token, &own.public, &provider(), "n"), Err(NotBelieved::UnknownKey));
    let mut for_secrets = own.public.clone();
    for_secrets.keys[0].common.public_key_use = Some(PublicKeyUse::Encryption);
    assert_eq!(verify(&signed(&own, &claims()), &for_secrets, &provider(), "n"), Err(NotBelieved::UnknownKey));
    let mut of_other_kind = own.public.clone();
    of_other_kind.keys[0].common.key_algorithm = Some(KeyAlgorithm::RS256);
    assert_eq!(verify(&signed(&own, &claims()), &of_other_kind, &provider(), "n"), Err(NotBelieved::UnknownKey));
    let mut changed = signed(&own, &claims());
    changed.pop();
    assert_eq!(kind(verify(&changed, &own.public, &provider(), "n")), Some(TroubleKind::Forged));
    for nonsense in ["", ".", "..", "a.b.c", "\u{0}", &"x".repeat(100_000)] {
        assert_eq!(kind(verify(nonsense, &own.public, &provider(), "n")), Some(TroubleKind::Forged));
    }
}

/// A key that the provider has in its list may be used by the token that names none.
#[test]
fn a_token_without_the_name_of_its_key_is_tried_with_each() {
    let (one, two) = (keys("a"), keys("b"));
    let both = JwkSet { keys: [one.public.keys.clone(), two.public.keys].concat() };
    let token = encode(&Header::new(Algorithm::ES256), &claims(), &one.private).unwrap();
    assert!(verify(&token, &both, &provider(), "n").is_ok());
}
