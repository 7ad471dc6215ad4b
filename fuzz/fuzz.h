#ifndef TK_FUZZ_FUZZ_H
#define TK_FUZZ_FUZZ_H

/*
 * The body of a fuzz target: fuzz/<name>_fuzz.c defines `int tk_fuzz_<name>(const uint8_t *,
 * size_t)`, which returns 0 and aborts on a finding. TK_FUZZ_BODY names the one a driver calls.
 */

#include <stddef.h>
#include <stdint.h>

#define TK_FUZZ_DECLARE(name) int tk_fuzz_##name(const uint8_t *data, size_t size)

#endif
