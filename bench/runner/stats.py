"""Numbers out of rounds: which rounds count, medians, fits. Pure functions; bench/test/test_stats.py tests them."""
import math
import statistics

FLOOR_SPREAD_MAX = 0.15  # two floors of one round that differ by more say that the machine was not quiet


def spread(a, b):
    """By how much two costs differ, as a share of the smaller."""
    low, high = min(a, b), max(a, b)
    return math.inf if low <= 0 else (high - low) / low


def judge_rounds(rounds):
    """
    Splits rounds into those that count and what was left out. A round is a dict with the lists "floor" (two costs)
    and one cost (or None) per server. The first is dropped; so is every round without two floors or with floors that
    differ by more than FLOOR_SPREAD_MAX.
    """
    kept, discarded, incomplete = [], 0, 0
    for one in rounds[1:]:
        floors = [cost for cost in one["floor"] if cost]
        if len(floors) != 2:
            incomplete += 1
        elif spread(*floors) > FLOOR_SPREAD_MAX:
            discarded += 1
        else:
            kept.append(one)
    return {"kept": kept, "first_dropped": min(len(rounds), 1), "discarded": discarded, "incomplete": incomplete}


def summary(values):
    """Median with minimum and maximum; None when there is nothing."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "count": len(values)}


def ratios(kept, over, under="floor"):
    """Per round: the cost of `over` divided by that of `under`; the floor of a round is the mean of its two."""
    out = []
    for one in kept:
        top, bottom = one.get(over), one.get(under)
        if isinstance(bottom, list):
            bottom = sum(bottom) / len(bottom)
        if isinstance(top, list):
            top = sum(top) / len(top)
        if top and bottom:
            out.append(top / bottom)
    return summary(out)


def fit(points):
    """Least squares through (x, y): slope, intercept, and the largest deviation of a point as a share of its y."""
    if len({x for x, _ in points}) < 2:
        raise ValueError("a line needs two different x")
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    slope = above / sum((x - mean_x) ** 2 for x, _ in points)
    intercept = mean_y - slope * mean_x
    worst = max(abs(y - (slope * x + intercept)) / abs(y) if y else 0 for x, y in points)
    return {"slope": slope, "intercept": intercept, "worst": worst}


def growth(points):
    """
    How much a cost grows from the smallest to the largest x, as a share of its fitted value at the smallest: a line
    through (log x, y), so that 10 to 100 counts as much as 100 to 1,000. Zero or less = falling.
    """
    line = fit([(math.log(x), y) for x, y in points])
    first, last = (math.log(pick(x for x, _ in points)) for pick in (min, max))
    begin = line["slope"] * first + line["intercept"]
    return line["slope"] * (last - first) / begin if begin > 0 else math.inf


def search_max(holds, start, factor=1.4, precision=0.05, limit=16000, tries=12):
    """
    The largest n for which holds(n) is true, found by steps of `factor` and then by halving, to `precision`.
    Returns (n or 0, the smallest n that failed or None, list of (n, bool)).
    """
    seen, good, bad, n = [], 0, None, start
    while len(seen) < tries:
        ok = holds(n)
        seen.append((n, ok))
        good, bad = (n, bad) if ok else (good, n)
        if bad is None:
            if n >= limit:
                break
            n = min(int(n * factor), limit)
        elif good == 0:
            n = int(n / factor)
            if n < 1:
                break
        elif (bad - good) / bad <= precision:
            break
        else:
            n = (good + bad) // 2
    return good, bad, seen


def verdict(value, at_most=None, at_least=None, aim=None):
    """"aim reached", "reached", "not reached", or "not measured"."""
    if value is None:
        return "not measured"
    within = (lambda limit: value <= limit) if at_most is not None else (lambda limit: value >= limit)
    if aim is not None and within(aim):
        return "aim reached"
    return "reached" if within(at_most if at_most is not None else at_least) else "not reached"
