#ifndef TK_BASE_ATTRS_H
#define TK_BASE_ATTRS_H

/*
 * Compiler attributes behind macros, thread roles, and the three kinds of failure:
 * CHECK for bugs (always on), DCHECK for bugs on hot paths (debug builds), IGNORE for results
 * dropped on purpose.
 */

#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN          __attribute__((noreturn))
#define UNUSED            __attribute__((unused))
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)
/* Asks for the cache line at `p`, which will be needed shortly; any address is allowed. */
#define PREFETCH(p) __builtin_prefetch(p)

/* Drops a MUST_CHECK result on purpose; the caller says why in a comment. */
#define IGNORE(x) ((void)!(x))

#define ARRAY_COUNT(a)                  (sizeof(a) / sizeof((a)[0]))
#define TK_MIN(a, b)                    ((a) < (b) ? (a) : (b))
#define TK_MAX(a, b)                    ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * Clang's thread-safety analysis, used for thread roles: a function marked ON_MEDIA may only be
 * called from functions that hold the media role; a worker's entry function takes it by
 * role_assert_media(). gcc sees nothing.
 */
#if defined(__clang__)
#define TK_TSA(x) __attribute__((x))
#else
#define TK_TSA(x)
#endif

typedef struct TK_TSA(capability("role")) tk_role {
    char unused;
} tk_role;

extern tk_role role_control, role_media;

#define ON_CONTROL       TK_TSA(requires_capability(role_control))
#define ON_MEDIA         TK_TSA(requires_capability(role_media))
#define OWNED_BY_CONTROL TK_TSA(guarded_by(role_control))
#define OWNED_BY_MEDIA   TK_TSA(guarded_by(role_media))

void role_assert_control(void) TK_TSA(assert_capability(role_control));
void role_assert_media(void) TK_TSA(assert_capability(role_media));

NORETURN void check_failed(const char *expr, const char *file, int line);

/* A bug if false: logs and aborts. Never on anything that a byte from the network can decide. */
#define CHECK(expr) (LIKELY(expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))

#ifdef TK_DEBUG
#define DCHECK(expr) CHECK(expr)
#else
#define DCHECK(expr) ((void)sizeof(expr))
#endif

#endif
