#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "giro/sys.h"

static uint32_t cpus_now(void)
{
    cpu_set_t cpus;
    cr_assert(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    return (uint32_t)CPU_COUNT(&cpus);
}

/* The first CPU this process may run on. */
static int first_cpu(void)
{
    cpu_set_t cpus;
    int cpu = 0;
    cr_assert(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    while (!CPU_ISSET(cpu, &cpus))
        cpu++;
    return cpu;
}

Test(sys, cpus_places_a_thread_by_its_role_and_lets_it_go_again)
{
    struct giro_diagnosis diagnosis;
    char list[32];
    const uint32_t all = cpus_now();
    const int cpu = first_cpu();
    snprintf(list, sizeof list, "%d-%d,%d", cpu, cpu, cpu);
    cr_assert(giro_cpus_set(GIRO_CPUS_HUB, list, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_cpus_set(GIRO_CPUS_STORE, "", &diagnosis) == GIRO_ERR_OK);
    cr_assert(cpus_now() == all, "nothing has moved yet");
    giro_cpus_here(GIRO_CPUS_STORE);
    cr_assert(cpus_now() == all, "a role that was left free");
    giro_cpus_here(GIRO_CPUS_HUB);
    cr_assert(cpus_now() == 1 && first_cpu() == cpu);
    snprintf(list, sizeof list, "%d", cpu);
    cr_assert(giro_cpus_set(GIRO_CPUS_PUBLISH, list, &diagnosis) == GIRO_ERR_OK);
    giro_cpus_anywhere();
    cr_assert(cpus_now() == all);
}

Test(sys, cpus_refuses_lists_that_are_none_and_cpus_that_are_not_there)
{
    static const char *const wrong[] = {"x",   "1-",   "-1",  "1,", ",1",   "1-0",   "0 ",
                                        "1;2", "1--2", "0x1", "+1", "1024", "99999", "0-1-2"};
    struct giro_diagnosis diagnosis;
    char list[32];
    for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        diagnosis.fact[0] = '\0';
        cr_assert(giro_cpus_set(GIRO_CPUS_HUB, wrong[i], &diagnosis) == GIRO_ERR_CONFIG, "%s",
                  wrong[i]);
        cr_assert(strstr(diagnosis.fact, wrong[i]) != NULL, "%s", diagnosis.fact);
    }
    const long configured = sysconf(_SC_NPROCESSORS_CONF);
    if (configured >= 1000)
        cr_skip_test("SKIPPED: this machine has every CPU");
    snprintf(list, sizeof list, "%d,%ld", first_cpu(), configured);
    cr_assert(giro_cpus_set(GIRO_CPUS_HUB, list, &diagnosis) == GIRO_ERR_CONFIG);
    giro_cpus_here(GIRO_CPUS_HUB);
    cr_assert(cpus_now() >= 1);
}
