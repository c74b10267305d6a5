"""Seconds from the start of a student's own JupyterLab, without the hub, until its page comes: the floor under a login.

Arguments: name, unix account, home. Needs the environment at its place (a bind mount, in a mount namespace of its own).
"""

import http.client
import os
import pathlib
import pwd
import socket
import subprocess
import sys
import tempfile
import time

DEADLINE = 120


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self.path)


def answers(path, name):
    connection = UnixConnection(path)
    try:
        connection.request("GET", f"/user/{name}/lab", headers={"X-Hubd-User": name})
        answer = connection.getresponse()
        return answer.status == 200 and b"jupyter-config-data" in answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main():
    name, account, home = sys.argv[1:]
    owner = pwd.getpwnam(account)
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        path = str(pathlib.Path(directory, "server.sock"))
        environment = {
            "HOME": home, "USER": account, "LOGNAME": account, "SHELL": "/bin/bash", "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8", "HUBD_USER": name, "HUBD_SOCKET": path, "HUBD_DEFAULT_URL": "/lab",
            "HUBD_SHARE": "/opt/hubd/share", "MEM_LIMIT": str(1 << 30),
        }
        started = time.monotonic()
        server = subprocess.Popen(
            ["/opt/hubd/env/bin/python", "-I", "-m", "hubd_jupyter"], env=environment, cwd=home, user=owner.pw_uid,
            group=owner.pw_gid, extra_groups=[], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            while not answers(path, name):
                if server.poll() is not None or time.monotonic() > started + DEADLINE:
                    sys.exit(f"no JupyterLab; exit code {server.poll()}")
                time.sleep(0.005)
            print(time.monotonic() - started)
        finally:
            server.kill()
            server.wait()


main()
