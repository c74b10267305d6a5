//! One browser, one person after another: a page that somebody left open neither uses the next person's server nor loses
//! its own work, whatever ends its login, its server or the hub.

use std::time::Duration;

use anyhow::{Result, ensure};
use fantoccini::key::Key;
use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};

use super::{Group, Scenario};
use crate::browser::{Browser, Kind};
use crate::context::Context;
use crate::hub::{Hub, PASSWORD};
use crate::{lab, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "shared-browser",
    about: "a notebook over a logout, another person's login, a stop and a restart: nothing is lost, and it reaches nothing of the other's",
    group: Group::Default,
    needs_programs: true,
    run: |context| run(context, Kind::Chromium),
};

pub(super) const FIREFOX: Scenario = Scenario {
    name: "shared-browser-firefox",
    about: "the same in Firefox, and a teacher's list of people there",
    group: Group::Nightly,
    needs_programs: true,
    run: |context| run(context, Kind::Firefox),
};

const DEADLINE: Duration = Duration::from_secs(90);
const BANNER: &str = "#hubd-problem";
const SECRET: &str = "what only cleo knows";

/// Everything a script of bob's page can try with cleo's cookie in the browser; each ends with what it got.
const ATTACK: &str = r#"
const secret = '/user/cleo/files/secret.txt', html = { headers: { Accept: 'text/html' } };
const text = (...asked) => fetch(...asked).then(answer => answer.text());
const frame = (tag, name) => new Promise(resolve => {
  const shown = document.createElement(tag);
  shown.onload = shown.onerror = () => resolve(shown.contentDocument?.documentElement?.outerHTML ?? 'nothing');
  shown[name] = '/user/cleo/lab';
  document.body.append(shown);
  setTimeout(() => resolve('nothing'), 5000);
});
const socket = path => new Promise(resolve => {
  const opened = new WebSocket(`ws://${location.host}/user/cleo/${path}`);
  opened.onopen = () => resolve('OPEN');
  opened.onerror = () => resolve('refused');
});
return (async () => {
  const own = JSON.parse(document.getElementById('jupyter-config-data').textContent).token;
  const at = location.pathname;
  const got = {
    contents: await text('/user/cleo/api/contents/secret.txt'),
    file: await text(secret, html),
    referrer: await text('/user/cleo/api/contents/secret.txt', { referrer: '/user/cleo/lab' }),
    page: await text('/user/cleo/lab', html),
    kept: await text('/user/cleo/lab', { ...html, cache: 'force-cache' }),
    with_own_key: await text('/user/cleo/api/contents/secret.txt', { headers: { Authorization: `token ${own}` } }),
    key: await text('/hub/key', { headers: { Authorization: `token ${own}` } }),
    frame: await frame('iframe', 'src'),
    object: await frame('object', 'data'),
    events: await socket('api/events/subscribe'),
    terminal: await socket('terminals/websocket/1'),
    worker: await navigator.serviceWorker.register('/user/bob/files/worker.js').then(() => 'REGISTERED', () => 'refused'),
  };
  history.replaceState(null, '', '/user/cleo/lab');
  got.at_her_address = await text('/user/cleo/api/contents/secret.txt');
  history.replaceState(null, '', at);
  return got;
})()"#;
/// A window of her page, opened in three ways; true where the script has a hand on it.
const WINDOWS: &str = r#"
const reached = async opened => {
  for (let looks = 0; looks < 50 && !opened.closed; looks += 1) {
    await new Promise(resolve => setTimeout(resolve, 100));
    try {
      if (opened.document.getElementById('jupyter-config-data')) return true;
    } catch {
      return false;
    }
  }
  return false;
};
return (async () => {
  const plain = open('/user/cleo/lab'), blank = open('about:blank');
  const blob = open(URL.createObjectURL(new Blob(['<p>'], { type: 'text/html' })));
  await new Promise(resolve => setTimeout(resolve, 500));
  blank.location = '/user/cleo/lab';
  blob.location = '/user/cleo/lab';
  return [await reached(plain), await reached(blank), await reached(blob)];
})()"#;

/// Whether the notebook shows what is typed while nobody is logged in.
const TYPED: &str = "return document.querySelector('.jp-Notebook').textContent.includes('typed later')";

