"""What a look into the server tells: system calls, heap and locks per packet, memory."""
import dataclasses
import pathlib
import re
import subprocess
import tempfile
import time

from .figures_rounds import AUDIO, LECTURE
from .load import Failed, Traffic, finish, measure, start
from .quiet import quietest, remarks
from .servers import Tongke

LIBC = next(iter(pathlib.Path("/usr/lib").glob("*/libc.so.6")), pathlib.Path("/lib/x86_64-linux-gnu/libc.so.6"))
# In libc: whatever takes memory, and whatever takes a lock.
HEAP_CALLS = ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "free")
LOCK_CALLS = ("pthread_mutex_lock", "pthread_rwlock_rdlock", "pthread_rwlock_wrlock")


def during(env, server, traffic, seconds, look):
    """Runs the load and calls look() in the middle of the measured time; returns (reading, what look gave)."""
    with tempfile.TemporaryDirectory(prefix="tkbench-") as folder:
        report = pathlib.Path(folder) / "load.json"
        running = start(env, server, traffic, seconds, report)
        try:
            time.sleep(env.lengths.warm_up_s + traffic.people() / env.lengths.join_rate + 2)
            if running.poll() is not None:
                finish(env, running, traffic, seconds, report)  # says why
                raise Failed("the load ended before the server could be looked at")
            seen = look()
            return finish(env, running, traffic, seconds, report), seen
        finally:
            if running.poll() is None:
                running.kill()
                running.wait()


def perf_counts(pid, events, seconds):
    """{(thread id, event): count} over some seconds, by perf stat on the whole process."""
    command = ["perf", "stat", "-x", ";", "--per-thread", "-p", str(pid)]
    for event in events:
        command += ["-e", event]
    done = subprocess.run([*command, "--", "sleep", str(seconds)], capture_output=True, text=True)
    counts = {}
    for line in done.stderr.splitlines():
        fields = line.split(";")
        if len(fields) > 3 and fields[1].isdigit():
            counts[(fields[0], fields[3])] = int(fields[1])
    if not counts:
        raise Failed(f"perf stat counts nothing here: {' '.join(done.stderr.split())[:300]}")
    return counts


def syscalls(env):
    """System calls per delivered packet, by the kernel's own trace point; an extra run, not in the CPU figures."""
    found, notes = {}, []
    seconds = env.lengths.measure_s
    for name, traffic in (("video", dataclasses.replace(LECTURE, audio=False)), ("audio", AUDIO)):
        with Tongke(env) as server:
            reading, counts = during(env, server, traffic, seconds + 3, lambda: perf_counts(
                server.pid, ["raw_syscalls:sys_enter"], seconds))
        calls = sum(counts.values()) / seconds
        found[name] = calls / reading["per_second"]
        notes.append(f"{name}: {calls:.0f} calls and {reading['per_second']:.0f} packets a second")
    env.record("count", "perf stat --per-thread -e raw_syscalls:sys_enter -p PID")
    return {"values": found, "text": " / ".join(f"{name} {value:.3f}" for name, value in found.items()), "notes": notes}


class LibcProbes:
    """User-space probes on functions of libc for the time of a measurement."""

    def __init__(self, names):
        self.names, self.events = names, []

    def __enter__(self):
        for name in self.names:
            done = subprocess.run(["perf", "probe", "-q", "-f", "-x", str(LIBC), "--add", f"tkbench_{name}={name}"],
                                  capture_output=True, text=True)
            if done.returncode == 0:
                self.events.append(f"probe_libc:tkbench_{name}")
        if not self.events:
            self.__exit__()
            raise Failed(f"perf probe does not work here: {done.stderr.strip()[:200]}")
        return self.events

    def __exit__(self, *_):
        subprocess.run(["perf", "probe", "-q", "-d", "probe_libc:tkbench_*"], capture_output=True)


def media_threads(counts):
    """perf names a thread "name-id", the server its workers "worker-0", "worker-1" and so on."""
    workers = sorted({thread for thread, _ in counts if thread.startswith("worker-")})
    if not workers:
        raise Failed("no thread of the server is called worker")
    return workers


