//! A kernel of its own: built beside everybody's environment, in the menu of a server that runs already, changed and taken
//! back like everybody's, gone when it is removed; and what runs in it keeps what it started with.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;
use crate::kernel::{self, OwnKernel};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kernels",
    about: "hubctl env --kernel: another kernel for everybody, tried out first, taken back, in use, removed; no port with any ipykernel",
    group: Group::Default,
    needs_programs: true,
    run,
};

const STUDENT: &str = "bob";
/// A wheel that can be installed, and not be used.
const BROKEN: &str = r#"
import zipfile
with zipfile.ZipFile("/root/broken-1.0-py3-none-any.whl", "w") as wheel:
    files = {
        "broken.py": "raise ImportError('it never worked')\n",
        "broken-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n",
        "broken-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["broken-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in [*files, "broken-1.0.dist-info/RECORD"])
    for name, text in files.items():
        wheel.writestr(name, text)
"#;
/// As the hub demands it of a kernel of its own.
const OLDEST: &str = "ipykernel==6.29.0";
/// Something that goes on in the kernel's environment, as a notebook that computes does.
const GOES_ON: &str = "
import subprocess, sys
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3000)'], start_new_session=True)
";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&[STUDENT.to_owned()])?;
    hub.hubctl(&["server", "start", STUDENT])?;
    let kernel = OwnKernel { hub: &hub, name: "science", student: STUDENT };
    ensure!(!menu(&hub)?.contains("science"), "the kernel is there before it was made");

    let made = kernel.change(&["install", "cowsay"])?;
    ensure!(made["state"] == "done" && made["kernel"] == "science" && made["to"] == 2, "made: {made}");
    context.step(&format!(
        "made in {} s, {} bytes of {} not shared with everybody's",
        made["seconds"], made["own_bytes"], made["bytes"]
    ))?;
    ensure!(menu(&hub)?.contains("Python 3 (science)"), "a server that runs does not see it: {}", menu(&hub)?);
    let store = kernel.store();
    let code = "import cowsay, sys, shutil; print(sys.prefix, shutil.which('python'))";
    ensure!(kernel.cell(code)? == format!("{store}/2 {store}/2/bin/python"), "{}", kernel.cell(code)?);
    ensure!(
        kernel::run(&hub, STUDENT, "import cowsay")?.answer().starts_with("ModuleNotFoundError"),
        "everybody's Python has it, too"
    );
    let config = hub.sh("cat /etc/hubd/config.toml")?;
    ensure!(config.contains("[environment.kernels.science]"), "the configuration does not name it: {config}");
    context.step("a server that was running shows it and runs a cell in it; everybody's Python is what it was")?;

    kernel.cell(GOES_ON)?;
    hub.hubctl(&["config", "set", "environment.keep", "2"])?;
    refused(context, kernel)?;
    changed(context, kernel)?;
    removed(context, kernel)?;
    ports(context, &hub)?;

    ensure!(hub.hubctl(&["env", "status"])?["current"] == 1, "everybody's environment is another one");
    ensure!(hub.hubctl(&["env", "check"])?["problems"] == Value::Array(Vec::new()), "everybody's environment is damaged");
    ensure!(hub.failed_units()?.is_empty(), "failed units: {:?}", hub.failed_units()?);
    Ok(())
}

/// What can't work is refused, by the resolver or by the trial; the kernel stays what it is.
fn refused(context: &Context, kernel: OwnKernel<'_>) -> Result<()> {
    let hub = kernel.hub;
    hub.write("/root/broken.py", BROKEN, 0o600)?;
    hub.sh("python3 /root/broken.py")?;
    for (package, reason) in
        [("no-such-package-of-anybody", "no-such-package-of-anybody"), ("/root/broken-1.0-py3-none-any.whl", "it never worked")]
    {
        let record = kernel.change(&["install", package])?;
        let told = record["reason"].as_str().unwrap_or_default().to_owned();
        ensure!(record["state"] == "failed" && told.contains(reason), "{package}: {record}");
        context.step(&format!("{package} was refused after {} s: {told}", record["seconds"]))?;
    }
    ensure!(kernel.cell("import cowsay; print('there')")? == "there", "the kernel does not work any more");
    let left = hub.sh(&format!("ls -A {}", kernel.store()))?;
    ensure!(left.trim() == "2\nkernel.json", "left behind: {left}");
    let output = hub.hubctl_output(&["env", "--kernel", "../etc", "install", "cowsay"])?;
    ensure!(output.code == 2, "a name that is a path: {output:?}");
    Ok(())
}

