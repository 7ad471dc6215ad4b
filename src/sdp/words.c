#include "sdp/sdp_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int sdp__fail(struct sdp_error *error, unsigned line, int code, const char *form, ...)
{
    if (error != NULL) {
        va_list args;
        va_start(args, form);
        error->line = line;
        vsnprintf(error->text, sizeof(error->text), form, args);
        va_end(args);
    }
    return code;
}

char *sdp__word(char **at, const char *separators)
{
    char *p = *at + strspn(*at, separators);
    if (*p == '\0')
        return NULL;
    char *word = p;
    p += strcspn(p, separators);
    if (*p != '\0')
        *p++ = '\0';
    *at = p;
    return word;
}

bool sdp__number(const char *word, uint64_t max, uint64_t *ret_value)
{
    if (word == NULL || *word == '\0')
        return false;
    uint64_t value = 0;
    for (const char *p = word; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *ret_value = value;
    return true;
}

bool sdp_fmtp_get(const char *fmtp, const char *key, char *ret_value, size_t size)
{
    size_t key_length = strlen(key);
    for (const char *p = fmtp; *p != '\0';) {
        p += strspn(p, "; \t");
        size_t length = strcspn(p, ";");
        if (length > key_length && strncasecmp(p, key, key_length) == 0 && p[key_length] == '=') {
            int value_length = (int)(length - key_length - 1);
            snprintf(ret_value, size, "%.*s", value_length, p + key_length + 1);
            return true;
        }
        p += length;
    }
    return false;
}
