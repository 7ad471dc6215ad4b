"""Line plots as SVG, small enough to read: axes with round ticks, one polyline per series, a legend."""
import html
import math

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 48
COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93")


def ticks(low, high, count=5):
    """Round numbers from at most low to at least high."""
    if high <= low:
        high = low + 1
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(i * step, 10) for i in range(first, last + 1)]


def log_ticks(low, high):
    """1, 2 and 5 of every power of ten, from the last that is not above low to the first not below high."""
    marks = [m * 10 ** p for p in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for m in (1, 2, 5)]
    first = max((i for i, mark in enumerate(marks) if mark <= low), default=0)
    last = min((i for i, mark in enumerate(marks) if mark >= high), default=len(marks) - 1)
    return marks[first:last + 1]


def number(value):
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


class Axis:
    def __init__(self, values, begin, end, is_log=False, from_zero=False):
        low, high = min(values), max(values)
        self.is_log = is_log
        self.ticks = log_ticks(low, high) if is_log else ticks(0 if from_zero else low, high)
        self.begin, self.end = begin, end

    def at(self, value):
        first, last, value = (math.log(v) if self.is_log else v for v in (self.ticks[0], self.ticks[-1], value))
        return self.begin + (value - first) / ((last - first) or 1) * (self.end - self.begin)


def plot(title, x_name, y_name, series, is_log_x=False):
    """`series`: name -> list of (x, y). Returns the text of an SVG file."""
    points = [point for line in series.values() for point in line]
    if not points:
        raise ValueError("a plot needs points")
    x = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, is_log_x)
    y = Axis([p[1] for p in points], HEIGHT - BOTTOM, TOP, from_zero=True)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
           f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{html.escape(title)}</text>']
    for tick in y.ticks:
        at = y.at(tick)
        out += [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#dddddd"/>',
                f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(tick)}</text>']
    for tick in x.ticks:
        at = x.at(tick)
        out += [f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 4}" stroke="#444444"/>',
                f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(tick)}</text>']
    out += [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}" stroke="#444444"/>',
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(x_name)}</text>',
            f'<text x="{LEFT}" y="{TOP - 8}" fill="#444444">{html.escape(y_name)}</text>']
    for i, (name, line) in enumerate(series.items()):
        out += draw_series(name, sorted(line), COLOURS[i % len(COLOURS)], x, y, i)
    return "\n".join([*out, "</svg>", ""])


def draw_series(name, line, colour, x, y, i):
    path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in line)
    out = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    out += [f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3" fill="{colour}"/>' for a, b in line]
    at = WIDTH - RIGHT - 150
    out += [f'<line x1="{at}" x2="{at + 18}" y1="{TOP + 8 + 16 * i}" y2="{TOP + 8 + 16 * i}" stroke="{colour}" '
            f'stroke-width="2"/>', f'<text x="{at + 24}" y="{TOP + 12 + 16 * i}">{html.escape(name)}</text>']
    return out
