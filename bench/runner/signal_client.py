#!/usr/bin/env python3
"""
Members of a room over signalling alone who watch what they are told while guests join, change their metadata (as a
raised hand does) and leave: how long each watcher waits for each event, and the bytes of the messages that tell it. The
room itself is filled by somebody else. Run in the load's namespace:

    signal_client.py ws://HOST:PORT ROOM WATCHERS GUESTS

The server gives up a member without media after 15 s; all is over before.
"""
import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.parse

KEY, SECRET = "devkey", "secret"
LEAVE = bytes([0x42, 0x00])  # SignalRequest.leave (8), empty
UPDATE = bytes([0x2a])  # how a SignalResponse with a ParticipantUpdate (5) begins
EVENT_TIMEOUT_S = 4
QUIET_S, SETTLE_MAX_S = 3.2, 8


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(room, identity):
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    now = int(time.time())
    body = b64(json.dumps({"iss": KEY, "sub": identity, "nbf": now - 10, "exp": now + 600,
                           "video": {"room": room, "roomJoin": True, "canUpdateOwnMetadata": True}}).encode())
    return b".".join((head, body, b64(hmac.new(SECRET.encode(), head + b"." + body, hashlib.sha256).digest()))).decode()


class Member:
    """One signalling connection; `on_frame` sees every message."""

    def __init__(self, url, room, identity, on_frame):
        self.url, self.room, self.identity, self.on_frame = urllib.parse.urlsplit(url), room, identity, on_frame

    async def join(self):
        self.reader, self.writer = await asyncio.open_connection(self.url.hostname, self.url.port)
        query = urllib.parse.urlencode({"access_token": token(self.room, self.identity), "auto_subscribe": 0,
                                        "protocol": 15, "sdk": "python", "version": "0"})
        self.writer.write((f"GET /rtc?{query} HTTP/1.1\r\nHost: {self.url.netloc}\r\nConnection: Upgrade\r\n"
                           "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n").encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"join refused: {head.splitlines()[0].decode()}")
        self.task = asyncio.create_task(self._read())

    async def _read(self):
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 127
                if size >= 126:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
                data = await self.reader.readexactly(size)
                if first & 15 == 9:
                    self.send(data, 10)
                elif first & 15 == 8:
                    return
                else:
                    self.on_frame(self, data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def send(self, data, opcode=2):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self.writer.write(bytes([0x80 | opcode, 0x80 | len(data)]) + mask + masked)

    def leave(self):
        self.send(LEAVE)

    def change(self, text):
        """SignalRequest.update_metadata (15) with metadata (1)."""
        inner = bytes([0x0a, len(text)]) + text.encode()
        self.send(bytes([0x7a, len(inner)]) + inner)

    def close(self):
        self.task.cancel()
        self.writer.close()


class Watch:
    """Waits until every watcher was told of every needle, each counted from its own beginning."""

    def __init__(self, watchers):
        self.watchers, self.begins, self.told, self.times, self.bytes = watchers, {}, set(), [], 0

    def expect(self, needle):
        self.begins[needle.encode()] = time.monotonic()

    def see(self, member, data):
        now, is_about = time.monotonic(), False
        for needle, begin in self.begins.items():
            if needle in data:
                is_about = True
                if (member, needle) not in self.told:
                    self.told.add((member, needle))
                    self.times.append(now - begin)
        self.bytes += len(data) if is_about else 0

    def missing(self):
        return self.watchers * len(self.begins) - len(self.told)

    async def wait(self):
        until = time.monotonic() + EVENT_TIMEOUT_S
        while self.missing() and time.monotonic() < until:
            await asyncio.sleep(0.001)

    def result(self):
        times, events = sorted(self.times), len(self.begins)
        if not times:
            raise RuntimeError("nobody was told")
        return {"told": len(times), "missed": self.missing(), "p50_ms": times[len(times) // 2] * 1000,
                "p99_ms": times[int(len(times) * 0.99)] * 1000, "max_ms": times[-1] * 1000,
                "bytes_per_event_and_member": self.bytes / events / self.watchers}


async def settle(last_update):
    """Until the watchers' own joins have been told to everyone: nothing comes for longer than the server collects."""
    begin = time.monotonic()
    while time.monotonic() - last_update() < QUIET_S:
        if time.monotonic() - begin > SETTLE_MAX_S:
            raise RuntimeError(f"joins are still being told after {SETTLE_MAX_S} s")
        await asyncio.sleep(0.05)


async def main(url, room, watcher_count, guest_count):
    watch, last_update = None, time.monotonic()

    def on_frame(member, data):
        nonlocal last_update
        if data[:1] == UPDATE:
            last_update = time.monotonic()
        if watch is not None:
            watch.see(member, data)

    watchers = [Member(url, room, f"watcher-{i}-x", on_frame) for i in range(watcher_count)]
    await asyncio.gather(*(member.join() for member in watchers))
    await settle(lambda: last_update)
    guests = [Member(url, room, f"guest-{i}-x", lambda *_: None) for i in range(guest_count)]
    results = {}

    watch = Watch(watcher_count)
    for guest in guests:
        watch.expect(guest.identity)
        await guest.join()
    await watch.wait()
    results["join"] = watch.result()

    watch = Watch(watcher_count)
    for i, guest in enumerate(guests):
        watch.expect(f"mark-{i}-x")
        guest.change(f"mark-{i}-x")
        await watch.wait()
    results["change"] = watch.result()

    watch = Watch(watcher_count)
    for guest in guests:
        watch.expect(guest.identity)
        guest.leave()
        await watch.wait()
    results["leave"] = watch.result()

    for member in (*watchers, *guests):
        member.close()
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
