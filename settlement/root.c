/* The settlement root: five parts under cached digests, so that a block pays for what it changed
 * and for one short list per part. giro_settlement_recompute walks the whole state with the same
 * leaf functions and none of the caches.
 *
 *   part     leaf digest                            tree above it
 *   BOOKS    member: status, accounts               -> part
 *   CHANNELS 64 slots; channel: window, 16 groups   -> owner (64 channels) -> part
 *   UETRS    segment: number, entries               -> group (64 segments) -> part
 *   CYCLES   business date, counters, every cycle   = part
 *   MATRIX   sender's row of the open cycle         -> currency -> part; as of its last refresh
 *
 * Preimage of each: tag STATE_PART | part 4 | level 4 | index 8 | bytes. What was never used has
 * the zero digest. */
#include "internal.h"

static struct giro_hash node(enum giro_state_part part, uint32_t level, uint64_t index,
                             const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    uint8_t fixed[GIRO_TAG_BYTES + 16];
    uint32_t part_number = part;
    memcpy(fixed, GIRO_TAG_STATE_PART, GIRO_TAG_BYTES);
    memcpy(fixed + GIRO_TAG_BYTES, &part_number, 4);
    memcpy(fixed + GIRO_TAG_BYTES + 4, &level, 4);
    memcpy(fixed + GIRO_TAG_BYTES + 8, &index, 8);
    const struct giro_part parts[] = {{fixed, sizeof(fixed)}, {a, a_bytes}, {b, b_bytes}};
    return giro_sha256_parts(parts, b == NULL ? 2 : 3);
}

/* The top of a part over its list of digests; count is in the preimage. */
static struct giro_hash part_top(enum giro_state_part part, uint64_t count,
                                 const struct giro_hash *digests)
{
    return node(part, 9, count, digests, count * sizeof(*digests), NULL, 0);
}

/* ---- Leaves: from the state alone ---- */

static struct giro_hash member_digest(const struct giro_settlement *settlement, uint32_t member)
{
    uint64_t status = settlement->member_status[member];
    return node(PART_BOOKS, 0, member, &status, sizeof(status), giro_book_at(settlement, member, 0),
                settlement->currency_count * sizeof(struct giro_book_account));
}

static struct giro_hash group_digest(const struct giro_settlement *settlement, uint32_t index,
                                     uint32_t group)
{
    size_t first = (size_t)index * GIRO_CHANNEL_WINDOW + group * GIRO_CHANNEL_GROUP;
    return node(PART_CHANNELS, 0, first, &settlement->channels.slots[first],
                GIRO_CHANNEL_GROUP * sizeof(struct giro_channel_slot), NULL, 0);
}

static struct giro_hash channel_digest(const struct giro_settlement *settlement, uint32_t index,
                                       const struct giro_hash *groups)
{
    return node(PART_CHANNELS, 1, index, &settlement->channels.channels[index],
                sizeof(struct giro_channel), groups, GIRO_CHANNEL_GROUPS * sizeof(*groups));
}

static struct giro_hash owner_digest(uint32_t owner, const struct giro_hash *channels)
{
    return node(PART_CHANNELS, 2, owner, channels, GIRO_CHANNELS_MAX * sizeof(*channels), NULL, 0);
}

static struct giro_hash segment_digest(const struct giro_uetr_set *set, uint64_t segment)
{
    uint64_t fill = giro_uetr_segment_fill(set, segment);
    if (fill == 0)
        return giro_hash_zero;
    size_t first = (size_t)(segment % set->segment_count) * GIRO_UETR_SEGMENT;
    return node(PART_UETRS, 0, segment, &fill, sizeof(fill), &set->entries[first],
                fill * sizeof(struct giro_uetr_entry));
}

static struct giro_hash segments_digest(const struct giro_uetr_set *set, uint32_t group,
                                        const struct giro_hash *digests)
{
    uint32_t first = group * GIRO_UETR_GROUP;
    uint32_t count = set->segment_count - first;
    if (count > GIRO_UETR_GROUP)
        count = GIRO_UETR_GROUP;
    return node(PART_UETRS, 1, group, digests, count * sizeof(*digests), NULL, 0);
}

static struct giro_hash uetr_part(const struct giro_uetr_set *set, const struct giro_hash *groups)
{
    const uint64_t fixed[3] = {set->head, set->open, set->open_count};
    return node(PART_UETRS, 9, set->group_count, fixed, sizeof(fixed), groups,
                set->group_count * sizeof(*groups));
}

static struct giro_hash cycle_part(const struct giro_settlement *settlement,
                                   const struct giro_cycle *cycles)
{
    const uint32_t fixed[3] = {settlement->business_date, settlement->day, settlement->cycle_next};
    return node(PART_CYCLES, 9, settlement->currency_count, fixed, sizeof(fixed), cycles,
                settlement->currency_count * sizeof(*cycles));
}

