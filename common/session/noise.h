/* common/session/noise.h - the Noise pattern IK over Curve25519, ChaCha20-Poly1305 and SHA-256, for any prologue and payload.
 * Private to this folder and its known-answer test.
 *
 *   IK:  <- s   ...   -> e, es, s, ss   <- e, ee, se
 *
 * Source: The Noise Protocol Framework, revision 34, sections 4, 5 and 7. Names in comments are the specification's. */
#ifndef GIRO_SESSION_NOISE_H
#define GIRO_SESSION_NOISE_H

#include "giro/session.h"

#define NOISE_NAME "Noise_IK_25519_ChaChaPoly_SHA256"

/* noise_begin: Initialize with the responder's static key as the pre-message. */
void noise_begin(struct giro_handshake_noise *noise, const void *prologue, size_t prologue_bytes,
                 const uint8_t responder_static[32]);
/* Message 1, e 32 | sealed s 48 | sealed payload (size_bytes + 16), written into out. False: a key is of small order. */
bool noise_write_first(struct giro_handshake_noise *noise,
                       const struct giro_session_key_pair *ephemeral,
                       const struct giro_session_key_pair *initiator,
                       const uint8_t responder_static[32], const void *payload, size_t size_bytes,
                       uint8_t *out) GIRO_MUST_USE;
/* The responder reads it: NONE, SEAL or KEY. peer_ephemeral and peer_static are the initiator's. */
enum giro_reject noise_read_first(struct giro_handshake_noise *noise,
                                  const struct giro_session_key_pair *responder, const uint8_t *in,
                                  void *payload, size_t size_bytes, uint8_t peer_ephemeral[32],
                                  uint8_t peer_static[32]) GIRO_MUST_USE;
/* Message 2, e 32 | sealed payload. */
bool noise_write_second(struct giro_handshake_noise *noise,
                        const struct giro_session_key_pair *ephemeral,
                        const uint8_t peer_ephemeral[32], const uint8_t peer_static[32],
                        const void *payload, size_t size_bytes, uint8_t *out) GIRO_MUST_USE;
enum giro_reject noise_read_second(struct giro_handshake_noise *noise,
                                   const struct giro_session_key_pair *ephemeral,
                                   const struct giro_session_key_pair *initiator, const uint8_t *in,
                                   void *payload, size_t size_bytes) GIRO_MUST_USE;
/* noise_split gives the keys of the two directions and wipes the state. */
void noise_split(struct giro_handshake_noise *noise, uint8_t from_initiator[32],
                 uint8_t from_responder[32]);
/* noise_pair completes a pair from its secret. */
void noise_pair(const uint8_t secret[32], struct giro_session_key_pair *pair);

#endif
