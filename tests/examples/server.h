/*
 * server: a program that serves TCP, as a test starts, stops and talks to it. What goes wrong fails the test.
 */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { OUTPUT_MAX = 16384, WAIT_MS = 20000 };

struct server {
    pid_t pid;
    int output; /* its stdout and stderr */
    char text[OUTPUT_MAX];
    size_t size;
    uint16_t port;
};

/* The first two CPUs this process may use as "0,1", or the only one twice. */
const char *two_cpus(void);

/* Limits of the next server; 0: as here. */
extern rlim_t soft_descriptors;
extern rlim_t hard_descriptors;

/* Starts the program that the environment names, with arguments that end with NULL. */
void start_with(struct server *server, const char *program_variable, char *const *arguments);

/* Reads until it says "ready on port P". */
void wait_ready(struct server *server);

/* Reads more of what the server prints. False at its end. */
bool read_output(struct server *server);

/* Waits for the end of the server, with all it has to say. Returns its status. */
int wait_end(struct server *server);

/* Ends it by SIGTERM, which must go well. */
void stop(struct server *server);

/* Connects a socket, or a new one, which it returns. */
void connect_fd(const struct server *server, int fd);
int connect_to(const struct server *server);

/* The same where nobody may listen: -1 then. */
int try_connect(const struct server *server);

void say_bytes(int fd, const void *data, size_t size);
void say(int fd, const char *text);

/* Receives up to `size` bytes. 0 at the end of the connection. */
size_t hear_some(int fd, void *data, size_t size);

/* Receives this text, and nothing else. */
void hear(int fd, const char *wanted);

/* Receives the end of the connection. */
void hear_end(int fd);

void ask(int fd, const char *command, const char *wanted);

#endif
