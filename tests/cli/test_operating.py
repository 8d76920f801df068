"""The operator's commands on real servers: status, top and reset."""

import io
import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from paceline import CalendarWindow, Key, RateLimiter, TokenBucket
from paceline._calls import Clock, Request
from paceline._facts import GIVES_BACK, Fact, encode_note
from paceline._wire import encode_acquire
from paceline.cli import main, tables, top

API_KEY = "sk-live-51Habcdefghijklmnop"


@pytest.fixture
def run(clean_server, capsys, monkeypatch):
    """Run a command at the server; return exit code, stdout and stderr."""
    monkeypatch.setenv("PACELINE_STORE", clean_server.url)

    def call(*args):
        code = main(list(args))
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def document(run):
    """Run a command with --json; return its document."""

    def call(*args):
        code, out, _ = run(*args, "--json")
        assert code == 0, out
        return json.loads(out)

    return call


def limiter(clean_server, limits=("10 requests/min", "1k tokens/min"), **more):
    return RateLimiter(clean_server.url, limits=limits, **more)


def test_nothing_is_told_apart_from_something(run):
    """
    No account: stdout is empty, stderr says so, and that is no error.
    """
    code, out, err = run("status")
    assert (code, out) == (0, "")
    assert err.startswith("No such account at unix://")


def test_status_says_what_peek_says(clean_server, document):
    """
    Each limit of each model by the scope's name, without being told the limits.
    """
    limits = [
        "10 requests/min",
        TokenBucket(1_000, 60.0, burst=2_000, unit="tokens"),
        CalendarWindow(50, "day", "Europe/Paris"),
        "3 concurrent",
    ]
    with limiter(clean_server, limits, shared="30/min") as ours:
        for model in ("gpt-4o", "o1"):
            ours.acquire(Key(scope="team-a", model=model), {"tokens": 850})
        peeked = ours.peek(Key(scope="team-a", model="o1"))
    (scope,) = document("status")["scopes"]
    assert scope["name"] == "team-a"
    accounts = {account["model"]: account["limits"] for account in scope["accounts"]}
    assert list(accounts) == ["gpt-4o", "o1", None]
    shown = {limit["limit"]: limit for limit in (*accounts["o1"], *accounts[None])}
    assert list(shown) == [
        "10 requests/min",
        "1k tokens/min burst 2k",
        "50 requests/day calendar Europe/Paris",
        "3 concurrent",
        "30 requests/min",
    ]
    for status, limit in zip(peeked, shown.values(), strict=True):
        assert (status.unit, status.capacity) == (limit["unit"], limit["capacity"])
        assert limit["free"] == pytest.approx(status.remaining, abs=5)
        assert limit["reset_after"] == pytest.approx(status.reset_after, abs=1)
    assert shown["3 concurrent"]["used"] == 1
    assert shown["30 requests/min"]["used"] == 2


def test_status_shows_who_waits_and_who_cools_down(clean_server, run, document):
    """
    Booked ahead, and until when nobody goes.
    """
    with limiter(clean_server, "2/min") as ours:
        ours.acquire("a", 2)
        ours.cool_down("b", 90)
        # A waiter in the midst of its wait: booked, and not yet back.
        scope, policy = ours._engine.lookup("a")
        asked = Request(policy, (1,), max_wait_us=70_000_000)
        call = encode_acquire(scope, [asked], Clock(1, 0))
        ours._engine._store.sync().call(call, time.monotonic())
    one, other = document("status")["scopes"]
    assert one["accounts"][0]["limits"][0]["waiting"] == 1
    assert other["accounts"][0]["cool_down"] == pytest.approx(90, abs=1)
    out = run("status")[1]
    assert "2 (100%)" in out


def test_status_shows_the_429s_of_each_model(clean_server, run, document):
    """
    How many, and how long ago the last one was; null moments where there was none.
    """
    with limiter(clean_server, "9/min", shared="99/min") as ours:
        for model in ("gpt-4o", "o1"):
            ours.acquire(Key(scope="a", model=model))
        for _ in range(1_203):
            ours.cool_down(Key(scope="a", model="o1"), 0)
        ours.cool_down(Key(scope="a", model="gpt-4o"), 0, refused=False)
    (scope,) = document("status")["scopes"]
    one, other, shared = (account["refusals"] for account in scope["accounts"])
    assert one == shared == {"count": 0, "since": None, "last": None}
    assert other["count"] == 1_203
    assert 0 <= other["last"] <= other["since"] < 60
    head, *lines, _ = run("status")[1].splitlines()
    assert head.endswith("  429s")
    assert lines[0].endswith("  -")
    assert re.search(r"  1,203, \d+ s ago$", lines[1])


