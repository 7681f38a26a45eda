/* giro/event_log.h - the consensus core recorded and run again: same events, same actions, byte for byte.
 *
 * Model: a recorder (callbacks of giro_node_options) sees each event before the core takes it and the actions after it;
 * this file turns both into records (layout: giro/wire/store.h) and back. A replay feeds recorded events to a core of its own
 * and compares what that does with the recorded outcome, one event at a time, up to the first difference.
 * No secret is recorded or needed. What the core signs with its batch key is an input: the recorder writes down the
 * signatures that were made, the replay hands them out again in order and checks each under the enrolled key. Votes and
 * timeouts come signed from the safety module, inside events. The local hash seed is not recorded: it must not be
 * observable, so a replay uses another one. Events hold members' payments: a log is as confidential as a block log.
 *
 * Purity: no IO, no clock, no allocation. Threads: an object belongs to one thread at a time.
 */
#ifndef GIRO_EVENT_LOG_H
#define GIRO_EVENT_LOG_H

#include "giro/consensus.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Recording ------------------------------------------------------------------------------------------------ */

/* All or none. What they are handed is valid during the call only. */
struct giro_recorder {
    void *context;
    void (*begin)(void *context, const struct giro_event_log_header *header); /* at start, once */
    void (*event)(void *context, const struct giro_event *event);             /* before its step */
    void (*signature)(void *context, const struct giro_signature *signature); /* made in the step */
    void (*outcome)(void *context, const struct giro_actions *actions);       /* after it */
};

/* giro_event_log_header_make fills a file's header; scratch_bytes as in struct giro_actions. */
struct giro_event_log_header
giro_event_log_header_make(const struct giro_consensus_options *options, size_t scratch_bytes);
/* Sizes of whole records, multiples of 8. */
size_t giro_event_record_bytes(const struct giro_event *event);
size_t giro_outcome_record_bytes(uint32_t signature_count, uint32_t action_count);
#define GIRO_EVENT_END_BYTES sizeof(struct giro_event_record_header)
/* The three write one whole record to out (8-byte aligned), its magic last: a reader of memory that a dead process shared
 * finds a record whole or not at all. Cost: one copy and one XXH3 over the bytes; outcome: XXH3 over what the actions name. */
void giro_event_record_put(uint8_t *out, uint64_t sequence, const struct giro_event *event);
void giro_outcome_record_put(uint8_t *out, uint64_t sequence,
                             const struct giro_signature *signatures, uint32_t signature_count,
                             const struct giro_actions *actions);
void giro_event_end_put(uint8_t *out, uint64_t sequence, enum giro_event_log_end end);

/* giro_event_record_checksum: what header.checksum must be. */
uint64_t giro_event_record_checksum(const struct giro_event_record_header *header,
                                    const uint8_t *body);

/* ---- Reading --------------------------------------------------------------------------------------------------- */

struct giro_event_record {
    uint16_t kind; /* enum giro_event_record_kind */
    uint16_t detail;
    uint64_t sequence;
    const uint8_t *body;
    uint32_t body_bytes;
};
enum giro_reject giro_event_log_header_decode(const void *bytes, size_t size_bytes,
                                              struct giro_event_log_header *header) GIRO_MUST_USE;
/* giro_event_record_next reads the record at *offset and moves it on. STALE: a record that was never written, the end of
 * what a process left. *offset stays where it is unless the record is good. */
enum giro_reject giro_event_record_next(const uint8_t *bytes, size_t size_bytes, size_t *offset,
                                        struct giro_event_record *record) GIRO_MUST_USE;
/* giro_event_decode makes the event of a record that is neither OUTCOME nor END; it points into the record, and
 * RECOVER_SAFETY to *safety. */
enum giro_reject giro_event_decode(const struct giro_event_record *record, struct giro_event *event,
                                   struct giro_safety_state *safety) GIRO_MUST_USE;
/* giro_event_action_make hashes one action. */
struct giro_event_action giro_event_action_make(const struct giro_action *action);
const char *giro_event_record_name(uint16_t kind); /* "MESSAGE"; "?" for others */
const char *giro_action_number_name(uint16_t kind);

/* ---- Running again ------------------------------------------------------------------------------------------------ */

enum giro_replay_result {
    GIRO_REPLAY_EQUAL,
    GIRO_REPLAY_ACTION, /* action `index` is another one; a side without it has kind 0 */
    GIRO_REPLAY_SIGNATURE, /* signature `index` is not valid for what is to be signed here, or one is missing or left */
    GIRO_REPLAY_MALFORMED, /* a record that no recorder writes: reject tells why */
};
struct giro_replay_difference {
    uint32_t index;
    struct giro_event_action recorded, found;
    enum giro_reject reject;
};
/* options: as the replica's, but batch_key, sign, nonce, blocks_max, batches_max, which come from header. */
size_t giro_replay_footprint(const struct giro_consensus_options *options,
                             const struct giro_event_log_header *header);
struct giro_replay;
/* giro_replay_init needs a header of the same chain and replica; NULL otherwise. */
struct giro_replay *giro_replay_init(void *mem, size_t size_bytes,
                                     const struct giro_consensus_options *options,
                                     const struct giro_event_log_header *header);
/* giro_replay_step runs one event and compares. outcome NULL: the recording process died in this step; it is run (and may
 * stop this process by the same failed assertion), and nothing is compared. Cost: the step's own, and one verification per
 * signature. */
enum giro_replay_result giro_replay_step(struct giro_replay *replay,
                                         const struct giro_event_record *event,
                                         const struct giro_event_record *outcome,
                                         struct giro_replay_difference *difference);
/* Totals so far, and the core for questions. */
struct giro_replay_totals {
    uint64_t events, actions, signatures;
    uint64_t by_kind[GIRO_EVENT_RECORD_OUTCOME];
};
const struct giro_replay_totals *giro_replay_totals(const struct giro_replay *replay);
const struct giro_consensus *giro_replay_core(const struct giro_replay *replay);

#ifdef __cplusplus
}
#endif
#endif
