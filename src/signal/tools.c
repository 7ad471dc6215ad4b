/* The module's small tools: message arena, shared frames, growing bit sets. */

#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 4096

struct signal_arena_chunk {
    struct signal_arena_chunk *next;
    size_t size, used;
    _Alignas(16) uint8_t data[];
};

void *signal__arena_alloc(struct signal_arena *a, size_t size)
{
    size = (TK_MAX(size, (size_t)1) + 15) & ~(size_t)15;
    struct signal_arena_chunk *chunk = a->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t room = TK_MAX(size, (size_t)CHUNK_SIZE);
        chunk = calloc(1, sizeof(*chunk) + room);
        if (chunk == NULL)
            return NULL;
        chunk->size = room;
        chunk->next = a->chunks;
        a->chunks = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    return p;
}

void signal__arena_fini(struct signal_arena *a)
{
    while (a->chunks != NULL) {
        struct signal_arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
}

struct signal_frame *signal__frame_alloc(size_t size)
{
    struct signal_frame *f = malloc(sizeof(*f) + size);
    if (f == NULL)
        return NULL;
    f->refs = 1;
    f->size = size;
    return f;
}

struct signal_frame *signal__frame_pack(const Livekit__SignalResponse *response)
{
    struct signal_frame *f =
        signal__frame_alloc(livekit__signal_response__get_packed_size(response));
    if (f != NULL)
        livekit__signal_response__pack(response, f->data);
    return f;
}

void signal__frame_unref(struct signal_frame *f)
{
    if (f != NULL && --f->refs == 0)
        free(f);
}

bool signal__bits_has(const struct signal_bits *b, uint32_t index)
{
    return index / 64 < b->word_count && (b->words[index / 64] >> (index % 64) & 1) != 0;
}

int signal__bits_add(struct signal_bits *b, uint32_t index)
{
    if (index / 64 >= b->word_count) {
        size_t count = index / 64 + 1;
        uint64_t *words = realloc(b->words, count * sizeof(*words));
        if (words == NULL)
            return -ENOMEM;
        memset(words + b->word_count, 0, (count - b->word_count) * sizeof(*words));
        b->words = words;
        b->word_count = count;
    }
    b->words[index / 64] |= UINT64_C(1) << (index % 64);
    return 0;
}

void signal__bits_remove(struct signal_bits *b, uint32_t index)
{
    if (index / 64 < b->word_count)
        b->words[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

void signal__bits_fini(struct signal_bits *b)
{
    free(b->words);
    *b = (struct signal_bits){0};
}
