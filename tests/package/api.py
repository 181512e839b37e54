"""Reads the installed headers: what they declare, and the comment that stands before each."""

import re
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(
    r"""
    (?P<comment>/\*.*?\*/) |
    (?P<newline>\n) |
    (?P<space>[ \t]+) |
    (?P<word>[A-Za-z_0-9]+) |
    (?P<other>.)
    """,
    re.S | re.X,
)
DIRECTIVE = re.compile(r"^#[ \t]*(\w+)[ \t]*(.*)$", re.M)
CPLUSPLUS = re.compile(r"^#ifdef __cplusplus\n.*?^#endif$", re.S | re.M)


@dataclass
class Declaration:
    kind: str  # "function", "struct", "enum", "value", "field", "macro"
    name: str  # of values and fields: with their type's name and a dot
    where: str  # header:line
    comment: str | None  # without its stars; None if there is none
    type: str = ""  # of functions and fields
    parameters: list = field(default_factory=list)  # of functions: (type, name)
    opaque: bool = False  # a struct without its fields

    def __str__(self):
        return f"{self.where}: {self.kind} {self.name}"


class ParseError(Exception):
    pass


def plain(comment):
    """The text of a comment."""
    lines = comment.removeprefix("/*").removesuffix("*/").strip().split("\n")
    return "\n".join(re.sub(r"^\s*\* ?", "", line) for line in lines)


def tokens_of(text):
    """(token, line, comment before it or None). A blank line parts a comment from what follows."""
    comment = None
    newlines = 0
    line = 1
    for match in TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if kind == "newline":
            newlines += 1
            if newlines > 1:
                comment = None
        elif kind == "comment":
            comment, newlines = plain(token), 0
        elif kind != "space":
            yield token, line, comment
            comment, newlines = None, 0
        line += token.count("\n")


def split(tokens, separator):
    """Cuts a list of tokens at each separator that is not in brackets."""
    parts, part, depth = [], [], 0
    for token in tokens:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == separator and depth == 0:
            parts.append(part)
            part = []
        else:
            part.append(token)
    if part:
        parts.append(part)
    return parts


def words(tokens):
    return [token[0] for token in tokens]


def declarator(tokens, where):
    """(type, name) of a field or a parameter."""
    text = words(tokens)
    if "," in text and "(" not in text:
        raise ParseError(f"{where}: one declaration for each name, please")
    if "(" in text:  # a pointer to a function
        return "function", text[text.index("(") + 2]
    end = text.index("[") if "[" in text else len(text)
    return " ".join(text[: end - 1]), text[end - 1]


def parse_body(kind, name, tokens, header):
    separator, member = (",", "value") if kind == "enum" else (";", "field")
    for part in split(tokens, separator):
        _, line, comment = part[0]
        where = f"{header}:{line}"
        if "{" in words(part):
            raise ParseError(f"{where}: a type inside of a type")
        if kind == "enum":
            type_, member_name = "", part[0][0]
        else:
            type_, member_name = declarator(part, where)
        yield Declaration(member, f"{name}.{member_name}", where, comment, type_)


def parse_statement(tokens, header):
    text = words(tokens)
    _, line, comment = tokens[0]
    where = f"{header}:{line}"
    if text[0] in ("struct", "enum") and (len(text) == 2 or text[2] == "{"):
        yield Declaration(text[0], text[1], where, comment, opaque=len(text) == 2)
        if len(text) > 2:
            yield from parse_body(text[0], text[1], tokens[3:-1], header)
        return
    if text[-1] != ")" or "(" not in text:
        raise ParseError(f"{where}: neither a function nor a type: {' '.join(text)}")
    start = text.index("(")
    parameters = [declarator(part, where) for part in split(tokens[start + 1 : -1], ",")]
    if parameters and parameters[0][1] == "void":
        parameters = []
    yield Declaration("function", text[start - 1], where, comment, " ".join(text[: start - 1]), parameters)


def parse(text, header="header"):
    """All that a header declares, in its order."""
    # The same number of lines stays.
    text = CPLUSPLUS.sub(lambda match: "\n" * match.group().count("\n"), text)
    for match in DIRECTIVE.finditer(text):
        name = re.match(r"\w*", match.group(2)).group()
        if match.group(1) == "define" and not name.endswith("_H"):
            before = text[: match.start()]
            comment = re.search(r"/\*((?:(?!\*/).)*)\*/\n\Z", before, re.S)
            where = f"{header}:{before.count(chr(10)) + 1}"
            yield Declaration("macro", name, where, comment and plain(comment.group().strip()))
    text = DIRECTIVE.sub("", text)
    for statement in split(list(tokens_of(text)), ";"):
        yield from parse_statement(statement, header)


def parse_headers(folder):
    """All that the headers in a folder declare."""
    declarations = []
    for path in sorted(Path(folder).glob("*.h")):
        declarations += parse(path.read_text(), path.name)
    return declarations


def functions(folder):
    """The names of all public functions."""
    return sorted(d.name for d in parse_headers(folder) if d.kind == "function")
