"""Tries an environment out before anybody gets it, by a throw-away account:
`python -I - FLOORS KERNEL LANGUAGE PREFIX PACKAGES NAME...`.

Starts a student's server, opens JupyterLab, runs a cell in KERNEL, imports there what is in the named packages, whose files
are below PACKAGES; `conda:NAME` is one of conda's, in PREFIX. LANGUAGE is what cells are written in: `python`, `r` or `other`,
of which nothing is known but that it runs one. FLOORS is what may not be older, as in `jupyterlab>=4.6.2,...`. Ends with 0 when
all of it works; says on standard error what does not.
"""

import base64
import http.client
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
import uuid
from importlib import metadata

USER = "canary"
HOME = "/tmp/canary"
SOCKET = "/tmp/canary.sock"
LOG = "/tmp/canary.log"
# On a machine that a whole class is busy with.
SECONDS = 150
# What a student's notebook does with the packages; prints what failed as JSON.
IMPORTS = """
import importlib, json, warnings
warnings.simplefilter("ignore")
failed = {}
for package, names in %r:
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            failed[package] = f"import {name}: {type(error).__name__}: {error}"
            break
print("IMPORTED", json.dumps(failed))
"""
# The same in R.
LIBRARIES = """
for (name in c(%s)) tryCatch(
  suppressPackageStartupMessages(library(name, character.only = TRUE)),
  error = function(problem) cat("FAILED ", name, ": ", conditionMessage(problem), "\\n", sep = "")
)
cat("IMPORTED {}\\n")
"""


def fail(text):
    sys.exit(f"{text}")


def check_floors(floors):
    from packaging.requirements import Requirement

    for floor in map(Requirement, filter(None, floors.split(","))):
        try:
            version = metadata.version(floor.name)
        except metadata.PackageNotFoundError:
            fail(f"{floor.name} is missing, and the hub can't do without it")
        if not floor.specifier.contains(version, prereleases=True):
            fail(f"{floor.name} is {version}, and the hub needs {floor.specifier}")


def modules(package, directory):
    """What can be imported of an installed package: the module of its own name, else all that are not private."""
    found = next(iter(metadata.distributions(name=package, path=[directory])), None)
    if found is None:
        fail(f"{package} was asked for and is not installed")
    return importable(package, [file.parts for file in found.files or []])


def importable(package, files):
    names = set()
    for top, *rest in files:
        if rest[-1:] == ["__init__.py"] and len(rest) == 1:
            names.add(top)
        elif not rest and re.search(r"\.(py|so)$", top):
            names.add(top.split(".")[0])
    names = {name for name in names if name.isidentifier() and not name.startswith("_")}
    own = {name for name in names if name.lower() == re.sub(r"[-_.]+", "_", package).lower()}
    return sorted(own or names)


def conda_files(package, prefix):
    """The files of a conda package, below the prefix."""
    directory = os.path.join(prefix, "conda-meta")
    for name in os.listdir(directory):
        if name.startswith(f"{package}-") and name.endswith(".json"):
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                record = json.load(file)
            if record["name"] == package:
                return record["files"]
    fail(f"{package} was asked for and is not installed")


def conda_modules(package, prefix):
    """What can be imported in Python of a conda package."""
    found = (re.match(r"lib/python[^/]+/site-packages/(.+)", file) for file in conda_files(package, prefix))
    return importable(package, [match[1].split("/") for match in found if match])


def conda_libraries(package, prefix):
    """What can be loaded in R of a conda package."""
    found = (re.match(r"lib/R/library/([^/]+)/DESCRIPTION$", file) for file in conda_files(package, prefix))
    return [match[1] for match in found if match]


def cell(language, prefix, directory, packages):
    """What is typed into the first cell: everything that was asked for is imported."""
    conda = [package.removeprefix("conda:") for package in packages if package.startswith("conda:")]
    others = [package for package in packages if not package.startswith("conda:")]
    if language == "python":
        wanted = [(package, modules(package, directory)) for package in others]
        return IMPORTS % (wanted + [(package, conda_modules(package, prefix)) for package in conda],)
    if language == "r":
        libraries = [library for package in conda for library in conda_libraries(package, prefix)]
        return LIBRARIES % ", ".join(map(json.dumps, libraries))
    return ""


