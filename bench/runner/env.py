"""What every figure gets: programs, namespaces, how long to measure, and where commands are noted down."""
import dataclasses
import pathlib
import sys
import time


@dataclasses.dataclass(frozen=True)
class Lengths:
    """How much is measured; `quick` sees only that everything works and gives rough figures."""
    rounds: int          # at least; the first is dropped
    rounds_max: int      # so many while some are discarded
    shape_rounds: int
    warm_up_s: int
    settle_s: int        # of a server in rounds: joining has its own figures, and what it leads to is over by then
    measure_s: int
    long_s: int          # of figures about percentiles
    sizes: tuple         # subscribers of the plot of CPU per packet
    lesson_sizes: tuple  # remote sites
    capacity_start: int
    capacity_tries: int
    janus_subscribers: int
    janus_sizes: tuple
    join_rate: int


# The recorded pictures are four seconds long: whole multiples see each picture equally often.
FULL = Lengths(rounds=7, rounds_max=10, shape_rounds=3, warm_up_s=1, settle_s=6, measure_s=4, long_s=8, sizes=(10, 50, 100, 200, 400, 1000),
               lesson_sizes=(1, 2, 5, 10, 20, 40, 60), capacity_start=1500, capacity_tries=7,
               janus_subscribers=100, janus_sizes=(50, 100, 150, 200), join_rate=400)
QUICK = Lengths(rounds=2, rounds_max=2, shape_rounds=2, warm_up_s=1, settle_s=1, measure_s=2, long_s=2, sizes=(10, 100, 400),
                lesson_sizes=(1, 10, 30), capacity_start=1000, capacity_tries=2,
                janus_subscribers=60, janus_sizes=(60,), join_rate=400)


COMMANDS_MAX = 40  # of one program and figure: a search tries many sizes


class Env:
    def __init__(self, root, build, namespaces, lengths):
        self.root = pathlib.Path(root)
        self.tongke = self.root / build / "tongke"
        self.floor = self.root / build / "bench/floor"
        self.null_call = self.root / build / "bench/null_call"
        self.data = self.root / "bench/data"
        self.namespaces = namespaces
        self.lengths = lengths
        self.commands = {}  # of the figure that runs: name -> set of commands
        self.begin = time.monotonic()
        self.results = {}   # figures so far; some build upon others

    def record(self, name, command):
        short = command.replace(str(self.root) + "/", "")
        self.commands.setdefault(name, [])
        if short not in self.commands[name] and len(self.commands[name]) < COMMANDS_MAX:
            self.commands[name].append(short)

    def take_commands(self):
        out, self.commands = self.commands, {}
        return out

    def say(self, text):
        """One line of progress."""
        passed = time.monotonic() - self.begin
        print(f"{int(passed) // 60:3d}:{int(passed) % 60:02d}  {text}", file=sys.stderr, flush=True)
