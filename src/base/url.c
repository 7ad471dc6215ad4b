#include "base/url.h"

#include "base/err.h"

#include <string.h>

#define NAME_SIZE 64 /* longer names match nothing that we ask for */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int url_decode(const char *text, size_t length, bool is_plus_space, char *dst, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '+' && is_plus_space) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text[i + 2]) : -1;
            if (low < 0)
                return ERR_MALFORMED;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return ERR_MALFORMED;
        if (n + 1 >= size)
            return ERR_NO_SPACE;
        dst[n++] = c;
    }
    if (size == 0)
        return ERR_NO_SPACE;
    dst[n] = '\0';
    return (int)n;
}

bool url_query_next(const char **cursor, struct url_pair *ret_pair)
{
    const char *at = *cursor;
    while (*at == '&')
        at++;
    if (*at == '\0')
        return false;
    size_t length = strcspn(at, "&");
    const char *equals = memchr(at, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - at) : length;
    ret_pair->name = at;
    ret_pair->name_length = name_length;
    ret_pair->value = equals != NULL ? equals + 1 : at + length;
    ret_pair->value_length = equals != NULL ? length - name_length - 1 : 0;
    *cursor = at + length;
    return true;
}

bool url_query_find(const char *query, const char *name, struct url_pair *ret_pair)
{
    struct url_pair pair;
    char decoded[NAME_SIZE];
    while (url_query_next(&query, &pair)) {
        if (url_decode(pair.name, pair.name_length, true, decoded, sizeof(decoded)) >= 0 &&
            strcmp(decoded, name) == 0) {
            *ret_pair = pair;
            return true;
        }
    }
    return false;
}

int url_query_get(const char *query, const char *name, char *dst, size_t size)
{
    struct url_pair pair;
    if (!url_query_find(query, name, &pair))
        return ERR_NOT_FOUND;
    return url_decode(pair.value, pair.value_length, true, dst, size);
}
