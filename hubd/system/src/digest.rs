//! Checksums of files, whatever their size.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

const CHUNK: usize = 128 * 1024;

/// The SHA-256 of a file, in lower-case hexadecimal.
///
/// # Errors
/// When it can't be read.
pub fn of_file(path: &Path) -> Result<String> {
    let read = || of_stream(std::fs::File::open(path)?);
    read().with_context(|| format!("reading `{}`", path.display()))
}

/// The SHA-256 of all that comes from `stream`, in lower-case hexadecimal.
///
/// # Errors
/// When it can't be read.
pub fn of_stream(mut stream: impl Read) -> std::io::Result<String> {
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match stream.read(&mut chunk)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hash.update(&chunk[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_sha256sum() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(of_file(file.path()).unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
