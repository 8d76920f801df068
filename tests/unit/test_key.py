"""Keys and templates of keys: who is limited, and that no API key ever shows."""

import enum
import inspect
import pickle
import traceback
import uuid
from types import SimpleNamespace

import pytest
from hypothesis import given, settings, strategies as st

from paceline import ConfigError, Key, KeyTemplate, MisuseError
from paceline._key import as_key

SECRET = "sk-live-0123456789abcdef"
CHECKS = settings(deadline=None, max_examples=100)


class Model(str, enum.Enum):  # noqa: UP042 -- people have these, and they hash otherwise
    MINI = "gpt-4o-mini"


class Size(enum.IntEnum):
    LARGE = 3


def everything_shown(error):
    """Whatever a log could hold of an error: its chain, its state, its text."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def hides_the_secret(error):
    return not any(
        SECRET[at : at + 8] in everything_shown(error) for at in range(len(SECRET) - 7)
    )


# Keys.


def test_the_repr_has_no_api_key():
    """What a key shows is all but the API key."""
    key = Key(SECRET, "gpt-4o", name="prod")
    assert repr(key) == "Key(api_key=<hidden>, model='gpt-4o', name='prod')"
    assert str(key) == f"{key}" == repr(key)
    assert repr(Key(scope="team-a")) == "Key(scope='team-a')"


@pytest.mark.parametrize(
    ("key", "label", "display"),
    [
        (Key(SECRET), "unnamed key", None),
        (Key(SECRET, "gpt-4o"), "unnamed key/gpt-4o", None),
        (Key(SECRET, "gpt-4o", name="prod"), "prod/gpt-4o", "prod"),
        (Key(scope="team-a"), "team-a", "team-a"),
        (Key(scope="team-a", model="a/b c"), "team-a/a/b c", "team-a"),
        (Key(scope="team-a", name="Team {A}"), "Team {A}", "Team {A}"),
    ],
)
def test_labels(key, label, display):
    """People see the name, else the scope, never the API key; then the model."""
    assert (label, display) == (key.label, key.display)


def test_keys_are_values():
    """Keys are equal, hash and pickle by what they hold."""
    key = Key(SECRET, "gpt-4o", name="prod")
    copy = pickle.loads(pickle.dumps(key))
    assert (key, hash(key)) == (copy, hash(copy))
    assert len({key, copy, Key(SECRET, "o1"), Key("other", "gpt-4o")}) == 3
    with pytest.raises(AttributeError):
        key.model = "o1"


def test_a_text_that_is_an_enum_member_is_that_text():
    """A member of a str Enum makes the same key as its text."""
    key = Key(scope="a", model=Model.MINI)
    assert type(key.model) is str
    assert hash(Key(scope="a", model="gpt-4o-mini")) == hash(key)


def test_the_tag_is_the_same_in_every_process():
    """The tag is 16 bytes of HMAC-SHA-256, fixed for all releases of one state."""
    assert Key(SECRET).tag(None) == "caf23b4d5eb8fa50e0d4ce9f4db5ddda"
    assert Key(SECRET).tag(b"s") == "ad11b87dbb5f44c539467560da32402c"


def test_the_tag_does_not_depend_on_the_model():
    """All models of a holder are in one place; holders and secrets are apart."""
    tags = {
        Key(SECRET, model, name=name).tag(secret)
        for model in (None, "a", "b")
        for name in (None, "n")
        for secret in (None, b"")
    }
    assert len(tags) == 1
    others = {Key(SECRET).tag(b"x"), Key(SECRET + "x").tag(None)}
    assert len(tags | others) == 3


@CHECKS
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}")))
def test_any_text_makes_a_tag(text):
    """The tag of any text is 32 hexadecimal digits, and holds nothing of it."""
    if not text:
        return
    tag = Key(scope=text).tag(None)
    assert len(tag) == 32
    assert set(tag) <= set("0123456789abcdef")
    assert tag == Key(api_key=text).tag(None)


@pytest.mark.parametrize("parts", [{}, {"model": "m"}, {"name": "n"}])
def test_a_key_needs_a_holder(parts):
    """Without an API key and a scope it is not known whose quota it is."""
    with pytest.raises(ConfigError, match="neither api_key nor scope") as caught:
        Key(**parts)
    assert caught.value.code == "P109"


def test_a_key_has_one_holder():
    """An API key and a scope together are two holders."""
    with pytest.raises(ConfigError, match="both api_key and scope") as caught:
        Key(SECRET, scope="team-a")
    assert hides_the_secret(caught.value)


@pytest.mark.parametrize("what", ["api_key", "scope", "model", "name"])
@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("", "is empty"),
        (5, "is not a text but int"),
        (SECRET.encode(), "is not a text but bytes"),
        (f"{SECRET}\ud800", "is not valid Unicode"),
    ],
)
def test_parts_that_are_no_texts(what, value, wrong):
    """A part that is empty, no text or no Unicode is refused without showing it."""
    parts = {"scope": "a"} if what in ("model", "name") else {}
    with pytest.raises(ConfigError, match=wrong) as caught:
        Key(**parts, **{what: value})
    assert caught.value.code == "P109"
    assert what in caught.value.message
    assert hides_the_secret(caught.value)


@pytest.mark.parametrize("what", ["api_key", "scope", "model"])
@pytest.mark.parametrize("value", [f"{{{SECRET}}}", f"{SECRET}{{", f"}}{SECRET}"])
def test_a_brace_means_a_template(what, value):
    """A key with a brace in it was meant to be a KeyTemplate, and the error says so."""
    parts = {"scope": "a"} if what == "model" else {}
    with pytest.raises(MisuseError) as caught:
        Key(**parts, **{what: value})
    assert caught.value.code == "P502"
    assert "KeyTemplate" in caught.value.hint
    assert hides_the_secret(caught.value)


def test_a_plain_text_is_a_scope():
    """Where a key is wanted, a text is the name of a quota, and a key is itself."""
    key = Key(SECRET)
    assert as_key("team-a") == Key(scope="team-a")
    assert as_key(key) is key


@pytest.mark.parametrize("value", [None, 5, SECRET.encode(), [SECRET], {SECRET}])
def test_what_is_no_key(value):
    """Anything else is refused by its type, without showing it."""
    with pytest.raises(MisuseError, match=type(value).__name__) as caught:
        as_key(value)
    assert caught.value.code == "P502"
    assert hides_the_secret(caught.value)


def test_a_template_is_no_key():
    """A template at a call is refused with the place where it belongs."""
    with pytest.raises(MisuseError) as caught:
        as_key(KeyTemplate("{api_key}"))
    assert "@limited" in caught.value.hint


# Templates.


def bind(template, function):
    return template.bind(inspect.signature(function), function.__name__)


def chat(api_key, model=None, *, request=None, messages=()):
    """Stand for the function that is decorated."""


def loose(api_key, **options):
    """Stand for a function that takes any keyword."""


REQUEST = SimpleNamespace(team="blue", ids=[7, 8], meta={"user": "ann", "0": "zero"})


@pytest.mark.parametrize(
    ("template", "arguments", "key"),
    [
        (
            KeyTemplate("{api_key}", "{model}"),
            {"api_key": SECRET, "model": "gpt-4o"},
            Key(SECRET, "gpt-4o"),
        ),
        (KeyTemplate("{api_key}", "{model}"), {"api_key": SECRET}, Key(SECRET)),
        (
            KeyTemplate(scope="team-{request.team}", name="Team {request.team}"),
            {"request": REQUEST},
            Key(scope="team-blue", name="Team blue"),
        ),
        (
            KeyTemplate(scope="{request.ids[1]}-{request.meta[user]}"),
            {"request": REQUEST},
            Key(scope="8-ann"),
        ),
        (KeyTemplate(scope="all", model="o1"), {}, Key(scope="all", model="o1")),
        (KeyTemplate(scope="{api_key:>6}"), {"api_key": "abc"}, Key(scope="   abc")),
        (KeyTemplate(scope="u{api_key:03d}"), {"api_key": 7}, Key(scope="u007")),
        (KeyTemplate(scope="{api_key}"), {"api_key": Size.LARGE}, Key(scope="3")),
        (
            KeyTemplate("k", "{model}"),
            {"model": Model.MINI},
            Key("k", "gpt-4o-mini"),
        ),
        (
            KeyTemplate(scope="{api_key}"),
            {"api_key": uuid.UUID(int=1)},
            Key(scope="00000000-0000-0000-0000-000000000001"),
        ),
        (KeyTemplate(scope="{api_key!s}"), {"api_key": 1.5}, Key(scope="1.5")),
        (KeyTemplate(scope="{api_key!r}"), {"api_key": "a"}, Key(scope="'a'")),
        (KeyTemplate(scope="{api_key!a}"), {"api_key": "ä"}, Key(scope="'\\xe4'")),
        (
            KeyTemplate(scope="a", model="ft-{model}", name="{model}"),
            {"model": None},
            Key(scope="a"),
        ),
    ],
)
def test_a_template_makes_the_key_of_a_call(template, arguments, key):
    """Fields are filled from the arguments; a model or name with None is left out."""
    assert key == bind(template, chat)(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": "k", "team": "blue"},
        {"api_key": "k", "options": {"team": "blue"}},
    ],
)
@pytest.mark.parametrize("template", ["{team}", "{options[team]}"])
def test_keywords_that_a_function_catches(template, arguments):
    """With ``**options`` any name may come, merged or under the name of the rest."""
    make = bind(KeyTemplate(scope=template), loose)
    assert make(arguments) == Key(scope="blue")


def test_a_missing_keyword_is_an_error_of_the_call():
    """A name that only ``**options`` could bring is checked when the call comes."""
    make = bind(KeyTemplate("{api_key}", "{model}"), loose)
    with pytest.raises(ConfigError) as caught:
        make({"api_key": SECRET})
    assert caught.value.code == "P108"
    assert (
        caught.value.message
        == "loose: cannot fill the key's model: {model} was not given"
    )
    assert hides_the_secret(caught.value)


def test_self_is_a_parameter():
    """A method's template may use its object."""

    class Client:
        def __init__(self):
            self.api_key = SECRET

        def chat(self):
            """Stand for a decorated method."""

    make = bind(KeyTemplate("{self.api_key}"), Client.chat)
    assert make({"self": Client()}) == Key(SECRET)


