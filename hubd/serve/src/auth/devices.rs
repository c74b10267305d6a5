//! Browsers that got in before. Each keeps a cookie with one entry for each of the last people who logged in with it; an
//! entry proves that, for that person only, and gives nothing but tries of its own: whoever else fails in that person's
//! name, from wherever, does not use them up.

use http::HeaderMap;
use hub_core::token::{Token, TokenHash};
use sha2::{Digest, Sha256};

use super::sessions::values;

/// The cookie over plain http, and over https.
const NAMES: [&str; 2] = ["hubd-browser", "__Host-hubd-browser"];
/// As long as browsers keep a cookie.
const COOKIE_SECONDS: u32 = 400 * 86_400;
/// People whom one browser is remembered for; a classroom's computer forgets those before.
const MOST_PEOPLE: usize = 8;
/// Cookies of our name that are looked at.
const MOST_COOKIES: usize = 2;
/// What is kept of a random token (132 bits), and of the proof that it is ours.
const HALF: usize = 22;

/// Makes and knows entries.
#[derive(Clone)]
pub(super) struct Devices {
    key: TokenHash,
}

impl Devices {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key: TokenHash(key) }
    }

    /// The browser that sent this, if it got in as `account` (any text) before.
    pub(super) fn find(&self, headers: &HeaderMap, https: bool, account: &str) -> Option<u64> {
        let ours = |entry: &&str| self.is_for(entry, account);
        entries(headers, https).into_iter().find(|entry| ours(&entry.as_str())).map(|entry| number(&entry))
    }

    /// The value of the `Set-Cookie` header after `account` got in.
    pub(super) fn remember(&self, headers: &HeaderMap, https: bool, account: &str) -> Result<String, getrandom::Error> {
        let mut kept = entries(headers, https);
        kept.retain(|entry| !self.is_for(entry, account));
        let token = Token::random()?;
        let random = &token.as_str()[..HALF];
        kept.insert(0, format!("{random}{}", self.proof(random, account)));
        kept.truncate(MOST_PEOPLE);
        let (name, secure) = (NAMES[usize::from(https)], if https { "; Secure" } else { "" });
        Ok(format!("{name}={}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}", kept.join(".")))
    }

    fn is_for(&self, entry: &str, account: &str) -> bool {
        let (random, proof) = entry.split_at(HALF);
        let expected = self.proof(random, account);
        expected.bytes().zip(proof.bytes()).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }

    fn proof(&self, random: &str, account: &str) -> String {
        self.key.derive(&format!("hubd browser {random} {account}"))[..HALF].to_owned()
    }
}

/// The well-formed entries that a browser sent, a bounded number.
fn entries(headers: &HeaderMap, https: bool) -> Vec<String> {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let well_formed = |entry: &&str| entry.len() == 2 * HALF && is_plain(entry);
    let values = values(headers, NAMES[usize::from(https)]).take(MOST_COOKIES);
    values.flat_map(|value| value.split('.').take(MOST_PEOPLE)).filter(well_formed).map(str::to_owned).collect()
}

fn number(entry: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(entry.as_bytes()).into();
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn sent(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookie.split(';').next().unwrap().parse().unwrap())])
    }

    #[test]
    fn an_entry_is_good_for_one_person_of_one_hub() {
        let devices = Devices::new([1; 32]);
        let cookie = devices.remember(&HeaderMap::new(), false, "ada").unwrap();
        let browser = devices.find(&sent(&cookie), false, "ada");
        assert!(browser.is_some());
        for (devices, https, account) in
            [(Devices::new([2; 32]), false, "ada"), (devices.clone(), true, "ada"), (devices, false, "bob")]
        {
            assert_eq!(devices.find(&sent(&cookie), https, account), None);
        }
    }

    #[test]
    fn a_shared_browser_is_remembered_for_its_last_people() {
        let devices = Devices::new([1; 32]);
        let mut headers = HeaderMap::new();
        for number in [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8] {
            headers = sent(&devices.remember(&headers, true, &format!("student{number}")).unwrap());
        }
        let known: Vec<bool> = (0..9).map(|number| devices.find(&headers, true, &format!("student{number}")).is_some()).collect();
        assert_eq!(known, [false, true, true, true, true, true, true, true, true]);
        assert!(headers[COOKIE].len() < 400, "{} bytes", headers[COOKIE].len());
    }

    #[test]
    fn rubbish_is_nobodys_browser() {
        let devices = Devices::new([1; 32]);
        for cookie in ["hubd-browser=", "hubd-browser=....", "hubd-browser=\u{e9}", "hubd-browser", "hubd-browser=x.y"] {
            let headers = HeaderMap::from_iter([(COOKIE, http::HeaderValue::from_bytes(cookie.as_bytes()).unwrap())]);
            assert_eq!(devices.find(&headers, false, "ada"), None, "{cookie}");
        }
    }
}
