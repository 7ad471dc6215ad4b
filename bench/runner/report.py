"""bench/results/<date>.json, README.md and the plots, out of the figures of one run."""
import json
import pathlib

from . import stats, svg, table


def file_name(result):
    return result["date"] + ("-quick" if result["quick"] else "") + ".json"


def take_over(folder, result):
    """A run of single figures keeps the others of the same day and commit."""
    path = pathlib.Path(folder) / file_name(result)
    if not path.exists():
        return
    before = json.loads(path.read_text())
    if all(before["machine"].get(key) == result["machine"].get(key) for key in ("commit", "cpu", "kernel")):
        result["figures"] = {**before["figures"], **result["figures"]}


def write(folder, result):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = file_name(result)
    (folder / name).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    plots = write_plots(folder, result["figures"])
    (folder / "README.md").write_text(readme(result, name, plots))
    return folder / name


def good(figures, name):
    figure = figures.get(name)
    return figure if figure and "error" not in figure else None


def write_plots(folder, figures):
    """Draws what there is; returns [(file, title)]."""
    drawn = []

    def draw(file, title, *axes, **how):
        (folder / file).write_text(svg.plot(title, *axes, **how))
        drawn.append((file, title))

    if scale := good(figures, "scale"):
        series = {"Tongke": scale["points"]}
        for name, points in (good(figures, "janus_best") or {}).get("points", {}).items():
            series[name] = [(size, cost) for size, cost, _ in points]
        own = {"Tongke": scale["points"]}
        draw("cpu.svg", "CPU per delivered packet over subscribers", "subscribers", "µs", own, is_log_x=True)
        if len(series) > 1:
            draw("cpu-janus.svg", "The same beside Janus", "subscribers", "µs", series, is_log_x=True)
    if delay := good(figures, "delay"):
        for points, file, who in ((delay["points_many"], "delay.svg", "viewers in lessons of 25"),
                                  (delay["points"], "delay-one.svg", "viewers of one lesson")):
            series = {label: [(one["viewers"], one[key] / 1000) for one in points]
                      for label, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))}
            draw(file, f"Added delay against load: {who}", who, "ms", series)
    if memory := good(figures, "memory"):
        steps = memory["points"]
        draw("memory.svg", "Proportional set size: " + ", ".join(name for name, _ in steps),
             "step", "MiB", {"server": [(i, kib / 1024) for i, (_, kib) in enumerate(steps)]})
    if lesson := good(figures, "lesson"):
        draw("lesson.svg", "1+N lesson: the server's CPU", "remote sites", "% of one core",
             {"Tongke": [(one["sites"], one["cpu_share"] * 100) for one in lesson["points"]]})
    return drawn


def readme(result, name, plots):
    parts = [f"# Results of {result['date']}", "",
             "Written by `make bench`; read with [docs/benchmarks.md](../../docs/benchmarks.md). All numbers, rounds and "
             f"commands: [{name}]({name}).", ""]
    if result["quick"]:
        parts += ["**A quick run: it sees that everything works; its figures are rough.**", ""]
    parts += table_lines(result["figures"]) + [""]
    parts += notes_lines(result["figures"]) + [""]
    parts += [f"![{title}]({file})" for file, title in plots] + [""]
    parts += costs_lines(result["figures"]) + [""]
    if (result.get("profile") or {}).get("stages"):
        parts += profile_lines(result["profile"]) + [""]
    parts += machine_lines(result) + [""]
    parts += commands_lines(result["figures"])
    return "\n".join(parts) + "\n"


def table_lines(figures):
    lines = ["| figure | must reach | aim | measured | verdict |", "|---|---|---|---|---|"]
    for row in table.ROWS:
        figure = figures.get(row.figure)
        if figure is None:
            measured = "not run this time"
        elif "error" in figure:
            measured = "not measured: " + figure["error"].replace("|", "/")[:200]
        else:
            measured = row_text(row, figure)
        lines.append(f"| {row.title} | {row.must} | {row.aim} | {measured} | {table.judge(row, figure)} |")
    return lines


def row_text(row, figure):
    """Figures in rounds serve two rows; each shows its own ratios."""
    spread = figure.get("spread")
    if not spread:
        return figure["text"].replace("|", "/")
    shown = []
    for check in row.checks:
        one = spread.get(check.value)
        if one is None:
            shown.append("not measured")
        elif check.value.startswith("to_janus"):
            shown.append(f"1/{1 / one['median']:.1f} (1/{1 / one['max']:.1f} to 1/{1 / one['min']:.1f})")
        else:
            shown.append(f"{one['median']:.2f} × ({one['min']:.2f} to {one['max']:.2f})")
    return " / ".join(shown)


def notes_lines(figures):
    lines = ["## Notes", ""]
    for name, figure in figures.items():
        lines += [f"- {name}: {note}" for note in figure.get("notes", [])]
    return lines


def costs_lines(figures):
    """What a packet costs each server; only the ratios within a round compare."""
    lines = ["## µs of CPU per delivered packet, median (least to most) of the rounds that count", "",
             "| profile | floor | Tongke | Janus tuned | Janus as packaged |", "|---|---|---|---|---|"]
    rows = [(name, figure.get("us_per_packet")) for name, figure in figures.items()]
    rows += [(f"{name}, {shape}", costs) for name, figure in figures.items()
             for shape, costs in figure.get("us_per_packet_of", {}).items()]
    for name, costs in rows:
        if not isinstance(costs, dict):
            continue
        cells = []
        for server in ("floor", "tongke", "janus tuned", "janus packaged"):
            one = costs.get(server)
            cells.append(f"{one['median']:.2f} ({one['min']:.2f} to {one['max']:.2f})" if one else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def profile_lines(profile):
    lines = ["## Where the time goes", "", profile["how"], "", "| stage | share | µs per packet |", "|---|---|---|"]
    for stage, share, cost in profile["stages"]:
        lines.append(f"| {stage} | {share:.1%} | {cost:.3f} |")
    made = f"{profile['date']}, commit {profile['machine']['commit']}"
    return lines + [""] + [f"- {note}" for note in (*profile.get("notes", []), f"taken {made}")]


def machine_lines(result):
    lines = ["## Measured on", ""]
    for key, value in {**result["machine"], **result["network"], **result["servers"]}.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} = {v}" for k, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(str(one) for one in value)
        lines.append(f"- {key.replace('_', ' ')}: {value if value is not None else 'unknown'}")
    sizes = packet_sizes(result["figures"])
    return lines + ([f"- bytes per delivered packet (RTP): {sizes}"] if sizes else [])


def packet_sizes(figures):
    out = []
    for name, figure in figures.items():
        sizes = [reading["bytes_per_packet"] for one in figure.get("rounds", [])
                 for reading in one["readings"].get("tongke", [])]
        if sizes:
            out.append(f"{name} {stats.summary(sizes)['median']:.0f}")
    return ", ".join(out)


def commands_lines(figures):
    lines = ["## Commands", ""]
    for name, figure in figures.items():
        if not figure.get("commands"):
            continue
        lines += [f"### {name}", "", "```"]
        lines += [f"{who}: {command}" for who, commands in figure["commands"].items() for command in commands]
        lines += ["```", ""]
    return lines
