/* The words of SDP for what rtp/types.h numbers: codecs and header extensions. */
#include "sdp/negotiate.h"

#include <string.h>
#include <strings.h>

static const char *const ext_uris[RTP_EXT_COUNT_] = {
    [RTP_EXT_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
    [RTP_EXT_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    [RTP_EXT_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    [RTP_EXT_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    [RTP_EXT_TWCC] = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    [RTP_EXT_ABS_SEND_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    [RTP_EXT_ABS_CAPTURE_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    [RTP_EXT_PLAYOUT_DELAY] = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    [RTP_EXT_VIDEO_ORIENTATION] = "urn:3gpp:video-orientation",
    [RTP_EXT_DEPENDENCY_DESCRIPTOR] = "https://aomediacodec.github.io/av1-rtp-spec/"
                                      "#dependency-descriptor-rtp-header-extension",
};

static const char *const codec_names[RTP_CODEC_COUNT_] = {
    [RTP_CODEC_NONE] = "",     [RTP_CODEC_OPUS] = "opus", [RTP_CODEC_RED] = "red",
    [RTP_CODEC_PCMU] = "PCMU", [RTP_CODEC_PCMA] = "PCMA", [RTP_CODEC_G722] = "G722",
    [RTP_CODEC_VP8] = "VP8",   [RTP_CODEC_H264] = "H264", [RTP_CODEC_VP9] = "VP9",
    [RTP_CODEC_AV1] = "AV1",
};

enum rtp_ext sdp_ext_from_uri(const char *uri)
{
    for (size_t i = 0; i < RTP_EXT_COUNT_; i++)
        if (ext_uris[i] != NULL && strcmp(ext_uris[i], uri) == 0)
            return (enum rtp_ext)i;
    return RTP_EXT_NONE;
}

const char *sdp_ext_uri(enum rtp_ext ext)
{
    return ext < RTP_EXT_COUNT_ ? ext_uris[ext] : NULL;
}

const char *sdp_codec_name(enum rtp_codec codec)
{
    return codec < RTP_CODEC_COUNT_ ? codec_names[codec] : "";
}

enum rtp_codec sdp_codec_from_name(const char *name, uint32_t clock_hz)
{
    for (size_t i = RTP_CODEC_NONE + 1; i < RTP_CODEC_COUNT_; i++) {
        enum rtp_codec codec = (enum rtp_codec)i;
        if (strcasecmp(codec_names[i], name) == 0 && rtp_codec_clock_hz(codec) == clock_hz)
            return codec;
    }
    return RTP_CODEC_NONE;
}
