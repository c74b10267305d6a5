//! Names of the hub's units: made from a [`Username`] only, and read back.

use std::fmt;

use crate::accounts::Username;
use crate::app_name::AppName;

const SERVER_PREFIX: &str = "hubd-user-";
const SERVER_SUFFIX: &str = ".service";
/// So does logind call it.
const LOGINS_PREFIX: &str = "user-";
const LOGINS_SUFFIX: &str = ".slice";

/// The name of a unit of the hub. There is no way to make one of a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitName(String);

impl UnitName {
    /// The service that runs `name`'s server.
    pub fn server(name: &Username) -> Self {
        Self(format!("{SERVER_PREFIX}{}{SERVER_SUFFIX}", escape(name.as_str())))
    }

    /// The slice that holds everything `name` runs.
    pub fn slice(name: &Username) -> Self {
        Self(format!("hubd-users-{}.slice", escape(name.as_str())))
    }

    /// The slice that holds everybody's slices.
    pub fn everybody() -> Self {
        Self("hubd-users.slice".to_owned())
    }

    /// The mount of `name`'s server directory, the one at [`Paths::server_directory`](crate::paths::Paths) of the real
    /// machine.
    pub fn server_directory(name: &Username) -> Self {
        Self(format!("run-hubd\\x2dservers-{}.mount", escape(name.as_str())))
    }

    /// The mount of `name`'s terminals, the one at [`Paths::terminals`](crate::paths::Paths) of the real machine.
    pub fn terminals(name: &Username) -> Self {
        Self(format!("run-hubd\\x2dservers-.terminals-{}.mount", escape(name.as_str())))
    }

    /// The service that runs `name`'s `app`.
    pub fn app(name: &Username, app: &AppName) -> Self {
        Self(format!("{SERVER_PREFIX}{}-{}{SERVER_SUFFIX}", escape(name.as_str()), escape(app.as_str())))
    }

    /// The mount of the directory with the socket of `name`'s `app`.
    pub fn app_directory(name: &Username, app: &AppName) -> Self {
        Self(format!("run-hubd\\x2dservers-.apps-{}-{}.mount", escape(name.as_str()), escape(app.as_str())))
    }

    /// The mount of the terminals of `name`'s `app`.
    pub fn app_terminals(name: &Username, app: &AppName) -> Self {
        Self(format!("run-hubd\\x2dservers-.app\\x2dterminals-{}-{}.mount", escape(name.as_str()), escape(app.as_str())))
    }

    /// A pattern that matches the services of all of `name`'s apps, and maybe more.
    pub fn apps_pattern(name: &Username) -> String {
        // To a pattern, a backslash is something else.
        format!("{SERVER_PREFIX}{}-*{SERVER_SUFFIX}", escape(name.as_str()).replace('\\', "\\\\"))
    }

    /// Whose app the unit called `unit` runs, and which; `None`: nobody's.
    pub fn app_owner(unit: &str) -> Option<(Username, AppName)> {
        let (name, app) = unit.strip_prefix(SERVER_PREFIX)?.strip_suffix(SERVER_SUFFIX)?.split_once('-')?;
        let plain = |escaped: &str| escaped.replace("\\x2d", "-");
        let (name, app) = (plain(name).parse().ok()?, plain(app).parse().ok()?);
        (Self::app(&name, &app).0 == unit).then_some((name, app))
    }

    /// Ends what runs as `name`'s account.
    pub fn expulsion(name: &Username) -> Self {
        Self(format!("hubd-expel-{}.service", escape(name.as_str())))
    }

    /// Holds the login sessions of the account with number `uid`, and its `systemd --user`.
    pub fn logins(uid: u32) -> Self {
        Self(format!("{LOGINS_PREFIX}{uid}{LOGINS_SUFFIX}"))
    }

    /// The `systemd --user` of the account with number `uid`.
    pub fn user_manager(uid: u32) -> Self {
        Self(format!("user@{uid}.service"))
    }

    /// A pattern that matches the slices of everybody's login sessions, and maybe more.
    pub fn logins_pattern() -> &'static str {
        "user-*.slice"
    }

    /// Whose login sessions the unit called `unit` holds; `None`: nobody's.
    pub fn login_uid(unit: &str) -> Option<u32> {
        unit.strip_prefix(LOGINS_PREFIX)?.strip_suffix(LOGINS_SUFFIX)?.parse().ok()
    }

    /// A pattern that matches the services of all servers, and maybe more.
    pub fn servers_pattern() -> &'static str {
        "hubd-user-*.service"
    }

    /// Whose server the unit called `unit` runs; `None`: nobody's.
    pub fn owner(unit: &str) -> Option<Username> {
        let escaped = unit.strip_prefix(SERVER_PREFIX)?.strip_suffix(SERVER_SUFFIX)?;
        let name: Username = escaped.replace("\\x2d", "-").parse().ok()?;
        // Only our own spelling counts: `hubd-user-a-b.service` is not the server of `a-b`.
        (Self::server(&name).0 == unit).then_some(name)
    }

    /// The name as systemd spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A `-` means "below" in the name of a slice and "/" in that of a mount. The other characters of a [`Username`] mean
