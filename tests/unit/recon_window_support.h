/* tests/unit/recon_window_support.h - a hub of one settlement object and one windows object,
 * with replicas' real keys, that certifies its blocks when the test says so and keeps every
 * journal block handed out. */
#ifndef TESTS_UNIT_RECON_WINDOW_SUPPORT_H
#define TESTS_UNIT_RECON_WINDOW_SUPPORT_H

#include "giro/recon.h"

#define RIG_TIME_NS     (UINT64_C(1790000000) * GIRO_NS_PER_S) /* just before the first block */
#define RIG_DATE        20780u                                 /* business date of genesis */
#define RIG_MEMBERS     6u
#define RIG_CURRENCIES  2u
#define RIG_REPLICAS    4u
#define RIG_HEIGHTS_MAX 4096u
#define RIG_POOR        (RIG_MEMBERS - 1) /* the member without an account in currency 1 */

struct rig_block {
    uint16_t member, business_date;
    uint32_t size_bytes;
    uint8_t *bytes;
};
struct rig_entry {
    uint16_t member;
    uint32_t currency_index;
    struct giro_entry entry;
};
struct rig_status {
    uint16_t member;
    uint32_t currency_index;
    struct giro_status_row row;
};
struct rig {
    struct giro_genesis genesis;
    struct giro_key_ring *ring;
    struct giro_secret_key *keys[RIG_REPLICAS];
    struct giro_ledger *ledger;
    struct giro_settlement *settlement;
    struct giro_windows *windows;
    struct giro_settlement_sink inner; /* the windows' own sink */
    struct {
        void *mem;
        size_t size_bytes;
    } mappings[4];
    uint32_t mapping_count;

    uint64_t height, time_ns, control_sequence, next_uetr;
    struct giro_commit_body bodies[RIG_HEIGHTS_MAX]; /* by height */
    bool certified[RIG_HEIGHTS_MAX];

    struct rig_block *blocks; /* handed out, in order */
    uint32_t block_count, block_room;
    struct rig_entry *entries; /* what settlement booked, in order */
    uint32_t entry_count, entry_room;
    struct rig_status *statuses;
    uint32_t status_count, status_room;
};

void rig_suite_open(void);
void rig_suite_close(void);
uint64_t rig_environment(const char *name, uint64_t otherwise);

struct rig *rig_new(void);
void rig_free(struct rig *rig);

/* A block: begin, payments and controls, end. */
void rig_begin(struct rig *rig, uint64_t time_ns);
void rig_end(struct rig *rig);
/* Pays 1 or more minor units; returns the status. */
uint8_t rig_pay(struct rig *rig, uint16_t debtor, uint16_t creditor, uint32_t currency_index,
                uint8_t service, int64_t amount_minor);
bool rig_control(struct rig *rig, uint16_t op, uint16_t currency, uint64_t value);
/* An empty block at that time. */
void rig_idle(struct rig *rig, uint64_t time_ns);
/* A block with random payments and, now and then, a cycle's end or a day's. */
void rig_random_block(struct rig *rig, struct giro_prng *prng);

struct giro_certificate rig_certificate(const struct rig *rig, const struct giro_commit_body *body);
/* Delivers the certificate of a height. */
void rig_certify(struct rig *rig, uint64_t height);
void rig_certify_to(struct rig *rig, uint64_t height); /* all up to it that were not */

/* Decodes and verifies block `index`; *chain is of its member and currency. Fails the test
 * unless it holds. */
void rig_verify(const struct rig *rig, uint32_t index, struct giro_journal_chain *chain,
                struct giro_journal_view *view);
/* Verifies all blocks in chain and compares their rows with what settlement booked. */
void rig_verify_all(const struct rig *rig);

/* A rig with one block handed out that has entries, positions, statuses and a settled cycle:
 * returns its index, and its chain before it. */
uint32_t rig_rich_block(struct rig *rig, struct giro_journal_chain *chain);

#endif
