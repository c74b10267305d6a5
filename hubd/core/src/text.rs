//! From the bytes of a file that a person wrote to its text, whatever program saved it: UTF-8 with or without a byte order
//! mark, UTF-16 with one, line ends of Windows, a remark in an old encoding. Every file that is judged is read through this.
//! What changes on the way is said; what can't be read has a place. Pure.

mod kind;

use std::borrow::Cow;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

pub use kind::Kind;

/// `text` with each letter and its marks as one character where there is one (Unicode NFC), as most keyboards send it.
pub fn composed(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// `text` with the marks behind their letters (Unicode NFD), as some programs of macOS send it.
pub fn decomposed(text: &str) -> Cow<'_, str> {
    DecomposingNormalizerBorrowed::new_nfd().normalize(text)
}

/// Whether `c` is not seen, or makes the text around it look like another one: marks of the reading direction, separators of
/// lines, joiners, tags. Some scripts need the two joiners; whoever shows such text lets them pass.
pub fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The joiners, without which some scripts are written wrongly.
pub fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// `text` for a line of a log: cut after `most` bytes or so, which is said, with how long it was.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}... ({} bytes)", &text[..text.floor_char_boundary(most)], text.len()))
}

/// A text that can be judged.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text: no byte order mark, Unix line ends, no NUL.
    pub text: String,
    /// What was changed, one sentence each.
    pub notices: Vec<&'static str>,
    /// Whether letters beyond ASCII are a guess: the file was read as Windows-1252. Only [`decode_guessing`] does that to
    /// more than comments.
    pub is_guessed: bool,
}

/// Why bytes are no such text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    /// More than is allowed, in bytes.
    #[error("it has more than {} kB", .0 / 1024)]
    TooLarge(u64),
    /// It is a file of another kind.
    #[error("it is {}, not text", .0.name())]
    Other(Kind),
    /// It has the byte order mark of UTF-16, and then something else.
    #[error("it begins like UTF-16, and is not")]
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
    /// A byte that no text has.
    #[error("line {line}, column {column}: a NUL character")]
    Nul {
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// Where it is, in bytes of the text.
        at: usize,
    },
}

impl NoText {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "long lists of people belong into the hub: hubctl user add --from FILE",
            Self::Other(kind) => kind.hint(),
            Self::Utf16 | Self::NotUtf8 { .. } => "save it as UTF-8 in the editor",
            Self::Nul { .. } => "it is not plain text, or UTF-16 without a byte order mark; save it as UTF-8 in the editor",
        }
    }
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const MARK: &str = "It begins with a byte order mark, which is left out.";
const WINDOWS_ENDS: &str = "Its lines end as on Windows (CR LF); they are saved with Unix line ends.";
const WAS_UTF16: &str = "It is UTF-16, as PowerShell and some spreadsheets write it; it is read as UTF-8.";
const OLD_COMMENT: &str = "Its comments have letters in an old encoding; they are read as Windows-1252.";
const OLD: &str = "It is not UTF-8; it is read as Windows-1252.";

/// Reads `bytes`, at most `largest`. Comments (from `#`) may be in an old encoding: nothing depends on them.
///
/// # Errors
/// When they are no text, or too many.
pub fn decode(bytes: &[u8], largest: u64) -> Result<Decoded, NoText> {
    decoded(bytes, largest, in_comments)
}

/// The same where a wrong letter does little harm and the caller looks at [`Decoded::is_guessed`]: what is not UTF-8 is read
/// as Windows-1252, which is what spreadsheets save in the west.
///
/// # Errors
/// When they are no text, or too many.
pub fn decode_guessing(bytes: &[u8], largest: u64) -> Result<Decoded, NoText> {
    decoded(bytes, largest, |bytes| Ok((bytes.iter().copied().map(windows_1252).collect(), OLD)))
}

