/* Ceph: common/config_fwd.h. */
#include "config.h"
