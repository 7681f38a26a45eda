#include "apps/girod/receipts.h"

#include <stdlib.h>

#define RECEIPTS_OPEN 64u

struct gathering {
    struct giro_endpoint to;
    uint16_t member;
    uint16_t item_count;
    uint32_t size_bytes;
    uint8_t bytes[GIRO_FRAME_MTU_BYTES];
};

struct giro_receipts {
    uint64_t chain_prefix;
    uint16_t replica;
    struct giro_port *port;
    uint64_t lost;
    uint32_t open_count;
    struct gathering open[RECEIPTS_OPEN];
};

struct giro_receipts *giro_receipts_new(uint64_t chain_prefix, uint16_t replica,
                                        struct giro_port *port)
{
    struct giro_receipts *receipts = calloc(1, sizeof(*receipts));
    if (receipts == NULL)
        return NULL;
    receipts->chain_prefix = chain_prefix;
    receipts->replica = replica;
    receipts->port = port;
    return receipts;
}

void giro_receipts_free(struct giro_receipts *receipts)
{
    free(receipts);
}

static void send_one(struct giro_receipts *receipts, struct gathering *gathering)
{
    if (gathering->item_count == 0)
        return;
    struct giro_receipt_header header = {.head = giro_head_make(GIRO_KIND_RECEIPT),
                                         .chain_prefix = receipts->chain_prefix,
                                         .member = gathering->member,
                                         .replica = receipts->replica,
                                         .item_count = gathering->item_count};
    memcpy(gathering->bytes, &header, sizeof(header));
    if (giro_port_send(receipts->port, &gathering->to, gathering->bytes, gathering->size_bytes) !=
        GIRO_ERR_OK)
        receipts->lost++; /* the member resends and is answered then */
    gathering->item_count = 0;
    gathering->size_bytes = sizeof(header);
}

static struct gathering *gathering_for(struct giro_receipts *receipts,
                                       const struct giro_answer *answer)
{
    for (uint32_t i = 0; i < receipts->open_count; i++) {
        struct gathering *gathering = &receipts->open[i];
        if (gathering->member == answer->member && gathering->to.ipv4 == answer->to.ipv4 &&
            gathering->to.port == answer->to.port)
            return gathering;
    }
    if (receipts->open_count == RECEIPTS_OPEN)
        giro_receipts_flush(receipts);
    struct gathering *gathering = &receipts->open[receipts->open_count++];
    gathering->to = answer->to;
    gathering->member = answer->member;
    gathering->item_count = 0;
    gathering->size_bytes = sizeof(struct giro_receipt_header);
    return gathering;
}

void giro_receipts_add(struct giro_receipts *receipts, const struct giro_answer *answer)
{
    struct gathering *gathering = gathering_for(receipts, answer);
    struct giro_receipt_item item = answer->item;
    size_t runs_bytes = answer->run_count * sizeof(struct giro_receipt_run);
    if (sizeof(struct giro_receipt_header) + sizeof(item) + runs_bytes > GIRO_FRAME_MTU_BYTES) {
        /* A jumbo frame whose records fared too differently for one datagram: the outcome is told, the statuses are asked
         * for by proof. */
        item.run_count = 0;
        runs_bytes = 0;
    }
    if (gathering->size_bytes + sizeof(item) + runs_bytes > GIRO_FRAME_MTU_BYTES)
        send_one(receipts, gathering);
    memcpy(gathering->bytes + gathering->size_bytes, &item, sizeof(item));
    memcpy(gathering->bytes + gathering->size_bytes + sizeof(item), answer->runs, runs_bytes);
    gathering->size_bytes += (uint32_t)(sizeof(item) + runs_bytes);
    gathering->item_count++;
}

void giro_receipts_flush(struct giro_receipts *receipts)
{
    for (uint32_t i = 0; i < receipts->open_count; i++)
        send_one(receipts, &receipts->open[i]);
    receipts->open_count = 0;
}

uint64_t giro_receipts_lost(const struct giro_receipts *receipts)
{
    return receipts->lost;
}
