//! Releases as `installer/release.sh` packages and signs them, and a web server on loopback that hands one out.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fs_err as fs;
use hub_core::programs;
use hub_machine::ensure_packages;
use hub_system::command::Command;
use tempfile::TempDir;

use crate::context::Context;

const PACKAGE_DEADLINE: Duration = Duration::from_secs(120);
const REQUEST_DEADLINE: Duration = Duration::from_secs(180);

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
        package(context, programs.parent().context("the programs are in no directory")?, None, &release)?;
        let url = serve(release)?;
        Ok(Self { directory, url })
    }

    /// Serves a release that was built, without its book.
    ///
    /// # Errors
    /// When it can't be copied or no port is free.
    pub fn of(built: &Path) -> Result<Self> {
        let directory = TempDir::with_prefix("hubd-release-")?;
        let release = directory.path().join("release");
        fs::create_dir(&release)?;
        for entry in fs::read_dir(built)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                continue;
            }
            fs::copy(entry.path(), release.join(entry.file_name()))?;
        }
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

/// The public key that the tests build and sign with. Its secret half is in the repository: it proves nothing.
pub fn test_key() -> &'static str {
    include_str!("../keys/only-for-tests.pub").lines().last().unwrap_or_default()
}

/// Makes a release of the programs in a directory, signed with the key of the tests.
fn package(context: &Context, programs: &Path, version: Option<&str>, output: &Path) -> Result<()> {
    let command = release_command(context.repository(), output, PACKAGE_DEADLINE)?;
    let command = command.env("HUBD_PROGRAMS", programs.display().to_string()).env("HUBD_VERSION", version.unwrap_or_default());
    // Small it need not be.
    command.env("GZIP", "-1").run().map(drop).context("packaging a release")
}

/// `installer/release.sh` of the sources at `root`, which leaves a release in `output`, signed with the key of the tests.
///
/// # Errors
/// When minisign is not there and can't be installed.
pub fn release_command(root: &Path, output: &Path, deadline: Duration) -> Result<Command> {
    ensure_packages(&[("/usr/bin/minisign", "minisign")], &mut |text| eprintln!("{text}"))?;
    Ok(Command::new(root.join("installer/release.sh"), deadline)
        .arg(output.display().to_string())
        .env("HUBD_RELEASE_KEY", test_key())
        .env("HUBD_SIGNING_KEY", root.join("tests/keys/only-for-tests.key").display().to_string()))
}

/// A later release in a directory: the same programs, whose ends differ, called `version`. `replaced`: one of them, and the
/// script that stands in its place.
///
/// # Errors
/// When packaging does not work.
pub fn later(context: &Context, version: &str, replaced: Option<(&str, &str)>) -> Result<TempDir> {
    let directory = TempDir::with_prefix("hubd-release-")?;
    let programs = directory.path().join("programs");
    fs::create_dir(&programs)?;
    for name in programs::names() {
        let mut content = fs::read(context.program(name)?)?;
        // What stands behind the end of a program changes nothing but its digest.
        content.extend_from_slice(version.as_bytes());
        if let Some((_, script)) = replaced.filter(|(program, _)| *program == name) {
            content = script.as_bytes().to_vec();
        }
        fs::write(programs.join(name), content)?;
        fs::set_permissions(programs.join(name), PermissionsExt::from_mode(0o755))?;
    }
    let release = TempDir::with_prefix("hubd-release-")?;
    package(context, &programs, Some(version), release.path())?;
    Ok(release)
}

/// Serves the files of a directory on a free port of loopback, until the process ends.
///
/// # Errors
/// When no port is free.
pub fn serve(directory: PathBuf) -> Result<String> {
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
    let name = if name.is_empty() { "index.html" } else { name };
    let file = if name.contains('/') { None } else { fs::read(directory.join(name)).ok() };
    let (status, body) = file.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    // Browsers draw no picture of a kind that they have to guess.
    let kind = if name.ends_with(".svg") { "Content-Type: image/svg+xml\r\n" } else { "" };
    write!(stream, "HTTP/1.1 {status}\r\n{kind}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)?;
    Ok(())
}
