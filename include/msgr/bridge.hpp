/* Between objects of C++ and the C interface: what callbacks go through. Programs need nothing of it but
 * exception_report. */
#ifndef MSGR_BRIDGE_HPP
#define MSGR_BRIDGE_HPP

#include <cstdio>
#include <thread>

#include "dispatcher.hpp"

namespace msgr {

/* Where an exception is reported that would have left a callback. May be replaced, before the first messenger. */
inline void (*exception_report)(const char *callback, const char *what) = [](const char *callback, const char *what) {
  std::fprintf(stderr, "msgr: an exception in %s was stopped: %s\n", callback, what);
};

namespace detail {
/* Calls `act`; no exception goes further than that. */
template <class Result, class Act> Result fenced(const char *callback, Result failed, Act &&act) noexcept {
  try {
    return act();
  } catch (const std::exception &e) {
    exception_report(callback, e.what());
  } catch (...) {
    exception_report(callback, "not a std::exception");
  }
  return failed;
}
} // namespace detail

class MessageBridge {
  /* Pieces of less are cheaper copied than shared. */
  static constexpr size_t SHARE = 4096;

  /* All but the first `skip` bytes. */
  static int append(msgr_msg *to, int segment, const bufferlist &bytes, size_t skip = 0) {
    int result = 0;
    for (const bufferptr &piece : bytes.buffers()) {
      const size_t before = std::min(skip, piece.length()), len = piece.length() - before;
      const char *const from = piece.c_str() + before;
      skip -= before;
      if (len == 0)
        continue;
      if (len < SHARE) {
        result = msgr_msg_append_copy(to, segment, from, len);
      } else {
        auto release = [](void *shared) { static_cast<buffer::raw *>(shared)->put(); };
        buffer::raw *shared = piece.get_raw()->get();
        result = msgr_msg_append(to, segment, from, len, release, shared);
        if (result < 0)
          shared->put();
      }
      if (result < 0)
        break;
    }
    return result;
  }

  static void load(msgr_msg *from, int segment, size_t len, bufferlist &bytes) {
    if (len == 0)
      return;
    if (len < SHARE) {
      bytes.push_back(bufferptr(msgr_msg_data(from, segment), len));
      return;
    }
    for (size_t index = 0; bytes.length() < len; ++index) {
      msgr_buf *shared = nullptr;
      if (msgr_msg_buf(from, segment, index, &shared) < 0)
        throw buffer::error("a piece of a message is missing");
      auto release = [](void *owner) { msgr_buf_unref(static_cast<msgr_buf *>(owner)); };
      const size_t piece = msgr_buf_len(shared);
      bytes.push_back(bufferptr(buffer::raw::borrow(msgr_buf_data(shared), piece, release, shared), 0, piece));
    }
  }

  /* One thread at a time encodes a message, though it may be sent on several connections. */
  class Encoding {
    std::atomic_flag &busy;

  public:
    explicit Encoding(std::atomic_flag &flag) : busy(flag) {
      while (busy.test_and_set(std::memory_order_acquire))
        std::this_thread::yield();
    }
    ~Encoding() { busy.clear(std::memory_order_release); }
    Encoding(const Encoding &) = delete;
    Encoding &operator=(const Encoding &) = delete;
  };

  static int encode(void *user, msgr_msg *to, uint64_t features) noexcept {
    return detail::fenced("encode_payload", -EIO, [&] {
      Message &m = *static_cast<Message *>(user);
      const Encoding alone(m.encoding);
      if (m.encoded && m.encoded_features != features)
        m.clear_payload();
      if (m.empty_payload()) {
        m.encode_payload(features);
        m.encoded = true;
        m.encoded_features = features;
      }
      ceph_msg_header &header = m.header;
      const uint16_t compat = header.compat_version == 0 ? header.version : header.compat_version;
      if (header.version != 1 || compat != 1)
        msgr_msg_set_version(to, header.version, compat);
      int result = append(to, MSGR_FRONT, m.payload);
      if (result == 0)
        result = append(to, MSGR_MIDDLE, m.middle);
      /* Data went along when it was sent, but for what its encoding has added to them. */
      if (result == 0 && m.data.length() > 0)
        result = append(to, MSGR_DATA, m.data, msgr_msg_len(to, MSGR_DATA));
      /* If only the library has the object nobody will look at these bytes: they can be written again. */
      if (m.encoded && m.refs.load(std::memory_order_acquire) == Message::ONE)
        m.clear_payload();
      return result;
    });
  }

