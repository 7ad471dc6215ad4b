/*
 * Goal: keys, ports and SSRCs are the ones that the floor program computes by itself.
 * Method: hashes from another implementation (Python's hashlib).
 */
#include "load/floor_keys.h"

#include "unit/cmocka_all.h"

#include "base/err.h"

#include <string.h>

static const uint8_t publisher_0[30] = {0xe9, 0x2a, 0xed, 0x4c, 0xbd, 0x36, 0x33, 0x06, 0xd0, 0x55,
                                        0xda, 0x58, 0xec, 0x12, 0x0c, 0x4d, 0x6e, 0x31, 0xa9, 0x0a,
                                        0x8d, 0x80, 0x98, 0x8b, 0x99, 0x0b, 0x97, 0xfb, 0x24, 0x39};
static const uint8_t subscriber_12[30] = {
    0xff, 0x96, 0x0e, 0x17, 0x9a, 0x72, 0xbb, 0x05, 0xbd, 0x91, 0xb2, 0xed, 0x53, 0x79, 0x42,
    0xf5, 0x3b, 0x6a, 0x9a, 0xf4, 0xfe, 0x76, 0xcb, 0x65, 0x0c, 0x2a, 0x27, 0x38, 0xab, 0x3a};

static void test_keys(void **state)
{
    (void)state;
    static const uint8_t nothing[2] = {0};
    struct sec_srtp_keys keys;
    assert_int_equal(load_floor_keys(true, 0, SEC_PROFILE_AES128_CM_HMAC_SHA1_80, &keys), 0);
    assert_int_equal(keys.profile, SEC_PROFILE_AES128_CM_HMAC_SHA1_80);
    assert_memory_equal(keys.key, publisher_0, 16);
    assert_memory_equal(keys.salt, publisher_0 + 16, 14);
    assert_int_equal(load_floor_keys(false, 12, SEC_PROFILE_AEAD_AES_128_GCM, &keys), 0);
    assert_memory_equal(keys.key, subscriber_12, 16);
    assert_memory_equal(keys.salt, subscriber_12 + 16, 12);
    assert_memory_equal(keys.salt + 12, nothing, 2);
    assert_int_equal(load_floor_keys(true, 0, SEC_PROFILE_NONE, &keys), ERR_SEC_PROFILE);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(load_floor_ssrc(0, -1), 1000);
    assert_int_equal(load_floor_ssrc(0, 2), 1003);
    assert_int_equal(load_floor_ssrc(19, 0), 20001);
    assert_int_equal(load_floor_publisher_port(20000, 3), 19996);
    assert_int_equal(load_floor_subscriber_port(20000, 3), 20003);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
