#include "apps/girod/file_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "giro/sys.h"

enum { IDLE, RUNNING, DONE, FAILED };

struct giro_file_sync {
    int fd;
    pthread_t thread;
    atomic_int state;
    uint64_t mark;   /* of the one under way */
    uint64_t synced; /* the highest mark done */
};

struct giro_file_sync *giro_file_sync_open(const char *dir)
{
    struct giro_file_sync *sync = calloc(1, sizeof(*sync));
    if (sync == NULL)
        return NULL;
    sync->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sync->fd >= 0)
        return sync;
    free(sync);
    return NULL;
}

static void *run(void *context)
{
    struct giro_file_sync *sync = context;
    int result;
    giro_cpus_here(GIRO_CPUS_STORE);
    do
        result = syncfs(sync->fd);
    while (result != 0 && errno == EINTR);
    atomic_store(&sync->state, result == 0 ? DONE : FAILED);
    return NULL;
}

static void finish(struct giro_file_sync *sync, enum giro_err *err)
{
    pthread_join(sync->thread, NULL);
    if (atomic_load(&sync->state) == FAILED)
        *err = GIRO_ERR_IO;
    else
        sync->synced = sync->mark;
    atomic_store(&sync->state, IDLE);
}

bool giro_file_sync_done(struct giro_file_sync *sync, uint64_t mark, enum giro_err *err)
{
    if (mark <= sync->synced)
        return true;
    int state = atomic_load(&sync->state);
    if (state == DONE || state == FAILED)
        finish(sync, err);
    if (mark <= sync->synced || *err != GIRO_ERR_OK)
        return *err == GIRO_ERR_OK;
    if (atomic_load(&sync->state) == RUNNING)
        return false;
    sync->mark = mark;
    atomic_store(&sync->state, RUNNING);
    if (pthread_create(&sync->thread, NULL, run, sync) != 0) {
        atomic_store(&sync->state, IDLE);
        *err = GIRO_ERR_NOMEM;
    }
    return false;
}

void giro_file_sync_close(struct giro_file_sync *sync)
{
    if (atomic_load(&sync->state) != IDLE)
        pthread_join(sync->thread, NULL);
    close(sync->fd);
    free(sync);
}
