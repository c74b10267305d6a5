//! `GET /hub/settings`: what the visitor may change, with the values in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use hub_core::config::edit::KeyPath;
use hub_core::config::keys::{TABLES, inside};
use hub_core::config::{Config, Role, effects};
use toml::Value;

use super::super::Hub;
use super::super::error::Problem;
use super::super::frame::{Frame, Look, render};
use super::super::staff::Staff;
use super::field::{Field, Shape};

#[derive(Template)]
#[template(path = "settings.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    sections: Vec<Section>,
    groups: Vec<Group>,
    /// Whether groups can be made.
    may_group: bool,
}

/// Keys of one table.
struct Section {
    title: &'static str,
    doc: &'static str,
    fields: Vec<Field>,
}

/// A group of people.
struct Group {
    key: KeyPath,
    name: String,
    members: Vec<Field>,
    limits: Vec<Field>,
}

/// `GET /hub/settings`
pub(in super::super) async fn page(State(hub): State<Arc<Hub>>, staff: Staff) -> Result<Response, Problem> {
    let config = hub.config.get();
    let sections = sections(&config, staff.role);
    if sections.is_empty() {
        return Err(Problem::staff_only());
    }
    let page = Page {
        look: Look::Wide,
        frame: staff.frame(&hub),
        token: &staff.token(),
        sections,
        groups: groups(&config, staff.role),
        may_group: may_change("groups.NAME.members", staff.role),
    };
    render(StatusCode::OK, &page)
}

fn sections(config: &Config, role: Role) -> Vec<Section> {
    let values = effects::values(config);
    let tables = TABLES.iter().filter(|table| !table.name.contains("NAME"));
    let section = |table: &hub_core::config::keys::Table| Section {
        title: title(table.name),
        doc: table.doc,
        fields: fields(&[table.name], table.keys.iter().map(|key| key.name), &values, role),
    };
    tables.map(section).filter(|section| !section.fields.is_empty()).collect()
}

fn groups(config: &Config, role: Role) -> Vec<Group> {
    let values = effects::values(config);
    let group = |name: &str| Group {
        members: fields(&["groups", name], ["members"].into_iter(), &values, role),
        limits: limits(&["groups", name], &values, role),
        key: KeyPath::new(["groups", name]),
        name: name.to_owned(),
    };
    let all = config.groups.keys().map(|name| group(name.as_str()));
    all.filter(|group| !group.members.is_empty()).collect()
}

/// The limits below `table` that `role` may change.
pub(in super::super) fn limits(table: &[&str], values: &BTreeMap<KeyPath, Value>, role: Role) -> Vec<Field> {
    let known = TABLES.iter().find(|table| table.name == "limits").map(|table| table.keys).unwrap_or_default();
    let table: Vec<&str> = table.iter().copied().chain(["limits"]).collect();
    fields(&table, known.iter().map(|key| key.name), values, role)
}

fn fields<'name>(
    table: &[&str],
    names: impl Iterator<Item = &'name str>,
    values: &BTreeMap<KeyPath, Value>,
    role: Role,
) -> Vec<Field> {
    names
        .map(|name| KeyPath::new(table.iter().copied().chain([name])))
        .filter(|key| may_change(&key.parts().join("."), role))
        .filter_map(|key| {
            let value = values.get(&key);
            Field::new(key, value)
        })
        .collect()
}

fn may_change(key: &str, role: Role) -> bool {
    inside::may_change(key).is_some_and(|least| role >= least)
}

fn title(table: &'static str) -> &'static str {
    match table {
        "hub" => "The hub",
        "limits" => "Limits for everybody",
        "servers" => "Servers",
        other => other,
    }
}
