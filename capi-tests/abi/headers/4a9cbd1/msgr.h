/*
 * msgr: Ceph's asynchronous messenger as a library.
 *
 * Conventions
 *
 * Handles (msgr_ctx, msgr_messenger, msgr_conn, msgr_msg) are counted. What a
 * function writes to an `out` parameter belongs to the caller, who gives it back
 * with the noun's _unref; an `out` parameter of a handle is NULL after a failure.
 * NULL is refused with -EINVAL where a handle is needed, and legal in every
 * _unref. What a callback gets is lent for its time: keep it with _ref.
 *
 * Results are 0 or a count, or a negative errno:
 *
 *     -EINVAL           an argument is NULL, malformed or out of its range
 *     -ENOENT           no option has that name
 *     -ENAMETOOLONG     the buffer is too short; nothing is written
 *     -E2BIG            a structure uses fields this library does not know
 *     -EMSGSIZE         the message is too large
 *     -EALREADY         bound or started already
 *     -EBUSY            can only be set before bind and start
 *     -EADDRINUSE       the address is taken
 *     -EOPNOTSUPP       this library cannot do that
 *     -ENOTCONN         the connection is closed, or the messenger not started
 *     -ESHUTDOWN        the messenger is shut down
 *     -EDEADLK          would wait for itself: it was called in a callback
 *     -ECHILD           the handle was made before fork, by the parent
 *     -ENOTRECOVERABLE  a fault inside the library was stopped here
 *
 * msgr_strerror names them; msgr_last_error tells what it was this time.
 *
 * Structures begin with `struct_size`, the size the program was compiled with. A
 * shorter one, of an older header, is completed with zeros; a longer one is taken
 * if what this library does not know is zero.
 *
 * Texts are UTF-8 and end with NUL. Text results go to the caller's buffer of
 * `len` bytes, NUL included, and their length without the NUL is returned.
 *
 * Threads: every function may be called by any thread, by several at once, and,
 * where its comment does not say otherwise, in callbacks. Only msgr_wait and the
 * last msgr_unref wait for anything. After msgr_wait has returned no callback
 * of that messenger runs.
 *
 * No C++ exception may leave a callback.
 *
 * Fork: the parent goes on as if nothing had happened. The child has no threads of
 * this library: for every handle made before the fork a call answers -ECHILD, NULL
 * or 0. An _unref drops the reference and frees a message's bytes; the rest of what
 * was inherited stays in memory, since to end it would disturb the parent. A child
 * may make a context of its own. Every descriptor is close-on-exec; a child that
 * does not exec has copies of them, of which it must not care: connections end when
 * the parent ends them. A child that was forked in a callback must not return from
 * it. A process made by vfork or by the bare system call only may exec.
 */

/* Generated from src/capi by `MSGR_BLESS=1 cargo test --test header`. */

#ifndef MSGR_H
#define MSGR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version ------------------------------------------------------------------------- */

/** The version of this header; `msgr_version` is the library's. */
#define MSGR_VERSION_MAJOR 0
#define MSGR_VERSION_MINOR 1
#define MSGR_VERSION_PATCH 0
#define MSGR_VERSION \
    ((MSGR_VERSION_MAJOR << 16) | (MSGR_VERSION_MINOR << 8) | MSGR_VERSION_PATCH)

/**
 * The version of the library that is loaded, composed like `MSGR_VERSION`,
 * which is the version of the header: major << 16 | minor << 8 | patch.
 */
uint32_t msgr_version(void);

/** The same as text, "0.1.0". Constant; belongs to the library. */
const char *msgr_version_string(void);

/* Handles ------------------------------------------------------------------------- */

/**
 * A connection to one peer. Equal pointers are the same connection, and as
 * long as a reference is held no other connection gets that pointer. Ceph's
 * `Connection`.
 */
typedef struct msgr_conn msgr_conn;

/**
 * What messengers share: options and worker threads. Ceph's `CephContext`, as
 * far as a messenger needs one.
 */
typedef struct msgr_ctx msgr_ctx;

/** An endpoint with a name, addresses and connections. Ceph's `Messenger`. */
typedef struct msgr_messenger msgr_messenger;

/** A message: a few numbers and three segments of bytes. Ceph's `Message`. */
typedef struct msgr_msg msgr_msg;

/* Errors -------------------------------------------------------------------------- */

/**
 * What an error number means, in a few words.
 *
 * `errnum` is what a function of this library returned; its sign does not
 * matter. Never NULL; the text is constant and belongs to the library. Any
 * thread, also in callbacks.
 */
const char *msgr_strerror(int errnum);

/**
 * The sentence that goes with the latest failure of the calling thread.
 *
 * More precise than `msgr_strerror`: it names the option, the address or
 * the argument at fault. Successful calls do not clear it. It is empty before
 * the first failure, and never longer than 511 bytes.
 *
 * Returns the text's length without its NUL; -EINVAL if `buf` is NULL;
 * -ENAMETOOLONG if `len` is too short. Neither replaces the stored text. Any
 * thread, also in callbacks.
 */