fn run(context: &Context, kind: Kind) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned(), "cleo".to_owned()])?;
    let room = context.browser_of(kind, "room")?;
    let work = room.this_tab()?;
    hub.log_in(&room, "bob")?;
    hub.wait_for_lab(&room)?;
    lab::new_notebook(&room)?;
    lab::run_cell(&room, "x = 41; x", "41")?;
    // JupyterLab asks for a name when it saves one without for the first time.
    save(&room)?;
    room.wait_for(".jp-Dialog .jp-mod-accept", DEADLINE)?;
    room.click(".jp-Dialog .jp-mod-accept")?;
    room.wait_until_gone(".jp-Dialog", DEADLINE)?;
    let other = room.new_tab()?;
    logged_out(context, &hub, &room, [&work, &other])?;
    somebody_else(context, &hub, &room, [&work, &other], kind)?;
    back_again(context, &hub, &room, [&work, &other])?;
    stopped_and_away(context, &hub, &room)?;
    notebook(context, &hub, &room, [&work, &other])?;
    if kind == Kind::Firefox { people(context, &hub, &room, &other) } else { Ok(()) }
}

/// Cleo is a teacher by now, and looks at the list.
fn people(context: &Context, hub: &Hub, room: &Browser, other: &WindowHandle) -> Result<()> {
    hub.hubctl_output(&["config", "add", "roles.teachers", "cleo"])?;
    room.turn_to(other)?;
    hub.log_in(room, "cleo")?;
    hub.wait_for_lab(room)?;
    room.goto(&format!("{}/hub/people", hub.url()))?;
    room.wait_for_text("[data-name=bob] .pill", "Running", DEADLINE)?;
    hub.hubctl(&["server", "stop", "bob"])?;
    room.wait_for_text("[data-name=bob] .pill", "Not running", DEADLINE)?;
    room.screenshot("people")?;
    context.step("a teacher's list of people follows by itself")
}

/// Bob logs out in one tab; his notebook in the other says so, and takes what he types.
fn logged_out(context: &Context, hub: &Hub, room: &Browser, [work, other]: [&WindowHandle; 2]) -> Result<()> {
    leave(hub, room, other)?;
    room.turn_to(work)?;
    room.wait_for_text(BANNER, "You were logged out. Log in again in another tab; your work here stays.", DEADLINE)?;
    room.screenshot("logged-out")?;
    room.click(".jp-Notebook .jp-CodeCell.jp-mod-selected .cm-content")?;
    room.type_keys("'typed later'")?;
    room.wait_for_script(TYPED, DEADLINE)?;
    save(room)?;
    ensure!(room.count(".jp-Dialog")? == 0, "JupyterLab complains although it is only to wait");
    context.step("logged out elsewhere: the notebook says so, and nothing fails")
}

/// Cleo logs in where bob was. His page says that, saves nowhere, and reaches nothing of hers.
fn somebody_else(context: &Context, hub: &Hub, room: &Browser, [work, other]: [&WindowHandle; 2], kind: Kind) -> Result<()> {
    room.turn_to(other)?;
    hub.log_in(room, "cleo")?;
    hub.wait_for_lab(room)?;
    hub.sh(&format!(
        "echo '{SECRET}' >/home/hubd/jupyter-cleo/secret.txt; chown jupyter-cleo: /home/hubd/jupyter-cleo/secret.txt"
    ))?;
    let hers = "return fetch('/user/cleo/api/contents/secret.txt').then(answer => answer.text())";
    ensure!(text_of(&room.execute(hers, Vec::new())?).contains(SECRET), "cleo's own page does not reach her file");
    room.turn_to(work)?;
    wake(room)?;
    room.wait_for_text(BANNER, "Somebody else is logged in in this browser now", DEADLINE)?;
    room.screenshot("somebody-else")?;
    let got = room.execute(ATTACK, Vec::new())?;
    let all = got.to_string();
    for sign in [SECRET, "jupyter-config-data", "OPEN", "REGISTERED", "\\\"key\\\":"] {
        ensure!(!all.contains(sign), "bob's page got to cleo ({sign}): {got:#}");
    }
    ensure!(got["events"] == "refused" && text_of(&got["contents"]).contains("can't use your server"), "{got:#}");
    context.step(&format!(
        "bob's open page tried {} ways and got nothing of cleo's",
        got.as_object().map_or(0, serde_json::Map::len)
    ))?;
    // Firefox does not know the policy that keeps windows apart; the threat model says so.
    if kind == Kind::Chromium {
        let reached = room.execute(WINDOWS, Vec::new())?;
        ensure!(reached == json!([false, false, false]), "bob's page has a hand on cleo's window: {reached}");
    }
    let saved = hub.sh("grep -l 'typed later' /home/hubd/jupyter-*/*.ipynb || true")?;
    ensure!(saved.trim().is_empty(), "bob's work was saved in {saved}");
    context.step("nor any window of hers, and his work went nowhere")
}

