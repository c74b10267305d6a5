//! What an authority may call a file of its answers. Pure.

/// Whether `text` can be the token of a challenge; nothing that is one leaves a directory.
pub fn is_token(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether `text` can be the name of a host, in small letters; nothing that is one leaves a directory.
pub fn is_server_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(is_letter) && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_never_leaves_the_directory() {
        for (text, token, name) in [
            ("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA", true, false),
            ("hub.example.org", false, true),
            ("a", true, true),
            ("", false, false),
            (".", false, false),
            ("..", false, false),
            ("../private/ca.key", false, false),
            ("a/b", false, false),
            ("a\0", false, false),
        ] {
            assert_eq!((is_token(text), is_server_name(text)), (token, name), "{text:?}");
        }
    }
}
