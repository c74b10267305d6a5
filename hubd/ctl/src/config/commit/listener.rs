//! Moving the listening socket. systemd starts no socket whose service runs, and starts a service as soon as anybody
//! connects to one of its sockets: so all of them are closed first, and opened again before the service starts. A student
//! who keeps connecting changes nothing in that.

use anyhow::{Context, Result};
use hub_core::config::Config;
use hub_core::listener;
use hub_core::sys::atomic::{self, Access};
use hub_core::units::{SERVE, SERVE_SOCKETS};
use hub_system::systemctl::Systemctl;

use super::super::super::World;

/// Writes the drop-in. `false`: the socket is to listen where it did before.
pub(super) fn write(world: &World, config: &Config) -> Result<bool> {
    let path = world.paths.listen_drop_in();
    let wanted = listener::drop_in(config);
    match fs_err::read_to_string(&path) {
        Ok(found) if says_the_same(&found, &wanted) => return Ok(false),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("reading where the hub listens"),
        _ => {}
    }
    if let Some(directory) = path.parent() {
        fs_err::create_dir_all(directory)?;
    }
    atomic::replace(&path, wanted.as_bytes(), Access::mode(0o644)).context("writing where the hub listens")?;
    Ok(true)
}

/// An earlier version may have written another comment.
fn says_the_same(one: &str, other: &str) -> bool {
    let settings = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    settings(one) == settings(other)
}

/// Opens the sockets where systemd is told by now, with the hub behind them.
pub(super) fn restart(systemctl: &Systemctl) -> Result<()> {
    systemctl.reload()?;
    systemctl.job(["stop"].into_iter().chain(SERVE_SOCKETS)).context("closing the hub's sockets")?;
    systemctl.job(["stop", SERVE]).context("stopping the hub")?;
    // Whatever failed before has been noted; systemd would count it.
    systemctl.job(["reset-failed"].into_iter().chain(SERVE_SOCKETS).chain([SERVE])).context("forgetting old failures")?;
    for unit in SERVE_SOCKETS.into_iter().chain([SERVE]) {
        systemctl
            .job(["start", unit])
            .with_context(|| format!("starting {unit}; its last log lines:\n{}", systemctl.last_words(unit).trim_end()))?;
    }
    Ok(())
}

/// Where the hub listens, for people.
pub(super) fn addresses(world: &World, config: &Config) -> String {
    let encrypted = config.https.iter().flat_map(|https| &https.listen);
    let ports = config.http.listen.iter().chain(encrypted).map(ToString::to_string);
    let front = config.http.proxy_group.iter().map(|_| world.paths.front_socket().display().to_string());
    ports.chain(front).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_comment_moves_no_socket() {
        assert!(says_the_same(
            "# old\n[Socket]\nListenStream=\nListenStream=80\n",
            "# new\n[Socket]\nListenStream=\nListenStream=80\n"
        ));
        assert!(!says_the_same("[Socket]\nListenStream=\nListenStream=80\n", "[Socket]\nListenStream=\nListenStream=81\n"));
    }
}
