#!/usr/bin/env python3
"""manual.py MANUAL-PAGE INCLUDES LIBRARY CC: fails unless the programs in the page can be built."""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import tap

page, includes, library, cc = sys.argv[1:]
strict = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wshadow"]


def programs():
    blocks = re.findall(r"^```\n(#include .*?)^```$", Path(page).read_text(), re.M | re.S)
    # scdoc takes a backslash for an escape.
    return [re.sub(r"\\(.)", r"\1", block) for block in blocks]


def build(program):
    is_whole = re.search(r"^int main\(", program, re.M)
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [*shlex.split(cc), *strict, "-I", includes, "-x", "c", "-"]
            + (["-x", "none", library] if is_whole else ["-c"])
            + ["-o", Path(folder) / "out"],
            input=program,
            capture_output=True,
            text=True,
        )
    assert result.returncode == 0, result.stderr


def there_is_a_whole_program():
    assert any("int main(" in program for program in programs())


tap.run(
    [
        ("there_is_a_whole_program", there_is_a_whole_program),
        *(
            (f"program_{number}_is_built", lambda program=program: build(program))
            for number, program in enumerate(programs(), 1)
        ),
    ]
)
