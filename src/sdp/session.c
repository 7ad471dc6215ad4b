#include "base/err.h"
#include "sdp/sdp.h"
#include "sdp/sdp_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 8192

/* Text that lives as long as its description: a chain of chunks, the newest first. */
struct sdp_chunk {
    struct sdp_chunk *next;
    char text[];
};

struct sdp_arena {
    struct sdp_chunk *chunks;
    size_t used; /* of the newest chunk */
    size_t size; /* of the newest chunk */
    size_t total;
};

static char *arena_take(struct sdp_arena *a, size_t size, int *ret_err)
{
    if (size > a->size - a->used) {
        size_t chunk_size = TK_MAX(size, (size_t)CHUNK_SIZE);
        if (a->total + chunk_size > SDP_ARENA_MAX) {
            *ret_err = ERR_LIMIT;
            return NULL;
        }
        struct sdp_chunk *chunk = malloc(sizeof(*chunk) + chunk_size);
        if (chunk == NULL) {
            *ret_err = -ENOMEM;
            return NULL;
        }
        chunk->next = a->chunks;
        a->chunks = chunk;
        a->used = 0;
        a->size = chunk_size;
        a->total += chunk_size;
    }
    char *p = a->chunks->text + a->used;
    a->used += size;
    return p;
}

static int grow_sections(struct sdp_session *s)
{
    if (s->section_count < s->section_capacity)
        return 0;
    if (s->section_count >= SDP_SECTIONS_MAX)
        return ERR_LIMIT;
    size_t capacity = s->section_capacity == 0 ? 8 : s->section_capacity * 2;
    struct sdp_section *sections = realloc(s->sections, capacity * sizeof(*sections));
    if (sections == NULL)
        return -ENOMEM;
    s->sections = sections;
    s->section_capacity = capacity;
    return 0;
}

int sdp_create(struct sdp_session **ret_session)
{
    struct sdp_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->arena = calloc(1, sizeof(*s->arena));
    if (s->arena == NULL) {
        free(s);
        return -ENOMEM;
    }
    *ret_session = s;
    return 0;
}

void sdp_destroy(struct sdp_session *s)
{
    if (s == NULL)
        return;
    for (struct sdp_chunk *c = s->arena->chunks; c != NULL;) {
        struct sdp_chunk *next = c->next;
        free(c);
        c = next;
    }
    free(s->arena);
    free(s->sections);
    free(s);
}

int sdp_add_section(struct sdp_session *s, struct sdp_section **ret_section)
{
    int err = grow_sections(s);
    if (err < 0)
        return err;
    struct sdp_section *section = &s->sections[s->section_count++];
    memset(section, 0, sizeof(*section));
    section->media = "";
    section->proto = "";
    section->formats = "";
    section->stream_id = "";
    section->track_id = "";
    *ret_section = section;
    return 0;
}

const char *sdp_strdup(struct sdp_session *s, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size == 1)
        return "";
    char *copy = arena_take(s->arena, size, &s->err);
    if (copy == NULL)
        return "";
    memcpy(copy, text, size);
    return copy;
}

const struct sdp_section *sdp_find_mid(const struct sdp_session *s, const char *mid)
{
    for (size_t i = 0; i < s->section_count; i++)
        if (strcmp(s->sections[i].mid, mid) == 0)
            return &s->sections[i];
    return NULL;
}