  /* The library has let go of a message that this object stood behind. */
  static void destroy(void *user) noexcept {
    Message *m = static_cast<Message *>(user);
    if (m->connection_is_lent && (m->refs.load(std::memory_order_acquire) & Message::OWNED) == 0)
      m->drop_connection();
    m->put();
  }

public:
  /* Sends it, and with it the caller's reference. */
  static int send(msgr_conn *conn, Message *m) {
    msgr_msg *raw = nullptr;
    int result = msgr_msg_create(uint16_t(m->header.type), &raw);
    if (result < 0) {
      m->put();
      return result;
    }
    if (m->header.tid != 0)
      msgr_msg_set_tid(raw, m->header.tid);
    if (m->header.priority != MSGR_PRIO_DEFAULT)
      msgr_msg_set_priority(raw, m->header.priority);
    if (m->header.data_off != 0)
      msgr_msg_set_data_off(raw, m->header.data_off);
    if (m->data.length() > 0)
      result = append(raw, MSGR_DATA, m->data);
    /* From then on the library's message has the reference. */
    if (result == 0)
      result = msgr_msg_set_user(raw, m, encode, destroy);
    if (result < 0) {
      msgr_msg_unref(raw);
      m->put();
      return result;
    }
    return msgr_send(conn, raw);
  }

  /* Makes the object of a message that has come. */
  static int decode(msgr_msg *raw, Messenger *messenger) noexcept {
    return detail::fenced("decode_payload", -EBADMSG, [&] {
      MessageRef m(detail::message_types.make(msgr_msg_type(raw)), false);
      uint16_t compat = 0;
      const int version = msgr_msg_version(raw, &compat);
      /* The newest version that the class can read. */
      if (m->header.version != 0 && m->header.version < compat) {
        exception_report("decode_payload", "a message is of a later version");
        return -EBADMSG;
      }
      ceph_msg_header &header = m->header;
      header.type = msgr_msg_type(raw);
      header.version = uint16_t(version);
      header.compat_version = compat;
      header.seq = msgr_msg_seq(raw);
      header.tid = msgr_msg_tid(raw);
      header.priority = uint16_t(msgr_msg_priority(raw));
      header.data_off = uint16_t(msgr_msg_data_off(raw));
      header.front_len = uint32_t(msgr_msg_len(raw, MSGR_FRONT));
      header.middle_len = uint32_t(msgr_msg_len(raw, MSGR_MIDDLE));
      header.data_len = uint32_t(msgr_msg_len(raw, MSGR_DATA));
      load(raw, MSGR_FRONT, header.front_len, m->payload);
      load(raw, MSGR_MIDDLE, header.middle_len, m->middle);
      load(raw, MSGR_DATA, header.data_len, m->data);
      lend_connection(*m, raw, messenger);
      m->handle_ = raw;
      m->decode_payload();
      /* Callbacks may get it as another message of the library. */
      m->handle_ = nullptr;
      const int result = msgr_msg_set_user(raw, m.get(), encode, destroy);
      if (result == 0)
        m.detach();
      return result;
    });
  }

  static void lend_connection(Message &m, msgr_msg *raw, Messenger *messenger) {
    if (m.connection)
      return;
    msgr_conn *conn = msgr_msg_conn(raw);
    if (conn == nullptr)
      return;
    m.connection = ConnectionRef(Connection::of(conn, messenger), false);
    m.connection_is_lent = true;
  }

