/* Exactly once: per (member, channel) a window of 1,024 sequences with the frame hash of each
 * consumed one. The base trails the first clear sequence by at most 512, so the repeat of any of
 * the last 512 frames is still known by its hash; below the base nothing can execute any more. */
#include "internal.h"

uint32_t giro_channel_index(const struct giro_settlement *settlement, uint16_t member,
                            uint16_t channel)
{
    uint32_t owner = member == GIRO_MEMBER_OPERATOR ? settlement->member_count : member;
    GIRO_ASSERT(owner <= settlement->member_count);
    GIRO_ASSERT(channel < GIRO_CHANNELS_MAX);
    return owner * GIRO_CHANNELS_MAX + channel;
}

bool giro_channel_bit(const struct giro_channel *channel, uint64_t sequence)
{
    uint64_t place = sequence % GIRO_CHANNEL_WINDOW;
    return (channel->bits[place / 64] >> (place % 64) & 1) != 0;
}

static void bit_set(struct giro_channel *channel, uint64_t sequence)
{
    uint64_t place = sequence % GIRO_CHANNEL_WINDOW;
    channel->bits[place / 64] |= UINT64_C(1) << (place % 64);
}

static void bit_clear(struct giro_channel *channel, uint64_t sequence)
{
    uint64_t place = sequence % GIRO_CHANNEL_WINDOW;
    channel->bits[place / 64] &= ~(UINT64_C(1) << (place % 64));
}

static struct giro_channel_slot *slot_at(const struct giro_settlement *settlement, uint32_t index,
                                         uint64_t sequence)
{
    return &settlement->channels
                .slots[(size_t)index * GIRO_CHANNEL_WINDOW + sequence % GIRO_CHANNEL_WINDOW];
}

enum giro_outcome giro_channel_decide(const struct giro_settlement *settlement, uint32_t index,
                                      uint64_t from, uint64_t to, const struct giro_hash *hash,
                                      const struct giro_channel_slot **slot)
{
    const struct giro_channel *channel = &settlement->channels.channels[index];
    GIRO_ASSERT(from <= to);
    if (from < channel->base)
        return GIRO_OUTCOME_OLD;
    if (from - channel->base < GIRO_CHANNEL_WINDOW && giro_channel_bit(channel, from)) {
        *slot = slot_at(settlement, index, from);
        return giro_hash_equal(&(*slot)->frame_hash, hash) ? GIRO_OUTCOME_DUPLICATE
                                                           : GIRO_OUTCOME_EQUIVOCATION;
    }
    if (channel->stopped)
        return GIRO_OUTCOME_CHANNEL_STOPPED;
    if (to - channel->base >= GIRO_CHANNEL_WINDOW)
        return GIRO_OUTCOME_NOT_CONSUMED;
    return GIRO_OUTCOME_EXECUTED;
}

static void touch(struct giro_settlement *settlement, uint32_t index)
{
    struct giro_channels *channels = &settlement->channels;
    if (channels->dirty[index])
        return;
    channels->dirty[index] = 1;
    channels->dirty_list[channels->dirty_count++] = index;
}

static void slide(struct giro_channel *channel)
{
    while (channel->frontier - channel->base < GIRO_CHANNEL_WINDOW &&
           giro_channel_bit(channel, channel->frontier))
        channel->frontier++;
    while (channel->frontier - channel->base > GIRO_CHANNEL_TRAIL)
        bit_clear(channel, channel->base++);
}

void giro_channel_consume(struct giro_settlement *settlement, uint32_t index, uint64_t from,
                          uint64_t to, const struct giro_hash *hash, uint32_t leaf_index)
{
    struct giro_channels *channels = &settlement->channels;
    struct giro_channel *channel = &channels->channels[index];
    GIRO_ASSERT(!channel->stopped);
    GIRO_ASSERT(from >= channel->base);
    GIRO_ASSERT(to - channel->base < GIRO_CHANNEL_WINDOW);
    GIRO_ASSERT(!giro_channel_bit(channel, from));
    for (uint64_t sequence = from; sequence <= to; sequence++) {
        if (giro_channel_bit(channel, sequence))
            continue;
        bit_set(channel, sequence);
        *slot_at(settlement, index, sequence) = (struct giro_channel_slot){
            .frame_hash = *hash, .height = settlement->height, .leaf_index = leaf_index};
        uint16_t group = (uint16_t)(1u << (sequence % GIRO_CHANNEL_WINDOW / GIRO_CHANNEL_GROUP));
        channel->groups |= group;
        channels->dirty_groups[index] |= group;
    }
    channel->used = 1;
    slide(channel);
    touch(settlement, index);
}

void giro_channel_set_stopped(struct giro_settlement *settlement, uint32_t index, bool stopped)
{
    settlement->channels.channels[index].stopped = stopped;
    settlement->channels.channels[index].used = 1;
    touch(settlement, index);
}

void giro_settlement_channel(const struct giro_settlement *settlement, uint16_t member,
                             uint16_t channel, uint64_t *base, uint64_t *next, bool *stopped)
{
    const struct giro_channel *found =
        &settlement->channels.channels[giro_channel_index(settlement, member, channel)];
    *base = found->base;
    *next = found->frontier;
    *stopped = found->stopped != 0;
}

bool giro_settlement_consumed(const struct giro_settlement *settlement, uint16_t member,
                              uint16_t channel, uint64_t sequence, const struct giro_hash *hash,
                              uint64_t *height, uint32_t *leaf_index)
{
    bool known = member < settlement->member_count || member == GIRO_MEMBER_OPERATOR;
    if (!known || channel >= GIRO_CHANNELS_MAX)
        return false;
    uint32_t index = giro_channel_index(settlement, member, channel);
    const struct giro_channel *found = &settlement->channels.channels[index];
    if (sequence < found->base || sequence - found->base >= GIRO_CHANNEL_WINDOW ||
        !giro_channel_bit(found, sequence))
        return false;
    const struct giro_channel_slot *slot = slot_at(settlement, index, sequence);
    *height = slot->height;
    *leaf_index = slot->leaf_index;
    return giro_hash_equal(&slot->frame_hash, hash);
}
