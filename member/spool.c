#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "member/sender.h"

struct giro_spool_writer {
    FILE *file;
    char path[600], temporary[620];
    struct giro_spool_header header;
};

static void say_io(struct giro_diagnosis *diagnosis, const char *path)
{
    giro_diagnosis_set(diagnosis, strerror(errno), giro_err_advice(GIRO_ERR_IO),
                       "\"%s\" cannot be opened", path);
}

static enum giro_err io_error(void)
{
    return errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
}

enum giro_err giro_spool_create(const char *path, const struct giro_genesis *genesis,
                                struct giro_spool_writer **writer_out,
                                struct giro_diagnosis *diagnosis)
{
    struct giro_spool_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return GIRO_ERR_NOMEM;
    if (strlen(path) >= sizeof(writer->path)) {
        giro_diagnosis_set(diagnosis, "a path has at most 599 bytes", "choose a shorter one",
                           "\"%.100s...\" is too long", path);
        free(writer);
        return GIRO_ERR_ARGUMENT;
    }
    snprintf(writer->path, sizeof(writer->path), "%s", path);
    snprintf(writer->temporary, sizeof(writer->temporary), "%s.tmp", path);
    writer->file = fopen(writer->temporary, "wb");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    writer->header = (struct giro_spool_header){.head = giro_head_make(GIRO_KIND_SPOOL),
                                                .chain_id = genesis->chain_id,
                                                .created_ns = (uint64_t)now.tv_sec * GIRO_NS_PER_S +
                                                              (uint64_t)now.tv_nsec};
    if (writer->file == NULL ||
        fwrite(&writer->header, sizeof(writer->header), 1, writer->file) != 1) {
        say_io(diagnosis, writer->temporary);
        giro_spool_abandon(writer);
        return GIRO_ERR_IO;
    }
    *writer_out = writer;
    return GIRO_ERR_OK;
}

enum giro_err giro_spool_add(struct giro_spool_writer *writer, const void *frame,
                             uint32_t size_bytes)
{
    static const uint8_t zeros[4];
    size_t padding = giro_align_up(size_bytes, 4) - size_bytes;
    if (fwrite(&size_bytes, sizeof(size_bytes), 1, writer->file) != 1 ||
        fwrite(frame, size_bytes, 1, writer->file) != 1 ||
        (padding > 0 && fwrite(zeros, padding, 1, writer->file) != 1))
        return io_error();
    struct giro_frame_header header;
    memcpy(&header, frame, sizeof(header));
    writer->header.frame_count++;
    writer->header.record_count += header.record_count;
    return GIRO_ERR_OK;
}

static enum giro_err finish(struct giro_spool_writer *writer)
{
    uint32_t end = 0;
    if (fwrite(&end, sizeof(end), 1, writer->file) != 1 || fseek(writer->file, 0, SEEK_SET) != 0 ||
        fwrite(&writer->header, sizeof(writer->header), 1, writer->file) != 1 ||
        fflush(writer->file) != 0 || fsync(fileno(writer->file)) != 0)
        return io_error();
    if (rename(writer->temporary, writer->path) != 0)
        return io_error();
    char dir[600];
    snprintf(dir, sizeof(dir), "%s", writer->path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        slash[slash == dir ? 1 : 0] = '\0';
    int fd = open(slash != NULL ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good ? GIRO_ERR_OK : GIRO_ERR_IO;
}

enum giro_err giro_spool_finish(struct giro_spool_writer *writer)
{
    enum giro_err err = finish(writer);
    if (err != GIRO_ERR_OK) {
        giro_spool_abandon(writer);
        return err;
    }
    fclose(writer->file); /* flushed and synced above */
    free(writer);
    return GIRO_ERR_OK;
}

void giro_spool_abandon(struct giro_spool_writer *writer)
{
    if (writer->file != NULL) {
        fclose(writer->file);
        unlink(writer->temporary);
    }
    free(writer);
}

/* ---- Reading --------------------------------------------------------------------------------------- */

/* Fills the frame table; false if the file's sizes do not add up to what its header says. */
static bool index_frames(struct giro_spool *spool, uint64_t chain_prefix)
{
    struct giro_reader reader;
    giro_reader_init(&reader, spool->map, spool->map_bytes);
    giro_reader_take(&reader, sizeof(spool->header));
    uint64_t records = 0;
    for (uint64_t i = 0; i < spool->header.frame_count; i++) {
        uint32_t size_bytes = giro_reader_u32(&reader);
        const uint8_t *frame = giro_reader_take(&reader, size_bytes);
        giro_reader_take(&reader, giro_align_up(size_bytes, 4) - size_bytes);
        struct giro_frame decoded;
        if (frame == NULL ||
            giro_frame_decode(frame, size_bytes, chain_prefix, &decoded) != GIRO_REJECT_NONE)
            return false;
        spool->frames[i] = frame;
        spool->frame_bytes[i] = size_bytes;
        records += decoded.header.record_count;
    }
    return giro_reader_u32(&reader) == 0 && !reader.failed && giro_reader_left(&reader) == 0 &&
           records == spool->header.record_count;
}

enum giro_err giro_spool_open(const char *path, const struct giro_genesis *genesis,
                              struct giro_spool *spool, struct giro_diagnosis *diagnosis)
{
    memset(spool, 0, sizeof(*spool));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        say_io(diagnosis, path);
        if (fd >= 0)
            close(fd);
        return GIRO_ERR_IO;
    }
    spool->map_bytes = (size_t)info.st_size;
    spool->map = spool->map_bytes < sizeof(spool->header)
                     ? MAP_FAILED
                     : mmap(NULL, spool->map_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    enum giro_err err = GIRO_ERR_FORMAT;
    if (spool->map == MAP_FAILED) {
        spool->map = NULL;
    } else {
        memcpy(&spool->header, spool->map, sizeof(spool->header));
        uint64_t most = spool->map_bytes / (sizeof(uint32_t) + GIRO_FRAME_BYTES_MIN) + 1;
        bool fits =
            giro_head_is(&spool->header.head, GIRO_KIND_SPOOL) && spool->header.frame_count <= most;
        spool->frame_count = fits ? spool->header.frame_count : 0;
        spool->frames = calloc(spool->frame_count + 1, sizeof(*spool->frames));
        spool->frame_bytes = calloc(spool->frame_count + 1, sizeof(*spool->frame_bytes));
        if (fits && !giro_hash_equal(&spool->header.chain_id, &genesis->chain_id))
            err = GIRO_ERR_CHAIN;
        else if (fits && spool->frames != NULL && spool->frame_bytes != NULL &&
                 index_frames(spool, genesis->chain_prefix))
            return GIRO_ERR_OK;
    }
    giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                       "\"%s\" is not a whole spool of signed frames of this hub", path);
    giro_spool_close(spool);
    return err;
}

void giro_spool_close(struct giro_spool *spool)
{
    if (spool->map != NULL)
        munmap(spool->map, spool->map_bytes);
    free(spool->frames);
    free(spool->frame_bytes);
    memset(spool, 0, sizeof(*spool));
}
