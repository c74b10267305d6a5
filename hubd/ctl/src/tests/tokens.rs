//! `hubctl token`.

use hub_core::control::tokens::{Scope, TokenInfo};

use super::*;

fn info(id: i64, expires: Option<&str>) -> TokenInfo {
    TokenInfo {
        id,
        maker: "ada".to_owned(),
        note: "culler\u{1b}[31m".to_owned(),
        scopes: vec![Scope::ListUsers, Scope::DeleteServers],
        created: "2026-09-07T09:00:00Z".to_owned(),
        expires: expires.map(str::to_owned),
        last_used: Some("2026-09-07T08:00:00Z".to_owned()),
    }
}

#[test]
fn a_new_token_is_the_only_thing_on_standard_output() {
    let made = || Reply::TokenCreated { token: "s3cret".to_owned(), info: info(3, Some("2026-09-08T10:00:00Z")) };
    let line = "token create list:users delete:servers --note culler --expires 1d";
    let (ran, asked) = Machine::inside().run_with(line, vec![made()]);
    let scopes = vec![Scope::ListUsers, Scope::DeleteServers];
    let request = Request::TokenCreate { scopes, note: "culler".to_owned(), lifetime_seconds: Some(86_400) };
    assert_eq!((ran.code, asked), (0, vec![request]));
    assert_eq!(ran.output, "s3cret\n");
    assert_eq!(
        ran.messages,
        "\nThis is API token 3. It is shown only once and works until Tue 8 Sep, 10:00. Whoever has it can see who is enrolled, \
         and who is an administrator; stop servers.\n"
    );
    let (ran, _) = Machine::host().run_with(&format!("{line} --json"), vec![made()]);
    let value: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!((&value["token"], &value["id"], &value["scopes"][0]), (&"s3cret".into(), &3.into(), &"list:users".into()));
}

#[test]
fn a_token_lasts_ninety_days_unless_something_else_is_said() {
    for (option, lifetime) in [("", Some(90 * 86_400)), (" --expires never", None), (" --expires 12h", Some(43_200))] {
        let reply = Reply::TokenCreated { token: "s3cret".to_owned(), info: info(3, None) };
        let (ran, asked) = Machine::host().run_with(&format!("token create read:metrics{option}"), vec![reply]);
        let request = Request::TokenCreate { scopes: vec![Scope::ReadMetrics], note: String::new(), lifetime_seconds: lifetime };
        assert_eq!((ran.code, asked), (0, vec![request]), "{option}");
    }
    for wrong in ["token create", "token create admin:everything", "token create list:users --expires soon"] {
        let ran = Machine::host().run(wrong);
        assert_eq!(ran.code, 2, "{wrong}: {}", ran.messages);
    }
}

#[test]
fn the_list_says_what_works_until_when_and_no_note_drives_the_terminal() {
    let tokens = vec![info(1, None), info(2, Some("2026-09-07T09:59:00Z")), info(3, Some("2026-09-08T10:00:00Z"))];
    let (ran, _) = Machine::host().run_with("token list", vec![Reply::Tokens { tokens }]);
    assert_eq!(
        ran.output,
        "ID  MADE BY  SCOPES                     WORKS UNTIL       LAST USED    NOTE\n\
         1   ada      list:users delete:servers  it is revoked     2 hours ago  culler\n\
         2   ada      list:users delete:servers  over              2 hours ago  culler\n\
         3   ada      list:users delete:servers  Tue 8 Sep, 10:00  2 hours ago  culler\n"
    );
    let (ran, _) = Machine::inside().run_with("token list", vec![Reply::Tokens { tokens: Vec::new() }]);
    assert_eq!(ran.messages, "There is no API token. To make one: hubctl token create SCOPE...\n");
}

#[test]
fn tokens_are_revoked_by_their_numbers() {
    let (ran, asked) = Machine::host().run_with("token revoke 3 4", vec![Reply::Done, Reply::Done]);
    assert_eq!(asked, [Request::TokenRevoke { id: 3 }, Request::TokenRevoke { id: 4 }]);
    assert_eq!(ran.messages, "API token 3 does not work any more\nAPI token 4 does not work any more\n");
}