  /* A message of the library that a callback has been lent, as the program's object and with a reference of it. The
   * object holds the library's message meanwhile, and from then on if the callback keeps it. */
  class Lent {
    /* Only the library and we have a reference. As long as that is so nobody else can change it. */
    static constexpr uint32_t ALONE = 2 * Message::ONE | Message::OWNED;

    msgr_msg *const raw;
    Message *const m;
    bool provisional = false;

  public:
    Lent(msgr_msg *message, Messenger *messenger) : raw(message), m(static_cast<Message *>(msgr_msg_user(message))) {
      if (m == nullptr)
        return;
      if (m->refs.load(std::memory_order_acquire) == Message::ONE) {
        provisional = true;
        m->handle_ = raw;
        m->refs.store(ALONE, std::memory_order_relaxed);
      } else if ((m->refs.fetch_add(Message::ONE, std::memory_order_acq_rel) & Message::OWNED) == 0) {
        provisional = true;
        m->handle_ = raw;
        m->refs.fetch_or(Message::OWNED, std::memory_order_acq_rel);
      }
      lend_connection(*m, raw, messenger);
    }
    Lent(const Lent &) = delete;
    Lent &operator=(const Lent &) = delete;

    explicit operator bool() const { return m != nullptr; }

    /* Calls `act` with the reference, which stays ours. */
    template <class Ref, class Result, class Act> Result call(const char *name, Result failed, Act &&act) {
      Ref ref(m, false);
      const Result result = detail::fenced(name, failed, [&] { return act(ref); });
      ref.detach();
      return result;
    }

    /* The caller keeps its reference of the library's message; the program may have one of the object nevertheless. */
    void left() {
      if (provisional && m->refs.load(std::memory_order_acquire) == ALONE) {
        m->refs.store(Message::ONE, std::memory_order_release);
        return;
      }
      if (provisional)
        msgr_msg_ref(raw);
      m->put();
    }
    /* The callback has taken it, and the caller's reference of the library's message. */
    void taken() {
      const bool surplus = !provisional;
      m->put();
      if (surplus)
        msgr_msg_unref(raw);
    }
  };
};

inline int Connection::send_message(Message *m) { return MessageBridge::send(handle_, m); }
inline int Connection::send_message2(MessageRef m) { return MessageBridge::send(handle_, m.detach()); }

/* A dispatcher as the callbacks of one messenger. */
class DispatcherBridge {
  Dispatcher *const dispatcher;
  Messenger *const messenger;

  DispatcherBridge(Dispatcher *d, Messenger *m) : dispatcher(d), messenger(m) {}

  static DispatcherBridge &self(void *user) { return *static_cast<DispatcherBridge *>(user); }

  static int can_fast_dispatch(void *user, const msgr_msg *raw) noexcept {
    /* It is asked on the worker that is about to dispatch the message: nobody else has it. */
    MessageBridge::Lent lent(const_cast<msgr_msg *>(raw), self(user).messenger);
    if (!lent)
      return 0;
    const int answer = lent.call<MessageConstRef>("ms_can_fast_dispatch", 0, [&](const MessageConstRef &m) {
      return int(self(user).dispatcher->ms_can_fast_dispatch2(m));
    });
    lent.left();
    return answer;
  }
  static void fast_preprocess(void *user, msgr_msg *raw) noexcept {
    MessageBridge::Lent lent(raw, self(user).messenger);
    if (!lent)
      return;
    lent.call<MessageRef>("ms_fast_preprocess", 0, [&](const MessageRef &m) {
      self(user).dispatcher->ms_fast_preprocess2(m);
      return 0;
    });
    lent.left();
  }
  static int fast_dispatch(void *user, msgr_msg *raw) noexcept {
    MessageBridge::Lent lent(raw, self(user).messenger);
    if (!lent)
      return 0;
    lent.call<MessageRef>("ms_fast_dispatch", 0, [&](const MessageRef &m) {
      self(user).dispatcher->ms_fast_dispatch2(m);
      return 0;
    });
    /* The library drops what is not taken, and asks nobody else. */
    lent.left();
    return 0;
  }
  static int dispatch(void *user, msgr_msg *raw) noexcept {
    MessageBridge::Lent lent(raw, self(user).messenger);
    if (!lent)
      return 0;
    const bool ours = lent.call<MessageRef>(
        "ms_dispatch", true, [&](const MessageRef &m) { return self(user).dispatcher->ms_dispatch2(m); });
    if (ours)
      lent.taken();
    else
      lent.left();
    return ours;
  }

