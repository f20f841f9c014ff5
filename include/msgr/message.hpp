/*
 * A message: numbers, and three segments of bytes.
 *
 * A program derives its messages from Message, one class per type, and tells of them by register_message: what comes
 * is an object of that class, decoded before anybody is asked to dispatch it. What is sent is encoded on a worker, when
 * it is known what the peer understands. Ceph: msg/Message.h.
 */
#ifndef MSGR_MESSAGE_HPP
#define MSGR_MESSAGE_HPP

#include "connection.hpp"

namespace msgr {

/* The numbers of a message. */
struct ceph_msg_header {
  uint64_t seq = 0, tid = 0;
  uint16_t type = 0, priority = 0, version = 0, compat_version = 0, data_off = 0;
  uint32_t front_len = 0, middle_len = 0, data_len = 0;
  entity_name_t src;
};

class Message;

/* What is to be done when a message has gone: sent and, where the peer acknowledges, acknowledged, or dropped. */
class CompletionHook : public Context {
protected:
  Message *m;

public:
  explicit CompletionHook(Message *message) : m(message) {}
  virtual void set_message(Message *message) { m = message; }
};

class Message {
  /* References times ONE. Each message of the library that stands for this object has one of them. OWNED says that the
   * object in turn holds a reference of the one in `handle_`, for as long as the program has any. */
  static constexpr uint32_t ONE = 2, OWNED = 1;
  mutable std::atomic<uint32_t> refs{ONE};
  mutable msgr_msg *handle_ = nullptr;
  /* `connection` is the message's of the library, not ours. */
  bool connection_is_lent = false;
  std::atomic_flag encoding = ATOMIC_FLAG_INIT;
  bool encoded = false;
  uint64_t encoded_features = 0;
  CompletionHook *completion_hook = nullptr;

  friend class MessageBridge;

  void drop_connection() {
    if (connection_is_lent)
      connection.detach();
    connection_is_lent = false;
    connection.reset();
  }
  uint64_t stamp(int which) const { return handle_ == nullptr ? 0 : msgr_msg_stamp(handle_, which); }

  /* The program's last reference went: give the library's message up, which gives this object up. */
  void release_handle() const {
    msgr_msg *const held = handle_;
    uint32_t expected = ONE | OWNED;
    if (refs.compare_exchange_strong(expected, ONE, std::memory_order_acq_rel))
      msgr_msg_unref(held);
  }

protected:
  ceph_msg_header header;
  bufferlist payload; /* front */
  bufferlist middle;
  bufferlist data;
  ConnectionRef connection;

  Message() = default;
  explicit Message(int type, int version = 1, int compat_version = 0) {
    header.type = uint16_t(type);
    header.version = uint16_t(version);
    header.compat_version = uint16_t(compat_version);
  }
  virtual ~Message() {
    if (completion_hook != nullptr)
      completion_hook->complete(0);
    drop_connection();
  }

public:
  Message(const Message &) = delete;
  Message &operator=(const Message &) = delete;

  static void *operator new(size_t size) { return detail::KeptBlocks::get(size); }
  static void operator delete(void *memory, size_t size) { detail::KeptBlocks::put(memory, size); }

  Message *get() {
    refs.fetch_add(ONE, std::memory_order_relaxed);
    return this;
  }
  const Message *get() const {
    refs.fetch_add(ONE, std::memory_order_relaxed);
    return this;
  }
  void put() const {
    /* Alone, there is nobody to race with. */
    if (refs.load(std::memory_order_acquire) < 2 * ONE) {
      delete this;
      return;
    }
    const uint32_t before = refs.fetch_sub(ONE, std::memory_order_acq_rel);
    if (before < 2 * ONE)
      delete this;
    else if (before == (2 * ONE | OWNED))
      release_handle();
  }
  uint64_t get_nref() const { return refs.load(std::memory_order_relaxed) / ONE; }

  /* To be written for each type. What they throw ends the message, or the link that it came on. */
  virtual void decode_payload() = 0;
  virtual void encode_payload(uint64_t features) = 0;
  virtual std::string_view get_type_name() const = 0;
  virtual void print(std::ostream &out) const { out << get_type_name() << " magic: 0"; }
  virtual int get_cost() const { return int(data.length()); }
  /* The bytes of the segments are about to go. */
  virtual void clear_buffers() {}

  /* The connection it came on, or NULL. */
  const ConnectionRef &get_connection() const { return connection; }
  void set_connection(ConnectionRef con) {
    drop_connection();
    connection = std::move(con);
  }
  CompletionHook *get_completion_hook() { return completion_hook; }
  void set_completion_hook(CompletionHook *hook) { completion_hook = hook; }

