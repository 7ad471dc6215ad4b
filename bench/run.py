#!/usr/bin/env python3
"""
The benchmark: the server beside the floor program and Janus, then one figure after another; what it means is in
docs/benchmarks.md. Needs root for network namespaces, two processor cores and a quiet machine.

    bench/run.py                  everything, about an hour
    bench/run.py --quick          rough figures in under four minutes
    bench/run.py --only capacity  one figure (may be given several times)
    bench/run.py --profile        where the time goes, per stage
"""
import argparse
import datetime
import os
import pathlib
import signal
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from runner import (env as environment, figures_inside, figures_rounds, figures_signalling, figures_size,  # noqa: E402
                    instructions, machine, netns, profile, report, servers)

CAPACITY_GUESS = 1000  # viewers, when the delay is measured without the capacity before it


def delay(env):
    most = env.results.get("capacity", {}).get("values", {}).get("viewers_whole")
    figure = figures_size.delay(env, most or CAPACITY_GUESS)
    if not most:
        figure["notes"].append("the own maximum was not measured in this run; the shares are of a guess")
    return figure


FIGURES = {
    "lecture_gcm": figures_rounds.lecture_gcm,
    "audio_gcm": figures_rounds.audio_gcm,
    "gallery_gcm": figures_rounds.gallery_gcm,
    "lecture_cm": figures_rounds.lecture_cm,
    "audio_cm": figures_rounds.audio_cm,
    "gallery_cm": figures_rounds.gallery_cm,
    "shapes": figures_rounds.shapes,
    "janus_best": figures_rounds.janus_best,
    "scale": figures_size.scale,
    "capacity": figures_size.capacity,
    "delay": delay,
    "syscalls": figures_inside.syscalls,
    "hot_path": figures_inside.hot_path,
    "instructions": instructions.instructions,
    "lesson": figures_size.lesson,
    "workers": figures_size.workers,
    "memory": figures_inside.memory,
    "storm": figures_inside.storm,
    "signalling": figures_signalling.signalling,
    "loss": figures_size.loss,
}
QUICK_LEAVES_OUT = ("audio_cm", "gallery_cm", "shapes", "janus_best", "delay", "hot_path", "lesson", "workers", "memory",
                    "signalling")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=list(FIGURES), metavar="FIGURE",
                        help="one of: " + ", ".join(FIGURES))
    parser.add_argument("--profile", action="store_true", help="where the time goes, instead of the figures")
    parser.add_argument("--build", default="build/release", help="folder of the build that is measured")
    parser.add_argument("--results", default=str(ROOT / "bench/results"), help="folder of the results")
    return parser.parse_args()


def run_figure(env, name):
    """A figure that fails says why; the others go on."""
    env.say(name)
    env.take_commands()
    try:
        figure = FIGURES[name](env)
    except Exception as error:  # whatever it is, it belongs into the results
        figure = {"error": f"{type(error).__name__}: {error}" if not isinstance(error, RuntimeError) else str(error),
                  "trace": traceback.format_exc().splitlines()[-6:]}
    figure["commands"] = env.take_commands()
    env.say(f"  {figure.get('text') or 'not measured: ' + figure['error']}")
    return figure


def check_programs(env):
    missing = [str(path) for path in (env.tongke, env.floor, env.null_call) if not path.exists()]
    if missing:
        sys.exit(f"bench: not built: {', '.join(missing)} (make bench builds them)")


def stop_on(number, _frame):
    """Namespaces, servers and settings are put back on the way out."""
    raise SystemExit(128 + number)


def main():
    wanted = options()
    signal.signal(signal.SIGTERM, stop_on)
    os.sched_setaffinity(0, {netns.LOAD_CORE})
    names = wanted.only or [name for name in FIGURES if not (wanted.quick and name in QUICK_LEAVES_OUT)]
    lengths = environment.QUICK if wanted.quick else environment.FULL
    with netns.Namespaces() as namespaces:
        env = environment.Env(ROOT, wanted.build, namespaces, lengths)
        check_programs(env)
        result = {"date": datetime.date.today().isoformat(), "quick": wanted.quick,
                  "machine": machine.describe(ROOT, env.null_call), "network": namespaces.describe(),
                  "servers": servers.configurations()}
        if wanted.profile:
            result["profile"] = profile.run(env)
        else:
            for name in names:
                env.results[name] = run_figure(env, name)
        result["figures"] = env.results
    if wanted.profile:
        print(profile.write(wanted.results, result))
    else:
        if wanted.only:
            report.take_over(wanted.results, result)
        result["profile"] = profile.last(wanted.results)
        print(report.write(wanted.results, result))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