/// nothing, and it starts with none that does.
fn escape(name: &str) -> String {
    name.replace('-', "\\x2d")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn name(text: &str) -> Username {
        text.parse().unwrap()
    }

    #[test]
    fn a_dash_is_escaped_and_nothing_else() {
        assert_eq!(UnitName::server(&name("b-c_d.e")).as_str(), "hubd-user-b\\x2dc_d.e.service");
        assert_eq!(UnitName::slice(&name("b-c")).as_str(), "hubd-users-b\\x2dc.slice");
        assert_eq!(UnitName::server_directory(&name("b-c")).as_str(), "run-hubd\\x2dservers-b\\x2dc.mount");
    }

    /// Every name of up to four characters of an alphabet that has one of each kind, and what could be confused.
    fn many_names() -> Vec<Username> {
        let alphabet = ["a", "x", "2", "d", "-", ".", "_"];
        let mut texts: Vec<String> = vec![String::new()];
        let mut names = Vec::new();
        for _ in 0..6 {
            texts = texts.iter().flat_map(|text| alphabet.iter().map(move |c| format!("{text}{c}"))).collect();
            names.extend(texts.iter().filter_map(|text| text.parse().ok()));
        }
        names
    }

    #[test]
    fn no_two_names_share_a_unit() {
        let names = many_names();
        assert!(names.len() > 30_000, "{}", names.len());
        for unit in [UnitName::server, UnitName::slice, UnitName::server_directory, UnitName::terminals, UnitName::expulsion] {
            let units: HashSet<UnitName> = names.iter().map(unit).collect();
            assert_eq!(units.len(), names.len());
        }
    }

    #[test]
    fn a_unit_leads_back_to_its_owner() {
        for name in many_names() {
            assert_eq!(UnitName::owner(UnitName::server(&name).as_str()), Some(name));
        }
    }

    #[test]
    fn an_app_leads_back_to_its_owner_and_is_nobodys_server() {
        let apps: Vec<AppName> = ["a", "x2d", "a-b", "a-2"].iter().map(|app| app.parse().unwrap()).collect();
        let mut units = HashSet::new();
        for name in many_names() {
            for app in &apps {
                let unit = UnitName::app(&name, app);
                assert_eq!(UnitName::owner(unit.as_str()), None, "{unit}");
                assert_eq!(UnitName::app_owner(unit.as_str()), Some((name.clone(), app.clone())));
                assert!(units.insert(unit));
            }
            assert_eq!(UnitName::app_owner(UnitName::server(&name).as_str()), None, "{name}");
        }
    }

    #[test]
    fn every_name_makes_a_unit_that_systemd_accepts() {
        let longest = format!("a{}b", "-".repeat(crate::accounts::MOST_DASHES)) + &"c".repeat(62 - crate::accounts::MOST_DASHES);
        for name in many_names().into_iter().chain([name(&longest)]) {
            for unit in [UnitName::server(&name), UnitName::slice(&name), UnitName::server_directory(&name)] {
                let unit = unit.as_str();
                assert!(unit.len() <= 255, "{unit} has {} bytes", unit.len());
                assert!(unit.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\".contains(&b)), "{unit}");
            }
        }
    }

    #[test]
    fn logins_have_a_number() {
        assert_eq!(UnitName::login_uid(UnitName::logins(20_001).as_str()), Some(20_001));
        for unit in ["user-.slice", "user-runtime-dir@20001.service", "user-ada.slice", "user.slice"] {
            assert_eq!(UnitName::login_uid(unit), None, "{unit}");
        }
    }

    #[test]
    fn other_units_are_nobodys() {
        for unit in [
            "hubd-user-a-b.service",
            "hubd-user-.service",
            "hubd-user-A.service",
            "hubd-user-a\\x2e.service",
            "hubd-user-a\\x2d.service",
            "hubd-user-ada.slice",
            "hubd.service",
            "hubd-user-a\\x2Db.service",
        ] {
            assert_eq!(UnitName::owner(unit), None, "{unit}");
        }
    }
}
