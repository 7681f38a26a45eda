/* Images beside a block log: what a quorum signed about them, and every chunk at its place. */
#include <stdlib.h>

#include "verify_log.h"

static const char *file_check(struct verify *verify, const struct recon_map *map,
                              struct giro_image_file *header)
{
    const struct giro_genesis *genesis = verify->options->genesis;
    uint8_t checksum[16];
    if (map->size_bytes < sizeof(*header))
        return "shorter than its header";
    memcpy(header, map->bytes, sizeof(*header));
    if (!giro_head_is(&header->head, GIRO_KIND_IMAGE_FILE) || header->reserved != 0 ||
        header->size_bytes < sizeof(*header) || header->size_bytes > map->size_bytes)
        return "the header is not that of an image file";
    giro_image_file_checksum(map->bytes, header->size_bytes, checksum);
    if (memcmp(checksum, header->checksum, sizeof(checksum)) != 0)
        return "the file does not match its checksum";
    if (!giro_hash_equal(&header->chain_id, &genesis->chain_id))
        return "the image belongs to another hub";
    if (header->manifest_bytes > header->size_bytes - sizeof(*header))
        return "the manifest is longer than the file";
    if (!verify_is_zero(map->bytes + header->size_bytes, map->size_bytes - header->size_bytes))
        return "bytes behind the end are not zero";
    return NULL;
}

static const char *manifest_check(struct verify *verify, const struct recon_map *map,
                                  const struct giro_image_file *header,
                                  struct giro_manifest *manifest)
{
    const struct giro_genesis *genesis = verify->options->genesis;
    enum giro_reject reject =
        giro_manifest_decode(map->bytes + sizeof(*header), header->manifest_bytes,
                             genesis->replica_count, &genesis->chain_id, manifest);
    if (reject != GIRO_REJECT_NONE)
        return giro_reject_text(reject);
    const uint64_t places = giro_align_up(sizeof(*header) + header->manifest_bytes, 8);
    if (header->size_bytes != places + (uint64_t)manifest->chunk_count * sizeof(uint32_t) ||
        header->height != manifest->checkpoint.header.body.height)
        return "header and manifest do not fit each other";
    const char *wrong = verify_checkpoint(verify, &manifest->checkpoint);
    if (wrong == NULL)
        wrong = verify_certificate(verify, &manifest->certificate);
    return wrong == NULL ? verify_qc(verify, &manifest->qc) : wrong;
}

/* Every chunk is read from its place; *bad counts those that are not what the manifest says. */
static enum giro_err chunks_check(struct log_verify *log, const struct recon_map *map,
                                  const struct giro_image_file *header,
                                  const struct giro_manifest *manifest, uint32_t *bad)
{
    const uint64_t places = giro_align_up(sizeof(*header) + header->manifest_bytes, 8);
    struct recon_map chunks = {0};
    uint32_t open = GIRO_NONE;
    *bad = 0;
    for (uint32_t i = 0; i < manifest->chunk_count; i++) {
        uint32_t place;
        struct giro_hash expected;
        memcpy(&place, map->bytes + places + i * sizeof(place), sizeof(place));
        memcpy(&expected, manifest->chunk_hashes + i * sizeof(expected), sizeof(expected));
        const uint32_t number = place / GIRO_CHUNKS_PER_FILE;
        if (number != open) {
            char name[32], path[RECON_PATH_BYTES];
            if (open != GIRO_NONE)
                recon_map_close(&chunks);
            snprintf(name, sizeof(name), "chunks-%04x", number);
            if (!recon_path_join(path, log->path, name))
                return GIRO_ERR_ARGUMENT;
            GIRO_TRY(recon_map_open(path, &chunks, log->verify->diagnosis));
            open = number;
        }
        const uint64_t at = (uint64_t)(place % GIRO_CHUNKS_PER_FILE) * GIRO_CHUNK_BYTES;
        struct giro_hash found = giro_hash_zero;
        if (at + GIRO_CHUNK_BYTES <= chunks.size_bytes)
            found = giro_chunk_hash(chunks.bytes + at);
        *bad += !giro_hash_equal(&found, &expected);
    }
    if (open != GIRO_NONE)
        recon_map_close(&chunks);
    return GIRO_ERR_OK;
}

/* Only the two newest are kept: the places of older ones may hold something else by now, so only their own bytes count. */
enum giro_err verify_image(struct log_verify *log, const char *path, const struct recon_map *map)
{
    struct verify *verify = log->verify;
    struct giro_manifest *manifest = &log->manifest;
    struct giro_image_file header;
    uint32_t bad = 0;
    if (verify_is_zero(map->bytes, map->size_bytes)) {
        verify_say(verify, path, "image file: made, not written yet");
        return GIRO_ERR_OK;
    }
    const char *wrong = file_check(verify, map, &header);
    if (wrong == NULL)
        wrong = manifest_check(verify, map, &header, manifest);
    if (wrong != NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_CHECKSUM, path, "%s", wrong);
    GIRO_TRY(
        verify_replica(verify, path, offsetof(struct giro_image_file, replica), header.replica));
    if (header.state != GIRO_IMAGE_WHOLE) {
        verify_say(verify, path, "image of height %lu: not fetched to its end",
                   (unsigned long)header.height);
        return GIRO_ERR_OK;
    }
    GIRO_TRY(chunks_check(log, map, &header, manifest, &bad));
    if (bad > 0 && header.height > log->image_height)
        log->damaged_height =
            header.height > log->damaged_height ? header.height : log->damaged_height;
    if (bad == 0 && header.height > log->image_height) {
        log->image_height = header.height;
        log->image_block = manifest->checkpoint.header.body.block_id;
        log->image_sequence = header.log_sequence;
    }
    verify_say(verify, path, "image of height %lu: signed by a quorum, %u chunks%s",
               (unsigned long)header.height, manifest->chunk_count,
               bad == 0 ? "" : ", some written over since");
    return GIRO_ERR_OK;
}
