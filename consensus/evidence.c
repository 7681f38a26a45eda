/* Evidence against replicas. See evidence.h. */
#include "consensus/evidence.h"

#define RECORD_BYTES_MAX (sizeof(struct giro_evidence_header) + 2 * GIRO_EVIDENCE_ITEM_BYTES_MAX)

#define END UINT32_MAX

struct kept {
    uint32_t size_bytes;
    uint8_t bytes[RECORD_BYTES_MAX];
};
struct giro_evidence {
    uint32_t replica_count;
    uint32_t counts[GIRO_REPLICAS_MAX];
    uint32_t
        again; /* place of the next record to write once more, offender by offender; END: none */
    struct kept records[]; /* [replica_count][GIRO_EVIDENCE_PER_REPLICA] */
};

size_t giro_evidence_footprint(uint32_t replica_count)
{
    return sizeof(struct giro_evidence) +
           (size_t)replica_count * GIRO_EVIDENCE_PER_REPLICA * sizeof(struct kept);
}

struct giro_evidence *giro_evidence_init(void *mem, size_t size_bytes, uint32_t replica_count)
{
    if (mem == NULL || size_bytes < giro_evidence_footprint(replica_count))
        return NULL;
    struct giro_evidence *const evidence = mem;
    evidence->replica_count = replica_count;
    memset(evidence->counts, 0, sizeof(evidence->counts));
    evidence->again = END;
    return evidence;
}

static struct kept *kept_at(struct giro_evidence *evidence, uint32_t offender, uint32_t index)
{
    GIRO_ASSERT(offender < evidence->replica_count && index < GIRO_EVIDENCE_PER_REPLICA);
    return &evidence->records[(size_t)offender * GIRO_EVIDENCE_PER_REPLICA + index];
}

static bool known(struct giro_evidence *evidence, const struct giro_evidence_header *header)
{
    for (uint32_t i = 0; i < evidence->counts[header->offender]; i++) {
        if (memcmp(kept_at(evidence, header->offender, i)->bytes, header, sizeof(*header)) == 0)
            return true;
    }
    return false;
}

const uint8_t *giro_evidence_keep(struct giro_evidence *evidence,
                                  const struct giro_evidence_header *header, const void *first,
                                  const void *second, uint32_t *record_bytes)
{
    GIRO_ASSERT(header->offender < evidence->replica_count);
    GIRO_ASSERT(header->first_bytes <= GIRO_EVIDENCE_ITEM_BYTES_MAX);
    GIRO_ASSERT(header->second_bytes <= GIRO_EVIDENCE_ITEM_BYTES_MAX);
    *record_bytes = 0;
    if (evidence->counts[header->offender] == GIRO_EVIDENCE_PER_REPLICA || known(evidence, header))
        return NULL;
    struct kept *const kept =
        kept_at(evidence, header->offender, evidence->counts[header->offender]++);
    memcpy(kept->bytes, header, sizeof(*header));
    memcpy(kept->bytes + sizeof(*header), first, header->first_bytes);
    memcpy(kept->bytes + sizeof(*header) + header->first_bytes, second, header->second_bytes);
    kept->size_bytes = (uint32_t)sizeof(*header) + header->first_bytes + header->second_bytes;
    *record_bytes = kept->size_bytes;
    return kept->bytes;
}

enum giro_reject giro_evidence_recover(struct giro_evidence *evidence, const uint8_t *record,
                                       uint32_t record_bytes)
{
    struct giro_evidence_header header;
    if (record_bytes < sizeof(header))
        return GIRO_REJECT_TRUNCATED;
    memcpy(&header, record, sizeof(header));
    if (!giro_head_is(&header.head, GIRO_KIND_EVIDENCE))
        return GIRO_REJECT_KIND;
    if (header.offender >= evidence->replica_count)
        return GIRO_REJECT_SIGNER;
    if (header.first_bytes > GIRO_EVIDENCE_ITEM_BYTES_MAX ||
        header.second_bytes > GIRO_EVIDENCE_ITEM_BYTES_MAX ||
        record_bytes != sizeof(header) + header.first_bytes + header.second_bytes)
        return GIRO_REJECT_COUNT;
    uint32_t kept_bytes = 0;
    const uint8_t *const first = record + sizeof(header);
    (void)giro_evidence_keep(evidence, &header, first, first + header.first_bytes, &kept_bytes);
    return GIRO_REJECT_NONE;
}

uint32_t giro_evidence_count(const struct giro_evidence *evidence, uint32_t offender)
{
    GIRO_ASSERT(offender < evidence->replica_count);
    return evidence->counts[offender];
}

const uint8_t *giro_evidence_at(const struct giro_evidence *evidence, uint32_t offender,
                                uint32_t index, uint32_t *record_bytes)
{
    GIRO_ASSERT(index < giro_evidence_count(evidence, offender));
    const struct kept *const kept =
        &evidence->records[(size_t)offender * GIRO_EVIDENCE_PER_REPLICA + index];
    *record_bytes = kept->size_bytes;
    return kept->bytes;
}

void giro_evidence_again(struct giro_evidence *evidence)
{
    evidence->again = 0;
}

const uint8_t *giro_evidence_next(struct giro_evidence *evidence, uint32_t *record_bytes)
{
    while (evidence->again < evidence->replica_count * GIRO_EVIDENCE_PER_REPLICA) {
        const uint32_t offender = evidence->again / GIRO_EVIDENCE_PER_REPLICA;
        const uint32_t index = evidence->again++ % GIRO_EVIDENCE_PER_REPLICA;
        if (index < evidence->counts[offender])
            return giro_evidence_at(evidence, offender, index, record_bytes);
    }
    evidence->again = END;
    return NULL;
}
