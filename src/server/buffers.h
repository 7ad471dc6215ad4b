#ifndef TK_SERVER_BUFFERS_H
#define TK_SERVER_BUFFERS_H

/*
 * What `tongke doctor` says of the buffers of a media socket (net/udp.h): the kernel gives as much
 * as was asked for, or as much as a sysctl allows, without a word.
 */

#include <stdbool.h>
#include <stddef.h>

#define BUFFERS_TEXT_SIZE 256

/* True if `granted` bytes are what the socket asked for. The text tells which, and otherwise what
 * that costs and the command that changes it; `sysctl` is the name of the limit. */
bool buffers_describe(const char *sysctl, size_t granted, char ret_text[BUFFERS_TEXT_SIZE]);

#endif
