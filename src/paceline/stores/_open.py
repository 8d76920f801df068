"""Which store a URL or a client object means."""

from __future__ import annotations

import os
from difflib import get_close_matches
from urllib.parse import urlsplit

from .._errors import ConfigError
from . import Store

_REDIS = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
_SERVERS = tuple(scheme for scheme in _REDIS if scheme != "unix")
_SEVERAL = ("cluster", "sentinel")
_CHOICES = (
    'Name one: "redis://host:6379/0" for many hosts, "embedded://" for the processes '
    'of this host (pip install "paceline[embedded]"), "memory://" for this process '
    "only; as the first argument, with --store, or in $PACELINE_STORE."
)


def open_store(target: object, *, connect_timeout: float, call_timeout: float) -> Store:
    """
    Return the store that *target* names: a URL, a client, or None for $PACELINE_STORE.

    Raises:
        ConfigError: If it names none (P106, P107), or its extra is missing (P601).
    """
    if target is None:
        target = os.environ.get("PACELINE_STORE")
        if not target:
            raise ConfigError("no store was given", code="P107", hint=_CHOICES)
    from .redis import RedisStore, UrlSource  # noqa: PLC0415 -- lazy

    timeouts = (connect_timeout, call_timeout)
    if not isinstance(target, str):
        from ._users import client_source  # noqa: PLC0415 -- lazy

        return RedisStore(client_source(target, timeouts))
    scheme, _, rest = target.partition("://")
    base, _, kind = scheme.partition("+")
    if base in _SERVERS and kind in _SEVERAL and rest:
        from ._several import several  # noqa: PLC0415 -- lazy

        return RedisStore(several(_REDIS[base], kind, rest, timeouts))
    if scheme in _REDIS and rest:
        source = UrlSource(f"{_REDIS[scheme]}://{rest}", *timeouts)
        return RedisStore(source)
    if scheme == "memory" and "://" in target:
        from .memory import MemorySource  # noqa: PLC0415 -- lazy

        return RedisStore(MemorySource(rest))
    if scheme == "embedded" and "://" in target:
        from .embedded import EmbeddedServer  # noqa: PLC0415 -- lazy

        server = EmbeddedServer(_directory(target))
        source = UrlSource("unix:///", *timeouts, server=server)
        return RedisStore(source)
    raise _unknown(target, scheme)


def check_address(target: str) -> None:
    """
    Check that a URL can name a store. Nothing is opened, and no extra is needed.

    Raises:
        ConfigError: If it names none (P106).
    """
    scheme, separator, _ = target.partition("://")
    if scheme == "embedded" and separator:
        _directory(target)
    elif scheme != "memory" or not separator:
        open_store(target, connect_timeout=1.0, call_timeout=1.0)


def _directory(target: str) -> str | None:
    parts = urlsplit(target)
    if parts.netloc or parts.query:
        raise ConfigError(
            f"{target!r} is no address of an embedded store",
            code="P106",
            hint='Write "embedded://", or with a directory "embedded:///var/lib/quota".',
        )
    return parts.path or None


def _unknown(target: str, scheme: str) -> ConfigError:
    several = [f"{base}+{kind}" for base in _SERVERS for kind in _SEVERAL]
    known = [*_REDIS, *several, "memory", "embedded"]
    if "://" not in target:
        # It may be a password by mistake: say no more of it than that it is no URL.
        return ConfigError("the store is not a URL", code="P106", hint=_CHOICES)
    close = get_close_matches(scheme, known, 1) if scheme not in known else []
    hint = f'Did you mean "{close[0]}://"?' if close else _CHOICES
    if not scheme.isalnum() and "+" not in scheme:
        return ConfigError("the store is not a URL", code="P106", hint=_CHOICES)
    what = f'no store is known by "{scheme}://"'
    if scheme in (*_REDIS, *several):
        what = f'"{scheme}://" names no host'
    return ConfigError(what, code="P106", hint=hint)
