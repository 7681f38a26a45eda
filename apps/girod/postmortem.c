#include "apps/girod/postmortem.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MARKER_FILE_BYTES 4096u
#define DEATHS_MAX        2u

/* ---- The marker -------------------------------------------------------------------------------------- */

/* Counts the death that a marker still saying "executing" tells of. */
static void death_count(struct giro_crash_marker *marker)
{
    if (marker->executing == 0)
        return;
    const bool again = marker->crash_count > 0 && marker->crash_height == marker->height &&
                       marker->crash_frame == marker->frame;
    marker->crash_count = again ? marker->crash_count + 1 : 1;
    marker->crash_height = marker->height;
    marker->crash_frame = marker->frame;
    marker->executing = 0;
}

static enum giro_err crash_refuse(const char *dir, const struct giro_crash_marker *marker,
                                  struct giro_diagnosis *diagnosis)
{
    char path[600], text[600];
    snprintf(path, sizeof(path), "%s/crash-%lu-%u.txt", dir, (unsigned long)marker->crash_height,
             marker->crash_frame);
    int length =
        snprintf(text, sizeof(text),
                 "replica %u died %u times while it executed frame %u of the block of height %lu.\n"
                 "Keep the whole data directory: the block and its batches are in the log.\n",
                 marker->replica, marker->crash_count, marker->crash_frame,
                 (unsigned long)marker->crash_height);
    enum giro_err err = giro_file_write(path, 0600, text, (size_t)length);
    giro_diagnosis_set(diagnosis, err == GIRO_ERR_OK ? path : "the dump cannot be written",
                       "keep the data directory and call support; to try again remove the file "
                       "\"executing\" in it",
                       "the replica died %u times executing frame %u of height %lu",
                       marker->crash_count, marker->crash_frame,
                       (unsigned long)marker->crash_height);
    return GIRO_ERR_STATE;
}

enum giro_err giro_marker_open(const char *dir, uint32_t replica, struct giro_crash_marker **marker,
                               struct giro_diagnosis *diagnosis)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/executing", dir);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *map = MAP_FAILED;
    if (file >= 0 && ftruncate(file, MARKER_FILE_BYTES) == 0)
        map = mmap(NULL, MARKER_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    if (map == MAP_FAILED) {
        giro_diagnosis_set(diagnosis, strerror(errno), giro_err_advice(GIRO_ERR_IO),
                           "cannot map \"%s\"", path);
        return GIRO_ERR_IO;
    }
    struct giro_crash_marker *found = map;
    if (!giro_head_is(&found->head, GIRO_KIND_CRASH_MARKER) || found->replica != replica)
        *found = (struct giro_crash_marker){.head = giro_head_make(GIRO_KIND_CRASH_MARKER),
                                            .replica = (uint16_t)replica};
    death_count(found);
    if (msync(map, MARKER_FILE_BYTES, MS_SYNC) != 0 || found->crash_count >= DEATHS_MAX) {
        enum giro_err err =
            found->crash_count >= DEATHS_MAX ? crash_refuse(dir, found, diagnosis) : GIRO_ERR_IO;
        munmap(map, MARKER_FILE_BYTES);
        return err;
    }
    *marker = found;
    return GIRO_ERR_OK;
}

void giro_marker_close(struct giro_crash_marker *marker)
{
    munmap(marker, MARKER_FILE_BYTES);
}

/* ---- A halt -------------------------------------------------------------------------------------------- */

static void put_hex(FILE *file, const char *name, const void *bytes, size_t size_bytes)
{
    const uint8_t *at = bytes;
    fprintf(file, "%s ", name);
    for (size_t i = 0; i < size_bytes; i++)
        fprintf(file, "%02x", at[i]);
    fputc('\n', file);
}

static void put_body(FILE *file, const char *whose, const struct giro_commit_body *body)
{
    fprintf(file, "\n%s\ntime_ns %lu\n", whose, (unsigned long)body->time_ns);
    put_hex(file, "block_id", &body->block_id, sizeof(body->block_id));
    put_hex(file, "state_root", &body->state_root, sizeof(body->state_root));
    put_hex(file, "ledger_root", &body->ledger_root, sizeof(body->ledger_root));
}

enum giro_err giro_halt_write(const char *dir, uint32_t replica, const struct giro_halt *halt,
                              char *path, size_t path_bytes)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *file = open_memstream(&text, &text_bytes);
    if (file == NULL)
        return GIRO_ERR_NOMEM;
    fprintf(file, "replica %u stopped at height %lu: %s\n", replica, (unsigned long)halt->height,
            halt->reason);
    if (halt->has_own)
        put_body(file, "computed by this replica", &halt->own);
    if (halt->has_logged)
        put_body(file, "in this replica's log", &halt->logged);
    if (halt->has_certificate) {
        const struct giro_certificate *certificate = &halt->certificate;
        put_body(file, "certified", &certificate->header.body);
        put_hex(file, "signers", certificate->header.bitmap, GIRO_BITMAP_BYTES);
        put_hex(file, "signatures", certificate->signatures,
                certificate->header.signer_count * sizeof(struct giro_signature));
    }
    if (halt->block != NULL) {
        fputs("\nthe block, as in the log\n", file);
        put_hex(file, "proposal", halt->block->bytes, halt->block->size_bytes);
    }
    bool written = ferror(file) == 0 && fclose(file) == 0;
    snprintf(path, path_bytes, "%s/halt-%lu.txt", dir, (unsigned long)halt->height);
    enum giro_err err = written ? giro_file_write(path, 0600, text, text_bytes) : GIRO_ERR_NOMEM;
    free(text);
    return err;
}

/* ---- Telling the others ---------------------------------------------------------------------------------- */

struct telling {
    struct giro_links *links;
    struct giro_part message;
    uint32_t told;
};

static void unheard(void *context, uint16_t peer, const void *bytes, uint32_t size_bytes)
{
    (void)context;
    (void)peer;
    (void)bytes;
    (void)size_bytes;
}

static void tell(void *context, uint16_t peer, bool up)
{
    struct telling *telling = context;
    if (!up || telling->links == NULL)
        return;
    giro_links_send(telling->links, peer, &telling->message, 1);
    telling->told++;
}

uint32_t giro_halt_tell(const struct giro_links_options *links, const uint8_t *message,
                        uint32_t message_bytes)
{
    struct telling telling = {.message = {message, message_bytes}};
    struct giro_links_options options = *links;
    struct giro_diagnosis diagnosis;
    options.context = &telling;
    options.message = unheard;
    options.state = tell;
    if (giro_links_open(&options, &telling.links, &diagnosis) != GIRO_ERR_OK)
        return 0;
    const struct timespec pause = {.tv_nsec = 10000000};
    uint64_t left_ns = GIRO_HALT_TELL_NS;
    const uint64_t flush_ns = 200000000;
    while (left_ns > 0) {
        event_base_loop(options.base, EVLOOP_NONBLOCK);
        nanosleep(&pause, NULL);
        left_ns -= (uint64_t)pause.tv_nsec;
        if (telling.told + 1 >= options.genesis->replica_count && left_ns > flush_ns)
            left_ns = flush_ns;
    }
    giro_links_close(telling.links);
    return telling.told;
}
