//! What a machine needs from its host to reach the world as the host does: proxy and certificate settings.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

/// The bundle every Debian program trusts.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Certificates the admin of a Debian machine added.
const LOCAL_CERTIFICATES: &str = "/usr/local/share/ca-certificates";
const ENVIRONMENT_FILE: &str = "etc/environment";

/// Variables that hold no path of the host.
const SETTINGS: [&str; 11] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "pip_index_url",
    "pip_extra_index_url",
    "pip_trusted_host",
    "pip_default_timeout",
    "uv_index_url",
    "uv_default_index",
    "uv_http_timeout",
];
/// Variables that name a bundle of certificates.
const BUNDLES: [&str; 8] = [
    "ssl_cert_file",
    "pip_cert",
    "requests_ca_bundle",
    "curl_ca_bundle",
    "git_ssl_cainfo",
    "node_extra_ca_certs",
    "aws_ca_bundle",
    "nix_ssl_cert_file",
];

/// Of the variables of the host, those a machine needs to reach package registries as the host does.
pub fn carried_environment(variables: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut carried: Vec<_> = variables
        .into_iter()
        .filter(|(name, value)| {
            let name = name.to_ascii_lowercase();
            !value.is_empty()
                && !value.contains(['\n', '\0'])
                && (SETTINGS.contains(&name.as_str()) || BUNDLES.contains(&name.as_str()))
        })
        .collect();
    carried.sort();
    carried
}

/// Puts the certificates of the host and `environment` into the root tree of a machine that does not run yet.
///
/// # Errors
/// When a file can't be read or written.
pub fn bring_along(root: &Path, environment: &[(String, String)]) -> Result<()> {
    for bundle in bundles(environment) {
        copy(Path::new(bundle), root)?;
    }
    if Path::new(LOCAL_CERTIFICATES).is_dir() {
        for entry in fs::read_dir(LOCAL_CERTIFICATES)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "crt") {
                copy(&path, root)?;
            }
        }
    }
    let mut text = fs::read_to_string(root.join(ENVIRONMENT_FILE)).unwrap_or_default();
    for (name, value) in environment {
        let line = format!("{name}=\"{value}\"\n");
        // On what an earlier machine changed they are there already.
        if !text.contains(&line) {
            text.push_str(&line);
        }
    }
    fs::write(root.join(ENVIRONMENT_FILE), text)?;
    Ok(())
}

fn bundles(environment: &[(String, String)]) -> Vec<&str> {
    let named =
        environment.iter().filter(|(name, _)| BUNDLES.contains(&name.to_ascii_lowercase().as_str())).map(|(_, path)| path);
    let mut bundles: Vec<&str> =
        named.map(String::as_str).chain([BUNDLE]).filter(|path| path.starts_with('/') && Path::new(path).is_file()).collect();
    bundles.sort_unstable();
    bundles.dedup();
    bundles
}

/// Copies a file of the host to the same place under `root`.
fn copy(file: &Path, root: &Path) -> Result<()> {
    let target = root.join(file.strip_prefix("/").unwrap_or(file));
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(file, target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn carries_proxies_indexes_and_bundles_and_nothing_else() {
        let host = [
            pair("HTTPS_PROXY", "http://proxy.example:3128"),
            pair("HOME", "/root"),
            pair("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
            pair("PIP_FIND_LINKS", "/srv/wheels"),
            pair("no_proxy", ""),
            pair("UV_DEFAULT_INDEX", "https://index.example/simple"),
        ];
        assert_eq!(carried_environment(host.clone()), [host[0].clone(), host[2].clone(), host[5].clone()],);
    }

    #[test]
    fn writes_variables_and_copies_bundles_to_the_same_place() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        let bundle = outside.path().join("own.pem");
        std::fs::write(&bundle, "certificate").unwrap();
        bring_along(root.path(), &[pair("SSL_CERT_FILE", bundle.to_str().unwrap())]).unwrap();
        let copied = root.path().join(bundle.strip_prefix("/").unwrap());
        assert_eq!(std::fs::read_to_string(copied).unwrap(), "certificate");
        let written = std::fs::read_to_string(root.path().join("etc/environment")).unwrap();
        assert_eq!(written, format!("SSL_CERT_FILE=\"{}\"\n", bundle.display()));
    }
}
