//! Whom PAM may be asked about: people, and nobody who has rights on the machine. Else whoever has taken over the web front, or just
//! types at its login page, could try out the passwords of the machine's own administrators.

use anyhow::{Context, Result};
use hub_core::accounts::lookup;
use hub_core::config::{PRIVILEGED_GROUPS, Pam};
use hub_core::pam::Account;
use nix::unistd::{Gid, Uid, User, getgrouplist};
use std::ffi::CString;

/// Below are the accounts of services.
const FIRST_PERSON: u32 = 1000;
/// `nobody`, and what kernels take for "unknown".
const NOT_PEOPLE: [u32; 3] = [65_534, 65_535, u32::MAX];

/// Whether PAM may be asked about somebody.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It may; the account as the machine names it.
    Account(Account),
    /// Not, and why.
    Refused(String),
}

/// That of `name`, as it was typed. What counts is how the machine writes it: it may find accounts in other spellings.
///
/// # Errors
/// When the machine can't tell.
pub(crate) fn standing(name: &str, pam: &Pam, host_operators: &[String]) -> Result<Standing> {
    let found = User::from_name(name).with_context(|| format!("looking up unix account `{name}`"))?;
    let Some(user) = found else { return Ok(Standing::Refused("the machine has no account of that name".to_owned())) };
    let groups = groups(&user)?;
    let in_one_of = |names: &mut dyn Iterator<Item = &str>| -> Result<Vec<String>> {
        let mut found = Vec::new();
        for name in names {
            if lookup::group_by_name(name)?.is_some_and(|gid| groups.contains(&gid)) {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    };
    let privileged = in_one_of(&mut PRIVILEGED_GROUPS.into_iter())?;
    if let Some(why) = why_not(&user.name, user.uid, privileged.first(), host_operators)
        && !pam.allow_privileged.contains(&user.name)
    {
        return Ok(Standing::Refused(format!("{} {why}; `allow_privileged` can name it", user.name)));
    }
    let asked = pam.allow_groups.as_deref().unwrap_or_default();
    let full_name = user.gecos.to_str().ok().and_then(|gecos| gecos.split(',').next()).map(str::trim);
    Ok(Standing::Account(Account {
        full_name: full_name.filter(|name| !name.is_empty()).map(str::to_owned),
        groups: in_one_of(&mut asked.iter().map(String::as_str))?,
        name: user.name,
    }))
}

fn why_not(name: &str, uid: Uid, group: Option<&String>, host_operators: &[String]) -> Option<String> {
    let uid = uid.as_raw();
    match group {
        _ if uid < FIRST_PERSON || NOT_PEOPLE.contains(&uid) => Some(format!("is an account of the system (uid {uid})")),
        _ if host_operators.iter().any(|operator| operator == name) => Some("is in `roles.host_operators`".to_owned()),
        Some(group) => Some(format!("is in the group `{group}`, which has rights on this machine")),
        None => None,
    }
}

fn groups(user: &User) -> Result<Vec<u32>> {
    let name = CString::new(user.name.as_str()).context("a name with a NUL")?;
    let groups = getgrouplist(&name, user.gid).with_context(|| format!("looking up the groups of `{}`", user.name))?;
    Ok(groups.into_iter().chain([user.gid]).map(Gid::as_raw).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pam(allow_privileged: &[&str]) -> Pam {
        let allow_privileged = allow_privileged.iter().map(|&name| name.to_owned()).collect();
        Pam { login: "school".parse().unwrap(), title: "School".to_owned(), allow_groups: None, enrol: false, allow_privileged }
    }

    #[test]
    fn root_and_services_are_not_asked_about_unless_they_are_named() {
        for name in ["root", "daemon", "nobody", "no-such-account-here"] {
            assert!(matches!(standing(name, &pam(&[]), &[]).unwrap(), Standing::Refused(_)), "{name}");
        }
        let Standing::Account(root) = standing("root", &pam(&["root"]), &[]).unwrap() else { panic!() };
        assert_eq!((root.name.as_str(), root.groups), ("root", Vec::<String>::new()));
    }

    #[test]
    fn who_has_rights_on_the_machine_is_not_asked_about() {
        let (person, group) = (Uid::from_raw(1000), "docker".to_owned());
        assert_eq!(why_not("cara", person, None, &["ada".to_owned()]), None);
        assert!(why_not("ada", person, None, &["ada".to_owned()]).unwrap().contains("host_operators"));
        assert!(why_not("cara", person, Some(&group), &[]).unwrap().contains("`docker`"));
        for uid in [0, 999, 65_534, u32::MAX] {
            assert!(why_not("cara", Uid::from_raw(uid), None, &[]).unwrap().contains("of the system"), "{uid}");
        }
    }
}
