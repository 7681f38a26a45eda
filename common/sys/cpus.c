/* Which CPUs the threads of a process run on, by what they do. Set once, before there are threads; then read only. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "giro/sys.h"

static struct place {
    bool set;
    cpu_set_t cpus;
} places[GIRO_CPUS_COUNT], anywhere;

/* A number below CPU_SETSIZE at *text, which moves behind it. */
static bool number_read(const char **text, uint32_t *number)
{
    const size_t digits = strspn(*text, "0123456789");
    if (digits == 0 || digits > 4)
        return false;
    *number = (uint32_t)strtoul(*text, NULL, 10);
    *text += digits;
    return *number < CPU_SETSIZE;
}

/* "2", "0-3", "0-1,4". */
static bool list_read(const char *text, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    do {
        uint32_t first, last;
        if (!number_read(&text, &first))
            return false;
        last = first;
        if (*text == '-') {
            text++;
            if (!number_read(&text, &last) || last < first)
                return false;
        }
        for (uint32_t i = first; i <= last; i++)
            CPU_SET(i, cpus);
    } while (*text++ == ',');
    return text[-1] == '\0';
}

/* Tried, as only the kernel knows what a container allows. */
static bool can_run_on(const cpu_set_t *wanted)
{
    cpu_set_t before, after;
    if (sched_getaffinity(0, sizeof before, &before) != 0 ||
        sched_setaffinity(0, sizeof *wanted, wanted) != 0)
        return false;
    const bool can = sched_getaffinity(0, sizeof after, &after) == 0 && CPU_EQUAL(&after, wanted);
    (void)sched_setaffinity(0, sizeof before, &before);
    return can;
}

enum giro_err giro_cpus_set(enum giro_cpus role, const char *list, struct giro_diagnosis *diagnosis)
{
    cpu_set_t wanted;
    GIRO_ASSERT(role < GIRO_CPUS_COUNT);
    if (list[0] == '\0')
        return GIRO_ERR_OK;
    if (!list_read(list, &wanted)) {
        giro_diagnosis_set(diagnosis, "expected CPUs such as 2, 0-3 or 0-1,4",
                           giro_err_advice(GIRO_ERR_CONFIG), "\"%s\" is no list of CPUs", list);
        return GIRO_ERR_CONFIG;
    }
    if (!can_run_on(&wanted)) {
        giro_diagnosis_set(diagnosis, "the machine has not so many, or the process may not use all",
                           giro_err_advice(GIRO_ERR_CONFIG), "the CPUs \"%s\" are not all there",
                           list);
        return GIRO_ERR_CONFIG;
    }
    if (!anywhere.set)
        anywhere.set = sched_getaffinity(0, sizeof anywhere.cpus, &anywhere.cpus) == 0;
    places[role].cpus = wanted;
    places[role].set = true;
    return GIRO_ERR_OK;
}

static void go(const struct place *place)
{
    if (place->set)
        (void)pthread_setaffinity_np(pthread_self(), sizeof place->cpus, &place->cpus);
}

void giro_cpus_here(enum giro_cpus role)
{
    GIRO_ASSERT(role < GIRO_CPUS_COUNT);
    go(&places[role]);
}

void giro_cpus_anywhere(void)
{
    go(&anywhere);
}
