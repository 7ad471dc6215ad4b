#ifndef TK_BASE_LIST_H
#define TK_BASE_LIST_H

/*
 * An intrusive doubly linked ring. A `struct list` is both head and link; an item embeds one and is
 * recovered with CONTAINER_OF. Nothing is allocated; the owner of the items owns their memory.
 */

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_push_back(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void list_push_front(struct list *head, struct list *item)
{
    list_push_back(head->next, item);
}

/* Takes the item out and leaves it as an empty ring, so that removing twice is harmless. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

static inline struct list *list_pop_front(struct list *head)
{
    if (list_is_empty(head))
        return NULL;
    struct list *item = head->next;
    list_remove(item);
    return item;
}

/* Walks the ring; the current item may be removed inside the loop. */
#define LIST_FOR_EACH(it, head)                                               \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

#endif
