"""Put a limiter in front of a client of the openai SDK, and take it away again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from weakref import WeakMethod

import openai

from paceline._engine import seconds
from paceline._errors import ConfigError, MisuseError
from paceline._provider.cost import (
    COSTS,
    DEFAULT_REFUND,
    REFUNDS,
    CostName,
    CostRule,
    Refund,
)
from paceline._suggest import listed

from . import _aio, _sync
from ._pool import Pool
from ._site import Site, Tokens
from ._team import team

if TYPE_CHECKING:
    from collections.abc import Callable

    from paceline import RateLimiter

Client = TypeVar("Client", bound=openai.OpenAI | openai.AsyncOpenAI)

_AZURE = (openai.AzureOpenAI, openai.AsyncAzureOpenAI)


class _Hook:
    """What stands in place of an HTTP client's send, and what stood there."""

    def __init__(self, site: Site, http: Any, *, is_async: bool) -> None:
        self.site: Site = site
        self.before: Any = vars(http).get("send")
        make: Callable[..., Any] = _aio.hook if is_async else _sync.hook
        self._send = make(site, self.before or _method(http))

    def __call__(self, request: Any, **options: Any) -> Any:
        return self._send(request, **options)


@dataclass(frozen=True, slots=True)
class Learnt:
    """
    What the answers have taught about one scope and model.

    Attributes:
        label: Scope and model, for people.

        ratio: True tokens of requests, as a multiple of bytes / 4.

        gives_back: Whether unused tokens are given back to the account.

        limits: The provider's limits, as its headers say them, by unit and seconds of
            the window.

        share: The share of its former rate that this process uses after "slow_down".
    """

    label: str
    ratio: float
    gives_back: bool
    limits: Mapping[tuple[str, float], int]
    share: float


def limit(
    client: Client,
    limiter: RateLimiter,
    *,
    scope: str | None = None,
    pool: Pool | None = None,
    timeout: float | None = 60.0,
    cost: CostName | CostRule | None = None,
    refund: Refund | None = None,
    tokens: Tokens = "learnt",
    usage: Literal["as_asked", "inject"] = "as_asked",
    learn: bool = True,
) -> Client:
    """
    Let every call of *client* wait for its turn. Changes the client, and returns it.

    Works on the HTTP client below it, so copies (``with_options``), raw and streamed
    responses are limited too, and so is every other client that shares that HTTP
    client. Doing it again with the same settings changes nothing.

    Args:
        client: OpenAI, AsyncOpenAI or their Azure kinds, of openai 1.55 to 3.

        limiter: Whose limits apply. It counts requests, and tokens (or input_tokens and
            output_tokens, or images) if its limits do.

        scope: The name of the quota. None takes the API key that each request is sent
            with, and for Azure without one the host.

        pool: Credentials that call in place of the client's own, each under the name of
            its own quota.

        timeout: Seconds that a call may wait for its turn. None is as long as it takes.

        cost: What a request is charged on arrival. "openai": the larger of max_tokens
            and the estimate of the request; "azure": their sum; "anthropic": input and
            output apart; or a callable of the JSON body that returns units. None takes
            the client's own kind.

        refund: Whether unused tokens come back. "shown": once the headers have proved
            it, for each scope and model; "always"; "never". None is "shown" for OpenAI,
            "never" for Azure, "always" for Anthropic.

        tokens: How requests are estimated. "learnt": UTF-8 bytes / 4, corrected by what
            earlier requests turned out to be; "exact": with a vocabulary that is on
            this machine (``pip install "paceline[tokens]"``); or a callable of the
            body.

        usage: "inject" asks for the usage at the end of chat streams that did not, and
            hides the event that has it. Without, such streams keep their estimate.

        learn: Whether what the headers say remains may tighten the account.

    Raises:
        ConfigError: If the client or a setting makes no sense (P111, P112, P113, P131).
        MisuseError: If its HTTP client is limited already, in another way (P506).
    """
    http = _http(client)
    azure = isinstance(client, _AZURE)
    rule: CostName | CostRule = cost if cost is not None else _own_rule(client)
    if timeout is not None:
        timeout = seconds("timeout", timeout)
    _check_option("cost", rule, COSTS, also_callable=True)
    _check_option("refund", refund, (None, *REFUNDS))
    _check_option("tokens", tokens, ("learnt", "exact"), also_callable=True)
    _check_option("usage", usage, ("as_asked", "inject"))
    _check_pool(pool, scope)
    if scope is None and pool is None and not azure and _makes_keys(client):
        raise ConfigError(
            "this client makes a new API key for each call, which names no quota",
            code="P112",
            hint='Name it: limit(client, limiter, scope="team-a").',
        )
    named = rule if isinstance(rule, str) else "openai"
    site = Site(
        limiter=limiter,
        scope=scope,
        timeout=timeout,
        cost=rule,
        refund=refund or DEFAULT_REFUND[named],
        tokens=tokens,
        inject=usage == "inject",
        learn=learn,
        host_scope=azure,
    )
    if pool is not None:
        site = replace(site, team=team(site, pool, str(client.base_url), azure=azure))
    hook = vars(http).get("send")
    if not isinstance(hook, _Hook):
        is_async = isinstance(client, openai.AsyncOpenAI)
        http.send = _Hook(site, http, is_async=is_async)
    elif hook.site != site:
        raise MisuseError(
            "this client's HTTP client is limited already, with other settings",
            code="P506",
            hint="unlimit(client) first, or give each client its own http_client.",
        )
    return client


