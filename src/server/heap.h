#ifndef TK_SERVER_HEAP_H
#define TK_SERVER_HEAP_H

/*
 * What the program holds of the heap now. Unlike resident memory it does not depend on what the
 * allocator keeps for later, so that two readings tell of a leak. Any thread.
 */

#include <stdint.h>

/* Bytes allocated and not freed; under AddressSanitizer with what its quarantine holds. */
uint64_t heap_bytes(void);

#endif
