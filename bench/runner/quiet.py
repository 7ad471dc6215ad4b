"""
Figures about delay on a machine that shares its processors: the host takes milliseconds at a time, which would be
measured as delay of whatever server runs. Such runs are repeated, and the results tell how often and what was left.
"""
STOLEN_MAX = 0.001  # share of the processors' time during a run that counts without a second one
TRIES = 4


def quietest(run, is_enough=lambda reading: False):
    """
    The first reading of run() of which the host took at most STOLEN_MAX, or that is_enough in spite of it; after
    TRIES the one with the least. It says itself of how many runs it is: reading["runs"].
    """
    best = None
    for count in range(1, TRIES + 1):
        reading = run()
        if best is None or reading["stolen"] < best["stolen"]:
            best = reading
        if reading["stolen"] <= STOLEN_MAX or is_enough(reading):
            best = reading
            break
    return {**best, "runs": count}


def remarks(name, reading):
    """For the notes; nothing when the first run was quiet."""
    if reading["runs"] == 1 and reading["stolen"] <= STOLEN_MAX:
        return []
    what = "the quietest" if reading["stolen"] > STOLEN_MAX else "the last, a quiet one,"
    times = f"{what} of {reading['runs']} runs counts" if reading["runs"] > 1 else "one run"
    return [f"{name}: {times}; the host took {reading['stolen']:.2%} of the processors' time in it"]
