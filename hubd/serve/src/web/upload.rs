//! Reading a form that has a file in it, or a long text: for whoever looks after people only.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::Hub;
use super::error::Problem;
use super::form::{Form, LongForm};

/// Largest form in bytes: a class list, whose lines browsers may make a byte longer each, and some fields.
const LONGEST: usize = 3 << 20;
/// More fields than any of our forms has.
const MOST_FIELDS: usize = 120;
/// Longest time it may take to arrive, on a slow line.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A form, and the file in it, if one was chosen.
pub(super) struct Upload {
    pub(super) form: Form,
    pub(super) file: Option<Vec<u8>>,
}

impl FromRequest<Arc<Hub>> for Upload {
    type Rejection = Problem;

    async fn from_request(mut request: Request, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            return LongForm::from_request(request, hub).await.map(|LongForm(form)| Self { form, file: None });
        }
        DefaultBodyLimit::max(LONGEST).apply(&mut request);
        let parts = Multipart::from_request(request, hub).await.map_err(|_| Problem::wrong_format())?;
        tokio::time::timeout(ARRIVAL_TIMEOUT, read(parts)).await.map_err(|_| Problem::too_slow())?
    }
}

async fn read(mut parts: Multipart) -> Result<Upload, Problem> {
    let unreadable = |error: axum::extract::multipart::MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
        _ => Problem::bad_request("The form could not be read."),
    };
    let (mut fields, mut file) = (HashMap::new(), None);
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.file_name().is_some();
        let content = part.bytes().await.map_err(unreadable)?;
        if is_file {
            // Without a choice browsers send an empty one.
            if !content.is_empty() && file.replace(content.to_vec()).is_some() {
                return Err(Problem::bad_request("The form has more than one file."));
            }
            continue;
        }
        let text = String::from_utf8(content.to_vec()).map_err(|_| Problem::bad_request("The form could not be read."))?;
        if fields.len() == MOST_FIELDS || fields.insert(name, text).is_some() {
            return Err(Problem::bad_request("The form could not be read."));
        }
    }
    Ok(Upload { form: Form::of(fields), file })
}
