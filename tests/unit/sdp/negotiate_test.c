/*
 * Goal: answers and offers follow the rules that LiveKit clients and browsers hold us to.
 * Method: answers to captured offers are read back from their own text and checked rule by rule;
 * offers of ours are answered by our own answerer; small handmade offers for the refusals.
 */
#include "sdp_util.h"

#include "base/err.h"

#include <errno.h>

#define FP                                                                                    \
    "AA:A2:DA:BE:1D:99:D7:8B:0D:65:2D:9A:62:AF:97:83:9C:8A:B9:9C:6B:72:CC:26:52:04:96:9C:82:" \
    "61:B4:02"

static const struct addr test_candidates[] = {
    {.family = ADDR_FAMILY_V4, .proto = ADDR_PROTO_UDP, .port = 7882, .ip = {192, 0, 2, 7}},
    {.family = ADDR_FAMILY_V4, .proto = ADDR_PROTO_TCP, .port = 7881, .ip = {192, 0, 2, 7}},
};

static struct sdp_local test_local(void)
{
    return (struct sdp_local){
        .ufrag = "srvu",
        .pwd = "serverpasswordserverpass",
        .fingerprint_sha256 = FP,
        .candidates = test_candidates,
        .candidate_count = ARRAY_COUNT(test_candidates),
        .is_ice_lite = true,
        .session_id = 77,
        .version = 3,
    };
}

/* The answer as the other side reads it: built, printed, parsed again. */
static struct sdp_session *answer_text(const struct sdp_session *offer,
                                       const struct sdp_answer_section *plans, size_t plan_count)
{
    struct sdp_answer_config config = {
        .local = test_local(),
        .setup = SDP_SETUP_ACTIVE,
        .sections = plans,
        .section_count = plan_count,
    };
    struct sdp_session *answer = NULL;
    struct sdp_error error = {0};
    if (sdp_build_answer(offer, &config, &answer, &error) < 0)
        fail_msg("%s", error.text);
    char *text = print_text(answer);
    sdp_destroy(answer);
    answer = parse_good(text);
    free(text);
    return answer;
}

static bool has_ext(const struct sdp_section *m, enum rtp_ext ext)
{
    for (size_t i = 0; i < m->extmap_count; i++)
        if (m->extmaps[i].ext == ext)
            return true;
    return false;
}

static bool has_codec(const struct sdp_section *m, enum rtp_codec codec)
{
    for (size_t i = 0; i < m->codec_count; i++)
        if (m->codecs[i].codec == codec)
            return true;
    return false;
}

static const struct sdp_codec *find_pt(const struct sdp_section *m, uint8_t pt)
{
    for (size_t i = 0; i < m->codec_count; i++)
        if (m->codecs[i].pt == pt)
            return &m->codecs[i];
    return NULL;
}

/* The join of livekit-client: everything idle, every section kept, rid extensions agreed. */
static void answers_join_with_idle_placeholders(void **state)
{
    (void)state;
    struct sdp_session *offer = parse_vector(LIVEKIT_JOIN);
    struct sdp_session *answer = answer_text(offer, NULL, 0);
    assert_int_equal(answer->section_count, 7);
    assert_true(answer->is_ice_lite);
    assert_true(answer->has_extmap_allow_mixed);
    assert_int_equal(answer->session_id, 77);
    assert_int_equal(answer->version, 3);
    for (size_t i = 0; i < 7; i++) {
        const struct sdp_section *m = &answer->sections[i];
        assert_int_equal(m->port, 9);
        assert_true(m->is_bundled);
        assert_string_equal(m->mid, offer->sections[i].mid);
        assert_string_equal(m->ufrag, "srvu");
        assert_string_equal(m->fingerprint_sha256, FP);
        assert_int_equal(m->setup, SDP_SETUP_ACTIVE);
        assert_int_equal(m->candidate_count, i == 0 ? 2 : 0);
        if (i == 6)
            continue;
        assert_int_equal(m->dir, SDP_DIR_INACTIVE);
        assert_true(m->has_rtcp_mux);
        assert_true(has_ext(m, RTP_EXT_MID));
        assert_int_equal(m->ssrc_count, 0);
        assert_string_equal(m->stream_id, "");
    }
    for (size_t i = 3; i < 6; i++) {
        assert_true(has_ext(&answer->sections[i], RTP_EXT_RID));
        assert_true(has_ext(&answer->sections[i], RTP_EXT_REPAIRED_RID));
        assert_true(has_ext(&answer->sections[i], RTP_EXT_TWCC));
        assert_true(has_ext(&answer->sections[i], RTP_EXT_DEPENDENCY_DESCRIPTOR));
        assert_false(has_ext(&answer->sections[i], RTP_EXT_VIDEO_ORIENTATION));
    }
    assert_true(answer->sections[0].has_end_of_candidates);
    assert_int_equal(answer->sections[0].candidates[1].addr.proto, ADDR_PROTO_TCP);
    assert_true(answer->sections[0].candidates[0].priority >
                answer->sections[0].candidates[1].priority);
    assert_int_equal(answer->sections[6].sctp_port, 5000);
    assert_int_equal(answer->sections[6].max_message_size, SDP_MAX_MESSAGE_SIZE);
    sdp_destroy(answer);
    sdp_destroy(offer);
}

