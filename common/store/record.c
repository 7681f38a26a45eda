/* Names, checksums and shapes: what writer and readers of the block log must agree on. */
#define XXH_STATIC_LINKING_ONLY /* the state lives on the stack: nothing here may allocate */
#include <xxhash.h>

#include "internal.h"

static_assert(sizeof(XXH3_state_t) <= sizeof(struct giro_log_digest), "digest state too small");
static_assert(_Alignof(XXH3_state_t) <= 64, "digest state under-aligned");
static_assert(offsetof(struct giro_log_record_header, checksum) == 32,
              "checksum covers bytes 0..32");

void giro_log_name(uint64_t generation, char name[SEGMENT_NAME_BYTES])
{
    uint8_t bytes[8];
    for (uint32_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(generation >> (56 - 8 * i));
    memcpy(name, "log-", 4);
    giro_hex_format(bytes, sizeof bytes, name + 4);
}

void giro_log_header_checksum(const struct giro_log_segment_header *header, uint8_t checksum[16])
{
    XXH128_canonical_t canonical;
    XXH128_hash_t hash = XXH3_128bits(header, offsetof(struct giro_log_segment_header, checksum));
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(checksum, canonical.digest, 16);
}

void giro_safety_slot_checksum(const struct giro_safety_slot *slot, uint8_t checksum[16])
{
    XXH128_canonical_t canonical;
    XXH128_hash_t hash = XXH3_128bits(slot, offsetof(struct giro_safety_slot, checksum));
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(checksum, canonical.digest, 16);
}

void giro_image_file_checksum(const void *bytes, uint64_t size_bytes, uint8_t checksum[16])
{
    const uint64_t from = offsetof(struct giro_image_file, chain_id);
    GIRO_ASSERT(size_bytes >= from);
    XXH128_canonical_t canonical;
    XXH128_hash_t hash = XXH3_128bits((const uint8_t *)bytes + from, size_bytes - from);
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(checksum, canonical.digest, 16);
}

uint64_t giro_log_record_bytes(uint64_t body_bytes)
{
    return RECORD_HEADER_BYTES + giro_align_up(body_bytes, 8);
}

void giro_log_digest_begin(struct giro_log_digest *digest, uint64_t seed,
                           const struct giro_log_record_header *header)
{
    XXH3_state_t *state = (XXH3_state_t *)digest;
    /* reset_withSeed makes the secret of a seed only when the state's seed differs: on the stack that is chance. */
    XXH3_INITSTATE(state);
    XXH3_128bits_reset_withSeed(state, seed);
    XXH3_128bits_update(state, header, offsetof(struct giro_log_record_header, checksum));
}

void giro_log_digest_update(struct giro_log_digest *digest, const void *bytes, size_t size_bytes)
{
    if (size_bytes > 0)
        XXH3_128bits_update((XXH3_state_t *)digest, bytes, size_bytes);
}

void giro_log_digest_end(struct giro_log_digest *digest, uint8_t checksum[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest((const XXH3_state_t *)digest));
    memcpy(checksum, canonical.digest, 16);
}

const char *giro_log_record_shape(const struct giro_log_record_header *header, uint64_t generation,
                                  uint64_t segment_bytes, uint64_t offset)
{
    static const uint8_t zeros[16];
    if (header->magic != GIRO_MAGIC)
        return "no record where one must start";
    if (header->kind < GIRO_LOG_PAD_RECORD || header->kind > GIRO_LOG_OUTBOX_RANGE_RECORD)
        return "a record of unknown kind";
    if (header->reserved != 0 || header->reserved2 != 0 ||
        memcmp(header->reserved3, zeros, sizeof zeros) != 0)
        return "reserved bytes of a record are not zero";
    if (header->generation != generation)
        return "a record of another generation";
    if (header->body_bytes > GIRO_LOG_BODY_BYTES_MAX)
        return "a record is too long";
    if (offset + giro_log_record_bytes(header->body_bytes) > segment_bytes)
        return "a record runs over the end of its segment";
    return NULL;
}
