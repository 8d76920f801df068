"""
A cluster and a primary with Sentinels, of this run's own, ready in some two seconds.

What makes it fast: every node meets every other at once instead of waiting for gossip;
nodes get their configuration epochs and slots before they meet.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import rig

_SLOTS = 16_384
NODE_TIMEOUT = 1_000  # milliseconds until a node, or a Sentinel's primary, is down
_COMMON = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]


def until(happens, seconds=20.0):
    """Wait for something to be so; a server that does not answer yet is not."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if happens():
                return
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.005)


class Node:
    """A server on a port of 127.0.0.1."""

    def __init__(self, binary, directory, *options):
        self.port = rig.free_port()
        self.directory = Path(directory) / str(self.port)
        self.directory.mkdir()
        self.arguments = [binary, "--port", self.port, "--bind", "127.0.0.1"]
        self.socket = self.directory / "s"
        self.arguments += ["--unixsocket", self.socket, "--dir", self.directory]
        self.arguments += [*_COMMON, *options]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [str(argument) for argument in self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=rig._die_with_parent,  # noqa: PLW1509 -- from the main thread
        )
        return self

    def wait(self):
        with self.client() as client:
            until(client.ping)

    def client(self):
        return redis.Redis(
            port=self.port,
            decode_responses=True,
            protocol=2,
            socket_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        )

    def listens(self):
        with socket.create_connection(("127.0.0.1", self.port)):
            return True

    def ask(self, *command):
        with self.client() as client:
            return client.execute_command(*command)

    def pause(self):
        self.process.send_signal(rig.signal.SIGSTOP)

    def resume(self):
        if self.process.poll() is None:
            self.process.send_signal(rig.signal.SIGCONT)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.resume()
            self.process.kill()
            self.process.wait(10)


class Cluster:
    """
    Three primaries, each with a replica.

    Attributes:
        nodes: The primaries, as it was at the start, then their replicas.
    """

    def __init__(self, binary, directory, primaries=3):
        self.primaries = primaries
        options = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"]
        options += ["--cluster-node-timeout", NODE_TIMEOUT]
        options += ["--cluster-replica-validity-factor", 0]
        options += ["--cluster-require-full-coverage", "no"]
        self.nodes = []
        for _ in range(2 * primaries):
            bus = rig.free_port()
            node = Node(binary, directory, *options, "--cluster-port", bus)
            node.bus = bus
            self.nodes.append(node)

    @property
    def url(self):
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def start(self):
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait()
        for epoch, node in enumerate(self.nodes, 1):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        share = -(-_SLOTS // self.primaries)
        for number, node in enumerate(self.nodes[: self.primaries]):
            last = min(share * (number + 1), _SLOTS) - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", share * number, last)
        for number, node in enumerate(self.nodes):
            for other in self.nodes[number + 1 :]:
                node.ask("CLUSTER", "MEET", "127.0.0.1", other.port, other.bus)
        for node in self.nodes:
            until(lambda node=node: self._knows_all(node))
        for node, replica in zip(
            self.nodes, self.nodes[self.primaries :], strict=False
        ):
            identity = node.ask("CLUSTER", "MYID")
            replicate = ("CLUSTER", "REPLICATE", identity)
            until(lambda: replica.ask(*replicate) in {True, "OK"})  # noqa: B023
        self.settle()
        return self

    def _knows_all(self, node):
        lines = self._table(node)
        return len(lines) == len(self.nodes) and "handshake" not in str(lines)

    @staticmethod
    def _table(node):
        return node.ask("CLUSTER", "NODES").splitlines()

    def settle(self):
        """Wait until every node is up, each primary has its replica and all know it."""
        for node in self.nodes:
            until(lambda node=node: self._settled(node))

    def _settled(self, node):
        roles = [line.split()[2] for line in self._table(node)]
        replicas = [role for role in roles if "slave" in role]
        if len(replicas) != self.primaries or "fail" in str(roles):
            return False
        with node.client() as client:
            told = client.info("replication")
        if told["role"] == "slave" and told["master_link_status"] != "up":
            return False
        return "cluster_state:ok" in node.ask("CLUSTER", "INFO")

    def owner(self, key):
        """Return the node that has a key, as one that lives tells it."""
        slot = redis.crc.key_slot(key.encode())
        for node in reversed(self.nodes):  # replicas are not killed in tests
            with contextlib.suppress(redis.RedisError):
                for line in self._table(node):
                    (
                        _,
                        address,
                        role,
                        *_,
                    ) = line.split()
                    ranges = line.split()[8:]
                    port = int(address.split("@")[0].rpartition(":")[2])
                    if (
                        "master" in role
                        and "fail" not in role
                        and _within(slot, ranges)
                    ):
                        return self.by_port(port)
                return None
        return None

    def leaders(self):
        """Return the primaries, as they are now."""
        return [node for node in self.nodes if node.ask("ROLE")[0] == "master"]

    def replica_of(self, primary):
        """Return the node that copies another one."""
        return next(
            node
            for node in self.nodes
            if (role := node.ask("ROLE"))[0] == "slave" and role[2] == primary.port
        )

    def by_port(self, port):
        return next(node for node in self.nodes if node.port == port)

    def move(self, key, target, step):
        """Move a key's slot to another node, one step at a time."""
        slot, source = redis.crc.key_slot(key.encode()), self.owner(key)
        setslot = ("CLUSTER", "SETSLOT", slot)
        if step == "begin":
            target.ask(*setslot, "IMPORTING", source.ask("CLUSTER", "MYID"))
            source.ask(*setslot, "MIGRATING", target.ask("CLUSTER", "MYID"))
        elif step == "migrate":
            source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 5_000)
        else:
            for node in (target, source):
                node.ask(*setslot, "NODE", target.ask("CLUSTER", "MYID"))

    def flush(self):
        for node in self.nodes:
            with contextlib.suppress(redis.RedisError), node.client() as client:
                if client.info("replication")["role"] == "master":
                    client.flushall()
                    client.script_flush()

    def kill(self):
        for node in self.nodes:
            node.kill()


