"""
Where the server's time goes: samples of its threads with their call chains (perf, by the processor clock, which works
in virtual machines too), put into the stages of bench/stages.txt.
"""
import dataclasses
import fnmatch
import json
import pathlib
import re
import subprocess
import tempfile

from .figures_inside import during
from .figures_rounds import LECTURE
from .load import Failed
from .report import profile_lines
from .servers import Tongke

FREQUENCY = 1999
STAGES_ORDER = ("receive", "decrypt", "decide", "rewrite", "encrypt", "send")
DEFINITION = re.compile(r"^(?:[a-z_][\w ]*[ *])?([a-z_]\w*)\([^;]*$")


@dataclasses.dataclass(frozen=True)
class Stage:
    name: str
    functions: tuple
    files: tuple
    libraries: tuple


def read_stages(path):
    stages = []
    for line in pathlib.Path(path).read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, rest = line.split(":", 1)
        parts = [tuple(word for word in part.split() if word != "-") for part in rest.split("|")]
        stages.append(Stage(name.strip(), *parts))
    return stages


def functions_of(root):
    """Function name -> set of source files that define it, by the project's own format."""
    found = {}
    for path in sorted(pathlib.Path(root).glob("src/*/*.c")):
        for line in path.read_text().splitlines():
            match = DEFINITION.match(line)
            if match:
                found.setdefault(match.group(1), set()).add(str(path.relative_to(root)))
    return found


def stage_of(frames, stages, files):
    """`frames`: (function, library) from the innermost outwards."""
    for stage in stages:
        below = [pattern[1:] for pattern in stage.functions if pattern.startswith("@")]
        if any(fnmatch.fnmatchcase(function, pattern) for function, _ in frames for pattern in below):
            return stage.name
    for function, _ in frames:
        for stage in stages:
            if any(fnmatch.fnmatchcase(function, pattern) for pattern in stage.functions):
                return stage.name
        places = files.get(function, ())
        if len(places) == 1:  # a static name that several files have says nothing
            for stage in stages:
                if any(fnmatch.fnmatchcase(place, pattern) for place in places for pattern in stage.files):
                    return stage.name
    for _, library in frames:
        for stage in stages:
            if any(name in library for name in stage.libraries):
                return stage.name
    return "other"


FRAME = re.compile(r"^\s+[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)$")


def parse_samples(text):
    """perf script's output: yields (thread as name-id, frames)."""
    thread, frames = None, []
    for line in text.splitlines():
        if not line.strip():
            if thread is not None:
                yield thread, frames
            thread, frames = None, []
        elif thread is None:
            thread = "-".join(re.match(r"\s*(.*?)\s+(\d+)", line).groups())
        elif match := FRAME.match(line):
            frames.append(match.groups())
    if thread is not None:
        yield thread, frames


def count(text, stages, files):
    """(samples per stage, samples per function of what fell into "other", samples per thread)."""
    by_stage, other, threads = {}, {}, {}
    for thread, frames in parse_samples(text):
        stage = stage_of(frames, stages, files)
        by_stage[stage] = by_stage.get(stage, 0) + 1
        threads[thread] = threads.get(thread, 0) + 1
        if stage == "other" and frames:
            other[frames[0][0]] = other.get(frames[0][0], 0) + 1
    return by_stage, other, threads


def record(pid, seconds, folder):
    data = pathlib.Path(folder) / "perf.data"
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g", "-p", str(pid),
                           "-o", str(data), "--", "sleep", str(seconds)], capture_output=True, text=True)
    if not data.exists() or data.stat().st_size == 0:
        raise Failed(f"perf record gives nothing here: {done.stderr.strip()[-200:]}")
    done = subprocess.run(["perf", "script", "-i", str(data), "-F", "comm,tid,ip,sym,dso"], capture_output=True, text=True)
    return done.stdout


def run(env, traffic=LECTURE):
    seconds = 5
    with tempfile.TemporaryDirectory(prefix="tkbench-") as folder, Tongke(env) as server:
        reading, text = during(env, server, traffic, seconds + 4, lambda: record(server.pid, seconds, folder))
    by_stage, other, threads = count(text, read_stages(env.root / "bench/stages.txt"), functions_of(env.root))
    total = sum(by_stage.values())
    if total == 0:
        raise Failed("perf took no sample")
    names = [*STAGES_ORDER, *sorted(name for name in by_stage if name not in STAGES_ORDER)]
    stages = [(name, by_stage.get(name, 0) / total, by_stage.get(name, 0) / total * reading["us_per_packet"])
              for name in names]
    most = sorted(other.items(), key=lambda one: -one[1])[:8]
    return {"stages": stages, "samples": total, "us_per_packet": reading["us_per_packet"], "commands": env.take_commands(),
            "how": f"{total} samples at {FREQUENCY} Hz of all threads of the server under the lecture profile "
                   f"(1 → {traffic.subscribers}), kernel included; {reading['us_per_packet']:.2f} µs per delivered packet "
                   "with the sampling. Inlined functions count to the file they are inlined into.",
            "notes": [f"threads: {', '.join(f'{name} {n / total:.0%}' for name, n in sorted(threads.items()))}; "
                      f"{server.pid} is the control thread"] +
                     ([f"other, most of all: {', '.join(f'{name} {n / total:.1%}' for name, n in most)}"] if most else [])}


def write(folder, result):
    """Keeps it for the results page of the next runs, too."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"date": result["date"], "machine": result["machine"], **result["profile"]}
    (folder / "profile.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    text = "\n".join(profile_lines(kept))
    (folder / "profile.md").write_text(text + "\n")
    return text


def last(folder):
    """The profile that `--profile` left, for the results page; None when there is none."""
    path = pathlib.Path(folder) / "profile.json"
    return json.loads(path.read_text()) if path.exists() else None
