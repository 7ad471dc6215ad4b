/*
 * Goal: STUN messages are read, written and authenticated as RFC 8489 says.
 * Method: the four messages of RFC 5769 are parsed, compared field by field, authenticated with
 * their password, and fail with any single byte changed; messages written here are read back;
 * malformed ones come from a table of edits to a good one.
 */
#include "unit/cmocka_all.h"

#include "base/encode.h"
#include "base/err.h"
#include "ice/stun.h"

#include <stdio.h>
#include <string.h>

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"

struct vector {
    const char *file;
    enum ice_stun_class cls;
    const char *username;
    const char *mapped;
    uint32_t priority;
    uint64_t tie_breaker;
    bool is_long_term;
};

static const struct vector vectors[] = {
    {"2.1_request", ICE_STUN_REQUEST, "evtj:h6vY", NULL, 0x6e0001ff, 0x932ff9b151263b36, false},
    {"2.2_response_ipv4", ICE_STUN_SUCCESS, NULL, "192.0.2.1:32853", 0, 0, false},
    {"2.3_response_ipv6", ICE_STUN_SUCCESS, NULL, "[2001:db8:1234:5678:11:2233:4455:6677]:32853", 0,
     0, false},
    {"2.4_request_long_term", ICE_STUN_REQUEST, "マトリックス", NULL, 0, 0, true},
};

static size_t load(const char *name, uint8_t *dst, size_t dst_size)
{
    char path[256], text[2048], hex[2048];
    snprintf(path, sizeof(path), "tests/vectors/rfc5769/%s.hex", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t length = fread(text, 1, sizeof(text) - 1, f), count = 0;
    fclose(f);
    for (size_t i = 0; i < length; i++)
        if (text[i] != '\n')
            hex[count++] = text[i];
    hex[count] = '\0';
    int size = hex_decode(hex, dst, dst_size);
    assert_true(size > 0);
    return (size_t)size;
}

/* The password, or for the long-term credential MD5("マトリックス:example.org:TheMatrIX") (RFC
 * 8489, 18.5.1.1). */
static size_t key_of(const struct vector *v, uint8_t key[64])
{
    if (v->is_long_term)
        return (size_t)hex_decode("e8ca7ad59d5eb0518e312911d2dab2a9", key, 64);
    memcpy(key, PASSWORD, sizeof(PASSWORD) - 1);
    return sizeof(PASSWORD) - 1;
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        uint8_t data[512], key[64];
        char text[ADDR_TEXT_SIZE];
        struct ice_stun m;
        size_t size = load(v->file, data, sizeof(data)), key_size = key_of(v, key);
        assert_int_equal(ice_stun_parse(data, size, &m), 0);
        assert_int_equal(m.cls, v->cls);
        assert_int_equal(m.method, ICE_STUN_METHOD_BINDING);
        assert_int_equal(m.unknown_count, 0);
        assert_int_equal(m.priority, v->priority);
        assert_true(m.tie_breaker == v->tie_breaker);
        assert_int_equal(m.has_controlled, v->tie_breaker != 0);
        if (v->username != NULL) {
            assert_int_equal(m.username_size, strlen(v->username));
            assert_memory_equal(m.username, v->username, m.username_size);
        }
        if (v->mapped != NULL)
            assert_string_equal(addr_format(&m.mapped, text), v->mapped);
        assert_true(ice_stun_is_authentic(data, &m, key, key_size));
        assert_false(ice_stun_is_authentic(data, &m, key, key_size - 1));
        assert_int_equal(ice_stun_has_fingerprint(data, &m), !v->is_long_term);
    }
}

/* One changed byte anywhere: no longer authentic with a right fingerprint. */
static void test_changed_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        uint8_t data[512], key[64];
        size_t size = load(vectors[i].file, data, sizeof(data));
        size_t key_size = key_of(&vectors[i], key);
        for (size_t at = 0; at < size; at++) {
            struct ice_stun m;
            data[at] ^= 0x04;
            bool is_good = ice_stun_parse(data, size, &m) == 0 &&
                           ice_stun_is_authentic(data, &m, key, key_size) &&
                           (vectors[i].is_long_term || ice_stun_has_fingerprint(data, &m));
            assert_false(is_good);
            data[at] ^= 0x04;
        }
    }
}

static size_t write_request(uint8_t *data, size_t data_size)
{
    static const uint8_t txid[ICE_STUN_TXID_SIZE] = "abcdefghijkl";
    struct wr w = wr_init(data, data_size);
    ice_stun_begin(&w, ICE_STUN_REQUEST, txid);
    ice_stun_put_username(&w, "left", "right");
    ice_stun_put_priority(&w, 0x12345678);
    ice_stun_put_role(&w, true, 0x1122334455667788);
    ice_stun_put_use_candidate(&w);
    int size = ice_stun_finish(&w, PASSWORD, strlen(PASSWORD));
    return size > 0 ? (size_t)size : 0;
}

static void test_written_request(void **state)
{
    (void)state;
    uint8_t data[256];
    struct ice_stun m;
    char ufrag[8];
    size_t size = write_request(data, sizeof(data));
    assert_int_equal(ice_stun_parse(data, size, &m), 0);
    assert_int_equal(m.priority, 0x12345678);
    assert_true(m.has_controlling && !m.has_controlled && m.has_use_candidate);
    assert_true(m.tie_breaker == 0x1122334455667788);
    assert_true(ice_stun_has_fingerprint(data, &m));
    assert_true(ice_stun_is_authentic(data, &m, PASSWORD, strlen(PASSWORD)));
    assert_int_equal(ice_peek_username(data, size, ufrag, sizeof(ufrag)), 0);
    assert_string_equal(ufrag, "left");
    assert_int_equal(ice_peek_username(data, size, ufrag, 4), ERR_ICE_USERNAME);
    for (size_t small = 0; small < size; small++)
        assert_int_equal(write_request(data, small), 0);
}

