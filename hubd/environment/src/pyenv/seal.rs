//! Makes a generation of what a build left: root copies plain files, directories and links that stay inside, and nothing
//! else comes along: no owner, no special bit, no extended attribute, no descriptor that somebody kept open.
//!
//! What is the same to the byte in the generation before is not copied but gets a second name: both are root's and never
//! written to. The build's user has no process left when this runs, so nothing changes underneath.

mod inherited;

use std::fs::{File, FileType, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;

const COMPARED_AT_ONCE: usize = 128 << 10;
/// Directories inside each other, and bytes of a path; what packages have is well below. Files are walked by their paths,
/// of which the kernel takes 4096 bytes.
const MOST_LEVELS: usize = 128;
const LONGEST_PATH: usize = 2048;
/// How much of such a path an error shows, in directories.
const SHOWN_LEVELS: usize = 4;

/// What to seal, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealing<'a> {
    /// What the build left.
    pub(super) source: &'a Path,
    /// Where the copy is made; nothing is there yet.
    pub(super) target: &'a Path,
    /// The generation before, to share files with.
    pub(super) previous: Option<&'a Path>,
    /// The middle of the names of that generation's bytecode, as in `cpython-311`; `None`: it is of another Python.
    pub(super) bytecode: Option<&'a str>,
    /// Where links may lead although it is outside: the machine's Python.
    pub(super) interpreter: Option<&'a Path>,
    /// Names at the top that are the build's own affair.
    pub(super) left_out: &'a [&'a str],
    /// Whose files are taken; somebody else's can't have got there in a good way.
    pub(super) builder: u32,
    /// User and group of the copy; `None`: the caller's.
    pub(super) owner: Option<(u32, u32)>,
}

/// How many files and bytes there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Bytes of files that are not shared with the generation before.
    pub(super) own_bytes: u64,
}

impl Sealing<'_> {
    /// Makes the copy.
    ///
    /// # Errors
    /// At anything but plain files, directories and links that stay inside, and when the disk is full.
    pub(super) fn seal(&self) -> Result<Sealed> {
        let mut sealed = Sealed::default();
        self.directory(self.target)?;
        let mut directories = vec![self.source.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs_err::read_dir(&directory)? {
                let entry = entry?;
                let is_left_out = self.left_out.iter().any(|name| entry.file_name() == *name);
                if directory == self.source && is_left_out {
                    continue;
                }
                let path = entry.path();
                check_depth(path.strip_prefix(self.source).context("it is not below what is sealed")?)?;
                self.entry(&path, &mut sealed)
                    .with_context(|| format!("sealing `{}`", path.display()))?
                    .then(|| directories.push(path));
            }
        }
        Ok(sealed)
    }

    /// Whether the entry is a directory to go into.
    fn entry(&self, path: &Path, sealed: &mut Sealed) -> Result<bool> {
        let relative = path.strip_prefix(self.source).context("it is not below what is sealed")?;
        let target = self.target.join(relative);
        let metadata = fs_err::symlink_metadata(path)?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let to = fs_err::read_link(path)?;
            if !stays_inside(relative, &to) && Some(to.as_path()) != self.interpreter {
                bail!("it is a link to `{}`, expected one that stays inside the environment", to.display());
            }
            symlink(&to, &target).with_context(|| format!("making the link `{}`", target.display()))?;
            if let Some((user, group)) = self.owner {
                lchown(&target, Some(user), Some(group))?;
            }
            return Ok(false);
        }
        if kind.is_dir() {
            // One for bytecode may have been made with the module before it.
            if !target.is_dir() {
                self.directory(&target)?;
            }
            return Ok(true);
        }
        if !kind.is_file() {
            bail!("it is {}, expected a file, a directory or a link", describe(kind));
        }
        // It may have a second name, as what was installed has in the cache; whose it is decides.
        if metadata.uid() != self.builder {
            bail!("it belongs to uid {}, expected {}, which built it", metadata.uid(), self.builder);
        }
        let mode = if metadata.mode() & 0o111 != 0 { 0o755 } else { 0o644 };
        sealed.files += 1;
        sealed.bytes += metadata.len();
        if self.share(path, relative, &target, mode, metadata.len())? {
            self.share_bytecode(path, relative, sealed)?;
        } else {
            self.copy(path, &target, mode)?;
            sealed.own_bytes += metadata.len();
        }
        Ok(false)
    }

    fn directory(&self, path: &Path) -> Result<()> {
        fs_err::create_dir(path)?;
        fs_err::set_permissions(path, Permissions::from_mode(0o755))?;
        if let Some((user, group)) = self.owner {
            chown(path, Some(user), Some(group)).with_context(|| format!("changing the owner of `{}`", path.display()))?;
        }
        Ok(())
    }

    /// Gives the same file of the generation before a second name; false when it has none that is the same.
    fn share(&self, path: &Path, relative: &Path, target: &Path, mode: u32, length: u64) -> Result<bool> {
        let Some(previous) = self.previous.map(|previous| previous.join(relative)) else { return Ok(false) };
        let Ok(found) = std::fs::symlink_metadata(&previous) else { return Ok(false) };
        if !found.is_file() || found.len() != length || found.mode() & 0o7777 != mode {
            return Ok(false);
        }
        if !same_content(&mut open(path)?, &mut open(&previous)?)? {
            return Ok(false);
        }
        second_name(&previous, target)
    }

    /// A module that is the same as before has the same bytecode, which `compile.py` therefore did not make again: the one
    /// of the generation before comes along.
    fn share_bytecode(&self, path: &Path, relative: &Path, sealed: &mut Sealed) -> Result<()> {
        let (Some(previous), Some(bytecode)) = (self.previous, self.bytecode.and_then(|tag| bytecode_of(relative, tag))) else {
            return Ok(());
        };
        let (found, made) = (previous.join(&bytecode), self.source.join(&bytecode));
        let Ok(metadata) = std::fs::symlink_metadata(&found) else { return Ok(()) };
        if !metadata.is_file() || std::fs::symlink_metadata(&made).is_ok() {
            return Ok(());
        }
        let target = self.target.join(&bytecode);
        let Some(directory) = target.parent() else { return Ok(()) };
        match std::fs::symlink_metadata(directory) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Ok(()),
            Err(_) => self.directory(directory)?,
        }
        sealed.files += 1;
        sealed.bytes += metadata.len();
        if !second_name(&found, &target)? {
            self.copy(&found, &target, 0o644).with_context(|| format!("for `{}`", path.display()))?;
            sealed.own_bytes += metadata.len();
        }
        Ok(())
    }

    fn copy(&self, path: &Path, target: &Path, mode: u32) -> Result<()> {
        let mut source = open(path)?;
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target)?;
        // Shares the blocks where the file system can.
        io::copy(&mut source, &mut copy).with_context(|| format!("writing `{}`", target.display()))?;
        if let Some((user, group)) = self.owner {
            std::os::unix::fs::fchown(&copy, Some(user), Some(group))?;
        }
        copy.set_permissions(Permissions::from_mode(mode))?;
        Ok(())
    }
}

