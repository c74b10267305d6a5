//! The pages, and what is asked of them.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Form, FromRequestParts, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use hub_core::accounts::Username;
use hub_core::quantity::format_bytes;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use walkdir::WalkDir;

use crate::pack::{Extent, pack};
use crate::survey::{Found, LEFTOVERS, Survey};

/// As all pages of the hub look.
const STYLE: &str = include_str!("../../serve/assets/hub.css");
/// Pieces of a zip file that wait for a slow network, of [`PIECE`] bytes each.
const AHEAD: usize = 8;
const PIECE: usize = 64 << 10;
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
];

struct Home {
    directory: PathBuf,
    user: Username,
    /// Stands in each form, so that no other page can send one.
    token: String,
    /// One zip file at a time.
    packing: Arc<Semaphore>,
}

/// A file, a folder or a leftover as a page shows it.
struct Row {
    path: String,
    /// The path as it travels in a form.
    key: String,
    size: String,
    changed: String,
}

struct Waste {
    path: &'static str,
    key: String,
    why: &'static str,
    size: String,
}

#[derive(Template)]
#[template(path = "files.html")]
struct Files<'page> {
    user: &'page Username,
    token: &'page str,
    notice: String,
    files: u64,
    size: String,
    is_whole: bool,
    leftovers: Vec<Waste>,
    folders: Vec<Row>,
    largest: Vec<Row>,
}

#[derive(Template)]
#[template(path = "confirm_delete.html")]
struct Confirm<'page> {
    token: &'page str,
    path: String,
    key: &'page str,
    size: String,
    is_folder: bool,
}

#[derive(Template)]
#[template(path = "sorry.html")]
struct Sorry {
    title: &'static str,
    message: String,
}

/// What was not done, as a page.
struct Refused(StatusCode, Sorry);

type Answer = Result<Response, Refused>;

