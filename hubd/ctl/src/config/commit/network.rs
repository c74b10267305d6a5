//! What students' servers are told of package indexes, where pip and uv in them find it.

use anyhow::Result;
use hub_core::config::Config;
use hub_environment::pyenv::NetworkSettings;

use super::super::super::World;

/// Writes it for servers that start from now on.
pub(super) fn write(world: &World, config: &Config) -> Result<()> {
    // Nothing starts where nothing is installed.
    if !world.paths.share().is_dir() {
        return Ok(());
    }
    NetworkSettings::of_machine(&world.paths, &config.environment)?.publish(&world.paths).map(drop)
}
