//! The caller's end of the launcher's socket: one connection per request, a deadline for each.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::accounts::Username;
use crate::config::AppName;
use crate::control::change::{Ended, KeyChange, Requester};
use crate::control::environment::{Asker, EnvironmentReply, EnvironmentRequest};
use crate::sys::room::Room;
use crate::upgrade::{UpgradeReply, UpgradeRequest};
use crate::wire;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::launcher::protocol::{Applied, Refusal, RefusalKind, Reply, Request, UnitState};

/// What only looks something up.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(10);
/// Making an account, or several that wait for each other.
const ACCOUNT_DEADLINE: Duration = Duration::from_secs(90);
/// Starting and stopping: the launcher's own deadline for the job and what surrounds it, with a margin, so that its
/// answer, which knows more, comes first.
const JOB_DEADLINE: Duration = Duration::from_secs(120);
/// One after the other.
const TWO_JOBS_DEADLINE: Duration = Duration::from_secs(2 * JOB_DEADLINE.as_secs());
/// Deleting a home, however full.
const CONFIGURE_DEADLINE: Duration = Duration::from_secs(240);
const REMOVE_DEADLINE: Duration = Duration::from_secs(900);

/// Asks the launcher. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    /// Asks about this app where it would ask about Jupyter.
    app: Option<AppName>,
}

/// What the launcher says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pong {
    /// Its version.
    pub version: String,
    /// The environment generation that new servers get.
    pub environment: Option<u32>,
    /// Why somebody was refused an account, as long as that is still so.
    pub accounts_problem: Option<String>,
    /// The disk with people's homes.
    pub homes: Option<Room>,
}

/// Somebody's unix account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its name.
    pub account: String,
}

/// Why the launcher gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It answered no.
    #[error("{}", .0.text())]
    Refused(Refusal),
    /// Nobody listens.
    #[error(
        "the launcher can't be reached at `{}`: {cause}\nhint: systemctl status hubd-launcher.socket hubd-launcher.service",
        .socket.display()
    )]
    Unreachable {
        /// Where it should listen.
        socket: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It took too long.
    #[error("the launcher did not answer `{request}` within {seconds} s\nhint: systemctl status hubd-launcher.service")]
    Silent {
        /// What was asked.
        request: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// It hung up or talked nonsense.
    #[error("the launcher gave no usable answer to `{request}`: {cause}\nhint: journalctl -u hubd-launcher.service")]
    Broken {
        /// What was asked.
        request: &'static str,
        /// What went wrong.
        cause: io::Error,
    },
}

impl ClientError {
    /// What went wrong, and what to do about it, apart.
    pub fn explain(&self) -> (String, Option<String>) {
        let Refusal { message, hint, .. } = Refusal::from_text(RefusalKind::Failed, &self.to_string());
        (message, hint)
    }
}

/// As the hub tells it to whoever asked the hub.
impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        let (message, hint) = error.explain();
        let kind = match error {
            ClientError::Refused(refusal) if refusal.kind == RefusalKind::Busy => RefusalKind::Busy,
            _ => RefusalKind::Failed,
        };
        Self { kind, message, hint }
    }
}

