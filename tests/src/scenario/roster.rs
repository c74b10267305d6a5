//! A class list as a school's programs write it: dropped on the page, corrected, applied; the next one brings somebody and takes
//! somebody away; and the same by hubctl on the machine.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::{Hub, PASSWORD};
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "roster",
    about: "a teacher gives a class list as a file: columns corrected, login names made, applied, again, with a leaver; 500 by hubctl",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(120);
/// Two of one name, a line twice, capitals; and titles that say it the wrong way round.
const CLASS: &str = "Vorname;Nachname;E-Mail;Klasse\r\nM\u{fc}ller;Anna;anna.mueller@schule.example;7b\r\n\
                     M\u{dc}LLER;ANNA;a.m@schule.example;7b\r\nGro\u{df};Zo\u{eb};ZOE.GROSS@Schule.example;7b\r\n\
                     \"Weber; Dr.\";J\u{f6}rg;joerg@schule.example;7b\r\nGro\u{df};Zo\u{eb};ZOE.GROSS@Schule.example;7b\r\n";
const SIZES: [(u32, u32); 2] = [(1280, 900), (400, 800)];

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["tess".to_owned()])?;
    hub.hubctl_output(&["config", "add", "roles.teachers", "tess"])?;
    let tess = context.browser("tess")?;
    hub.log_in(&tess, "tess")?;
    hub.wait_for_lab(&tess)?;
    let link = first(context, &hub, &tess)?;
    let zoe = context.browser("zoe")?;
    zoe.goto(&link)?;
    zoe.fill("#password", PASSWORD)?;
    zoe.fill("#repeat", PASSWORD)?;
    zoe.click_text("Save and go to my server")?;
    hub.wait_for_lab(&zoe)?;
    again_and_the_next(context, &hub, &tess)?;
    wait::for_end(&hub, "hubd-user-zoe.gross.service")?;
    on_the_machine(context, &hub)?;
    on_the_page(context, &hub, &tess)
}

/// Chooses a file in the old encoding, corrects what the columns are, and has it done. Returns zoe's link.
fn first(context: &Context, hub: &Hub, tess: &Browser) -> Result<String> {
    give(context, hub, tess, CLASS)?;
    tess.wait_for_text("#comes", "M\u{fc}ller Anna", DEADLINE)?;
    choose(tess, 0, "family")?;
    choose(tess, 1, "given")?;
    tess.click_text("Look again")?;
    tess.wait_for_text("#comes", "Anna M\u{fc}ller", DEADLINE)?;
    let shown = tess.text("#comes")?;
    for name in ["anna.mueller", "a.m", "zoe.gross", "joerg"] {
        ensure!(shown.contains(name), "{name} is not shown: {shown}");
    }
    ensure!(tess.text("main")?.contains("Line 6 says the same as line 4"), "the line that is there twice is not told");
    pictures(tess, "plan")?;
    ensure!(listed(hub)?.len() == 2, "somebody was enrolled by a look");
    tess.click_text("Do it")?;
    tess.wait_for_text("h1", "4 people were added", DEADLINE)?;
    ensure!(tess.count(".slip svg")? == 4, "each link has a code");
    ensure!(tess.text(".slip:nth-child(3)")?.contains("Zo\u{eb} Gro\u{df}"), "the slip lacks the name");
    pictures(tess, "slips")?;
    let link = tess.property(".slip:nth-child(3) .link", "href")?.context("the slip has no link")?;
    tess.goto(&format!("{}/hub/people?q=GRO\u{df}", hub.url()))?;
    tess.wait_for_text("[data-name='zoe.gross']", "Zo\u{eb} Gro\u{df}", DEADLINE)?;
    ensure!(tess.count("tbody tr")? == 1, "the search finds others, too");
    tess.goto(&format!("{}/hub/people", hub.url()))?;
    tess.wait_for("[data-name='zoe.gross']", DEADLINE)?;
    pictures(tess, "list")?;
    context.step("a list of four in an old encoding was corrected, looked at and applied")?;
    Ok(link)
}

/// The same list changes nothing; the next has one more and lacks zoe, who is out once it is said to be the whole class.
fn again_and_the_next(context: &Context, hub: &Hub, tess: &Browser) -> Result<()> {
    let titled = CLASS.replace("Vorname;Nachname", "Nachname;Vorname");
    give(context, hub, tess, &titled)?;
    tess.wait_for_text("main", "There is nothing to do", DEADLINE)?;
    tess.screenshot("nothing")?;
    let next = format!("{}Klein;Emil;;7b\r\n", titled.replace("Gro\u{df};Zo\u{eb};ZOE.GROSS@Schule.example;7b\r\n", ""));
    give(context, hub, tess, &next)?;
    tess.wait_for_text("#comes", "emil.klein", DEADLINE)?;
    tess.click("details:has([name=whole]) summary")?;
    ensure!(tess.text(".names")?.contains("Zo\u{eb} Gro\u{df}"), "who is not on the list is not told");
    ensure!(tess.property("[name=whole]", "checked")?.as_deref() != Some("true"), "the whole class is ticked unasked");
    tess.click("[name=whole]")?;
    pictures(tess, "leaver")?;
    tess.click_text("Do it")?;
    tess.wait_for_text("main", "many people would be blocked", DEADLINE)?;
    tess.click("[name=many]")?;
    tess.screenshot("many")?;
    tess.click_text("Do it")?;
    tess.wait_for_text("h1", "One person was added", DEADLINE)?;
    ensure!(tess.text("main")?.contains("One person was blocked"), "{}", tess.text("main")?);
    let list = hub.hubctl(&["user", "list"])?;
    let zoe = list["users"].as_array().into_iter().flatten().find(|user| user["name"] == "zoe.gross").context("zoe is gone")?;
    ensure!(
        zoe["blocked"] == true && zoe["full_name"] == "Zo\u{eb} Gro\u{df}" && zoe["email"] == "ZOE.GROSS@Schule.example",
        "{zoe}"
    );
    context.step("the same list changed nothing; the next took one away and brought one")
}

