/* common/crypto/hash.h - start-up of the digests, for init.c alone. */
#ifndef GIRO_CRYPTO_HASH_H
#define GIRO_CRYPTO_HASH_H

#include "giro/crypto.h"

/* giro_hash_init fetches SHA-256 once and opens the calling thread's context. Idempotent. */
enum giro_err giro_hash_init(void) GIRO_MUST_USE;

#endif
