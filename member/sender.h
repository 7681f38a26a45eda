/* member/sender.h - making signed frames, spools of them, and streaming a spool.
 *
 * Model: frames are made and written to a spool file (the exact bytes, durable) before any is sent; the sender then streams the
 * spool of any number of members through sessions with the replicas (member/courier.h): per channel at most `outstanding_max`
 * frames wait for their certified outcome. With a key ring an outcome counts when it is proved against the signatures of q
 * replicas; without, it is one replica's word, and whoever needs proof asks for it (giro status, giro recon pull).
 * Threads: one. No DPDK. Link giro_member. */
#ifndef GIRO_MEMBER_SENDER_H
#define GIRO_MEMBER_SENDER_H

#include "giro/config.h"
#include "giro/details.h"
#include "giro/genesis.h"
#include "giro/wire.h"

/* ---- Frames and spools ---------------------------------------------------------------------------------------- */

/* giro_frame_make builds and signs one frame into out (GIRO_FRAME_BYTES_MAX); returns its size. */
size_t giro_frame_make(const struct giro_genesis *genesis, const struct giro_secret_key *key,
                       uint16_t member, uint16_t key_id, uint16_t channel, uint64_t sequence,
                       const struct giro_record *records, uint32_t record_count, uint8_t *out);
/* giro_skip_make builds and signs a frame that gives up the sequences first..last of a channel, of which none may ever have been
 * sent: where the hub executed `first` already, it takes a skip for an equivocation. last - first < 512. */
size_t giro_skip_make(const struct giro_genesis *genesis, const struct giro_secret_key *key,
                      uint16_t member, uint16_t key_id, uint16_t channel, uint64_t first,
                      uint64_t last, uint8_t *out);
/* giro_frame_make_with: with a details section as it is to be signed; member/details.h makes one. */
size_t giro_frame_make_with(const struct giro_genesis *genesis, const struct giro_secret_key *key,
                            uint16_t member, uint16_t key_id, uint16_t channel, uint64_t sequence,
                            const struct giro_record *records, uint32_t record_count,
                            const uint8_t *details, uint32_t details_bytes, uint8_t *out);
/* giro_control_make builds a CONTROL frame signed by maker and checker. */
size_t giro_control_make(const struct giro_genesis *genesis, const struct giro_secret_key *maker,
                         uint16_t maker_key_id, const struct giro_secret_key *checker,
                         uint16_t checker_key_id, uint16_t channel, uint64_t sequence,
                         const struct giro_control *controls, uint32_t count, uint8_t *out);

