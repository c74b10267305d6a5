//! The tables and keys, in the order in which people read them.

mod logins;
mod packages;
mod people;
mod servers;
mod upkeep;
mod web;

use super::Table;

/// Every table of the configuration, in the order in which the default file has them.
pub const TABLES: &[Table] = &[
    web::HUB,
    web::HTTP,
    web::HTTPS,
    web::LOGIN,
    web::LOGIN_ONE,
    people::ROLES,
    people::GROUPS_ONE,
    people::GROUPS_ONE_LIMITS,
    people::USERS_ONE,
    people::USERS_ONE_LIMITS,
    people::ACCOUNTS,
    people::LIMITS,
    servers::SERVERS,
    servers::APPS_ONE,
    web::SESSIONS,
    servers::MACHINE,
    packages::ENVIRONMENT,
    packages::ENVIRONMENT_KERNELS_ONE,
    upkeep::UPGRADE,
    upkeep::BACKUP,
];
