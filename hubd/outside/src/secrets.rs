//! What systemd hands over: the configuration, and the secrets of its logins.

use std::path::Path;

use anyhow::{Context, Result};
use hub_core::config::{self, Config, Provider};
use hub_core::outside::{Trouble, TroubleKind};

/// The configuration among the credentials.
const CONFIG: &str = "config.toml";
/// What systemd puts before the name of each file of the directory with secrets.
const PREFIX: &str = "secrets_";
/// No secret is longer, in bytes.
const LONGEST: usize = 4096;

/// Reads the configuration.
pub(crate) fn config(credentials: &Path) -> Result<Config> {
    Ok(config::read(&credentials.join(CONFIG)).context("reading the configuration")?.config)
}

/// The secret with which this hub shows the provider who it is; `None`: there is none.
pub(crate) fn secret(credentials: &Path, provider: &Provider) -> Result<Option<String>, Trouble> {
    let Some(path) = &provider.client_secret_file else { return Ok(None) };
    let wrong = |why: &str| {
        let shown = path.display();
        Trouble::new(TroubleKind::Settings, format!("the secret in `{shown}` can't be used: {why}"))
    };
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| wrong("its name is no text"))?;
    let text = fs_err::read(credentials.join(format!("{PREFIX}{name}"))).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong("there is no such file, or there was none when hubd-outside.service started"),
        _ => wrong(&error.to_string()),
    })?;
    let text = String::from_utf8(text).map_err(|_| wrong("it is no text"))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    match secret {
        "" => Err(wrong("it is empty")),
        _ if secret.len() > LONGEST => Err(wrong("it is too long")),
        _ if secret.chars().any(char::is_control) => Err(wrong("it has more than one line")),
        _ => Ok(Some(secret.to_owned())),
    }
}
