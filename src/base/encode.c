#include "base/encode.h"

#include "base/err.h"

#include <stdbool.h>
#include <string.h>

static const char alphabet_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const uint8_t *p, size_t size, const char *alphabet, bool is_padded, char *dst)
{
    size_t i = 0;
    for (; i + 3 <= size; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *dst++ = alphabet[v >> shift & 63];
    }
    if (i < size) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < size ? (uint32_t)p[i + 1] << 8 : 0);
        *dst++ = alphabet[v >> 18 & 63];
        *dst++ = alphabet[v >> 12 & 63];
        if (i + 1 < size)
            *dst++ = alphabet[v >> 6 & 63];
        for (size_t missing = 3 - (size - i); is_padded && missing > 0; missing--)
            *dst++ = '=';
    }
    *dst = '\0';
}

void base64_encode(const void *data, size_t size, char *dst)
{
    encode(data, size, alphabet_std, true, dst);
}

void base64url_encode(const void *data, size_t size, char *dst)
{
    encode(data, size, alphabet_url, false, dst);
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

int base64_decode(const char *text, size_t length, uint8_t *dst, size_t dst_size)
{
    while (length > 0 && text[length - 1] == '=')
        length--;
    if (length % 4 == 1)
        return ERR_MALFORMED;
    if (length / 4 * 3 + (length % 4 * 3) / 4 > dst_size)
        return ERR_NO_SPACE;
    uint32_t bits = 0;
    int bit_count = 0;
    uint8_t *out = dst;
    for (size_t i = 0; i < length; i++) {
        int v = digit_value(text[i]);
        if (v < 0)
            return ERR_MALFORMED;
        bits = bits << 6 | (uint32_t)v;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *out++ = (uint8_t)(bits >> bit_count);
        }
    }
    return (int)(out - dst);
}

void hex_encode(const void *data, size_t size, char *dst)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++) {
        *dst++ = digits[p[i] >> 4];
        *dst++ = digits[p[i] & 15];
    }
    *dst = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_decode(const char *text, uint8_t *dst, size_t dst_size)
{
    size_t length = strlen(text);
    if (length % 2 != 0)
        return ERR_MALFORMED;
    if (length / 2 > dst_size)
        return ERR_NO_SPACE;
    for (size_t i = 0; i < length; i += 2) {
        int high = hex_value(text[i]);
        int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return ERR_MALFORMED;
        dst[i / 2] = (uint8_t)(high << 4 | low);
    }
    return (int)(length / 2);
}
