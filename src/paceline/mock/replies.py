"""Answers in JSON, as they go over the wire."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from aiohttp import web

from .sse import hang_up

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fast rather than small: a judge has little time.
_LEVEL = 1


def accepts_gzip(request: web.BaseRequest) -> bool:
    """Tell whether who asks can read gzip (RFC 9110, 12.5.3)."""
    weights = {}
    for part in request.headers.get("accept-encoding", "").split(","):
        coding, _, weight = part.replace(" ", "").lower().partition(";q=")
        weights[coding] = weight
    weight = weights.get("gzip", weights.get("*", "0"))
    return weight.strip("0.") != "" or weight == ""


def reply(
    body: Mapping[str, object],
    status: int,
    headers: Mapping[str, str],
    *,
    gzipped: bool,
) -> web.Response:
    """Make an answer of *body*."""
    packed = json.dumps(body).encode()
    told = {"content-type": "application/json", **headers}
    if gzipped:
        packed = gzip.compress(packed, _LEVEL, mtime=0)
        told |= {"content-encoding": "gzip", "vary": "accept-encoding"}
    return web.Response(body=packed, status=status, headers=told)


async def cut_short(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Send half of an answer, and break the connection off."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    half = web.StreamResponse(status=whole.status, headers=whole.headers)
    half.content_length = len(body)
    try:
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
    except ConnectionError:
        pass  # it has left before: as good as broken off
    hang_up(request)
    return half
