"""The pretend OpenAI server: which path leads where."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from paceline._errors import ConfigError

from .answers import error
from .dialects import AZURE, OPENAI
from .serving import Serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .dialects import OpenAI
    from .settings import Settings

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LARGEST_BODY = 32 * 1024 * 1024
_PATHS = {
    "chat/completions": "chat",
    "responses": "responses",
    "embeddings": "embeddings",
}
_NO_MODEL = "The model '{}' does not exist or you do not have access to it."
_DEPLOYMENT = "/openai/deployments/{deployment}/"


class PretendOpenAI:
    """
    All accounts, and the answers given from them.

    Args:
        settings: How it behaves.

        clock: Tells the time in nanoseconds; never goes back.
    """

    def __init__(
        self, settings: Settings, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._clock = clock
        self._serving = Serving(settings, clock)

    def app(self) -> web.Application:
        """Make the application that serves it."""
        app = web.Application(
            client_max_size=_LARGEST_BODY, middlewares=[_errors_as_json]
        )
        router = app.router
        for path, endpoint in _PATHS.items():
            serve = partial(self._serve, dialect=OPENAI, endpoint=endpoint)
            router.add_post(f"/v1/{path}", serve)
            serve = partial(self._serve, dialect=AZURE, endpoint=endpoint)
            router.add_post(f"/openai/v1/{path}", serve)
            dated = partial(self._serve_dated, endpoint=endpoint)
            # Only this endpoint has the model in its body, as everywhere else.
            at = "/openai/" if endpoint == "responses" else _DEPLOYMENT
            router.add_post(f"{at}{path}", dated)
        router.add_get("/v1/models", self._models)
        router.add_get("/v1/models/{model}", self._model)
        router.add_get("/stats", self._stats)
        router.add_get("/log", self._log)
        router.add_put("/limits", self._change_limits)
        router.add_get("/errors", self._errors)
        router.add_post("/errors", self._add_errors)
        router.add_delete("/errors", self._clear_errors)
        router.add_post("/reset", self._reset)
        router.add_route("*", "/{path:.*}", self._unknown)
        return app

    async def _serve(
        self, request: web.Request, dialect: OpenAI, endpoint: str
    ) -> web.StreamResponse:
        return await self._serving.serve(request, dialect, endpoint)

    async def _serve_dated(
        self, request: web.Request, endpoint: str
    ) -> web.StreamResponse:
        # Without a version, Azure knows no such place.
        if not request.query.get("api-version"):
            return await self._unknown(request)
        return await self._serving.serve(request, AZURE, endpoint)

    async def _models(self, request: web.Request) -> web.Response:
        if OPENAI.api_key(request) is None:
            return self._serving.reply(request, OPENAI.no_key(), 401)
        data = [_described(model) for model in self._serving.ledger.models()]
        return self._serving.reply(request, {"object": "list", "data": data})

    async def _model(self, request: web.Request) -> web.Response:
        if OPENAI.api_key(request) is None:
            return self._serving.reply(request, OPENAI.no_key(), 401)
        model = request.match_info["model"]
        if model in self._serving.ledger.models():
            return self._serving.reply(request, _described(model))
        body = error(_NO_MODEL.format(model), param="model", code="model_not_found")
        return self._serving.reply(request, body, 404)

    async def _stats(self, _request: web.Request) -> web.Response:
        return web.json_response(self._serving.ledger.report(self._clock()))

    async def _log(self, _request: web.Request) -> web.Response:
        return web.json_response(self._serving.ledger.log())

    async def _change_limits(self, request: web.Request) -> web.Response:
        try:
            limits = _texts(await request.read(), "limits", "400 requests/min")
            self._serving.change_limits(limits)
        except ConfigError as refused:
            return _refused(refused)
        return web.json_response({"limits": limits})

    async def _errors(self, _request: web.Request) -> web.Response:
        return web.json_response({"errors": self._serving.faults.report()})

    async def _add_errors(self, request: web.Request) -> web.Response:
        try:
            orders = _texts(await request.read(), "errors", "server_error next=3")
            self._serving.faults.add(orders)
        except ConfigError as refused:
            return _refused(refused)
        return await self._errors(request)

    async def _clear_errors(self, request: web.Request) -> web.Response:
        self._serving.faults.clear()
        return await self._errors(request)

    async def _reset(self, _request: web.Request) -> web.Response:
        self._serving.forget()
        return web.json_response({"reset": True})

    async def _unknown(self, request: web.Request) -> web.Response:
        azure = request.path.startswith("/openai/")
        body = (AZURE if azure else OPENAI).unknown(request)
        return self._serving.reply(request, body, 404)


def _described(model: str) -> dict[str, object]:
    return {"id": model, "object": "model", "created": 0, "owned_by": "mock"}


def _texts(body: bytes, name: str, sample: str) -> list[str]:
    """Read ``{name: [text, ...]}``."""
    try:
        texts = json.loads(body)[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        texts = None
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return texts
    raise ConfigError(
        f"the mock finds no {name} in that",
        code="P157",
        hint=f"Send JSON such as {json.dumps({name: [sample]})}.",
    )


def _refused(refused: ConfigError) -> web.Response:
    text = f"{refused.message}. {refused.hint}"
    return web.json_response(error(text, code=refused.code), status=400)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refused:
        return web.json_response(error(refused.reason), status=refused.status)
