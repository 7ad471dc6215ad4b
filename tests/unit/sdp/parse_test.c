/*
 * Goal: descriptions as browsers write them are read completely, bad ones are refused with line
 * and reason, and what is printed reads back as the same description.
 * Method: captured offers of Chromium and livekit-client, tables of single lines,
 * print->parse->print.
 */
#include "sdp_util.h"

#include "base/err.h"

#define FP                                                                                    \
    "BE:A2:DA:BE:1D:99:D7:8B:0D:65:2D:9A:62:AF:97:83:9C:8A:B9:9C:6B:72:CC:26:52:04:96:9C:82:" \
    "61:B4:02"
#define HEAD  "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define AUDIO "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"

static void reads_chromium_simulcast(void **state)
{
    (void)state;
    struct sdp_session *s = parse_vector(CHROMIUM_SIMULCAST);
    assert_int_equal(s->section_count, 10);
    assert_true(s->has_bundle);
    assert_true(s->has_extmap_allow_mixed);
    assert_int_equal(s->session_id, 3989304779220616141ull);

    const struct sdp_section *audio = &s->sections[0];
    assert_int_equal(audio->kind, SDP_KIND_AUDIO);
    assert_int_equal(audio->dir, SDP_DIR_RECVONLY);
    assert_string_equal(audio->mid, "0");
    assert_string_equal(audio->ufrag, "4dZw");
    assert_string_equal(audio->fingerprint_sha256, FP);
    assert_int_equal(audio->setup, SDP_SETUP_ACTPASS);
    assert_int_equal(audio->candidate_count, 2); /* the TCP ones are active */
    assert_int_equal(audio->candidates[0].priority, 2122194687);
    assert_int_equal(audio->codecs[0].codec, RTP_CODEC_OPUS);
    assert_int_equal(audio->codecs[0].channels, 2);
    assert_string_equal(audio->codecs[0].fmtp, "minptime=10;useinbandfec=1");
    assert_int_equal(audio->codecs[0].feedback, SDP_FB_TRANSPORT_CC);
    assert_int_equal(audio->codecs[1].codec, RTP_CODEC_RED);

    const struct sdp_section *video = sdp_find_mid(s, "6");
    assert_non_null(video);
    assert_int_equal(video->dir, SDP_DIR_SENDONLY);
    assert_string_equal(video->stream_id, "07fe69f4-fa06-4cf7-af8b-f0f690cbafc3");
    assert_string_equal(video->track_id, "941ca8e7-718c-41b7-80d4-e77066bf9890");
    assert_int_equal(video->rid_count, 3);
    assert_int_equal(video->simulcast_send_count, 3);
    assert_string_equal(video->simulcast_send[2], "f");
    assert_int_equal(video->codecs[0].feedback, SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR |
                                                    SDP_FB_TRANSPORT_CC | SDP_FB_GOOG_REMB);
    assert_true(video->codecs[1].is_rtx);
    assert_int_equal(video->codecs[1].apt, 96);
    assert_int_equal(video->codecs[2].h264_mode, 1);
    assert_int_equal(video->codecs[4].h264_mode, 0);
    assert_int_equal(video->codecs[20].codec, RTP_CODEC_NONE); /* red/90000 is no audio RED */

    const struct sdp_section *plain = sdp_find_mid(s, "8");
    assert_int_equal(plain->ssrc_count, 1);
    assert_true(plain->ssrcs[0].rtx_ssrc != 0);
    assert_true(*plain->ssrcs[0].cname != '\0');

    const struct sdp_section *data = &s->sections[9];
    assert_int_equal(data->kind, SDP_KIND_APPLICATION);
    assert_int_equal(data->sctp_port, 5000);
    assert_int_equal(data->max_message_size, 262144);
    assert_true(data->is_bundled);
    sdp_destroy(s);
}

static void reads_livekit_join(void **state)
{
    (void)state;
    struct sdp_session *s = parse_vector(LIVEKIT_JOIN);
    assert_int_equal(s->section_count, 7);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(s->sections[i].dir, SDP_DIR_RECVONLY);
    assert_int_equal(s->sections[6].kind, SDP_KIND_APPLICATION);
    sdp_destroy(s);
}

