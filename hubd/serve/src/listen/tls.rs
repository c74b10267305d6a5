//! Encryption with a certificate from files, which are looked at again and again: new ones are used without closing a
//! connection, bad ones change nothing.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hub_core::sys::entrusted;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use hub_tls::own::{self, Flaw, Own};
use hub_tls::{Description, LARGEST, is_server_name};

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What an authority speaks that wants to see a certificate as an answer, and nobody else.
const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// What new connections are encrypted with. Clones share it.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    source: RwLock<Source>,
    state: RwLock<State>,
}

/// Where the certificate is, and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The certificate with its chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM; may be the same file.
    pub key: PathBuf,
    /// The directory of another account's that keeps certificate and key, in one file; `None`: the administrator does.
    pub keeper: Option<PathBuf>,
    /// The directory with what an authority is shown that asks (RFC 8737), by name.
    pub answers: Option<PathBuf>,
    /// Whether browsers are told to use nothing but https here from now on.
    pub hsts: bool,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    /// Why what is in the files now is not what is used.
    problem: Option<String>,
    /// What the files looked like when they were read last.
    stamp: Option<Stamp>,
}

struct Current {
    config: Arc<ServerConfig>,
    certificate: Description,
}

type Stamp = [(u64, u64, u64, i64, i64); 2];

/// How encryption is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsStatus {
    /// The certificate that new connections get; without one there are none.
    pub certificate: Option<Description>,
    /// What is wrong with it or with the files; for people.
    pub problem: Option<String>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Certificate or key can't be used as they are.
    #[error(transparent)]
    Flawed(#[from] Flaw),
    /// What encrypts does not take them.
    #[error("using certificate `{}` with key `{}`", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// It is not good today, and there is one in use that is.
    #[error("the certificate in `{}` is good from {from} until {until}, which is not now", path.display())]
    NotNow {
        /// Which.
        path: PathBuf,
        /// Its first moment.
        from: Timestamp,
        /// Its last.
        until: Timestamp,
    },
}

