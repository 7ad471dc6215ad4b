#ifndef TK_BASE_ENCODE_H
#define TK_BASE_ENCODE_H

/* Hexadecimal and base64 (RFC 4648, both alphabets). */

#include "base/attrs.h"

#include <stddef.h>
#include <stdint.h>

/* Characters that base64_encode() writes for `size` bytes, with padding, without the zero. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/* Writes padded standard base64 and a zero byte; `dst` holds BASE64_SIZE(size) + 1. */
void base64_encode(const void *data, size_t size, char *dst);

/* Writes unpadded base64url and a zero byte; `dst` holds BASE64_SIZE(size) + 1. */
void base64url_encode(const void *data, size_t size, char *dst);

/*
 * Decodes `length` characters of either alphabet, padded or not, into `dst` of `dst_size` bytes.
 * Returns the number of bytes; ERR_MALFORMED, ERR_NO_SPACE.
 */
MUST_CHECK int base64_decode(const char *text, size_t length, uint8_t *dst, size_t dst_size);

/* Writes lower-case hex and a zero byte; `dst` holds 2 * size + 1. */
void hex_encode(const void *data, size_t size, char *dst);

/* Decodes an even number of hex digits. Returns the number of bytes; ERR_MALFORMED, ERR_NO_SPACE.
 */
MUST_CHECK int hex_decode(const char *text, uint8_t *dst, size_t dst_size);

#endif
