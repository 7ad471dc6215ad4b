"""CPU per delivered packet against the floor and against Janus, in rounds."""
import dataclasses

from . import stats
from .load import Failed, Traffic, measure
from .rounds import count_text, run_rounds
from .servers import Janus, Tongke

# 720p VP8 at 1.5 Mbit/s in frames as the encoder made them, and Opus.
LECTURE = Traffic(publishers=1, subscribers=300)
# Sound only: Opus, 50 packets of about 100 bytes a second.
AUDIO = Traffic(publishers=1, subscribers=300, video=False)
# Everyone sends three layers and sees everyone else.
GALLERY = Traffic(publishers=20, layers=3, gallery=True)


def against_floor(env, traffic):
    rounds, judged = run_rounds(env, traffic, [(lambda: Tongke(env), traffic)])
    return finish(rounds, judged, {"ratio": ("tongke", "floor")})


def finish(rounds, judged, wanted):
    """`wanted`: value name -> (over, under)."""
    kept = judged["kept"]
    found = {name: stats.ratios(kept, *pair) for name, pair in wanted.items()}
    costs = {}
    for name in {key for one in rounds for key in one if key not in ("failed", "readings")}:
        flat = [cost for one in kept for cost in (one[name] if isinstance(one[name], list) else [one.get(name)])]
        costs[name] = stats.summary(flat)
    failed = {name: why for one in rounds for name, why in one["failed"].items()}
    if not any(found.values()):
        raise Failed("no round gave a ratio: " + ("; ".join(f"{k}: {v}" for k, v in failed.items()) or count_text(judged)))
    text = "; ".join(f"{name.replace('_', ' ')} {describe(found[name])}" for name in found)
    return {"values": {name: one["median"] for name, one in found.items() if one}, "text": text,
            "spread": found, "us_per_packet": costs, "notes": [count_text(judged)] +
            [f"{name} failed: {why}" for name, why in failed.items()], "rounds": rounds}


def describe(one):
    if one is None:
        return "not measured"
    return f"{one['median']:.3g} ({one['min']:.3g} to {one['max']:.3g})"


def lecture_gcm(env):
    """With Janus; it gets fewer viewers, as many as one core of it holds, and so its better figure."""
    janus = dataclasses.replace(LECTURE, subscribers=env.lengths.janus_subscribers)
    others = [(lambda: Tongke(env), LECTURE), (lambda: Janus(env, True), janus), (lambda: Janus(env, False), janus)]
    rounds, judged = run_rounds(env, LECTURE, others)
    result = finish(rounds, judged, {"ratio": ("tongke", "floor"), "to_janus_tuned": ("tongke", "janus tuned"),
                                     "to_janus_packaged": ("tongke", "janus packaged")})
    result["notes"].append(f"Janus with {janus.subscribers} viewers: its core is full with more")
    return result


def audio_gcm(env):
    return against_floor(env, AUDIO)


def gallery_gcm(env):
    return against_floor(env, GALLERY)


def lecture_cm(env):
    return against_floor(env, dataclasses.replace(LECTURE, srtp="cm"))


def audio_cm(env):
    return against_floor(env, dataclasses.replace(AUDIO, srtp="cm"))


def gallery_cm(env):
    return against_floor(env, dataclasses.replace(GALLERY, srtp="cm"))


# Not what an encoder makes but what others may measure with: packets, pictures and keyframes of other sizes.
SHAPES = {
    "small": dataclasses.replace(LECTURE, packet_size=200, extra=("--frame-rate", "60", "--frame-packets", "6")),
    "large": dataclasses.replace(LECTURE, packet_size=1250, extra=("--frame-rate", "15", "--frame-packets", "12")),
    "fast": dataclasses.replace(LECTURE, packet_size=1250, extra=("--frame-rate", "60", "--frame-packets", "6")),
}


def shapes(env):
    """The lecture with other packets; keyframes have sixty of them."""
    values, spread, costs, notes, rounds = {}, {}, {}, [], []
    for name, traffic in SHAPES.items():
        done, judged = run_rounds(env, traffic, [(lambda: Tongke(env), traffic)], env.lengths.shape_rounds)
        try:
            one = finish(done, judged, {name: ("tongke", "floor")})
        except Failed as error:
            notes.append(f"{name}: {error}")
            continue
        values.update(one["values"])
        spread.update(one["spread"])
        costs[name] = one["us_per_packet"]
        notes += [f"{name}: {' '.join(traffic.options())}", *(f"{name}: {note}" for note in one["notes"])]
        rounds += done
    if not values:
        raise Failed("; ".join(notes))
    text = "; ".join(f"{name} {describe(spread.get(name))}" for name in SHAPES)
    return {"values": values, "text": text, "spread": spread, "us_per_packet_of": costs, "notes": notes, "rounds": rounds}


def janus_best(env):
    """Janus's own best: the viewers at which a packet costs it least."""
    best, points, notes = {}, {}, []
    for is_tuned in (True, False):
        for size in env.lengths.janus_sizes:
            server = Janus(env, is_tuned)
            try:
                with server:
                    reading = measure(env, server, dataclasses.replace(LECTURE, subscribers=size))
            except (Failed, RuntimeError, OSError) as error:
                notes.append(f"{server.name} with {size} viewers: {error}")
                continue
            cost = reading["us_per_packet"]
            points.setdefault(server.name, []).append((size, cost, reading["loss"]))
            if server.name not in best or cost < best[server.name][1]:
                best[server.name] = (size, cost)
            env.say(f"    {server.name} with {size}: {cost:.1f} µs")
    if not best:
        raise Failed("; ".join(notes))
    text = "; ".join(f"{name} {cost:.1f} µs with {size} viewers" for name, (size, cost) in best.items())
    return {"values": {name.replace(" ", "_"): cost for name, (_, cost) in best.items()}, "text": text,
            "points": points, "notes": notes}