def test_429s_are_shown_when_the_limits_are_long_idle(clean_server, run, document):
    """
    A row with nothing but them, until they are forgotten or reset.
    """
    with limiter(clean_server, "9/min") as ours:
        key = Key(scope="a", model="o1")
        ours.cool_down(key, 0)
        lines = run("status")[1].splitlines()
        assert re.search(r"^a +o1( +-){6} +1, 1 s ago$", lines[1])
        assert len(run("top", "--once", "--interval", "0.1")[1].splitlines()) == 4
        client = clean_server.client()
        (name,) = client.scan_iter()
        client.hdel(name, "m:o1")  # as when others use the scope, in time
        (account,) = document("status")["scopes"][0]["accounts"]
        assert (account["limits"], account["refusals"]["count"]) == ([], 1)
        code, out, _ = run("reset", "a", "--model", "o1", "--yes")
        assert (code, out) == (0, "1 account of a forgotten: o1.\n")
        assert document("status")["scopes"] == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (7_199.0, "1 h"),
        (90_000.0, "1 d"),
    ],
)
def test_how_long_ago_is_said_in_one_word(seconds, words):
    """
    The column stays narrow.
    """
    assert tables.rough(seconds) == words


def test_a_narrow_terminal_gets_no_columns_with_nothing_in_them():
    """
    Where there is room all are shown, and those with words always.
    """
    head = ("scope", "model", "limit", "used", "waiting", "429s")
    lines = [("a", "-", "9 requests/min", "1 (11%)", "-", "3, 1 s ago")]
    lines.append(("", "", "9 tokens/min", "0 (0%)", "-", ""))
    assert tables.fitting(head, lines, 80) == (head, lines)
    narrow, rest = tables.fitting(head, lines, 40)
    assert narrow == ("scope", "model", "limit", "used", "429s")
    assert rest[0] == ("a", "-", "9 requests/min", "1 (11%)", "3, 1 s ago")
    assert [len(line) for line in rest] == [5, 5]


def test_status_keeps_to_a_narrow_terminal(clean_server, run, monkeypatch):
    """
    Cells that are too wide go on below, within their columns; a wide one has a line.
    """
    with limiter(clean_server, "2M tokens/min") as ours:
        ours.acquire(Key(scope="team-a", model="gpt-4o-mini"), {"tokens": 1_204_411})
        ours.cool_down(Key(scope="team-a", model="gpt-4o-mini"), 9)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    lines = re.sub(r"\x1b\[[\d;]*m", "", run("status")[1]).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 60
    assert "waiting" not in lines[0]
    monkeypatch.setenv("COLUMNS", "200")
    wide = run("status")[1].splitlines()
    assert len(wide) == 2
    assert "waiting" in wide[0]


def test_a_narrow_table_leaves_no_digit_out():
    """
    As far down as it takes.
    """
    head = ("scope", "model", "limit", "used", "429s")
    line = ("team-a", "gpt-4.1-mini", "2M tokens/min", "1,204,411 (60%)", "9, 1 s ago")
    made = tables.grid(head)
    made.add_row(*line)
    out = io.StringIO()
    Console(file=out, width=40).print(made)
    assert max(map(len, out.getvalue().splitlines())) <= 40
    said = Counter(out.getvalue()) - Counter(" \n" * 1_000)
    assert said == Counter("".join((*head, *line)).replace(" ", ""))


def test_an_api_key_is_found_by_its_variable_and_never_shown(
    clean_server, run, document, monkeypatch
):
    """
    A key without a name goes by the first digits of its tag; its text is nowhere.
    """
    with limiter(clean_server, "9/min") as ours:
        ours.acquire(Key(api_key=API_KEY))
        ours.acquire("another")
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    (scope,) = document("status", "--key-env", "OPENAI_API_KEY")["scopes"]
    assert scope["name"] is None
    (same,) = document("status", scope["tag"][:8])["scopes"]
    assert same["tag"] == scope["tag"]
    code, out, _ = run("status", scope["tag"][:8])
    assert code == 0
    assert out.splitlines()[1].startswith(scope["tag"][:8])
    assert len(out.splitlines()) == 2
    assert API_KEY[8:] not in run("status")[1]


