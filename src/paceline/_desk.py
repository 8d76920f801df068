"""
What all calls of one limiter share.

That is what was last heard of the store, and what is owed to it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

from ._almanac import Almanac
from ._calls import Request, Scope
from ._corrections import Corrections, configured, figure
from ._facts import Known
from ._limits import SECOND_US
from ._owing import Owing
from ._policy import Policy
from ._refusals import Refusals
from ._reply import Answer
from ._sight import Sight

_log = logging.getLogger("paceline")

_MOST_HEARD = 10_000
_UNHEARD = (-inf, 0.0)
_QUIET = 60.0  # seconds between two lines about lost data


@dataclass(slots=True)
class Desk:
    """
    What all calls of one limiter share.

    Attributes:
        almanac: The server's day, and chance.

        heard: Per account: when it was last heard of and until when it cools down.

        late_us: How late this process's sleepers wake when they wake late, smoothed.

        seen: Per account: the last answer, in case that the store forgets; and, by
            None, the last one that told of what models share.

        heals: Whether the store is told what it has lost. Only tests say no.

        cautious: Whether an account that nobody remembers counts as used up.

        born_us: Since when the server has had its data; None if nobody asked.

        refusals: What the store refused a moment ago.

        corrections: What limits turned out to be since they were configured.

        doubts: Accounts of which others take a limit for another one: it may have been
            corrected.

        owed: Calls to be sent when the store is back.
    """

    almanac: Almanac
    late_us: int = 0
    heard: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    owed: Owing = field(default_factory=Owing)
    seen: dict[tuple[str, str | None], Sight] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    heals: bool = True
    cautious: bool = False
    born_us: int | None = None
    corrections: Corrections = field(default_factory=Corrections)
    doubts: set[tuple[str, str]] = field(default_factory=set)
    _met: set[tuple[str, str]] = field(default_factory=set)
    _cooled: dict[tuple[str, str], float] = field(default_factory=dict)
    _told: float = -inf
    _agreed: set[tuple[str, str, str]] = field(default_factory=set)
    _doubted: set[tuple[str, str, str, int]] = field(default_factory=set)
    _warned: set[tuple[str, str]] = field(default_factory=set)
    # By whose limits an account is known, and none of them was disagreed on.
    _settled: dict[tuple[str, str], Policy] = field(default_factory=dict)

    def hear(self, scope: Scope, at: float, policy: Policy, answer: Answer) -> None:
        """Take note of an answer that is as usual."""
        self.listen(scope, policy, at, answer.cool_us)
        self.keep(scope, (answer.alone(), at, policy))
        self.compare(scope, policy, answer)

    def listen(self, scope: Scope, policy: Policy, at: float, cool_us: int) -> None:
        """Note what a reply said of an account's cool-down."""
        if len(self.heard) > _MOST_HEARD:
            self.heard.clear()
        until = at + cool_us / SECOND_US if cool_us else 0.0
        if until:
            if len(self._cooled) > _MOST_HEARD:
                self._cooled.clear()
            self._cooled[scope.key, policy.account] = until
        self.heard[scope.key, policy.account] = (at, until)

    def heard_nothing(self, scope: Scope, policy: Policy, at: float) -> None:
        """Note that the store was asked of an account in vain."""
        self.heard[scope.key, policy.account] = (at, self.cools_until(scope, policy))

    def keep(self, scope: Scope, sight: Sight) -> None:
        """Remember an answer."""
        policy = sight[2]
        if len(self.seen) > _MOST_HEARD:
            self.seen.clear()
        old = self.seen.get((scope.key, policy.account))
        if old is not None and old[0].follows(sight[0]):
            return  # of those who share a call the last one tells how things stand
        self.seen[scope.key, policy.account] = sight
        if policy.shared:
            self.seen[scope.key, None] = sight
        if self.cautious:
            self._met.add((scope.key, policy.account))

    def current(self, scope: Scope, request: Request) -> Request:
        """Return a request under the limits as they are corrected by now."""
        if not self.corrections.version:
            return request
        before = request.policy
        policy = self.corrections.of(scope.key, before)
        if policy is before or not policy.is_alike(before):
            return request  # charges are of the limits that were known
        return replace(request, policy=policy)

    def learn(
        self, scope: Scope, policy: Policy, known: Mapping[str, Known], now: float
    ) -> None:
        """Take what processes tell of an account's limits."""
        changed = self.corrections.adopt(scope.key, policy, known, now)
        for key, account, tag in list(self._agreed) if changed else ():
            if any(key == place[0] and tag == place[2] for place in changed):
                self._agreed.discard((key, account, tag))
        tags = {place[2] for place in changed}
        for limit in self.corrections.of(scope.key, policy).limits if tags else ():
            if limit.tag in tags:
                _log.info(
                    "the limit %s%s of %s is %s now; it was %s",
                    limit.name,
                    f" of {policy.account}" if policy.account else "",
                    scope.display or "a key",
                    f"{figure(limit):,}",
                    f"configured as {configured(limit):,}"
                    if limit.configured != 0
                    else "learnt",
                )

    def is_stranger(self, scope: Scope, policy: Policy) -> bool:
        """Tell whether an account was never asked for here."""
        return (scope.key, policy.account) not in self._met

    def forget(self, scope: Scope, policy: Policy) -> Sight | None:
        """Forget an account; return what was known of it."""
        name = (scope.key, policy.account)
        self.heard.pop(name, None)
        self.refusals.forget(scope.key)
        self.seen.pop((scope.key, None), None)
        return self.seen.pop(name, None)

    def is_told(self, scope: Scope, policy: Policy, before: Sight | None) -> bool:
        """Tell whether the store was told what was known before, or more is known."""
        if before is None:
            return not self.is_stranger(scope, policy)
        return self.seen.get((scope.key, policy.account)) is not before

    def healed(
        self,
        scope: Scope,
        policy: Policy,
        before: Sight | None,
        restored: Mapping[str, int],
        now: float,
    ) -> None:
        """Note that the store knows again what it had lost."""
        name = (scope.key, policy.account)
        if self.seen.get(name) is before:
            self.seen.pop(name, None)
        self._met.add(name)
        if restored and now - self._told > _QUIET:
            self._told = now
            _log.warning(
                "the store lost what was booked of %s; %s",
                "/".join(filter(None, name[1:])) or scope.display or "a key",
                "it was told again" if before else "the limits count as used up",
            )

    def heard_since(self, scope: Scope, policy: Policy, moment: float) -> bool:
        """Tell whether a reply told of an account since *moment*."""
        return self.heard.get((scope.key, policy.account), _UNHEARD)[0] >= moment

    def cools_until(self, scope: Scope, policy: Policy) -> float:
        """Return until when an account cools down, as far as was heard."""
        return self.heard.get((scope.key, policy.account), _UNHEARD)[1]

    def cooled(self, scope: Scope, policy: Policy) -> float:
        """Return when the last cool-down that was heard of ends or ended, or 0.0."""
        return self._cooled.get((scope.key, policy.account), 0.0)

    def note_lag(self, lag_us: int) -> None:
        """Note how late a sleeper woke."""
        # Up by a quarter of the way, down by a fiftieth: a high quantile, which one
        # stall does not throw off.
        way = lag_us - self.late_us
        self.late_us += way // 4 if way > 0 else -(-way // 50)

    @property
    def spare_us(self) -> int:
        """By how much to book turns for late use, so that few are missed."""
        return self.late_us * 3 // 2

    def compare(self, scope: Scope, policy: Policy, answer: Answer) -> None:
        """
        Warn once, per limit, if another process takes it for another capacity.

        The first to come with a changed limit finds the old one, which is no
        disagreement; who finds its own overwritten has one.
        """
        if not answer.charged:
            return
        whose = (scope.key, policy.account)
        if not answer.others:
            if self._settled.get(whose) is policy:
                return
            if len(self._settled) < _MOST_HEARD:
                self._settled[whose] = policy
        others = {id(limit): theirs for limit, theirs in answer.others}
        for limit in policy.limits:
            name = (scope.key, policy.account, limit.tag)
            theirs = others.get(id(limit))
            if theirs is None or name not in self._agreed:
                if len(self._agreed) < _MOST_HEARD:
                    self._agreed.add(name)
            elif self._doubts(name, theirs):
                self.doubts.add(name[:2])
            elif name[1:] not in self._warned and limit.configured is None:
                self._warned.add(name[1:])
                _log.warning(
                    "processes disagree on the limit %s%s: another one takes it for "
                    "%s, this one for %s; the account is the same, so give all of "
                    "them the same limits",
                    limit.name,
                    f" of {policy.account}" if policy.account else "",
                    f"{theirs:,}",
                    f"{limit.capacity:,}",
                )

    def _doubts(self, name: tuple[str, str, str], theirs: int) -> bool:
        """Tell whether a figure of others is new: it may be a correction."""
        if (*name, theirs) in self._doubted or len(self._doubted) >= _MOST_HEARD:
            return False
        self._doubted.add((*name, theirs))
        return True
