#!/usr/bin/env python3
"""Packs encoder output (IVF, H.264 with access unit delimiters, Ogg Opus) into the clip format of src/load/clip.h.

usage: pack-clip.py vp8|h264|opus WIDTH HEIGHT FRAME_US IN OUT
"""
import struct
import sys

CODECS = {"vp8": 1, "h264": 2, "opus": 3}
AUD = b"\0\0\0\1\x09"


def ivf_frames(data):
    at = struct.unpack_from("<H", data, 6)[0]
    while at + 12 <= len(data):
        size = struct.unpack_from("<I", data, at)[0]
        frame = data[at + 12:at + 12 + size]
        yield frame, frame[0] & 1 == 0  # RFC 6386, 9.1
        at += 12 + size


def h264_frames(data):
    starts = []
    at = data.find(AUD)
    while at >= 0:
        starts.append(at)
        at = data.find(AUD, at + 1)
    for begin, end in zip(starts, starts[1:] + [len(data)]):
        frame = data[begin + len(AUD) + 1:end]  # browsers send no delimiters
        yield frame, b"\0\0\1\x65" in frame or b"\0\0\1\x25" in frame  # IDR slice


def opus_frames(data):
    at, packet, index = 0, b"", 0
    while at + 27 <= len(data):
        count = data[at + 26]
        lacing = data[at + 27:at + 27 + count]
        body = at + 27 + count
        for size in lacing:
            packet += data[body:body + size]
            body += size
            if size < 255:
                if index >= 2:  # after OpusHead and OpusTags
                    yield packet, True
                packet, index = b"", index + 1
        at = body


def main():
    codec, width, height, frame_us, source, target = sys.argv[1:]
    data = open(source, "rb").read()
    frames = list({"vp8": ivf_frames, "h264": h264_frames, "opus": opus_frames}[codec](data))
    if not frames or not frames[0][1]:
        sys.exit(f"{source}: does not begin with a keyframe")
    with open(target, "wb") as out:
        out.write(struct.pack(">8sHHHHII", b"TKCLIP1\0", CODECS[codec], int(width), int(height), 0, int(frame_us),
                              len(frames)))
        for frame, is_key in frames:
            out.write(struct.pack(">I", len(frame) | (0x80000000 if is_key else 0)) + frame)
    print(f"{target}: {len(frames)} frames, {sum(f[1] for f in frames)} keyframes, "
          f"{sum(len(f[0]) for f in frames) * 8e6 / len(frames) / int(frame_us) / 1000:.0f} kbit/s")


main()
