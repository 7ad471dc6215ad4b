#ifndef TK_SERVER_COMMANDS_H
#define TK_SERVER_COMMANDS_H

/*
 * The entry of every subcommand. argv[0] is the subcommand's name. Returns the exit code: 0
 * success, 1 failure, 2 wrong usage or configuration.
 */

int cmd_serve(int argc, char **argv);
int cmd_publish(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

#endif
