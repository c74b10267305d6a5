//! The hub's account with an authority, as far as others than `hubd-certificates` look at it.

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use serde::Deserialize;

/// The directory that is asked where the configuration names none: Let's Encrypt's.
pub const USUAL_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The file below `Paths::certificates_private` with the account.
pub const ACCOUNT: &str = "account.json";

/// The hub's account with `directory`, if it has one.
///
/// # Errors
/// When what is kept of it can't be read.
pub fn account_at(paths: &Paths, directory: &str) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Kept {
        directory: String,
        credentials: Credentials,
    }
    #[derive(Deserialize)]
    struct Credentials {
        id: String,
    }
    let path = paths.certificates_private().join(ACCOUNT);
    let reading = || format!("reading `{}`", path.display());
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(reading),
    };
    let kept: Kept = serde_json::from_str(&text).with_context(reading)?;
    Ok((kept.directory == directory).then_some(kept.credentials.id))
}
