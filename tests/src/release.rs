//! A release as `installer/release.sh` packages it, and a web server on loopback that hands it out.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fs_err as fs;
use hub_core::sys::command::Command;
use tempfile::TempDir;

use crate::context::Context;

const PACKAGE_DEADLINE: Duration = Duration::from_secs(120);
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// Serves a release until the process ends; the files go with the value.
#[derive(Debug)]
pub struct ReleaseServer {
    directory: TempDir,
    url: String,
}

impl ReleaseServer {
    /// Packages the built programs and serves them.
    ///
    /// # Errors
    /// When packaging does not work or no port is free.
    pub fn start(context: &Context) -> Result<Self> {
        let directory = TempDir::with_prefix("hubd-release-")?;
        let release = directory.path().join("release");
        let programs = context.program("hubd")?;
        let programs = programs.parent().context("the programs are in no directory")?;
        Command::new(context.repository().join("installer/release.sh"), PACKAGE_DEADLINE)
            .arg(release.display().to_string())
            .env("HUBD_PROGRAMS", programs.display().to_string())
            .run()
            .context("packaging a release")?;
        let url = serve(release)?;
        Ok(Self { directory, url })
    }

    /// The address of the release, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The files that are served.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().join("release")
    }
}

/// Serves the files of a directory on a free port of loopback, until the process ends.
fn serve(directory: PathBuf) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let directory = directory.clone();
            thread::spawn(move || {
                if let Err(error) = answer(stream, &directory) {
                    eprintln!("release server: {error:#}");
                }
            });
        }
    });
    Ok(url)
}

fn answer(mut stream: TcpStream, directory: &Path) -> Result<()> {
    stream.set_read_timeout(Some(REQUEST_DEADLINE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().context("no request")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let file = if name.contains('/') { None } else { fs::read(directory.join(name)).ok() };
    let (status, body) = file.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)?;
    Ok(())
}
