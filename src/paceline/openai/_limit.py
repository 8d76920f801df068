"""Put a limiter in front of a client of the openai SDK, and take it away again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from paceline._errors import ConfigError
from paceline._provider.cost import CostName, CostRule, Refund

from ._hook import hook_of, install, is_async, remove
from ._pool import Pool
from ._site import Tokens
from ._team import team
from ._terms import Terms, site_of

if TYPE_CHECKING:
    import openai

    from paceline import RateLimiter
else:
    try:
        import openai
    except ModuleNotFoundError as missing:
        if missing.name != "openai":
            raise
        openai = None

AnyClient = TypeVar("AnyClient")
Client = TypeVar("Client", bound="openai.OpenAI | openai.AsyncOpenAI")


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

        learn: Whether what the headers say may tighten the account: what remains, and
            limits that are lower than configured. Limits written as "learnt" need it:
            until two answers have told them, calls go one at a time, over all
            processes, for nothing is known that would allow two.

    Raises:
        ConfigError: If the client or a setting makes no sense (P111, P112, P113, P131).
        ConfigError: If there is no openai package (P601).
        MisuseError: If its HTTP client is limited already, in another way (P506).
    """
    if openai is None:
        raise ConfigError(
            "limit() needs the openai package",
            code="P601",
            hint='Install it with: pip install "paceline[openai]"; for other HTTP '
            "clients there is limit_http().",
        )
    azure = _is_azure(client)
    _check_pool(pool, scope)
    if scope is None and pool is None and not azure and _makes_keys(client):
        raise ConfigError(
            "this client makes a new API key for each call, which names no quota",
            code="P112",
            hint='Name it: limit(client, limiter, scope="team-a").',
        )
    terms: Terms = {
        "scope": scope,
        "timeout": timeout,
        "cost": cost if cost is not None else _own_rule(client),
        "refund": refund,
        "tokens": tokens,
        "usage": usage,
        "learn": learn,
    }
    http = _http(client)
    site = site_of(limiter, terms, host_scope=azure)
    if pool is not None:
        site = replace(site, team=team(site, pool, str(client.base_url), azure=azure))
    install(site, http, is_async=isinstance(client, openai.AsyncOpenAI))
    return client


def unlimit(client: AnyClient) -> AnyClient:
    """
    Undo :func:`limit` or :func:`limit_http`.

    Calls under way keep their permits; twice is once.

    Raises:
        ConfigError: If *client* is none of the SDK's, httpx's or httpx2's (P113).
    """
    remove(_any_http(client))
    return client


def learnt(client: object) -> tuple[Learnt, ...]:
    """
    Return what the answers have taught this process, per scope and model.

    Args:
        client: What was given to :func:`limit` or :func:`limit_http`.

    Raises:
        ConfigError: If *client* is no such client, or is not limited (P113).
    """
    hook = hook_of(_any_http(client))
    if hook is None:
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


def _http(client: Any) -> Any:
    if _is_of_the_sdk(client):
        # The one private name of the SDK that is touched.
        return client._client  # noqa: SLF001
    raise ConfigError(
        f"{type(client).__name__} is no client of the openai SDK",
        code="P113",
        hint="Give an OpenAI(), AsyncOpenAI(), AzureOpenAI() or AsyncAzureOpenAI(); "
        "for HTTP clients there is limit_http().",
    )


def _any_http(client: object) -> Any:
    with suppress(ConfigError):
        is_async(client)
        return client
    return _http(client)


def _own_rule(client: object) -> CostName:
    return "azure" if _is_azure(client) else "openai"


def _is_of_the_sdk(client: Any) -> bool:
    if openai is None:
        return False
    return isinstance(client, openai.OpenAI | openai.AsyncOpenAI)


def _is_azure(client: object) -> bool:
    return isinstance(client, openai.AzureOpenAI | openai.AsyncAzureOpenAI)


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
