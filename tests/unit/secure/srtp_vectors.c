/*
 * Goal: the transforms give the published results of RFC 3711 and RFC 7714, byte for byte.
 * Method: the vectors as data; those of RFC 7714 start from session keys and go through whole
 * packets both ways.
 */
#include "unit/secure/backends.h"
#include "vectors/rfc3711/srtp.h"
#include "vectors/rfc7714/srtp.h"

#include "base/encode.h"
#include "secure/secure_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t unhex(const char *text, uint8_t *dst, size_t size)
{
    int n = hex_decode(text, dst, size);
    assert_true(n > 0);
    return (size_t)n;
}

static void assert_hex(const uint8_t *data, size_t size, const char *text)
{
    uint8_t expected[256];
    assert_int_equal(size, unhex(text, expected, sizeof(expected)));
    assert_memory_equal(data, expected, size);
}

/* B.2: the keystream is what comes out for zeros. */
static void test_aes_cm_keystream(void **state)
{
    (void)state;
    struct sec__session session = {.profile = SEC_PROFILE_AES128_CM_HMAC_SHA1_80};
    struct sec__keys keys = {.profile = session.profile};
    size_t size = 16 * (RFC3711_B2_LAST_BLOCK + 3);
    uint8_t *zeros = calloc(1, size), *out = calloc(1, size), tag[20];
    struct sec__op op = {
        .session = &session, .packet = out, .in = {zeros}, .in_size = {size}, .out = out};
    op.tag = tag;
    unhex(RFC3711_B2_KEY, keys.key, sizeof(keys.key));
    unhex(RFC3711_B2_IV, op.iv, sizeof(op.iv));
    assert_int_equal(sec__backend()->create(&keys, SEC_SEND, &session.crypt), 0);
    sec__backend()->protect(&op, 1);
    assert_int_equal(op.result, 0);
    assert_hex(out, 48, RFC3711_B2_FIRST);
    assert_hex(out + 16 * RFC3711_B2_LAST_BLOCK, 48, RFC3711_B2_LAST);
    sec__backend()->destroy(session.crypt);
    free(zeros);
    free(out);
}

static void test_key_derivation(void **state)
{
    (void)state;
    static const struct {
        enum sec__label label;
        size_t size;
        const char *expected;
    } rows[] = {
        {SEC__LABEL_RTP_KEY, 16, RFC3711_B3_CIPHER_KEY},
        {SEC__LABEL_RTP_SALT, 14, RFC3711_B3_CIPHER_SALT},
        {SEC__LABEL_RTP_AUTH, 20, RFC3711_B3_AUTH_KEY},
    };
    uint8_t key[16], salt[14], out[32];
    unhex(RFC3711_B3_MASTER_KEY, key, sizeof(key));
    unhex(RFC3711_B3_MASTER_SALT, salt, sizeof(salt));
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(sec__kdf(key, salt, rows[i].label, out, rows[i].size), 0);
        assert_hex(out, rows[i].size, rows[i].expected);
    }
}

static struct sec_srtp *rfc7714_context(enum sec_direction direction)
{
    struct sec__keys keys = {.profile = SEC_PROFILE_AEAD_AES_128_GCM};
    struct sec_srtp *s;
    unhex(RFC7714_KEY, keys.key, sizeof(keys.key));
    unhex(RFC7714_SALT, keys.salt, sizeof(keys.salt));
    assert_int_equal(sec__srtp_create_session(&keys, &keys, direction, &s), 0);
    return s;
}

static void test_gcm_rtp(void **state)
{
    (void)state;
    struct sec_srtp *send = rfc7714_context(SEC_SEND), *receive = rfc7714_context(SEC_RECEIVE);
    uint8_t plain[128], protected[128], out[128];
    size_t size = unhex(RFC7714_RTP, plain, sizeof(plain));
    /* Cut at every place into prefix and body: the result is the same. */
    for (size_t prefix = 0; prefix <= size - 12; prefix++) {
        int n = sec_srtp_protect(send, plain, 12, prefix, plain + 12 + prefix, size - 12 - prefix,
                                 protected, sizeof(protected));
        assert_int_equal(n, size + 16);
        assert_hex(protected, (size_t)n, RFC7714_SRTP);
    }
    int n = sec_srtp_unprotect(receive, protected, size + 16, out, sizeof(out));
    assert_int_equal(n, size);
    assert_memory_equal(out, plain, size);
    sec_srtp_destroy(send);
    sec_srtp_destroy(receive);
}

static void test_gcm_rtcp(void **state)
{
    (void)state;
    struct sec_srtp *send = rfc7714_context(SEC_SEND);
    uint8_t plain[128], protected[160];
    size_t size = unhex(RFC7714_RTCP, plain, sizeof(plain));
    int n = 0;
    for (int index = 1; index <= RFC7714_RTCP_INDEX; index++)
        n = sec_srtp_protect_rtcp(send, plain, size, protected, sizeof(protected));
    assert_int_equal(n, size + 20);
    assert_hex(protected, (size_t)n, RFC7714_SRTCP);
    sec_srtp_destroy(send);
}

/* Section 17.3: without the E bit the packet is only authenticated. */
static void test_gcm_rtcp_unprotect(void **state)
{
    (void)state;
    static const char *const rows[] = {RFC7714_SRTCP, RFC7714_SRTCP_TAG_ONLY};
    uint8_t plain[128], protected[160], out[160];
    size_t size = unhex(RFC7714_RTCP, plain, sizeof(plain));
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sec_srtp *receive = rfc7714_context(SEC_RECEIVE);
        size_t n = unhex(rows[i], protected, sizeof(protected));
        assert_int_equal(sec_srtp_unprotect_rtcp(receive, protected, n, out, sizeof(out)), size);
        assert_memory_equal(out, plain, size);
        sec_srtp_destroy(receive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aes_cm_keystream),
        cmocka_unit_test(test_key_derivation),
        cmocka_unit_test(test_gcm_rtp),
        cmocka_unit_test(test_gcm_rtcp),
        cmocka_unit_test(test_gcm_rtcp_unprotect),
    };
    return RUN_ON_EACH_BACKEND(tests);
}