impl Client {
    /// Talks to the launcher behind `socket`. Nothing is connected yet.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, app: None }
    }

    /// The same, whose questions about servers are about `app`.
    #[must_use]
    pub fn for_app(&self, app: AppName) -> Self {
        Self { app: Some(app), ..self.clone() }
    }

    /// Where the launcher listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Is the launcher there?
    ///
    /// # Errors
    /// When it is not, or not within the deadline.
    pub async fn ping(&self) -> Result<Pong, ClientError> {
        match self.ask(&Request::Ping).await? {
            Reply::Pong { version, environment, accounts_problem, homes } => {
                Ok(Pong { version, environment, accounts_problem, homes })
            }
            other => Err(unexpected("ping", &other)),
        }
    }

    /// Makes sure `name` has a unix account and a home.
    ///
    /// # Errors
    /// When the account can't be made, or the launcher can't be asked.
    pub async fn ensure(&self, name: &Username) -> Result<Account, ClientError> {
        match self.ask(&Request::Ensure { name: name.clone() }).await? {
            Reply::Account { uid, account } => Ok(Account { uid, account }),
            other => Err(unexpected("ensure", &other)),
        }
    }

    /// Starts `name`'s server; one that runs already is left as it is. The process may not answer yet.
    ///
    /// # Errors
    /// When systemd could not start it (why is in the message), or the launcher can't be asked.
    pub async fn start(&self, name: &Username) -> Result<UnitState, ClientError> {
        self.begin(&Request::Start { name: name.clone(), app: self.app.clone() }).await
    }

    /// As [`Client::start`], without what `name` installed and set for themselves; an app has nothing of that.
    ///
    /// # Errors
    /// As [`Client::start`].
    pub async fn start_plain(&self, name: &Username) -> Result<UnitState, ClientError> {
        match self.app {
            Some(_) => self.start(name).await,
            None => self.begin(&Request::StartPlain { name: name.clone() }).await,
        }
    }

    /// Stops `name`'s server if it runs, and starts it, a plain one without what `name` installed and set for themselves. The
    /// launcher does both, also when nobody waits for it any more.
    ///
    /// # Errors
    /// As [`Client::start`] and [`Client::stop`].
    pub async fn restart(&self, name: &Username, plain: bool) -> Result<UnitState, ClientError> {
        self.begin(&Request::Restart { name: name.clone(), plain, app: self.app.clone() }).await
    }

    async fn begin(&self, request: &Request) -> Result<UnitState, ClientError> {
        match self.ask(request).await? {
            Reply::State(state) => Ok(state),
            other => Err(unexpected(request.verb(), &other)),
        }
    }

    /// Stops `name`'s server; returns when nothing of it runs any more.
    ///
    /// # Errors
    /// When it could not be stopped, or the launcher can't be asked.
    pub async fn stop(&self, name: &Username) -> Result<(), ClientError> {
        match self.ask(&Request::Stop { name: name.clone(), app: self.app.clone() }).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected("stop", &other)),
        }
    }

    /// Stops `name`'s server and ends whatever else runs as that account; returns when nothing does any more.
    ///
    /// # Errors
    /// As [`Client::stop`].
    pub async fn expel(&self, name: &Username) -> Result<(), ClientError> {
        match self.ask(&Request::Expel { name: name.clone() }).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected("expel", &other)),
        }
    }

    /// How `name`'s server is.
    ///
    /// # Errors
    /// When systemd or the launcher can't be asked.
    pub async fn state(&self, name: &Username) -> Result<UnitState, ClientError> {
        match self.ask(&Request::State { name: name.clone(), app: self.app.clone() }).await? {
            Reply::State(state) => Ok(state),
            other => Err(unexpected("state", &other)),
        }
    }

    /// Every server that systemd knows.
    ///
    /// # Errors
    /// When systemd or the launcher can't be asked.
    pub async fn list(&self) -> Result<Vec<UnitState>, ClientError> {
        match self.ask(&Request::List { app: self.app.clone() }).await? {
            Reply::States { states } => Ok(states),
            other => Err(unexpected("list", &other)),
        }
    }

    /// At most `lines` of what `name`'s server logged last, oldest first.
    ///
    /// # Errors
    /// When the journal can't be read, or the launcher can't be asked.
    pub async fn logs(&self, name: &Username, lines: u32) -> Result<Vec<String>, ClientError> {
        match self.ask(&Request::Logs { name: name.clone(), lines, app: self.app.clone() }).await? {
            Reply::Logs { lines } => Ok(lines),
            other => Err(unexpected("logs", &other)),
        }
    }

    /// Lets everything that runs follow the configuration. Root alone may.
    ///
    /// # Errors
    /// When the configuration is not valid, or systemd or the launcher can't be asked. What went wrong with one server is
    /// among the [problems](Applied::problems).
    pub async fn apply(&self) -> Result<Applied, ClientError> {
        match self.ask(&Request::Apply).await? {
            Reply::Applied(applied) => Ok(applied),
            other => Err(unexpected("apply", &other)),
        }
    }

    /// Moves the packages that `name` installed aside, with `settings` those of Jupyter and IPython too; says where they are.
    ///
    /// # Errors
    /// When something on the way is not `name`'s, or the launcher can't be asked.
    pub async fn move_aside(&self, name: &Username, settings: bool) -> Result<Vec<PathBuf>, ClientError> {
        match self.ask(&Request::MoveAside { name: name.clone(), settings }).await? {
            Reply::Moved { places } => Ok(places),
            other => Err(unexpected("move_aside", &other)),
        }
    }

    /// Whose unix account `uid` is; `None`: nobody's.
    ///
    /// # Errors
    /// When the launcher can't be asked.
    pub async fn who_is(&self, uid: u32) -> Result<Option<Username>, ClientError> {
        match self.ask(&Request::WhoIs { uid }).await? {
            Reply::Name { name } => Ok(name),
            other => Err(unexpected("who_is", &other)),
        }
    }

    /// Deletes `name`'s unix account, with `home` the home too. Only root is allowed to ask.
    ///
    /// # Errors
    /// When something is left, or the launcher can't be asked.
    pub async fn remove(&self, name: &Username, home: bool) -> Result<(), ClientError> {
        match self.ask(&Request::Remove { name: name.clone(), home }).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected("remove", &other)),
        }
    }

    /// What is answered about the shared environment, a refusal too.
    ///
    /// # Errors
    /// When the launcher finds that `asker` may not ask, or can't be asked.
    pub async fn environment(&self, asker: Asker, ask: EnvironmentRequest) -> Result<EnvironmentReply, ClientError> {
        match self.ask(&Request::Environment { asker, ask }).await? {
            Reply::Environment { answer } => Ok(*answer),
            other => Err(unexpected("environment", &other)),
        }
    }

    /// What is answered about newer releases, a refusal too.
    ///
    /// # Errors
    /// When the launcher finds that `asker` may not ask, or can't be asked.
    pub async fn upgrade(&self, asker: Asker, ask: UpgradeRequest) -> Result<UpgradeReply, ClientError> {
        match self.ask(&Request::Upgrade { asker, ask }).await? {
            Reply::Upgrade { answer } => Ok(*answer),
            other => Err(unexpected("upgrade", &other)),
        }
    }

    /// How a change of the configuration ended that `requester` asks for.
    ///
    /// # Errors
    /// When the launcher finds that `requester` may not ask, or can't be asked.
    pub async fn configure(&self, requester: Requester, change: &KeyChange) -> Result<Ended, ClientError> {
        match self.ask(&Request::Configure { requester, change: change.clone() }).await? {
            Reply::Configured { ended } => Ok(ended),
            other => Err(unexpected("configure", &other)),
        }
    }

    async fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        let (verb, deadline) = verb_and_deadline(request);
        self.ask_within(request, verb, deadline).await
    }

    async fn ask_within(&self, request: &Request, verb: &'static str, deadline: Duration) -> Result<Reply, ClientError> {
        let conversation = async {
            let mut stream = UnixStream::connect(&self.socket)
                .await
                .map_err(|cause| ClientError::Unreachable { socket: self.socket.clone(), cause })?;
            let broken = |cause| ClientError::Broken { request: verb, cause };
            wire::send_async(&mut stream, request).await.map_err(broken)?;
            match wire::receive_async::<Reply>(&mut stream).await.map_err(broken)? {
                Some(Reply::Refused(refusal)) => Err(ClientError::Refused(refusal)),
                Some(reply) => Ok(reply),
                None => Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up without an answer"))),
            }
        };
        match timeout(deadline, conversation).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Silent { request: verb, seconds: deadline.as_secs() }),
        }
    }
}

