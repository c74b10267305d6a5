//! Web programs beside Jupyter: on a port and on a socket, with and without their address, broken, blocked, gone.

mod files;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::{Context, repository};
use crate::hub::Hub;
use crate::{kernel, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "apps",
    about: "web programs beside Jupyter: on a port of their own network, on a socket, one that breaks; nobody else reaches them",
    group: Group::Default,
    needs_programs: true,
    run,
};

pub(super) const RECIPES: Scenario = Scenario {
    name: "apps-recipes",
    about: "OpenRefine of the distribution and Streamlit of the package index, as the docs have them, used in a browser",
    group: Group::Nightly,
    needs_programs: true,
    run: recipes,
};

const DEADLINE: Duration = Duration::from_secs(90);
/// For packages from archives far away.
const INSTALL_DEADLINE: Duration = Duration::from_secs(900);
/// Takes itself for the only one on its host, and listens on 127.0.0.1 alone.
const PLAIN: &str = r#"
import http.server, os, socket, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/old":
            self.send_response(302)
            self.send_header("Location", "/new?from=old")
            self.send_header("Set-Cookie", "seen=yes; Path=/")
            self.end_headers()
            return
        if self.path == "/take":
            open(os.path.expanduser("~/taken"), "w").write("yes")
        try:
            socket.create_connection(("1.1.1.1", 53), 2).close()
            network = "network"
        except OSError:
            network = "no network"
        body = (f"<h1>Plain</h1><p id=path>{self.path}</p><p id=who>{self.headers['X-Hubd-User']}</p>"
                f"<p id=prefix>{self.headers['X-Forwarded-Prefix']}</p><p id=cookie>{self.headers['Cookie']}</p>"
                f"<p id=network>{network}</p><p id=home>{os.getcwd()}</p><p id=uid>{os.getuid()}</p>").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;
/// Knows its address, listens on a socket, and talks over a WebSocket.
const SOCKET: &str = r#"
import asyncio, sys
import tornado.httpserver, tornado.netutil, tornado.web, tornado.websocket

class Page(tornado.web.RequestHandler):
    def get(self):
        self.write("""<h1>Echo</h1><p id=said></p><script>
            const socket = new WebSocket(location.href.replace("http", "ws") + "ws");
            socket.onopen = () => socket.send("hello");
            socket.onmessage = (event) => document.getElementById("said").textContent = event.data;
        </script>""")

class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        self.write_message("echo of " + message)

async def main(path, prefix):
    app = tornado.web.Application([(prefix, Page), (prefix + "ws", Echo)])
    tornado.httpserver.HTTPServer(app).add_socket(tornado.netutil.bind_unix_socket(path, mode=0o660))
    await asyncio.Event().wait()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"#;
/// Begins when it is told to, and does not end when it is asked to.
const STUBBORN: &str = r#"
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while not os.path.exists("/srv/class/begin"):
    time.sleep(0.1)
exec(open("/srv/class/plain.py").read())
"#;
const CONFIG: &str = r#"
[apps.plain]
title = "Plain page"
description = "Shows what it was asked for."
command = ["/usr/bin/python3", "/srv/class/plain.py", "{port}"]

[apps.echo]
title = "Echo"
command = ["python", "/srv/class/echo.py", "{socket}", "{prefix}"]
prefix = "kept"
network = true

[apps.stubborn]
title = "Stubborn"
command = ["/usr/bin/python3", "/srv/class/stubborn.py", "{port}"]

[apps.broken]
title = "Broken"
command = ["/usr/bin/python3", "-c", "raise SystemExit('the table of colours is missing')", "{port}"]
"#;

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["cara".to_owned(), "bob".to_owned()])?;
    hub.write("/srv/class/plain.py", PLAIN, 0o644)?;
    hub.write("/srv/class/echo.py", SOCKET, 0o644)?;
    hub.write("/srv/class/stubborn.py", STUBBORN, 0o644)?;
    hub.sh("chmod -R a+rX /srv/class")?;
    configured(context, &hub)?;
    let cara = context.browser("cara")?;
    hub.log_in(&cara, "cara")?;
    hub.wait_for_lab(&cara)?;
    broken(context, &hub, &cara)?;
    plain(context, &hub, &cara)?;
    echo(context, &hub, &cara)?;
    files::run(context, &hub)?;
    let bob = apart(context, &hub)?;
    ended(context, &hub, &cara)?;
    blocked(context, &hub, &bob)
}

