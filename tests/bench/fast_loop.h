#pragma once

/*
 * FastLoop: epoll and nothing else; timeouts in nanoseconds. One thread.
 */

#include <stddef.h>
#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)

typedef struct Watch Watch;
struct Watch {
    void (*ready)(Watch *watch, uint32_t events); /* EPOLLIN, EPOLLOUT, …; may free the watch */
};

typedef struct FastLoop {
    int epoll;
} FastLoop;

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

uint64_t now_ns(void);
/* Prints it to standard error and ends the program. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

void fast_loop_init(FastLoop *loop);
/* Begins or changes what is watched for. */
void fast_loop_add(FastLoop *loop, int fd, Watch *watch, uint32_t events);
void fast_loop_change(FastLoop *loop, int fd, Watch *watch, uint32_t events);
/* Waits until something is ready or `until_ns` of now_ns() is there (UINT64_MAX: for ever), and handles it.
 */
void fast_loop_turn(FastLoop *loop, uint64_t until_ns);

/* 127.0.0.1:PORT or HOST:PORT with a numeric host. The socket does not block. */
int listen_at(const char *address);
int connect_to(const char *address);
/* As many open files as the system allows. */
void raise_file_limit(void);
