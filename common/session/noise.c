/* The Noise pattern IK. Every key that MixKey gives is used once, with nonce 0, so no cipher state is kept. */
#include "noise.h"

#include <sodium.h>

static_assert(sizeof(NOISE_NAME) - 1 == 32, "a name of HASHLEN bytes is its own first hash");
static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == GIRO_SESSION_TAG_BYTES, "tag");

static const uint8_t nonce_zero[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

static void mix_hash(struct giro_handshake_noise *noise, const void *bytes, size_t size_bytes)
{
    const struct giro_part parts[] = {{noise->hash, 32}, {bytes, size_bytes}};
    const struct giro_hash hash = giro_sha256_parts(parts, 2);
    memcpy(noise->hash, hash.bytes, 32);
}

/* HKDF with two outputs: first may be chaining_key itself. */
static void hkdf(const uint8_t chaining_key[32], const void *input, size_t size_bytes,
                 uint8_t first[32], uint8_t second[32])
{
    uint8_t temp[32], block[33];
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, chaining_key, 32);
    crypto_auth_hmacsha256_update(&state, input, size_bytes);
    crypto_auth_hmacsha256_final(&state, temp);
    block[0] = 1;
    crypto_auth_hmacsha256_init(&state, temp, 32);
    crypto_auth_hmacsha256_update(&state, block, 1);
    crypto_auth_hmacsha256_final(&state, first);
    memcpy(block, first, 32);
    block[32] = 2;
    crypto_auth_hmacsha256_init(&state, temp, 32);
    crypto_auth_hmacsha256_update(&state, block, 33);
    crypto_auth_hmacsha256_final(&state, second);
    sodium_memzero(&state, sizeof(state));
    sodium_memzero(temp, sizeof(temp));
    sodium_memzero(block, sizeof(block));
}

/* MixKey(DH(secret, peer)): false if the result is zero, as with a point of small order. */
static bool mix_dh(struct giro_handshake_noise *noise, const uint8_t secret[32],
                   const uint8_t peer[32], uint8_t key[32])
{
    uint8_t shared[32];
    const bool good = crypto_scalarmult(shared, secret, peer) == 0;
    if (good)
        hkdf(noise->chaining_key, shared, sizeof(shared), noise->chaining_key, key);
    sodium_memzero(shared, sizeof(shared));
    return good;
}

/* EncryptAndHash */
static void seal_and_hash(struct giro_handshake_noise *noise, const uint8_t key[32],
                          const void *plain, size_t size_bytes, uint8_t *out)
{
    unsigned long long sealed_bytes;
    crypto_aead_chacha20poly1305_ietf_encrypt(out, &sealed_bytes, plain, size_bytes, noise->hash,
                                              32, NULL, nonce_zero, key);
    mix_hash(noise, out, (size_t)sealed_bytes);
}

/* DecryptAndHash */
static bool open_and_hash(struct giro_handshake_noise *noise, const uint8_t key[32],
                          const uint8_t *sealed, size_t size_bytes, void *plain)
{
    if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed,
                                                  size_bytes + GIRO_SESSION_TAG_BYTES, noise->hash,
                                                  32, nonce_zero, key) != 0)
        return false;
    mix_hash(noise, sealed, size_bytes + GIRO_SESSION_TAG_BYTES);
    return true;
}

void noise_pair(const uint8_t secret[32], struct giro_session_key_pair *pair)
{
    memcpy(pair->secret, secret, 32);
    crypto_scalarmult_base(pair->public_key, secret);
}

void noise_begin(struct giro_handshake_noise *noise, const void *prologue, size_t prologue_bytes,
                 const uint8_t responder_static[32])
{
    memcpy(noise->hash, NOISE_NAME, 32);
    memcpy(noise->chaining_key, NOISE_NAME, 32);
    mix_hash(noise, prologue, prologue_bytes);
    mix_hash(noise, responder_static, 32);
}

bool noise_write_first(struct giro_handshake_noise *noise,
                       const struct giro_session_key_pair *ephemeral,
                       const struct giro_session_key_pair *initiator,
                       const uint8_t responder_static[32], const void *payload, size_t size_bytes,
                       uint8_t *out)
{
    uint8_t key[32];
    memcpy(out, ephemeral->public_key, 32);
    mix_hash(noise, out, 32);
    bool good = mix_dh(noise, ephemeral->secret, responder_static, key); /* es */
    if (good)
        seal_and_hash(noise, key, initiator->public_key, 32, out + 32);
    good = good && mix_dh(noise, initiator->secret, responder_static, key); /* ss */
    if (good)
        seal_and_hash(noise, key, payload, size_bytes, out + 80);
    sodium_memzero(key, sizeof(key));
    return good;
}

enum giro_reject noise_read_first(struct giro_handshake_noise *noise,
                                  const struct giro_session_key_pair *responder, const uint8_t *in,
                                  void *payload, size_t size_bytes, uint8_t peer_ephemeral[32],
                                  uint8_t peer_static[32])
{
    uint8_t key[32];
    enum giro_reject reject = GIRO_REJECT_NONE;
    memcpy(peer_ephemeral, in, 32);
    mix_hash(noise, in, 32);
    if (!mix_dh(noise, responder->secret, peer_ephemeral, key)) /* es */
        reject = GIRO_REJECT_KEY;
    else if (!open_and_hash(noise, key, in + 32, 32, peer_static))
        reject = GIRO_REJECT_SEAL;
    else if (!mix_dh(noise, responder->secret, peer_static, key)) /* ss */
        reject = GIRO_REJECT_KEY;
    else if (!open_and_hash(noise, key, in + 80, size_bytes, payload))
        reject = GIRO_REJECT_SEAL;
    sodium_memzero(key, sizeof(key));
    return reject;
}

bool noise_write_second(struct giro_handshake_noise *noise,
                        const struct giro_session_key_pair *ephemeral,
                        const uint8_t peer_ephemeral[32], const uint8_t peer_static[32],
                        const void *payload, size_t size_bytes, uint8_t *out)
{
    uint8_t key[32];
    memcpy(out, ephemeral->public_key, 32);
    mix_hash(noise, out, 32);
    const bool good = mix_dh(noise, ephemeral->secret, peer_ephemeral, key) && /* ee */
                      mix_dh(noise, ephemeral->secret, peer_static, key);      /* se */
    if (good)
        seal_and_hash(noise, key, payload, size_bytes, out + 32);
    sodium_memzero(key, sizeof(key));
    return good;
}

enum giro_reject noise_read_second(struct giro_handshake_noise *noise,
                                   const struct giro_session_key_pair *ephemeral,
                                   const struct giro_session_key_pair *initiator, const uint8_t *in,
                                   void *payload, size_t size_bytes)
{
    uint8_t key[32];
    enum giro_reject reject = GIRO_REJECT_NONE;
    mix_hash(noise, in, 32);
    if (!mix_dh(noise, ephemeral->secret, in, key) || /* ee */
        !mix_dh(noise, initiator->secret, in, key))   /* se */
        reject = GIRO_REJECT_KEY;
    else if (!open_and_hash(noise, key, in + 32, size_bytes, payload))
        reject = GIRO_REJECT_SEAL;
    sodium_memzero(key, sizeof(key));
    return reject;
}

void noise_split(struct giro_handshake_noise *noise, uint8_t from_initiator[32],
                 uint8_t from_responder[32])
{
    hkdf(noise->chaining_key, NULL, 0, from_initiator, from_responder);
    sodium_memzero(noise, sizeof(*noise));
}
