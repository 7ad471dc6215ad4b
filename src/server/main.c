#include "base/version.h"
#include "server/commands.h"

#include <stdio.h>
#include <string.h>

/* The subcommands of the one program. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
} commands[] = {
    {"serve", cmd_serve, "run the server"},
    {"publish", cmd_publish, "send a media file or stream into a room"},
    {"token", cmd_token, "sign an access token"},
    {"load", cmd_load, "drive a server as many participants, and measure"},
    {"doctor", cmd_doctor, "check this machine: ports, disk, network, web app"},
};

static void print_help(FILE *out)
{
    fprintf(out,
            "tongke %s - a 1+N remote interactive classroom\n\n"
            "usage: tongke COMMAND [options]; tongke COMMAND --help\n\n",
            TONGKE_VERSION);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].text);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0) {
        printf("tongke %s\n", TONGKE_VERSION);
        return 0;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (name[0] != '\0')
        fprintf(stderr, "tongke: unknown command: %s\n\n", name);
    print_help(stderr);
    return 2;
}