int msgr_last_error(char *buf, size_t len);

/* Context: options and worker threads --------------------------------------------- */

/**
 * Makes a context with the default options.
 *
 * A process usually has one. Its worker threads start with its first
 * messenger, serve all of them, and end with the last reference.
 *
 * `*out` gets a reference that belongs to the caller, NULL on failure.
 * Returns 0 or -EINVAL. Any thread. Ceph: `new CephContext`.
 */
int msgr_ctx_create(msgr_ctx **out);

/** Adds a reference. Returns `ctx`, NULL for NULL. Any thread. */
msgr_ctx *msgr_ctx_ref(msgr_ctx *ctx);

/**
 * Drops a reference; NULL is ignored. A messenger holds one of its own, so
 * a program may drop its reference once its messengers are made. Any thread.
 */
void msgr_ctx_unref(msgr_ctx *ctx);

/**
 * Sets an option by Ceph's name for it, as in "ms_async_op_threads", "2".
 *
 * Sizes may be written 4K or 100M, durations in seconds, switches as true or
 * false. Some options are read only when the first messenger is made.
 *
 * A messenger keeps what it was made with. Options of Ceph that mean nothing
 * here are taken and ignored.
 *
 * Faults on purpose may be asked for at any time, also of messengers that are
 * at work, and cost nothing while they are not:
 *
 * * `ms_inject_socket_failures`: one read or write of a socket in so many
 *   breaks its link; 0 for none.
 * * `ms_inject_internal_delays`: with the former, a worker stands still for so
 *   many seconds at one in as many changes of a connection's state.
 * * `ms_inject_delay_type` ("osd client"), `ms_inject_delay_probability` (from
 *   0 to 1), `ms_inject_delay_max`: what such peers send is held back with that
 *   probability and for up to so many seconds; the order stays.
 * * `ms_blackhole_osd`, `_mon`, `_mds`, `_client`: messages to and from such
 *   peers vanish. Sends succeed, and what comes is acknowledged.
 *
 * Not in Ceph, and read when a messenger is made:
 *
 * * `ms_connection_progress_timeout` (120 seconds, 0 for none): an open link on
 *   which the peer takes or acknowledges nothing of what is sent, or stops
 *   within a message, for so long counts as lost.
 * * `ms_connection_keepalive_interval` (0, none): a keepalive goes out when
 *   nothing has come for so long.
 * * `ms_connection_keepalive_timeout` (10 seconds): the link counts as lost if
 *   nothing comes for so long after such a keepalive.
 *
 * Returns 0; -ENOENT for an unknown option; -EINVAL for a value that does not
 * fit it; -EBUSY for one that was read when the first messenger was made;
 * -EOPNOTSUPP for one that this version cannot obey. Any thread, also in
 * callbacks. Ceph: `md_config_t::set_val`.
 */
int msgr_conf_set(msgr_ctx *ctx, const char *key, const char *value);

/**
 * Reads an option as text into `buf`, with a NUL.
 *
 * Returns the text's length without the NUL; -ENOENT for an unknown option;
 * -ENAMETOOLONG if it does not fit into `len` bytes, and then nothing is
 * written. Any thread, also in callbacks. Ceph: `md_config_t::get_val`.
 */
int msgr_conf_get(msgr_ctx *ctx, const char *key, char *buf, size_t len);

/* Messenger ----------------------------------------------------------------------- */

/**
 * For `msgr_connect_with`: a new connection for this caller alone, whatever
 * others there are to that peer.
 */
#define MSGR_CONNECT_ANONYMOUS 1
/** For `msgr_connect_with`: dial also if the addresses are the messenger's own. */
#define MSGR_CONNECT_NOT_LOCAL 2

/**
 * Makes a messenger.
 *
 * `entity` is who it speaks for, "osd.0" or "client.admin"; `lname` is a name
 * for the log, "client"; `nonce` makes its addresses differ from those of an
 * earlier process on the same port: the process id will do, or a random
 * number. Only its low 32 bits travel.
 *
 * `*out` gets a reference that belongs to the caller, NULL on failure.
 * Returns 0; -EINVAL for an entity that is none; an errno if the context's
 * workers could not be started. Any thread. Ceph: `Messenger::create`.
 */
int msgr_create(msgr_ctx *ctx,
                const char *entity,
                const char *lname,
                uint64_t nonce,
                msgr_messenger **out);

/** Adds a reference. Returns `messenger`, NULL for NULL. Any thread. */
msgr_messenger *msgr_ref(msgr_messenger *messenger);

/**
 * Drops a reference; NULL is ignored. The last one shuts the messenger down
 * and waits for it; in a callback it does not wait. Any thread.
 */
void msgr_unref(msgr_messenger *messenger);

