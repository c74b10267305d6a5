//! What takes time: asking the launcher, waiting for an answer. Each task reports one event and ends; each has a deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use hub_core::accounts::Username;
use hub_core::launcher::client::ClientError;
use hub_core::launcher::protocol::{Active, RefusalKind, UnitState};
use tokio::time::sleep;

use super::Shared;
use crate::servers::ready::{AskError, ask, ask_app, counted, pause_after};
use crate::servers::state_machine::{Event, ServerState};
use crate::servers::{Failure, failure};

/// How long a launcher that does not answer is asked again before a start or a stop has failed.
const LAUNCHER_PATIENCE: Duration = Duration::from_secs(30);
/// How long a start waits for an environment that is built for a new Python.
const REBUILDING_PATIENCE: Duration = Duration::from_secs(30 * 60);
const REBUILDING_PAUSE: Duration = Duration::from_secs(2);
const REBUILDING: &str = "The machine was upgraded, and everybody's packages are being rebuilt for it. This takes some minutes; \
                          your server starts automatically when it is done.";
/// How many of a server's last lines a failure shows.
const LOG_LINES: u32 = 20;

/// Asks the launcher to start `name`'s server.
pub(super) async fn launch(shared: Arc<Shared>, name: Username, attempt: u64) {
    let (is_plain, is_anew) = {
        let mut state = shared.lock();
        let server = state.server(&name);
        (server.is_plain, std::mem::take(&mut server.is_anew))
    };
    let result = match (is_anew, is_plain) {
        (true, _) => with_patience(&shared, &name, || shared.client.restart(&name, is_plain)).await,
        (false, true) => with_patience(&shared, &name, || shared.client.start_plain(&name)).await,
        (false, false) => with_patience(&shared, &name, || shared.client.start(&name)).await,
    };
    let event = match result {
        Ok(unit) if unit.endpoint.is_some() => Event::Launched(unit),
        Ok(unit) if is_gone(&unit) => Event::NotLaunched(failure::ended_early(&unit, last_lines(&shared, &name).await)),
        Ok(unit) => Event::NotLaunched(failure::not_started(&format!("systemd has {} but no socket for it", unit.unit))),
        Err(error) => {
            tracing::warn!(user = %name, "starting {name}'s server: {}", problem(&error));
            let log = match &error {
                ClientError::Refused(refusal) if refusal.kind == RefusalKind::Unit => last_lines(&shared, &name).await,
                _ => Vec::new(),
            };
            Event::NotLaunched(Failure { log, ..failure::not_started(&problem(&error)) })
        }
    };
    shared.report(&name, attempt, event);
}

/// Asks the launcher to stop `name`'s server.
pub(super) async fn halt(shared: Arc<Shared>, name: Username, attempt: u64) {
    let event = match with_patience(&shared, &name, || shared.client.stop(&name)).await {
        Ok(()) => Event::Halted,
        Err(error) => {
            tracing::warn!(user = %name, "stopping {name}'s server: {}", problem(&error));
            Event::NotHalted(failure::not_stopped(&problem(&error)))
        }
    };
    shared.report(&name, attempt, event);
}

