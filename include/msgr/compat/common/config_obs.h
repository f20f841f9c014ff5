/* Ceph: common/config_obs.h. */
#include "config.h"
