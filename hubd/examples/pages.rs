//! The hub's pages on a loopback port with servers that only pretend, to look at while changing templates and styles:
//!
//!     cargo run -p hubd --example pages [PORT]
//!
//! People (password `correct horse`): ada's server starts, ben's waits in line, cyd's fails, dan's runs.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hub_core::accounts::Username;
use hub_core::config;
use hub_core::control::ServerPhase;
use hubd::auth::People;
use hubd::listen::Client;
use hubd::servers::{Failure, Servers, View};
use hubd::web::{Hub, router};
use tokio::sync::watch;

const PASSWORD: &str = "correct horse";

#[tokio::main]
async fn main() -> Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(8000), |port| port.parse()).context("reading the port")?;
    let directory = std::env::temp_dir().join(format!("hubd-pages-{}", std::process::id()));
    let config = config::parse("[hub]\nname = \"Statistics 101\"\n[roles]\nadmins = [\"dan\"]\n", "built-in")?;
    let people = People::open(&directory.join("hubd.db"), config.sessions.lifetime).await?;
    let pretend = Arc::new(Pretend::default());
    for name in ["ada", "ben", "cyd", "dan"] {
        people.add(&name.parse()?, Some(PASSWORD)).await?;
    }
    pretend.set(&"dan".parse()?, running());
    let link = people.add(&"eve".parse()?, None).await?.link.ok_or_else(|| anyhow!("eve has no link"))?;
    let hub = Hub { config: Arc::new(config), people, servers: pretend, started: Instant::now() };
    let client = Client { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), https: false };
    let app = router(Arc::new(hub)).layer(axum::Extension(client));
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    println!("http://{}/  link for eve: {}", listener.local_addr()?, link.path);
    axum::serve(listener, app).await?;
    Ok(())
}

#[derive(Default)]
struct Pretend(Mutex<HashMap<Username, watch::Sender<View>>>);

impl Pretend {
    fn sender(&self, name: &Username) -> watch::Sender<View> {
        let mut views = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        views.entry(name.clone()).or_insert_with(|| watch::Sender::new(view(ServerPhase::Stopped, ""))).clone()
    }

    fn set(&self, name: &Username, view: View) {
        self.sender(name).send_replace(view);
    }
}

impl Servers for Pretend {
    fn ensure(&self, name: &Username) -> watch::Receiver<View> {
        let sender = self.sender(name);
        if matches!(sender.borrow().phase, ServerPhase::Stopped | ServerPhase::Failed) {
            sender.send_replace(view(ServerPhase::Queued, ""));
            tokio::spawn(start(name.clone(), sender.clone()));
        }
        sender.subscribe()
    }

    fn stop(&self, name: &Username) -> watch::Receiver<View> {
        self.set(name, view(ServerPhase::Stopped, ""));
        self.watch(name)
    }

    fn watch(&self, name: &Username) -> watch::Receiver<View> {
        self.sender(name).subscribe()
    }

    fn list(&self) -> Vec<(Username, View)> {
        Vec::new()
    }

    fn touch(&self, _: &Username) {}

    fn suspect(&self, _: &Username) {}
}

async fn start(name: Username, sender: watch::Sender<View>) {
    for position in (1..=3).rev() {
        let message = format!("{position} servers start before yours.");
        sender.send_replace(View { position: Some(position), ..view(ServerPhase::Queued, &message) });
        if name.as_str() == "ben" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    sender.send_replace(view(
        ServerPhase::Starting,
        &format!("systemd has started hubd-user-{name}.service; JupyterLab is loading."),
    ));
    tokio::time::sleep(Duration::from_secs(2)).await;
    if name.as_str() == "cyd" {
        let failure = Failure {
            summary: "Your server used up its memory while it started (1 GB).".to_owned(),
            hint: Some("Something in your home is loaded at each start. Ask whoever runs this hub to look at the lines below.".to_owned()),
            log: vec![
                "[I 2026-11-20 10:14:02.120 ServerApp] jupyterlab | extension was successfully linked.".to_owned(),
                "[W 2026-11-20 10:14:02.131 ServerApp] <b>not bold</b> & a line that is much longer than the others, so that one sees what becomes of it".to_owned(),
                "hubd-user-cyd.service: A process of this unit has been killed by the OOM killer.".to_owned(),
            ],
        };
        sender.send_replace(View { failure: Some(failure), ..view(ServerPhase::Failed, "") });
        return;
    }
    for minute in 0..60_u64 {
        let running =
            View { memory_bytes: Some((180 + 10 * minute) << 20), uptime: Some(Duration::from_secs(60 * minute)), ..running() };
        sender.send_replace(running);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

fn running() -> View {
    View {
        memory_bytes: Some(412 << 20),
        memory_limit_bytes: Some(1 << 30),
        uptime: Some(Duration::from_secs(47 * 60)),
        ..view(ServerPhase::Running, "")
    }
}

fn view(phase: ServerPhase, message: &str) -> View {
    View {
        phase,
        position: None,
        message: message.to_owned(),
        failure: None,
        endpoint: None,
        unit: String::new(),
        memory_bytes: None,
        memory_limit_bytes: None,
        uptime: None,
    }
}
