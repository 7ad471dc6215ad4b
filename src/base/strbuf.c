#include "base/strbuf.h"

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_init(struct strbuf *b, size_t size_max)
{
    memset(b, 0, sizeof(*b));
    b->size_max = size_max;
}

void strbuf_fini(struct strbuf *b)
{
    free(b->data);
    memset(b, 0, sizeof(*b));
}

static bool make_room(struct strbuf *b, size_t extra)
{
    if (b->err != 0)
        return false;
    if (extra > b->size_max - b->size) {
        b->err = ERR_LIMIT;
        return false;
    }
    size_t need = b->size + extra + 1;
    if (need <= b->capacity)
        return true;
    size_t capacity = TK_MAX(need, b->capacity * 2);
    char *data = realloc(b->data, capacity);
    if (data == NULL) {
        b->err = -ENOMEM;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void strbuf_append(struct strbuf *b, const void *data, size_t size)
{
    if (!make_room(b, size))
        return;
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void strbuf_puts(struct strbuf *b, const char *text)
{
    strbuf_append(b, text, strlen(text));
}

void strbuf_printf(struct strbuf *b, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, form, args);
    va_end(args);
    if (n >= 0 && make_room(b, (size_t)n)) {
        vsnprintf(b->data + b->size, (size_t)n + 1, form, again);
        b->size += (size_t)n;
    }
    va_end(again);
}

const char *strbuf_text(const struct strbuf *b)
{
    return b->data != NULL ? b->data : "";
}

char *strbuf_take(struct strbuf *b)
{
    if (b->err != 0)
        return NULL;
    if (b->data == NULL)
        strbuf_append(b, "", 0);
    char *data = b->data;
    b->data = NULL;
    b->size = 0;
    b->capacity = 0;
    return data;
}

int str_copy(char *dst, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length >= size)
        return ERR_NO_SPACE;
    memcpy(dst, text, length + 1);
    return 0;
}

bool mem_equal_ct(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *pa = a;
    const volatile uint8_t *pb = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < size; i++)
        diff |= (uint8_t)(pa[i] ^ pb[i]);
    return diff == 0;
}
