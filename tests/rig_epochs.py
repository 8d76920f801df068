"""
A fleet and a provider in one thread, with a clock of their own: who proves what?

Several processes, each with its own ``Epochs``, share a board of facts as the store
keeps them. Their calls overlap, and come in bursts, steadily or seldom.
"""

import heapq
import itertools
from dataclasses import dataclass

from paceline._facts import Known
from paceline._provider.feedback import Reading
from paceline.openai._epochs import Epochs


class Board:
    """What the store keeps, as ``lua/note.lua`` does, by a clock that may step."""

    def __init__(self):
        self.facts, self.step = {}, 0.0

    def exchange(self, facts, now):
        now += self.step
        for name, value, seconds, _, yields in facts:
            if yields and self.facts.get(name, ("", now))[1] > now:
                continue
            self.facts[name] = (value, now + seconds)
        self.facts = {n: f for n, f in self.facts.items() if f[1] > now}
        return {n: Known(v, stop - now) for n, (v, stop) in self.facts.items()}


class Bucket:
    """
    A continuously refilled bucket.

    Args:
        gives_back: Whether unused tokens come back with the answer.

        late: Whether headers tell how it stands at the answer, not at the arrival.

        lag: Seconds by which headers are behind.

        digits: Decimal places of a reset.
    """

    def __init__(self, limit, per, burst, *, gives_back, late, lag=0.0, digits=3):
        self.limit, self.per, self.burst = limit, per, burst
        self.gives_back, self.late, self.lag, self.digits = (
            gives_back,
            late,
            lag,
            digits,
        )
        self.left, self.at = float(burst), 0.0
        self.past = [(0.0, self.left)]

    def refill(self, now):
        rate = self.limit / self.per
        self.left = min(self.burst, self.left + max(0.0, now - self.at) * rate)
        self.at = max(self.at, now)
        if self.lag:
            self.past.append((now, self.left))

    def take(self, now, units):
        self.refill(now)
        if units > self.left:
            return False
        self.left -= units
        self.past.append((now, self.left))
        return True

    def change(self, factor):
        self.limit, self.burst = int(self.limit * factor), int(self.burst * factor)
        self.left = min(self.left, self.burst)

    def give(self, now, units):
        self.refill(now)
        if self.gives_back:
            self.left = min(self.burst, self.left + units)

    def reading(self, now):
        self.refill(now)
        left = self.left
        if self.lag:
            while len(self.past) > 1 and self.past[1][0] <= now - self.lag:
                self.past.pop(0)
            left = self.past[0][1]
        return self.words(left, (self.burst - left) * self.per / self.limit)

    def words(self, left, reset):
        left = max(0, int(left))
        return Reading("tokens", self.limit, left, round(reset, self.digits), None)


class Fixed(Bucket):
    """A limit whose windows begin anew, full, at fixed moments."""

    def refill(self, now):
        if int(now / self.per) > int(self.at / self.per):
            self.left = float(self.burst)
        self.at = max(self.at, now)

    def reading(self, now):
        self.refill(now)
        return self.words(self.left, self.per - now % self.per)


class Sliding(Bucket):
    """A limit over the last window; a reset says when the oldest call leaves it."""

    def __init__(self, *args, whole=False, **how):
        super().__init__(*args, **how)
        self.log, self.whole = [], whole

    def refill(self, now):
        self.log = [(at, n) for at, n in self.log if at > now - self.per]
        self.left = self.burst - sum(n for _, n in self.log)

    def take(self, now, units):
        self.refill(now)
        if units > self.left:
            return False
        self.log.append((now, units))
        return True

    def reading(self, now):
        self.refill(now)
        moments = [at for at, _ in self.log] or [now - self.per]
        edge = max(moments) if self.whole else min(moments)
        return self.words(self.left, edge + self.per - now)


@dataclass
class Trouble:
    """How often what goes wrong, per second or per exchange."""

    lost: float = 0.0
    flush: float = 0.0
    step: float = 0.0
    death: float = 0.0
    sleep: float = 0.0
    change: float = 0.0
    failed: float = 0.0


class Process:
    def __init__(self, dice):
        self.epochs = Epochs(lambda: f"{dice.getrandbits(32):08x}")
        self.meets = 0.0
        self.behind = 0.0  # a machine that slept has a clock that is behind


