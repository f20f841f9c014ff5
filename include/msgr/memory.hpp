/* Small blocks that a thread keeps for its next messages: a worker sends and drops them by the batch, which is more
 * than the allocator's own cache holds. */
#ifndef MSGR_MEMORY_HPP
#define MSGR_MEMORY_HPP

#include <cstddef>
#include <cstdlib>
#include <new>

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

/* Where a checker watches the memory nothing is kept. */
class KeptBlocks {
  static constexpr size_t SIZE = 512, MOST = 128;
  struct Block {
    Block *next;
  };
  Block *first = nullptr;
  size_t count = 0;

  /* Set for good when the thread ends, since objects may go even later. */
  static inline thread_local bool gone = false;
  static KeptBlocks &here() {
    static thread_local KeptBlocks blocks;
    return blocks;
  }

  ~KeptBlocks() {
    gone = true;
    while (first != nullptr) {
      Block *const next = first->next;
      std::free(first);
      first = next;
    }
  }

public:
  static void *get(size_t size) {
    if (MSGR_KEEPS_BLOCKS && size <= SIZE && !gone) {
      KeptBlocks &kept = here();
      if (Block *const block = kept.first) {
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
    if (MSGR_KEEPS_BLOCKS && size <= SIZE && !gone) {
      KeptBlocks &kept = here();
      if (kept.count < MOST) {
        kept.first = new (memory) Block{kept.first};
        kept.count++;
        return;
      }
    }
    std::free(memory);
  }
};

} // namespace detail
} // namespace msgr

#endif
