/* Ceph: common/config_proxy.h. */
#include "config.h"
