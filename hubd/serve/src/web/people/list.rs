//! `GET /hub/people`: the list, which can be searched, narrowed down and sorted, all by its address.

use std::cmp::Reverse;
use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use hub_core::control::usage::Shortage;
use hub_core::text::composed;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::Hub;
use super::super::error::Problem;
use super::super::form::Form;
use super::super::frame::{Frame, Look, render};
use super::super::staff::Staff;
use super::act::Act;
use super::rows::{Row, everybody};
use super::short::shortages;

#[derive(Template)]
#[template(path = "people.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    may_enrol: bool,
    notice: String,
    /// For `short.html`: the path below which the hub is.
    base: &'page str,
    /// What is short on the machine.
    shortages: Vec<Shortage>,
    query: &'page str,
    show: Show,
    tabs: Vec<Tab>,
    sorts: Vec<SortLink>,
    rows: Vec<Row>,
    /// All of them, shown or not.
    total: usize,
    acts: Vec<Act>,
}

/// Which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    All,
    Running,
    Failed,
    NotInYet,
    Blocked,
}

impl Show {
    const EACH: [Self; 5] = [Self::All, Self::Running, Self::Failed, Self::NotInYet, Self::Blocked];

    fn parse(word: &str) -> Self {
        Self::EACH.into_iter().find(|show| show.word() == word).unwrap_or(Self::All)
    }

    fn word(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::NotInYet => "new",
            Self::Blocked => "blocked",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Running => "Server on",
            Self::Failed => "Server failed",
            Self::NotInYet => "No password yet",
            Self::Blocked => "Blocked",
        }
    }

    fn takes(self, row: &Row) -> bool {
        match self {
            Self::All => true,
            Self::Running => !matches!(row.phase, "stopped" | "failed"),
            Self::Failed => row.phase == "failed",
            Self::NotInYet => !row.has_password && !row.is_blocked,
            Self::Blocked => row.is_blocked,
        }
    }
}

/// What the rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Name,
    Cpu,
    Memory,
    Active,
}

impl Sort {
    fn parse(word: &str) -> Self {
        match word {
            "cpu" => Self::Cpu,
            "memory" => Self::Memory,
            "active" => Self::Active,
            _ => Self::Name,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Name => "",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Active => "active",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Cpu => "Processor now",
            Self::Memory => "Memory",
            Self::Active => "Last active",
        }
    }

    /// `rows` are by name already.
    fn apply(self, rows: &mut [Row]) {
        match self {
            Self::Name => {}
            Self::Cpu => rows.sort_by_key(|row| Reverse(row.centicores)),
            Self::Memory => rows.sort_by_key(|row| Reverse(row.bytes)),
            Self::Active => rows.sort_by_key(|row| Reverse(row.last)),
        }
    }
}

/// A view of the list that a link leads to.
struct Tab {
    label: &'static str,
    count: usize,
    href: String,
    is_current: bool,
}

/// The heading of a column that can be sorted by.
struct SortLink {
    label: &'static str,
    href: String,
    /// The value of `aria-sort`.
    direction: &'static str,
}

/// `GET /hub/people?q=TEXT&show=WHICH&sort=COLUMN`
pub(in super::super) async fn page(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let (query, show, sort) =
        (composed(&asked.name("q")).to_lowercase(), Show::parse(asked.text("show")), Sort::parse(asked.text("sort")));
    let everybody = everybody(&hub, &staff.visitor.session.user).await?;
    let total = everybody.len();
    let found: Vec<Row> = everybody.into_iter().filter(|row| row.is_called(&query)).collect();
    let tabs = Show::EACH.map(|one| Tab {
        label: one.label(),
        count: found.iter().filter(|row| one.takes(row)).count(),
        href: address(&query, one, sort),
        is_current: one == show,
    });
    let sorts = [Sort::Name, Sort::Cpu, Sort::Memory, Sort::Active].map(|one| SortLink {
        label: one.label(),
        href: address(&query, show, one),
        direction: match one {
            _ if one != sort => "none",
            Sort::Name => "ascending",
            Sort::Cpu | Sort::Memory | Sort::Active => "descending",
        },
    });
    let mut rows: Vec<Row> = found.into_iter().filter(|row| show.takes(row)).collect();
    sort.apply(&mut rows);
    let config = hub.config.get();
    let page = Page {
        look: Look::Full,
        frame: staff.frame(&hub),
        token: &staff.token(),
        may_enrol: staff.is_teacher(),
        notice: Act::notice(&asked),
        base: config.hub.base(),
        shortages: shortages(&hub, &staff.visitor.session.user).await?,
        query: &query,
        show,
        // Whoever looks at a view that has become empty still sees which one it is.
        tabs: tabs.into_iter().filter(|tab| tab.count > 0 || tab.is_current || tab.label == Show::All.label()).collect(),
        sorts: sorts.into(),
        rows,
        total,
        acts: Act::open_to(staff.role).filter(|act| *act != Act::LogOut).collect(),
    };
    render(StatusCode::OK, &page)
}

/// The list in this view, seen from itself.
fn address(query: &str, show: Show, sort: Sort) -> String {
    let parts = [("q", query), ("show", show.word()), ("sort", sort.word())];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    format!("/hub/people{}{}", if parts.is_empty() { "" } else { "?" }, parts.join("&"))
}
