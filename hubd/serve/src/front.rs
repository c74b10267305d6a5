//! The first look at a request: whose it is and where it goes. `/user/<name>/...` passes the gate and goes to that
//! person's server; everything else goes to the hub's own pages.

mod app;
mod base;
mod body;
mod browser;
mod hub;
mod link;
mod own_page;
mod target;

use std::sync::Arc;

use axum::Router;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hub_core::accounts::Username;
use hub_core::config::apps::Prefix;
use hub_core::control::ServerPhase;
use hyper::body::Incoming;
use tokio::sync::watch;
use tower::ServiceExt;

pub use body::Body;
pub use hub::HubPages;

use crate::apps::{self, Apps, OneApp};
use crate::auth::Consents;
use crate::listen::{Answer, Client, Handler};
use crate::proxy::{Forwarded, Proxy, ProxyError, Target};
use crate::servers::{Servers, View};
use crate::web::{self, Problem};
use base::Entry;
use target::Route;

/// Largest head that goes to a user server, bytes: those refuse 64 KiB, and the proxy adds some of its own.
const MOST_HEADER_BYTES: usize = 56 * 1024;
/// When it makes sense to try again where too much is open.
const RETRY_SECONDS: u64 = 5;

/// Somebody who is logged in.
pub struct Visitor {
    /// Who.
    pub user: Username,
    /// Turns true, or loses its owner, when access ends.
    pub ended: watch::Receiver<bool>,
    /// What only pages that this session was given know.
    pub key: String,
    /// What forms of the hub's own pages carry.
    pub form_token: String,
}

/// Whether the pages of a server with this environment know the key of their session: those of servers that an earlier
/// version started do not.
pub type KnowsKey = dyn Fn(Option<u32>) -> bool + Send + Sync;

/// Knows who is logged in. Asked for every request, so it must answer from memory.
pub trait Gate: Send + Sync {
    /// Whose session the request's cookies name.
    fn session(&self, headers: &HeaderMap, client: Client) -> Option<Visitor>;

    /// What people agreed to, by the key of their session.
    fn consents(&self) -> &Consents;
}

/// Answers requests that cannot be answered otherwise.
pub trait Pages: Send + Sync {
    /// Says what is wrong: in a page for people, which also says who is logged in, as JSON for programs. The status becomes
    /// that of the problem.
    fn answer(&self, problem: &Problem, visitor: Option<&Visitor>, wants_page: bool) -> Response<axum::body::Body>;

    /// A number that changes whenever there is something else to tell the owner of this server in its open pages.
    fn news(&self, server: &View) -> u64;
}

/// Handles every request that reaches the hub.
pub struct Front {
    gate: Arc<dyn Gate>,
    pages: Arc<dyn Pages>,
    servers: Arc<dyn Servers>,
    proxy: Proxy,
    router: Router,
    base: String,
    knows_key: Box<KnowsKey>,
    apps: Apps,
}

impl Front {
    /// Puts the parts together. `router` answers everything that is not below `/user/`; it finds the [`Client`] among
    /// a request's extensions.
    pub fn new(gate: Arc<dyn Gate>, pages: Arc<dyn Pages>, servers: Arc<dyn Servers>, proxy: Proxy, router: Router) -> Self {
        Self { gate, pages, servers, proxy, router, base: String::new(), knows_key: Box::new(|_| false), apps: Apps::default() }
    }

