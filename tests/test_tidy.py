"""The house is tidy: lengths, names, comments and the drawn tree hold everywhere, without grandfathered cases."""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "voltway"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BENCHES = sorted((ROOT / "bench").rglob("*.py"))
ALL = [*SOURCES, *TESTS, *BENCHES]

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 5  # self and cls not counted
# FastAPI and Typer give a route or command one parameter per query field or option.
ROUTES = re.compile(r"(\w+\.)*(get|post|put|patch|delete|command|websocket)$")

BANNED_MODULES = re.compile(r"^(utils?|helpers?|common|base|manager|impl|misc)$")
BANNED_NAMES = re.compile(r"(^|_)(charger|cp|chargebox|txn|mwh)(_|s?$)", re.IGNORECASE)
# 1.6's own words belong to its module; a wire key is a string there, never a name elsewhere.
BANNED_CLASSES = re.compile(r"^(Abstract|Base|I[A-Z][a-z])|(Manager|Helper|Utils|Impl)$")
QUANTITIES = re.compile(r"(^|_)(timeout|interval|power|energy|duration|latency|limit_current|voltage)$")
NUMBERS = {"float", "int", "float | None", "int | None"}
UNFINISHED = re.compile(r"\b(FIXME|XXX|HACK)\b|\bTODO\b(?!\(#\d+\))")
WALL_CLOCK = re.compile(r"\b(?:datetime\.(?:now|utcnow|today)|time\.time)\(")
BLIND = re.compile(r"except \(?(Base)?Exception\b")
MACHINE = re.compile(r"/work/|/root/|pypi\.org|npmjs\.(com|org)|pythonhosted")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring_lines = (first.end_lineno or first.lineno) - first.lineno + 1 if is_docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring_lines


def _is_route(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    calls = (node.func for node in function.decorator_list if isinstance(node, ast.Call))
    return any(ROUTES.match(ast.unparse(call)) for call in calls)


def _parameter_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in arguments)


def _faults(paths: list[Path], faults_of: Callable[[Path], object]) -> dict[str, object]:
    """Return what a check found, by file; a tidy house gives an empty dict."""
    return {_name(path): found for path in paths if (found := faults_of(path))}


def test_files_are_short() -> None:
    def excess(path: Path) -> int:
        return max(len(path.read_text(encoding="utf-8").splitlines()) - MAX_FILE_LINES, 0)

    assert _faults(ALL, excess) == {}


def test_functions_are_short() -> None:
    def long(path: Path) -> dict[str, int]:
        lengths = {function.name: _length_without_docstring(function) for function in _functions(path)}
        return {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}

    assert _faults(ALL, long) == {}


def test_functions_take_few_parameters() -> None:
    """A route has one per query field and a command one per option; pydantic's own signature is its own."""

    def crowded(path: Path) -> list[str]:
        ours = [function for function in _functions(path) if not _is_route(function)]
        found = [function.name for function in ours if _parameter_count(function) > MAX_PARAMETERS]
        return [name for name in found if name != "settings_customise_sources"]

    assert _faults(SOURCES, crowded) == {}


def test_every_module_says_what_it_holds() -> None:
    assert _faults(ALL, lambda path: not ast.get_docstring(_tree(path))) == {}


def test_names_are_ours() -> None:
    """No word that the field uses for several things, no empty name for a module or class."""

    def foreign(path: Path) -> set[str]:
        tree = _tree(path)
        names = {name for name in _names(tree) if BANNED_NAMES.search(name)}
        classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        modules = {path.stem} if BANNED_MODULES.match(path.stem) else set()
        return names | modules | {name for name in classes if BANNED_CLASSES.search(name)}

    assert _faults(ALL, foreign) == {}


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


def test_numbers_carry_their_unit() -> None:
    """A plain number called `timeout` or `power` does not say of what; `timeout_s` and `power_w` do."""

    def naive(path: Path) -> list[str]:
        return [name for name, kind in _annotated(_tree(path)) if QUANTITIES.search(name) and kind in NUMBERS]

    assert _faults(SOURCES, naive) == {}


def _annotated(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                yield name, ast.unparse(annotation)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                yield name, ast.unparse(annotation)


def test_comments_promise_nothing() -> None:
    """What is to be done is an issue; `TODO(#7)` names it."""

    def promises(path: Path) -> list[str]:
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        comments = (token.string for token in tokens if token.type == tokenize.COMMENT)
        return [comment for comment in comments if UNFINISHED.search(comment)]

    assert _faults(ALL, promises) == {}


def test_the_wall_clock_is_read_in_one_place() -> None:
    """Only `kernel.clock` asks for it, so that a test or the made history can pass its own."""
    others = [path for path in SOURCES if path != PACKAGE / "kernel" / "clock.py"]
    assert _faults(others, lambda path: WALL_CLOCK.findall(path.read_text(encoding="utf-8"))) == {}


def _is_ours_to_skip(path: Path) -> bool:
    """This file holds the words it looks for; coverage's data are not committed."""
    return path == Path(__file__) or path.name.startswith(".coverage")


def test_no_file_names_a_machine_or_a_registry() -> None:
    """A checkout works anywhere: no path of a developer's machine and no registry's host is in it."""
    suffixes = {".py", ".toml", ".md", ".lock", ".js", ".css", ".html", ".sql", ".json", ".yml", ".yaml", ""}
    folders = ("src", "tests", "bench", "docs", "deploy", ".ci")
    files = [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    texts = (path for path in files if path.is_file() and path.suffix in suffixes and not _is_ours_to_skip(path))
    assert [_name(path) for path in texts if MACHINE.search(path.read_text(encoding="utf-8", errors="ignore"))] == []


def test_the_drawn_tree_is_the_tree_on_disk() -> None:
    """docs/architecture.md shows every module and package of src/voltway, and no other."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(
        r"^      (\w+(?:\.py|/)) ", text.partition("    src/voltway/\n")[2].partition("\n\n")[0], re.MULTILINE
    )
    packages = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert set(drawn) == packages | modules
    assert len(drawn) == len(set(drawn))


def test_every_store_has_its_contract() -> None:
    """import-linter protects a slice's tables only if somebody wrote its contract."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    protected = {name for contract in contracts for name in contract.get("protected_modules", ())}
    stores = {f"voltway.{path.parent.name}.store" for path in PACKAGE.glob("*/store.py")}
    assert stores <= protected


def test_tests_mirror_the_sources() -> None:
    """A test file is called after a module of the same slice, so that it is found."""
    slices = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    folders = {path.parent.relative_to(ROOT / "tests").parts[0] for path in TESTS if path.parent != ROOT / "tests"}
    assert folders - slices <= {"system", "web", "bench", "deploy"}


def test_blind_exceptions_have_a_reason() -> None:
    """`except Exception` stands only where a fault of one part must not end the others, with its reason on the line."""

    def bare(path: Path) -> list[str]:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if BLIND.search(line) and "# noqa: BLE001 - " not in line]

    assert _faults(SOURCES, bare) == {}
