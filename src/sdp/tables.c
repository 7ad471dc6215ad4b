/* The words of SDP for the codecs of rtp/types.h. */
#include "sdp/negotiate.h"

#include <strings.h>

static const char *const codec_names[RTP_CODEC_COUNT_] = {
    [RTP_CODEC_NONE] = "",     [RTP_CODEC_OPUS] = "opus", [RTP_CODEC_RED] = "red",
    [RTP_CODEC_PCMU] = "PCMU", [RTP_CODEC_PCMA] = "PCMA", [RTP_CODEC_G722] = "G722",
    [RTP_CODEC_VP8] = "VP8",   [RTP_CODEC_H264] = "H264", [RTP_CODEC_VP9] = "VP9",
    [RTP_CODEC_AV1] = "AV1",
};

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
