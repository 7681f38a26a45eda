#include "apps/girod/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "apps/girod/frame_index.h"
#include "giro/recon.h"

/* Appends gather in a buffer of this size, so small blocks do not cost a system call each. */
#define BUFFER_BYTES (1u << 20)

/* One append-only file: what is in the buffer is not on disk yet, reads look at both. */
struct tail {
    int fd;
    uint64_t size_bytes; /* on disk */
    uint32_t buffered;
    uint8_t *buffer;
};

struct giro_ledger_file {
    struct tail ledger, certificates;
    uint64_t heights_max;
    uint64_t last_height;          /* highest block in the ledger file */
    uint64_t *block_offsets;       /* by height; 0 = not there */
    uint64_t *certificate_offsets; /* by height; 0 = not there */
    uint32_t replica_count;
    struct giro_frame_index *frames;
};

static enum giro_err io_error(void)
{
    return errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
}

static enum giro_err tail_flush(struct tail *tail)
{
    GIRO_TRY(giro_file_write_at(tail->fd, tail->buffer, tail->buffered, tail->size_bytes));
    tail->size_bytes += tail->buffered;
    tail->buffered = 0;
    return GIRO_ERR_OK;
}

static enum giro_err tail_append(struct tail *tail, const void *bytes, size_t size_bytes,
                                 uint64_t *offset)
{
    if (tail->buffered + size_bytes > BUFFER_BYTES)
        GIRO_TRY(tail_flush(tail));
    *offset = tail->size_bytes + tail->buffered;
    if (size_bytes > BUFFER_BYTES) {
        GIRO_TRY(giro_file_write_at(tail->fd, bytes, size_bytes, tail->size_bytes));
        tail->size_bytes += size_bytes;
        return GIRO_ERR_OK;
    }
    memcpy(tail->buffer + tail->buffered, bytes, size_bytes);
    tail->buffered += (uint32_t)size_bytes;
    return GIRO_ERR_OK;
}

static bool tail_read(struct tail *tail, uint64_t offset, void *out, size_t size_bytes)
{
    if (offset + size_bytes > tail->size_bytes && tail_flush(tail) != GIRO_ERR_OK)
        return false;
    return giro_file_read_at(tail->fd, out, size_bytes, offset) == GIRO_ERR_OK;
}

/* ---- Frames: where each leaf of one is ---------------------------------------------------------------- */

/* Moves the reader past one leaf: its bytes, or NULL at the end. */
static const uint8_t *leaf_next(struct giro_reader *reader, uint32_t *size_bytes)
{
    *size_bytes = giro_reader_u32(reader);
    const uint8_t *leaf = giro_reader_take(reader, *size_bytes);
    giro_reader_take(reader, giro_align_up(*size_bytes, 4) - *size_bytes);
    return leaf;
}

static void leaves_begin(struct giro_reader *reader, const uint8_t *block, uint64_t size_bytes)
{
    giro_reader_init(reader, block, size_bytes);
    giro_reader_take(reader, sizeof(struct giro_ledger_block) + sizeof(struct giro_commit_body));
}

static bool leaf_is_frame(const uint8_t *leaf, uint32_t size_bytes, struct giro_leaf_frame *frame)
{
    if (leaf == NULL || size_bytes < GIRO_TAG_BYTES + sizeof(*frame) ||
        memcmp(leaf, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) != 0)
        return false;
    memcpy(frame, leaf + GIRO_TAG_BYTES, sizeof(*frame));
    return true;
}

static enum giro_err frames_note(struct giro_ledger_file *file, const uint8_t *block,
                                 uint64_t size_bytes)
{
    struct giro_ledger_block header;
    struct giro_reader reader;
    memcpy(&header, block, sizeof(header));
    leaves_begin(&reader, block, size_bytes);
    for (uint32_t i = 0; i < header.leaf_count; i++) {
        uint32_t leaf_bytes;
        struct giro_leaf_frame frame;
        const uint8_t *leaf = leaf_next(&reader, &leaf_bytes);
        if (leaf_is_frame(leaf, leaf_bytes, &frame))
            GIRO_TRY(giro_frame_index_put(file->frames, frame.member, frame.channel, frame.sequence,
                                          header.height, i));
    }
    return giro_frame_index_flush(file->frames);
}

