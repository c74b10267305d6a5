//! A hub with pretended servers, and a browser that keeps cookies and says what browsers say.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hub_core::accounts::Username;
use hub_core::config;
use hub_core::config::effects::Change;
use hub_core::config::keys::Effect;
use hub_core::control::ServerPhase;
use hub_core::control::change::{Ended, KeyChange, Outcome, Saved};
use hub_core::launcher::client::Client as Launcher;
use hub_core::launcher::protocol;
use hub_core::paths::Paths;
use hub_core::wire;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tower::ServiceExt;

use super::{markup, packages};
use crate::apps::Apps;
use crate::auth::password::Cost;
use crate::auth::{Clock, Maker, People};
use crate::control::ControlContext;
use crate::listen::Client;
use crate::live::Live;
use crate::servers::{MemoryKills, Servers, View};
use crate::usage::Usage;
use crate::web::{Hub, router};

pub(super) const PASSWORD: &str = "correct horse";
pub(super) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Servers that are what the test says.
#[derive(Default)]
pub(super) struct Pretend {
    views: Mutex<HashMap<Username, watch::Sender<View>>>,
    pub(super) asked: Mutex<Vec<String>>,
}

impl Pretend {
    fn sender(&self, name: &Username) -> watch::Sender<View> {
        let stopped = || watch::Sender::new(view(ServerPhase::Stopped));
        self.views.lock().unwrap().entry(name.clone()).or_insert_with(stopped).clone()
    }

    pub(super) fn set(&self, name: &str, view: View) {
        self.sender(&name.parse().unwrap()).send_replace(view);
    }

    /// What was asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Servers for Pretend {
    fn ensure(&self, name: &Username) -> watch::Receiver<View> {
        self.asked.lock().unwrap().push(format!("ensure {name}"));
        let sender = self.sender(name);
        if sender.borrow().phase == ServerPhase::Stopped {
            sender.send_replace(view(ServerPhase::Starting));
        }
        sender.subscribe()
    }

    fn restart(&self, name: &Username, is_plain: bool) -> watch::Receiver<View> {
        self.asked.lock().unwrap().push(format!("restart {name}{}", if is_plain { " without own things" } else { "" }));
        let sender = self.sender(name);
        sender.send_replace(view(ServerPhase::Queued));
        sender.subscribe()
    }

    fn stop(&self, name: &Username) -> watch::Receiver<View> {
        self.asked.lock().unwrap().push(format!("stop {name}"));
        self.sender(name).subscribe()
    }

    fn watch(&self, name: &Username) -> watch::Receiver<View> {
        self.sender(name).subscribe()
    }

    fn list(&self) -> Vec<(Username, View)> {
        let views = self.views.lock().unwrap();
        let known = views.iter().map(|(name, sender)| (name.clone(), sender.borrow().clone()));
        known.filter(|(_, view)| view.phase != ServerPhase::Stopped).collect()
    }

    fn touch(&self, name: &Username) {
        self.asked.lock().unwrap().push(format!("touch {name}"));
    }

    fn suspect(&self, _: &Username) {}
}

pub(super) fn view(phase: ServerPhase) -> View {
    View {
        phase,
        position: None,
        message: String::new(),
        failure: None,
        endpoint: None,
        unit: String::new(),
        memory_bytes: None,
        memory_limit_bytes: None,
        memory_kills: MemoryKills::default(),
        uptime: None,
        without_own: false,
        environment: None,
        newest: None,
        stops_at: None,
    }
}

/// Changes of the configuration that the launcher was asked for.
type Changes = Arc<Mutex<Vec<KeyChange>>>;

/// Answers like a launcher to whom everything is done as soon as it is asked for, and that takes every value but "many".
fn launcher(paths: &Paths, changes: Changes) {
    let path = paths.launcher_socket();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let reply = match wire::receive_async::<protocol::Request>(&mut stream).await {
                Ok(Some(protocol::Request::Configure { change, .. })) => {
                    let ended = configured(&change);
                    changes.lock().unwrap().push(change);
                    protocol::Reply::Configured { ended }
                }
                Ok(Some(protocol::Request::Environment { ask, .. })) => {
                    protocol::Reply::Environment { answer: Box::new(packages::answer(&ask)) }
                }
                _ => protocol::Reply::Done,
            };
            drop(wire::send_async(&mut stream, &reply).await);
        }
    });
}

/// What `hubctl config` prints of a change of a key that was "1G".
fn configured(change: &KeyChange) -> Ended {
    if change.values == ["many"] {
        let output = r#"{"error":{"message":"\"many\" is not a value for it","hint":"as in: 2G"}}"#.to_owned();
        return Ended { code: 1, output, messages: String::new() };
    }
    let new = change.values.first().map(|value| format!("{value:?}")).unwrap_or_default();
    let saved = Saved {
        outcome: if change.manner.dry_run { Outcome::DryRun } else { Outcome::Applied },
        version: None,
        reason: None,
        done: Vec::new(),
        warnings: vec!["1 server uses more".to_owned()],
        changes: vec![Change { key: change.path().to_string(), old: "\"1G\"".to_owned(), new, effect: Effect::Now }],
        lockouts: Vec::new(),
    };
    Ended { code: 0, output: serde_json::to_string(&saved).unwrap(), messages: String::new() }
}

/// A hub on which ada and bob are enrolled.
pub(super) struct Desk {
    app: Router,
    pub(super) people: People,
    pub(super) servers: Arc<Pretend>,
    pub(super) clock: Clock,
    pub(super) config: Live<config::Config>,
    pub(super) changes: Changes,
    pub(super) usage: Usage,
    pub(super) paths: Paths,
    _directory: tempfile::TempDir,
}

