"""Files of requests, a pretend provider, and runs of a batch between them."""

import asyncio
import json
from collections import Counter

from paceline import RateLimiter
from paceline.batch import run_batch

CHAT, RESPONSES, EMBEDDINGS = URLS = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
)
BODIES = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 20},
    RESPONSES: {"input": "hi", "max_output_tokens": 20},
    EMBEDDINGS: {"input": "hi"},
}
KEY = "sk-live-abcdefghijklmnopqrstuvwxyz"
LIMITS = ("10k requests/s", "10M tokens/min")


def row(custom_id, url=CHAT, model="gpt-4o", **body):
    """Return a request, as the Batch API takes it."""
    body = {"model": model} | BODIES.get(url, {}) | body
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def rows(count, **fields):
    """Return so many requests, to all places in turn."""
    return [row(f"r{i}", URLS[i % 3], **fields) for i in range(count)]


def write(path, lines):
    """Write requests, or lines as they are, to a file."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    return path


def read(path):
    """Return the objects of a file; none if it is not there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def answered(path):
    """Return how often each row of an output is answered."""
    return Counter(line["custom_id"] for line in read(path))


class Batch:
    """An input, an output and a provider."""

    def __init__(self, tmp_path, mock, store):
        self.source = tmp_path / "in.jsonl"
        self.output = tmp_path / "out.jsonl"
        self.errors = tmp_path / "out.errors.jsonl"
        self.mock, self.store = mock, store

    def run(self, lines=None, *, limits=LIMITS, source=None, **options):
        """Run it once; return the summary."""
        if lines is not None:
            write(self.source, lines)

        async def main():
            async with RateLimiter(self.store, limits=limits) as limiter:
                return await self.start(limiter, source=source, **options)

        return asyncio.run(main())

    async def start(self, limiter, *, source=None, **options):
        """Run it once, in a running event loop."""
        options = {"api_key": KEY, "base_url": self.mock.base_url} | options
        source = self.source if source is None else source
        return await run_batch(source, self.output, limiter, **options)

    def sent(self):
        """Return how many requests the provider saw."""
        return len(self.mock.log())

    def statuses(self):
        """Return how often it answered with which status."""
        return Counter(entry["status"] for entry in self.mock.log())
