"""
Failures to connect that no second try cures: somebody has to mend a setting first.

A wrong password is an error of its own in redis-py. That TLS cannot be agreed upon
looks like any lost connection there; that no Sentinel knows a name is ours to say.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as RedisConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What OpenSSL says when the two sides do not fit, not that one of them is in trouble.
_UNFIT = (
    "CERTIFICATE", "UNKNOWN_CA", "CERT_UNKNOWN", "BAD_CERT", "WRONG_VERSION_NUMBER",
    "PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "HANDSHAKE_FAILURE", "NO_SHARED_CIPHER",
    "UNRECOGNIZED_NAME", "HTTP_REQUEST",
)  # fmt: skip
_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")


class NoPrimary(RedisConnectionError):  # noqa: N818 -- reads as what it says
    """Nobody says which server to ask."""


class UnknownName(RedisConnectionError):  # noqa: N818 -- reads as what it says
    """All Sentinels answer, and none of them knows the primary's name."""


def nobody(words: str, problems: Sequence[BaseException]) -> RedisConnectionError:
    """Return the error for when none of some servers says which one to ask."""
    error: RedisConnectionError = NoPrimary(words)
    if problems and all(map(is_hopeless, problems)):
        error = RedisConnectionError(words)  # what caused it decides
    error.__cause__ = problems[-1] if problems else None
    return error


def is_hopeless(error: BaseException) -> bool:
    """Tell whether to try again is in vain."""
    return unknown_name(error) is not None or unfit(error) is not None


def unknown_name(error: BaseException) -> str | None:
    """Return what to say of a primary's name, if nobody knows it."""
    # The asynchronous half of redis-py wraps what its connections raise.
    found = (each for each in _causes(error) if isinstance(each, UnknownName))
    return next(map(str, found), None)


def nobody_says(error: BaseException) -> str | None:
    """Return what to say where nobody tells which server to ask."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, NoPrimary):
        cause = cause.__cause__ or cause.__context__
    return None if cause is None else str(cause)


def unfit(error: BaseException) -> str | None:
    """Return why TLS cannot be agreed upon, if that is what an error says."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is refused here: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or ""
            if any(word in reason for word in _PLAIN):
                return "it does not speak TLS"
            if any(word in reason for word in _UNFIT):
                return reason.lower().replace("_", " ")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, but not what led to one of several."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, NoPrimary):
        yield cause
        cause = cause.__cause__ or cause.__context__
