//! What pages load that is the same for everybody: when an environment is sealed, each directory of such files gets a second
//! place in it that is named by its content, with each file compressed beside itself. From there the hub gives them to
//! browsers ([`hub_core::generation::shared`]); servers tell their pages so by the index (`assets/hubd_jupyter/shared.py`).

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use hub_core::generation::{SHARED, SHARED_NAME_LENGTH};
use hub_core::sys::atomic::{self, Access};
use hub_system::digest;
use sha2::{Digest, Sha256};

use super::workplace::directory;
use super::{Python, generation, uv};

/// By their path below the environment: the directories that are shared, and their names among those that are.
const INDEX: &str = "index.json";
const EXTENSIONS: &str = "share/jupyter/labextensions";
/// Of a file's name, where it is worth compressing; pictures and fonts are compressed already.
const TEXT: [&str; 12] = ["cjs", "css", "eot", "html", "js", "json", "map", "mjs", "svg", "ttf", "txt", "wasm"];
/// Bytes that fit into one packet with the head of an answer.
const SMALL: u64 = 1000;
/// What is worth its time while somebody waits: 9 takes nine times as long as 6 for a fortieth less, 11 forty times for a tenth.
const BROTLI_QUALITY: i32 = 6;
const GZIP_LEVEL: u32 = 8;
/// Names end in these where servers and browsers speak of `br` and `gzip`.
const ENCODINGS: [Encoding; 2] = [Encoding { suffix: "br", encode: brotli }, Encoding { suffix: "gz", encode: gzip }];

#[derive(Clone, Copy)]
struct Encoding {
    suffix: &'static str,
    encode: fn(&[u8]) -> Result<Vec<u8>>,
}

/// A file to be compressed.
struct Task {
    file: PathBuf,
    encoding: Encoding,
}

/// Shares what is the same for everybody in `environment`, which is sealed; what is the same in the generation `previous` is
/// not compressed again. Returns how many bytes that took.
///
/// # Errors
/// When a file can't be read, or the disk is full.
pub(super) fn share(environment: &Path, python: &Python, previous: Option<&Path>) -> Result<u64> {
    let place = environment.join(SHARED);
    directory(&place)?;
    let before = previous.and_then(|previous| Some((index(previous)?, previous.join(SHARED))));
    let (mut found, mut tasks, mut bytes) = (BTreeMap::new(), Vec::new(), 0);
    for source in sources(environment, python)? {
        let Some(files) = files(&environment.join(&source))? else { continue };
        let name = name(&environment.join(&source), &files)?;
        let target = place.join(&name);
        let earlier = before.as_ref().and_then(|(index, place)| Some(place.join(index.get(&source)?)));
        if !target.exists() {
            for file in &files {
                bytes += put(&environment.join(&source).join(file), &target.join(file), &target)?;
                tasks.extend(compression(&target.join(file), earlier.as_ref().map(|earlier| earlier.join(file)).as_deref())?);
            }
        }
        found.insert(source, name);
    }
    bytes += compress(tasks)?;
    let text = serde_json::to_string_pretty(&found)?;
    atomic::replace(&place.join(INDEX), format!("{text}\n").as_bytes(), Access::mode(0o644))?;
    Ok(bytes)
}

/// What an earlier generation shares; `None`: it is of a version that did not.
fn index(generation: &Path) -> Option<BTreeMap<String, String>> {
    serde_json::from_slice(&fs_err::read(generation.join(SHARED).join(INDEX)).ok()?).ok()
}

/// Directories that pages load from as they are: JupyterLab, Notebook, and each extension of them.
fn sources(environment: &Path, python: &Python) -> Result<Vec<String>> {
    let notebook = generation::packages(Path::new(""), python).join("notebook/static").display().to_string();
    let mut sources = vec!["share/jupyter/lab/static".to_owned(), notebook];
    for entry in names(&environment.join(EXTENSIONS))? {
        let source = format!("{EXTENSIONS}/{entry}");
        match entry.starts_with('@') {
            true => sources.extend(names(&environment.join(&source))?.into_iter().map(|name| format!("{source}/{name}"))),
            false => sources.push(source),
        }
    }
    sources.retain(|source| is_directory(&environment.join(source)));
    Ok(sources)
}