def test_a_secret_of_the_limiters_is_needed_to_find_their_scopes_by_key(
    clean_server, document, monkeypatch
):
    """
    It is given by the name of a variable, too.
    """
    monkeypatch.setenv("SECRET", "salt")
    monkeypatch.setenv("KEY", API_KEY)
    with limiter(clean_server, "9/min", secret="salt") as ours:
        ours.acquire(Key(api_key=API_KEY))
    assert document("status", "--key-env", "KEY")["scopes"] == []
    args = ("status", "--key-env", "KEY", "--secret-env", "SECRET")
    assert len(document(*args)["scopes"]) == 1


def test_status_keeps_to_the_models_asked_for(clean_server, document):
    """
    By name or pattern; what all models share limits them as well, and stays.
    """
    with limiter(clean_server, "9/min", shared="99/min") as ours:
        for model in ("gpt-4o", "gpt-4o-mini", "o1"):
            ours.acquire(Key(scope="a", model=model))
    (scope,) = document("status", "a", "--model", "gpt-4o*")["scopes"]
    models = [account["model"] for account in scope["accounts"]]
    assert models == ["gpt-4o", "gpt-4o-mini", None]


def test_limits_that_are_given_are_shown_unused(clean_server, run, document):
    """
    And they are believed: a wrong one is an error of configuration.
    """
    with limiter(clean_server, "9/min") as ours:
        ours.acquire("a")
    told = document("status", "--limits", "20/min", "--limits", "2k tokens/min")
    limits = told["scopes"][0]["accounts"][0]["limits"]
    assert [(each["limit"], each["free"]) for each in limits] == [
        ("20 requests/min", 19),
        ("2k tokens/min", 2_000),
    ]
    assert run("status", "--limits", "nonsense")[0] == 3


def test_status_tells_where_unused_tokens_come_back(clean_server, run, document):
    """
    Of the model whose answers showed it, and of no other one.
    """
    with limiter(clean_server, "9/min") as ours:
        for model, name in (("m", GIVES_BACK), ("o", "another")):
            key = Key(scope="a", model=model)
            ours.acquire(key)
            scope, policy = ours._engine.lookup(key)
            call = encode_note(scope, policy, [Fact(name, "1", 60.0)], Clock(1, 0))
            ours._engine._store.sync().call(call, time.monotonic())
    shown = document("status")["scopes"][0]["accounts"]
    assert [(each["model"], each["gives_back"]) for each in shown] == [
        ("m", True),
        ("o", False),
    ]
    code, _, err = run("status")
    assert (code, err) == (0, "a m: unused tokens come back, answers showed.\n")


def test_status_writes_nothing_and_reads_nothing_foreign(clean_server, run):
    """
    What others keep under our prefix is counted, not an error.
    """
    client = clean_server.client()
    with limiter(clean_server, "9/min") as ours:
        ours.acquire("a")
    client.set("foreign", "1", ex=60)
    client.set("paceline:1:{text}", "1", ex=60)
    client.hset("paceline:1:{hash}", mapping={"m:": "1", "x": "2"})
    client.expire("paceline:1:{hash}", 60)
    before = {key: client.dump(key) for key in client.scan_iter()}
    client.config_resetstat()
    code, out, err = run("status")
    assert (code, len(out.splitlines())) == (0, 2)
    assert "2 values under paceline:1: are none of ours" in err
    calls = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    assert calls - {"info", "config|resetstat", "client|setinfo"} == {
        "scan",
        "hgetall",
        "time",
    }
    assert before == {key: client.dump(key) for key in client.scan_iter()}


def test_a_user_who_may_not_look_is_told_the_rule(clean_server, run):
    """
    It is another one than that of limiters.
    """
    clean_server.client().execute_command(
        "ACL", "SETUSER", "blind", "on", ">s", "+time"
    )
    url = clean_server.tcp_url.replace("redis://", "redis://blind:s@")
    code, out, err = run("status", "--store", url)
    assert (code, out) == (4, "")
    assert "[P204]" in err
    assert "+scan +hgetall +time" in err


