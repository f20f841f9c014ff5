/*
 * msgr: Ceph's asynchronous messenger as a library.
 *
 * Conventions
 *
 * Handles (msgr_ctx, msgr_messenger, msgr_conn, msgr_msg, msgr_buf, msgr_throttle)
 * are counted. What a function writes to an `out` parameter belongs to the caller,
 * who gives it back with the noun's _unref; an `out` parameter of a handle is NULL
 * after a failure.
 * NULL is refused with -EINVAL where a handle is needed, and legal in every
 * _unref. What a callback gets is lent for its time: keep it with _ref.
 *
 * Results are 0 or a count, or a negative errno:
 *
 *     -EINVAL           an argument is NULL, malformed or out of its range
 *     -ENOENT           there is nothing of that name or number
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
#include <sys/uio.h>

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
 * Bytes with a count of those who refer to them, which may be parts of several
 * messages.
 */
typedef struct msgr_buf msgr_buf;

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

/** A budget, shared by whoever holds it. Ceph's `Throttle`. */
typedef struct msgr_throttle msgr_throttle;

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

/* Addresses ----------------------------------------------------------------------- */

/** Address type: no address at all. */
#define MSGR_ADDR_NONE 0
/** Address type: msgr v1 is spoken there. */
#define MSGR_ADDR_LEGACY 1
/** Address type: msgr2 is spoken there. */
#define MSGR_ADDR_MSGR2 2
/** Address type: of a process that does not listen. */
#define MSGR_ADDR_ANY 3

/**
 * The address of one process. All zero is "-", none. Ceph's `entity_addr_t`.
 *
 * Its size never changes, so that it needs no `struct_size` and an array is an
 * `entity_addrvec_t`. Wherever one is an argument, -EINVAL is the answer to an
 * unknown type, another family of `sa` than AF_INET, AF_INET6 and 0, and
 * `reserved` that is not 0.
 */
typedef struct msgr_addr {
    /** `MSGR_ADDR_...`, the number that the wire has. */
    uint32_t type;
    /** Makes the address that of one incarnation of the process. */
    uint32_t nonce;
    /**
     * The host's `struct sockaddr_in` or `struct sockaddr_in6`; all zero while
     * the place is unknown.
     */
    uint8_t sa[28];
    /** Must be 0. */
    uint32_t reserved;
} msgr_addr;

/**
 * Reads one address: "v2:127.0.0.1:6800/7", "[::1]:6800", "any:", "-".
 *
 * An address without "v1:", "v2:" or "any:" in front is of `default_type`
 * (`MSGR_ADDR_...`; 0 stands for `MSGR_ADDR_MSGR2`). A port and a nonce that are
 * left out are 0. If `end` is not NULL, `*end` gets where the address ends within
 * `text`, and is `text` after a failure; if it is NULL the address must be all of
 * the text.
 *
 * Returns 0; -EINVAL, and then nothing is written to `*out`. Any thread, also in
 * callbacks. Ceph: `entity_addr_t::parse`.
 */
int msgr_addr_parse(const char *text,
                    const char **end,
                    uint32_t default_type,
                    struct msgr_addr *out);

/**
 * Writes an address into `buf` as Ceph does: "v2:127.0.0.1:6800/7".
 *
 * Returns the text's length without its NUL; -EINVAL; -ENAMETOOLONG if it does
 * not fit into `len` bytes, and then nothing is written. Any thread, also in
 * callbacks. Ceph: `operator<<(ostream&, entity_addr_t)`.
 */
int msgr_addr_format(const struct msgr_addr *addr, char *buf, size_t len);

/**
 * Reads all addresses of a process, in brackets or bare, with commas between:
 * "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]".
 *
 * Returns how many there are, which may be more than the `count` that `out` has
 * room for: those are not written. `out` may be NULL if `count` is 0. -EINVAL for
 * anything else than addresses, and then nothing is written. Any thread, also in
 * callbacks. Ceph: `entity_addrvec_t::parse`.
 */
int msgr_addrvec_parse(const char *text, struct msgr_addr *out, size_t count);

/**
 * Writes `count` addresses into `buf`, in the form that `msgr_connect` takes.
 *
 * Returns the text's length without its NUL; -EINVAL; -ENAMETOOLONG if it does
 * not fit into `len` bytes, and then nothing is written. Any thread, also in
 * callbacks. Ceph: `operator<<(ostream&, entity_addrvec_t)`.
 */
int msgr_addrvec_format(const struct msgr_addr *addrs,
                        size_t count,
                        char *buf,
                        size_t len);

/**
 * The port, 0 if none is known; -EINVAL. Any thread, also in callbacks. Ceph:
 * `entity_addr_t::get_port`.
 */
int msgr_addr_port(const struct msgr_addr *addr);

/**
 * Puts another port in the place of the one it has.
 *
 * Returns 0; -EINVAL, also for an address without an IP. Any thread, also in
 * callbacks. Ceph: `entity_addr_t::set_port`.
 */
int msgr_addr_set_port(struct msgr_addr *addr, uint16_t port);

/**
 * Puts another place in: the bytes of a `struct sockaddr_in` or `struct
 * sockaddr_in6`, `len` of them, longer than it if you like (a
 * `struct sockaddr_storage`). Type and nonce stay.
 *
 * Returns 0; -EINVAL, also for another family or too few bytes. Any thread, also
 * in callbacks. Ceph: `entity_addr_t::set_sockaddr`.
 */
int msgr_addr_set_sockaddr(struct msgr_addr *addr, const void *sockaddr, size_t len);

/**
 * Writes the place as a `struct sockaddr_in` or `struct sockaddr_in6` to
 * `sockaddr`, which has room for `len` bytes.
 *
 * Returns the structure's size, 0 for an address without an IP, when nothing is
 * written; -EINVAL; -ENAMETOOLONG if it does not fit, and then nothing is
 * written. Any thread, also in callbacks. Ceph: `entity_addr_t::get_sockaddr`.
 */
int msgr_addr_sockaddr(const struct msgr_addr *addr, void *sockaddr, size_t len);

/**
 * 1 if both are at one IP, whatever their ports, nonces and types, else 0, also
 * for NULL and what is no address. Any thread, also in callbacks. Ceph:
 * `entity_addr_t::is_same_host`.
 */
int msgr_addr_same_host(const struct msgr_addr *one, const struct msgr_addr *other);

/**
 * 1 if both are the same in type, nonce, IP and port, else 0, also for NULL and
 * what is no address. Any thread, also in callbacks. Ceph: `operator==`.
 */
int msgr_addr_equal(const struct msgr_addr *one, const struct msgr_addr *other);

/* Names --------------------------------------------------------------------------- */

/**
 * Reads a name: "osd.3", or "client.?", whose number is not known and is -1.
 *
 * `*type` gets the type (`MSGR_ENTITY_...`), `*num` the number. Returns 0;
 * -EINVAL, and then nothing is written. Any thread, also in callbacks. Ceph:
 * `entity_name_t::parse`.
 */
int msgr_name_parse(const char *text, int *type, int64_t *num);

/**
 * Writes a name into `buf`: "osd.3", or "client.?" for a negative number.
 *
 * Returns the text's length without its NUL; -EINVAL for no `MSGR_ENTITY_...`;
 * -ENAMETOOLONG if it does not fit into `len` bytes, and then nothing is written.
 * Any thread, also in callbacks. Ceph: `operator<<(ostream&, entity_name_t)`.
 */
