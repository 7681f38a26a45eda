/* Genesis, journal, proof, spool. */
#include <stdlib.h>

#include "verify.h"

enum giro_err verify_genesis(struct verify *verify, const char *path, const struct recon_map *map)
{
    struct giro_hash hash =
        giro_sha256(map->size_bytes == 0 ? (const void *)"" : map->bytes, map->size_bytes);
    if (!giro_hash_equal(&hash, &verify->options->genesis->chain_id))
        return recon_fail(verify->diagnosis, GIRO_ERR_CHAIN, path,
                          "offset 0: its hash is not the chain id");
    verify_say(verify, path, "genesis, the hub's own");
    return GIRO_ERR_OK;
}

enum giro_err verify_journal(struct verify *verify, const char *path, const struct recon_map *map)
{
    struct recon_walk *walk = malloc(sizeof(*walk));
    if (walk == NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_NOMEM, path, "while reading it");
    if (map->size_bytes < sizeof(struct giro_journal_header)) {
        verify_say(verify, path, "journal, ends torn after 0 windows (normal after a kill)");
        free(walk);
        return GIRO_ERR_OK;
    }
    uint64_t windows = 0, entries = 0, positions = 0;
    walk->offset = 0;
    walk->wrong = recon_walk_open(walk, verify->options->genesis, verify->options->ring, map);
    enum recon_step step = walk->wrong == NULL ? RECON_STEP_BLOCK : RECON_STEP_WRONG;
    while (step == RECON_STEP_BLOCK) {
        step = recon_walk_next(walk, 0);
        if (step == RECON_STEP_BLOCK)
            step = recon_walk_verify(walk);
        if (step != RECON_STEP_BLOCK)
            break;
        walk->wrong = recon_netting_add(&verify->netting, &walk->view);
        if (walk->wrong != NULL)
            step = RECON_STEP_WRONG;
        windows++;
        entries += walk->view.header.entry_count;
        positions += walk->view.header.position_count;
        verify->options->certificates++;
    }
    enum giro_err err = GIRO_ERR_OK;
    if (step == RECON_STEP_WRONG)
        err = recon_fail(verify->diagnosis, walk->err, path, "offset %lu: %s",
                         (unsigned long)walk->offset, walk->wrong);
    else
        verify_say(verify, path, "journal of %s: %lu windows, %lu entries, %lu positions%s",
                   recon_bic(verify->options->genesis, walk->header.member), (unsigned long)windows,
                   (unsigned long)entries, (unsigned long)positions,
                   step == RECON_STEP_TORN ? ", then ends torn (normal after a kill)" : "");
    verify->options->windows += windows;
    free(walk);
    return err;
}

enum giro_err verify_proof(struct verify *verify, const char *path, const struct recon_map *map)
{
    struct giro_proof_view view;
    const char *wrong = giro_proof_verify(verify->options->genesis, verify->options->ring,
                                          map->bytes, map->size_bytes, &view);
    if (wrong != NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_SIGNATURE, path, "offset 0: %s", wrong);
    verify->options->certificates++;
    verify_say(verify, path, "proof of leaf %u of block %lu", view.header.leaf_index,
               (unsigned long)view.header.height);
    return GIRO_ERR_OK;
}

/* ---- Spool ---- */

static const char *frame_verify(struct verify *verify, const struct giro_frame *frame)
{
    static _Thread_local uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    const struct giro_genesis *genesis = verify->options->genesis;
    size_t message_bytes = giro_frame_message(frame, &genesis->chain_id, message);
    const struct giro_genesis_key *key =
        giro_genesis_frame_key(genesis, frame->header.member, frame->header.key_id);
    if (key == NULL)
        return "the frame names a key that is not enrolled";
    if (!verify_signature(verify, key->handle, message, message_bytes, frame->signature))
        return "the frame is not signed by its member";
    if (frame->checker_signature == NULL)
        return NULL;
    key = giro_genesis_frame_key(genesis, frame->header.member, frame->header.checker_key_id);
    if (key == NULL ||
        !verify_signature(verify, key->handle, message, message_bytes, frame->checker_signature))
        return "the control transaction is not signed by its checker";
    return NULL;
}

static const char *spool_frames(struct verify *verify, struct giro_reader *reader,
                                const struct giro_spool_header *header, uint64_t *offset)
{
    uint64_t records = 0;
    for (uint64_t i = 0; i < header->frame_count; i++) {
        *offset = reader->offset;
        uint32_t size_bytes = giro_reader_u32(reader);
        const uint8_t *bytes = giro_reader_take(reader, size_bytes);
        uint32_t padding_bytes = (uint32_t)(giro_align_up(size_bytes, 4) - size_bytes);
        const uint8_t *padding = giro_reader_take(reader, padding_bytes);
        if (reader->failed)
            return "the file ends within a frame";
        if (!verify_is_zero(padding, padding_bytes))
            return "padding is not zero";
        struct giro_frame frame;
        enum giro_reject reject =
            giro_frame_decode(bytes, size_bytes, verify->options->genesis->chain_prefix, &frame);
        if (reject != GIRO_REJECT_NONE)
            return giro_reject_text(reject);
        const char *wrong = frame_verify(verify, &frame);
        if (wrong != NULL)
            return wrong;
        records += frame.header.record_count;
    }
    *offset = reader->offset;
    if (giro_reader_u32(reader) != 0 || reader->failed || giro_reader_left(reader) != 0)
        return "the file does not end where its header says";
    *offset = offsetof(struct giro_spool_header, record_count);
    return records == header->record_count ? NULL : "the header counts other records";
}

enum giro_err verify_spool(struct verify *verify, const char *path, const struct recon_map *map)
{
    struct giro_spool_header header;
    struct giro_reader reader;
    giro_reader_init(&reader, map->bytes, map->size_bytes);
    uint64_t offset = 0;
    const char *wrong = NULL;
    if (!giro_reader_copy(&reader, &header, sizeof(header)) ||
        !giro_head_is(&header.head, GIRO_KIND_SPOOL))
        wrong = "not a spool of a version this program knows";
    else if (!giro_hash_equal(&header.chain_id, &verify->options->genesis->chain_id))
        return recon_fail(verify->diagnosis, GIRO_ERR_CHAIN, path,
                          "offset 8: the header names another hub");
    else
        wrong = spool_frames(verify, &reader, &header, &offset);
    if (wrong != NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_FORMAT, path, "offset %lu: %s",
                          (unsigned long)offset, wrong);
    verify_say(verify, path, "spool: %lu frames, %lu payments", (unsigned long)header.frame_count,
               (unsigned long)header.record_count);
    return GIRO_ERR_OK;
}
