//! Starting and stopping a server. Like JupyterHub it answers after ten seconds at the latest; what is under way goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hub_core::accounts::Username;
use hub_core::control::ServerPhase;
use hub_core::control::tokens::Scope;
use tokio::time::timeout;

use super::super::Hub;
use super::caller::Caller;
use super::refused::Refused;

/// Longest wait for what was asked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest body, bytes.
const LARGEST_BODY: usize = 64 << 10;
/// Longest time that a body may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// 201: it runs. 202: it is on its way. 400: it runs already, or is on its way down.
pub(super) async fn start(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refused> {
    caller.needs(&[Scope::StartServers])?;
    let name = person(name)?;
    let caller = after_body(&hub, request).await?;
    match phase(&hub, &name) {
        ServerPhase::Running => return Err(Refused::bad_request(format!("{name}/ is already running"))),
        ServerPhase::Stopping => return Err(Refused::bad_request(format!("{name}/ is pending stop"))),
        ServerPhase::Queued | ServerPhase::Starting => return Ok(empty(StatusCode::ACCEPTED)),
        ServerPhase::Stopped | ServerPhase::Failed => {}
    }
    act(hub, caller, hub_core::control::Request::ServerStart { name, without_own: false }, StatusCode::CREATED).await
}

/// 204: it does not run (any more). 202: it is on its way down. 400: it is starting.
pub(super) async fn stop(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refused> {
    caller.needs(&[Scope::DeleteServers])?;
    let name = person(name)?;
    let caller = after_body(&hub, request).await?;
    match phase(&hub, &name) {
        ServerPhase::Stopping => return Ok(empty(StatusCode::ACCEPTED)),
        ServerPhase::Queued | ServerPhase::Starting => {
            return Err(Refused::bad_request(format!("{name}/ is pending spawn, please wait")));
        }
        ServerPhase::Running | ServerPhase::Stopped | ServerPhase::Failed => {}
    }
    act(hub, caller, hub_core::control::Request::ServerStop { name }, StatusCode::NO_CONTENT).await
}

/// Has it done to its end, and waits for that as long as a client would.
async fn act(hub: Arc<Hub>, caller: Caller, request: hub_core::control::Request, done: StatusCode) -> Result<Response, Refused> {
    within(PATIENCE, async move { caller.ask(&hub, &request).await.map(drop) }, done).await
}

/// `done` when `work` is, else that it is under way.
async fn within(
    patience: Duration,
    work: impl Future<Output = Result<(), Refused>> + Send + 'static,
    done: StatusCode,
) -> Result<Response, Refused> {
    match timeout(patience, tokio::spawn(work)).await {
        Ok(Ok(Ok(()))) => Ok(empty(done)),
        Ok(Ok(Err(refused))) => Err(refused),
        Ok(Err(error)) => Err(Refused::internal(&error)),
        Err(_) => Ok(empty(StatusCode::ACCEPTED)),
    }
}

fn empty(status: StatusCode) -> Response {
    (status, [(CONTENT_TYPE, "text/plain")]).into_response()
}

/// The person in the address. What can't be a name is nobody's.
pub(super) fn person(name: Result<Path<String>, PathRejection>) -> Result<Username, Refused> {
    name?.0.parse().map_err(|_| Refused::not_found())
}

fn phase(hub: &Hub, name: &Username) -> ServerPhase {
    let servers = hub.servers.list();
    servers.iter().find(|(known, _)| known == name).map_or(ServerPhase::Stopped, |(_, view)| view.phase)
}

/// Who asks, once all of the request is there: it may take its time, and a token that was revoked meanwhile does nothing more.
async fn after_body(hub: &Arc<Hub>, request: Request) -> Result<Caller, Refused> {
    let (mut parts, body) = request.into_parts();
    check_body(Request::from_parts(parts.clone(), body)).await?;
    Caller::from_request_parts(&mut parts, hub).await
}

/// Options of a start are read as JupyterHub reads them. There are none yet that change anything here.
async fn check_body(mut request: Request) -> Result<(), Refused> {
    DefaultBodyLimit::max(LARGEST_BODY).apply(&mut request);
    let late = |_| Refused::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive.");
    let body = timeout(ARRIVAL_TIMEOUT, Bytes::from_request(request, &())).await.map_err(late)?;
    let body = body.map_err(|error: BytesRejection| Refused::new(error.status(), "The body is too large, or broke off."))?;
    match serde_json::from_slice::<serde_json::Value>(&body) {
        _ if body.is_empty() => Ok(()),
        Ok(serde_json::Value::Object(_) | serde_json::Value::Null) => Ok(()),
        Ok(_) => Err(Refused::bad_request("The body has to be an object in JSON.")),
        Err(_) => Err(Refused::bad_request("Invalid JSON in body of request")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_takes_long_is_under_way_and_goes_on_to_its_end() {
        let (go, gone) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let work = async move {
            drop(gone.await);
            tell.send(()).unwrap();
            Ok(())
        };
        assert_eq!(within(Duration::ZERO, work, StatusCode::CREATED).await.unwrap().status(), StatusCode::ACCEPTED);
        go.send(()).unwrap();
        told.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_done_is_said_and_what_is_refused_too() {
        let forever = Duration::from_secs(3600);
        let answer = within(forever, async { Ok(()) }, StatusCode::CREATED).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let refused = within(forever, async { Err(Refused::not_found()) }, StatusCode::CREATED).await;
        assert_eq!(refused.unwrap_err(), Refused::not_found());
    }
}
