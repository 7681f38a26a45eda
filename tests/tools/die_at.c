/* A library to preload: the process is killed just before its N-th step that the outside can see (N = GIRO_DIE_AT): a file made,
 * renamed, removed or synced, or a datagram sent. What a power switch does, at every boundary in turn. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void step(void)
{
    static long count, at = -1;
    if (at < 0) {
        const char *text = getenv("GIRO_DIE_AT");
        at = text == NULL ? 0 : strtol(text, NULL, 10);
    }
    if (++count == at)
        kill(getpid(), SIGKILL);
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

int rename(const char *from, const char *to)
{
    step();
    return REAL("rename", int (*)(const char *, const char *))(from, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
    step();
    return REAL("renameat2", int (*)(int, const char *, int, const char *, unsigned int))(
        from_dir, from, to_dir, to, flags);
}

int unlink(const char *path)
{
    step();
    return REAL("unlink", int (*)(const char *))(path);
}

int fsync(int fd)
{
    step();
    return REAL("fsync", int (*)(int))(fd);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    if ((flags & O_CREAT) != 0)
        step();
    return REAL("open", int (*)(const char *, int, ...))(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    if (mode[0] != 'r')
        step();
    return REAL("fopen", FILE * (*)(const char *, const char *))(path, mode);
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size)
{
    step();
    return REAL("sendto", ssize_t(*)(int, const void *, size_t, int, const struct sockaddr *,
                                     socklen_t))(fd, bytes, size, flags, to, to_size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    step();
    return REAL("sendmsg", ssize_t(*)(int, const struct msghdr *, int))(fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    step();
    return REAL("sendmmsg", int (*)(int, struct mmsghdr *, unsigned int, int))(fd, messages, count,
                                                                               flags);
}
