"""
Two network namespaces joined by one veth pair: the server lives in one, the load in the other.

Where the kernel's work is done: left alone, a veth runs the receiving side's part on the sender's core and on its
account, so a server would be charged for its clients' reception. Receive packet steering would move it, but with one
interrupt to the other core for nearly every message, which in a virtual machine costs as much as the message itself.
So each side receives as a network card does: by polling (NAPI) in a kernel thread on the side's own core, with interrupt
moderation. All servers get the same.
"""
import fcntl
import os
import pathlib
import re
import subprocess

SERVER_IP, CLIENT_IP = "10.213.7.1", "10.213.7.2"
CLIENT_NETWORK = "10.213.64.0/18"  # behind CLIENT_IP: an address for each subscriber
SERVER_CORE, LOAD_CORE = 0, 1
MTU = 1500
PREFIX = "tkbench"
LOCK = "/run/lock/tkbench"
# For the whole machine while the benchmark runs, put back at its end: room between the cores, and for sockets.
SYSCTLS = {
    "net/core/netdev_max_backlog": 100000,
    "net/core/rmem_max": 32 << 20,
    "net/core/wmem_max": 32 << 20,
}
MODERATION_US = 50  # how long a card collects before it interrupts; part of every delay that is measured
QUEUES = 16  # a veth's queue holds 256 messages: together as many as a card's ring
OFFLOADS = ("tx-udp-segmentation", "generic-segmentation-offload", "generic-receive-offload", "rx-udp-gro-forwarding",
            "tx-checksumming", "rx-checksumming")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Namespaces:
    def __init__(self):
        self.server = f"{PREFIX}-{os.getpid()}-s"
        self.client = f"{PREFIX}-{os.getpid()}-c"
        self.saved = {}

    def __enter__(self):
        if os.geteuid() != 0:
            raise SystemExit("bench: network namespaces need root: run it with sudo")
        if (os.cpu_count() or 1) < 2:
            raise SystemExit("bench: two processor cores are needed, one for the server and one for the load")
        self.lock = open(LOCK, "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("bench: another benchmark runs on this machine; both would measure each other") from None
        remove_leftovers()
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        for name in (self.server, self.client):
            run("ip", "netns", "add", name)
        queues = ("numtxqueues", str(QUEUES), "numrxqueues", str(QUEUES))
        devices = f"tks{os.getpid()}", f"tkc{os.getpid()}"
        run("ip", "link", "add", devices[0], "mtu", str(MTU), *queues, "netns", self.server, "type", "veth",
            "peer", "name", devices[1], "mtu", str(MTU), *queues, "netns", self.client)
        sides = zip((self.server, self.client), devices, (SERVER_IP, CLIENT_IP), (SERVER_CORE, LOAD_CORE))
        for name, device, ip, core in sides:
            run("ip", "-n", name, "addr", "add", f"{ip}/24", "dev", device)
            run("ip", "-n", name, "link", "set", "lo", "up")
            # A veth receives by polling when GRO is on, and from a sender that does not segment TCP itself.
            run("ip", "netns", "exec", name, "ethtool", "-K", device, "gro", "on", "tso", "off")
            run("ip", "-n", name, "link", "set", device, "up")
            # "ip netns exec" shows the namespace's own /sys.
            run("ip", "netns", "exec", name, "sh", "-c",
                f"cd /sys/class/net/{device} && echo 1 >threaded && echo 1 >napi_defer_hard_irqs && "
                f"echo {MODERATION_US * 1000} >gro_flush_timeout")
            pin_polling(device, core)
        run("ip", "-n", self.client, "route", "add", "local", CLIENT_NETWORK, "dev", "lo")
        run("ip", "-n", self.server, "route", "add", CLIENT_NETWORK, "via", CLIENT_IP)
        for key, value in SYSCTLS.items():
            path = pathlib.Path("/proc/sys") / key
            self.saved[path] = path.read_text()
            path.write_text(str(value))

    def __exit__(self, *_):
        for path, value in self.saved.items():
            path.write_text(value)
        self.saved = {}
        for name in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def describe(self):
        """What the results say about the link."""
        lines = run("ip", "netns", "exec", self.server, "ethtool", "-k", f"tks{os.getpid()}").splitlines()
        pairs = (line.strip().split(": ", 1) for line in lines if ": " in line)
        return {
            "link": f"veth, MTU {MTU}, {QUEUES} queues of 256 messages each way",
            "reception": f"polled by a kernel thread per side (threaded NAPI, GRO on, {MODERATION_US} µs of moderation): the "
                         f"server's on core {SERVER_CORE}, the load's on core {LOAD_CORE}; the same for every server",
            "sysctl": {key.replace("/", "."): value for key, value in SYSCTLS.items()},
            "offloads": {key: value for key, value in pairs if key in OFFLOADS},
        }


def pin_polling(device, core):
    """The kernel's polling threads of a device are named after it."""
    pinned = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().startswith(f"napi/{device}-"[:15]):
                thread = int(path.parent.name)
                os.sched_setaffinity(thread, {core})
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))  # as an interrupt goes before programs
                pinned += 1
        except (OSError, ProcessLookupError):
            continue  # it ended meanwhile
    if pinned == 0:
        raise RuntimeError(f"{device} has no polling thread to pin: this kernel has no threaded NAPI for veth")


def prefix(namespace, core):
    return ["ip", "netns", "exec", namespace, "taskset", "-c", str(core)]


def remove_leftovers():
    """Namespaces of runs that were killed: their process is gone."""
    for line in run("ip", "netns", "list").splitlines():
        match = re.match(rf"({PREFIX}-(\d+)-[sc])\b", line)
        if match and not os.path.exists(f"/proc/{match.group(2)}"):
            subprocess.run(["ip", "netns", "del", match.group(1)], capture_output=True)
