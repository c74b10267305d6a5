"""A proxy that notes whom it was asked for: CONNECT for https, whole addresses for http. Port and log are arguments."""

import http.client
import select
import socket
import socketserver
import sys
import urllib.parse


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        method, target, _ = self.rfile.readline().decode("latin-1").split(" ", 2)
        headers = http.client.parse_headers(self.rfile)
        with open(sys.argv[2], "a") as log:
            log.write(f"{method} {target}\n")
        if method == "CONNECT":
            host, port = target.rsplit(":", 1)
            with socket.create_connection((host.strip("[]"), int(port)), 60) as other:
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                self.tunnel(other)
            return
        url = urllib.parse.urlsplit(target)
        there = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=60)
        del headers["Proxy-Connection"], headers["Connection"]
        there.request(method, target.split(url.netloc, 1)[1], headers=dict(headers.items()))
        answer = there.getresponse()
        head = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        head += [f"{name}: {value}" for name, value in answer.getheaders() if name.lower() not in ("connection", "transfer-encoding")]
        self.wfile.write(("\r\n".join(head) + "\r\nConnection: close\r\n\r\n").encode("latin-1"))
        while chunk := answer.read(65536):
            self.wfile.write(chunk)

    def tunnel(self, other):
        ends = {self.connection: other, other: self.connection}
        while True:
            for end in select.select(list(ends), [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
