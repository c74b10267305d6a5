//! A real browser under remote control: Debian's Chromium, or its Firefox, through its WebDriver.
//!
//! Calls block, so a scenario reads from top to bottom; two browsers at once are two values. Whatever a call waits for
//! and does not get, the error names the page and a screenshot of it lies among the artefacts.

mod driver;

use std::cell::Cell;
use std::ffi::OsString;
use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fantoccini::elements::Element;
use fantoccini::error::{CmdError, ErrorStatus};
use fantoccini::key::Key;
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder, Locator};
use fs_err as fs;
use hub_machine::ensure_packages;
use hub_system::command::Command;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep, timeout};

use crate::wait;
use driver::Driver;
pub use driver::Kind;

/// Names the file `axe.min.js` of npm's package axe-core.
const AXE: &str = "HUBD_TESTS_AXE";
/// What a page that is asked for may take to answer.
const COMMAND_DEADLINE: Duration = Duration::from_secs(180);
/// What a page may take until it has the element that is used, or has it at rest.
const ELEMENT_DEADLINE: Duration = Duration::from_secs(60);
/// What a script in a page may take, the answers that it waits for included.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(150);
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const CERTUTIL: &str = "/usr/bin/certutil";
const WINDOW: (u32, u32) = (1280, 900);

/// One browser with a profile of its own.
#[derive(Debug)]
pub struct Browser {
    label: String,
    artefacts: PathBuf,
    client: Option<Client>,
    // Dropped in this order: the driver ends every process before its profile is removed.
    driver: Driver,
    profile: TempDir,
    runtime: Runtime,
    complaints: Cell<u32>,
}

impl Browser {
    /// Starts a browser with an empty profile, whose files among the `artefacts` start with `label`. It takes every
    /// certificate.
    pub fn open(artefacts: &Path, label: &str, kind: Kind) -> Result<Self> {
        Self::start(artefacts, label, kind, None)
    }

    /// The same, but it is Chromium, takes certificates of one authority only, and finds one name at one address.
    pub fn open_trusting(artefacts: &Path, label: &str, trust: &Trust<'_>) -> Result<Self> {
        Self::start(artefacts, label, Kind::Chromium, Some(trust))
    }

    fn start(artefacts: &Path, label: &str, kind: Kind, trust: Option<&Trust<'_>>) -> Result<Self> {
        let profile = TempDir::with_prefix("hubd-browser-")?;
        fs::create_dir(profile.path().join("downloads"))?;
        if let Some(trust) = trust {
            trust.import(profile.path())?;
        }
        let driver = Driver::start(kind, profile.path(), &artefacts.join(format!("{label}.driver.txt")))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(match kind {
            Kind::Chromium => capabilities(profile.path(), trust)?,
            Kind::Firefox => capabilities_of_firefox(&profile.path().join("downloads"))?,
        });
        let address = driver.address();
        let client = runtime
            .block_on(async { timeout(COMMAND_DEADLINE, builder.connect(&address)).await })
            .with_context(|| format!("waiting {} s for a browser", COMMAND_DEADLINE.as_secs()))?
            .context("starting a browser")?;
        let (artefacts, label) = (artefacts.to_owned(), label.to_owned());
        Ok(Self { label, artefacts, client: Some(client), driver, profile, runtime, complaints: Cell::new(0) })
    }

    /// Where downloads end up.
    pub fn downloads(&self) -> PathBuf {
        self.profile.path().join("downloads")
    }

    /// Opens a page and waits until it is loaded.
    pub fn goto(&self, url: &str) -> Result<()> {
        self.ask(&format!("opening `{url}`"), |client| async move { client.goto(url).await })
    }

    /// The address of the page.
    pub fn url(&self) -> Result<String> {
        self.ask("reading the address", |client| async move { client.current_url().await.map(String::from) })
    }

    /// The title of the page.
    pub fn title(&self) -> Result<String> {
        self.ask("reading the title", |client| async move { client.title().await })
    }