def test_an_unknown_field_is_found_when_decorating():
    """A misspelt field names the function, itself, what is near, and what there is."""
    with pytest.raises(ConfigError) as caught:
        bind(KeyTemplate("{api_kye}", "{model}"), chat)
    assert str(caught.value) == (
        "[P108] chat has no parameter for {api_kye} in the key template's api_key\n"
        "  Did you mean {api_key}? "
        "Parameters of chat: api_key, model, request, messages."
    )


def test_an_unknown_field_of_a_function_without_parameters():
    """Where nothing is near, nothing is suggested."""
    with pytest.raises(ConfigError) as caught:
        bind(KeyTemplate(scope="{team}"), lambda: None)
    assert caught.value.hint == "Parameters of <lambda>: none."


@pytest.mark.parametrize(
    "template",
    [
        "{}",
        "{0}",
        "{.team}",
        "{[0]}",
        "{0.team}",
        "{ model }",
        "{model.}",
        "{model[}",
        "{model[]}",
        "{model.1}",
        "{sk-live}",
        "{model!x}",
        "{model:{width}}",
        "{model:{}}",
        "{{model}}",
        "a}}b",
        "{model",
        "model}",
        "{model!}",
        "",
        5,
        "\ud800",
    ],
)
def test_texts_that_are_no_templates(template):
    """Positional, nested and broken fields are refused when the template is made."""
    with pytest.raises(ConfigError) as caught:
        KeyTemplate(scope=template)
    assert caught.value.code == "P108"
    assert "key template's scope" in caught.value.message


