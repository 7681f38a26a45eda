/* member/outbox.h - the frames of one member that may be under way, on disk before they are sent. Internal to member/.
 *
 * Model: a block log (giro/store.h) of the member's signed frames over struct giro_disk. A frame is put, durable, sent, done. After
 * a death at any moment open finds every frame that could have been sent and is not done, byte for byte; nothing else may ever be
 * sent under its sequence. Old segments go by themselves: what is still needed of them is written again at the end.
 * Sequences come in ranges that the owner reserves (giro_sequence_claim) and puts down here before the first frame of the range.
 * What a dead process left of a range unused is a gap: the owner puts a skip for it.
 *
 * The owner's duties: (1) send a frame only if giro_outbox_durable; (2) claim a further range only if giro_outbox_range says that
 * the last one is durable; (3) call flush after each round of work and hand completions of tag owner LOG to completed; (4) after
 * any error but FULL stop: nothing is promised any more.
 * Pure but for the disk; allocates nothing. One thread. Disk space: about four segments. Invariants: README.md. */
#ifndef GIRO_MEMBER_OUTBOX_H
#define GIRO_MEMBER_OUTBOX_H

#include "giro/genesis.h"
#include "giro/store.h"

#define GIRO_OUTBOX_FRAMES_MAX 65536u

struct giro_outbox_options {
    struct giro_disk *disk; /* borrowed */
    struct giro_hash chain_id;
    uint64_t chain_prefix;
    uint16_t member;
    uint32_t frames_max;      /* not done at a time, 1..GIRO_OUTBOX_FRAMES_MAX */
    uint32_t frame_bytes_max; /* GIRO_FRAME_BYTES_MIN..GIRO_FRAME_BYTES_MAX */
    uint64_t id;              /* number of a new outbox: random, not 0 */
    uint64_t seed;            /* fresh random number at each start */
};
struct giro_outbox;
/* 0: bad options. About frames_max x (frame_bytes_max + 128) bytes and 3 MiB. mem is aligned to 64 bytes. */
size_t giro_outbox_footprint(const struct giro_outbox_options *options);
struct giro_outbox *giro_outbox_init(void *mem, size_t size_bytes,
                                     const struct giro_outbox_options *options);
/* giro_outbox_open reads what is on disk. FULL: it holds more frames than frames_max, or longer ones. CHAIN: another hub's or
 * member's. DAMAGED, FORMAT: see giro_log_open; the records contradict each other. */
enum giro_err giro_outbox_open(struct giro_outbox *outbox) GIRO_MUST_USE;
uint64_t giro_outbox_id(const struct giro_outbox *outbox);

/* The sequences [next, end) are reserved and free; durable: the record of the range is, so that another may be claimed. A channel
 * that never had a range has next == end == 0 and is durable. */
struct giro_outbox_span {
    uint64_t next, end;
    bool known, durable;
};
struct giro_outbox_span giro_outbox_span(const struct giro_outbox *outbox, uint16_t channel);
/* giro_outbox_range puts down that [first, next) is reserved for the channel, in place of its last range: which is used up, or
 * was given back from `first` on, or was found to be used by the hub up to there. */
enum giro_err giro_outbox_range(struct giro_outbox *outbox, uint16_t channel, uint64_t first,
                                uint64_t next) GIRO_MUST_USE;
/* giro_outbox_room: a range and a frame of the largest size can be put down now. */
bool giro_outbox_room(const struct giro_outbox *outbox);
/* giro_outbox_put keeps a FRAME whose sequence is the span's next, or a SKIP from there to within its end. The span moves on.
 * *slot names the frame until it is done. FULL: frames_max frames, or the disk is behind; nothing was changed. */
enum giro_err giro_outbox_put(struct giro_outbox *outbox, const void *bytes, uint32_t size_bytes,
                              uint32_t *slot) GIRO_MUST_USE;
