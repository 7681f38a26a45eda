/* The checks that several decoders share. */
#include "decode.h"

enum giro_reject wire_copy(struct giro_reader *reader, void *out, size_t size_bytes)
{
    return giro_reader_copy(reader, out, size_bytes) ? GIRO_REJECT_NONE : GIRO_REJECT_TRUNCATED;
}

enum giro_reject wire_head_check(const struct giro_head *head, enum giro_kind kind)
{
    WIRE_REQUIRE(head->magic == GIRO_MAGIC, MAGIC);
    WIRE_REQUIRE(head->kind == kind, KIND);
    WIRE_REQUIRE(head->version == GIRO_VERSION, VERSION);
    return GIRO_REJECT_NONE;
}

bool wire_is_zero(const void *bytes, size_t size_bytes)
{
    const uint8_t *byte = bytes;
    uint8_t any = 0;
    for (size_t i = 0; i < size_bytes; i++)
        any |= byte[i];
    return any == 0;
}

uint32_t wire_quorum(uint32_t replica_count)
{
    GIRO_ASSERT(replica_count >= 1);
    GIRO_ASSERT(replica_count <= GIRO_REPLICAS_MAX);
    return replica_count - (replica_count - 1) / 3;
}

enum giro_reject wire_signers_check(uint8_t scheme, uint32_t signer_count, const uint8_t *bitmap,
                                    uint32_t replica_count)
{
    /* The keyed hash of the simulator passes here: no verifier but the simulator's accepts it. */
    WIRE_REQUIRE(scheme == GIRO_SCHEME_ED25519 || scheme == GIRO_SCHEME_KEYED_HASH, FIELD);
    WIRE_REQUIRE(signer_count <= GIRO_QUORUM_MAX, COUNT);
    WIRE_REQUIRE(signer_count == wire_quorum(replica_count), QUORUM);
    WIRE_REQUIRE(giro_bitmap_count(bitmap) == signer_count, SIGNER);
    for (uint32_t i = replica_count; i < GIRO_BITMAP_BYTES * 8; i++)
        WIRE_REQUIRE(!giro_bitmap_has(bitmap, i), SIGNER);
    return GIRO_REJECT_NONE;
}

enum giro_reject wire_commit_id_check(uint64_t round, uint64_t parent_round,
                                      const struct giro_hash *commit_id)
{
    WIRE_REQUIRE(round > parent_round, FIELD);
    /* A block whose rounds are not neighbours commits nothing; the other way round (neighbours but no
     * commit id) is for the signatures to rule out: no honest replica signs it. */
    WIRE_REQUIRE(round - parent_round == 1 || giro_hash_is_zero(commit_id), FIELD);
    return GIRO_REJECT_NONE;
}