fn is_directory(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// What is in a directory, but for hidden files; nothing when it is none.
fn names(path: &Path) -> Result<Vec<String>> {
    if !is_directory(path) {
        return Ok(Vec::new());
    }
    let entries = fs_err::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
    let entries: std::io::Result<Vec<Option<String>>> = entries.collect();
    Ok(entries?.into_iter().flatten().filter(|name| !name.starts_with('.')).collect())
}

/// The files below `top` but for hidden ones, in order, by their paths from there. `None`: there is something else among
/// them, such as a link; a directory is shared as a whole or not at all.
fn files(top: &Path) -> Result<Option<Vec<PathBuf>>> {
    let (mut files, mut directories) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(directory) = directories.pop() {
        for name in names(&top.join(&directory))? {
            let path = directory.join(name);
            let kind = fs_err::symlink_metadata(top.join(&path))?.file_type();
            match () {
                () if kind.is_dir() => directories.push(path),
                () if kind.is_file() => files.push(path),
                () => return Ok(None),
            }
        }
    }
    files.sort();
    Ok((!files.is_empty()).then_some(files))
}

/// Stands for the content of `files` below `top`.
fn name(top: &Path, files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(format!("{}  {}\n", digest::of_file(&top.join(file))?, file.display()));
    }
    let mut name = uv::hexadecimal(&hash.finalize());
    name.truncate(SHARED_NAME_LENGTH);
    Ok(name)
}

/// Gives `file` a second name, `target` below `top`; returns the bytes that it took.
fn put(file: &Path, target: &Path, top: &Path) -> Result<u64> {
    let parents: Vec<&Path> = target.ancestors().skip(1).take_while(|parent| parent.starts_with(top)).collect();
    for parent in parents.into_iter().rev().filter(|parent| !parent.is_dir()) {
        directory(parent)?;
    }
    if super::seal::second_name(file, target)? {
        return Ok(0);
    }
    let content = fs_err::read(file)?;
    atomic::replace(target, &content, Access::mode(0o644))?;
    Ok(content.len() as u64)
}

/// How `file` is still to be compressed, when what was made of the same file `before` has a second name now.
fn compression(file: &Path, before: Option<&Path>) -> Result<Vec<Task>> {
    let metadata = fs_err::metadata(file)?;
    let is_text = file.extension().and_then(|end| end.to_str()).is_some_and(|end| TEXT.contains(&end));
    if !is_text || metadata.len() < SMALL {
        return Ok(Vec::new());
    }
    let same = |before: &&Path| std::fs::metadata(before).is_ok_and(|found| found.ino() == metadata.ino());
    let before = before.filter(same);
    let mut tasks = Vec::new();
    for encoding in ENCODINGS {
        let target = compressed(file, encoding);
        if target.exists() {
            // The package brought it.
            continue;
        }
        let made = before.map(|before| compressed(before, encoding)).filter(|made| made.is_file());
        if !made.map(|made| super::seal::second_name(&made, &target)).transpose()?.unwrap_or(false) {
            tasks.push(Task { file: file.to_owned(), encoding });
        }
    }
    Ok(tasks)
}

fn compressed(file: &Path, encoding: Encoding) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(encoding.suffix);
    name.into()
}

/// Does the tasks, on all processors; returns the bytes that were written.
fn compress(mut tasks: Vec<Task>) -> Result<u64> {
    tasks.sort_by_key(|task| std::cmp::Reverse(std::fs::metadata(&task.file).map_or(0, |found| found.len())));
    let next = AtomicUsize::new(0);
    let work = || -> Result<u64> {
        let mut written = 0;
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            written += task.perform().with_context(|| format!("compressing `{}`", task.file.display()))?;
        }
        Ok(written)
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("compressing panicked"))?).sum()
    })
}

impl Task {
    fn perform(&self) -> Result<u64> {
        let plain = fs_err::read(&self.file)?;
        let smaller = (self.encoding.encode)(&plain)?;
        if smaller.len() >= plain.len() {
            return Ok(0);
        }
        atomic::replace(&compressed(&self.file, self.encoding), &smaller, Access::mode(0o644))?;
        Ok(smaller.len() as u64)
    }
}

fn brotli(plain: &[u8]) -> Result<Vec<u8>> {
    let mut smaller = Vec::new();
    let parameters = BrotliEncoderParams { quality: BROTLI_QUALITY, size_hint: plain.len(), ..Default::default() };
    brotli::BrotliCompress(&mut &plain[..], &mut smaller, &parameters)?;
    Ok(smaller)
}

