#include "base/strbuf.h"
#include "http/lesson_internal.h"

#include <string.h>

/* The body of POST /lessons. */

#define LESSON_ID_MAX 64
#define BODY_SIZE_MAX (16u << 10)

static bool is_id(const char *text)
{
    size_t length = strlen(text);
    return length >= 1 && length <= LESSON_ID_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
               length;
}

const char *lesson__new_read(const char *body, size_t size, struct lesson_new *ret_new)
{
    const char *id = NULL, *title = NULL, *kind = "class";
    json_t *o = size <= BODY_SIZE_MAX ? json_loadb(body, size, 0, NULL) : NULL;
    const char *problem = NULL;
    *ret_new = (struct lesson_new){0};
    if (!json_is_object(o) ||
        json_unpack(o, "{s?s, s:s, s?s}", "id", &id, "title", &title, "kind", &kind) != 0)
        problem = "the body is a JSON object with title, and id and kind if wanted, as texts";
    else if (id != NULL && (!is_id(id) || str_copy(ret_new->id, sizeof(ret_new->id), id) < 0))
        problem = "id has 1 to 64 letters, digits, '_' or '-'";
    else if (title[0] == '\0' || str_copy(ret_new->title, sizeof(ret_new->title), title) < 0)
        problem = "title has 1 to 256 bytes";
    else if ((ret_new->kind = lesson_kind_of(kind)) == LESSON_KIND_COUNT_)
        problem = "kind is class, seminar, lecture or consultation";
    json_decref(o);
    return problem;
}
