#ifndef TK_TESTS_UNIT_CMOCKA_ALL_H
#define TK_TESTS_UNIT_CMOCKA_ALL_H

/* cmocka.h wants these four before it; unit tests include this file only. */

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
/* clang-format on */

#endif
