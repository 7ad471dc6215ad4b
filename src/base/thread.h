#ifndef TK_BASE_THREAD_H
#define TK_BASE_THREAD_H

#include "base/attrs.h"

#include <pthread.h>

/* Starts a thread that `top -H`, perf and debuggers show under `name` (at most 15 characters, else
 * it is cut). 0 or a negative errno value: -EAGAIN. The caller joins it. */
MUST_CHECK int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *),
                            void *arg);

#endif
