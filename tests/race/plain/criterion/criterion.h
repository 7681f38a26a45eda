/* tests/race/plain/criterion/criterion.h - stands in for Criterion's header in race tests: the thread sanitizer and
 * Criterion's forks do not work together, and the rigs of the unit tests ask with cr_assert. */
#ifndef TESTS_RACE_PLAIN_CRITERION_H
#define TESTS_RACE_PLAIN_CRITERION_H

#include "race/race.h"

#define cr_assert(condition, ...)                                                                  \
    ((condition) ? (void)0 : race_fail(__FILE__, __LINE__, #condition, " " __VA_ARGS__))
#define cr_assert_fail(...) race_fail(__FILE__, __LINE__, "reached", " " __VA_ARGS__)

#endif
