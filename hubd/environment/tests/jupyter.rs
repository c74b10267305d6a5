//! What becomes of kernels and of people's own settings in a student's server, with a real Python and without Jupyter.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic like the test itself")]

use std::path::Path;
use std::time::Duration;

use hub_system::command::Command;

const PYTHON: &str = "/usr/bin/python3";
const TIMEOUT: Duration = Duration::from_secs(60);

/// As much of Jupyter as is there when our modules load.
const JUPYTER: &str = r#"
import sys, types

def module(name, **content):
    made = types.ModuleType(name)
    made.__dict__.update(content)
    sys.modules[name] = made

class Config(dict):
    """Sections come about when they are looked at, as in traitlets."""
    def __missing__(self, name):
        self[name] = type(self)()
        return self[name]
    def __getattr__(self, name): return self[name]
    def __setattr__(self, name, value): self[name] = value
    def merge(self, other):
        for section, values in other.items():
            for name, value in values.items():
                self[section][name] = value

class Spec:
    def __init__(self, argv, resource_dir="/opt/env/share/jupyter/kernels/k", **metadata):
        self.argv, self.resource_dir, self.metadata = argv, resource_dir, metadata

class SpecManager:
    found = None
    def get_kernel_spec(self, name): return self.found

class App:
    """Its files, in the order in which they are read."""
    files = []
    def load_config_file(self, *arguments, **named):
        for text in self.files: self.update_config(text)
    def update_config(self, config): self.config.merge(config)

class Nothing:
    def load_config_file(self, *arguments, **named): pass

module("psutil"), module("zmq", has=lambda what: True)
module("jupyter_client"), module("jupyter_client.connect", ConnectionFileMixin=object)
module("jupyter_client.kernelspec", KernelSpecManager=SpecManager, NoSuchKernel=KeyError)
module("jupyter_core"), module("jupyter_core.paths", jupyter_path=list)
module("jupyter_core.utils", ensure_async=None)
module("jupyter_server"), module("jupyter_server.services"), module("jupyter_server.services.kernels")
module("jupyter_server.services.kernels.kernelmanager", ServerKernelManager=type("Base", (), {"_ip_default": lambda self: "127.0.0.1"}))
module("jupyter_server.serverapp", ServerApp=App)
module("traitlets", default=lambda name: lambda method: method), module("traitlets.config", Application=Nothing, Config=Config)
"#;

/// What `script` prints with the home `home`, where `kernels` and `settings` are ours.
fn printed(home: &Path, script: &str) -> String {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pyenv/assets");
    let prelude = format!("{JUPYTER}\nsys.path.insert(0, {assets:?})\nfrom hubd_jupyter import kernels, settings\n");
    let python = Command::new(PYTHON, TIMEOUT).env_clear().env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/bash");
    let python = python.env("HOME", home.display().to_string());
    python.args(["-I", "-B", "-c", &format!("{prelude}{script}")]).run().unwrap().trim_end().to_owned()
}

