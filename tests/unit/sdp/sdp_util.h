#ifndef TK_TESTS_SDP_UTIL_H
#define TK_TESTS_SDP_UTIL_H

/* Reads vectors and builds small descriptions for the tests of sdp/. */

#include "unit/cmocka_all.h"

#include "base/strbuf.h"
#include "sdp/negotiate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHROMIUM_SIMULCAST "tests/vectors/sdp/chromium-156-simulcast.sdp"
#define LIVEKIT_JOIN       "tests/vectors/sdp/livekit-client-2.23-join.sdp"

static inline char *read_vector(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = malloc(SDP_TEXT_MAX);
    assert_non_null(text);
    *ret_size = fread(text, 1, SDP_TEXT_MAX, f);
    fclose(f);
    return text;
}

static inline struct sdp_session *parse_vector(const char *path)
{
    size_t size = 0;
    char *text = read_vector(path, &size);
    struct sdp_session *s = NULL;
    struct sdp_error error = {0};
    int err = sdp_parse(text, size, &s, &error);
    if (err < 0)
        fail_msg("%s:%u: %s", path, error.line, error.text);
    free(text);
    return s;
}

static inline struct sdp_session *parse_good(const char *text)
{
    struct sdp_session *s = NULL;
    struct sdp_error error = {0};
    if (sdp_parse(text, strlen(text), &s, &error) < 0)
        fail_msg("line %u: %s", error.line, error.text);
    return s;
}

/* The text of a description; free() it. */
static inline char *print_text(const struct sdp_session *s)
{
    struct strbuf out;
    strbuf_init(&out, SDP_TEXT_MAX);
    assert_int_equal(sdp_print(s, &out), 0);
    char *text = strbuf_take(&out);
    assert_non_null(text);
    return text;
}

#endif
