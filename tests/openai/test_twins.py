"""The two drivers are written by hand and must not drift."""

import ast
import inspect

from paceline.openai import _aio, _sync

SYNONYMS = {
    "asyncio": "time",
    "anext": "next",
    "aread": "read",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "AsyncIterator": "Iterator",
}
# What differs for a reason: who posts, and how a cancelled caller does.
OWN = {"finish", "abandon", "post", "close", "enter", "verb"}


class Unasync(ast.NodeTransformer):
    def visit_AsyncFunctionDef(self, node):
        fields = dict(ast.iter_fields(node))
        fields["name"] = SYNONYMS.get(node.name, node.name)
        return self.generic_visit(ast.FunctionDef(**fields))

    def visit_Await(self, node):
        return self.visit(node.value)

    def visit_Name(self, node):
        return ast.Name(SYNONYMS.get(node.id, node.id), node.ctx)

    def visit_Attribute(self, node):
        self.generic_visit(node)
        name = SYNONYMS.get(node.attr, node.attr)
        return ast.Attribute(node.value, name, node.ctx)


def functions(module):
    tree = Unasync().visit(ast.parse(inspect.getsource(module)))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.unparse(ast.fix_missing_locations(node)) for node in found}


def test_the_async_driver_is_the_sync_one_with_awaits():
    """
    Taking every async and await out of _aio leaves _sync, but for six small ones.
    """
    ours, theirs = functions(_sync), functions(_aio)
    assert set(ours) == set(theirs)
    assert set(ours) > OWN
    for name in set(ours) - OWN:
        assert ours[name] == theirs[name]


def test_the_small_ones_have_the_same_parameters():
    """
    What is written twice is at least called alike.
    """
    for name in OWN:
        pair = (getattr(module, name) for module in (_sync, _aio))
        ours, theirs = (list(inspect.signature(each).parameters) for each in pair)
        assert ours == theirs
