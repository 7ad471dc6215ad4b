"""What joins and leaves of a large room cost the others."""
import json
import pathlib
import subprocess
import sys

from .figures_inside import during
from .load import Failed, Traffic
from .netns import LOAD_CORE, SERVER_IP, prefix
from .servers import Tongke

CLIENT = pathlib.Path(__file__).with_name("signal_client.py")
FEW, MANY = 250, 1000
WATCHERS, GUESTS = 40, 10
KINDS = ("join", "change", "leave")
ROOM = "crowd"
SECONDS = 20


def watch(env):
    command = [sys.executable, str(CLIENT), f"ws://{SERVER_IP}:{Tongke.PORT}", ROOM, str(WATCHERS), str(GUESTS)]
    env.record("signalling", " ".join(command[1:]))
    try:
        done = subprocess.run(prefix(env.namespaces.client, LOAD_CORE) + command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise Failed("the watching members took more than a minute") from None
    if done.returncode != 0:
        raise Failed("; ".join(done.stderr.strip().splitlines()[-1:]) or "the watching members left without a reason")
    return json.loads(done.stdout)


def crowd(env, members):
    """The load fills the room with real members, who get a little sound; forty more watch and ten come and go."""
    traffic = Traffic(publishers=1, subscribers=members - WATCHERS - 1, video=False, extra=("--room", ROOM))
    with Tongke(env) as server:
        _, result = during(env, server, traffic, SECONDS, lambda: watch(env))
    env.say(f"    {members} members: " + "; ".join(
        f"{kind} p99 {one['p99_ms']:.0f} ms, {one['bytes_per_event_and_member']:.0f} bytes a member"
        for kind, one in result.items()))
    missed = {kind: one["missed"] for kind, one in result.items() if one["missed"]}
    if missed:
        raise Failed(f"{members} members: watchers were not told: {missed}")
    return result


def signalling(env):
    """Bytes per event must grow no faster than the members: per member they stay the same."""
    few, many = crowd(env, FEW), crowd(env, MANY)

    def per_member(one):
        return (one["join"]["bytes_per_event_and_member"] + one["leave"]["bytes_per_event_and_member"]) / 2

    # A viewer's join is nothing that the others must know at once: a large room sends those together, by design.
    p99 = max(many["change"]["p99_ms"], many["leave"]["p99_ms"])
    return {"values": {"growth": per_member(many) / per_member(few) - 1, "p99_ms": p99},
            "text": f"{per_member(few):.0f} bytes per member and event with {FEW}, {per_member(many):.0f} with {MANY}; "
                    f"p99 {p99:.0f} ms for a leave and a change, {many['join']['p99_ms']:.0f} ms for a silent viewer's join",
            "notes": ["a silent viewer's join is told together with others, at the latest after 3 s; whoever publishes, "
                      "changes something or leaves is told at once",
                      f"as {WATCHERS} of the members see it, who have signalling alone; the times include their client, one "
                      "Python process on the load's core"],
            "details": [few, many]}