static void agrees_on_known_codecs_only(void **state)
{
    (void)state;
    struct sdp_session *offer = parse_vector(LIVEKIT_JOIN);
    struct sdp_session *answer = answer_text(offer, NULL, 0);
    const struct sdp_section *audio = &answer->sections[0];
    static const uint8_t audio_pts[] = {111, 9, 0, 8};
    assert_int_equal(audio->codec_count, ARRAY_COUNT(audio_pts));
    for (size_t i = 0; i < ARRAY_COUNT(audio_pts); i++)
        assert_int_equal(audio->codecs[i].pt, audio_pts[i]);

    const struct sdp_section *video = &answer->sections[3];
    static const uint8_t gone[] = {100, 35, 37, 47, 118, 119, 120, 49};
    for (size_t i = 0; i < ARRAY_COUNT(gone); i++)
        assert_null(find_pt(video, gone[i]));
    static const uint8_t kept[] = {96, 97, 98, 99, 102, 103, 104, 107, 45, 46};
    for (size_t i = 0; i < ARRAY_COUNT(kept); i++)
        assert_non_null(find_pt(video, kept[i]));
    assert_int_equal(find_pt(video, 96)->feedback,
                     SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR | SDP_FB_TRANSPORT_CC);
    assert_string_equal(find_pt(video, 97)->fmtp, "apt=96");

    struct rtp_pt pts[RTP_PTS_MAX];
    size_t count = sdp_section_pts(video, pts, RTP_PTS_MAX);
    assert_in_range(count, 5, RTP_PTS_MAX);
    assert_int_equal(pts[0].pt, 96);
    assert_int_equal(pts[0].rtx_pt, 97);
    assert_int_equal(pts[0].codec, RTP_CODEC_VP8);
    sdp_destroy(answer);
    sdp_destroy(offer);
}

static void answers_simulcast_publication(void **state)
{
    (void)state;
    struct sdp_session *offer = parse_vector(CHROMIUM_SIMULCAST);
    struct sdp_answer_section plans[10] = {
        [6] = {.codec = RTP_CODEC_H264},
        [7] = {.has_red = true, .has_dtx = true, .is_stereo = true},
    };
    struct sdp_session *answer = answer_text(offer, plans, 10);
    const struct sdp_section *video = &answer->sections[6];
    assert_int_equal(video->dir, SDP_DIR_RECVONLY);
    assert_int_equal(video->codecs[0].pt, 102);
    assert_int_equal(video->codecs[1].pt, 103);
    assert_int_equal(video->rid_count, 3);
    assert_false(video->rids[0].is_send);
    assert_int_equal(video->simulcast_recv_count, 3);
    assert_string_equal(video->simulcast_recv[0], "q");
    assert_int_equal(video->simulcast_send_count, 0);
    assert_string_equal(video->stream_id, "");
    char rids[RTP_LAYERS_MAX][RTP_RID_SIZE];
    assert_int_equal(sdp_section_rids(video, false, rids), 3);
    assert_string_equal(rids[0], "q");
    assert_string_equal(rids[2], "f");

    const struct sdp_section *audio = &answer->sections[7];
    assert_int_equal(audio->dir, SDP_DIR_RECVONLY);
    assert_int_equal(audio->codecs[0].codec, RTP_CODEC_RED);
    assert_int_equal(audio->codecs[1].codec, RTP_CODEC_OPUS);
    assert_string_equal(audio->codecs[1].fmtp, "minptime=10;useinbandfec=1;usedtx=1;stereo=1;"
                                               "maxaveragebitrate=510000");
    assert_true(sdp_has_twcc(answer));

    struct rtp_ext_ids ids;
    sdp_get_exts(answer, &ids);
    assert_int_equal(ids.id[RTP_EXT_MID], 4);
    assert_int_equal(ids.id[RTP_EXT_RID], 10);
    assert_int_equal(ids.id[RTP_EXT_REPAIRED_RID], 11);
    assert_int_equal(ids.id[RTP_EXT_TWCC], 3);
    assert_int_equal(ids.id[RTP_EXT_AUDIO_LEVEL], 1);
    assert_int_equal(ids.id[RTP_EXT_VIDEO_ORIENTATION], 0);
    sdp_destroy(answer);
    sdp_destroy(offer);
}

