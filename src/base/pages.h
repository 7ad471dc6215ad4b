#ifndef TK_BASE_PAGES_H
#define TK_BASE_PAGES_H

/*
 * Memory that a long-lived buffer does not need for now goes back to the system; the buffer stays
 * where it is, its content is lost, and pages come again with the first use.
 */

#include <stddef.h>

/* The whole pages within `data`; a wish that the system may not grant. */
void pages_give_back(void *data, size_t size);

#endif