/// Asks the server itself until it answers, and systemd whether it still runs.
pub(super) async fn wait_for_answer(shared: Arc<Shared>, name: Username, attempt: u64, unit: UnitState) {
    let Some(endpoint) = unit.endpoint.clone() else { return };
    let began = Instant::now();
    let mut used = Duration::ZERO;
    let mut last_step = began;
    let mut last_state = began;
    let event = loop {
        if shared.lock().server(&name).attempt != attempt {
            return;
        }
        let settings = shared.settings();
        let answer = match &settings.app {
            None => ask(&name, &endpoint, &settings.base, "api").await,
            Some((called, app)) => ask_app(&name, &endpoint, &settings.base, called, app).await,
        };
        // Jupyter's own address answers this and nothing else; of an app nothing is known but that it can fail.
        let is_ready =
            |status: StatusCode| if settings.app.is_some() { !status.is_server_error() } else { status == StatusCode::OK };
        let last = match answer {
            Ok((status, _)) if is_ready(status) => {
                let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(user = %name, duration_ms, "{name}'s server answers after {duration_ms} ms");
                break Event::Answered;
            }
            Ok((status, _)) => format!("it says {status}"),
            Err(AskError::Impostor { expected, found }) => break Event::GaveUp(failure::impostor(expected, found)),
            Err(error) => error.to_string(),
        };
        if last_state.elapsed() >= shared.settings().pace.state {
            last_state = Instant::now();
            match shared.client.state(&name).await {
                Ok(unit) if is_gone(&unit) => {
                    break Event::Ended(Some(failure::ended_early(&unit, last_lines(&shared, &name).await)));
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(user = %name, "asking how {name}'s server starts: {}", problem(&error)),
            }
        }
        sleep(pause_after(began.elapsed())).await;
        used += counted(last_step.elapsed(), shared.is_strained());
        last_step = Instant::now();
        if used > shared.settings().start_timeout {
            break Event::GaveUp(failure::no_answer(began.elapsed(), &last, last_lines(&shared, &name).await));
        }
    };
    shared.report(&name, attempt, event);
}

/// Finds out whether `name`'s server still runs, and if not, how it ended.
pub(super) async fn inquire(shared: Arc<Shared>, name: Username, attempt: u64) {
    let event = match shared.client.state(&name).await {
        Ok(unit) if is_gone(&unit) => {
            let log = last_lines(&shared, &name).await;
            Some(Event::Ended(failure::of_ended(&unit, log)))
        }
        Ok(unit) => Some(Event::Seen { unit: Some(unit), settled: true }),
        Err(error) => {
            tracing::debug!(user = %name, "asking how {name}'s server is: {}", problem(&error));
            None
        }
    };
    {
        let mut state = shared.lock();
        let server = state.server(&name);
        server.inquiring = false;
        if let Some(Event::Ended(None)) = event
            && matches!(server.state, ServerState::Running(_))
        {
            server.note = Some("The server was shut down.".to_owned());
        }
    }
    if let Some(event) = event {
        shared.report(&name, attempt, event);
    }
}

/// Asks again while the launcher is away, as it is for a moment when it is restarted.
async fn with_patience<T, F>(shared: &Arc<Shared>, name: &Username, mut request: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let began = Instant::now();
    loop {
        match request().await {
            Err(error @ (ClientError::Unreachable { .. } | ClientError::Broken { .. }))
                if began.elapsed() < LAUNCHER_PATIENCE =>
            {
                tracing::debug!(user = %name, "asking the launcher again: {}", problem(&error));
                shared.turn(name, |_, state| {
                    state.server(name).note = Some("The hub's launcher does not answer; asking again.".to_owned());
                });
                sleep(shared.settings().pace.retry).await;
            }
            Err(ClientError::Refused(refusal))
                if refusal.kind == RefusalKind::Rebuilding && began.elapsed() < REBUILDING_PATIENCE =>
            {
                shared.turn(name, |_, state| state.server(name).note = Some(REBUILDING.to_owned()));
                sleep(REBUILDING_PAUSE).await;
            }
            result => return result,
        }
    }
}

async fn last_lines(shared: &Shared, name: &Username) -> Vec<String> {
    match shared.client.logs(name, LOG_LINES).await {
        Ok(lines) => lines,
        Err(error) => vec![format!("(the log can't be read: {})", problem(&error))],
    }
}

fn is_gone(unit: &UnitState) -> bool {
    matches!(unit.active, Active::Inactive | Active::Failed)
}

/// The whole of an error in one line, without the hint for who runs the hub.
pub(super) fn problem(error: &ClientError) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let message = error.to_string();
        let line = message.lines().next().unwrap_or_default();
        if !text.ends_with(line) {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{line}");
        }
        cause = error.source();
    }
    text
}
