"""Where a small mistake can be made, which of them are drawn, and where each would be felt first."""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = (  # decorators make the records what they are; the last two need names to work on
    "core/RemoveDecorator", "core/ExceptionReplacer", "core/VariableInserter", "core/VariableReplacer",
)  # fmt: skip
Place = tuple[str, int]  # module, line
FAR = 3  # a constant made from a constant made from a constant


@dataclass(frozen=True)
class Mutant:
    """One change at one place."""

    module: str
    operator: str
    occurrence: int
    line: int
    column: int


def mutants(module: Path) -> list[Mutant]:
    """Every mutant of a module that a test could notice; kept in .mutants/places while its text is the same."""
    text = (ROOT / module).read_bytes()
    kept = ROOT / ".mutants" / "places" / f"{hashlib.sha256(text).hexdigest()[:24]}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([astuple(one)[1:] for one in _mutants(module)]), encoding="utf-8")
    return [Mutant(module.as_posix(), *one) for one in json.loads(kept.read_text(encoding="utf-8"))]


def _mutants(module: Path) -> Iterator[Mutant]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / module).read_text(encoding="utf-8")
    nodes, blind = list(ast_nodes(get_ast(source))), unseen(source)
    for name in operator_names():
        if name in LEFT_OUT:
            continue
        operator, occurrence = get_operator(name)(), 0
        for node in nodes:
            for (line, column), _ in operator.mutation_positions(node):
                if (line, column) not in blind:
                    yield Mutant(module.as_posix(), name, occurrence, line, column)
                occurrence += 1


class Places(set[tuple[int, int]]):
    """Places (line, column) covered by some nodes."""

    def cover(self, node: ast.AST | None, source: list[str]) -> None:
        """Everything from a node's beginning to its end."""
        if node is None or not hasattr(node, "lineno"):
            return
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            first = node.col_offset if line == node.lineno else 0
            last = node.end_col_offset if line == node.end_lineno else len(source[line - 1])
            self.update((line, column) for column in range(first, last + 1))


def unseen(source: str) -> Places:
    """Places of annotations and of types, of blocks for type checkers, and of what is raised."""
    places, lines = Places(), source.splitlines()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.arg(annotation=found) | ast.AnnAssign(annotation=found) | ast.FunctionDef(returns=found):
                places.cover(found, lines)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Raise():
                places.cover(node, lines)
    return places


def drawn(packages: Sequence[str], only: str, count: int, seed: int) -> list[Mutant]:
    """So many places in all, as many of each package, and one mutant of each place."""
    packages = [one for one in packages if one.startswith(only) or only.startswith(one)]
    chosen, found = random.Random(seed), []
    for at, package in enumerate(packages):
        places: dict[tuple[str, int, int], list[Mutant]] = {}
        for module in sorted((ROOT / package).rglob("*.py")):
            name = module.relative_to(ROOT)
            if name.as_posix().startswith(only):
                for mutant in mutants(name):
                    places.setdefault((mutant.module, mutant.line, mutant.column), []).append(mutant)
        share = count * (at + 1) // len(packages) - count * at // len(packages)
        keys = chosen.sample(sorted(places), min(share, len(places)))
        found += [chosen.choice(places[key]) for key in keys]
    chosen.shuffle(found)  # so that a run that was stopped early has tried some of each
    return found


def changed(mutant: Mutant) -> tuple[str, str]:
    """The module's text with the mutant, and the lines that differ."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (ROOT / mutant.module).read_text(encoding="utf-8")
    text = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    assert text is not None, mutant
    lines = difflib.unified_diff(source.splitlines(), text.splitlines(), n=0, lineterm="")
    return text, "\n".join(line for line in list(lines)[3:])


# --- where a change is felt -------------------------------------------------------------------------------------------


@cache
def statements(module: str) -> tuple[tuple[ast.stmt, int, bool], ...]:
    """The statements of a module with the last line of their own (of a block: its head's), and: within a function?"""
    found: list[tuple[ast.stmt, int, bool]] = []

    def walk(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                body = getattr(child, "body", None) or getattr(child, "cases", None)
                first = min((getattr(b, "lineno", 0) or b.pattern.lineno for b in body), default=0) if body else 0
                head = max(child.lineno, first - 1) if body else (child.end_lineno or child.lineno)
                found.append((child, head, inside))
            walk(child, inside or isinstance(child, ast.FunctionDef | ast.Lambda))

    walk(ast.parse((ROOT / module).read_text(encoding="utf-8")), False)
    return tuple(found)


@cache
def mentions(name: str) -> tuple[Place, ...]:
    """Lines of the doctor that say a name."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    texts = {path: path.read_text(encoding="utf-8").splitlines() for path in sorted((ROOT / "hndoctor").rglob("*.py"))}
    return tuple(
        (path.relative_to(ROOT).as_posix(), number)
        for path, lines in texts.items()
        for number, line in enumerate(lines, 1)
        if word.search(line)
    )


def felt_at(module: str, line: int, far: int = FAR) -> set[Place]:
    """Lines that run when tests run and would do otherwise: the statement's own, or those that use what it binds."""
    own = [one for one in statements(module) if _begins(one[0]) <= line <= one[1]]
    if not own:
        return set()
    statement, last, inside = max(own, key=lambda one: _begins(one[0]))
    if inside:
        return {(module, at) for at in range(_begins(statement), last + 1)}
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):  # a default, or what decorates
        return {(module, at) for at in range(last + 1, (statement.end_lineno or last) + 1)}
    names = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    used = {place for name in names for place in mentions(name) if place != (module, line)} if far else set()
    return {place for at in used for place in felt_at(*at, far - 1)}


def _begins(statement: ast.stmt) -> int:
    return min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])