/// 500 by hubctl, twice, and one who has another name by now.
fn on_the_machine(context: &Context, hub: &Hub) -> Result<()> {
    let line = |number: usize| format!("J\u{fc}rgen {number},j{number}@schule.example\n");
    let list = |name: &str| format!("Name,E-Mail\n{name},j0@schule.example\n{}", (1..500).map(line).collect::<String>());
    hub.write("/root/500.csv", list("J\u{fc}rgen 0"), 0o600)?;
    let began = Instant::now();
    let applied = hub.hubctl(&["roster", "apply", "/root/500.csv", "--yes"])?;
    let took = began.elapsed();
    ensure!(applied["done"]["users"].as_array().is_some_and(|users| users.len() == 500), "500 were not enrolled: {applied}");
    let again = hub.hubctl(&["roster", "apply", "/root/500.csv", "--yes"])?;
    ensure!(again["plan"]["unchanged"] == 500 && again["done"] == Value::Null, "the same list again: {again}");
    hub.write("/root/500.csv", list("J\u{f6}rg Neu"), 0o600)?;
    let seen = hub.sh("hubctl roster apply /root/500.csv --dry-run")?;
    ensure!(seen.contains("changes  j0") && seen.contains("J\u{fc}rgen 0 -> J\u{f6}rg Neu"), "{seen}");
    hub.write("/root/half.csv", "E-Mail\nj0@schule.example\n", 0o600)?;
    let half = hub.hubctl_output(&["roster", "apply", "/root/half.csv", "--whole-class", "--yes"])?;
    ensure!(!half.success() && half.complaint().contains("--many-leave"), "many left unasked");
    context.step(&format!("500 were enrolled by hubctl in {:.1} s", took.as_secs_f64()))
}

/// 500 others on the page, each with a slip.
fn on_the_page(context: &Context, hub: &Hub, tess: &Browser) -> Result<()> {
    let list: String = (0..500).map(|number| format!("p{number},Person {number}\r\n")).collect();
    give(context, hub, tess, &format!("username,name\r\n{list}"))?;
    let began = Instant::now();
    tess.click_text("Do it")?;
    tess.wait_for_text("h1", "500 people were added", DEADLINE)?;
    let took = began.elapsed();
    ensure!(tess.count(".slip svg")? == 500, "each of 500 has a slip");
    context.step(&format!("500 were enrolled on the page in {:.1} s", took.as_secs_f64()))
}

/// Chooses `list`, saved as Excel does in the west, as the file.
fn give(context: &Context, hub: &Hub, tess: &Browser, list: &str) -> Result<()> {
    let bytes: Vec<u8> = list.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>()?;
    let path = context.artefacts().join("class.csv");
    fs::write(&path, bytes)?;
    tess.goto(&format!("{}/hub/people/add", hub.url()))?;
    pictures(tess, "add")?;
    tess.fill("#file", &path.display().to_string())?;
    tess.click_text("Read the list")?;
    tess.wait_for_text("h1", "What this list changes", DEADLINE)
}

fn choose(tess: &Browser, column: usize, word: &str) -> Result<()> {
    tess.click(&format!("[name='column.{column}'] option[value={word}]"))
}

/// The page on a desk and on a phone, on neither wider than the screen.
fn pictures(tess: &Browser, name: &str) -> Result<()> {
    for (width, height) in SIZES {
        tess.resize(width, height)?;
        tess.screenshot(&format!("{name}-{width}"))?;
        let overflow = tess.execute("return document.documentElement.scrollWidth > innerWidth", Vec::new())?;
        ensure!(overflow == Value::Bool(false), "{name} is wider than a screen of {width} pixels");
        tess.execute("scrollTo(0, document.body.scrollHeight)", Vec::new())?;
        tess.screenshot(&format!("{name}-{width}-end"))?;
        tess.execute("scrollTo(0, 0)", Vec::new())?;
    }
    let (width, height) = SIZES[0];
    tess.resize(width, height)
}

fn listed(hub: &Hub) -> Result<Vec<Value>> {
    let list = hub.hubctl(&["user", "list"])?;
    Ok(list["users"].as_array().context("no list of people")?.clone())
}
