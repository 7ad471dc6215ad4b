"""
Goal: the benchmark's own arithmetic is right: which rounds count, ratios, fits, searches, verdicts, plots, and how
perf's output is read. Method: by hand-made numbers; nothing is started. Run by `make test`:

    python3 -m unittest discover -s bench/test
"""
import math
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from runner import figures_inside, figures_size, load, netns, profile, quiet, report, rounds, stats, svg, table  # noqa: E402


def one(first, second, tongke, janus=None):
    return {"floor": [first, second], "tongke": tongke, "janus tuned": janus, "failed": {}, "readings": {}}


class Rounds(unittest.TestCase):
    def test_first_is_dropped_and_unequal_floors_are_discarded(self):
        judged = stats.judge_rounds([one(1, 1, 9), one(1, 1.15, 2), one(1, 1.16, 2), one(1.2, 1, 2), one(2, 2, 3)])
        self.assertEqual([len(judged["kept"]), judged["first_dropped"], judged["discarded"]], [2, 1, 2])

    def test_a_missing_floor_is_incomplete_not_discarded(self):
        judged = stats.judge_rounds([one(1, 1, 1), one(None, 1, 1), one(1, 1, None)])
        self.assertEqual((len(judged["kept"]), judged["discarded"], judged["incomplete"]), (1, 0, 1))

    def test_no_round(self):
        self.assertEqual(stats.judge_rounds([])["kept"], [])

    def test_ratios_are_within_a_round(self):
        # Each round's machine was another; the ratio is 1.5 in every one.
        kept = [one(1, 1.1, 1.575), one(2, 2.2, 3.15), one(4, 4.4, 6.3)]
        found = stats.ratios(kept, "tongke")
        self.assertAlmostEqual(found["median"], 1.5)
        self.assertAlmostEqual(found["max"], 1.5)

    def test_ratios_leave_out_what_failed(self):
        kept = [one(1, 1, 2, 20), one(1, 1, None, 30), one(1, 1, 3, None)]
        self.assertEqual(stats.ratios(kept, "tongke", "janus tuned"), {"median": 0.1, "min": 0.1, "max": 0.1, "count": 1})
        self.assertIsNone(stats.ratios(kept, "janus packaged"))

    def test_run_rounds_against_a_fake(self):
        """The order floor, others, floor; a server that fails leaves the round to the others."""
        order = []

        class Fake:
            def __init__(self, name):
                self.name = name

            def __enter__(self):
                order.append(self.name)

            def __exit__(self, *_):
                pass

        def measure(_env, server, _traffic, warm_up):
            if server.name == "janus tuned":
                raise load.Failed("refused")
            self.assertEqual(warm_up, 1 if server.name == "floor" else 6)
            return {"us_per_packet": {"floor": 2.0, "tongke": 3.0}[server.name]}

        class Env:
            lengths = type("Lengths", (), {"rounds": 3, "rounds_max": 5, "warm_up_s": 1, "settle_s": 6})

            def say(self, _text):
                pass

        saved = rounds.measure, rounds.Floor
        rounds.measure, rounds.Floor = measure, lambda _env, _traffic: Fake("floor")
        try:
            others = [(lambda: Fake("tongke"), None), (lambda: Fake("janus tuned"), None)]
            done, judged = rounds.run_rounds(Env(), None, others)
            self.assertEqual(order, ["floor", "tongke", "janus tuned", "floor"] * 3)
            # Floors that differ: more rounds, but not for ever.
            costs = iter(range(1, 100))
            rounds.measure = lambda _env, server, _traffic, warm_up: {"us_per_packet": next(costs) ** 2}
            self.assertEqual(len(rounds.run_rounds(Env(), None, others)[0]), 5)
            self.assertEqual(len(rounds.run_rounds(Env(), None, others, least=2)[0]), 4)
        finally:
            rounds.measure, rounds.Floor = saved
        self.assertEqual(len(judged["kept"]), 2)
        self.assertEqual(done[0]["failed"], {"janus tuned": "refused"})
        self.assertEqual(stats.ratios(judged["kept"], "tongke")["median"], 1.5)


