//! Kernels of conda packages, from a channel that the test makes: an `environment.yml` becomes a kernel whose Python and
//! everything else came out of conda packages, is changed, taken back, refused where it can't work, and swept when killed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{Hub, record};
use crate::kernel::OwnKernel;
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "conda",
    about: "hubctl env --kernel apply environment.yml: conda packages of a channel become a kernel, changed and taken back",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

const STUDENT: &str = "bob";
pub(super) const ALIAS: &str = "/srv/conda";
const BUILD_DEADLINE: Duration = Duration::from_secs(600);
pub(super) const CHANNEL: &str = include_str!("conda/channel.py");
pub(super) const ENVIRONMENT: &str = "\
name: science
channels:
  - teaching
  - defaults
dependencies:
  - python=3.11
  - ipykernel
  - course=1
  - pip:
      - pyjokes==0.6.0
prefix: /home/ada/miniconda3/envs/science
";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&[STUDENT.to_owned()])?;
    hub.hubctl(&["server", "start", STUDENT])?;
    hub.write("/root/channel.py", CHANNEL, 0o600)?;
    hub.sh(&format!("python3 -I /root/channel.py {ALIAS}/teaching"))?;
    hub.hubctl(&["config", "set", "environment.conda_channel_alias", &format!("file://{ALIAS}")])?;
    hub.write("/root/environment.yml", ENVIRONMENT, 0o600)?;

    let kernel = OwnKernel { hub: &hub, name: "science", student: STUDENT };
    made(context, kernel)?;
    refused(context, kernel)?;
    changed(context, kernel)?;
    of_another_language(context, &hub)?;
    cut_short(context, kernel)?;
    hub.hubctl(&["server", "stop", STUDENT])?;
    kernel.remove()?;
    ensure!(hub.hubctl(&["env", "status"])?["current"] == 1, "everybody's environment is another one");
    ensure!(hub.failed_units()?.is_empty(), "failed units: {:?}", hub.failed_units()?);
    context.step("removed: nothing is left but the tool")
}

/// The file that conda's users have makes a kernel, by the command that the refusal for everybody's environment names.
fn made(context: &Context, kernel: OwnKernel<'_>) -> Result<()> {
    let (hub, store) = (kernel.hub, kernel.store());
    let output = hub.hubctl_output(&["env", "apply", "/root/environment.yml"])?;
    let told = output.complaint();
    ensure!(output.code == 1 && told.contains("hubctl env --kernel science apply /root/environment.yml"), "{told}");

    // What reads channels is in the package index, which is not there.
    for (index, hint) in [
        ("http://127.0.0.1:9/simple/", "could not be reached"),
        ("file:///srv/", "has to be in the package index of this machine"),
    ] {
        hub.hubctl(&["config", "set", "environment.index_url", index])?;
        let failed = kernel.change(&["apply", "/root/environment.yml"])?;
        let told = (failed["reason"].to_string(), failed["hint"].to_string());
        ensure!(told.0.contains("fetching what reads conda channels") && told.1.contains(hint), "without an index: {failed}");
        context.step(&format!("{} - {}", told.0, told.1))?;
    }
    hub.hubctl(&["config", "unset", "environment.index_url"])?;
    hub.sh("test -z \"$(ls /opt/hubd/tools)\"")?;
    let made = kernel.change(&["apply", "/root/environment.yml"])?;
    ensure!(made["state"] == "done", "made: {made}");
    context.step(&format!("made in {} s, with the tool that was fetched first; {} bytes", made["seconds"], made["bytes"]))?;
    let place = format!("{store}/{}", made["to"]);
    let code = "import sys, course, pyjokes, zmq; print(sys.prefix, sys.base_prefix, course.version, zmq.__file__)";
    let printed = kernel.cell(code)?;
    let expected = format!("{place} {place} 1.0 {place}/lib/python3.11/dist-packages/zmq/__init__.py");
    ensure!(printed == expected, "in the kernel: {printed}");
    let listed = kernel.about(&["show"])?;
    for (name, version) in [("python", "3.11.2"), ("course", "1.0"), ("pyjokes", "0.6.0")] {
        let found = listed["packages"]
            .as_array()
            .is_some_and(|packages| packages.iter().any(|package| package["name"] == name && package["version"] == version));
        ensure!(found, "{name} {version} is not in {listed}");
    }
    hub.sh(&format!(
        "test \"$(cat {place}/share/course/where)\" = {place} && test -L {place}/bin/python \
         && test ! -e {place}/share/course/post-link && test ! -e {place}/.cache \
         && test -z \"$(find {store} /opt/hubd/tools ! -user root)\" \
         && test -z \"$(find {store} /opt/hubd/tools ! -type l -perm /7022)\""
    ))?;
    ensure!(kernel.about(&["check"])?["problems"] == Value::Array(Vec::new()), "check: {}", kernel.about(&["check"])?);
    let status = kernel.about(&["status"])?;
    ensure!(status["python"] == "Python 3.11.2 of conda" && status["is_as_asked"] == true, "status: {status}");
    let config = hub.sh("cat /etc/hubd/config.toml")?;
    ensure!(config.contains("\"course=1\"") && config.contains("channels = [\"teaching\"]"), "configuration: {config}");
    let again = kernel.change(&["apply", "/root/environment.yml"])?;
    ensure!(again["state"] == "unchanged", "a second time: {again}");
    context.step("its Python, its packages and those of pip are in one prefix, which is root's; no script was run")
}