fn verb_and_deadline(request: &Request) -> (&'static str, Duration) {
    let deadline = match request {
        Request::Ping | Request::State { .. } | Request::List { .. } | Request::Logs { .. } | Request::WhoIs { .. } => {
            LOOKUP_DEADLINE
        }
        Request::Ensure { .. } | Request::MoveAside { .. } | Request::Environment { .. } | Request::Upgrade { .. } => {
            ACCOUNT_DEADLINE
        }
        Request::Start { .. } | Request::StartPlain { .. } | Request::Stop { .. } | Request::Apply => JOB_DEADLINE,
        Request::Restart { .. } | Request::Expel { .. } => TWO_JOBS_DEADLINE,
        Request::Configure { .. } => CONFIGURE_DEADLINE,
        Request::Remove { .. } => REMOVE_DEADLINE,
    };
    (request.verb(), deadline)
}

fn unexpected(request: &'static str, reply: &Reply) -> ClientError {
    let cause = io::Error::new(io::ErrorKind::InvalidData, format!("{reply:?} does not answer it"));
    ClientError::Broken { request, cause }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    fn ada() -> Username {
        "ada".parse().unwrap()
    }

    /// A launcher that gives `reply` to whatever it is asked, once.
    fn answering(reply: Reply) -> (tempfile::TempDir, Client) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            wire::receive_async::<Request>(&mut stream).await.unwrap();
            wire::send_async(&mut stream, &reply).await.unwrap();
        });
        (directory, Client::new(socket))
    }

    #[tokio::test]
    async fn returns_what_was_answered() {
        let (_directory, client) = answering(Reply::Account { uid: 20_000, account: "jupyter-ada".to_owned() });
        assert_eq!(client.ensure(&ada()).await.unwrap(), Account { uid: 20_000, account: "jupyter-ada".to_owned() });
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_kind_and_message() {
        let refusal = Refusal::new(RefusalKind::NoEnvironment, "no environment yet").hint("wait");
        let (_directory, client) = answering(Reply::Refused(refusal.clone()));
        match client.start(&ada()).await.unwrap_err() {
            ClientError::Refused(found) => assert_eq!(found, refusal),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn says_who_is_missing_and_what_to_look_at() {
        let client = Client::new(PathBuf::from("/nonexistent/launcher.sock"));
        let error = client.ping().await.unwrap_err();
        assert!(
            error.to_string().starts_with("the launcher can't be reached at `/nonexistent/launcher.sock`: No such"),
            "{error}"
        );
        assert!(error.to_string().ends_with("hint: systemctl status hubd-launcher.socket hubd-launcher.service"), "{error}");
        let (message, hint) = error.explain();
        assert_eq!(
            message,
            "the launcher can't be reached at `/nonexistent/launcher.sock`: No such file or directory (os error 2)"
        );
        assert_eq!(hint.as_deref(), Some("systemctl status hubd-launcher.socket hubd-launcher.service"));
    }

    #[tokio::test]
    async fn an_answer_to_another_question_is_an_error() {
        let (_directory, client) = answering(Reply::Done);
        assert!(matches!(client.list().await.unwrap_err(), ClientError::Broken { request: "list", .. }));
    }

    #[tokio::test]
    async fn stops_waiting_for_a_silent_launcher() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let error = Client::new(socket).ask_within(&Request::Ping, "ping", Duration::from_millis(10)).await.unwrap_err();
        assert!(matches!(error, ClientError::Silent { request: "ping", .. }), "{error:?}");
    }
}