def test_top_sorts_by_the_fullest_and_tells_the_rate(
    clean_server, document, monkeypatch
):
    """
    Two looks: what was booked in between, of windows, buckets and calendars.
    """
    limits = ["100/min", TokenBucket(1, 60.0, burst=100, unit="tokens"), "9 concurrent"]
    limits.append(CalendarWindow(10_000, "month", unit="credits"))
    with limiter(clean_server, limits) as ours:

        def spend(who, count):
            for _ in range(count):
                ours.acquire(who, {"tokens": 2, "credits": 5}).release()

        def work(seconds):
            spend("busy", 20)
            return time.sleep(0.2)

        spend("busy", 10)
        spend("idle", 5)
        monkeypatch.setattr(top, "_sleep", work)
        told = document("top", "--once")
    assert [scope["name"] for scope in told["scopes"]] == ["busy", "idle"]
    busy, idle = (scope["accounts"][0]["limits"] for scope in told["scopes"])
    rates = {each["unit"]: each["per_second"] for each in busy}
    assert rates["tokens"] == pytest.approx(2 * rates["requests"], rel=0.02)
    assert rates["credits"] == pytest.approx(5 * rates["requests"], rel=0.02)
    assert 0 < rates["requests"] <= 100
    assert rates["concurrent calls"] is None
    quiet = {each["unit"]: each["per_second"] for each in idle}
    assert quiet.pop("concurrent calls") is None
    assert set(quiet.values()) == {0}


def test_top_without_a_terminal_prints_a_table_per_interval(
    clean_server, run, monkeypatch
):
    """
    Until it is interrupted: exit code 130.
    """
    pauses = iter([False, False, True])

    def pause(_):
        if next(pauses):
            raise KeyboardInterrupt
        return False

    with limiter(clean_server, "9/min") as ours:
        ours.acquire("a")
    monkeypatch.setattr(top, "_sleep", pause)
    code, out, _ = run("top")
    assert code == 130
    assert out.count("1 scope, 1 account\n") == 2
    assert out.count("9 requests/min") == 2


def test_reset_forgets_one_model(clean_server, run, document):
    """
    As limiter.reset() does: the model's account and what all models share.
    """
    with limiter(clean_server, "9/min", shared="99/min") as ours:
        for model in ("gpt-4o", "o1"):
            ours.acquire(Key(scope="team-a", model=model))
        told = document("reset", "team-a", "--model", "o1", "--yes")
        assert told["forgotten"] == 2
        assert (told["models"], told["shared"]) == (["o1"], True)
        left = ours.peek(Key(scope="team-a", model="o1"))
        assert [status.remaining for status in left] == [9, 99]
        left = ours.peek(Key(scope="team-a", model="gpt-4o"))
        assert [status.remaining for status in left] == [8, 99]
    code, out, _ = run("reset", "team-a", "--model", "gpt-4o", "--yes")
    assert (code, out) == (0, "1 account of team-a forgotten: gpt-4o.\n")


def test_reset_forgets_all_models(clean_server, run):
    """
    Of that key, and of no other.
    """
    with limiter(clean_server, "9/min") as ours:
        for model in (None, "gpt-4o", "o1"):
            ours.acquire(Key(scope="team-a", model=model))
            ours.acquire(Key(scope="team-b", model=model))
        code, out, _ = run("reset", "team-a", "--all-models", "--yes")
        assert code == 0
        assert out.startswith("3 accounts of team-a forgotten:")
        assert ours.peek("team-a")[0].remaining == 9
        assert ours.peek("team-b")[0].remaining == 8
    code, out, _ = run("reset", "team-a", "--all-models", "--yes")
    assert (code, out) == (0, "0 accounts forgotten: there was none.\n")


def test_reset_finds_an_api_key_by_its_variable(clean_server, run, monkeypatch):
    """
    A key on the command line would be in the shell's history: it is refused.
    """
    with limiter(clean_server, "9/min") as ours:
        ours.acquire(Key(api_key=API_KEY))
        code, out, err = run("reset", API_KEY, "--yes")
        assert (code, out) == (2, "")
        assert "looks like an API key" in err
        assert "--key-env" in err
        assert API_KEY not in err
        monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
        assert run("reset", "--key-env", "OPENAI_API_KEY", "--yes")[0] == 0
        assert ours.peek(Key(api_key=API_KEY))[0].remaining == 9


@pytest.mark.parametrize("given", [API_KEY, "gsk_abcdefghijklmnopqrstuvw"])
def test_a_key_in_place_of_its_variable_is_not_repeated(run, given):
    """
    Whoever gives the key where its variable's name belongs is told so, without it.
    """
    code, out, err = run("reset", "--key-env", given, "--yes")
    assert (code, out) == (2, "")
    assert "wants the name of a variable" in err
    assert given not in err


