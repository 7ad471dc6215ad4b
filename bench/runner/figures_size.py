"""How cost, delay and viewers go with size."""
import dataclasses

from . import stats
from .figures_rounds import AUDIO, LECTURE
from .load import Failed, Traffic, measure
from .quiet import STOLEN_MAX, quietest, remarks
from .servers import Floor, Tongke

LOSS_MAX, DELAY_P99_US_MAX = 0.001, 5000
VIEWERS_OF_ONE = 25  # where delay is measured with many lessons
MOST_DRIVEN = 3000   # participants that one core of load drives
MOST_HEARD = 3000   # viewers of sound that one core of the load drives


def run_tongke(env, traffic, seconds=None, **server):
    with Tongke(env, **server) as running:
        return measure(env, running, traffic, seconds)


def scale(env):
    """CPU per packet over 10 to 1,000 subscribers."""
    points = []
    for size in env.lengths.sizes:
        # Few packets a second need longer until ticks and interrupts even out.
        seconds = env.lengths.measure_s * (3 if size <= 50 else 1)
        reading = run_tongke(env, dataclasses.replace(LECTURE, subscribers=size), seconds)
        points.append((size, reading["us_per_packet"]))
        env.say(f"    {size} subscribers: {reading['us_per_packet']:.2f} µs")
    growth = stats.growth(points)
    return {"values": {"growth": growth}, "points": points,
            "text": f"{growth:+.0%} from {points[0][0]} to {points[-1][0]}: " +
                    ", ".join(f"{size}: {cost:.2f}" for size, cost in points) + " µs"}


def run_size(env, size):
    reading = run_tongke(env, dataclasses.replace(LECTURE, subscribers=size), env.lengths.long_s)
    env.say(f"    {size} viewers: loss {reading['loss']:.3%}, {reading['failed']} failed, "
            f"p99 {reading['delay_us']['p99'] / 1000:.1f} ms, server's core {reading['cpu_share']:.0%}, "
            f"the host took {reading['stolen']:.2%}"
            f"{', the load is the limit: ' + reading['load_limited'] if reading['load_limited'] else ''}"
            f"{', the server is at its limit: ' + reading['server_limited'] if reading['server_limited'] else ''}")
    return reading


def holds(env, size, tried, is_good):
    """
    Whether one lesson with `size` viewers is good. What was measured already counts, unless it is bad and the host
    was at work; no if the load did not come about.
    """
    known = tried.get(size)
    if size in tried and (known is None or is_good(known) or known["stolen"] <= STOLEN_MAX or known["runs"] > 1):
        return is_good(known)
    try:
        tried[size] = quietest(lambda: run_size(env, size), is_good)
    except Failed as error:
        env.say(f"    {size} viewers: {error}")
        tried[size] = None
    return is_good(tried[size])


def is_whole(reading):
    return reading is not None and reading["loss"] < LOSS_MAX and not reading["failed"]


def is_prompt(reading):
    return is_whole(reading) and reading["delay_us"]["p99"] <= DELAY_P99_US_MAX


def run_floor(env, traffic):
    """The floor program under the same traffic: what decrypting, encrypting and sending alone take."""
    with Floor(env, traffic) as floor:
        reading = measure(env, floor, traffic, env.lengths.long_s)
    env.say(f"    floor, {traffic.publishers} × {traffic.subscribers}: p99 {reading['delay_us']['p99'] / 1000:.1f} ms, "
            f"the host took {reading['stolen']:.2%}")
    return reading


def floor_capacity(env, start, tries):
    """(the most viewers that the floor program serves with p99 within the limit, its p99 in ms with `start` of them)"""
    seen = {}

    def is_held(size):
        traffic = dataclasses.replace(LECTURE, subscribers=size)
        seen[size] = quietest(lambda: run_floor(env, traffic), is_prompt)
        return is_prompt(seen[size])

    most, _, _ = stats.search_max(is_held, start, limit=6000, tries=tries)
    return most, seen[start]["delay_us"]["p99"] / 1000


def size_text(most, too_many, tried):
    if too_many and tried.get(too_many) and tried[too_many]["load_limited"]:
        return f"at least {most} (with {too_many} the load generator was itself the limit)"
    return f"{most}" + (f", not {too_many}" if too_many else ", more were not tried")


