//! What `installer/release.sh` builds: the same bytes wherever it is done, and programs that run from glibc 2.31 on.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use hub_core::programs;
use hub_machine::Release;
use hub_system::command::Command;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{self, ADMIN};
use crate::release::{ReleaseServer, release_command};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "release",
    about: "built twice, in other directories: the same bytes; its programs run on Debian 11, 12, 13, and install on 12 and 13",
    group: Group::Nightly,
    needs_programs: false,
    run,
};

const BUILD_DEADLINE: Duration = Duration::from_secs(2 * 60 * 60);
const DEADLINE: Duration = Duration::from_secs(60);
const GIT: &str = "/usr/bin/git";
const OBJDUMP: &str = "/usr/bin/objdump";
/// As installer/release.sh promises.
const OLDEST_GLIBC: (u32, u32) = (2, 31);
/// Which libraries a program may ask for: those of glibc.
const LIBRARIES: [&str; 7] =
    ["ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2", "librt.so.1"];

fn run(context: &Context) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (first, second) = (directory.path().join("first"), directory.path().join("a second/release"));
    // Beside the sources, and of a copy of them elsewhere, with another cargo.
    release_command(context.repository(), &first, BUILD_DEADLINE)?.run().context("building a release")?;
    context.step("built once")?;
    let copy = directory.path().join("elsewhere/sources");
    copy_sources(context.repository(), &copy)?;
    let cargo = other_cargo(&directory.path().join("another cargo"))?;
    let build = release_command(&copy, &second, BUILD_DEADLINE)?
        .env("SOURCE_DATE_EPOCH", commit_time(context.repository())?)
        .env("CARGO_HOME", cargo.display().to_string())
        .env("TZ", "Pacific/Auckland")
        .env("LANG", "C.UTF-8");
    build.run().context("building the same release elsewhere")?;
    let sums = fs::read_to_string(first.join("SHA256SUMS"))?;
    ensure!(sums.lines().count() == 4, "a release of {sums}");
    ensure!(fs::read_to_string(second.join("SHA256SUMS"))? == sums, "two builds differ: {sums}\n{}", second.display());
    context.step(&format!("built twice, the same bytes:\n{sums}"))?;

    let unpacked = unpack(&first, directory.path())?;
    for program in programs::names() {
        let table = Command::new(OBJDUMP, DEADLINE).arg("--private-headers").arg("--dynamic-syms");
        let table = table.arg(unpacked.join(program).display().to_string()).run()?;
        let newest = newest_glibc(&table).with_context(|| format!("{program} needs no glibc: {table}"))?;
        ensure!(newest <= OLDEST_GLIBC, "{program} needs glibc {newest:?}");
        let strange = needed(&table).find(|library| !LIBRARIES.contains(library));
        ensure!(strange.is_none(), "{program} needs {strange:?}");
        context.step(&format!("{program} needs glibc {}.{}", newest.0, newest.1))?;
    }
    for release in [Release::Bullseye, Release::Bookworm, Release::Trixie] {
        runs_on(context, release, &unpacked, &first)?;
    }
    Ok(())
}

/// Starts the programs in a fresh machine, and installs them where a hub can be.
fn runs_on(context: &Context, release: Release, unpacked: &Path, built: &Path) -> Result<()> {
    let machine = context.machine(release)?;
    machine.copy_tree_in(unpacked, "/root/bin")?;
    let version = env!("CARGO_PKG_VERSION");
    let said = machine.sh("for program in /root/bin/*; do $program --version; done; /root/bin/hubctl --help")?;
    for program in programs::names() {
        ensure!(said.contains(&format!("{program} {version}")), "{said}");
    }
    let plan = machine.command(["/root/bin/hub-installer", "plan", "--admin", ADMIN]).output()?;
    let said = format!("{}{}", plan.text(), plan.complaint());
    if release == Release::Bullseye {
        ensure!(!plan.success() && said.contains("systemd 247"), "plan on Debian 11: {said}");
    } else {
        ensure!(plan.success(), "plan: {said}");
        let port = context.free_port()?;
        let arguments = format!("--admin {ADMIN} --listen 127.0.0.1:{port}");
        let report = hub::install(&machine, &ReleaseServer::of(built)?, &arguments)?;
        ensure!(report["problem"].is_null(), "installed: {report}");
    }
    context.step(&format!(
        "runs on Debian {}, glibc {}: {}",
        release.codename(),
        machine.sh("getconf GNU_LIBC_VERSION")?,
        said.trim()
    ))
}

/// Every file that git knows or would add.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    let root = from.display().to_string();
    let git = Command::new(GIT, DEADLINE).args(["-c", "safe.directory=*", "-C", &root]);
    let listed = git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).run()?;
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let target = to.join(name);
        fs::create_dir_all(target.parent().context("a file without a directory")?)?;
        fs::copy(from.join(name), target)?;
    }
    Ok(())
}

fn commit_time(root: &Path) -> Result<String> {
    let root = root.display().to_string();
    let git = Command::new(GIT, DEADLINE).args(["-c", "safe.directory=*", "-C", &root, "log", "-1", "--format=%ct"]);
    Ok(git.run()?.trim().to_owned())
}

/// A directory of cargo's with what was downloaded already.
fn other_cargo(directory: &Path) -> Result<PathBuf> {
    let own = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    fs::create_dir_all(directory)?;
    for name in ["registry", "config.toml"] {
        let path = Path::new(&own).join(name);
        if path.exists() {
            symlink(path, directory.join(name))?;
        }
    }
    Ok(directory.to_owned())
}

/// The programs of a release.
fn unpack(release: &Path, directory: &Path) -> Result<PathBuf> {
    let name = format!("hubd-{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let tarball = release.join(format!("{name}.tar.gz")).display().to_string();
    Command::new("/usr/bin/tar", DEADLINE).args(["-xzf", &tarball, "-C", &directory.display().to_string()]).run()?;
    Ok(directory.join(name).join("bin"))
}

/// The newest glibc of which a symbol is asked for, in what objdump says.
fn newest_glibc(table: &str) -> Option<(u32, u32)> {
    let versions = table.split(|character: char| character.is_whitespace() || "()".contains(character));
    let versions = versions.filter_map(|word| word.strip_prefix("GLIBC_")).filter_map(|version| {
        let mut numbers = version.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    versions.max()
}

fn needed(table: &str) -> impl Iterator<Item = &str> {
    let lines = table.lines().filter_map(|line| line.trim().strip_prefix("NEEDED"));
    lines.map(str::trim).collect::<BTreeSet<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_symbol_counts() {
        let table = "  NEEDED               libc.so.6\n  NEEDED               libm.so.6\n  0x09691a75 0x00 02 GLIBC_2.2.5\n\
                     0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.34) pthread_create\n\
                     0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.9) pipe2\n";
        assert_eq!(newest_glibc(table), Some((2, 34)));
        assert_eq!(needed(table).collect::<Vec<_>>(), ["libc.so.6", "libm.so.6"]);
        assert_eq!(newest_glibc("not a dynamic object"), None);
    }
}
