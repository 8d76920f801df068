"""A pretend of Anthropic's messages, as small as can be, over real sockets."""

import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"input_tokens": 12, "output_tokens": 34}
OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}
LIMITED = {"type": "rate_limit_error", "message": "This request would exceed a limit"}


def message(usage):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def events():
    start = {**message({"input_tokens": 12, "output_tokens": 1}), "content": []}
    block = {"type": "text", "text": ""}
    text = {"type": "text_delta", "text": "Hello"}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_start", "message": start}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": text}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 34}}
    yield {"type": "message_stop"}


class Messages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers["content-length"])
        asked = json.loads(self.rfile.read(length))
        seen = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(seen)
        if self.server.refuse:
            status, error, headers = self.server.refuse.pop(0)
            body = json.dumps({"type": "error", "error": error}).encode()
            return self.answer(status, "application/json", body, headers)
        if asked.get("stream"):
            lines = [
                f"event: {each['type']}\ndata: {json.dumps(each)}\n\n"
                for each in events()
            ]
            return self.answer(200, "text/event-stream", "".join(lines).encode())
        body = json.dumps(message(USAGE)).encode()
        return self.answer(200, "application/json", body)

    def answer(self, status, kind, body, headers=None):
        headers = dict(headers or {})
        if "gzip" in self.headers.get("accept-encoding", ""):
            body = gzip.compress(body)
            headers["content-encoding"] = "gzip"
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serve_messages():
    """
    Serve on a free port.

    ``seen`` has the headers of requests; ``refuse`` is filled with answers to come:
    status, error and headers.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Messages)
    server.daemon_threads = True
    server.seen, server.refuse = [], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
