"""The pretend server as a process: it starts, is called by httpx, and ends."""

import http.client
import json
from contextlib import closing

import httpx
import pytest

from paceline import ConfigError, PacelineError
from paceline.mock import serve


def test_a_block_has_a_server_of_its_own():
    """
    It enforces what it was given, tells its counts, forgets them, and ends.
    """
    limits = ["2 requests/day", "100 tokens/day"]
    with serve(limits=limits, latency=0, jitter=0, seed=1, count_failed=True) as mock:
        with httpx.Client(
            base_url=mock.base_url,
            headers={"authorization": "Bearer sk-1"},
            trust_env=False,
        ) as client:
            body = {"model": "m", "messages": [{"content": "hi"}], "max_tokens": 40}
            url = "/chat/completions"
            codes = [client.post(url, json=body).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
        (account,) = mock.stats()["accounts"]
        assert (account["requests"], account["answers_429"]) == (3, 1)
        mock.reset()
        assert mock.stats()["accounts"] == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(mock.base_url, trust_env=False)


def test_a_server_that_cannot_start_says_why():
    """
    Its own words are the text of the error.
    """
    wrong = serve(limits=["500 requests/fortnight"])
    with pytest.raises(PacelineError, match="cannot read a limit") as error, wrong:
        pass
    assert error.value.code == "P153"


def until(probe):
    """Ask again and again, for as long as the answer is no."""
    for _ in range(5_000):
        if probe():
            return
    raise AssertionError("what was waited for has not come")


def client_of(mock, **headers):
    """Make a client for *mock*."""
    headers = {"authorization": "Bearer sk-1", **headers}
    return httpx.Client(base_url=mock.base_url, headers=headers, trust_env=False)


BODY = {"model": "m", "messages": [{"content": "hi"}], "max_tokens": 40}
URL = "/chat/completions"


def test_everything_that_can_be_set_arrives():
    """
    Each argument becomes an option of the command line, and has its effect.
    """
    settings = {
        "limits": ["600 requests/min", "600k tokens/min"],
        "completion_tokens": "50%",
        "charge": "actual",
        "enforce_per": 0.1,
        "chunk_tokens": 15,
        "split_events": True,
        "gzip": False,
        "share_keys": True,
        "limit_headers": "none",
        "errors": ["conflict next=1", "timeout model=n"],
    }
    with serve(latency=0, jitter=0, **settings) as mock, client_of(mock) as client:
        assert client.post(URL, json=BODY).status_code == 409
        answer = client.post(URL, json=BODY | {"stream": True})
        assert answer.text.count('{"content": ') == 2
        assert "content-encoding" not in answer.headers
        assert "x-ratelimit-limit-tokens" not in answer.headers
        assert client.post(URL, json=BODY | {"model": "n"}).status_code == 408
        (account, _) = mock.stats()["accounts"]
        assert account["key"] == "all keys"
        assert (account["tokens"], account["tokens_used"]) == (40, 21)
        assert account["limits"][1]["returned"] == 19
        assert [entry["status"] for entry in mock.log()] == [409, 200, 408]
        assert mock.azure_endpoint + "/v1" == mock.base_url


def test_errors_and_limits_are_ordered_under_way():
    """
    What makes no sense is refused before it is sent.
    """
    with serve(latency=0, jitter=0) as mock, client_of(mock) as client:
        mock.fail("server_error next=1", "insufficient_quota key=sk-1")
        codes = [client.post(URL, json=BODY).status_code for _ in range(3)]
        mock.recover()
        codes += [client.post(URL, json=BODY).status_code]
        assert codes == [500, 429, 429, 200]
        with pytest.raises(ConfigError, match="no error is called 'oops'"):
            mock.fail("oops")
        mock.limit("1 requests/min")
        assert client.post(URL, json=BODY).status_code == 429
        with pytest.raises(ConfigError, match="does not count 'images'"):
            mock.limit("1 images/min")


def test_clients_that_leave_are_noticed_by_a_server_of_its_own():
    """
    Nobody cancels its handlers: it looks for itself while it waits.
    """
    slow = {"x-mock-chunk-delay": "100000"}
    with serve(latency=0, jitter=0) as mock:
        with (
            client_of(mock, **slow) as client,
            client.stream("POST", URL, json=BODY | {"stream": True}) as answer,
        ):
            next(answer.iter_bytes())
        late = {"x-mock-service-time": "100000", "authorization": "Bearer sk-1"}
        url = httpx.URL(mock.base_url)
        with closing(http.client.HTTPConnection(url.host, url.port)) as connection:
            connection.request("POST", url.path + URL, json.dumps(BODY), late)
            until(lambda: len(mock.log()) == 2)
        until(lambda: mock.stats()["accounts"][0]["clients_left"] == 2)
        ends = [(entry["ended"], entry["used"]) for entry in mock.log()]
        assert ends == [("client left", 1), ("client left", 17)]