class Fits(unittest.TestCase):
    def test_line(self):
        line = stats.fit([(1, 3), (2, 5), (3, 7)])
        self.assertAlmostEqual(line["slope"], 2)
        self.assertAlmostEqual(line["intercept"], 1)
        self.assertAlmostEqual(line["worst"], 0)
        with self.assertRaises(ValueError):
            stats.fit([(1, 3), (1, 5)])

    def test_growth_over_the_whole_range(self):
        self.assertAlmostEqual(stats.growth([(10, 1.0), (100, 1.1), (1000, 1.2)]), 0.2)
        self.assertLess(stats.growth([(10, 2.0), (100, 1.5), (1000, 1.4)]), 0)

    def test_curvature(self):
        linear = [{"sites": n, "cpu_share": 0.01 + 0.002 * n} for n in (1, 2, 5, 10, 20, 40, 60)]
        square = [{"sites": n, "cpu_share": 0.01 + 0.0005 * n * n} for n in (1, 2, 5, 10, 20, 40, 60)]
        self.assertAlmostEqual(figures_size.curvature(linear), 0)
        self.assertGreater(figures_size.curvature(square), 1)

    def test_search(self):
        for limit in (3, 700, 1500, 1501, 2900, 5000):
            good, bad, seen = stats.search_max(lambda n: n <= limit, 1500, tries=40)
            self.assertLessEqual(good, limit)
            self.assertGreater(bad, limit)
            self.assertLess((bad - good) / bad, 0.5 if limit == 3 else 0.051)
        self.assertEqual(stats.search_max(lambda n: True, 1500, limit=4000)[:2], (4000, None))
        self.assertEqual(stats.search_max(lambda n: False, 8, tries=40)[0], 0)

    def test_search_is_bounded(self):
        self.assertEqual(len(stats.search_max(lambda n: n <= 2345, 1000, precision=0, tries=5)[2]), 5)


class Verdicts(unittest.TestCase):
    def test_one_number(self):
        self.assertEqual(stats.verdict(1.2, at_most=1.6, aim=1.25), "aim reached")
        self.assertEqual(stats.verdict(1.6, at_most=1.6, aim=1.25), "reached")
        self.assertEqual(stats.verdict(1.61, at_most=1.6), "not reached")
        self.assertEqual(stats.verdict(1499, at_least=1500), "not reached")
        self.assertEqual(stats.verdict(3000, at_least=1500, aim=3000), "aim reached")
        self.assertEqual(stats.verdict(None, at_most=1), "not measured")

    def row(self, name):
        return next(row for row in table.ROWS if row.figure == name)

    def test_rows(self):
        memory = self.row("memory")
        self.assertEqual(table.judge(memory, {"values": {"viewer_kib": 25, "publisher_kib": 150, "left": 0.01}}), "aim reached")
        self.assertEqual(table.judge(memory, {"values": {"viewer_kib": 25, "publisher_kib": 150, "left": 0.2}}), "not reached")
        self.assertEqual(table.judge(memory, {"values": {"viewer_kib": 25, "publisher_kib": 150}}), "not measured")
        self.assertEqual(table.judge(memory, {"values": {"viewer_kib": 50, "publisher_kib": 150, "left": 0}}), "reached")
        self.assertEqual(table.judge(memory, {"error": "no"}), "not measured")
        self.assertEqual(table.judge(memory, None), "not run")

    def test_every_row_has_a_figure(self):
        import run
        self.assertEqual({row.figure for row in table.ROWS} - set(run.FIGURES), set())
        self.assertEqual(set(run.FIGURES) - {row.figure for row in table.ROWS}, set())