    /// The same below a path of its host, as `/jupyter`; empty: at the top.
    pub fn below(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    /// The same, with the key of their session asked of the pages that know it.
    pub fn with_keys(mut self, knows_key: Box<KnowsKey>) -> Self {
        self.knows_key = knows_key;
        self
    }

    /// The same, with what people start beside Jupyter.
    pub fn with_apps(mut self, apps: Apps) -> Self {
        self.apps = apps;
        self
    }

    async fn answer(&self, mut request: Request<Incoming>, client: Client) -> Answer<Body> {
        let wants_page = browser::is_navigation(request.method(), request.headers());
        if let Err(problem) = check(&mut request) {
            return self.problem(&problem, wants_page);
        }
        let outer = request.uri().clone();
        match base::enter(&self.base, &outer) {
            Entry::Within(inner) => *request.uri_mut() = inner,
            Entry::Door => return self.redirect(StatusCode::FOUND, "/"),
            Entry::Outside => return self.problem(&Problem::not_found(), wants_page),
        }
        if own_page::is_service_worker(request.headers()) {
            return self.problem(&Problem::service_worker(), false);
        }
        base::read_cookies(&self.base, request.headers_mut());
        match target::route(request.uri().path()).map_err(Problem::bad_request) {
            Ok(Route::Hub) => self.hub(request, client).await,
            Ok(Route::Nobody) => self.problem(&Problem::not_found(), wants_page),
            Ok(Route::Logout) => self.redirect(StatusCode::FOUND, "/hub/logout"),
            Ok(Route::Unslashed(user)) => {
                let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
                self.redirect(StatusCode::FOUND, &format!("/user/{user}/{query}"))
            }
            Ok(Route::Server(user)) => self.server(user, request, outer, client, wants_page).await,
            Err(problem) => self.problem(&problem, wants_page),
        }
    }

    async fn hub(&self, mut request: Request<Incoming>, client: Client) -> Answer<Body> {
        request.extensions_mut().insert(client);
        match self.router.clone().oneshot(request.map(axum::body::Body::new)).await {
            Ok(mut response) => {
                base::leave(&self.base, response.headers_mut());
                Answer::new(response.map(Body::Page))
            }
            Err(never) => match never {},
        }
    }

    /// `outer` is the target as it came, which is what the server knows.
    async fn server(
        &self,
        user: Username,
        mut request: Request<Incoming>,
        mut outer: Uri,
        client: Client,
        wants_page: bool,
    ) -> Answer<Body> {
        if !fits(&request) {
            let mut page = self.problem_page(&Problem::headers_too_large(), None, wants_page);
            for value in web::expire_below(outer.path(), request.headers()) {
                page.headers_mut().append(header::SET_COOKIE, value);
            }
            return Answer::new(page);
        }
        let Some(visitor) = self.gate.session(request.headers(), client) else {
            return match wants_page {
                true => self.redirect(StatusCode::FOUND, &web::login_location(whole_path(request.uri()))),
                false => self.problem(&Problem::not_logged_in(), false),
            };
        };
        if visitor.user != user {
            return self.problem_for(&visitor, &Problem::not_yours(), wants_page);
        }
        if browser::is_foreign(request.method(), request.headers(), client.https) {
            return self.problem_for(&visitor, &Problem::foreign_request(), wants_page);
        }
        let mut has_key = own_page::take_from_headers(request.headers_mut(), &visitor.key);
        if let Some(rest) = own_page::take_from_address(&outer, &visitor.key) {
            has_key = true;
            outer = rest;
        }
        if !has_key {
            match link::judge(&request, client.https, &visitor.key, self.gate.consents()) {
                link::Verdict::Passed => {}
                link::Verdict::Asked => {
                    return self.redirect(StatusCode::SEE_OTHER, &web::ask_location(whole_path(request.uri())));
                }
                link::Verdict::Refused => return self.problem_for(&visitor, &Problem::not_by_link(), wants_page),
            }
        }
        match app::place(target::below(request.uri().path())) {
            app::Place::NoApp => {}
            app::Place::Nowhere => return self.problem_for(&visitor, &Problem::not_found(), wants_page),
            app::Place::Unslashed => {
                let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
                return self.redirect(StatusCode::FOUND, &format!("{}/{query}", request.uri().path()));
            }
            app::Place::Inside(name) => {
                let Some(app) = self.apps.find(&name) else {
                    return self.problem_for(&visitor, &Problem::not_found(), wants_page);
                };
                return self.app(&app, visitor, request, outer, client, wants_page).await;
            }
        }
        let (endpoint, environment, news) = {
            let view = self.servers.watch(&user);
            let view = view.borrow();
            (view.endpoint.clone(), view.environment, has_key.then(|| self.pages.news(&view)))
        };
        let Some(endpoint) = endpoint else { return self.not_running(&visitor, whole_path(request.uri()), wants_page) };
        let path = target::below(request.uri().path());
        let (method, headers) = (request.method(), request.headers());
        let is_kept = own_page::may_be_kept(method, path, headers);
        let key = own_page::gets_key(method, path, headers).then(|| visitor.key.clone());
        if let Err(refused) = own_page::judge(method, path, headers, has_key)
            && (self.knows_key)(environment)
        {
            let problem = match refused {
                own_page::Refused::NoKey => Problem::no_key(),
                own_page::Refused::Framed => Problem::framed(),
            };
            return self.problem_for(&visitor, &problem, wants_page);
        }
        if browser::is_use(request.method(), request.uri(), request.headers()) {
            self.servers.touch(&user);
        }
        let uri = std::mem::replace(request.uri_mut(), outer);
        let target = Target { user, endpoint, prefix: None };
        match self.proxy.forward(&target, request, client, key, visitor.ended.clone()).await {
            Ok(Forwarded::Answer(mut response)) => {
                own_page::close(response.headers_mut(), is_kept);
                if let Some(number) = news {
                    response.headers_mut().insert(web::NEWS_HEADER, HeaderValue::from(number));
                }
                Answer::new(response.map(Body::Server))
            }
            Ok(Forwarded::Switch(response, tunnel)) => {
                Answer::switch(response.map(|()| Body::empty()), |stream| Box::pin(tunnel.run(stream)))
            }
            // The session goes on, so it was the server that has ended.
            Err(ProxyError::Ended) if !has_ended(&visitor.ended) => self.not_running(&visitor, whole_path(&uri), wants_page),
            Err(error) => self.failed(&visitor, error, wants_page),
        }
    }

    /// `outer` is the target as it came.
    async fn app(
        &self,
        app: &OneApp,
        visitor: Visitor,
        mut request: Request<Incoming>,
        outer: Uri,
        client: Client,
        wants_page: bool,
    ) -> Answer<Body> {
        let user = visitor.user.clone();
        let path = target::below(request.uri().path());
        let is_kept = own_page::may_be_kept(request.method(), path, request.headers());
        let wanted = whole_path(request.uri()).to_owned();
        let away = |front: &Self| match wants_page {
            true => front.redirect(StatusCode::SEE_OTHER, &web::app_location(&app.name)),
            false => front.problem_for(&visitor, &Problem::not_running(&wanted), false),
        };
        let Some(endpoint) = app.servers.watch(&user).borrow().endpoint.clone() else { return away(self) };
        app.servers.touch(&user);
        let prefix = format!("{}{}", self.base, apps::address(&user, &app.name));
        let is_stripped = app.app.prefix == Prefix::Stripped;
        *request.uri_mut() = match is_stripped {
            true => app::strip(&outer, &prefix).unwrap_or(outer),
            false => outer,
        };
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
        let target =
            Target { user: user.clone(), endpoint, prefix: is_stripped.then(|| prefix.trim_end_matches('/').to_owned()) };
        match app.proxy.forward(&target, request, client, None, visitor.ended.clone()).await {
            Ok(Forwarded::Answer(mut response)) => {
                if is_stripped {
                    app::mend(response.headers_mut(), &prefix, host.as_deref());
                }
                own_page::close(response.headers_mut(), is_kept);
                Answer::new(response.map(Body::Server))
            }
            Ok(Forwarded::Switch(mut response, tunnel)) => {
                if is_stripped {
                    app::mend(response.headers_mut(), &prefix, host.as_deref());
                }
                Answer::switch(response.map(|()| Body::empty()), |stream| Box::pin(tunnel.run(stream)))
            }
            Err(ProxyError::Ended) if !has_ended(&visitor.ended) => away(self),
            Err(error) => {
                if matches!(error, ProxyError::Connect { .. }) {
                    app.servers.suspect(&user);
                }
                self.failed(&visitor, error, wants_page)
            }
        }
    }

    fn not_running(&self, visitor: &Visitor, next: &str, wants_page: bool) -> Answer<Body> {
        let user = &visitor.user;
        let phase = self.servers.watch(user).borrow().phase;
        match phase {
            ServerPhase::Queued | ServerPhase::Starting if wants_page => {
                self.redirect(StatusCode::SEE_OTHER, &web::progress_location(next))
            }
            _ => self.problem_for(visitor, &Problem::not_running(next), wants_page),
        }
    }

    fn failed(&self, visitor: &Visitor, error: ProxyError, wants_page: bool) -> Answer<Body> {
        let user = &visitor.user;
        let chain = describe(&error);
        let problem = match error {
            ProxyError::Connect { .. } => {
                self.servers.suspect(user);
                Problem::unreachable()
            }
            ProxyError::Busy { .. } => Problem::unreachable(),
            ProxyError::Impostor { .. } => {
                tracing::warn!(%user, error = chain, "somebody else listens in place of a user server");
                Problem::impostor()
            }
            ProxyError::TooMany { .. } => Problem::too_many(RETRY_SECONDS),
            ProxyError::Silent { .. } => Problem::gateway_timeout(),
            ProxyError::Broken(_) | ProxyError::BadAnswer(_) | ProxyError::UnwantedSwitch => Problem::bad_gateway(),
            ProxyError::Client(_) => Problem::bad_request("its body broke off or is not valid HTTP"),
            ProxyError::Ended => Problem::not_logged_in(),
        };
        tracing::debug!(%user, error = chain, status = problem.status().as_u16(), "a request was not answered by its server");
        // Whoever has no session any more is nobody.
        let is_over = problem == Problem::not_logged_in();
        if is_over { self.problem(&problem, wants_page) } else { self.problem_for(visitor, &problem, wants_page) }
    }

    fn problem(&self, problem: &Problem, wants_page: bool) -> Answer<Body> {
        Answer::new(self.problem_page(problem, None, wants_page))
    }

    fn problem_for(&self, visitor: &Visitor, problem: &Problem, wants_page: bool) -> Answer<Body> {
        Answer::new(self.problem_page(problem, Some(visitor), wants_page))
    }

    fn problem_page(&self, problem: &Problem, visitor: Option<&Visitor>, wants_page: bool) -> Response<Body> {
        let mut response = self.pages.answer(problem, visitor, wants_page);
        *response.status_mut() = problem.status();
        if let Some(word) = problem.word() {
            response.headers_mut().insert(web::PROBLEM_HEADER, HeaderValue::from_static(word));
        }
        if matches!(problem.status(), StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(Body::Page)
    }

    fn redirect(&self, status: StatusCode, location: &str) -> Answer<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
        response.headers_mut().insert(header::LOCATION, location);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        base::leave(&self.base, response.headers_mut());
        Answer::new(response)
    }
}

impl Handler for Front {
    type Body = Body;

