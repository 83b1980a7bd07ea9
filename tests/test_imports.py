"""Who may import whom, and what the command line may not load before it is asked to do something."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import laudo

PACKAGE = Path(laudo.__path__[0])
VERBS = {"prepare", "translate", "check", "train", "generate", "evaluate", "report"}
MAY_IMPORT_VERBS = {"cli"}
HEAVY = {"torch", "transformers", "peft", "pyarrow", "matplotlib", "PIL", "numpy", "pydicom", "scipy"}


def modules() -> dict[str, Path]:
    """`laudo.phantom.draw` -> its file, for every module of the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("laudo", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(source: str, known: set[str]) -> set[str]:
    """The modules of this package that a source imports, also inside functions and for types alone."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            named |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return named & known


def top(module: str) -> str:
    """The verb or noun that a module belongs to: `laudo.phantom.draw` -> `phantom`."""
    return module.split(".")[1] if "." in module else ""


def test_only_the_command_line_imports_verbs():
    found = modules()
    assert {top(name) for name in found} >= VERBS | MAY_IMPORT_VERBS, "every verb was looked at"
    assert len(found) >= 25
    wrong = {
        f"{name} imports {other}"
        for name, path in found.items()
        for other in imported(path.read_text("utf-8"), set(found))
        if top(other) in VERBS and top(name) not in MAY_IMPORT_VERBS | {top(other)}
    }
    assert not wrong


def test_only_main_imports_the_command_line():
    found = modules()
    users = {
        name for name, path in found.items() if "laudo.cli" in imported(path.read_text("utf-8"), set(found))
    }
    assert users == {"laudo.__main__"}


@pytest.mark.parametrize(
    "line",
    [
        "from laudo import check",
        "import laudo.check",
        "from laudo.check import verdict",
        "def f():\n    from laudo import check",
    ],
)
def test_the_test_sees_every_way_to_import(line):
    assert "laudo.check" in imported(line, {"laudo", "laudo.check"})


def loaded_after(statement: str) -> set[str]:
    run = f"import sys\n{statement}\nprint(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", run], check=True, capture_output=True, text=True)
    return {name.partition(".")[0] for name in ended.stdout.split()}


def test_the_command_line_loads_nothing_heavy():
    loaded = loaded_after("import laudo.cli")
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_a_worker_of_preparation_loads_no_model_library():
    assert not loaded_after("import laudo.prepare, laudo.check") & {
        "torch",
        "transformers",
        "peft",
        "matplotlib",
    }
