/* Small blocks that are kept for the next messages: they are sent and dropped by the batch, and made by one thread and
 * dropped by another, both of which is more than the allocator's own cache is made for. */
#ifndef MSGR_MEMORY_HPP
#define MSGR_MEMORY_HPP

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MSGR_KEEPS_BLOCKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MSGR_KEEPS_BLOCKS 0
#endif
#endif
#ifndef MSGR_KEEPS_BLOCKS
#define MSGR_KEEPS_BLOCKS 1
#endif

namespace msgr {
namespace detail {

/* A thread has up to two batches of blocks. What one thread gets and another gives back goes round by the batch: threads
 * that give hand full ones to those that get. Where a checker watches the memory nothing is kept. */
class KeptBlocks {
  static constexpr size_t SIZE = 512, BATCH = 64, MOST_SHARED = 32;
  struct Block {
    Block *next, *next_batch;
  };
  Block *first = nullptr, *full = nullptr;
  size_t count = 0;

  static inline std::mutex lock;
  static inline Block *shared = nullptr;
  static inline size_t shared_count = 0;
  /* Set for good when the thread ends, since objects may go even later. */
  static inline thread_local bool gone = false;

  static KeptBlocks &here() {
    static thread_local KeptBlocks blocks;
    return blocks;
  }
  static void free_all(Block *block) {
    while (block != nullptr)
      std::free(std::exchange(block, block->next));
  }
  /* Nobody waits for the others, and a forked child may find the lock taken for ever. */
  bool fetch() {
    if (full == nullptr && lock.try_lock()) {
      full = shared;
      if (full != nullptr) {
        shared = full->next_batch;
        --shared_count;
      }
      lock.unlock();
    }
    if (full == nullptr)
      return false;
    first = std::exchange(full, nullptr);
    count = BATCH;
    return true;
  }
  void hand_over() {
    if (full != nullptr && lock.try_lock()) {
      if (shared_count < MOST_SHARED) {
        full->next_batch = std::exchange(shared, full);
        full = nullptr;
        ++shared_count;
      }
      lock.unlock();
    }
    free_all(full);
    full = std::exchange(first, nullptr);
    count = 0;
  }

  ~KeptBlocks() {
    gone = true;
    free_all(first);
    free_all(full);
  }

public:
  static void *get(size_t size) {
    if (MSGR_KEEPS_BLOCKS && size <= SIZE && !gone) {
      KeptBlocks &kept = here();
      if (kept.first != nullptr || kept.fetch()) {
        Block *const block = kept.first;
        kept.first = block->next;
        kept.count--;
        return block;
      }
    }
    void *const memory = std::malloc(size <= SIZE ? SIZE : size);
    if (memory == nullptr)
      throw std::bad_alloc();
    return memory;
  }
  /* With the size that it was got with. */
  static void put(void *memory, size_t size) {
    if (!MSGR_KEEPS_BLOCKS || size > SIZE || gone) {
      std::free(memory);
      return;
    }
    KeptBlocks &kept = here();
    kept.first = new (memory) Block{kept.first, nullptr};
    if (++kept.count == BATCH)
      kept.hand_over();
  }
};

} // namespace detail
} // namespace msgr

#endif
