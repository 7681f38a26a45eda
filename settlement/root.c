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

/* A preimage: tag, part, level, index | number, unless number_bytes is 0 | a | b. */
struct node {
    enum giro_state_part part;
    uint32_t level;
    uint64_t index;
    uint64_t number;
    size_t number_bytes;
    const void *a, *b;
    size_t a_bytes, b_bytes;
};

#define NODE_FIXED_BYTES (GIRO_TAG_BYTES + 16u + 8u)

static struct giro_part node_fixed(const struct node *node, uint8_t fixed[NODE_FIXED_BYTES])
{
    uint32_t part_number = node->part;
    memcpy(fixed, GIRO_TAG_STATE_PART, GIRO_TAG_BYTES);
    memcpy(fixed + GIRO_TAG_BYTES, &part_number, 4);
    memcpy(fixed + GIRO_TAG_BYTES + 4, &node->level, 4);
    memcpy(fixed + GIRO_TAG_BYTES + 8, &node->index, 8);
    memcpy(fixed + GIRO_TAG_BYTES + 16, &node->number, node->number_bytes);
    return (struct giro_part){fixed, GIRO_TAG_BYTES + 16 + node->number_bytes};
}

static struct giro_hash node_hash(const struct node *node)
{
    uint8_t fixed[NODE_FIXED_BYTES];
    const struct giro_part parts[] = {
        node_fixed(node, fixed), {node->a, node->a_bytes}, {node->b, node->b_bytes}};
    return giro_sha256_parts(parts, node->b == NULL ? 2 : 3);
}

/* Nodes that do not depend on each other, hashed together. */
#define NODES_AT_ONCE 32u
struct nodes {
    struct node nodes[NODES_AT_ONCE];
    struct giro_hash *out[NODES_AT_ONCE];
    uint32_t count;
};

static void nodes_hash(struct nodes *nodes)
{
    uint8_t fixed[NODES_AT_ONCE][NODE_FIXED_BYTES];
    struct giro_sha256_state states[NODES_AT_ONCE], *order[NODES_AT_ONCE];
    struct giro_part heads[NODES_AT_ONCE], a[NODES_AT_ONCE], b[NODES_AT_ONCE];
    struct giro_hash hashes[NODES_AT_ONCE];
    for (uint32_t i = 0; i < nodes->count; i++) {
        const struct node *node = &nodes->nodes[i];
        giro_sha256_begin(&states[i]);
        order[i] = &states[i];
        heads[i] = node_fixed(node, fixed[i]);
        a[i] = (struct giro_part){node->a, node->a_bytes};
        b[i] = node->b == NULL ? (struct giro_part){fixed, 0}
                               : (struct giro_part){node->b, node->b_bytes};
    }
    giro_sha256_update_many(order, heads, nodes->count);
    giro_sha256_update_many(order, a, nodes->count);
    giro_sha256_update_many(order, b, nodes->count);
    giro_sha256_end_many(order, nodes->count, hashes);
    for (uint32_t i = 0; i < nodes->count; i++)
        *nodes->out[i] = hashes[i];
    nodes->count = 0;
}

/* The digest is there after nodes_hash. */
static void nodes_add(struct nodes *nodes, struct node node, struct giro_hash *digest)
{
    if (nodes->count == NODES_AT_ONCE)
        nodes_hash(nodes);
    nodes->nodes[nodes->count] = node;
    nodes->out[nodes->count++] = digest;
}

/* The top of a part over its list of digests; count is in the preimage. */
static struct giro_hash part_top(enum giro_state_part part, uint64_t count,
                                 const struct giro_hash *digests)
{
    const struct node node = {.part = part,
                              .level = 9,
                              .index = count,
                              .a = digests,
                              .a_bytes = count * sizeof(*digests)};
    return node_hash(&node);
}

/* ---- Leaves: from the state alone ---- */