    /// The page as HTML, as it is now.
    pub fn source(&self) -> Result<String> {
        self.ask("reading the page", |client| async move { client.source().await })
    }

    /// The text a person sees in the first element that matches.
    pub fn text(&self, css: &str) -> Result<String> {
        self.element(css, |element| async move { element.text().await })
    }

    /// A property of the first element that matches, for example `value`.
    pub fn property(&self, css: &str, name: &str) -> Result<Option<String>> {
        self.element(css, |element| async move { element.prop(name).await })
    }

    /// Waits until a file was downloaded as a whole, and returns where it is.
    pub fn downloaded(&self, name: &str) -> Result<PathBuf> {
        let directory = self.downloads();
        wait::until(&format!("`{name}` to be downloaded"), || {
            let names = fs::read_dir(&directory)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
            // What is on its way has another name, beside an empty file of that one.
            let is_under_way = |name: &OsString| [".crdownload", ".part"].iter().any(|end| name.to_string_lossy().ends_with(end));
            Ok(names.iter().any(|one| one == name) && !names.iter().any(is_under_way))
        })?;
        Ok(directory.join(name))
    }

    /// How many elements match.
    pub fn count(&self, css: &str) -> Result<usize> {
        self.ask(&format!("counting `{css}`"), |client| async move { Ok(client.find_all(Locator::Css(css)).await?.len()) })
    }

    /// Clicks the first element that matches.
    pub fn click(&self, css: &str) -> Result<()> {
        self.act(&format!("clicking `{css}`"), |client| async move {
            let element = client.find(Locator::Css(css)).await?;
            // A bar that stays at the edge may lie above it.
            let place = serde_json::to_value(&element)?;
            client.execute("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", vec![place]).await?;
            element.click().await
        })
    }

    /// Clicks the link or button with exactly this text.
    pub fn click_text(&self, text: &str) -> Result<()> {
        let path = format!("//*[self::a or self::button][normalize-space()={}]", xpath_text(text));
        let path = path.as_str();
        self.act(&format!("clicking `{text}`"), |client| async move { client.find(Locator::XPath(path)).await?.click().await })
    }

    /// Replaces what stands in a field. For a file field `text` is the path of the file.
    pub fn fill(&self, css: &str, text: &str) -> Result<()> {
        self.element(css, |element| async move {
            if element.prop("type").await?.as_deref() != Some("file") {
                element.clear().await?;
            }
            element.send_keys(text).await
        })
    }

    /// Types into the element that has the focus. Keys without a character are in [`Key`].
    pub fn type_keys(&self, text: &str) -> Result<()> {
        self.ask("typing", |client| async move { client.active_element().await?.send_keys(text).await })
    }

    /// Presses a key together with modifiers, in the element that has the focus: `chord(&[Key::Shift], Key::Enter)`.
    pub fn chord(&self, modifiers: &[Key], key: Key) -> Result<()> {
        let keys: String = modifiers.iter().copied().chain([key, Key::Null]).map(char::from).collect();
        self.type_keys(&keys)
    }

    /// Runs the body of a JavaScript function in the page and returns what it returns.
    pub fn execute(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        self.ask("running a script in the page", |client| async move { client.execute(script, arguments).await })
    }

