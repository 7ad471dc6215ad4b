#ifndef TK_TESTS_FREED_H
#define TK_TESTS_FREED_H

/*
 * Looks into every block of the heap for secrets, at the moment when it is freed, and on request
 * while it is in use. The blocks of all libraries count, OpenSSL's as well; those that were there
 * before freed_begin() do not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FREED_SECRETS_MAX     32
#define FREED_SECRET_SIZE_MAX 64
#define FREED_BLOCKS_MAX      16384 /* at a time */

/* Forgets all secrets and counts, and begins to note blocks. */
void freed_begin(void);
/* One more secret; what it is called is printed where it is found. Kept in a disguise, so that this
 * copy is not found. */
void freed_secret(const char *name, const void *bytes, size_t size);
void freed_end(void);

/* How many times a block was freed that still held a secret. */
size_t freed_hits(void);
/* How many blocks in use hold this secret. */
size_t freed_in_use(const char *name);
/* Whether this memory holds any secret. */
bool freed_is_any_in(const void *at, size_t size);
/* True once a block that begins here was freed and every byte of it was zero. */
bool freed_as_zeros(const void *block);
/* Asks for that, before the block is freed. At most 4. */
void freed_watch(const void *block);

#endif
