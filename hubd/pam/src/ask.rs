//! PAM itself: authentication and account, no session, no change of a password.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;

use nonstick::conv::ConversationAdapter;
use nonstick::handle::PamShared;
use nonstick::items::{Items, ItemsMut};
use nonstick::{AuthnFlags, ErrorCode, Transaction, TransactionBuilder};

/// The name of the service file.
const SERVICE: &str = "hubd";
/// Where it may be. Without one libpam takes that of the service `other`, which is made for something else.
const PLACES: [&str; 3] = ["/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"];
/// What modules say is shown up to so many lines, and so many characters of each.
const MOST_LINES: usize = 8;
const LONGEST_LINE: usize = 300;

/// What PAM is asked.
pub(crate) struct Question<'question> {
    /// As the machine writes it.
    pub(crate) name: &'question str,
    pub(crate) password: &'question str,
    pub(crate) source: Option<IpAddr>,
}

/// What it says.
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// What modules want whoever logs in to read.
    pub(crate) messages: Vec<String>,
}

/// What came of it; texts are for whoever runs the machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Allowed,
    Wrong(String),
    Expired,
    Locked(String),
    Unavailable(String),
}

/// Asks PAM. It may take as long as its modules do.
pub(crate) fn ask(question: &Question<'_>) -> Answer {
    let said = Rc::new(Said::default());
    if !PLACES.iter().any(|place| Path::new(place).join(SERVICE).is_file()) {
        let why = format!("there is no service file /etc/pam.d/{SERVICE}; `hub-installer install` puts it there");
        return Answer { outcome: Outcome::Unavailable(why), messages: Vec::new() };
    }
    let outcome = try_to(question, &said).unwrap_or_else(|outcome| outcome);
    Answer { outcome, messages: said.lines.take() }
}

fn try_to(question: &Question<'_>, said: &Rc<Said>) -> Result<Outcome, Outcome> {
    let talk = Talk { password: question.password.into(), is_told: Cell::new(false), said: Rc::clone(said) };
    let unavailable = |error: ErrorCode| Outcome::Unavailable(format!("{error} ({error:?})"));
    let mut pam = TransactionBuilder::new_with_service(SERVICE)
        .username(question.name)
        .build(talk.into_conversation())
        .map_err(unavailable)?;
    if let Some(source) = question.source {
        pam.items_mut().set_remote_host(Some(OsStr::new(&source.to_string()))).map_err(unavailable)?;
    }
    pam.authenticate(AuthnFlags::DISALLOW_NULL_AUTHTOK).map_err(not_authentic)?;
    pam.account_management(AuthnFlags::DISALLOW_NULL_AUTHTOK).map_err(not_in_order)?;
    // A module may take somebody for somebody else.
    let answered = pam.items().user().map_err(unavailable)?;
    match answered {
        Some(name) if name == question.name => Ok(Outcome::Allowed),
        other => {
            let other = other.unwrap_or_default();
            Err(Outcome::Wrong(format!("PAM was asked about `{}` and answers for {other:?}", question.name)))
        }
    }
}

fn not_authentic(error: ErrorCode) -> Outcome {
    let why = format!("{error} ({error:?})");
    match error {
        ErrorCode::AuthenticationError
        | ErrorCode::UserUnknown
        | ErrorCode::MaxTries
        | ErrorCode::PermissionDenied
        | ErrorCode::CredentialsInsufficient
        | ErrorCode::ConversationError => Outcome::Wrong(why),
        ErrorCode::NewAuthTokRequired | ErrorCode::AuthTokExpired | ErrorCode::CredentialsExpired => Outcome::Expired,
        ErrorCode::AccountExpired => Outcome::Locked(why),
        _ => Outcome::Unavailable(why),
    }
}

/// The password was right.
fn not_in_order(error: ErrorCode) -> Outcome {
    let why = format!("{error} ({error:?})");
    match error {
        ErrorCode::NewAuthTokRequired | ErrorCode::AuthTokExpired | ErrorCode::CredentialsExpired => Outcome::Expired,
        ErrorCode::AccountExpired | ErrorCode::PermissionDenied | ErrorCode::AuthenticationError | ErrorCode::UserUnknown => {
            Outcome::Locked(why)
        }
        _ => Outcome::Unavailable(why),
    }
}

/// What modules said.
#[derive(Default)]
struct Said {
    lines: RefCell<Vec<String>>,
}

impl Said {
    fn add(&self, text: &OsStr) {
        let mut lines = self.lines.borrow_mut();
        for line in text.to_string_lossy().lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).take(LONGEST_LINE).collect();
            if lines.len() < MOST_LINES && !line.trim().is_empty() {
                lines.push(line.trim().to_owned());
            }
        }
    }
}

/// Who answers the modules: with the password, once, where something is asked that is not shown while it is typed.
struct Talk {
    password: OsString,
    is_told: Cell<bool>,
    said: Rc<Said>,
}

impl ConversationAdapter for Talk {
    fn prompt(&self, _: impl AsRef<OsStr>) -> nonstick::Result<OsString> {
        Err(ErrorCode::ConversationError)
    }

    fn masked_prompt(&self, _: impl AsRef<OsStr>) -> nonstick::Result<OsString> {
        // A second question is for something else, a code or a new password: there is nobody to ask.
        if self.is_told.replace(true) { Err(ErrorCode::ConversationError) } else { Ok(self.password.clone()) }
    }

    fn error_msg(&self, message: impl AsRef<OsStr>) {
        self.said.add(message.as_ref());
    }

    fn info_msg(&self, message: impl AsRef<OsStr>) {
        self.said.add(message.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_gets_the_password_once_and_nothing_else() {
        let talk = Talk { password: "secret".into(), is_told: Cell::new(false), said: Rc::default() };
        assert!(talk.prompt("login:").is_err());
        assert_eq!(talk.masked_prompt("Password: ").unwrap(), "secret");
        assert!(talk.masked_prompt("One-time code: ").is_err());
    }

    #[test]
    fn what_modules_say_is_bounded_and_plain() {
        let said = Said::default();
        said.add(OsStr::new("Your password\u{1b}[31m has expired\n\n  ask the help desk  "));
        said.add(OsStr::new(&"x\n".repeat(1000)));
        said.add(OsStr::new(&"y".repeat(10_000)));
        let lines = said.lines.take();
        assert_eq!(&lines[..2], ["Your password[31m has expired", "ask the help desk"]);
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines.iter().all(|line| line.chars().count() <= LONGEST_LINE));
    }

    #[test]
    fn only_a_right_password_says_more_than_wrong() {
        for error in [ErrorCode::AuthenticationError, ErrorCode::UserUnknown, ErrorCode::MaxTries, ErrorCode::PermissionDenied] {
            assert!(matches!(not_authentic(error), Outcome::Wrong(_)), "{error:?}");
        }
        for error in [ErrorCode::AuthInfoUnavailable, ErrorCode::SystemError, ErrorCode::OpenError, ErrorCode::Abort] {
            assert!(matches!(not_authentic(error), Outcome::Unavailable(_)), "{error:?}");
            assert!(matches!(not_in_order(error), Outcome::Unavailable(_)), "{error:?}");
        }
        assert_eq!(not_in_order(ErrorCode::NewAuthTokRequired), Outcome::Expired);
        assert!(matches!(not_in_order(ErrorCode::AccountExpired), Outcome::Locked(_)));
        assert!(matches!(not_in_order(ErrorCode::PermissionDenied), Outcome::Locked(_)));
    }
}
