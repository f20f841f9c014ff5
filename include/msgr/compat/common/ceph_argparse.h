/* A program's arguments. Ceph: common/ceph_argparse.h. */
#ifndef MSGR_COMPAT_COMMON_CEPH_ARGPARSE_H
#define MSGR_COMPAT_COMMON_CEPH_ARGPARSE_H

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <list>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

/* Without the program's name. */
inline std::vector<const char *> argv_to_vec(int argc, const char *const *argv) {
  return argc > 1 ? std::vector<const char *>(argv + 1, argv + argc) : std::vector<const char *>();
}
inline void argv_to_vec(int argc, const char *const *argv, std::vector<const char *> &args) {
  const std::vector<const char *> more = argv_to_vec(argc, argv);
  args.insert(args.end(), more.begin(), more.end());
}
/* An array in the manner of main's, which free gets. */
inline void vec_to_argv(const char *name, const std::vector<const char *> &args, int *argc, const char ***argv) {
  *argv = static_cast<const char **>(std::calloc(args.size() + 2, sizeof(char *)));
  *argc = 0;
  if (*argv == nullptr)
    return;
  (*argv)[(*argc)++] = name;
  for (const char *arg : args)
    (*argv)[(*argc)++] = arg;
}
/* Puts the words of an environment variable in front, of "CEPH_ARGS" if `name` is NULL. They live as long as the
 * process. By one thread at a time. */
inline void env_to_vec(std::vector<const char *> &args, const char *name = nullptr) {
  static auto *const kept = new std::list<std::string>;
  const char *const text = std::getenv(name == nullptr ? "CEPH_ARGS" : name);
  if (text == nullptr)
    return;
  std::istringstream in(text);
  std::vector<const char *> words;
  for (std::string word; in >> word;)
    words.push_back(kept->emplace_back(word).c_str());
  args.insert(args.begin(), words.begin(), words.end());
}

namespace ceph {
namespace detail {
using Args = std::vector<const char *>;

/* "--foo-bar" is "--foo_bar". */
inline std::string plain_option(std::string option) {
  for (size_t i = 2; i < option.size() && option[i] != '='; ++i)
    if (option[i] == '-')
      option[i] = '_';
  return option;
}
/* Names end with NULL, which may be a pointer or a number. */
inline const char *option_name(const char *name) { return name; }
inline const char *option_name(long) { return nullptr; }
inline const char *option_name(std::nullptr_t) { return nullptr; }
template <class... Names> using IfNames = decltype(std::make_tuple(option_name(std::declval<Names>())...));

template <class... Names> std::vector<std::string> option_names(Names... names) {
  std::vector<std::string> plain;
  for (const char *name : {option_name(names)...})
    if (name != nullptr)
      plain.push_back(plain_option(name));
  return plain;
}
inline bool take_flag(Args &args, Args::iterator &i, const std::vector<std::string> &names) {
  if (std::find(names.begin(), names.end(), plain_option(*i)) == names.end())
    return false;
  i = args.erase(i);
  return true;
}
/* 1: taken, with its value; 0: another option; -EINVAL: its value is missing. */
inline int take_option(Args &args, Args::iterator &i, const std::vector<std::string> &names, std::string *value) {
  const std::string option = plain_option(*i);
  for (const std::string &name : names) {
    if (option.size() > name.size() && option.compare(0, name.size(), name) == 0 && option[name.size()] == '=') {
      *value = std::string(*i).substr(name.size() + 1);
      i = args.erase(i);
      return 1;
    }
    if (option != name)
      continue;
    i = args.erase(i);
    if (i == args.end())
      return -EINVAL;
    *value = *i;
    i = args.erase(i);
    return 1;
  }
  return 0;
}
} // namespace detail
} // namespace ceph

/* Takes the argument away if it is "--": no more options follow. */
inline bool ceph_argparse_double_dash(std::vector<const char *> &args, std::vector<const char *>::iterator &i) {
  if (std::strcmp(*i, "--") != 0)
    return false;
  i = args.erase(i);
  return true;
}
/* Takes the argument away if it is one of those, which end with NULL. */
template <class... Names>
bool ceph_argparse_flag(std::vector<const char *> &args, std::vector<const char *>::iterator &i, Names... names) {
  return ceph::detail::take_flag(args, i, ceph::detail::option_names(names...));
}
/* The same for an option with a value, "--foo bar" or "--foo=bar". True with an empty value if that is missing, which
 * `err` hears of. */
template <class... Names, class = ceph::detail::IfNames<Names...>>
bool ceph_argparse_witharg(std::vector<const char *> &args, std::vector<const char *>::iterator &i, std::string *value,
                           std::ostream &err, Names... names) {
  const std::string option = *i;
  const int result = ceph::detail::take_option(args, i, ceph::detail::option_names(names...), value);
  if (result < 0) {
    value->clear();
    err << "Option " << option << " requires an argument.\n";
  }
  return result != 0;
}
/* The same; stderr hears of it. */
template <class... Names, class = ceph::detail::IfNames<Names...>>
bool ceph_argparse_witharg(std::vector<const char *> &args, std::vector<const char *>::iterator &i, std::string *value,
                           Names... names) {
  return ceph_argparse_witharg(args, i, value, std::cerr, names...);
}
/* The same for a whole number; `err` hears of what is none. */
template <class Number, class... Names, class = std::enable_if_t<std::is_integral_v<Number>>>
bool ceph_argparse_witharg(std::vector<const char *> &args, std::vector<const char *>::iterator &i, Number *number,
                           std::ostream &err, Names... names) {
  std::string value;
  const std::string option = *i;
  const int result = ceph::detail::take_option(args, i, ceph::detail::option_names(names...), &value);
  if (result == 0)
    return false;
  char *end = nullptr;
  const long long whole = std::strtoll(value.c_str(), &end, 10);
  if (result < 0 || end == value.c_str() || *end != '\0' || static_cast<long long>(static_cast<Number>(whole)) != whole)
    err << "The option " << option << " wants a whole number, not '" << value << "'";
  *number = static_cast<Number>(whole);
  return true;
}
/* Does somebody ask for help, with no or one argument? */
inline bool ceph_argparse_need_usage(const std::vector<const char *> &args) {
  return std::any_of(args.begin(), args.end(), [](const char *arg) {
    return std::strcmp(arg, "-h") == 0 || std::strcmp(arg, "--help") == 0;
  });
}

#endif