static void test_written_answers(void **state)
{
    (void)state;
    static const uint8_t txid[ICE_STUN_TXID_SIZE] = "lkjihgfedcba";
    static const enum ice_stun_error codes[] = {400, 401, 420, 487, 500};
    static const uint16_t unknown[] = {0x0003, 0x7fff};
    uint8_t data[256];
    struct ice_stun m;
    char ufrag[8];
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        struct wr w = wr_init(data, sizeof(data));
        ice_stun_begin(&w, ICE_STUN_ERROR, txid);
        ice_stun_put_error(&w, codes[i]);
        ice_stun_put_unknown(&w, unknown, ARRAY_COUNT(unknown));
        int size = ice_stun_finish(&w, NULL, 0);
        assert_true(size > 0);
        assert_int_equal(ice_stun_parse(data, (size_t)size, &m), 0);
        assert_int_equal(m.cls, ICE_STUN_ERROR);
        assert_int_equal(m.error_code, codes[i]);
        assert_true(m.has_error && ice_stun_has_fingerprint(data, &m));
        assert_false(ice_stun_is_authentic(data, &m, "", 0));
        assert_int_equal(ice_peek_username(data, (size_t)size, ufrag, 8), ERR_ICE_USERNAME);
    }
}

struct edit {
    const char *name;
    size_t at;
    uint8_t value;
    int err;
};

/* Offsets in the message of write_request(). */
static const struct edit edits[] = {
    {"first bits", 0, 0x80, ERR_MALFORMED},
    {"cookie", 4, 0x22, ERR_MALFORMED},
    {"length not a multiple of four", 3, 0x55, ERR_MALFORMED},
    {"length too large", 2, 0x01, ERR_TRUNCATED},
    {"length too small", 3, 0x00, ERR_MALFORMED},
    {"attribute longer than the message", 22, 0xff, ERR_MALFORMED},
    {"priority of eight bytes", 39, 8, ERR_MALFORMED},
    {"integrity of another size", 63, 16, ERR_MALFORMED},
};

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(edits); i++) {
        uint8_t data[256];
        struct ice_stun m;
        size_t size = write_request(data, sizeof(data));
        assert_int_equal(ice_stun_parse(data, size, &m), 0);
        assert_int_not_equal(data[edits[i].at], edits[i].value);
        data[edits[i].at] = edits[i].value;
        int err = ice_stun_parse(data, size, &m);
        if (err != edits[i].err)
            fail_msg("%s: %d instead of %d", edits[i].name, err, edits[i].err);
    }
    uint8_t data[256];
    struct ice_stun m;
    size_t size = write_request(data, sizeof(data));
    for (size_t cut = 0; cut < size; cut++)
        assert_true(ice_stun_parse(data, cut, &m) < 0);
}

/* Attributes between MESSAGE-INTEGRITY and FINGERPRINT are not protected, and are not read. */
static void test_after_integrity(void **state)
{
    (void)state;
    uint8_t data[256];
    struct ice_stun m;
    static const uint8_t txid[ICE_STUN_TXID_SIZE] = {1};
    struct wr w = wr_init(data, sizeof(data));
    ice_stun_begin(&w, ICE_STUN_REQUEST, txid);
    int size = ice_stun_finish(&w, PASSWORD, strlen(PASSWORD));
    assert_true(size > 0);
    w.at -= 8; /* off with FINGERPRINT, and a new one after the smuggled attribute */
    ice_stun_put_use_candidate(&w);
    size = ice_stun_finish(&w, NULL, 0);
    assert_true(size > 0);
    assert_int_equal(ice_stun_parse(data, (size_t)size, &m), 0);
    assert_true(ice_stun_is_authentic(data, &m, PASSWORD, strlen(PASSWORD)));
    assert_false(m.has_use_candidate);
}

/* Unknown attributes: those below 0x8000 are remembered (420), the others skipped. */
static void test_unknown(void **state)
{
    (void)state;
    static const uint8_t txid[ICE_STUN_TXID_SIZE] = {1};
    uint8_t data[256];
    struct ice_stun m;
    struct wr w = wr_init(data, sizeof(data));
    ice_stun_begin(&w, ICE_STUN_REQUEST, txid);
    for (uint16_t type = 0x7ff0; type < 0x7ffc; type++) {
        wr_u16be(&w, type);
        wr_u16be(&w, 0);
    }
    wr_u32be(&w, 0xc0570000);
    int size = ice_stun_finish(&w, PASSWORD, strlen(PASSWORD));
    assert_true(size > 0);
    assert_int_equal(ice_stun_parse(data, (size_t)size, &m), 0);
    assert_int_equal(m.unknown_count, ICE_STUN_UNKNOWN_MAX);
    assert_int_equal(m.unknown[0], 0x7ff0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),         cmocka_unit_test(test_changed_vectors),
        cmocka_unit_test(test_written_request), cmocka_unit_test(test_written_answers),
        cmocka_unit_test(test_malformed),       cmocka_unit_test(test_after_integrity),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
