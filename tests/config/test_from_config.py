"""Limiters from files: which file, whose keys, which limits, which store."""

import inspect
import logging

import pytest

from paceline import ConfigError, Key, KeyTemplate, RateLimiter, events
from paceline._config.read import OPTIONS

FILE = """
store = "memory://from-config"

[limits]
"*" = ["7/min"]

[scopes.team-a]
key_env = "TEAM_A_KEY"
shared = ["100/day"]
[scopes.team-a.limits]
"gpt-4o" = ["5 requests/min", "1k tokens/min"]
"gpt-4o-mini*" = ["9/min"]
[scopes.team-a.families]
"gpt-4o" = ["gpt-4o", "gpt-4o-2024-*"]

[scopes.team-b]
limits = [{ limit = "3/min", name = "rpm" }]

[scopes.team-c]
key_env = "TEAM_C_KEY"
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Be in an empty directory, with no variables of ours but two API keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("PACELINE_CONFIG", "PACELINE_STORE", "TEAM_C_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEAM_A_KEY", "hunter2")
    return tmp_path


@pytest.fixture
def limiter(home):
    (home / "paceline.toml").write_text(FILE, "utf-8")
    with RateLimiter.from_config() as limiter:
        for model in (None, "gpt-4o"):
            limiter.reset(Key(scope="team-b", model=model))
        limiter.reset(Key(scope="team-a", model="gpt-4o"))
        yield limiter


def capacities(limiter, key):
    return [status.capacity for status in limiter.peek(key)]


def test_each_scope_has_its_limits(limiter):
    """
    By model, family, and over all models; the others' limits are for everybody else.
    """
    assert capacities(limiter, Key(scope="team-a", model="gpt-4o")) == [5, 1000, 100]
    dated = Key(scope="team-a", model="gpt-4o-2024-05-13")
    assert capacities(limiter, dated) == [5, 1000, 100]
    assert capacities(limiter, Key(scope="team-a", model="gpt-4o-mini")) == [9, 100]
    assert capacities(limiter, "team-b") == [3]
    assert [status.name for status in limiter.peek("team-b")] == ["rpm"]
    assert capacities(limiter, "somebody") == [7]
    assert capacities(limiter, Key(api_key="another", model="m")) == [7]


def test_a_scope_stands_for_its_api_key(limiter):
    """
    The name of the scope and the API key itself are one account, with one policy.
    """
    by_name = Key(scope="team-a", model="gpt-4o")
    by_key = Key(api_key="hunter2", model="gpt-4o")
    assert limiter.try_acquire(by_name, {"tokens": 10})
    assert limiter.try_acquire(by_key, {"tokens": 10})
    for key in (by_key, by_name):
        assert [status.remaining for status in limiter.peek(key)] == [3, 980, 98]


def test_a_scope_without_limits_takes_those_of_the_file(limiter, monkeypatch):
    """
    Several keys under the same limits are written once.
    """
    monkeypatch.setenv("TEAM_C_KEY", "hunter3")
    assert capacities(limiter, "team-c") == [7]


def test_decorators_and_reservations_know_the_scopes(limiter):
    """
    Whatever verb a scope goes through, it is the same account.
    """

    @limiter.limited(KeyTemplate(scope="{team}"))
    def call(team):
        return team

    with limiter.reserve("team-b"):
        assert call("team-b") == "team-b"
    assert [status.remaining for status in limiter.peek("team-b")] == [1]


def test_a_variable_that_is_not_set_is_named(limiter, monkeypatch):
    """
    When the scope is used, not before; setting it is enough.
    """
    with pytest.raises(ConfigError, match=r"\$TEAM_C_KEY, which is not set") as caught:
        limiter.acquire("team-c")
    assert caught.value.code == "P126"
    monkeypatch.setenv("TEAM_C_KEY", "hunter3")
    assert limiter.try_acquire("team-c")


def test_a_file_of_scopes_alone_knows_no_others(home):
    """
    A misspelt scope is refused, with what may have been meant; a key without its text.
    """
    file = home / "limits.toml"
    file.write_text("store='memory://'\n[scopes.team-a]\nlimits='5/s'\n", "utf-8")
    limiter = RateLimiter.from_config(file)
    with pytest.raises(ConfigError, match='Did you mean "team-a"') as caught:
        limiter.try_acquire("taem-a")
    assert (caught.value.code, caught.value.suggestion) == ("P127", "team-a")
    with pytest.raises(ConfigError, match="this API key is none of") as caught:
        limiter.try_acquire(Key(api_key="hunter2"))
    assert "hunter2" not in str(caught.value)


def test_one_scope_can_be_chosen(home):
    """
    Its API key must be there at once, and the other scopes are not served.
    """
    (home / "paceline.toml").write_text(FILE, "utf-8")
    limiter = RateLimiter.from_config(scope="team-a")
    assert capacities(limiter, Key(scope="team-a", model="gpt-4o-mini")) == [9, 100]
    with pytest.raises(ConfigError, match='"team-b" is none of'):
        limiter.peek("team-b")
    with pytest.raises(ConfigError, match=r"\$TEAM_C_KEY, which is not set"):
        RateLimiter.from_config(scope="team-c")
    with pytest.raises(ConfigError, match='Did you mean "team-b"'):
        RateLimiter.from_config(scope="taem-b")


def test_the_file_is_looked_for_upwards(home, monkeypatch):
    """
    The nearest wins, a paceline.toml before a pyproject.toml beside it.
    """
    inner = home / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    store = "store='memory://'\n"
    (home / "paceline.toml").write_text(f"{store}limits='1/s'", "utf-8")
    assert capacities(RateLimiter.from_config(), "x") == [1]
    project = home / "a" / "pyproject.toml"
    project.write_text("[tool.other]\nx = 1\n", "utf-8")
    assert capacities(RateLimiter.from_config(), "x") == [1]
    project.write_text("[tool.other\n", "utf-8")
    assert capacities(RateLimiter.from_config(), "x") == [1]
    project.write_text(f"[tool.paceline]\n{store}limits='2/s'", "utf-8")
    assert capacities(RateLimiter.from_config(), "x") == [2]
    (home / "a" / "paceline.toml").write_text(f"{store}limits='3/s'", "utf-8")
    assert capacities(RateLimiter.from_config(), "x") == [3]
    monkeypatch.setenv("PACELINE_CONFIG", str(home / "paceline.toml"))
    assert capacities(RateLimiter.from_config(), "x") == [1]
    assert capacities(RateLimiter.from_config(project), "x") == [2]


def test_no_file_is_told_with_what_to_do(home):
    """
    Where was looked, and the three ways out.
    """
    with pytest.raises(ConfigError, match=r"no paceline\.toml in") as caught:
        RateLimiter.from_config()
    assert caught.value.code == "P121"
    assert "$PACELINE_CONFIG" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "variables", "argument", "store"),
    [
        ("store='memory://file'", {}, None, "file"),
        ("store_env='AT'", {"AT": "memory://named"}, None, "named"),
        ("store='memory://file'", {"PACELINE_STORE": "memory://env"}, None, "env"),
        ("", {"PACELINE_STORE": "memory://env"}, None, "env"),
        ("", {"PACELINE_STORE": "memory://env"}, "memory://arg", "arg"),
    ],
)
def test_the_argument_goes_before_the_environment_before_the_file(
    home, monkeypatch, text, variables, argument, store
):
    """
    Where a process runs says more of its store than a file that all of them share.
    """
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (home / "paceline.toml").write_text(f"{text}\nlimits='5/min'", "utf-8")
    scope = f"{home}"
    RateLimiter.from_config(store=argument).acquire(scope)
    there = RateLimiter(f"memory://{store}", limits="5/min")
    assert [status.remaining for status in there.peek(scope)] == [4]


def test_variables_of_store_and_secret_must_be_set(home, monkeypatch):
    """
    An unset one never means "none"; the secret is that of the variable.
    """
    file = home / "paceline.toml"
    file.write_text("store_env='AT'\nlimits='5/min'", "utf-8")
    with pytest.raises(ConfigError, match=r"store_env of paceline\.toml names"):
        RateLimiter.from_config()
    file.write_text("store='memory://s'\nsecret_env='S'\nlimits='5/min'", "utf-8")
    with pytest.raises(ConfigError, match=r"secret_env of paceline\.toml names"):
        RateLimiter.from_config()
    monkeypatch.setenv("S", "pepper")
    RateLimiter.from_config().acquire(str(home))
    with_secret = RateLimiter("memory://s", limits="5/min", secret="pepper")
    assert [status.remaining for status in with_secret.peek(str(home))] == [4]


def test_every_option_of_a_limiter_can_be_written(home):
    """
    An option that the constructor gains must be one of the file too; a secret has
    another name there, and a handler of events is code.
    """
    apart = {"secret", "on_event"}
    options = set(inspect.signature(RateLimiter).parameters) - apart
    assert options <= set(OPTIONS)


def test_a_handler_of_events_is_given_beside_the_file(home):
    """
    It is told of what the file's limits admit.
    """
    file = home / "paceline.toml"
    file.write_text('store = "memory://e"\nlimits = ["9/min"]\n')
    seen = []
    with RateLimiter.from_config(file, on_event=seen.append) as limiter:
        limiter.acquire("a")
    admitted = [each for each in seen if isinstance(each, events.Admitted)]
    assert [event.units for event in admitted] == [{"requests": 1}]


def test_options_arrive(home):
    """
    The guard of the file is the guard of each permit.
    """
    file = home / "paceline.toml"
    file.write_text("store='memory://'\nguard=0.25\nlimits='5/min'", "utf-8")
    assert RateLimiter.from_config()._engine.guard_us == 250_000


def test_a_subclass_makes_one_of_its_kind(home):
    """
    from_config() is a constructor like any other.
    """

    class Mine(RateLimiter):
        pass

    (home / "paceline.toml").write_text("store='memory://'\nlimits='5/min'", "utf-8")
    assert type(Mine.from_config()) is Mine


def test_nothing_of_a_key_is_logged_or_stored(limiter, caplog):
    """
    The scope's name is what people see; the API key is hashed, as any is.
    """
    caplog.set_level(logging.DEBUG)
    limiter.acquire(Key(scope="team-a", model="gpt-4o"), {"tokens": 1})
    assert "hunter2" not in caplog.text
    client = limiter._engine._store._source.sync_client()
    names = client.keys("*")
    held = [client.hgetall(name) for name in names]
    assert "hunter2" not in repr((names, held))
    assert "team-a" in repr(held)
