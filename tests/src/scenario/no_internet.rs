//! A room without a network: a hub makes a bundle, and a bare machine to which no way leads becomes the same hub from it,
//! installs what the bundle has, says what it does not have, and takes more in.

mod whole;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use hub_machine::{BaseSpec, Output, Release};
use serde_json::Value;
use tempfile::TempDir;

use super::{Group, Scenario};
use crate::context::{Context, TestMachine};
use crate::hub::{ADMIN, Hub, record};
use crate::kernel;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "no-internet",
    about: "hubctl bundle, and bootstrap.sh --bundle on a bare machine with no network at all",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

pub(super) use self::whole::SCENARIO as WHOLE;

const STUDENT: &str = "bob";
const DEADLINE: Duration = Duration::from_secs(600);
const BUNDLE: &str = "/root/class.bundle";
/// All that the hub needs of the distribution and that a Debian can do without.
const STRIP: &str = "
    export DEBIAN_FRONTEND=noninteractive SUDO_FORCE_REMOVE=yes
    apt-get purge --yes --quiet=2 --allow-remove-essential python3 python3-minimal python3.11-minimal python3-pip-whl sudo ca-certificates \
        >/root/purge.txt 2>&1 || { tail /root/purge.txt >&2; exit 1; }
    apt-get autoremove --purge --yes --quiet=2 >>/root/purge.txt 2>&1
    test ! -e /usr/bin/python3; test ! -e /usr/bin/sudo; test ! -e /usr/share/python-wheels";
/// What an install could change, as a checksum.
const STATE: &str = "
    { find /opt /etc /var/lib/hubd* -xdev -type f -printf '%p %m %u %s %T@\\n' 2>/dev/null || true; cat /etc/passwd; dpkg -l; } | sort | sha256sum";

/// A directory laid out as an index, with one package that nobody else has.
const INDEX: &str = r#"
import os, zipfile
os.makedirs("/srv/index/roomonly")
with zipfile.ZipFile("/srv/index/roomonly/roomonly-1.0-py3-none-any.whl", "w") as wheel:
    files = {
        "roomonly.py": "",
        "roomonly-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: roomonly\nVersion: 1.0\n",
        "roomonly-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["roomonly-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in [*files, "roomonly-1.0.dist-info/RECORD"])
    for name, text in files.items():
        wheel.writestr(name, text)
with open("/srv/index/roomonly/index.html", "w") as page:
    page.write('<a href="roomonly-1.0-py3-none-any.whl">roomonly-1.0-py3-none-any.whl</a>')
"#;

fn run(context: &Context) -> Result<()> {
    let directory = TempDir::with_prefix("hubd-bundle-")?;
    let (class, more) = (directory.path().join("class.bundle"), directory.path().join("more.bundle"));
    make(context, &class, &more)?;
    let machine = context.offline_machine(&BaseSpec::new(Release::Bookworm))?;
    machine.sh(STRIP)?;
    let links =
        machine.sh("ip -brief link | grep -v ^lo || true; ip route; ip -6 route show table main | grep -v ' lo ' || true")?;
    ensure!(links.is_empty(), "there is a way out: {links}");
    machine.copy_in(&class, BUNDLE, 0o644)?;
    refused(context, &machine)?;
    install(context, &machine)?;
    works(context, &machine)?;
    packages(context, &machine, &more)?;
    mirror(context, &machine)
}

/// On a machine with a network: a hub with a package more than every hub has, and two bundles of it.
fn make(context: &Context, class: &Path, more: &Path) -> Result<()> {
    let hub = Hub::install(context)?;
    json(&hub, &["env", "install", "cowsay==6.1"])?.checked()?;
    json(&hub, &["env", "--kernel", "fun", "install", "pyjokes"])?.checked()?;
    let made: Value = serde_json::from_str(&json(&hub, &["bundle", "create", BUNDLE, "--with", "pyfiglet"])?.checked()?.text())?;
    context.step(&format!("made a bundle: {} bytes, {} wheels", made["bytes"], made["wheels"]))?;
    let sum = hub.sh(&format!("sha256sum {BUNDLE} | cut -d' ' -f1"))?;
    ensure!(made["sha256"] == sum.as_str(), "checksum {sum}: {made}");
    hub.copy_out(BUNDLE, class)?;
    let again = json(&hub, &["bundle", "create", BUNDLE])?;
    ensure!(again.code == 7, "a file that is there is replaced: {again:?}");
    json(&hub, &["bundle", "create", "/root/more.bundle", "--with", "emoji", "--no-packages"])?.checked()?;
    hub.copy_out("/root/more.bundle", more)?;
    hub.sh("test -z \"$(ls /root | grep part)\"; test -z \"$(ls -d /var/tmp/hubd-bundle-* /opt/hubd/envs/0.* 2>/dev/null)\"")?;
    Ok(())
}