#[test]
fn kernels_in_python_are_started_with_the_persons_packages_and_by_what_keeps_them_from_ports() {
    let script = r#"
for argv in [
    ["python", "-m", "octave_kernel", "-f", "{connection_file}"],
    ["python3", "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    ["/home/ada/env/bin/python", "-W", "ignore", "script.py"],
    ["{prefix}/bin/python3.11", kernels.START, "-m", "ipykernel_launcher"],
    ["deno", "jupyter", "--conn", "{connection_file}"],
    ["python", "-c", "pass"],
]:
    words, module = kernels.command(argv, "/layer")
    print(*(word.replace(kernels.PYTHON, "PYTHON").replace(kernels.START, "START") for word in words), module)
"#;
    assert_eq!(
        printed(Path::new("/nonexistent"), script),
        "PYTHON START -m octave_kernel -f {connection_file} octave_kernel\n\
         PYTHON -Xfrozen_modules=off START -m ipykernel_launcher -f {connection_file} ipykernel_launcher\n\
         /home/ada/env/bin/python -W ignore START script.py None\n\
         /layer/bin/python3.11 START -m ipykernel_launcher ipykernel_launcher\n\
         deno jupyter --conn {connection_file} None\n\
         PYTHON -c pass None"
    );
}

#[test]
fn a_debugger_is_offered_only_where_it_has_no_port() {
    let script = r#"
for argv in [["python", "-m", "ipykernel_launcher"], ["xpython"], ["python", "-m", "xeus"]]:
    SpecManager.found = Spec(argv, debugger=True)
    print(kernels.KernelSpecs().get_kernel_spec("k").metadata["debugger"])
"#;
    assert_eq!(printed(Path::new("/nonexistent"), script), "True\nFalse\nFalse");
}

#[test]
fn how_a_kernel_talks_is_remembered_as_long_as_it_is_started_in_the_same_way() {
    let home = tempfile::tempdir().unwrap();
    let script = r#"
old, new = Spec(["deno", "jupyter"]), Spec(["deno", "jupyter", "--unstable"])
memory = kernels.Memory()
print(memory.recall("deno", old))
memory.keep("deno", old, "tcp")
memory.keep("echo", old, "ipc")
print(*(kernels.Memory().recall(name, spec) for name, spec in [("deno", old), ("echo", old), ("deno", new), ("other", old)]))

def transport(spec):
    kernel = kernels.Kernel()
    kernel.kernel_name, kernel.kernel_spec = "deno", spec
    kernel.transport = kernel._transport_default()
    return kernel.transport, kernel._transport_encryption_default()
print(*transport(old), *transport(new))
for damaged in ("[]", "{", '{"deno": 1}', '{"deno": {"argv": ["deno", "jupyter"], "transport": "carrier pigeon"}}'):
    open(memory.path, "w").write(damaged)
    print(memory.recall("deno", old))
"#;
    assert_eq!(printed(home.path(), script), "None\ntcp ipc None None\ntcp auto ipc disabled\nNone\nNone\nNone\nNone");
}

#[test]
fn own_settings_count_but_for_what_the_hub_needs_which_is_said() {
    let script = r#"
class Log:
    def warning(self, text, *words, **named): print(text % words)
app = settings.HubServerApp()
app.config, app.log, app.config_file_paths = Config(), Log(), []
app.hub_values = settings.values("ada", "/home/ada", "/run/s", "", "/layer", None)
own = Config()
own.ServerApp.root_dir, own.ServerApp.quit_button = "/home/ada/sub", True
own.ServerApp.certfile, own.ServerApp.base_url, own.ServerApp.open_browser = "own.pem", "/elsewhere/", False
own.MultiKernelManager.kernel_manager_class = "their.Own"
own.ServerApp.tornado_settings = {"headers": {"X-Own": "yes"}, "user": "eve"}
app.files = [own]
app.load_config_file()
server = app.config.ServerApp
print(server.root_dir, server.quit_button, repr(server.certfile), server.base_url, server.sock)
print(app.config.MultiKernelManager.kernel_manager_class, app.config.LabApp.default_url)
print(server.tornado_settings["headers"], server.tornado_settings["user"], server.tornado_settings["hub_prefix"])
"#;
    assert_eq!(
        printed(Path::new("/home/ada"), script),
        "the setting ServerApp.base_url in a configuration file is not used: the address below which the hub reaches the server\n\
         the setting ServerApp.certfile in a configuration file is not used: encryption is the hub's; between hub and server \
         there is no network\n\
         /home/ada/sub True '' /user/ada/ /run/s\n\
         their.Own /lab\n\
         {'X-Own': 'yes'} ada /hub/"
    );
}

/// A handler of a page, with where its application has its static files.
const PAGES: &str = r#"
import json, os, tempfile
from types import SimpleNamespace
from hubd_jupyter import shared

top = tempfile.mkdtemp()
place = os.path.join(top, "hubd-shared")
for file in ("L/main.js", "E/static/entry.1.js", "secret.js"):
    os.makedirs(os.path.dirname(os.path.join(place, file)), exist_ok=True)
    open(os.path.join(place, file), "w").close()

def told(static, base="", **more):
    handler = SimpleNamespace(settings={"hub_prefix": f"{base}/hub/"}, extensionapp=SimpleNamespace(static_dir=static))
    config = {"fullStaticUrl": "/own", "fullLabextensionsUrl": f"{base}/user/ada/lab/extensions", **more}
    before = json.dumps(config)
    page = shared.with_shared(None, place)(handler, config)
    assert json.dumps(config) == before
    return page
"#;

#[test]
fn pages_load_from_the_hub_what_is_shared_and_the_rest_from_their_server() {
    let script = r#"
with open(os.path.join(place, "index.json"), "w") as stream:
    json.dump({"share/jupyter/lab/static": "L", "share/jupyter/labextensions/@a/b": "E"}, stream)
lab = os.path.join(top, "share/jupyter/lab/static/")
print(told(lab)["fullStaticUrl"], told("/home/ada/own/static")["fullStaticUrl"], told(None, "/x")["fullStaticUrl"])
ours, theirs = {"name": "@a/b", "load": "static/entry.1.js"}, {"name": "@a/b", "load": "static/entry.2.js"}
for base in ("", "/x"):
    page = told(lab, base, federated_extensions=[ours, theirs, {"name": "own", "load": "static/entry.1.js"}])
    for one in page["federated_extensions"]:
        print(os.path.normpath("/".join((page["fullLabextensionsUrl"], one["name"], one["load"]))))
"#;
    assert_eq!(
        printed(Path::new("/home/ada"), &format!("{PAGES}{script}")),
        "/hub/shared/L /own /own\n\
         /hub/shared/E/static/entry.1.js\n\
         /user/ada/lab/extensions/@a/b/static/entry.2.js\n\
         /user/ada/lab/extensions/own/static/entry.1.js\n\
         /x/hub/shared/E/static/entry.1.js\n\
         /x/user/ada/lab/extensions/@a/b/static/entry.2.js\n\
         /x/user/ada/lab/extensions/own/static/entry.1.js"
    );
}

#[test]
fn pages_load_everything_from_their_server_when_nothing_is_shared() {
    let script = r#"
print(told(os.path.join(top, "share/jupyter/lab/static"))["fullStaticUrl"])
print(told(None, federated_extensions=[{"name": "@a/b", "load": "static/entry.1.js"}])["federated_extensions"][0]["load"])
"#;
    assert_eq!(printed(Path::new("/home/ada"), &format!("{PAGES}{script}")), "/own\nstatic/entry.1.js");
}

#[test]
fn only_answers_without_a_secret_beside_somebody_elses_words_are_compressed() {
    let script = r#"
module("tornado"), module("tornado.web", OutputTransform=lambda request: "as it is",
    GZipContentEncoding=type("GZip", (), {"CONTENT_TYPES": set(), "__init__": lambda self, request: None}))
from types import SimpleNamespace
from hubd_jupyter import smaller
choose = smaller.transform("/user/ada/")
for path in ("lab/api/settings", "lab/api/themes/@a/b/index.css", "api/kernelspecs", "lab", "lab/tree/a.ipynb", "tree", "",
             "api/contents/lab/api/settings", "files/lab/api/settings", "lab/api/workspaces/default", "api/sessions"):
    for method, headers in (("GET", {}), ("GET", {"Range": "bytes=0-"}), ("PUT", {})):
        chosen = choose(SimpleNamespace(path="/user/ada/" + path, method=method, headers=headers))
        if chosen != "as it is": print(method, path, headers)
"#;
    assert_eq!(
        printed(Path::new("/home/ada"), script),
        "GET lab/api/settings {}\nGET lab/api/themes/@a/b/index.css {}\nGET api/kernelspecs {}"
    );
}
