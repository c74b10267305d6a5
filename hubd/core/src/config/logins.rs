//! `[login.NAME]`: logins of an institution beside our own passwords, and what they may say about people. Pure.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// No name of a login is longer, in characters: it is part of addresses and of names of files.
const LONGEST: usize = 32;
/// Google says with which of its customers an account is; an address alone it lets anybody have.
const GOOGLE: &str = "https://accounts.google.com";

/// The name of a login: small letters, digits and `-`, a letter first and no `-` last. It stands in addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoginName(String);

/// Why a text is no name of a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name for a login; expected up to {LONGEST} of a-z, 0-9 and `-`, a letter first and no `-` last")]
pub struct LoginNameError(String);

validated_text!(LoginName, LoginNameError, 0);

impl FromStr for LoginName {
    type Err = LoginNameError;

    fn from_str(text: &str) -> Result<Self, LoginNameError> {
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_plain = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_inner) && !text.ends_with('-');
        match is_plain && text.len() <= LONGEST {
            true => Ok(Self(text.to_owned())),
            false => Err(LoginNameError(text.chars().take(80).collect())),
        }
    }
}

/// `[login.NAME]` of the type "oidc": a provider that speaks OpenID Connect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provider {
    /// What people call it.
    pub title: String,
    /// Whose word counts, exactly as it calls itself.
    pub issuer: String,
    /// The name under which the provider knows this hub.
    pub client_id: String,
    /// The file with the secret that goes with it, in [`crate::paths::Paths::secrets`]; `None`: there is none.
    pub client_secret_file: Option<PathBuf>,
    /// What is asked of the provider.
    pub scopes: Vec<String>,
    /// What a person is called there.
    pub username_claim: String,
    /// Which groups a person is in there.
    pub groups_claim: String,
    /// Who gets in: people whose verified address is in one of these; `None`: all.
    pub allow_domains: Option<Vec<String>>,
    /// Who gets in: people in one of these groups; `None`: all.
    pub allow_groups: Option<Vec<String>>,
    /// Whether people whom the rules let in are enrolled when they first come.
    pub enrol: bool,
}

/// What a provider said of somebody, its signature checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who said it, as signed.
    #[serde(default)]
    pub issuer: String,
    /// Who this is there, for ever, and never anybody else.
    pub subject: String,
    /// What `username_claim` says.
    pub username: Option<String>,
    /// The address that the provider has verified.
    pub verified_email: Option<String>,
    /// Of which of its customers' domains the account is, as Google says it.
    pub hosted_domain: Option<String>,
    /// What `groups_claim` says.
    pub groups: Vec<String>,
    /// As people call them.
    pub full_name: Option<String>,
}

/// Why the rules of a login let somebody not in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptOut {
    /// Their address is in another domain, or not verified.
    Domain,
    /// They are in none of the groups.
    Group,
}

