//! Whether a generation that is in force still has what servers start with. Code of packages runs in a unit without rights.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use hub_core::paths::Paths;
use hub_system::sandbox::SHARED;
use hub_system::transient::{Attachment, TransientRun};

/// A few imports, on a machine that a whole class is busy with.
const DEADLINE: Duration = Duration::from_secs(120);
const IMPORTS: &str = "import jupyterlab, jupyter_server, ipykernel; print('imported')";
/// As systemd says that a program could not be started in its sandbox, or at all.
const NOT_STARTED: std::ops::Range<i32> = 200..243;

/// Why JupyterLab can't be imported from generation `number`, in the last words of Python; `None`: it can.
///
/// # Errors
/// When it can't be tried.
pub fn does_not_import(paths: &Paths, number: u32) -> Result<Option<String>> {
    let (generation, mount) = (paths.environment(number), paths.environment_mount());
    let python = mount.join("bin/python").display().to_string();
    let bind = format!("BindReadOnlyPaths={}:{}", generation.display(), mount.display());
    let own = ["DynamicUser=yes", "PrivateNetwork=yes", "MemoryMax=1G", "TasksMax=64", "Nice=10", &bind];
    let run = TransientRun::new(Attachment::Piped, "Look whether the Python environment of the hub still works")
        .properties(SHARED.into_iter().chain(own));
    // The environment's own program does not exist outside the sandbox, where systemd-run looks.
    let output = run.command(DEADLINE, Path::new("/usr/bin/env"), [&python, "-I", "-B", "-c", IMPORTS]).output()?;
    let said = output.stderr.trim();
    match output.code {
        Some(0) if output.stdout.trim() == "imported" => Ok(None),
        Some(code) if NOT_STARTED.contains(&code) => bail!("systemd could not start Python (status {code}): {said}"),
        _ => Ok(Some(said.lines().last().unwrap_or("Python ended without a word").to_owned())),
    }
}
