//! Who could do more after a restore than now. Pure.

use hub_backup::manifest::Person;
use hub_core::control::UserInfo;

/// What a restore takes back of what was decided since the backup; one line for each person. Of a machine on which none of these people
/// is there is nothing to tell.
pub(super) fn gained(then: &[Person], now: &[UserInfo], is_same_hub: bool, with_roles: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for person in then {
        let name = &person.name;
        let Some(here) = now.iter().find(|user| user.name == *name) else {
            if is_same_hub {
                lines.push(format!("{name} was removed since, and is enrolled again"));
            }
            continue;
        };
        if here.blocked && !person.blocked {
            lines.push(format!("{name} is blocked now, and gets in again"));
        }
        if with_roles && person.role > here.role {
            lines.push(format!("{name} is {} now, and becomes {} again", here.role, person.role));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use hub_core::config::Role;

    use super::*;

    fn then(name: &str, role: Role, blocked: bool) -> Person {
        Person { name: name.parse().unwrap(), role, blocked }
    }

    fn now(name: &str, role: &str, blocked: bool) -> UserInfo {
        let user =
            serde_json::json!({ "name": name, "admin": role == "admin", "role": role, "blocked": blocked, "has_password": true });
        serde_json::from_value(user).unwrap()
    }

    #[test]
    fn whoever_was_blocked_demoted_or_removed_since_is_told() {
        let before = [
            then("ada", Role::Admin, false),
            then("bob", Role::Admin, false),
            then("cleo", Role::Student, false),
            then("dan", Role::Student, true),
            then("eve", Role::Teacher, false),
        ];
        let today =
            [now("ada", "admin", false), now("bob", "helper", false), now("cleo", "teacher", true), now("dan", "student", true)];
        let told = gained(&before, &today, true, true);
        let expected = [
            "bob is helper now, and becomes administrator again",
            "cleo is blocked now, and gets in again",
            "eve was removed since, and is enrolled again",
        ];
        assert_eq!(told, expected);
        // The configuration stays, and roles with it.
        assert_eq!(gained(&before, &today, true, false).len(), 2);
        // A machine with an administrator and nobody else.
        assert!(gained(&before, &today[..1], false, true).is_empty());
    }
}
