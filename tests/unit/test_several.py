"""URLs of clusters and Sentinels, and the map of a cluster's slots."""

import pytest
from redis.connection import Connection, SSLConnection
from redis.exceptions import AskError, MovedError, ResponseError

from paceline import ConfigError, RateLimiter
from paceline.stores._several import several
from paceline.stores._slots import Atlas, redirection

TIMES = (0.5, 0.5)
ONE, TWO = ("a", 1), ("b", 2)


def test_a_cluster_is_named_by_some_of_its_nodes():
    """
    User, password and options go for each; a port that is left out is 6379.
    """
    source = several("redis", "cluster", "u:p%40@h1,[::1]:7000,h2:7001?db=1", TIMES)
    assert source.seeds == (("h1", 6379), ("::1", 7000), ("h2", 7001))
    assert source._kinds[0] is Connection
    assert source._options["username"] == "u"
    assert source._options["password"] == "p@"
    assert source.where == "redis+cluster://h1:6379,::1:7000,h2:7001"


def test_tls_reaches_every_node_and_sentinel():
    """
    rediss+cluster and rediss+sentinel, with the options of redis-py's TLS connections.
    """
    source = several("rediss", "cluster", f"h1,h2?ssl_ca_certs={__file__}", TIMES)
    assert source._kinds[0] is SSLConnection
    assert source._options["ssl_ca_certs"] == __file__
    source = several("rediss", "sentinel", f"h1/quota?ssl_ca_certs={__file__}", TIMES)
    (sentinel,) = source._sentinels
    assert sentinel[0] is source._kinds[0] is SSLConnection
    assert sentinel[2]["ssl_ca_certs"] == __file__
    source = several("rediss", "sentinel", "h1/quota?sentinel_ssl=no", TIMES)
    assert source._sentinels[0][0] is Connection
    assert source._kinds[0] is SSLConnection


def test_sentinels_have_a_user_and_a_password_of_their_own():
    """
    The login before the hosts is the server's; the database follows the name.
    """
    rest = "u:p@h1,h2:7/quota/3?sentinel_username=su&sentinel_password=s%40"
    source = several("redis", "sentinel", rest, TIMES)
    assert source._name == "quota"
    assert source._options["db"] == 3
    assert (source._options["username"], source._options["password"]) == ("u", "p")
    first, second = (options for _, _, options in source._sentinels)
    assert (first["host"], first["port"]) == ("h1", 26379)
    assert (second["host"], second["port"]) == ("h2", 7)
    assert (first["username"], first["password"]) == ("su", "s@")
    assert source.where == "redis+sentinel://h1:26379,h2:7/quota"


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster://h1,,h2",
        "redis+cluster://:hunter2/h1",
        "redis+cluster://h1:hunter2",
        "redis+sentinel://h1",
        "redis+sentinel:///quota",
        "redis+sentinel://h1/quota?hunter2=1",
        "redis+clutser://h1",
        "unix+cluster://h1",
    ],
)
def test_a_url_that_makes_no_sense_is_refused_and_not_quoted(url):
    """
    The error says how to write it; what may be a password is not in it.
    """
    with pytest.raises(ConfigError) as caught:
        RateLimiter(url, limits="5/min")
    assert caught.value.code == "P106"
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MovedError("5 h:7"), (False, 5, ("h", 7))),
        (AskError("5 h:7"), (True, 5, ("h", 7))),
        (ResponseError("MOVED 5 h:7"), (False, 5, ("h", 7))),
        (ResponseError("ASK 5 ::1:7"), (True, 5, ("::1", 7))),
        (MovedError("5 :7"), (False, 5, ("a", 7))),
        (ResponseError("ERR no"), None),
    ],
)
def test_a_node_says_where_to_go(error, told):
    """
    As every redis-py reads it; no host means the one that was asked.
    """
    assert redirection(error, ONE) == told


def test_the_map_follows_what_nodes_say():
    """
    Unknown at first, drawn once, corrected by MOVED; a silent node is asked last.
    """
    atlas = Atlas([ONE, TWO])
    assert atlas.stale
    assert atlas.owner("x") is None
    reply = [[0, 8000, [b"", 1, b"id"]], [8001, 16383, [b"b", 2, b"id"], [b"c", 3]]]
    assert atlas.draw(reply, ONE) == {ONE, TWO, ("c", 3)}
    assert not atlas.stale
    key = "{x}"
    assert atlas.owner(key) == TWO  # slot 16287
    atlas.doubt(TWO)
    assert atlas.stale
    assert atlas.guides()[-1] == TWO
    atlas.moved(redirection(MovedError("16287 a:1"), TWO))
    assert atlas.owner(key) == ONE


def test_a_clusters_inner_addresses_may_be_others_outside():
    """
    What a node calls itself is translated before it is connected to.
    """
    atlas = Atlas([ONE], lambda address: ("outside", address[1]))
    atlas.draw([[0, 16383, [b"inside", 9, b"id"]]], ONE)
    assert atlas.owner("x") == ("outside", 9)
