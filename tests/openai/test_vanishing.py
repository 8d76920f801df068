"""Streams that nobody ends: what they reserved is lost, and given to nobody."""

import subprocess
import sys

from paceline import Key, RateLimiter

LIMITS = ["600 requests/min", "60k tokens/min"]
RESERVED = 50_000

STREAM = """
import sys, openai
from paceline import RateLimiter
from paceline.openai import limit

url, base_url, api_key, model = sys.argv[1:]
limits = ["600 requests/min", "60k tokens/min"]
limiter = RateLimiter(url, limits=limits)
client = limit(openai.OpenAI(base_url=base_url, api_key=api_key), limiter)
stream = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "hi"}],
    max_tokens=50_000,
    stream=True,
    extra_headers={"x-mock-chunk-delay": "30", "x-mock-output-tokens": "9"},
)
print(next(iter(stream)).object, flush=True)
sys.stdin.read()
"""


def test_a_killed_process_leaves_what_its_stream_reserved_until_it_leaves_the_window(
    clean_server, mock, api_key, model
):
    """
    Whether the provider goes on with the answer, nobody knows: it stays charged as
    reserved, to the unit, and nobody is admitted in its place.
    """
    command = [sys.executable, "-W", "ignore", "-c", STREAM]
    command += [clean_server.url, mock.base_url, api_key, model]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "chat.completion.chunk\n"
        process.kill()
    key = Key(api_key, model)
    with RateLimiter(clean_server.url, limits=LIMITS) as limiter:
        left = {each.unit: each.remaining for each in limiter.peek(key)}
        assert left["requests"] == 599
        assert left["tokens"] == 60_000 - RESERVED
        assert not limiter.try_acquire(key, {"tokens": 10_001})
        assert limiter.try_acquire(key, {"tokens": 10_000})
