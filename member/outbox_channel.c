/* Sequences: reserved in ranges beside the counter that all processes of the member share, put down in the outbox before the first
 * frame of a range. Whatever instant a process dies at, counter and outbox together tell which sequences were its own and never
 * came to a frame; a frame that is not durable was never sent, so a skip for it is safe. */
#include "member/outbox.h"
#include "member/sender.h"

static enum giro_err refuse(const struct giro_outbox_writer *writer, uint16_t channel,
                            const char *detail, struct giro_diagnosis *diagnosis)
{
    giro_diagnosis_set(diagnosis, detail, "use another channel, or restore what belongs together",
                       "channel %u of %s cannot be used by this outbox", channel, writer->bic);
    return GIRO_ERR_STATE;
}

/* A skip for [first, last], the next sequences of the channel's span. */
static enum giro_err gap_close(const struct giro_outbox_writer *writer, uint16_t channel,
                               uint64_t first, uint64_t last)
{
    uint8_t frame[GIRO_FRAME_BYTES_MIN];
    uint32_t slot;
    if (!giro_outbox_room(writer->outbox))
        return GIRO_ERR_FULL;
    size_t size = giro_skip_make(writer->genesis, writer->key, writer->member, writer->key_id,
                                 channel, first, last, frame);
    return giro_outbox_put(writer->outbox, frame, (uint32_t)size, &slot);
}

/* What is left of the last range up to `end` was never sent; unless this outbox is an old copy and what was sent since is missing
 * here. So no skip is signed before the hub has said what it has used: below that nothing is left to close. */
static enum giro_err rest_close(const struct giro_outbox_writer *writer, uint16_t channel,
                                uint64_t end, struct giro_outbox_stand *stand)
{
    struct giro_outbox_span span = giro_outbox_span(writer->outbox, channel);
    if (!span.known || span.next >= end)
        return GIRO_ERR_OK;
    stand->wanted = !stand->known;
    if (stand->wanted || !giro_outbox_room(writer->outbox))
        return GIRO_ERR_FULL;
    uint64_t first = stand->next > span.next ? stand->next : span.next;
    first = first < end ? first : end;
    if (first > span.next)
        GIRO_TRY(giro_outbox_range(writer->outbox, channel, first, span.end));
    return first < end ? gap_close(writer, channel, first, end - 1) : GIRO_ERR_OK;
}

/* The counter says that another range was reserved; the process died before the outbox knew. */
static enum giro_err claim_close(const struct giro_outbox_writer *writer, uint16_t channel,
                                 const struct giro_sequence_claim *claim,
                                 struct giro_outbox_stand *stand)
{
    if (claim->first == claim->next)
        return GIRO_ERR_OK;
    if (!giro_outbox_room(writer->outbox))
        return GIRO_ERR_FULL;
    GIRO_TRY(giro_outbox_range(writer->outbox, channel, claim->first, claim->next));
    return rest_close(writer, channel, claim->next, stand);
}

enum giro_err giro_outbox_channel_open(const struct giro_outbox_writer *writer, uint16_t channel,
                                       struct giro_outbox_stand *stand,
                                       struct giro_diagnosis *diagnosis)
{
    struct giro_outbox *outbox = writer->outbox;
    struct giro_sequence_claim claim;
    struct giro_outbox_span span = giro_outbox_span(outbox, channel);
    GIRO_TRY(giro_sequence_claimed(writer->keys_dir, writer->bic, channel, &claim, diagnosis));
    if (!giro_outbox_room(outbox))
        return GIRO_ERR_FULL;
    if (claim.outbox != 0 && claim.outbox != giro_outbox_id(outbox)) {
        if (claim.first != claim.next)
            return refuse(writer, channel, "another outbox has it", diagnosis);
        /* Another one could take it only because this one had given back what it did not use. */
        return span.next == span.end ? GIRO_ERR_OK
                                     : giro_outbox_range(outbox, channel, span.next, span.next);
    }
    if (claim.outbox == 0 || !span.known) {
        if (span.known && span.end > 0)
            return refuse(writer, channel, "its counter is older than the outbox", diagnosis);
        return claim.outbox == 0 ? GIRO_ERR_OK : claim_close(writer, channel, &claim, stand);
    }
    if (claim.first >= span.end) {
        GIRO_TRY(rest_close(writer, channel, span.end, stand));
        return claim_close(writer, channel, &claim, stand);
    }
    if (claim.next == span.end)
        return rest_close(writer, channel, span.end, stand);
    if (claim.first != claim.next || claim.next < span.next || claim.next > span.end)
        return refuse(writer, channel, "its counter is older than the outbox", diagnosis);
    /* Given back from claim.next on; the process died before the outbox knew. */
    GIRO_TRY(rest_close(writer, channel, claim.next, stand));
    return giro_outbox_range(outbox, channel, claim.next, claim.next);
}

enum giro_err giro_outbox_channel_next(const struct giro_outbox_writer *writer, uint16_t channel,
                                       uint64_t *sequence, struct giro_diagnosis *diagnosis)
{
    struct giro_outbox_span span = giro_outbox_span(writer->outbox, channel);
    /* The counter remembers one claim: the one before must be on disk. And the new one must find room here. */
    if (!giro_outbox_room(writer->outbox) || (span.next == span.end && !span.durable))
        return GIRO_ERR_FULL;
    if (!span.known) { /* the outbox must know its number before a claim names it */
        GIRO_TRY(giro_outbox_range(writer->outbox, channel, 0, 0));
        return GIRO_ERR_FULL;
    }
    if (span.next == span.end) {
        struct giro_sequence_claim claim = {.outbox = giro_outbox_id(writer->outbox)};
        GIRO_TRY(giro_sequence_claim(writer->keys_dir, writer->bic, channel, writer->range_count,
                                     &claim, diagnosis));
        GIRO_TRY(giro_outbox_range(writer->outbox, channel, claim.first, claim.next));
        span.next = claim.first;
    }
    *sequence = span.next;
    return GIRO_ERR_OK;
}

enum giro_err giro_outbox_channel_close(const struct giro_outbox_writer *writer, uint16_t channel,
                                        struct giro_diagnosis *diagnosis)
{
    struct giro_outbox_span span = giro_outbox_span(writer->outbox, channel);
    struct giro_sequence_claim claim = {
        .outbox = giro_outbox_id(writer->outbox), .first = span.next, .next = span.end};
    bool released = false;
    if (!span.known)
        return GIRO_ERR_OK;
    if (!giro_outbox_settled(writer->outbox) || !giro_outbox_room(writer->outbox))
        return GIRO_ERR_FULL;
    GIRO_TRY(giro_sequence_release(writer->keys_dir, writer->bic, channel, &claim, &released,
                                   diagnosis));
    if (released && span.next < span.end)
        return giro_outbox_range(writer->outbox, channel, span.next, span.next);
    if (released || span.next == span.end)
        return GIRO_ERR_OK;
    GIRO_TRY(gap_close(writer, channel, span.next, span.end - 1));
    return GIRO_ERR_FULL; /* and then once more */
}