int msgr_name_format(int type, int64_t num, char *buf, size_t len);

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
 * Who may talk to whom, and how. Ceph's names; read when a messenger is made:
 *
 * * `auth_cluster_required`, `auth_service_required`, `auth_client_required`:
 *   methods between daemons, of a daemon for its clients, and of a client, in
 *   the order of preference: "cephx", "none" or both. Unlike in Ceph the default
 *   is empty: cephx if the messenger has any key, none otherwise.
 * * `keyring` (files, of which the first that exists is read), `keyfile`, `key`:
 *   the messenger's keys. A key is never given back, logged or shown.
 * * `auth_mon_ticket_ttl` (259200 seconds), `auth_service_ticket_ttl` (3600): how
 *   long the tickets are good that a messenger gives which is a monitor.
 * * `ms_cluster_mode`, `ms_service_mode`, `ms_client_mode` ("crc secure"), and
 *   `ms_mon_cluster_mode`, `ms_mon_service_mode`, `ms_mon_client_mode` ("secure
 *   crc"), which hold wherever a monitor or manager is one of the ends: whether
 *   frames are encrypted, the preferred mode first. Encryption takes cephx.
 * * `cephx_sign_messages` (true), and `cephx_require_signatures`,
 *   `cephx_cluster_require_signatures`, `cephx_service_require_signatures` (false):
 *   whether messages of the first protocol are signed where cephx gives a key for
 *   that, and whether a peer that cannot is turned away. `cephx_require_version` is
 *   always 2.
 * * `ms_secure_only` (false; not in Ceph): encrypted and proved, or not at all,
 *   in every role.
 *
 * `ms_bind_before_connect` lets a messenger dial from its own address, as it is
 * told to peers, of the family that it dials. It must be one of this host's.
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
 * * `ms_local_socket_dir` (none): a folder in which processes of one host meet
 *   without its network. Who listens at 10.0.0.1:6800 listens also at the socket
 *   10.0.0.1-6800.sock there, of mode 0600, and a peer on the same host that has
 *   the same folder set dials that first. Addresses and all else stay as they
 *   are. The folder must belong to the process's user or to root, nobody else
 *   may write to it, and it must not be a symbolic link.
 * * `ms_tcp_congestion` (none: the system's): by what TCP controls how much is under
 *   way, such as "reno", "cubic" or "bbr". A messenger is not made if the system does
 *   not have that, or does not let this process use it.
 * * `ms_max_half_open` (4096, 0 for no limit): so many accepted connections may
 *   be without a session at a time. For one more the oldest is closed.
 * * `ms_max_half_open_per_source` (256): so many of them from one IPv4 address
 *   or one IPv6 network of 64 bits. As long as its oldest is younger than 5
 *   seconds a source may have more, up to what `ms_max_half_open` leaves.
 * * `ms_max_handshake_bytes` (64K), `ms_max_handshake_frame_bytes` (16K, no
 *   more), `ms_max_auth_attempts` (8): what a peer may send before it has a
 *   session, in all and in one frame (in v1, one authorizer), and how often it may
 *   ask to be authenticated. Beyond it the link ends.
 * * `ms_compress_mode` (none, or force), `ms_compress_min_size` (1K),
 *   `ms_compression_algorithm` ("snappy", or a list with the preferred one
 *   first, of snappy, zlib, zstd and lz4): messages of at least that size are
 *   compressed on every link whose peer agrees. Ceph has the same for links
 *   with OSDs alone, as `ms_osd_compress_mode` and so on; where that says
 *   force it holds. With encryption only if `ms_compress_secure` is true.
 * * `ms_max_message_bytes` (1G): what a message may carry, sent or received.
 *
 * Not in Ceph, and read when the first messenger is made:
 *
 * * `ms_async_spin` (0 seconds, at most 0.001; 0.00005 is a good one): for so long
 *   a worker goes on looking for events before it sleeps. A round trip between two
 *   processors takes a fraction of the time then. It does so only while its
 *   waits are about as short as that, and lets others have its processor.
 *
 * Returns 0; -ENOENT for an unknown option; -EINVAL for a value that does not
 * fit it; -EBUSY for one that was read when the first messenger was made. Any
 * thread, also in callbacks. Ceph: `md_config_t::set_val`.
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

/* Where options come from, and who hears of them ---------------------------------- */

/**
 * Sets the options found among a program's arguments: "--ms-foo=bar",
 * "--ms_foo bar", and for a switch "--ms_foo" and "--no-ms_foo".
 *
 * `argv[0]`, the program's name, is not looked at. All other arguments, `argv[0]`
 * first and everything from "--" on, are written to `rest`, in their order; it has
 * room for `argc` pointers and may be the same as `argv`, or NULL.
 *
 * Returns how many those are; -EINVAL, also for a value that does not fit its option
 * or is missing; -EBUSY for an option that was read when the first messenger was
 * made. Options before the one at fault are set. Any thread, also in callbacks.
 * Ceph: `rados_conf_parse_argv_remainder`.
 */
int msgr_conf_parse_argv(msgr_ctx *ctx,
                         int argc,
                         const char *const *argv,
                         const char **rest);

/**
 * The same for the words of an environment variable, `CEPH_ARGS` if `name` is NULL.
 * What is no option in it is passed over, and told the log as information.
 *
 * Returns 0, also if there is no such variable; -EINVAL; -EBUSY. No other thread may
 * change the environment meanwhile. Ceph: `md_config_t::parse_env`.
 */
int msgr_conf_parse_env(msgr_ctx *ctx, const char *name);

/**
 * Sets what a configuration file of Ceph's says to an entity ("osd.0"): what stands
 * in [global], then in [osd], then in [osd.0]. If `entity` is NULL it is [global]
 * alone.
 *
 * Of `paths`, with commas between, the first that exists is read. If it is NULL that
 * is the file which the environment variable CEPH_CONF names, else
 * /etc/ceph/ceph.conf, ~/.ceph/ceph.conf or ceph.conf. Spaces, dashes and underscores
 * in names are equal; `$cluster`, `$name`, `$type` and `$id` in values stand for
 * "ceph" and the entity. Options that this library does not know are passed over, and
 * told the log as information.
 *
 * Returns 0; -ENOENT if there is no such file, or the errno of reading it; -EINVAL
 * for a malformed file, of which nothing is set, and for a value that does not fit
 * its option: then the others are set. -EBUSY likewise. Any thread. Ceph:
 * `rados_conf_read_file`.
 */
int msgr_conf_read_file(msgr_ctx *ctx, const char *paths, const char *entity);

/**
 * Calls `cb` for each option there is, in the order of their names, with the value
 * that was set or the default. Keys are left out. The texts are lent for the call;
 * a `cb` that returns anything but 0 ends it.
 *
 * Returns 0, or what `cb` returned last; -EINVAL. Any thread, also in callbacks.
 * Ceph: `config show`.
 */
int msgr_conf_foreach(msgr_ctx *ctx, int (*cb)(void *arg,
                                               const char *key,
                                               const char *value), void *arg);

/**
 * Calls `cb` whenever that option is set, with its name and new value, which are lent
 * for the call, on the thread that sets it. It may call everything.
 *
 * `release(arg)`, if not NULL, is called once no call of `cb` runs or will run: after
 * `msgr_conf_unobserve`, or with the context; on any thread. On failure nothing is
 * kept and it is not called.
 *
 * Returns a number above 0, for `msgr_conf_unobserve`; -EINVAL; -ENOENT for an unknown
 * option; -EACCES for a key. Any thread, also in callbacks. Ceph:
 * `md_config_obs_t`.
 */
int msgr_conf_observe(msgr_ctx *ctx,
                      const char *key,
                      void (*cb)(void *arg, const char *key, const char *value),
                      void *arg,
                      void (*release)(void *arg));

/**
 * Ends what `msgr_conf_observe` returned that number for. A call that runs at this
 * moment goes on; `release` comes after it.
 *
 * Returns 0; -EINVAL; -ENOENT if there is none. Any thread, also in callbacks. Ceph:
 * `md_config_t::remove_observer`.
 */
int msgr_conf_unobserve(msgr_ctx *ctx, int observer);

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
 * A v1 address is listened at for peers that speak the first protocol.
 *
 * Returns 0; -EINVAL for a malformed address, or a kind of address that cannot be
 * listened on; -EADDRINUSE; -EALREADY if it is bound or started already;
 * -ESHUTDOWN. Any thread. Ceph: `Messenger::bindv`.
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
 * protocol that is not listened for; -EBUSY once started; -ESHUTDOWN.
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
 * policy; `addrs` is written as for `msgr_bind`: all that the peer has. They
 * are tried in order, those of v2 first, while nobody is there, or nobody who
 * speaks the protocol; those of v1 by a lossless policy only if nobody listens at
 * those of v2, or somebody who speaks v1. The messenger's own address gives its
 * loopback connection.
 *
 * `*out` gets a reference that belongs to the caller, NULL on failure.
 * Returns 0; -EINVAL, also for addresses without one to dial;
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

/**
 * How long the oldest of them has waited, in nanoseconds; 0 if none does, and for
 * NULL. Messages count, events do not. Any thread, also in callbacks. Ceph:
 * `Messenger::get_dispatch_queue_max_age`.
 */
uint64_t msgr_dispatch_queue_max_age(const msgr_messenger *messenger);

/* What a messenger is called, and how it goes about its work ---------------------- */

/**
 * The context that the messenger was made in, lent for as long as the messenger
 * is there: keep it with `msgr_ctx_ref`. NULL for NULL. Any thread, also in
 * callbacks. Ceph: `Messenger::cct`.
 */
msgr_ctx *msgr_get_ctx(const msgr_messenger *messenger);

/**
 * Writes what the messenger calls itself in sessions: "osd.0", or "client.?" while
 * it has no number. A client's number is what `msgr_set_myname` said, or else what
 * a monitor has given it.
 *
 * Returns the text's length without its NUL; -EINVAL; -ENAMETOOLONG if it does not
 * fit into `len` bytes, and then nothing is written. Any thread, also in
 * callbacks. Ceph: `Messenger::get_myname`.
 */
int msgr_myname(const msgr_messenger *messenger, char *buf, size_t len);

/**
 * The type in that name (`MSGR_ENTITY_...`), or -EINVAL. Any thread, also in
 * callbacks. Ceph: `Messenger::get_mytype`.
 */
int msgr_mytype(const msgr_messenger *messenger);

/**
 * The number in that name; -1 while it has none and for NULL. Any thread, also in
 * callbacks. Ceph: `Messenger::get_myname().num()`.
 */
int64_t msgr_mynum(const msgr_messenger *messenger);

/**
 * Changes the number in that name; "mds.?" takes it back. Peers hear of it with
 * the next handshake. What the messenger authenticates as stays.
 *
 * Returns 0; -EINVAL, also for another type than the messenger was made with. Any
 * thread, also in callbacks, at any time. Ceph: `Messenger::set_myname`.
 */
int msgr_set_myname(msgr_messenger *messenger, const char *name);

/**
 * The priority, 0 to 255, that messages are sent with whose own is 0, as
 * `msgr_msg_set_priority` may leave it; a new message has `MSGR_PRIO_DEFAULT`, and
 * that is also what this is if nothing is said.
 *
 * Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::set_default_send_priority`.
 */
int msgr_set_default_send_priority(msgr_messenger *messenger, int priority);

/**
 * The priority that packets have in the queues of this host (SO_PRIORITY), and
 * with it the mark of network control (class CS6); negative for neither. It holds
 * for sockets that are made from now on. A kernel that refuses it (above 6 it wants
 * CAP_NET_ADMIN) is not insisted with.
 *
 * Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::set_socket_priority`.
 */
int msgr_set_socket_priority(msgr_messenger *messenger, int priority);

/**
 * The version of the first protocol that a peer of the messenger's own type must
 * speak, too. If nothing is said it is that of Ceph's monitors, OSDs and metadata
 * servers.
 *
 * Returns 0; -EINVAL; -EBUSY once bound or started. Any thread. Ceph:
 * `Messenger::set_cluster_protocol`.
 */
int msgr_set_cluster_protocol(msgr_messenger *messenger, int version);

/**
 * 0: a peer that dials and shows nothing at all is let in, as nobody, whatever
 * methods are required; only where readable links are allowed
 * (`msgr_conn_is_authenticated` says 0 of it). A peer that shows something is
 * examined as ever. 1 is the default: nobody is.
 *
 * Returns 0; -EINVAL; -EBUSY once bound or started. Any thread. Ceph:
 * `Messenger::set_require_authorizer`.
 */
int msgr_set_require_authorizer(msgr_messenger *messenger, int required);

/**
 * Lets a messenger that does not listen dial from an address of this host, if
 * `ms_bind_before_connect` is on; else it does nothing, and nothing for a messenger
 * that is bound. Of `addrs` the first is taken, and of that the IP: every connection
 * gets a port of its own.
 *
 * Returns 0; -EINVAL for an address without an IP; -EALREADY once started;
 * -ESHUTDOWN. Any thread. Ceph: `Messenger::client_bind`.
 */
int msgr_client_bind(msgr_messenger *messenger, const char *addrs);

/**
 * Fills in the messenger's IPs where they are unknown, as after a bind to
 * 0.0.0.0: each with the first of `addrs` that is of the same family.
 *
 * Returns 1 if it did, 0 if there was nothing to fill in, or nothing to fill it in
 * with; -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::set_addr_unknowns`.
 */
int msgr_set_addr_unknowns(msgr_messenger *messenger, const char *addrs);

/**
 * 1 if peers should be dialled by their msgr2 addresses; 0 for a messenger that
 * listens in v1 alone, since they could not dial back; -EINVAL. `msgr_connect`
 * does so by itself. Any thread, also in callbacks. Ceph:
 * `Messenger::should_use_msgr2`.
 */
int msgr_should_use_msgr2(const msgr_messenger *messenger);

/**
 * Sends a message on the connection that `msgr_connect` would give.
 *
 * Takes the caller's reference to the message, whatever it returns. Returns as
 * `msgr_connect` and `msgr_send`. Any thread, also in callbacks. Ceph:
 * `Messenger::send_to`.
 */
int msgr_send_to(msgr_messenger *messenger,
                 msgr_msg *msg,
                 int peer_type,
                 const char *addrs);

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
 * Writes the policy that holds for peers of one type (`MSGR_ENTITY_...`), of its
 * own or the default, to `*policy`, which need not be initialised: the 40 bytes
 * that its first version has.
 *
 * Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::get_policy`.
 */
int msgr_get_policy(const msgr_messenger *messenger,
                    int peer_type,
                    struct msgr_policy *policy);

/**
 * The same for peers whose type has none of its own.
 *
 * Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::get_default_policy`.
 */
int msgr_get_default_policy(const msgr_messenger *messenger,
                            struct msgr_policy *policy);

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

/* Throttle ------------------------------------------------------------------------ */

/**
 * Makes a throttle: a budget of `max` bytes, messages or whatever else; 0 is no
 * limit. `name` is for those who look at it.
 *
 * `*out` gets a reference that belongs to the caller, NULL on failure. Returns 0;
 * -EINVAL. Any thread, also in callbacks. Ceph: `Throttle`.
 */
int msgr_throttle_create(const char *name, uint64_t max, msgr_throttle **out);

/** Adds a reference. Returns `throttle`, NULL for NULL. Any thread, also in callbacks. */
msgr_throttle *msgr_throttle_ref(msgr_throttle *throttle);

/**
 * Drops a reference; NULL is ignored. Messengers, and messages that count in it, hold
 * their own. Any thread, also in callbacks.
 */
void msgr_throttle_unref(msgr_throttle *throttle);

/**
 * Takes `amount`, as soon as there is room: blocks until then. Who waits is served in
 * turn. More than the whole limit is given when nothing else is out.
 *
 * Returns 1 if it had to wait, 0 if not; -EINVAL; -EDEADLK on a worker, that is, in a
 * fast callback. Any other thread. Ceph: `Throttle::get`.
 */
int msgr_throttle_get(msgr_throttle *throttle, uint64_t amount);

/**
 * Takes `amount` if there is room and nobody waits. Never blocks.
 *
 * Returns 1 if it did, 0 if not; -EINVAL. Any thread, also in callbacks. Ceph:
 * `Throttle::get_or_fail`.
 */
int msgr_throttle_get_or_fail(msgr_throttle *throttle, uint64_t amount);

/**
 * Takes `amount` whatever is left, also beyond the limit. Never blocks.
 *
 * Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph: `Throttle::take`.
 */
int msgr_throttle_take(msgr_throttle *throttle, uint64_t amount);

/**
 * Gives back `amount`, and lets in those who wait for it.
 *
 * Returns 0; -EINVAL, also for more than is out. Any thread, also in callbacks. Ceph:
 * `Throttle::put`.
 */
int msgr_throttle_put(msgr_throttle *throttle, uint64_t amount);

/**
 * Changes the limit, 0 for none, and lets in those who have room now.
 *
 * Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
 * `Throttle::reset_max`.
 */
int msgr_throttle_set_max(msgr_throttle *throttle, uint64_t max);

/**
 * What is out; 0 for NULL. Any thread, also in callbacks. Ceph:
 * `Throttle::get_current`.
 */
uint64_t msgr_throttle_current(const msgr_throttle *throttle);

/**
 * The limit; 0 if there is none and for NULL. Any thread, also in callbacks. Ceph:
 * `Throttle::get_max`.
 */
uint64_t msgr_throttle_max(const msgr_throttle *throttle);

/**
 * Lets what peers of one type send count in these throttles: payload bytes in the one,
 * messages in the other, from before a message is read until the program drops it or
 * sends it on. While one of them is spent their sockets are not read. NULL is no limit.
 *
 * Several types and messengers may share one; the messenger holds references of its
 * own. They take the place of the limits that `msgr_set_policy_throttlers` set, and
 * hold from the next message on.
 *
 * Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
 * `Messenger::set_policy_throttlers`.
 */
int msgr_set_policy_throttles(msgr_messenger *messenger,
                              int peer_type,
                              msgr_throttle *bytes,
                              msgr_throttle *messages);

/* Authentication by the program --------------------------------------------------- */

/**
 * Where the answer to one question of an authentication goes: to be given by
 * exactly one of the msgr_auth_reply_* functions, at once or later, by any
 * thread. The connection waits for it, for as long as it may take to be open.
 */
typedef struct msgr_auth_reply msgr_auth_reply;

/**
 * A program's own authentication: what Ceph splits into `AuthClient` and
 * `AuthServer`. Begin with `struct_size`; the rest may be zero.
 *
 * The callbacks run on a worker and must not block. What they are given is lent
 * to them for their time, but for `reply`, which belongs to them until it is
 * answered. A slot that is NULL answers -EOPNOTSUPP. The connection of a peer
 * that dialled may never become known to the dispatchers; it can be told from
 * others by its pointer, kept by msgr_conn_ref.
 */
typedef struct msgr_auth_handler {
    /** Bytes of this structure that are set. */
    uint32_t struct_size;
    /** 0. */
    uint32_t flags;
    /**
     * This end dials a peer of that type: with which method, and what is said
     * first? Answer by msgr_auth_reply_request. Ceph: `get_auth_request`.
     */
    void (*get_auth_request)(void *user,
                             msgr_conn *conn,
                             int peer_type,
                             struct msgr_auth_reply *reply);
    /**
     * The acceptor said that and wants to hear more. Answer by
     * msgr_auth_reply_more. Ceph: `handle_auth_reply_more`.
     */
    void (*handle_auth_reply_more)(void *user,
                                   msgr_conn *conn,
                                   const void *payload,
                                   size_t len,
                                   struct msgr_auth_reply *reply);
    /**
     * The acceptor is satisfied and has chosen a mode. Answer by
     * msgr_auth_reply_done, with the keys. Ceph: `handle_auth_done`.
     */
    void (*handle_auth_done)(void *user,
                             msgr_conn *conn,
                             uint64_t global_id,
                             uint32_t con_mode,
                             const void *payload,
                             size_t len,
                             struct msgr_auth_reply *reply);
    /**
     * The acceptor declined the method with that negative errno. Answer by
     * msgr_auth_reply_request with another. Ceph: `handle_auth_bad_method`.
     */
    void (*handle_auth_bad_method)(void *user,
                                   msgr_conn *conn,
                                   uint32_t method,
                                   int result,
                                   const uint32_t *allowed_methods,
                                   size_t method_count,
                                   const uint32_t *allowed_modes,
                                   size_t mode_count,
                                   struct msgr_auth_reply *reply);
    /**
     * A dialler that calls itself of that type begins (`more` 0) with a method,
     * or goes on (`more` 1). Answer by msgr_auth_reply_more or
     * msgr_auth_reply_done. Ceph: `handle_auth_request`.
     */
    void (*handle_auth_request)(void *user,
                                msgr_conn *conn,
                                int peer_type,
                                int more,
                                uint32_t method,
                                uint32_t con_mode,
                                const void *payload,
                                size_t len,
                                struct msgr_auth_reply *reply);
    /**
     * The last call of all, once: the messenger has let go of the handler. On
     * any thread.
     */
    void (*release)(void *user);
} msgr_auth_handler;

/**
 * `msgr_auth_handler handler = MSGR_AUTH_HANDLER_INIT;` is a handler that answers no
 * to everything.
 */
#define MSGR_AUTH_HANDLER_INIT \
    { (uint32_t)sizeof(msgr_auth_handler), 0, NULL, NULL, NULL, NULL, NULL, NULL }

/**
 * Lets the program authenticate this messenger's connections, in place of the
 * methods that the library has: both those it dials and those it accepts. The
 * options auth_*_required mean nothing then; the ms_*_mode still say which
 * modes are allowed.
 *
 * The structure is copied. `user` is passed to every callback and must be good
 * until `release`. On failure nothing is kept and `release` is not called.
 *
 * Returns 0; -EINVAL; -E2BIG; -EBUSY after bind or start; -EALREADY the second
 * time. Any thread. Ceph: `Messenger::set_auth_client`, `set_auth_server`.
 */
int msgr_set_auth_handler(msgr_messenger *messenger,
                          const struct msgr_auth_handler *handler,
                          void *user);

/* Its answers --------------------------------------------------------------------- */

/**
 * What an authentication has brought. Begin with `struct_size`; what is zero was
 * not brought. Nothing in it is kept: keys are copied, and wiped when they go.
 */
typedef struct msgr_auth_result {
    /** Bytes of this structure that are set. */
    uint32_t struct_size;
    /** 0. */
    uint32_t flags;
    /** The dialler's number in the cluster. */
    uint64_t global_id;
    /** Who the peer has proved to be, "client.admin"; NULL for nobody. */
    const char *entity;
    /** What it may do, as text; NULL for nothing. */
    const char *caps;
    /** A key that both ends know: it signs the handshake. 0 bytes: unsigned. */
    const void *session_key;
    /** Its length. */
    size_t session_key_len;
    /**
     * Where mode secure takes its keys from: at least 40 bytes, usually 64, and
     * never the same for two connections.
     */
    const void *connection_secret;
    /** Its length. */
    size_t connection_secret_len;
    /** An acceptor's last word to the dialler. */
    const void *payload;
    /** Its length. */
    size_t payload_len;
} msgr_auth_result;

/**
 * `msgr_auth_result result = MSGR_AUTH_RESULT_INIT;` says nothing yet.
 */
#define MSGR_AUTH_RESULT_INIT \
    { (uint32_t)sizeof(msgr_auth_result), 0, 0, NULL, NULL, NULL, 0, NULL, 0, NULL, 0 }

/**
 * Begins with that method, or tries that one next. `modes` are MSGR_CON_MODE_*,
 * the preferred one first; none stands for those that the options allow.
 *
 * Takes `reply`, whatever it returns: 0, or -EINVAL, and then the answer is no.
 * Any thread.
 */
int msgr_auth_reply_request(msgr_auth_reply *reply,
                            uint32_t method,
                            const uint32_t *modes,
                            size_t mode_count,
                            const void *payload,
                            size_t len);

/**
 * Says that and listens on.
 *
 * Takes `reply`, whatever it returns: 0, or -EINVAL, and then the answer is no.
 * Any thread.
 */
int msgr_auth_reply_more(msgr_auth_reply *reply, const void *payload, size_t len);

/**
 * The peer is known, and that is what both ends have agreed on.
 *
 * Takes `reply`, whatever it returns: 0; -EINVAL or -E2BIG, and then the answer
 * is no. Any thread.
 */
int msgr_auth_reply_done(msgr_auth_reply *reply, const struct msgr_auth_result *result);

/**
 * No, with a negative errno: a dialler gives up, an acceptor declines.
 *
 * Takes `reply`, whatever it returns: 0, or -EINVAL. Any thread.
 */
int msgr_auth_reply_fail(msgr_auth_reply *reply, int error);

/* Keys and tickets ---------------------------------------------------------------- */

/**
 * For msgr_auth_request: a number, and with cephx the first tickets. Needed on
 * connections of the first protocol; on the others it renews the ticket that the
 * others hang on.
 */
#define MSGR_AUTH_LOGIN 1
/** For msgr_auth_request: tickets for all kinds of services. */
#define MSGR_AUTH_TICKETS 2
/** For msgr_auth_request, by a daemon: the keys that open its clients' tickets. */
#define MSGR_AUTH_ROTATING_KEYS 3

/**
 * Adds the text of a keyring file to the keys of a messenger, in place of what it
 * has of the same entities. Keys may also come from the options `keyring`,
 * `keyfile` and `key`. The key of "osd." is that of all OSDs together: who has it
 * needs no monitor to get to one.
 *
 * Returns 0; -EINVAL for a text that is none of a keyring; -EBUSY after bind or
 * start. Nothing of the text is kept but the keys. Any thread. Ceph: `KeyRing`.
 */
int msgr_add_keyring(msgr_messenger *messenger, const char *text);

/**
 * Makes a message that asks the monitor at the other end for MSGR_AUTH_*: send it
 * there, on this connection. The reply, a message of type 18, goes to
 * `msgr_auth_handle_reply`.
 *
 * `*out` gets a reference that belongs to the caller, NULL on failure. Returns 0;
 * -EINVAL; -EACCES without the key or the ticket that it takes. Any thread, also
 * in callbacks. Ceph: `MonClient`, `MAuth`.
 */
int msgr_auth_request(msgr_conn *monitor, int want, msgr_msg **out);

/**
 * Takes a monitor's reply to such a message. What it brings is kept for all
 * connections of the messenger.
 *
 * `*next` gets a message to be sent to the monitor in turn, whose reference
 * belongs to the caller, or NULL. Returns 1 with a next message, 0 without: it is
 * done; -EINVAL for another message; -EACCES if the monitor has declined, or has
 * not proved that it knows our key. Any thread, also in callbacks. Ceph:
 * `MAuthReply`.
 */
int msgr_auth_handle_reply(msgr_conn *monitor, const msgr_msg *reply, msgr_msg **next);

/**
 * For a messenger that is a monitor: makes the reply to a client's message of
 * type 17, which authenticates it or gives it tickets. Whom it has proved to be
 * is what `msgr_conn_auth_name` says from then on.
 *
 * `*reply` gets a message to be sent to the client, whose reference belongs to
 * the caller, NULL on failure. A client that is denied gets a reply, too. Returns
 * 0 or -EINVAL. Any thread, also in callbacks.
 */
int msgr_auth_serve(msgr_conn *client, const msgr_msg *request, msgr_msg **reply);

/**
 * For a daemon: seconds until the keys that open its clients' tickets should be asked
 * for anew, by `msgr_auth_request` with MSGR_AUTH_ROTATING_KEYS: 0 for now, since the
 * key in use has expired. Clients are denied once their tickets are made by keys that
 * have not come, which is logged.
 *
 * Returns -ENOENT if there are none yet; -EINVAL. Any thread, also in callbacks. Ceph:
 * `RotatingKeyRing::need_new_secrets`.
 */
int msgr_auth_keys_left(msgr_messenger *messenger);

/**
 * Seconds until the ticket for services of that type (MSGR_ENTITY_*; 32 for the
 * ticket that the others hang on) should be renewed by `msgr_auth_request`: 0 for
 * now.
 *
 * Returns -ENOENT if there is no ticket that is good; -EINVAL. Any thread, also
 * in callbacks. Ceph: `CephXTicketHandler::need_key`.
 */
int msgr_auth_ticket_left(msgr_messenger *messenger, int service);

/* Dispatcher ---------------------------------------------------------------------- */

/** In `flags`: ask this dispatcher for fast dispatch. */
#define MSGR_DISPATCH_FAST 1
/**
 * In `flags`: read the clock for MSGR_STAMP_DISPATCH whenever a message is given to
 * dispatch.
 */
#define MSGR_DISPATCH_STAMPS 2

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
    /** 0, or MSGR_DISPATCH_FAST and MSGR_DISPATCH_STAMPS together or alone. */
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
    /** On a worker: any message, before it is dispatched. */
    void (*fast_preprocess)(void *user, msgr_msg *msg);
    /**
     * With MSGR_DISPATCH_FAST: the types that are dispatched on the worker, and no
     * others; can_fast_dispatch is not asked then. NULL: it is. The array is copied.
     */
    const uint16_t *fast_types;
    /** How many there are. */
    size_t fast_type_count;
} msgr_dispatcher;

/**
 * `msgr_dispatcher callbacks = MSGR_DISPATCHER_INIT;` has no slot set.
 */
#define MSGR_DISPATCHER_INIT                                                        \
    { (uint32_t)sizeof(msgr_dispatcher), 0, NULL, NULL, NULL, NULL, NULL, NULL,     \
      NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 }

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

/**
 * Takes the dispatchers that were added with that `user` out of a messenger, and
 * returns when no callback of theirs runs any more; the last one was `release`, on
 * this thread unless the messenger was ending at the same time. Messages that wait
 * go to the others.
 *
 * Returns 0; -EINVAL; -ENOENT if there is none; -EDEADLK in a callback. Any other
 * thread.
 */
int msgr_remove_dispatcher(msgr_messenger *messenger, void *user);

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
 * When the peer's newest keepalive has come: nanoseconds since 1970; 0 before the
 * first and for NULL. Any thread, also in callbacks. Ceph:
 * `Connection::get_last_keepalive`.
 */
uint64_t msgr_conn_last_keepalive(const msgr_conn *conn);

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
 * Writes why the connection's last link, or last attempt at one, came to its end:
 * "peer denied auth cephx: wrong key, or unknown to it (error -13)". A good thing
 * to ask in `handle_reset`.
 *
 * Returns the text's length without its NUL, 0 if no link has ended yet;
 * -ENAMETOOLONG if it does not fit into `len` bytes, and then nothing is
 * written. Any thread, also in callbacks.
 */
int msgr_conn_last_fault(const msgr_conn *conn, char *buf, size_t len);

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

/* What stands for a connection above ---------------------------------------------- */

/**
 * Makes `object` what stands for the connection in a layer that wraps this
 * library: a class of another language. The pointer of `msgr_conn_set_priv`
 * stays free for what is above that layer.
 *
 * Whoever comes first is obeyed, and for good. Returns the object there is now:
 * if that is not `object`, the caller keeps `object` and `destroy` is not called
 * for it. Otherwise `destroy(object)`, if not NULL, is called once, on any thread,
 * when the connection goes; it must not use the connection. NULL for a NULL
 * connection or object. Any thread, also in callbacks. Ceph: there `Connection`
 * is the class.
 */
void *msgr_conn_set_object(msgr_conn *conn,
                           void *object,
                           void (*destroy)(void *object));

/**
 * The object of `msgr_conn_set_object`, or NULL; it is as good as the connection.
 * Takes no lock. Any thread, also in callbacks.
 */
void *msgr_conn_object(const msgr_conn *conn);

/* Who the peer is ----------------------------------------------------------------- */

/** Connection mode: frames are readable, and guarded against accidents. */
#define MSGR_CON_MODE_CRC 1
/** Connection mode: frames are encrypted. */
#define MSGR_CON_MODE_SECURE 2

/**
 * The messenger that the connection belongs to, lent for as long as somebody holds
 * it: keep it with `msgr_ref`. NULL once its last reference was given up, and for
 * NULL. Any thread, also in callbacks. Ceph: `Connection::get_messenger`.
 */
msgr_messenger *msgr_conn_messenger(const msgr_conn *conn);

/**
 * Writes where the connection's link leads, or came from: of all addresses of the
 * peer the one that was dialled, or that of the peer's own socket.
 *
 * Returns the text's length without its NUL; -EINVAL; -ENAMETOOLONG if it does not
 * fit into `len` bytes, and then nothing is written. Any thread, also in
 * callbacks. Ceph: `Connection::get_peer_socket_addr`.
 */
int msgr_conn_peer_socket_addr(const msgr_conn *conn, char *buf, size_t len);

/**
 * 1 if the connection speaks msgr2, or is about to, 0 for the first protocol;
 * -EINVAL. Any thread, also in callbacks. Ceph: `Connection::is_msgr2`.
 */
int msgr_conn_is_msgr2(const msgr_conn *conn);

/**
 * 1 while `ms_blackhole_...` lets messages to such a peer vanish, else 0; -EINVAL.
 * Any thread, also in callbacks. Ceph: `Connection::is_blackhole`.
 */
int msgr_conn_is_blackhole(const msgr_conn *conn);

/**
 * Takes other feature bits for those both ends have, which `msgr_conn_features`
 * tells from now on until the next handshake: a program that speaks for somebody
 * behind the peer. The library itself goes by what was negotiated.
 *
 * Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
 * `Connection::set_features`.
 */
int msgr_conn_set_features(msgr_conn *conn, uint64_t features);

/**
 * Writes whom the peer has proved, or by method none claimed, to be: the name of
 * its key, "client.admin".
 *
 * Returns the text's length without its NUL, 0 for nobody; -ENOTCONN before the
 * connection was open; -ENAMETOOLONG if it does not fit into `len` bytes, and
 * then nothing is written. Any thread, also in callbacks. Ceph:
 * `AuthConnectionMeta`, `Connection::peer_caps_info`.
 */
int msgr_conn_auth_name(const msgr_conn *conn, char *buf, size_t len);

/**
 * Writes what the peer may do, in the words of its key for this kind of service:
 * "allow *".
 *
 * Returns the text's length without its NUL, 0 for nothing; -ENOTCONN before the
 * connection was open; -ENAMETOOLONG if it does not fit into `len` bytes, and
 * then nothing is written. Any thread, also in callbacks. Ceph: `AuthCapsInfo`.
 */
int msgr_conn_auth_caps(const msgr_conn *conn, char *buf, size_t len);

/**
 * 1 if the peer has proved its name by a key, 0 if it only claims one (method
 * none), if it is not known yet, and for NULL. Any thread, also in callbacks.
 */
int msgr_conn_is_authenticated(const msgr_conn *conn);

/**
 * How frames travel: MSGR_CON_MODE_*; 0 before the connection was open and for
 * NULL. Any thread, also in callbacks. Ceph: `Connection::get_con_mode`.
 */
int msgr_conn_mode(const msgr_conn *conn);

/* Message ------------------------------------------------------------------------- */

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

/* Its segments -------------------------------------------------------------------- */

/** The first segment: usually the encoded body. */
#define MSGR_FRONT 0
/** The second segment. */
#define MSGR_MIDDLE 1
/** The third segment: bulk data. */
#define MSGR_DATA 2

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
 * Adds several pieces of one owner's to the end of a segment without copying them.
 *
 * On success all of that memory belongs to the message, as with `msgr_msg_append`:
 * `free_fn(arg)` is called once, when nothing refers to any of the pieces any more.
 * Empty pieces are passed over. The array itself is read by the call and not kept.
 *
 * Returns 0; -EINVAL; -EMSGSIZE if the segment would reach 4 GiB. On failure the
 * memory stays the caller's and `free_fn` is not called. Any thread, also in
 * callbacks.
 */
int msgr_msg_append_iov(msgr_msg *msg,
                        int segment,
                        const struct iovec *iov,
                        size_t count,
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
 * appended pieces are joined by this, once. `msgr_msg_iov` does not join them.
 *
 * The bytes belong to the message. The pointer is good until the segment is
 * changed or the caller's reference is given up. Any thread, also in
 * callbacks.
 */
const void *msgr_msg_data(msgr_msg *msg, int segment);

/**
 * Where the pieces of a segment are, without joining them: fills up to `count`
 * entries of `iov`, which may be NULL if that is 0.
 *
 * The bytes belong to the message. The pointers are good until the segment is
 * changed or joined, or the caller's reference is given up.
 *
 * Returns how many pieces there are, which may be more than `count`; -EINVAL. Any
 * thread, also in callbacks.
 */
int msgr_msg_iov(const msgr_msg *msg, int segment, struct iovec *iov, size_t count);

/**
 * Takes all bytes out of a segment. Memory that was lent to it is given back, as
 * far as nothing else refers to it.
 *
 * Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
 * `Message::clear_payload`, `clear_data`.
 */
int msgr_msg_clear(msgr_msg *msg, int segment);

/* Bytes that outlive it ----------------------------------------------------------- */

/**
 * Makes a buffer of `len` bytes without copying them.
 *
 * On success the memory belongs to the buffer and must not be changed until
 * `free_fn(arg)` is called: once, on any thread, when neither the buffer nor a
 * message refers to it any more. `free_fn` NULL suits memory that lives for ever.
 * On failure it stays the caller's and `free_fn` is not called.
 *
 * `*out` gets a reference that belongs to the caller. Returns 0 or -EINVAL. Any
 * thread, also in callbacks.
 */
int msgr_buf_create(const void *data,
                    size_t len,
                    void (*free_fn)(void *arg),
                    void *arg,
                    msgr_buf **out);

/** Adds a reference. Returns `buf`, NULL for NULL. Any thread. */
msgr_buf *msgr_buf_ref(msgr_buf *buf);

/** Drops a reference; NULL is ignored. Any thread. */
void msgr_buf_unref(msgr_buf *buf);

/**
 * The bytes, `msgr_buf_len` of them; NULL for NULL. They are not to be changed, and
 * the pointer is good as long as a reference is held. Any thread, also in
 * callbacks.
 */
const void *msgr_buf_data(const msgr_buf *buf);

/** How many bytes there are; 0 for NULL. Any thread, also in callbacks. */
size_t msgr_buf_len(const msgr_buf *buf);

/**
 * One piece of a segment, counted from 0, as a buffer that outlives the message. It
 * is shared, not copied, and takes nothing of a throttle: whoever keeps many of a
 * peer's bytes has to limit them. It keeps all of the memory that it is a part of;
 * small messages that came have a piece for each segment.
 *
 * `*out` gets a reference that belongs to the caller. Returns 0; -EINVAL; -ENOENT if
 * there are fewer pieces. Any thread, also in callbacks.
 */
int msgr_msg_buf(const msgr_msg *msg, int segment, size_t index, msgr_buf **out);

/**
 * Adds `len` bytes of a buffer, from `offset` on, to the end of a segment. They are
 * shared, not copied; the buffer stays the caller's.
 *
 * Returns 0; -EINVAL, also if the buffer has not so many bytes; -EMSGSIZE if the
 * segment would reach 4 GiB. Any thread, also in callbacks.
 */
int msgr_msg_append_buf(msgr_msg *msg,
                        int segment,
                        const msgr_buf *buf,
                        size_t offset,
                        size_t len);

/* What else stands on it ---------------------------------------------------------- */

/** Its first bytes were read. */
#define MSGR_STAMP_RECV 0
/** It was granted what the throttles want for it. */
#define MSGR_STAMP_THROTTLE 1
/** All of it was there. */
#define MSGR_STAMP_RECV_COMPLETE 2
/**
 * A dispatcher got it. Where no dispatcher has the flag MSGR_DISPATCH_STAMPS it is,
 * for ordinary dispatch, when the message was queued.
 */
#define MSGR_STAMP_DISPATCH 3

/** In `flags` of a msgr_header: the message is whole. */
#define MSGR_HEADER_COMPLETE 1

/**
 * Header and footer of a message as numbers (Ceph's `ceph_msg_header`,
 * `ceph_msg_footer`). Begin with `struct_size`.
 */
typedef struct msgr_header {
    /** Bytes of this structure that are to be filled in. */
    uint32_t struct_size;
    /** MSGR_HEADER_COMPLETE, always. */
    uint32_t flags;
    /** As msgr_msg_seq. */
    uint64_t seq;
    /** As msgr_msg_tid. */
    uint64_t tid;
    /** As msgr_msg_source_num. */
    int64_t source_num;
    /** As msgr_msg_source_type. */
    int32_t source_type;
    /** As msgr_msg_type. */
    uint16_t type;
    /** As msgr_msg_priority. */
    uint16_t priority;
    /** The version of the body's encoding. */
    uint16_t version;
    /** The oldest version that can decode the body. */
    uint16_t compat;
    /** As msgr_msg_data_off. */
    uint16_t data_off;
    /** 0. */
    uint16_t reserved;
    /** Bytes of MSGR_FRONT. */
    uint32_t front_len;
    /** Bytes of MSGR_MIDDLE. */
    uint32_t middle_len;
    /** Bytes of MSGR_DATA. */
    uint32_t data_len;
    /** The crc32c of MSGR_FRONT, from 0 on and not inverted, as in Ceph's footer. */
    uint32_t front_crc;
    /** The crc32c of MSGR_MIDDLE. */
    uint32_t middle_crc;
    /** The crc32c of MSGR_DATA. */
    uint32_t data_crc;
} msgr_header;

/**
 * `msgr_header header = MSGR_HEADER_INIT;` is one to be filled in.
 */
#define MSGR_HEADER_INIT                                                            \
    { (uint32_t)sizeof(msgr_header), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Writes whom a message came from into `buf`, as "osd.3": what its connection's
 * peer is called, whose number is "?" if it has none.
 *
 * Returns the text's length without its NUL; -ENOENT for a message without a
 * connection; -ENAMETOOLONG if it does not fit into `len` bytes, and then nothing
 * is written. Any thread, also in callbacks. Ceph: `Message::get_source`.
 */
int msgr_msg_source(const msgr_msg *msg, char *buf, size_t len);

/**
 * The type of whom a message came from (`MSGR_ENTITY_...`); 0 without a connection
 * and for NULL. Any thread, also in callbacks. Ceph: `Message::get_source`.
 */
int msgr_msg_source_type(const msgr_msg *msg);

/**
 * The number of whom a message came from, 3 of "osd.3"; -1 if there is none and for
 * NULL. Any thread, also in callbacks. Ceph: `Message::get_source`.
 */
int64_t msgr_msg_source_num(const msgr_msg *msg);

/**
 * When that happened to a received message (`MSGR_STAMP_...`), in nanoseconds since
 * 1970; 0 for a message of one's own, NULL and an unknown number. A worker reads
 * the clock once for all that it finds to do, so that messages which come together
 * have the same times. Any thread, also in callbacks. Ceph:
 * `Message::get_recv_stamp`, `get_throttle_stamp`, `get_recv_complete_stamp`,
 * `get_dispatch_stamp`.
 */
uint64_t msgr_msg_stamp(const msgr_msg *msg, int which);

/**
 * What a message costs: the bytes of its MSGR_DATA; 0 for NULL. Any thread, also in
 * callbacks. Ceph: `Message::get_cost`.
 */
uint64_t msgr_msg_cost(const msgr_msg *msg);

/**
 * The low 16 bits of where the data belongs in what it is a part of, a hint for its
 * alignment; -EINVAL for NULL. A new message has 0. Any thread, also in callbacks.
 * Ceph: `ceph_msg_header::data_off`.
 */
int msgr_msg_data_off(const msgr_msg *msg);

/** Sets the same. Any thread, also in callbacks. */
void msgr_msg_set_data_off(msgr_msg *msg, uint16_t data_off);

/**
 * Says on which connection a message came, in place of what msgr_msg_conn answers;
 * NULL: on none. The message keeps the connection, and lets go of the one before: no
 * other thread may still use a pointer that was lent from it. Where the message is
 * sent to does not depend on it. Any thread, also in callbacks. Ceph:
 * `Message::set_connection`.
 */
void msgr_msg_set_conn(msgr_msg *msg, msgr_conn *conn);

/**
 * Fills in `out`, up to the size that it says it has. The crcs are computed by the
 * call, which takes some time for a large message.
 *
 * Returns 0; -EINVAL; -E2BIG for a structure with fields that this library does not
 * know and that are not 0. Any thread, also in callbacks. Ceph:
 * `Message::get_header`, `get_footer`.
 */
int msgr_msg_header(const msgr_msg *msg, struct msgr_header *out);

/* All of that at once ------------------------------------------------------------- */

/** What there is to know of a message at once. Begin with `struct_size`. */
typedef struct msgr_view {
    /** Bytes of this structure that are to be filled in. */
    uint32_t struct_size;
    /** As msgr_msg_type. */
    uint16_t type;
    /** As msgr_msg_priority. */
    uint16_t priority;
    /** The version of the body's encoding. */
    uint16_t version;
    /** The oldest version that can decode the body. */
    uint16_t compat;
    /** As msgr_msg_data_off. */
    uint16_t data_off;
    /** 0. */
    uint16_t reserved;
    /** As msgr_msg_seq. */
    uint64_t seq;
    /** As msgr_msg_tid. */
    uint64_t tid;
    /** As msgr_msg_conn: lent. */
    msgr_conn *conn;
    /** As msgr_msg_user. */
    void *user;
    /** As msgr_msg_len, of MSGR_FRONT, MSGR_MIDDLE and MSGR_DATA. */
    size_t len[3];
    /**
     * Where the bytes of each are, as msgr_msg_data; NULL if there are none, or if they
     * are in several pieces, which this does not join.
     */
    const void *data[3];
} msgr_view;

/**
 * `msgr_view view = MSGR_VIEW_INIT;` is one to be filled in.
 */
#define MSGR_VIEW_INIT                                                              \
    { (uint32_t)sizeof(msgr_view), 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL,              \
      { 0, 0, 0 }, { NULL, NULL, NULL } }

/**
 * Fills in `out`, up to the size that it says it has: what a callback would ask for by
 * several calls, of which each takes a lock.
 *
 * What it points to is lent, as by the function that answers the same alone. Returns 0;
 * -EINVAL; -E2BIG for a structure with fields that this library does not know and that
 * are not 0. Any thread, also in callbacks. Ceph: `Message::get_header` and what else a
 * message is asked for.
 */
int msgr_msg_view(const msgr_msg *msg, struct msgr_view *out);

/* The program's object behind a message ------------------------------------------- */

/** In `flags` of a msgr_object: the data are copied by the call and stay the caller's. */
#define MSGR_OBJECT_COPY 1

/**
 * A message of which there is nothing yet but an object of the program's that will
 * encode it. Begin with `MSGR_OBJECT_INIT`.
 */
typedef struct msgr_object {
    /** Bytes of this structure that are set. */
    uint32_t struct_size;
    /** 0, or MSGR_OBJECT_COPY. */
    uint32_t flags;
    /** As for msgr_msg_create. */
    uint16_t type;
    /** As for msgr_msg_set_priority. */
    uint16_t priority;
    /** As for msgr_msg_set_data_off. */
    uint16_t data_off;
    /** 0. */
    uint16_t reserved;
    /** As for msgr_msg_set_tid. */
    uint64_t tid;
    /** As for msgr_msg_set_user. */
    void *user;
    /** As for msgr_msg_set_user. */
    int (*encode)(void *user, msgr_msg *msg, uint64_t features);
    /** As for msgr_msg_set_user. */
    void (*destroy)(void *user);
    /** What MSGR_DATA has, as for msgr_msg_append_iov. */
    const struct iovec *data;
    /** How many pieces that are. */
    size_t data_count;
    /** As for msgr_msg_append_iov; not looked at with MSGR_OBJECT_COPY. */
    void (*free_fn)(void *arg);
    /** What it is called with. */
    void *arg;
} msgr_object;

/**
 * `msgr_object object = MSGR_OBJECT_INIT;` is a message of type 0 without an object.
 */
#define MSGR_OBJECT_INIT                                                            \
    { (uint32_t)sizeof(msgr_object), 0, 0, MSGR_PRIO_DEFAULT, 0, 0, 0, NULL, NULL,  \
      NULL, NULL, 0, NULL, NULL }

/**
 * Hangs an object of the program's on a message, in the place of the one before.
 *
 * `encode(user, msg, features)` writes the message when it is about to go out, on
 * a worker, where it must not block. MSGR_FRONT and MSGR_MIDDLE are empty then,
 * and MSGR_DATA is as it was left; the callee appends to them and may call
 * msgr_msg_set_version. `features` are those that both ends have. It is called
 * again if the message goes out once more after a reconnect on which they have
 * changed. Below 0: the message is dropped, and the log says so; so it is if it
 * has become too large. The message is lent to it and has no object meanwhile.
 * NULL: the message goes out with the bytes it has. Messages to the own messenger
 * are not encoded: whoever gets them asks for the object.
 *
 * `destroy(user)`, if not NULL, is called once: when another object takes its
 * place, or when no copy of the message is left, because it was sent (on a
 * lossless connection: acknowledged) or dropped. Any thread, and with no lock
 * held.
 *
 * A message that is sent while it has other references shares its object with the
 * copy that is sent. Copies that are sent on several connections are encoded one
 * by one, perhaps at the same time.
 *
 * With NULL for all three the object goes, and none takes its place. Returns 0 or
 * -EINVAL, and then `destroy` is not called. Any thread, also in callbacks.
 * Ceph: what derives from `Message`: `encode_payload`, `set_completion_hook`.
 */
int msgr_msg_set_user(msgr_msg *msg,
                      void *user,
                      int (*encode)(void *user, msgr_msg *msg, uint64_t features),
                      void (*destroy)(void *user));

/**
 * The object that msgr_msg_set_user has hung on the message; NULL if there is
 * none. It is good as long as a reference to the message is held and no other
 * object takes its place. Any thread, also in callbacks.
 */
void *msgr_msg_user(const msgr_msg *msg);

/**
 * Sends a message of which there is only an object: msgr_msg_create, its setters,
 * msgr_msg_append_iov, msgr_msg_set_user and msgr_send in one, and cheaper than they
 * are.
 *
 * The object and the data belong to the library once the call has looked at them, and
 * go as those functions say, whatever it returns then: 0, or -ENOTCONN, -ESHUTDOWN and
 * -EMSGSIZE as msgr_send. With -EINVAL, -E2BIG and -ECHILD nothing was taken. Any
 * thread, also in callbacks. Ceph: `Connection::send_message`.
 */
int msgr_send_object(msgr_conn *conn, const struct msgr_object *object);

/* Decoding ------------------------------------------------------------------------ */

/**
 * Lets the program make objects of its own of the messages that come.
 *
 * `decode(user, conn, msg)` is called for every message, on the worker that has
 * read it, before any dispatcher is asked whether it wants it. It must not block.
 * It may read the bytes and call msgr_msg_set_user; connection and message are
 * lent to it, and the message need not have the same pointer later. Below 0: the
 * message is bad, and the link ends with a fault that names it, as it does with a
 * broken frame; a lossless connection is dialled again, and the message comes
 * again. A message that the messenger sent to itself comes here only if it has no
 * object; if it is bad it is dropped.
 *
 * `release(user)`, if not NULL, is called once the messenger and all its
 * connections are gone, on any thread. On failure nothing is kept and `release` is
 * not called.
 *
 * Returns 0; -EINVAL; -EBUSY after msgr_start; -EALREADY the second time;
 * -ESHUTDOWN. Any thread. Ceph: `decode_message`.
 */
int msgr_set_decoder(msgr_messenger *messenger,
                     int (*decode)(void *user, msgr_conn *conn, msgr_msg *msg),
                     void *user,
                     void (*release)(void *user));

/* Memory for what comes ----------------------------------------------------------- */

/**
 * What memory is wanted for: the data of a message that is coming. Without
 * encryption these are what the peer says, before a checksum has been looked at.
 */
typedef struct msgr_rx_request {
    /** Bytes of this structure that are set. */
    uint32_t struct_size;
    /** The message's type. */
    uint16_t type;
    /**
     * Low bits of the data's offset, as of msgr_msg_data_off: where in its page the
     * sender would like it to begin.
     */
    uint16_t data_off;
    /** The message's transaction number. */
    uint64_t tid;
    /** Bytes, never 0. */
    size_t len;
    /** The connection it comes on, lent for the call. */
    msgr_conn *conn;
} msgr_rx_request;

/**
 * Lets the program lend the memory that the data of received messages go to, in
 * place of the library's own: pages of a pool, aligned as it likes.
 *
 * `alloc(user, request)` is called once for each message with data in MSGR_DATA, on
 * the worker that reads its connection, where it must not block, and after the
 * throttles have granted the message. It returns writable memory of `request->len`
 * bytes, or NULL: then the library takes its own. The length is what the peer says,
 * up to ms_max_message_bytes. Data of 64 KiB and more that come without encryption
 * and compression, by msgr2, are read from the socket straight into it; others are
 * copied there once they are there whole.
 *
 * The memory is the library's until `free_fn(user, memory, len)`, if not NULL, is
 * called, once, on any thread and with no lock held: when the last reference to the
 * data has gone, which msgr_buf and messages that are sent on have too, or when the
 * message did not come to its end. Nobody may write to it until then. What a
 * messenger sends to itself is not copied there.
 *
 * `release(user)`, if not NULL, is called once the messenger, all its connections and
 * all that memory are gone, on any thread. On failure nothing is kept and `release`
 * is not called.
 *
 * Returns 0; -EINVAL; -EBUSY after msgr_start; -EALREADY the second time;
 * -ESHUTDOWN. Any thread. Ceph: `Connection::post_rx_buffer`, which only some
 * messengers ever had, and reading data with the alignment of their offset.
 */
int msgr_set_rx_alloc(msgr_messenger *messenger,
                      void *(*alloc)(void *user, const struct msgr_rx_request *request),
                      void (*free_fn)(void *user, void *memory, size_t len),
                      void *user,
                      void (*release)(void *user));

/* For operators ------------------------------------------------------------------- */

/**
 * Writes what the messenger and its connections are doing into `buf`, as JSON with
 * the names of Ceph's `messenger dump`:
 *
 * {"name": its `lname`, "messenger": {"nonce", "my_name", "my_addrs",
 * "listen_sockets", "dispatch_queue", "connections_count", "connections",
 * "anon_conns", "accepting_conns", "deleted_conns", "local_connection"}}
 *
 * A member of "connections" has the addresses under which others find it, as
 * "addrvec", and itself as "async_connection"; the other lists hold connections as
 * they are. "accepting_conns" are those of which the program has not heard yet. Of
 * each is told: "state", "status", "conn_id", "worker_id", "peer", "socket_fd",
 * "socket_addr", "target_addr", "port", "protocol" (how far the handshake is, the
 * mode, crypto and compression), the "..._ago" since it last began and was active,
 * and on Linux "tcp_info", what the kernel knows; and, not in Ceph, "policy",
 * "session" (its cookies, the numbers of messages that came, went and are
 * acknowledged, and how many wait), "queued_bytes" as `msgr_conn_queued_bytes`,
 * "unsent_bytes", "held_bytes", "waits_for_throttle", "local_socket", "features" and
 * "last_fault". Later versions may add names. A session's cookies are its secret
 * where nothing else proves who a peer is: the text is for operators.
 *
 * Workers tell of their connections a few at a time, so that the rest of the program
 * goes on; a connection that ends meanwhile is left out.
 *
 * As `snprintf`: returns the text's whole length without its NUL and writes as
 * much of it as fits, always with a NUL unless `len` is 0, when `buf` may be
 * NULL. It is made anew by each call, and may have another length then. Or returns
 * -EINVAL, or -EDEADLK on a worker, in a fast callback. Any thread, also in other
 * callbacks. Ceph: `messenger dump`.
 */
int msgr_dump(msgr_messenger *messenger, char *buf, size_t len);

/**
 * Opens a socket of the Unix domain at `path`, at which tools ask this process as
 * they ask a daemon of Ceph's: `ceph --admin-daemon PATH help`. With `path` NULL it is
 * closed again, and its file removed; it is also with the context's last reference,
 * but not if the process ends without that: the next one replaces what is left.
 *
 * Commands, all under Ceph's names: `help`, `get_command_descriptions`, `version`,
 * `perf dump [logger] [counter]`, `perf schema`, `perf reset <all|logger>`, `config
 * show`, `config get <option>`, `config set <option> <value>`, and `messenger dump
 * [name] [tcp_info]`, which without a name lists the `lname`s that there are. `config
 * set debug_ms` sets how much the whole process logs, as `msgr_set_log_level`.
 * Observers of options are called on the thread that serves the socket, which is the
 * socket's own and sleeps when nobody asks. Requests come one at a time, with 64 KiB
 * and 5 seconds for each.
 *
 * Only the process's user and root can connect: the file gets mode 0600. The folder
 * should be one to which nobody else may write. Keys are not shown.
 *
 * When a call with NULL returns, no command is under way, unless it was made in an
 * observer that such a command has called.
 *
 * Returns 0, also for closing what is not open; -EINVAL, also for a path longer than
 * the system's sockets take; -EALREADY if there is one; -EADDRINUSE if somebody
 * listens there, -EEXIST if something else is there; or another errno of making it.
 * Any thread, also in callbacks. Ceph: `AdminSocket::init`, the option `admin_socket`.
 */
int msgr_admin_socket(msgr_ctx *ctx, const char *path);

/* Counters ------------------------------------------------------------------------ */

/** Format of a dump: JSON, in the shape of Ceph's `perf dump`. */
#define MSGR_FORMAT_JSON 1
/** Format of a dump: the text that a Prometheus server reads. */
#define MSGR_FORMAT_PROMETHEUS 2

/**
 * Writes the messenger's counters into `buf`, as JSON in the shape of Ceph's
 * `perf dump`: an object of groups, each an object of numbers.
 *
 * * "AsyncMessenger::osd.0", by the messenger's name: connections accepted
 *   (`msgr_accepted`) and half open, those that limits have closed
 *   (`msgr_half_open_evicted`, `msgr_half_open_evicted_per_source`,
 *   `msgr_faults_auth_attempts`, `msgr_faults_handshake_too_long`,
 *   `msgr_faults_frame_too_large`, `msgr_faults_message_too_large`), peers whose
 *   authentication was turned down (`msgr_auth_denied`), lost links
 *   by kind of reason (`msgr_faults_...`), and handshakes that took too long, by
 *   how far they came (`msgr_ready_timeouts_...`).
 * * "AsyncMessenger::Worker-0" and so on: this messenger's messages, bytes and
 *   connections on each worker. Messages count as sent when a worker gets them.
 * * "throttle-msgr_dispatch_throttler-..." by its `lname`: payload bytes that
 *   wait for dispatch, and their limit.
 *
 * Numbers only rise, but for `msgr_half_open`, `msgr_dispatch_queue_len`,
 * `msgr_active_connections` and `val`. They are read one after the other while
 * workers go on counting. Later versions may add groups and numbers.
 *
 * As `snprintf`: returns the text's whole length without its NUL and writes as
 * much of it as fits, always with a NUL unless `len` is 0, when `buf` may be
 * NULL; or returns -EINVAL. Any thread, also in callbacks. Ceph: `perf dump`.
 */
int msgr_perf_dump(msgr_messenger *messenger, char *buf, size_t len);

/**
 * Reads one of those numbers: that of the name `name` in the group `group`.
 *
 * Returns 0; -EINVAL; -ENOENT if there is none, and then nothing is written to
 * `*out`. Any thread, also in callbacks. Ceph: `PerfCounters::get`.
 */
int msgr_perf_get(const msgr_messenger *messenger,
                  const char *group,
                  const char *name,
                  uint64_t *out);

/**
 * Lets those of the messenger's numbers that only rise begin at 0 again.
 *
 * Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph: `perf reset`.
 */
int msgr_perf_reset(msgr_messenger *messenger);

/**
 * Writes the counters of all messengers of the context, those of one worker added up,
 * in one of the forms `MSGR_FORMAT_...`.
 *
 * In JSON the groups are those of `msgr_perf_dump`. For Prometheus a number's name is
 * made of its group's and its own, as in
 * ceph_AsyncMessenger_Worker_msgr_recv_messages{id="0"}.
 *
 * As `snprintf`: returns the text's whole length without its NUL and writes as
 * much of it as fits, always with a NUL unless `len` is 0, when `buf` may be
 * NULL; or returns -EINVAL. Any thread, also in callbacks. Ceph: `perf dump`.
 */
int msgr_ctx_perf_dump(msgr_ctx *ctx, int format, char *buf, size_t len);

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