def unlimit(client: Client) -> Client:
    """
    Undo :func:`limit`. Calls under way keep their permits; twice is once.

    Raises:
        ConfigError: If *client* is none of the SDK's (P113).
    """
    http = _http(client)
    hook = vars(http).get("send")
    if isinstance(hook, _Hook):
        if hook.before is None:
            del http.send
        else:
            http.send = hook.before
    return client


def learnt(client: openai.OpenAI | openai.AsyncOpenAI) -> tuple[Learnt, ...]:
    """
    Return what the answers have taught this process, per scope and model.

    Raises:
        ConfigError: If *client* is none of the SDK's (P113), or is not limited (P113).
    """
    hook = vars(_http(client)).get("send")
    if not isinstance(hook, _Hook):
        raise ConfigError(
            "this client is not limited", code="P113", hint="limit(client, limiter)"
        )
    site = hook.site
    sites = (site,) if site.team is None else site.team.sites
    # Most share a limiter, and with it the accounts.
    known = {id(each.accounts): each.accounts for each in sites}
    return tuple(
        Learnt(
            label=account.key.label,
            ratio=account.ratio.value,
            gives_back=site.gives_back(account),
            limits=dict(account.limits.known),
            share=account.pace.factor,
        )
        for accounts in known.values()
        for account in accounts.all()
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


def _http(client: object) -> Any:
    if isinstance(client, openai.OpenAI | openai.AsyncOpenAI):
        # The one private name of the SDK that is touched.
        return client._client  # noqa: SLF001
    raise ConfigError(
        f"{type(client).__name__} is no client of the openai SDK",
        code="P113",
        hint="Give an OpenAI(), AsyncOpenAI(), AzureOpenAI() or AsyncAzureOpenAI().",
    )


def _own_rule(client: object) -> CostName:
    return "azure" if isinstance(client, _AZURE) else "openai"


def _makes_keys(client: object) -> bool:
    made = ("_api_key_provider", "workload_identity")
    return any(getattr(client, name, None) is not None for name in made)


def _check_pool(pool: object, scope: str | None) -> None:
    if pool is None:
        return
    if not isinstance(pool, Pool):
        raise ConfigError(
            f"pool is no Pool but {type(pool).__name__}",
            code="P131",
            hint='Give Pool([Credential(env="OPENAI_KEY_EU", scope="eu"), ...]).',
        )
    if scope is not None:
        raise ConfigError(
            "scope and pool were both given",
            code="P131",
            hint="Each credential of a pool has a scope of its own.",
        )


def _check_option(
    name: str,
    value: object,
    known: tuple[object, ...],
    *,
    also_callable: bool = False,
) -> None:
    if value in known or (also_callable and callable(value)):
        return
    words = [str(each) for each in known if each is not None]
    raise ConfigError(
        f"{name} is {value!r}",
        code="P113",
        hint=f"Give {listed(words)}" + (", or a callable." if also_callable else "."),
    )
