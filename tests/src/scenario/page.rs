//! The first page of JupyterLab as a browser loads it: how much travels for one person and for the next
//! at the same computer; and what else is to be had where what everybody shares is given out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::{BaseSpec, Release};
use serde::Deserialize;
use serde_json::Value;

use super::{Group, Scenario};
use crate::browser::{Browser, Trust};
use crate::context::Context;
use crate::hub::{ADMIN, BARE, Hub, record};
use crate::lab;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "page",
    about: "the first page of JupyterLab: bytes in clear, and for the next person; the same after an install; nothing else at the shared addresses",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);
const NAME: &str = "hub.test";
/// Bytes that may travel until the launcher is there, without what comes in later.
const IN_CLEAR: u64 = 1_650_000;
const NEXT_PERSON: u64 = 100_000;
/// Nothing has come in for a while but what is asked for again and again.
const QUIET: &str = "const all = performance.getEntriesByType('resource');
const once = all.filter(one => !/^\\/user\\/[^/]+\\/api\\//.test(new URL(one.name).pathname));
return performance.now() - Math.max(...once.map(one => one.responseEnd)) > 2500";
/// What the page and all that it loaded took on the way, in the browser's own count.
const LOADED: &str = "
const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
const sum = list => list.reduce((bytes, one) => bytes + one.transferSize, 0);
const path = one => new URL(one.name).pathname;
const shared = all.filter(one => path(one).startsWith('/hub/shared/'));
const is_static = one => /^\\/user\\/[^/]+\\/(static\\/(lab|notebook)|lab\\/extensions)\\//.test(path(one));
const unpacked = all.reduce((bytes, one) => bytes + one.decodedBodySize, 0);
return { requests: all.length, bytes: sum(all), unpacked, shared: shared.length, shared_bytes: sum(shared), own: all.filter(is_static).map(path),
    plain: shared.filter(one => one.name.endsWith('.js') && one.decodedBodySize > 5000 && one.encodedBodySize >= one.decodedBodySize).map(path),
    largest: all.filter(one => one.transferSize > 5000).map(one => [path(one), one.transferSize, one.decodedBodySize]) }";

#[derive(Debug, Deserialize)]
struct Loaded {
    requests: u64,
    bytes: u64,
    /// What the bytes make when nothing is compressed.
    unpacked: u64,
    shared: u64,
    shared_bytes: u64,
    /// Static files that came from the person's own server.
    own: Vec<String>,
    /// Scripts that came as they are.
    plain: Vec<String>,
    #[expect(dead_code, reason = "shown with an error")]
    largest: Vec<Value>,
}

fn run(context: &Context) -> Result<()> {
    let address = context.own_address()?;
    let machine = context.machine_with(&BaseSpec::new(Release::Bookworm))?;
    let arguments = format!("--admin {ADMIN} --listen {address}:80 {BARE}");
    let hub = Hub::install_as(context, machine, &arguments, format!("http://{NAME}"))?;
    hub.add_students(&["bob", "cleo", "dan"].map(str::to_owned))?;

    let room = context.browser_trusting("clear", &Trust { authority: None, name: NAME, address: IpAddr::V4(address) })?;
    let first = open(context, &hub, &room, "bob")?;
    ensure!(first.bytes <= IN_CLEAR, "in clear: {first:#?}");
    lab::new_notebook(&room)?;
    lab::run_cell(&room, "x = 41; x + 1", "42")?;
    room.screenshot("lab")?;
    next_person(context, &hub, &room, "cleo")?;
    nothing_else(context, &hub, address)?;
    installed(context, &hub)?;
    next_person(context, &hub, &room, "dan")?;
    Ok(())
}

/// Logs `name` in, and counts what JupyterLab takes to be there.
fn open(context: &Context, hub: &Hub, room: &Browser, name: &str) -> Result<Loaded> {
    hub.log_in(room, name)?;
    hub.wait_for_lab(room)?;
    room.wait_for(".jp-LauncherCard[data-category='Notebook']", DEADLINE)?;
    room.wait_for_script(QUIET, DEADLINE)?;
    let loaded: Loaded = serde_json::from_value(room.execute(LOADED, Vec::new())?)?;
    context.step(&format!(
        "{name}: {} bytes in {} requests ({} unpacked), of them {} in {} that are shared",
        loaded.bytes, loaded.requests, loaded.unpacked, loaded.shared_bytes, loaded.shared
    ))?;
    ensure!(loaded.shared > 20 && loaded.own.is_empty() && loaded.plain.is_empty(), "{loaded:#?}");
    Ok(loaded)
}

/// Somebody else at the same computer, who has it in the browser already.
fn next_person(context: &Context, hub: &Hub, room: &Browser, name: &str) -> Result<()> {
    room.goto(&format!("{}/hub/home", hub.url()))?;
    room.click_text("Log out")?;
    room.wait_for("#username", DEADLINE)?;
    let next = open(context, hub, room, name)?;
    ensure!(next.shared_bytes == 0 && next.bytes <= NEXT_PERSON, "{name} came next: {next:#?}");
    Ok(())
}

/// What strangers try at the shared addresses.
fn nothing_else(context: &Context, hub: &Hub, address: Ipv4Addr) -> Result<()> {
    let index: Value = serde_json::from_str(&hub.sh("cat /opt/hubd/envs/1/hubd-shared/index.json")?)?;
    let name = index["share/jupyter/lab/static"].as_str().context("JupyterLab is not shared")?.to_owned();
    let ask = |target: &str, more: &str| {
        hub.sh(&format!(
            "curl --silent --path-as-is --header 'Host: {NAME}' --write-out '\\n%{{http_code}}' {more} 'http://{address}{target}' | tail -c 3000 | tr -d '\\0'"
        ))
    };
    let script = hub.sh(&format!("cd /opt/hubd/envs/1/hubd-shared/{name}; ls | grep '^main.*js$'"))?;
    let script = script.trim();
    hub.sh(&format!("ln -s /etc/passwd /opt/hubd/envs/{name}; mkdir -p /opt/hubd/envs/9.new/hubd-shared/{}", "0".repeat(32)))?;
    for target in [
        format!("/hub/shared/{name}/../index.json"),
        format!("/hub/shared/{name}/%2e%2e/index.json"),
        format!("/hub/shared/{name}/..%2f..%2fhubd-environment.json"),
        format!("/hub/shared/{name}/..%5c..%5chubd-environment.json"),
        format!("/hub/shared/{name}//etc/passwd"),
        format!("/hub/shared/{name}/%2fetc%2fpasswd"),
        format!("/hub/shared/{name}/"),
        format!("/hub/shared/{name}"),
        format!("/hub/shared/{name}/{script}%00.txt"),
        format!("/hub/shared/%2e%2e/{name}/{script}"),
        format!("/hub/shared/{}/{script}", "0".repeat(32)),
        format!("/hub/shared/{}/{script}", name.to_uppercase()),
        "/hub/shared/index.json".to_owned(),
        "/hub/shared/1/index.json".to_owned(),
        "/hub/shared/../../../etc/passwd".to_owned(),
    ] {
        let answer = ask(&target, "")?;
        let status = answer.rsplit('\n').next().unwrap_or_default().to_owned();
        ensure!(matches!(status.as_str(), "400" | "404" | "405"), "{target}: {answer}");
        ensure!(
            !answer.contains("root:") && !answer.contains("share/jupyter") && !answer.contains("lock_sha256"),
            "{target}: {answer}"
        );
    }
    hub.sh(&format!("rm -r /opt/hubd/envs/{name} /opt/hubd/envs/9.new"))?;
    let posted = ask(&format!("/hub/shared/{name}/{script}"), "--data x=1")?;
    ensure!(posted.ends_with("405"), "posted: {posted}");
    let head =
        ask(&format!("/hub/shared/{name}/{script}"), "--head --header 'Cookie: mark=mark' --header 'Accept-Encoding: br'")?;
    for sign in ["content-encoding: br", "vary: accept-encoding", "immutable", "nosniff", "etag: \""] {
        ensure!(head.to_lowercase().contains(sign), "{sign}: {head}");
    }
    ensure!(!head.to_lowercase().contains("set-cookie") && !head.contains("mark"), "{head}");
    let worker = ask(&format!("/hub/shared/{name}/{script}"), "--header 'Service-Worker: script'")?;
    ensure!(!worker.ends_with("200"), "as a service worker: {worker}");
    context.step("at the shared addresses there is what is shared, and nothing else")
}

/// A package more changes no address of what it has no part in, and nothing is compressed twice.
fn installed(context: &Context, hub: &Hub) -> Result<()> {
    let begun = std::time::Instant::now();
    let installed = record(hub, &["env", "install", "cowsay"])?;
    ensure!(installed["state"] == "done", "{installed:#}");
    hub.sh("cd /opt/hubd/envs
         cmp 1/hubd-shared/index.json 2/hubd-shared/index.json
         test $(find 2/hubd-shared -name '*.br' | wc -l) -gt 200
         test -z \"$(find 2/hubd-shared -name '*.[bg][rz]' -links 1)\"
         test -z \"$(find 2/hubd-shared -perm /022 -o -not -user root -o -type l)\"")?;
    context.step(&format!("a package more took {:.1} s and compressed nothing anew", begun.elapsed().as_secs_f64()))
}
