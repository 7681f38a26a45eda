/* Decode, then encode again: what a decoder accepts has exactly one form. Shared by the unit tests and the fuzz
 * targets of giro_wire. */
#ifndef TESTS_WIRE_ROUNDTRIP_H
#define TESTS_WIRE_ROUNDTRIP_H

#include "giro/wire.h"

/* The chain id of every sample is 0xC0, 0xC1, ... 0xDF; its first 8 bytes are the prefix. */
#define WIRE_TEST_PREFIX    UINT64_C(0xC7C6C5C4C3C2C1C0)
#define WIRE_TEST_EPOCH     1u
#define WIRE_TEST_BYTES_MAX (1024u * 1024u)
#define WIRE_TEST_RECEIPT   0xFFFFu /* one receipt item with its runs: it has no head of its own */

/* wire_roundtrip decodes bytes as `kind` and, if that succeeds, encodes the result into again (which holds
 * size_bytes or more). Bytes left over are OVERSIZED. A kind without a decoder is KIND. */
enum giro_reject wire_roundtrip(uint16_t kind, const uint8_t *bytes, size_t size_bytes,
                                uint32_t replica_count, uint8_t *again, size_t *again_bytes);
/* wire_kind_of reads the kind out of the first 8 bytes, 0 if there are fewer. */
uint16_t wire_kind_of(const uint8_t *bytes, size_t size_bytes);
/* wire_roundtrip_hold aborts unless the bytes are rejected or come back as they were; returns the reject. */
enum giro_reject wire_roundtrip_hold(uint16_t kind, const uint8_t *bytes, size_t size_bytes,
                                     uint32_t replica_count);

#endif
