//! From the bytes of a file to the text of a configuration: UTF-8, no byte order mark, Unix line ends. What Windows editors
//! add is left out and said. Pure.

/// No configuration is larger, in bytes.
pub const LARGEST: u64 = 1 << 20;

/// A text that can be read as a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// What was left out, one sentence each.
    pub notices: Vec<&'static str>,
}

/// Why bytes are no such text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    /// More than [`LARGEST`].
    #[error("it has more than {} kB", LARGEST / 1024)]
    TooLarge,
    /// Another encoding, which says so.
    #[error("it is UTF-16; expected UTF-8")]
    Utf16,
    /// Another encoding.
    #[error("line {line}, column {column}: byte 0x{byte:02x} is not UTF-8")]
    NotUtf8 {
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// The first byte that can't be read.
        byte: u8,
        /// Where it is, in bytes.
        at: usize,
    },
}

impl NoText {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge => "long lists of people belong into the hub: hubctl user add --from FILE",
            Self::Utf16 | Self::NotUtf8 { .. } => "save it as UTF-8 in the editor",
        }
    }
}

/// Reads `bytes`.
///
/// # Errors
/// When they are no UTF-8, or too many.
pub fn decode(bytes: &[u8]) -> Result<Decoded, NoText> {
    if bytes.len() as u64 > LARGEST {
        return Err(NoText::TooLarge);
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(NoText::Utf16);
    }
    let mut notices = Vec::new();
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            notices.push("It begins with a byte order mark, which is left out.");
            rest
        }
        None => text,
    };
    let text = if text.contains("\r\n") {
        notices.push("Its lines end as on Windows (CR LF); they are saved with Unix line ends.");
        text.replace("\r\n", "\n")
    } else {
        text.to_owned()
    };
    Ok(Decoded { text, notices })
}

fn not_utf8(bytes: &[u8], at: usize) -> NoText {
    let before = String::from_utf8_lossy(&bytes[..at]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().trim_start_matches('\u{feff}').chars().count() + 1;
    NoText::NotUtf8 { line, column, byte: bytes.get(at).copied().unwrap_or_default(), at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_editors_add_is_left_out_and_said() {
        let decoded = decode(b"\xef\xbb\xbf[hub]\r\nname = \"\xc3\xa4\"\r\n").unwrap();
        assert_eq!(decoded.text, "[hub]\nname = \"ä\"\n");
        assert_eq!(decoded.notices.len(), 2);
        assert_eq!(decode(b"[hub]\n").unwrap(), Decoded { text: "[hub]\n".to_owned(), notices: vec![] });
    }

    #[test]
    fn what_is_no_text_says_where_and_what() {
        for (bytes, message) in [
            (&b"[hub]\nname = \"K\xf6ln\"\n"[..], "line 2, column 10: byte 0xf6 is not UTF-8"),
            (b"\xff", "line 1, column 1: byte 0xff is not UTF-8"),
            (b"\xef\xbb\xbf\xff", "line 1, column 1: byte 0xff is not UTF-8"),
            (b"\xff\xfe[\0", "it is UTF-16; expected UTF-8"),
            (b"ab\xc3", "line 1, column 3: byte 0xc3 is not UTF-8"),
        ] {
            assert_eq!(decode(bytes).unwrap_err().to_string(), message);
        }
        assert_eq!(decode(&vec![b'#'; 10 << 20]).unwrap_err().to_string(), "it has more than 1024 kB");
        assert!(decode(&vec![b'#'; 1 << 20]).is_ok());
    }
}