/**
 * Listens on the given addresses.
 *
 * `addrs` is "v2:127.0.0.1:6800", "v2:[::1]:0", or several in brackets with
 * commas between: "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]". IPs are numeric.
 * Port 0 takes a free one of the range ms_bind_port_min to ms_bind_port_max;
 * `msgr_get_myaddrs` tells which. Accepting begins with the first dispatcher.
 *
 * Returns 0; -EINVAL for a malformed address; -EADDRINUSE; -EALREADY if it is
 * bound or started already; -EOPNOTSUPP for a kind of address that cannot be
 * listened on; -ESHUTDOWN. Any thread. Ceph: `Messenger::bindv`.
 */
int msgr_bind(msgr_messenger *messenger, const char *addrs);

/**
 * As `msgr_bind`, passing over `count` ports where it looks for a free one,
 * so that a daemon comes back under another than it had.
 *
 * `avoid_ports` is read during the call only; NULL is legal if `count` is 0.
 * Returns as `msgr_bind`. Any thread. Ceph: the `avoid_ports` of
 * `AsyncMessenger::bind`.
 */
int msgr_bind_avoiding(msgr_messenger *messenger,
                       const char *addrs,
                       const uint16_t *avoid_ports,
                       size_t count);

/**
 * Sets what the messenger calls itself, where that is not what it is bound to:
 * behind address translation or a forwarder. Peers dial and compare these.
 *
 * `addrs` is written as for `msgr_bind`; a port of 0 stands for the bound port
 * at the same place, and nonces become the messenger's own. After `msgr_bind`
 * and before `msgr_start`.
 *
 * Returns 0; -EINVAL for addresses that nobody could dial; -EOPNOTSUPP for a
 * kind of address that cannot be listened on; -EBUSY once started; -ESHUTDOWN.
 * Any thread. Ceph: `Messenger::set_addrs`.
 */
int msgr_set_addrs(msgr_messenger *messenger, const char *addrs);

/**
 * Starts the messenger: from here on it may dial and deliver.
 *
 * It may come before or after the first dispatcher, and after
 * `msgr_bind` only. Returns 0; -EALREADY if started; -ESHUTDOWN. Any thread.
 * Ceph: `Messenger::start`.
 */
int msgr_start(msgr_messenger *messenger);

/**
 * Closes all connections and stops listening; delivers no more. It does not
 * wait for callbacks that run at this moment: `msgr_wait` does.
 *
 * Returns 0, also when it is shut down already. Any thread, also in
 * callbacks. Ceph: `Messenger::shutdown`.
 */
int msgr_shutdown(msgr_messenger *messenger);

/**
 * Waits until the messenger is shut down, by whichever thread. After it no
 * callback of this messenger runs or will run, but for `release`.
 *
 * Returns 0, at once if it was never started; -EDEADLK in a callback. Several
 * threads may wait. Ceph: `Messenger::wait`.
 */
int msgr_wait(msgr_messenger *messenger);

/**
 * Writes the messenger's own addresses into `buf`, in the form that
 * `msgr_connect` takes: what `msgr_set_addrs` said, or what it is bound to,
 * ports filled in.
 *
 * Returns the text's length without its NUL; -ENAMETOOLONG if it does not fit
 * into `len` bytes, and then nothing is written. Any thread, also in
 * callbacks. Ceph: `Messenger::get_myaddrs`.
 */
int msgr_get_myaddrs(msgr_messenger *messenger, char *buf, size_t len);

/**
 * The connection to a peer: the one there is, or a new one, which begins to
 * dial. It does not wait; messages may be sent at once.
 *
 * `peer_type` (`MSGR_ENTITY_...`) is what the peer must be and chooses the
 * policy; `addrs` is written as for `msgr_bind`. The messenger's own address
 * gives its loopback connection.
 *
 * `*out` gets a reference that belongs to the caller, NULL on failure.
 * Returns 0; -EINVAL; -EOPNOTSUPP for addresses without one to dial;
 * -ENOTCONN if the messenger is not started; -ESHUTDOWN. That the peer
 * cannot be reached is no error here: see `handle_refused` and
 * `handle_reset`. Any thread, also in callbacks. Ceph:
 * `Messenger::connect_to`.
 */
int msgr_connect(msgr_messenger *messenger,
                 int peer_type,
                 const char *addrs,
                 msgr_conn **out);

/**
 * As `msgr_connect`, with `flags`: 0, or several of `MSGR_CONNECT_...` joined by
 * `|`.
 *
 * Returns as `msgr_connect`; -EINVAL also for an unknown flag. Any thread, also
 * in callbacks. Ceph: `Messenger::connect_to` with `anon` and
 * `not_local_dest`.
 */
int msgr_connect_with(msgr_messenger *messenger,
                      int peer_type,
                      const char *addrs,
                      uint32_t flags,
                      msgr_conn **out);

/**
 * Closes every connection but the one to itself, at once and as
 * `msgr_conn_mark_down` does, except that `handle_reset` tells of each.
 *
 * Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::mark_down_all`.
 */
int msgr_mark_down_all(msgr_messenger *messenger);

