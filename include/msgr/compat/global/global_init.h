/* The beginning of a program. Ceph: global/global_init.h. */
#ifndef MSGR_COMPAT_GLOBAL_GLOBAL_INIT_H
#define MSGR_COMPAT_GLOBAL_GLOBAL_INIT_H

#include <iostream>
#include <map>

#include "../common/ceph_argparse.h"
#include "../common/code_environment.h"
#include "../common/common_init.h"
#include "../common/errno.h"
#include "../include/msgr.h"
#include "../log/Log.h"
#include "global_context.h"

namespace ceph {
namespace detail {
/* Options of the log, which the library does not know. */
class LogObserver : public md_config_obs_t {
  static inline const char *keys[] = {
#define MSGR_COMPAT_DEBUG_KEY(name, level) "debug_" #name,
      MSGR_COMPAT_SUBSYS(MSGR_COMPAT_DEBUG_KEY)
#undef MSGR_COMPAT_DEBUG_KEY
          "log_file",
      "log_to_stderr", nullptr};

public:
  static LogObserver &instance() {
    static LogObserver *const observer = new LogObserver;
    return *observer;
  }
  void attach(ConfigProxy &conf, code_environment_t environment) {
#define MSGR_COMPAT_DEBUG_OPTION(name, level) conf.declare("debug_" #name, #level);
    MSGR_COMPAT_SUBSYS(MSGR_COMPAT_DEBUG_OPTION)
#undef MSGR_COMPAT_DEBUG_OPTION
    conf.declare("log_file", "");
    const bool quiet = environment == CODE_ENVIRONMENT_UTILITY_NODOUT;
    conf.declare("log_to_stderr", quiet ? "false" : "true");
    logging::Log::instance().set_log_to_stderr(!quiet);
    conf.add_observer(this);
    logging::Log::instance().take_over();
  }
  const char **get_tracked_conf_keys() const override { return keys; }
  void handle_conf_change(const ConfigProxy &conf, const std::set<std::string> &changed) override {
    logging::Log &log = logging::Log::instance();
    unsigned subsys = ceph_subsys_;
    for (const char **key = keys; *key != nullptr; ++key) {
      ++subsys;
      if (changed.count(*key) == 0)
        continue;
      /* "5/20" has the level for what is kept in memory behind the slash. */
      if (subsys < ceph_subsys_max)
        log.set_log_level(subsys, std::atoi(conf.get_val<std::string>(*key).c_str()));
      else if (*key == std::string("log_to_stderr"))
        log.set_log_to_stderr(conf.get_val<bool>(*key));
      else if (const int failed = log.set_log_file(conf.get_val<std::string>(*key)))
        std::cerr << "cannot write to log_file: " << cpp_strerror(failed) << std::endl;
    }
  }
};

/* What has to be known before the configuration file is read. */
struct EarlyArgs {
  /* No entity: a program of no type of its own is told what all are told. */
  std::string conf, entity;

  EarlyArgs(std::vector<const char *> &args, uint32_t module_type) {
    const std::string type =
        module_type == CEPH_ENTITY_TYPE_ANY ? "" : msgr::entity_type_name(int(module_type));
    entity = type + (module_type == MSGR_ENTITY_CLIENT ? ".admin" : "");
    std::string value;
    for (auto i = args.begin(); i != args.end();) {
      if (std::strcmp(*i, "--") == 0)
        return;
      if (ceph_argparse_witharg(args, i, &value, "--conf", "-c", nullptr))
        conf = value;
      else if (ceph_argparse_witharg(args, i, &value, "--name", "-n", nullptr))
        entity = value;
      else if (ceph_argparse_witharg(args, i, &value, "--id", "-i", "--user", nullptr))
        entity = type.empty() ? type : type + '.' + value;
      else if (!ceph_argparse_witharg(args, i, &value, "--cluster", nullptr))
        ++i;
    }
  }
};

[[noreturn]] inline void refuse(const std::string &what, int result) {
  std::cerr << "global_init: " << what << ": " << cpp_strerror(result) << std::endl;
  std::exit(1);
}
} // namespace detail
} // namespace ceph

/*
 * Makes g_ceph_context and sets its options, in this order: `defaults`; a configuration file, for whom -n, --name or
 * --id names (-c or --conf, or where Ceph looks for one if the flags allow that); the words of CEPH_ARGS; `args`, out
 * of which options are taken. The log is set up as debug_*, log_file and log_to_stderr say; common_init_finish lets them
 * take effect. The process ends with status 1 if an option or the file is wrong.
 *
 * The context belongs to the caller. Unlike Ceph's it has no admin socket, no connection to monitors and becomes no
 * daemon.
 */
inline ceph::ref_t<CephContext> global_init(const std::map<std::string, std::string> *defaults,
                                            std::vector<const char *> &args, uint32_t module_type,
                                            code_environment_t code_env, int flags, bool = true) {
  ceph::ref_t<CephContext> cct(new CephContext(module_type, flags), false);
  g_ceph_context = cct.get();
  ConfigProxy &conf = cct->_conf;
  ceph::detail::LogObserver::instance().attach(conf, code_env);
  if (defaults != nullptr)
    for (const auto &[key, value] : *defaults)
      if (const int result = conf.set_val(key, value))
        ceph::detail::refuse(key, result);

  std::vector<const char *> from_env;
  env_to_vec(from_env);
  const ceph::detail::EarlyArgs of_env(from_env, module_type);
  ceph::detail::EarlyArgs early(args, module_type);
  if (early.conf.empty())
    early.conf = of_env.conf;
  if (!early.conf.empty() || (flags & CINIT_FLAG_NO_DEFAULT_CONFIG_FILE) == 0) {
    const char *const paths = early.conf.empty() ? nullptr : early.conf.c_str();
    const char *const entity = early.entity.empty() ? nullptr : early.entity.c_str();
    const int result = conf.parse_config_files(paths, entity);
    /* Not to find one in the usual places is nothing. */
    if (result < 0 && (paths != nullptr || result != -ENOENT))
      ceph::detail::refuse("configuration file", result);
  }
  if (const int result = conf.parse_argv(from_env))
    ceph::detail::refuse("CEPH_ARGS", result);
  if (const int result = conf.parse_argv(args))
    ceph::detail::refuse("arguments", result);
  return cct;
}

#endif
