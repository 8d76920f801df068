"""The pretend server as a process: it starts, is called by httpx, and ends."""

import httpx
import pytest

from paceline import PacelineError
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
