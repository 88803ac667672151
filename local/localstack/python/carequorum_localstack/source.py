"""LocalStack's published source, made readable for the Pythons that its metadata admits.

It says Python 3.10 or later, and uses type parameters (PEP 695, Python 3.12), `warnings.deprecated` and
`Lock | None` (3.13). Those few places are written in the older way, once, in the installed files.
"""

import ast
import re
import sys
import sysconfig
from pathlib import Path

HEAD = re.compile(r"^(\s*)(class|def) (\w+)\[([^\]]+)\](.*)$")
ALIAS = re.compile(r"^type (\w+) = ")
MARK = ".readable"


def make_readable(package):
    """Rewrites what this Python cannot read; done once."""
    if sys.version_info >= (3, 13) or (package / MARK).exists():
        return
    replace(package / "utils" / "tagging.py", "from warnings import deprecated", "from typing_extensions import deprecated")
    replace(package / "packages" / "api.py", "install_lock: Lock | None", 'install_lock: "Lock | None"')
    for path in package.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if not is_readable(source):
            path.write_text(without_type_parameters(source), encoding="utf-8")
    (package / MARK).touch()


def replace(path, old, new):
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def is_readable(source):
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def without_type_parameters(source):
    """The same program with TypeVar and Generic. Raises SyntaxError where that is not enough."""
    variables, lines = {}, []
    for line in source.split("\n"):
        if match := HEAD.match(line):
            line = older_head(match, variables)
        lines.append(ALIAS.sub(r"\1 = ", line))
    if variables:
        first = next(
            at
            for at, line in enumerate(lines)
            if re.match(r"(import|from) ", line) and "__future__" not in line
        )
        imports = ["from typing import Generic as _Generic, TypeVar as _TypeVar"]
        lines[first:first] = [*imports, *variables.values()]
    older = "\n".join(lines)
    ast.parse(older)
    return older


def older_head(match, variables):
    """`class A[T: B](C):` as `class A(C, _Generic[T]):`; adds what T is to `variables`."""
    indent, keyword, name, parameters, rest = match.groups()
    names = []
    for parameter in parameters.split(","):
        variable, _, bound = (part.strip() for part in parameter.partition(":"))
        names.append(variable)
        limit = f', bound="{bound}"' if bound else ""
        variables[variable] = f'{variable} = _TypeVar("{variable}"{limit})'
    if keyword == "def":
        return f"{indent}def {name}{rest}"
    generic = f"_Generic[{', '.join(names)}]"
    if rest.startswith("("):
        return f"{indent}class {name}{rest[: rest.rindex(')')]}, {generic}):"
    return f"{indent}class {name}({generic}){rest}"


if __name__ == "__main__":
    make_readable(Path(sysconfig.get_path("purelib")) / "localstack")
