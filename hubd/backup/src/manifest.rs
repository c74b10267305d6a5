//! What a backup says about the hub it was made of, and the parts of it that are put together first: they lie in one directory,
//! which is in the backup whole.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::accounts::{Username, lookup};
use hub_core::config::{self, Config, HttpsMethod, Role};
use hub_core::control::environment::ASKED;
use hub_core::control::{self, Reply, Request};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_core::sys::entrusted;
use hub_environment::pyenv::{self, Generation};
use hub_system::accounts::homes;
use hub_system::accounts::table::Table;
use hub_system::tree;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;
pub(crate) const MANIFEST: &str = "manifest.json";
const CONFIG: &str = "config.toml";
pub(crate) const ACCOUNTS: &str = "accounts";
const DATABASE: &str = "hubd.db";
const LOCK: &str = "environment.txt";
/// More than any database of people has.
const LARGEST_DATABASE: u64 = 1 << 30;
/// More than any certificate has.
const LARGEST_FILE: u64 = 1 << 20;
/// Groups that may own what is in a backup; their numbers differ from machine to machine.
const GROUPS: [&str; 4] = ["hubd", "hubd-users", "hubd-admins", "hubd-certificates"];

/// What a backup says about the hub it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The version of hubd.
    pub version: String,
    /// When it was begun.
    pub made: Timestamp,
    /// The hub's address, as the configuration has it.
    pub url: Option<String>,
    /// Where the class folder is.
    pub class_folder: PathBuf,
    /// Everybody's home.
    pub homes: Vec<HomeOf>,
    /// The numbers of the hub's groups.
    pub groups: BTreeMap<String, u32>,
    /// Files that the configuration names and that are elsewhere; in their order, their content is among the parts.
    #[serde(default)]
    pub files: Vec<FileOf>,
    /// Who was enrolled.
    #[serde(default)]
    pub people: Vec<Person>,
}

/// A file that the configuration names, and who may read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOf {
    /// Where.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// Whose it is, by name: numbers are other ones elsewhere.
    pub owner: Option<String>,
    /// Its group.
    pub group: Option<String>,
}

/// What somebody was in the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub name: Username,
    /// What they could do.
    pub role: Role,
    /// Whether they were kept out.
    pub blocked: bool,
}

/// Somebody's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeOf {
    /// Whose.
    pub name: Username,
    /// The number of the unix account.
    pub uid: u32,
    /// The number of its own group.
    pub gid: u32,
    /// Where it is, links followed.
    pub path: PathBuf,
}

/// What was put together, in the directory where it lies.
#[derive(Debug)]
pub struct Parts {
    directory: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Parts {
    /// Puts everything together; the hub has left a copy of its database.
    ///
    /// # Errors
    /// When something can't be read or written.
    pub(crate) fn gather(paths: &Paths, version: &str, made: Timestamp) -> Result<Self> {
        let directory = paths.backup_stage();
        tree::remove(&directory)?;
        fs_err::create_dir_all(&directory)?;
        let put = |name: &str, content: &[u8]| atomic::replace(&directory.join(name), content, Access::mode(0o600));
        let text = fs_err::read_to_string(paths.config_file())?;
        put(CONFIG, text.as_bytes())?;
        let config = config::parse(&text, &paths.config_file().display().to_string())?;
        let table = match fs_err::read_to_string(paths.accounts()) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Table::default().render()?,
            Err(error) => return Err(error.into()),
        };
        put(ACCOUNTS, table.as_bytes())?;
        let copies = paths.database_copies();
        let database = entrusted::read(&copies, &copies.join(DATABASE), LARGEST_DATABASE);
        put(DATABASE, &database.context("reading the hub's copy of its database")?)?;
        if let Some(lock) = lock(paths)? {
            put(LOCK, lock.as_bytes())?;
        }
        let files = files(paths, &config, &directory)?;
        let manifest = Manifest {
            format: FORMAT,
            version: version.to_owned(),
            made,
            url: config.hub.url.clone(),
            class_folder: real(&paths.class_folder()),
            homes: homes(&config, &Table::parse(&table)?)?,
            groups: groups()?,
            files,
            people: people(paths),
        };
        put(MANIFEST, &serde_json::to_vec_pretty(&manifest)?)?;
        Ok(Self { directory, manifest })
    }

    /// Those that were brought back into `directory`.
    ///
    /// # Errors
    /// When they are not whole, or a newer hubd made them.
    pub fn read(directory: &Path) -> Result<Self> {
        let text = fs_err::read(directory.join(MANIFEST)).context("this backup has no description of a hub in it")?;
        let manifest: Manifest = serde_json::from_slice(&text).context("reading what this backup says of its hub")?;
        if manifest.format != FORMAT {
            bail!("the backup has format {}, expected {FORMAT}; hubd {} made it", manifest.format, manifest.version);
        }
        Ok(Self { directory: directory.to_owned(), manifest })
    }

    /// The configuration that was in force.
    ///
    /// # Errors
    /// When it is not there.
    pub fn config(&self) -> Result<String> {
        Ok(fs_err::read_to_string(self.directory.join(CONFIG))?)
    }

    /// Who owned which account.
    ///
    /// # Errors
    /// When it is not there, or no such table.
    pub fn table(&self) -> Result<Table> {
        Ok(Table::parse(&fs_err::read_to_string(self.directory.join(ACCOUNTS))?)?)
    }

    /// The content of the file with this place in [`Manifest::files`].
    pub(crate) fn file(&self, place: usize) -> PathBuf {
        part_of_file(&self.directory, place)
    }

