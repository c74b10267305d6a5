//! From the bytes of a file to the text of a configuration: UTF-8, no byte order mark, Unix line ends. What Windows editors
//! add is left out and said. Pure.

/// A configuration is text, and no larger than this.
pub(super) const LARGEST_FILE: u64 = 1024 * 1024;

/// A text that can be read as a configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// What was left out, one sentence each.
    pub(super) notices: Vec<&'static str>,
}

/// Reads `bytes`; an error says what they are instead, and what to do.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, (String, Option<&'static str>)> {
    if bytes.len() as u64 > LARGEST_FILE {
        let hint = "long lists of people belong into the hub: hubctl user add --from FILE";
        return Err((format!("it has more than {} kB", LARGEST_FILE / 1024), Some(hint)));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(("it is UTF-16; expected UTF-8".to_owned(), Some("save it as UTF-8 in the editor")));
    }
    let mut notices = Vec::new();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
            let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            let message = format!("line {line}, column {column}: byte 0x{byte:02x} is not UTF-8");
            return Err((message, Some("save it as UTF-8 in the editor")));
        }
    };
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
            (b"\xff\xfe[\0", "it is UTF-16; expected UTF-8"),
            (b"ab\xc3", "line 1, column 3: byte 0xc3 is not UTF-8"),
        ] {
            assert_eq!(decode(bytes).unwrap_err().0, message);
        }
        assert_eq!(decode(&vec![b'#'; 10 << 20]).unwrap_err().0, "it has more than 1024 kB");
        assert!(decode(&vec![b'#'; 1 << 20]).is_ok());
    }
}
