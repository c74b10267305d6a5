//! What went wrong, as a page for people and as JSON for programs.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use hub_core::config;

use super::error::Problem;
use super::frame::{Frame, Look, Visitor};
use super::security_headers::harden;

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'problem> {
    look: Look,
    frame: &'problem Frame,
    problem: &'problem Problem,
}

impl Problem {
    /// The whole answer: a page that says so with the hub's name and announcement on it, and who is logged in, or JSON. See
    /// [`super::error::wants_html`].
    pub fn answer(&self, hub: &config::Hub, visitor: Option<Visitor>, wants_html: bool) -> Response {
        let mut response = if wants_html { self.page(hub, visitor) } else { self.json() };
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        harden(headers);
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn page(&self, hub: &config::Hub, visitor: Option<Visitor>) -> Response {
        let frame = Frame { visitor, ..Frame::without_visitor(hub) };
        match (Page { look: Look::Narrow, frame: &frame, problem: self }).render() {
            Ok(page) => with_type(page, "text/html; charset=utf-8"),
            Err(_) => with_type(format!("{}. {}\n", self.title, self.message), "text/plain; charset=utf-8"),
        }
    }

    fn json(&self) -> Response {
        let message = format!("{}. {}", self.title, self.message);
        with_type(serde_json::json!({ "status": self.status.as_u16(), "message": message }).to_string(), "application/json")
    }
}

fn with_type(text: String, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