/* ---- Opening: index what is there, cut a torn tail ------------------------------------------------- */

static enum giro_err tail_open(struct tail *tail, const char *dir, const char *name,
                               const struct giro_genesis *genesis, uint32_t self,
                               struct giro_diagnosis *diagnosis)
{
    char path[700];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    struct giro_ledger_header expected = {.head = giro_head_make(GIRO_KIND_LEDGER),
                                          .chain_id = genesis->chain_id,
                                          .replica = (uint16_t)self};
    struct giro_ledger_header header = {.replica = 0};
    tail->buffer = malloc(BUFFER_BYTES);
    if (tail->buffer == NULL)
        return GIRO_ERR_NOMEM;
    tail->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat info;
    if (tail->fd < 0 || fstat(tail->fd, &info) != 0) {
        giro_diagnosis_set(diagnosis, strerror(errno), giro_err_advice(GIRO_ERR_IO),
                           "\"%s\" cannot be opened", path);
        return GIRO_ERR_IO;
    }
    tail->size_bytes = (uint64_t)info.st_size;
    if (tail->size_bytes < sizeof(header)) {
        if (ftruncate(tail->fd, 0) != 0)
            return io_error();
        tail->size_bytes = sizeof(header);
        return giro_file_write_at(tail->fd, &expected, sizeof(expected), 0);
    }
    if (!tail_read(tail, 0, &header, sizeof(header)) ||
        memcmp(&header, &expected, sizeof(header)) != 0) {
        giro_diagnosis_set(diagnosis, "its header names another hub or replica",
                           "remove the file; it is rebuilt from the block log",
                           "\"%s\" does not belong here", path);
        return GIRO_ERR_CHAIN;
    }
    return GIRO_ERR_OK;
}

static enum giro_err cut(struct tail *tail, uint64_t at)
{
    if (at == tail->size_bytes)
        return GIRO_ERR_OK;
    GIRO_LOG(INFO, "files", "cutting a torn tail of %lu bytes; replay writes it again",
             (unsigned long)(tail->size_bytes - at));
    if (ftruncate(tail->fd, (off_t)at) != 0)
        return io_error();
    tail->size_bytes = at;
    return GIRO_ERR_OK;
}

/* Frames whose index is not there are noted on the way. */
static bool block_intact(struct giro_ledger_file *file, uint64_t offset,
                         const struct giro_ledger_block *header, enum giro_err *err)
{
    uint8_t *bytes = malloc(header->size_bytes);
    if (bytes == NULL)
        return false;
    bool good = tail_read(&file->ledger, offset, bytes, header->size_bytes) &&
                XXH3_64bits(bytes + 16, header->size_bytes - 16) == header->checksum;
    if (good && giro_frame_index_fresh(file->frames))
        *err = frames_note(file, bytes, header->size_bytes);
    free(bytes);
    return good;
}

static enum giro_err index_blocks(struct giro_ledger_file *file)
{
    struct tail *tail = &file->ledger;
    uint64_t offset = sizeof(struct giro_ledger_header);
    struct giro_ledger_block header;
    enum giro_err err = GIRO_ERR_OK;
    while (err == GIRO_ERR_OK && offset + sizeof(header) <= tail->size_bytes &&
           tail_read(tail, offset, &header, sizeof(header)) &&
           giro_head_is(&header.head, GIRO_KIND_LEDGER_BLOCK) &&
           header.height > file->last_height && header.height < file->heights_max &&
           header.size_bytes >= sizeof(header) && header.size_bytes <= tail->size_bytes - offset &&
           block_intact(file, offset, &header, &err)) {
        file->block_offsets[header.height] = offset;
        file->last_height = header.height;
        offset += header.size_bytes;
    }
    if (err == GIRO_ERR_OK)
        err = giro_frame_index_whole(file->frames);
    return err == GIRO_ERR_OK ? cut(tail, offset) : err;
}

