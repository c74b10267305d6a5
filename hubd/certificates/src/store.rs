//! Where `hubd-certificates` keeps things: what the hub reads, and what nobody else may.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{Access, replace};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use serde::de::DeserializeOwned;

use hub_tls::Description;

/// Read by `hubd serve`, which is in the group.
const FOR_THE_HUB: Access = Access::mode(0o640);
const FOR_NOBODY_ELSE: Access = Access::mode(0o600);

/// The directory with everything in it.
#[derive(Debug, Clone)]
pub(super) struct Store {
    paths: Paths,
    certificate: PathBuf,
}

impl Store {
    /// The store below `paths`, with its directories, for the certificate at `certificate`.
    ///
    /// # Errors
    /// When one can't be made.
    pub(super) fn open(paths: &Paths, certificate: PathBuf) -> Result<Self> {
        for (path, mode) in [(paths.http_answers(), 0o750), (paths.tls_answers(), 0o750), (paths.certificates_private(), 0o700)] {
            match std::fs::DirBuilder::new().mode(mode).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).with_context(|| format!("making directory `{}`", path.display()));
                }
                _ => {}
            }
        }
        Ok(Self { paths: paths.clone(), certificate })
    }

    /// Where the record is.
    pub(super) fn record(&self) -> PathBuf {
        self.paths.certificate_record()
    }

    /// Where it is kept when the authority suggests to renew.
    pub(super) fn suggestion(&self) -> PathBuf {
        self.paths.certificate_suggestion()
    }

    /// The certificate in use; `None` when there is none, or one that nobody can read.
    pub(super) fn present(&self) -> Option<Description> {
        let der = self.certificate()?;
        Description::read(&der).inspect_err(|error| tracing::warn!("the present certificate: {error}")).ok()
    }

    /// The same, as it is sent.
    pub(super) fn certificate(&self) -> Option<CertificateDer<'static>> {
        CertificateDer::from_pem_file(&self.certificate)
            .inspect_err(|error| tracing::debug!(%error, "there is no present certificate"))
            .ok()
    }

    /// Puts a certificate with its chain and its key in use; the hub notices by itself.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn put(&self, chain: &str, key: &str) -> Result<()> {
        replace(&self.certificate, format!("{}\n{chain}", key.trim_end()).as_bytes(), FOR_THE_HUB)
    }

    /// The certificate of the local authority, and its key, if it was made.
    ///
    /// # Errors
    /// When one is there and can't be read.
    pub(super) fn authority(&self) -> Result<Option<(String, String)>> {
        let certificate = read(&self.paths.certificate_authority())?;
        let key = read(&self.private("ca.key"))?;
        Ok(certificate.zip(key))
    }

    /// Keeps a new local authority.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn put_authority(&self, certificate: &str, key: &str) -> Result<()> {
        replace(&self.private("ca.key"), key.as_bytes(), FOR_NOBODY_ELSE)?;
        replace(&self.paths.certificate_authority(), certificate.as_bytes(), FOR_THE_HUB)
    }

    /// Something private, as it was put.
    ///
    /// # Errors
    /// When it is there and can't be read.
    pub(super) fn load<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.private(name);
        let Some(text) = read(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).with_context(|| format!("reading `{}`", path.display()))
    }

    /// Keeps something private.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn save(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.private(name);
        let text = serde_json::to_vec(value).with_context(|| format!("writing `{}`", path.display()))?;
        replace(&path, &text, FOR_NOBODY_ELSE)
    }

    /// Forgets something private.
    ///
    /// # Errors
    /// When it is there and can't be removed.
    pub(super) fn forget(&self, name: &str) -> Result<()> {
        remove(&self.private(name))
    }

    /// Lets the hub answer `token` over http.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn answer_over_http(&self, token: &str, answer: &str) -> Result<()> {
        replace(&self.paths.http_answers().join(token), answer.as_bytes(), FOR_THE_HUB)
    }

    /// Lets the hub answer an authority that asks for `name` over https.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn answer_over_tls(&self, name: &str, certificate_and_key: &str) -> Result<()> {
        replace(&self.paths.tls_answers().join(name), certificate_and_key.as_bytes(), FOR_THE_HUB)
    }

    /// Takes all answers away.
    ///
    /// # Errors
    /// When one can't be removed.
    pub(super) fn forget_answers(&self) -> Result<()> {
        for directory in [self.paths.http_answers(), self.paths.tls_answers()] {
            let reading = || format!("reading directory `{}`", directory.display());
            for entry in std::fs::read_dir(&directory).with_context(reading)? {
                remove(&entry.with_context(reading)?.path())?;
            }
        }
        Ok(())
    }

    fn private(&self, name: &str) -> PathBuf {
        self.paths.certificates_private().join(name)
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading `{}`", path.display())),
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_hub_may_read_what_it_needs_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.certificates()).unwrap();
        let store = Store::open(&paths, paths.acme_certificate()).unwrap();
        store.put("chain", "key").unwrap();
        store.put_authority("ca", "ca key").unwrap();
        store.save("account.json", &"secret").unwrap();
        store.answer_over_http("token", "answer").unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(paths.acme_certificate()), 0o640);
        assert_eq!(mode(paths.certificate_authority()), 0o640);
        assert_eq!(mode(paths.http_answers().join("token")), 0o640);
        assert_eq!(mode(paths.http_answers()), 0o750);
        assert_eq!(mode(paths.certificates_private()), 0o700);
        for name in ["account.json", "ca.key"] {
            assert_eq!(mode(paths.certificates_private().join(name)), 0o600, "{name}");
        }
        assert_eq!(std::fs::read_to_string(paths.acme_certificate()).unwrap(), "key\nchain");
        assert_eq!(store.load::<String>("account.json").unwrap().as_deref(), Some("secret"));
        store.forget_answers().unwrap();
        assert_eq!(std::fs::read_dir(paths.http_answers()).unwrap().count(), 0);
        // A second start finds everything there.
        assert_eq!(
            Store::open(&paths, paths.acme_certificate()).unwrap().authority().unwrap(),
            Some(("ca".to_owned(), "ca key".to_owned()))
        );
    }
}