def test_reset_wants_a_yes(clean_server, run):
    """
    Where nobody can be asked, nothing is forgotten without --yes.
    """
    with limiter(clean_server, "9/min") as ours:
        ours.acquire("a")
        code, out, err = run("reset", "a")
        assert (code, out) == (2, "")
        assert "give --yes" in err
        assert ours.peek("a")[0].remaining == 8


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 9), ("n", 130, 8)])
def test_reset_asks_on_a_terminal(clean_server, run, monkeypatch, answer, code, left):
    """
    The question is on stderr; a no changes nothing.
    """
    with limiter(clean_server, "9/min") as ours:
        ours.acquire("a")
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer)
        assert run("reset", "a")[0] == code
        assert ours.peek("a")[0].remaining == left


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["a", "--key-env", "HOME"],
        ["a", "--model", "x", "--all-models"],
        ["--key-env", "NO_SUCH_VARIABLE"],
    ],
)
def test_reset_says_what_is_missing(run, args):
    """
    A wrong command line is exit code 2, before anything is looked at.
    """
    assert run("reset", *args, "--yes")[0] == 2


def test_reset_names_the_models_there_are(clean_server, run):
    """
    A model that is not there may be a slip.
    """
    with limiter(clean_server, "9/min") as ours:
        ours.acquire(Key(scope="a", model="gpt-4o"))
    for args in ([], ["--model", "gpt4o"]):
        code, out, err = run("reset", "a", *args, "--yes")
        assert (code, out) == (2, "")
        assert "but for gpt-4o" in err


def test_a_name_that_several_have_is_not_guessed(clean_server, run):
    """
    Two API keys may have one name; each has a tag of its own.
    """
    with limiter(clean_server, "9/min") as ours:
        for text in ("one", "two"):
            ours.acquire(Key(api_key=text, name="prod"))
        code, _, err = run("reset", "prod", "--yes")
        assert code == 2
        tag = err.split("give one of ")[1].split(",")[0]
        assert run("reset", tag, "--yes")[0] == 0
        left = [ours.peek(Key(api_key=text))[0].remaining for text in ("one", "two")]
        assert sorted(left) == [8, 9]


@pytest.mark.parametrize("command", ["doctor", "status", "top --once", "reset a"])
@pytest.mark.parametrize(
    ("kind", "words"), [("cluster", "is no cluster"), ("sentinel", "no Sentinel at")]
)
def test_a_server_that_the_url_takes_for_something_else_is_told_as_such(
    clean_server, capsys, command, kind, words
):
    """
    And what to write in the URL's place.
    """
    url = re.sub(r"/\d+$", "", clean_server.tcp_url)
    url = url.replace("redis://", f"redis+{kind}://")
    url += "/quota" if kind == "sentinel" else ""
    assert main([*command.split(), "--store", url]) == 4
    told = "".join(capsys.readouterr())
    assert words in told
    assert '"redis://"' in told


@pytest.mark.parametrize("command", ["status", "top", "reset"])
def test_a_store_that_is_not_there_is_exit_code_4(command, free_port, capsys):
    """
    With the address and what to do.
    """
    args = ["--store", f"redis://127.0.0.1:{free_port}"]
    args += ["a", "--yes"] if command == "reset" else []
    assert main([command, *args]) == 4
    assert "[P201]" in capsys.readouterr().err


def rules_of_the_page():
    """Return the rules that the page gives operators, by command."""
    page = Path(__file__).parents[2] / "docs/how-to/operate.md"
    rows = re.findall(
        r"^\| (.*?) \| `(~.*?)` \|$", page.read_text("utf-8"), re.MULTILINE
    )
    return {
        name: rule.replace("\\|", "|")
        for who, rule in rows
        for name in re.findall(r"`(\w+)`", who)
    }


@pytest.mark.parametrize("command", ["status", "top", "reset"])
def test_the_rule_of_the_page_is_enough(clean_server, run, command):
    """
    A user who may do that, and nothing else, can use the command.
    """
    rule = rules_of_the_page()[command].split()
    with clean_server.client() as client:
        client.execute_command("ACL", "SETUSER", "op", "reset", "on", ">s", *rule)
    url = clean_server.tcp_url.replace("redis://", "redis://op:s@")
    with limiter(clean_server, "9/min") as ours:
        ours.acquire("a")
    args = {"top": ["--once", "--interval", "0.1"], "reset": ["a", "--yes"]}
    code, out, err = run(command, *args.get(command, []), "--store", url)
    assert code == 0, err
    wanted = (
        "1 account of a forgotten" if command == "reset" else "\na      -      9 req"
    )
    assert wanted in out
