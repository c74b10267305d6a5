"""Runs code in a kernel of somebody's server, as JupyterLab does, over the socket that the hub uses.

Usage, as root: client.py NAME SECONDS KERNEL [debug] <CODE. Prints {"printed": ..., "error": ..., "states": [...]} as JSON.
With `debug` the debugger is attached before the code runs, as JupyterLab does it; it stops nowhere.
"""

import base64
import http.client
import json
import os
import socket
import struct
import sys
import time
import uuid

ENDED = ("restarting", "autorestarting", "dead")


class OverSocket(http.client.HTTPConnection):
    """HTTP over the Unix socket of a server."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(f"/run/hubd-servers/{NAME}/server.sock")


def ask(method, path, body=None, headers=None):
    connection = OverSocket("localhost", timeout=SECONDS)
    connection.request(method, f"/user/{NAME}/{path}", body, {"X-Hubd-User": NAME, **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status >= 400:
        sys.exit(f"{method} {path}: {answer.status} {text[:500]}")
    return answer, text


def open_channels(kernel, session):
    """The WebSocket of a kernel."""
    connection = OverSocket("localhost", timeout=SECONDS)
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    path = f"/user/{NAME}/api/kernels/{kernel}/channels?session_id={session}"
    connection.request("GET", path, headers={"X-Hubd-User": NAME, **upgrade})
    answer = connection.response_class(connection.sock)
    answer.begin()
    if answer.status != 101:
        sys.exit(f"channels of the kernel: {answer.status}")
    # The answer goes along: its end would close the stream.
    return connection.sock, answer


def send(sock, opcode, payload):
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    # A pong with its length in the long form is none, and the server hangs up.
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack("!BQ", 0x80 | 127, len(payload))
    sock.sendall(bytes([0x80 | opcode]) + length + mask + masked)


def receive(answer):
    stream = answer.fp
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
        final, opcode, payload = receive(answer)
        if opcode == 9:
            send(sock, 10, payload)
        elif opcode == 8:
            sys.exit("the server closed the channels")
        elif opcode in (0, 1, 2):
            whole += payload
            if final:
                yield json.loads(whole)
                whole = b""


def attach(sock, stream, session):
    """Attaches the debugger, and ends this program when that fails."""
    for sequence, (command, arguments) in enumerate([("initialize", {"clientID": "test", "adapterID": ""}), ("attach", {})], 1):
        request = uuid.uuid4().hex
        header = {"msg_id": request, "msg_type": "debug_request", "session": session, "username": NAME, "version": "5.5", "date": ""}
        content = {"type": "request", "seq": sequence, "command": command, "arguments": arguments}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "control", "buffers": []}
        send(sock, 1, json.dumps(message).encode())
        of_it = (one for one in stream if one["msg_type"] == "debug_reply" and one["parent_header"].get("msg_id") == request)
        content = next(of_it)["content"]
        if not content.get("success"):
            sys.exit(f"{command} of the debugger: {content}")


def main():
    page, _ = ask("GET", "lab")
    cookies = [value.split(";")[0] for name, value in page.getheaders() if name.lower() == "set-cookie"]
    token = next(cookie.split("=", 1)[1] for cookie in cookies if cookie.startswith("_xsrf="))
    trusted = {"Cookie": f"_xsrf={token}", "X-XSRFToken": token, "Content-Type": "application/json"}
    _, kernel = ask("POST", "api/kernels", json.dumps({"name": KERNEL}), trusted)
    kernel = json.loads(kernel)["id"]
    session, request = uuid.uuid4().hex, uuid.uuid4().hex
    sock, answer = open_channels(kernel, session)
    stream = messages(sock, answer)
    if DEBUG:
        attach(sock, stream, session)
    header = {"msg_id": request, "msg_type": "execute_request", "session": session, "username": NAME, "version": "5.3", "date": ""}
    content = {"code": sys.stdin.read(), "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
    send(sock, 1, json.dumps(message).encode())
    ran = {"printed": "", "error": None, "states": []}
    end = time.monotonic() + SECONDS
    for message in stream:
        if time.monotonic() > end:
            sys.exit(f"waited {SECONDS} s for the code to end")
        kind, content = message["msg_type"], message["content"]
        ours = message["parent_header"].get("msg_id") == request
        if ours and kind == "stream":
            ran["printed"] += content["text"]
        elif ours and kind == "error":
            ran["error"] = f"{content['ename']}: {content['evalue']}"
        elif kind == "status" and (ours or content["execution_state"] in ENDED):
            ran["states"].append(content["execution_state"])
            if content["execution_state"] in ("idle", *ENDED):
                break
    # One that died is being started anew by the server, which does not like to be disturbed.
    if ran["states"][-1] == "idle":
        ask("DELETE", f"api/kernels/{kernel}", headers=trusted)
    print(json.dumps(ran))


NAME, SECONDS, KERNEL, DEBUG = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:] == ["debug"]
main()