/// What is damaged or for another machine changes nothing.
fn refused(context: &Context, machine: &TestMachine) -> Result<()> {
    let before = machine.sh(STATE)?;
    let rebuild = "mkdir x; tar -xf class.bundle -C x; cd x";
    let pack = "(cd x && sed -i '/manifest.json$/d' SHA256SUMS && sha256sum manifest.json >>SHA256SUMS)
                tar -cf bad.bundle -C x $(ls x)";
    for (what, change, said) in [
        ("truncated", "head -c 30000000 class.bundle >bad.bundle".to_owned(), "hint: the file is no bundle, or was damaged"),
        (
            "cut at the end",
            "head -c -20000000 class.bundle >bad.bundle".to_owned(),
            "hint: the file is no bundle, or was damaged",
        ),
        (
            "altered",
            format!("({rebuild}; echo >>$(ls wheels/*.whl | tail -n 1)); tar -cf bad.bundle -C x $(ls x)"),
            "is not what `SHA256SUMS`",
        ),
        (
            "of another processor",
            format!("({rebuild}; sed -i s/x86_64/aarch64/ manifest.json); {pack}"),
            "another kind of processor",
        ),
        (
            "of another release",
            format!("({rebuild}; sed -i 's/debian 12/debian 13/' manifest.json); {pack}"),
            "for the system debian 13",
        ),
        ("no bundle", "echo hello >bad.bundle".to_owned(), "hint: the file is no bundle, or was damaged"),
    ] {
        machine.sh(&format!("cd /root; rm -rf x bad.bundle; {change}"))?;
        let output = bootstrap(machine, "bad.bundle")?;
        let all = format!("{}{}", output.text(), output.complaint());
        ensure!(output.code != 0 && all.contains(said), "{what}: {output:?}");
        ensure!(machine.sh(STATE)? == before, "a bundle that is {what} changed something");
    }
    machine.sh("cd /root; rm -rf x bad.bundle")?;
    context.step("damaged bundles, and those of other machines, are refused before anything is touched")
}

fn install(context: &Context, machine: &TestMachine) -> Result<()> {
    let output = bootstrap(machine, "class.bundle")?.checked()?;
    let report: Value = serde_json::from_str(&output.text())?;
    context.step(&format!("installed without a network in {} s", report["seconds"]))?;
    let second = bootstrap(machine, "class.bundle")?.checked()?;
    let second: Value = serde_json::from_str(&second.text())?;
    ensure!(second["changed"] == 0, "a second run changed something: {second}");
    machine.sh("test -z \"$(ls -d /opt/.bundle-* /opt/hubd/.bundle-* 2>/dev/null)\"")?;
    ensure!(machine.failed_units()?.is_empty(), "failed units: {:?}", machine.failed_units()?);
    let check: Value = serde_json::from_str(&json(machine, &["env", "check"])?.checked()?.text())?;
    ensure!(check["problems"] == Value::Array(Vec::new()), "the environment is not what the configuration asks for: {check}");
    context.step("a second run changed nothing")
}

fn works(context: &Context, machine: &TestMachine) -> Result<()> {
    enrol(machine)?;
    machine.sh("curl -fsS http://127.0.0.1:8000/hub/login | grep -q password")?;
    let ran = kernel::run_in(&**machine, STUDENT, "import cowsay; print(cowsay.get_output_string('cow', 'offline'))")?;
    ensure!(ran.printed.contains("offline") && ran.error.is_none(), "the package of the first hub: {ran:?}");
    let ran = kernel::run_in(&**machine, STUDENT, "%pip install --quiet pyfiglet\nimport pyfiglet; print('own')")?;
    ensure!(ran.printed.contains("own") && ran.error.is_none(), "a student's own package from the bundle: {ran:?}");
    context.step("a student's server runs a cell, and pip in it installs from the bundle")
}

/// A student, whose server runs.
fn enrol(machine: &TestMachine) -> Result<()> {
    machine.write("/root/class.csv", format!("name,password\n{STUDENT},{}\n", crate::hub::PASSWORD), 0o600)?;
    json(machine, &["user", "add", "--from", "/root/class.csv"])?.checked()?;
    json(machine, &["server", "start", STUDENT])?.checked().map(drop)
}

