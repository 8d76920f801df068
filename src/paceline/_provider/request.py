"""What a request to the API is: its endpoint, its model, who sends it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

_ENDPOINTS = {
    "/chat/completions": "chat",
    "/completions": "completions",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/messages": "messages",
    "/images/generations": "images",
}
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)(/.*)")
_JSON = re.compile(r"application/(?:[\w.-]+\+)?json\b", re.IGNORECASE)
_OUTPUT = ("max_completion_tokens", "max_output_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Ask:
    """
    A request, as far as its cost goes.

    Attributes:
        endpoint: ``"chat"``, ``"completions"``, ``"responses"``, ``"embeddings"``,
            ``"messages"`` or ``"images"``. ``"other"`` costs a request and no tokens.

        model: The model, or Azure's deployment. None if the request names none.

        body: The fields of the JSON body; empty if it is none.
    """

    endpoint: str
    model: str | None = None
    body: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def metered(self) -> bool:
        """Whether it costs tokens."""
        return self.endpoint not in {"other", "images"}

    @property
    def max_output(self) -> int | None:
        """The longest answer it allows, in tokens. None if it does not say."""
        for name in _OUTPUT:
            if name in self.body and (value := _whole(self.body[name])) is not None:
                return value
        return None

    @property
    def choices(self) -> int:
        """How many answers it asks for."""
        asked = (_whole(self.body.get(name)) or 1 for name in ("n", "best_of"))
        return max(1, *asked)

    @property
    def lacks_usage(self) -> bool:
        """Whether its stream would not tell the usage, and nobody said that it must."""
        options = self.body.get("stream_options")
        said = isinstance(options, Mapping) and "include_usage" in options
        chat = self.endpoint in {"chat", "completions"}
        return chat and bool(self.body.get("stream")) and not said

    def with_usage(self) -> bytes:
        """Return the body that asks for the usage at the end of the stream."""
        options = self.body.get("stream_options")
        asked = dict(options) if isinstance(options, Mapping) else {}
        asked["include_usage"] = True
        body = {**self.body, "stream_options": asked}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def read(
    method: str,
    path: str,
    content_type: str,
    content: bytes | None,
    fields: Iterable[object] = (),
) -> Ask:
    """
    Read a request.

    Args:
        path: Of the URL, percent-decoded.

        content: The body; None if it is a stream, which must not be read.

        fields: The fields of a multipart body, with ``name`` and ``value``.
    """
    deployment, endpoint = _place(path)
    body: Mapping[str, object] = {}
    if content and _JSON.match(content_type):
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            parsed = None
        body = parsed if isinstance(parsed, dict) else {}
    named = body.get("model")
    if not named and fields:
        parts = (each for each in fields if getattr(each, "name", "") == "model")
        named = getattr(next(parts, None), "value", None)
    model = deployment or (named if isinstance(named, str) and named else None)
    if method != "POST" or not body:
        endpoint = "other"
    return Ask(endpoint, model, body)


@lru_cache(maxsize=256)
def _place(path: str) -> tuple[str | None, str]:
    """Return Azure's deployment, if a path names one, and the endpoint."""
    deployment = None
    if found := _DEPLOYMENT.search(path):
        deployment, path = found.groups()
    ends = (kind for end, kind in _ENDPOINTS.items() if path.endswith(end))
    return deployment, next(ends, "other")


def api_key(headers: Mapping[str, str]) -> str | None:
    """
    Return the API key that a request is sent with, or None.

    Read from the request: a copy of the client with another key shares its HTTP client.
    """
    for name in ("api-key", "x-api-key"):
        if key := headers.get(name):
            return key
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def _whole(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
