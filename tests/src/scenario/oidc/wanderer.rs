//! Somebody who goes from page to page without a browser, stops where they like, and changes what they send.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
pub(super) use reqwest::Url;
use reqwest::blocking::{Client, Response};
use reqwest::redirect;

const DEADLINE: Duration = Duration::from_secs(60);
const MOST_STEPS: usize = 12;

/// One browser's worth of cookies, for each host and port.
pub(super) struct Wanderer {
    client: Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a page said.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) text: String,
    /// Where it leads.
    pub(super) location: Option<Url>,
}

impl Wanderer {
    pub(super) fn new() -> Result<Self> {
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(DEADLINE).build()?;
        Ok(Self { client, cookies: BTreeMap::new() })
    }

    /// One page, as somebody who comes from elsewhere asks for it.
    pub(super) fn get(&mut self, url: &Url) -> Result<Page> {
        let question = self.client.get(url.clone()).header("Cookie", self.cookie(url)).header("Accept", "text/html");
        let response = question.header("Sec-Fetch-Site", "cross-site").header("Sec-Fetch-Mode", "navigate").send()?;
        self.take(url, response)
    }

    /// The way to the provider: the address that the hub sends people to.
    pub(super) fn begin(&mut self, hub: &str, login: &str) -> Result<Url> {
        let page = self.get(&format!("{hub}/hub/login/{login}").parse()?)?;
        page.location.with_context(|| format!("the hub leads nowhere: {} {}", page.status, page.text))
    }

    /// Logs in at the provider as the account `subject`, and stops at the address that leads back to the hub.
    pub(super) fn log_in_there(&mut self, way: &Url, subject: &str, hub: &str) -> Result<Url> {
        let mut url = way.clone();
        for _ in 0..MOST_STEPS {
            let page = self.get(&url)?;
            let next = match page.location {
                Some(next) => next,
                None => {
                    ensure!(page.text.contains("name=\"login\""), "the provider shows {} {}", page.status, page.text);
                    let fields = format!("prompt=login&login={subject}&password=any");
                    let question = self.client.post(url.clone()).header("Cookie", self.cookie(&url)).body(fields);
                    let response = question.header("Content-Type", "application/x-www-form-urlencoded").send()?;
                    let page = self.take(&url, response)?;
                    page.location.with_context(|| format!("the provider does not go on: {}", page.text))?
                }
            };
            if next.as_str().starts_with(hub) {
                return Ok(next);
            }
            url = next;
        }
        anyhow::bail!("the provider never leads back")
    }

    /// There and back, up to the hub's answer.
    pub(super) fn log_in(&mut self, hub: &str, login: &str, subject: &str) -> Result<Page> {
        let way = self.begin(hub, login)?;
        let back = self.log_in_there(&way, subject, hub)?;
        self.get(&back)
    }

    /// Who the hub's own page says is logged in; `None`: nobody.
    pub(super) fn who(&mut self, hub: &str) -> Result<Option<String>> {
        let page = self.get(&format!("{hub}/hub/home").parse()?)?;
        let marked = page.text.split("logged in as").nth(1).map(|rest| rest.chars().take(80).collect::<String>());
        Ok(marked.map(|rest| rest.split('>').nth(1).unwrap_or(&rest).split('<').next().unwrap_or_default().trim().to_owned()))
    }

    fn cookie(&self, url: &Url) -> String {
        let own = self.cookies.get(&place(url)).into_iter().flatten();
        own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn take(&mut self, url: &Url, response: Response) -> Result<Page> {
        let own = self.cookies.entry(place(url)).or_default();
        for cookie in response.headers().get_all("set-cookie") {
            let Some((name, value)) = cookie.to_str()?.split(';').next().and_then(|pair| pair.split_once('=')) else { continue };
            own.insert(name.to_owned(), value.to_owned());
        }
        let location = response.headers().get("location").map(|place| url.join(place.to_str()?).context("reading a location"));
        Ok(Page { status: response.status().as_u16(), location: location.transpose()?, text: response.text()? })
    }
}

fn place(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// `url` with another value for one part of its query.
pub(super) fn with(url: &Url, name: &str, value: &str) -> Url {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut changed = url.clone();
    let mut query = changed.query_pairs_mut();
    query.clear();
    for (found, old) in pairs {
        query.append_pair(&found, if found == name { value } else { &old });
    }
    drop(query);
    changed
}

/// One part of the query of `url`.
pub(super) fn part(url: &Url, name: &str) -> Result<String> {
    let found = url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
    found.with_context(|| format!("{url} has no {name}"))
}
