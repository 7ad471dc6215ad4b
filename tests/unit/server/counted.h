#ifndef TK_TESTS_COUNTED_H
#define TK_TESTS_COUNTED_H

#include <stdint.h>

/* Calls of this process so far that took memory from the heap or a lock, from any library. */
uint64_t counted_calls(void);

#endif
