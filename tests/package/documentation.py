#!/usr/bin/env python3
"""documentation.py HEADERS MANUAL-PAGE SYNC.MD: fails unless all that is public is documented.

Every function, type, enum value, field and macro has a comment before it. A function's says what it
does, whether it blocks, what it returns with which errors, who owns the fds, and its source. The
manual page and docs/sync.md name all functions.
"""

import errno
import re
import sys

import api
import tap

headers, manual, guide = sys.argv[1:]


def says(pattern, text):
    return re.search(pattern, text, re.I) is not None


def fd_problems(function, text):
    """Who owns the fds that go in and out."""
    for type_, name in function.parameters:
        if not re.search(r"fds?$", name):
            continue
        if name.startswith("take_"):
            if not says(rf"\b{name} is consumed in every case", text):
                yield f"does not say that {name} is consumed in every case"
        elif name.startswith("ret_"):
            if not says(r"CLOEXEC", text) or not says(r"belongs to the caller", text):
                yield f"does not say that *{name} is CLOEXEC and belongs to the caller"
        elif type_ == "int" or type_.startswith("const int"):
            if not says(r"\bborrowed\b", text):
                yield f"does not say that {name} is borrowed"
            elif not says(rf"\b{name}\b|\bboth fds are borrowed", text):
                yield f"does not speak of {name}"
        elif not says(r"belongs to the caller", text):
            yield f"does not say to whom *{name} belongs"


def function_problems(function):
    text = " ".join(function.comment.split())
    if not re.match(r"[A-Z][^.]+\.", function.comment.split("\n\n")[0]):
        yield "does not begin with a sentence that says what it does"
    if not says(r"\b(does not block|blocks|does not wait)\b", text):
        yield "does not say whether it blocks"
    if not re.search(r"\bSource: \S", text):
        yield "does not name its source"
    if function.type == "int":
        if not re.search(r"\bReturns 0\b", text):
            yield "does not say what it returns"
        elif not re.search(r"-E[A-Z]+\b|errors? of|Vulkan's error|what the device gave", text):
            yield "does not say which errors it returns"
    elif function.type != "void" and not says(r"\b(returns|gets)\b", text):
        yield "does not say what it returns"
    for error in re.findall(r"-(E[A-Z0-9]+)\b", text):
        if not hasattr(errno, error):
            yield f"speaks of -{error}, which is no error"
    if function.type == "int" and any(name.startswith("ret_") for _, name in function.parameters):
        if not says(r"\b(is|are) (then |also )?(not )?written\b|\b(nothing|neither) is written|\bleaves \*ret_", text):
            yield "does not say when its results are written"
    for mentioned in re.findall(r"\b(sb_\w+)\(", text):
        if mentioned not in names:
            yield f"speaks of {mentioned}(), which there is not"
    yield from fd_problems(function, text)


def problems(declarations):
    # An opaque type's home is where it has a comment; others may declare it too.
    documented = {d.name for d in declarations if d.kind == "struct" and d.comment}
    for declaration in declarations:
        if not declaration.comment:
            if not declaration.opaque or declaration.name not in documented:
                yield f"{declaration}: has no comment"
        elif declaration.kind == "function":
            for problem in function_problems(declaration):
                yield f"{declaration}: {problem}"


def holds(found):
    found = list(found)
    assert not found, "\n".join(found)


GOOD = """
/* What it is. */
struct sb_thing;
/* Where it is from. */
struct sb_origin {
	/* Never 0. */
	int id;
	/* May be NULL. */
	void (*done)(void *data);
};
/* How. */
enum sb_way {
	/* So. */
	SB_SO = 1,
	/* Or so. */
	SB_OR_SO = 1 << 1,
};
/* Most of them. */
#define SB_MOST 4
/*
 * Makes a thing.
 *
 * from_fd is borrowed, take_to_fd is consumed in every case. On success *ret_fd is a new CLOEXEC fd
 * that belongs to the caller; it is written on success only.
 *
 * Does not block. Returns 0, or -ENOMEM: no memory left.
 *
 * Source: open().
 */
int sb_thing_make(int from_fd, int take_to_fd, int *ret_fd);
"""

