/*
 * Goal: small values (bytes, base64, hex, addresses, NTP time, result codes, text buffers) are
 * right. Method: tables of known answers; RFC 4648 section 10 for base64, RFC 2202 section 3 for
 * HMAC-SHA1.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "unit/cmocka_all.h"

#include "base/addr.h"
#include "base/bytes.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/hmac.h"
#include "base/id.h"
#include "base/strbuf.h"
#include "base/thread.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_base64(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *std, *url;
    } rows[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff", "+/8=", "-_8"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char text[32];
        uint8_t back[32];
        size_t size = strlen(rows[i].plain);
        base64_encode(rows[i].plain, size, text);
        assert_string_equal(text, rows[i].std);
        assert_int_equal(base64_decode(text, strlen(text), back, sizeof(back)), size);
        assert_memory_equal(back, rows[i].plain, size);
        base64url_encode(rows[i].plain, size, text);
        assert_string_equal(text, rows[i].url);
        assert_int_equal(base64_decode(text, strlen(text), back, sizeof(back)), size);
        assert_memory_equal(back, rows[i].plain, size);
    }
    uint8_t out[3];
    assert_int_equal(base64_decode("A", 1, out, sizeof(out)), ERR_MALFORMED);
    assert_int_equal(base64_decode("A*==", 4, out, sizeof(out)), ERR_MALFORMED);
    assert_int_equal(base64_decode("Zm9vYg==", 8, out, sizeof(out)), ERR_NO_SPACE);
}

static void test_hex(void **state)
{
    (void)state;
    uint8_t bytes[4];
    char text[9];
    assert_int_equal(hex_decode("00ffA5b6", bytes, sizeof(bytes)), 4);
    hex_encode(bytes, 4, text);
    assert_string_equal(text, "00ffa5b6");
    assert_int_equal(hex_decode("0", bytes, sizeof(bytes)), ERR_MALFORMED);
    assert_int_equal(hex_decode("zz", bytes, sizeof(bytes)), ERR_MALFORMED);
    assert_int_equal(hex_decode("0011223344", bytes, sizeof(bytes)), ERR_NO_SPACE);
}

static void test_reader_is_sticky(void **state)
{
    (void)state;
    const uint8_t data[] = {1, 2, 3, 4, 5};
    struct rd r = rd_init(data, sizeof(data));
    assert_int_equal(rd_u16be(&r), 0x0102);
    assert_int_equal(rd_u32be(&r), 0);
    assert_true(r.is_bad);
    assert_int_equal(rd_u8(&r), 0); /* even though three bytes are left */
}

static void test_writer_is_sticky(void **state)
{
    (void)state;
    uint8_t data[3];
    struct wr w = wr_init(data, sizeof(data));
    wr_u16be(&w, 0x0102);
    wr_u16be(&w, 0x0304);
    wr_u8(&w, 9);
    assert_true(w.is_bad);
    assert_int_equal(wr_size(&w), 2);
}

static void test_addr_text(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *text;
        int is_loopback, is_link_local;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1:7", 1, 0},     {"::1", "[::1]:7", 1, 0},
        {"169.254.3.4", "169.254.3.4:7", 0, 1}, {"fe80::1", "[fe80::1]:7", 0, 1},
        {"192.0.2.9", "192.0.2.9:7", 0, 0},     {"2001:db8::5", "[2001:db8::5]:7", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct addr a;
        char text[ADDR_TEXT_SIZE];
        assert_int_equal(addr_parse_ip(rows[i].ip, &a), 0);
        a.port = 7;
        assert_string_equal(addr_format(&a, text), rows[i].text);
        assert_int_equal(addr_is_loopback(&a), rows[i].is_loopback);
        assert_int_equal(addr_is_link_local(&a), rows[i].is_link_local);
    }
    struct addr bad;
    assert_int_equal(addr_parse_ip("1.2.3", &bad), ERR_MALFORMED);
}

static void test_ntp(void **state)
{
    (void)state;
    assert_true(ntp_from_unix_us(0) == 2208988800ULL << 32);
    const int64_t times[] = {0, 1, 999999, 1700000000123456, 1799999999999999};
    for (size_t i = 0; i < ARRAY_COUNT(times); i++)
        assert_int_equal(ntp_to_unix_us(ntp_from_unix_us(times[i])), times[i]);
}

