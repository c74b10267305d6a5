//! *My files*: the app that every hub has, with a home that is full.

use anyhow::{Context as _, Result, ensure};
use hub_system::command::Command;

use super::DEADLINE;
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;

/// Dora's home becomes a small file system, with not one byte free in the end.
const FULL: &str = "
home=/home/hubd/jupyter-dora
mount -t tmpfs -o size=8m,mode=0700,uid=$(id -u jupyter-dora),gid=$(id -g jupyter-dora) home $home
cd $home
mkdir -p work .cache/pip .config
echo '{\"cells\": []}' > 'work/Übung 1.ipynb'
echo dark > .config/theme
ln -s /etc/passwd link
dd if=/dev/urandom of=.cache/pip/wheel bs=1M count=1 status=none
dd if=/dev/urandom of=work/data.bin bs=1M count=3 status=none
chown -hR jupyter-dora: .
dd if=/dev/zero of='work/<b>big.log' bs=64k status=none 2>/dev/null || true
chown jupyter-dora: 'work/<b>big.log'
test $(df --output=avail . | tail -n 1) = 0";

/// What a zip file holds, by somebody else's reading of it.
const READ: &str = r#"
import stat, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
        is_link = stat.S_ISLNK(entry.external_attr >> 16)
        more = " -> " + archive.read(entry).decode() if is_link else "" if entry.is_dir() else f" {entry.file_size}"
        print(entry.filename + more)
"#;

/// Somebody whose home is full sees why, makes room, and takes all of it with them.
pub(super) fn run(context: &Context, hub: &Hub) -> Result<()> {
    hub.add_students(&["dora".to_owned()])?;
    let dora = context.browser("dora")?;
    hub.log_in(&dora, "dora")?;
    hub.sh("systemctl stop hubd-user-dora.service 2>/dev/null || true")?;
    hub.sh(FULL)?;
    dora.goto(&hub.whole("/hub/home"))?;
    dora.wait_for_text("main", "See what takes room", DEADLINE)?;
    dora.click_text("My files")?;
    dora.wait_for_text("h1", "My files", DEADLINE)?;
    dora.wait_for_url("/user/dora/apps/files/", DEADLINE)?;
    dora.screenshot("my-files")?;
    // The same page on a phone.
    dora.resize(390, 844)?;
    dora.screenshot("my-files-phone")?;
    let is_wider = dora.execute("return document.documentElement.scrollWidth > innerWidth", Vec::new())?;
    ensure!(is_wider == false, "on a phone the page has to be moved sideways");
    let first = dora.text("tbody tr")?;
    ensure!(first.contains("work/<b>big.log"), "the largest file: {first}");
    context.step("somebody whose home is full sees what fills it")?;

    dora.click("button[aria-label='Delete work/<b>big.log']")?;
    dora.wait_for_text("h1", "Delete work/<b>big.log?", DEADLINE)?;
    dora.screenshot("delete")?;
    dora.click_text("Delete it")?;
    dora.wait_for_text("[role=status]", "work/<b>big.log is deleted.", DEADLINE)?;
    dora.click("button[aria-label='Empty .cache']")?;
    dora.click_text("Empty it")?;
    dora.wait_for_text("[role=status]", ".cache is deleted.", DEADLINE)?;
    let left = hub.sh("cd /home/hubd/jupyter-dora && ls -A . work && df --output=avail . | tail -n 1")?;
    ensure!(!left.contains("big.log") && !left.contains(".cache") && left.contains("data.bin"), "what is left: {left}");
    context.step("they make room, after being asked once")?;
    taken_home(hub, &dora)?;
    context.step("they take their files with them, and links stay links")?;
    apart(hub)?;
    context.step("nobody else gets at them, and a form without the page's token deletes nothing")
}

fn taken_home(hub: &Hub, dora: &Browser) -> Result<()> {
    let day = hub.sh("date +%F")?;
    let names = |link: &str, file: &str| -> Result<String> {
        dora.click(link)?;
        let file = dora.downloaded(file)?.display().to_string();
        Command::new("/usr/bin/python3", DEADLINE).args(["-c", READ, &file]).run().context("reading what was downloaded")
    };
    let visible = names("a[href=download]", &format!("dora-{day}.zip"))?;
    ensure!(
        visible == "dora/link -> /etc/passwd\ndora/work/\ndora/work/data.bin 3145728\ndora/work/Übung 1.ipynb 14\n",
        "{visible}"
    );
    let all = names("a[href='download?hidden=yes']", &format!("dora-{day} (1).zip"))?;
    ensure!(all.contains("dora/.config/theme 5\n") && all.contains("dora/work/data.bin"), "with hidden files: {all}");
    Ok(())
}

fn apart(hub: &Hub) -> Result<()> {
    let page = format!("{}/user/dora/apps/files", hub.url());
    let code = hub.sh(&format!("curl --silent --output /dev/null --write-out '%{{http_code}}' {page}/download"))?;
    ensure!(code == "403", "a download without a login is answered with {code}");
    let socket = "/run/hubd-servers/.apps/dora/files/server.sock";
    let form = "--data-urlencode path=work%2Fdata%2Ebin --data sure=yes --data token=guess http://x/delete";
    let code = hub.sh(&format!(
        "curl --silent --output /dev/null --write-out '%{{http_code}}' --unix-socket {socket} {form}
         test -f /home/hubd/jupyter-dora/work/data.bin"
    ))?;
    ensure!(code == "403", "a form with a guessed token is answered with {code}");
    let code = hub.sh(&format!(
        "curl --silent --output /dev/null --write-out '%{{http_code}}' --unix-socket {socket} -H 'Sec-Fetch-Mode: cors' http://x/"
    ))?;
    ensure!(code == "403", "a page that only fetches it is answered with {code}");
    let runs_as = hub.sh("ps -o user= -p $(systemctl show --property=MainPID --value hubd-user-dora-files.service)")?;
    ensure!(runs_as.trim() == "jupyter-dora", "the app runs as {runs_as}");
    Ok(())
}