# What is taken out of GOOD, what is put there, and what is then to be found.
BAD = {
    "struct_without_comment": ("/* What it is. */\n", "", "struct sb_thing: has no comment"),
    "field_without_comment": ("\t/* Never 0. */\n", "", "field sb_origin.id: has no comment"),
    "callback_without_comment": ("\t/* May be NULL. */\n", "", "field sb_origin.done: has no comment"),
    "enum_without_comment": ("/* How. */\n", "", "enum sb_way: has no comment"),
    "value_without_comment": ("\t/* Or so. */\n", "", "value sb_way.SB_OR_SO: has no comment"),
    "macro_without_comment": ("/* Most of them. */\n", "", "macro SB_MOST: has no comment"),
    "comment_apart": ("/* How. */\n", "/* How. */\n\n", "enum sb_way: has no comment"),
    "function_without_comment": (GOOD[GOOD.rindex("/*") : GOOD.index("int sb_")], "", "has no comment"),
    "no_summary": (" * Makes a thing.\n *\n", "", "does not begin with a sentence"),
    "no_blocking": ("Does not block. ", "", "does not say whether it blocks"),
    "no_return": ("Returns 0, or", "Also", "does not say what it returns"),
    "no_errors": (", or -ENOMEM: no memory left", "", "does not say which errors"),
    "misspelt_error": ("ENOMEM", "ENOMEMORY", "which is no error"),
    "no_source": (" * Source: open().\n", "", "does not name its source"),
    "empty_source": ("Source: open().", "Source:", "does not name its source"),
    "borrowed_unsaid": ("from_fd is borrowed, ", "", "does not say that from_fd is borrowed"),
    "borrowed_of_other": ("from_fd is borrowed", "It is borrowed", "does not speak of from_fd"),
    "consumed_unsaid": (", take_to_fd is consumed in every case", "", "that take_to_fd is consumed"),
    "owner_unsaid": (" * that belongs to the caller; it", " * that lasts. It", "belongs to the caller"),
    "cloexec_unsaid": ("new CLOEXEC fd", "new fd", "is CLOEXEC"),
    "written_unsaid": ("; it is written on success only", "", "when its results are written"),
    "function_of_old": ("open()", "sb_thing_open()", "sb_thing_open(), which there is not"),
}


def good_is_accepted():
    holds(problems(list(api.parse(GOOD))))


def bad_is_found(old, new, expected):
    assert GOOD.count(old) == 1, "the example does not have that just once"
    found = list(problems(list(api.parse(GOOD.replace(old, new)))))
    assert any(expected in problem for problem in found), "\n".join(found) or "nothing was found"


def unknown_declaration_is_an_error():
    for text in ("typedef int sb_int;", "extern int sb_count;", "/* X. */ struct a { int b, c; };"):
        try:
            list(api.parse(text))
        except api.ParseError:
            continue
        raise AssertionError(f"was accepted: {text}")


def missing_in(path):
    text = open(path).read()
    for name in api.functions(headers):
        # scdoc wants underscores escaped where they are no emphasis.
        if not re.search(rf"\b{name}\b", text.replace("\\_", "_")):
            yield f"{path} does not speak of {name}()"


declared = api.parse_headers(headers)
names = {d.name for d in declared if d.kind == "function"}
tap.run(
    [
        ("a_good_example_is_accepted", good_is_accepted),
        *((f"{name}_is_found", lambda bad=bad: bad_is_found(*bad)) for name, bad in BAD.items()),
        ("unknown_declaration_is_an_error", unknown_declaration_is_an_error),
        ("headers_are_documented", lambda: holds(problems(declared))),
        ("manual_names_all_functions", lambda: holds(missing_in(manual))),
        ("guide_names_all_functions", lambda: holds(missing_in(guide))),
    ]
)