  using Event = void (Dispatcher::*)(Connection *);
  using Question = bool (Dispatcher::*)(Connection *);

  static void tell(void *user, msgr_conn *conn, const char *name, Event event) noexcept {
    detail::fenced(name, 0, [&] {
      (self(user).dispatcher->*event)(Connection::of(conn, self(user).messenger));
      return 0;
    });
  }
  static int ask(void *user, msgr_conn *conn, const char *name, Question question) noexcept {
    return detail::fenced(name, 0, [&] {
      return int((self(user).dispatcher->*question)(Connection::of(conn, self(user).messenger)));
    });
  }

public:
  /* `*user` gets what it is known by to msgr_remove_dispatcher. */
  static int add(msgr_messenger *to, Messenger *messenger, Dispatcher *dispatcher, bool at_tail, void **user) {
    const std::vector<uint16_t> fast_types = dispatcher->ms_fast_dispatch_types();
    msgr_dispatcher slots = {};
    slots.struct_size = sizeof(slots);
    slots.flags = MSGR_DISPATCH_STAMPS;
    if (dispatcher->ms_can_fast_dispatch_any()) {
      slots.flags |= MSGR_DISPATCH_FAST;
      slots.can_fast_dispatch = can_fast_dispatch;
      slots.fast_dispatch = fast_dispatch;
      slots.fast_types = fast_types.empty() ? nullptr : fast_types.data();
      slots.fast_type_count = fast_types.size();
    }
    if (dispatcher->ms_can_fast_preprocess_any())
      slots.fast_preprocess = fast_preprocess;
    slots.dispatch = dispatch;
    slots.handle_connect = [](void *self, msgr_conn *conn) noexcept {
      tell(self, conn, "ms_handle_connect", &Dispatcher::ms_handle_connect);
    };
    slots.handle_accept = [](void *self, msgr_conn *conn) noexcept {
      tell(self, conn, "ms_handle_accept", &Dispatcher::ms_handle_accept);
    };
    slots.handle_fast_connect = [](void *self, msgr_conn *conn) noexcept {
      tell(self, conn, "ms_handle_fast_connect", &Dispatcher::ms_handle_fast_connect);
    };
    slots.handle_fast_accept = [](void *self, msgr_conn *conn) noexcept {
      tell(self, conn, "ms_handle_fast_accept", &Dispatcher::ms_handle_fast_accept);
    };
    slots.handle_reset = [](void *self, msgr_conn *conn) noexcept {
      return ask(self, conn, "ms_handle_reset", &Dispatcher::ms_handle_reset);
    };
    slots.handle_remote_reset = [](void *self, msgr_conn *conn) noexcept {
      tell(self, conn, "ms_handle_remote_reset", &Dispatcher::ms_handle_remote_reset);
    };
    slots.handle_refused = [](void *self, msgr_conn *conn) noexcept {
      return ask(self, conn, "ms_handle_refused", &Dispatcher::ms_handle_refused);
    };
    slots.release = [](void *gone) noexcept { delete static_cast<DispatcherBridge *>(gone); };
    auto *made = new DispatcherBridge(dispatcher, messenger);
    const auto call = at_tail ? msgr_add_dispatcher_tail : msgr_add_dispatcher_head;
    const int result = call(to, &slots, made);
    if (result < 0)
      delete made;
    else
      *user = made;
    return result;
  }
};

} // namespace msgr

#endif