/// What can't work is refused in words that say why; the kernel stays what it is.
fn refused(context: &Context, kernel: OwnKernel<'_>) -> Result<()> {
    let (hub, store) = (kernel.hub, kernel.store());
    for (packages, reason) in [
        (&["no-such-package"][..], "No candidates were found for no-such-package"),
        (&["old-exercises", "new-exercises"], "new-exercises 1.0 would require\n   └─ course >=2"),
        (&["tampered"], "hash mismatch"),
        (&["broken"], "it never worked"),
        (&["outward"], "a link to `/etc/passwd`"),
        (&["elsewhere::course"], "elsewhere"),
    ] {
        let record = kernel.change(&[&["install"], packages].concat())?;
        let told = record["reason"].as_str().unwrap_or_default();
        ensure!(record["state"] == "failed" && told.contains(reason), "{packages:?}: {record}");
        context.step(&format!(
            "{packages:?} refused after {} s: {}",
            record["seconds"],
            told.lines().next().unwrap_or_default()
        ))?;
    }
    let twice = kernel.change(&["install", "--pip", "course"])?;
    ensure!(twice["reason"].to_string().contains("course 1.0 is there from conda"), "from both sides: {twice}");
    for (arguments, reason) in [
        (&["install", "--prefix=/etc"][..], "unexpected argument"),
        (&["remove", "numpy"], "`numpy` was not asked for from conda"),
        (&["remove", "python", "ipykernel", "course"], "no conda package would be left"),
        (&["upgrade", "course=2"], "only names count"),
    ] {
        let output = hub.hubctl_output(&[&["env", "--kernel", "science"], arguments].concat())?;
        ensure!(output.code != 0 && output.complaint().contains(reason), "{arguments:?}: {output:?}");
    }
    ensure!(kernel.cell("import course; print('there')")? == "there", "the kernel does not work any more");
    let left = hub.sh(&format!("ls -A {store} /opt/hubd/tools | tr '\\n' ' '"))?;
    let only = format!(" {} kernel.json ", kernel.about(&["status"])?["current"]);
    ensure!(left.contains(&only) && left.trim_end().ends_with("py-rattler-0.28.0"), "left behind: {left}");
    context.step("nothing of it is left behind")
}

