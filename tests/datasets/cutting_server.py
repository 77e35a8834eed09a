"""An HTTP server on this machine that drops connections, fails and forgets as told."""

import http.server
import random
import re

DATA = random.Random(0).randbytes(1_500_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves DATA; ``cut`` lists after how many bytes to drop each next answer, ``fail`` status codes to
    answer first.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.etag, self.ranges, self.length = DATA, '"1"', True, True
        self.cut, self.fail, self.asked, self.sent = [], [], [], 0
        self.url = f"http://127.0.0.1:{self.server_port}/UCF101.rar"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        if server.fail:
            return self.send_error(server.fail.pop(0))
        start = 0
        if asked and server.ranges and self.headers.get("If-Range") == server.etag:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1))
            if start >= len(server.data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.data)}")
                return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.data) - 1}/{len(server.data)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.length:
            self.send_header("Content-Length", str(len(server.data) - start))
        self.end_headers()
        body = server.data[start:]
        if server.cut:
            body = body[: server.cut.pop(0)]
        self.wfile.write(body)
        server.sent += len(body)
