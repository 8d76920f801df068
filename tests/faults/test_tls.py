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


class Secure(rig_fleet.Node):
    """A server that speaks TLS; its socket does not."""

    def local(self, *command):
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            return client.execute_command(*command)

    def present(self, name):
        """Show another certificate, also to those who are connected."""
        folder = self.directory.parent
        self.local(
            "CONFIG", "SET", "tls-cert-file", f"{folder}/{name}.pem",
            "tls-key-file", f"{folder}/{name}-key.pem",
        )  # fmt: skip
        self.local("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """Start a server that speaks TLS alone; Debian's can, pip's cannot."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "cert-key.pem")
    stranger = trustme.CA().issue_cert("127.0.0.1")
    stranger.cert_chain_pems[0].write_to_path(folder / "other.pem")
    stranger.private_key_pem.write_to_path(folder / "other-key.pem")
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("there is no redis-server")
    node = Secure(binary, folder)
    place = node.arguments.index("--port")
    node.arguments[place] = "--tls-port"
    node.arguments += ["--port", "0", "--tls-auth-clients", "no"]
    node.arguments += ["--tls-cert-file", folder / "cert.pem"]
    node.arguments += ["--tls-key-file", folder / "cert-key.pem"]
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
    secure.local("FLUSHALL")
    secure.local("ACL", "SETUSER", "limiter", *rule.split())
    return "limiter:secret"


def hopeless(caller, url, **options):
    """Call with half a minute to wait; return the error, which must come at once."""
    with caller(url, limits=LIMIT, **options) as someone:
        error, took = rig_stores.timed(someone.acquire, "a", timeout=30)
    assert took < 1.0
    assert isinstance(error, StoreError), error
    assert not isinstance(error, StoreUnavailable)
    return error


@pytest.mark.parametrize("kind", ["", "+cluster", "+sentinel"])
@pytest.mark.parametrize("policy", ["raise", "local", "allow"])
def test_an_unknown_authority_is_told_at_once(secure, caller, kind, policy):
    """
    It says that the certificate is why. No waiting cures it, and no policy lets go.
    """
    name = "/quota" if kind == "+sentinel" else ""
    url = f"rediss{kind}://127.0.0.1:{secure.port}{name}"
    error = hopeless(caller, url, on_outage=policy)
    assert error.code == "P214"
    assert "certificate is refused here: self-signed certificate" in str(error)


@pytest.mark.parametrize("kind", ["", "+cluster", "+sentinel"])
def test_who_forgets_tls_is_told_so(secure, caller, kind):
    """
    A server that speaks TLS alone closes at the first words of one who does not.
    """
    name = "/quota" if kind == "+sentinel" else ""
    url, hurry = f"redis{kind}://127.0.0.1:{secure.port}{name}", 0.1
    timeouts = {"connect_timeout": hurry, "call_timeout": hurry}
    with caller(url, limits=LIMIT, **timeouts) as user:
        error, _ = rig_stores.timed(user.try_acquire, "a")
    assert error.code == "P201"
    assert error.message.endswith("(the connection was closed)")
    assert '"rediss://" for "redis://"' in error.hint


def test_a_certificate_of_another_host_is_told_at_once(secure, caller):
    """
    Its authority is known, the name is not the one that was asked for.
    """
    url = f"rediss://localhost:{secure.port}?{secure.authority}&ssl_check_hostname=true"
    error = hopeless(caller, url)
    assert error.code == "P214"
    assert "mismatch" in str(error)


def test_a_server_that_wants_our_certificate_says_so(secure, caller):
    """
    In TLS 1.3 it says so only once we have sent something, and closes: its word may be
    lost with the connection, which then is a lost one like any other.
    """
    secure.local("CONFIG", "SET", "tls-auth-clients", "yes")
    url = f"rediss://127.0.0.1:{secure.port}?{secure.authority}"
    try:
        with caller(url, limits=LIMIT) as someone:
            error, took = rig_stores.timed(someone.acquire, "a", timeout=30)
    finally:
        secure.local("CONFIG", "SET", "tls-auth-clients", "no")
    assert took < 1.5
    if error.code != "P201":
        assert error.code == "P214"
        assert "certificate required" in str(error)


@pytest.mark.parametrize("policy", ["local", "wait", "allow"])
def test_a_certificate_that_changes_is_no_outage(secure, caller, policy):
    """
    Whoever mended it wants to hear of it, and not that calls went without the store.
    """
    url = f"rediss://127.0.0.1:{secure.port}?{secure.authority}"
    with caller(url, limits="99/min", on_outage=policy) as someone:
        someone.acquire("c")
        secure.present("other")
        try:
            error, took = rig_stores.timed(someone.acquire, "c", timeout=30)
        finally:
            secure.present("cert")
        assert took < 1.0
        assert getattr(error, "code", error) == "P214"
        someone.acquire("c", timeout=5)


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
