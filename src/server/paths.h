#ifndef TK_SERVER_PATHS_H
#define TK_SERVER_PATHS_H

/* Folders: the data folder and the web app. */

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATHS_FREE_BYTES_MIN (64ull << 20)

/* Makes the folder and its parents, mode 0750, and checks that it is writable. Negative errno. */
MUST_CHECK int paths_make_folder(const char *path);

/* Bytes that can still be written in the folder's file system; 0 if it cannot be asked. */
uint64_t paths_free_bytes(const char *path);

/*
 * The folder of the web app: `configured` if not empty, else web/dist of the checkout the program
 * was built in, else ../share/tongke/web beside the installed program. False if there is none.
 */
bool paths_find_web_root(const char *configured, char *ret_path, size_t size);

/* The same for the recorded encoder output of `tongke load`; `configured` may be NULL. */
bool paths_find_load_data(const char *configured, char *ret_path, size_t size);

#endif