    /// The database of people.
    ///
    /// # Errors
    /// When it is not there.
    pub fn database(&self) -> Result<Vec<u8>> {
        Ok(fs_err::read(self.directory.join(DATABASE))?)
    }

    /// What everybody's environment was made of, as `hubctl env export` prints it.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn lock(&self) -> Result<Option<String>> {
        match fs_err::read_to_string(self.directory.join(LOCK)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Manifest {
    /// The directories that hold homes.
    pub(crate) fn places_of_homes(&self) -> Vec<PathBuf> {
        let mut places: Vec<PathBuf> = self.homes.iter().filter_map(|home| home.path.parent().map(Path::to_owned)).collect();
        places.sort();
        places.dedup();
        places
    }
}

/// Where `path` leads; itself when that can't be told.
pub(crate) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn lock(paths: &Paths) -> Result<Option<String>> {
    let Some(number) = pyenv::current(paths)? else { return Ok(None) };
    let Some(generation) = Generation::open(paths, number)? else { return Ok(None) };
    let mut asked: String = generation.manifest().asked.iter().map(|one| format!("{ASKED}{one}\n")).collect();
    if asked.is_empty() {
        asked = format!("{ASKED}\n");
    }
    Ok(Some(format!("{asked}{}", generation.lock()?)))
}

/// Homes that are there; whoever never started a server has none.
fn homes(config: &Config, table: &Table) -> Result<Vec<HomeOf>> {
    let mut found = Vec::new();
    for record in table.records() {
        let account = lookup::account_by_name(&record.account)?.filter(|account| account.uid == record.uid);
        // An account that an uninstall took is made anew when its owner comes; the home is where it will be then.
        let (path, gid) = account.map_or_else(
            || (config.accounts.homes.join(&record.account), record.uid),
            |account| (account.home.clone(), account.gid),
        );
        let (Some(parent), Some(leaf)) = (path.parent(), path.file_name()) else { continue };
        let path = homes::resolve(parent)?.join(leaf);
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            found.push(HomeOf { name: record.name.clone(), uid: record.uid, gid, path });
        }
    }
    Ok(found)
}

/// The numbers of the hub's groups on this machine.
pub(crate) fn groups() -> Result<BTreeMap<String, u32>> {
    let mut found = BTreeMap::new();
    for name in GROUPS {
        if let Some(gid) = lookup::group_by_name(name)? {
            found.insert(name.to_owned(), gid);
        }
    }
    Ok(found)
}

/// Files that `config` names, wherever they are; the password of backups is given by hand.
pub fn named_files(paths: &Paths, config: &Config) -> Vec<PathBuf> {
    let https = match config.https.as_ref().map(|https| &https.method) {
        Some(HttpsMethod::Files { certificate, key }) => vec![certificate.clone(), key.clone()],
        Some(HttpsMethod::Acme { directory_ca, .. }) => directory_ca.iter().cloned().collect(),
        _ => Vec::new(),
    };
    let secrets = config.login.providers.values().filter_map(|provider| provider.client_secret_file.as_ref());
    https.into_iter().chain(secrets.map(|file| paths.secrets().join(file))).collect()
}

/// Keeps a copy of each file that is named and not in the configuration's directory, which is in a backup as it is.
pub(crate) fn files(paths: &Paths, config: &Config, directory: &Path) -> Result<Vec<FileOf>> {
    let mut kept = Vec::new();
    for path in named_files(paths, config).into_iter().filter(|path| !path.starts_with(paths.config_directory())) {
        let found = match fs_err::metadata(&path) {
            Ok(found) if found.is_file() && found.len() <= LARGEST_FILE => found,
            other => {
                tracing::warn!(path = %path.display(), "not in the backup: {}", other.err().map_or("no small file".to_owned(), |error| error.to_string()));
                continue;
            }
        };
        let content = fs_err::read(&path)?;
        atomic::replace(&part_of_file(directory, kept.len()), &content, Access::mode(0o600))?;
        let (owner, group) =
            (lookup::account_by_uid(found.uid())?.map(|account| account.name), lookup::group_by_gid(found.gid())?);
        kept.push(FileOf { path, mode: found.mode() & 0o777, owner, group });
    }
    Ok(kept)
}

fn part_of_file(directory: &Path, place: usize) -> PathBuf {
    directory.join(format!("file-{place}"))
}

/// Who is enrolled. What somebody could do when a backup was made is told when it comes back; without it, it comes back as well.
fn people(paths: &Paths) -> Vec<Person> {
    match control::call(&paths.control_socket(), &Request::UserList) {
        Ok(Reply::Users { users }) => {
            users.into_iter().map(|user| Person { name: user.name, role: user.role, blocked: user.blocked }).collect()
        }
        other => {
            tracing::warn!(?other, "asking the hub who is enrolled");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_released_format_is_still_read() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Parts::read(directory.path()).is_err());
        let text = include_str!("manifest/fixtures/manifest-1.json");
        std::fs::write(directory.path().join(MANIFEST), text).unwrap();
        let parts = Parts::read(directory.path()).unwrap();
        assert_eq!(parts.manifest.homes[0].path, Path::new("/home/hubd/jupyter-ada"));
        assert_eq!(parts.manifest.places_of_homes(), [Path::new("/home"), Path::new("/home/hubd")]);
        std::fs::write(directory.path().join(MANIFEST), text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        assert!(Parts::read(directory.path()).unwrap_err().to_string().contains("has format 2, expected 1"));
    }
}