static struct node member_node(const struct giro_settlement *settlement, uint32_t member)
{
    return (struct node){.part = PART_BOOKS,
                         .index = member,
                         .number = settlement->member_status[member],
                         .number_bytes = 8,
                         .a = giro_book_at(settlement, member, 0),
                         .a_bytes = settlement->currency_count * sizeof(struct giro_book_account)};
}

static struct node group_node(const struct giro_settlement *settlement, uint32_t index,
                              uint32_t group)
{
    size_t first = (size_t)index * GIRO_CHANNEL_WINDOW + group * GIRO_CHANNEL_GROUP;
    return (struct node){.part = PART_CHANNELS,
                         .index = first,
                         .a = &settlement->channels.slots[first],
                         .a_bytes = GIRO_CHANNEL_GROUP * sizeof(struct giro_channel_slot)};
}

static struct node channel_node(const struct giro_settlement *settlement, uint32_t index,
                                const struct giro_hash *groups)
{
    return (struct node){.part = PART_CHANNELS,
                         .level = 1,
                         .index = index,
                         .a = &settlement->channels.channels[index],
                         .a_bytes = sizeof(struct giro_channel),
                         .b = groups,
                         .b_bytes = GIRO_CHANNEL_GROUPS * sizeof(*groups)};
}

static struct node owner_node(uint32_t owner, const struct giro_hash *channels)
{
    return (struct node){.part = PART_CHANNELS,
                         .level = 2,
                         .index = owner,
                         .a = channels,
                         .a_bytes = GIRO_CHANNELS_MAX * sizeof(*channels)};
}

/* Of a segment with entries; an empty one has the zero digest. */
static struct node segment_node(const struct giro_uetr_set *set, uint64_t segment)
{
    uint64_t fill = giro_uetr_segment_fill(set, segment);
    size_t first = (size_t)(segment % set->segment_count) * GIRO_UETR_SEGMENT;
    return (struct node){.part = PART_UETRS,
                         .index = segment,
                         .number = fill,
                         .number_bytes = 8,
                         .a = &set->entries[first],
                         .a_bytes = fill * sizeof(struct giro_uetr_entry)};
}

static struct node segments_node(const struct giro_uetr_set *set, uint32_t group,
                                 const struct giro_hash *digests)
{
    uint32_t first = group * GIRO_UETR_GROUP;
    uint32_t count = set->segment_count - first;
    if (count > GIRO_UETR_GROUP)
        count = GIRO_UETR_GROUP;
    return (struct node){.part = PART_UETRS,
                         .level = 1,
                         .index = group,
                         .a = digests,
                         .a_bytes = count * sizeof(*digests)};
}

static struct giro_hash uetr_part(const struct giro_uetr_set *set, const struct giro_hash *groups)
{
    const uint64_t fixed[3] = {set->head, set->open, set->open_count};
    const struct node node = {.part = PART_UETRS,
                              .level = 9,
                              .index = set->group_count,
                              .a = fixed,
                              .a_bytes = sizeof(fixed),
                              .b = groups,
                              .b_bytes = set->group_count * sizeof(*groups)};
    return node_hash(&node);
}

static struct giro_hash cycle_part(const struct giro_settlement *settlement,
                                   const struct giro_cycle *cycles)
{
    const uint32_t fixed[3] = {settlement->business_date, settlement->day, settlement->cycle_next};
    const struct node node = {.part = PART_CYCLES,
                              .level = 9,
                              .index = settlement->currency_count,
                              .a = fixed,
                              .a_bytes = sizeof(fixed),
                              .b = cycles,
                              .b_bytes = settlement->currency_count * sizeof(*cycles)};
    return node_hash(&node);
}

static struct node row_node(const struct giro_settlement *settlement, uint32_t currency_index,
                            uint32_t sender)
{
    const struct giro_matrix *matrix = &settlement->matrices[currency_index];
    size_t members = settlement->member_count;
    return (struct node){.part = PART_MATRIX,
                         .index = sender,
                         .a = &matrix->cells[matrix->current][sender * members],
                         .a_bytes = members * sizeof(struct giro_matrix_cell)};
}

