//! `hubctl limits explain`, from the file alone.

use hub_core::config::{ExplainedLimit, Origin};

use super::*;

const FILE: &str = "[groups.lab]\nmembers = [\"ada\"]\nlimits = { memory = \"4G\", network = false }\n\
                    [users.ada.limits]\ntasks = 99\n[limits]\nswap = \"1G\"\n";

fn host(text: &str) -> Machine {
    let machine = Machine::host();
    machine.write("etc/hubd/config.toml", text);
    machine
}

#[test]
fn each_limit_is_shown_with_the_line_that_says_it() {
    let ran = host(FILE).run("limits explain ada");
    assert_eq!((ran.code, ran.messages.as_str()), (0, ""));
    assert_eq!(
        ran.output,
        "LIMIT       VALUE      FROM\n\
         memory      4G         group lab, line 3\n\
         swap        1G         [limits], line 7\n\
         cpu_quota   unlimited  default\n\
         cpu_weight  100        default\n\
         tasks       99         ada's own, line 5\n\
         network     false      group lab, line 3\n"
    );
}

#[test]
fn somebody_who_is_not_enrolled_has_no_limits_yet() {
    let (ran, _) = host(FILE).run_with("limits explain nobody", vec![Reply::Users { users: Vec::new() }]);
    assert_eq!((ran.code, ran.output.lines().count()), (1, 7));
    assert_eq!(
        ran.messages,
        "error: nobody is not enrolled; these limits would apply\nhint: hubctl user list shows who is; hubctl user add nobody\n"
    );
}

#[test]
fn as_json_it_is_stable() {
    let ran = host(FILE).run("limits explain ada --json");
    let shown: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(shown["name"], "ada");
    assert_eq!(
        shown["limits"][0],
        serde_json::json!({ "key": "memory", "value": "4G", "from": "group", "name": "lab", "line": 3 })
    );
    assert_eq!(
        shown["limits"][2],
        serde_json::json!({ "key": "cpu_quota", "value": "unlimited", "from": "default", "line": null })
    );
    assert_eq!(shown["limits"][4]["from"], "user");
}

#[test]
fn an_invalid_file_is_told_with_its_places() {
    let ran = host("[limits]\nmemory = 1\n").run("limits explain ada");
    assert_eq!((ran.code, ran.output.as_str()), (1, ""));
    assert!(
        ran.messages.contains("config.toml:2:10: `memory` takes a string like \"1.5G\"; found the number 1"),
        "{}",
        ran.messages
    );
}

#[test]
fn inside_the_hub_it_is_asked() {
    let limits = vec![ExplainedLimit {
        key: "memory".to_owned(),
        value: "2G".to_owned(),
        origin: Origin::Group("lab".parse().unwrap()),
        line: Some(7),
    }];
    let (ran, asked) = Machine::inside().run_with("limits explain ada", vec![Reply::Limits { limits }]);
    assert_eq!((ran.code, ran.output.as_str()), (0, "LIMIT   VALUE  FROM\nmemory  2G     group lab, line 7\n"));
    assert_eq!(asked, [Request::Limits { name: "ada".parse().unwrap() }]);
}