/**
 * The same for the connection to the peer with just these addresses, which are
 * written as for `msgr_connect`; if there is none, nothing happens. Anonymous
 * connections stay.
 *
 * Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::mark_down_addrs`.
 */
int msgr_mark_down_addrs(msgr_messenger *messenger, const char *addrs);

/**
 * Goes on as another incarnation, as a daemon does that its cluster took for
 * dead: listens at other ports, adds 1000000 to the nonce, and closes every
 * connection as `msgr_mark_down_all` does.
 *
 * The new ports are free ones of the range that `msgr_bind` searches, none of
 * the `count` in `avoid_ports` and none that it had; `msgr_get_myaddrs` tells
 * which. IPs that `msgr_set_addrs` said or that were learned stay. NULL is legal
 * if `count` is 0.
 *
 * Returns 0; -EINVAL, also if it is not bound; -EADDRINUSE; -EDEADLK on a
 * worker, that is, in a fast callback; -ESHUTDOWN. After a failure all is as it
 * was. Any other thread. Ceph: `Messenger::rebind`.
 */
int msgr_rebind(msgr_messenger *messenger, const uint16_t *avoid_ports, size_t count);

/**
 * The same for a messenger that is not bound: another nonce, and the end of
 * every connection.
 *
 * Returns 0; -EINVAL; -EALREADY if it is bound; -ESHUTDOWN. Any thread, also in
 * callbacks. Ceph: `Messenger::client_reset`.
 */
int msgr_client_reset(msgr_messenger *messenger);

/**
 * The connection of a messenger to itself. What is sent on it is dispatched
 * like any other message, without a network.
 *
 * `*out` gets a reference that belongs to the caller, NULL on failure.
 * Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::get_loopback_connection`.
 */
int msgr_get_loopback_connection(msgr_messenger *messenger, msgr_conn **out);

/**
 * How many messages wait for the dispatch thread, or -EINVAL. Any thread,
 * also in callbacks. Ceph: `Messenger::get_dispatch_queue_len`.
 */
int msgr_dispatch_queue_len(msgr_messenger *messenger);

/* Policy -------------------------------------------------------------------------- */

/** A monitor. */
#define MSGR_ENTITY_MON 1
/** A metadata server. */
#define MSGR_ENTITY_MDS 2
/** An object storage daemon. */
#define MSGR_ENTITY_OSD 4
/** A client. */
#define MSGR_ENTITY_CLIENT 8
/** A manager. */
#define MSGR_ENTITY_MGR 16

/**
 * Dials. The first loss of an open link ends the connection: what was under
 * way in either direction is lost, the rest arrived once and in order, and
 * handle_reset is called. Before the link has been open, attempts go on.
 */
#define MSGR_POLICY_LOSSY_CLIENT 1
/**
 * Dials, and at once again when the link is lost. Every message of a priority
 * arrives once and in the order it was sent, whatever happens to links, until
 * the peer says that it has lost the session: then handle_remote_reset is
 * called, what was queued and not acknowledged is gone, and the connection
 * goes on with a new session.
 */
#define MSGR_POLICY_LOSSLESS_CLIENT 2
/**
 * Is dialled, and keeps what there is to send until the peer dials again, for
 * as long as that takes: end a connection that nobody will come back for with
 * `msgr_conn_mark_down`. The promise is that of the lossless client.
 */
#define MSGR_POLICY_STATEFUL_SERVER 3
/**
 * Is dialled, and forgets a peer with its link. The promise is that of the
 * lossy client.
 */
#define MSGR_POLICY_STATELESS_SERVER 4
/**
 * The same, with one connection per peer at a time: a newer one ends the older
 * with handle_reset.
 */
#define MSGR_POLICY_STATELESS_REGISTERED_SERVER 5
/**
 * Either end dials, whoever has something to send; one session between the
 * two, also when both dial at once. The promise is that of the lossless
 * client, but when a peer that has restarted is the first to dial, what was
 * queued for it goes to its new incarnation, and nobody is told.
 */
#define MSGR_POLICY_LOSSLESS_PEER 6
/**
 * The same, but a restart of the peer loses what was queued, and
 * handle_remote_reset tells of it.
 */
#define MSGR_POLICY_LOSSLESS_PEER_REUSE 7

/**
 * The rules for connections with one kind of peer. Fill it with
 * `msgr_policy_init` and change what differs. Ceph's `Messenger::Policy`.
 *
 * The switches are 0 or 1.
 */
typedef struct msgr_policy {
    /** Bytes of this structure that are set. */
    uint32_t struct_size;
    /** A fault ends the connection; nothing is sent twice. */
    uint32_t lossy;
    /** This end never dials: it waits for the peer to come back. */
    uint32_t server;
    /** With nothing to send after a fault, rest instead of dialling. */
    uint32_t standby;
    /** Act on signs that the peer has lost its session. */
    uint32_t resetcheck;
    /** A new lossy connection from a peer displaces its old one. */
    uint32_t register_lossy_clients;
    /** Feature bits offered to the peer; 0 stands for all this library has. */
    uint64_t features_supported;
    /** Feature bits without which a peer is turned away. */
    uint64_t features_required;
} msgr_policy;

