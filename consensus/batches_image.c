/* What an image holds of the batches: those executed within two times to live, in the order of their execution. A batch id in
 * this list may not be ordered again. The list depends on the executed blocks alone. Until when each replica remembers them
 * depends on its clock (giro_batches_executed): whoever loads an image cannot know how late others acknowledged, so it counts
 * from now on. All of it is certified, so q replicas have executed it and acknowledge it no more. */
#include "consensus/batches_internal.h"

void giro_batches_executed_put(const struct giro_batches *batches, struct giro_writer *writer)
{
    for (uint32_t i = 0; i < batches->executed_count; i++) {
        const struct giro_executed_entry *entry =
            &batches->executed[(batches->executed_head + i) % batches->executed_max];
        GIRO_ASSERT(entry->executed_ns != 0);
        if (!giro_executed_in_image(entry, batches->env->options.batch_ttl_ns,
                                    batches->committed_ns))
            continue;
        giro_writer_put(writer, &entry->id, sizeof(entry->id));
        giro_writer_u64(writer, entry->executed_ns);
    }
}

enum giro_reject giro_batches_executed_load(struct giro_batches *batches,
                                            struct giro_reader *section, uint64_t time_ns)
{
    GIRO_ASSERT(!batches->started && batches->executed_count == 0);
    const struct giro_env *env = batches->env;
    const uint64_t now_ns = env->wall_ns > time_ns ? env->wall_ns : time_ns;
    uint64_t last_ns = 1;
    while (giro_reader_left(section) > 0) {
        struct giro_executed_entry entry = {.expiry_ns = now_ns + env->options.batch_ttl_ns};
        giro_reader_copy(section, &entry.id, sizeof(entry.id));
        entry.executed_ns = giro_reader_u64(section);
        if (section->failed)
            return GIRO_REJECT_TRUNCATED;
        if (entry.executed_ns < last_ns || entry.executed_ns > time_ns)
            return GIRO_REJECT_TIME;
        last_ns = entry.executed_ns;
        if (batches->executed_count == batches->executed_max)
            return GIRO_REJECT_COUNT;
        if (giro_map_get(batches->executed_map, &entry.id) != GIRO_NONE)
            return GIRO_REJECT_DUPLICATE;
        batches->executed[batches->executed_count] = entry;
        bool stored = giro_map_put(batches->executed_map, &entry.id, batches->executed_count);
        GIRO_ASSERT(stored);
        batches->executed_count++;
    }
    batches->committed_ns = time_ns;
    /* Not in the list: executed before its reach, or before its oldest entry if there was no room for more. */
    const uint64_t reach_ns = 2 * env->options.batch_ttl_ns;
    batches->forgotten_ns = time_ns > reach_ns ? time_ns - reach_ns : 0;
    if (batches->executed_count == batches->executed_max &&
        batches->executed[0].executed_ns > batches->forgotten_ns)
        batches->forgotten_ns = batches->executed[0].executed_ns;
    return GIRO_REJECT_NONE;
}

uint64_t giro_batches_needed(const struct giro_batches *batches)
{
    uint64_t needed = UINT64_MAX;
    for (uint32_t i = batches->arrival.head; i != GIRO_NONE; i = batches->arrival.links[i].next) {
        const struct giro_batch_slot *s = &batches->slots[i];
        if (s->state == GIRO_SLOT_LOGGED && s->log_sequence < needed)
            needed = s->log_sequence;
    }
    return needed;
}
