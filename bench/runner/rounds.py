"""Rounds of servers side by side: floor, the others, floor. Only ratios within a round are compared."""
from . import stats
from .load import Failed, measure
from .servers import Floor


def one_round(env, traffic, others):
    """
    One cost per server, in µs per delivered packet; None where it failed, with the reason in "failed". `others` is a
    list of (make server, traffic); the floor goes first and last.
    """
    costs, failed, seen = {"floor": []}, {}, {}

    def take(make, own, warm_up):
        server = make()
        try:
            with server:
                reading = measure(env, server, own, warm_up=warm_up)
            seen.setdefault(server.name, []).append(reading)
            return server.name, reading["us_per_packet"]
        except (Failed, RuntimeError, OSError) as error:
            failed[server.name] = str(error)
            env.say(f"    {server.name}: {error}")
            return server.name, None

    costs["floor"].append(take(lambda: Floor(env, traffic), traffic, env.lengths.warm_up_s)[1])
    for make, own in others:
        name, cost = take(make, own, env.lengths.settle_s)
        costs[name] = cost
    costs["floor"].append(take(lambda: Floor(env, traffic), traffic, env.lengths.warm_up_s)[1])
    return {**costs, "failed": failed, "readings": seen}


def run_rounds(env, traffic, others, least=None):
    """`least` rounds (else as many as the figures in rounds have), and more while some of them do not count."""
    least = least or env.lengths.rounds
    most = least + env.lengths.rounds_max - env.lengths.rounds
    rounds, kept = [], 0
    while len(rounds) < least or (kept < least - 1 and len(rounds) < most):
        one = one_round(env, traffic, others)
        rounds.append(one)
        kept = len(stats.judge_rounds(rounds)["kept"])
        text = "  ".join(f"{name} {format_cost(cost)}" for name, cost in one.items()
                         if name not in ("failed", "readings"))
        env.say(f"    round {len(rounds)}{' (dropped)' if len(rounds) == 1 else ''}, {kept} of {least - 1} count: {text} µs")
    return rounds, stats.judge_rounds(rounds)


def format_cost(cost):
    if isinstance(cost, list):
        return "/".join(format_cost(one) for one in cost)
    return "failed" if cost is None else f"{cost:.2f}"


def count_text(judged):
    return (f"{len(judged['kept'])} rounds count; first dropped; {judged['discarded']} discarded for their floors, "
            f"{judged['incomplete']} without two floors")
