/* SHA-512(R | A | M), one signature after the other. */
#include <sodium.h>

#include "internal.h"

void giro_hash_portable(struct giro_hash_job *jobs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        crypto_hash_sha512_state state;
        crypto_hash_sha512_init(&state);
        crypto_hash_sha512_update(&state, jobs[i].r, 32);
        crypto_hash_sha512_update(&state, jobs[i].key, 32);
        crypto_hash_sha512_update(&state, jobs[i].message, jobs[i].message_bytes);
        crypto_hash_sha512_final(&state, jobs[i].digest);
    }
}
