//! Where homes are: judged by what a path is and not by its name. `/home` may be a link to another disk, another name of a
//! directory may lead past what hides it, and what looks harmless may lead into the system.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::accounts::homes::{TEMPORARY, refusal};
use hub_core::paths::Paths;
use nix::unistd::Uid;

use super::table::TableFile;

/// More links than anybody has on the way to a directory; the kernel's own limit.
const MOST_LINKS: usize = 40;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// The directory that `path` leads to, every link followed; what is not there yet is made below what is. Whoever could change
/// something on the way could put anything in the place of homes, so all of it must be root's.
///
/// # Errors
/// When something on the way is no directory or not root's alone, or leads to where homes can't be.
pub fn resolve(path: &Path) -> Result<PathBuf> {
    let mut ahead: Vec<OsString> = parts(path);
    let (mut real, mut links) = (PathBuf::from("/"), 0);
    while let Some(part) = ahead.pop() {
        if part == ".." {
            real.pop();
            continue;
        }
        let next = real.join(&part);
        let found = match next.symlink_metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                real = next;
                continue;
            }
            Err(error) => return Err(error).with_context(|| format!("looking at `{}`", next.display())),
        };
        if found.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                bail!("`{}` leads nowhere: its links go round in circles", path.display());
            }
            let target = std::fs::read_link(&next).with_context(|| format!("reading link `{}`", next.display()))?;
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            ahead.extend(parts(&target));
        } else if found.is_dir() {
            is_ours_alone(&next, &found)?;
            real = next;
        } else {
            bail!("`{}` is not a directory; expected the directory of homes, or one on the way to it", next.display());
        }
    }
    Ok(real)
}

/// As [`resolve`], and judges where that leads to.
///
/// # Errors
/// As [`resolve`], and when homes can't be there.
pub fn place(path: &Path) -> Result<PathBuf> {
    let real = resolve(path)?;
    if let Some(place) = TEMPORARY.iter().find(|place| real.starts_with(place)) {
        bail!("`{}` can't be where homes are: what is in `{place}` does not last", path.display());
    }
    match refusal(&real) {
        Some(reason) if real == path => bail!("{reason}"),
        Some(reason) => bail!("`{}` leads to `{}`, and {reason}", path.display(), real.display()),
        None => Ok(real),
    }
}

/// Root alone goes through the directory of homes; systemd shows each server its own. A mail server that becomes the owner of a
/// home, to obey what lies in it, does not get there.
pub const HOMES_MODE: u32 = 0o700;
/// Everybody goes through those above it.
pub const ABOVE_MODE: u32 = 0o755;

/// Makes the directory of homes, and those above it, where they are not there.
///
/// # Errors
/// When one can't be made.
pub fn make(real: &Path) -> Result<()> {
    for path in missing(real) {
        let making = || format!("making the directory of homes `{}`", path.display());
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            made => made.with_context(making)?,
        }
        let mode = if path == real { HOMES_MODE } else { ABOVE_MODE };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).with_context(making)?;
    }
    Ok(())
}

/// Homes of the accounts that people have.
///
/// # Errors
/// When the table of accounts can't be read, as by somebody who is not root, or the machine's own.
pub fn of_people(paths: &Paths) -> Result<Vec<PathBuf>> {
    let table = TableFile::new(paths.accounts()).read()?;
    let accounts: BTreeMap<&str, u32> = table.records().map(|record| (record.account.as_str(), record.uid)).collect();
    // Once: to look up each of thousands by its name takes seconds.
    let text = fs_err::read_to_string(paths.passwd()).context("finding out where homes are")?;
    let home = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, _] = fields[..] else { return None };
        accounts.get(name).is_some_and(|own| uid.parse() == Ok(*own)).then(|| PathBuf::from(home))
    };
    Ok(text.lines().filter_map(home).collect())
}

/// The drop-in of the launcher's unit, which may write there and needs the disk that it is on.
pub fn drop_in(real: &Path) -> String {
    let real = real.display();
    format!(
        "# Written from /etc/hubd/config.toml by an install and by every apply. Put changes into a drop-in of your own.\n\
         [Unit]\nRequiresMountsFor={real}\n[Service]\nReadWritePaths=-{real}\n"
    )
}

/// What of `real` and the directories above it is not there, the highest first.
pub fn missing(real: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = real.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// Other names of the directory `real`: where the disk it is on, or a part of it, is mounted a second time. `mounts` is the
/// text of a `mountinfo`.
pub fn other_names(real: &Path, mounts: &str) -> Vec<PathBuf> {
    let mounts: Vec<Mount<'_>> = mounts.lines().filter_map(Mount::parse).collect();
    // The longest counts, and of several at one place the last.
    let Some(own) =
        mounts.iter().filter(|mount| real.starts_with(&mount.point)).max_by_key(|mount| mount.point.as_os_str().len())
    else {
        return Vec::new();
    };
    let Ok(below) = real.strip_prefix(&own.point) else { return Vec::new() };
    let inside = own.root.join(below);
    let others = mounts.iter().filter(|mount| mount.device == own.device);
    let mut names: Vec<PathBuf> = others
        .filter_map(|mount| Some(mount.point.join(inside.strip_prefix(&mount.root).ok()?)))
        .map(|name| name.components().collect::<PathBuf>())
        .filter(|name| name != real)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A line of a `mountinfo`.
struct Mount<'a> {
    device: &'a str,
    /// The part of the file system that is to be seen.
    root: PathBuf,
    /// Where.
    point: PathBuf,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(' ').skip(2);
        let (device, root, point) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { device, root: unescaped(root), point: unescaped(point) })
    }
}

