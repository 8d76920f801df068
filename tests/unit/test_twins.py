"""
``_sync`` and ``_aio`` are written by hand and must not drift.

Checking two twins costs less than generating one: no tree to commit, no file that
linters must skip, no editor that jumps to the wrong copy.
"""

import ast
import inspect

import pytest

from paceline import RateLimiter, _aio, _sync
from paceline._engine import Engine
from paceline._permit import Permit

SYNONYMS = {"asyncio": "time", "AsyncStore": "SyncStore"}
TWINS = [
    (RateLimiter, ["acquire", "cool_down", "peek", "reset", "try_acquire"]),
    (RateLimiter, ["exchange", "space"]),
    (Permit, ["settle", "cancel", "release"]),
    (Engine, ["acquire", "decide", "run"]),
]


class Unasync(ast.NodeTransformer):
    def visit_AsyncFunctionDef(self, node):
        return self.visit(ast.FunctionDef(**dict(ast.iter_fields(node))))

    def visit_AsyncWith(self, node):
        return self.visit(ast.With(**dict(ast.iter_fields(node))))

    def visit_Await(self, node):
        return self.visit(node.value)

    def visit_Name(self, node):
        return ast.Name(SYNONYMS.get(node.id, node.id), node.ctx)


def body(module):
    tree = Unasync().visit(ast.parse(inspect.getsource(module)))
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    return [ast.unparse(ast.fix_missing_locations(node)) for node in functions]


def test_aio_is_sync_with_awaits():
    """
    Taking every async and await out of _aio leaves _sync.
    """
    assert len(body(_sync)) == 3
    assert body(_sync) == body(_aio)


@pytest.mark.parametrize(("owner", "names"), TWINS)
def test_verbs_have_twins_with_the_same_signature(owner, names):
    """
    Every verb that calls the store has an _async twin with the same parameters.
    """
    for name in names:
        twin = getattr(owner, f"{name}_async")
        assert inspect.iscoroutinefunction(twin)
        ours, theirs = (inspect.signature(f) for f in (getattr(owner, name), twin))
        assert ours == theirs
