"""TLS with a real server: who knows its authority, and who does not."""

import shutil
from pathlib import Path

import pytest
import redis
import trustme

import rig_fleet
import rig_stores
from paceline import StoreError, StoreUnavailable

ROOT = Path(__file__).parents[2]
LIMIT = "5/min"


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """Start a server that speaks TLS alone; Debian's can, pip's cannot."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("there is no redis-server")
    node = rig_fleet.Node(binary, folder)
    place = node.arguments.index("--port")
    node.arguments[place] = "--tls-port"
    node.arguments += ["--port", "0", "--tls-auth-clients", "no"]
    node.arguments += ["--tls-cert-file", folder / "cert.pem"]
    node.arguments += ["--tls-key-file", folder / "key.pem"]
    node.arguments += ["--tls-ca-cert-file", folder / "ca.pem"]
    node.start()
    try:
        rig_fleet.until(lambda: node.listens() or node.process.poll() is not None)
        if node.process.poll() is not None:
            pytest.skip("this redis-server was built without TLS")
        node.authority = f"ssl_ca_certs={folder / 'ca.pem'}"
        yield node
    finally:
        node.kill()


@pytest.fixture
def user(secure):
    """Make a user with the rule of the docs."""
    page = (ROOT / "docs/reference/stores.md").read_text("utf-8")
    (rule,) = (
        line.removeprefix("ACL SETUSER limiter ")
        for line in page.splitlines()
        if line.startswith("ACL SETUSER limiter ")
    )
    with redis.Redis(unix_socket_path=str(secure.socket)) as client:
        client.flushall()
        client.execute_command("ACL", "SETUSER", "limiter", *rule.split())
    return "limiter:secret"


def test_an_unknown_authority_is_an_error_of_ours(secure, caller):
    """
    It says that the certificate is why.
    """
    with caller(f"rediss://127.0.0.1:{secure.port}", limits=LIMIT) as someone:
        gone, took = rig_stores.timed(someone.try_acquire, "a")
    assert isinstance(gone, StoreUnavailable)
    # Tried again until its time is up, it may end with that.
    assert gone.code in {"P201", "P208"}
    assert gone.code == "P208" or "certificate" in str(gone)
    assert took < 1.5


def test_a_user_with_a_password_over_tls(secure, user, caller):
    """
    With the authority's certificate all is as without TLS.
    """
    url = f"rediss://{user}@127.0.0.1:{secure.port}?{secure.authority}"
    with caller(url, limits=LIMIT) as someone:
        assert sum(bool(someone.try_acquire("b")) for _ in range(8)) == 5
    with caller(url.replace("secret@", "wrong@"), limits=LIMIT) as someone:
        refused, _ = rig_stores.timed(someone.try_acquire, "b")
    assert isinstance(refused, StoreError)
    assert refused.code == "P203"
