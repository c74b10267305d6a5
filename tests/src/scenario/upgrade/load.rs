//! People at work while something happens to the hub: more than a hundred requests a second, where there is a processor for
//! them, and a WebSocket to every kernel.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::blocking::{Client, Response};
use reqwest::redirect::Policy;

use crate::hub::PASSWORD;

const REQUEST_DEADLINE: Duration = Duration::from_secs(60);
const LAB_DEADLINE: Duration = Duration::from_secs(300);
const WORKERS: usize = 16;
/// Of each worker.
const PAUSE: Duration = Duration::from_millis(100);
/// As fast as a patient browser tries again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
const READ_DEADLINE: Duration = Duration::from_millis(500);
/// What is still to be seen after the upgrade.
const AFTERMATH: Duration = Duration::from_secs(3);

/// Somebody who is logged in and whose JupyterLab runs.
#[derive(Debug, Clone)]
pub(super) struct Session {
    client: Client,
    url: String,
    name: String,
    cookies: String,
    token: String,
    /// What pages of this session are given.
    key: String,
}

impl Session {
    pub(super) fn open(url: &str, name: &str) -> Result<Self> {
        // Every request on a connection of its own.
        let client =
            Client::builder().redirect(Policy::none()).timeout(REQUEST_DEADLINE).no_proxy().pool_max_idle_per_host(0).build()?;
        let page = client.get(format!("{url}/hub/login")).send()?.error_for_status()?;
        let form_cookie = cookies(&page);
        let page = page.text()?;
        let token = page.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let token = token.context("no token in the form")?;
        let form = format!("token={token}&next=&username={name}&password={}", PASSWORD.replace(' ', "+"));
        let login = client.post(format!("{url}/hub/login")).header("Cookie", form_cookie).header("Origin", url);
        let answer = login.header("Content-Type", "application/x-www-form-urlencoded").body(form).send()?;
        ensure!(answer.status().is_redirection(), "logging in: {}", answer.status());
        let session = cookies(&answer);
        let lab = format!("{url}/user/{name}/lab");
        let begun = Instant::now();
        while begun.elapsed() < LAB_DEADLINE {
            let answer = client.get(&lab).header("Cookie", &session).header("Accept", "text/html").send()?;
            let own = cookies(&answer);
            if let Some((_, rest)) = own.split_once("_xsrf=") {
                let token = rest.split(';').next().unwrap_or_default().to_owned();
                let page = answer.text()?;
                let key = page.split("\"token\": \"").nth(1).and_then(|rest| rest.split('"').next());
                let key = format!("token {}", key.context("no key in the page")?);
                let (url, name, cookies) = (url.to_owned(), name.to_owned(), format!("{session}; {own}"));
                return Ok(Self { client, url, name, cookies, token, key });
            }
            thread::sleep(PAUSE);
        }
        bail!("waited {} s for {name}'s JupyterLab", LAB_DEADLINE.as_secs())
    }

    /// Starts a kernel and returns its number.
    pub(super) fn start_kernel(&self) -> Result<String> {
        let request = self.client.post(format!("{}/user/{}/api/kernels", self.url, self.name));
        let request = request.header("Cookie", &self.cookies).header("X-XSRFToken", &self.token).header("Origin", &self.url);
        let request = request.header("Authorization", &self.key);
        let answer = request.header("Content-Type", "application/json").body(r#"{"name": "python3"}"#).send()?;
        ensure!(answer.status().is_success(), "starting a kernel: {} {}", answer.status(), answer.text()?);
        let kernel: serde_json::Value = serde_json::from_str(&answer.text()?)?;
        kernel["id"].as_str().map(str::to_owned).context("a kernel without a number")
    }

    fn ask(&self, path: &str) -> Result<(), String> {
        let request = self.client.get(format!("{}{path}", self.url)).header("Authorization", &self.key);
        let answer = request.header("Cookie", &self.cookies).send();
        match answer.and_then(Response::error_for_status) {
            Ok(answer) if answer.status().as_u16() == 200 => {
                answer.bytes().map(drop).map_err(|error| format!("{path}: {error:?}"))
            }
            Ok(answer) => Err(format!("{path}: {}", answer.status())),
            Err(error) => Err(format!("{path}: {error:?}")),
        }
    }

    /// A WebSocket to a kernel.
    fn connect(&self, kernel: &str) -> Result<TcpStream> {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(REQUEST_DEADLINE))?;
        write!(
            stream,
            "GET /user/{}/api/kernels/{kernel}/channels HTTP/1.1\r\nHost: {host}\r\nOrigin: {}\r\nCookie: {}\r\nAuthorization: {}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.name, self.url, self.cookies, self.key
        )?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        ensure!(head.ends_with(b"101"), "no WebSocket: {}", String::from_utf8_lossy(&head));
        stream.set_read_timeout(Some(READ_DEADLINE))?;
        Ok(stream)
    }
}

