//! Which `uv` builds environments, and how it gets out of its wheel. Downloading is the installer's work (pip's, in fact).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use hub_system::command::Command;
use hub_system::scratch::Scratch;

/// The pinned version.
pub const VERSION: &str = "0.13.7";
/// The SHA-256 of its wheels for Linux, on x86-64 and on arm64.
const WHEELS: [&str; 2] = [
    "2c9bdc4a872b60a93c5f26c0791089ea11585a4f9d3b3c017d78eb8487505e25",
    "08f16fd463926786b702b497473511deae4b3e17a2fa6d22180950d6059a120d",
];
const UNPACK_TIMEOUT: Duration = Duration::from_secs(60);
/// Copies one member of an archive: source, member, target. Python is there before anything of ours is.
const COPY_MEMBER: &str = "\
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(sys.argv[2]) as source, open(sys.argv[3], 'xb') as target:
    shutil.copyfileobj(source, target)
";

/// What pip is asked for: this version, and no other content than one of these wheels (x86-64 and arm64).
pub fn requirement() -> String {
    let hashes = WHEELS.map(|sha256| format!(" --hash=sha256:{sha256}"));
    format!("uv=={VERSION}{}\n", hashes.concat())
}

/// Takes the program out of the wheel at `wheel` (checked before) and puts it at `target`, mode 0755.
///
/// # Errors
/// When the wheel can't be read, or the target's directory not be written.
pub fn unpack(python: &Path, wheel: &Path, target: &Path) -> Result<()> {
    let directory = target.parent().with_context(|| format!("`{}` has no parent directory", target.display()))?;
    let unpack = || -> Result<()> {
        let scratch = Scratch::new(directory, ".uv-")?;
        let program = scratch.path().join("uv");
        Command::new(python, UNPACK_TIMEOUT)
            .args(["-I", "-c", COPY_MEMBER])
            .args([wheel.to_string_lossy(), format!("uv-{VERSION}.data/scripts/uv").into(), program.to_string_lossy()])
            .run()?;
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        fs_err::File::open(&program)?.sync_all()?;
        Ok(fs_err::rename(&program, target)?)
    };
    unpack().with_context(|| format!("unpacking `{}` to `{}`", wheel.display(), target.display()))
}

/// `bytes` as lower-case hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_one_version_and_known_content() {
        let requirement = requirement();
        let mut words = requirement.split_whitespace();
        assert_eq!(words.next(), Some("uv==0.13.7"));
        for word in words {
            let sha256 = word.strip_prefix("--hash=sha256:").unwrap();
            assert!(sha256.len() == 64 && sha256.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()), "{sha256}");
        }
    }
}
