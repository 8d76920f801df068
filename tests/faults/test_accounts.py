"""
What is charged in the end is what was used, whatever befell the store on the way.

Callers give up, are cancelled and settle at random in two processes, while connections
drop, replies are lost and the server is stopped, killed and paused. Two limits hold
nobody up and count all that is ever charged: less than was used would be quota handed
out twice, more would be capacity lost. In a cluster accounts move meanwhile.

The long form, two minutes for each kind of limit and policy, with figures:
``python -m pytest -m soak -s tests/faults/test_accounts.py``; PACELINE_SOAK_SECONDS is
another length, PACELINE_SOAK_SEED another order of faults.
"""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

import rig
import rig_accounts
import rig_faults
from paceline import RateLimiter
from rig_proxy import FaultProxy

SECONDS = float(os.environ.get("PACELINE_SOAK_SECONDS", "60"))
SEED = int(os.environ.get("PACELINE_SOAK_SEED", "1"))
PAUSE = (0.3, 0.9)  # seconds between faults
PROCESSES = 2

SHORT = [("window", "wait"), ("bucket", "local")]
LONG = [(kind, how) for kind in rig_accounts.BINDING for how in ("wait", "local")]


def balance(url, kind, on_outage, seconds, disturb, *, strikes=False):
    """
    Return what was charged and used of each unit, and how callers ended without.

    Args:
        disturb: Does harm for so many seconds; returns how often of each kind.
    """
    with ThreadPoolExecutor(1) as pool:
        job = (seconds, SEED, on_outage, kind, strikes)
        jobs = [(url, place, *job) for place in range(PROCESSES)]
        going = pool.submit(rig.run_processes, rig_accounts.work, jobs, seconds + 60)
        faults = disturb(seconds - 1.0)
        parts = going.result()
    with RateLimiter(url, limits=rig_accounts.limits(kind)) as limiter:
        *whole, binding = limiter.peek("hot")
    charged = {each.unit: each.capacity - each.remaining for each in whole}
    used = {unit: sum(part[0][unit] for part in parts) for unit in charged}
    ends = sum((Counter(ends) for _, ends, _ in parts), Counter())
    print(f"\n{kind} {on_outage}: {charged=} {used=} {dict(faults)} {dict(ends)}")
    assert not any(left for *_, left in parts)
    if kind == "places" and not strikes:
        assert binding.remaining == binding.capacity
    return charged, used, ends


def at_one_server(node, kind, on_outage, seconds, *, strikes=False):
    chance = random.Random(f"{SEED} {kind} {on_outage}")
    with FaultProxy(node.socket) as proxy:

        def disturb(seconds):
            how = (seconds, chance, rig_faults.OTHERS, PAUSE)
            return rig_faults.disturb(node, proxy, *how)

        how = (kind, on_outage, seconds, disturb)
        return balance(proxy.url, *how, strikes=strikes)


@pytest.mark.parametrize(("kind", "on_outage"), SHORT)
def test_what_is_charged_is_what_was_used(durable, kind, on_outage):
    """
    To the unit, of requests and of tokens.
    """
    charged, used, _ = at_one_server(durable, kind, on_outage, 5.0)
    assert charged == used


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "on_outage"), LONG)
def test_what_is_charged_is_what_was_used_for_long(durable, kind, on_outage):
    """
    The same, with more of each fault.
    """
    charged, used, _ = at_one_server(durable, kind, on_outage, SECONDS)
    assert charged == used


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "on_outage"), LONG)
def test_a_handler_that_raises_costs_its_call_at_most(durable, kind, on_outage):
    """
    It may strike when the answer has come already; nothing is handed out twice by it.
    """
    charged, used, ends = at_one_server(durable, kind, on_outage, SECONDS, strikes=True)
    lost = charged["requests"] - used["requests"]
    assert 0 <= lost <= ends["struck"] / 20
    assert charged["tokens"] == used["tokens"] + rig_accounts.COST * lost


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "on_outage"), LONG)
def test_what_is_charged_follows_the_account(mortal_cluster, kind, on_outage):
    """
    The same in a cluster: its slot moves, its replica takes over, its owner stops.
    """
    with RateLimiter(mortal_cluster.url, limits="1/s") as limiter:
        key = limiter._engine.lookup("hot")[0].key
    chance = random.Random(f"{SEED} {kind} {on_outage}")

    def disturb(seconds):
        faults = [rig_faults.move, rig_faults.hand_over, rig_faults.stop_owner]
        how = (seconds, chance, faults, PAUSE)
        return rig_faults.disturb(mortal_cluster, key, *how)

    url = mortal_cluster.url
    charged, used, _ = balance(url, kind, on_outage, SECONDS, disturb)
    assert charged == used
