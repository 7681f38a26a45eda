#include "member/sender.h"

static struct giro_frame_header header_make(const struct giro_genesis *genesis, enum giro_kind kind,
                                            uint16_t member, uint16_t key_id, uint16_t channel,
                                            uint64_t sequence, uint32_t record_count)
{
    return (struct giro_frame_header){.head = giro_head_make(kind),
                                      .chain_prefix = genesis->chain_prefix,
                                      .member = member,
                                      .key_id = key_id,
                                      .channel = channel,
                                      .record_count = (uint16_t)record_count,
                                      .sequence = sequence};
}

/* Signs what the bytes so far decode to: the decoder and the signer agree by construction. */
static struct giro_signature sign_bytes(const struct giro_genesis *genesis,
                                        const struct giro_secret_key *key, const uint8_t *bytes,
                                        size_t size_bytes)
{
    struct giro_frame frame;
    enum giro_reject reject = giro_frame_decode(bytes, size_bytes, genesis->chain_prefix, &frame);
    GIRO_ASSERT(reject == GIRO_REJECT_NONE);
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    size_t message_bytes = giro_frame_message(&frame, &genesis->chain_id, message);
    return giro_sign(key, message, message_bytes);
}

size_t giro_frame_make(const struct giro_genesis *genesis, const struct giro_secret_key *key,
                       uint16_t member, uint16_t key_id, uint16_t channel, uint64_t sequence,
                       const struct giro_record *records, uint32_t record_count, uint8_t *out)
{
    return giro_frame_make_with(genesis, key, member, key_id, channel, sequence, records,
                                record_count, NULL, 0, out);
}

size_t giro_frame_make_with(const struct giro_genesis *genesis, const struct giro_secret_key *key,
                            uint16_t member, uint16_t key_id, uint16_t channel, uint64_t sequence,
                            const struct giro_record *records, uint32_t record_count,
                            const uint8_t *details, uint32_t details_bytes, uint8_t *out)
{
    GIRO_ASSERT(record_count >= 1 && record_count <= GIRO_FRAME_RECORDS_MAX);
    struct giro_frame_header header =
        header_make(genesis, GIRO_KIND_FRAME, member, key_id, channel, sequence, record_count);
    header.details_bytes = details_bytes;
    size_t body = sizeof(header) + record_count * sizeof(*records);
    memcpy(out, &header, sizeof(header));
    memcpy(out + sizeof(header), records, record_count * sizeof(*records));
    if (details_bytes > 0)
        memcpy(out + body, details, details_bytes);
    body += details_bytes;
    memset(out + body, 0, GIRO_SIGNATURE_BYTES);
    struct giro_signature signature = sign_bytes(genesis, key, out, body + GIRO_SIGNATURE_BYTES);
    memcpy(out + body, &signature, sizeof(signature));
    return body + GIRO_SIGNATURE_BYTES;
}

size_t giro_skip_make(const struct giro_genesis *genesis, const struct giro_secret_key *key,
                      uint16_t member, uint16_t key_id, uint16_t channel, uint64_t first,
                      uint64_t last, uint8_t *out)
{
    GIRO_ASSERT(first <= last);
    struct giro_frame_header header =
        header_make(genesis, GIRO_KIND_SKIP, member, key_id, channel, first, 0);
    size_t body = sizeof(header) + sizeof(last);
    memcpy(out, &header, sizeof(header));
    memcpy(out + sizeof(header), &last, sizeof(last));
    memset(out + body, 0, GIRO_SIGNATURE_BYTES);
    struct giro_signature signature = sign_bytes(genesis, key, out, body + GIRO_SIGNATURE_BYTES);
    memcpy(out + body, &signature, sizeof(signature));
    return body + GIRO_SIGNATURE_BYTES;
}

size_t giro_control_make(const struct giro_genesis *genesis, const struct giro_secret_key *maker,
                         uint16_t maker_key_id, const struct giro_secret_key *checker,
                         uint16_t checker_key_id, uint16_t channel, uint64_t sequence,
                         const struct giro_control *controls, uint32_t count, uint8_t *out)
{
    GIRO_ASSERT(count >= 1 && count <= GIRO_CONTROL_RECORDS_MAX);
    struct giro_frame_header header = header_make(genesis, GIRO_KIND_CONTROL, GIRO_MEMBER_OPERATOR,
                                                  maker_key_id, channel, sequence, count);
    header.checker_key_id = checker_key_id;
    size_t body = sizeof(header) + count * sizeof(*controls);
    size_t size_bytes = body + 2 * GIRO_SIGNATURE_BYTES;
    memcpy(out, &header, sizeof(header));
    memcpy(out + sizeof(header), controls, count * sizeof(*controls));
    memset(out + body, 0, 2 * GIRO_SIGNATURE_BYTES);
    struct giro_signature first = sign_bytes(genesis, maker, out, size_bytes);
    struct giro_signature second = sign_bytes(genesis, checker, out, size_bytes);
    memcpy(out + body, &first, sizeof(first));
    memcpy(out + body + GIRO_SIGNATURE_BYTES, &second, sizeof(second));
    return size_bytes;
}