/**
 * `msgr_policy policy = MSGR_POLICY_INIT;` is a policy with every switch off.
 */
#define MSGR_POLICY_INIT { (uint32_t)sizeof(msgr_policy), 0, 0, 0, 0, 0, 0, 0 }

/**
 * Fills a policy with one of Ceph's presets (`MSGR_POLICY_...`).
 *
 * The structure need not be initialised. `struct_size` is set to the 40 bytes
 * that its first version has, whatever version the library is.
 *
 * Returns 0; -EINVAL for NULL or an unknown preset, and then nothing is
 * written. Any thread, also in callbacks.
 */
int msgr_policy_init(struct msgr_policy *policy, int preset);

/**
 * Sets the policy for peers whose type has none of its own.
 *
 * The structure is copied. Returns 0; -EINVAL; -E2BIG for a structure with
 * fields this library does not know; -EBUSY once the messenger is bound or
 * started. Any thread. Ceph: `Messenger::set_default_policy`.
 */
int msgr_set_default_policy(msgr_messenger *messenger,
                            const struct msgr_policy *policy);

/**
 * Sets the policy for peers of one type (`MSGR_ENTITY_...`).
 *
 * As `msgr_set_default_policy`, and -EINVAL for an unknown type. Ceph:
 * `Messenger::set_policy`.
 */
int msgr_set_policy(msgr_messenger *messenger,
                    int peer_type,
                    const struct msgr_policy *policy);

/**
 * Limits what the peers of one type (`MSGR_ENTITY_...`) may have under way
 * together: `bytes` of payload, and `messages`; 0 is no limit.
 *
 * What is beyond stays in the peers' sockets until there is room, each in its
 * turn. A received message counts until its last reference is given up or it
 * is sent on. One that is larger than the limit is read when no other counts,
 * so none is too large. A change holds from the next message on.
 *
 * Returns 0; -EINVAL, also for an unknown type. Any thread, also in callbacks.
 * Ceph: `Messenger::set_policy_throttlers`, whose throttles are the caller's.
 */
int msgr_set_policy_throttlers(msgr_messenger *messenger,
                               int peer_type,
                               uint64_t bytes,
                               uint64_t messages);

/* Dispatcher ---------------------------------------------------------------------- */

/** In `flags`: ask this dispatcher for fast dispatch. */
#define MSGR_DISPATCH_FAST 1

/**
 * Callbacks of a program. Slots that are NULL mean what Ceph's `Dispatcher`
 * does by default. Begin with `MSGR_DISPATCHER_INIT`.
 *
 * Messages and connections are lent to a callback for its time, unless it
 * says that it took the message. No lock is held in a callback: it may call
 * everything but `msgr_wait`. A callback must return; it must not throw.
 *
 * "On a worker" is a network thread: callbacks of one connection run one
 * after the other there, those of different connections may run at once.
 * "On the dispatch thread" is one thread per messenger.
 */
typedef struct msgr_dispatcher {
    /** Bytes of this structure that are set. */
    uint32_t struct_size;
    /** 0 or MSGR_DISPATCH_FAST. */
    uint32_t flags;
    /**
     * On a worker, with MSGR_DISPATCH_FAST: may this message be dispatched
     * there? Above 0 for yes. NULL: yes, all. A connection's messages keep their
     * order only among the fast ones and among the others.
     */
    int (*can_fast_dispatch)(void *user, const msgr_msg *msg);
    /**
     * On a worker, with MSGR_DISPATCH_FAST: a message. It must not block.
     * Above 0: the callee took it, and its reference. Else it is freed after
     * the call. Either way no other dispatcher gets it.
     */
    int (*fast_dispatch)(void *user, msgr_msg *msg);
    /**
     * On the dispatch thread: a message. Above 0: the callee took it, and
     * its reference. 0: not mine, ask the next dispatcher.
     */
    int (*dispatch)(void *user, msgr_msg *msg);
    /**
     * On the dispatch thread: a link this end dialled is up. On a lossless
     * connection again after each reconnect.
     */
    void (*handle_connect)(void *user, msgr_conn *conn);
    /**
     * On the dispatch thread: a link the peer dialled is up, on a new
     * connection or, after a reconnect, on one known already.
     */
    void (*handle_accept)(void *user, msgr_conn *conn);
    /** On a worker, ahead of the connection's first message: as handle_connect. */
    void (*handle_fast_connect)(void *user, msgr_conn *conn);
    /** On a worker, ahead of the connection's first message: as handle_accept. */
    void (*handle_fast_accept)(void *user, msgr_conn *conn);
    /**
     * On the dispatch thread: the connection is over, not by mark_down.
     * Above 0: handled, do not tell the next dispatcher.
     */
    int (*handle_reset)(void *user, msgr_conn *conn);
    /**
     * On the dispatch thread: the peer has lost its session; messages in
     * either direction may be missing. The connection goes on.
     */
    void (*handle_remote_reset)(void *user, msgr_conn *conn);
    /**
     * On the dispatch thread: the peer's host refused a connection; dialling
     * goes on until msgr_conn_mark_down. Above 0: handled, do not tell the next.
     */
    int (*handle_refused)(void *user, msgr_conn *conn);
    /**
     * The last call of all, once: the messenger has let go of the dispatcher.
     * On any thread.
     */
    void (*release)(void *user);
} msgr_dispatcher;

