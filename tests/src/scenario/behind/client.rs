//! Logins by hand, from an address of choice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::blocking::Client as Http;
use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};

const DEADLINE: Duration = Duration::from_secs(180);

/// Logs in at one hub.
pub(super) struct Client {
    url: String,
    found_at: Option<(String, SocketAddr)>,
    root: Option<Vec<u8>>,
}

impl Client {
    /// At `url`, whose host is at `address`.
    pub(super) fn new(url: &str, address: Ipv4Addr, authority: &Path) -> Result<Self> {
        let found_at = Some((super::NAME.to_owned(), SocketAddr::from((address, 0))));
        Ok(Self { url: url.to_owned(), found_at, root: Some(fs_err::read(authority)?) })
    }

    /// At a port of this host.
    pub(super) fn at(port: u16) -> Result<Self> {
        Ok(Self { url: format!("http://127.0.0.1:{port}"), found_at: None, root: None })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// Logs in from `source`, as the form does; the status, and the cookies that were set.
    pub(super) fn log_in(
        &self,
        source: Ipv4Addr,
        headers: &[(&str, &str)],
        name: &str,
        password: &str,
    ) -> Result<(u16, Vec<String>)> {
        let http = self.http(source)?;
        let url = format!("{}/hub/login", self.url);
        let page = http.get(&url).send().context("asking for the form")?;
        let cookies: Vec<String> =
            cookies(page.headers()).iter().filter_map(|cookie| cookie.split(';').next().map(str::to_owned)).collect();
        let text = page.text()?;
        let token = text.split_once("name=\"token\" value=\"").and_then(|(_, rest)| rest.split('"').next());
        let token = token.with_context(|| format!("no form: {text}"))?;
        let body = format!("token={token}&username={name}&password={}&next=", password.replace(' ', "+"));
        let origin = self.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let mut request =
            http.post(&url).header(COOKIE, cookies.join("; ")).header("origin", origin).header("accept", "text/html");
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (header, value) in headers {
            request = request.header(*header, *value);
        }
        let answer = request.body(body).send().context("sending the form")?;
        Ok((answer.status().as_u16(), self::cookies(answer.headers())))
    }

    fn http(&self, source: Ipv4Addr) -> Result<Http> {
        let none = reqwest::redirect::Policy::none();
        let mut builder = Http::builder().no_proxy().redirect(none).timeout(DEADLINE).local_address(IpAddr::V4(source));
        if let Some((name, address)) = &self.found_at {
            builder = builder.resolve(name, *address);
        }
        if let Some(root) = &self.root {
            builder = builder.tls_certs_only([reqwest::Certificate::from_pem(root)?]);
        }
        Ok(builder.build()?)
    }
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
}