fn decoded(
    bytes: &[u8],
    largest: u64,
    otherwise: impl Fn(&[u8]) -> Result<(String, &'static str), NoText>,
) -> Result<Decoded, NoText> {
    if let Some(kind) = Kind::of(bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes)) {
        return Err(NoText::Other(kind));
    }
    if bytes.len() as u64 > largest {
        return Err(NoText::TooLarge(largest));
    }
    let mut notices = Vec::new();
    let mut is_guessed = false;
    let text = if let Some(wide) = wide(bytes) {
        notices.push(WAS_UTF16);
        wide?
    } else {
        let plain = bytes.strip_prefix(UTF8_MARK).inspect(|_| notices.push(MARK)).unwrap_or(bytes);
        match std::str::from_utf8(plain) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                let (text, notice) = otherwise(plain)?;
                is_guessed = true;
                notices.push(notice);
                text
            }
        }
    };
    if let Some(at) = text.find('\0') {
        let (line, column) = place(&text[..at]);
        return Err(NoText::Nul { line, column, at });
    }
    let text = if text.contains("\r\n") {
        notices.push(WINDOWS_ENDS);
        text.replace("\r\n", "\n")
    } else if text.contains('\n') {
        text
    } else {
        // Macs before this century.
        text.replace('\r', "\n")
    };
    Ok(Decoded { text, notices, is_guessed })
}

/// What has the byte order mark of UTF-16, read as that.
fn wide(bytes: &[u8]) -> Option<Result<String, NoText>> {
    let (bytes, unit): (_, fn([u8; 2]) -> u16) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        _ => return None,
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    Some(if rest.is_empty() { String::from_utf16(&units).map_err(|_| NoText::Utf16) } else { Err(NoText::Utf16) })
}

/// The text of `bytes`, of which only comments are not UTF-8.
fn in_comments(bytes: &[u8]) -> Result<(String, &'static str), NoText> {
    let mut text = String::with_capacity(bytes.len());
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(error) => {
                let stranger = error.valid_up_to();
                let Some(said) = comment(&line[..stranger]).and_then(|at| std::str::from_utf8(&line[..at]).ok()) else {
                    let at = start + stranger;
                    let (line, column) = place(&String::from_utf8_lossy(&bytes[..at]));
                    return Err(NoText::NotUtf8 { line, column, byte: bytes.get(at).copied().unwrap_or_default(), at });
                };
                text.push_str(said);
                text.extend(line[said.len()..].iter().copied().map(windows_1252));
            }
        }
        start += line.len();
    }
    Ok((text, OLD_COMMENT))
}

/// Where a comment begins in the beginning of a line: a `#` at its start or after a blank, outside of quotes.
fn comment(line: &[u8]) -> Option<usize> {
    let (mut before, mut quote) = (b' ', None);
    for (at, &byte) in line.iter().enumerate() {
        match (byte, quote) {
            (b'#', None) if before.is_ascii_whitespace() => return Some(at),
            (b'"' | b'\'', None) => quote = Some(byte),
            (_, Some(open)) if byte == open => quote = None,
            _ => {}
        }
        before = byte;
    }
    None
}