class OverSocket(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def ask(method, path, body=None, headers=None):
    connection = OverSocket("localhost", timeout=SECONDS)
    connection.request(method, path, body, {"X-Hubd-User": USER, **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    if answer.status >= 400:
        fail(f"the server answered {method} {path} with {answer.status}: {text[:300]}")
    return answer, text


def start():
    os.makedirs(HOME, mode=0o700)
    environment = {
        "HOME": HOME,
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": "/bin/bash",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HUBD_USER": USER,
        "HUBD_SOCKET": SOCKET,
        "HUBD_SHARE": os.environ.get("HUBD_SHARE", "/nonexistent"),
        "HUBD_JUPYTER": os.environ.get("HUBD_JUPYTER", "/nonexistent"),
        "MEM_LIMIT": "1073741824",
    }
    with open(LOG, "wb") as log:
        command = [sys.executable, "-I", "-m", "hubd_jupyter"]
        server = subprocess.Popen(command, env=environment, cwd=HOME, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    end = time.monotonic() + SECONDS
    while True:
        try:
            ask("GET", f"/user/{USER}/api/status")
            return
        except OSError as error:
            if server.poll() is not None:
                fail(f"the server ended at once, with code {server.returncode}")
            if time.monotonic() > end:
                fail(f"the server did not answer within {SECONDS} s: {error}")
            time.sleep(0.05)


def open_lab():
    """The page, and the script that draws it."""
    page, text = ask("GET", f"/user/{USER}/lab")
    if "jupyter-config-data" not in text:
        fail("the page of JupyterLab is not JupyterLab's")
    scripts = re.findall(r'<script[^>]+src="(/[^"?]+\.js)', text)
    if not scripts:
        fail("the page of JupyterLab has no script")
    for script in scripts:
        # The hub gives it out, which is not here.
        if script.startswith("/hub/shared/"):
            if not os.path.isfile(os.path.join(sys.prefix, "hubd-shared", script.removeprefix("/hub/shared/"))):
                fail(f"the page of JupyterLab has a script that is not shared: {script}")
        else:
            ask("GET", script)
    cookies = [value.split(";")[0] for name, value in page.getheaders() if name.lower() == "set-cookie"]
    token = next((cookie.split("=", 1)[1] for cookie in cookies if cookie.startswith("_xsrf=")), "")
    return {"Cookie": f"_xsrf={token}", "X-XSRFToken": token, "Content-Type": "application/json"}


def open_channels(kernel, session):
    connection = OverSocket("localhost", timeout=SECONDS)
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    path = f"/user/{USER}/api/kernels/{kernel}/channels?session_id={session}"
    connection.request("GET", path, headers={"X-Hubd-User": USER, **upgrade})
    answer = connection.response_class(connection.sock)
    answer.begin()
    if answer.status != 101:
        fail(f"the server answered the kernel's channels with {answer.status}")
    return connection.sock, answer


def send(sock, opcode, payload):
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    sock.sendall(struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, len(payload)) + mask + masked)


def receive(stream):
    first, second = stream.read(2)
    length = second & 127
    if length == 126:
        (length,) = struct.unpack("!H", stream.read(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", stream.read(8))
    return first & 0x80, first & 15, stream.read(length)


def messages(sock, answer):
    whole = b""
    while True:
        final, opcode, payload = receive(answer.fp)
        if opcode == 9:
            send(sock, 10, payload)
        elif opcode == 8:
            fail("the server closed the kernel's channels")
        elif opcode in (0, 1, 2):
            whole += payload
            if final:
                yield json.loads(whole)
                whole = b""


def run_cell(trusted, kernel, code):
    """What `code` prints in a new `kernel`."""
    _, kernel = ask("POST", f"/user/{USER}/api/kernels", json.dumps({"name": kernel}), trusted)
    session, request = uuid.uuid4().hex, uuid.uuid4().hex
    sock, answer = open_channels(json.loads(kernel)["id"], session)
    header = {"msg_id": request, "msg_type": "execute_request", "session": session, "username": USER, "version": "5.3", "date": ""}
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
    send(sock, 1, json.dumps(message).encode())
    printed = ""
    try:
        for message in messages(sock, answer):
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] in ("restarting", "autorestarting", "dead"):
                fail("the kernel died")
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "stream":
                printed += content["text"]
            elif kind == "error":
                fail(f"a cell failed: {content['ename']}: {content['evalue']}")
            elif kind == "status" and content["execution_state"] == "idle":
                return printed
    except OSError as error:
        fail(f"the kernel ran no cell within {SECONDS} s: {error}")


def main(floors, kernel, language, prefix, directory, *packages):
    check_floors(floors)
    code = cell(language, prefix, directory, packages)
    try:
        start()
        printed = run_cell(open_lab(), kernel, code)
        if not code:
            return
        for line in printed.splitlines():
            if line.startswith("FAILED "):
                fail(f"a package can't be used in a notebook: {line.removeprefix('FAILED ')}")
        failed = next((line.split(" ", 1)[1] for line in printed.splitlines() if line.startswith("IMPORTED ")), None)
        if failed is None:
            fail("a cell printed nothing")
        for package, problem in json.loads(failed).items():
            fail(f"{package} can't be used in a notebook: {problem}")
    except SystemExit:
        with open(LOG, errors="replace") as log:
            print("the server said last:", *log.read().splitlines()[-25:], sep="\n  ", file=sys.stderr)
        raise


main(*sys.argv[1:])