class Quiet(unittest.TestCase):
    """Runs in which the host was at work are repeated, and the notes tell."""

    @staticmethod
    def runs(*stolen):
        left = [{"stolen": share, "p99": 10 + number} for number, share in enumerate(stolen)]
        return lambda: left.pop(0)

    def test_the_first_quiet_run_counts(self):
        reading = quiet.quietest(self.runs(0.0005, 0))
        self.assertEqual((reading["p99"], reading["runs"]), (10, 1))
        self.assertEqual(quiet.remarks("x", reading), [])
        reading = quiet.quietest(self.runs(0.02, 0.001, 0))
        self.assertEqual((reading["p99"], reading["runs"]), (11, 2))
        self.assertIn("x: the last, a quiet one, of 2 runs counts", quiet.remarks("x", reading)[0])

    def test_without_a_quiet_run_the_quietest_counts_and_says_so(self):
        reading = quiet.quietest(self.runs(0.05, 0.004, 0.03, 0.01))
        self.assertEqual((reading["p99"], reading["runs"]), (11, quiet.TRIES))
        self.assertIn("the quietest of 4 runs counts; the host took 0.40%", quiet.remarks("x", reading)[0])

    def test_what_is_good_in_spite_of_the_host_is_not_repeated(self):
        reading = quiet.quietest(self.runs(0.05, 0), lambda reading: reading["p99"] <= 10)
        self.assertEqual((reading["stolen"], reading["runs"]), (0.05, 1))
        self.assertIn("one run; the host took 5.00%", quiet.remarks("x", reading)[0])

    def test_a_size_that_was_bad_with_the_host_at_work_is_tried_once_more_for_the_other_question(self):
        tried, asked = {}, []

        def run_size(_env, size):
            asked.append(size)
            return {"stolen": 0.05 if len(asked) == 1 else 0.0, "loss": 0, "failed": 0,
                    "delay_us": {"p99": 9000 if len(asked) == 1 else 3000}}

        saved, figures_size.run_size = figures_size.run_size, run_size
        try:
            self.assertTrue(figures_size.holds(None, 300, tried, figures_size.is_whole))
            self.assertTrue(figures_size.holds(None, 300, tried, figures_size.is_prompt))
            self.assertTrue(figures_size.holds(None, 300, tried, figures_size.is_prompt))
        finally:
            figures_size.run_size = saved
        self.assertEqual(asked, [300, 300])


class Readings(unittest.TestCase):
    HIST = {"p50_us": 100, "p99_us": 900, "p999_us": 1000, "max_us": 2000, "count": 10}

    def report(self, delivered):
        return {"measured_s": 2.0, "media": {"delivered": delivered, "packets": delivered, "bytes": delivered * 1000,
                                             "datagram_bytes": delivered * 1016, "loss": 0, "recovered": 0,
                                             "dropped_on_purpose": 0, "freezes": 0, "plis_received": 1, "delay": self.HIST},
                "server": {"cpu_us": 3000.0, "share_of_core": 0.0015, "user_us": 1000, "system_us": 2000, "pss_kib_end": 5,
                           "busiest_thread": "worker-0", "busiest_thread_share": 0.97},
                "join": {"joined": 3, "failed": 0, "time": self.HIST, "time_while_measured": self.HIST},
                "generator": {"share_of_core": 0.5}, "limits": "", "limited_by_generator": False,
                "limited_by_server": True, "checked_share": 0.1, "stolen_share": 0.002}

    def test_cost_per_delivered_packet(self):
        self.assertEqual(load.reading(self.report(1000), "")["us_per_packet"], 3.0)

    def test_whose_limit(self):
        reading = load.reading(self.report(1000), "")
        self.assertEqual(reading["load_limited"], "")
        self.assertIn("worker-0", reading["server_limited"])
        self.assertIn("97%", reading["server_limited"])
        self.assertEqual(load.reading({**self.report(1000), "limited_by_server": False}, "")["server_limited"], "")

    def test_many_share_a_socket_and_are_sampled(self):
        options = load.Traffic(subscribers=3000, many=True).options()
        self.assertEqual(options[options.index("--bind") + 1], netns.CLIENT_NETWORK)
        self.assertIn("--check", options)
        self.assertNotIn("--bind", load.Traffic(subscribers=300).options())

    def test_nothing_delivered_is_no_figure(self):
        with self.assertRaises(load.Failed):
            load.reading(self.report(0), "refused")

    def test_worker_threads(self):
        counts = {("tongke-1", "probe_libc:tkbench_malloc"): 900, ("worker-0-2", "probe_libc:tkbench_malloc"): 3,
                  ("worker-0-2", "probe_libc:tkbench_free"): 2}
        self.assertEqual(figures_inside.media_threads(counts), ["worker-0-2"])
        with self.assertRaises(load.Failed):
            figures_inside.media_threads({("tongke-1", "probe_libc:tkbench_malloc"): 900})


