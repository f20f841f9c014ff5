/* What a thread sanitizer cannot see: the library is not built with it, and orders what one thread has done to an object
 * before what another does later. Told here, so that it finds the races that are the program's own. */
#ifndef MSGR_THREAD_SANITIZER_HPP
#define MSGR_THREAD_SANITIZER_HPP

#if defined(__SANITIZE_THREAD__)
#define MSGR_TELLS_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MSGR_TELLS_THREAD_SANITIZER 1
#endif
#endif

#ifdef MSGR_TELLS_THREAD_SANITIZER
extern "C" void __tsan_acquire(void *address);
extern "C" void __tsan_release(void *address);
#endif

namespace msgr {
namespace detail {

/* What this thread has done so far is known to whoever takes the same thing over. */
inline void hand_over(const void *what) {
#ifdef MSGR_TELLS_THREAD_SANITIZER
  __tsan_release(const_cast<void *>(what));
#else
  (void)what;
#endif
}

/* What others have done before they handed it over is known from here on. */
inline void take_over(const void *what) {
#ifdef MSGR_TELLS_THREAD_SANITIZER
  __tsan_acquire(const_cast<void *>(what));
#else
  (void)what;
#endif
}

} // namespace detail
} // namespace msgr

#endif