static void test_err(void **state)
{
    (void)state;
    assert_string_equal(err_text(0), "ok");
    assert_string_equal(err_text(-ENOENT), "No such file or directory");
    assert_string_equal(err_client_code(ERR_NOT_ALLOWED), "not_allowed");
    assert_int_equal(err_http_status(ERR_NOT_FOUND), 404);
    assert_int_equal(err_http_status(-ENOENT), 500);
    assert_string_equal(err_text(-999999), "unknown error");
}

static void test_strbuf_limit(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 8);
    strbuf_printf(&b, "%d-%s", 12, "abc");
    assert_string_equal(strbuf_text(&b), "12-abc");
    strbuf_puts(&b, "xyz");
    assert_int_equal(b.err, ERR_LIMIT);
    assert_null(strbuf_take(&b));
    strbuf_fini(&b);
}

static void test_hmac_sha1(void **state)
{
    (void)state;
    static const struct {
        uint8_t key_byte, key_size;
        const char *key, *data, *mac;
    } rows[] = {
        {0x0b, 20, NULL, "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
        {0, 4, "Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {0x0c, 20, NULL, "Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
        {0xaa, 80, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
         "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
        {0xaa, 80, NULL,
         "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
         "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        uint8_t key[80], mac[HMAC_SHA1_SIZE];
        char text[2 * sizeof(mac) + 1];
        struct hmac_sha1 m;
        SHA_CTX message;
        size_t half = strlen(rows[i].data) / 2;
        memset(key, rows[i].key_byte, sizeof(key));
        hmac_sha1_init(&m, rows[i].key != NULL ? (const void *)rows[i].key : key, rows[i].key_size);
        hmac_sha1_begin(&m, &message);
        SHA1_Update(&message, rows[i].data, half);
        SHA1_Update(&message, rows[i].data + half, strlen(rows[i].data) - half);
        hmac_sha1_end(&m, &message, mac);
        for (size_t k = 0; k < sizeof(mac); k++)
            snprintf(text + 2 * k, 3, "%02x", mac[k]);
        assert_string_equal(text, rows[i].mac);
    }
}

static void test_id_is_random_text(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 9);
    char a[ID_SIZE], b[ID_SIZE];
    id_make(&rng, "PA_", a);
    id_make(&rng, "PA_", b);
    assert_int_equal(strlen(a), 15);
    assert_memory_equal(a, "PA_", 3);
    assert_string_not_equal(a, b);
}

/* Each letter as often as another: 57 of them, 1,000 times each within five deviations. */
static void test_random_text_is_even(void **state)
{
    (void)state;
    enum { LETTERS = 57, EACH = 1000, LENGTH = 100 };
    unsigned counts[256] = {0}, seen = 0;
    char text[LENGTH + 1];
    struct rng rng;
    rng_init_seeded(&rng, 10);
    for (int i = 0; i < LETTERS * EACH / LENGTH; i++) {
        id_random_text(&rng, text, LENGTH);
        assert_int_equal(strlen(text), LENGTH);
        for (const char *at = text; *at != '\0'; at++)
            counts[(unsigned char)*at]++;
    }
    for (int i = 0; i < 256; i++) {
        seen += counts[i] > 0;
        if (counts[i] > 0)
            assert_in_range(counts[i], EACH - 160, EACH + 160);
    }
    assert_int_equal(seen, LETTERS);
}

static void *own_name(void *ret_name)
{
    /* The name may be given while the thread runs already. */
    for (int i = 0; i < 1000; i++) {
        if (pthread_getname_np(pthread_self(), ret_name, 16) == 0 &&
            strncmp(ret_name, "worker-", 7) == 0)
            break;
        usleep(1000);
    }
    return NULL;
}

static void test_thread_has_a_name(void **state)
{
    (void)state;
    pthread_t thread;
    char name[16] = "";
    assert_int_equal(thread_start(&thread, "worker-0123456789", own_name, name), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(name, "worker-01234567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_reader_is_sticky),
        cmocka_unit_test(test_writer_is_sticky),
        cmocka_unit_test(test_addr_text),
        cmocka_unit_test(test_ntp),
        cmocka_unit_test(test_err),
        cmocka_unit_test(test_strbuf_limit),
        cmocka_unit_test(test_hmac_sha1),
        cmocka_unit_test(test_id_is_random_text),
        cmocka_unit_test(test_random_text_is_even),
        cmocka_unit_test(test_thread_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
