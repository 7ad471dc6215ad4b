#ifndef TK_BASE_URL_H
#define TK_BASE_URL_H

/* Query strings (RFC 3986, 2.1 and 3.4; '+' stands for a space, as forms and browsers write it). */

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>

/* Decodes `length` characters into `dst`, always terminated on success; `dst` may be `text`.
 * Returns the number of bytes. ERR_MALFORMED (bad escape, or a zero byte), ERR_NO_SPACE. */
MUST_CHECK int url_decode(const char *text, size_t length, bool is_plus_space, char *dst,
                          size_t size);

/* One "name=value" of a query, still encoded. */
struct url_pair {
    const char *name, *value;
    size_t name_length, value_length;
};

/* Steps through a query: start with *cursor = query; false at the end. */
bool url_query_next(const char **cursor, struct url_pair *ret_pair);

/* Finds the first pair whose decoded name is `name`; false if there is none. */
bool url_query_find(const char *query, const char *name, struct url_pair *ret_pair);

/* Copies the decoded value of a parameter. Returns its length; ERR_NOT_FOUND, ERR_MALFORMED,
 * ERR_NO_SPACE. */
MUST_CHECK int url_query_get(const char *query, const char *name, char *dst, size_t size);

#endif
