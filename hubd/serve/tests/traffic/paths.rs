//! One reading of a target decides who may and who answers; what passes, passes byte for byte.

use crate::support::World;
use crate::support::backend::Recorder;
use crate::support::client::{Connection, get};

#[tokio::test]
async fn targets_pass_byte_for_byte() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    let targets = [
        "/user/ada/",
        "/user/ada/lab/tree/a%20b/%C3%A4.ipynb?reset&x=%2F%2f+1",
        "/user/ada/files/%e4%2F%2f%5C%00/x",
        "/user/ada//double//slash/",
        "/user/ada/proxy/8080/?url=http://x/../y&a[]=1",
        "/user/ada/;a=b/$&'()*+,;=:@!~",
        "/user/ada/a|b\"c{e}^\\f?`|^{}\\",
        "/user/ada/.hidden/...dots/..x",
        "/user/ada/%",
        "/user/ada/%zz%2",
        "/user/ada/?",
    ];
    for target in targets {
        assert_eq!(client.ask(get(target, &[])).await.status, 200, "{target}");
    }
    let expected: Vec<String> =
        targets.iter().map(|target| format!("GET {target} HTTP/1.1").as_bytes().escape_ascii().to_string()).collect();
    assert_eq!(ada.request_lines(), expected);
}

#[tokio::test]
async fn whole_addresses_are_taken_for_their_path() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    assert_eq!(client.ask(get("http://hub/user/ada/x?y", &[])).await.status, 200);
    assert_eq!(ada.request_lines(), ["GET /user/ada/x?y HTTP/1.1"]);
}

#[tokio::test]
async fn targets_with_two_readings_reach_nobody() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let bob = Recorder::listen(&world.enrol("bob"));
    for (target, status) in [
        ("/user/ada/../bob/lab", 400),
        ("/user/ada/..", 400),
        ("/user/ada/%2e%2e/bob/lab", 400),
        ("/user/ada/.%2E/bob/lab", 400),
        ("/user/ada/..%2fbob/lab", 400),
        ("/user/ada/..%5Cbob/lab", 400),
        ("/user/ada/..\\bob/lab", 400),
        ("/user/ada%2f..%2fbob/lab", 400),
        ("/user/ada/x/%2e/y", 400),
        ("/user/./ada/lab", 400),
        ("/user//ada/lab", 400),
        ("//user/ada/lab", 400),
        ("/user\\ada/lab", 400),
        ("/user/ada%5clab/x", 400),
        ("/user/ada%00/lab", 400),
        ("/hub/../user/ada/lab", 400),
        ("/user/ada/lab#/../../bob", 400),
        ("#", 400),
        ("*", 400),
        ("user/ada/lab", 400),
        ("http://other/user/ada/lab", 400),
        ("http://ada@hub/user/ada/lab", 400),
        ("http://hub@evil/user/ada/lab", 400),
        ("ftp://hub/user/ada/lab", 400),
        ("hub:80", 400),
        ("/user/ada;/lab", 404),
        ("/user/ada%20/lab", 404),
        ("/user/%61da/lab", 404),
        ("/user/%252e%252e/lab", 404),
        ("/user/ADA/lab", 404),
        ("/user/\u{e4}da/lab", 404),
        // The hub's own pages, where there is no such page.
        ("/USER/ada/lab", 200),
        ("/%75ser/ada/lab", 200),
        ("/user;/ada/lab", 200),
    ] {
        let mut client = Connection::open(world.address).await;
        let answer = client.ask(get(target, &[])).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert!(answer.status != 200 || answer.text().starts_with("hub "), "{target}: {answer:?}");
    }
    assert_eq!(ada.request_lines(), [""; 0]);
    assert_eq!(bob.request_lines(), [""; 0]);
}
