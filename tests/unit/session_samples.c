#include "session_samples.h"

#include <stdlib.h>

static void fill(uint8_t *bytes, size_t size_bytes, uint8_t first)
{
    for (size_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)(first + i);
}

static void put(struct giro_writer *writer, enum giro_session_kind kind, const void *body,
                size_t size_bytes)
{
    const bool fits = giro_session_put(writer, kind, body, (uint32_t)size_bytes);
    GIRO_ASSERT(fits);
}

static void put_ack(struct giro_writer *writer, uint64_t credit)
{
    struct giro_session_window window = {0};
    for (uint64_t number = 0; number < 100; number++)
        if (number != 3 && number != 70 && number != 71)
            giro_session_window_take(&window, number, (uint32_t)number);
    const bool fits = giro_session_put_ack(writer, &window, credit, 250);
    GIRO_ASSERT(fits);
}

static void put_skip(struct giro_writer *writer)
{
    uint8_t frame[GIRO_FRAME_BYTES_MIN];
    const struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_SKIP),
                                             .chain_prefix = UINT64_C(0xC7C6C5C4C3C2C1C0),
                                             .member = 5,
                                             .key_id = 1,
                                             .channel = 3,
                                             .sequence = 40};
    const uint64_t to = 41;
    memcpy(frame, &header, sizeof(header));
    memcpy(frame + sizeof(header), &to, sizeof(to));
    fill(frame + 48, 64, 0x90);
    put(writer, GIRO_SESSION_FRAME, frame, sizeof(frame));
}

static uint32_t up(struct giro_writer *writer)
{
    put_skip(writer);
    put_ack(writer, 0);
    const struct giro_session_ask ask = {
        .sequence = 39, .channel = 3, .want = GIRO_WANT_PROOF, .offset = 1024};
    put(writer, GIRO_SESSION_ASK, &ask, sizeof(ask));
    const struct giro_session_ping ping = {.token = 0x1122334455667788, .datagram_max = 8972};
    put(writer, GIRO_SESSION_PING, &ping, sizeof(ping));
    const uint8_t zeros[5] = {0};
    put(writer, GIRO_SESSION_PAD, zeros, sizeof(zeros));
    return (uint32_t)writer->offset;
}

static uint32_t down(struct giro_writer *writer)
{
    struct {
        struct giro_receipt_item item;
        struct giro_receipt_run runs[2];
    } receipt = {
        {.sequence = 38,
         .height = 42,
         .leaf_index = 3,
         .channel = 3,
         .level = GIRO_LEVEL_CERTIFIED,
         .outcome = GIRO_OUTCOME_EXECUTED,
         .run_count = 2},
        {{.count = 2, .result = {.status = GIRO_STATUS_ACSP, .cycle = 9}},
         {.count = 1, .result = {.status = GIRO_STATUS_RJCT, .reason = GIRO_REASON_AM04}}}};
    fill(receipt.item.frame_hash.bytes, 32, 0x20);
    put(writer, GIRO_SESSION_RECEIPT, &receipt, 64 + 24);
    put_ack(writer, 356);
    const struct giro_session_refuse refuse = {
        .sequence = 40, .channel = 3, .reason = GIRO_REJECT_POLICED, .wait_ms = 20};
    put(writer, GIRO_SESSION_REFUSE, &refuse, sizeof(refuse));
    struct {
        struct giro_session_proof head;
        uint8_t bytes[10];
        uint8_t unused[6];
    } proof = {.head = {.sequence = 39, .channel = 3, .offset = 1024, .total = 1034}};
    fill(proof.bytes, sizeof(proof.bytes), 0x50);
    put(writer, GIRO_SESSION_PROOF, &proof, sizeof(proof.head) + sizeof(proof.bytes));
    const struct giro_session_pong pong = {.token = 0x1122334455667788, .size = 1472};
    put(writer, GIRO_SESSION_PONG, &pong, sizeof(pong));
    const struct giro_session_channel channel = {
        .channel = 3, .stopped = 1, .base = 10, .frontier = 42};
    put(writer, GIRO_SESSION_CHANNEL, &channel, sizeof(channel));
    const struct giro_session_close message = {.reason = GIRO_CLOSE_STOPPING};
    put(writer, GIRO_SESSION_CLOSE, &message, sizeof(message));
    return (uint32_t)writer->offset;
}

uint32_t session_sample(enum giro_session_direction direction, uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, 1400);
    return direction == GIRO_SESSION_UP ? up(&writer) : down(&writer);
}

enum giro_reject session_blocks_again(const uint8_t *bytes, uint32_t size_bytes,
                                      enum giro_session_direction direction)
{
    static uint8_t again[UINT16_MAX + 1];
    struct giro_reader reader;
    struct giro_writer writer;
    const enum giro_reject reject = giro_session_blocks_check(bytes, size_bytes, direction);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    giro_reader_init(&reader, bytes, size_bytes);
    giro_writer_init(&writer, again, sizeof(again));
    while (giro_reader_left(&reader) > 0) {
        struct giro_session_block block;
        if (giro_session_next(&reader, direction, &block) != GIRO_REJECT_NONE ||
            !giro_session_put(&writer, block.kind, block.bytes, block.size_bytes))
            abort();
    }
    if (writer.offset != size_bytes || memcmp(again, bytes, size_bytes) != 0)
        abort();
    return reject;
}
