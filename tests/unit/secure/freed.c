/*
 * The allocators' functions are defined here, before the C library's, and hand on to it; under
 * AddressSanitizer its hooks do the same. Nothing in here allocates.
 */
#include "unit/secure/freed.h"

#include "base/attrs.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISGUISE    0x5a
#define WATCHES_MAX 4

struct secret {
    char name[32];
    uint8_t bytes[FREED_SECRET_SIZE_MAX]; /* disguised */
    size_t size;
};

struct watch {
    const void *block;
    bool was_zeros;
};

static struct {
    bool is_on;
    struct secret secrets[FREED_SECRETS_MAX];
    struct watch watches[WATCHES_MAX];
    size_t secret_count, watch_count, hits;
    struct {
        const uint8_t *at;
        size_t size;
    } blocks[FREED_BLOCKS_MAX];
    size_t block_count;
} freed;

static atomic_flag busy = ATOMIC_FLAG_INIT; /* held for a few instructions, by two threads */

static void hold(void)
{
    while (atomic_flag_test_and_set(&busy))
        continue;
}

static void release(void)
{
    atomic_flag_clear(&busy);
}

static bool is_at(const struct secret *s, const uint8_t *at)
{
    size_t i = 0;
    while (i < s->size && at[i] == (s->bytes[i] ^ DISGUISE))
        i++;
    return i == s->size;
}

static bool has_secret(const uint8_t *at, size_t size, const struct secret *s)
{
    for (size_t i = 0; i + s->size <= size; i++)
        if (is_at(s, at + i))
            return true;
    return false;
}

static void note_allocated(const void *at, size_t size)
{
    if (!freed.is_on || at == NULL)
        return;
    hold();
    CHECK(freed.block_count < FREED_BLOCKS_MAX);
    freed.blocks[freed.block_count].at = at;
    freed.blocks[freed.block_count++].size = size;
    release();
}

static bool is_zeros(const uint8_t *at, size_t size)
{
    size_t i = 0;
    while (i < size && at[i] == 0)
        i++;
    return i == size;
}

static void look(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < freed.secret_count; i++)
        if (has_secret(at, size, &freed.secrets[i])) {
            freed.hits++;
            fprintf(stderr, "freed with %s in it: %zu bytes\n", freed.secrets[i].name, size);
        }
    for (size_t i = 0; i < freed.watch_count; i++)
        if (freed.watches[i].block == at)
            freed.watches[i].was_zeros = is_zeros(at, size);
}

static void note_freed(const void *at)
{
    if (!freed.is_on || at == NULL)
        return;
    hold();
    size_t i = freed.block_count;
    while (i > 0 && freed.blocks[i - 1].at != at)
        i--;
    if (i > 0) {
        look(at, freed.blocks[i - 1].size);
        freed.blocks[i - 1] = freed.blocks[--freed.block_count];
    }
    release();
}

void freed_begin(void)
{
    memset(&freed, 0, sizeof(freed));
    freed.is_on = true;
}

void freed_end(void)
{
    freed.is_on = false;
}

void freed_secret(const char *name, const void *bytes, size_t size)
{
    CHECK(size > 0 && size <= FREED_SECRET_SIZE_MAX && freed.secret_count < FREED_SECRETS_MAX);
    struct secret *s = &freed.secrets[freed.secret_count++];
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->size = size;
    for (size_t i = 0; i < size; i++)
        s->bytes[i] = ((const uint8_t *)bytes)[i] ^ DISGUISE;
}

size_t freed_hits(void)
{
    return freed.hits;
}

size_t freed_in_use(const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < freed.secret_count; i++)
        for (size_t k = 0; k < freed.block_count; k++)
            count += strcmp(freed.secrets[i].name, name) == 0 &&
                     has_secret(freed.blocks[k].at, freed.blocks[k].size, &freed.secrets[i]);
    return count;
}

bool freed_is_any_in(const void *at, size_t size)
{
    size_t i = 0;
    while (i < freed.secret_count && !has_secret(at, size, &freed.secrets[i]))
        i++;
    return i < freed.secret_count;
}

void freed_watch(const void *block)
{
    CHECK(freed.watch_count < WATCHES_MAX);
    freed.watches[freed.watch_count++].block = block;
}

bool freed_as_zeros(const void *block)
{
    for (size_t i = 0; i < freed.watch_count; i++)
        if (freed.watches[i].block == block)
            return freed.watches[i].was_zeros;
    return false;
}

/* --- The allocator --- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#endif

#ifdef HAS_ASAN

int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
                                              void (*free_hook)(const volatile void *));

static void on_malloc(const volatile void *p, size_t size)
{
    note_allocated((const void *)p, size);
}

static void on_free(const volatile void *p)
{
    note_freed((const void *)p);
}

__attribute__((constructor)) static void install(void)
{
    CHECK(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

void *malloc(size_t size)
{
    void *p = __libc_malloc(size);
    note_allocated(p, size);
    return p;
}

void *calloc(size_t count, size_t size)
{
    void *p = __libc_calloc(count, size);
    note_allocated(p, count * size);
    return p;
}

/* Counts as freeing the old block, also where the C library would make it longer in place. */
void *realloc(void *p, size_t size)
{
    note_freed(p);
    p = __libc_realloc(p, size);
    note_allocated(p, size);
    return p;
}

void *aligned_alloc(size_t align, size_t size)
{
    void *p = __libc_memalign(align, size);
    note_allocated(p, size);
    return p;
}

int posix_memalign(void **ret_block, size_t align, size_t size)
{
    void *p = aligned_alloc(align, size);
    if (p != NULL)
        *ret_block = p;
    return p != NULL ? 0 : ENOMEM;
}

void free(void *p)
{
    note_freed(p);
    __libc_free(p);
}

#endif
