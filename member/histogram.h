/* member/histogram.h - latency counts. Internal to member/. */
#ifndef GIRO_MEMBER_HISTOGRAM_H
#define GIRO_MEMBER_HISTOGRAM_H

#include <stdint.h>

void giro_histogram_add(uint64_t histogram[128], uint64_t latency_ns);

#endif
