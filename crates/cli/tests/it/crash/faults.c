/* Stands between a program under test and the C library (LD_PRELOAD), so that the program itself holds
 * nothing for tests. It looks at files whose path contains FAULTS_WITHIN.
 *
 * FAULTS_DIE_AT=k    SIGKILL at the k-th moment, from 1. A change of such a file has two: before its
 *                    first byte is written, and once it is safe, which is when it was synced, or when
 *                    the file got its name by a hard link.
 * FAULTS_EACH=1      Each write is a moment.
 * FAULTS_ROOM=n      After n bytes the disk is full.
 * FAULTS_READ_ONLY=1 The disk can only be read.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *within;
static long die_at, room = -1;
static int each, read_only;
static _Atomic long moments, written;
static _Atomic int changing;

__attribute__((constructor)) static void begin(void) {
    const char *text;
    within = getenv("FAULTS_WITHIN");
    if ((text = getenv("FAULTS_DIE_AT")))
        die_at = atol(text);
    if ((text = getenv("FAULTS_ROOM")))
        room = atol(text);
    each = getenv("FAULTS_EACH") != NULL;
    read_only = getenv("FAULTS_READ_ONLY") != NULL;
}

static void moment(void) {
    if (++moments == die_at) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
}

static int is_meant(int fd) {
    char link[64], path[PATH_MAX];
    struct stat about;
    if (!within || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, within) != NULL;
}

/* Says whether there is room for some more bytes. */
static int before_write(int fd, size_t bytes) {
    if (!is_meant(fd))
        return 1;
    if (!atomic_exchange(&changing, 1) || each)
        moment();
    if (room >= 0 && atomic_fetch_add(&written, (long)bytes) + (long)bytes > room) {
        errno = ENOSPC;
        return 0;
    }
    return 1;
}

static void safe(void) {
    changing = 0;
    moment();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t count) {
    return before_write(fd, count) ? REAL(write)(fd, bytes, count) : -1;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    return before_write(fd, bytes) ? REAL(writev)(fd, parts, count) : -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return before_write(fd, count) ? REAL(pwrite)(fd, bytes, count, at) : -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    return before_write(fd, count) ? REAL(pwrite64)(fd, bytes, count, at) : -1;
}

#define MODE(flags)                                                                                \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }

/* Says whether a file may be opened so. */
static int before_open(const char *path, int flags) {
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    if (!read_only || !writes || !within || !strstr(path, within))
        return 1;
    errno = EROFS;
    return 0;
}

int open(const char *path, int flags, ...) {
    MODE(flags)
    return before_open(path, flags) ? REAL(open)(path, flags, mode) : -1;
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return before_open(path, flags) ? REAL(open64)(path, flags, mode) : -1;
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return before_open(path, flags) ? REAL(openat)(folder, path, flags, mode) : -1;
}

int fsync(int fd) {
    int result = REAL(fsync)(fd);
    if (result == 0 && is_meant(fd))
        safe();
    return result;
}

int fdatasync(int fd) {
    int result = REAL(fdatasync)(fd);
    if (result == 0 && is_meant(fd))
        safe();
    return result;
}

int linkat(int from, const char *old, int to, const char *name, int flags) {
    int result = REAL(linkat)(from, old, to, name, flags);
    if (result == 0 && within && strstr(name, within))
        safe();
    return result;
}

int link(const char *old, const char *name) {
    int result = REAL(link)(old, name);
    if (result == 0 && within && strstr(name, within))
        safe();
    return result;
}
