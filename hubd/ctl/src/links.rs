//! One-time links, as whoever hands them out is told of them.

use anyhow::Result;

use super::World;
use super::text::moment;

/// What whoever hands out links has to know about them.
pub(super) fn explain_links<'a>(world: &mut World, links: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let links: Vec<_> = links.collect();
    let Some(expires) = links.iter().map(|(_, expires)| *expires).min() else { return Ok(()) };
    let until = moment(expires, world.now, &world.zone);
    world.printer.say(&format!("\nEach link works once, until {until}. Whoever opens it sets that person's password."))?;
    if links.iter().any(|(link, _)| link.starts_with('/')) {
        world.printer.say(
            "The hub does not know its own address: put it in front of the links, as in http://ADDRESS/hub/link/...,\n\
             or set `url` under [hub] in the configuration.",
        )?;
    }
    Ok(())
}