fn packages(context: &Context, machine: &TestMachine, more: &Path) -> Result<()> {
    let installed = record(machine, &["env", "install", "pyfiglet"])?;
    ensure!(installed["state"] == "done", "a package of the bundle: {installed}");
    context.step(&format!("installed a package of the bundle in {} s", installed["seconds"]))?;
    let kernel = record(machine, &["env", "--kernel", "fun", "apply"])?;
    ensure!(kernel["state"] == "done", "the kernel of the first hub: {kernel}");
    let missing = record(machine, &["env", "install", "emoji"])?;
    let hint = missing["hint"].as_str().unwrap_or_default();
    ensure!(missing["state"] == "failed" && hint.contains("hubctl bundle add FILE"), "not in the bundle: {missing}");
    let of_conda = record(machine, &["env", "--kernel", "science", "install", "--conda", "numpy"])?;
    let hint = of_conda["hint"].as_str().unwrap_or_default();
    ensure!(of_conda["state"] == "failed" && hint.contains("have no conda packages"), "without what reads channels: {of_conda}");
    machine.copy_in(more, "/root/more.bundle", 0o644)?;
    machine.sh("head -c 50000000 /root/more.bundle >/root/half.bundle")?;
    let half = json(machine, &["bundle", "add", "/root/half.bundle"])?;
    ensure!(half.code == 1 && half.complaint().contains("damaged or cut short"), "half a bundle: {half:?}");
    let added: Value = serde_json::from_str(&json(machine, &["bundle", "add", "/root/more.bundle"])?.checked()?.text())?;
    ensure!(added["new"] == 1, "added: {added}");
    let installed = record(machine, &["env", "install", "emoji"])?;
    ensure!(installed["state"] == "done", "after more was taken in: {installed}");
    let again = record(machine, &["env", "install", "emoji"])?;
    ensure!(again["state"] == "unchanged", "a second time: {again}");
    context.step("what no bundle has is refused with what to do; after `bundle add` it installs")
}

/// An index that the configuration names wins over the bundle, for builds and for students, and its wheels stay beside it.
fn mirror(context: &Context, machine: &TestMachine) -> Result<()> {
    machine.write("/root/index.py", INDEX, 0o600)?;
    machine.sh("python3 /root/index.py")?;
    let before = record(machine, &["env", "install", "roomonly"])?;
    ensure!(before["state"] == "failed", "no bundle has it: {before}");
    json(machine, &["config", "set", "environment.index_url", "file:///srv/index/"])?.checked()?;
    let installed = record(machine, &["env", "install", "roomonly"])?;
    ensure!(installed["state"] == "done", "from the index: {installed}");
    json(machine, &["server", "stop", STUDENT])?.checked()?;
    json(machine, &["server", "start", STUDENT])?.checked()?;
    let code = "import os, roomonly; print(os.environ['PIP_INDEX_URL'], 'PIP_NO_INDEX' in os.environ)";
    let ran = kernel::run_in(&**machine, STUDENT, code)?;
    ensure!(ran.printed.trim() == "file:///srv/index/ False", "what students are told: {ran:?}");
    let secret = "https://ada:very-secret@mirror.invalid/simple/";
    json(machine, &["config", "set", "environment.index_url", secret])?.checked()?;
    let failed = json(machine, &["env", "install", "tqdm"])?;
    ensure!(failed.code == 1, "an index that is not there: {failed:?}");
    machine.sh("! grep -r very-secret /opt/hubd/share /var/lib/hubd-environments /var/log; ! journalctl | grep very-secret")?;
    ensure!(!format!("{failed:?}").contains("very-secret"), "the password is shown: {failed:?}");
    json(machine, &["config", "unset", "environment.index_url"])?.checked()?;
    json(machine, &["bundle", "remove", "--yes"])?.checked()?;
    machine.sh("test -z \"$(ls /opt/hubd/bundle)\"; ! grep -q PIP_ /opt/hubd/share/network.json")?;
    context.step("an index in the configuration wins over the bundle; its password is nowhere to be seen")
}

fn bootstrap(machine: &TestMachine, bundle: &str) -> Result<Output> {
    // The bundle that was not damaged has what opens any.
    let line = format!(
        "cd /root; tar -xOf class.bundle bootstrap.sh | sh -s -- --bundle {bundle} --admin {ADMIN} --listen 127.0.0.1:8000 --yes --json"
    );
    machine.command(["/bin/sh", "-c", &line]).timeout(DEADLINE).output()
}

fn json(machine: &TestMachine, arguments: &[&str]) -> Result<Output> {
    let command = ["/usr/local/bin/hubctl", "--json"].into_iter().chain(arguments.iter().copied());
    machine.command(command).timeout(DEADLINE).output()
}
