"""
What may befall a server and the way to it: each takes the node and its proxy.

``LOSING`` loses data, the others do not: the node must write all it acknowledges.
"""

import time
from collections import Counter


def drop(node, proxy):
    proxy.cut()


def lose_replies(node, proxy):
    proxy.mode = "reset_on_reply"
    time.sleep(0.3)
    proxy.mode = "pass"


def black_hole(node, proxy):
    proxy.mode = "blackhole"
    time.sleep(1.0)
    proxy.mode = "pass"
    proxy.cut()


def stop(node, proxy):
    node.pause()
    time.sleep(1.4)  # a call gives up sooner
    node.resume()


def kill(node, proxy):
    node.kill()
    time.sleep(0.5)
    node.start().wait()


def forget_scripts(node, proxy):
    node.ask("SCRIPT", "FLUSH")


def pause_clients(node, proxy):
    node.ask("CLIENT", "PAUSE", 700, "WRITE")


def flush(node, proxy):
    node.ask("FLUSHALL")


LOSING = [flush]
OTHERS = [
    drop,
    lose_replies,
    black_hole,
    stop,
    kill,
    forget_scripts,
    pause_clients,
]


def disturb(node, proxy, seconds, chance, faults, pause):
    """Do what *chance* says, *pause* seconds apart; return how often each was done."""
    done = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(chance.uniform(*pause))
        fault = chance.choice(faults)
        fault(node, proxy)
        done[fault.__name__] += 1
    return done
