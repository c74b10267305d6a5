//! Links that somebody else wrote, followed by who is logged in: they show something, and copy or run nothing that was not agreed to.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "links",
    about: "links on another site: a copy of a repository is asked about first, hidden folders and addresses for programs are refused",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);
/// A repository of a course, and one whose file runs with the next kernel if it gets into the folder that it wants.
const REPOSITORIES: &str = "
set -e
for name in course evil; do
    git init --quiet --initial-branch main /srv/class/$name
    cd /srv/class/$name
    echo 'open(\"/tmp/ran\", \"w\")' > lesson.py
    git add lesson.py
    git -c user.name=ada -c user.email=ada@example.org commit --quiet --message first
done
chmod -R a+rX /srv/class
";
const STARTUP: &str = ".ipython/profile_default/startup";
const PULL: &str = "git-pull?repo=file:///srv/class/course&branch=main&urlpath=lab/tree/course/lesson.py";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned()])?;
    hub.sh(REPOSITORIES)?;
    let bob = context.browser("bob")?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    let site = Site::open()?;
    refused(context, &hub, &bob, &site)?;
    shown(context, &hub, &bob, &site)?;
    copied(context, &hub, &bob, &site)
}

fn refused(context: &Context, hub: &Hub, bob: &Browser, site: &Site) -> Result<()> {
    let evil = "repo=file:///srv/class/evil";
    let (page, link) = ("This is not a page to open", "This link can't be followed");
    for (path, title) in [
        (format!("/hub/user-redirect/git-pull?{evil}&targetpath={STARTUP}"), link),
        (format!("/user/bob/git-pull?{evil}&targetPath={STARTUP}"), link),
        (format!("/user/bob/git-sync?{evil}&targetpath={STARTUP}"), link),
        (format!("/user/bob/git-pull/api?{evil}&targetpath={STARTUP}"), page),
        (format!("/user/bob/git-pull/api?{evil}&targetpath=evil"), page),
        ("/user/bob/api/contents".to_owned(), page),
        ("/user/bob/git/clone".to_owned(), page),
    ] {
        site.follow(bob, &hub.whole(&path))?;
        bob.wait_for_text("h1", title, DEADLINE)?;
    }
    bob.screenshot("refused")?;
    // Where the hub itself leads on after a link, it is to the person's own page at most.
    site.follow(bob, &hub.whole(&format!("/hub/user-redirect/git-pull/api?{evil}&targetpath=evil")))?;
    hub.wait_for_lab(bob)?;
    let there = hub.sh(&format!(
        "ls -d /home/hubd/jupyter-bob/evil /home/hubd/jupyter-bob/{STARTUP}/* 2>/dev/null | grep -v README || true"
    ))?;
    ensure!(there.is_empty(), "a link copied something: {there}");
    context.step("links of another site copied nothing, neither into a hidden folder nor by the address for programs")
}

/// What JupyterLab itself has of addresses that do something.
fn shown(context: &Context, hub: &Hub, bob: &Browser, site: &Site) -> Result<()> {
    for path in ["lab/tree/class?reset", "lab/workspaces/other?clone=default"] {
        site.follow(bob, &hub.whole(&format!("/user/bob/{path}")))?;
        hub.wait_for_lab(bob)?;
    }
    site.follow(bob, &hub.whole("/user/bob/nbconvert/html/a.ipynb"))?;
    bob.wait_for_text("h1", "Open this program?", DEADLINE)?;
    bob.screenshot("program")?;
    context.step("pages of JupyterLab are shown; what may run something is asked about")
}

fn copied(context: &Context, hub: &Hub, bob: &Browser, site: &Site) -> Result<()> {
    let link = hub.whole(&format!("/hub/user-redirect/{PULL}"));
    site.follow(bob, &link)?;
    bob.wait_for_text("h1", "Copy these files?", DEADLINE)?;
    bob.screenshot("question")?;
    bob.click_text("Not now")?;
    bob.wait_for_url("/hub/home", DEADLINE)?;
    ensure!(hub.sh("ls /home/hubd/jupyter-bob | grep -x course || true")?.is_empty(), "copied after a no");
    site.follow(bob, &link)?;
    bob.wait_for_text("h1", "Copy these files?", DEADLINE)?;
    bob.click_text("Copy it")?;
    bob.wait_for_url("/user/bob/lab/tree/course/lesson.py", DEADLINE)?;
    hub.wait_for_lab(bob)?;
    hub.sh("test -e /home/hubd/jupyter-bob/course/lesson.py")?;
    context.step("copied after a yes, and opened")?;
    site.follow(bob, &link)?;
    bob.wait_for_text("h1", "Copy these files?", DEADLINE)?;
    context.step("one yes is for one copy")
}

/// Another site.
struct Site {
    address: String,
}

impl Site {
    /// It answers until the process ends.
    fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("http://localhost:{}/", listener.local_addr()?.port());
        // Browsers open connections on which they ask for nothing yet.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(stream));
            }
        });
        Ok(Self { address })
    }

    /// Goes from a page of this site to `link`.
    fn follow(&self, browser: &Browser, link: &str) -> Result<()> {
        browser.goto(&self.address)?;
        browser.execute("document.querySelector('a').href = arguments[0]", vec![json!(link)])?;
        browser.click("a")
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(DEADLINE))?;
    // Whatever is asked for.
    if stream.read(&mut [0; 8192])? == 0 {
        return Ok(());
    }
    let body = "<!doctype html><a>to the course</a>";
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
