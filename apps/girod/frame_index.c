#include "apps/girod/frame_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FILES    64u  /* kept open, by channel's hash */
#define RUN_MAX       256u /* neighbours written at once */
#define SEQUENCES_MAX (UINT64_C(1) << 36)

struct open_file {
    int fd; /* -1: none */
    uint16_t member, channel;
};
struct giro_frame_index {
    char dir[640], final_dir[640]; /* while fresh, dir is another */
    const struct giro_genesis *genesis;
    uint16_t self;
    bool fresh;
    struct open_file files[OPEN_FILES];
    uint16_t member, channel; /* of the run */
    uint64_t first;
    uint32_t run_count;
    struct giro_frame_place run[RUN_MAX];
};

enum giro_err giro_frame_index_open(const char *dir, const struct giro_genesis *genesis,
                                    uint32_t self, struct giro_frame_index **index_out,
                                    struct giro_diagnosis *diagnosis)
{
    struct giro_frame_index *index = calloc(1, sizeof(*index));
    if (index == NULL)
        return GIRO_ERR_NOMEM;
    snprintf(index->dir, sizeof(index->dir), "%s/frames", dir);
    memcpy(index->final_dir, index->dir, sizeof(index->final_dir));
    index->genesis = genesis;
    index->self = (uint16_t)self;
    for (uint32_t i = 0; i < OPEN_FILES; i++)
        index->files[i].fd = -1;
    index->fresh = access(index->dir, F_OK) != 0;
    if (index->fresh) /* what an earlier start began there is written over: the same places */
        snprintf(index->dir, sizeof(index->dir), "%s/frames.new", dir);
    if (index->fresh && mkdir(index->dir, 0700) != 0 && errno != EEXIST) {
        giro_diagnosis_set(diagnosis, strerror(errno), giro_err_advice(GIRO_ERR_IO),
                           "\"%s\" cannot be made", index->dir);
        free(index);
        return GIRO_ERR_IO;
    }
    *index_out = index;
    return GIRO_ERR_OK;
}

enum giro_err giro_frame_index_whole(struct giro_frame_index *index)
{
    if (!index->fresh)
        return GIRO_ERR_OK;
    int fd = open(index->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool durable = fd >= 0 && syncfs(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (!durable || rename(index->dir, index->final_dir) != 0)
        return errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
    memcpy(index->dir, index->final_dir, sizeof(index->dir));
    index->fresh = false;
    return GIRO_ERR_OK;
}

void giro_frame_index_close(struct giro_frame_index *index)
{
    if (index == NULL)
        return;
    for (uint32_t i = 0; i < OPEN_FILES; i++)
        if (index->files[i].fd >= 0)
            close(index->files[i].fd);
    free(index);
}

bool giro_frame_index_fresh(const struct giro_frame_index *index)
{
    return index->fresh;
}

/* Begins a file, also one that is empty, torn, or another hub's: it is derived. */
static bool header_hold(const struct giro_frame_index *index, int fd, uint16_t member,
                        uint16_t channel, bool may_write)
{
    struct giro_frame_index_header stored,
        expected = {.head = giro_head_make(GIRO_KIND_FRAME_INDEX),
                    .chain_id = index->genesis->chain_id,
                    .replica = index->self,
                    .member = member,
                    .channel = channel};
    if (pread(fd, &stored, sizeof(stored), 0) == (ssize_t)sizeof(stored) &&
        memcmp(&stored, &expected, sizeof(expected)) == 0)
        return true;
    return may_write && ftruncate(fd, 0) == 0 &&
           giro_file_write_at(fd, &expected, sizeof(expected), 0) == GIRO_ERR_OK;
}

/* The file of a channel, -1 if it is not there (or cannot be made, when it is to be written). */
static int file_of(struct giro_frame_index *index, uint16_t member, uint16_t channel,
                   bool may_write)
{
    struct open_file *file = &index->files[(member * 7u + channel) % OPEN_FILES];
    if (file->fd >= 0 && file->member == member && file->channel == channel)
        return file->fd;
    char path[680];
    snprintf(path, sizeof(path), "%s/%u-%u", index->dir, member, channel);
    int fd = open(path, O_RDWR | O_CLOEXEC | (may_write ? O_CREAT : 0), 0600);
    if (fd < 0)
        return -1;
    if (!header_hold(index, fd, member, channel, may_write)) {
        close(fd);
        return -1;
    }
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct open_file){.fd = fd, .member = member, .channel = channel};
    return fd;
}

static uint64_t offset_of(uint64_t sequence)
{
    return sizeof(struct giro_frame_index_header) + sequence * sizeof(struct giro_frame_place);
}

enum giro_err giro_frame_index_flush(struct giro_frame_index *index)
{
    if (index->run_count == 0)
        return GIRO_ERR_OK;
    const uint32_t count = index->run_count;
    index->run_count = 0;
    int fd = file_of(index, index->member, index->channel, true);
    if (fd >= 0 && giro_file_write_at(fd, index->run, count * sizeof(index->run[0]),
                                      offset_of(index->first)) == GIRO_ERR_OK)
        return GIRO_ERR_OK;
    return errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
}

enum giro_err giro_frame_index_put(struct giro_frame_index *index, uint16_t member,
                                   uint16_t channel, uint64_t sequence, uint64_t height,
                                   uint32_t leaf_index)
{
    if (sequence >= SEQUENCES_MAX)
        return GIRO_ERR_OK; /* no window gets there */
    const bool follows = index->run_count > 0 && index->run_count < RUN_MAX &&
                         member == index->member && channel == index->channel &&
                         sequence == index->first + index->run_count;
    if (!follows) {
        GIRO_TRY(giro_frame_index_flush(index));
        index->member = member;
        index->channel = channel;
        index->first = sequence;
    }
    index->run[index->run_count++] =
        (struct giro_frame_place){.height = height, .leaf_index = leaf_index};
    return GIRO_ERR_OK;
}

bool giro_frame_index_find(struct giro_frame_index *index, uint16_t member, uint16_t channel,
                           uint64_t sequence, uint64_t *height, uint32_t *leaf_index)
{
    struct giro_frame_place place;
    if (sequence >= SEQUENCES_MAX)
        return false;
    int fd = file_of(index, member, channel, false);
    if (fd < 0 ||
        pread(fd, &place, sizeof(place), (off_t)offset_of(sequence)) != (ssize_t)sizeof(place) ||
        place.height == 0)
        return false;
    *height = place.height;
    *leaf_index = place.leaf_index;
    return true;
}