/* With the dependency descriptor Chromium's VP8 has no picture ids and no temporal layers. */
static void agrees_on_dependency_descriptor_for_svc_only(void **state)
{
    (void)state;
    static const struct {
        enum rtp_codec codec;
        bool has_descriptor;
    } cases[] = {{RTP_CODEC_NONE, false}, /* as offered: VP8 first */
                 {RTP_CODEC_VP8, false},
                 {RTP_CODEC_H264, false},
                 {RTP_CODEC_VP9, true},
                 {RTP_CODEC_AV1, true}};
    struct sdp_session *offer = parse_vector(CHROMIUM_SIMULCAST);
    assert_true(has_ext(&offer->sections[6], RTP_EXT_DEPENDENCY_DESCRIPTOR));
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct sdp_answer_section plans[10] = {[6] = {.codec = (uint8_t)cases[i].codec}};
        struct sdp_session *answer = answer_text(offer, plans, 10);
        assert_int_equal(has_ext(&answer->sections[6], RTP_EXT_DEPENDENCY_DESCRIPTOR),
                         cases[i].has_descriptor);
        sdp_destroy(answer);
    }
    sdp_destroy(offer);
}

static void answers_subscription(void **state)
{
    (void)state;
    struct sdp_session *offer = parse_vector(LIVEKIT_JOIN);
    struct sdp_answer_section plans[5] = {
        [0] = {.send = {.stream_id = "PA_a|TR_x", .track_id = "TR_x", .ssrc = 10, .rtx_ssrc = 11}},
        [4] = {.send = {.stream_id = "PA_a|TR_y",
                        .track_id = "TR_y",
                        .cname = "PA_a",
                        .ssrc = 20,
                        .rtx_ssrc = 21},
               .codec = RTP_CODEC_VP8},
    };
    struct sdp_session *answer = answer_text(offer, plans, ARRAY_COUNT(plans));
    const struct sdp_section *audio = &answer->sections[0];
    assert_int_equal(audio->dir, SDP_DIR_SENDONLY);
    assert_string_equal(audio->stream_id, "PA_a|TR_x");
    assert_string_equal(audio->track_id, "TR_x");
    assert_int_equal(audio->ssrc_count, 1);
    assert_int_equal(audio->ssrcs[0].ssrc, 10);
    assert_int_equal(audio->ssrcs[0].rtx_ssrc, 0); /* audio has no RTX */
    assert_false(has_ext(audio, RTP_EXT_TWCC));
    assert_int_equal(sdp_section_feedback(audio) & SDP_FB_TRANSPORT_CC, 0);

    const struct sdp_section *video = &answer->sections[4];
    assert_int_equal(video->dir, SDP_DIR_SENDONLY);
    assert_int_equal(video->ssrcs[0].ssrc, 20);
    assert_int_equal(video->ssrcs[0].rtx_ssrc, 21);
    assert_string_equal(video->ssrcs[0].cname, "PA_a");
    assert_int_equal(find_pt(video, 96)->feedback, SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR);
    assert_true(has_ext(video, RTP_EXT_RID));
    assert_int_equal(answer->sections[3].dir, SDP_DIR_INACTIVE);
    sdp_destroy(answer);
    sdp_destroy(offer);
}

#define TRANSPORT                                                \
    "a=ice-ufrag:cltu\r\na=ice-pwd:clientpasswordclientpass\r\n" \
    "a=fingerprint:sha-1 00:11\r\na=fingerprint:SHA-256 " FP "\r\n"
