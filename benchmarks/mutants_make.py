"""The mutants of a file: each differs from it in one expression."""

import ast
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEYS = ("file", "line", "before", "after")
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
PAIRS = (
    *(("min", "max"), ("amin", "amax"), ("argmin", "argmax"), ("minimum", "maximum")),
    *(("floor", "ceil"), ("any", "all"), ("zeros", "ones")),
)
NAMES = dict([*PAIRS, *(pair[::-1] for pair in PAIRS)])
COMMUTATIVE = {
    "transpose",
    "swapaxes",
    "min",
    "max",
    "minimum",
    "maximum",
    "add",
    "mul",
    "logical_and",
    "logical_or",
    "isinstance",
}


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        path: Of the file, from the root of the project.
        line: Number of the line where the change begins.
        text: That line, without its indentation and comment.
        before: The expression.
        after: What is put in its place.
        place: Its first byte in the file and the one after its last.
        scope: Name of the outermost function in whose body it lies, as "Class.method"; empty where it lies in none.
    """

    path: str
    line: int
    text: str
    before: str
    after: str
    place: tuple[int, int]
    scope: str

    @staticmethod
    def key_of(file: str, line: str, before: str, after: str) -> str:
        """Return what tells mutants apart as long as their line stays as it is."""
        return json.dumps([file, line, before, after])

    @property
    def key(self) -> str:
        """Its own."""
        return self.key_of(self.path, self.text, self.before, self.after)

    def entry(self) -> str:
        """Return its table for the allow list, without the reason."""
        values = zip(KEYS, (self.path, self.text, self.before, self.after), strict=True)
        told = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values)
        return f"[[mutant]]\n{told}\n"

    def applied_to(self, source: bytes) -> bytes:
        """Return the changed file."""
        first, last = self.place
        return source[:first] + f"({self.after})".encode() + source[last:]


class _Finder(ast.NodeVisitor):
    """Walks through a file and notes what can be changed, with the function that it lies in."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.expr, ast.expr, str]] = []
        self._classes: list[str] = []
        self._scope = ""

    def _note(self, node: ast.expr, *changed: ast.expr) -> None:
        self.found += [(node, other, self._scope) for other in changed]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._classes.append(node.name)
        self._visit_all(node.body)
        self._classes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_all([value for value in (*node.args.defaults, *node.args.kw_defaults) if value])
        outer, self._scope = self._scope, self._scope or ".".join([*self._classes, node.name])
        self._visit_all(node.body)
        self._scope = outer

    def _visit_all(self, nodes: "list[ast.stmt] | list[ast.expr]") -> None:
        for node in nodes:
            self.visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        """What an error says is read by people."""

    visit_JoinedStr = visit_Raise  # type: ignore[assignment]

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg != "strict":
            self.visit(node.value)

    def visit_If(self, node: "ast.If | ast.IfExp") -> None:
        self._note(node.test, ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    visit_IfExp = visit_If

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = OPERATORS.get(type(node.op))
        if other and not (isinstance(node.op, ast.BitOr) and not self._scope):  # the union of types
            self._note(node, ast.BinOp(node.left, other(), node.right))
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
            self._note(node, node.left)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1:
            self._note(node, ast.Compare(node.left, [COMPARISONS[type(node.ops[0])]()], node.comparators))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._note(node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        operand = node.operand
        if isinstance(node.op, ast.USub) and isinstance(operand, ast.Constant):
            if isinstance(operand.value, (int, float)):
                self._note(node, *(ast.Constant(-operand.value + step) for step in (1, -1)))
            return
        self._note(node, node.operand)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._note(node, ast.Constant(not node.value))
        elif isinstance(node.value, int):
            self._note(node, ast.Constant(node.value + 1))
        elif isinstance(node.value, float):
            self._note(node, ast.Constant(1.5 * node.value or 1.0))

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in NAMES:
            func = copy.deepcopy(node.func)
            setattr(func, "attr" if isinstance(func, ast.Attribute) else "id", NAMES[name])
            self._note(node, ast.Call(func, node.args, node.keywords))
        plain = len(node.args) == 2 and not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)
        if plain and name not in COMMUTATIVE:
            self._note(node, ast.Call(node.func, node.args[::-1], []))
        for keyword in node.keywords:
            if name in ("clamp", "clamp_", "clip") and keyword.arg in ("min", "max"):
                other = ast.keyword(NAMES[keyword.arg], keyword.value)
                others = [other if one is keyword else one for one in node.keywords]
                self._note(node, ast.Call(node.func, node.args, others))
        self.generic_visit(node)


def mutants_of(root: Path, path: str) -> Iterator[Mutant]:
    """Yield the mutants of a file, each once."""
    source = (root / path).read_bytes()
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    finder = _Finder()
    finder.visit(ast.parse(source))
    for node, changed, scope in finder.found:
        place = (
            starts[node.lineno - 1] + node.col_offset,
            starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0),
        )
        text = lines[node.lineno - 1].decode().split("  # ")[0].strip()
        yield Mutant(path, node.lineno, text, ast.unparse(node), ast.unparse(changed), place, scope)