@pytest.mark.parametrize("parts", [{}, {"api_key": "{a}", "scope": "{b}"}])
def test_a_template_has_one_holder(parts):
    """A template needs an API key or a scope, as a key does."""
    with pytest.raises(ConfigError, match=r"api_key (and|nor) scope") as caught:
        KeyTemplate(**parts)
    assert caught.value.code == "P108"


@pytest.mark.parametrize(
    "text",
    [SECRET, f"{{{SECRET}}}", f"{{{SECRET}", f"{{{SECRET.replace('-', '_')}_longer}}"],
)
def test_an_api_key_in_a_template_never_shows(text):
    """Even an API key written into the template stays out of reprs and errors."""
    error = ConfigError("none")
    try:
        template = KeyTemplate(text)
        assert hides_the_secret(ConfigError(repr(template)))
        bind(template, chat)({})
    except ConfigError as caught:
        error = caught
    assert hides_the_secret(error)
    assert "sk_live" not in everything_shown(error)


def test_templates_are_values():
    """Templates are equal, hash and pickle by what they hold."""
    template = KeyTemplate("{api_key}", "{model}", name="{request.team}")
    copy = pickle.loads(pickle.dumps(template))
    assert (template, hash(template)) == (copy, hash(copy))
    assert repr(copy) == (
        "KeyTemplate(api_key=<hidden>, model='{model}', name='{request.team}')"
    )