/* The middle of each row stands after HEAD AUDIO; the section has to come out as the check says. */
static void reads_lines_leniently(void **state)
{
    (void)state;
    struct sdp_session *s = parse_good("v=0\no=- 18446744073709551615 0 IN IP4 x\ns=-\n"
                                       "a=ice-ufrag:sess\na=recvonly\n"
                                       "m=audio 9/2 RTP/SAVPF 0 9 111 45\n"
                                       "a=fmtp:111 useinbandfec=1\n"
                                       "a=rtpmap:111 OPUS/48000/2\n"
                                       "a=rtpmap:99 VP8/90000\n"
                                       "a=rtcp-fb:* nack\n"
                                       "a=rtcp-fb:111 nack rpsi\n"
                                       "a=extmap:3/recvonly urn:ietf:params:rtp-hdrext:sdes:mid\n"
                                       "a=extmap:4096 urn:x\na=extmap:0 urn:x\na=extmap:16 urn:y\n"
                                       "a=candidate:1 1 udp 5 a-b-c.local 9 typ host\n"
                                       "a=candidate:1 1 UDP 5 10.0.0.1 9 typ host\n"
                                       "a=candidate:1 2 udp 5 10.0.0.1 9 typ host\n"
                                       "a=candidate:1 1 tcp 5 ::1 7881 typ host tcptype passive\n"
                                       "a=unknown\nb=AS:1\nx=?\n\n"
                                       "a=ssrc:1 cname:c\na=ssrc-group:FID 1 2\na=ssrc:2 cname:c\n"
                                       "a=ssrc:1 msid:S T\na=ssrc-group:SIM 1 2\n"
                                       "m=video 0 UDP/TLS/RTP/SAVPF 96\na=bundle-only\n"
                                       "m=video 9 RTP/AVP 96\n");
    const struct sdp_section *m = &s->sections[0];
    assert_int_equal(s->session_id, UINT64_MAX);
    assert_string_equal(s->ufrag, "sess");
    assert_int_equal(m->dir, SDP_DIR_RECVONLY);
    assert_int_equal(m->codecs[0].codec, RTP_CODEC_PCMU);
    assert_int_equal(m->codecs[1].codec, RTP_CODEC_G722);
    assert_int_equal(m->codecs[2].codec, RTP_CODEC_OPUS);
    assert_int_equal(m->codecs[2].feedback, SDP_FB_NACK);
    assert_int_equal(m->codecs[3].codec, RTP_CODEC_NONE);
    assert_int_equal(m->extmap_count, 2);
    assert_string_equal(m->extmaps[0].dir, "recvonly");
    assert_int_equal(m->extmaps[1].id, 16);
    assert_int_equal(m->candidate_count, 2);
    assert_int_equal(m->candidates[1].addr.proto, ADDR_PROTO_TCP);
    assert_int_equal(m->ssrc_count, 1);
    assert_int_equal(m->ssrcs[0].rtx_ssrc, 2);
    assert_string_equal(m->stream_id, "S");
    assert_string_equal(m->track_id, "T");
    assert_true(s->sections[1].is_bundle_only);
    assert_int_equal(s->sections[2].kind, SDP_KIND_OTHER);
    sdp_destroy(s);
}

#define U32 "12345678901234567890123456789012"