impl Desk {
    pub(super) async fn new() -> Self {
        Self::with_config("").await
    }

    pub(super) async fn with_config(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Live::new(config::parse(text, "test").unwrap());
        let clock = Clock::manual();
        let database = directory.path().join("hubd.db");
        let people = People::open_with(&database, (&*config.get()).into(), clock.clone(), Cost::CHEAP).await.unwrap();
        for name in ["ada", "bob"] {
            people.add(&name.parse().unwrap(), Some(PASSWORD), &Maker::Host).await.unwrap();
        }
        let servers = Arc::new(Pretend::default());
        let paths = Paths::under(directory.path());
        let changes = Changes::default();
        launcher(&paths, Arc::clone(&changes));
        let apps = Apps::default();
        apps.set(&config.get(), &Launcher::new(paths.launcher_socket()), &paths);
        let started = Instant::now();
        let control = ControlContext {
            initial: config.get(),
            config: config.clone(),
            reloading: Arc::default(),
            listen_problem: None,
            people: people.clone(),
            usage: Usage::new(&paths, Arc::<Pretend>::clone(&servers), Launcher::new(paths.launcher_socket())),
            servers: Arc::<Pretend>::clone(&servers),
            apps: apps.clone(),
            launcher: Launcher::new(paths.launcher_socket()),
            paths: paths.clone(),
            started,
            tls: None,
            check: "a word".to_owned(),
        };
        let usage = control.usage.clone();
        let hub = Hub { config: config.clone(), people: people.clone(), servers: servers.clone(), apps, control, started };
        Self { app: router(Arc::new(hub)), people, servers, clock, config, changes, usage, paths, _directory: directory }
    }

    /// A browser that says where its requests come from.
    pub(super) fn browser(&self) -> Browser<'_> {
        Browser { desk: self, cookies: BTreeMap::new(), https: false, address: HOME, says: Says::Everything }
    }

    /// One request as it is.
    pub(super) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(Duration::from_secs(30), body.collect()).await.unwrap().unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// One request whose answer does not end by itself.
    pub(super) async fn open(&self, request: Request<Body>) -> http::Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }
}

/// What a browser says about where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// `Sec-Fetch-*` and `Origin`, as over https and to loopback addresses.
    Everything,
    /// `Origin` with forms and `Referer`, as over plain http.
    OriginOnly,
    /// Nothing, as programs do.
    Nothing,
}

pub(super) struct Browser<'desk> {
    pub(super) desk: &'desk Desk,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) https: bool,
    pub(super) address: IpAddr,
    pub(super) says: Says,
}

impl Browser<'_> {
    /// Goes to an address from a page of the hub.
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path, "same-origin", None)).await
    }

    /// Follows a link on another site.
    pub(super) async fn get_from_elsewhere(&mut self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path, "cross-site", None)).await
    }

    /// Sends a form that a page of the hub had.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.request(Method::POST, path, "same-origin", Some(fields))).await
    }

    /// Loads `page`, fills its form in and sends it to `path`.
    pub(super) async fn fill(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = self.get(page).await;
        let token = form.hidden("token");
        let fields: Vec<_> = fields.iter().copied().chain([("token", token.as_str())]).collect();
        self.post(path, &fields).await
    }

    pub(super) async fn log_in(&mut self, name: &str) -> Answer {
        let answer = self.fill("/hub/login", "/hub/login", &[("username", name), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        answer
    }

    pub(super) fn request(&self, method: Method, path: &str, site: &str, fields: Option<&[(&str, &str)]>) -> Request<Body> {
        let mut request = Request::new(match fields {
            None => Body::empty(),
            Some(fields) => Body::from(encode(fields)),
        });
        *request.uri_mut() = path.parse().unwrap();
        let origin = if self.https { "https://hub.example.org" } else { "http://hub.example.org" };
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("hub.example.org"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8"));
        if fields.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        if self.says == Says::Everything {
            for (name, value) in [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")] {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
            }
        }
        if self.says != Says::Nothing && method != Method::GET {
            let origin = if site == "same-origin" { origin } else { "https://evil.example" };
            headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.insert(COOKIE, HeaderValue::from_bytes(cookies.join("; ").as_bytes()).unwrap());
        }
        *request.method_mut() = method;
        request.extensions_mut().insert(Client { address: self.address, https: self.https });
        request
    }

    pub(super) async fn send(&mut self, request: Request<Body>) -> Answer {
        let answer = self.desk.ask(request).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if !cookie.contains("Path=/;") && !cookie.ends_with("Path=/") {
                continue;
            }
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where a redirect leads.
    pub(super) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header(LOCATION.as_str())
    }

    /// The value of a hidden field.
    pub(super) fn hidden(&self, name: &str) -> String {
        let elements = markup::elements(&self.body);
        let field = elements.iter().find(|element| element.name == "input" && element.attribute("name") == Some(name));
        field.unwrap_or_else(|| panic!("no field {name}: {}", self.body)).attribute("value").unwrap().to_owned()
    }

    /// The page; nothing for a redirect.
    pub(super) fn body_or_empty(&self) -> String {
        if self.body.is_empty() { "<!doctype html>".to_owned() } else { self.body.clone() }
    }

    /// What the page says, without its markup.
    pub(super) fn text(&self) -> String {
        markup::text(&self.body)
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}
