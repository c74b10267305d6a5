//! A unit as it is handed over to systemd.

use hub_core::unit_name::UnitName;

use super::property::Property;

/// A unit that exists only in systemd's memory, as it is handed over.
#[derive(Debug, Clone, PartialEq)]
pub struct TransientUnit {
    /// Its name.
    pub name: UnitName,
    /// Its properties.
    pub properties: Vec<Property>,
    /// Units that are made with it when they are not there yet.
    pub auxiliary: Vec<(UnitName, Vec<Property>)>,
}