static const struct bad_case {
    const char *text;
    int err;
    unsigned line;
    const char *reason;
} bad_cases[] = {
    {"", ERR_SDP_SYNTAX, 0, "empty"},
    {"v=1\r\n", ERR_SDP_SYNTAX, 1, "v=0"},
    {"\r\n", ERR_SDP_SYNTAX, 1, "form"},
    {HEAD "hello\r\n", ERR_SDP_SYNTAX, 5, "form"},
    {"v=0\r\no=- x 2 IN IP4 1\r\n", ERR_SDP_SYNTAX, 2, "o="},
    {HEAD "m=audio\r\n", ERR_SDP_SYNTAX, 5, "m="},
    {HEAD "m=audio 99999 RTP/SAVPF 0\r\n", ERR_SDP_SYNTAX, 5, "m="},
    {HEAD "m=audio 9 RTP/SAVPF 128\r\n", ERR_SDP_SYNTAX, 5, "payload type"},
    {HEAD "m=audio 9 RTP/SAVPF  \r\n", ERR_SDP_SYNTAX, 5, "payload type"},
    {HEAD "m=audio 9 RTP/SAVPF\r\n", ERR_SDP_SYNTAX, 5, "no format"},
    {HEAD AUDIO "a=rtpmap:111 opus\r\n", ERR_SDP_SYNTAX, 6, "rtpmap"},
    {HEAD AUDIO "a=rtpmap:111 opus/0\r\n", ERR_SDP_SYNTAX, 6, "rtpmap"},
    {HEAD AUDIO "a=ice-ufrag:a b\r\n", ERR_SDP_SYNTAX, 6, "ice-ufrag"},
    {HEAD AUDIO "a=ice-ufrag:" U32 "x\r\n", ERR_SDP_UNUSABLE, 6, "longer than 32"},
    {HEAD AUDIO "a=ice-pwd:" U32 U32 "x\r\n", ERR_SDP_UNUSABLE, 6, "longer than 64"},
    {HEAD "a=fingerprint:sha-256 AA:BB\r\n", ERR_SDP_SYNTAX, 5, "32 bytes"},
    {HEAD AUDIO "a=mid:12345678901234567\r\n", ERR_SDP_UNUSABLE, 6, "longer than 16"},
    {HEAD AUDIO "a=mid:\r\n", ERR_SDP_SYNTAX, 6, "token"},
    {HEAD AUDIO "a=rid:q\r\n", ERR_SDP_SYNTAX, 6, "rid"},
    {HEAD AUDIO "a=rid:12345678901234567 send\r\n", ERR_SDP_UNUSABLE, 6, "longer than 16"},
    {HEAD AUDIO "a=ssrc:x cname:y\r\n", ERR_SDP_SYNTAX, 6, "ssrc"},
    {HEAD AUDIO "a=sctp-port:70000\r\n", ERR_SDP_SYNTAX, 6, "sctp-port"},
};

static void refuses_bad_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad_cases); i++) {
        const struct bad_case *c = &bad_cases[i];
        struct sdp_session *s = NULL;
        struct sdp_error error = {0};
        int err = sdp_parse(c->text, strlen(c->text), &s, &error);
        if (err != c->err || error.line != c->line || strstr(error.text, c->reason) == NULL)
            fail_msg("case %zu: err %d line %u \"%s\"", i, err, error.line, error.text);
        assert_null(s);
    }
}

static void keeps_bounds(void **state)
{
    (void)state;
    struct sdp_session *s = NULL;
    struct sdp_error error = {0};
    char *big = malloc(SDP_TEXT_MAX + 1);
    assert_non_null(big);
    memset(big, 'a', SDP_TEXT_MAX + 1);
    assert_int_equal(sdp_parse(big, SDP_TEXT_MAX + 1, &s, &error), ERR_LIMIT);
    free(big);
    assert_int_equal(sdp_parse("v=0\0\r\n", 6, &s, &error), ERR_SDP_SYNTAX);

    struct strbuf many;
    strbuf_init(&many, SDP_TEXT_MAX);
    strbuf_puts(&many, HEAD);
    for (int i = 0; i < SDP_SECTIONS_MAX; i++)
        strbuf_puts(&many, AUDIO);
    assert_int_equal(sdp_parse(many.data, many.size, &s, &error), 0);
    assert_int_equal(s->section_count, SDP_SECTIONS_MAX);
    sdp_destroy(s);
    s = NULL;
    strbuf_puts(&many, AUDIO);
    assert_int_equal(sdp_parse(many.data, many.size, &s, &error), ERR_LIMIT);
    strbuf_fini(&many);

    strbuf_init(&many, SDP_TEXT_MAX);
    strbuf_puts(&many, HEAD "m=video 9 RTP/SAVPF");
    for (int i = 0; i <= SDP_CODECS_MAX; i++)
        strbuf_printf(&many, " %d", i);
    assert_int_equal(sdp_parse(many.data, many.size, &s, &error), ERR_LIMIT);
    strbuf_fini(&many);
    assert_null(s);
}

