"""What must be reached, row by row, and the verdict on what was measured."""
import dataclasses

from . import stats


@dataclasses.dataclass(frozen=True)
class Check:
    """One number of a figure against its limits."""
    value: str            # name in the figure's "values"
    at_most: float = None
    at_least: float = None
    aim: float = None

    def judge(self, values):
        return stats.verdict(values.get(self.value), self.at_most, self.at_least, self.aim)


@dataclasses.dataclass(frozen=True)
class Row:
    figure: str
    title: str
    must: str
    aim: str
    checks: tuple


COST = "CPU per delivered packet against the floor: "
ROWS = (
    Row("lecture_gcm", COST + "lecture, 1 → 300, 720p 1.5 Mbit/s and Opus, AES-GCM", "≤ 1.6 ×", "1.25 ×",
        (Check("ratio", at_most=1.6, aim=1.25),)),
    Row("audio_gcm", COST + "audio fan-out, 1 → 300, AES-GCM", "≤ 1.8 ×", "1.3 ×", (Check("ratio", at_most=1.8, aim=1.3),)),
    Row("gallery_gcm", COST + "gallery, 20 × 20, 3 layers, AES-GCM", "≤ 1.8 ×", "1.3 ×",
        (Check("ratio", at_most=1.8, aim=1.3),)),
    Row("lecture_cm", COST + "lecture, AES-CM and HMAC-SHA1-80", "≤ 1.6 ×", "1.25 ×",
        (Check("ratio", at_most=1.6, aim=1.25),)),
    Row("audio_cm", COST + "audio fan-out, AES-CM and HMAC-SHA1-80", "≤ 1.6 ×", "1.25 ×",
        (Check("ratio", at_most=1.6, aim=1.25),)),
    Row("gallery_cm", COST + "gallery, AES-CM and HMAC-SHA1-80", "≤ 1.6 ×", "1.25 ×",
        (Check("ratio", at_most=1.6, aim=1.25),)),
    Row("shapes", COST + "lecture of other packets: 200 B, 60 pictures/s / 1,250 B, 15/s / 1,250 B, 60/s; keyframes of 60 packets",
        "≤ 1.8 × / ≤ 1.6 × / ≤ 1.6 ×", "1.3 × / 1.25 × / 1.25 ×",
        (Check("small", at_most=1.8, aim=1.3), Check("large", at_most=1.6, aim=1.25), Check("fast", at_most=1.6, aim=1.25))),
    Row("lecture_gcm", "lecture against Janus tuned / Janus as packaged", "≤ 1/8 / ≤ 1/12", "1/12 / 1/20",
        (Check("to_janus_tuned", at_most=1 / 8, aim=1 / 12), Check("to_janus_packaged", at_most=1 / 12, aim=1 / 20))),
    Row("janus_best", "Janus's own best beside it", "–", "–", ()),
    Row("capacity", "viewers of one lesson held by one core, loss < 0.1 %, p99 added delay ≤ 5 ms", "≥ 1,500", "≥ 3,000",
        (Check("viewers", at_least=1500, aim=3000),)),
    Row("delay", "added delay at 25, 50, 80 % of the own maximum", "p99 ≤ 1 ms at 50 %", "p99.9 ≤ 1 ms at 50 %",
        (Check("p99_ms", at_most=1), Check("p999_ms", at_most=float("inf"), aim=1))),
    Row("syscalls", "system calls per delivered packet, video / audio", "≤ 0.1 / ≤ 0.2", "0.05 / 0.1",
        (Check("video", at_most=0.1, aim=0.05), Check("audio", at_most=0.2, aim=0.1))),
    Row("hot_path", "heap and lock calls of the worker per forwarded packet", "0 (below 1 in 1,000: timers and reports)", "",
        (Check("heap", at_most=0.001, aim=0), Check("locks", at_most=0.001, aim=0))),
    Row("instructions", "instructions per packet of the clock-free core", "recorded, held by a test", "", ()),
    Row("scale", "CPU per packet over 10 to 1,000 subscribers", "slope ≤ 0 within 10 %", "falling",
        (Check("growth", at_most=0.1, aim=0),)),
    Row("lesson", "1+N lesson, three layers from each site: server's CPU over N / a site's downlink",
        "linear (10 %) / constant within 2 %", "",
        (Check("nonlinear", at_most=0.1), Check("downlink_spread", at_most=0.02))),
    Row("workers", "two workers, one room of 1,000, against one worker", "≤ 1.15 ×", "1.05 ×",
        (Check("ratio", at_most=1.15, aim=1.05),)),
    Row("memory", "memory (PSS) per viewer / per publisher / after all left", "≤ 60 KiB / ≤ 400 KiB / within 5 %",
        "30 / 200 KiB",
        (Check("viewer_kib", at_most=60, aim=30), Check("publisher_kib", at_most=400, aim=200), Check("left", at_most=0.05))),
    Row("storm", "join storm: 300 clients in 3 s into a running lesson",
        "p99 ≤ 1 s, none fails, ≤ 2 keyframe requests per second and layer, p99 delay ≤ 20 ms", "200 joins/s",
        (Check("join_p99_ms", at_most=1000), Check("failed", at_most=0), Check("keyframe_requests", at_most=2),
         Check("p99_ms", at_most=20))),
    Row("signalling", "member k of 1,000 joins or leaves: bytes per member and event / p99 until the others know",
        "O(N) in all / ≤ 200 ms", "", (Check("growth", at_most=0.2), Check("p99_ms", at_most=200))),
    Row("loss", "5 % of the subscribers lose 5 % (NACK, RTX), against none", "≤ 1.3 ×", "1.15 ×",
        (Check("ratio", at_most=1.3, aim=1.15),)),
)

ORDER = ("not measured", "not reached", "reached", "aim reached")


def judge(row, figure):
    """The worst of the row's checks; "" for a row that has none."""
    if figure is None:
        return "not run"
    if "error" in figure:
        return "not measured"
    verdicts = [check.judge(figure["values"]) for check in row.checks]
    if not verdicts:
        return "recorded"
    # A row reaches its aim when every check that has one does.
    aimed = [v for check, v in zip(row.checks, verdicts) if check.aim is not None]
    worst = min(verdicts, key=ORDER.index)
    if worst == "reached" and aimed and all(v == "aim reached" for v in aimed) and all(
            v in ("reached", "aim reached") for v in verdicts):
        return "aim reached"
    return worst
