#!/usr/bin/env python3
"""probes.py SB-INFO LIBRARY yes|no: fails unless `sb-info --probes` lists the library's USDT probes."""

import os
import re
import shutil
import subprocess
import sys

import tap

program, library, built_in = sys.argv[1:]


def run_program():
    return subprocess.run([program, "--probes"], capture_output=True, text=True)


def list_is_what_the_library_has():
    readelf = shutil.which("readelf")
    if readelf is None:
        raise tap.Skip("there is no readelf")
    result = run_program()
    assert result.returncode == 0, result
    assert f" in {os.path.realpath(library)}," in result.stdout.split("\n")[0], result.stdout
    listed = {
        (name, len(arguments.split()))
        for name, arguments in re.findall(r"^\t(\w+) +(\S.*)$", result.stdout, re.M)
    }

    notes = subprocess.run([readelf, "--notes", library], capture_output=True, text=True).stdout
    note = re.compile(r"Provider: syncbridge\n +Name: (\w+)\n +Location: .*\n +Arguments: (.*)\n")
    noted = {(name, len(arguments.split())) for name, arguments in note.findall(notes)}
    assert listed == noted, f"listed only: {listed - noted}, in the library only: {noted - listed}"


def library_without_probes_is_told():
    result = run_program()
    assert (result.returncode, result.stdout) == (1, "libsyncbridge was built without probes.\n"), result


case = list_is_what_the_library_has if built_in == "yes" else library_without_probes_is_told
tap.run([(case.__name__, case)])