/// Line and column, from 1, of what follows `before`.
fn place(before: &str) -> (usize, usize) {
    (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

/// The letters of Windows-1252 that differ from Latin-1; five places have none.
const FROM_0X80: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“', '”',
    '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn windows_1252(byte: u8) -> char {
    byte.checked_sub(0x80).and_then(|at| FROM_0X80.get(usize::from(at))).copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: u64 = 1 << 20;

    fn read(bytes: &[u8]) -> Result<Decoded, NoText> {
        decode(bytes, LARGEST)
    }

    #[test]
    fn what_windows_editors_add_is_left_out_and_said() {
        let decoded = read(b"\xef\xbb\xbf[hub]\r\nname = \"\xc3\xa4\"\r\n").unwrap();
        assert_eq!(decoded.text, "[hub]\nname = \"ä\"\n");
        assert_eq!(decoded.notices, [MARK, WINDOWS_ENDS]);
        assert_eq!(read(b"[hub]\n").unwrap(), Decoded { text: "[hub]\n".to_owned(), notices: vec![], is_guessed: false });
        assert_eq!(read(b"ada\rbob\r").unwrap().text, "ada\nbob\n");
    }

    #[test]
    fn utf_16_is_read_in_both_orders() {
        let units: Vec<u16> = "pandas # f\u{fc}r \u{1f40d}\r\n".encode_utf16().collect();
        let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(units.iter().flat_map(|unit| unit.to_le_bytes())).collect();
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(units.iter().flat_map(|unit| unit.to_be_bytes())).collect();
        for bytes in [little, big] {
            let decoded = read(&bytes).unwrap();
            assert_eq!(decoded.text, "pandas # für 🐍\n");
            assert_eq!(decoded.notices, [WAS_UTF16, WINDOWS_ENDS]);
        }
        for broken in [&b"\xff\xfea"[..], b"\xff\xfe\x00\xd8"] {
            assert_eq!(read(broken).unwrap_err(), NoText::Utf16);
        }
    }

    #[test]
    fn a_comment_may_be_in_an_old_encoding() {
        for (bytes, text) in [
            (&b"# Caf\xe9\npandas\n"[..], "# Café\npandas\n"),
            (b"pandas\t# f\xfcr \x80 5\nnumpy\n", "pandas\t# für € 5\nnumpy\n"),
            (b"tomli; python_version < \"3.11\" # \xe4lter\n", "tomli; python_version < \"3.11\" # älter\n"),
        ] {
            let decoded = read(bytes).unwrap();
            assert_eq!((decoded.text.as_str(), decoded.is_guessed), (text, true));
            assert_eq!(decoded.notices, [OLD_COMMENT]);
        }
        for (bytes, place) in [
            (&b"[hub]\nname = \"K\xf6ln\"\n"[..], "line 2, column 10: byte 0xf6 is not UTF-8"),
            (b"name = \"a # K\xf6ln\"\n", "line 1, column 14: byte 0xf6 is not UTF-8"),
            (b"# fine \xe4\npan\xe4s # x\n", "line 2, column 4: byte 0xe4 is not UTF-8"),
            (b"https://x/#\xe4\n", "line 1, column 12: byte 0xe4 is not UTF-8"),
        ] {
            assert_eq!(read(bytes).unwrap_err().to_string(), place);
        }
    }

    #[test]
    fn guessing_is_said() {
        let decoded = decode_guessing(b"M\xfcller;Zo\xeb \x8aimon\n", LARGEST).unwrap();
        assert_eq!(decoded, Decoded { text: "Müller;Zoë Šimon\n".to_owned(), notices: vec![OLD], is_guessed: true });
        assert!(!decode_guessing("Müller\n".as_bytes(), LARGEST).unwrap().is_guessed);
    }

    #[test]
    fn what_is_no_text_says_where_and_what() {
        for (bytes, message) in [
            (&b"\xff"[..], "line 1, column 1: byte 0xff is not UTF-8"),
            (b"\xef\xbb\xbf\xff", "line 1, column 1: byte 0xff is not UTF-8"),
            (b"ab\xc3", "line 1, column 3: byte 0xc3 is not UTF-8"),
            (b"a\nb\0c", "line 2, column 2: a NUL character"),
            (b"a\0d\0a\0", "line 1, column 2: a NUL character"),
            (b"\xff\xfe\0\0a\0\0\0", "line 1, column 1: a NUL character"),
        ] {
            assert_eq!(read(bytes).unwrap_err().to_string(), message);
        }
        assert_eq!(read(b"%PDF-1.4\n").unwrap_err().to_string(), "it is a PDF, not text");
        assert_eq!(read(&vec![b'#'; 10 << 20]).unwrap_err().to_string(), "it has more than 1024 kB");
        assert!(read(&vec![b'#'; 1 << 20]).is_ok());
    }
}
