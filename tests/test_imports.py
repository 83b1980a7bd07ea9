"""Who may import whom, what is loaded before it is needed, and how the source of the package is written."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import laudo

PACKAGE = Path(laudo.__path__[0])
SOURCES = sorted(PACKAGE.rglob("*.py"))

LAYERS = [
    {"laudo", "errors", "vocabulary", "settings", "hashing"},
    {"progress"},
    {"store"},
    {"sections"},
    {"findings", "images", "mimic", "census"},
    {"fidelity", "targets"},
    {"phantom"},
    {"engines"},
    {"metrics"},
    {"experiment"},
    {"prepare", "translate", "check", "train", "generate", "evaluate", "report"},
    {"cli"},
    {"__main__"},
]
"""The rooms, the lowest first: a room imports from itself and from lower layers. `laudo` is `__init__.py`."""
LEVEL = {room: level for level, layer in enumerate(LAYERS) for room in layer}

HEAVY = {"torch", "transformers", "peft", "pyarrow", "matplotlib", "PIL", "numpy", "pydicom", "scipy"}


def modules() -> dict[str, Path]:
    """`laudo.phantom.draw` -> its file, for every module of the package."""
    named = {}
    for path in SOURCES:
        parts = ("laudo", *path.relative_to(PACKAGE).with_suffix("").parts)
        named[".".join(parts).removesuffix(".__init__")] = path
    return named


def room(module: str) -> str:
    """The room of a module: `laudo.phantom.draw` -> `phantom`, `laudo` -> `laudo`."""
    return module.split(".")[1] if "." in module else module


# --- what a source imports ----------------------------------------------------------------------------------


def imported(source: str, known: set[str]) -> set[str]:
    """The modules of the package that a source imports, also inside functions and for types alone."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            named |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return named & known


@pytest.mark.parametrize(
    "line",
    [
        "from laudo import check",
        "import laudo.check",
        "import laudo.check as stage",
        "from laudo.check import verdict",
        "def f():\n    from laudo import check",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from laudo.check import verdict",
    ],
)
def test_the_search_sees_every_way_to_import(line):
    assert "laudo.check" in imported(line, {"laudo", "laudo.check"})


MODULE_NAME = re.compile(r"laudo(\.\w+)+")
LOADERS = {"import_module", "__import__", "find_spec", "run_module"}


def imported_by_name(source: str) -> list[str]:
    """Names of modules as strings, and modules loaded by a name: imports that no checker of types sees."""
    tree = ast.parse(source)
    pieces = {
        id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values
    }
    hidden = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            is_hidden = MODULE_NAME.fullmatch(node.value)
        elif isinstance(node, ast.JoinedStr):
            text = "".join(p.value if isinstance(p, ast.Constant) else "x" for p in node.values)
            is_hidden = MODULE_NAME.fullmatch(text)
        else:
            is_hidden = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in LOADERS
        if is_hidden:
            hidden.append(ast.unparse(node))
    return hidden


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('files("laudo.findings")', ["'laudo.findings'"]),
        ('files(f"laudo.{room}")', ["f'laudo.{room}'"]),
        ('files(f"{package}.findings")', []),
        ("files(__package__)", []),
        ("import_module(name)", ["import_module(name)"]),
        ("importlib.import_module(name)", ["importlib.import_module(name)"]),
        ('__import__("la" + "udo.check")', ["__import__('la' + 'udo.check')"]),
        ('"""The facts of `laudo.findings`."""', []),
        ('print("laudo: 3 tables")', []),
        ('print(f"laudo {version}")', []),
    ],
)
def test_the_search_sees_modules_that_are_named_by_strings(line, expected):
    assert imported_by_name(line) == expected


def test_only_the_command_line_loads_modules_by_name():
    wrong = {
        f"{module}: {line}"
        for module, path in modules().items()
        for line in imported_by_name(path.read_text("utf-8"))
        if room(module) != "cli"
    }
    assert not wrong


# --- layers -------------------------------------------------------------------------------------------------


def edges() -> set[tuple[str, str]]:
    """Pairs of modules of which the first imports the second."""
    named = modules()
    return {
        (module, other)
        for module, path in named.items()
        for other in imported(path.read_text("utf-8"), set(named))
        if other != module
    }


def upward(pairs: set[tuple[str, str]]) -> set[str]:
    """Imports that point upwards, or to another room of the same layer."""
    return {
        f"{module} imports {other}"
        for module, other in pairs
        if room(module) != room(other) and LEVEL[room(other)] >= LEVEL[room(module)]
    }


def circles(pairs: set[tuple[str, str]]) -> list[list[str]]:
    """Rooms that import one another, directly or through others; each circle from its first room."""
    uses: dict[str, set[str]] = {}
    for module, other in pairs:
        if room(module) != room(other):
            uses.setdefault(room(module), set()).add(room(other))
    return [path for start in sorted(uses) for path in _paths(start, [start], uses) if min(path) == start]


def _paths(start: str, path: list[str], uses: dict[str, set[str]]) -> Iterator[list[str]]:
    for following in sorted(uses.get(path[-1], ())):
        if following == start:
            yield path
        elif following not in path:
            yield from _paths(start, [*path, following], uses)


