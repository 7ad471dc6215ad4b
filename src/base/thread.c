#include "base/thread.h"

#include <stdio.h>

#define NAME_SIZE 16 /* with the final zero; the kernel's limit */

int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg)
{
    int err = pthread_create(ret_thread, NULL, run, arg);
    if (err != 0)
        return -err;
    char cut[NAME_SIZE];
    snprintf(cut, sizeof(cut), "%s", name);
    IGNORE(pthread_setname_np(*ret_thread, cut)); /* only a matter of reading */
    return 0;
}
