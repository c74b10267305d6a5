//! People and their servers, for helpers, teachers and administrators: the list as it changes, one person, new people, and
//! what can be done to one or many of them. Each request goes the way that hubctl's go, which judges it by the role.

mod act;
mod add;
mod list;
mod live;
mod person;
mod rows;
mod short;
mod slips;
mod usage;

pub(super) use act::submit;
pub(super) use add::{page as add_page, submit as add};
pub(super) use list::page;
pub(super) use live::stream;
pub(super) use person::{log, page as person};
pub(super) use usage::page as usage;
