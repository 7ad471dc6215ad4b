/*
 * Counts allocations and locks: the locks' functions are defined here, before the C library's, and
 * hand on to it; so are the allocators', except under AddressSanitizer, which has hooks for that.
 */
#include "unit/server/counted.h"

#include "base/attrs.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

static _Atomic uint64_t calls;

uint64_t counted_calls(void)
{
    return atomic_load(&calls);
}

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
    (void)p;
    (void)size;
    atomic_fetch_add(&calls, 1);
}

static void on_free(const volatile void *p)
{
    (void)p;
}

__attribute__((constructor)) static void install(void)
{
    CHECK(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_realloc(p, size);
}

#endif

/* The C library's own function of that name. */
#define NEXT(type, name)                           \
    static type next;                              \
    if (next == NULL)                              \
        *(void **)&next = dlsym(RTLD_NEXT, #name); \
    atomic_fetch_add(&calls, 1)

typedef int mutex_fn(pthread_mutex_t *);
typedef int rwlock_fn(pthread_rwlock_t *);

int pthread_mutex_lock(pthread_mutex_t *m)
{
    NEXT(mutex_fn *, pthread_mutex_lock);
    return next(m);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    NEXT(rwlock_fn *, pthread_rwlock_rdlock);
    return next(l);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
    NEXT(rwlock_fn *, pthread_rwlock_wrlock);
    return next(l);
}