fn gzip(plain: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(plain)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    const LAB: &str = "share/jupyter/lab/static";

    struct Trees(tempfile::TempDir);

    impl Trees {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn write(&self, path: &str, text: &str) {
            std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
            std::fs::write(self.path(path), text).unwrap();
        }

        /// Shares what is in `tree`; returns the bytes that it took, and where what is shared lies, by its source.
        fn share(&self, tree: &str, previous: Option<&str>) -> (u64, BTreeMap<String, PathBuf>) {
            let python = Python { interpreter: "/usr/bin/python3.11".into(), version: "3.11.2".to_owned() };
            let previous = previous.map(|previous| self.path(previous));
            let bytes = share(&self.path(tree), &python, previous.as_deref()).unwrap();
            let places = index(&self.path(tree)).unwrap().into_iter();
            (bytes, places.map(|(source, name)| (source, self.path(tree).join(SHARED).join(name))).collect())
        }
    }

    fn script() -> String {
        "const x = 1; ".repeat(1000)
    }

    #[test]
    fn what_is_compressed_is_what_was_there() {
        let trees = Trees::new();
        trees.write("1/share/jupyter/lab/static/sub/a.js", &script());
        trees.write("1/share/jupyter/lab/static/tiny.js", "x");
        trees.write("1/share/jupyter/lab/static/.hidden", "x");
        let (bytes, places) = trees.share("1", None);
        let lab = &places[LAB];
        let mut plain = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(lab.join("sub/a.js.gz")).unwrap()).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, script());
        let mut plain = Vec::new();
        brotli::BrotliDecompress(&mut std::fs::File::open(lab.join("sub/a.js.br")).unwrap(), &mut plain).unwrap();
        assert_eq!(plain, script().as_bytes());
        let length = |name: &str| std::fs::metadata(lab.join(name)).unwrap().len();
        assert_eq!(bytes, length("sub/a.js.br") + length("sub/a.js.gz"));
        assert_eq!(files(lab).unwrap().unwrap(), ["sub/a.js", "sub/a.js.br", "sub/a.js.gz", "tiny.js"].map(PathBuf::from));
    }

    #[test]
    fn each_extension_has_a_place_that_only_its_own_content_names() {
        let trees = Trees::new();
        for tree in ["1", "2"] {
            trees.write(&format!("{tree}/{EXTENSIONS}/@scope/one/static/one.js"), &script());
            trees.write(&format!("{tree}/{EXTENSIONS}/two/style.js"), tree);
            trees.write(&format!("{tree}/lib/python3.11/site-packages/notebook/static/a.js"), "a");
        }
        let ((_, first), (_, second)) = (trees.share("1", None), trees.share("2", None));
        let sources: Vec<&str> = first.keys().map(String::as_str).collect();
        let (one, two) = (format!("{EXTENSIONS}/@scope/one"), format!("{EXTENSIONS}/two"));
        assert_eq!(sources, ["lib/python3.11/site-packages/notebook/static", &one, &two]);
        assert_eq!(first[&one].file_name(), second[&one].file_name());
        assert_ne!(first[&two].file_name(), second[&two].file_name());
        assert_eq!(first[&one].file_name().unwrap().len(), SHARED_NAME_LENGTH);
    }

    #[test]
    fn a_directory_with_a_link_is_not_shared() {
        let trees = Trees::new();
        trees.write("secret", "secret");
        for (name, target) in [("file", "../../../../../secret"), ("directory", ".")] {
            trees.write(&format!("1/{EXTENSIONS}/{name}/a.js"), "a");
            symlink(target, trees.path(&format!("1/{EXTENSIONS}/{name}/link"))).unwrap();
        }
        symlink("file", trees.path(&format!("1/{EXTENSIONS}/whole"))).unwrap();
        assert_eq!(trees.share("1", None).1, BTreeMap::new());
    }

    #[test]
    fn what_the_generation_before_compressed_is_not_compressed_again() {
        let trees = Trees::new();
        trees.write("1/share/jupyter/lab/static/a.js", &script());
        let (_, first) = trees.share("1", None);
        std::fs::write(first[LAB].join("a.js.br"), "made before").unwrap();
        trees.write("2/share/jupyter/lab/static/new.js", "new");
        std::fs::hard_link(trees.path("1/share/jupyter/lab/static/a.js"), trees.path("2/share/jupyter/lab/static/a.js")).unwrap();
        let (bytes, second) = trees.share("2", Some("1"));
        assert_eq!(bytes, 0);
        assert_eq!(std::fs::read_to_string(second[LAB].join("a.js.br")).unwrap(), "made before");
        trees.write("3/share/jupyter/lab/static/a.js", &script().to_uppercase());
        assert!(trees.share("3", Some("1")).0 > 0, "another file of the same name");
    }
}