impl Provider {
    /// What `username_claim` is where the file does not say it.
    pub fn usual_username_claim(issuer: &str) -> &'static str {
        if issuer == GOOGLE { "email" } else { "preferred_username" }
    }

    /// Whether the rules let somebody in. Each that is set must.
    ///
    /// # Errors
    /// Which one does not.
    pub fn admits(&self, claims: &Claims) -> Result<(), KeptOut> {
        if let Some(domains) = &self.allow_domains {
            let domain = self.domain(claims);
            if !domain.is_some_and(|domain| domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))) {
                return Err(KeptOut::Domain);
            }
        }
        if let Some(groups) = &self.allow_groups
            && !groups.iter().any(|group| claims.groups.contains(group))
        {
            return Err(KeptOut::Group);
        }
        Ok(())
    }

    /// The name to log in with that the provider has for somebody, as far as it may be taken for one of ours: never one half of
    /// an address, unless addresses of just that domain get in.
    pub fn username<'claims>(&self, claims: &'claims Claims) -> Option<&'claims str> {
        let username = claims.username.as_deref()?;
        let Some((local, _)) = username.rsplit_once('@') else { return Some(username) };
        let is_their_address = claims.verified_email.as_deref() == Some(username);
        let has_one_domain = self.allow_domains.as_ref().is_some_and(|domains| domains.len() == 1);
        (is_their_address && has_one_domain && self.admits(claims).is_ok()).then_some(local)
    }

    /// The address by which a class list may know somebody: only where the configuration names people by their address.
    pub fn known_address<'claims>(&self, claims: &'claims Claims) -> Option<&'claims str> {
        let email = claims.verified_email.as_deref()?;
        // An address of a school that once was a private account's at Google is verified, and may be another's by now.
        let is_theirs = self.domain(claims).is_some() || email.to_ascii_lowercase().ends_with("@gmail.com");
        (self.username_claim == "email" && is_theirs).then_some(email)
    }

    fn domain<'claims>(&self, claims: &'claims Claims) -> Option<&'claims str> {
        let domain = claims.verified_email.as_deref()?.rsplit_once('@')?.1;
        if self.issuer == GOOGLE && !claims.hosted_domain.as_ref().is_some_and(|hosted| hosted.eq_ignore_ascii_case(domain)) {
            return None;
        }
        Some(domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(domains: Option<&[&str]>, groups: Option<&[&str]>) -> Provider {
        let list = |list: Option<&[&str]>| list.map(|list| list.iter().map(|&text| text.to_owned()).collect());
        Provider {
            title: "School".to_owned(),
            issuer: "https://id.school.example".to_owned(),
            client_id: "hub".to_owned(),
            client_secret_file: None,
            scopes: Vec::new(),
            username_claim: "preferred_username".to_owned(),
            groups_claim: "groups".to_owned(),
            allow_domains: list(domains),
            allow_groups: list(groups),
            enrol: false,
        }
    }

    fn claims(username: &str, verified_email: Option<&str>, groups: &[&str]) -> Claims {
        Claims {
            subject: "1".to_owned(),
            username: Some(username.to_owned()),
            verified_email: verified_email.map(str::to_owned),
            groups: groups.iter().map(|&text| text.to_owned()).collect(),
            ..Claims::default()
        }
    }

    /// CVE-2026-33175: an address that nobody verified opens nothing.
    #[test]
    fn security_21_an_unverified_address_is_in_no_domain() {
        let school = provider(Some(&["school.example"]), None);
        assert_eq!(school.admits(&claims("ada", None, &[])), Err(KeptOut::Domain));
        assert_eq!(school.admits(&claims("ada", Some("ada@School.Example"), &[])), Ok(()));
    }

    /// CVE-2022-31027: Google vouches for addresses of anybody's; which customer an account is with it says apart.
    #[test]
    fn security_22_a_domain_is_its_owners_only() {
        let google = Provider { issuer: GOOGLE.to_owned(), ..provider(Some(&["school.example"]), None) };
        let mut ada = claims("ada@school.example", Some("ada@school.example"), &[]);
        assert_eq!(google.admits(&ada), Err(KeptOut::Domain), "no hd");
        ada.hosted_domain = Some("other.example".to_owned());
        assert_eq!(google.admits(&ada), Err(KeptOut::Domain), "another's hd");
        ada.hosted_domain = Some("school.example".to_owned());
        assert_eq!(google.admits(&ada), Ok(()));
        let school = provider(Some(&["school.example"]), None);
        for address in
            ["ada@sub.school.example", "ada@school.example.evil", "ada@evil@xschool.example", "school.example", "@", ""]
        {
            assert_eq!(school.admits(&claims("ada", Some(address), &[])), Err(KeptOut::Domain), "{address}");
        }
    }

    #[test]
    fn every_rule_that_is_set_must_hold() {
        let both = provider(Some(&["school.example"]), Some(&["physics", "maths"]));
        assert_eq!(both.admits(&claims("ada", Some("ada@school.example"), &["art"])), Err(KeptOut::Group));
        assert_eq!(both.admits(&claims("ada", Some("ada@other.example"), &["maths"])), Err(KeptOut::Domain));
        assert_eq!(both.admits(&claims("ada", Some("ada@school.example"), &["maths"])), Ok(()));
        assert_eq!(provider(None, Some(&["maths"])).admits(&claims("ada", None, &["Maths", "maths "])), Err(KeptOut::Group));
        assert_eq!(provider(None, None).admits(&claims("ada", None, &[])), Ok(()));
    }

    #[test]
    fn half_an_address_is_a_name_in_one_domain_only() {
        let (one, two) = (provider(Some(&["school.example"]), None), provider(Some(&["school.example", "gmail.com"]), None));
        let ada = claims("ada@school.example", Some("ada@school.example"), &[]);
        assert_eq!(one.username(&ada), Some("ada"));
        assert_eq!(two.username(&ada), None);
        assert_eq!(provider(None, None).username(&ada), None);
        assert_eq!(one.username(&claims("ada@school.example", Some("bob@school.example"), &[])), None);
        assert_eq!(one.username(&claims("ada@school.example", None, &[])), None);
        assert_eq!(one.username(&claims("ada", None, &[])), Some("ada"));
    }
}
