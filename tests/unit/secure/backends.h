#ifndef TK_TESTS_SECURE_BACKENDS_H
#define TK_TESTS_SECURE_BACKENDS_H

/* Runs a group of tests once on each SRTP back end; those that were built have to work. */

#include "unit/cmocka_all.h"

#include "secure/srtp.h"

static const char *const backend_names[] = {
    SEC_SRTP_BACKEND_OPENSSL,
#ifdef TK_HAVE_IPSEC_MB
    SEC_SRTP_BACKEND_IPSEC_MB,
#endif
};
#define BACKENDS (sizeof(backend_names) / sizeof(backend_names[0]))

static inline int run_on_each_backend(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < BACKENDS; i++)
        failed += sec_srtp_select_backend(backend_names[i]) < 0 ||
                  _cmocka_run_group_tests(backend_names[i], tests, count, NULL, NULL) != 0;
    return failed;
}

#define RUN_ON_EACH_BACKEND(tests) run_on_each_backend(tests, ARRAY_COUNT(tests))

#endif
