"""A server that answers whatever it likes, on a socket of its own."""

import contextlib
import random
import socket
import threading

WORDS = [b"", b"1", b"-1", b"0", b"2", b"3", b"nan", b"x" * 300, b"\xff\xfe", b"1e999"]
ERRORS = [
    *(b"ERR no", b"NOSCRIPT none", b"WRONGTYPE x", b"OOM full", b"LOADING", b"BUSY x"),
    *(b"NOAUTH x", b"NOPERM x", b"READONLY x", b"MOVED 1 127.0.0.1:1", b"ASK 1 h:1"),
    *(b"MISCONF x", b"CLUSTERDOWN", b"TRYAGAIN", b"\xff\x00", b"", b"user_script:1: x"),
]


def simple(chance):
    """Return bytes for one value, mostly well formed."""
    kind = chance.randrange(8)
    word = chance.choice(WORDS)
    if kind == 0:
        return b"-" + chance.choice(ERRORS) + b"\r\n"
    if kind == 1:
        return b"+" + word + b"\r\n"
    if kind in (2, 3):
        return b":%d\r\n" % chance.choice([0, 1, 2, 3, -1, 2**63, 10**30, 7])
    if kind == 4:
        return chance.choice([b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"_\r\n", b"#t\r\n"])
    return b"$%d\r\n%b\r\n" % (len(word), word)


def value(chance, depth=0):
    """Return bytes for a value, nested and sometimes long."""
    if depth > 3 or chance.random() < 0.4:
        return simple(chance)
    size = chance.choice([0, 1, 2, 5, 8, 13, 40])
    parts = [value(chance, depth + 1) for _ in range(size)]
    return b"*%d\r\n" % size + b"".join(parts)


def likely(chance):
    """Return an array that begins as our scripts' replies do."""
    head = chance.choice([0, 1, 1, 1, 2, 3])
    numbers = [
        chance.choice([0, 1, 5, -1, 10**15, 2**53, 1_700_000_000_000_000])
        for _ in range(chance.choice([1, 3, 5, 8, 9, 10, 11, 12, 20]))
    ]
    parts = [b":%d\r\n" % number for number in (head, *numbers)]
    if chance.random() < 0.5:
        parts[chance.randrange(len(parts))] = value(chance, 2)
    return b"*%d\r\n" % len(parts) + b"".join(parts)


def torn(chance):
    """Return what is no value: garbage, a piece, a size that is not kept."""
    whole = likely(chance)
    return chance.choice(
        [
            whole[: chance.randrange(len(whole))],
            whole + b"*3\r\n",
            b"*99999999999\r\n",
            b"$99999999999\r\nx\r\n",
            b"*-5\r\n",
            b"$x\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"*1\r\n" * 2000,
            chance.randbytes(40),
        ]
    )


class Hostile:
    """Listens on a free port; its answers are drawn from a seed."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.answers = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(
                    target=self._serve, args=(connection,), daemon=True
                ).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while connection.recv(1 << 16):
                self.answers += 1
                kind = self.chance.random()
                if kind < 0.02:
                    return  # hangs up
                make = likely if kind < 0.5 else value if kind < 0.9 else torn
                answer = make(self.chance)
                connection.sendall(answer)
                if make is torn:
                    return