static struct giro_hash matrix_digest(const struct giro_settlement *settlement,
                                      uint32_t currency_index, const struct giro_hash *rows)
{
    const struct node node = {.part = PART_MATRIX,
                              .level = 1,
                              .index = currency_index,
                              .a = rows,
                              .a_bytes = settlement->member_count * sizeof(*rows)};
    return node_hash(&node);
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

/* Level by level, since each needs the digests of the one below; books, channels and UETRs together, so that many nodes are
 * hashed at once. Each function adds what is stale of one kind. */

static void members_add(struct giro_settlement *settlement, struct nodes *nodes)
{
    for (uint32_t i = 0; i < settlement->member_dirty_count; i++) {
        uint32_t member = settlement->member_dirty_list[i];
        nodes_add(nodes, member_node(settlement, member), &settlement->member_digests[member]);
        settlement->member_dirty[member] = 0;
    }
}

static void segments_add(struct giro_uetr_set *set, struct nodes *nodes)
{
    for (uint64_t segment = set->dirty_from; set->dirty && segment <= set->open; segment++) {
        uint32_t place = (uint32_t)(segment % set->segment_count);
        if (giro_uetr_segment_fill(set, segment) == 0)
            set->digests[place] = giro_hash_zero;
        else
            nodes_add(nodes, segment_node(set, segment), &set->digests[place]);
        set->group_dirty[place / GIRO_UETR_GROUP] = 1;
    }
}

static void segment_groups_add(struct giro_settlement *settlement, struct nodes *nodes)
{
    struct giro_uetr_set *set = &settlement->uetrs;
    for (uint32_t group = 0; set->dirty && group < set->group_count; group++) {
        if (!set->group_dirty[group] && settlement->height != 0)
            continue;
        nodes_add(nodes, segments_node(set, group, &set->digests[group * GIRO_UETR_GROUP]),
                  &set->group_digests[group]);
        set->group_dirty[group] = 0;
    }
}

static struct giro_hash *groups_of(const struct giro_channels *channels, uint32_t index)
{
    return &channels->group_digests[(size_t)index * GIRO_CHANNEL_GROUPS];
}

static void slot_groups_add(struct giro_settlement *settlement, struct nodes *nodes)
{
    struct giro_channels *channels = &settlement->channels;
    for (uint32_t i = 0; i < channels->dirty_count; i++) {
        uint32_t index = channels->dirty_list[i];
        for (uint32_t group = 0; group < GIRO_CHANNEL_GROUPS; group++) {
            if ((channels->dirty_groups[index] >> group & 1) != 0)
                nodes_add(nodes, group_node(settlement, index, group),
                          &groups_of(channels, index)[group]);
        }
        channels->dirty_groups[index] = 0;
    }
}

static void channels_add(struct giro_settlement *settlement, struct nodes *nodes)
{
    struct giro_channels *channels = &settlement->channels;
    for (uint32_t i = 0; i < channels->dirty_count; i++) {
        uint32_t index = channels->dirty_list[i];
        nodes_add(nodes, channel_node(settlement, index, groups_of(channels, index)),
                  &channels->digests[index]);
        channels->dirty[index] = 0;
        channels->owner_dirty[index / GIRO_CHANNELS_MAX] = 1;
    }
}

static void owners_add(struct giro_settlement *settlement, struct nodes *nodes)
{
    struct giro_channels *channels = &settlement->channels;
    for (uint32_t owner = 0; owner <= settlement->member_count && channels->dirty_count > 0;
         owner++) {
        if (!channels->owner_dirty[owner])
            continue;
        nodes_add(nodes, owner_node(owner, &channels->digests[(size_t)owner * GIRO_CHANNELS_MAX]),
                  &channels->owner_digests[owner]);
        channels->owner_dirty[owner] = 0;
    }
}

static void tops_update(struct giro_settlement *settlement)
{
    struct giro_channels *channels = &settlement->channels;
    struct giro_uetr_set *set = &settlement->uetrs;
    bool genesis = settlement->height == 0;
    if (settlement->member_dirty_count > 0)
        settlement->parts[PART_BOOKS] =
            part_top(PART_BOOKS, settlement->member_count, settlement->member_digests);
    if (channels->dirty_count > 0 || genesis)
        settlement->parts[PART_CHANNELS] =
            part_top(PART_CHANNELS, settlement->member_count + 1, channels->owner_digests);
    if (set->dirty)
        settlement->parts[PART_UETRS] = uetr_part(set, set->group_digests);
    settlement->parts[PART_CYCLES] = cycle_part(settlement, settlement->cycles);
    settlement->member_dirty_count = 0;
    channels->dirty_count = 0;
    set->dirty_from = set->dirty ? set->open : set->dirty_from;
    set->dirty = false;
}

static void matrix_update(struct giro_settlement *settlement)
{
    struct giro_hash digests[GIRO_CURRENCIES_MAX];
    bool all = settlement->height % GIRO_MATRIX_REFRESH_HEIGHTS == 0;
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        struct giro_matrix *matrix = &settlement->matrices[i];
        struct nodes nodes = {.count = 0};
        for (uint32_t row = 0; row < settlement->member_count && (all || matrix->refresh); row++) {
            if (!matrix->row_dirty[row])
                continue;
            nodes_add(&nodes, row_node(settlement, i, row), &matrix->row_digests[row]);
            matrix->row_dirty[row] = 0;
        }
        nodes_hash(&nodes);
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
    struct nodes nodes = {.count = 0};
    segments_add(&settlement->uetrs, &nodes); /* the longest first: the others run beside them */
    members_add(settlement, &nodes);
    slot_groups_add(settlement, &nodes);
    nodes_hash(&nodes);
    segment_groups_add(settlement, &nodes);
    channels_add(settlement, &nodes);
    nodes_hash(&nodes);
    owners_add(settlement, &nodes);
    nodes_hash(&nodes);
    tops_update(settlement);
    matrix_update(settlement);
    return root_of(settlement, settlement->parts);
}

/* ---- From scratch, one node at a time ---- */

static struct giro_hash fresh(struct node node)
{
    return node_hash(&node);
}

static struct giro_hash books_fresh(const struct giro_settlement *settlement)
{
    for (uint32_t member = 0; member < settlement->member_count; member++)
        settlement->scratch_hashes[member] = fresh(member_node(settlement, member));
    return part_top(PART_BOOKS, settlement->member_count, settlement->scratch_hashes);
}

static struct giro_hash channel_fresh(const struct giro_settlement *settlement, uint32_t index)
{
    const struct giro_channel *channel = &settlement->channels.channels[index];
    struct giro_hash groups[GIRO_CHANNEL_GROUPS];
    if (!channel->used)
        return giro_hash_zero;
    for (uint32_t group = 0; group < GIRO_CHANNEL_GROUPS; group++)
        groups[group] = (channel->groups >> group & 1) != 0
                            ? fresh(group_node(settlement, index, group))
                            : giro_hash_zero;
    return fresh(channel_node(settlement, index, groups));
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
        settlement->scratch_hashes[owner] =
            used ? fresh(owner_node(owner, digests)) : giro_hash_zero;
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
                digests[place % GIRO_UETR_GROUP] = giro_uetr_segment_fill(set, segment) == 0
                                                       ? giro_hash_zero
                                                       : fresh(segment_node(set, segment));
        }
        settlement->scratch_hashes[group] = fresh(segments_node(set, group, digests));
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
                                                  ? fresh(row_node(settlement, i, row))
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