/**
 * `msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;` has no slot set.
 */
#define MSGR_DISPATCHER_INIT                                                        \
    { (uint32_t)sizeof(msgr_dispatcher), 0, NULL, NULL, NULL, NULL, NULL, NULL,     \
      NULL, NULL, NULL, NULL, NULL }

/**
 * Adds a dispatcher in front of the others. The first one lets the messenger
 * accept connections; it may come before or after `msgr_start`.
 *
 * The structure is copied. `user` is passed to every callback and must be
 * good until `release`. On failure nothing is kept and `release` is not
 * called.
 *
 * Returns 0; -EINVAL; -E2BIG for a structure with slots this library does not
 * know; -ESHUTDOWN. Any thread, also in callbacks. Ceph:
 * `Messenger::add_dispatcher_head`.
 */
int msgr_add_dispatcher_head(msgr_messenger *messenger,
                             const struct msgr_dispatcher *dispatcher,
                             void *user);

/** The same, behind the others. Ceph: `Messenger::add_dispatcher_tail`. */
int msgr_add_dispatcher_tail(msgr_messenger *messenger,
                             const struct msgr_dispatcher *dispatcher,
                             void *user);

/* Connection ---------------------------------------------------------------------- */

/**
 * Adds a reference. Returns `conn`, NULL for NULL. Any thread.
 *
 * A callback's connection is only lent to it: keep it with this.
 */
msgr_conn *msgr_conn_ref(msgr_conn *conn);

/**
 * Drops a reference; NULL is ignored. It does not close the connection:
 * `msgr_conn_mark_down` does. Any thread.
 */
void msgr_conn_unref(msgr_conn *conn);

/**
 * Queues a message to the peer.
 *
 * Takes the caller's reference to the message, whatever it returns. If there
 * are other references a copy is sent that shares the bytes, and the message
 * can be sent again. Higher priorities go first; within one priority messages
 * arrive in the order of the calls. Never blocks.
 *
 * Returns 0 once it is queued, which does not mean that it will arrive;
 * -EINVAL; -ENOTCONN on a closed connection; -ESHUTDOWN; -EMSGSIZE. Any
 * thread, also in callbacks. Ceph: `Connection::send_message`.
 */
int msgr_send(msgr_conn *conn, msgr_msg *msg);

/**
 * Closes the connection at once. Queued messages are dropped, no
 * `handle_reset` follows, later sends get -ENOTCONN. The loopback connection
 * stays: it lives as long as its messenger.
 *
 * Returns 0, also if it is closed already, or -EINVAL. Any thread, also in
 * callbacks. Ceph: `Connection::mark_down`.
 */
int msgr_conn_mark_down(msgr_conn *conn);

/**
 * Lets the next fault end the connection with `handle_reset`, as that of a lossy
 * one, whatever its policy was: it is not dialled again.
 *
 * Returns 0, also if it is closed already, or -EINVAL. Any thread, also in
 * callbacks. Ceph: `Connection::mark_disposable`.
 */
int msgr_conn_mark_disposable(msgr_conn *conn);

/**
 * Payload bytes of sent messages that the library still keeps: not written yet
 * or, on a lossless connection, not acknowledged by the peer. 0 for NULL.
 *
 * `msgr_send` has no limit; a program that wants one looks here before it
 * sends. Any thread, also in callbacks.
 */
uint64_t msgr_conn_queued_bytes(const msgr_conn *conn);

/**
 * Sends the peer a keepalive, ahead of queued messages; the peer's library
 * answers it. See `msgr_conn_last_keepalive_ack`.
 *
 * Returns 0; -EINVAL; -ENOTCONN. Any thread, also in callbacks. Ceph:
 * `Connection::send_keepalive`.
 */
int msgr_conn_keepalive(msgr_conn *conn);

/**
 * When the newest keepalive that the peer has answered was sent: nanoseconds
 * since 1970; 0 before the first answer and for NULL. Any thread, also in
 * callbacks. Ceph: `Connection::get_last_keepalive_ack`.
 */
uint64_t msgr_conn_last_keepalive_ack(const msgr_conn *conn);

/**
 * 1 while the handshake is done and the link is up, else 0; -EINVAL for NULL.
 * Any thread, also in callbacks. Ceph: `Connection::is_connected`.
 */
int msgr_conn_is_connected(const msgr_conn *conn);

