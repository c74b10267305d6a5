//! What is asked about environments, which the requests answers; which one new servers get; and what nobody asks for.

use std::sync::Arc;
use std::time::Duration;

use hub_core::control::environment::{Asker, EnvironmentRequest};
use hub_core::launcher::protocol::{Refusal, RefusalKind, Reply};
use hub_environment::jobs::requests::Requests;
use hub_environment::jobs::worker;
use hub_environment::pyenv::{self, Generation};

use super::{Answer, Launcher, blocking, internal, refusal};
use crate::accounts::Machine;

/// How often it is looked whether the machine's Python is still the one that the environment was built with.
const PYTHON_ROUND: Duration = Duration::from_secs(30);

impl<M: Machine + 'static> Launcher<M> {
    pub(super) async fn about_environment(&self, asker: Asker, ask: EnvironmentRequest) -> Answer {
        self.is_heard(&asker).await?;
        let servers = match ask.target() {
            (kernel, EnvironmentRequest::Status) => {
                let paths = kernel.map_or_else(|| self.paths.clone(), |name| self.paths.of_kernel(name));
                Some(worker::servers(&self.manager, &paths).await.map_err(internal)?)
            }
            _ => None,
        };
        let requests = Requests::new(self.paths.clone());
        let answer = blocking(move || Ok(requests.answer(&asker, &ask, servers))).await?;
        Ok(Reply::Environment { answer: Box::new(answer) })
    }

    /// The generation that new servers get.
    pub(super) fn environment(&self) -> Result<u32, Refusal> {
        let missing = |message: String| {
            refusal(RefusalKind::NoEnvironment, format!("{message}\nhint: run hub-installer install again, it completes it"))
        };
        let gone = |generation: &Generation| generation.manifest().python.clone().filter(|python| !python.interpreter.exists());
        match pyenv::current(&self.paths).map_err(internal)? {
            None => Err(missing("there is no Python environment yet".to_owned())),
            Some(number) => match Generation::open(&self.paths, number) {
                Ok(Some(generation)) => match gone(&generation) {
                    Some(python) => Err(refusal(
                        RefusalKind::Rebuilding,
                        format!(
                            "{python} is gone from this machine, so the environment is being rebuilt for the one that is there\nhint: hubctl env status shows how it goes, hubctl env history what went wrong"
                        ),
                    )),
                    None => Ok(number),
                },
                Ok(None) => Err(missing(format!("Python environment `{}` is missing", self.paths.environment(number).display()))),
                Err(error) => Err(missing(format!("{error:#}"))),
            },
        }
    }

    pub(super) async fn wake(&self) {
        let requests = Requests::new(self.paths.clone());
        if let Err(refusal) = blocking(move || requests.wake()).await {
            tracing::error!("what was left of a build is not tidied up: {refusal}");
        }
    }

    /// An upgrade of the system may replace Python at any moment, and the index may be out of reach just then.
    pub(super) async fn follow_python(self: Arc<Self>) {
        let mut is_complete = false;
        loop {
            if !is_complete {
                let requests = Requests::new(self.paths.clone());
                match blocking(move || requests.complete_apt()).await {
                    Ok(done) => is_complete = done,
                    Err(refusal) => tracing::debug!("looking for packages of the distribution: {refusal}"),
                }
            }
            tokio::time::sleep(PYTHON_ROUND).await;
            let requests = Requests::new(self.paths.clone());
            match blocking(move || requests.is_outdated()).await {
                Ok(true) => self.wake().await,
                Ok(false) => {}
                Err(refusal) => tracing::debug!("looking whether Python was replaced: {refusal}"),
            }
        }
    }
}
