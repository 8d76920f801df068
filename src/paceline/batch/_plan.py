"""How long a batch will take, and which limit decides, before anything is sent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from paceline._limiter import RateLimiter
from paceline._rules import Rules

from ._account import Account, Places, account_of
from ._identity import DEFAULT_KEY_ENV, key_from, keys_of, policies_of
from ._rows import Row, read_rows, refuse_problems

if TYPE_CHECKING:
    from paceline import Key, LimitStatus
    from paceline._policy import Policy
    from paceline._rules import Limits

TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class LimitPlan:
    """
    What one limit has to do with it.

    Attributes:
        name: The limit's name, e.g. ``"tokens/min"``.

        unit: What it counts.

        capacity: Units that it holds.

        remaining: Units left now, in the store's account; all of them without a store.

        units: Units that the rows reserve.

        seconds: How long the rows would take if it were the only limit.
    """

    name: str
    unit: str
    capacity: int
    remaining: int
    units: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """
    What one model's rows will take.

    Attributes:
        model: Its name.

        rows: How many rows there are.

        cost: What they reserve in all, by unit.

        seconds: Until the last answer.

        bottleneck: The limit that decides, or ``"tasks"``. None if none does.

        limits: Each limit.
    """

    model: str
    rows: int
    cost: Mapping[str, int]
    seconds: float
    bottleneck: str | None
    limits: tuple[LimitPlan, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a batch will take.

    Attributes:
        rows: Rows that are requests.

        invalid: Lines that are none.

        seconds: Until the last answer, all models at the same time.

        models: Each model, the slowest first.
    """

    rows: int
    invalid: int
    seconds: float
    models: tuple[ModelPlan, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as values for JSON."""
        return {
            "rows": self.rows,
            "invalid": self.invalid,
            "seconds": round(self.seconds, 3),
            "models": [_fields(model) for model in self.models],
        }


def plan_batch(
    source: str | os.PathLike[str],
    limits: Limits | RateLimiter,
    *,
    api_key: str | None = None,
    scope: str | None = None,
    tasks: int = 64,
    call_time: float = 1.0,
    skip_invalid: bool = False,
) -> Plan:
    """
    Plan a batch: what it reserves, how long it takes, which limit decides.

    Tokens are estimated as a run would reserve them; where less is used and given back,
    it is faster. Nothing is sent, and nothing is written.

    Args:
        source: The requests, in the format of OpenAI's Batch API.

        limits: As RateLimiter takes them: then they are taken as unused. Or a limiter:
            then it begins with what its store says is left now.

        api_key: Whose account; default $OPENAI_API_KEY. Needed with a limiter only.

        scope: Names the account instead of the key.

        tasks: Requests at a time.

        call_time: Seconds that an answer takes.

        skip_invalid: Leave lines out that are no requests.

    Raises:
        ConfigError: If rows are no requests (P701), or the file (P702), the limits or
            the store (P1xx) cannot be used.

        StoreError: If the store does not tell (P2xx).
    """
    look: Callable[[Key], Iterable[LimitStatus]] = _untouched
    if isinstance(limits, RateLimiter):
        look, policy_of = limits.peek, policies_of(limits)
        if api_key is None:
            api_key = key_from(DEFAULT_KEY_ENV, scope)
        key_of = keys_of(api_key, scope)
    else:
        rules = Rules(limits)
        key_of = keys_of(None, scope or "plan")

        def policy_of(key: Key) -> Policy:
            return rules.policy(key.model)

    rows = read_rows(Path(source), key_of, policy_of)
    if not skip_invalid:
        refuse_problems(rows)
    by_model: dict[str, list[Row]] = {}
    for row in rows.rows:
        by_model.setdefault(row.model, []).append(row)
    now = time.time()
    models = []
    for model, some in by_model.items():
        key = key_of(model)
        standing, policy = tuple(look(key)), policy_of(key)
        share = max(1, tasks * len(some) // len(rows.rows))
        models.append(_plan_model(model, some, policy, standing, now, call_time, share))
    models.sort(key=lambda each: -each.seconds)
    longest = max((each.seconds for each in models), default=0.0)
    return Plan(len(rows.rows), len(rows.problems), longest, tuple(models))


def _untouched(_: Key) -> Iterable[LimitStatus]:
    return ()


def _plan_model(
    model: str,
    rows: list[Row],
    policy: Policy,
    standing: tuple[LimitStatus, ...],
    now: float,
    call: float,
    tasks: int,
) -> ModelPlan:
    statuses = {status.name: status for status in standing}
    costs = [
        tuple(row.cost.get(limit.unit, 1) for limit in policy.limits) for row in rows
    ]

    def accounts() -> list[Account]:
        fresh: list[Account] = []
        for limit in policy.limits:
            status = statuses.get(limit.name)
            used = limit.capacity - status.remaining if status else 0
            reset = status.reset_after if status else 0.0
            fresh.append(account_of(limit, used, reset, now, call))
        return fresh

    limits = []
    for place, (limit, account) in enumerate(
        zip(policy.limits, accounts(), strict=True)
    ):
        alone, _ = _last_act([(cost[place],) for cost in costs], [account])
        status = statuses.get(limit.name)
        limits.append(
            LimitPlan(
                limit.name,
                limit.unit,
                limit.capacity,
                status.remaining if status else limit.capacity,
                sum(cost[place] for cost in costs),
                alone + call,
            )
        )
    last, waits = _last_act(
        [(*cost, 1) for cost in costs], [*accounts(), Places(tasks, call)]
    )
    names = [*(limit.name for limit in policy.limits), TASKS]
    most = max(waits)
    total: dict[str, int] = {}
    for row in rows:
        for unit, amount in row.cost.items():
            total[unit] = total.get(unit, 0) + amount
    bottleneck = names[waits.index(most)] if most > 0 else None
    return ModelPlan(model, len(rows), total, last + call, bottleneck, tuple(limits))


def _last_act(
    costs: list[tuple[int, ...]], accounts: list[Account]
) -> tuple[float, list[float]]:
    """Return when the last call goes, and for how long each account was waited for."""
    moment = 0.0
    waits = [0.0] * len(accounts)
    for cost in costs:
        pairs = list(zip(accounts, cost, strict=True))
        before, latest, place = moment, -inf, 0
        for index, (account, units) in enumerate(pairs):
            earliest = account.earliest(units, moment)
            if earliest > latest:
                latest, place = earliest, index
        moment = latest
        waits[place] += moment - before
        for account, units in pairs:
            account.charge(units, moment)
    return moment, waits


def _fields(model: ModelPlan) -> dict[str, object]:
    limits = [
        {name: getattr(limit, name) for name in LimitPlan.__slots__}
        | {"seconds": round(limit.seconds, 3)}
        for limit in model.limits
    ]
    return {
        "model": model.model,
        "rows": model.rows,
        "cost": dict(model.cost),
        "seconds": round(model.seconds, 3),
        "bottleneck": model.bottleneck,
        "limits": limits,
    }
