/* The signed digits of a scalar, and k, the scalar that a hash stands for. */
#include <sodium.h>

#include "internal.h"

/* The sum of 2^(width - 1) * 2^(width w) over all windows w. Added to a scalar, it turns each signed digit d into the
 * unsigned d + 2^(width - 1): all carries in one addition, no branch on a digit. */
static const uint64_t offset_10[5] = {UINT64_C(0x802008020080200), UINT64_C(0x80200802008020),
                                      UINT64_C(0x2008020080200802), UINT64_C(0x200802008020080),
                                      UINT64_C(0x8)};
static const uint64_t offset_8[5] = {UINT64_C(0x8080808080808080), UINT64_C(0x8080808080808080),
                                     UINT64_C(0x8080808080808080), UINT64_C(0x8080808080808080), 0};
static const uint64_t offset_6[5] = {UINT64_C(0x820820820820820), UINT64_C(0x2082082082082082),
                                     UINT64_C(0x8208208208208208), UINT64_C(0x820820820820820),
                                     UINT64_C(0x2)};
static const uint64_t offset_4[5] = {UINT64_C(0x8888888888888888), UINT64_C(0x8888888888888888),
                                     UINT64_C(0x8888888888888888), UINT64_C(0x8888888888888888), 0};

static inline uint16_t digit_code(int32_t digit)
{
    const int32_t sign = -(int32_t)((uint32_t)digit >> 31); /* 0 or -1 */
    return (uint16_t)((uint32_t)((digit ^ sign) - sign) << 1 | ((uint32_t)sign & 1));
}

/* `width` bits from bit `bit` on. */
static inline uint32_t field_of(const uint64_t *words, uint32_t bit, uint32_t width)
{
    const uint32_t shift = bit % 64;
    uint64_t field = words[bit / 64] >> shift;
    if (shift + width > 64)
        field |= words[bit / 64 + 1] << (64 - shift);
    return (uint32_t)field & ((1u << width) - 1);
}

static inline __attribute__((always_inline)) void
digits_write(uint16_t *digits, uint32_t width, const uint64_t offset[5], const uint8_t scalar[32])
{
    uint64_t words[5] = {0};
    memcpy(words, scalar, 32);
    unsigned __int128 sum = 0;
    for (int i = 0; i < 5; i++) {
        sum += (unsigned __int128)words[i] + offset[i];
        words[i] = (uint64_t)sum;
        sum >>= 64;
    }
    const int32_t half = 1 << (width - 1);
    const uint32_t windows = giro_comb_windows(width);
    if (width == 8) { /* a digit a byte: the compiler makes vectors of this loop */
        uint8_t bytes[32];
        memcpy(bytes, words, sizeof(bytes));
        for (uint32_t w = 0; w < 32; w++)
            digits[w] = digit_code((int32_t)bytes[w] - half);
        return;
    }
    for (uint32_t w = 0; w < windows; w++)
        digits[w] = digit_code((int32_t)field_of(words, w * width, width) - half);
}

void giro_comb_digits(uint16_t *digits, uint32_t width, const uint8_t scalar[32])
{
    GIRO_ASSERT(scalar[31] < 0x20); /* below 2^253: the last digit takes the carry */
    switch (width) {
    case GIRO_COMB_BASE_WIDTH:
        digits_write(digits, GIRO_COMB_BASE_WIDTH, offset_10, scalar);
        break;
    case 8:
        digits_write(digits, 8, offset_8, scalar);
        break;
    case 6:
        digits_write(digits, 6, offset_6, scalar);
        break;
    default:
        GIRO_ASSERT(width == 4);
        digits_write(digits, 4, offset_4, scalar);
    }
}

void giro_comb_digits_secret(uint16_t digits[GIRO_COMB_WINDOWS_MAX], const uint8_t scalar[32])
{
    digits_write(digits, 4, offset_4, scalar);
}

void giro_scalars_portable(struct giro_comb_job *jobs, const struct giro_hash_job *hashes,
                           uint32_t count, uint32_t key_width)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t k[32];
        crypto_core_ed25519_scalar_reduce(k, hashes[i].digest);
        giro_comb_digits(jobs[i].key_digits, key_width, k);
        giro_comb_digits(jobs[i].base_digits, GIRO_COMB_BASE_WIDTH, hashes[i].r + 32);
    }
}
