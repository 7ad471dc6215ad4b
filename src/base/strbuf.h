#ifndef TK_BASE_STRBUF_H
#define TK_BASE_STRBUF_H

/*
 * A growing text buffer with a maximum and one sticky error, for SDP, JSON bodies, HTTP answers.
 * Not for the packet path: it allocates. Always terminated by a zero byte.
 */

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *data; /* NULL until the first append */
    size_t size;
    size_t capacity;
    size_t size_max;
    int err; /* 0, ERR_LIMIT or -ENOMEM; sticky */
};

void strbuf_init(struct strbuf *b, size_t size_max);
void strbuf_fini(struct strbuf *b);
void strbuf_append(struct strbuf *b, const void *data, size_t size);
void strbuf_puts(struct strbuf *b, const char *text);
void strbuf_printf(struct strbuf *b, const char *form, ...) PRINTF_LIKE(2, 3);

/* The text, "" when empty; owned by the buffer. */
const char *strbuf_text(const struct strbuf *b);

/* Hands the memory to the caller (free() it) and leaves the buffer empty; NULL after an error. */
char *strbuf_take(struct strbuf *b);

/* Copies `text` into `dst` of `size` bytes, always terminated. ERR_NO_SPACE (nothing copied) if it
 * does not fit. */
MUST_CHECK int str_copy(char *dst, size_t size, const char *text);

/* Compares secrets of equal length in constant time. */
bool mem_equal_ct(const void *a, const void *b, size_t size);

#endif
