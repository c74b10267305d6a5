//! The distribution's own pip, run out of the wheel that it keeps for new environments.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use hub_system::distribution::{PIP_WHEELS, PYTHON};

/// Runs pip out of its wheel: the wheel, then pip's arguments. All it says goes to standard error, as it says it.
/// Conditions like `; python_version < '3.13'` it judges by the Python it runs on, whatever `--python-version` says.
const RUN: &str = "\
import os, runpy, sys
os.dup2(2, 1)
sys.path.insert(0, sys.argv.pop(1))
for version in [word.split('=')[1] for word in sys.argv if word.startswith('--python-version=')]:
    from pip._vendor.packaging import markers
    own = markers.default_environment
    told = {'python_full_version': version, 'python_version': '.'.join(version.split('.')[:2])}
    markers.default_environment = lambda: {**own(), **told}
runpy.run_module('pip', run_name='__main__', alter_sys=True)
";
/// Downloads what a file of requirements names by hash, and runs nothing of it.
const DOWNLOAD: [&str; 8] = [
    "download",
    "--no-input",
    "--no-cache-dir",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
];

/// The program and its arguments that download the wheels of `requirements` into `directory`, for the Python of the version
/// `python` where that is not the distribution's.
///
/// # Errors
/// When the distribution's pip is not there.
pub fn download(requirements: &Path, directory: &Path, python: Option<&str>) -> Result<Vec<String>> {
    let mut command: Vec<String> = [PYTHON, "-I", "-c", RUN].map(str::to_owned).into();
    command.push(wheel()?.display().to_string());
    command.extend(DOWNLOAD.map(str::to_owned));
    command.extend(python.map(|version| format!("--python-version={version}")));
    command.extend([format!("--dest={}", directory.display()), format!("--requirement={}", requirements.display())]);
    Ok(command)
}

fn wheel() -> Result<PathBuf> {
    for entry in fs_err::read_dir(PIP_WHEELS)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("pip-") && name.ends_with(".whl") {
            return Ok(path);
        }
    }
    None.with_context(|| format!("no pip in `{PIP_WHEELS}`\nhint: apt-get install --reinstall python3-pip-whl"))
}