/// Newer versions on request only, written out and read in again, and back.
fn changed(context: &Context, kernel: OwnKernel<'_>) -> Result<()> {
    let hub = kernel.hub;
    let more = kernel.change(&["install", "course"])?;
    ensure!(more["state"] == "done", "asked for in any version: {more}");
    ensure!(kernel.cell("import course; print(course.version)")? == "1.0", "it got newer unasked");
    let newer = kernel.change(&["upgrade", "course"])?;
    ensure!(newer["state"] == "done" && newer["changes"][0]["to"] == "2.0", "upgraded: {newer}");
    let (own, all) = (newer["own_bytes"].as_u64().unwrap_or(u64::MAX), newer["bytes"].as_u64().unwrap_or(0));
    ensure!(own < all / 5, "{own} bytes of {all} are not shared with the generation before");
    ensure!(kernel.cell("import course; print(course.version)")? == "2.0", "not upgraded");
    let diff = kernel.about(&["diff"])?;
    ensure!(diff["changes"][0]["from"] == "1.0" && diff["changes"][0]["to"] == "2.0", "diff: {diff}");

    let exported = hub.sh("hubctl env --kernel science export | tee /root/exported.yml")?;
    ensure!(exported.contains("\"course=2.0=0\"") && exported.contains("\"pyjokes==0.6.0\""), "exported: {exported}");
    let explicit = hub.sh("hubctl env --kernel science export --explicit")?;
    let is_explicit = explicit.starts_with("@EXPLICIT\n") && explicit.contains("/noarch/course-2.0-0.tar.bz2#sha256:");
    ensure!(is_explicit, "explicit: {explicit}");

    let back = kernel.about(&["rollback"])?;
    ensure!(back["to"] == more["to"], "back: {back}");
    ensure!(kernel.cell("import course; print(course.version)")? == "1.0", "not taken back");
    ensure!(kernel.about(&["status"])?["is_as_asked"] == true, "the configuration asks for other packages");
    let copy = OwnKernel { name: "copy", ..kernel };
    let made = copy.change(&["apply", "/root/exported.yml"])?;
    ensure!(made["state"] == "done", "what was exported, as another kernel: {made}");
    ensure!(copy.cell("import course, pyjokes; print(course.version)")? == "2.0", "the copy is another one");
    copy.remove()?;
    context.step(&format!("upgraded ({own} of {all} bytes its own), taken back, and made again out of its export"))
}

/// A kernel that is no Python to Jupyter: its own specification, found by its name and started from the prefix.
fn of_another_language(context: &Context, hub: &Hub) -> Result<()> {
    // What a package needs may come from the usual channels, too, and this mirror has no conda-forge.
    let bare = ["env", "--kernel", "bare", "install", "--conda", "teaching::old-exercises"];
    let unread = record(hub, &bare)?;
    let told = (unread["reason"].to_string(), unread["hint"].to_string());
    ensure!(told.0.contains(&format!("{ALIAS}/conda-forge")) && told.1.contains("environment.conda_channels"), "{unread}");
    hub.hubctl(&["config", "set", "environment.conda_channels", "teaching"])?;
    let none = record(hub, &bare)?;
    ensure!(none["hint"].to_string().contains("r-irkernel"), "no kernel in it: {none}");

    let kernel = OwnKernel { hub, name: "shout", student: STUDENT };
    let made = kernel.change(&["install", "--conda", "shout"])?;
    ensure!(made["state"] == "done", "shout: {made}");
    let place = format!("{}/{}", kernel.store(), made["to"]);
    let printed = kernel.cell("quiet")?;
    ensure!(printed == format!("{place}/bin/shout QUIET"), "in the other kernel: {printed}");
    let specification = hub.sh(&format!("cat {}/kernel.json", kernel.store()))?;
    ensure!(
        specification.contains("\"Shout (shout)\"") && specification.contains(&format!("{place}/bin/shout")),
        "{specification}"
    );
    kernel.remove()?;
    context.step("a kernel of another language answers a cell")
}

/// The builder is killed while conda packages are put in place.
fn cut_short(context: &Context, kernel: OwnKernel<'_>) -> Result<()> {
    let (hub, store) = (kernel.hub, kernel.store());
    let before = kernel.about(&["status"])?["current"].clone();
    hub.sh("hubctl env --kernel science upgrade </dev/null >/dev/null 2>&1 & sleep 0")?;
    let installing = |kernel: &OwnKernel<'_>| {
        Ok(kernel.about(&["status"])?["building"]["phase"].to_string().contains("installing the conda packages"))
    };
    wait::until_within(BUILD_DEADLINE, "conda packages to be installed", || installing(&kernel))?;
    hub.sh("systemctl kill --signal=KILL hubd-environment.service")?;
    wait::until_within(BUILD_DEADLINE, "the end of a build that was killed", || {
        let history = kernel.about(&["history"])?;
        let last = history["records"].as_array().and_then(|records| records.last()).context("no history")?;
        let state = last["state"].as_str().unwrap_or_default();
        ensure!(["failed", "waiting", "building"].contains(&state), "after a kill: {last}");
        Ok(state == "failed")
    })?;
    hub.sh("systemctl start hubd-environment.service")?;
    wait::for_shell(hub, "the rest of the build to be swept", &format!("! ls {store} | grep -Eq '[.](new|input|sealed)$'"))?;
    ensure!(kernel.about(&["status"])?["current"] == before, "the kernel is another one");
    ensure!(kernel.cell("import course; print('there')")? == "there", "the kernel does not work any more");
    context.step("killed in the middle: swept, and the kernel is what it was")
}
