"""Runs `tongke load` in the client's namespace on its core, and reads what it reports."""
import dataclasses
import json
import pathlib
import subprocess
import tempfile

from .netns import CLIENT_NETWORK, LOAD_CORE, prefix
from .servers import raise_limits


MANY_CHECK_PERCENT = 10


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Who sends what to whom."""
    publishers: int = 1
    subscribers: int = 0     # of each room
    rooms: int = 1
    layers: int = 1
    video: bool = True
    audio: bool = True
    gallery: bool = False
    lesson: bool = False
    srtp: str = "gcm"
    packet_size: int = 0     # 0 = recorded pictures
    many: bool = False       # thousands: one socket for all subscribers, and samples of what they get are checked
    extra: tuple = ()        # further options of tongke load

    def options(self):
        out = ["--srtp", self.srtp]
        if self.gallery:
            out += ["--gallery", self.publishers]
        elif self.lesson:
            out += ["--lesson", self.publishers - 1]
        else:
            out += ["--publishers", self.publishers, "--subscribers", self.subscribers]
        if self.rooms > 1:
            out += ["--rooms", self.rooms]
        if self.video:
            out += ["--layers", self.layers]
        if self.video != self.audio:
            out += ["--video" if self.video else "--audio"]
        if self.many:
            out += ["--bind", CLIENT_NETWORK, "--check", MANY_CHECK_PERCENT]
        if self.packet_size:
            out += ["--packet-size", self.packet_size]
        return [str(part) for part in (*out, *self.extra)]

    def people(self):
        return self.rooms * (self.publishers + (0 if self.gallery or self.lesson else self.subscribers))


class Failed(RuntimeError):
    """A run that gave no figure, with the reason."""


def command_of(env, server, traffic, seconds, report, warm_up):
    return prefix(env.namespaces.client, LOAD_CORE) + [
        str(env.tongke), "load", *server.load, *traffic.options(), "--data", str(env.data),
        "--join-rate", str(env.lengths.join_rate), "--join-timeout", "20",
        "--warm-up", str(warm_up), "--duration", str(seconds),
        "--server-pid", str(server.pid), "--json", str(report)]


def start(env, server, traffic, seconds, report, warm_up=None):
    """Begins a run; `finish` waits for it. Apart, so that a figure can look at the server meanwhile."""
    command = command_of(env, server, traffic, seconds, report, warm_up or env.lengths.warm_up_s)
    noted = command[command.index(str(env.tongke)):command.index("--server-pid")]
    env.record("load", " ".join(noted))
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL, preexec_fn=raise_limits)


def finish(env, running, traffic, seconds, report):
    # A side that cannot follow the rate of joining is waited for.
    limit = 60 + seconds + env.lengths.settle_s + 8 * traffic.people() / env.lengths.join_rate
    try:
        _, errors = running.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        raise Failed(f"tongke load took more than {limit:.0f} s") from None
    lines = [line for line in errors.splitlines() if line.startswith("tongke load:")]
    why = "; ".join(line.removeprefix("tongke load: ") for line in lines[-2:]) or f"it left {running.returncode}"
    if not report.exists() or report.stat().st_size == 0:
        raise Failed(f"tongke load gave no report: {why}")
    return reading(json.loads(report.read_text()), why)


def measure(env, server, traffic, seconds=None, warm_up=None):
    """One run against a started server: a reading as below. Failed when nothing was delivered."""
    seconds = seconds or env.lengths.measure_s
    with tempfile.TemporaryDirectory(prefix="tkbench-") as folder:
        report = pathlib.Path(folder) / "load.json"
        running = start(env, server, traffic, seconds, report, warm_up)
        try:
            return finish(env, running, traffic, seconds, report)
        finally:
            if running.poll() is None:
                running.kill()
                running.wait()


def percentiles(hist):
    return {"p50": hist["p50_us"], "p99": hist["p99_us"], "p999": hist["p999_us"], "max": hist["max_us"],
            "count": hist["count"]}


def reading(report, why):
    """The figures that this benchmark uses, by its own names; counted at the receiver."""
    media, server = report["media"], report.get("server")
    seconds = report["measured_s"]
    if not seconds or not media["delivered"] or not server:
        raise Failed(f"nothing was delivered: {why}")
    return {
        "us_per_packet": server["cpu_us"] / media["delivered"],
        "cpu_share": server["share_of_core"],
        "cpu_user_us": server["user_us"], "cpu_system_us": server["system_us"],
        "seconds": seconds, "delivered": media["delivered"], "per_second": media["delivered"] / seconds,
        "bytes_per_packet": media["bytes"] / max(media["packets"], 1), "bps": media["datagram_bytes"] * 8 / seconds,
        "loss": media["loss"], "recovered": media["recovered"], "dropped": media["dropped_on_purpose"],
        "delay_us": percentiles(media["delay"]),
        "freezes": media["freezes"], "keyframe_requests": media["plis_received"],
        "joined": report["join"]["joined"], "failed": report["join"]["failed"],
        "first_failure": report["join"].get("first_failure"),
        "join_us": percentiles(report["join"]["time"]),
        "join_measured_us": percentiles(report["join"]["time_while_measured"]),
        "pss_kib": server["pss_kib_end"],
        "site_bps": media.get("site_downlink_bps"),
        "load_limited": report["limits"] if report["limited_by_generator"] else "",
        "load_core": report["generator"]["share_of_core"],
        "checked_share": report["checked_share"],
        "stolen": report["stolen_share"],
        "server_limited": (f"{server['busiest_thread']} ran or waited to for {server['busiest_thread_share']:.0%} of the time"
                           if report["limited_by_server"] else ""),
    }
