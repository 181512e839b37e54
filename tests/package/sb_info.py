#!/usr/bin/env python3
"""sb_info.py SB-INFO VERSION: what sb-info says on any machine, one without devices included."""

import os
import re
import subprocess
import sys

import tap

program, version = sys.argv[1:]


def run(*args, **settings):
    # What the Vulkan drivers of the machine leave behind is not looked at.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    settings = {"env": environment, "stdout": subprocess.PIPE, **settings}
    return subprocess.run([program, *args], stderr=subprocess.PIPE, text=True, timeout=60, **settings)


def parse(result):
    """{heading: {question: answer}} of a report."""
    assert result.stderr == "", result.stderr
    first, *parts = result.stdout.removesuffix("\n").split("\n\n")
    assert re.fullmatch(rf"sb-info {re.escape(version)} on Linux \S+ \S+", first), first
    report = {}
    for part in parts:
        heading, *lines = part.split("\n")
        matches = [re.fullmatch(r"\t(\S.{24}) (\S.*)", line) for line in lines]
        assert matches and all(matches), f"not of the form that is expected: {part}"
        report[heading] = {match[1].rstrip(): match[2] for match in matches}
    return report


def check_status(result, report):
    dmabufs = next(answers for heading, answers in report.items() if heading.startswith("dma-bufs"))
    yes = dmabufs.get("export fences") == dmabufs.get("import fences") == "yes"
    assert result.returncode == (0 if yes else 1), f"exit status {result.returncode}: {dmabufs}"


def report_speaks_of_everything():
    result = run()
    report = parse(result)
    for start in ("dma-bufs", "DRM$|/dev/dri/", "Vulkan", "sw_sync"):
        assert any(re.match(start, heading) for heading in report), f"no {start}: {list(report)}"
    check_status(result, report)


def report_without_vulkan_drivers_says_so():
    none = {"VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"}
    result = run(env={**os.environ, **none})
    report = parse(result)
    answer = report["Vulkan"]["devices"]
    assert re.match("none: |unknown: sb-info was built without Vulkan", answer), answer
    check_status(result, report)


def report_for_nobody_is_whole():
    if os.geteuid() != 0:
        raise tap.Skip("needs root to become somebody else")
    try:
        result = run(user=65534, group=65534, extra_groups=[])
    except PermissionError:
        raise tap.Skip("the build folder is not for others to read")
    if "error while loading shared libraries" in result.stderr:
        raise tap.Skip("the build folder is not for others to read")
    check_status(result, parse(result))


def every_no_has_a_reason():
    for heading, answers in parse(run()).items():
        for question, answer in answers.items():
            if re.match(r"(no|none|unknown)\b", answer):
                assert re.match(r"\w+: \S", answer), f"{heading}: {question}: {answer}"


def help_and_version_are_printed():
    for option in ("-h", "--help"):
        result = run(option)
        assert result.returncode == 0 and result.stderr == "", result
        assert result.stdout.startswith("usage: sb-info "), result.stdout
        assert "--probes" in result.stdout, result.stdout
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"sb-info {version}\n"), result


def wrong_options_are_one_clear_error():
    for args in (["--bogus"], ["-x"], [""], ["report"], ["--probes", "--version"]):
        result = run(*args)
        assert result.returncode == 2 and result.stdout == "", result
        assert result.stderr.count("\n") == 1 and result.stderr.startswith("sb-info: "), result
        assert len(args) > 1 or f"'{args[0]}'" in result.stderr, result


def full_disk_is_an_error():
    for args in ([], ["--help"], ["--version"]):
        with open("/dev/full", "w") as full:
            result = run(*args, stdout=full)
        assert result.returncode == 2, result
        assert result.stderr.startswith("sb-info: standard output: "), result


tap.run(
    (function.__name__, function)
    for function in [
        report_speaks_of_everything,
        report_without_vulkan_drivers_says_so,
        report_for_nobody_is_whole,
        every_no_has_a_reason,
        help_and_version_are_printed,
        wrong_options_are_one_clear_error,
        full_disk_is_an_error,
    ]
)