static void prints_what_it_read(void **state)
{
    (void)state;
    static const char *const paths[] = {CHROMIUM_SIMULCAST, LIVEKIT_JOIN};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct sdp_session *first = parse_vector(paths[i]);
        char *once = print_text(first);
        struct sdp_session *second = parse_good(once);
        char *twice = print_text(second);
        assert_string_equal(once, twice);
        assert_int_equal(first->section_count, second->section_count);
        for (size_t k = 0; k < first->section_count; k++) {
            assert_int_equal(first->sections[k].codec_count, second->sections[k].codec_count);
            assert_int_equal(first->sections[k].extmap_count, second->sections[k].extmap_count);
            assert_int_equal(first->sections[k].ssrc_count, second->sections[k].ssrc_count);
            assert_int_equal(first->sections[k].rid_count, second->sections[k].rid_count);
            assert_string_equal(first->sections[k].mid, second->sections[k].mid);
            assert_int_equal(first->sections[k].dir, second->sections[k].dir);
        }
        free(once);
        free(twice);
        sdp_destroy(first);
        sdp_destroy(second);
    }
}

static const struct candidate_case {
    const char *text;
    int err;
    uint16_t port;
} candidate_cases[] = {
    {"candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host generation 0", 0, 5000},
    {"a=candidate:1 1 UDP 1 2001:db8::1 5001 typ srflx raddr 0.0.0.0 rport 0", 0, 5001},
    {"1 1 udp 1 192.0.2.1 5002 typ relay", 0, 5002},
    {"candidate:1 1 tcp 1 192.0.2.1 7881 typ host tcptype passive", 0, 7881},
    {"candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active", ERR_UNSUPPORTED, 0},
    {"candidate:1 1 tcp 1 192.0.2.1 9 typ host", ERR_UNSUPPORTED, 0},
    {"candidate:1 1 sctp 1 192.0.2.1 9 typ host", ERR_UNSUPPORTED, 0},
    {"candidate:1 1 udp 1 0aa1.local 9 typ host", ERR_UNSUPPORTED, 0},
    {"candidate:1 2 udp 1 192.0.2.1 9 typ host", ERR_UNSUPPORTED, 0},
    {"candidate:1 1 udp 1 192.0.2.1 9 typ odd", ERR_UNSUPPORTED, 0},
    {"candidate:1 1 udp x 192.0.2.1 9 typ host", ERR_MALFORMED, 0},
    {"candidate:1 1 udp 1 192.0.2.1 99999 typ host", ERR_MALFORMED, 0},
    {"candidate:1 1 udp 1 192.0.2.1 9", ERR_MALFORMED, 0},
    {"", ERR_MALFORMED, 0},
};

static void reads_candidates(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(candidate_cases); i++) {
        const struct candidate_case *c = &candidate_cases[i];
        struct sdp_candidate got = {0};
        int err = sdp_parse_candidate(c->text, &got);
        if (err != c->err || got.addr.port != c->port)
            fail_msg("case %zu: err %d port %u", i, err, got.addr.port);
    }
}

static void reads_format_parameters(void **state)
{
    (void)state;
    char value[8];
    assert_true(sdp_fmtp_get("a=1; Packetization-Mode=1;b", "packetization-mode", value, 8));
    assert_string_equal(value, "1");
    assert_false(sdp_fmtp_get("xapt=1", "apt", value, 8));
    assert_false(sdp_fmtp_get("", "apt", value, 8));
    assert_false(sdp_fmtp_get("apt", "apt", value, 8));
    assert_true(sdp_fmtp_get("apt=123456789", "apt", value, 8));
    assert_string_equal(value, "1234567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_chromium_simulcast),
        cmocka_unit_test(reads_livekit_join),
        cmocka_unit_test(reads_lines_leniently),
        cmocka_unit_test(refuses_bad_text),
        cmocka_unit_test(keeps_bounds),
        cmocka_unit_test(prints_what_it_read),
        cmocka_unit_test(reads_candidates),
        cmocka_unit_test(reads_format_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
