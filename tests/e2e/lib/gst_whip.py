#!/usr/bin/python3
"""A WHIP publisher or WHEP player made of GStreamer's webrtcbin (Debian 12 packages no whipsink).

usage: gst_whip.py whip|whep URL TOKEN SECONDS

Runs for SECONDS after it has connected. Prints one JSON line at the end: the states it went through, and for WHEP the decoded buffers by kind.
"""
import json
import sys
import urllib.error
import urllib.request
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

MAX_BUNDLE = 3
CONNECT_WITHIN_S = 40
PUBLISH = """
videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! vp8enc deadline=1 target-bitrate=800000
  keyframe-max-dist=60 ! rtpvp8pay picture-id-mode=15-bit ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! web.
audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay !
  application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! web.
"""
PLAY = {"video": "rtpvp8depay ! vp8dec", "audio": "rtpopusdepay ! opusdec"}
CAPS = {
    "audio": "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000",
    "video": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
}


class Client:
    def __init__(self, mode, url, token, seconds):
        self.url, self.token, self.seconds = url, token, float(seconds)
        self.result = {"states": [], "decoded": {}}
        self.session = None
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(f"webrtcbin name=web {PUBLISH if mode == 'whip' else ' fakesrc ! fakesink'}")
        self.web = self.pipeline.get_by_name("web")
        self.web.set_property("bundle-policy", MAX_BUNDLE)
        if mode == "whep":
            receive = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            for kind in ("audio", "video"):
                self.web.emit("add-transceiver", receive, Gst.Caps.from_string(CAPS[kind]))
            self.web.connect("pad-added", self.on_pad)
        self.web.connect("on-negotiation-needed", self.on_negotiation_needed)
        self.web.connect("notify::ice-gathering-state", self.on_gathering)
        self.web.connect("notify::connection-state", self.on_state)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)

    def on_error(self, _bus, message):
        self.result["error"] = str(message.parse_error())
        self.loop.quit()

    def on_state(self, web, _spec):
        self.result["states"].append(web.get_property("connection-state").value_nick)
        if self.result["states"][-1] == "connected":
            GLib.timeout_add(int(self.seconds * 1000), self.loop.quit)

    def on_pad(self, _web, pad):
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        sink = Gst.parse_bin_from_description(f"{PLAY[kind]} ! fakesink name=end signal-handoffs=true sync=false", True)
        sink.get_by_name("end").connect("handoff", self.on_decoded, kind)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def on_decoded(self, _sink, _buffer, _pad, kind):
        self.result["decoded"][kind] = self.result["decoded"].get(kind, 0) + 1

    def on_negotiation_needed(self, web):
        web.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise, *_):
        self.reply = promise.get_reply()  # the offer lives in it
        self.web.emit("set-local-description", self.reply.get_value("offer"), None)

    def on_gathering(self, web, _spec):
        if web.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE or self.session:
            return
        offer = web.get_property("local-description").sdp.as_text()
        try:
            response = self.request("POST", self.url, offer, "application/sdp")
        except urllib.error.HTTPError as error:
            self.result["error"] = f"{error.code} {error.read().decode()}"
            self.loop.quit()
            return
        self.session = urljoin(self.url, response.headers["Location"])
        _, answer = GstSdp.SDPMessage.new_from_text(response.read().decode())
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer)
        web.emit("set-remote-description", description, None)

    def request(self, method, url, body=None, content_type=None):
        headers = {"Authorization": f"Bearer {self.token}"}
        if content_type:
            headers["Content-Type"] = content_type
        data = body.encode() if body else None
        return urllib.request.urlopen(urllib.request.Request(url, data=data, method=method, headers=headers))

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add_seconds(CONNECT_WITHIN_S + int(self.seconds), self.loop.quit)
        self.loop.run()
        if self.session:
            self.result["deleted"] = self.request("DELETE", self.session).status
        self.pipeline.set_state(Gst.State.NULL)
        print(json.dumps(self.result))


Gst.init(None)
Client(*sys.argv[1:5]).run()
