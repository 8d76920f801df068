"""
What a failure of the client means for the caller: our error, and what to do.

The order matters: in redis-py, authentication and loading errors are connection
errors. Never match on texts beyond the code at their front: they differ by server.
"""

from __future__ import annotations

import socket

from redis import exceptions as client

from .._errors import StoreError, StoreUnavailable
from ._hopeless import nobody_says, unfit, unknown_name
from ._needs import RULE

FAILURES = (
    client.RedisError,
    client.RedisClusterException,
    OSError,
    UnicodeError,  # of a host name that no resolver takes
)

_DENIED = ("NOPERM", "ACL failure", "The user executing the script")
_FAILOVER = (
    "The Sentinels name it: a failover may be under way, or they have not noticed yet."
)
_PASSING = (
    "BUSY", "NOREPLICAS", "MISCONF", "LOADING", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN",
)  # fmt: skip


class Named(str):
    """Where a primary is whom Sentinels name: there may be another one soon."""

    __slots__ = ()


class Member(str):
    """Where a node of a cluster is: a replica may take over from it."""

    __slots__ = ()


def translate(error: BaseException, where: str) -> StoreError:
    """Return the error of ours that says what *error* means for a caller."""
    if isinstance(error, StoreError):
        return error
    if (reason := unfit(error)) is not None:
        return _other_tls(reason, where)
    if (reason := unknown_name(error)) is not None:
        return _unknown_name(reason, where)
    for kinds, make in _RULES:
        if isinstance(error, kinds):
            return make(error, where)
    return _plain(error, where)


def _authentication(_: BaseException, where: str) -> StoreError:
    hint = "Put them in the URL: redis://user:password@host:6379/0."
    if isinstance(where, Named):
        hint = "Before the hosts in the URL; those of the Sentinels are options."
    elif _of_sentinels(where):
        where = f"a Sentinel of {where}"
        hint = "In the URL: ?sentinel_username=...&sentinel_password=..."
    return StoreError(f"{where} wants another user or password", code="P203", hint=hint)


def _other_tls(reason: str, where: str) -> StoreError:
    return StoreError(
        f"there is no TLS with {where}: {reason}",
        code="P214",
        hint="In the URL: ?ssl_ca_certs=/its/authority.pem, the host's name as its "
        "certificate has it, and ssl_certfile= and ssl_keyfile= if it wants one of "
        'yours; "redis://" if it has no TLS.',
    )


def _unknown_name(reason: str, where: str) -> StoreError:
    return StoreError(
        f"{where}: {reason}",
        code="P215",
        hint="The name is the first part of the URL's path, as in "
        '"redis+sentinel://host/name"; SENTINEL MASTERS lists those that there are.',
    )


def _permission(_: BaseException, where: str) -> StoreError:
    return StoreError(
        f"the user at {where} may not do what a limiter needs",
        code="P204",
        hint="On the Sentinels: ACL SETUSER name +sentinel|get-master-addr-by-name"
        if _of_sentinels(where)
        else f"ACL SETUSER name {rule_at(where)}",
    )


def rule_at(where: str) -> str:
    """Return the rule of a limiter's user at a store."""
    return f"{RULE} +cluster|slots" if "+cluster://" in where else RULE


def _memory(_: BaseException, where: str) -> StoreError:
    return StoreError(
        f"{where} is out of memory and refused to write",
        code="P205",
        hint="Raise maxmemory, or give the limiter a server with noeviction.",
    )


def _replica(_: BaseException, where: str) -> StoreError:
    return StoreUnavailable(
        f"{where} is a replica and cannot be written to",
        code="P206",
        hint=_FAILOVER
        if isinstance(where, Named)
        else "Point the limiter at the primary.",
    )


def _busy(error: BaseException, where: str) -> StoreError:
    return StoreUnavailable(
        f"{where} cannot answer at present ({_first_word(error)})",
        code="P207",
        hint="It may pass by itself: the server is loading, busy or failing over.",
    )


def _slow(_: BaseException, where: str) -> StoreError:
    hint = "Is the server overloaded or far away? Raise call_timeout=."
    if _has_tls(where):
        hint = f'{hint} Or it speaks no TLS: "redis://" for "rediss://".'
    if isinstance(where, Named):
        hint = f"{_FAILOVER} {hint}"
    return StoreUnavailable(f"{where} did not answer in time", code="P208", hint=hint)