/**
 * 1 for the connection of a messenger to itself, else 0; -EINVAL for NULL.
 * Any thread, also in callbacks. Ceph: `Connection::is_loopback`.
 */
int msgr_conn_is_loopback(const msgr_conn *conn);

/**
 * 1 for a connection made with `MSGR_CONNECT_ANONYMOUS`, else 0; -EINVAL for
 * NULL. Any thread, also in callbacks. Ceph: `Connection::is_anon`.
 */
int msgr_conn_is_anon(const msgr_conn *conn);

/**
 * What the peer is (`MSGR_ENTITY_...`), 0 while that is not known; -EINVAL
 * for NULL. Any thread, also in callbacks. Ceph: `Connection::get_peer_type`.
 */
int msgr_conn_peer_type(const msgr_conn *conn);

/**
 * Writes the peer's name into `buf`: "osd.3", or "client.?" while it has no
 * number.
 *
 * Returns the text's length without its NUL; -ENAMETOOLONG if it does not fit
 * into `len` bytes, and then nothing is written. Any thread, also in
 * callbacks.
 */
int msgr_conn_peer_name(const msgr_conn *conn, char *buf, size_t len);

/**
 * The number in the peer's name, 3 of "osd.3"; -1 while it has none and for
 * NULL. Any thread, also in callbacks. Ceph: `Connection::get_peer_id`.
 */
int64_t msgr_conn_peer_id(const msgr_conn *conn);

/**
 * The number that the authentication gave to the end that dialled; 0 before the
 * handshake, if it gave none, and for NULL. Any thread, also in callbacks. Ceph:
 * `Connection::get_peer_global_id`.
 */
uint64_t msgr_conn_peer_global_id(const msgr_conn *conn);

/**
 * Writes the peer's addresses into `buf`, in the form `msgr_connect` takes.
 *
 * Returns the text's length without its NUL; -ENAMETOOLONG if it does not fit
 * into `len` bytes, and then nothing is written. Any thread, also in
 * callbacks. Ceph: `Connection::get_peer_addrs`.
 */
int msgr_conn_peer_addrs(const msgr_conn *conn, char *buf, size_t len);

/**
 * The feature bits both ends have; 0 before the handshake and for NULL. Any
 * thread, also in callbacks. Ceph: `Connection::get_features`.
 */
uint64_t msgr_conn_features(const msgr_conn *conn);

/**
 * Attaches a pointer of the program's to the connection, in the place of the
 * one before.
 *
 * `destroy(priv)`, if not NULL, is called once: when another pointer takes
 * its place, or with the connection; on any thread. `priv` NULL only takes the
 * old one away, and `destroy` is not called for it. For a NULL connection
 * nothing happens, and `priv` stays the caller's. Any thread, also in
 * callbacks. Ceph: `Connection::set_priv`.
 */
void msgr_conn_set_priv(msgr_conn *conn, void *priv, void (*destroy)(void *priv));

/**
 * The pointer attached by `msgr_conn_set_priv`, or NULL. It is the program's
 * to know that no other thread replaces it while it is used. Any thread, also
 * in callbacks. Ceph: `Connection::get_priv`.
 */
void *msgr_conn_get_priv(const msgr_conn *conn);

/* Message ------------------------------------------------------------------------- */

/** The first segment: usually the encoded body. */
#define MSGR_FRONT 0
/** The second segment. */
#define MSGR_MIDDLE 1
/** The third segment: bulk data. */
#define MSGR_DATA 2

/**
 * Below it messages share the dispatch queue by size; from it on, the higher
 * priority always goes first.
 */
#define MSGR_PRIO_LOW 64
/** What a new message has. */
#define MSGR_PRIO_DEFAULT 127
/** Ahead of ordinary messages. */
#define MSGR_PRIO_HIGH 196
/** Ahead of everything. */
#define MSGR_PRIO_HIGHEST 255

/**
 * Makes an empty message of that type, with priority `MSGR_PRIO_DEFAULT`.
 * Types are the application's to number.
 *
 * `*out` gets a reference that belongs to the caller. Returns 0 or -EINVAL.
 * Any thread, also in callbacks.
 */
int msgr_msg_create(uint16_t type, msgr_msg **out);

/** Adds a reference. Returns `msg`, NULL for NULL. Any thread. */
msgr_msg *msgr_msg_ref(msgr_msg *msg);

/** Drops a reference; NULL is ignored. Any thread. */
void msgr_msg_unref(msgr_msg *msg);

/**
 * Adds a copy of `len` bytes to the end of a segment (`MSGR_FRONT`,
 * `MSGR_MIDDLE`, `MSGR_DATA`).
 *
 * Returns 0; -EINVAL; -EMSGSIZE if the segment would reach 4 GiB. Any thread,
 * also in callbacks.
 */
int msgr_msg_append_copy(msgr_msg *msg, int segment, const void *data, size_t len);

