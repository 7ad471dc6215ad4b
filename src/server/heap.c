#include "server/heap.h"

#include "base/attrs.h"

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#define OWN_MAPPING_SIZE (128 << 10)
#define FREE_END_SIZE    (512 << 10)

/* What a thread of the C library keeps: so many blocks of each size. */
#define CACHE_BLOCKS    7
#define CACHE_SIZE_MIN  24
#define CACHE_SIZE_MAX  1032
#define CACHE_SIZE_STEP 16

#define LOOK_EVERY MONO_S(1)
#define REST_FIRST MONO_S(2)
#define REST_GROWS 4 /* times longer each time */
#define TIMES_MAX  3

/* There only in a sanitizer's build, whose allocator mallinfo2() knows nothing of. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

uint64_t heap_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

void heap_rest_init(struct heap_rest *r)
{
    *r = (struct heap_rest){.due = MONO_NEVER};
}

static mono_us rest_of(uint8_t times)
{
    mono_us rest = REST_FIRST;
    for (uint8_t i = 0; i < times; i++)
        rest *= REST_GROWS;
    return rest;
}

bool heap_rest_is_over(struct heap_rest *r, bool is_used, mono_us now)
{
    if (now < r->look_at)
        return false;
    r->look_at = now + LOOK_EVERY;
    if (is_used) {
        *r = (struct heap_rest){.was_used = true, .look_at = r->look_at, .due = MONO_NEVER};
        return false;
    }
    if (r->was_used && r->due == MONO_NEVER)
        r->due = now + rest_of(r->times);
    if (now < r->due)
        return false;
    r->due = MONO_NEVER;
    r->times++;
    r->was_used = r->times < TIMES_MAX;
    return true;
}

void heap_setup(void)
{
    /* Both only fail for values that make no sense. */
    IGNORE(mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_SIZE));
    IGNORE(mallopt(M_TRIM_THRESHOLD, FREE_END_SIZE));
}

void heap_flush_cache(void)
{
    void *blocks[2 * CACHE_BLOCKS];
    for (size_t size = CACHE_SIZE_MIN; size <= CACHE_SIZE_MAX; size += CACHE_SIZE_STEP) {
        for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
            blocks[i] = malloc(size); /* the first are the ones that were kept */
        for (size_t i = ARRAY_COUNT(blocks); i > 0; i--)
            free(blocks[i - 1]); /* the last are kept now */
    }
}

void heap_give_back(void)
{
    heap_flush_cache();
    malloc_trim(0);
}