/// The kernel writes blanks and the like as `\040`.
fn unescaped(text: &str) -> PathBuf {
    let mut plain = text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    plain = plain.replace("\\134", "\\");
    PathBuf::from(plain)
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        _ => None,
    };
    path.components().rev().filter_map(part).collect()
}

fn is_ours_alone(path: &Path, found: &std::fs::Metadata) -> Result<()> {
    let is_roots = found.uid() == 0 || found.uid() == Uid::effective().as_raw();
    // In a directory like `/tmp` others make things, and don't touch what is root's.
    let is_closed = found.mode() & OTHERS_WRITE == 0 || found.mode() & STICKY != 0;
    if !is_roots || !is_closed {
        bail!(
            "`{0}` has owner {1} and mode {2:04o}; expected root, writable by nobody else, for it is on the way to everybody's home\n\
             hint: sudo chown root:root {0}; sudo chmod go-w {0}",
            path.display(),
            found.uid(),
            found.mode() & 0o7777
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::table::Record;
    use super::*;

    #[test]
    fn a_path_is_what_it_leads_to() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir_all(root.join("data/homes")).unwrap();
        symlink(root.join("data"), root.join("absolute")).unwrap();
        symlink("absolute/homes", root.join("home")).unwrap();
        assert_eq!(resolve(&root.join("home")).unwrap(), root.join("data/homes"));
        assert_eq!(resolve(&root.join("home/not/yet")).unwrap(), root.join("data/homes/not/yet"));
        assert_eq!(missing(&root.join("data/homes/not/yet")), [root.join("data/homes/not"), root.join("data/homes/not/yet")]);
        make(&root.join("data/homes/not/yet")).unwrap();
        let mode = |path: &str| root.join(path).metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode("data/homes/not"), mode("data/homes/not/yet")), (0o755, 0o700));
        symlink("/var/spool/cron", root.join("harmless")).unwrap();
        let error = place(&root.join("harmless")).unwrap_err().to_string();
        assert!(error.contains("/harmless` leads to `/var/spool/cron`, and "), "{error}");
        let error = place(&root.join("home")).unwrap_err().to_string();
        assert!(error.contains("what is in `/tmp` does not last"), "{error}");
        symlink("round", root.join("round")).unwrap();
        assert!(resolve(&root.join("round")).unwrap_err().to_string().contains("go round in circles"));
        std::fs::write(root.join("file"), "").unwrap();
        assert!(resolve(&root.join("file/homes")).unwrap_err().to_string().contains("is not a directory"));
    }

    #[test]
    fn nobody_else_may_change_what_is_on_the_way() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        std::fs::create_dir_all(open.join("homes")).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = resolve(&open.join("homes")).unwrap_err().to_string();
        assert!(error.contains("/open` has owner") && error.contains("\nhint: sudo chown root:root "), "{error}");
    }

    #[test]
    fn the_machine_says_where_peoples_homes_are() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for file in [paths.accounts(), paths.passwd()] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        let mut guard = TableFile::new(paths.accounts()).lock().unwrap();
        for (name, uid) in [("ada", 20_000), ("bob", 20_001), ("eve", 20_002)] {
            let record = Record { name: name.parse().unwrap(), account: format!("jupyter-{name}"), uid, created: 5 };
            guard.table.insert(record).unwrap();
        }
        guard.save().unwrap();
        let line =
            |name: &str, uid: u32| format!("{name}:x:{uid}:{uid}:hubd classroom account:/homes/{name}:/usr/sbin/nologin\n");
        let text =
            [line("jupyter-ada", 20_000), line("jupyter-bob", 1001), line("mel", 1002), "broken\n+::::::\n".to_owned()].concat();
        std::fs::write(paths.passwd(), text).unwrap();
        assert_eq!(of_people(&paths).unwrap(), [Path::new("/homes/jupyter-ada")]);
    }

    #[test]
    fn the_second_name_of_a_mounted_directory_is_found() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 8:17 / /data rw - ext4 /dev/sdb1 rw\n\
                      41 22 8:17 /home /home rw - ext4 /dev/sdb1 rw\n42 22 8:17 /other /mnt/a\\040b rw - ext4 /dev/sdb1 rw\n";
        assert_eq!(other_names(Path::new("/home"), mounts), [Path::new("/data/home")]);
        assert_eq!(other_names(Path::new("/data/home"), mounts), [Path::new("/home")]);
        assert_eq!(other_names(Path::new("/srv/homes"), mounts), Vec::<PathBuf>::new());
        assert_eq!(other_names(Path::new("/data/other/x"), mounts), [Path::new("/mnt/a b/x")]);
    }
}
