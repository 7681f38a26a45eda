/* giro/keys.h - the enrolled keys of a hub as one process holds them: the key ring of a genesis file, comb tables for the
 * keys that sign at a rate, built on threads or mapped from files that the replicas of a machine share, and the scrubbing of
 * those tables.
 *
 * Life: open once at start; verify under giro_keys_ring from any thread; scrub a slice now and then; close when nobody
 * verifies any more. One ring serves all threads of a process.
 *
 * Threads: open, enrol, retire, scrub and close belong to one thread, the owner. Verifying never waits for it.
 *
 * Shared tables: a file for each key and width in a directory of this user's alone (format: common/keys/README.md).
 * A file that is damaged, short, or not this key's is built again and reported, never used; a directory or file that
 * another user could have written is not used either.
 */
#ifndef GIRO_KEYS_H
#define GIRO_KEYS_H

#include "giro/genesis.h"

#ifdef __cplusplus
extern "C" {
#endif

struct giro_keys_options {
    struct giro_genesis *genesis; /* its keys' handles are filled in; borrowed during open */
    const char *tables_path;      /* directory of shared tables; NULL or "": private memory */
    uint64_t tables_bytes; /* limit of all tables; too little for 4 bits a digit: no tables */
    uint32_t thread_count; /* that build tables; 0: one a processor, at most 16 */
    uint32_t spare_count;  /* keys that giro_keys_enrol may add beside those of the genesis file */
};
struct giro_keys;

/* giro_keys_open enrols every key of the genesis file and gives those that sign messages (vote, batch, frame and operators'
 * keys) a table of the widest width that the limit allows for all of them. GIRO_ERR_KEY, _SIGNATURE: a key is refused, the
 * diagnosis says which and why. GIRO_ERR_CONFIG: the directory of tables cannot be used. Cost: 0.2 ms a key, and a table
 * 0.7 to 1.7 ms of one thread, or 0.4 ms from a file. */
enum giro_err giro_keys_open(const struct giro_keys_options *options, struct giro_keys **keys,
                             struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_keys_close(struct giro_keys *keys); /* NULL: nothing */

const struct giro_key_ring *giro_keys_ring(const struct giro_keys *keys);

/* What open and enrol did, for a log line and for tests. */
struct giro_keys_report {
    uint32_t key_count;   /* enrolled now */
    uint32_t table_count; /* of them with a table */
    uint32_t table_width; /* 0: no tables */
    uint32_t built;       /* tables computed by this process */
    uint32_t mapped;      /* tables that lie in shared files now */
    uint32_t refused;     /* files that were there and not good */
    uint64_t tables_bytes;
    uint64_t scrubbed_bytes; /* since open */
};
struct giro_keys_report giro_keys_report(const struct giro_keys *keys);

/* giro_keys_enrol adds a key while others verify: live at once, its table follows before it returns. GIRO_KEY_RING_FULL:
 * no spare is left, or those retired are still being read. */
enum giro_key_fault giro_keys_enrol(struct giro_keys *keys, const struct giro_public_key *key,
                                    const void *possession_message, size_t message_bytes,
                                    const struct giro_signature *possession,
                                    struct giro_key_handle *handle) GIRO_MUST_USE;
/* giro_keys_retire ends an enrolment, of a key of the genesis file too; its table goes when no batch reads it. */
void giro_keys_retire(struct giro_keys *keys, struct giro_key_handle handle);

/* giro_keys_scrub reads the next bytes_max bytes of the tables (rounded up to 64) and compares each table that it finishes
 * with the XXH3 it had when it was built. GIRO_ERR_MEMORY: a table has changed; the diagnosis names the key. The process must
 * stop: what changed a table may have changed the books, which have no such checksum, and a start verifies both. Never waits;
 * 64 KiB take about 10 us. */
enum giro_err giro_keys_scrub(struct giro_keys *keys, size_t bytes_max,
                              struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
