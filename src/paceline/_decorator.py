"""
One line over a function: every call of it waits its turn.

A wrapper is of its function's own kind (function, coroutine function, generator, async
generator), so whoever inspects it sees the same. A generator takes its permit when the
first item is asked for, and holds it until the stream ends.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ._errors import ConfigError, MisuseError
from ._key import Key, KeyTemplate
from ._reservation import Reservation

if TYPE_CHECKING:
    from ._engine import Engine
    from ._permit import Permit
    from ._policy import Cost
    from ._turns import Wish

P = ParamSpec("P")
R = TypeVar("R")

_current: ContextVar[Permit | None] = ContextVar("paceline_permit", default=None)


def current_permit() -> Permit:
    """
    Return the permit of the limited call that is running here.

    Raises:
        MisuseError: Outside of one (P504).
    """
    permit = _current.get()
    if permit is None:
        raise MisuseError(
            "no limited call is running here",
            code="P504",
            hint="current_permit() works inside functions decorated with @limited.",
        )
    return permit


@dataclass(frozen=True, slots=True)
class Terms:
    """How calls of one function are limited."""

    key: Key | KeyTemplate | str | Callable[..., Key | str]
    cost: Cost | Callable[..., Cost]
    settle: Callable[[Any], Cost | None] | None
    wish: Wish


def limit_calls(
    engine: Engine, terms: Terms, function: Callable[P, R]
) -> Callable[P, R]:
    """
    Wrap *function*.

    Raises:
        ConfigError: If it is not a function (P109), or a template's field names none
            of its parameters (P108).
    """
    if isinstance(function, staticmethod | classmethod) or not callable(function):
        raise ConfigError(
            f"@limited cannot wrap a {type(function).__name__}",
            code="P109",
            hint="Put @limited below @staticmethod or @classmethod, next to the def.",
        )
    reserve = _Reserve(engine, terms, function)
    wrapper: Callable[..., Any]
    if inspect.isasyncgenfunction(function):
        wrapper = _async_generator(reserve, function)
    elif inspect.iscoroutinefunction(function):
        wrapper = _coroutine(reserve, function)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator(reserve, function)
    else:
        wrapper = _plain(reserve, function)
    return wraps(function)(wrapper)


class _Reserve:
    """From the arguments of a call to its reservation."""

    def __init__(
        self, engine: Engine, terms: Terms, function: Callable[..., Any]
    ) -> None:
        self._engine = engine
        self._terms = terms
        self._signature = inspect.signature(function)
        self._bound: Callable[[Mapping[str, object]], Key] | None = None
        if isinstance(terms.key, KeyTemplate):
            name = getattr(function, "__qualname__", type(function).__name__)
            self._bound = terms.key.bind(self._signature, name)

    def __call__(self, args: Any, kwargs: Any) -> Reservation:
        terms = self._terms
        cost = terms.cost(*args, **kwargs) if callable(terms.cost) else terms.cost
        return Reservation(self._engine, self._key(args, kwargs), cost, terms.wish)

    def _key(self, args: Any, kwargs: Any) -> Key | str:
        key = self._terms.key
        if self._bound is not None:
            # A wrong call gets Python's own TypeError, as without the decorator.
            call = self._signature.bind(*args, **kwargs)
            call.apply_defaults()
            return self._bound(_flat(call))
        if isinstance(key, Key | str):
            return key
        if not callable(key):
            kind = type(key).__name__
            hint = "Give a Key, a KeyTemplate, a name, or a callable of the arguments."
            raise ConfigError(f"key is a {kind}", code="P109", hint=hint)
        return key(*args, **kwargs)

    def note(self, reservation: Reservation, result: object) -> None:
        """Let the user's function read the true cost off a result."""
        reservation.keep_result()
        if self._terms.settle is not None:
            cost = self._terms.settle(result)
            if cost is not None:
                reservation.settle(cost)


def _flat(call: inspect.BoundArguments) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in call.arguments.items():
        if call.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            values.update(value)
        else:
            values[name] = value
    return values


def _plain(reserve: _Reserve, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with reserve(args, kwargs) as reservation:
            token = _current.set(reservation.permit)
            try:
                result = function(*args, **kwargs)
            finally:
                _current.reset(token)
            reserve.note(reservation, result)
            return result

    return wrapper


def _coroutine(reserve: _Reserve, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        async with reserve(args, kwargs) as reservation:
            token = _current.set(reservation.permit)
            try:
                result = await function(*args, **kwargs)
            finally:
                _current.reset(token)
            reserve.note(reservation, result)
            return result

    return wrapper


def _generator(reserve: _Reserve, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with reserve(args, kwargs) as reservation:
            stream = function(*args, **kwargs)
            step, value, item = stream.send, None, None
            while True:
                token = _current.set(reservation.permit)
                try:
                    item = step(value)
                except StopIteration as stop:
                    reserve.note(reservation, item)
                    return stop.value
                finally:
                    _current.reset(token)
                try:
                    value, step = (yield item), stream.send
                except GeneratorExit:
                    stream.close()
                    raise
                except BaseException as error:  # noqa: BLE001 -- the stream decides
                    value, step = error, stream.throw

    return wrapper


def _async_generator(
    reserve: _Reserve, function: Callable[..., Any]
) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        async with reserve(args, kwargs) as reservation:
            stream = function(*args, **kwargs)
            step, value, item = stream.asend, None, None
            while True:
                token = _current.set(reservation.permit)
                try:
                    item = await step(value)
                except StopAsyncIteration:
                    reserve.note(reservation, item)
                    return
                finally:
                    _current.reset(token)
                try:
                    value, step = (yield item), stream.asend
                except GeneratorExit:
                    await stream.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 -- the stream decides
                    value, step = error, stream.athrow

    return wrapper
