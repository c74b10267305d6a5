"""Makes a conda channel of what this machine has: its Python, ipykernel out of the hub's environment, and packages of a course.

`channel.py DIRECTORY`. Each program and file knows its prefix only by the placeholder that installing replaces.
"""

import hashlib
import io
import json
import os
import re
import sys
import tarfile

PLACEHOLDER = "/placehold_placehold_placehold_placehold"
PYTHON = "/usr/lib/python3.11"
HUB = "/opt/hubd/envs/1/lib/python3.11/site-packages"
SITE = "lib/python3.11/site-packages"
# What no kernel needs.
LEFT_OUT = {"__pycache__", "test", "idlelib", "tkinter", "lib2to3", "dist-packages", "ensurepip", "EXTERNALLY-MANAGED"}
# The hub's own server: a kernel is not one.
SERVER = re.compile(r"(jupyterlab|jupyter_server|notebook|hubd|nbconvert|babel)", re.IGNORECASE)

index = {"noarch": {}, "linux-64": {}}


def package(name, version, files, depends=(), noarch=None, links=()):
    """`files` are names with bytes; `depends` as in a recipe."""
    subdir, file_name = ("noarch" if noarch else "linux-64"), f"{name}-{version}-0.tar.bz2"
    record = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": list(depends), "subdir": subdir}
    if noarch:
        record["noarch"] = noarch
    archive, paths = io.BytesIO(), []

    def add(path, content, mode=0o644):
        member = tarfile.TarInfo(path)
        member.size, member.mode = len(content), mode
        tar.addfile(member, io.BytesIO(content))

    with tarfile.open(fileobj=archive, mode="w:bz2", compresslevel=1) as tar:
        for path, content in files.items():
            add(path, content, 0o755 if path.startswith(("bin/", "python-scripts/")) else 0o644)
            entry = {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest()}
            entry["size_in_bytes"] = len(content)
            if PLACEHOLDER.encode() in content:
                entry.update(prefix_placeholder=PLACEHOLDER, file_mode="text")
            paths.append(entry)
        for path, target in dict(links).items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
            nothing = hashlib.sha256(b"").hexdigest()
            paths.append({"_path": path, "path_type": "softlink", "sha256": nothing, "size_in_bytes": 0})
        add("info/index.json", json.dumps(record).encode())
        add("info/paths.json", json.dumps({"paths": paths, "paths_version": 1}).encode())
        if noarch == "python":
            add("info/link.json", json.dumps({"noarch": {"type": "python"}, "package_metadata_version": 1}).encode())
    content = archive.getvalue()
    write(os.path.join(subdir, file_name), content)
    digests = {"sha256": hashlib.sha256(content).hexdigest(), "md5": hashlib.md5(content).hexdigest()}
    index[subdir][file_name] = {**record, **digests, "size": len(content), "timestamp": 1700000000000}


def write(name, content):
    path = os.path.join(sys.argv[1], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def tree(top, below, left_out):
    found = {}
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if not left_out(name)]
        for name in files:
            path = os.path.join(directory, name)
            if not left_out(name) and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[os.path.join(below, os.path.relpath(path, top))] = file.read()
    return found


LINKS = {"bin/python": "python3.11", "bin/python3": "python3.11", "lib/python3.11/dist-packages": "site-packages"}


def python():
    files = tree(PYTHON, "lib/python3.11", LEFT_OUT.__contains__)
    # Packages are where upstream has them, for Debian's `site` is compiled in and looks elsewhere.
    scheme = files["lib/python3.11/sysconfig.py"].replace(b"prefix_scheme = 'posix_local'", b"prefix_scheme = 'posix_prefix'")
    files["lib/python3.11/sysconfig.py"] = scheme
    with open("/usr/bin/python3.11", "rb") as program:
        files["bin/python3.11"] = program.read()
    package("python", "3.11.2", files, links=LINKS)


def ipykernel():
    files = tree(HUB, SITE, lambda name: name == "__pycache__" or SERVER.match(name))
    kernel = {"argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "x", "language": "python"}
    files["share/jupyter/kernels/python3/kernel.json"] = json.dumps(kernel).encode()
    package("ipykernel", "6.30.0", files, ["python 3.11.*"])


SHOUT = """#!%s/bin/python
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

class Shout(Kernel):
    implementation = implementation_version = banner = "shout"
    language_info = {"name": "shout", "mimetype": "text/plain", "file_extension": ".txt"}

    def do_execute(self, code, silent, *_, **__):
        self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": __file__ + " " + code.upper()})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}

IPKernelApp.launch_instance(kernel_class=Shout)
""" % PLACEHOLDER


def course():
    for version in ("1.0", "2.0"):
        module = f"version = {version!r}\n".encode()
        metadata = f"Metadata-Version: 2.1\nName: course\nVersion: {version}\n".encode()
        files = {
            "site-packages/course/__init__.py": module,
            f"site-packages/course-{version}.dist-info/METADATA": metadata,
            f"site-packages/course-{version}.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
            "share/course/where": PLACEHOLDER.encode(),
            "bin/.course-post-link.sh": b'#!/bin/sh\ntouch "$PREFIX/share/course/post-link"\n',
        }
        package("course", version, files, ["python >=3.11"], noarch="python")
    package("old-exercises", "1.0", {"share/exercises": b"x"}, ["course <2"], noarch="generic")
    package("new-exercises", "1.0", {"share/exercises-new": b"x"}, ["course >=2"], noarch="generic")
    package("broken", "1.0", {"site-packages/broken.py": b"raise ImportError('it never worked')\n"}, ["python"], noarch="python")
    kernel = {"argv": ["shout", "-f", "{connection_file}"], "display_name": "Shout", "language": "shout"}
    files = {"bin/shout": SHOUT.encode(), "share/jupyter/kernels/shout/kernel.json": json.dumps(kernel).encode()}
    package("shout", "1.0", files, ["ipykernel"])
    package("tampered", "1.0", {"share/tampered": b"x"}, noarch="generic")
    package("outward", "1.0", {"share/outward": b"x"}, links={"share/out": "/etc/passwd"})


python()
ipykernel()
course()
for subdir, packages in index.items():
    repodata = {"info": {"subdir": subdir}, "packages": packages, "packages.conda": {}, "repodata_version": 1}
    write(os.path.join(subdir, "repodata.json"), json.dumps(repodata).encode())
# What is there is no longer what was published.
write("noarch/tampered-1.0-0.tar.bz2", b"something else")