struct giro_spool_writer;
enum giro_err giro_spool_create(const char *path, const struct giro_genesis *genesis,
                                struct giro_spool_writer **writer,
                                struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
enum giro_err giro_spool_add(struct giro_spool_writer *writer, const void *frame,
                             uint32_t size_bytes) GIRO_MUST_USE;
/* giro_spool_finish writes the counts, fsyncs and renames into place; on an error no spool of fewer frames is left. Frees the
 * writer. */
enum giro_err giro_spool_finish(struct giro_spool_writer *writer) GIRO_MUST_USE;
/* giro_spool_abandon drops what was added: a spool with some of its frames must never be found and sent. Frees the writer. */
void giro_spool_abandon(struct giro_spool_writer *writer);
/* A whole spool mapped read-only. frames[i] points at frame i's bytes. */
struct giro_spool {
    struct giro_spool_header header;
    uint64_t frame_count;
    const uint8_t **frames;
    uint32_t *frame_bytes;
    void *map;
    size_t map_bytes;
};
enum giro_err giro_spool_open(const char *path, const struct giro_genesis *genesis,
                              struct giro_spool *spool,
                              struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_spool_close(struct giro_spool *spool);

/* Next free sequence of a member's channel, kept durable in <keys>/<BIC>/channel-<n>.next. reserve moves it by count before the
 * frames are made: a crash leaves a gap (closed by SKIP or by resuming the spool), never a repeat. */
enum giro_err giro_sequence_reserve(const char *keys_dir, const char *bic, uint16_t channel,
                                    uint64_t count, uint64_t *first,
                                    struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_sequence_return gives [first, next) back, whose bytes no one has ever sent or will send. It does nothing if somebody
 * reserved more since: then they stay a gap. */
enum giro_err giro_sequence_return(const char *keys_dir, const char *bic, uint16_t channel,
                                   uint64_t first, uint64_t next,
                                   struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

/* An outbox reserves with its number written beside the counter, in the same step: what it reserved last is known for certain
 * after a death at any moment. A claim is empty (first == next) when all of it was used or given back. */
struct giro_sequence_claim {
    uint64_t outbox; /* 0: no outbox ever used the channel */
    uint64_t first, next;
};
/* giro_sequence_claim reserves [claim->first, claim->next) of `count` for claim->outbox. GIRO_ERR_STATE: another outbox has a
 * claim that is not empty. */
enum giro_err giro_sequence_claim(const char *keys_dir, const char *bic, uint16_t channel,
                                  uint64_t count, struct giro_sequence_claim *claim,
                                  struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_sequence_claimed reads the last claim. */
enum giro_err giro_sequence_claimed(const char *keys_dir, const char *bic, uint16_t channel,
                                    struct giro_sequence_claim *claim,
                                    struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_sequence_release gives the end of the last claim, [claim->first, claim->next), back and empties the claim: *released. Where
 * somebody reserved more since, only an empty end can be: else nothing changes, and the sequences are a gap that a skip must
 * close. */
enum giro_err giro_sequence_release(const char *keys_dir, const char *bic, uint16_t channel,
                                    const struct giro_sequence_claim *claim, bool *released,
                                    struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

/* ---- Streaming ---------------------------------------------------------------------------------------------------- */

struct giro_sender_stats {
    uint64_t frames_sent, frames_resent, frames_durable, frames_certified, frames_failed;
    uint64_t records_certified;
    uint64_t receipts_ignored, receipts_malformed;
    uint64_t lies; /* answers that a proof or another answer showed to be wrong */
    uint64_t datagrams_sent, datagrams_lost;
    uint64_t by_status[10]; /* records, by enum giro_status in CERTIFIED receipts */
    uint64_t by_reason[32]; /* rejected records, by enum giro_reason */
    uint64_t by_outcome[8]; /* frames, by enum giro_outcome */
    uint64_t elapsed_ns;    /* first send to last certified */
    /* latency histogram, first send to CERTIFIED (and DURABLE): bucket i holds [2^(i/4) .. 2^((i+1)/4)) microseconds */
    uint64_t certified_us[128], durable_us[128];
};
/* giro_sender_quantile reads a histogram: microseconds at part per mille. */
uint64_t giro_sender_quantile(const uint64_t histogram[128], uint32_t per_mille);

struct giro_sender_options {
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring;           /* of the genesis; not NULL: outcomes are proved */
    const struct giro_config_address *replicas; /* UDP addresses of the replicas' ports */
    uint32_t replica_count;
    const char *keys_dir; /* holds <bic>/session.key of every member with frames in the spool */
    const struct giro_spool *spool;
    uint32_t outstanding_max;   /* frames per channel, <= 256 */
    uint32_t outstanding_total; /* frames in all; bounds the load on the hub */
    uint64_t frames_per_second; /* 0 = as fast as the windows allow */
    uint64_t stop_after_ns;     /* give up when this long without finishing; 0 = never */
    uint64_t send_for_ns;       /* stop starting new frames after this long; 0 = the whole spool */
    /* progress: about four times a second. Return false to stop early. May be NULL. */
    bool (*progress)(void *context, const struct giro_sender_stats *stats);
    /* certified: a frame's outcome, the last word on it. May be NULL. */
    void (*certified)(void *context, uint64_t spool_index, enum giro_outcome outcome);
    /* unsent: at the end, the first frame of a channel that was never sent; those after it were not either. May be NULL. */
    void (*unsent)(void *context, uint64_t spool_index);
    /* key_log gets a line for each direction of each session (giro_session_key_line). May be NULL. */
    void (*key_log)(void *context, const char *line, size_t length);
    void *context;
};
/* giro_sender_run streams until every frame is certified (OK), or stopped: INTERRUPTED, TIMEOUT. *unfinished = frames not
 * certified. */
enum giro_err giro_sender_run(const struct giro_sender_options *options,
                              struct giro_sender_stats *stats, uint64_t *unfinished,
                              struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

/* ---- Payments CSV ---------------------------------------------------------------------------------------------------- */

struct giro_csv_payment {
    struct giro_record record;
    uint16_t debtor;
    uint32_t line;
    uint32_t details_bytes; /* 0: none */
    const uint8_t *details; /* plaintext of giro_details_encode, in the memory of *payments */
};
/* giro_payments_parse reads a whole payments CSV (protocol.md section 7: RFC 4180, header, UTF-8). Every line must parse: the
 * diagnosis names file, line, column and what was expected. *payments is malloc'ed. Empty UETRs are generated (version 4 form,
 * from `seed` if not NULL - reproducible - else random). Value date empty = 0 (the business date). Amounts may be negative or zero
 * (the hub rejects them with a code); more decimals than the currency has, or no number, is an error here. */
enum giro_err giro_payments_parse(const char *name, const char *text, size_t size_bytes,
                                  const struct giro_genesis *genesis, const uint8_t *seed,
                                  struct giro_csv_payment **payments, uint64_t *count,
                                  struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#endif