/* What stands in a slot. The bytes stay where they are until the frame is done. */
struct giro_outbox_entry {
    const uint8_t *bytes;
    uint32_t size_bytes;
    uint16_t channel;
    uint64_t sequence;
};
struct giro_outbox_entry giro_outbox_entry(const struct giro_outbox *outbox, uint32_t slot);
/* giro_outbox_next walks the frames not done, in the order they were put: the slot after `slot`, the first after GIRO_NONE,
 * GIRO_NONE at the end. */
uint32_t giro_outbox_next(const struct giro_outbox *outbox, uint32_t slot);
uint32_t giro_outbox_find(const struct giro_outbox *outbox, uint16_t channel, uint64_t sequence);
bool giro_outbox_durable(const struct giro_outbox *outbox, uint32_t slot);
/* giro_outbox_ready is the next frame to send, in the order they were put: durable and not taken yet; those that open found come
 * first. GIRO_NONE: none now. take moves on to the next. A frame is taken before it is done. */
uint32_t giro_outbox_ready(const struct giro_outbox *outbox);
void giro_outbox_take(struct giro_outbox *outbox);
/* giro_outbox_done forgets a frame that has its outcome. The record of that may be lost with the process: then the frame is
 * found again, and sending it again is harmless. */
void giro_outbox_done(struct giro_outbox *outbox, uint32_t slot, uint8_t outcome);

/* giro_outbox_flush writes what was put; with_done: also what became done since (else when there are some, or a frame to write
 * with them). Removes at most one old segment. */
enum giro_err giro_outbox_flush(struct giro_outbox *outbox, bool with_done) GIRO_MUST_USE;
enum giro_err giro_outbox_completed(struct giro_outbox *outbox, uint64_t tag,
                                    enum giro_err err) GIRO_MUST_USE;
/* giro_outbox_settled: everything put, done or reserved is durable. */
bool giro_outbox_settled(const struct giro_outbox *outbox);
uint32_t giro_outbox_count(const struct giro_outbox *outbox); /* frames not done */
void giro_outbox_check(
    const struct giro_outbox *outbox); /* asserts its invariants; O(frames_max) */

/* ---- Sequences of its channels (outbox_channel.c) ----------------------------------------------------------------------- */

/* Who reserves and signs for an outbox. All borrowed. */
struct giro_outbox_writer {
    struct giro_outbox *outbox;
    const struct giro_genesis *genesis;
    const struct giro_secret_key *key; /* the member's frame key */
    const char *keys_dir, *bic;
    uint16_t member, key_id;
    uint32_t range_count; /* sequences reserved at a time, 1..512 */
};
/* Where the hub stands in a channel, as giro_courier_channel tells; zeros at first. */
struct giro_outbox_stand {
    bool wanted; /* set by open: it waits for the rest of this */
    bool known;
    uint64_t next; /* f + 1 replicas say that all below is used */
};
/* giro_outbox_channel_open takes a channel up after giro_outbox_open: puts a skip for each gap that a dead process left, from where
 * the hub stands on: in an old copy of the outbox a gap is what was sent since. FULL: flush, wait, call again. STATE: another outbox uses the channel, or the counter is older than the outbox (a restored backup). */
enum giro_err giro_outbox_channel_open(const struct giro_outbox_writer *writer, uint16_t channel,
                                       struct giro_outbox_stand *stand,
                                       struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_outbox_channel_next finds the sequence for the next frame, reserving more where none is left. FULL: the last range, or the
 * outbox's own number, is not durable yet; flush, wait, call again. Cost: nothing, or two fsyncs per range_count frames. */
enum giro_err giro_outbox_channel_next(const struct giro_outbox_writer *writer, uint16_t channel,
                                       uint64_t *sequence,
                                       struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_outbox_channel_close gives unused sequences back, or puts a skip for them where others reserved more since. FULL: flush,
 * wait, call again. */
enum giro_err giro_outbox_channel_close(const struct giro_outbox_writer *writer, uint16_t channel,
                                        struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#endif