impl Tls {
    /// Reads certificate (with its chain) and key, both PEM; they may be one file.
    ///
    /// # Errors
    /// When they can't be used. One that has expired can be: browsers then say so.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let tls = Self::new(Source { certificate, key, keeper: None, answers: None, hsts: false });
        tls.reload()?;
        Ok(tls)
    }

    /// The same for files that may come later, or get better: until then no connection is encrypted.
    pub fn open(source: Source) -> Self {
        let tls = Self::new(source);
        tls.look();
        tls
    }

    fn new(source: Source) -> Self {
        Self { shared: Arc::new(Shared { source: RwLock::new(source), state: RwLock::default() }) }
    }

    /// Looks elsewhere from now on. What is in use stays until something good is found there.
    pub fn point_at(&self, source: Source) {
        *self.shared.source.write().unwrap_or_else(PoisonError::into_inner) = source;
        self.look();
    }

    fn source(&self) -> Source {
        self.shared.source.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether browsers are told to come back encrypted.
    pub(super) fn hsts(&self) -> bool {
        self.shared.source.read().unwrap_or_else(PoisonError::into_inner).hsts
    }

    /// Reads the files again: new connections get what is in them now, open ones stay as they are. If the files cannot
    /// be used, everything stays as it is.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn reload(&self) -> Result<(), TlsError> {
        let source = self.source();
        let stamp = stamp(&source);
        let read = read(&source);
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        state.stamp = stamp;
        let result = read.and_then(|new| {
            let now = Timestamp::now();
            let is_worse =
                !new.certificate.is_good_at(now) && state.current.as_ref().is_some_and(|old| old.certificate.is_good_at(now));
            if is_worse {
                let Description { not_before: from, not_after: until, .. } = new.certificate;
                return Err(TlsError::NotNow { path: source.certificate.clone(), from, until });
            }
            state.current = Some(new);
            Ok(())
        });
        state.problem = result.as_ref().err().map(explain);
        result
    }

    /// Reads the files again if they changed since they were read last, and says in the log what came of it.
    pub fn look(&self) {
        let stamp = stamp(&self.source());
        let (first, before) = {
            let state = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
            if state.stamp.is_some() && state.stamp == stamp || stamp.is_none() && state.problem.is_some() {
                return;
            }
            (state.current.is_none(), state.current.as_ref().map(|current| current.certificate.clone()))
        };
        match self.reload() {
            Ok(()) => {
                let status = self.status();
                let Some(new) = status.certificate.filter(|new| before.as_ref() != Some(new)) else { return };
                let (names, until) = (new.names.join(", "), new.not_after);
                tracing::info!(names, %until, "https uses the certificate of {} for {names}, good until {until}", new.issuer);
                if let Some(problem) = status.problem {
                    tracing::error!("{problem}");
                }
            }
            Err(error) if first => tracing::error!("https has no certificate: {}", explain(&error)),
            Err(error) => tracing::error!("https goes on with the certificate it has: {}", explain(&error)),
        }
    }

    /// Looks at the files for ever.
    pub async fn watch(self) {
        let mut rounds = tokio::time::interval(LOOK_INTERVAL);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let tls = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || tls.look()).await {
                tracing::error!(%error, "looking at the certificate's files");
            }
        }
    }

    /// How encryption is doing now.
    pub fn status(&self) -> TlsStatus {
        let state = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = state.current.as_ref().map(|current| current.certificate.clone());
        let now = Timestamp::now();
        let expired = certificate.as_ref().filter(|certificate| !certificate.is_good_at(now)).map(|certificate| {
            let Description { not_before, not_after, .. } = certificate;
            format!("the certificate is good from {not_before} until {not_after}, and now it is {now:.0}")
        });
        let problem = match (expired, &state.problem) {
            (Some(expired), Some(problem)) => Some(format!("{expired}; {problem}")),
            (expired, problem) => expired.or_else(|| problem.clone()),
        };
        TlsStatus { certificate, problem }
    }

    /// Whether browsers can be sent here: there is a certificate, and it is good now.
    pub fn is_good(&self) -> bool {
        let state = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
        state.current.as_ref().is_some_and(|current| current.certificate.is_good_at(Timestamp::now()))
    }

    /// Agrees with a client on how to encrypt. `None`: it was an authority, which has seen what it wanted to.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        let is_authority = hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_PROTOCOL));
        if is_authority {
            let name = hello.server_name().map(str::to_ascii_lowercase).unwrap_or_default();
            let config = self.answer(&name).await?;
            start.into_stream(Arc::new(config)).await?.shutdown().await?;
            return Ok(None);
        }
        let config = {
            let state = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
            state.current.as_ref().map(|current| Arc::clone(&current.config))
        };
        let config = config.ok_or_else(|| io::Error::other("there is no certificate yet"))?;
        start.into_stream(config).await.map(Some)
    }

    async fn answer(&self, name: &str) -> io::Result<ServerConfig> {
        let nothing = || io::Error::other(format!("an authority asked for {name:?}, and there is no answer"));
        let source = self.source();
        let directory = source.answers.filter(|_| is_server_name(name)).ok_or_else(nothing)?;
        let (keeper, path) = (source.keeper.unwrap_or_else(|| directory.clone()), directory.join(name));
        let read = tokio::task::spawn_blocking(move || read_answer(&keeper, &path)).await.map_err(io::Error::other)?;
        read.map_err(|error| io::Error::other(format!("an authority asked for {name:?}: {error}")))
    }
}

/// What would change with the files: device, inode, size, times of content and name. `None`: one is not there.
fn stamp(source: &Source) -> Option<Stamp> {
    let one = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        let nanoseconds = |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest);
        let modified = nanoseconds(found.mtime(), found.mtime_nsec());
        let changed = nanoseconds(found.ctime(), found.ctime_nsec());
        Some((found.dev(), found.ino(), found.size(), modified, changed))
    };
    Some([one(&source.certificate)?, one(&source.key)?])
}

/// The error with its cause.
fn explain(error: &TlsError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The certificate for an authority. It has a critical part that only authorities understand, so nothing here may judge it.
fn read_answer(keeper: &Path, path: &Path) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let pem = entrusted::read(keeper, path, LARGEST)?;
    let provider = aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_slice(&pem)?)?;
    let shown = CertifiedKey::new(vec![CertificateDer::from_pem_slice(&pem)?], key);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![ACME_PROTOCOL.to_vec()];
    Ok(config)
}

fn read(Source { certificate, key, keeper, .. }: &Source) -> Result<Current, TlsError> {
    let own = match keeper {
        Some(keeper) => own::load_entrusted(keeper, certificate)?,
        None => own::load(certificate, key)?,
    };
    let Own { chain, key: signing, description } = own;
    let unusable = |source| TlsError::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), source };
    // The safe versions are 1.2 and 1.3.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, signing))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
    Ok(Current { config: Arc::new(config), certificate: description })
}
