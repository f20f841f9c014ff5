/* Ceph: common/config_values.h. */
#include "config.h"