/// What answers for the home `directory` of `user`.
pub fn router(directory: PathBuf, user: Username) -> Router {
    let mut secret = [0; 32];
    // Without randomness nothing on this machine is safe; a token that nobody knows keeps forms from working, and no more.
    let token = if getrandom::fill(&mut secret).is_ok() { URL_SAFE_NO_PAD.encode(secret) } else { String::new() };
    let home = Home { directory, user, token, packing: Arc::new(Semaphore::new(1)) };
    Router::new()
        .route("/", get(files))
        .route("/ready", get(|| async { StatusCode::NO_CONTENT }))
        .route("/hub.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
        .route("/download", get(download))
        .route("/delete", post(delete))
        .fallback(|| async { Refused::new(StatusCode::NOT_FOUND, "There is no such page", String::new()) })
        .with_state(Arc::new(home))
}

/// Somebody goes to this page in a window of its own. A page that another person left open in the same browser sends their cookie,
/// too; it can only fetch, or show a page inside its own.
struct OwnWindow;

impl<S: Sync> FromRequestParts<S> for OwnWindow {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let said = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let is_fetched = said("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
        // What a browser saves as a file is meant for nothing (`empty`).
        let is_inside = said("sec-fetch-dest").is_some_and(|dest| !matches!(dest, "document" | "empty"));
        if is_fetched || is_inside || parts.headers.contains_key("sec-purpose") {
            let message = "Open My files in a window of its own.".to_owned();
            return Err(Refused::new(StatusCode::FORBIDDEN, "Not from another page", message));
        }
        Ok(Self)
    }
}

#[derive(Deserialize)]
struct Said {
    gone: Option<String>,
}

async fn files(_: OwnWindow, State(home): State<Arc<Home>>, Query(said): Query<Said>) -> Answer {
    let directory = home.directory.clone();
    let survey = spawn_blocking(move || Survey::of(&directory)).await.map_err(|error| Refused::broken(&error))?;
    let rows = |found: Vec<Found>| found.iter().map(Row::of).collect();
    let page = Files {
        user: &home.user,
        token: &home.token,
        notice: said.gone.map(|path| format!("{path} is deleted.")).unwrap_or_default(),
        files: survey.files,
        size: format_bytes(survey.bytes),
        is_whole: survey.is_whole,
        leftovers: survey
            .leftovers
            .iter()
            .map(|one| Waste { path: one.path, key: key(Path::new(one.path)), why: one.why, size: format_bytes(one.bytes) })
            .collect(),
        folders: rows(survey.folders),
        largest: rows(survey.largest),
    };
    show(StatusCode::OK, &page)
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    hidden: String,
}

/// `GET /download`: everything as one file, made while it travels.
async fn download(_: OwnWindow, State(home): State<Arc<Home>>, Query(wanted): Query<Wanted>) -> Answer {
    let busy = "Your files are being packed already. Wait until that download ends, or cancel it, and try again.";
    let turn = Arc::clone(&home.packing).try_acquire_owned();
    let turn = turn.map_err(|_| Refused::new(StatusCode::CONFLICT, "One at a time", busy.to_owned()))?;
    let extent = if wanted.hidden == "yes" { Extent::Everything } else { Extent::Visible };
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (directory, user) = (home.directory.clone(), home.user.to_string());
    spawn_blocking(move || {
        let _turn = turn;
        let mut out = BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
        if let Err(error) = pack(&directory, &user, extent, &mut out).and_then(|()| out.flush()) {
            // The download ends as one that failed. Who went away hears nothing.
            drop(sender.blocking_send(Err(error)));
        }
    });
    let body = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let name = format!("{}-{}.zip", home.user, Zoned::now().date());
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((fixed(), headers, Body::from_stream(body)).into_response())
}

/// Where a zip file goes, piece by piece; waits while the network is slower.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Deserialize)]
struct Delete {
    token: String,
    path: String,
    #[serde(default)]
    sure: String,
}

/// `POST /delete`: asks first, and then does it.
async fn delete(_: OwnWindow, State(home): State<Arc<Home>>, Form(form): Form<Delete>) -> Answer {
    if home.token.is_empty() || !bool::from(form.token.as_bytes().ct_eq(home.token.as_bytes())) {
        let message = "This page was open while the app was started anew. Open My files again.".to_owned();
        return Err(Refused::new(StatusCode::FORBIDDEN, "Nothing was deleted", message));
    }
    let below = below_home(&form.path).ok_or_else(|| Refused::not_there(&form.path))?;
    let (path, shown) = (home.directory.join(&below), below.display().to_string());
    let is_leftover = LEFTOVERS.iter().any(|(leftover, _)| below == Path::new(leftover));
    let metadata = fs_err::symlink_metadata(&path).map_err(|_| Refused::not_there(&shown))?;
    if !(metadata.is_file() || metadata.is_dir() && is_leftover) {
        return Err(Refused::not_there(&shown));
    }
    if form.sure != "yes" {
        let size = if is_leftover { String::new() } else { format_bytes(metadata.len()) };
        let page = Confirm { token: &home.token, path: shown, key: &form.path, size, is_folder: is_leftover };
        return show(StatusCode::OK, &page);
    }
    let gone = spawn_blocking(move || if is_leftover { empty(&path) } else { fs_err::remove_file(&path) });
    gone.await.map_err(|error| Refused::broken(&error))?.map_err(|error| Refused::broken(&error))?;
    eprintln!("{shown} was deleted on the page");
    let to = format!("./?gone={}", percent_encode(shown.as_bytes(), NON_ALPHANUMERIC));
    Ok((fixed(), Redirect::to(&to)).into_response())
}

/// Removes a folder and what is in it, level by level from below, however deep it is.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in WalkDir::new(folder).contents_first(true).same_file_system(true) {
        let entry = entry?;
        if entry.file_type().is_dir() { fs_err::remove_dir(entry.path())? } else { fs_err::remove_file(entry.path())? }
    }
    Ok(())
}