/// The tables of the docs, word by word.
fn recipes(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["cara".to_owned()])?;
    for line in [&["apt", "install", "--yes", "openrefine"][..], &["install", "streamlit"]] {
        let command = ["/usr/local/bin/hubctl", "env"].iter().chain(line).copied();
        let output = hub.command(command).timeout(INSTALL_DEADLINE).output()?;
        ensure!(output.success(), "{line:?}: {}", output.complaint());
    }
    context.step("the packages are there")?;
    hub.write(
        "/srv/class/app.py",
        "import streamlit as st\nst.title('Squares')\nn = st.slider('n', 1, 9, 3)\nst.write(f'{n * n} squares')\n",
        0o644,
    )?;
    let docs = fs_err::read_to_string(repository().join("docs/howto/apps.md"))?;
    let tables: String = docs.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    hub.write("/root/apps.toml", tables, 0o644)?;
    hub.sh("cat /etc/hubd/config.toml /root/apps.toml > /root/new.toml && hubctl config apply /root/new.toml --yes")?;
    let cara = context.browser("cara")?;
    hub.log_in(&cara, "cara")?;
    hub.wait_for_lab(&cara)?;
    let start = |app: &str| -> Result<()> {
        cara.goto(&format!("{}/hub/apps/{app}", hub.url()))?;
        cara.click("button[value=start]")
    };
    start("openrefine")?;
    cara.wait_for_text("body", "Create project", DEADLINE)?;
    cara.wait_for_text("body", "This Computer", DEADLINE)?;
    cara.screenshot("openrefine")?;
    // Under the name that the hub has for its people.
    let socket = "/run/hubd-servers/.apps/cara/openrefine/server.sock";
    let asked = format!(
        "curl --silent --output /dev/null --write-out '%{{http_code}}' --unix-socket {socket} -H 'Host: hub.example.org' http://x/"
    );
    ensure!(hub.sh(&asked)? == "200", "OpenRefine under another name than localhost: {}", hub.sh(&asked)?);
    context.step("OpenRefine of the distribution opens")?;
    start("streamlit")?;
    cara.wait_for_text("body", "9 squares", DEADLINE)?;
    cara.screenshot("streamlit")?;
    context.step("Streamlit opens, and computes over its WebSocket")
}

/// What nobody could reach, or everybody, is refused; what is right is there without a restart.
fn configured(context: &Context, hub: &Hub) -> Result<()> {
    let put = |text: &str| -> Result<_> {
        hub.write("/root/apps.toml", text, 0o644)?;
        hub.sh("cat /etc/hubd/config.toml /root/apps.toml > /root/new.toml")?;
        hub.hubctl_output(&["config", "apply", "/root/new.toml", "--yes"])
    };
    for (wrong, told) in [
        ("[apps.x]\ncommand = [\"/usr/bin/x\"]\n", "neither {socket} nor {port}"),
        ("[apps.x]\ncommand = [\"/usr/bin/x\", \"{port}\"]\nnetwork = true\n", "everybody on the machine could reach that port"),
        ("[apps.X]\ncommand = [\"/usr/bin/x\", \"{port}\"]\n", "is not a name for an app"),
    ] {
        let refused = put(wrong)?;
        ensure!(!refused.success() && refused.text().contains(told), "{wrong}: {}", refused.text());
    }
    let applied = put(CONFIG)?;
    ensure!(applied.success(), "{}", applied.text());
    context.step("apps that can't work are refused in words; three others are there without a restart")
}

/// On a port in a network of its own; it knows nothing of its address.
fn plain(context: &Context, hub: &Hub, cara: &Browser) -> Result<()> {
    cara.goto(&format!("{}/hub/home", hub.url()))?;
    cara.wait_for_text("main", "Shows what it was asked for.", DEADLINE)?;
    cara.screenshot("home")?;
    cara.click("form[action$='/hub/apps/plain'] button")?;
    cara.wait_for_text("h1", "Plain", DEADLINE)?;
    cara.wait_for_url("/user/cara/apps/plain/", DEADLINE)?;
    let has = |id: &str, expected: &str| -> Result<()> {
        let found = cara.text(&format!("#{id}"))?;
        ensure!(found == expected, "{id}: {found:?}, expected {expected:?}");
        Ok(())
    };
    has("path", "/")?;
    has("who", "cara")?;
    has("prefix", "/user/cara/apps/plain")?;
    has("network", "no network")?;
    has("home", "/home/hubd/jupyter-cara")?;
    cara.goto(&format!("{}/user/cara/apps/plain/old", hub.url()))?;
    cara.wait_for_text("h1", "Open this program?", DEADLINE)?;
    cara.click("main button")?;
    cara.wait_for_url("/user/cara/apps/plain/new?from=old", DEADLINE)?;
    has("path", "/new?from=old")?;
    ensure!(cara.text("#cookie")?.contains("seen=yes"), "its cookie: {}", cara.text("#cookie")?);
    ensure!(!cara.text("#cookie")?.contains("hubd"), "the hub's own cookie: {}", cara.text("#cookie")?);
    let slice = hub.sh("systemctl show --property=Slice --value 'hubd-user-cara-plain.service'")?;
    ensure!(slice == "hubd-users-cara.slice", "its slice: {slice}");
    let ports = hub.sh("ss --listening --tcp --numeric --processes | grep plain.py || true")?;
    ensure!(ports.is_empty(), "it listens where others get to it: {ports}");
    context.step("an app on a port, from the home page: redirects and cookies are its own, its port is nobody's else")
}

