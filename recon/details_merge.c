/* Days of details from several replicas become one, opened. Any replica may leave something out, or say that a frame stands elsewhere
 * in the ledger; none can put in what a debtor did not sign. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "details_pieces.h"
#include "files.h"

struct merge {
    const struct giro_details_merge_options *options;
    struct giro_details_merge_result *result;
    struct recon_map *maps;
    struct recon_piece *pieces;
    uint64_t count, max;
    FILE *file;
    struct giro_hash digest;
};

static bool piece_add(struct merge *merge, const struct recon_piece *piece)
{
    if (merge->count == merge->max) {
        const uint64_t more = merge->max == 0 ? 1024 : 2 * merge->max;
        struct recon_piece *larger = realloc(merge->pieces, more * sizeof(*larger));
        if (larger == NULL)
            return false;
        merge->pieces = larger;
        merge->max = more;
    }
    merge->pieces[merge->count++] = *piece;
    return true;
}

/* Takes the pieces of one source up to the first that does not hold. In ledger order, so no replica says the same twice. */
static enum giro_err source_read(struct merge *merge, uint32_t index,
                                 struct giro_disclosure_view *view,
                                 struct giro_diagnosis *diagnosis)
{
    const struct giro_details_merge_options *options = merge->options;
    const struct giro_details_source *source = &options->sources[index];
    struct giro_details_day_header header;
    struct giro_reader reader;
    struct giro_hash digest = giro_hash_zero;
    GIRO_TRY(recon_map_open(source->path, &merge->maps[index], diagnosis));
    giro_reader_init(&reader, merge->maps[index].bytes, merge->maps[index].size_bytes);
    const uint64_t first = merge->count;
    bool good = giro_reader_copy(&reader, &header, sizeof(header)) &&
                giro_head_is(&header.head, GIRO_KIND_DETAILS_DAY) &&
                giro_hash_equal(&header.chain_id, &options->genesis->chain_id) &&
                header.member == options->member && header.business_date == options->business_date;
    while (good) {
        struct recon_piece piece = {.replicas = source->replicas, .bytes = NULL};
        good = giro_details_day_next(&reader, &digest, &piece.bytes, &piece.size_bytes) ==
               GIRO_REJECT_NONE;
        if (!good || piece.bytes == NULL)
            break;
        good = giro_disclosure_verify(options->genesis, options->ring, piece.bytes,
                                      piece.size_bytes, view) == NULL &&
               view->disclosure.header.height != 0;
        for (uint32_t i = 0; good && i < view->disclosure.header.item_count; i++)
            good = view->disclosure.frame.member == options->member ||
                   view->disclosure.items[i].record.creditor == options->member;
        piece.height = view->disclosure.header.height;
        piece.leaf_index = view->disclosure.header.leaf_index;
        piece.member = view->disclosure.frame.member;
        piece.channel = view->disclosure.frame.channel;
        piece.sequence = view->disclosure.frame.sequence;
        good = good && (merge->count == first ||
                        recon_piece_order(&merge->pieces[merge->count - 1], &piece) < 0);
        if (good && !piece_add(merge, &piece))
            return GIRO_ERR_NOMEM;
    }
    merge->result->bad_sources += !good;
    return GIRO_ERR_OK;
}

static bool write_all(struct merge *merge, const void *bytes, size_t size_bytes)
{
    return fwrite(bytes, size_bytes, 1, merge->file) == 1;
}

/* What holds K or what K opens, while one day is written. */
struct secrets {
    uint8_t keys[GIRO_FRAME_RECORDS_MAX][32];
    uint8_t encoded[GIRO_DISCLOSURE_BYTES_MAX];
    uint8_t entry[GIRO_DISCLOSURE_BYTES_MAX + GIRO_DETAILS_DAY_EXTRA];
};

/* Opens what can be opened and appends the disclosure with its keys. */
static enum giro_err piece_write(struct merge *merge, const struct recon_piece *piece,
                                 struct giro_disclosure *disclosure, struct secrets *secrets)
{
    const struct giro_details_merge_options *options = merge->options;
    struct giro_writer writer;
    const enum giro_reject reject = giro_disclosure_decode(
        piece->bytes, piece->size_bytes, options->genesis->chain_prefix, disclosure);
    GIRO_ASSERT(reject == GIRO_REJECT_NONE); /* verified before */
    for (uint32_t i = 0; i < disclosure->header.item_count; i++) {
        struct giro_disclosure_item *item = &disclosure->items[i];
        uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
        struct giro_details details;
        item->key = NULL;
        merge->result->payments++;
        if (item->block.bytes == NULL ||
            !options->key(options->context, disclosure, i, secrets->keys[i]))
            continue;
        const enum giro_details_verdict verdict = giro_disclosure_open(
            options->genesis, disclosure, i, secrets->keys[i], plaintext, &details);
        if (verdict == GIRO_DETAILS_OPENED) {
            item->key = secrets->keys[i];
            merge->result->opened++;
        } else {
            options->broken(options->context, disclosure, i, secrets->keys[i], verdict);
            merge->result->broken++;
        }
        sodium_memzero(plaintext, sizeof(plaintext));
    }
    giro_writer_init(&writer, secrets->encoded, sizeof(secrets->encoded));
    if (!giro_disclosure_encode(disclosure, &writer))
        return GIRO_ERR_FORMAT;
    const size_t size_bytes = giro_details_day_put(secrets->encoded, (uint32_t)writer.offset,
                                                   &merge->digest, secrets->entry);
    merge->result->frames++;
    return write_all(merge, secrets->entry, size_bytes) ? GIRO_ERR_OK : GIRO_ERR_IO;
}

