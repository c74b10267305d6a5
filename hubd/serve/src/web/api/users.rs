//! People and their servers, in the shape that clients of JupyterHub know. What the token may not see is not there.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::header::{ACCEPT, HOST};
use hub_core::accounts::Username;
use hub_core::config::Config;
use hub_core::control::tokens::Scope;
use hub_core::control::{Reply, ServerInfo, ServerPhase, UserInfo};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode;
use serde_json::{Map, Value, json};

use super::super::Hub;
use super::answer;
use super::caller::Caller;
use super::refused::Refused;
use super::servers::person;
use crate::auth::{Giver, Holder};
use crate::listen::Client;

/// By this an answer in pages is asked for.
const PAGES: &str = "application/jupyterhub-pagination+json";
/// People in one page, and in one answer, if nothing else is asked for.
const USUAL_PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;

/// Which people are asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    state: Option<ServerState>,
    name_filter: String,
    with_stopped: bool,
    offset: usize,
    limit: usize,
}

/// By their servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerState {
    /// There is one, or one comes or goes.
    Active,
    /// It runs.
    Ready,
    /// There is none.
    Inactive,
}

/// Whose token this is.
pub(super) async fn whoami(State(hub): State<Arc<Hub>>, caller: Caller) -> Result<Response, Refused> {
    let scopes: Vec<&str> = caller.holder.scopes.iter().map(|scope| scope.name()).collect();
    let mut model = match &caller.holder.maker {
        Some(Giver::Person(name)) => {
            let config = hub.config.get();
            json!({ "kind": "user", "name": name, "admin": config.is_admin(name), "groups": groups(&config, name) })
        }
        Some(Giver::Operator(account)) => json!({ "kind": "service", "name": account, "admin": true, "roles": [] }),
        None => json!({ "kind": "service", "name": "root", "admin": true, "roles": [] }),
    };
    model["scopes"] = json!(scopes);
    model["session_id"] = Value::Null;
    model["token_id"] = json!(format!("a{}", caller.holder.id));
    Ok(answer(&model))
}

/// Everybody, or some, by name.
pub(super) async fn list(State(hub): State<Arc<Hub>>, caller: Caller, request: Request) -> Result<Response, Refused> {
    caller.needs(&[Scope::ListUsers])?;
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_paged = accept.contains(PAGES);
    let query = request.uri().query().unwrap_or_default();
    let wanted = Wanted::read(query, if is_paged { USUAL_PAGE } else { LARGEST_PAGE })?;
    let (users, servers) = (everybody(&hub, &caller).await?, running(&hub, &caller).await?);
    let config = hub.config.get();
    let fits = |user: &&UserInfo| user.name.as_str().contains(&wanted.name_filter) && wanted.takes(servers.get(&user.name));
    let found: Vec<&UserInfo> = users.iter().filter(fits).collect();
    let page: Vec<Value> = found
        .iter()
        .skip(wanted.offset)
        .take(wanted.limit)
        .map(|user| model(user, servers.get(&user.name), &caller.holder, &config, wanted.with_stopped))
        .collect();
    if !is_paged {
        return Ok(answer(&Value::Array(page)));
    }
    let next = wanted.offset.saturating_add(wanted.limit);
    let next = (next < found.len()).then(|| {
        let url = format!("{}{}/hub/api/users?{}", origin(&config, &request), config.hub.base(), wanted.query(query, next));
        json!({ "offset": next, "limit": wanted.limit, "url": url })
    });
    let pagination = json!({ "offset": wanted.offset, "limit": wanted.limit, "total": found.len(), "next": next });
    Ok(answer(&json!({ "items": page, "_pagination": pagination })))
}

