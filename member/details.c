#include "member/details.h"

#include <sodium.h>

#include "member/sender.h"

static size_t block_bytes(uint32_t plaintext_bytes)
{
    return plaintext_bytes == 0
               ? 0
               : sizeof(struct giro_details_header) + plaintext_bytes + GIRO_DETAILS_TAG_BYTES;
}

uint32_t giro_frame_fit(const uint32_t *details_bytes, uint32_t count, uint32_t records_max,
                        size_t bytes_max)
{
    size_t used = sizeof(struct giro_frame_header) + GIRO_SIGNATURE_BYTES;
    uint32_t fit = 0;
    while (fit < count && fit < records_max) {
        used += sizeof(struct giro_record) + block_bytes(details_bytes[fit]);
        if (used > bytes_max)
            break;
        fit++;
    }
    return fit;
}

/* Seals one record's details at out; returns the block's size, 0 where one cannot seal. */
static uint32_t block_make(const struct giro_genesis *genesis,
                           const struct giro_details_place *place, const struct giro_record *record,
                           const struct giro_frame_details *details, struct giro_details_key *key,
                           uint8_t *out)
{
    const struct giro_genesis_key *creditor = &genesis->members[record->creditor].sealing;
    const struct giro_genesis_key *supervisor = &genesis->supervisor.sealing;
    struct giro_details_seal seal = {.place = *place,
                                     .plaintext = details->plaintext,
                                     .plaintext_bytes = details->plaintext_bytes,
                                     .creditor = creditor->key,
                                     .supervisor = supervisor->key,
                                     .creditor_key_id = (uint16_t)creditor->key_id,
                                     .supervisor_key_id = (uint16_t)supervisor->key_id};
    randombytes_buf(seal.key, sizeof(seal.key));
    randombytes_buf(seal.nonce, sizeof(seal.nonce));
    const uint32_t size_bytes = giro_details_seal_block(&seal, out);
    *key = (struct giro_details_key){
        .sequence = place->sequence, .channel = place->channel, .record = place->record};
    if (size_bytes > 0)
        memcpy(&key->commitment, out + offsetof(struct giro_details_header, commitment),
               sizeof(key->commitment));
    memcpy(key->key, seal.key, sizeof(key->key));
    memcpy(key->uetr, place->uetr, sizeof(key->uetr));
    sodium_memzero(seal.key, sizeof(seal.key));
    return size_bytes;
}

size_t giro_frame_make_detailed(const struct giro_genesis *genesis,
                                const struct giro_secret_key *key, uint16_t member, uint16_t key_id,
                                uint16_t channel, uint64_t sequence,
                                const struct giro_record *records,
                                const struct giro_frame_details *details, uint32_t record_count,
                                struct giro_details_key *keys, uint32_t *key_count, uint8_t *out)
{
    uint8_t section[GIRO_FRAME_BYTES_MAX];
    uint32_t used = 0;
    size_t room = GIRO_FRAME_BYTES_MAX - sizeof(struct giro_frame_header) - GIRO_SIGNATURE_BYTES;
    *key_count = 0;
    if (record_count * sizeof(*records) > room)
        return 0;
    room -= record_count * sizeof(*records);
    for (uint32_t i = 0; i < record_count; i++) {
        if (details[i].plaintext_bytes == 0 || records[i].creditor >= genesis->member_count)
            continue;
        struct giro_details_place place = {.chain = genesis->chain_id,
                                           .member = member,
                                           .channel = channel,
                                           .record = (uint16_t)i,
                                           .sequence = sequence};
        memcpy(place.uetr, records[i].uetr, sizeof(place.uetr));
        if (block_bytes(details[i].plaintext_bytes) > room - used)
            return 0;
        const uint32_t size_bytes = block_make(genesis, &place, &records[i], &details[i],
                                               &keys[*key_count], section + used);
        if (size_bytes == 0)
            return 0;
        used += size_bytes;
        (*key_count)++;
    }
    return giro_frame_make_with(genesis, key, member, key_id, channel, sequence, records,
                                record_count, section, used, out);
}
