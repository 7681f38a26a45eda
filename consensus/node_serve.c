#include "node_serve.h"

/* A block and its ancestors down to a height, oldest first. */
static void add_ancestors(struct giro_serve_job *job, const struct giro_index *index,
                          const struct giro_action *action, uint32_t count)
{
    uint64_t number = giro_index_find(index, &action->serve.id);
    while (job->count < count) {
        const struct giro_index_entry *entry = giro_index_entry(index, number);
        if (entry == NULL || entry->height == 0 || entry->height < action->serve.height)
            break;
        job->positions[job->count++] = entry->position;
        number = entry->parent;
    }
    for (uint32_t i = 0; i < job->count / 2; i++) {
        struct giro_log_position other = job->positions[job->count - 1 - i];
        job->positions[job->count - 1 - i] = job->positions[i];
        job->positions[i] = other;
    }
}

static void add_heights(struct giro_serve_job *job, const struct giro_index *index,
                        const struct giro_action *action, uint32_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t height = action->serve.height + i;
        const struct giro_log_position *position = NULL;
        if (action->serve.wanted_kind == GIRO_KIND_CERTIFICATE) {
            position = giro_index_certificate(index, height);
        } else {
            const struct giro_index_entry *entry =
                giro_index_entry(index, giro_index_at_height(index, height));
            position = entry == NULL ? NULL : &entry->position;
        }
        if (position == NULL)
            return; /* a gap: the asker asks again from there */
        job->positions[job->count++] = *position;
    }
}

bool giro_serve_add(struct giro_serve *serve, const struct giro_index *index,
                    const struct giro_action *action)
{
    GIRO_ASSERT(action->kind == GIRO_ACTION_SERVE);
    if (serve->count == GIRO_SERVE_JOBS)
        return false;
    struct giro_serve_job *job = &serve->jobs[(serve->first + serve->count) % GIRO_SERVE_JOBS];
    serve->count++;
    memset(job, 0, sizeof *job);
    job->peer = action->serve.peer;
    job->body_kind = action->serve.wanted_kind;
    job->id = action->serve.id;
    job->height = action->serve.height;
    uint32_t count = action->serve.count;
    if (count > GIRO_SERVE_RECORDS)
        count = GIRO_SERVE_RECORDS;
    bool by_height = giro_hash_is_zero(&action->serve.id);
    if (action->serve.wanted_kind == GIRO_KIND_BATCH) {
        const struct giro_index_entry *entry =
            giro_index_entry(index, giro_index_find(index, &action->serve.id));
        if (entry != NULL && entry->height == 0)
            job->positions[job->count++] = entry->position;
    } else if (by_height || action->serve.wanted_kind == GIRO_KIND_CERTIFICATE) {
        add_heights(job, index, action, count);
    } else {
        add_ancestors(job, index, action, count);
    }
    return true;
}

struct giro_serve_job *giro_serve_head(struct giro_serve *serve)
{
    return serve->count == 0 ? NULL : &serve->jobs[serve->first];
}

void giro_serve_pop(struct giro_serve *serve)
{
    GIRO_ASSERT(serve->count > 0);
    serve->first = (serve->first + 1) % GIRO_SERVE_JOBS;
    serve->count--;
}
