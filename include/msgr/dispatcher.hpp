/* What a program is told of. Ceph: msg/Dispatcher.h. */
#ifndef MSGR_DISPATCHER_HPP
#define MSGR_DISPATCHER_HPP

#include "message.hpp"

namespace msgr {

/*
 * The callbacks of a program, in the order in which dispatchers were added. A messenger does not own its dispatchers:
 * they must be there until Messenger::wait has returned, or remove_dispatcher.
 *
 * "On a worker" is a network thread, where nothing may block: callbacks of one connection come one after the other
 * there, those of different ones at once. The others come on the one dispatch thread of a messenger.
 *
 * An exception that leaves a callback is reported by exception_report and ends there: the message counts as dispatched
 * and its reference as not taken, a question as answered with no.
 */
class Dispatcher {
public:
  explicit Dispatcher(CephContext *context) : cct(context) {}
  virtual ~Dispatcher() = default;
  Dispatcher(const Dispatcher &) = delete;
  Dispatcher &operator=(const Dispatcher &) = delete;

  /* Are there messages that this dispatcher wants on workers? Asked once, when it is added. */
  virtual bool ms_can_fast_dispatch_any() const { return false; }
  /* Is this one of them? On a worker. */
  virtual bool ms_can_fast_dispatch(const Message *) const { return false; }
  virtual bool ms_can_fast_dispatch2(const MessageConstRef &m) const { return ms_can_fast_dispatch(m.get()); }
  /* Or just all of these types, if there are any, and no others: then nobody has to be asked. Not in Ceph. */
  virtual std::vector<uint16_t> ms_fast_dispatch_types() const { return {}; }
  /* Every message before it is dispatched, on a worker. Unlike in Ceph only for a dispatcher that says beforehand that
   * it wants that: it costs every message something. */
  virtual bool ms_can_fast_preprocess_any() const { return false; }
  virtual void ms_fast_preprocess(Message *) {}
  virtual void ms_fast_preprocess2(const MessageRef &m) { ms_fast_preprocess(m.get()); }
  /* Such a message, on a worker. It takes the reference. */
  virtual void ms_fast_dispatch(Message *m) { m->put(); }
  virtual void ms_fast_dispatch2(const MessageRef &m) {
    MessageRef kept(m);
    ms_fast_dispatch(kept.get());
    kept.detach();
  }
  /* A message. True: it was ours, and the reference is taken. False: ask the next one. */
  virtual bool ms_dispatch(Message *) { return false; }
  virtual bool ms_dispatch2(const MessageRef &m) {
    MessageRef kept(m);
    if (!ms_dispatch(kept.get()))
      return false;
    kept.detach();
    return true;
  }

  /* A link this end dialled is up; on a lossless connection, after each reconnect, too. */
  virtual void ms_handle_connect(Connection *) {}
  /* The same on a worker, ahead of the connection's first message. */
  virtual void ms_handle_fast_connect(Connection *) {}
  /* A link the peer dialled is up. */
  virtual void ms_handle_accept(Connection *) {}
  /* The same on a worker, ahead of the connection's first message. */
  virtual void ms_handle_fast_accept(Connection *) {}
  /* The connection is over, not by mark_down. True: do not tell the next. */
  virtual bool ms_handle_reset(Connection *con) = 0;
  /* The peer has lost its session: messages may be missing. */
  virtual void ms_handle_remote_reset(Connection *con) = 0;
  /* Nobody listens there. True: do not tell the next. */
  virtual bool ms_handle_refused(Connection *con) = 0;
  /* For an AuthServer to ask: may that peer in? 1 yes, 0 not mine to say, negative no. */
  virtual int ms_handle_authentication(Connection *) { return 0; }

protected:
  CephContext *const cct;
};

} // namespace msgr

#endif