/// Bob is back: the old page goes on where it was.
fn back_again(context: &Context, hub: &Hub, room: &Browser, [work, other]: [&WindowHandle; 2]) -> Result<()> {
    leave(hub, room, other)?;
    hub.log_in(room, "bob")?;
    hub.wait_for_lab(room)?;
    room.turn_to(work)?;
    wake(room)?;
    room.wait_until_gone(BANNER, DEADLINE)?;
    let saved = "grep -qs 'typed later' /home/hubd/jupyter-bob/*.ipynb";
    if let Err(error) = wait::for_shell(hub, "what was typed while nobody was logged in", saved) {
        room.screenshot("not-saved")?;
        return Err(error);
    }
    lab::wait_for_idle_kernel(room)?;
    let cells = room.count(".jp-Notebook .jp-Cell")?;
    room.click(".jp-Notebook .jp-CodeCell.jp-mod-selected .cm-content")?;
    room.chord(&[Key::Shift], Key::Enter)?;
    room.wait_for(&format!(".jp-Notebook .jp-Cell:nth-of-type({})", cells + 1), DEADLINE)?;
    lab::run_cell(room, "x + 1", "42")?;
    context.step("bob logged in again: what he had typed was saved, and his kernel knows what it knew")
}

fn stopped_and_away(context: &Context, hub: &Hub, room: &Browser) -> Result<()> {
    hub.sh("systemctl stop hubd.socket hubd.service")?;
    room.wait_for_text(BANNER, "The hub can't be reached at the moment.", DEADLINE)?;
    room.screenshot("away")?;
    hub.sh("systemctl start hubd.socket hubd.service")?;
    wake(room)?;
    room.wait_until_gone(BANNER, DEADLINE)?;
    lab::wait_for_idle_kernel(room)?;
    lab::run_cell(room, "x + 2", "43")?;
    context.step("the hub was away: the page waited, and its kernel lives")?;
    hub.hubctl(&["server", "stop", "bob"])?;
    room.wait_for_text(BANNER, "Your server is not running.", DEADLINE)?;
    room.screenshot("stopped")?;
    hub.hubctl(&["server", "start", "bob"])?;
    wake(room)?;
    room.wait_until_gone(BANNER, DEADLINE)?;
    context.step("the server was stopped and started: the page says the one and goes on with the other")
}

/// The same page in Notebook, after a password reset by the administrator.
fn notebook(context: &Context, hub: &Hub, room: &Browser, [work, other]: [&WindowHandle; 2]) -> Result<()> {
    room.turn_to(other)?;
    room.goto(&format!("{}/user/bob/notebooks/Untitled.ipynb", hub.url()))?;
    room.wait_for(".jp-Notebook .jp-CodeCell", DEADLINE)?;
    room.wait_for_script(TYPED, DEADLINE)?;
    hub.sh(&format!("printf '%s\\n' '{PASSWORD}' | hubctl user password bob --stdin"))?;
    room.wait_for_text(BANNER, "You were logged out.", DEADLINE)?;
    room.screenshot("notebook")?;
    room.turn_to(work)?;
    room.wait_for_text(BANNER, "You were logged out.", DEADLINE)?;
    context.step("a new password set by the administrator: Notebook says it, too")
}

fn save(room: &Browser) -> Result<()> {
    room.type_keys(&format!("{}s{}", char::from(Key::Control), char::from(Key::Null)))
}

/// Logs out whoever is logged in, in `tab`.
fn leave(hub: &Hub, room: &Browser, tab: &WindowHandle) -> Result<()> {
    room.turn_to(tab)?;
    room.goto(&format!("{}/hub/home", hub.url()))?;
    room.click_text("Log out")?;
    room.wait_for("#username", DEADLINE)
}

/// What a person's look at the page does: it asks at once instead of some seconds later.
fn wake(room: &Browser) -> Result<()> {
    room.execute("window.dispatchEvent(new Event('focus'))", Vec::new()).map(drop)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