impl Row {
    fn of(found: &Found) -> Self {
        let changed = Timestamp::from_second(found.changed).ok().map(|at| at.to_zoned(TimeZone::system()));
        Self {
            path: found.path.display().to_string(),
            key: key(&found.path),
            size: format_bytes(found.bytes),
            changed: changed.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default(),
        }
    }
}

impl Refused {
    fn new(status: StatusCode, title: &'static str, message: String) -> Self {
        Self(status, Sorry { title, message })
    }

    fn not_there(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Nothing was deleted", format!("There is no file {path} in your home any more."))
    }

    fn broken(error: &dyn std::fmt::Display) -> Self {
        eprintln!("{error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "That did not work", error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        show(self.0, &self.1).unwrap_or_else(|Self(status, _)| status.into_response())
    }
}

fn show(status: StatusCode, page: &impl Template) -> Answer {
    let html = page.render().map_err(|error| {
        eprintln!("{error}");
        Refused(StatusCode::INTERNAL_SERVER_ERROR, Sorry { title: "That did not work", message: String::new() })
    })?;
    Ok((status, fixed(), Html(html)).into_response())
}

fn fixed() -> HeaderMap {
    HEADERS.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

/// `path` as it travels in a form, whatever its name is made of.
fn key(path: &Path) -> String {
    percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC).to_string()
}

/// The path below the home that `key` stands for; `None`: it leads elsewhere.
fn below_home(key: &str) -> Option<PathBuf> {
    let path = PathBuf::from(OsString::from_vec(percent_decode_str(key).collect()));
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_))) && path.components().next().is_some();
    is_below.then_some(path)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt as _;
    use tempfile::TempDir;
    use tower::ServiceExt as _;

    use super::*;

    struct Site {
        home: TempDir,
        router: Router,
    }

    impl Site {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let router = router(home.path().to_owned(), "bob".parse().unwrap());
            Self { home, router }
        }

        async fn ask(&self, request: Request<String>) -> (StatusCode, HeaderMap, Bytes) {
            let (parts, body) = self.router.clone().oneshot(request.map(Body::from)).await.unwrap().into_parts();
            (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
        }

        async fn get(&self, path: &str) -> (StatusCode, HeaderMap, String) {
            let (status, headers, body) = self.ask(Request::get(path).body(String::new()).unwrap()).await;
            (status, headers, String::from_utf8_lossy(&body).into_owned())
        }

        async fn post(&self, form: String) -> (StatusCode, HeaderMap, String) {
            let request = Request::post("/delete").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
            let (status, headers, body) = self.ask(request.unwrap()).await;
            (status, headers, String::from_utf8_lossy(&body).into_owned())
        }

        async fn token(&self) -> String {
            let page = self.get("/").await.2;
            page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        }

        fn write(&self, path: &str, text: &str) {
            std::fs::write(self.home.path().join(path), text).unwrap();
        }

        fn has(&self, path: &str) -> bool {
            self.home.path().join(path).exists()
        }
    }

    #[tokio::test]
    async fn names_are_text_on_the_page() {
        let site = Site::new();
        site.write("<img src=x onerror=alert(1)>.txt", "x");
        let (status, headers, page) = site.get("/?gone=%3Cb%3E").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("&#60;img src=x") && !page.contains("<img src=x") && !page.contains("<b>"), "{page}");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
    }

    #[tokio::test]
    async fn a_file_goes_once_somebody_is_sure() {
        let site = Site::new();
        site.write("a b.txt", "x");
        let (token, key) =
            (site.token().await, percent_encode(key(Path::new("a b.txt")).as_bytes(), NON_ALPHANUMERIC).to_string());
        let (status, _, page) = site.post(format!("token={token}&path={key}")).await;
        assert!(status == StatusCode::OK && page.contains("a b.txt") && site.has("a b.txt"), "{page}");
        let (status, headers, _) = site.post(format!("token={token}&path={key}&sure=yes")).await;
        assert_eq!((status, site.has("a b.txt")), (StatusCode::SEE_OTHER, false));
        let page = site.get(&format!("/{}", headers[header::LOCATION].to_str().unwrap().trim_start_matches("./"))).await.2;
        assert!(page.contains("a b.txt is deleted."), "{page}");
        assert_eq!(site.post(format!("token={token}&path={key}&sure=yes")).await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn nothing_goes_without_the_token_or_elsewhere() {
        let site = Site::new();
        site.write("kept", "x");
        std::fs::create_dir(site.home.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("kept", site.home.path().join("link")).unwrap();
        let token = site.token().await;
        for form in ["token=&path=kept&sure=yes", "token=x&path=kept&sure=yes"] {
            assert_eq!(site.post(form.to_owned()).await.0, StatusCode::FORBIDDEN, "{form}");
        }
        for path in ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "folder", "link", "", ".", ".cache", "folder%2F..%2Fkept", "no"]
        {
            let key = path.replace('%', "%25");
            assert_eq!(site.post(format!("token={token}&path={key}&sure=yes")).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        assert!(site.has("kept") && site.has("folder") && site.has("link"));
    }

    #[tokio::test]
    async fn a_page_that_somebody_left_open_gets_nothing() {
        let site = Site::new();
        site.write("diary.txt", "x");
        let going = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        for (sent, expected) in [
            (&going[..], StatusCode::OK),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")], StatusCode::OK),
            (&[], StatusCode::OK),
            (&[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")], StatusCode::FORBIDDEN),
            (&[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")], StatusCode::FORBIDDEN),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], StatusCode::FORBIDDEN),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "object")], StatusCode::FORBIDDEN),
            (&[("sec-purpose", "prefetch")], StatusCode::FORBIDDEN),
        ] {
            for path in ["/", "/download"] {
                let request = sent.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
                let (status, _, body) = site.ask(request.body(String::new()).unwrap()).await;
                assert_eq!(status, expected, "{path} {sent:?}");
                assert!(status == StatusCode::OK || !String::from_utf8_lossy(&body).contains("diary"), "{path} {sent:?}");
            }
        }
    }

    #[tokio::test]
    async fn caches_and_what_was_thrown_away_can_be_emptied() {
        let site = Site::new();
        std::fs::create_dir_all(site.home.path().join(".cache/pip")).unwrap();
        site.write(".cache/pip/wheel", &"x".repeat(10_000));
        let page = site.get("/").await.2;
        assert!(page.contains("Programs keep copies there"), "{page}");
        let token = site.token().await;
        assert_eq!(site.post(format!("token={token}&path=%252Ecache&sure=yes")).await.0, StatusCode::SEE_OTHER);
        assert!(!site.has(".cache"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_of_it_comes_as_one_file_and_one_at_a_time() {
        let site = Site::new();
        site.write("notes.txt", "hello");
        site.write(".secret", "hidden");
        let (status, headers, body) = site.ask(Request::get("/download").body(String::new()).unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        let name = headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(name.starts_with("attachment; filename=\"bob-20") && name.ends_with(".zip\""), "{name}");
        let names = |body: &Bytes| {
            let archive = zip::ZipArchive::new(std::io::Cursor::new(body.clone())).unwrap();
            archive.file_names().map(|name| name.unwrap().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&body), ["bob/notes.txt"]);
        let body = site.ask(Request::get("/download?hidden=yes").body(String::new()).unwrap()).await.2;
        assert_eq!(names(&body).len(), 2);

        // More than what waits for a slow network, and packed no smaller.
        let noise: Vec<u8> = (0..4_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        std::fs::write(site.home.path().join("noise.zip"), noise).unwrap();
        let request = || Request::get("/download").body(Body::empty()).unwrap();
        let first = site.router.clone().oneshot(request()).await.unwrap();
        assert_eq!(site.router.clone().oneshot(request()).await.unwrap().status(), StatusCode::CONFLICT);
        drop(first);
        // Whoever cancels makes room for the next, as soon as it is noticed.
        while site.router.clone().oneshot(request()).await.unwrap().status() == StatusCode::CONFLICT {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
