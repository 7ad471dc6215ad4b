/* fuzz: sdp */
/*
 * Any bytes as a description: what parses prints, the print parses again to the same print, and
 * what can be answered gives an answer that parses.
 */
#include "fuzz.h"

#include "base/strbuf.h"
#include "sdp/negotiate.h"

#include <stdlib.h>
#include <string.h>

TK_FUZZ_DECLARE(sdp);

#define FP                                                                                       \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:" \
    "1E:1F"

/* Prints and parses; aborts if the print does not parse. NULL when it is too long for that. */
static struct sdp_session *read_back(const struct sdp_session *s, struct strbuf *ret_text)
{
    struct sdp_session *again = NULL;
    strbuf_init(ret_text, 2 * SDP_TEXT_MAX);
    if (sdp_print(s, ret_text) == 0 && ret_text->size <= SDP_TEXT_MAX &&
        sdp_parse(ret_text->data, ret_text->size, &again, NULL) < 0)
        abort();
    return again;
}

/* The first print may normalise ("007" to 7, names of static types); from then on nothing moves. */
static void check_round_trip(const struct sdp_session *s)
{
    struct strbuf first, second, third;
    struct sdp_session *a = read_back(s, &first);
    if (a != NULL) {
        struct sdp_session *b = read_back(a, &second);
        if (b != NULL) {
            sdp_destroy(read_back(b, &third));
            if (strcmp(strbuf_text(&second), strbuf_text(&third)) != 0)
                abort();
            strbuf_fini(&third);
        }
        strbuf_fini(&second);
        sdp_destroy(b);
    }
    strbuf_fini(&first);
    sdp_destroy(a);
}

int tk_fuzz_sdp(const uint8_t *data, size_t size)
{
    struct sdp_session *offer = NULL, *answer = NULL;
    if (sdp_parse((const char *)data, size, &offer, NULL) < 0)
        return 0;
    check_round_trip(offer);

    struct sdp_answer_section plans[4];
    for (size_t i = 0; i < ARRAY_COUNT(plans); i++)
        plans[i] = (struct sdp_answer_section){
            .send = {.stream_id = i % 2 == 0 ? "PA|TR" : NULL, .track_id = "TR", .ssrc = 1},
            .codec = (uint8_t)(size % RTP_CODEC_COUNT_),
            .has_red = true,
            .has_dtx = true,
            .is_stereo = true,
        };
    struct sdp_answer_config config = {
        .local = {.ufrag = "u", .pwd = "p", .fingerprint_sha256 = FP, .is_ice_lite = true},
        .sections = plans,
        .section_count = ARRAY_COUNT(plans),
    };
    if (sdp_build_answer(offer, &config, &answer, NULL) == 0) {
        struct rtp_pt pts[RTP_PTS_MAX];
        struct rtp_ext_ids ids;
        char rids[RTP_LAYERS_MAX][RTP_RID_SIZE];
        sdp_get_exts(answer, &ids);
        for (size_t i = 0; i < answer->section_count; i++) {
            if (sdp_section_pts(&answer->sections[i], pts, RTP_PTS_MAX) > RTP_PTS_MAX)
                abort();
            if (sdp_section_rids(&answer->sections[i], false, rids) > RTP_LAYERS_MAX)
                abort();
        }
        check_round_trip(answer);
        sdp_destroy(answer);
    }
    sdp_destroy(offer);
    return 0;
}