def test_every_room_has_a_layer():
    assert {room(module) for module in modules()} == LEVEL.keys()


def test_imports_point_downwards():
    assert not upward(edges())


def test_rooms_import_one_another_in_no_circle():
    assert not circles(edges())


@pytest.mark.parametrize(
    ("pair", "is_wrong"),
    [
        (("laudo.store.rows", "laudo.experiment.plan"), True),
        (("laudo.images.cache", "laudo.mimic"), True),
        (("laudo.check", "laudo.translate"), True),
        (("laudo.findings.labels", "laudo.check"), True),
        (("laudo.errors", "laudo.cli"), True),
        (("laudo.store.rows", "laudo.store.state"), False),
        (("laudo.cli.stages", "laudo.check"), False),
        (("laudo.check", "laudo"), False),
    ],
)
def test_an_import_that_points_upwards_or_sideways_is_seen(pair, is_wrong):
    assert bool(upward({pair})) == is_wrong


def test_a_circle_is_seen():
    pairs = {
        ("laudo.a.x", "laudo.b"),
        ("laudo.b", "laudo.c.y"),
        ("laudo.c.z", "laudo.a"),
        ("laudo.c", "laudo.d"),
    }
    assert circles(pairs) == [["a", "b", "c"]]
    assert circles(pairs - {("laudo.b", "laudo.c.y")}) == []


def test_only_the_command_line_imports_stages():
    stages = LAYERS[LEVEL["prepare"]]
    users = {
        room(module) for module, other in edges() if room(other) in stages and room(other) != room(module)
    }
    assert users == {"cli"}


def test_only_main_imports_the_command_line():
    users = {module for module, other in edges() if room(other) == "cli" and room(module) != "cli"}
    assert users == {"laudo.__main__"}


# --- what is loaded, and what that changes ------------------------------------------------------------------


def printed_by(program: str) -> str:
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return ended.stdout


def loaded_after(statement: str) -> set[str]:
    names = printed_by(f"import sys\n{statement}\nprint(*sys.modules)").split()
    return {name.partition(".")[0] for name in names}


def test_the_command_line_loads_nothing_heavy():
    loaded = loaded_after("import laudo.cli")
    assert "typer" in loaded
    assert not loaded & (HEAVY | {"pydantic", "rich"})


@pytest.mark.parametrize("module", ["laudo.findings", "laudo.sections", "laudo.sections.reference"])
def test_what_reads_texts_loads_no_library_of_numbers_or_images(module):
    assert not loaded_after(f"import {module}") & HEAVY


def test_reading_a_report_loads_no_library_of_numbers_or_images():
    reading = (
        "from laudo import findings, sections; findings.read('Edema.', lang='en'); sections.split('Edema.')"
    )
    assert not loaded_after(reading) & HEAVY


def test_an_experiment_loads_neither_images_nor_models():
    loading = (
        "from laudo.experiment import load, plan; from pathlib import Path; plan(load('demo'), Path('none'))"
    )
    assert not loaded_after(loading) & {"PIL", "pydicom", "torch", "transformers", "peft", "matplotlib"}


def test_a_worker_of_preparation_or_checks_loads_no_model_library():
    assert not loaded_after("import laudo.prepare, laudo.check") & {
        "torch",
        "transformers",
        "peft",
        "matplotlib",
    }


@pytest.mark.parametrize(
    "module", ["laudo", "laudo.findings", "laudo.sections", "laudo.experiment", "laudo.cli"]
)
def test_an_import_changes_neither_the_environment_nor_logging(module):
    program = f"""
import logging, os
before = dict(os.environ), logging.root.level, list(logging.root.handlers)
import {module}
print((dict(os.environ), logging.root.level, list(logging.root.handlers)) == before)
"""
    assert printed_by(program) == "True\n"


# --- how the source is written ------------------------------------------------------------------------------


def test_the_package_can_be_seen_at_a_glance():
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 28


def functions(source: str) -> Iterator[tuple[str, int]]:
    """The name of every function, and how many lines it has from `def` to its end."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            yield node.name, node.end_lineno - node.lineno + 1


def test_the_lines_of_a_function_are_counted_with_its_first_and_last():
    assert list(functions("@decorated\ndef f(\n    a,\n):\n    return a\n")) == [("f", 4)]


def test_no_function_has_more_than_40_lines():
    long = {
        f"{path.relative_to(PACKAGE)}: {name}: {lines}"
        for path in SOURCES
        for name, lines in functions(path.read_text("utf-8"))
        if lines > 40
    }
    assert not long


def test_no_line_has_more_than_110_columns():
    written = [path for kind in ("py", "toml", "j2", "jinja") for path in PACKAGE.rglob(f"*.{kind}")]
    assert set(written) > set(SOURCES)
    # Templates of models' chats are copies: their bytes are part of the model.
    long = {
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in written
        if path.suffix != ".jinja"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > 110
    }
    assert not long


def test_every_line_is_formatted():
    # In two pieces, so that this line is not one of them.
    left_alone = re.compile("# *fmt: *" + "(skip|off)")
    wrong = [path.relative_to(PACKAGE) for path in SOURCES if left_alone.search(path.read_text("utf-8"))]
    assert not wrong
