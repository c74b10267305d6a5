//! How a student's Jupyter server is started. Pure: what the launcher puts into the unit.

use std::path::Path;

use hub_core::accounts::Username;
use hub_core::paths::Paths;

/// Tells a server to leave out what its owner installed and set; running ones show by it that they do.
pub const WITHOUT_OWN: &str = "HUBD_PLAIN";

/// Whose server, and where.
#[derive(Debug, Clone, Copy)]
pub struct ServerRequest<'a> {
    /// The name in the hub, which the proxy sends with each request.
    pub name: &'a Username,
    /// The path below which the hub is on its host; empty: none.
    pub base: &'a str,
    /// The unix account.
    pub account: &'a str,
    /// The account's home, as the server sees it.
    pub home: &'a Path,
    /// Where to listen. Its directory is there, fresh, and the server may write to it.
    pub socket: &'a Path,
    /// What opens first, for example `/lab`.
    pub default_url: &'a str,
    /// Memory the student may use, in bytes; shown in JupyterLab's status bar.
    pub memory_limit: u64,
    /// Whether what the student installed and set for themselves is left out.
    pub is_plain: bool,
}

/// A program with its arguments, and its whole environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCommand {
    /// Program first.
    pub arguments: Vec<String>,
    /// Nothing here is secret.
    pub environment: Vec<(String, String)>,
}

/// The JupyterLab server of a student. It runs where its generation is bound to [`Paths::environment_mount`], with their
/// home as working directory.
pub fn server_command(paths: &Paths, request: &ServerRequest<'_>) -> ServerCommand {
    let python = paths.environment_mount().join("bin/python");
    // Isolated: neither own packages nor a module in their home, nor a PYTHON variable, can keep it from starting.
    let arguments = [python.to_string_lossy().as_ref(), "-I", "-m", "hubd_jupyter"].map(str::to_owned).into();
    let path = format!("/usr/local/bin:/usr/bin:/bin:{}", paths.binaries().display());
    let environment = [
        ("HOME", request.home.display().to_string()),
        ("USER", request.account.to_owned()),
        ("LOGNAME", request.account.to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
        ("PATH", path),
        ("LANG", "C.UTF-8".to_owned()),
        ("HUBD_USER", request.name.to_string()),
        ("HUBD_BASE", request.base.to_owned()),
        ("HUBD_SOCKET", request.socket.display().to_string()),
        ("HUBD_DEFAULT_URL", request.default_url.to_owned()),
        ("HUBD_SHARE", paths.share().display().to_string()),
        ("HUBD_JUPYTER", paths.jupyter().display().to_string()),
        ("HUBD_CLASS", paths.class_folder().display().to_string()),
        ("MEM_LIMIT", request.memory_limit.to_string()),
    ];
    let plain = request.is_plain.then(|| (WITHOUT_OWN, "1".to_owned()));
    let environment = environment.into_iter().chain(plain).map(|(name, value)| (name.to_owned(), value));
    ServerCommand { arguments, environment: environment.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_one_is_told_so() {
        let (paths, name) = (Paths::default(), "ada".parse().unwrap());
        let (socket, home) = (paths.server_socket(&name), Path::new("/home/jupyter-ada"));
        let told = |is_plain| {
            let request = ServerRequest {
                name: &name,
                base: "",
                account: "ada",
                home,
                socket: &socket,
                default_url: "/lab",
                memory_limit: 1,
                is_plain,
            };
            server_command(&paths, &request).environment.iter().any(|(name, _)| name == WITHOUT_OWN)
        };
        assert!(told(true) && !told(false));
    }

    #[test]
    fn is_isolated_from_the_home_and_told_its_owner() {
        let paths = Paths::default();
        let name: Username = "ada".parse().unwrap();
        let socket = paths.server_socket(&name);
        let command = server_command(
            &paths,
            &ServerRequest {
                name: &name,
                base: "",
                account: "jupyter-ada",
                home: Path::new("/home/jupyter-ada"),
                socket: &socket,
                default_url: "/lab",
                memory_limit: 1 << 30,
                is_plain: false,
            },
        );
        assert_eq!(command.arguments, ["/opt/hubd/env/bin/python", "-I", "-m", "hubd_jupyter"]);
        let value = |wanted: &str| command.environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        assert_eq!(value("HUBD_USER"), Some("ada"));
        assert_eq!(value("HUBD_SOCKET"), socket.to_str());
        assert_eq!(value("USER"), Some("jupyter-ada"));
        assert_eq!(value("MEM_LIMIT"), Some("1073741824"));
        assert!(!command.environment.iter().any(|(name, _)| name.contains("TOKEN")));
    }
}