static struct giro_hash row_digest(const struct giro_settlement *settlement,
                                   uint32_t currency_index, uint32_t sender)
{
    const struct giro_matrix *matrix = &settlement->matrices[currency_index];
    size_t members = settlement->member_count;
    return node(PART_MATRIX, 0, sender, &matrix->cells[matrix->current][sender * members],
                members * sizeof(struct giro_matrix_cell), NULL, 0);
}

static struct giro_hash matrix_digest(const struct giro_settlement *settlement,
                                      uint32_t currency_index, const struct giro_hash *rows)
{
    return node(PART_MATRIX, 1, currency_index, rows, settlement->member_count * sizeof(*rows),
                NULL, 0);
}

static struct giro_hash root_of(const struct giro_settlement *settlement,
                                const struct giro_hash *parts)
{
    const uint64_t fixed[2] = {settlement->height, settlement->time_ns};
    const struct giro_part preimage[] = {
        {GIRO_TAG_STATE_ROOT, GIRO_TAG_BYTES},
        {fixed, sizeof(fixed)},
        {&parts[PART_BOOKS], (PART_END - PART_BOOKS) * sizeof(*parts)}};
    return giro_sha256_parts(preimage, 3);
}

/* ---- With caches ---- */

static void books_update(struct giro_settlement *settlement)
{
    if (settlement->member_dirty_count == 0)
        return;
    for (uint32_t i = 0; i < settlement->member_dirty_count; i++) {
        uint32_t member = settlement->member_dirty_list[i];
        settlement->member_digests[member] = member_digest(settlement, member);
        settlement->member_dirty[member] = 0;
    }
    settlement->member_dirty_count = 0;
    settlement->parts[PART_BOOKS] =
        part_top(PART_BOOKS, settlement->member_count, settlement->member_digests);
}

static void channel_update(struct giro_settlement *settlement, uint32_t index)
{
    struct giro_channels *channels = &settlement->channels;
    struct giro_hash *groups = &channels->group_digests[(size_t)index * GIRO_CHANNEL_GROUPS];
    for (uint32_t group = 0; group < GIRO_CHANNEL_GROUPS; group++) {
        if ((channels->dirty_groups[index] >> group & 1) != 0)
            groups[group] = group_digest(settlement, index, group);
    }
    channels->digests[index] = channel_digest(settlement, index, groups);
    channels->dirty_groups[index] = 0;
    channels->dirty[index] = 0;
    channels->owner_dirty[index / GIRO_CHANNELS_MAX] = 1;
}

static void channels_update(struct giro_settlement *settlement)
{
    struct giro_channels *channels = &settlement->channels;
    if (channels->dirty_count == 0 && settlement->height != 0)
        return;
    for (uint32_t i = 0; i < channels->dirty_count; i++)
        channel_update(settlement, channels->dirty_list[i]);
    channels->dirty_count = 0;
    for (uint32_t owner = 0; owner <= settlement->member_count; owner++) {
        if (!channels->owner_dirty[owner])
            continue;
        channels->owner_digests[owner] =
            owner_digest(owner, &channels->digests[(size_t)owner * GIRO_CHANNELS_MAX]);
        channels->owner_dirty[owner] = 0;
    }
    settlement->parts[PART_CHANNELS] =
        part_top(PART_CHANNELS, settlement->member_count + 1, channels->owner_digests);
}

static void uetrs_update(struct giro_settlement *settlement)
{
    struct giro_uetr_set *set = &settlement->uetrs;
    if (!set->dirty)
        return;
    for (uint64_t segment = set->dirty_from; segment <= set->open; segment++) {
        uint32_t place = (uint32_t)(segment % set->segment_count);
        set->digests[place] = segment_digest(set, segment);
        set->group_dirty[place / GIRO_UETR_GROUP] = 1;
    }
    for (uint32_t group = 0; group < set->group_count; group++) {
        if (!set->group_dirty[group] && settlement->height != 0)
            continue;
        set->group_digests[group] =
            segments_digest(set, group, &set->digests[group * GIRO_UETR_GROUP]);
        set->group_dirty[group] = 0;
    }
    set->dirty_from = set->open;
    set->dirty = false;
    settlement->parts[PART_UETRS] = uetr_part(set, set->group_digests);
}

static void matrix_update(struct giro_settlement *settlement)
{
    struct giro_hash digests[GIRO_CURRENCIES_MAX];
    bool all = settlement->height % GIRO_MATRIX_REFRESH_HEIGHTS == 0;
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        struct giro_matrix *matrix = &settlement->matrices[i];
        for (uint32_t row = 0; row < settlement->member_count && (all || matrix->refresh); row++) {
            if (!matrix->row_dirty[row])
                continue;
            matrix->row_digests[row] = row_digest(settlement, i, row);
            matrix->row_dirty[row] = 0;
        }
        if (all || matrix->refresh) {
            matrix->digest = matrix_digest(settlement, i, matrix->row_digests);
            matrix->digest_height = settlement->height;
            matrix->refresh = false;
        }
        digests[i] = matrix->digest;
    }
    settlement->parts[PART_MATRIX] = part_top(PART_MATRIX, settlement->currency_count, digests);
}

