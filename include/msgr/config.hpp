/* Options, read and set as Ceph's programs do it. Ceph: common/config_proxy.h, common/config_values.h. */
#ifndef MSGR_CONFIG_HPP
#define MSGR_CONFIG_HPP

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "config_values.hpp"
#include "entity_addr.hpp"

namespace msgr {

class ConfigProxy;

/* Who wants to hear of changes. Ceph: md_config_obs_t. */
class md_config_obs_t {
public:
  virtual ~md_config_obs_t() = default;
  /* The names, and a NULL behind them; asked once, when it is added. */
  virtual const char **get_tracked_conf_keys() const = 0;
  /* On the thread that calls apply_changes, and with no lock held. */
  virtual void handle_conf_change(const ConfigProxy &conf, const std::set<std::string> &changed) = 0;
};

/* The options of a context: those of the library, and others that a program has declared. Ceph: ConfigProxy. */
class ConfigProxy {
  msgr_ctx *const ctx;
  mutable std::mutex lock;
  std::map<std::string, std::string> declared;
  std::multimap<std::string, md_config_obs_t *> observers;
  std::set<std::string> changed;
  mutable std::unique_ptr<ConfigValues> values;

  static std::string plain(const std::string &key) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '-', '_');
    std::replace(name.begin(), name.end(), ' ', '_');
    return name;
  }
  int look_up(const std::string &name, std::string *value) const {
    char probe[1];
    const int known = msgr_conf_get(ctx, name.c_str(), probe, sizeof(probe));
    if (known >= 0 || known == -ENAMETOOLONG) {
      *value =
          detail::text_of([this, &name](char *buf, size_t len) { return msgr_conf_get(ctx, name.c_str(), buf, len); });
      return 0;
    }
    const auto found = declared.find(name);
    if (found == declared.end())
      return known;
    *value = found->second;
    return 0;
  }
  void refresh() const {
    if (!values)
      values = std::make_unique<ConfigValues>();
    std::string text;
#define MSGR_CONFIG_READ(type, name)                                                                                 \
  if (look_up(#name, &text) == 0)                                                                                    \
    detail::option_value(text, values->name);
    MSGR_CONFIG_VALUES(MSGR_CONFIG_READ)
#undef MSGR_CONFIG_READ
  }

public:
  /* Of a context that outlives it. */
  explicit ConfigProxy(msgr_ctx *c) : ctx(c) {}
  ConfigProxy(const ConfigProxy &) = delete;
  ConfigProxy &operator=(const ConfigProxy &) = delete;

  /* From then on there is an option of that name and value, if there was none. Not in Ceph, which knows them all. */
  void declare(const std::string &key, const std::string &value) {
    const std::string name = plain(key);
    const std::lock_guard<std::mutex> guard(lock);
    std::string known;
    if (look_up(name, &known) < 0)
      declared.emplace(name, value);
  }

  /* 0; -ENOENT for an option that nobody knows, -EINVAL for a value that does not fit it, -EBUSY for one that was read
   * when the first messenger was made. Observers hear of it at apply_changes. */
  int set_val(const std::string &key, const std::string &value, std::stringstream *err = nullptr) {
    const std::string name = plain(key);
    const std::lock_guard<std::mutex> guard(lock);
    int result = 0;
    const auto found = declared.find(name);
    if (found != declared.end())
      found->second = value;
    else
      result = msgr_conf_set(ctx, name.c_str(), value.c_str());
    if (result == 0)
      changed.insert(name);
    else if (err != nullptr)
      *err << name << ": " << msgr_strerror(result);
    return result;
  }
  int set_val_default(const std::string &key, const std::string &value) { return set_val(key, value); }
  void set_val_or_die(const std::string &key, const std::string &value) {
    const int result = set_val(key, value);
    if (result < 0)
      throw std::invalid_argument("cannot set " + key + ": " + msgr_strerror(result));
  }
  /* The text of a value: 0 or -ENOENT. */
  int get_val(const std::string &key, std::string *value) const {
    const std::lock_guard<std::mutex> guard(lock);
    return look_up(plain(key), value);
  }
  /* As a text, a number, a bool or a duration; zero if it cannot be read as one. Throws std::invalid_argument for an
   * option that nobody knows. */
  template <class T> T get_val(const std::string &key) const {
    std::string text;
    if (get_val(key, &text) < 0)
      throw std::invalid_argument("there is no option " + key);
    T value{};
    detail::option_value(text, value);
    return value;
  }
  /* Those that are read as members. What was set since is in it after apply_changes, which no other thread may call
   * while a member is read. */
  const ConfigValues *operator->() const {
    const std::lock_guard<std::mutex> guard(lock);
    if (!values)
      refresh();
    return values.get();
  }

  void add_observer(md_config_obs_t *observer) {
    const std::lock_guard<std::mutex> guard(lock);
    for (const char **key = observer->get_tracked_conf_keys(); *key != nullptr; ++key)
      observers.emplace(*key, observer);
  }
  void remove_observer(md_config_obs_t *observer) {
    const std::lock_guard<std::mutex> guard(lock);
    for (auto at = observers.begin(); at != observers.end();)
      at = at->second == observer ? observers.erase(at) : std::next(at);
  }
  /* Lets observers hear of what was set, and writes that to `out`, if there is one. */
  void apply_changes(std::ostream *out) {
    std::map<md_config_obs_t *, std::set<std::string>> told;
    {
      const std::lock_guard<std::mutex> guard(lock);
      refresh();
      for (const std::string &key : changed) {
        const auto range = observers.equal_range(key);
        for (auto at = range.first; at != range.second; ++at)
          told[at->second].insert(key);
        std::string value;
        if (out != nullptr && look_up(key, &value) == 0)
          *out << key << " = '" << value << "' ";
      }
      changed.clear();
    }
    for (auto &[observer, keys] : told)
      observer->handle_conf_change(*this, keys);
  }

  /* Takes the options out of a program's arguments, which are without the program's name; the others stay. 0 or a
   * negative errno. */
  int parse_argv(std::vector<const char *> &args) {
    std::vector<const char *> rest;
    int result = 0;
    for (size_t i = 0; i < args.size(); ++i) {
      if (std::strcmp(args[i], "--") == 0) {
        rest.insert(rest.end(), args.begin() + long(i), args.end());
        break;
      }
      const int taken = parse_option(args, i);
      if (taken < 0 && result == 0)
        result = taken;
      if (taken <= 0)
        rest.push_back(args[i]);
      else
        i += size_t(taken) - 1;
    }
    args.swap(rest);
    return result;
  }
  /* Sets what a text of words says, "--debug-ms=1 --ms-foo bar". 0; -EINVAL if there are others. */
  int injectargs(const std::string &text, std::ostream *out) {
    std::istringstream words(text);
    std::vector<std::string> kept;
    for (std::string word; words >> word;)
      kept.push_back(word);
    std::vector<const char *> args;
    for (const std::string &word : kept)
      args.push_back(word.c_str());
    const int result = parse_argv(args);
    apply_changes(out);
    return result < 0 ? result : args.empty() ? 0 : -EINVAL;
  }
  /* Reads a configuration file as msgr_conf_read_file does. Observers hear of what they look at at apply_changes, changed
   * or not. */
  int parse_config_files(const char *paths, const char *entity) {
    const int result = msgr_conf_read_file(ctx, paths, entity);
    const std::lock_guard<std::mutex> guard(lock);
    for (const auto &[key, observer] : observers)
      changed.insert(key);
    return result;
  }
  int parse_env(const char *variable = nullptr) { return msgr_conf_parse_env(ctx, variable); }

  /* Every option with its value. */
  void show_config(std::ostream &out) const {
    const auto show = [](void *to, const char *key, const char *value) {
      *static_cast<std::ostream *>(to) << key << " = " << value << '\n';
      return 0;
    };
    msgr_conf_foreach(ctx, show, &out);
    const std::lock_guard<std::mutex> guard(lock);
    for (const auto &[key, value] : declared)
      out << key << " = " << value << '\n';
  }

private:
  /* How many arguments the option at `i` takes: 0 if it is none. */
  int parse_option(const std::vector<const char *> &args, size_t i) {
    const std::string arg = args[i];
    if (arg.compare(0, 2, "--") != 0)
      return 0;
    const size_t equals = arg.find('=');
    std::string name = plain(arg.substr(2, equals == std::string::npos ? equals : equals - 2)), value;
    if (get_val(name, &value) < 0) {
      const bool off = name.compare(0, 3, "no_") == 0 && equals == std::string::npos;
      if (!off || get_val(name.substr(3), &value) < 0)
        return 0;
      const int result = set_val(name.substr(3), "false");
      return result < 0 ? result : 1;
    }
    if (equals != std::string::npos) {
      const int result = set_val(name, arg.substr(equals + 1));
      return result < 0 ? result : 1;
    }
    const bool is_switch = value == "true" || value == "false";
    const bool has_value = i + 1 < args.size() && args[i + 1][0] != '-';
    if (is_switch && !(has_value && detail::is_bool(args[i + 1]))) {
      const int result = set_val(name, "true");
      return result < 0 ? result : 1;
    }
    if (i + 1 >= args.size())
      return -EINVAL;
    const int result = set_val(name, args[i + 1]);
    return result < 0 ? result : 2;
  }
};

} // namespace msgr

#endif
