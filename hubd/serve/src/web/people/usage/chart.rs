//! What a picture and its table say. Pure.

use hub_core::config::format_bytes;
use hub_core::control::usage::{History, Part, Reading, Span};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::picture::{Drawn, draw};

/// One picture, with what is around it.
#[derive(Debug)]
pub(super) struct Chart {
    /// For `id`s.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it shows, in a sentence or two.
    pub(super) summary: String,
    /// What is at its upper edge and half-way.
    pub(super) top: String,
    pub(super) middle: String,
    pub(super) lines: Vec<Line>,
    /// Times below it, equally far apart.
    pub(super) ticks: Vec<String>,
    /// The table's rows, the latest first: a time and a figure for each line.
    pub(super) rows: Vec<(String, Vec<String>)>,
}

/// One figure.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) label: &'static str,
    pub(super) drawn: Drawn,
}

/// What is to become a chart.
struct Plan {
    id: &'static str,
    title: &'static str,
    top: f64,
    format: fn(f64) -> String,
    figures: Vec<(&'static str, Figure)>,
}

type Figure = fn(&Reading) -> Option<f64>;

/// One chart for each thing that something is known of. Of what was highest more than once, the latest is told.
pub(super) fn charts(history: &History, span: Span, zone: &TimeZone) -> Vec<Chart> {
    let highest = |figure: Figure| history.readings.iter().filter_map(figure).fold(0.0, f64::max);
    let people: Figure = |reading| Some(f64::from(reading.people));
    let memory: Figure = |reading| reading.memory.map(|part| part.used_bytes as f64);
    let all_memory: Figure = |reading| reading.memory.map(|part| part.all_bytes as f64);
    let homes: Figure = |reading| part_share(reading.homes);
    let state: Figure = |reading| part_share(reading.state);
    // One disk is one line.
    let is_one_disk = history.readings.iter().all(|reading| reading.homes == reading.state);
    let has_homes = history.readings.iter().any(|reading| reading.homes.is_some());
    let disks = match (is_one_disk, has_homes) {
        (true, _) => vec![("Disk with homes and the hub's own data", homes)],
        (false, true) => vec![("Disk with homes", homes), ("Disk with the hub's own data", state)],
        (false, false) => vec![("Disk with the hub's own data", state)],
    };
    let plans = [
        Plan {
            id: "people",
            title: "People with a server",
            // An even number, so that the middle is one.
            top: ((highest(people) / 2.0).ceil() * 2.0).max(4.0),
            format: |count| format!("{count:.0}"),
            figures: vec![("People", people)],
        },
        Plan {
            id: "processors",
            title: "Processors",
            top: 1.0,
            format: percent,
            figures: vec![("The whole machine", |reading| reading.cpu), ("People's servers", |reading| reading.servers_cpu)],
        },
        Plan {
            id: "memory",
            title: "Memory",
            top: highest(all_memory),
            format: |bytes| format_bytes(bytes as u64),
            figures: vec![
                ("The whole machine", memory),
                ("People's servers", |reading| reading.servers_memory.map(|bytes| bytes as f64)),
            ],
        },
        Plan { id: "disks", title: "Disks", top: 1.0, format: percent, figures: disks },
    ];
    plans.into_iter().filter_map(|plan| chart(&plan, history, span, zone)).collect()
}

fn chart(plan: &Plan, history: &History, span: Span, zone: &TimeZone) -> Option<Chart> {
    let (_, first) = *plan.figures.first()?;
    let known = |reading: &&Reading| first(reading).is_some();
    let peak = history.readings.iter().filter(known).reduce(|one, other| if first(other) < first(one) { one } else { other })?;
    let format = plan.format;
    let told = |reading: &Reading| first(reading).map(format);
    let now = history.now.as_ref().and_then(told).map(|figure| format!("Now: {figure}. ")).unwrap_or_default();
    let highest = told(peak)?;
    Some(Chart {
        id: plan.id,
        title: plan.title,
        summary: format!("{now}Highest: {highest}, {}.", moment(peak.time, span, zone)),
        top: format(plan.top),
        middle: format(plan.top / 2.0),
        lines: plan.figures.iter().map(|(label, figure)| Line { label, drawn: draw(history, plan.top, figure) }).collect(),
        ticks: ticks(history, span, zone),
        rows: rows(plan, history, span, zone),
    })
}

/// The highest figures of each hour, or of each day.
fn rows(plan: &Plan, history: &History, span: Span, zone: &TimeZone) -> Vec<(String, Vec<String>)> {
    let mut rows: Vec<(String, Reading)> = Vec::new();
    for reading in &history.readings {
        let time = text(reading.time, zone, if span == Span::Day { "%A, %H:00" } else { "%A, %-d %B" });
        match rows.last_mut().filter(|(last, _)| *last == time) {
            Some((_, highest)) => highest.merge(reading),
            None => rows.push((time, *reading)),
        }
    }
    let cell = |reading: &Reading, figure: Figure| figure(reading).map_or_else(|| "\u{2013}".to_owned(), plan.format);
    let row = |(time, reading): (String, Reading)| {
        let cells = plan.figures.iter().map(|(_, figure)| cell(&reading, *figure)).collect();
        (time, cells)
    };
    rows.into_iter().rev().map(row).collect()
}

fn ticks(history: &History, span: Span, zone: &TimeZone) -> Vec<String> {
    let quarter = (history.until - history.from) / 4;
    (0..=4).map(|index| text(history.from + index * quarter, zone, if span == Span::Day { "%H:%M" } else { "%-d %b" })).collect()
}

/// "on Saturday at 14:05"
fn moment(time: u64, span: Span, zone: &TimeZone) -> String {
    text(time, zone, if span == Span::Day { "on %A at %H:%M" } else { "on %A, %-d %B" })
}

fn text(time: u64, zone: &TimeZone, format: &str) -> String {
    let time = i64::try_from(time).ok().and_then(|time| Timestamp::from_second(time).ok());
    time.map(|time| time.to_zoned(zone.clone()).strftime(format).to_string()).unwrap_or_default()
}

fn part_share(part: Option<Part>) -> Option<f64> {
    part.map(|part| part.used_bytes as f64 / part.all_bytes.max(1) as f64)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday, noon.
    const NOON: u64 = 1_764_590_400;

    fn reading(minutes: u64, people: u32, used: u64) -> Reading {
        let part = |used_bytes, all_bytes| Some(Part { used_bytes, all_bytes });
        Reading {
            time: NOON + minutes * 60,
            people,
            cpu: (minutes > 0).then_some(0.5),
            servers_cpu: Some(0.25),
            memory: part(used << 30, 8 << 30),
            servers_memory: Some(1 << 30),
            homes: part(1, 4),
            state: part(1, 4),
        }
    }

    fn day(readings: Vec<Reading>) -> Vec<Chart> {
        let until = NOON + 2 * 3600;
        charts(
            &History { from: until - 24 * 3600, until, step: 300, readings, now: Some(reading(119, 7, 4)) },
            Span::Day,
            &TimeZone::UTC,
        )
    }

    #[test]
    fn a_chart_says_what_it_shows() {
        let charts = day(vec![reading(0, 3, 2), reading(5, 30, 6), reading(60, 7, 4)]);
        let told: Vec<_> = charts.iter().map(|chart| (chart.id, chart.summary.as_str(), chart.top.as_str())).collect();
        assert_eq!(
            told,
            [
                ("people", "Now: 7. Highest: 30, on Monday at 12:05.", "30"),
                ("processors", "Now: 50 %. Highest: 50 %, on Monday at 13:00.", "100 %"),
                ("memory", "Now: 4 GB. Highest: 6 GB, on Monday at 12:05.", "8 GB"),
                ("disks", "Now: 25 %. Highest: 25 %, on Monday at 13:00.", "100 %"),
            ]
        );
        assert_eq!(charts[0].ticks, ["14:00", "20:00", "02:00", "08:00", "14:00"]);
        let row = |time: &str, cells: [&str; 2]| (time.to_owned(), cells.map(str::to_owned).to_vec());
        assert_eq!(charts[2].rows, [row("Monday, 13:00", ["4 GB", "1 GB"]), row("Monday, 12:00", ["6 GB", "1 GB"])]);
        assert_eq!(charts[1].rows[1].1, ["50 %", "25 %"]);
        assert_eq!(charts[3].lines.len(), 1, "homes and the hub's own data are on one disk");
        assert!(charts.iter().flat_map(|chart| &chart.lines).all(|line| line.drawn.line.starts_with('M')));
    }

    #[test]
    fn two_disks_are_two_lines_and_what_is_not_known_is_no_chart() {
        let apart = Reading { state: Some(Part { used_bytes: 3, all_bytes: 4 }), cpu: None, ..reading(0, 0, 2) };
        let charts = day(vec![apart]);
        let ids: Vec<_> = charts.iter().map(|chart| (chart.id, chart.lines.len())).collect();
        assert_eq!(ids, [("people", 1), ("memory", 2), ("disks", 2)]);
        assert_eq!(charts[0].top, "4");
        assert!(day(Vec::new()).is_empty());
    }

    #[test]
    fn a_term_is_told_in_days() {
        let (from, until) = (NOON - 182 * 86400, NOON + 43200);
        let readings = vec![Reading { time: NOON - 86400, ..reading(0, 9, 2) }, reading(0, 3, 2)];
        let history = History { from, until, step: 86400, readings, now: None };
        let charts = charts(&history, Span::Term, &TimeZone::UTC);
        assert_eq!(charts[0].summary, "Highest: 9, on Sunday, 30 November.");
        assert_eq!(charts[0].ticks[0], "2 Jun");
    }
}
