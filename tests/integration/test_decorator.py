"""@limited over every kind of function."""

import asyncio
import inspect

import pytest

from paceline import (
    ConfigError,
    Key,
    KeyTemplate,
    MisuseError,
    RateLimiter,
    current_permit,
)

TEMPLATE = KeyTemplate(api_key="{api_key}", model="{model}")


@pytest.fixture
def limiter():
    name = f"memory://decorator-{id(object())}"
    with RateLimiter(name, limits=["100/min", "1000 tokens/min"]) as limiter:
        yield limiter
        limiter.reset("a")
        limiter.reset(Key(api_key="sk-1", model="m"))


def left(limiter, key="a"):
    return [status.remaining for status in limiter.peek(key)]


async def left_async(limiter, key="a"):
    return [status.remaining for status in await limiter.peek_async(key)]


def test_a_function_keeps_its_name_signature_and_result(limiter):
    """
    The wrapper looks like the function, and the call inside has its permit.
    """

    @limiter.limited("a", {"tokens": 10})
    def call(text: str, times: int = 2) -> str:
        """Repeat."""
        assert current_permit().waited < 5
        return text * times

    assert call("ab") == "abab"
    assert (call.__name__, call.__doc__) == ("call", "Repeat.")
    assert list(inspect.signature(call).parameters) == ["text", "times"]
    assert left(limiter) == [99, 990]
    with pytest.raises(MisuseError):
        current_permit()


def test_cost_and_settle_read_the_call_and_its_result(limiter):
    """
    The cost is estimated from the arguments, the truth is read off the result.
    """

    @limiter.limited(
        "a",
        cost=lambda prompt, **_: {"tokens": len(prompt)},
        settle=lambda result: {"tokens": result},
    )
    def call(prompt, *, used):
        return used

    call("x" * 100, used=40)
    assert left(limiter) == [99, 960]


def test_a_template_names_the_calls_parameters(limiter):
    """
    Key fields are filled from the call, defaults and keyword arguments included.
    """

    @limiter.limited(TEMPLATE, {"tokens": 1})
    def call(prompt, api_key, model="m", **options):
        return prompt

    call("hello", api_key="sk-1", temperature=1)
    assert left(limiter, Key(api_key="sk-1", model="m")) == [99, 999]


def test_an_unknown_template_field_is_found_while_decorating(limiter):
    """
    A typo in a template fails at import, with the parameters it could have meant.
    """
    with pytest.raises(ConfigError, match="model") as caught:

        @limiter.limited(KeyTemplate(scope="a", model="{modle}"), {"tokens": 1})
        def call(model):
            return model

    assert caught.value.code == "P108"
    assert "modle" in str(caught.value)


def test_methods_and_callable_keys_see_self(limiter):
    """
    A callable key or cost gets the call's arguments, self included.
    """

    class Client:
        team = "a"

        @limiter.limited(lambda self, *_: self.team, lambda self, n: {"tokens": n})
        def call(self, n):
            return n

        @staticmethod
        @limiter.limited("a", {"tokens": 1})
        def static(n):
            return n

    assert Client().call(30) == 30
    assert Client.static(1) == 1
    assert left(limiter) == [98, 969]
    with pytest.raises(ConfigError, match="below @staticmethod"):
        limiter.limited("a")(staticmethod(len))


def test_coroutines_stay_coroutines(limiter):
    """
    An async function is awaited under its permit.
    """

    @limiter.limited("a", {"tokens": 10}, settle=lambda used: {"tokens": used})
    async def call(used):
        await asyncio.sleep(0)
        assert current_permit().waited < 5
        return used

    async def run():
        assert await call(3) == 3
        return await left_async(limiter)

    assert inspect.iscoroutinefunction(call)
    assert asyncio.run(run()) == [99, 997]


def test_a_generator_is_charged_when_it_runs_and_settled_at_its_end(limiter):
    """
    Making a generator charges nothing; its last item tells the true cost.
    """

    @limiter.limited("a", {"tokens": 100}, settle=lambda last: {"tokens": last})
    def stream(n):
        for i in range(n):
            assert current_permit().waited < 5
            yield i
        return "end"

    assert inspect.isgeneratorfunction(stream)
    items = stream(5)
    assert left(limiter) == [100, 1000]
    assert next(items) == 0
    assert left(limiter) == [99, 900]
    with pytest.raises(MisuseError):
        current_permit()
    assert list(items) == [1, 2, 3, 4]
    assert left(limiter) == [99, 996]


def test_a_generator_that_is_left_keeps_its_estimate(limiter):
    """
    Closing a stream early closes the function's own, and the estimate stays.
    """
    closed = []

    @limiter.limited("a", {"tokens": 100}, settle=lambda last: {"tokens": last})
    def stream():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    items = stream()
    next(items)
    items.close()
    assert closed == [True]
    assert left(limiter) == [99, 900]


def test_send_and_throw_reach_a_generator(limiter):
    """
    A wrapped generator still answers what is sent and thrown into it.
    """

    @limiter.limited("a", {"tokens": 1})
    def echo():
        value = yield "ready"
        try:
            yield value
        except KeyError:
            yield "caught"

    items = echo()
    assert next(items) == "ready"
    assert items.send("hello") == "hello"
    assert items.throw(KeyError()) == "caught"


def test_async_generators_hold_their_permit_until_the_stream_ends(limiter):
    """
    An async stream is charged at its first item and settled after its last.
    """

    @limiter.limited("a", {"tokens": 100}, settle=lambda last: {"tokens": last})
    async def stream(n):
        for i in range(n):
            await asyncio.sleep(0)
            assert current_permit().waited < 5
            yield i

    async def run():
        assert [i async for i in stream(4)] == [0, 1, 2, 3]
        whole = await left_async(limiter)
        items = stream(4)
        await anext(items)
        await items.aclose()
        return whole, await left_async(limiter)

    assert inspect.isasyncgenfunction(stream)
    assert asyncio.run(run()) == ([99, 997], [98, 897])


def test_an_exception_keeps_the_estimate(limiter):
    """
    A call that failed may have been counted by the provider.
    """

    @limiter.limited("a", {"tokens": 100}, settle=lambda r: {"tokens": 0})
    def call():
        raise KeyError

    with pytest.raises(KeyError):
        call()
    assert left(limiter) == [99, 900]


def test_wrong_arguments_get_pythons_own_error(limiter):
    """
    Calling with a missing argument is the same TypeError as without the decorator.
    """

    @limiter.limited(TEMPLATE, {"tokens": 1})
    def call(api_key, model):
        return model

    with pytest.raises(TypeError, match="model"):
        call("sk-1")
