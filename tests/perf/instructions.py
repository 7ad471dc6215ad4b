#!/usr/bin/env python3
"""Instructions per packet of the clock-free core, counted by callgrind and held to what is recorded.

    instructions.py PERF_CORE            compare; more than 5 % above the recorded figure fails
    instructions.py --record PERF_CORE   write tests/perf/instructions.json anew

Two more things must hold whatever is recorded: a packet costs no more with many subscribers than with few, and a
lesson's cost per packet does not grow with its remote sites.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

RECORD = pathlib.Path(__file__).with_name("instructions.json")
GROWTH_MAX = 1.05
CASES = [  # what, subscribers or remote sites, frames
    ("video", 10, 60),
    ("video", 300, 20),
    ("video", 1000, 10),
    ("audio", 300, 50),
    ("lesson", 10, 20),
    ("lesson", 60, 10),
]
# The second may cost at most so many times the first.
SCALING = [("video 10", "video 1000", 1.0), ("lesson 10", "lesson 60", 1.05)]


def count(program, what, size, frames):
    """Instructions below measured(), divided by the packets that were sent."""
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--toggle-collect=measured*", f"--callgrind-out-file={out.name}",
             program, what, str(size), str(frames)], capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not collected or int(collected.group(1)) == 0:
        sys.exit(f"perf: {what} {size} did not run:\n{run.stderr}")
    return int(collected.group(1)) / int(run.stdout)


def compare(figures, recorded):
    """What is wrong, as lines."""
    for name, now in figures.items():
        if name not in recorded:
            yield f"{name}: nothing recorded"
        elif now > recorded[name] * GROWTH_MAX:
            yield f"{name}: {now:.0f} instructions per packet, {recorded[name]:.0f} recorded: more than 5 % above"
    for few, many, limit in SCALING:
        if figures[many] > figures[few] * limit:
            yield f"{many}: {figures[many]:.0f} instructions per packet, but {few}: {figures[few]:.0f}"


def main():
    is_record = sys.argv[1:2] == ["--record"]
    program = sys.argv[-1]
    if len(sys.argv) != 2 + is_record:
        sys.exit(__doc__)
    figures = {f"{what} {size}": count(program, what, size, frames) for what, size, frames in CASES}
    if is_record:
        RECORD.write_text(json.dumps({k: round(v, 1) for k, v in figures.items()}, indent=4) + "\n")
    recorded = json.loads(RECORD.read_text())
    for name, now in figures.items():
        print(f"{name:12} {now:7.0f} instructions per packet, recorded {recorded.get(name, 0):7.0f}")
    problems = list(compare(figures, recorded))
    for problem in problems:
        print(problem)
    if problems:
        sys.exit("If the growth is worth it, `make record-instructions` writes the new figures; commit them with the reason.")


if __name__ == "__main__":
    main()