class Fleet:
    """
    Some processes that call one provider.

    Args:
        cap: The tokens that our own limiter lets through: at once, and per second.

        per: The seconds of the window that our limit is configured with.

    Attributes:
        shown: When it was proved. None if it was not.
    """

    def __init__(self, dice, provider, processes, cap, per, trouble=None):
        self.dice, self.provider, self.per = dice, provider, per
        self.board, self.trouble = Board(), trouble or Trouble()
        self.processes = [Process(dice) for _ in range(processes)]
        self.ours, self.rate = cap
        self.most = self.ours
        self.at = 0.0
        self.shown = None
        self._events, self._order = [], itertools.count()

    def run(self, seconds, demand, latency, size, used, rivals=0.0):
        """
        Let them call.

        Args:
            demand: The tokens a second that they would like, by the moment.

            latency: The bounds of an answer's seconds.

            size: The bounds of max_tokens.

            used: The bounds of the share of it that is used.

            rivals: The share of the refill that others take.
        """
        dice, now, tick = self.dice, 0.0, 0.05
        while now < seconds and self.shown is None:
            now += tick * dice.uniform(0.5, 1.5)
            self.ours = min(self.most, self.ours + (now - self.at) * self.rate)
            self.at = now
            self._do_events(now)
            self._spoil(tick)
            if rivals and dice.random() < 0.2:
                rate = self.provider.limit / self.provider.per
                self.provider.take(now, int(rivals * rate * tick * 5))
            wanted = demand(now) * tick
            while wanted > 0:
                cost = dice.randint(*size)
                if cost > self.ours or dice.random() > wanted / cost:
                    break
                wanted -= cost
                self.ours -= cost
                self._call(now, cost, latency, used)
        return self.shown

    def _push(self, at, what, *args):
        heapq.heappush(self._events, (at, next(self._order), what, args))

    def _do_events(self, now):
        while self._events and self._events[0][0] <= now:
            at, _, what, args = heapq.heappop(self._events)
            what(at, *args)

    def _call(self, now, cost, latency, used):
        process = self.dice.choice(self.processes)
        local = now - process.behind
        if local >= process.meets:
            process.meets = local + 1.0
            trip = self.dice.uniform(0.0005, 0.2)
            facts = process.epochs.facts(local)
            self._push(now + trip / 2, self._exchange, process, facts, local, trip / 2)
            now += trip  # it waits for that
        self._push(now, self._send, process, cost, latency, used)

    def _send(self, now, process, cost, latency, used):
        sent = now - process.behind
        seconds = self.dice.uniform(*latency)
        way = seconds * self.dice.random() * 0.2
        self._push(now + way, self._arrive, process, sent, seconds - way, cost, used)

    def _exchange(self, now, process, facts, asked, back):
        known = self.board.exchange(facts, now)
        if self.dice.random() < self.trouble.lost:
            return  # the reply
        if self.dice.random() < self.trouble.lost:
            known = self.board.exchange(facts, now + back)  # sent again
        self._push(now + back, self._told, process, known, asked)

    def _told(self, now, process, known, asked):
        if process.epochs.meet(known, asked, now - process.behind):
            self.shown = self.shown or now

    def _arrive(self, now, process, sent, seconds, cost, used):
        if self.dice.random() < self.trouble.failed or not self.provider.take(
            now, cost
        ):
            return
        early = self.provider.reading(now)
        self._push(now + seconds, self._answer, process, sent, cost, used, early)

    def _answer(self, now, process, sent, cost, used, early):
        self.provider.give(now, cost - int(cost * self.dice.uniform(*used)))
        reading = self.provider.reading(now) if self.provider.late else early
        heard = now - process.behind
        process.epochs.count(sent, heard, cost, reading, self.per)

    def _spoil(self, tick):
        dice, trouble = self.dice, self.trouble
        if dice.random() < trouble.flush * tick:
            self.board.facts = {}
        if dice.random() < trouble.step * tick:
            self.board.step += dice.uniform(-60.0, 60.0)
        if dice.random() < trouble.death * tick:
            self.processes[dice.randrange(len(self.processes))] = Process(dice)
        if dice.random() < trouble.change * tick:
            self.provider.change(dice.choice([0.5, 0.8, 1.25, 2.0]))
        if dice.random() < trouble.sleep * tick:
            dice.choice(self.processes).behind += dice.uniform(0.0, 60.0)
