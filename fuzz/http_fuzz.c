/* fuzz: http base */
/*
 * What a stranger's HTTP request reaches in our own code, behind libwebsockets: the first byte
 * chooses between the body of POST /lessons, a query, and a path against the patterns of routes.
 */
#include "fuzz.h"

#include "base/attrs.h"
#include "http/http_internal.h"
#include "http/lesson_internal.h"

#include <stdlib.h>
#include <string.h>

TK_FUZZ_DECLARE(http);

static void body(const uint8_t *data, size_t size)
{
    struct lesson_new n;
    if (lesson__new_read((const char *)data, size, &n) != NULL)
        return;
    CHECK(n.title[0] != '\0' && n.kind < LESSON_KIND_COUNT_);
    CHECK(strspn(n.id, "/.\\") == 0); /* it becomes part of paths and links */
}

static void query(const char *text)
{
    static const char *const names[] = {"after", "limit", "access_token", "a", ""};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char value[32];
        memset(value, 'x', sizeof(value));
        if (http_query_get(text, names[i], value, sizeof(value)) == 0)
            CHECK(memchr(value, '\0', sizeof(value)) != NULL);
    }
}

static void path(const char *text)
{
    static const char *const patterns[] = {"/", "/api/v1/lessons/{id}/log", "/{a}/{b}", "/rtc/v1"};
    for (size_t i = 0; i < ARRAY_COUNT(patterns); i++) {
        char copy[HTTP_PATH_MAX];
        const char *params[HTTP_PARAMS_MAX] = {NULL};
        if (strlen(text) >= sizeof(copy))
            return;
        memcpy(copy, text, strlen(text) + 1);
        CHECK(http__pattern_is_valid(patterns[i]));
        if (!http__match(patterns[i], copy, params))
            continue;
        for (size_t k = 0; k < HTTP_PARAMS_MAX && params[k] != NULL; k++)
            CHECK(strchr(params[k], '/') == NULL && strlen(params[k]) > 0);
    }
}

int tk_fuzz_http(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = calloc(1, size);
    CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        body(data + 1, size - 1);
        break;
    case 1:
        query(text);
        break;
    default:
        path(text);
    }
    free(text);
    return 0;
}
