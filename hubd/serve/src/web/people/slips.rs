//! One-time links to hand out: for the screen, for a telephone's camera, and on paper.

use hub_core::accounts::Username;
use jiff::Timestamp;
use qrcodegen::{QrCode, QrCodeEcc};

use super::super::Hub;
use super::super::staff::Staff;

/// White around a code, in modules, as its standard wants it.
const QUIET: i32 = 4;

/// One person's link.
pub(super) struct Slip {
    pub(super) name: Username,
    /// As a class list calls them; else nothing.
    pub(super) full_name: String,
    /// The whole address.
    pub(super) link: String,
    /// "30 November, 14:05 UTC"
    pub(super) expires: String,
    /// The link for a camera; `None`: it is too long for that.
    pub(super) code: Option<Code>,
}

/// A QR code.
pub(super) struct Code {
    /// Its side with the quiet zone, in modules.
    pub(super) side: i32,
    /// The dark modules, as the `d` of a path.
    pub(super) path: String,
}

/// The slip for `name`'s `link`, which is a path where the hub does not know its own address.
pub(super) fn slip(hub: &Hub, staff: &Staff, (name, full_name): (&Username, &str), (link, expires): (&str, &str)) -> Slip {
    let link = if link.starts_with('/') { format!("{}{link}", origin(hub, staff)) } else { link.to_owned() };
    Slip { name: name.clone(), full_name: full_name.to_owned(), expires: moment(expires), code: code(&link), link }
}

/// Where people log in, for the slips.
pub(super) fn login_address(hub: &Hub, staff: &Staff) -> String {
    let config = hub.config.get();
    let own = config.hub.url.clone().unwrap_or_else(|| format!("{}{}", origin(hub, staff), config.hub.base()));
    own.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/').to_owned()
}

/// Where this visitor reached the hub: what is in their address bar is likely to be what others can use, too.
fn origin(hub: &Hub, staff: &Staff) -> String {
    let configured = hub.config.get().hub.origin().map(str::to_owned);
    let scheme = if staff.visitor.client.https { "https" } else { "http" };
    configured.or_else(|| staff.visitor.host.as_ref().map(|host| format!("{scheme}://{host}"))).unwrap_or_default()
}

fn moment(text: &str) -> String {
    let time: Result<Timestamp, _> = text.parse();
    time.map_or_else(|_| text.to_owned(), |time| time.strftime("%-d %B, %H:%M UTC").to_string())
}

fn code(text: &str) -> Option<Code> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            // Side by side they are one: a class has hundreds of these on a page.
            let dark = (x..code.size()).take_while(|x| code.get_module(*x, y)).count();
            if dark > 0 {
                path += &format!("M{},{}h{dark}v1h-{dark}z", x + QUIET, y + QUIET);
            }
            x += i32::try_from(dark).unwrap_or(i32::MAX).max(1);
        }
    }
    Some(Code { side: code.size() + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_dated_in_words() {
        assert_eq!(moment("2026-11-30T14:05:59Z"), "30 November, 14:05 UTC");
        assert_eq!(moment("soon"), "soon");
    }

    #[test]
    fn a_code_has_its_corners_and_its_quiet_zone() {
        let code = code("http://192.0.2.1/hub/link/abc").unwrap();
        assert!(code.path.starts_with("M4,4h7v1h-7zM"), "{}", &code.path[..40]);
        let far = format!("M{},4h7v1h-7z", code.side - 11);
        assert!(code.path.contains(&far) && !code.path.contains("M0,") && !code.path.contains(",3h"));
        assert!(super::code(&"x".repeat(4000)).is_none());
    }
}
