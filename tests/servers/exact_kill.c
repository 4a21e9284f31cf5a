/* Kills the process at the nth call that changes a file below a folder named "state".

   Preloaded; N stands in EXACT_KILL_CALL. So a commit is ended between any two of the
   calls it is made of, which no hook in Python can reach. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long done;
static long last;

__attribute__((constructor)) static void begin(void) {
    const char *told = getenv("EXACT_KILL_CALL");
    last = told ? atol(told) : 0;
    unsetenv("EXACT_KILL_CALL"); /* not for the commands that it starts */
    unsetenv("LD_PRELOAD");
}

static void count(const char *path) {
    if (last && strstr(path, "/state/") && atomic_fetch_add(&done, 1) + 1 == last)
        kill(getpid(), SIGKILL);
}

static void count_open(int descriptor) {
    char link[64], path[4096];
    if (!last)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = 0;
    count(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) { count_open(fd); return REAL(fsync)(fd); }
int fdatasync(int fd) { count_open(fd); return REAL(fdatasync)(fd); }
int ftruncate64(int fd, off64_t size) { count_open(fd); return REAL(ftruncate64)(fd, size); }
int unlink(const char *path) { count(path); return REAL(unlink)(path); }
int rename(const char *from, const char *to) { count(to); return REAL(rename)(from, to); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    count_open(fd);
    return REAL(pwrite64)(fd, data, size, at);
}
