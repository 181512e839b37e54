"""Test cases of a script, reported in TAP."""

import sys
import traceback


class Skip(Exception):
    pass


def run(cases):
    """Runs (name, function) pairs; the function returns nothing, or raises."""
    cases = list(cases)
    print(f"1..{len(cases)}")
    failed = 0
    for number, (name, function) in enumerate(cases, 1):
        try:
            function()
        except Skip as skip:
            print(f"ok {number} - {name} # SKIP {skip}")
        except Exception as error:
            failed += 1
            print(f"not ok {number} - {name}")
            text = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
            for line in text.strip().split("\n"):
                print(f"# {line}")
        else:
            print(f"ok {number} - {name}")
        sys.stdout.flush()
    sys.exit(failed > 0)
