#!/usr/bin/env python3
"""abi.py HEADERS MAP LIBRARY: fails unless headers, symbol map and library have the same functions."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import api
import tap

headers, symbol_map, library = sys.argv[1:]
node = "SYNCBRIDGE_0"
soname = "libsyncbridge.so.0"


def tool(*command):
    path = shutil.which(command[0])
    if path is None:
        raise tap.Skip(f"there is no {command[0]}")
    result = subprocess.run([path, *command[1:]], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def same(what, names, other_what, others):
    lines = [f"only in {what}: {name}" for name in sorted(set(names) - set(others))]
    lines += [f"only in {other_what}: {name}" for name in sorted(set(others) - set(names))]
    assert not lines, "\n".join(lines)


def mapped():
    match = re.fullmatch(
        rf"{node} \{{\nglobal:\n((?:\tsb_\w+;\n)+)local:\n\t\*;\n\}};\n", Path(symbol_map).read_text()
    )
    assert match, f"{symbol_map} is not of the form that is expected"
    return re.findall(r"\w+", match.group(1))


def exported():
    """name@@node of all that the library defines."""
    for line in tool("nm", "--dynamic", "--defined-only", library).splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":  # the node itself
            yield name


def map_has_what_headers_declare():
    same("the headers", api.functions(headers), "the map", mapped())


def map_is_sorted():
    names = mapped()
    assert names == sorted(set(names)), "names are out of order, or twice there"


def library_exports_what_headers_declare():
    same(
        "the headers",
        [f"{name}@@{node}" for name in api.functions(headers)],
        "the library",
        exported(),
    )


def library_has_its_name():
    dynamic = tool("readelf", "--dynamic", "--wide", library)
    assert f"[{soname}]" in dynamic, dynamic


def library_needs_libc_only():
    dynamic = tool("readelf", "--dynamic", "--wide", library)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    # The loader is libc's, too; what a sanitizer brings along is the build's.
    others = [name for name in needed if not re.match(r"(libc|ld-linux.*|lib.san|libubsan)\.", name)]
    assert needed and not others, f"needs {needed}"


def functions_are_found_from_cxx():
    """Names that C++ mangles would not be found by the linker."""
    path = shutil.which("g++") or shutil.which("clang++")
    if path is None:
        raise tap.Skip("there is no C++ compiler")
    code = "".join(f"#include <syncbridge/{p.name}>\n" for p in sorted(Path(headers).glob("*.h")))
    code += "void (*const functions[])() = {\n"
    code += "".join(f"\t(void (*)())&{name},\n" for name in api.functions(headers))
    code += "};\nint main() { return functions[0] == nullptr; }\n"
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            # Of what the library itself needs, a sanitizer for example, nothing is looked for.
            [path, "-x", "c++", "-", "-I", Path(headers).parent, "-x", "none", library]
            + ["-Wl,--allow-shlib-undefined", "-o", Path(folder) / "program"],
            input=code,
            capture_output=True,
            text=True,
        )
    assert result.returncode == 0, result.stderr


tap.run(
    (function.__name__, function)
    for function in [
        map_has_what_headers_declare,
        map_is_sorted,
        library_exports_what_headers_declare,
        library_has_its_name,
        library_needs_libc_only,
        functions_are_found_from_cxx,
    ]
)
