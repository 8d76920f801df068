"""What stands in place of an HTTP client's send; how it gets there, and away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

from paceline._errors import ConfigError, MisuseError

from . import _aio, _sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._site import Site

_LIBRARIES = frozenset({"httpx", "httpx2"})


class Hook:
    """What stands in place of an HTTP client's send, and what stood there."""

    def __init__(self, site: Site, http: Any, *, is_async: bool) -> None:
        self.site: Site = site
        self.before: Any = vars(http).get("send")
        make: Callable[..., Any] = _aio.hook if is_async else _sync.hook
        self._send = make(site, self.before or _method(http))

    def __call__(self, request: Any, **options: Any) -> Any:
        return self._send(request, **options)


def install(site: Site, http: Any, *, is_async: bool) -> None:
    """
    Put a hook on an HTTP client, unless the same is there.

    Raises:
        MisuseError: If one with other settings is there (P506).
    """
    hook = hook_of(http)
    if hook is None:
        http.send = Hook(site, http, is_async=is_async)
    elif hook.site != site:
        raise MisuseError(
            "this client's HTTP client is limited already, with other settings",
            code="P506",
            hint="unlimit(client) first, or give each client its own http_client.",
        )


def remove(http: Any) -> None:
    """Take the hook of an HTTP client away, if there is one."""
    hook = hook_of(http)
    if hook is None:
        return
    if hook.before is None:
        del http.send
    else:
        http.send = hook.before


def hook_of(http: Any) -> Hook | None:
    """Return the hook of an HTTP client, or None."""
    hook = vars(http).get("send")
    return hook if isinstance(hook, Hook) else None


def is_async(http: object) -> bool:
    """
    Tell which kind of HTTP client it is.

    Raises:
        ConfigError: If it is none of httpx or httpx2 (P113).
    """
    for kind in type(http).__mro__:
        if kind.__module__.partition(".")[0] in _LIBRARIES:
            if kind.__name__ == "AsyncClient":
                return True
            if kind.__name__ == "Client":
                return False
    raise ConfigError(
        f"{type(http).__name__} is no client of httpx or httpx2",
        code="P113",
        hint="Give an httpx2.Client(), httpx2.AsyncClient(), or httpx's.",
    )


def _method(http: Any) -> Callable[..., Any]:
    """Return a client's send without keeping the client: it closes when it falls."""
    method = WeakMethod(http.send)

    def send(request: Any, **options: Any) -> Any:
        found: Callable[..., Any] | None = method()
        if found is None:
            raise ReferenceError("the HTTP client of this hook is gone")
        return found(request, **options)

    return send
