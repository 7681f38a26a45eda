/* One datagram's blocks for each direction, with every kind in it: for vectors, unit tests and the fuzz target. */
#ifndef TESTS_SESSION_SAMPLES_H
#define TESTS_SESSION_SAMPLES_H

#include "giro/session.h"

/* session_sample writes the blocks and returns their size (at most 1,400). */
uint32_t session_sample(enum giro_session_direction direction, uint8_t *out);
/* session_blocks_again decodes and encodes again; aborts if what was accepted comes back changed. */
enum giro_reject session_blocks_again(const uint8_t *bytes, uint32_t size_bytes,
                                      enum giro_session_direction direction);

#endif
