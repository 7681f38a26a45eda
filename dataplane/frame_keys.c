#include "frame_keys.h"

bool frame_member_known(const struct giro_genesis *genesis, const struct giro_frame *frame)
{
    bool control = frame->header.head.kind == GIRO_KIND_CONTROL;
    if (frame->header.member == GIRO_MEMBER_OPERATOR)
        return control;
    return !control && frame->header.member < genesis->member_count;
}

uint32_t frame_items(const struct giro_genesis *genesis, const struct giro_frame *frame,
                     const uint8_t *message, uint32_t message_bytes,
                     struct giro_verify_item items[FRAME_KEYS_MAX])
{
    const struct giro_frame_header *header = &frame->header;
    if (!frame_member_known(genesis, frame))
        return 0;
    const struct giro_genesis_key *key =
        giro_genesis_frame_key(genesis, header->member, header->key_id);
    if (key == NULL)
        return 0;
    items[0] = (struct giro_verify_item){.key = key->handle,
                                         .message = message,
                                         .message_bytes = message_bytes,
                                         .signature = frame->signature};
    if (header->head.kind != GIRO_KIND_CONTROL)
        return 1;
    const struct giro_genesis_key *checker =
        giro_genesis_frame_key(genesis, header->member, header->checker_key_id);
    if (checker == NULL || checker == key) /* four eyes: two people, not one key twice */
        return 0;
    items[1] = items[0];
    items[1].key = checker->handle;
    items[1].signature = frame->checker_signature;
    return 2;
}