def hot_path(env):
    """Heap and lock calls of the media worker per forwarded packet, by probes on libc."""
    seconds = env.lengths.measure_s
    with Tongke(env) as server, LibcProbes((*HEAP_CALLS, *LOCK_CALLS)) as events:
        reading, counts = during(env, server, LECTURE, seconds + 4, lambda: perf_counts(
            server.pid, events, seconds))
    workers = media_threads(counts)

    def per_packet(names):
        wanted = {f"probe_libc:tkbench_{name}" for name in names}
        total = sum(count for (thread, event), count in counts.items() if thread in workers and event in wanted)
        return total / seconds / reading["per_second"]

    heap, locks = per_packet(HEAP_CALLS), per_packet(LOCK_CALLS)
    env.record("count", f"perf probe -x {LIBC} malloc …; perf stat --per-thread -e probe_libc:… -p PID")
    return {"values": {"heap": heap, "locks": locks},
            "text": f"heap {heap:.6f}, locks {locks:.6f} per delivered packet in the worker ({', '.join(workers)})",
            "notes": ["timers, reports and feedback run on the same thread and are counted too"]}


def pss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))


def settled_pss(pid, seconds=6):
    """After the last participant has left and the room has closed: the least within some seconds."""
    least = pss_kib(pid)
    for _ in range(seconds * 2):
        time.sleep(0.5)
        least = min(least, pss_kib(pid))
    return least


def memory_step(env, server, traffic):
    _, seen = during(env, server, traffic, 4, lambda: pss_kib(server.pid))
    return seen


def memory(env):
    """
    Proportional set size per viewer and per publisher from two sizes each; what is left after all have gone, against
    the server that has had one viewer: by then its libraries and tables are in memory.
    """
    few, many = 100, 500
    pub_few, pub_many = 5, 45
    steps = []
    with Tongke(env) as server:
        memory_step(env, server, dataclasses.replace(LECTURE, subscribers=1))
        begin = settled_pss(server.pid)
        viewers = {}
        for size in (few, many):
            viewers[size] = memory_step(env, server, dataclasses.replace(LECTURE, subscribers=size))
            steps.append((f"{size} viewers", viewers[size]))
        steps.append(("viewers left", settled_pss(server.pid)))
        publishers = {}
        for size in (pub_few, pub_many):
            publishers[size] = memory_step(env, server, Traffic(publishers=size, subscribers=1, layers=3))
            steps.append((f"{size} publishers", publishers[size]))
        end = settled_pss(server.pid)
        steps.append(("all left", end))
    viewer = (viewers[many] - viewers[few]) / (many - few)
    # The one subscriber has a subscription to each of them; that is part of what a publisher costs.
    publisher = (publishers[pub_many] - publishers[pub_few]) / (pub_many - pub_few)
    left = end / begin - 1
    return {"values": {"viewer_kib": viewer, "publisher_kib": publisher, "left": left},
            "text": f"{viewer:.0f} KiB per viewer, {publisher:.0f} KiB per publisher; after all left "
                    f"{left:+.1%} of {begin} KiB at the start",
            "points": [("start", begin), *steps]}


def storm(env):
    """300 clients in 3 s into a running lesson."""
    traffic = Traffic(publishers=1, subscribers=50, layers=3,
                      extra=("--join-storm", "300", "--storm-seconds", "3"))
    seconds = max(env.lengths.long_s, 6)

    def run():
        with Tongke(env) as server:
            return measure(env, server, traffic, seconds)

    reading = quietest(run)
    joins = reading["join_measured_us"]
    # Requests of the whole time, over the three seconds in which they can come for a reason, and three layers.
    requests = reading["keyframe_requests"] / 3 / 3
    values = {"join_p99_ms": joins["p99"] / 1000, "failed": reading["failed"], "keyframe_requests": requests,
              "p99_ms": reading["delay_us"]["p99"] / 1000}
    return {"values": values,
            "text": f"{joins['count']} joined, p99 {values['join_p99_ms']:.0f} ms until every track came, "
                    f"{reading['failed']} failed; {requests:.2f} keyframe requests per second and layer; "
                    f"p99 delay {values['p99_ms']:.1f} ms",
            "notes": remarks("the storm", reading) +
                     ([f"first failure: {reading['first_failure']}"] if reading["failed"] else []) +
                     ([f"the load was the limit: {reading['load_limited']}"] if reading["load_limited"] else [])}
