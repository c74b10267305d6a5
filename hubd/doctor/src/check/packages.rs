//! Whether the environment that servers start in still works.

use anyhow::Result;
use hub_core::health::Finding;
use hub_environment::pyenv;

use crate::look::Look;

pub(super) fn imports(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    let Some(number) = pyenv::current(look.paths)? else { return Ok(()) };
    if let Some(problem) = pyenv::does_not_import(look.paths, number)? {
        found.push(
            Finding::problem("environment-broken", format!("JupyterLab can't be imported from generation {number}: {problem}"))
                .because("no server can start")
                .remedy("go back to the generation before (sudo hubctl env rollback), or build the same packages anew")
                .command("sudo hubctl env upgrade"),
        );
    }
    Ok(())
}