/// Whether a path is one that a package may have, seen from the top of the environment.
pub(super) fn check_depth(relative: &Path) -> Result<()> {
    let levels = relative.components().count();
    if levels <= MOST_LEVELS && relative.as_os_str().len() <= LONGEST_PATH {
        return Ok(());
    }
    let shown: PathBuf = relative.components().take(SHOWN_LEVELS).collect();
    bail!(
        "below `{}` directories lie too deep inside each other; expected at most {MOST_LEVELS} and a path of {LONGEST_PATH} bytes\n\
         hint: leave out the package that made them",
        shown.display()
    )
}

/// Where Python looks for the bytecode of a module; `None`: it is no module.
fn bytecode_of(module: &Path, tag: &str) -> Option<PathBuf> {
    let stem = module.file_name()?.to_str()?.strip_suffix(".py")?;
    Some(module.parent()?.join("__pycache__").join(format!("{stem}.{tag}.pyc")))
}

/// Gives a file a second name; false where that is not possible.
pub(super) fn second_name(file: &Path, name: &Path) -> Result<bool> {
    match std::fs::hard_link(file, name) {
        Ok(()) => Ok(true),
        // A file system has a limit on names of one file, or none of them at all.
        Err(error) if matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMLINK | Errno::EXDEV | Errno::EPERM)) => {
            Ok(false)
        }
        Err(error) => Err(error).with_context(|| format!("linking `{}`", name.display())),
    }
}

/// Opens a plain file, and nothing that took its place.
fn open(path: &Path) -> Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    file.with_context(|| format!("opening `{}`", path.display()))
}

fn same_content(one: &mut File, other: &mut File) -> Result<bool> {
    let (mut left, mut right) = (vec![0; COMPARED_AT_ONCE], vec![0; COMPARED_AT_ONCE]);
    loop {
        let (a, b) = (fill(one, &mut left)?, fill(other, &mut right)?);
        if left[..a] != right[..b] {
            return Ok(false);
        }
        if a < COMPARED_AT_ONCE {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("comparing files"),
        }
    }
    Ok(filled)
}

