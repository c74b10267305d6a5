//! The operating system below the hub: which release it is, and what the hub needs of it.

use std::path::Path;

/// The distribution's Python, on which every environment is built.
pub const PYTHON: &str = "/usr/bin/python3";
/// Where the distribution keeps pip in the form of a wheel; with it uv, and wheels for a bundle, are fetched.
pub const PIP_WHEELS: &str = "/usr/share/python-wheels";
/// The package with which a server on the internet shows who it is.
pub const CERTIFICATES: &str = "ca-certificates";

/// What the hub needs of the distribution: a file, and the package that brings it.
const NEEDED: [(&str, &str); 7] = [
    (PYTHON, "python3"),
    (PIP_WHEELS, "python3-pip-whl"),
    ("/etc/ssl/certs/ca-certificates.crt", CERTIFICATES),
    ("/usr/bin/dbus-daemon", "dbus"),
    ("/usr/bin/passwd", "passwd"),
    ("/usr/sbin/visudo", "sudo"),
    ("/usr/bin/git", "git"),
];

/// Every package the hub needs.
pub fn needed_packages() -> Vec<&'static str> {
    NEEDED.iter().map(|(_, package)| *package).collect()
}

/// Packages the hub needs that are missing now.
pub fn missing_packages() -> Vec<String> {
    NEEDED.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, package)| (*package).to_owned()).collect()
}

/// The value of `name` in the text of an os-release file.
pub fn os_release_field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_os_release_with_and_without_quotes() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\nID_LIKE=x\n";
        assert_eq!(os_release_field(text, "ID").as_deref(), Some("debian"));
        assert_eq!(os_release_field(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(os_release_field(text, "NOTHING"), None);
    }
}