    fn handle(&self, request: Request<Incoming>, client: Client) -> impl Future<Output = Answer<Body>> + Send {
        self.answer(request, client)
    }
}

/// Decides what HTTP leaves open.
fn check(request: &mut Request<Incoming>) -> Result<(), Problem> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Problem::method_not_allowed());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().map(|host| host.to_str().unwrap_or_default());
    if hosts.next().is_some() {
        return Err(Problem::bad_request("it names more than one host"));
    }
    if !host.map_or(request.version() == Version::HTTP_10, target::is_host) {
        return Err(Problem::bad_request("it names no valid host"));
    }
    let stripped = target::origin_form(request.uri(), host).map_err(Problem::bad_request)?;
    if let Some(uri) = stripped {
        *request.uri_mut() = uri;
    }
    let mut expectations = request.headers().get_all(header::EXPECT).iter();
    if expectations.any(|expected| !expected.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Problem::bad_request("it expects what the hub cannot do"));
    }
    let has_body = request.headers().contains_key(header::CONTENT_LENGTH)
        && request.headers().get(header::CONTENT_LENGTH) != Some(&HeaderValue::from_static("0"))
        || request.headers().contains_key(header::TRANSFER_ENCODING);
    if request.headers().contains_key(header::UPGRADE) && has_body {
        return Err(Problem::bad_request("a request to change the protocol cannot have a body"));
    }
    Ok(())
}

/// Where somebody wanted to go, as it came.
fn whole_path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

/// Whether a session is over.
fn has_ended(ended: &watch::Receiver<bool>) -> bool {
    *ended.borrow() || ended.has_changed().is_err()
}

/// Whether the request's head is small enough for a user server.
fn fits(request: &Request<Incoming>) -> bool {
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    fields.sum::<usize>() + whole_path(request.uri()).len() <= MOST_HEADER_BYTES
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
