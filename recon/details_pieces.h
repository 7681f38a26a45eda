/* recon/details_pieces.h - what replicas say of a member's day of details, and the choice among it. Private to this folder. */
#ifndef RECON_DETAILS_PIECES_H
#define RECON_DETAILS_PIECES_H

#include "giro/recon.h"

/* One disclosure in one source: signed by its debtor, but where it stands is the replica's word. */
struct recon_piece {
    uint64_t height;
    uint32_t leaf_index, size_bytes;
    uint32_t replicas;        /* that say so */
    uint16_t member, channel; /* whose frame; executed once, so it is in a day once */
    uint64_t sequence;
    bool booked; /* a row of the journal stands there, of one of its payments */
    const uint8_t *bytes;
};
/* By place in the ledger. */
int recon_piece_order(const struct recon_piece *a, const struct recon_piece *b);
/* recon_pieces_choose adds up who says the same, and keeps of each frame one place, and of each place one frame: what the journal has,
 * then what most say, then what shows most payments. Sorted by place. scratch: any. */
enum giro_err recon_pieces_choose(const struct giro_details_merge_options *options,
                                  struct recon_piece *pieces, uint64_t *count,
                                  struct giro_disclosure *scratch,
                                  struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#endif
