/* member/details.h - frames whose payments have sealed details, and the keys of those, which only the debtor keeps.
 *
 * A block's K is written down, durably, before its frame may leave: without it the debtor could neither read its own details
 * again nor show anyone what it said. The files of keys are <keys>/<BIC>/details-<UTC date>.keys, mode 0600, 96 bytes a payment;
 * they are appended to, never changed, and worth as much secrecy as the details themselves.
 * Threads: any; several processes may append to one file. Link giro_member.
 */
#ifndef GIRO_MEMBER_DETAILS_H
#define GIRO_MEMBER_DETAILS_H

#include "giro/details.h"
#include "giro/genesis.h"

/* A frame must pass an ordinary path within a session, whose header and block head take 44 bytes. */
#define GIRO_FRAME_ORDINARY_BYTES (GIRO_FRAME_MTU_BYTES - 44u)

/* giro_frame_fit: how many of the payments fit in one frame of bytes_max, records_max at most, in their order; 0: not even the
 * first. details_bytes[i]: its plaintext, 0 for none. */
uint32_t giro_frame_fit(const uint32_t *details_bytes, uint32_t count, uint32_t records_max,
                        size_t bytes_max);

struct giro_frame_details {
    const uint8_t *plaintext; /* of giro_details_encode; NULL: no details */
    uint32_t plaintext_bytes;
};
/* giro_frame_make_detailed builds and signs a frame with sealed details into out (GIRO_FRAME_BYTES_MAX); details[i] are those of
 * records[i]. Returns its size and gives the keys (record_count at most) that must be durable before the frame leaves; 0: too
 * large, or a sealing key that one cannot seal to. A payment to a creditor who is no member has nobody to seal to: it goes
 * without details. */
size_t giro_frame_make_detailed(const struct giro_genesis *genesis,
                                const struct giro_secret_key *key, uint16_t member, uint16_t key_id,
                                uint16_t channel, uint64_t sequence,
                                const struct giro_record *records,
                                const struct giro_frame_details *details, uint32_t record_count,
                                struct giro_details_key *keys, uint32_t *key_count, uint8_t *out);

/* giro_details_keys_add appends to the member's file of the UTC day `date` and syncs it. */
enum giro_err giro_details_keys_add(const char *keys_dir, const struct giro_genesis *genesis,
                                    uint16_t member, uint16_t date,
                                    const struct giro_details_key *keys, uint32_t count,
                                    struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

/* All keys of a member, to look up by commitment. */
struct giro_details_keys;
/* giro_details_keys_load reads the files in <keys>/<BIC>; none there is no error. CHAIN or FORMAT: a file is not this member's.
 * KEY: others may read it. */
enum giro_err giro_details_keys_load(const char *keys_dir, const struct giro_genesis *genesis,
                                     uint16_t member, struct giro_details_keys **keys,
                                     struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_details_keys_find: K of the block with this commitment, NULL if it is not there. keys may be NULL. */
const uint8_t *giro_details_keys_find(const struct giro_details_keys *keys,
                                      const struct giro_hash *commitment);
uint64_t giro_details_keys_count(const struct giro_details_keys *keys);
void giro_details_keys_free(struct giro_details_keys *keys); /* wipes; NULL is fine */

#endif