/// On a socket, and over a WebSocket.
fn echo(context: &Context, hub: &Hub, cara: &Browser) -> Result<()> {
    cara.goto(&format!("{}/user/cara/apps/echo/", hub.url()))?;
    cara.wait_for_text("h1", "Echo", DEADLINE)?;
    cara.wait_for_text(".pill", "Not running", DEADLINE)?;
    cara.screenshot("not-running")?;
    cara.click("button[value=start]")?;
    cara.wait_for_text("#said", "echo of hello", DEADLINE)?;
    context.step("an app on a socket that knows its address talks over a WebSocket")
}

fn broken(context: &Context, hub: &Hub, cara: &Browser) -> Result<()> {
    cara.goto(&format!("{}/hub/apps/broken", hub.url()))?;
    // The journal is slower than the app is broken.
    let journal = |signal: &str| hub.sh(&format!("systemctl kill --signal={signal} systemd-journald@hubd-users.service"));
    journal("STOP")?;
    cara.click("button[value=start]")?;
    wait::for_shell(hub, "an app to have failed", "systemctl is-failed hubd-user-cara-broken.service")?;
    journal("CONT")?;
    cara.wait_for_text("pre", "the table of colours is missing", DEADLINE)?;
    cara.screenshot("broken")?;
    context.step("an app that breaks shows what it said")?;
    // It is remembered as failed, and keeps nobody else out of the slice.
    wait::for_shell(hub, "an app to count as failed", "systemctl is-failed hubd-user-cara-broken.service")?;
    hub.sh("systemctl stop hubd-user-cara.service")?;
    hub.hubctl(&["config", "set", "users.cara.limits.memory", "900M"])?;
    wait::for_shell(hub, "the hub to see that cara's server is down", "! hubctl server list | grep -q cara")?;
    let started = hub.hubctl(&["server", "start", "cara"])?;
    ensure!(started["problems"].as_array().is_some_and(Vec::is_empty), "{started}");
    let limit = hub.sh("systemctl show --property=MemoryMax --value hubd-users-cara.slice")?;
    ensure!(limit == (900_u64 << 20).to_string(), "the limit of what cara runs: {limit}");
    context.step("its owner's server starts all the same, with the limits of now")
}

/// Bob reaches none of it: by its address, by a link, from his own server.
fn apart(context: &Context, hub: &Hub) -> Result<Browser> {
    let bob = context.browser("bob")?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    for path in ["/user/cara/apps/plain/take", "/user/bob/apps/unknown/", "/hub/apps/unknown"] {
        bob.goto(&hub.whole(path))?;
        let title = bob.text("h1")?;
        ensure!(title != "Plain", "{path}: {title}");
    }
    ensure!(hub.sh("ls /home/hubd/jupyter-cara/taken 2>/dev/null || true")?.is_empty(), "bob's browser got to cara's app");
    let code = "import os
print(os.path.exists('/run/hubd-servers/.apps'), os.path.exists('/run/hubd-servers/cara'))
print(os.popen('ps -eo args').read().count('plain.py'))";
    let seen = kernel::run(hub, "bob", code)?.answer();
    ensure!(seen == "False False\n0", "from bob's server: {seen}");
    let code = hub
        .sh(&format!("curl --silent --output /dev/null --write-out '%{{http_code}}' {}/user/cara/apps/plain/take", hub.url()))?;
    ensure!(code == "403", "without a login: {code}");
    context.step("another student reaches none of it")?;
    Ok(bob)
}