/// One person.
pub(super) async fn one(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refused> {
    caller.needs(&[Scope::ListUsers, Scope::ReadUsers, Scope::ReadUsersActivity, Scope::ReadServers])?;
    let name = person(name)?;
    let wanted = Wanted::read(request.uri().query().unwrap_or_default(), LARGEST_PAGE)?;
    let users = everybody(&hub, &caller).await?;
    let user = users.iter().find(|user| user.name == name).ok_or_else(Refused::not_found)?;
    let servers = running(&hub, &caller).await?;
    let model = model(user, servers.get(&name), &caller.holder, &hub.config.get(), wanted.with_stopped);
    Ok(answer(&model))
}

async fn everybody(hub: &Hub, caller: &Caller) -> Result<Vec<UserInfo>, Refused> {
    match caller.ask(hub, &hub_core::control::Request::UserList).await? {
        Reply::Users { users } => Ok(users),
        other => Err(Refused::of(&other)),
    }
}

async fn running(hub: &Hub, caller: &Caller) -> Result<HashMap<Username, ServerInfo>, Refused> {
    match caller.ask(hub, &hub_core::control::Request::ServerList).await? {
        Reply::Servers { servers } => Ok(servers.into_iter().map(|server| (server.name.clone(), server)).collect()),
        other => Err(Refused::of(&other)),
    }
}

/// One person, as far as the token may see them.
fn model(user: &UserInfo, server: Option<&ServerInfo>, holder: &Holder, config: &Config, with_stopped: bool) -> Value {
    let mut model = Map::new();
    let mut put = |key: &str, value: Value| drop(model.insert(key.to_owned(), value));
    put("kind", json!("user"));
    put("name", json!(user.name));
    put("admin", json!(user.admin));
    let phase = server.map_or(ServerPhase::Stopped, |server| server.phase);
    let url = format!("{}/user/{}/", config.hub.base(), user.name);
    if holder.may(Scope::ReadUsers) {
        put("roles", json!([user.role]));
        put("groups", json!(groups(config, &user.name)));
        put("server", if phase == ServerPhase::Running { json!(url) } else { Value::Null });
        put("pending", pending(phase));
        put("created", user.added.as_deref().map_or(Value::Null, moment));
    }
    if holder.may(Scope::ReadUsersActivity) {
        put("last_activity", user.last_active.as_deref().map_or(Value::Null, moment));
    }
    if holder.may(Scope::ReadServers) {
        let mut servers = Map::new();
        if is_active(phase) || with_stopped {
            servers.insert(String::new(), describe(user, server, &url));
        }
        put("servers", Value::Object(servers));
    }
    Value::Object(model)
}

fn describe(user: &UserInfo, server: Option<&ServerInfo>, url: &str) -> Value {
    let phase = server.map_or(ServerPhase::Stopped, |server| server.phase);
    let uptime = server.and_then(|server| server.uptime_seconds).and_then(|seconds| i64::try_from(seconds).ok());
    let started = uptime.and_then(|seconds| Timestamp::now().checked_sub(SignedDuration::from_secs(seconds)).ok());
    // A server that somebody else has started is no less new for its owner's being away.
    let last_activity = user.last_active.as_deref().and_then(|text| text.parse().ok()).max(started);
    json!({
        "name": "",
        "display_name": "",
        "full_name": format!("{}/", user.name),
        "last_activity": last_activity.map(written),
        "started": started.map(written),
        "pending": pending(phase),
        "ready": phase == ServerPhase::Running,
        "stopped": !is_active(phase),
        "url": url,
        "user_options": {},
    })
}

fn is_active(phase: ServerPhase) -> bool {
    !matches!(phase, ServerPhase::Stopped | ServerPhase::Failed)
}

fn pending(phase: ServerPhase) -> Value {
    match phase {
        ServerPhase::Queued | ServerPhase::Starting => json!("spawn"),
        ServerPhase::Stopping => json!("stop"),
        ServerPhase::Stopped | ServerPhase::Running | ServerPhase::Failed => Value::Null,
    }
}

fn groups<'config>(config: &'config Config, name: &Username) -> Vec<&'config str> {
    let groups = config.groups.iter().filter(|(_, group)| group.members.contains(name));
    groups.map(|(group, _)| group.as_str()).collect()
}

/// A moment (RFC 3339) as JupyterHub writes it, with microseconds.
fn moment(text: &str) -> Value {
    text.parse().map_or(Value::Null, |time| json!(written(time)))
}

