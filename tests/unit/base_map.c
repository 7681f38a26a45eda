/* The map against a naive model: an array searched from its start. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "giro/base.h"

#define MODEL_MAX 512

/* Present in sanitizer builds only. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static void check_leaks(void)
{
    if (__lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0)
        abort();
}

TestSuite(base, .fini = check_leaks);

struct model {
    uint32_t key_bytes;
    uint32_t capacity;
    uint32_t count;
    uint8_t keys[MODEL_MAX][64];
    uint32_t values[MODEL_MAX];
};

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static uint32_t model_find(const struct model *model, const uint8_t *key)
{
    for (uint32_t i = 0; i < model->count; i++) {
        if (memcmp(model->keys[i], key, model->key_bytes) == 0)
            return i;
    }
    return GIRO_NONE;
}

static bool model_put(struct model *model, const uint8_t *key, uint32_t value)
{
    uint32_t at = model_find(model, key);
    if (at == GIRO_NONE) {
        if (model->count == model->capacity)
            return false;
        at = model->count++;
        memcpy(model->keys[at], key, model->key_bytes);
    }
    model->values[at] = value;
    return true;
}

static bool model_remove(struct model *model, const uint8_t *key)
{
    const uint32_t at = model_find(model, key);
    if (at == GIRO_NONE)
        return false;
    model->count--;
    memmove(model->keys[at], model->keys[model->count], 64);
    model->values[at] = model->values[model->count];
    return true;
}

static void run(uint64_t seed)
{
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    static struct model model;
    memset(&model, 0, sizeof model);
    model.key_bytes = 1 + (uint32_t)giro_prng_below(&prng, 64);
    model.capacity = 1 + (uint32_t)giro_prng_below(&prng, MODEL_MAX);
    const struct giro_map_options options = {
        .capacity = model.capacity, .key_bytes = model.key_bytes, .seed = seed};
    const size_t footprint = giro_map_footprint(&options);
    cr_assert(footprint > 0 && footprint % 64 == 0, "seed %llu", (unsigned long long)seed);
    void *mem = aligned_alloc(64, footprint);
    struct giro_map *map = giro_map_init(mem, footprint, &options);
    cr_assert(map != NULL);
    /* About twice as many keys as fit, so that hits, misses and a full map all occur. */
    const uint64_t key_space = 2 * (uint64_t)model.capacity + 2;
    const uint32_t removes_in_ten = 1 + (uint32_t)giro_prng_below(&prng, 5);
    for (uint32_t step = 0; step < 2000; step++) {
        uint8_t key[64] = {0};
        const uint64_t name = giro_prng_below(&prng, key_space) * 3;
        memcpy(key, &name, model.key_bytes < 8 ? model.key_bytes : 8);
        const uint32_t draw = (uint32_t)giro_prng_below(&prng, 10);
        if (draw < removes_in_ten) {
            cr_assert(giro_map_remove(map, key) == model_remove(&model, key), "seed %llu step %u",
                      (unsigned long long)seed, step);
        } else if (draw < 9) {
            const uint32_t value = (uint32_t)giro_prng_below(&prng, GIRO_NONE);
            cr_assert(giro_map_put(map, key, value) == model_put(&model, key, value),
                      "seed %llu step %u", (unsigned long long)seed, step);
        }
        const uint32_t at = model_find(&model, key);
        cr_assert(giro_map_get(map, key) == (at == GIRO_NONE ? GIRO_NONE : model.values[at]),
                  "seed %llu step %u", (unsigned long long)seed, step);
        cr_assert(giro_map_count(map) == model.count, "seed %llu", (unsigned long long)seed);
    }
    giro_map_check(map);
    for (uint32_t i = 0; i < model.count; i++)
        cr_assert(giro_map_get(map, model.keys[i]) == model.values[i], "seed %llu key %u",
                  (unsigned long long)seed, i);
    giro_map_clear(map);
    cr_assert(giro_map_count(map) == 0);
    giro_map_check(map);
    for (uint32_t i = 0; i < model.count; i++)
        cr_assert(giro_map_get(map, model.keys[i]) == GIRO_NONE);
    free(mem);
}

Test(base, map_agrees_with_a_naive_model)
{
    const uint64_t seed = from_environment("GIRO_SEED", 1);
    const uint64_t effort = from_environment("GIRO_EFFORT", 1);
    for (uint64_t i = 0; i < 60 * effort; i++)
        run(seed + i);
}

Test(base, map_refuses_bad_options)
{
    const struct giro_map_options rows[] = {
        {.capacity = 0, .key_bytes = 8},
        {.capacity = (1u << 30) + 1, .key_bytes = 8},
        {.capacity = 1, .key_bytes = 0},
        {.capacity = 1, .key_bytes = 65},
    };
    _Alignas(64) uint8_t mem[4096];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert(giro_map_footprint(&rows[i]) == 0, "row %zu", i);
        cr_assert(giro_map_init(mem, sizeof mem, &rows[i]) == NULL, "row %zu", i);
    }
    const struct giro_map_options good = {.capacity = 3, .key_bytes = 16};
    const size_t footprint = giro_map_footprint(&good);
    cr_assert(giro_map_init(mem, footprint - 1, &good) == NULL);
    cr_assert(giro_map_init(mem, footprint, &good) != NULL);
    const struct giro_map_options largest = {.capacity = 1u << 30, .key_bytes = 64};
    cr_assert(giro_map_footprint(&largest) == 64 + ((size_t)1 << 31) * 72);
}

Test(base, map_answers_do_not_depend_on_its_seed)
{
    uint32_t answers[2][100];
    for (uint32_t s = 0; s < 2; s++) {
        const struct giro_map_options options = {.capacity = 64, .key_bytes = 4, .seed = s * 77};
        _Alignas(64) static uint8_t mem[4096];
        struct giro_map *map = giro_map_init(mem, sizeof mem, &options);
        cr_assert(map != NULL);
        for (uint32_t key = 0; key < 100; key++)
            answers[s][key] = giro_map_put(map, &key, key) ? giro_map_get(map, &key) : GIRO_NONE;
    }
    cr_assert(memcmp(answers[0], answers[1], sizeof answers[0]) == 0);
    cr_assert(answers[0][63] == 63 && answers[0][64] == GIRO_NONE);
}
