#!/usr/bin/env python3
"""House rules that a machine can keep, run by `make lint` and as part of every test run.

Each rule is one function that yields (file, line, message). `tidy.py --self-test` plants one violation of every
rule in a temporary tree and fails if a rule does not see it.
"""
import pathlib
import re
import sys
import tempfile

WIDTH_MAX = 100
C_FILE_LINES_MAX = 1200
H_FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 90
SANS_IO_CALLS = (
    "clock_gettime gettimeofday mono_now wall_now time socket sendto recvfrom sendmsg recvmsg poll select fopen open "
    "read write pthread_create pthread_mutex_lock rand random getrandom usleep sleep"
).split()
BANNED_CALLS = "strcpy strcat sprintf vsprintf atoi atol strtok alloca gets system".split()


def sources(root, *patterns):
    for pattern in patterns:
        yield from sorted(root.glob(pattern))


def strip_comments(text):
    """Comments and string contents become blanks, so that line numbers stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def read_layers(root):
    rows, sans_io = {}, set()
    for line in (root / "tools/layers.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, deps = line.split(":")
        if name.endswith("!"):
            name = name[:-1]
            sans_io.add(name)
        rows[name] = deps.split()
    return rows, sans_io


def rule_layers(root):
    rows, _ = read_layers(root)
    for path in sources(root, "src/*/*.[ch]"):
        module = path.parent.name
        if module not in rows:
            yield path, 1, f"module {module} has no row in tools/layers.txt"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'#include "([a-z]+)/([^"]+)"', line)
            if not match or match.group(1) not in rows:
                continue
            other = match.group(1)
            if other != module and "*" not in rows[module] and other not in rows[module]:
                yield path, number, f"{module} may not include {other} (tools/layers.txt)"
            if other != module and match.group(2).endswith("_internal.h"):
                yield path, number, f"{match.group(2)} is private to {other}"


def rule_sans_io(root):
    _, sans_io = read_layers(root)
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(SANS_IO_CALLS) + r")\s*\(")
    for path in sources(root, "src/*/*.c"):
        if path.parent.name not in sans_io:
            continue
        for number, line in enumerate(strip_comments(path.read_text()).splitlines(), 1):
            match = pattern.search(line)
            if match:
                yield path, number, f"{match.group(1)}() in a sans-IO module"


def rule_banned(root):
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED_CALLS) + r")\s*\(")
    for path in sources(root, "src/*/*.[ch]", "fuzz/*.[ch]"):
        for number, line in enumerate(strip_comments(path.read_text()).splitlines(), 1):
            match = pattern.search(line)
            if match:
                yield path, number, f"{match.group(1)}() is not used here"


def rule_width(root):
    for path in sources(root, "src/*/*.[ch]", "tests/**/*.[ch]", "fuzz/*.[ch]"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > WIDTH_MAX and "http" not in line and not line.lstrip().startswith('"'):
                yield path, number, f"{len(line)} columns, at most {WIDTH_MAX}"


def rule_file_size(root):
    for path in sources(root, "src/*/*.[ch]"):
        lines = path.read_text().count("\n")
        limit = C_FILE_LINES_MAX if path.suffix == ".c" else H_FILE_LINES_MAX
        if lines > limit:
            yield path, 1, f"{lines} lines, at most {limit}"


def rule_function_size(root):
    for path in sources(root, "src/*/*.c"):
        start = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line == "{":
                start = number
            elif line == "}" and start is not None:
                if number - start - 1 > FUNCTION_LINES_MAX:
                    yield path, start, f"a function of {number - start - 1} lines, at most {FUNCTION_LINES_MAX}"
                start = None


def rule_guard(root):
    for path in sources(root, "src/*/*.h"):
        name = re.sub(r"\W", "_", path.stem.upper())
        guard = f"TK_{path.parent.name.upper()}_{name}_H"
        if f"#ifndef {guard}\n#define {guard}\n" not in path.read_text():
            yield path, 1, f"include guard {guard} is missing"


def rule_marks(root):
    for path in sources(root, "src/*/*.[ch]", "tests/**/*.[ch]", "fuzz/*.[ch]", "web/src/**/*.ts", "web/src/**/*.tsx"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\bFIXME\b|\bXXX\b(?!X)", line) and "XXXXXX" not in line:
                yield path, number, "FIXME may not be merged"


def rule_test_goal(root):
    for path in sources(root, "tests/unit/*/*.c"):
        text = path.read_text()
        if "int main(" in text and "Goal:" not in text[:800]:
            yield path, 1, "a test begins with its goal and method"


def rule_rfc_list(root):
    listed = set(re.findall(r"RFC (\d+)", (root / "docs/rfc.md").read_text())) if (root / "docs/rfc.md").exists() else set()
    for path in sources(root, "src/*/*.[ch]"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for rfc in re.findall(r"RFC (\d+)", line):
                if rfc not in listed:
                    yield path, number, f"RFC {rfc} is not in docs/rfc.md"


RULES = [rule_layers, rule_sans_io, rule_banned, rule_width, rule_file_size, rule_function_size, rule_guard,
         rule_marks, rule_test_goal, rule_rfc_list]

PLANTED = {
    "rule_layers": ("src/base/x.c", '#include "net/udp.h"\n'),
    "rule_sans_io": ("src/ice/x.c", "int f(void)\n{\n    return rand();\n}\n"),
    "rule_banned": ("src/net/x.c", "void f(char *d)\n{\n    strcpy(d, d);\n}\n"),
    "rule_width": ("src/net/x.c", "int " + "x" * 120 + ";\n"),
    "rule_file_size": ("src/net/x.h", "\n" * 600),
    "rule_function_size": ("src/net/x.c", "void f(void)\n{\n" + "    ;\n" * 100 + "}\n"),
    "rule_guard": ("src/net/x.h", "int x;\n"),
    "rule_marks": ("src/net/x.c", "// FIX" + "ME later\n"),
    "rule_test_goal": ("tests/unit/net/x.c", "int main(void) { return 0; }\n"),
    "rule_rfc_list": ("src/net/x.c", "// RFC 9999\n"),
}


def self_test(root):
    failed = 0
    for rule in RULES:
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder)
            (tree / "tools").mkdir()
            (tree / "tools/layers.txt").write_text((root / "tools/layers.txt").read_text())
            name, text = PLANTED[rule.__name__]
            (tree / name).parent.mkdir(parents=True)
            (tree / name).write_text(text)
            if not list(rule(tree)):
                print(f"{rule.__name__} does not see its planted violation")
                failed += 1
    return failed


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    if "--self-test" in sys.argv:
        return 1 if self_test(root) else 0
    problems = [(path, line, text) for rule in RULES for path, line, text in rule(root)]
    for path, line, text in problems:
        print(f"{path.relative_to(root)}:{line}: {text}")
    if self_test(root):
        return 1
    print(f"tidy: {len(RULES)} rules, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