#define HEAD      "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define MUX(mid)  "a=mid:" mid "\r\na=rtcp-mux\r\n"
#define OPUS(dir) "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=" dir "\r\n"

static void answers_odd_sections(void **state)
{
    (void)state;
    struct sdp_session *offer = parse_good(
        HEAD "a=group:BUNDLE 1 2 3 5\r\n" TRANSPORT "a=setup:active\r\n"
             "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=inactive\r\n" MUX("0") OPUS("sendrecv")
                 MUX("1") "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 H265/90000\r\n"
                          "a=bundle-only\r\na=sendonly\r\n" MUX("2") OPUS("inactive")
                              MUX("3") "m=text 9 UDP/TLS/RTP/SAVPF 98\r\n" MUX(
                                  "4") "m=application 9 DTLS/SCTP "
                                       "webrtc-datachannel\r\na=mid:5\r\n" OPUS("sendonly")
                                           MUX("6"));
    struct sdp_answer_section plans[4] = {
        [0] = {.send = {.stream_id = "A|B", .track_id = "B", .ssrc = 1}},
        [1] = {.send = {.stream_id = "A|B", .track_id = "B", .ssrc = 1}},
        [3] = {.send = {.stream_id = "A|C", .track_id = "C", .ssrc = 2}},
    };
    struct sdp_session *answer = answer_text(offer, plans, ARRAY_COUNT(plans));
    static const struct {
        uint16_t port;
        enum sdp_dir dir;
        bool is_bundled;
    } want[] = {
        {0, SDP_DIR_SENDRECV, false}, /* stopped by the client; the direction means nothing */
        {9, SDP_DIR_SENDRECV, true},  /* both ways, with a downtrack */
        {9, SDP_DIR_INACTIVE, true},  /* no common codec: idle, not refused */
        {9, SDP_DIR_INACTIVE, true},  /* the client takes nothing */
        {0, SDP_DIR_SENDRECV, false}, /* no kind of ours */
        {9, SDP_DIR_SENDRECV, true},  {0, SDP_DIR_INACTIVE, false}, /* outside the bundle */
    };
    for (size_t i = 0; i < ARRAY_COUNT(want); i++) {
        const struct sdp_section *m = &answer->sections[i];
        if (m->port != want[i].port || m->is_bundled != want[i].is_bundled ||
            (m->port != 0 && m->dir != want[i].dir))
            fail_msg("section %zu: port %u dir %d bundled %d", i, m->port, m->dir, m->is_bundled);
    }
    assert_int_equal(answer->sections[1].setup, SDP_SETUP_PASSIVE);
    assert_int_equal(answer->sections[0].candidate_count, 0);
    assert_int_equal(answer->sections[1].candidate_count, 2);
    struct sdp_transport t;
    assert_int_equal(sdp_get_transport(offer, &t, NULL), 0);
    assert_string_equal(t.ufrag, "cltu");
    assert_string_equal(t.fingerprint_sha256, FP);
    sdp_destroy(answer);
    sdp_destroy(offer);
}

static const struct refuse_case {
    const char *text;
    const char *reason;
} refuse_cases[] = {
    {HEAD TRANSPORT, "no media"},
    {HEAD TRANSPORT OPUS("sendonly") MUX("0") OPUS("sendonly") MUX("1"), "BUNDLE"},
    {HEAD TRANSPORT OPUS("sendonly") "a=mid:0\r\n", "rtcp-mux"},
    {HEAD "a=group:BUNDLE 0\r\n" TRANSPORT OPUS("sendonly") MUX("0") OPUS("sendonly") MUX("0"),
     "two sections"},
    {HEAD "a=group:BUNDLE 0\r\n" TRANSPORT OPUS("sendonly") MUX("0")
         OPUS("sendonly") "a=rtcp-mux\r\n",
     "no mid"},
    {HEAD OPUS("sendonly") MUX("0"), "ICE"},
    {HEAD "a=ice-ufrag:cltu\r\na=ice-pwd:clientpasswordclientpass\r\n"
          "a=fingerprint:sha-512 00\r\n" OPUS("sendonly") MUX("0"),
     "sha-256"},
    {HEAD TRANSPORT "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n", "in use"},
};