static enum giro_err merge_write(struct merge *merge, struct giro_disclosure *disclosure,
                                 struct giro_diagnosis *diagnosis)
{
    const struct giro_details_merge_options *options = merge->options;
    const struct giro_details_day_header header = {.head = giro_head_make(GIRO_KIND_DETAILS_DAY),
                                                   .chain_id = options->genesis->chain_id,
                                                   .member = options->member,
                                                   .business_date = options->business_date};
    const int fd = open(options->out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct secrets *secrets = malloc(sizeof(*secrets));
    merge->file = fd < 0 ? NULL : fdopen(fd, "wb");
    enum giro_err err = secrets == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    if (err == GIRO_ERR_OK && (merge->file == NULL || setvbuf(merge->file, NULL, _IONBF, 0) != 0 ||
                               !write_all(merge, &header, sizeof(header))))
        err = GIRO_ERR_IO; /* unbuffered: a buffer of stdio would keep K */
    for (uint64_t i = 0; err == GIRO_ERR_OK && i < merge->count; i++)
        err = piece_write(merge, &merge->pieces[i], disclosure, secrets);
    const int number = errno;
    if (secrets != NULL)
        sodium_memzero(secrets, sizeof(*secrets));
    free(secrets);
    if (merge->file != NULL && fclose(merge->file) != 0 && err == GIRO_ERR_OK)
        err = GIRO_ERR_IO;
    else if (merge->file == NULL && fd >= 0)
        close(fd);
    if (err != GIRO_ERR_OK)
        return recon_fail(diagnosis, err, options->out_path, "%s", strerror(number));
    return err;
}

enum giro_err giro_details_merge(const struct giro_details_merge_options *options,
                                 struct giro_details_merge_result *result,
                                 struct giro_diagnosis *diagnosis)
{
    struct merge merge = {.options = options, .result = result};
    struct giro_disclosure_view *view = malloc(sizeof(*view));
    *result = (struct giro_details_merge_result){.frames = 0};
    merge.maps = calloc(options->source_count + 1u, sizeof(*merge.maps));
    enum giro_err err = view == NULL || merge.maps == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < options->source_count; i++)
        err = source_read(&merge, i, view, diagnosis);
    if (err == GIRO_ERR_OK) {
        err =
            recon_pieces_choose(options, merge.pieces, &merge.count, &view->disclosure, diagnosis);
    }
    if (err == GIRO_ERR_OK) {
        err = merge_write(&merge, &view->disclosure, diagnosis);
    }
    if (err == GIRO_ERR_NOMEM)
        (void)recon_fail(diagnosis, err, options->out_path, "while reading details");
    for (uint32_t i = 0; merge.maps != NULL && i < options->source_count; i++)
        recon_map_close(&merge.maps[i]);
    free(merge.maps);
    free(merge.pieces);
    free(view);
    return err;
}

enum giro_err giro_details_day_digest(const char *path, struct giro_hash *digest,
                                      struct giro_diagnosis *diagnosis)
{
    struct recon_map map;
    struct giro_reader reader;
    const uint8_t *bytes = NULL;
    uint32_t size_bytes = 0;
    GIRO_TRY(recon_map_open(path, &map, diagnosis));
    giro_reader_init(&reader, map.bytes, map.size_bytes);
    bool good = giro_reader_take(&reader, sizeof(struct giro_details_day_header)) != NULL;
    *digest = giro_hash_zero;
    do
        good =
            good && giro_details_day_next(&reader, digest, &bytes, &size_bytes) == GIRO_REJECT_NONE;
    while (good && bytes != NULL);
    const uint64_t offset = reader.offset;
    recon_map_close(&map);
    if (good)
        return GIRO_ERR_OK;
    return recon_fail(diagnosis, GIRO_ERR_FORMAT, path, "offset %lu: no whole entry of a day",
                      (unsigned long)offset);
}

enum giro_err giro_details_day_each(
    const char *path, const struct giro_genesis *genesis, const struct giro_key_ring *ring,
    const char *(*frame)(void *context, const struct giro_disclosure *disclosure, uint16_t member),
    void *context, struct giro_diagnosis *diagnosis)
{
    struct recon_map map;
    struct recon_day day = {.frame = frame, .context = context};
    GIRO_TRY(recon_map_open(path, &map, diagnosis));
    const char *wrong = recon_day_walk(genesis, ring, &map, &day);
    recon_map_close(&map);
    if (wrong == NULL)
        return GIRO_ERR_OK;
    return recon_fail(diagnosis, GIRO_ERR_FORMAT, path, "offset %lu: %s", (unsigned long)day.offset,
                      wrong);
}
