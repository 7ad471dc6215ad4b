/*
 * Goal: the back end over intel-ipsec-mb declares itself unusable on a CPU that lacks something it
 * needs, so that the one over OpenSSL is taken; never does it run on the library's slow emulation.
 * Method: the decision is a function of the library's feature bits: each one is taken away; and the
 * library itself is told to look at this CPU as if it had no AES instructions.
 */
#include "unit/cmocka_all.h"

#include "base/err.h"
#include "secure/srtp_imb.h"

#include <stdlib.h>

#define NEEDED (IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SELF_TEST_PASS)

static void test_features(void **state)
{
    (void)state;
    static const uint64_t needed[] = {IMB_FEATURE_AESNI, IMB_FEATURE_PCLMULQDQ,
                                      IMB_FEATURE_SELF_TEST_PASS};
    assert_true(sec__imb_is_enough(NEEDED));
    assert_true(sec__imb_is_enough(UINT64_MAX & ~IMB_FEATURE_AESNI_EMU)); /* a newer CPU */
    for (size_t i = 0; i < ARRAY_COUNT(needed); i++) {
        assert_false(sec__imb_is_enough(NEEDED & ~needed[i]));
        assert_false(sec__imb_is_enough(UINT64_MAX & ~IMB_FEATURE_AESNI_EMU & ~needed[i]));
    }
    assert_false(sec__imb_is_enough(NEEDED | IMB_FEATURE_AESNI_EMU));
    assert_false(sec__imb_is_enough(IMB_CPUFLAGS_NO_AESNI | IMB_FEATURE_SELF_TEST_PASS));
    assert_false(sec__imb_is_enough(0));
}

/* The real thing, and the same CPU as the library sees it without its AES instructions. */
static void test_this_cpu(void **state)
{
    (void)state;
    IMB_MGR *mgr = sec__imb_mgr_create(0);
    bool is_enough = mgr != NULL;
    assert_true(!is_enough || sec__imb_is_enough(mgr->features));
    free(mgr);
    assert_int_equal(sec__backend_imb.is_usable(), is_enough);
    assert_int_equal(sec_srtp_select_backend(SEC_SRTP_BACKEND_IPSEC_MB),
                     is_enough ? 0 : ERR_SEC_BACKEND);
    assert_null(sec__imb_mgr_create(IMB_FLAG_AESNI_OFF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_this_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
