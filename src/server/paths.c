#include "server/paths.h"

#include "base/err.h"
#include "base/strbuf.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int paths_make_folder(const char *path)
{
    char part[PATH_MAX];
    if (str_copy(part, sizeof(part), path) < 0)
        return -ENAMETOOLONG;
    for (char *at = part + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(part, 0750) < 0 && errno != EEXIST)
            return -errno;
        *at = '/';
    }
    if (mkdir(part, 0750) < 0 && errno != EEXIST)
        return -errno;
    return access(path, W_OK | X_OK) < 0 ? -errno : 0;
}

uint64_t paths_free_bytes(const char *path)
{
    struct statvfs fs;
    if (statvfs(path, &fs) < 0)
        return 0;
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static bool has_file(const char *folder, const char *name)
{
    char file[PATH_MAX];
    int n = snprintf(file, sizeof(file), "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof(file) && access(file, R_OK) == 0;
}

/* `configured`, or the first of two places relative to the program that holds the file `name`. */
static bool find_folder(const char *configured, const char *name, const char *const places[2],
                        char *ret_path, size_t size)
{
    if (configured[0] != '\0')
        return str_copy(ret_path, size, configured) == 0 && has_file(ret_path, name);
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length <= 0)
        return false;
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < 2; i++) {
        char place[PATH_MAX];
        snprintf(place, sizeof(place), "%.3800s/%s", self, places[i]);
        if (has_file(place, name) && str_copy(ret_path, size, place) == 0)
            return true;
    }
    return false;
}

bool paths_find_web_root(const char *configured, char *ret_path, size_t size)
{
    static const char *const places[2] = {"../../web/dist", "../share/tongke/web"};
    return find_folder(configured, "index.html", places, ret_path, size);
}

bool paths_find_load_data(const char *configured, char *ret_path, size_t size)
{
    static const char *const places[2] = {"../../bench/data", "../share/tongke/load"};
    return find_folder(configured != NULL ? configured : "", "opus.clip", places, ret_path, size);
}
