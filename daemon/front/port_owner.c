#include "front/port_owner.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_LISTEN_STATE 0x0a /* include/net/tcp_states.h of Linux */

/* The inode of the socket that listens on `port`, from a table like /proc/net/tcp; 0: none. */
static uint64_t listening_inode(const char *table, uint16_t port)
{
    FILE *file = fopen(table, "re");
    char line[512];
    uint64_t found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        unsigned local_port, state;
        uint64_t inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %" SCNu64,
                   &local_port, &state, &inode) == 3 &&
            local_port == port && state == TCP_LISTEN_STATE)
            found = inode;
    }
    if (file)
        (void)fclose(file);
    return found;
}

static bool process_has_socket(const char *pid, uint64_t inode)
{
    char path[320], wanted[64], target[64];
    (void)snprintf(wanted, sizeof wanted, "socket:[%" PRIu64 "]", inode);
    (void)snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *folder = opendir(path);
    bool found = false;
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        if (n > 0) {
            target[n] = '\0';
            found = strcmp(target, wanted) == 0;
        }
    }
    if (folder)
        (void)closedir(folder);
    return found;
}

static void describe(const char *pid, char *text, size_t size)
{
    char path[320], name[64] = "a process";
    (void)snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file) {
        if (fgets(name, sizeof name, file))
            name[strcspn(name, "\n")] = '\0';
        (void)fclose(file);
    }
    (void)snprintf(text, size, "%s (pid %s)", name, pid);
}

bool port_owner_describe(uint16_t port, char *text, size_t size)
{
    uint64_t inode = listening_inode("/proc/net/tcp", port);
    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    DIR *processes = inode ? opendir("/proc") : NULL;
    bool found = false;
    for (struct dirent *entry; processes && !found && (entry = readdir(processes));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !process_has_socket(entry->d_name, inode))
            continue;
        describe(entry->d_name, text, size);
        found = true;
    }
    if (processes)
        (void)closedir(processes);
    return found;
}
