"""
The servers that are measured, each started in the server's namespace on the server's core and ended by its process
id. `command` is what the results record. A server is a context manager; inside it `pid` is the server's process.
"""
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from .netns import CLIENT_IP, SERVER_CORE, SERVER_IP, prefix

READY_S, STOP_S = 20, 10


def raise_limits():
    """In the child: as many sockets as the system allows, and the end with the benchmark."""
    import ctypes
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def is_listening(pid, protocol, port):
    """From the tables of the process's own namespace."""
    state = "0A" if protocol == "tcp" else "07"
    for family in ("", "6"):
        try:
            lines = pathlib.Path(f"/proc/{pid}/net/{protocol}{family}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if int(fields[1].rsplit(":", 1)[1], 16) == port and fields[3] == state:
                return True
    return False


class Server:
    """Base: subclasses set `name`, `command`, `ready` (protocol, port) and `load` (options of tongke load)."""

    name = command = ready = None

    def __init__(self, env, cores=None):
        self.env = env
        self.cores = str(SERVER_CORE) if cores is None else cores
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tkbench-"))
        self.log = self.folder / "log"
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        command = prefix(self.env.namespaces.server, self.cores) + [str(part) for part in self.command]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            preexec_fn=raise_limits, cwd=self.folder)
        self.env.record(self.name, " ".join(str(part) for part in self.command).replace(str(self.folder), "FOLDER"))
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_ready(self):
        until = time.monotonic() + READY_S
        while not is_listening(self.pid, *self.ready):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not start: {self.last_lines()}")
            time.sleep(0.02)

    def last_lines(self, count=3):
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output = self.log.read_text(errors="replace") if self.log.exists() else ""
        shutil.rmtree(self.folder, ignore_errors=True)


class Floor(Server):
    name = "floor"
    PORT, BASE_PORT = 9000, 20000

    def __init__(self, env, traffic):
        super().__init__(env)
        peers = traffic.publishers if traffic.gallery else traffic.subscribers
        self.command = [env.floor, "--listen", f"{SERVER_IP}:{self.PORT}", "--dest", CLIENT_IP,
                        "--base-port", self.BASE_PORT, "--publishers", traffic.publishers, "--subscribers", peers,
                        "--profile", traffic.srtp]
        if traffic.gallery:
            self.command += ["--gallery"]
        # A subscriber gets one layer of each picture.
        self.command += ["--layer", traffic.layers - 1 if traffic.video else "all"]
        self.ready = ("udp", self.PORT)
        self.load = ["--target", "floor", "--floor-addr", f"{SERVER_IP}:{self.PORT}",
                     "--floor-base-port", str(self.BASE_PORT)]


class Tongke(Server):
    name = "tongke"
    PORT = 7880

    CONFIG = """\
# Everything else as by default.
port: {port}
data: {folder}/data
connections_max: 20000
# The load is what is measured: nobody is refused because of it.
limits:
  load_rooms_percent: 0
  load_participants_percent: 0
keys:
  devkey: secret
media:
  udp_port: 7882
  tcp_port: 7881
  workers: {workers}
  node_ip: [{ip}]
room:
  departure_timeout: 1
  resume_timeout: 5
log:
  level: warn
"""

    def __init__(self, env, workers=1, cores=None, wrapper=()):
        super().__init__(env, cores)
        config = self.folder / "tongke.yaml"
        config.write_text(self.CONFIG.format(port=self.PORT, folder=self.folder, workers=workers, ip=SERVER_IP))
        self.command = [*wrapper, env.tongke, "serve", "--config", config]
        self.ready = ("tcp", self.PORT)
        self.load = ["--target", "livekit", "--url", f"ws://{SERVER_IP}:{self.PORT}", "--key", "devkey",
                     "--secret", "secret"]


class Janus(Server):
    """Debian's Janus with its own copy of /etc/janus; `settings` replace lines of janus.jcfg."""

    PORT = 8188
    # What makes it faster without changing what it does: one event loop (no thread per viewer), no search for
    # candidates and checks as a full ICE agent, no events about silent media, retransmission buffers emptied at
    # keyframes, and only warnings in the log.
    TUNED = {"event_loops": "1", "ice_lite": "true", "full_trickle": "true", "no_media_timer": "0",
             "nack_optimizations": "true", "debug_level": "2"}

    def __init__(self, env, is_tuned):
        super().__init__(env)
        self.name = "janus tuned" if is_tuned else "janus packaged"
        self.settings = self.TUNED if is_tuned else {}
        self.config = self.folder / "etc"
        shutil.copytree("/etc/janus", self.config)
        main = self.config / "janus.jcfg"
        text = main.read_text()
        for key, value in self.settings.items():
            text, found = re.subn(rf"^\t#?{key} = \S+", f"\t{key} = {value}", text, count=1, flags=re.M)
            if found != 1:
                raise RuntimeError(f"janus.jcfg has no line for {key}")
        main.write_text(text)
        # Under -F the paths of the file stay; only the folder of the configuration is ours.
        self.command = ["janus", "--configs-folder", self.config, "--disable-colors"]
        self.ready = ("tcp", self.PORT)
        self.load = ["--target", "janus", "--url", f"ws://{SERVER_IP}:{self.PORT}"]


def configurations():
    """For the results: what the servers are told; FOLDER in the commands is a temporary one."""
    own = Tongke.CONFIG.format(port=Tongke.PORT, folder="FOLDER", workers=1, ip=SERVER_IP)
    return {"tongke.yaml": " ".join(line.strip() for line in own.splitlines()[1:]),
            "janus packaged": "/etc/janus as Debian ships it; plain WebSocket on 8188",
            "janus tuned": {**Janus.TUNED, "rest": "as packaged"}}
