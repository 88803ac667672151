"""One process of a function, and the Lambda Runtime API (2018-06-01) that it talks to.

The part that AWS's runtime interface plays in a container: `invocation/next` gives work, `response`, `error`
and `init/error` take what came of it.
"""

import json
import os
import queue
import select
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = "/2018-06-01/runtime/"
READ_BYTES = 65536


class FunctionProcess:
    """A started process, in the process group of LocalStack, so that it can never outlive it."""

    def __init__(self, command, environment, folder):
        self.work, self.answers, self.ready = queue.Queue(), queue.Queue(), queue.Queue()
        self.output, self.lock, self.is_closed = bytearray(), threading.Lock(), False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), runtime_api(self))
        self.server.daemon_threads = True
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 60}, daemon=True
        ).start()
        self.child = subprocess.Popen(
            command,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}"},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.pipe = self.child.stdout.fileno()
        os.set_blocking(self.pipe, False)
        threading.Thread(target=self._follow, daemon=True).start()

    def take_output(self):
        """What it has written since the last call."""
        self._read()
        with self.lock:
            text, self.output = self.output.decode(errors="replace"), bytearray()
        return text

    def signal(self, number):
        if self.child.poll() is None:
            self.child.send_signal(number)

    def wait_ready(self, seconds):
        """None once it asks for work, else the error of its start. Raises queue.Empty."""
        return self.ready.get(timeout=seconds)

    def close(self):
        if self.is_closed:
            return
        self.is_closed = True
        self.signal(signal.SIGKILL)
        self.work.put(None)
        threading.Thread(target=self._end_server, daemon=True).start()

    def _end_server(self):
        self.server.shutdown()
        self.server.server_close()

    def _read(self):
        """Takes what is in the pipe; False at its end."""
        with self.lock:
            try:
                while chunk := os.read(self.pipe, READ_BYTES):
                    self.output += chunk
                return False
            except BlockingIOError:
                return True

    def _follow(self):
        poll = select.poll()
        poll.register(self.pipe, select.POLLIN)
        while self._read():
            poll.poll()
        code = self.child.wait()
        message = f"Runtime exited with error: exit status {code}"
        error = {"errorType": "Runtime.ExitError", "errorMessage": message}
        ended = json.dumps(error).encode()
        self.ready.put(ended)
        self.answers.put((None, True, ended))


def runtime_api(process):
    """The request handler of one process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def log_message(self, *args):
            pass

        def do_GET(self):
            process.ready.put(None)
            item = process.work.get()
            if item is None:
                self.close_connection = True
                return
            self.reply(200, *item)

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.reply(202, b'{"status":"OK"}')
            path = self.path.removeprefix(API).split("/")
            if path[:2] == ["init", "error"]:
                process.ready.put(body)
            else:
                process.answers.put((path[1], path[2] == "error", body))

        def reply(self, status, body, headers=None):
            self.send_response(status)
            fixed = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
            for name, value in {**fixed, **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
