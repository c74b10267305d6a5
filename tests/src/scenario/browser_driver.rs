//! The browser driver itself: two browsers at once, apart from each other, that fill, click, wait and download.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fantoccini::key::Key;

use super::{Group, Scenario};
use crate::context::Context;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "browser-driver",
    about: "two browsers at once fill in forms, press keys, download and keep their cookies apart",
    group: Group::Default,
    needs_programs: false,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);

const PAGE: &str = r#"<!doctype html><title>Page</title>
<input id=person><button id=greet onclick="
  document.cookie = 'who=' + person.value; console.error('greeted ' + person.value);
  setTimeout(() => { answer.textContent = 'hello ' + person.value }, 100)">Greet</button>
<p id=answer></p><p id=keys></p><a href="/file" download="file.txt">Download</a>
<script>
document.addEventListener('keydown', event => { if (event.shiftKey && event.key == 'Enter') keys.textContent = 'chord' })
</script>"#;

fn run(context: &Context) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let page = format!("http://127.0.0.1:{}/", listener.local_addr()?.port());
    // Serves until the process ends; the listener is this scenario's alone.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    let (first, second) = (context.browser("first")?, context.browser("second")?);
    for (browser, name) in [(&first, "ada"), (&second, "bob")] {
        browser.goto(&page)?;
        browser.fill("#person", name)?;
        browser.click_text("Greet")?;
        browser.wait_for_text("#answer", &format!("hello {name}"), DEADLINE)?;
        browser.screenshot("greeted")?;
    }
    context.step("both browsers were greeted")?;
    ensure!(first.cookies()? == [("who".to_owned(), "ada".to_owned())], "cookies of the first: {:?}", first.cookies()?);
    ensure!(second.cookies()? == [("who".to_owned(), "bob".to_owned())], "cookies of the second: {:?}", second.cookies()?);
    let console = first.console_log()?;
    ensure!(console.iter().any(|line| line.contains("greeted ada")), "console: {console:?}");

    first.click("#person")?;
    first.chord(&[Key::Shift], Key::Enter)?;
    first.wait_for_text("#keys", "chord", DEADLINE)?;

    first.click_text("Download")?;
    ensure!(std::fs::read_to_string(first.downloaded("file.txt")?)? == "downloaded");
    context.step("downloaded a file")?;

    let Err(error) = first.wait_for("#nowhere", Duration::from_millis(200)) else {
        anyhow::bail!("an element that is not there was seen");
    };
    let error = format!("{error:#}");
    ensure!(error.contains("#nowhere") && error.contains(&page), "error without element and page: {error}");
    Ok(())
}

fn answer(mut stream: TcpStream) -> Result<()> {
    let mut request = [0; 4096];
    let count = stream.read(&mut request).context("reading a request")?;
    let body = if request[..count].starts_with(b"GET /file") { "downloaded" } else { PAGE };
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: ";
    write!(stream, "{head}{}\r\n\r\n{body}", body.len()).context("answering a request")
}
