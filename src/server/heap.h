#ifndef TK_SERVER_HEAP_H
#define TK_SERVER_HEAP_H

/*
 * What the program holds of the heap now. Unlike resident memory it does not depend on what the
 * allocator keeps for later, so that two readings tell of a leak. Any thread.
 */

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes allocated and not freed; under AddressSanitizer with what its quarantine holds. */
uint64_t heap_bytes(void);

/*
 * When to give memory back to the system: some time after the last participant has left, so that
 * what goes with it is gone as well, and twice more for what takes longer. Never while anybody is
 * there: going through the heap would hold up a lesson.
 */
struct heap_rest {
    bool was_used; /* since memory was given back last */
    uint8_t times; /* that it was given back since the last participant left */
    mono_us look_at;
    mono_us due; /* MONO_NEVER = nothing to give back */
};

void heap_rest_init(struct heap_rest *r);
/* When heap_rest_is_over() wants to be asked. */
static inline mono_us heap_rest_next(const struct heap_rest *r)
{
    return r->look_at;
}
/* True when it is time: then heap_give_back(). */
bool heap_rest_is_over(struct heap_rest *r, bool is_used, mono_us now);

/*
 * Once, before any thread starts. Blocks of 128 KiB and more come from the system and go back to it
 * at once: the library for HTTP takes 160 KiB for the headers of each request and touches little of
 * it; inside the heap such holes would stay when many join. What is free at the heap's end goes
 * back early as well.
 */
void heap_setup(void);

/*
 * The C library keeps some freed blocks of each size for the thread that freed them, and every one
 * of them holds a page: they go back to the heap, and others that lie closer together are kept.
 */
void heap_flush_cache(void);

/* Whatever of the heap is free. Any thread, but it holds up the others that need memory. */
void heap_give_back(void);

#endif
