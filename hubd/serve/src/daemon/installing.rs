//! `hubd installing`: shows in a browser how an install goes, until the hub itself takes its place.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use clap::Args;
use http::Request;
use hub_core::config;
use hub_core::token::TokenHash;
use hub_daemon::NotifyState;
use hub_daemon::health::tell;
use hyper::body::Incoming;
use tokio::sync::watch;
use tower::util::ServiceExt;

use crate::listen::{self, Answer, Client, Handler, Service, Socket};
use crate::web::{Installing, installing_router};

/// Clients are few: whoever has the address.
const DESCRIPTORS: u64 = 256;

/// What the installer says about the page.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// An address to listen on.
    #[arg(long, required = true)]
    listen: Vec<SocketAddr>,
    /// SHA-256 of the secret in the page's address.
    #[arg(long)]
    link: TokenHash,
    /// The hub's name.
    #[arg(long)]
    name: String,
    /// The first administrator chooses a password at the page's address afterwards.
    #[arg(long)]
    claims: bool,
}

/// Serves until it is ended. The news are standard input, a file that systemd has opened.
///
/// # Errors
/// When an address can't be listened on.
pub(super) async fn run(arguments: Arguments) -> Result<()> {
    let news = std::io::stdin().as_fd().try_clone_to_owned().context("opening the news of the installer")?;
    let listen = |address: &SocketAddr| {
        let listener = bind(*address).with_context(|| format!("listening on {address}"))?;
        anyhow::Ok(Socket { listener: listener.into(), service: Service::Plain })
    };
    let sockets = arguments.listen.iter().map(listen).collect::<Result<Vec<_>>>()?;
    let hub = config::Hub { name: arguments.name, url: None, announcement: None };
    let installing = Installing { hub, news: File::from(news), link: arguments.link, claims: arguments.claims };
    let settings = listen::Settings::for_descriptors(DESCRIPTORS);
    let (_stop, stopping) = watch::channel(false);
    tell(&[NotifyState::Ready]);
    let pages = Arc::new(Pages(installing_router(installing)));
    listen::serve(sockets, pages, settings, stopping).await.context("listening for browsers")
}

/// As systemd does it for the hub: all addresses are those of IPv4 where there is no IPv6.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).or_else(|error| {
        let unknown = error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT);
        if unknown && address.ip().is_unspecified() {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))
        } else {
            Err(error)
        }
    })
}

struct Pages(Router);

impl Handler for Pages {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _client: Client) -> Answer<Body> {
        match self.0.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => Answer::new(response),
            Err(never) => match never {},
        }
    }
}