  const ceph_msg_header &get_header() const { return header; }
  ceph_msg_header &get_header() { return header; }
  void set_header(const ceph_msg_header &h) { header = h; }
  int get_type() const { return header.type; }
  void set_type(int type) { header.type = uint16_t(type); }
  uint64_t get_tid() const { return header.tid; }
  void set_tid(uint64_t tid) { header.tid = tid; }
  uint64_t get_seq() const { return header.seq; }
  void set_seq(uint64_t seq) { header.seq = seq; }
  /* 0 stands for the messenger's default. */
  unsigned get_priority() const { return header.priority; }
  void set_priority(int priority) { header.priority = uint16_t(priority); }

  /* Who sent it: what set_src said, or else its connection's peer. */
  entity_name_t get_source() const {
    return header.src.type() == 0 && connection ? connection->get_peer_name() : header.src;
  }
  void set_src(entity_name_t src) { header.src = src; }
  entity_addr_t get_source_addr() const { return connection ? connection->get_peer_addr() : entity_addr_t(); }
  entity_addrvec_t get_source_addrs() const { return connection ? connection->get_peer_addrs() : entity_addrvec_t(); }
  entity_inst_t get_source_inst() const { return entity_inst_t(get_source(), get_source_addr()); }
  entity_name_t get_orig_source() const { return get_source(); }
  entity_addr_t get_orig_source_addr() const { return get_source_addr(); }
  entity_addrvec_t get_orig_source_addrs() const { return get_source_addrs(); }
  entity_inst_t get_orig_source_inst() const { return get_source_inst(); }

  /* When it was begun to be read, granted its memory, complete, and dispatched; zero for a message of one's own. */
  utime_t get_recv_stamp() const { return utime_t::from_ns(stamp(MSGR_STAMP_RECV)); }
  utime_t get_throttle_stamp() const { return utime_t::from_ns(stamp(MSGR_STAMP_THROTTLE)); }
  utime_t get_recv_complete_stamp() const { return utime_t::from_ns(stamp(MSGR_STAMP_RECV_COMPLETE)); }
  utime_t get_dispatch_stamp() const { return utime_t::from_ns(stamp(MSGR_STAMP_DISPATCH)); }

  bool empty_payload() const { return payload.length() == 0; }
  void clear_payload() {
    payload.clear();
    middle.clear();
  }
  void clear_data() {
    data.clear();
    clear_buffers();
  }
  bufferlist &get_payload() { return payload; }
  const bufferlist &get_payload() const { return payload; }
  void set_payload(bufferlist &bl) { payload.claim(bl); }
  bufferlist &get_middle() { return middle; }
  void set_middle(bufferlist &bl) { middle.claim(bl); }
  /* Shares the bytes of `bl`. */
  void set_data(const bufferlist &bl) { data = bl; }
  const bufferlist &get_data() const { return data; }
  bufferlist &get_data() { return data; }
  void claim_data(bufferlist &bl) { bl.claim(data); }
  uint32_t get_data_len() const { return uint32_t(data.length()); }

  friend std::ostream &operator<<(std::ostream &out, const Message &m) {
    m.print(out);
    if (m.header.version != 0)
      out << " v" << m.header.version;
    return out;
  }
};

/* A message of a type that nobody has registered: bytes. */
class MRaw final : public Message {
public:
  explicit MRaw(int type = 0) : Message(type, 0, 0) {}
  void decode_payload() override {}
  void encode_payload(uint64_t) override {}
  std::string_view get_type_name() const override { return "raw"; }

private:
  ~MRaw() override = default;
};

template <class T, class... Args> ref_t<T> make_message(Args &&...args) {
  return ref_t<T>(new T(std::forward<Args>(args)...), false);
}

namespace detail {
using MessageFactory = Message *(*)();

/* Factories by type; pages of them come into being as they are needed, and stay. */
struct MessageTypes {
  static constexpr size_t PAGE = 256;
  using Page = std::atomic<MessageFactory>;
  std::atomic<Page *> pages[65536 / PAGE] = {};

  void set(uint16_t type, MessageFactory factory) {
    std::atomic<Page *> &slot = pages[type / PAGE];
    Page *page = slot.load(std::memory_order_acquire);
    if (page == nullptr) {
      Page *fresh = new Page[PAGE]();
      if (slot.compare_exchange_strong(page, fresh, std::memory_order_acq_rel))
        page = fresh;
      else
        delete[] fresh;
    }
    page[type % PAGE].store(factory, std::memory_order_release);
  }
  Message *make(uint16_t type) const {
    const Page *page = pages[type / PAGE].load(std::memory_order_acquire);
    const MessageFactory factory = page == nullptr ? nullptr : page[type % PAGE].load(std::memory_order_acquire);
    return factory == nullptr ? new MRaw(type) : factory();
  }
};

inline MessageTypes message_types;
} // namespace detail

/* From here on messages of that type are decoded as T, which can be made without arguments. For all messengers of the
 * process, any thread. Ceph: decode_message. */
template <class T> void register_message(int type) {
  detail::message_types.set(uint16_t(type), []() -> Message * { return new T; });
}

} // namespace msgr

#endif
