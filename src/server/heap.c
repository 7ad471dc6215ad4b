#include "server/heap.h"

#include <malloc.h>
#include <stddef.h>

/* There only in a sanitizer's build, whose allocator mallinfo2() knows nothing of. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

uint64_t heap_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}
