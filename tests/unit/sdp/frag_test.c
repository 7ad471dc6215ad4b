/*
 * Goal: fragments of ICE (RFC 8840, RFC 9725) are read as clients write them, bad ones are refused
 * with the line, and ours reads back.
 */

#include "sdp_util.h"

#include "base/err.h"
#include "sdp/frag.h"

static int parse(const char *text, struct sdp_frag *frag, struct sdp_error *error)
{
    return sdp_frag_parse(text, strlen(text), frag, error);
}

static void as_clients_write_them(void **state)
{
    (void)state;
    struct sdp_frag frag;
    /* RFC 9725, figure 4: the second section repeats what the first says. */
    const char *text =
        "a=group:BUNDLE 0 1\r\n"
        "a=ice-ufrag:ysXw\r\n"
        "a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
        "a=mid:0\r\n"
        "a=ice-ufrag:ysXw\r\n"
        "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host "
        "generation 0 ufrag EsAw network-id 1\r\n"
        "a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host\r\n"
        "a=candidate:1 1 udp 1 0b2c8d3f-1c6a-4c9c-8d3f-aaaaaaaaaaaa.local 9 typ host\n"
        "a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\n"
        "a=end-of-candidates\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n";
    assert_int_equal(parse(text, &frag, NULL), 0);
    assert_string_equal(frag.ufrag, "ysXw");
    assert_string_equal(frag.pwd, "vw5LmwG4y/e6dPP/zAP9Gp5k");
    assert_string_equal(frag.mid, "0");
    assert_int_equal(frag.candidate_count, 2);
    assert_int_equal(frag.candidates[1].addr.port, 61765);
    assert_true(frag.has_end_of_candidates);
    assert_int_equal(parse("", &frag, NULL), 0);
    assert_int_equal(frag.candidate_count, 0);
    assert_false(frag.has_end_of_candidates);
}

static void refused_with_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        unsigned line;
    } rows[] = {
        {"hello", ERR_SDP_SYNTAX, 1},
        {"a=mid:0\r\n\r\na", ERR_SDP_SYNTAX, 3},
        {"a=ice-ufrag:\r\n", ERR_SDP_SYNTAX, 1},
        {"a=ice-ufrag\r\n", ERR_SDP_SYNTAX, 1},
        {"a=ice-ufrag:abcd\r\n", ERR_SDP_SYNTAX, 0},
        {"a=ice-pwd:abcd\r\n", ERR_SDP_SYNTAX, 0},
        {"a=ice-ufrag:a\na=ice-ufrag:b\n", ERR_SDP_UNUSABLE, 2},
        {"a=ice-ufrag:123456789012345678901234567890123\n", ERR_SDP_UNUSABLE, 1},
        {"a=mid:0\na=candidate:1 1 udp x\n", ERR_SDP_SYNTAX, 2},
        {"a=mid:12345678901234567890123456789012345678901234567890123456789012345\n",
         ERR_SDP_UNUSABLE, 1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sdp_frag frag;
        struct sdp_error error = {0};
        assert_int_equal(parse(rows[i].text, &frag, &error), rows[i].err);
        assert_int_equal(error.line, rows[i].line);
        assert_true(error.text[0] != '\0');
    }
    struct sdp_frag frag;
    assert_int_equal(sdp_frag_parse("a=x\0y", 5, &frag, NULL), ERR_SDP_SYNTAX);
    char *big = calloc(1, SDP_FRAG_TEXT_MAX + 1);
    assert_non_null(big);
    memset(big, '\n', SDP_FRAG_TEXT_MAX + 1);
    assert_int_equal(sdp_frag_parse(big, SDP_FRAG_TEXT_MAX + 1, &frag, NULL), ERR_LIMIT);
    assert_int_equal(sdp_frag_parse(big, SDP_FRAG_TEXT_MAX, &frag, NULL), 0);
    free(big);
}

static void candidates_are_bounded(void **state)
{
    (void)state;
    struct strbuf text;
    struct sdp_frag frag;
    strbuf_init(&text, SDP_FRAG_TEXT_MAX);
    for (int i = 0; i < 2 * SDP_CANDIDATES_MAX; i++)
        strbuf_printf(&text, "a=candidate:1 1 udp 1 192.0.2.1 %d typ host\r\n", 5000 + i);
    assert_int_equal(parse(strbuf_text(&text), &frag, NULL), 0);
    assert_int_equal(frag.candidate_count, SDP_CANDIDATES_MAX);
    strbuf_fini(&text);
}

static void ours_reads_back(void **state)
{
    (void)state;
    struct addr candidates[2];
    assert_int_equal(addr_parse_ip("192.0.2.7", &candidates[0]), 0);
    candidates[0].port = 7882;
    candidates[1] = candidates[0];
    candidates[1].proto = ADDR_PROTO_TCP;
    const struct sdp_local local = {.ufrag = "aU1",
                                    .pwd = "secretsecretsecretsecret",
                                    .fingerprint_sha256 = "",
                                    .candidates = candidates,
                                    .candidate_count = 2,
                                    .is_ice_lite = true};
    struct strbuf text;
    struct sdp_frag frag;
    strbuf_init(&text, SDP_FRAG_TEXT_MAX);
    assert_int_equal(sdp_frag_print(&local, SDP_KIND_VIDEO, "v0", &text), 0);
    assert_non_null(strstr(strbuf_text(&text), "a=ice-lite\r\na=group:BUNDLE v0\r\nm=video 9 "));
    assert_int_equal(parse(strbuf_text(&text), &frag, NULL), 0);
    assert_string_equal(frag.ufrag, "aU1");
    assert_string_equal(frag.mid, "v0");
    assert_int_equal(frag.candidate_count, 2);
    assert_int_equal(frag.candidates[1].addr.proto, ADDR_PROTO_TCP);
    assert_true(frag.has_end_of_candidates);
    strbuf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_clients_write_them),
        cmocka_unit_test(refused_with_the_line),
        cmocka_unit_test(candidates_are_bounded),
        cmocka_unit_test(ours_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
