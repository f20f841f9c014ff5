/* Between objects of C++ and the C interface: what callbacks go through. Programs need nothing of it but
 * exception_report. */
#ifndef MSGR_BRIDGE_HPP
#define MSGR_BRIDGE_HPP

#include <cstdio>
#include <thread>

#include "dispatcher.hpp"
#include "thread_sanitizer.hpp"

namespace msgr {

/* Where an exception is reported that would have left a callback. May be replaced, before the first messenger. */
inline void (*exception_report)(const char *callback, const char *what) = [](const char *callback, const char *what) {
  std::fprintf(stderr, "msgr: an exception in %s was stopped: %s\n", callback, what);
};

namespace detail {
/* What callbacks have done is known to who has waited for the end of all of them. */
inline char all_callbacks;
struct Returning {
  ~Returning() { hand_over(&all_callbacks); }
};

/* Calls `act`; no exception goes further than that. */
template <class Result, class Act> Result fenced(const char *callback, Result failed, Act &&act) noexcept {
  const Returning returning;
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

  static void load(msgr_msg *from, const msgr_view &view, int segment, bufferlist &bytes) {
    const size_t len = view.len[segment];
    if (len == 0)
      return;
    if (len < SHARE) {
      const void *const data = view.data[segment];
      bytes.push_back(bufferptr(data != nullptr ? data : msgr_msg_data(from, segment), len));
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
    std::atomic_flag *busy;

  public:
    explicit Encoding(std::atomic_flag *flag) : busy(flag) {
      while (busy != nullptr && busy->test_and_set(std::memory_order_acquire))
        std::this_thread::yield();
    }
    ~Encoding() { end(); }
    void end() {
      if (busy != nullptr)
        busy->clear(std::memory_order_release);
      busy = nullptr;
    }
    Encoding(const Encoding &) = delete;
    Encoding &operator=(const Encoding &) = delete;
  };

  static int encode(void *user, msgr_msg *to, uint64_t features) noexcept {
    return detail::fenced("encode_payload", -EIO, [&] {
      Message &m = *static_cast<Message *>(user);
      detail::take_over(user);
      const Encoding alone(&m.encoding);
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
      if (result == 0 && m.data.length() != 0) {
        const size_t went = msgr_msg_len(to, MSGR_DATA);
        if (went != m.data.length())
          result = append(to, MSGR_DATA, m.data, went);
      }
      /* If only the library has the object nobody will look at these bytes: they can be written again. */
      if (m.encoded && m.refs.load(std::memory_order_acquire) == Message::ONE)
        m.clear_payload();
      detail::hand_over(user);
      return result;
    });
  }

  /* The library has let go of a message that this object stood behind. */
  static void destroy(void *user) noexcept {
    Message *m = static_cast<Message *>(user);
    detail::take_over(user);
    if (m->connection_is_lent && (m->refs.load(std::memory_order_acquire) & Message::OWNED) == 0)
      m->drop_connection();
    m->put();
  }

public:
  /* Sends it, and with it the caller's reference. */
  static int send(msgr_conn *conn, Message *m) {
    msgr_object object = MSGR_OBJECT_INIT;
    object.type = m->header.type;
    object.priority = m->header.priority;
    object.data_off = m->header.data_off;
    object.tid = m->header.tid;
    object.user = m;
    object.encode = encode;
    object.destroy = destroy;
    /* Sent before, it may just be encoded for another connection, which may add to its data. */
    const bool is_shared = m->refs.load(std::memory_order_acquire) != Message::ONE;
    Encoding alone(is_shared ? &m->encoding : nullptr);
    const size_t pieces = m->data.buffers().size();
    iovec few[4];
    std::vector<iovec> many(pieces > 4 ? pieces : 0);
    iovec *const iov = pieces > 4 ? many.data() : few;
    for (const bufferptr &piece : m->data.buffers()) {
      iov[object.data_count].iov_base = const_cast<char *>(piece.c_str());
      iov[object.data_count++].iov_len = piece.length();
    }
    object.data = iov;
    bufferlist *shared = nullptr;
    if (m->data.length() < SHARE) {
      object.flags = MSGR_OBJECT_COPY;
    } else {
      shared = new bufferlist(m->data);
      object.free_fn = [](void *bytes) { delete static_cast<bufferlist *>(bytes); };
      object.arg = shared;
    }
    alone.end();
    detail::hand_over(m);
    const int result = msgr_send_object(conn, &object);
    /* Then nothing was taken. */
    if (result == -EINVAL || result == -E2BIG || result == -ECHILD) {
      delete shared;
      m->put();
    }
    return result;
  }

  /* Makes the object of a message that has come. */
  static int decode(msgr_msg *raw, Messenger *messenger) noexcept {
    return detail::fenced("decode_payload", -EBADMSG, [&] {
      msgr_view view = MSGR_VIEW_INIT;
      const int seen = msgr_msg_view(raw, &view);
      if (seen < 0)
        return seen;
      MessageRef m(detail::message_types.make(view.type), false);
      ceph_msg_header &header = m->header;
      /* The newest version that the class can read. */
      if (header.version != 0 && header.version < view.compat) {
        exception_report("decode_payload", "a message is of a later version");
        return -EBADMSG;
      }
      header.type = view.type;
      header.version = view.version;
      header.compat_version = view.compat;
      header.seq = view.seq;
      header.tid = view.tid;
      header.priority = view.priority;
      header.data_off = view.data_off;
      header.front_len = uint32_t(view.len[MSGR_FRONT]);
      header.middle_len = uint32_t(view.len[MSGR_MIDDLE]);
      header.data_len = uint32_t(view.len[MSGR_DATA]);
      load(raw, view, MSGR_FRONT, m->payload);
      load(raw, view, MSGR_MIDDLE, m->middle);
      load(raw, view, MSGR_DATA, m->data);
      lend_connection(*m, view.conn, messenger);
      m->handle_ = raw;
      m->decode_payload();
      /* Callbacks may get it as another message of the library. */
      m->handle_ = nullptr;
      detail::hand_over(m.get());
      const int result = msgr_msg_set_user(raw, m.get(), encode, destroy);
      if (result == 0)
        m.detach();
      return result;
    });
  }

  static void lend_connection(Message &m, msgr_conn *conn, Messenger *messenger) {
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
      detail::take_over(m);
      if (m->refs.load(std::memory_order_acquire) == Message::ONE) {
        provisional = true;
        m->handle_ = raw;
        m->refs.store(ALONE, std::memory_order_relaxed);
      } else if ((m->refs.fetch_add(Message::ONE, std::memory_order_acq_rel) & Message::OWNED) == 0) {
        provisional = true;
        m->handle_ = raw;
        m->refs.fetch_or(Message::OWNED, std::memory_order_acq_rel);
      }
      if (!m->connection)
        lend_connection(*m, msgr_msg_conn(raw), messenger);
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
      detail::hand_over(m);
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
      detail::hand_over(m);
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

  /* What the program did before it added the dispatcher, or started the messenger, is known to every callback. */
  static DispatcherBridge &self(void *user) {
    DispatcherBridge &me = *static_cast<DispatcherBridge *>(user);
    detail::take_over(&me);
    detail::take_over(me.messenger);
    return me;
  }

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
    detail::hand_over(made);
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