def sound_text(env):
    """The generator's own measure: so many hear one lesson, on one socket, a share of the packets decrypted."""
    try:
        reading = run_tongke(env, dataclasses.replace(AUDIO, subscribers=MOST_HEARD, many=True), env.lengths.long_s)
    except Failed as error:
        return f"sound alone for {MOST_HEARD}: {error}"
    limit = f"; the load generator was the limit: {reading['load_limited']}" if reading["load_limited"] else ""
    return (f"sound alone for {MOST_HEARD}: {reading['joined']} joined, {reading['failed']} failed, loss {reading['loss']:.3%}, "
            f"server's core {reading['cpu_share']:.0%}, load's {reading['load_core']:.0%}; sequence of all packets checked, "
            f"{reading['checked_share']:.0%} decrypted{limit}")


def capacity(env):
    """Viewers of one lesson on one core: by loss alone, and with every packet there in time as well."""
    tried, lengths = {}, env.lengths
    whole, whole_not, _ = stats.search_max(lambda n: holds(env, n, tried, is_whole), lengths.capacity_start,
                                           limit=6000, tries=lengths.capacity_tries)
    prompt, prompt_not, _ = stats.search_max(lambda n: holds(env, n, tried, is_prompt), lengths.capacity_start // 4,
                                             limit=6000, tries=lengths.capacity_tries)
    if whole == 0:
        raise Failed(f"no size held: {sorted(tried)}")
    floor_most, floor_p99 = floor_capacity(env, lengths.capacity_start, lengths.capacity_tries)
    readings = [(n, r) for n, r in sorted(tried.items()) if r is not None]
    notes = [f"the floor program, which only decrypts, encrypts and sends, holds {floor_most} viewers with both, and has a p99 of "
             f"{floor_p99:.1f} ms with {lengths.capacity_start}: a picture goes to one after the other, the last one waits for all",
             sound_text(env), *(note for n, r in readings for note in remarks(f"{n} viewers", r))]
    points = [{"viewers": n, "loss": r["loss"], "failed": r["failed"], "p99_us": r["delay_us"]["p99"], "cpu": r["cpu_share"],
               "stolen": r["stolen"], "load_is_the_limit": r["load_limited"], "server_is_the_limit": r["server_limited"]}
              for n, r in readings]
    return {"values": {"viewers": prompt, "viewers_whole": whole, "floor_p99_ms": floor_p99, "floor_viewers": floor_most},
            "text": f"both: {size_text(prompt, prompt_not, tried)} viewers (the floor program: {floor_most}); by loss alone: "
                    f"{size_text(whole, whole_not, tried)}", "tried": points, "notes": notes}


def delay_points(env, traffic_of, most):
    points = []
    for share in (0.25, 0.5, 0.8):
        size = max(int(most * share), 1)
        reading = quietest(lambda: run_tongke(env, traffic_of(size), env.lengths.long_s * 2))
        points.append({"share": share, "viewers": size, **reading["delay_us"], "loss": reading["loss"],
                       "cpu": reading["cpu_share"], "load_is_the_limit": reading["load_limited"],
                       "stolen": reading["stolen"], "runs": reading["runs"]})
        env.say(f"    {share:.0%} ({size} viewers): p50 {reading['delay_us']['p50']} µs, "
                f"p99 {reading['delay_us']['p99']} µs, p99.9 {reading['delay_us']['p999']} µs, "
                f"server's core {reading['cpu_share']:.0%}, the host took {reading['stolen']:.2%} in {reading['runs']} runs")
    return points


def points_text(points):
    return "; ".join(f"{one['share']:.0%}: {one['p50'] / 1000:.2f} / {one['p99'] / 1000:.2f} / "
                     f"{one['p999'] / 1000:.2f} ms" for one in points)


def limits_of(points):
    return [f"at {one['share']:.0%} the load generator was the limit: {one['load_is_the_limit']}"
            for one in points if one["load_is_the_limit"]] + [
            note for one in points for note in remarks(f"{one['viewers']} viewers", one)]