static enum giro_err index_certificates(struct giro_ledger_file *file)
{
    struct tail *tail = &file->certificates;
    uint64_t offset = sizeof(struct giro_ledger_header);
    struct {
        uint32_t size_bytes, zeros;
        struct giro_certificate_header header;
    } entry;
    while (offset + sizeof(entry) <= tail->size_bytes &&
           tail_read(tail, offset, &entry, sizeof(entry)) &&
           giro_head_is(&entry.header.body.head, GIRO_KIND_CERTIFICATE) &&
           entry.size_bytes >= sizeof(entry.header) &&
           entry.size_bytes <= tail->size_bytes - offset - 8 &&
           entry.header.body.height < file->heights_max) {
        file->certificate_offsets[entry.header.body.height] = offset;
        offset += 8u + entry.size_bytes;
    }
    return cut(tail, offset);
}

static uint64_t *index_map(uint64_t heights_max)
{
    void *map = mmap(NULL, heights_max * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}

enum giro_err giro_ledger_file_open(const char *dir, const struct giro_genesis *genesis,
                                    uint32_t self, uint64_t heights_max,
                                    struct giro_ledger_file **file_out,
                                    struct giro_diagnosis *diagnosis)
{
    struct giro_ledger_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return GIRO_ERR_NOMEM;
    file->heights_max = heights_max;
    file->replica_count = genesis->replica_count;
    file->ledger.fd = file->certificates.fd = -1;
    file->block_offsets = index_map(heights_max);
    file->certificate_offsets = index_map(heights_max);
    enum giro_err err = GIRO_ERR_NOMEM;
    if (file->block_offsets != NULL && file->certificate_offsets != NULL)
        err = tail_open(&file->ledger, dir, "ledger", genesis, self, diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_frame_index_open(dir, genesis, self, &file->frames, diagnosis);
    if (err == GIRO_ERR_OK)
        err = tail_open(&file->certificates, dir, "certificates", genesis, self, diagnosis);
    if (err == GIRO_ERR_OK)
        err = index_blocks(file);
    if (err == GIRO_ERR_OK)
        err = index_certificates(file);
    if (err != GIRO_ERR_OK) {
        giro_ledger_file_close(file);
        return err;
    }
    *file_out = file;
    return GIRO_ERR_OK;
}

static void tail_close(struct tail *tail)
{
    if (tail->fd >= 0) {
        if (tail_flush(tail) != GIRO_ERR_OK)
            GIRO_LOG(WARN, "files", "the last leaves are not on disk; replay writes them again");
        close(tail->fd);
    }
    free(tail->buffer);
}

void giro_ledger_file_close(struct giro_ledger_file *file)
{
    tail_close(&file->ledger);
    tail_close(&file->certificates);
    giro_frame_index_close(file->frames);
    if (file->block_offsets != NULL)
        munmap(file->block_offsets, file->heights_max * sizeof(uint64_t));
    if (file->certificate_offsets != NULL)
        munmap(file->certificate_offsets, file->heights_max * sizeof(uint64_t));
    free(file);
}

/* ---- Writing ------------------------------------------------------------------------------------------ */

enum giro_err giro_ledger_file_block(struct giro_ledger_file *file, uint64_t height,
                                     const void *bytes, size_t size_bytes)
{
    if (height >= file->heights_max)
        return GIRO_ERR_FULL;
    GIRO_TRY(
        frames_note(file, bytes, size_bytes)); /* replay, too: what a power loss took comes again */
    if (height <= file->last_height)
        return GIRO_ERR_OK; /* replay after a restart */
    if (height != file->last_height + 1)
        GIRO_LOG(WARN, "files",
                 "heights %lu to %lu came as an image: their proofs are at other replicas",
                 (unsigned long)file->last_height + 1, (unsigned long)height - 1);
    struct giro_ledger_block header;
    memcpy(&header, bytes, sizeof(header));
    header.checksum = XXH3_64bits((const uint8_t *)bytes + 16, size_bytes - 16);
    uint64_t offset, body;
    GIRO_TRY(tail_append(&file->ledger, &header, sizeof(header), &offset));
    GIRO_TRY(tail_append(&file->ledger, (const uint8_t *)bytes + sizeof(header),
                         size_bytes - sizeof(header), &body));
    file->block_offsets[height] = offset;
    file->last_height = height;
    return GIRO_ERR_OK;
}

/* Certificates have no checksum. What replay brings again is compared, so one torn by a power loss is written anew. */
static bool certificate_is(struct giro_ledger_file *file, uint64_t offset, const uint8_t *bytes,
                           size_t size_bytes)
{
    uint8_t stored[8 + GIRO_CERTIFICATE_BYTES_MAX];
    return tail_read(&file->certificates, offset, stored, size_bytes) &&
           memcmp(stored, bytes, size_bytes) == 0;
}

enum giro_err giro_ledger_file_certificate(struct giro_ledger_file *file,
                                           const struct giro_certificate *certificate)
{
    uint64_t height = certificate->header.body.height;
    if (height >= file->heights_max)
        return GIRO_ERR_FULL;
    uint8_t bytes[8 + GIRO_CERTIFICATE_BYTES_MAX];
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof(bytes));
    giro_writer_u64(&writer, 0);
    giro_certificate_encode(certificate, &writer);
    GIRO_ASSERT(!writer.failed);
    uint32_t size_bytes = (uint32_t)writer.offset - 8;
    memcpy(bytes, &size_bytes, sizeof(size_bytes));
    uint64_t offset = file->certificate_offsets[height];
    if (offset != 0 && certificate_is(file, offset, bytes, writer.offset))
        return GIRO_ERR_OK;
    GIRO_TRY(tail_append(&file->certificates, bytes, writer.offset, &offset));
    file->certificate_offsets[height] = offset;
    return GIRO_ERR_OK;
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

/* Reads a whole block; the caller frees. NULL if it is not there. */
static uint8_t *block_read(struct giro_ledger_file *file, uint64_t height,
                           struct giro_ledger_block *header)
{
    if (height == 0 || height > file->last_height)
        return NULL;
    uint64_t offset = file->block_offsets[height];
    if (offset == 0 || !tail_read(&file->ledger, offset, header, sizeof(*header)))
        return NULL;
    uint8_t *bytes = malloc(header->size_bytes);
    if (bytes != NULL && !tail_read(&file->ledger, offset, bytes, header->size_bytes)) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

uint32_t giro_ledger_file_leaf(struct giro_ledger_file *file, uint64_t height, uint32_t leaf_index,
                               uint8_t *out, uint32_t out_bytes)
{
    struct giro_ledger_block header;
    uint8_t *block = block_read(file, height, &header);
    if (block == NULL || leaf_index >= header.leaf_count) {
        free(block);
        return 0;
    }
    struct giro_reader reader;
    leaves_begin(&reader, block, header.size_bytes);
    const uint8_t *leaf = NULL;
    uint32_t size_bytes = 0;
    for (uint32_t i = 0; i <= leaf_index; i++)
        leaf = leaf_next(&reader, &size_bytes);
    if (leaf == NULL || size_bytes > out_bytes)
        size_bytes = 0;
    else
        memcpy(out, leaf, size_bytes);
    free(block);
    return size_bytes;
}

uint32_t giro_ledger_file_find(struct giro_ledger_file *file, uint16_t member, uint16_t channel,
                               uint64_t sequence, uint64_t *height, uint32_t *leaf_index,
                               uint8_t *out, uint32_t out_bytes)
{
    struct giro_leaf_frame frame;
    if (!giro_frame_index_find(file->frames, member, channel, sequence, height, leaf_index))
        return 0;
    const uint32_t size_bytes = giro_ledger_file_leaf(file, *height, *leaf_index, out, out_bytes);
    const bool same = leaf_is_frame(out, size_bytes, &frame) && frame.member == member &&
                      frame.channel == channel && frame.sequence == sequence;
    return same ? size_bytes : 0;
}

bool giro_ledger_file_certified(const struct giro_ledger_file *file, uint64_t height)
{
    return height < file->heights_max && file->certificate_offsets[height] != 0;
}

static bool certificate_read(struct giro_ledger_file *file, uint64_t height,
                             struct giro_certificate *certificate)
{
    uint64_t offset = height < file->heights_max ? file->certificate_offsets[height] : 0;
    uint32_t size_bytes = 0;
    uint8_t bytes[GIRO_CERTIFICATE_BYTES_MAX];
    struct giro_reader reader;
    if (offset == 0 || !tail_read(&file->certificates, offset, &size_bytes, sizeof(size_bytes)) ||
        size_bytes > sizeof(bytes) ||
        !tail_read(&file->certificates, offset + 8, bytes, size_bytes))
        return false;
    giro_reader_init(&reader, bytes, size_bytes);
    return giro_certificate_decode(&reader, file->replica_count, certificate) == GIRO_REJECT_NONE;
}

enum giro_err giro_ledger_file_proof(struct giro_ledger_file *file, uint64_t height,
                                     uint32_t leaf_index, uint8_t **proof, size_t *size_bytes)
{
    struct giro_certificate certificate;
    struct giro_ledger_block header;
    if (!certificate_read(file, height, &certificate))
        return GIRO_ERR_NOENT;
    uint8_t *block = block_read(file, height, &header);
    if (block == NULL || leaf_index >= header.leaf_count) {
        free(block);
        return GIRO_ERR_NOENT;
    }
    struct giro_hash *leaves = calloc(header.leaf_count, sizeof(*leaves));
    const size_t proof_max =
        64u * 1024u; /* leaf <= 1.2 KiB, path <= 1.3 KiB, certificate <= 4.4 KiB */
    *proof = malloc(proof_max);
    enum giro_err err = leaves == NULL || *proof == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    const uint8_t *wanted = NULL;
    uint32_t wanted_bytes = 0;
    struct giro_reader reader;
    leaves_begin(&reader, block, header.size_bytes);
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < header.leaf_count; i++) {
        uint32_t leaf_bytes;
        const uint8_t *leaf = leaf_next(&reader, &leaf_bytes);
        if (leaf == NULL) {
            err = GIRO_ERR_FORMAT;
            break;
        }
        leaves[i] = giro_leaf_hash(leaf, leaf_bytes);
        if (i == leaf_index) {
            wanted = leaf;
            wanted_bytes = leaf_bytes;
        }
    }
    if (err == GIRO_ERR_OK) {
        struct giro_hash path[GIRO_PROOF_PATH_MAX];
        uint32_t path_count = giro_merkle_path(leaves, header.leaf_count, leaf_index, path);
        *size_bytes = giro_proof_encode(height, leaf_index, header.leaf_count, wanted, wanted_bytes,
                                        path, path_count, &certificate, *proof, proof_max);
        GIRO_ASSERT(*size_bytes > 0);
    }
    if (err != GIRO_ERR_OK) {
        free(*proof);
        *proof = NULL;
    }
    free(leaves);
    free(block);
    return err;
}

enum giro_err giro_ledger_file_flush(struct giro_ledger_file *file)
{
    GIRO_TRY(tail_flush(&file->ledger));
    return tail_flush(&file->certificates);
}

uint64_t giro_ledger_file_height(const struct giro_ledger_file *file)
{
    return file->last_height;
}

uint64_t giro_ledger_file_bytes(const struct giro_ledger_file *file)
{
    return file->ledger.size_bytes + file->ledger.buffered + file->certificates.size_bytes +
           file->certificates.buffered;
}