struct giro_hash giro_root_update(struct giro_settlement *settlement)
{
    books_update(settlement);
    channels_update(settlement);
    uetrs_update(settlement);
    settlement->parts[PART_CYCLES] = cycle_part(settlement, settlement->cycles);
    matrix_update(settlement);
    return root_of(settlement, settlement->parts);
}

/* ---- From scratch ---- */

static struct giro_hash books_fresh(const struct giro_settlement *settlement)
{
    for (uint32_t member = 0; member < settlement->member_count; member++)
        settlement->scratch_hashes[member] = member_digest(settlement, member);
    return part_top(PART_BOOKS, settlement->member_count, settlement->scratch_hashes);
}

static struct giro_hash channel_fresh(const struct giro_settlement *settlement, uint32_t index)
{
    const struct giro_channel *channel = &settlement->channels.channels[index];
    struct giro_hash groups[GIRO_CHANNEL_GROUPS];
    if (!channel->used)
        return giro_hash_zero;
    for (uint32_t group = 0; group < GIRO_CHANNEL_GROUPS; group++)
        groups[group] = (channel->groups >> group & 1) != 0 ? group_digest(settlement, index, group)
                                                            : giro_hash_zero;
    return channel_digest(settlement, index, groups);
}

static struct giro_hash channels_fresh(const struct giro_settlement *settlement)
{
    for (uint32_t owner = 0; owner <= settlement->member_count; owner++) {
        struct giro_hash digests[GIRO_CHANNELS_MAX];
        bool used = false;
        for (uint32_t channel = 0; channel < GIRO_CHANNELS_MAX; channel++) {
            uint32_t index = owner * GIRO_CHANNELS_MAX + channel;
            digests[channel] = channel_fresh(settlement, index);
            used = used || settlement->channels.channels[index].used;
        }
        settlement->scratch_hashes[owner] = used ? owner_digest(owner, digests) : giro_hash_zero;
    }
    return part_top(PART_CHANNELS, settlement->member_count + 1, settlement->scratch_hashes);
}

static struct giro_hash uetrs_fresh(const struct giro_settlement *settlement)
{
    const struct giro_uetr_set *set = &settlement->uetrs;
    for (uint32_t group = 0; group < set->group_count; group++) {
        struct giro_hash digests[GIRO_UETR_GROUP] = {0};
        for (uint64_t segment = set->head; segment <= set->open; segment++) {
            uint32_t place = (uint32_t)(segment % set->segment_count);
            if (place / GIRO_UETR_GROUP == group)
                digests[place % GIRO_UETR_GROUP] = segment_digest(set, segment);
        }
        settlement->scratch_hashes[group] = segments_digest(set, group, digests);
    }
    return uetr_part(set, settlement->scratch_hashes);
}

/* Sums and the settled netting root are derived again from accounts and matrices. */
static struct giro_hash cycles_fresh(const struct giro_settlement *settlement)
{
    struct giro_cycle cycles[GIRO_CURRENCIES_MAX];
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        cycles[i] = settlement->cycles[i];
        cycles[i].balances = 0;
        cycles[i].positions = 0;
        for (uint32_t member = 0; member < settlement->member_count; member++) {
            cycles[i].balances += giro_book_at(settlement, member, i)->balance;
            cycles[i].positions += giro_book_at(settlement, member, i)->position;
        }
        if (cycles[i].settled_number != 0)
            cycles[i].netting_root = giro_netting_root(
                settlement, i, settlement->matrices[i].current ^ 1u, cycles[i].settled_number);
    }
    return cycle_part(settlement, cycles);
}

/* Between refreshes the digest of the last one is part of the state. */
static struct giro_hash matrix_fresh(const struct giro_settlement *settlement)
{
    struct giro_hash digests[GIRO_CURRENCIES_MAX];
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        const struct giro_matrix *matrix = &settlement->matrices[i];
        digests[i] = matrix->digest;
        if (matrix->digest_height != settlement->height)
            continue;
        for (uint32_t row = 0; row < settlement->member_count; row++)
            settlement->scratch_hashes[row] = matrix->row_used[matrix->current][row]
                                                  ? row_digest(settlement, i, row)
                                                  : giro_hash_zero;
        digests[i] = matrix_digest(settlement, i, settlement->scratch_hashes);
    }
    return part_top(PART_MATRIX, settlement->currency_count, digests);
}

struct giro_hash giro_settlement_recompute(const struct giro_settlement *settlement)
{
    struct giro_hash parts[PART_END];
    GIRO_ASSERT(!settlement->in_block);
    parts[PART_BOOKS] = books_fresh(settlement);
    parts[PART_CHANNELS] = channels_fresh(settlement);
    parts[PART_UETRS] = uetrs_fresh(settlement);
    parts[PART_CYCLES] = cycles_fresh(settlement);
    parts[PART_MATRIX] = matrix_fresh(settlement);
    return root_of(settlement, parts);
}
