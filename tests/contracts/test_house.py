"""The rules of the house that a linter does not know."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "nlptl"
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]
MAX_LINES, MAX_IMPORTS, MAX_METHODS = 500, 20, 12
MAX_PUBLIC_OF_ESTIMATORS = 20
MAX_SHARE_OF_ANY = 0.05
MAX_PRIVATE_CALLS = 5
SAME_NAME = {"registry"}
"""The one list of methods, of heads and of encoders."""
OURS = {"InputError", "ConfigError", "StorageError", "IntegrityError", "EncoderNotFoundError"}


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path):
    return [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.FunctionDef)]


def body_lines(function):
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_has_a_test_of_its_name_and_a_bearable_length(path):
    if path.name not in ("__init__.py", "__main__.py"):
        room = path.relative_to(PACKAGE).parent
        assert (ROOT / "tests" / room / f"test_{path.name}").is_file()
    assert path.read_text().count("\n") <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_functions_are_short_take_few_parameters_and_never_assert(path):
    for function in functions(path):
        assert body_lines(function) <= 40, function.name
        given = function.args
        names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        counted = [name for name in names if name not in ("self", "cls")]
        assert len(counted) <= 6 or function.name == "__init__", (function.name, counted)
    assert not [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.Assert)]


def test_objects_seldom_call_private_methods_of_others():
    foreign = {"atexit", "os", "AcceleratorState", "model"}
    calls = []
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            name = node.func if isinstance(node, ast.Call) else None
            if not isinstance(name, ast.Attribute) or not name.attr.startswith("_"):
                continue
            owner = ast.unparse(name.value)
            if not name.attr.startswith("__") and owner not in {"self", "cls", "super()", *foreign}:
                calls.append(f"{path.name}: {ast.unparse(name)}")
    assert len(calls) <= MAX_PRIVATE_CALLS, calls


def test_few_parameters_are_annotated_with_any():
    annotations = []
    for path in MODULES:
        for function in ast.walk(tree_of(path)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                args = function.args
                every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
                annotations += [arg.annotation for arg in every if arg and arg.annotation]
    names = [
        {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
        for annotation in annotations
    ]
    assert sum("Any" in each for each in names) / len(names) <= MAX_SHARE_OF_ANY


def test_only_the_command_line_writes_to_the_terminal():
    for path in MODULES:
        if PACKAGE / "cli" in path.parents:
            continue
        text = path.read_text()
        assert "print(" not in text.replace("fingerprint(", "").replace("console.print(", "")
        assert "sys.stdout" not in text


def test_errors_show_the_value_they_received():
    shown, silent = 0, []
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                continue
            name = getattr(node.exc.func, "id", "")
            if name in OURS:
                message = ast.dump(node.exc)
                if "FormattedValue" in message or "Name(id='_unknown'" in message:
                    shown += 1
                else:
                    silent.append(f"{path.name}:{node.lineno}")
    assert shown / (shown + len(silent)) >= 0.8, silent


def test_nothing_is_ever_unpickled():
    forbidden = (
        "import pickle",
        "import joblib",
        "pickle.load",
        "joblib.load",
        "cloudpickle",
        "torch.load(",
        "allow_pickle=True",
        "weights_only=False",
        "trust_remote_code=True",
        "load_state(",
        "register_for_checkpointing",
    )
    for path in [*MODULES, *sorted((ROOT / "recipes").rglob("*.py"))]:
        text = path.read_text()
        assert not [word for word in forbidden if word in text], path


def test_importing_the_package_loads_nothing_heavy_and_few_modules():
    code = (
        "import sys, nlptl;"
        "heavy = {'torch', 'transformers', 'sklearn', 'gensim', 'datasets', 'pandas', 'scipy'};"
        "print(sorted(heavy & set(sys.modules)), len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, n_modules = done.stdout.rsplit(maxsplit=1)
    assert heavy == "[]"
    assert int(n_modules) < 200


def test_every_public_name_can_be_fetched():
    import nlptl
    import nlptl.encoders

    for module in (nlptl, nlptl.encoders):
        for name in module.__all__:
            assert getattr(module, name) is not None
    assert set(nlptl.__all__) == set(dir(nlptl))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


BY_NAME = {name_of(path): path for path in MODULES}


def imports_of(name):
    """Collect the modules of nlptl that a module imports, wherever the import stands."""
    names = set()
    for node in ast.walk(tree_of(BY_NAME[name])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nlptl"):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {full if full in BY_NAME else node.module for full in inner}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("nlptl")}
    return {other for other in names if other in BY_NAME and other != name}


IMPORTS = {name: imports_of(name) for name in BY_NAME}


def test_no_import_of_whatever_kind_closes_a_circle():
    above, done = [], set()

    def visit(name):
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name in done:
            return
        above.append(name)
        for other in sorted(IMPORTS[name]):
            visit(other)
        done.add(above.pop())

    for name in sorted(IMPORTS):
        visit(name)
    assert done == set(BY_NAME)


@pytest.mark.parametrize("name", sorted(IMPORTS))
def test_a_module_imports_few_others(name):
    if BY_NAME[name].name != "__init__.py":
        assert len(IMPORTS[name]) <= MAX_IMPORTS


def test_no_two_modules_share_a_name():
    stems = [path.stem for path in MODULES if path.stem not in ("__init__", "__main__")]
    assert {stem for stem in stems if stems.count(stem) > 1} <= SAME_NAME


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_class_has_few_methods(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ClassDef):
            continue
        names = [part.name for part in node.body if isinstance(part, kinds)]
        private = [name for name in names if name.startswith("_") and not name.startswith("__")]
        public = [name for name in names if not name.startswith("_")]
        met = "estimators" in path.parts
        most_public = MAX_PUBLIC_OF_ESTIMATORS if met else MAX_METHODS
        assert len(public) <= most_public, (node.name, public)
        assert len(private) <= MAX_METHODS, (node.name, private)