static void refuses_unusable_offers(void **state)
{
    (void)state;
    struct sdp_answer_config config = {.local = test_local(), .setup = SDP_SETUP_ACTIVE};
    for (size_t i = 0; i < ARRAY_COUNT(refuse_cases); i++) {
        struct sdp_session *offer = parse_good(refuse_cases[i].text);
        struct sdp_session *answer = NULL;
        struct sdp_error error = {0};
        int err = sdp_build_answer(offer, &config, &answer, &error);
        if (err != ERR_SDP_UNUSABLE || strstr(error.text, refuse_cases[i].reason) == NULL)
            fail_msg("case %zu: %d \"%s\"", i, err, error.text);
        assert_null(answer);
        sdp_destroy(offer);
    }
}

static void accepts_one_section_without_bundle(void **state)
{
    (void)state;
    struct sdp_session *offer = parse_good(HEAD TRANSPORT OPUS("sendonly") "a=rtcp-mux\r\n");
    struct sdp_session *answer = answer_text(offer, NULL, 0);
    assert_int_equal(answer->sections[0].dir, SDP_DIR_RECVONLY);
    assert_false(answer->has_bundle);
    sdp_destroy(answer);
    sdp_destroy(offer);
}

/* The server's offer of the dual connection, answered as a client would. */
static void offers_downtracks(void **state)
{
    (void)state;
    const struct sdp_offer_section sections[] = {
        {.kind = SDP_KIND_APPLICATION, .mid = "0"},
        {.kind = SDP_KIND_AUDIO,
         .mid = "1",
         .dir = SDP_DIR_SENDONLY,
         .send = {.stream_id = "PA_a|TR_x", .track_id = "TR_x", .ssrc = 5}},
        {.kind = SDP_KIND_VIDEO,
         .mid = "2",
         .dir = SDP_DIR_SENDONLY,
         .send = {.stream_id = "PA_a|TR_y", .track_id = "TR_y", .ssrc = 6, .rtx_ssrc = 7}},
        {.kind = SDP_KIND_VIDEO, .mid = "3", .dir = SDP_DIR_INACTIVE},
    };
    struct sdp_offer_config config = {
        .local = test_local(), .sections = sections, .section_count = ARRAY_COUNT(sections)};
    struct sdp_session *offer = NULL;
    assert_int_equal(sdp_build_offer(&config, &offer), 0);
    char *text = print_text(offer);
    struct sdp_session *read = parse_good(text);
    const struct sdp_section *video = &read->sections[2];
    static const uint8_t pts[] = {96,  97,  98,  99,  102, 103, 104, 105, 108, 109,
                                  125, 126, 106, 107, 39,  40,  123, 124, 35,  36};
    assert_int_equal(video->codec_count, ARRAY_COUNT(pts));
    for (size_t i = 0; i < ARRAY_COUNT(pts); i++)
        assert_int_equal(video->codecs[i].pt, pts[i]);
    assert_int_equal(video->ssrcs[0].rtx_ssrc, 7);
    assert_int_equal(sdp_section_feedback(video) & SDP_FB_TRANSPORT_CC, 0);
    assert_int_equal(read->sections[0].setup, SDP_SETUP_ACTPASS);
    assert_int_equal(read->sections[0].candidate_count, 2);
    assert_int_equal(read->sections[3].dir, SDP_DIR_INACTIVE);

    struct sdp_session *answer = answer_text(read, NULL, 0);
    assert_int_equal(answer->sections[1].dir, SDP_DIR_RECVONLY);
    assert_int_equal(answer->sections[2].dir, SDP_DIR_RECVONLY);
    assert_int_equal(answer->sections[3].dir, SDP_DIR_INACTIVE);
    assert_true(has_codec(&answer->sections[2], RTP_CODEC_VP8));
    struct sdp_transport t;
    assert_int_equal(sdp_get_transport(answer, &t, NULL), 0);
    assert_int_equal(t.setup, SDP_SETUP_ACTIVE);
    sdp_destroy(answer);
    sdp_destroy(read);
    sdp_destroy(offer);
    free(text);
}