def delay(env, most):
    """Added delay at shares of the own maximum: many lessons side by side, and one lesson for all."""
    def lessons(viewers):
        return dataclasses.replace(LECTURE, subscribers=VIEWERS_OF_ONE, rooms=max(viewers // VIEWERS_OF_ONE, 1))

    # The maximum of many lessons: where the core would be full, from a run with half a thousand viewers.
    probe = run_tongke(env, lessons(500), env.lengths.measure_s)
    most_of_many = min(int(500 / probe["cpu_share"]), MOST_DRIVEN)
    many = delay_points(env, lessons, most_of_many)
    one = delay_points(env, lambda viewers: dataclasses.replace(LECTURE, subscribers=viewers), most)
    half = many[1]
    # As many pictures to as many receivers; the floor knows no rooms, so that each gets several.
    floor = quietest(lambda: run_floor(env, dataclasses.replace(LECTURE, publishers=half["viewers"] // VIEWERS_OF_ONE,
                                                                subscribers=VIEWERS_OF_ONE)))
    return {"values": {"p99_ms": half["p99"] / 1000, "p999_ms": half["p999"] / 1000, "one_p99_ms": one[1]["p99"] / 1000,
                       "floor_p50_ms": floor["delay_us"]["p50"] / 1000, "floor_p99_ms": floor["delay_us"]["p99"] / 1000},
            "text": f"p50 / p99 / p99.9, lessons of {VIEWERS_OF_ONE} viewers: {points_text(many)}. "
                    f"One lesson for all: {points_text(one)}",
            "points": one, "points_many": many,
            "notes": [f"maximum of many lessons: {most_of_many} viewers (at {probe['cpu_share']:.0%} with 500); of one lesson: {most}",
                      f"the floor program, sending as much as at 50 % of many lessons: p50 / p99 / p99.9 "
                      f"{floor['delay_us']['p50'] / 1000:.2f} / {floor['delay_us']['p99'] / 1000:.2f} / "
                      f"{floor['delay_us']['p999'] / 1000:.2f} ms (the host took {floor['stolen']:.2%})",
                      *limits_of(many), *limits_of(one),
                      "in one lesson a picture goes to one viewer after the other: the last waits for all the others"]}


def lesson(env):
    """1+N: the server's CPU over N, and what one remote site receives."""
    points = []
    for sites in env.lengths.lesson_sizes:
        traffic = Traffic(publishers=1 + sites, layers=3, lesson=True)
        reading = run_tongke(env, traffic, env.lengths.measure_s)
        points.append({"sites": sites, "cpu_share": reading["cpu_share"], "downlink_bps": reading["site_bps"]})
        env.say(f"    1+{sites}: server's core {reading['cpu_share']:.1%}, a remote site's downlink "
                f"{reading['site_bps'] and round(reading['site_bps'] / 1000)} kbit/s")
    line = stats.fit([(one["sites"], one["cpu_share"]) for one in points])
    largest = points[-1]
    off = abs(largest["cpu_share"] - (line["slope"] * largest["sites"] + line["intercept"])) / largest["cpu_share"]
    curve = curvature(points)
    down = [one["downlink_bps"] for one in points if one["downlink_bps"]]
    values = {"nonlinear": curve}
    if len(down) == len(points):
        values["downlink_spread"] = stats.spread(min(down), max(down))
    text = f"cost of one more site in the upper half {curve:+.0%} of that in the lower; " + (
        f"downlink {min(down) / 1000:.0f} to {max(down) / 1000:.0f} kbit/s ({values['downlink_spread']:.1%})"
        if "downlink_spread" in values else "downlink not reported")
    return {"values": values, "text": text, "points": points, "fit": line,
            "notes": [f"the line through all points misses the largest by {off:.1%}"]}


def curvature(points):
    """By how much a further site costs more in the upper half of the sizes than in the lower, as a share."""
    middle = len(points) // 2
    halves = [stats.fit([(one["sites"], one["cpu_share"]) for one in part])["slope"]
              for part in (points[:middle + 1], points[middle:])]
    return halves[1] / halves[0] - 1 if halves[0] > 0 else float("inf")


def workers(env):
    """A room of 1,000 on two workers against one; both workers on the server's one core, as what counts is CPU time."""
    traffic = dataclasses.replace(LECTURE, subscribers=1000)
    costs = {}
    for count in (1, 2, 1):
        cost = run_tongke(env, traffic, workers=count)["us_per_packet"]
        costs.setdefault(count, []).append(cost)
        env.say(f"    {count} worker{'s' if count > 1 else ''}: {cost:.2f} µs")
    one, two = sum(costs[1]) / len(costs[1]), costs[2][0]
    return {"values": {"ratio": two / one}, "text": f"{two / one:.2f} × ({two:.2f} against {one:.2f} µs)", "costs": costs,
            "notes": ["one worker before and after two; the mean of both counts"]}


def loss(env):
    """5 % of the subscribers lose 5 %, against nobody."""
    lossy = dataclasses.replace(LECTURE, extra=("--loss", "5", "--lossy-share", "5"))
    clean = [run_tongke(env, LECTURE)]
    with_loss = run_tongke(env, lossy)
    clean.append(run_tongke(env, LECTURE))
    base = sum(one["us_per_packet"] for one in clean) / 2
    ratio = with_loss["us_per_packet"] / base
    return {"values": {"ratio": ratio}, "text": f"{ratio:.2f} × ({with_loss['us_per_packet']:.2f} against {base:.2f} µs); "
            f"recovered {with_loss['recovered']} of {with_loss['dropped']} packets dropped on purpose",
            "notes": ["CPU per packet that reached a subscriber, each counted once"], "readings": [*clean, with_loss]}
