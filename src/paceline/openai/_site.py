"""What was agreed on for one HTTP client: whose quota, at what price, how patiently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from paceline._errors import ConfigError
from paceline._key import Key
from paceline._provider.cost import counted, price
from paceline._provider.estimate import Size, measure
from paceline._provider.request import Ask, api_key, read

from ._account import Account, Accounts, accounts_of
from ._exact import counter

if TYPE_CHECKING:
    from paceline import RateLimiter
    from paceline._provider.cost import CostName, CostRule, Refund

    from ._team import Team

_HOLDERS = frozenset({b"api-key", b"x-api-key", b"authorization"})

Tokens: TypeAlias = Literal["learnt", "exact"] | Callable[[Mapping[str, object]], int]


@dataclass(frozen=True, slots=True)
class Priced:
    """
    A request with its price.

    Attributes:
        ask: The request.

        size: Its text, measured.

        prompt: The estimate of its text, in tokens.

        cost: What to reserve, by counted unit.
    """

    ask: Ask
    size: Size
    prompt: int
    cost: dict[str, int]

    @property
    def sure(self) -> int | None:
        """
        Tokens that the provider charges on arrival for sure; None if it is a guess.

        It is sure where the longest answer outweighs the estimate of the request by
        far.
        """
        longest = self.ask.max_output
        return longest if longest is not None and longest >= 2 * self.prompt else None


@dataclass(frozen=True, slots=True)
class Site:
    """
    The settings of one HTTP client; see :func:`paceline.openai.limit`.

    Attributes:
        host_scope: Whether the scope is the host where a request has no API key of
            its own that lasts.

        team: The pool whose credentials call, in place of the client's own.
    """

    limiter: RateLimiter
    scope: str | None
    timeout: float | None
    cost: CostName | CostRule
    refund: Refund
    tokens: Tokens
    inject: bool
    learn: bool
    host_scope: bool
    team: Team | None = None
    accounts: Accounts = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "accounts", accounts_of(self.limiter))

    def ask(self, request: Any) -> Ask:
        """Read a request, whose body stays as it is if it is a stream."""
        # Bodies of bytes are there; those of streams are sent once, by httpx.
        try:
            content = request.content
        except RuntimeError:
            content = None
        kind = request.headers.get("content-type", "") if content else ""
        fields = getattr(request.stream, "fields", ())
        return read(request.method, request.url.path, kind, content, fields)

    def key(self, request: Any, ask: Ask) -> Key:
        """
        Return whose quota a request uses.

        Raises:
            ConfigError: If it has no API key, and no scope was given (P112).
        """
        if self.scope is not None:
            return _key(None, self.scope, ask.model)
        said = _credentials(request.headers)
        if not self.host_scope and (secret := api_key(said)):
            return _key(secret, None, ask.model)
        if self.host_scope and said.get("api-key"):
            return _key(said["api-key"], None, ask.model)
        if self.host_scope:
            return _key(None, request.url.host, ask.model)
        raise ConfigError(
            "a request has no API key, so nobody's quota is named",
            code="P112",
            hint='Name it: limit(client, limiter, scope="team-a").',
        )

    def account(self, key: Key, ask: Ask) -> Account | None:
        """
        Return the account of a key; None if what is asked for is not limited.

        Raises:
            ConfigError: If no limits apply to the model (P104).
        """
        try:
            account = self.accounts.get(self.limiter, key)
            account.look_up(self.limiter)
        except ConfigError as error:
            # Lists of models, files, polls: where limits go by model, they go free.
            if error.code == "P104" and ask.endpoint == "other":
                return None
            raise
        return account

    def price(self, account: Account, ask: Ask) -> Priced:
        """
        Return a request with its price.

        Raises:
            ConfigError: If exact counts are not to be had (P601).
        """
        size = Size(0.0)
        prompt = 0
        if ask.metered:
            if callable(self.tokens):
                prompt = self.tokens(ask.body)
            elif self.tokens == "exact":
                size = measure(ask, counter(ask.model))
                prompt = size.tokens(1.0)
            else:
                size = measure(ask)
                prompt = size.tokens(account.ratio.value)
        cost = price(self.cost, ask, prompt, account.usual_output)
        # What learnt limits count may change until the call's turn.
        units = cost if account.learns else account.units
        return Priced(ask, size, prompt, counted(cost, units))

    def gives_back(self, account: Account) -> bool:
        """Tell whether the provider gives unused tokens back, as far as is known."""
        if self.refund == "shown":
            return account.refunds.shown
        return self.refund == "always"


def _credentials(headers: Any) -> dict[str, str]:
    """Return those of a request's headers that may hold its API key, in one pass."""
    found: dict[str, str] = {}
    for raw, value in headers.raw:
        if (low := raw.lower()) in _HOLDERS:
            name, said = low.decode(), value.decode(headers.encoding)
            found[name] = f"{found[name]}, {said}" if name in found else said
    return found


@lru_cache(maxsize=1024)
def _key(secret: str | None, scope: str | None, model: str | None) -> Key:
    """Return the key of a call: many calls have the same."""
    return Key(secret, model, scope=scope)


def with_usage(request: Any, ask: Ask) -> Any:
    """Return the same request, but asking for the usage at the end of the stream."""
    body = ask.with_usage()
    headers = request.headers.copy()
    headers["content-length"] = str(len(body))
    return type(request)(
        request.method,
        request.url,
        headers=headers,
        content=body,
        extensions=request.extensions,
    )
