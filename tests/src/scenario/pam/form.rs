//! The login form, filled in without a browser.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::blocking::{Client, Response};
use reqwest::redirect;

const DEADLINE: Duration = Duration::from_secs(90);

/// What came of a try.
pub(super) struct Tried {
    pub(super) status: u16,
    pub(super) text: String,
    /// Who is logged in now.
    pub(super) who: Option<String>,
}

/// Fills in the form and presses the button of `login`; "": that of the hub's own passwords.
pub(super) fn try_in(hub: &str, login: &str, name: &str, password: &str) -> Result<Tried> {
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(DEADLINE).build()?;
    let shown = client.get(format!("{hub}/hub/login")).send()?;
    let cookie = cookies(&shown);
    let page = shown.text()?;
    let token = page.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let token = token.with_context(|| format!("no form: {page}"))?;
    let fields = [("token", token), ("next", "/hub/home"), ("username", name), ("password", password), ("login", login)];
    let body = reqwest::Url::parse_with_params("http://form", fields)?.query().unwrap_or_default().to_owned();
    let sent = client.post(format!("{hub}/hub/login")).header("Cookie", &cookie).header("Origin", hub).body(body);
    let answered = sent.header("Content-Type", "application/x-www-form-urlencoded").send()?;
    let (status, cookie) = (answered.status().as_u16(), cookies(&answered));
    let text = answered.text()?;
    if status != 303 {
        return Ok(Tried { status, text, who: None });
    }
    let home = client.get(format!("{hub}/hub/home")).header("Cookie", cookie).send()?.text()?;
    let who = home.split("logged in as").nth(1).and_then(|rest| rest.split('>').nth(1)).and_then(|rest| rest.split('<').next());
    ensure!(who.is_some(), "the form took {name} in, and nobody is logged in: {home}");
    Ok(Tried { status, text, who: who.map(|name| name.trim().to_owned()) })
}

fn cookies(response: &Response) -> String {
    let pairs = response.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.collect::<Vec<_>>().join("; ")
}