def _gone(error: BaseException, where: str) -> StoreError:
    reason = _reason(error)
    hint = "Is the server running, and the address right?"
    if isinstance(where, Named):
        hint = f"{_FAILOVER} {hint}"
    elif isinstance(where, Member):
        hint = "Is it running? If no replica takes over, its scopes have no node."
    elif words := nobody_says(error):
        where = f"{where}: {words}"
        hint = "Are they running, and the addresses right?"
        if _has_tls(where):
            hint = f'{hint} Do they speak TLS? Else "redis" for "rediss".'
    else:
        hint = f'{hint} Without a server: "embedded://" or "memory://".'
    if reason == _CLOSED and not (_has_tls(where) or isinstance(where, Member)):
        hint = f'{hint} If it wants TLS: "rediss://" for "redis://".'
    return StoreUnavailable(f"cannot reach {where} ({reason})", code="P201", hint=hint)


def _of_sentinels(where: str) -> bool:
    """Tell whether it was a Sentinel that was asked."""
    return "+sentinel://" in where and not isinstance(where, Named)


def _has_tls(where: str) -> bool:
    return "rediss" in where.partition("://")[0]


def _wrong_type(_: BaseException, where: str) -> StoreError:
    return StoreError(
        f"a key of ours at {where} holds something else",
        code="P211",
        hint="Another program writes keys that begin with paceline:1:.",
    )


def _plain(error: BaseException, where: str) -> StoreError:
    text = str(error)
    if text.startswith(_PASSING):
        return _busy(error, where)
    # Redis 6.2 puts its own words before what went wrong inside a script.
    for signs, make in _SIGNS:
        if any(sign in text for sign in signs):
            return make(error, where)
    return StoreError(
        f"{where} refused ({_first_word(error)})",
        code="P202",
        hint="The cause of this error holds the server's own words.",
    )


def _cluster(_: BaseException, where: str) -> StoreError:
    return StoreError(
        f"{where} is one node of a cluster",
        code="P202",
        hint='Write "redis+cluster://" for "redis://".',
    )


def _no_cluster(_: BaseException, where: str) -> StoreError:
    return StoreError(
        f"{where} is no cluster",
        code="P202",
        hint='Write "redis://" for "redis+cluster://".',
    )


def _no_sentinel(_: BaseException, where: str) -> StoreError:
    return StoreError(
        f"there is no Sentinel at {where}",
        code="P202",
        hint='"redis+sentinel://" names the Sentinels, mostly at port 26379, and not '
        'the server; for a server without them write "redis://".',
    )


def _nonsense(_: BaseException, where: str) -> StoreError:
    return StoreError(
        f"what {where} answers is not the language of Redis",
        code="P209",
        hint="Is it another kind of server, or a proxy's page of errors?",
    )


_SIGNS = (
    # Who has not logged in may not send commands as long as ours.
    (("NOAUTH", "WRONGPASS", "unauthenticated"), _authentication),
    (("MOVED ", "ASK "), _cluster),
    (("cluster support disabled", "Cluster mode is not enabled"), _no_cluster),
    (("unknown command `SENTINEL`", "unknown command 'SENTINEL'"), _no_sentinel),
    (("-READONLY",), _replica),
    (_DENIED, _permission),
    (("WRONGTYPE",), _wrong_type),
    (("OOM", "used memory > 'maxmemory'"), _memory),
)

_RULES = (
    (client.AuthenticationError, _authentication),
    (client.NoPermissionError, _permission),
    (client.InvalidResponse, _nonsense),
    (client.OutOfMemoryError, _memory),
    (client.ReadOnlyError, _replica),
    ((client.MovedError, client.AskError), _cluster),
    (
        (client.BusyLoadingError, client.ClusterDownError, client.TryAgainError),
        _busy,
    ),
    ((client.TimeoutError, TimeoutError), _slow),
    ((client.ConnectionError, OSError, UnicodeError), _gone),
)


def _first_word(error: BaseException) -> str:
    word = str(error).split(" ", 1)[0]
    return word if word.isupper() else type(error).__name__


_CLOSED = "the connection was closed"
_CAUSES: tuple[
    tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...
] = (
    (ConnectionRefusedError, "connection refused"),
    ((socket.gaierror, UnicodeError), "unknown host"),
    (FileNotFoundError, "no such socket"),
    ((ConnectionResetError, ConnectionAbortedError, BrokenPipeError), _CLOSED),
    ((client.TimeoutError, TimeoutError), "no answer in time"),
)
_WORDS = (
    ("Connection refused", "connection refused"),
    ("closed", _CLOSED),
    ("reset by peer", _CLOSED),
)


def _reason(error: BaseException) -> str:
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    for each in causes:
        for kinds, reason in _CAUSES:
            if isinstance(each, kinds):
                return reason
    text = " ".join(map(str, causes))
    found = (reason for words, reason in _WORDS if words in text)
    return next(found, type(causes[-1]).__name__)
