/* Integers of fixed sizes under the kernel's names, which Ceph's headers use. Ceph: include/int_types.h. */
#ifndef CEPH_INT_TYPES_H
#define CEPH_INT_TYPES_H

#include <cinttypes>
#include <cstdint>
#include <linux/types.h>

#endif
