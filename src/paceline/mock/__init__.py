"""
A pretend OpenAI server that really enforces limits: the judge of demo and tests.

Its accounting is plain Python and shares nothing with the limiter it judges. Run it
with ``paceline mock``, or from a test::

    with serve(limits=["500 requests/min"]) as mock:
        client = OpenAI(base_url=mock.base_url, api_key="any")
        ...
        assert mock.stats()["accounts"][0]["answers_429"] == 0
"""

from .process import RunningMock, serve

__all__ = ["RunningMock", "serve"]