class Fickle:
    @property
    def team(self):
        raise RuntimeError(SECRET)

    def __getitem__(self, name):
        raise KeyError(SECRET)


@pytest.mark.parametrize(
    ("template", "value", "what"),
    [
        ("{request.team}", object(), "{request.team} cannot be read (AttributeError)"),
        ("{request.team}", Fickle(), "{request.team} cannot be read (RuntimeError)"),
        ("{request[team]}", Fickle(), "{request[...]} cannot be read (KeyError)"),
        ("{request[9]}", [SECRET], "{request[...]} cannot be read (IndexError)"),
        ("{request[0]}", 5, "{request[...]} cannot be read (TypeError)"),
        ("{request:d}", SECRET, "{request} cannot be read (ValueError)"),
        ("{request.team.x}", SimpleNamespace(team=None), "(AttributeError)"),
        ("{request}", [SECRET], "{request} is a list, not a str"),
        ("{request}", SECRET.encode(), "{request} is a bytes, not a str"),
        ("{request}", True, "{request} is a bool, not a str"),
        ("{request}", 1.5, "{request} is a float, not a str"),
        ("{request}", object(), "{request} is a object, not a str"),
        ("{request}", None, "an argument of it is None"),
        ("x-{request}", None, "an argument of it is None"),
        ("{request}", "", "a key's api_key is empty"),
        ("{request}", f"{SECRET}{{", "a key's api_key has a brace in it"),
        ("{request}", f"{SECRET}\ud800", "a key's api_key is not valid Unicode"),
    ],
)
def test_arguments_that_make_no_key(template, value, what):
    """A call whose arguments make no key says which field and why, not the value."""
    make = bind(KeyTemplate(template), chat)
    with pytest.raises(ConfigError) as caught:
        make({"request": value})
    assert caught.value.code == "P108"
    assert caught.value.message.startswith("chat: ")
    assert what in caught.value.message
    assert hides_the_secret(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_interrupts_pass_through():
    """Only errors of the arguments are answered: an interrupt is not one."""

    class Slow:
        @property
        def team(self):
            raise KeyboardInterrupt

    make = bind(KeyTemplate("{request.team}"), chat)
    with pytest.raises(KeyboardInterrupt):
        make({"request": Slow()})


@CHECKS
@given(st.text("{}[].!:a0 -é", max_size=12))
def test_any_text_is_a_template_or_a_config_error(text):
    """Making and filling a template never fails in another way."""
    try:
        template = KeyTemplate(scope=text)
        bind(template, chat)
        bind(template, loose)({"a": "b", "a0": "c"})
    except ConfigError as error:
        code = error.code
    else:
        code = "P108"
    assert code == "P108"


@pytest.mark.parametrize("what", ["scope", "name", "model"])
def test_an_api_key_by_mistake_is_refused_and_not_repeated(what):
    """
    A scope, name or model that looks like an API key would be stored: refused.
    """
    secret = "sk-proj-abcdefghijklmnop"
    fields = {what: secret} if what == "scope" else {"scope": "a", what: secret}
    with pytest.raises(MisuseError, match="api_key=") as caught:
        Key(**fields)
    assert caught.value.code == "P502"
    assert secret not in f"{caught.value} {caught.value!r}"
    with pytest.raises(MisuseError):
        as_key(secret)
