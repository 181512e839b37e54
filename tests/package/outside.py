#!/usr/bin/env python3
"""outside.py MESON BUILD SOURCE CC VERSION [run]: libsyncbridge for a program that is not in this tree.

Installs the build folder into an empty one and builds SOURCE there, with what `pkg-config syncbridge`
says and nothing else; with "run", runs it too, which needs the test VM's kernel. The last installed
things are looked at on the way.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tap

meson, build, source, cc, version, *run = sys.argv[1:]
# Not below the checkout, so that nothing is found by chance.
work = tempfile.TemporaryDirectory(prefix="outside-", dir="/tmp")
staging = Path(work.name) / "staging"
program = Path(work.name) / "round_trip"


def call(*command, **settings):
    result = subprocess.run(command, cwd=work.name, capture_output=True, text=True, **settings)
    assert result.returncode == 0, f"{shlex.join(map(str, command))}:\n{result.stdout}{result.stderr}"
    return result.stdout


def find(name):
    paths = list(staging.rglob(name))
    assert len(paths) == 1, f"{name} is installed {len(paths)} times"
    return paths[0]


def pkg_config(*args):
    if not shutil.which("pkg-config"):
        raise tap.Skip("there is no pkg-config")
    environment = {
        **os.environ,
        # Only what is installed here: no other package is needed.
        "PKG_CONFIG_LIBDIR": str(find("syncbridge.pc").parent),
        "PKG_CONFIG_PATH": "",
        "PKG_CONFIG_SYSROOT_DIR": str(staging),
    }
    return call("pkg-config", *args, "syncbridge", env=environment).split()


def install_works():
    call(meson, "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", staging)
    for name in ("libsyncbridge.so", "libsyncbridge.so.0", "libsyncbridge.a", "sb-info"):
        find(name)


def pkg_config_asks_for_nothing_else():
    libdir = find("libsyncbridge.so").parent
    assert pkg_config("--modversion") == [version]
    assert pkg_config("--libs") == [f"-L{libdir}", "-lsyncbridge"], pkg_config("--libs")
    assert pkg_config("--cflags") == [f"-I{find('syncbridge').parent}"], pkg_config("--cflags")
    assert pkg_config("--static", "--libs") == pkg_config("--libs"), pkg_config("--static", "--libs")
    assert pkg_config("--print-requires", "--print-requires-private") == []


def program_is_built():
    strict = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    flags = pkg_config("--cflags", "--libs")
    call(*shlex.split(cc), *strict, source, *flags, "-o", program)
    if shutil.which("readelf"):
        needed = re.findall(r"NEEDED.*\[(.*)\]", call("readelf", "--dynamic", "--wide", program))
        assert "libsyncbridge.so.0" in needed, needed


def with_library():
    return {**os.environ, "LD_LIBRARY_PATH": str(find("libsyncbridge.so").parent)}


def installed_sb_info_runs():
    assert call(find("sb-info"), "--version", env=with_library()) == f"sb-info {version}\n"


def program_makes_a_round_trip():
    print("#", call(program, env=with_library()).strip())


def probes_tell_of_the_round_trip():
    """gdb stops at USDT probes, too, and needs nothing of the kernel for that."""
    script = Path(work.name) / "script.gdb"
    script.write_text(
        "set debuginfod enabled off\n"
        "break main\n"
        "run\n"
        "break -probe-stap syncbridge:import\n"
        "commands\n"
        'printf "import %d %d\\n", $_probe_arg1, $_probe_arg3\n'
        "continue\n"
        "end\n"
        "continue\n"
    )
    output = call("gdb", "-nx", "-batch", "-x", script, program, env=with_library())
    # READ by the probe of what the kernel can do, then the writers' and the reader's; all with 0.
    assert re.findall(r"^import (.*)$", output, re.M) == ["1 0", "2 0", "2 0", "1 0"], output


cases = [install_works, pkg_config_asks_for_nothing_else, program_is_built, installed_sb_info_runs]
if run:
    cases += [program_makes_a_round_trip, probes_tell_of_the_round_trip]
tap.run((case.__name__, case) for case in cases)
