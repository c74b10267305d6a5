use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hub_core::paths::Paths;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use serde_json::json;

use super::*;

const NAMES: [&str; 2] = ["hub.test", "www.hub.test"];

/// An authority that calls the question about the second name out of date, so many times in a row, and is as strict as
/// real ones: whoever tells it twice to look at a name is refused.
#[derive(Clone, Default)]
struct Authority {
    stale: Arc<Mutex<u32>>,
    told: Arc<Mutex<Vec<String>>>,
    /// What it says about when to renew; nothing: it has no opinion.
    renewal: serde_json::Value,
}

impl Authority {
    fn answer(&self, path: &str) -> (u16, serde_json::Value) {
        let url = |path: &str| format!("https://ca.test{path}");
        let problem = |kind: &str| (400, json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": path }));
        match path {
            "/" => {
                let mut names = vec!["newNonce", "newAccount", "newOrder"];
                names.extend((!self.renewal.is_null()).then_some("renewalInfo"));
                let at = names.into_iter().map(|name| (name.to_owned(), url(&format!("/{name}")).into()));
                (200, serde_json::Map::from_iter(at).into())
            }
            "/newAccount" => (201, json!({ "status": "valid" })),
            "/newOrder" => {
                let authorizations = [0, 1].map(|index| url(&format!("/authorization/{index}")));
                (201, json!({ "status": "pending", "authorizations": authorizations, "finalize": url("/finalize") }))
            }
            "/authorization/1" if *self.stale.lock().unwrap() > 0 => {
                *self.stale.lock().unwrap() -= 1;
                problem("badNonce")
            }
            "/authorization/0" | "/authorization/1" => {
                let index = usize::from(path.ends_with('1'));
                let challenge =
                    json!({ "type": "http-01", "url": url(&format!("/challenge/{index}")), "token": "t", "status": "pending" });
                let identifier = json!({ "type": "dns", "value": NAMES[index] });
                (200, json!({ "status": "pending", "identifier": identifier, "challenges": [challenge] }))
            }
            "/challenge/0" | "/challenge/1" => {
                let mut told = self.told.lock().unwrap();
                if told.iter().any(|earlier| earlier == path) {
                    return problem("malformed");
                }
                told.push(path.to_owned());
                (200, json!({ "type": "http-01", "url": url(path), "token": "t", "status": "processing" }))
            }
            _ if path.starts_with("/renewalInfo/") => (200, self.renewal.clone()),
            _ => (200, json!({})),
        }
    }
}

impl HttpClient for Authority {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (status, body) = self.answer(request.uri().path());
        let answer = Response::builder()
            .status(status)
            .header("replay-nonce", "n")
            .header("location", "https://ca.test/order")
            .header("retry-after", "21600");
        let answer = answer.body(Full::new(Bytes::from(body.to_string())));
        Box::pin(async move { Ok(BytesResponse::from(answer.map_err(Error::from)?)) })
    }
}

#[tokio::test]
async fn each_name_is_announced_once_however_often_questions_are_out_of_date() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    std::fs::create_dir_all(paths.certificates()).unwrap();
    let store = Store::open(&paths, paths.acme_certificate()).unwrap();
    // A question is asked three times at once, then anew: so many times none, one and some of those are in vain.
    for stale in [0, 1, 3, 10, 23] {
        let authority = Authority { stale: Arc::new(Mutex::new(stale)), ..Authority::default() };
        let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
        let builder = Account::builder_with_http(Box::new(authority.clone()));
        let (account, _) = builder.create(&new, "https://ca.test/".to_owned(), None).await.unwrap();
        let domains = NAMES.map(str::to_owned);
        let identifiers = domains.clone().map(Identifier::Dns);
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await.unwrap();
        let wish = Wish { email: "", domains: &domains, directory: "https://ca.test/", kind: Kind::Http };
        answer(&store, &mut order, &wish).await.unwrap_or_else(|error| panic!("{stale}: {error:#}"));
        assert_eq!(*authority.told.lock().unwrap(), ["/challenge/0", "/challenge/1"], "{stale}");
    }
}

#[test]
fn the_usual_authority_is_where_the_library_says() {
    assert_eq!(hub_tls::USUAL_DIRECTORY, instant_acme::LetsEncrypt::Production.url());
}

#[tokio::test]
async fn asks_when_to_renew_and_takes_no_nonsense() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    std::fs::create_dir_all(paths.certificates()).unwrap();
    let store = Store::open(&paths, paths.acme_certificate()).unwrap();
    let at = |start: &str| json!({ "suggestedWindow": { "start": start, "end": "2026-03-02T00:00:00Z" } });
    let ask = async |renewal: serde_json::Value| {
        let http = Box::new(Authority { renewal, ..Authority::default() });
        suggested(&store, http, "https://ca.test/").await.map_err(|error| format!("{error:#}"))
    };
    assert_eq!(ask(at("2026-03-01T00:00:00Z")).await, Ok(None), "without a certificate");
    let (issuer, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(NAMES.map(str::to_owned)).unwrap();
    params.use_authority_key_identifier_extension = true;
    let issuer = rcgen::Issuer::new(CertificateParams::default(), issuer);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    store.put(&certificate.pem(), &key.serialize_pem()).unwrap();
    assert_eq!(ask(at("2026-03-01T00:00:00Z")).await, Ok(None), "without an account");
    let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(Box::new(Authority::default()));
    let (_, credentials) = builder.create(&new, "https://ca.test/".to_owned(), None).await.unwrap();
    store.save(ACCOUNT, &Kept { directory: "https://ca.test/".to_owned(), credentials }).unwrap();
    assert_eq!(hub_tls::account_at(&paths, "https://ca.test/").unwrap().as_deref(), Some("https://ca.test/order"));
    assert_eq!(hub_tls::account_at(&paths, "https://other.test/").unwrap(), None);

    assert_eq!(ask(serde_json::Value::Null).await, Ok(None), "an authority without an opinion");
    let (window, pause) = ask(at("2026-03-01T00:00:00Z")).await.unwrap().unwrap();
    let moment = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(window, (moment("2026-03-01T00:00:00Z"), moment("2026-03-02T00:00:00Z")));
    assert!((21590..=21600).contains(&pause.as_secs()), "{pause:?}");
    for nonsense in [json!("soon"), at("soon"), json!({ "suggestedWindow": null })] {
        assert!(ask(nonsense.clone()).await.is_err(), "{nonsense}");
    }
}