/**
 * Adds `len` bytes to the end of a segment without copying them.
 *
 * On success the memory belongs to the message and must not be changed until
 * `free_fn(arg)` is called: once, on any thread, when the bytes are sent and
 * no message refers to them any more; at once if `len` is 0. `free_fn` NULL
 * suits memory that lives for ever. On failure the memory stays the caller's
 * and `free_fn` is not called. Small pieces are cheaper copied.
 *
 * Returns 0; -EINVAL; -EMSGSIZE if the segment would reach 4 GiB. Any thread,
 * also in callbacks.
 */
int msgr_msg_append(msgr_msg *msg,
                    int segment,
                    const void *data,
                    size_t len,
                    void (*free_fn)(void *arg),
                    void *arg);

/**
 * How many bytes a segment has; 0 for NULL or an unknown segment. Any
 * thread, also in callbacks.
 */
size_t msgr_msg_len(const msgr_msg *msg, int segment);

/**
 * The bytes of a segment in one piece, `msgr_msg_len` of them; NULL for NULL
 * or an unknown segment. Received segments are in one piece already; several
 * appended pieces are joined by this, once.
 *
 * The bytes belong to the message. The pointer is good until the segment is
 * changed or the caller's reference is given up. Any thread, also in
 * callbacks.
 */
const void *msgr_msg_data(msgr_msg *msg, int segment);

/**
 * The message's type; 0 for NULL. Any thread, also in callbacks. Ceph:
 * `Message::get_type`.
 */
uint16_t msgr_msg_type(const msgr_msg *msg);

/**
 * The application's transaction number; 0 for NULL. Any thread, also in
 * callbacks. Ceph: `Message::get_tid`.
 */
uint64_t msgr_msg_tid(const msgr_msg *msg);

/**
 * Sets the transaction number. Any thread, also in callbacks. Ceph:
 * `Message::set_tid`.
 */
void msgr_msg_set_tid(msgr_msg *msg, uint64_t tid);

/**
 * The priority, 0 to 255; -EINVAL for NULL. Any thread, also in callbacks.
 * Ceph: `Message::get_priority`.
 */
int msgr_msg_priority(const msgr_msg *msg);

/**
 * Sets the priority (`MSGR_PRIO_...`, or any number between); what lies
 * outside of 0 to 255 is cut, and 0 is sent as `MSGR_PRIO_DEFAULT`. Any
 * thread, also in callbacks. Ceph: `Message::set_priority`.
 */
void msgr_msg_set_priority(msgr_msg *msg, int priority);

/**
 * The version of the body's encoding; -EINVAL for NULL. If `compat` is not
 * NULL it gets the oldest version that can decode the body. A new message has
 * 1 and 1. Any thread, also in callbacks. Ceph: `ceph_msg_header::version`.
 */
int msgr_msg_version(const msgr_msg *msg, uint16_t *compat);

/**
 * Sets the version of the body's encoding and the oldest version that can
 * decode it. Any thread, also in callbacks.
 */
void msgr_msg_set_version(msgr_msg *msg, uint16_t version, uint16_t compat);

/**
 * A received message's position in its session, from 1; 0 for a message of
 * one's own and for NULL. Any thread, also in callbacks. Ceph:
 * `Message::get_seq`.
 */
uint64_t msgr_msg_seq(const msgr_msg *msg);

/**
 * The connection a message came on; NULL for a message of one's own and for
 * NULL. It is only lent: it lives as long as the caller's reference to the
 * message, unless kept by `msgr_conn_ref`. Any thread, also in callbacks.
 * Ceph: `Message::get_connection`.
 */
msgr_conn *msgr_msg_conn(const msgr_msg *msg);

/* Log ----------------------------------------------------------------------------- */

/** Something is broken. */
#define MSGR_LOG_ERROR (-1)
/** Something is wrong with a peer or its network; the default. */
#define MSGR_LOG_WARN 0
/** What an operator may want to see. */
#define MSGR_LOG_INFO 1
/** What a developer may want to see. */
#define MSGR_LOG_DEBUG 5
/** Every step. */
#define MSGR_LOG_TRACE 20

/**
 * Sends the log of the whole process to `cb`, or with `cb` NULL back to
 * stderr, where each message is one line.
 *
 * `level` is one of `MSGR_LOG_...`; `text` is one message without a newline
 * at its end, good until the callback returns. The callback runs on any
 * thread, on several at once, and must not call this library, but for
 * `msgr_strerror`; what it causes to be logged is left out. When this function
 * returns, the callback before is no longer running.
 *
 * Returns 0; -EDEADLK in a log callback. In a Rust program with a logger of its
 * own that one keeps the messages. Any thread.
 */
int msgr_set_log_callback(void (*cb)(void *arg, int level, const char *text),
                          void *arg);

/**
 * Sets how much is logged, for the whole process: messages up to `level`
 * (`MSGR_LOG_...`, or a number between). The default is `MSGR_LOG_WARN`.
 *
 * Returns 0. Any thread, also in callbacks.
 */
int msgr_set_log_level(int level);

#ifdef __cplusplus
}
#endif

#endif /* MSGR_H */
