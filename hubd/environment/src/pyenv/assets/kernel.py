"""Starts a kernel that is written in Python: `python kernel.py -m MODULE ARGUMENT...` or `python kernel.py SCRIPT ARGUMENT...`.

Every process on the machine can connect to every loopback port, whoever it runs as. ipykernel opens one for what a kernel's
children print, and debugpy opens two, over which whoever comes first runs code as the kernel's owner. Both are replaced
here before the kernel is loaded, in any Python that has ipykernel, also in environments of a person's own.
"""

import os
import runpy
import sys

# In the place of a host: what `debugpy.listen` is asked for by the kernel's own debugger.
OWN = "hubd"


def own_pipe():
    """The pipe for what children print becomes a Unix socket in a directory that only the kernel's owner can enter."""
    import atexit
    import shutil
    import tempfile

    import zmq
    from ipykernel import iostream
    from zmq.eventloop.zmqstream import ZMQStream

    def setup_pipe_in(self):
        self._pipe_uuid = os.urandom(16)
        pipe_in = self.socket.context.socket(zmq.PULL)
        pipe_in.linger = 0
        try:
            directory = tempfile.mkdtemp(prefix="pipe-", dir=os.environ.get("JUPYTER_RUNTIME_DIR"))
            atexit.register(lambda: self._is_master_process() and shutil.rmtree(directory, ignore_errors=True))
            self._pipe_address = f"ipc://{directory}/pipe"
            pipe_in.bind(self._pipe_address)
        except (OSError, zmq.ZMQError) as error:
            print(f"what forked processes of this kernel print is not shown: {error}", file=sys.__stderr__)
            self._pipe_flag = False
            pipe_in.close()
            return
        self._pipe_in = ZMQStream(pipe_in, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def setup_pipe_out(self):
        context = zmq.Context()
        pipe_out = context.socket(zmq.PUSH)
        pipe_out.linger = 3000  # milliseconds
        pipe_out.connect(self._pipe_address)
        return context, pipe_out

    thread = iostream.IOPubThread
    if hasattr(thread, "_setup_pipe_in") and hasattr(thread, "_setup_pipe_out"):
        thread._setup_pipe_in, thread._setup_pipe_out = setup_pipe_in, setup_pipe_out
        return
    # Another ipykernel than those known: what children print is given up before a port is opened.
    begin = thread.__init__

    def without_pipe(self, socket, pipe=False, *arguments, **named):
        begin(self, socket, False, *arguments, **named)

    thread.__init__ = without_pipe


class Listener:
    """What debugpy takes for a listening socket. Its connections come from `connect`, so nothing else can make one."""

    def __init__(self):
        import queue

        self.connections = queue.SimpleQueue()

    def connect(self):
        import socket

        ours, theirs = socket.socketpair()
        self.connections.put(theirs)
        return ours

    def getsockname(self):
        return OWN, 0

    def listen(self, backlog):
        pass

    def accept(self):
        return self.connections.get(), None

    def close(self):
        pass


def own_debugger():
    """The debugger runs in the kernel's own process, at the other end of a pair of sockets that has no name."""
    from ipykernel import debugger

    listener = Listener()

    def listen(address, **named):
        import debugpy.server.api
        import pydevd

        if address[0] != OWN:
            return original(address, **named)
        create, pydevd.create_server_socket = pydevd.create_server_socket, lambda host, port: listener
        try:
            return debugpy.server.api.listen(address, in_process_debug_adapter=True)
        finally:
            pydevd.create_server_socket = create

    class Client(debugger.DebugpyClient):
        def get_host_port(self):
            import debugpy

            nonlocal original
            if debugpy.listen is not listen:
                original, debugpy.listen = debugpy.listen, listen
            return OWN, "0"

        def connect_tcp_socket(self):
            import asyncio
            import codecs

            self.loop = asyncio.get_running_loop()
            self.connection = listener.connect()
            self.decoder = codecs.getincrementaldecoder("utf-8")()
            self.loop.add_reader(self.connection, self.readable)

        def readable(self):
            data = self.connection.recv(1 << 16)
            if data:
                self.receive_dap_frame(self.decoder.decode(data))
            else:
                self.loop.remove_reader(self.connection)

        def disconnect_tcp_socket(self):
            self.loop.remove_reader(self.connection)
            self.connection.close()
            self.init_event = debugger.Event()
            self.init_event_seq = -1
            self.wait_for_attach = True

        def _send_request(self, message):
            content = debugger.jsonapi.dumps(message, default=debugger.json_default, ensure_ascii=False, allow_nan=False)
            self.connection.sendall(b"Content-Length: %d\r\n\r\n" % len(content) + content)

        async def _handle_init_sequence(self):
            attached = await self._wait_for_response()
            await self.init_event.wait()
            self._send_request({"type": "request", "seq": int(self.init_event_seq) + 1, "command": "configurationDone"})
            await self._wait_for_response()
            return attached

    original = None
    debugger.DebugpyClient = Client


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    # Not when Python is isolated.
    is_on_path = sys.path[:1] == [here]
    if is_on_path:
        del sys.path[0]
    # Known by a name, its frames are left out of what the debugger shows.
    sys.modules["hubd_kernel"] = sys.modules["__main__"]
    try:
        own_pipe()
        own_debugger()
    except ImportError:
        pass  # a kernel that does without ipykernel
    is_module = sys.argv[1] == "-m"
    del sys.argv[: 2 if is_module else 1]
    program = sys.argv[0]
    if is_on_path:
        sys.path.insert(0, os.getcwd() if is_module else os.path.dirname(os.path.abspath(program)))
    if is_module:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
