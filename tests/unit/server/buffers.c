/*
 * Goal: whoever runs `tongke doctor` on a machine with small socket buffers reads which limit it
 * is, what there is, what is needed, and the command; and the file that is installed sets as much.
 * Method: buffers as Debian gives them, and as wanted; a socket of our own; the file itself.
 */
#include "server/buffers.h"

#include "unit/cmocka_all.h"

#include "net/udp.h"

#include <stdio.h>
#include <string.h>

static void names_what_is_missing(void **state)
{
    (void)state;
    char text[BUFFERS_TEXT_SIZE];
    assert_false(buffers_describe("net.core.wmem_max", 212992, text));
    assert_string_equal(text, "net.core.wmem_max: media sockets get 212992 bytes, they need "
                              "4194304: large rooms lose packets in bursts; sysctl -w "
                              "net.core.wmem_max=4194304, for good 90-tongke.conf in "
                              "/etc/sysctl.d/");
    assert_false(buffers_describe("net.core.rmem_max", UDP_SOCKET_BUFFER - 1, text));
    assert_true(buffers_describe("net.core.rmem_max", UDP_SOCKET_BUFFER, text));
    assert_string_equal(text,
                        "net.core.rmem_max: media sockets get the 4194304 bytes they ask for");
}

/* The kernel's own limit; false where it is not told, as in a container. */
static bool read_limit(const char *path, size_t *ret_limit)
{
    FILE *f = fopen(path, "r");
    bool is_read = f != NULL && fscanf(f, "%zu", ret_limit) == 1;
    if (f != NULL)
        fclose(f);
    return is_read;
}

static void expect_granted(size_t granted, const char *path)
{
    size_t limit;
    if (read_limit(path, &limit))
        assert_int_equal(granted, limit < UDP_SOCKET_BUFFER ? limit : UDP_SOCKET_BUFFER);
    assert_in_range(granted, 1, UDP_SOCKET_BUFFER);
}

static void sockets_tell_what_they_got(void **state)
{
    (void)state;
    const struct addr any = {0};
    struct udp_socket *s;
    size_t in, out;
    assert_int_equal(udp_open(&any, 0, &s), 0);
    assert_true(udp_buffers(s, &in, &out));
    expect_granted(in, "/proc/sys/net/core/rmem_max");
    expect_granted(out, "/proc/sys/net/core/wmem_max");
    udp_close(s);
}

static void the_file_sets_as_much(void **state)
{
    (void)state;
    char line[256], name[64];
    size_t value;
    int count = 0;
    FILE *f = fopen(SYSCTL_FILE, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "net.core.%63[a-z_] = %zu", name, &value) != 2)
            continue;
        assert_true(strcmp(name, "rmem_max") == 0 || strcmp(name, "wmem_max") == 0);
        assert_int_equal(value, UDP_SOCKET_BUFFER);
        count++;
    }
    fclose(f);
    assert_int_equal(count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_is_missing),
        cmocka_unit_test(sockets_tell_what_they_got),
        cmocka_unit_test(the_file_sets_as_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