fn cookies(answer: &Response) -> String {
    let values = answer.headers().get_all("set-cookie").iter();
    let pairs = values.filter_map(|value| value.to_str().ok()?.split(';').next()).filter(|pair| !pair.ends_with('='));
    pairs.collect::<Vec<_>>().join("; ")
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) requests: usize,
    pub(super) slowest: Duration,
    pub(super) failures: Vec<String>,
    pub(super) reconnects: usize,
    pub(super) longest_gap: Duration,
    pub(super) lasted: Duration,
}

impl Seen {
    pub(super) fn requests_each_second(&self) -> f64 {
        self.requests as f64 / self.lasted.as_secs_f64()
    }
}

/// Work that goes on until it is stopped.
pub(super) struct Load {
    begun: Instant,
    is_over: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    pub(super) fn start(sessions: &[Session], kernels: &[(&Session, String)]) -> Result<Self> {
        let (is_over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let mut threads = Vec::new();
        for number in 0..WORKERS {
            let (is_over, seen) = (Arc::clone(&is_over), Arc::clone(&seen));
            let session = sessions[number % sessions.len()].clone();
            threads.push(thread::spawn(move || request(&session, number, &is_over, &seen)));
        }
        let connected = Arc::new(AtomicUsize::new(0));
        for (session, kernel) in kernels {
            let (is_over, seen, connected) = (Arc::clone(&is_over), Arc::clone(&seen), Arc::clone(&connected));
            let (session, kernel) = ((*session).clone(), kernel.clone());
            threads.push(thread::spawn(move || listen(&session, &kernel, &is_over, &seen, &connected)));
        }
        let begun = Instant::now();
        while connected.load(Ordering::SeqCst) < kernels.len() {
            ensure!(begun.elapsed() < REQUEST_DEADLINE, "not every WebSocket was opened");
            thread::sleep(PAUSE);
        }
        Ok(Self { begun: Instant::now(), is_over, seen, threads })
    }

    /// Ends the work a moment later.
    pub(super) fn stop(self) -> Result<Seen> {
        thread::sleep(AFTERMATH);
        let lasted = self.begun.elapsed();
        self.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow::anyhow!("a thread of the test panicked"))??;
        }
        let mut seen = lock(&self.seen)?;
        Ok(Seen { lasted, ..std::mem::take(&mut *seen) })
    }
}

fn lock(seen: &Mutex<Seen>) -> Result<std::sync::MutexGuard<'_, Seen>> {
    seen.lock().map_err(|_| anyhow::anyhow!("a thread of the test panicked"))
}

fn request(session: &Session, number: usize, is_over: &AtomicBool, seen: &Mutex<Seen>) -> Result<()> {
    let path = if number.is_multiple_of(2) { "/hub/login".to_owned() } else { format!("/user/{}/api/status", session.name) };
    let session = if number.is_multiple_of(2) { Session { cookies: String::new(), ..session.clone() } } else { session.clone() };
    while !is_over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let answer = session.ask(&path);
        let took = begun.elapsed();
        {
            let mut seen = lock(seen)?;
            seen.requests += 1;
            seen.slowest = seen.slowest.max(took);
            seen.failures.extend(answer.err());
        }
        thread::sleep(PAUSE.saturating_sub(took));
    }
    Ok(())
}

/// Keeps a WebSocket open, as JupyterLab does.
fn listen(session: &Session, kernel: &str, is_over: &AtomicBool, seen: &Mutex<Seen>, connected: &AtomicUsize) -> Result<()> {
    let mut stream = session.connect(kernel)?;
    connected.fetch_add(1, Ordering::SeqCst);
    let mut buffer = [0; 4096];
    while !is_over.load(Ordering::SeqCst) {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => continue,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => continue,
            _ => {}
        }
        let lost = Instant::now();
        stream = loop {
            match session.connect(kernel) {
                Ok(stream) => break stream,
                Err(error) if lost.elapsed() > REQUEST_DEADLINE => return Err(error),
                Err(_) => thread::sleep(RECONNECT_PAUSE),
            }
        };
        let mut seen = lock(seen)?;
        seen.reconnects += 1;
        seen.longest_gap = seen.longest_gap.max(lost.elapsed());
    }
    Ok(())
}