def _within(slot, ranges):
    for each in ranges:
        if each.startswith("["):
            continue  # a slot that moves
        first, _, last = each.partition("-")
        if int(first) <= slot <= int(last or first):
            return True
    return False


class Watched:
    """A primary and a replica, watched by three Sentinels."""

    name = "quota"

    def __init__(self, binary, directory):
        self.primary = Node(binary, directory)
        replica = ["--replicaof", f"127.0.0.1 {self.primary.port}"]
        self.replica = Node(binary, directory, *replica)
        self.sentinels = [self._sentinel(binary, directory) for _ in range(3)]

    def _sentinel(self, binary, directory):
        node = Node(binary, directory)
        rules = node.directory / "sentinel.conf"
        rules.write_text(
            f"port {node.port}\nbind 127.0.0.1\ndir {node.directory}\n"
            f"sentinel monitor {self.name} 127.0.0.1 {self.primary.port} 2\n"
            f"sentinel down-after-milliseconds {self.name} {NODE_TIMEOUT}\n"
            f"sentinel failover-timeout {self.name} 3000\n"
        )
        node.arguments = [binary, rules, "--sentinel"]
        return node

    @property
    def url(self):
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.sentinels)
        return f"redis+sentinel://{hosts}/{self.name}"

    def start(self):
        for node in (self.primary, self.replica):
            node.start().wait()
        with self.replica.client() as client:
            until(lambda: client.info("replication")["master_link_status"] == "up")
        for node in self.sentinels:
            node.start()
        for node in self.sentinels:
            node.wait()
            until(lambda node=node: self._sees(node))
        return self

    def _sees(self, node):
        told = node.ask("SENTINEL", "MASTER", self.name)
        pairs = dict(zip(told[::2], told[1::2], strict=True))
        return (pairs["num-other-sentinels"], pairs["num-slaves"]) == ("2", "1")

    @property
    def leader(self):
        """The node that the Sentinels take for the primary."""
        told = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
        return next(n for n in (self.primary, self.replica) if n.port == int(told[1]))

    def kill(self):
        for node in (*self.sentinels, self.primary, self.replica):
            node.kill()
