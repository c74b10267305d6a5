"""How kernels are started: with the student's view, and where no other student's process can connect.

Others on the machine can connect to every port of the loopback device. So kernels talk over Unix sockets in a directory of
their owner's, and those written in Python start by way of `share/hubd/kernel.py`, which keeps them from opening a port for
something else. A kernel that was seen to work over TCP only gets TCP from then on: see `Memory`.
"""

import asyncio
import json
import os
import re
import secrets
import sys
import time

import psutil
import zmq
from jupyter_client.connect import ConnectionFileMixin
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_core.paths import jupyter_path
from jupyter_core.utils import ensure_async
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager
from traitlets import default

START = os.path.join(sys.prefix, "share", "hubd", "kernel.py")
# Python with the student's packages, as a terminal has it.
PYTHON = os.path.join(sys.prefix, "bin", "hubd-python")
IS_PYTHON = re.compile(r"(hubd-)?python[0-9.]*")
# What may stand between Python and its module or script.
OPTION = re.compile(r"-[bBdEIOPqRsSuvx]+|-[XW].*")
# Known to talk over Unix sockets, and to debug over what `kernel.py` puts in the place of a port.
IPYKERNEL = {"ipykernel", "ipykernel_launcher"}
# Seconds in which a kernel of an unknown kind shows that it can talk over Unix sockets.
FIRST_ANSWER = 60
# One that has done nothing for so many seconds waits for something that won't come.
STANDSTILL = 20


class KernelSpecs(KernelSpecManager):
    """Looks for kernels without loading IPython, which Jupyter does only to ask for one more directory."""

    @default("kernel_dirs")
    def _kernel_dirs_default(self):
        return jupyter_path("kernels")

    def get_kernel_spec(self, kernel_name):
        spec = super().get_kernel_spec(kernel_name)
        prefix, is_installed, _ = spec.resource_dir.rpartition("/share/jupyter/kernels/")
        spec.argv, module = command(spec.argv, prefix if is_installed else sys.prefix)
        if module not in IPYKERNEL and spec.metadata.get("debugger"):
            # It would listen on a port for whoever comes.
            spec.metadata["debugger"] = False
        return spec


def command(argv, prefix):
    """What is run for `argv` of a kernel that was found below `prefix`; and the module, if it is one of Python."""
    # Jupyter would put its own Python and prefix here, and knows nothing of what is in the student's layer.
    argv = [word.replace("{prefix}", prefix) for word in argv]
    if not argv or not IS_PYTHON.fullmatch(os.path.basename(argv[0])):
        return argv, None
    if argv[0] in ("python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info)):
        argv[0] = PYTHON
    place = 1
    while place < len(argv) and OPTION.fullmatch(argv[place]):
        place += 2 if argv[place] in ("-X", "-W") else 1
    if place >= len(argv) or argv[place].startswith("-") and argv[place] != "-m":
        return argv, None
    if argv[place] != START:
        argv.insert(place, START)
    is_module = argv[place + 1 : place + 2] == ["-m"]
    return argv, "".join(argv[place + 2 : place + 3]) if is_module else None


class Kernel(ServerKernelManager):
    """One kernel, over Unix sockets if it can."""

    @default("transport")
    def _transport_default(self):
        try:
            return Memory().recall(self.kernel_name, self.kernel_spec) or "ipc"
        except NoSuchKernel:
            return "ipc"  # whoever starts it is told

    @default("transport_encryption")
    def _transport_encryption_default(self):
        return "auto" if self.transport == "tcp" and zmq.has("curve") else "disabled"

    def _ip_default(self):
        if self.transport != "ipc":
            return super()._ip_default()
        # Short: kernels made with xeus end when the address has more than 31 letters.
        directory = os.path.dirname(self.connection_file)
        while True:
            path = os.path.join(directory, "k" + secrets.token_hex(2))
            if not os.path.exists(f"{path}-1"):
                return path

    async def start_kernel(self, *arguments, **named):
        await super().start_kernel(*arguments, **named)
        memory = Memory()
        is_known = IPYKERNEL.intersection(self.kernel_spec.argv) or memory.recall(self.kernel_name, self.kernel_spec)
        if self.transport != "ipc" or is_known:
            return
        answered = await self.answers()
        if answered is False:
            self.log.warning("kernel %s ended or stood still with Unix sockets; trying it over TCP", self.kernel_name)
            self.stop_restarter()
            await self.shutdown_kernel(now=True)
            self.transport = "tcp"
            self.ip = super()._ip_default()
            self.hb_port = self.shell_port = self.iopub_port = self.stdin_port = self.control_port = 0
            self.transport_encryption = self._transport_encryption_default()
            await super().start_kernel(*arguments, **named)
            answered = await self.answers()
        if answered:
            memory.keep(self.kernel_name, self.kernel_spec, self.transport)
            if self.transport == "tcp":
                self.log.warning(
                    "kernel %s works over TCP only, where other processes of this machine can connect to it, too; "
                    "remembered in %s",
                    self.kernel_name,
                    memory.path,
                )

    async def answers(self):
        """Whether the kernel answers; None if that can't be told, because it is still busy with its start."""
        # The class's own makes a stream of it.
        shell = ConnectionFileMixin.connect_shell(self)
        try:
            self.session.send(shell, "kernel_info_request")
            begun = changed = time.monotonic()
            used = 0.0
            while time.monotonic() - begun < FIRST_ANSWER:
                if await ensure_async(shell.poll(0)):
                    return True
                if not await self.is_alive():
                    return False
                now = processor_seconds(self.provisioner.pid)
                if now - used > 0.05:
                    used, changed = now, time.monotonic()
                if time.monotonic() - changed > STANDSTILL:
                    return False
                await asyncio.sleep(0.05)
            return None
        finally:
            shell.close(linger=0)


def processor_seconds(pid):
    """Used so far by a process and those it started."""
    try:
        process = psutil.Process(pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    except psutil.Error:
        return 0.0
    return sum(one.user + one.system for one in times)


class Memory:
    """What was seen of kernels' ways to talk, by name; it counts for as long as they are started in the same way."""

    def __init__(self):
        state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        self.path = os.path.join(state, "hubd", "kernels.json")

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as stream:
                found = json.load(stream)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def recall(self, name, spec):
        """`ipc`, `tcp`, or None when it was not seen yet."""
        one = self.read().get(name)
        if isinstance(one, dict) and one.get("argv") == spec.argv and one.get("transport") in ("ipc", "tcp"):
            return one["transport"]
        return None

    def keep(self, name, spec, transport):
        known = {**self.read(), name: {"argv": spec.argv, "transport": transport}}
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            temporary = f"{self.path}.{os.getpid()}"
            with open(temporary, "w", encoding="utf-8") as stream:
                json.dump(known, stream, indent=2)
            os.replace(temporary, self.path)
        except OSError as error:
            print(f"how kernel {name} talks is not remembered: {error}", file=sys.stderr)