    /// Waits until an element that matches is to be seen.
    pub fn wait_for(&self, css: &str, deadline: Duration) -> Result<()> {
        self.wait_until(&format!("`{css}` to be seen"), deadline, |client| async move {
            match client.find(Locator::Css(css)).await {
                Ok(element) => element.is_displayed().await,
                Err(error) if error.is_no_such_element() => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// Waits until no element matches any more.
    pub fn wait_until_gone(&self, css: &str, deadline: Duration) -> Result<()> {
        self.wait_until(&format!("`{css}` to go away"), deadline, |client| async move {
            Ok(client.find_all(Locator::Css(css)).await?.is_empty())
        })
    }

    /// Waits until the first element that matches shows this text somewhere.
    pub fn wait_for_text(&self, css: &str, text: &str, deadline: Duration) -> Result<()> {
        self.wait_until(&format!("`{css}` to show `{text}`"), deadline, |client| async move {
            match client.find(Locator::Css(css)).await {
                Ok(element) => Ok(element.text().await?.contains(text)),
                Err(error) if error.is_no_such_element() => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// Waits until the address of the page has `part` in it.
    pub fn wait_for_url(&self, part: &str, deadline: Duration) -> Result<()> {
        self.wait_until(&format!("an address with `{part}`"), deadline, |client| async move {
            Ok(client.current_url().await?.as_str().contains(part))
        })
    }

    /// Waits until the script, the body of a function, returns true.
    pub fn wait_for_script(&self, script: &str, deadline: Duration) -> Result<()> {
        self.wait_until(&format!("the script `{script}` to return true"), deadline, |client| async move {
            Ok(client.execute(script, Vec::new()).await? == Value::Bool(true))
        })
    }

    /// Turns to the tab that was opened last.
    pub fn newest_tab(&self) -> Result<()> {
        self.ask("turning to another tab", |client| async move {
            match client.windows().await?.pop() {
                Some(window) => client.switch_to_window(window).await,
                None => Ok(()),
            }
        })
    }

    /// The tab that is looked at.
    pub fn this_tab(&self) -> Result<WindowHandle> {
        self.ask("asking for the tab", |client| async move { client.window().await })
    }

    /// Opens an empty tab and turns to it.
    pub fn new_tab(&self) -> Result<WindowHandle> {
        self.ask("opening a tab", |client| async move {
            let tab = client.new_window(true).await?.handle;
            client.switch_to_window(tab.clone()).await?;
            Ok(tab)
        })
    }

    /// Turns to a tab.
    pub fn turn_to(&self, tab: &WindowHandle) -> Result<()> {
        self.ask("turning to another tab", |client| async move { client.switch_to_window(tab.clone()).await })
    }

    /// Makes the window `width` by `height` pixels large.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.ask("resizing the window", |client| async move { client.set_window_size(width, height).await })
    }

    /// The cookies the page can send, name and value.
    pub fn cookies(&self) -> Result<Vec<(String, String)>> {
        self.ask("reading the cookies", |client| async move {
            let cookies = client.get_all_cookies().await?;
            Ok(cookies.iter().map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned())).collect())
        })
    }

    /// Saves a picture of the page among the artefacts and returns its path. With [`AXE`] set, a page of our own must be one in
    /// which axe finds nothing, in light colours and dark.
    pub fn screenshot(&self, name: &str) -> Result<PathBuf> {
        if let Some(axe) = std::env::var_os(AXE) {
            let axe = fs::read_to_string(axe)?;
            for dark in [true, false] {
                self.dark(dark)?;
                self.accessible(&axe, name).with_context(|| format!("in {} colours", if dark { "dark" } else { "light" }))?;
            }
        }
        let picture = self.ask("taking a screenshot", |client| async move { client.screenshot().await })?;
        let path = self.artefacts.join(format!("{}-{name}.png", self.label));
        fs::write(&path, picture)?;
        Ok(path)
    }

    fn accessible(&self, axe: &str, name: &str) -> Result<()> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             if (location.pathname !== '/' && !location.pathname.includes('/hub/')) return done([]);
             {axe};
             axe.run().then(found => done(found.violations.map(one =>
                 one.id + ': ' + one.nodes.map(node => node.html).join(' | '))), error => done([String(error)]));"
        );
        let found = self.ask("asking axe", |client| async move { client.execute_async(&script, Vec::new()).await })?;
        ensure!(found.as_array().is_some_and(Vec::is_empty), "axe finds in `{name}`: {found}");
        Ok(())
    }

    /// Shows pages as to somebody who wants dark colours, or light ones.
    pub fn dark(&self, dark: bool) -> Result<()> {
        let session = self.ask("asking for the session", |client| async move { client.session_id().await })?;
        self.runtime.block_on(self.driver.emulate_dark(&session.context("the browser has no session")?, dark))
    }

    /// What the pages wrote on the console since the last call, one entry per line.
    pub fn console_log(&self) -> Result<Vec<String>> {
        let session = self.ask("asking for the session", |client| async move { client.session_id().await })?;
        self.runtime.block_on(self.driver.console_log(&session.context("the browser has no session")?))
    }

    fn element<T, F>(&self, css: &str, act: impl Fn(Element) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, CmdError>>,
    {
        let act = &act;
        self.act(&format!("using `{css}`"), |client| async move { act(client.find(Locator::Css(css)).await?).await })
    }

    /// Something with an element, which is waited for: the page may not have answered yet, be drawing still, or be replaced between the
    /// look and the act.
    fn act<T, F>(&self, what: &str, act: impl Fn(Client) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, CmdError>>,
    {
        let act = &act;
        self.ask(what, |client| async move {
            let end = Instant::now() + ELEMENT_DEADLINE;
            loop {
                match act(client.clone()).await {
                    Err(error) if is_passing(&error) && Instant::now() < end => sleep(POLL_INTERVAL).await,
                    answer => return answer,
                }
            }
        })
    }

    /// One command to the browser.
    fn ask<T, F>(&self, what: &str, command: impl FnOnce(Client) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, CmdError>>,
    {
        let client = self.client.clone().context("the browser is closed")?;
        let answer = self.runtime.block_on(async { timeout(COMMAND_DEADLINE, command(client)).await });
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.complain(what, &error.to_string())),
            Err(_) => bail!("{what}: no answer from browser `{}` within {} s", self.label, COMMAND_DEADLINE.as_secs()),
        }
    }

    fn wait_until<F>(&self, what: &str, deadline: Duration, mut seen: impl FnMut(Client) -> F) -> Result<()>
    where
        F: Future<Output = Result<bool, CmdError>>,
    {
        let client = self.client.clone().context("the browser is closed")?;
        let waited = self.runtime.block_on(async {
            let end = Instant::now() + deadline;
            loop {
                let last = match timeout(COMMAND_DEADLINE, seen(client.clone())).await {
                    Ok(Ok(true)) => return None,
                    Ok(Ok(false)) => "not yet".to_owned(),
                    // The page may be replaced by the next one at any moment, so an error is not the end.
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "the browser does not answer".to_owned(),
                };
                if Instant::now() >= end {
                    return Some(last);
                }
                sleep(POLL_INTERVAL).await;
            }
        });
        match waited {
            None => Ok(()),
            Some(last) => Err(self.complain(&format!("waited {} s for {what}", deadline.as_secs()), &last)),
        }
    }

    /// An error with the page it happened on, a picture of that page, and what it wrote on the console.
    fn complain(&self, what: &str, detail: &str) -> anyhow::Error {
        let number = self.complaints.get() + 1;
        self.complaints.set(number);
        // Only the first few, and never while looking at the page for one.
        if number > 3 {
            return anyhow::anyhow!("{what}: {detail}");
        }
        let page = self.url().unwrap_or_else(|error| format!("unknown: {error:#}"));
        let picture = self.screenshot(&format!("trouble-{number}")).map(|path| path.display().to_string());
        let picture = picture.unwrap_or_else(|error| format!("none: {error:#}"));
        let console = self.console_log().map_or_else(|error| format!("unknown: {error:#}"), |lines| lines.join("\n  "));
        anyhow::anyhow!("{what}: {detail}\n  browser `{}` at {page}\n  picture: {picture}\n  console: {console}", self.label)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let closed = self.runtime.block_on(async { timeout(CLOSE_DEADLINE, client.close()).await });
        match closed {
            Ok(Ok(())) => {}
            // The driver kills it right after this.
            Ok(Err(error)) => eprintln!("closing browser `{}`: {error}", self.label),
            Err(_) => eprintln!("closing browser `{}`: no answer within {} s", self.label, CLOSE_DEADLINE.as_secs()),
        }
    }
}

/// Whom a browser believes.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// The authority's certificate, a PEM file; `None`: nobody.
    pub authority: Option<&'a Path>,
    /// A host name.
    pub name: &'a str,
    /// Where it leads.
    pub address: IpAddr,
}

impl Trust<'_> {
    /// Puts the authority where Chromium looks for those that a person has added.
    fn import(&self, home: &Path) -> Result<()> {
        let Some(authority) = self.authority else { return Ok(()) };
        ensure_packages(&[(CERTUTIL, "libnss3-tools")], &mut |text| eprintln!("{text}"))?;
        let directory = home.join(".pki/nssdb");
        fs::create_dir_all(&directory)?;
        let database = format!("sql:{}", directory.display());
        let authority = authority.display().to_string();
        for arguments in [
            &["-d", &database, "-N", "--empty-password"][..],
            &["-d", &database, "-A", "-t", "C,,", "-n", "test", "-i", &authority],
        ] {
            Command::new(CERTUTIL, COMMAND_DEADLINE).args(arguments.iter().copied()).run().context("trusting an authority")?;
        }
        Ok(())
    }
}

fn capabilities(profile: &Path, trust: Option<&Trust<'_>>) -> Result<serde_json::Map<String, Value>> {
    let rules = trust.map(|trust| format!("--host-resolver-rules=MAP {} {}", trust.name, trust.address));
    let mut capabilities = json!({
        "browserName": "chrome",
        "acceptInsecureCerts": trust.is_none(),
        "timeouts": { "script": SCRIPT_DEADLINE.as_millis() },
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "binary": driver::CHROMIUM,
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                format!("--window-size={},{}", WINDOW.0, WINDOW.1),
                format!("--user-data-dir={}", profile.join("profile").display()),
            ],
            "prefs": {
                "download.default_directory": profile.join("downloads"),
                "download.prompt_for_download": false,
                "credentials_enable_service": false,
            },
        },
    });
    if let (Some(rules), Some(arguments)) = (rules, capabilities["goog:chromeOptions"]["args"].as_array_mut()) {
        arguments.push(rules.into());
    }
    match capabilities {
        Value::Object(map) => Ok(map),
        other => bail!("capabilities `{other}` are no object"),
    }
}