fn written(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// Where this hub is to be asked.
fn origin(config: &Config, request: &Request) -> String {
    if let Some(origin) = config.hub.origin() {
        return origin.to_owned();
    }
    let https = request.extensions().get::<Client>().is_some_and(|client| client.https);
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("{}://{host}", if https { "https" } else { "http" })
}

impl Wanted {
    fn read(query: &str, usual: usize) -> Result<Self, Refused> {
        let mut wanted = Self { state: None, name_filter: String::new(), with_stopped: false, offset: 0, limit: usual };
        for (name, value) in fields(query) {
            let value = value.ok_or_else(|| Refused::bad_request("The address is not valid UTF-8."))?;
            let number = || {
                let number = value.trim().parse::<i64>().ok().and_then(|number| usize::try_from(number.unsigned_abs()).ok());
                number.ok_or_else(|| Refused::bad_request("Invalid argument type, offset and limit must be integers"))
            };
            match name {
                "state" => wanted.state = Some(ServerState::read(&value)?),
                "name_filter" => wanted.name_filter = value,
                "include_stopped_servers" => wanted.with_stopped = !matches!(value.as_str(), "" | "0" | "false"),
                "offset" => wanted.offset = number()?,
                "limit" => wanted.limit = number()?.clamp(1, LARGEST_PAGE),
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn takes(&self, server: Option<&ServerInfo>) -> bool {
        let phase = server.map_or(ServerPhase::Stopped, |server| server.phase);
        self.state.is_none_or(|state| match state {
            ServerState::Active => is_active(phase),
            ServerState::Ready => phase == ServerPhase::Running,
            ServerState::Inactive => !is_active(phase),
        })
    }

    /// The same query for the people that follow.
    fn query(&self, query: &str, offset: usize) -> String {
        let kept = query.split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !matches!(name, "" | "offset" | "limit")
        });
        let ours = [format!("offset={offset}"), format!("limit={}", self.limit)];
        kept.map(str::to_owned).chain(ours).collect::<Vec<_>>().join("&")
    }
}

impl ServerState {
    fn read(text: &str) -> Result<Self, Refused> {
        match text {
            "active" => Ok(Self::Active),
            "ready" => Ok(Self::Ready),
            "inactive" => Ok(Self::Inactive),
            other => Err(Refused::bad_request(format!("Unrecognized state filter: {other:?}"))),
        }
    }
}

/// The fields of a query, decoded; a value that is no UTF-8 is `None`.
fn fields(query: &str) -> impl Iterator<Item = (&str, Option<String>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let spaced: Vec<u8> = value.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
        let decoded: Vec<u8> = percent_decode(&spaced).collect();
        (name, String::from_utf8(decoded).ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_which_people() {
        let read = |query| Wanted::read(query, USUAL_PAGE);
        let usual = Wanted { state: None, name_filter: String::new(), with_stopped: false, offset: 0, limit: 50 };
        assert_eq!(read(""), Ok(usual));
        let wanted = read("state=ready&name_filter=a%2Bd+a&offset=-7&limit=1000&include_stopped_servers=1&sort=id").unwrap();
        let expected = Wanted {
            state: Some(ServerState::Ready),
            name_filter: "a+d a".to_owned(),
            with_stopped: true,
            offset: 7,
            limit: 200,
        };
        assert_eq!(wanted, expected);
        assert_eq!(read("limit=0").unwrap().limit, 1);
        for query in ["offset=x", "limit=", "offset=99999999999999999999", "state=gone", "name_filter=%ff"] {
            assert!(read(query).is_err(), "{query}");
        }
    }

    #[test]
    fn the_next_page_is_asked_for_in_the_same_way() {
        let query = "state=ready&offset=2&limit=2&name_filter=a%26b";
        assert_eq!(Wanted::read(query, USUAL_PAGE).unwrap().query(query, 4), "state=ready&name_filter=a%26b&offset=4&limit=2");
    }

    #[test]
    fn moments_have_microseconds() {
        assert_eq!(moment("2026-09-07T10:00:00Z"), "2026-09-07T10:00:00.000000Z");
        assert_eq!(moment("soon"), Value::Null);
    }
}
