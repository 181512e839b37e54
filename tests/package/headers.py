#!/usr/bin/env python3
"""headers.py HEADERS [FLAG…]: fails unless each installed header compiles alone, as C and as C++.

FLAGs find Vulkan's headers. What a compiler does not know is skipped.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import tap

folder, *flags = sys.argv[1:]
strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wundef", "-Wshadow", "-fsyntax-only"]
compilers = {
    "c": ["gcc", "clang"],
    "c++": ["g++", "clang++"],
}
standards = {
    "c": ["c11", "c17", "c23"],
    "c++": ["c++11", "c++14", "c++17", "c++20", "c++23"],
}


def compile(compiler, language, standard):
    path = shutil.which(compiler)
    if path is None:
        raise tap.Skip(f"there is no {compiler}")

    def run(text):
        return subprocess.run(
            [path, *strict, f"-std={standard}", "-I", Path(folder).parent, *flags, "-x", language, "-"],
            input=text,
            capture_output=True,
            text=True,
        )

    if run("int x;").returncode != 0:
        raise tap.Skip(f"this {compiler} does not know {standard}")
    names = sorted(header.name for header in Path(folder).glob("*.h"))
    assert names, f"there are no headers in {folder}"
    failed = []
    for name in names:
        # Twice, because of the guard.
        result = run(f"#include <syncbridge/{name}>\n" * 2 + "int x;\n")
        if result.returncode != 0:
            failed.append(f"{name}:\n{result.stderr}")
    assert not failed, "\n".join(failed)


tap.run(
    (
        f"headers_compile_alone_as_{standard}_by_{compiler}",
        lambda args=(compiler, language, standard): compile(*args),
    )
    for language in compilers
    for compiler in compilers[language]
    for standard in standards[language]
)