fn capabilities_of_firefox(downloads: &Path) -> Result<serde_json::Map<String, Value>> {
    let capabilities = json!({
        "browserName": "firefox",
        "acceptInsecureCerts": true,
        "timeouts": { "script": SCRIPT_DEADLINE.as_millis() },
        "moz:firefoxOptions": {
            "binary": driver::FIREFOX,
            "args": ["-headless", format!("--width={}", WINDOW.0), format!("--height={}", WINDOW.1)],
            "prefs": {
                "browser.download.dir": downloads,
                "browser.download.folderList": 2,
                "signon.rememberSignons": false,
                // It looks for nothing on the internet.
                "app.update.auto": false,
                "network.captive-portal-service.enabled": false,
                "network.connectivity-service.enabled": false,
                "browser.safebrowsing.downloads.remote.enabled": false,
            },
        },
    });
    match capabilities {
        Value::Object(map) => Ok(map),
        other => bail!("capabilities `{other}` are no object"),
    }
}

/// What may be over with the next look at the page.
fn is_passing(error: &CmdError) -> bool {
    error.is_no_such_element()
        || error.is_stale_element_reference()
        || error.is_element_not_interactable()
        || matches!(error, CmdError::Standard(told) if told.error == ErrorStatus::ElementClickIntercepted)
}

/// XPath has no escapes: a text with both kinds of quotes has to be put together.
fn xpath_text(text: &str) -> String {
    let parts: Vec<String> = text.split('"').map(|part| format!("\"{part}\"")).collect();
    if parts.len() == 1 { parts.concat() } else { format!("concat({})", parts.join(", '\"', ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_text_for_xpath() {
        assert_eq!(xpath_text("Log in"), "\"Log in\"");
        assert_eq!(xpath_text("say \"it's\""), "concat(\"say \", '\"', \"it's\", '\"', \"\")");
    }
}
