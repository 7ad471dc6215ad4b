"""Instructions per packet of the clock-free core: the figure that the project's own test holds."""
import json

from .load import Failed

RECORD = "tests/perf/instructions.json"


def instructions(env):
    """Reads what the test recorded, so that there is one number and one place that guards it."""
    path = env.root / RECORD
    if not path.exists():
        raise Failed(f"no {RECORD} in this tree: the test of the core's instructions has recorded nothing")
    values = json.loads(path.read_text())
    return {"values": values, "text": ", ".join(f"{case} subscribers: {value:,.0f}" for case, value in values.items()),
            "notes": [f"from {RECORD}, counted by callgrind; tests/perf/instructions.py fails when one grows by over 5 %"]}
