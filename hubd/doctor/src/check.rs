//! Every check: looks at one thing, and adds what is not as it should be. An error means that it could not be looked at.

pub(crate) mod configuration;
mod disks;
mod hub;
pub(crate) mod installed;
mod packages;
mod ports;
mod system;
mod units;

use anyhow::Result;
use hub_core::health::Finding;

use crate::look::Look;

/// Looks at one thing.
type Check = fn(&Look<'_>, &mut Vec<Finding>) -> Result<()>;

/// What each looks at, for people, in the order in which somebody would look.
pub(crate) const ALL: [(&str, Check); 13] = [
    ("how the hub says it is", hub::status),
    ("the database", hub::database),
    ("the units of the hub", units::running),
    ("failed units", units::failed),
    ("the limit for all servers together", units::together),
    ("the ports of the hub", ports::taken),
    ("the configuration", configuration::check),
    ("what was installed", installed::check),
    ("the environment", packages::imports),
    ("the disks", disks::check),
    ("the clock", system::clock),
    ("the release of the distribution", system::release),
    ("what the machine does by itself", system::by_itself),
];