/// Each ends alone; a block and the configuration end it.
fn ended(context: &Context, hub: &Hub, cara: &Browser) -> Result<()> {
    let units =
        || hub.sh("systemctl list-units --plain --no-legend --state=active 'hubd-user-cara*.service' | cut -d' ' -f1 | sort");
    let left = |expected: &str, when: &str| {
        let waited = wait::until(&format!("the services of cara {when}"), || Ok(units()? == expected));
        waited.with_context(|| format!("there are {:?}, expected {expected:?}", units()))
    };
    left("hubd-user-cara-echo.service\nhubd-user-cara-plain.service\nhubd-user-cara.service", "that she started")?;
    cara.goto(&hub.whole("/hub/home"))?;
    cara.click_text("Stop my server")?;
    left("hubd-user-cara-echo.service\nhubd-user-cara-plain.service", "after a stop of Jupyter")?;
    cara.goto(&format!("{}/user/cara/apps/plain/", hub.url()))?;
    cara.wait_for_text("h1", "Plain", DEADLINE)?;
    hub.hubctl(&["config", "set", "users.cara.limits.memory", "700M"])?;
    let limit = hub.sh("systemctl show --property=MemoryMax --value hubd-users-cara.slice")?;
    ensure!(limit == (700_u64 << 20).to_string(), "the limit of what cara runs: {limit}");
    hub.hubctl(&["server", "start", "cara"])?;
    cara.goto(&format!("{}/hub/apps/plain", hub.url()))?;
    cara.click_text("Stop it")?;
    cara.wait_for_text("h1", "Your server", DEADLINE)?;
    left("hubd-user-cara-echo.service\nhubd-user-cara.service", "after a stop of the app")?;
    context.step("each stops without the others, and all have the limits of their owner")?;
    hub.hubctl(&["config", "unset", "apps.echo"])?;
    left("hubd-user-cara.service", "after it left the configuration")?;
    cara.goto(&format!("{}/hub/home", hub.url()))?;
    cara.click("form[action$='/hub/apps/plain'] button")?;
    cara.wait_for_text("h1", "Plain", DEADLINE)?;
    hub.hubctl(&["user", "block", "cara"])?;
    left("", "after a block")?;
    // The mounts go with their services, a moment after them.
    let nothing =
        "! ps -u jupyter-cara -o args= && ! findmnt --list --noheadings --output TARGET | grep hubd-servers | grep -q cara";
    wait::for_shell(hub, "the end of cara's processes and mounts", nothing)?;
    context.step("the configuration and a block end it, and nothing is left")
}

/// Whoever stops a server for somebody stops all that they run. One that waits for its turn does not start when its owner is blocked meanwhile; one that does not want to end holds nothing up.
fn blocked(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    hub.hubctl(&["user", "unblock", "cara"])?;
    hub.hubctl(&["config", "set", "servers.concurrent_starts", "1"])?;
    bob.goto(&hub.whole("/hub/apps/plain"))?;
    bob.click("button[value=start]")?;
    bob.wait_for_text("h1", "Plain", DEADLINE)?;
    hub.hubctl(&["server", "stop", "bob"])?;
    wait::for_shell(hub, "the end of what bob runs", "! systemctl is-active --quiet 'hubd-user-bob*.service'")?;
    let start = |browser: &Browser| -> Result<()> {
        browser.goto(&hub.whole("/hub/apps/stubborn"))?;
        browser.click("button[value=start]")
    };
    let cara = context.browser("cara-again")?;
    hub.log_in(&cara, "cara")?;
    hub.wait_for_lab(&cara)?;
    start(bob)?;
    start(&cara)?;
    cara.wait_for_text("main", "You are next", DEADLINE)?;
    hub.hubctl(&["user", "block", "cara"])?;
    hub.sh("touch /srv/class/begin")?;
    bob.wait_for_text("h1", "Plain", DEADLINE)?;
    // More than the time from which on it would have run.
    hub.sh("sleep 3; ! systemctl is-active --quiet 'hubd-user-cara*.service'")?;
    context.step("an app that waited for its turn did not start for somebody who was blocked meanwhile")?;
    let added = hub.hubctl_output(&["config", "add", "roles.blocked", "bob"])?;
    ensure!(added.success(), "{}", added.complaint());
    let gone = "! systemctl is-active --quiet 'hubd-user-bob*.service' && ! pgrep --full '[s]tubborn.py'";
    wait::for_shell(hub, "the end of an app that does not want to end", gone)?;
    context.step("a block by the configuration ended an app that does not want to end, and held")
}
