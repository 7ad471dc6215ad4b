/* Runs a fuzz body over every file of a corpus folder; fails when the folder is missing or empty.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int TK_FUZZ_BODY(const uint8_t *data, size_t size);

static int replay_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return -1;
    static uint8_t data[1 << 20];
    size_t size = fread(data, 1, sizeof(data), f);
    fclose(f);
    uint8_t *exact = malloc(size > 0 ? size : 1); /* exact size, so that ASan sees an overread */
    if (exact == NULL)
        return -1;
    for (size_t i = 0; i < size; i++)
        exact[i] = data[i];
    TK_FUZZ_BODY(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        fprintf(stderr, "replay: cannot open the corpus folder\n");
        return 1;
    }
    int count = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.' && replay_file(argv[1], e->d_name) == 0)
            count++;
    closedir(dir);
    printf("replayed %d inputs\n", count);
    return count > 0 ? 0 : 1;
}
