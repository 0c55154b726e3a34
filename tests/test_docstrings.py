"""Public names outside the windows say what they take and give; examples run.

Public: a function, class or method without a leading underscore, in a module and a
class without one. The rules, of a docstring in the numpy convention:

(a) every public name has one;
(b) a function with parameters (more than self) has a section Parameters that names
    every one of them; not a setter, and not a method that a base class of the package
    has already, whose text holds for it; a class with an __init__ likewise;
(c) a function that gives something back has a section Returns or Yields, or a summary
    that begins with "Return", "Yield" or "Whether"; properties are read as attributes;
(d) an attribute with a type (of a dataclass or a named tuple) is described below it, or
    in a section of its class. Fields of settings have their sentence in a call.

Prints the counts as a script: ``python tests/test_docstrings.py [--list]``.
"""

import ast
import doctest
import importlib
import re
import sys
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = SOURCE / "napari_scicompty"
OUTSIDE = ("ui", "cli")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
SAYS_RESULT = re.compile(r"(Return|Whether|Yield)\b")


def modules():
    """Public modules outside the windows and the command line."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] in OUTSIDE:
            continue
        if all(not part.startswith("_") or part == "__init__" for part in parts):
            yield path


def public(path):
    """Name, node and class of each public function and class of a file."""

    def walk(node, prefix, owner):
        for child in node.body:
            if not isinstance(child, (*FUNCTIONS, ast.ClassDef)):
                continue
            if child.name.startswith("_"):
                continue
            yield f"{prefix}{child.name}", child, owner
            if isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.", child)

    where = path.relative_to(PACKAGE).as_posix()
    yield from walk(ast.parse(path.read_text()), f"{where}:", None)


def names():
    """All of them."""
    for path in modules():
        yield from public(path)


def decorators(node):
    return [ast.unparse(decorator) for decorator in node.decorator_list]


def parameters(node):
    """Names of the parameters a caller gives."""
    rest = node.args
    given = [*rest.posonlyargs, *rest.args, *rest.kwonlyargs]
    given += [one for one in (rest.vararg, rest.kwarg) if one is not None]
    return [one.arg for one in given if one.arg not in ("self", "cls")]


def sections(text):
    """Sections of a docstring by their headings."""
    pieces = HEADING.split(text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def described(section):
    """Names that a section has entries for."""
    heads = [line for line in section.splitlines() if line and line[0] != " "]
    words = ",".join(line.split(" : ")[0] for line in heads).split(",")
    return {word.strip().lstrip("*") for word in words}


def excused(node):
    """A setter, an overload, and a check that pydantic calls."""
    return any(
        mark.endswith((".setter", "overload")) or "validator" in mark
        for mark in decorators(node)
    )


@cache
def classes():
    """Every class of the package by its name, private ones too."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


def inherited(node, owner):
    """Whether a base class has the same method, whose text then holds for this one."""
    bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in owner.bases]
    for base in (one for name in bases for one in classes().get(name, ())):
        for child in base.body:
            if isinstance(child, FUNCTIONS) and child.name == node.name:
                return bool(ast.get_docstring(child))
        if inherited(node, base):
            return True
    return False


def undocumented():
    return [
        name
        for name, node, _ in names()
        if not excused(node) and not ast.get_docstring(node)
    ]


def without_parameters():
    """Functions whose section Parameters is missing, or leaves a parameter out."""
    missing = []
    for name, node, owner in names():
        if not isinstance(node, FUNCTIONS) or excused(node) or not parameters(node):
            continue
        if owner and inherited(node, owner):
            continue
        section = sections(ast.get_docstring(node) or "").get("Parameters", "")
        named = described(section)
        left_out = [one for one in parameters(node) if one not in named]
        if left_out:
            missing.append(f"{name}({', '.join(left_out)})")
    return missing


def classes_without_parameters():
    """Classes with an ``__init__`` of their own that leave a parameter out."""
    missing = []
    for name, node, _ in names():
        made = [n for n in getattr(node, "body", ()) if isinstance(n, FUNCTIONS)]
        made = [n for n in made if n.name == "__init__"]
        if isinstance(node, ast.ClassDef) and made:
            section = sections(ast.get_docstring(node) or "").get("Parameters", "")
            if left_out := set(parameters(made[0])) - described(section):
                missing.append(f"{name}({', '.join(sorted(left_out))})")
    return missing


def without_result():
    missing = []
    for name, node, owner in names():
        if not isinstance(node, FUNCTIONS) or excused(node):
            continue
        if owner and inherited(node, owner):
            continue
        if node.returns is None or ast.unparse(node.returns) in ("None", "NoReturn"):
            continue
        if any("property" in mark for mark in decorators(node)):
            continue
        text = ast.get_docstring(node) or ""
        if {"Returns", "Yields"} & set(sections(text)) or SAYS_RESULT.match(text):
            continue
        missing.append(name)
    return missing


def with_examples():
    """Modules, private ones too, whose docstrings hold examples."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[1] not in OUTSIDE and ">>> " in path.read_text():
            yield ".".join(part for part in parts if part != "__init__")


def attributes_undescribed():
    missing = []
    for name, node, _ in names():
        if not isinstance(node, ast.ClassDef):
            continue
        found = sections(ast.get_docstring(node) or "")
        told = described(found.get("Parameters", ""))
        told |= described(found.get("Attributes", ""))
        for field, after in zip(node.body, [*node.body[1:], None], strict=True):
            if not isinstance(field, ast.AnnAssign) or field.target.id in told:
                continue
            if field.target.id.startswith("_") or is_setting(field):
                continue
            if not (isinstance(after, ast.Expr) and is_text(after.value)):
                missing.append(f"{name}.{field.target.id}")
    return missing


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_setting(field):
    """Whether a function makes the field, such as `setting`; or it is of the class."""
    if "ClassVar" in ast.unparse(field.annotation):
        return True
    made = ast.unparse(field.value.func) if isinstance(field.value, ast.Call) else ""
    return made.strip("_").islower() and made != "field"


def test_every_public_name_says_what_it_is():
    assert not undocumented()


def test_every_parameter_is_described():
    assert not without_parameters()
    assert not classes_without_parameters()


def test_every_result_is_described():
    assert not without_result()


def test_every_attribute_is_described():
    assert not attributes_undescribed()


@pytest.mark.parametrize("name", list(with_examples()))
def test_examples_run(name):
    ran = doctest.testmod(importlib.import_module(name))
    assert ran.attempted and not ran.failed


if __name__ == "__main__":
    every = list(names())
    functions = [one for one in every if isinstance(one[1], FUNCTIONS)]
    print(f"{len(every)} public names, {len(functions)} of them functions")
    for title, found in (
        ("(a) without a docstring", undocumented()),
        ("(b) a parameter not described", without_parameters()),
        ("(b) the same of classes", classes_without_parameters()),
        ("(c) a result not described", without_result()),
        ("(d) an attribute not described", attributes_undescribed()),
    ):
        print(f"{title}: {len(found)}")
        if "--list" in sys.argv:
            print("".join(f"    {name}\n" for name in found), end="")
