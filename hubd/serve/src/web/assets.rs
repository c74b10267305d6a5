//! The style sheet, the script and the icon, inside the program. Their address changes with their content, so browsers
//! keep them for ever.

use std::sync::OnceLock;

use axum::extract::Path;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use super::error::Problem;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

const ASSETS: [Asset; 3] = [
    Asset { name: "hub.css", content_type: "text/css; charset=utf-8", content: include_bytes!("../../assets/hub.css") },
    Asset { name: "hub.js", content_type: "text/javascript; charset=utf-8", content: include_bytes!("../../assets/hub.js") },
    Asset { name: "icon.svg", content_type: "image/svg+xml", content: include_bytes!("../../assets/icon.svg") },
];

/// The directory of this version's files.
pub(super) fn base() -> &'static str {
    static BASE: OnceLock<String> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut digest = Sha256::new();
        for asset in &ASSETS {
            digest.update(asset.content);
        }
        let hash: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("/hub/static/{hash}")
    })
}

/// `GET /hub/static/{version}/{name}`
pub(super) async fn file(Path((version, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let current = base().rsplit('/').next() == Some(version.as_str());
    let asset = ASSETS.iter().find(|asset| current && asset.name == name).ok_or_else(Problem::not_found)?;
    Ok(answer(asset, "public, max-age=31536000, immutable"))
}

/// `GET /favicon.ico`, for what asks without having read a page.
pub(super) async fn icon() -> Result<Response, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.name == "icon.svg").ok_or_else(Problem::not_found)?;
    Ok(answer(asset, "public, max-age=86400"))
}

fn answer(asset: &Asset, caching: &'static str) -> Response {
    let mut response = Response::new(asset.content.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_small() {
        let size = |name: &str| ASSETS.iter().find(|asset| asset.name == name).unwrap().content.len();
        assert!(size("hub.css") < 16_000, "hub.css has {} bytes", size("hub.css"));
        assert!(size("hub.js") < 8_000, "hub.js has {} bytes", size("hub.js"));
    }
}
