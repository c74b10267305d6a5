//! Before a list without a package takes everybody's packages away, somebody is asked.

use anyhow::Result;
use hub_core::control::environment::{Change, EnvironmentReply, EnvironmentRequest};
use hub_core::packages::{CondaSpec, KernelName, Requirement};

use super::ask;
use crate::World;
use crate::text::counted;

/// Packages that are named in the question.
const SHOWN: usize = 8;

/// Asks if `change` leaves nothing that is asked for where something is now.
///
/// # Errors
/// When the answer is not yes, or there is no terminal to ask at.
pub(super) fn agreed(world: &mut World, kernel: Option<&KernelName>, change: &Change) -> Result<()> {
    let of = |request: EnvironmentRequest| match kernel {
        Some(name) => EnvironmentRequest::Kernel { name: name.clone(), about: Box::new(request) },
        None => request,
    };
    let leaves_nothing = match change {
        Change::Set { packages, .. } => packages.is_empty(),
        Change::Configured => match ask::ask(world, &of(EnvironmentRequest::Status))? {
            EnvironmentReply::Status(status) => status.asked.is_empty() && status.conda.is_none(),
            other => return Err(ask::unexpected(&other).into()),
        },
        _ => false,
    };
    if !leaves_nothing {
        return Ok(());
    }
    let generations = match ask::ask(world, &of(EnvironmentRequest::List))? {
        EnvironmentReply::Generations { generations } => generations,
        other => return Err(ask::unexpected(&other).into()),
    };
    let Some(current) = generations.into_iter().find(|one| one.is_current) else { return Ok(()) };
    let specs = current.conda.iter().flat_map(|conda| &conda.specs).map(CondaSpec::as_str);
    let asked: Vec<&str> = current.asked.iter().map(Requirement::as_str).chain(specs).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let shown = asked[..asked.len().min(SHOWN)].join(", ");
    let more = if asked.len() > SHOWN { format!(" and {} more", asked.len() - SHOWN) } else { String::new() };
    let (count, whose) =
        (counted(asked.len(), "package", "packages"), kernel.map_or("everybody's environment", |_| "this kernel"));
    world.printer.warn(&format!("The list is empty. This takes {count} out of {whose}: {shown}{more}."))?;
    world.confirm("Take them away?")
}