/* Our own client: one publication with layers, one of a file's H.264, a placeholder, data. */
static void offers_publications(void **state)
{
    (void)state;
    const struct sdp_offer_section sections[] = {
        {.kind = SDP_KIND_AUDIO, .mid = "0", .dir = SDP_DIR_RECVONLY},
        {.kind = SDP_KIND_VIDEO,
         .mid = "1",
         .dir = SDP_DIR_SENDONLY,
         .send = {.stream_id = "-", .track_id = "cid1"},
         .codec = RTP_CODEC_VP8,
         .rid_count = 3,
         .rids = {"q", "h", "f"},
         .has_twcc = true},
        {.kind = SDP_KIND_VIDEO,
         .mid = "2",
         .dir = SDP_DIR_SENDONLY,
         .send = {.stream_id = "-", .track_id = "cid2", .ssrc = 8, .rtx_ssrc = 9},
         .codec = RTP_CODEC_H264,
         .h264_profile_level_id = "64001f"},
        {.kind = SDP_KIND_APPLICATION, .mid = "3"},
    };
    struct sdp_offer_config config = {
        .local = test_local(), .sections = sections, .section_count = ARRAY_COUNT(sections)};
    struct sdp_session *offer = NULL;
    assert_int_equal(sdp_build_offer(&config, &offer), 0);
    struct sdp_session *answer = answer_text(offer, NULL, 0);
    assert_int_equal(answer->sections[0].dir, SDP_DIR_INACTIVE);
    const struct sdp_section *layers = &answer->sections[1];
    assert_int_equal(layers->dir, SDP_DIR_RECVONLY);
    assert_int_equal(layers->codec_count, 2);
    assert_int_equal(layers->simulcast_recv_count, 3);
    assert_true(has_ext(layers, RTP_EXT_TWCC));
    const struct sdp_section *file = &answer->sections[2];
    assert_int_equal(file->codec_count, 2);
    assert_int_equal(file->codecs[0].pt, 102);
    assert_int_equal(file->codecs[0].h264_mode, 1);
    assert_non_null(strstr(file->codecs[0].fmtp, "profile-level-id=64001f"));
    assert_string_equal(offer->sections[2].track_id, "cid2");
    assert_int_equal(offer->sections[2].ssrcs[0].rtx_ssrc, 9);
    sdp_destroy(answer);
    sdp_destroy(offer);

    const struct sdp_offer_section twins[] = {{.kind = SDP_KIND_AUDIO, .mid = "0"},
                                              {.kind = SDP_KIND_AUDIO, .mid = "0"}};
    config.sections = twins;
    config.section_count = 2;
    offer = NULL;
    assert_int_equal(sdp_build_offer(&config, &offer), -EINVAL);
    assert_null(offer);
}

static const struct rid_case {
    const char *simulcast;
    const char *rids[RTP_LAYERS_MAX];
    size_t count;
} rid_cases[] = {
    {"q;h;f", {"q", "h", "f"}, 3},   {"f;h;q", {"q", "h", "f"}, 3},
    {"q;h", {"q", "h"}, 2},          {"0;1;2", {"2", "1", "0"}, 3},
    {"low;hi", {"low", "hi"}, 2},    {"~q;h,x;f", {"q", "h", "f"}, 3},
    {"hi;q", {"hi", "q"}, 2},        {"q", {"q"}, 1},
    {"a;b;c;d", {"a", "b", "c"}, 3}, {"", {0}, 0},
};

static void ranks_rids(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rid_cases); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=simulcast:send %s\r\n",
                 rid_cases[i].simulcast);
        struct sdp_session *s = parse_good(text);
        char rids[RTP_LAYERS_MAX][RTP_RID_SIZE];
        size_t count = sdp_section_rids(&s->sections[0], true, rids);
        assert_int_equal(count, rid_cases[i].count);
        for (size_t k = 0; k < count; k++)
            assert_string_equal(rids[k], rid_cases[i].rids[k]);
        sdp_destroy(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_join_with_idle_placeholders),
        cmocka_unit_test(agrees_on_known_codecs_only),
        cmocka_unit_test(answers_simulcast_publication),
        cmocka_unit_test(agrees_on_dependency_descriptor_for_svc_only),
        cmocka_unit_test(answers_subscription),
        cmocka_unit_test(answers_odd_sections),
        cmocka_unit_test(refuses_unusable_offers),
        cmocka_unit_test(accepts_one_section_without_bundle),
        cmocka_unit_test(offers_downtracks),
        cmocka_unit_test(offers_publications),
        cmocka_unit_test(ranks_rids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
