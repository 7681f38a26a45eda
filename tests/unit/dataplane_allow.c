#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane_support.h"

#define MEMBERS 3u

static struct giro_genesis genesis;

static void open_genesis(void)
{
    genesis.member_count = MEMBERS;
    genesis.members = calloc(MEMBERS, sizeof(*genesis.members));
    static const char *const bics[MEMBERS] = {"AAAACZPP", "BBBBCZPP", "CCCCCZPPXXX"};
    for (uint32_t i = 0; i < MEMBERS; i++)
        snprintf(genesis.members[i].bic, sizeof(genesis.members[i].bic), "%s", bics[i]);
}

static void close_genesis(void)
{
    free(genesis.members);
    dataplane_leak_check();
}

TestSuite(dataplane_allow, .init = open_genesis, .fini = close_genesis);

static uint32_t ip(const char *text)
{
    struct in_addr address;
    cr_assert(inet_pton(AF_INET, text, &address) == 1, "%s", text);
    return ntohl(address.s_addr);
}

Test(dataplane_allow, lets_the_longest_prefix_decide_alone)
{
    static const char *const entries[] = {
        "10.0.0.0/8",
        "10.2.0.0/16 AAAACZPP,CCCCCZPPXXX",
        "10.2.7.7 BBBBCZPP",
        "192.0.2.0/24 AAAACZPP",
        "192.0.2.0/24 BBBBCZPP",
        "255.255.255.255/32  AAAACZPP",
    };
    static const struct {
        const char *from;
        uint32_t members; /* bit per member */
    } rows[] = {
        {"9.255.255.255", 0},   {"10.0.0.0", 7},        {"10.1.255.255", 7}, {"10.2.0.0", 5},
        {"10.2.7.6", 5},        {"10.2.7.7", 2},        {"10.2.7.8", 5},     {"10.2.255.255", 5},
        {"10.3.0.0", 7},        {"10.255.255.255", 7},  {"11.0.0.0", 0},     {"192.0.1.255", 0},
        {"192.0.2.0", 3},       {"192.0.2.255", 3},     {"192.0.3.0", 0},    {"0.0.0.0", 0},
        {"255.255.255.255", 1}, {"255.255.255.254", 0},
    };
    struct giro_allow *allow;
    struct giro_diagnosis diagnosis;
    cr_assert(giro_allow_open(entries, 6, &genesis, &allow, &diagnosis) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t from = ip(rows[i].from);
        cr_assert(giro_allow_address(allow, from) == (rows[i].members != 0), "%s", rows[i].from);
        for (uint32_t member = 0; member < MEMBERS; member++)
            cr_assert(giro_allow_member(allow, from, member) ==
                          ((rows[i].members >> member & 1) != 0),
                      "%s, member %u", rows[i].from, member);
    }
    cr_assert(!giro_allow_member(allow, ip("192.0.2.1"), GIRO_MEMBER_OPERATOR));
    giro_allow_close(allow);
}

Test(dataplane_allow, allows_everything_without_entries_and_with_the_empty_prefix)
{
    static const char *const all[] = {"0.0.0.0/0"};
    struct giro_allow *allow;
    struct giro_diagnosis diagnosis;
    cr_assert(giro_allow_open(NULL, 0, &genesis, &allow, &diagnosis) == GIRO_ERR_OK);
    cr_assert(allow == NULL && giro_allow_address(NULL, 1) && giro_allow_member(NULL, 1, 2));
    giro_allow_close(NULL);
    cr_assert(giro_allow_open(all, 1, &genesis, &allow, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_allow_address(allow, 0) && giro_allow_address(allow, UINT32_MAX));
    cr_assert(giro_allow_member(allow, ip("203.0.113.9"), 1));
    giro_allow_close(allow);
}

Test(dataplane_allow, names_the_entry_it_does_not_understand)
{
    static const char *const entries[] = {
        "",
        " ",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/008",
        "10.0.0.1/8",
        "0.0.0.1/0",
        "10.0.0.0/8/8",
        "1000.1000.1000.1000/32",
        "10.0.0.0/8,AAAACZPP",
        "10.0.0.0/8 ZZZZCZPP",
        "10.0.0.0/8 AAAACZPP,",
        "10.0.0.0/8 ,AAAACZPP",
        "10.0.0.0/8 AAAACZPP, BBBBCZPP",
        "10.0.0.0/8 AAAACZPPAAAACZPP",
    };
    for (uint32_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        struct giro_allow *allow;
        struct giro_diagnosis diagnosis = {.fact = ""};
        cr_assert(giro_allow_open(&entries[i], 1, &genesis, &allow, &diagnosis) == GIRO_ERR_CONFIG,
                  "\"%s\"", entries[i]);
        cr_assert(allow == NULL && strstr(diagnosis.fact, entries[i]) != NULL, "\"%s\"",
                  entries[i]);
    }
}

/* Against the plain definition, on as many prefixes as a list may have. */
Test(dataplane_allow, agrees_with_a_search_through_all_prefixes)
{
    static char texts[GIRO_ALLOW_MAX][40];
    static const char *entries[GIRO_ALLOW_MAX];
    static uint32_t firsts[GIRO_ALLOW_MAX], bits[GIRO_ALLOW_MAX];
    struct giro_prng prng;
    giro_prng_init(&prng, dataplane_seed());
    for (uint32_t i = 0; i < GIRO_ALLOW_MAX; i++) {
        bits[i] = 4 + (uint32_t)giro_prng_below(&prng, 29);
        uint32_t mask = UINT32_MAX << (32 - bits[i]);
        firsts[i] = (uint32_t)giro_prng_next(&prng) & mask & 0x3fffffff;
        /* half of them inside another, so that they nest */
        if (i > 0 && giro_prng_chance(&prng, 1, 2))
            firsts[i] = (firsts[giro_prng_below(&prng, i)] | (firsts[i] & 0xffff)) & mask;
        snprintf(texts[i], sizeof(texts[i]), "%u.%u.%u.%u/%u %s", firsts[i] >> 24,
                 firsts[i] >> 16 & 255, firsts[i] >> 8 & 255, firsts[i] & 255, bits[i],
                 genesis.members[bits[i] % MEMBERS].bic);
        entries[i] = texts[i];
    }
    struct giro_allow *allow;
    struct giro_diagnosis diagnosis;
    cr_assert(giro_allow_open(entries, GIRO_ALLOW_MAX, &genesis, &allow, &diagnosis) == GIRO_ERR_OK,
              "%s", diagnosis.fact);
    for (uint32_t i = 0; i < 20000 * dataplane_effort(); i++) {
        uint32_t from = (uint32_t)giro_prng_next(&prng) & 0x3fffffff, best = 0;
        if (i % 2 == 0) /* at an edge */
            from = firsts[giro_prng_below(&prng, GIRO_ALLOW_MAX)] -
                   (uint32_t)giro_prng_below(&prng, 2);
        for (uint32_t j = 0; j < GIRO_ALLOW_MAX; j++)
            if ((from ^ firsts[j]) >> (32 - bits[j]) == 0 && bits[j] > best)
                best = bits[j];
        cr_assert(giro_allow_address(allow, from) == (best > 0), "%08x", from);
        for (uint32_t member = 0; member < MEMBERS; member++)
            cr_assert(giro_allow_member(allow, from, member) ==
                          (best > 0 && best % MEMBERS == member),
                      "%08x, prefix of %u, member %u", from, best, member);
    }
    giro_allow_close(allow);
}
