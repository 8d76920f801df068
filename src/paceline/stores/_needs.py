"""What a limiter asks of a server: the commands, and the rule that allows them."""

from __future__ import annotations

# EVAL sends a script the first time. The others are called by the scripts, and a server
# checks them, too, against what the user may do.
COMMANDS = (
    "evalsha", "eval", "time", "hmget", "hset", "hdel", "hgetall", "pttl", "pexpire",
)  # fmt: skip
PATTERN = "paceline:*"
RULE = f"~{PATTERN} {' '.join(f'+{command}' for command in COMMANDS)}"
