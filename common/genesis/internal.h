/* common/genesis/internal.h - the names of roles and statuses, shared by parser, renderer and
 * enrolment. */
#ifndef GIRO_GENESIS_INTERNAL_H
#define GIRO_GENESIS_INTERNAL_H

#include "giro/genesis.h"

#define GENESIS_FORMAT         "giro-genesis-1"
#define GENESIS_BYTES_MAX      (16u << 20)
#define GENESIS_OPERATORS_MAX  4u
#define GENESIS_OWNER_MAX      16u /* bytes of an owner in a proof of possession */
#define GENESIS_NS_PER_MS      UINT64_C(1000000)
#define GENESIS_REPLICA_KEY_ID 1u

/* A replica's keys, in the order of the file. */
#define GENESIS_REPLICA_KEYS 4u
extern const char *const giro_genesis_replica_roles[GENESIS_REPLICA_KEYS + 1]; /* NULL ends it */
struct giro_genesis_key *giro_genesis_replica_key(struct giro_genesis_replica *replica,
                                                  uint32_t role);

/* giro_genesis_status_text returns "open", "blocked" or "closed"; NULL for another number. */
const char *giro_genesis_status_text(uint8_t status);

/* giro_genesis_owner_valid: 1..16 letters, digits, '-' or '_', not beginning with '-'; safe as a
 * folder name and whole inside a proof of possession. */
bool giro_genesis_owner_valid(const char *text);

/* giro_genesis_bic_same compares two valid BICs; "AAAABBCC" and "AAAABBCCXXX" name the same office.
 */
bool giro_genesis_bic_same(const char *a, const char *b);

#endif
