//! Our own files in an environment: the server's start and settings, the student's layer, the kernel.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use hub_core::generation::PAGE;
use hub_core::sys::atomic::{self, Access};

use super::Python;

macro_rules! asset {
    ($name:literal) => {
        include_str!(concat!("assets/", $name))
    };
}

/// The extension. Browsers keep it for ever, so its name changes with it.
const PAGE_SCRIPT: &str = "share/jupyter/labextensions/hubd/static/page.88d5df1c.js";

/// One file, its place below the environment and its mode.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) content: &'static str,
    pub(super) mode: u32,
}

/// What goes over the installed packages.
pub(super) fn files(python: &Python) -> Vec<File> {
    let packages = PathBuf::from("lib").join(python.directory()).join("site-packages");
    let program = |path: &str, content| File { path: path.into(), content, mode: 0o755 };
    let data = |path: PathBuf, content| File { path, content, mode: 0o644 };
    vec![
        data(packages.join("hubd_layer.py"), asset!("hubd_layer.py")),
        data(packages.join("hubd_jupyter/__init__.py"), asset!("hubd_jupyter/__init__.py")),
        data(packages.join("hubd_jupyter/__main__.py"), asset!("hubd_jupyter/__main__.py")),
        data(packages.join("hubd_jupyter/identity.py"), asset!("hubd_jupyter/identity.py")),
        data(packages.join("hubd_jupyter/kernels.py"), asset!("hubd_jupyter/kernels.py")),
        data(packages.join("hubd_jupyter/settings.json"), asset!("hubd_jupyter/settings.json")),
        data(packages.join("hubd_jupyter/page.py"), asset!("hubd_jupyter/page.py")),
        data(packages.join("hubd_jupyter/settings.py"), asset!("hubd_jupyter/settings.py")),
        data(packages.join("hubd_jupyter/shared.py"), asset!("hubd_jupyter/shared.py")),
        data(packages.join("hubd_jupyter/smaller.py"), asset!("hubd_jupyter/smaller.py")),
        data(packages.join("hubd_jupyter/trim.py"), asset!("hubd_jupyter/trim.py")),
        program("bin/git", asset!("git")),
        program("bin/hubd-python", asset!("hubd-python")),
        program("bin/pip", asset!("pip")),
        program("bin/pip3", asset!("pip")),
        program(&format!("bin/pip{}", python.directory().trim_start_matches("python")), asset!("pip")),
        data("share/jupyter/kernels/python3/kernel.json".into(), asset!("kernel.json")),
        data("share/jupyter/lab/settings/overrides.json".into(), asset!("overrides.json")),
        data(PAGE.into(), asset!("labextension/package.json")),
        data(PAGE_SCRIPT.into(), asset!("labextension/page.js")),
        data("share/hubd/Rprofile".into(), asset!("Rprofile")),
        data("share/hubd/kernel.py".into(), asset!("kernel.py")),
    ]
}

/// Whether the environment at `place` has these files as they are in this version.
pub(super) fn is_current(place: &Path, python: &Python) -> bool {
    let is_same = |file: &File| fs_err::read(place.join(&file.path)).is_ok_and(|content| content == file.content.as_bytes());
    files(python).iter().all(is_same)
}

/// Writes the tree below `directory`, for the build to copy.
pub(super) fn write(directory: &Path, python: &Python) -> Result<()> {
    for file in files(python) {
        let path = directory.join(&file.path);
        let parents: Vec<&Path> = path.ancestors().skip(1).take_while(|parent| parent.starts_with(directory)).collect();
        for parent in parents.into_iter().rev() {
            // The build's user must read them, whatever the caller's umask.
            fs_err::create_dir_all(parent)?;
            fs_err::set_permissions(parent, Permissions::from_mode(0o755))?;
        }
        atomic::replace(&path, file.content.as_bytes(), Access::mode(file.mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn every_asset_of_the_server_is_shipped() {
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pyenv/assets/hubd_jupyter");
        let python = Python { interpreter: "/usr/bin/python3.11".into(), version: "3.11.2".to_owned() };
        let shipped = files(&python);
        for entry in std::fs::read_dir(assets).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = Path::new("lib/python3.11/site-packages/hubd_jupyter").join(&name);
            assert!(shipped.iter().any(|file| file.path == path), "{name} is not shipped");
        }
        assert!(shipped.iter().any(|file| file.path == Path::new("bin/pip3.11")));
    }

    #[test]
    fn the_script_of_pages_is_named_by_its_content() {
        let digest = Sha256::digest(asset!("labextension/page.js"));
        let name = format!("static/page.{}.js", digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>());
        assert!(PAGE_SCRIPT.ends_with(&name), "{PAGE_SCRIPT}, expected {name}");
        assert!(asset!("labextension/package.json").contains(&name), "package.json names another script than {name}");
    }

    #[test]
    fn an_environment_of_another_version_is_told_from_one_of_this() {
        let place = tempfile::tempdir().unwrap();
        let python = Python { interpreter: "/usr/bin/python3.11".into(), version: "3.11.2".to_owned() };
        assert!(!is_current(place.path(), &python));
        write(place.path(), &python).unwrap();
        assert!(is_current(place.path(), &python));
        std::fs::write(place.path().join("bin/pip"), "another").unwrap();
        assert!(!is_current(place.path(), &python));
    }

    #[test]
    fn files_that_name_the_environment_agree_with_the_paths() {
        let mount = hub_core::paths::Paths::default().environment_mount();
        for content in [asset!("hubd-python"), asset!("pip"), asset!("kernel.json")] {
            assert!(content.contains(&format!("{}/bin/", mount.display())), "{content}");
        }
    }
}
