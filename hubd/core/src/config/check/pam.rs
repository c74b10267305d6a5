//! `[login.NAME]` of the type "pam".

use super::super::Pam;
use super::super::logins::LoginName;
use super::Check;
use super::logins::word;

impl Check<'_, '_> {
    /// That of the table `written`; `None`: it has no name that can be used.
    pub(super) fn pam(&mut self, written: &str, login: Option<LoginName>, title: String) -> Option<Pam> {
        let key = |key: &str| format!("login.{written}.{key}");
        let allow_groups = self.rule(&key("allow_groups"), word("name of a group", 200));
        let hint = "say whom with allow_groups, a list of unix groups; without enrol, people who are enrolled get in";
        let words = ("`enrol` without a rule would let in every account of the machine", hint);
        let enrol = self.enrol(&key("enrol"), allow_groups.is_some(), words);
        let allow_privileged = self.items(&key("allow_privileged"), word("name of an account", 200)).unwrap_or_default();
        Some(Pam { login: login?, title, allow_groups, enrol, allow_privileged })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const STAFF: &str = "[login.staff]\ntype = \"pam\"\n";

    #[test]
    fn a_login_by_pam_needs_nothing_else() {
        let pam = parse(STAFF, "test").unwrap().login.pam.unwrap();
        assert_eq!((pam.login.as_str(), pam.title.as_str(), pam.enrol), ("staff", "staff", false));
        assert_eq!((pam.allow_groups, pam.allow_privileged), (None, Vec::new()));
        let config = parse(&format!("{STAFF}allow_groups = [\"physics\"]\nenrol = true\ntitle = \"Uni\"\n"), "test").unwrap();
        assert_eq!(parse(&config.to_toml(), "again").unwrap().login, config.login);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (more, told) in [
            ("enrol = true\n", "every account of the machine"),
            ("allow_groups = []\n", "`login.staff.allow_groups` lets nobody in"),
            ("issuer = \"https://a.example\"\n", "`issuer` is for logins of the type \"oidc\""),
            ("allow_domains = [\"a.example\"]\n", "`allow_domains` is for logins of the type \"oidc\""),
            ("[login.other]\ntype = \"pam\"\n", "two logins are of the type \"pam\""),
            ("[login.other]\ntype = \"pam\"\ntitle = \"staff\"\n", "two logins are called"),
            ("[login.Other]\ntype = \"pam\"\n", "is not a name for a login"),
            (
                "[hub]\nurl = \"https://a.example\"\n[login.o]\ntype = \"oidc\"\nissuer = \"https://i.example\"\nclient_id = \"h\"\n\
                 allow_privileged = [\"ops\"]\n",
                "`allow_privileged` is for logins of the type \"pam\"",
            ),
        ] {
            let problems = parse(&format!("{STAFF}{more}"), "test").unwrap_err().to_string();
            assert!(problems.contains(told), "{more}: {problems}");
        }
    }
}
