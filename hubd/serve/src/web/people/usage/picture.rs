//! Figures as lines of a picture. Pure.

use hub_core::control::usage::{History, Reading};

/// How wide and how high pictures are, in their own units: pages stretch them.
pub(super) const WIDTH: f64 = 1000.0;
pub(super) const HEIGHT: f64 = 200.0;

/// What is drawn for one figure: `d` of two paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    /// The figure, in steps; where nothing is known it is interrupted.
    pub(super) line: String,
    /// What is below it.
    pub(super) area: String,
}

/// Draws `figure` of each reading; `top` is at the upper edge.
pub(super) fn draw(history: &History, top: f64, figure: impl Fn(&Reading) -> Option<f64>) -> Drawn {
    let across = |time: u64| {
        let (since, all) = (time.saturating_sub(history.from) as f64, history.until.saturating_sub(history.from).max(1) as f64);
        since / all * WIDTH
    };
    let up = |value: f64| HEIGHT - (value / top).clamp(0.0, 1.0) * HEIGHT;
    let (mut drawn, mut end) = (Drawn::default(), None);
    for reading in &history.readings {
        let Some(value) = figure(reading) else { continue };
        let (left, right, height) = (across(reading.time), across(reading.time + history.step), up(value));
        if end == Some(reading.time) {
            drawn.line += &format!("V{height:.1}H{right:.1}");
            drawn.area += &format!("V{height:.1}H{right:.1}");
        } else {
            if end.is_some() {
                drawn.area += &format!("V{HEIGHT}Z");
            }
            drawn.line += &format!("M{left:.1},{height:.1}H{right:.1}");
            drawn.area += &format!("M{left:.1},{HEIGHT}V{height:.1}H{right:.1}");
        }
        end = Some(reading.time + history.step);
    }
    if end.is_some() {
        drawn.area += &format!("V{HEIGHT}Z");
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(figures: &[(u64, u32)]) -> History {
        let readings = figures.iter().map(|(time, people)| Reading { time: *time, people: *people, ..Reading::default() });
        History { from: 0, until: 1000, step: 100, readings: readings.collect(), now: None }
    }

    #[test]
    fn a_line_is_interrupted_where_nothing_is_known() {
        let drawn = draw(&history(&[(100, 5), (200, 10), (500, 20)]), 10.0, |reading| Some(f64::from(reading.people)));
        assert_eq!(drawn.line, "M100.0,100.0H200.0V0.0H300.0M500.0,0.0H600.0");
        assert_eq!(drawn.area, "M100.0,200V100.0H200.0V0.0H300.0V200ZM500.0,200V0.0H600.0V200Z");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(draw(&history(&[]), 10.0, |_| Some(1.0)), Drawn::default());
        assert_eq!(draw(&history(&[(100, 5)]), 10.0, |_| None), Drawn::default());
    }
}