/// Whether `target` leads from the link at `relative` to a place below the top. Steps up may only come first: there they
/// leave real directories, while after a name they could leave another link's target.
fn stays_inside(relative: &Path, target: &Path) -> bool {
    let mut depth = relative.components().count().saturating_sub(1);
    let mut named = false;
    for component in target.components() {
        match component {
            Component::Normal(_) => named = true,
            Component::CurDir => (),
            Component::ParentDir if named || depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

fn describe(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () => "of an unknown kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: &str = "/usr/bin/python3.11";

    struct Tree {
        scratch: tempfile::TempDir,
    }

    impl Tree {
        fn new() -> Self {
            let tree = Self { scratch: tempfile::tempdir().unwrap() };
            std::fs::create_dir_all(tree.source().join("bin")).unwrap();
            symlink(PYTHON, tree.source().join("bin/python")).unwrap();
            symlink("python", tree.source().join("bin/python3")).unwrap();
            symlink("lib", tree.source().join("lib64")).unwrap();
            tree
        }

        fn source(&self) -> PathBuf {
            self.scratch.path().join("2.new")
        }

        fn target(&self) -> PathBuf {
            self.scratch.path().join("2.sealed")
        }

        fn seal(&self, previous: Option<&Path>) -> Result<Sealed> {
            let interpreter = Path::new(PYTHON);
            let (source, target) = (&self.source(), &self.target());
            let builder = std::fs::metadata(source)?.uid();
            let bytecode = Some("cpython-311");
            Sealing {
                source,
                target,
                previous,
                bytecode,
                interpreter: Some(interpreter),
                left_out: &[".cache"],
                builder,
                owner: None,
            }
            .seal()
        }

        fn refused(&self) -> String {
            format!("{:#}", self.seal(None).unwrap_err())
        }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn takes_away_every_right_to_write_and_every_special_bit() {
        let tree = Tree::new();
        let (program, data, directory) =
            (tree.source().join("bin/program"), tree.source().join("data"), tree.source().join("private"));
        std::fs::write(&program, "#!").unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o6777)).unwrap();
        std::fs::write(&data, "four").unwrap();
        std::fs::set_permissions(&data, Permissions::from_mode(0o600)).unwrap();
        std::fs::create_dir(&directory).unwrap();
        std::fs::set_permissions(&directory, Permissions::from_mode(0o3700)).unwrap();
        std::fs::create_dir(tree.source().join(".cache")).unwrap();
        std::fs::write(tree.source().join(".cache/wheel"), "large").unwrap();
        assert_eq!(tree.seal(None).unwrap(), Sealed { files: 2, bytes: 6, own_bytes: 6 });
        let at = |name: &str| tree.target().join(name);
        assert_eq!(
            (mode(&at("bin/program")), mode(&at("data")), mode(&at("private")), mode(&at("."))),
            (0o755, 0o644, 0o755, 0o755)
        );
        assert_eq!(std::fs::read_to_string(at("data")).unwrap(), "four");
        assert_eq!(std::fs::read_link(at("bin/python3")).unwrap(), Path::new("python"));
        assert!(!at(".cache").exists());
    }

    #[test]
    fn a_descriptor_that_was_kept_open_writes_into_nothing() {
        use std::io::Write;
        let tree = Tree::new();
        let mut kept = File::create(tree.source().join("module.py")).unwrap();
        kept.write_all(b"good").unwrap();
        tree.seal(None).unwrap();
        kept.write_all(b" and evil").unwrap();
        assert_eq!(std::fs::read_to_string(tree.target().join("module.py")).unwrap(), "good");
    }

    #[test]
    fn shares_what_is_the_same_and_copies_what_is_not() {
        let tree = Tree::new();
        let previous = tree.scratch.path().join("1");
        std::fs::create_dir(&previous).unwrap();
        for (name, before, now) in [
            ("same", "content", "content"),
            ("changed", "content", "contenT"),
            ("longer", "content", "content+"),
            ("program", "x", "x"),
        ] {
            std::fs::write(previous.join(name), before).unwrap();
            std::fs::set_permissions(previous.join(name), Permissions::from_mode(0o644)).unwrap();
            std::fs::write(tree.source().join(name), now).unwrap();
        }
        std::fs::set_permissions(tree.source().join("program"), Permissions::from_mode(0o700)).unwrap();
        symlink("same", previous.join("link")).unwrap();
        std::fs::write(tree.source().join("link"), "content").unwrap();
        let sealed = tree.seal(Some(&previous)).unwrap();
        assert_eq!((sealed.bytes, sealed.own_bytes), (7 + 7 + 8 + 1 + 7, 7 + 8 + 1 + 7));
        let inode = |path: PathBuf| std::fs::symlink_metadata(path).unwrap().ino();
        for name in ["same", "changed", "longer", "program", "link"] {
            let shared = inode(previous.join(name)) == inode(tree.target().join(name));
            assert_eq!(shared, name == "same", "{name}");
        }
        assert_eq!(std::fs::read_to_string(tree.target().join("changed")).unwrap(), "contenT");
        assert_eq!(mode(&tree.target().join("program")), 0o755);
    }

    #[test]
    fn refuses_links_that_lead_out() {
        for target in ["/etc/passwd", "../../etc/passwd", "../..", "self/..", "/usr/bin/python3.12"] {
            let tree = Tree::new();
            symlink(target, tree.source().join("bin/link")).unwrap();
            let error = tree.refused();
            assert!(error.contains(&format!("it is a link to `{target}`")), "{error}");
        }
    }

    #[test]
    fn refuses_what_belongs_to_somebody_else() {
        if !nix::unistd::Uid::effective().is_root() {
            return;
        }
        let tree = Tree::new();
        let outside = tree.scratch.path().join("outside");
        std::fs::write(&outside, "").unwrap();
        chown(&outside, Some(20_001), None).unwrap();
        std::fs::hard_link(&outside, tree.source().join("inside")).unwrap();
        assert!(tree.refused().contains("it belongs to uid 20001, expected 0"), "{}", tree.refused());
    }

    #[test]
    fn what_was_installed_out_of_the_cache_is_copied() {
        let tree = Tree::new();
        std::fs::create_dir(tree.source().join(".cache")).unwrap();
        std::fs::write(tree.source().join(".cache/module.py"), "x").unwrap();
        std::fs::hard_link(tree.source().join(".cache/module.py"), tree.source().join("module.py")).unwrap();
        assert_eq!(tree.seal(None).unwrap().files, 1);
        assert_eq!(std::fs::metadata(tree.target().join("module.py")).unwrap().nlink(), 1);
    }

    #[test]
    fn bytecode_comes_along_with_the_module_that_is_the_same() {
        let tree = Tree::new();
        let previous = tree.scratch.path().join("1");
        std::fs::create_dir_all(previous.join("lib/__pycache__")).unwrap();
        std::fs::create_dir_all(tree.source().join("lib/__pycache__")).unwrap();
        for (name, before, now) in [("same", "1", "1"), ("changed", "1", "2"), ("new", "", "3"), ("made", "4", "4")] {
            if !before.is_empty() {
                std::fs::write(previous.join(format!("lib/{name}.py")), before).unwrap();
                std::fs::set_permissions(previous.join(format!("lib/{name}.py")), Permissions::from_mode(0o644)).unwrap();
                std::fs::write(previous.join(format!("lib/__pycache__/{name}.cpython-311.pyc")), "old").unwrap();
            }
            std::fs::write(tree.source().join(format!("lib/{name}.py")), now).unwrap();
        }
        std::fs::write(tree.source().join("lib/__pycache__/made.cpython-311.pyc"), "new").unwrap();
        tree.seal(Some(&previous)).unwrap();
        let bytecode =
            |name: &str| std::fs::read_to_string(tree.target().join(format!("lib/__pycache__/{name}.cpython-311.pyc"))).ok();
        assert_eq!(bytecode("same").as_deref(), Some("old"));
        assert_eq!((bytecode("changed"), bytecode("new"), bytecode("made").as_deref()), (None, None, Some("new")));
    }

    #[test]
    fn refuses_directories_that_lie_too_deep_in_words() {
        let tree = Tree::new();
        std::fs::create_dir_all(tree.source().join(["d"; MOST_LEVELS].join("/"))).unwrap();
        tree.seal(None).unwrap();
        let tree = Tree::new();
        std::fs::create_dir_all(tree.source().join(["d"; MOST_LEVELS + 1].join("/"))).unwrap();
        let error = tree.refused();
        assert!(error.starts_with("below `d/d/d/d` directories lie too deep inside each other; expected at most 128"), "{error}");
        let tree = Tree::new();
        std::fs::create_dir_all(tree.source().join([&"long".repeat(50)[..]; 11].join("/"))).unwrap();
        assert!(tree.refused().contains("a path of 2048 bytes\nhint: leave out the package"));
    }

    #[test]
    fn refuses_what_is_no_file() {
        let tree = Tree::new();
        nix::unistd::mkfifo(&tree.source().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = tree.refused();
        assert!(error.ends_with("it is a named pipe, expected a file, a directory or a link"), "{error}");
    }
}