/// Newer generations, back, and what is in use.
fn changed(context: &Context, kernel: OwnKernel<'_>) -> Result<()> {
    let hub = kernel.hub;
    let (first, second) = (kernel.change(&["install", "pyjokes"])?, kernel.change(&["install", "pyfiglet"])?);
    ensure!(first["state"] == "done" && second["state"] == "done", "installed: {first} {second}");
    ensure!(kernel.cell("import cowsay, pyjokes, pyfiglet; print('all')")? == "all", "not everything is there");
    let again = kernel.change(&["install", "pyfiglet"])?;
    ensure!(again["state"] == "unchanged", "a second time: {again}");
    let kept = numbers(kernel)?;
    ensure!(kept.contains(&Value::from(2)) && kept.len() == 3, "the first is in use, and among these: {kept:?}");
    let status = kernel.about(&["status"])?;
    ensure!(status["servers"][0]["number"] == 2 && status["servers"][0]["names"][0] == STUDENT, "status: {status}");

    let back = kernel.about(&["rollback"])?;
    ensure!(back["to"] == first["to"], "back: {back}");
    ensure!(kernel.cell("import pyfiglet")?.starts_with("ModuleNotFoundError"), "it was not taken back");
    let config = hub.sh("cat /etc/hubd/config.toml")?;
    ensure!(config.contains("pyjokes") && !config.contains("pyfiglet"), "the configuration asks for other packages: {config}");
    let kernels = hub.hubctl(&["env", "kernels"])?;
    ensure!(kernels["kernels"][0]["is_as_asked"] == true, "kernels: {kernels}");
    hub.hubctl(&["server", "stop", STUDENT])?;
    let collected = kernel.about(&["gc"])?;
    ensure!(collected["deleted"] == Value::from(vec![2]), "collected: {collected}");
    context.step("taken back for the next kernel; what was in use stayed until it ended")
}

fn removed(context: &Context, kernel: OwnKernel<'_>) -> Result<()> {
    let hub = kernel.hub;
    hub.hubctl(&["server", "start", STUDENT])?;
    ensure!(menu(hub)?.contains("Python 3 (science)"), "a new server does not see it");
    kernel.remove()?;
    ensure!(!menu(hub)?.contains("science"), "it is still in the menu");
    let output = hub.hubctl_output(&["env", "remove-kernel", "science"])?;
    ensure!(output.code != 0 && output.complaint().contains("there is no kernel"), "a second time: {output:?}");
    context.step("removed: in no menu, not in the configuration, not on the disk")
}

/// The oldest ipykernel that a kernel may have, and the newest, open no port either.
fn ports(context: &Context, hub: &Hub) -> Result<()> {
    for (name, version) in [("oldest", OLDEST), ("newest", "ipykernel")] {
        let kernel = OwnKernel { hub, name, student: STUDENT };
        let made = kernel.change(&["install", version])?;
        ensure!(made["state"] == "done", "{version}: {made}");
        let is = kernel.cell("import ipykernel; print(ipykernel.__version__)")?;
        ensure!(name == "newest" || OLDEST.ends_with(&is), "{version} is {is}");
        context.step(&format!("the {name} ipykernel is {is}"))?;
        let failures = kernel::ports(context, hub, STUDENT, name)?;
        ensure!(failures.is_empty(), "{}", failures.join("\n"));
        kernel.remove()?;
    }
    Ok(())
}

/// What the student's launcher has to offer.
fn menu(hub: &Hub) -> Result<String> {
    hub.sh(&format!(
        "curl -fsS --unix-socket /run/hubd-servers/{STUDENT}/server.sock -H 'X-Hubd-User: {STUDENT}' \
         http://localhost/user/{STUDENT}/api/kernelspecs"
    ))
}

fn numbers(kernel: OwnKernel<'_>) -> Result<Vec<Value>> {
    let list = kernel.about(&["list"])?;
    let generations = list["generations"].as_array().with_context(|| format!("no generations in {list}"))?;
    Ok(generations.iter().map(|one| one["number"].clone()).collect())
}
