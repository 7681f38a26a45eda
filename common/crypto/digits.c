/* The signed digits of a scalar. */
#include "comb.h"

/* The sum of 2^(width - 1) * 2^(width w) over all windows w. Added to a scalar, it turns each signed digit d into the
 * unsigned d + 2^(width - 1): all carries in one addition, no branch on a digit. */
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
    GIRO_ASSERT(scalar[31] < 0x20); /* below 2^253: the last digit takes the carry */
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
    switch (width) {
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

/* a - b of 256 bits; returns the borrow. */
static inline uint64_t subtract(uint64_t r[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t borrow = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned __int128 difference = (unsigned __int128)a[i] - b[i] - borrow;
        r[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    return borrow;
}

/* m = s or L - s, whichever is at most (L - 1) / 2 < 2^251 + 2^124. 21 digits of -2^11 .. 2^11 - 1 reach down to -offset <
 * -2^251 - 2^239, but only up to 2^251 - 2^240: so the digits of -m are taken, and their signs changed where m = s. */
void giro_comb_base_digits(uint16_t *digits, const uint8_t scalar[32])
{
    static const uint64_t order[4] = {UINT64_C(0x5812631a5cf5d3ed), UINT64_C(0x14def9dea2f79cd6), 0,
                                      UINT64_C(0x1000000000000000)};
    static const uint64_t offset[4] = {UINT64_C(0x0800800800800800), UINT64_C(0x0080080080080080),
                                       UINT64_C(0x8008008008008008), UINT64_C(0x0800800800800800)};
    uint64_t s[4], other[4], words[4], unused[4];
    memcpy(s, scalar, sizeof(s));
    uint64_t borrow = subtract(other, order, s);
    GIRO_ASSERT(borrow == 0);
    const uint64_t take_other =
        (uint64_t)0 - subtract(unused, other, s); /* all ones if L - s < s */
    for (int i = 0; i < 4; i++)
        words[i] = s[i] ^ ((s[i] ^ other[i]) & take_other);
    borrow = subtract(words, offset, words);
    GIRO_ASSERT(borrow == 0);
    const int32_t flip = (int32_t)take_other; /* 0 or -1 */
    for (uint32_t w = 0; w < GIRO_COMB_BASE_WINDOWS; w++) {
        const int32_t digit =
            (1 << (GIRO_COMB_BASE_WIDTH - 1)) -
            (int32_t)field_of(words, w * GIRO_COMB_BASE_WIDTH, GIRO_COMB_BASE_WIDTH);
        digits[w] = digit_code((digit ^ flip) - flip);
    }
}