class Plots(unittest.TestCase):
    def test_ticks_are_round_and_cover(self):
        self.assertEqual(svg.ticks(0, 9.3), [0, 2, 4, 6, 8, 10])
        self.assertEqual(svg.log_ticks(10, 1000), [10, 20, 50, 100, 200, 500, 1000])
        self.assertEqual(svg.log_ticks(30, 90), [20, 50, 100])

    def test_plot_is_well_formed_and_inside(self):
        text = svg.plot("a < b", "x", "y", {"p & q": [(10, 1), (1000, 3)], "r": [(50, 2)]}, is_log_x=True)
        root = xml.etree.ElementTree.fromstring(text)
        for line in root.iter("{http://www.w3.org/2000/svg}polyline"):
            for pair in line.get("points").split():
                x, y = map(float, pair.split(","))
                self.assertTrue(svg.LEFT <= x <= svg.WIDTH - svg.RIGHT and svg.TOP <= y <= svg.HEIGHT - svg.BOTTOM)
        with self.assertRaises(ValueError):
            svg.plot("t", "x", "y", {})


class Report(unittest.TestCase):
    def test_page_of_a_run_in_which_most_failed(self):
        figures = {"lecture_gcm": {"error": "no round gave a ratio | at all", "commands": {"floor": ["floor --listen"]}},
                   "scale": {"values": {"growth": -0.1}, "points": [(10, 2.0), (100, 1.8)], "text": "-10%", "commands": {}}}
        result = {"date": "2000-01-01", "quick": True, "figures": figures, "profile": None, "machine": {"cpu": "a"},
                  "network": {"link": "veth"}, "servers": {}}
        with tempfile.TemporaryDirectory() as folder:
            path = report.write(folder, result)
            page = (path.parent / "README.md").read_text()
            self.assertTrue((path.parent / "cpu.svg").exists())
        self.assertIn("not measured: no round gave a ratio / at all", page)
        self.assertIn("| falling | -10% | aim reached |", page)
        self.assertIn("not run this time", page)

    def test_a_run_of_single_figures_keeps_the_others_of_the_same_commit(self):
        def result(commit, figures):
            return {"date": "2000-01-01", "quick": False, "profile": None, "network": {}, "servers": {},
                    "machine": {"commit": commit, "cpu": "a", "kernel": "b"}, "figures": figures}

        old = {"error": "old", "commands": {}}
        new = {"error": "new", "commands": {}}
        with tempfile.TemporaryDirectory() as folder:
            report.write(folder, result("1", {"scale": old, "delay": old}))
            same, other = result("1", {"delay": new}), result("2", {"delay": new})
            report.take_over(folder, same)
            report.take_over(folder, other)
        self.assertEqual(same["figures"], {"scale": old, "delay": new})
        self.assertEqual(other["figures"], {"delay": new})


SAMPLES = """\
media-1 101
\tffffffff81 udp_sendmsg+0x10 ([kernel.kallsyms])
\tffffffff82 __sys_sendmmsg+0x20 ([kernel.kallsyms])
\t    55a udp_flush+0x1 (/x/tongke)

media-1 101
\t    7f0 [unknown] (/usr/lib/libIPSec_MB.so.1)
\t    55b sec_srtp_unprotect_batch+0x1 (/x/tongke)

media-1 101
\t    7f0 sec__ssrcs_find+0x1 (/x/tongke)
\t    55b sec_srtp_unprotect_batch+0x1 (/x/tongke)

media-1 101
\t    7f0 [unknown] (/usr/lib/libIPSec_MB.so.1)

media-1 101
\t    55c sfu__sub_forward+0x9 (/x/tongke)
\t    55d sfu_node_poll_transmits+0x9 (/x/tongke)

control 100
\t    55e lws_service+0x9 (/usr/lib/libwebsockets.so)
"""


class Profile(unittest.TestCase):
    def test_stages(self):
        stages = profile.read_stages(ROOT / "bench/stages.txt")
        files = {"sfu__sub_forward": {"src/sfu/forward.c"}, "sfu_node_poll_transmits": {"src/sfu/node.c"}}
        by_stage, other, threads = profile.count(SAMPLES, stages, files)
        self.assertEqual(by_stage, {"send": 1, "decrypt": 2, "encrypt": 1, "rewrite": 1, "other": 1})
        self.assertEqual(other, {"lws_service": 1})
        self.assertEqual(threads, {"media-1-101": 5, "control-100": 1})

    def test_functions_are_found_in_the_sources(self):
        files = profile.functions_of(ROOT)
        self.assertEqual(files["sec_srtp_protect_batch"], {"src/secure/srtp.c"})
        self.assertEqual(files["sfu__sub_forward"], {"src/sfu/forward.c"})
        self.assertTrue(math.isfinite(len(files)))


if __name__ == "__main__":
    unittest.main()
