//! Random secrets that are handed out once and kept only as hashes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Length of a token's text: 32 bytes in base64.
const TEXT_LENGTH: usize = 43;

/// What is kept of a [`Token`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// 256 random bits in a form that fits in a URL and a cookie. Shows in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads what somebody sent; `None`: can't be one of ours. Costs the same small time whatever was sent.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (text.len() == TEXT_LENGTH && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The secret itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What to keep of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl std::fmt::Display for TokenHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::str::FromStr for TokenHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("expected 32 bytes in base64url")
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(hidden)")
    }
}

impl TokenHash {
    /// A text that only the holder of this hash can make, different for each `purpose`.
    pub fn derive(&self, purpose: &str) -> String {
        let mut digest = Sha256::new();
        digest.update(purpose.as_bytes());
        digest.update([0]);
        digest.update(self.0);
        URL_SAFE_NO_PAD.encode(digest.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_its_own_tokens_and_nothing_else() {
        let token = Token::random().unwrap();
        assert!(Token::parse(token.as_str()).is_some_and(|parsed| parsed == token));
        let long = "a".repeat(1 << 20);
        for text in ["", "a", &"a".repeat(42), &"a".repeat(44), &format!("{} ", "a".repeat(42)), &"ä".repeat(22), &long] {
            assert!(Token::parse(text).is_none(), "{:?} was accepted", text.get(..50));
        }
    }

    #[test]
    fn hashes_are_written_and_read() {
        let hash = Token::random().unwrap().hash();
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!(["", "AAAA", "not base64!"].iter().all(|text| text.parse::<TokenHash>().is_err()));
    }

    #[test]
    fn derives_different_texts_for_different_purposes_and_tokens() {
        let (one, two) = (Token::random().unwrap().hash(), Token::random().unwrap().hash());
        assert_eq!(one.derive("a"), one.derive("a"));
        assert_ne!(one.derive("a"), one.derive("b"));
        assert_ne!(one.derive("a"), two.derive("a"));
    }
}
