/* The practical limit: a bare epoll loop, one thread, length-prefixed frames,
 * reads and writes batched. `--crc` adds a CRC32C of header and of payload,
 * made by the sender and checked by the receiver; `--frame msgr` makes frames
 * as large as msgr's; `--blocking` moves one-way traffic over plain blocking
 * sockets instead, which is the limit for large messages; `--spin` looks on for
 * a while before it sleeps. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { STAGE = 256 * 1024, LARGE = 16384, MAX_HEADER = 128, SCRATCH = 2 * STAGE };

/* A frame: u32 payload length, u32 crc of the payload, u32 crc of the header
 * behind it, padding up to `overhead`, payload. */
struct link {
  int fd, wants_write;
  char *in; /* an incomplete small frame */
  size_t in_len;
  char *body; /* a large frame in the making */
  size_t body_have, body_need;
  char *out; /* what a short write left */
  size_t out_len, out_cap;
};

static struct bench bench;
static char *payload, *stage, *scratch;
static size_t scratch_len;
static int epoll;
static uint64_t received, highest;
static uint64_t sent_at;
static struct meter meter;

static void check(long rc, const char *what) {
  if (rc < 0)
    die(what, strerror(errno));
}

/* The client leaves when it has measured, which ends its server. */
static void gone(const char *what) {
  if (bench.is_server)
    _exit(0);
  die(what, "the server has gone");
}

/* ---- CRC32C ------------------------------------------------------------ */

#if defined(__x86_64__)
enum { LANE = 256 };
static uint32_t past_lane[4][256]; /* what LANE zero bytes make of a register */

__attribute__((target("sse4.2"))) static uint32_t crc_serial(uint32_t crc, const char *p, size_t n) {
  uint64_t r = crc, word;
  for (; n >= 8; n -= 8, p += 8) {
    memcpy(&word, p, 8);
    r = __builtin_ia32_crc32di(r, word);
  }
  for (; n; n--)
    r = __builtin_ia32_crc32qi((uint32_t)r, (unsigned char)*p++);
  return (uint32_t)r;
}

static uint32_t shift_lane(uint32_t crc) {
  return past_lane[0][crc & 255] ^ past_lane[1][crc >> 8 & 255] ^ past_lane[2][crc >> 16 & 255] ^ past_lane[3][crc >> 24];
}

static void crc_init(void) {
  static const char zeros[LANE];
  for (uint32_t i = 0; i < 4; i++)
    for (uint32_t byte = 0; byte < 256; byte++)
      past_lane[i][byte] = crc_serial(byte << 8 * i, zeros, LANE);
}

/* The instruction takes three cycles and can start one in each, so three
 * lanes run side by side. */
__attribute__((target("sse4.2"))) static uint32_t crc32c(const char *p, size_t n) {
  uint32_t crc = 0xffffffff;
  for (; n >= 3 * LANE; n -= 3 * LANE, p += 3 * LANE) {
    uint64_t a = crc, b = 0, c = 0, x, y, z;
    for (size_t i = 0; i < LANE; i += 8) {
      memcpy(&x, p + i, 8);
      memcpy(&y, p + LANE + i, 8);
      memcpy(&z, p + 2 * LANE + i, 8);
      a = __builtin_ia32_crc32di(a, x);
      b = __builtin_ia32_crc32di(b, y);
      c = __builtin_ia32_crc32di(c, z);
    }
    crc = shift_lane(shift_lane((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
  }
  return ~crc_serial(crc, p, n);
}
#else
static void crc_init(void) { die("--crc", "only on x86-64"); }
static uint32_t crc32c(const char *p, size_t n) { return (uint32_t)(p[0] + (char)n); }
#endif

/* ---- frames ------------------------------------------------------------ */

static void put_header(char *at, const char *body, uint32_t len) {
  uint32_t crc = 0;
  memset(at, 0, bench.overhead);
  memcpy(at, &len, 4);
  if (!bench.crc)
    return;
  crc = crc32c(body, len);
  memcpy(at + 4, &crc, 4);
  crc = crc32c(at + 12, bench.overhead - 12);
  memcpy(at + 8, &crc, 4);
}

static void check_frame(const char *frame, uint32_t len) {
  uint32_t crc[2];
  memcpy(crc, frame + 4, sizeof crc);
  if (bench.crc && (crc[0] != crc32c(frame + bench.overhead, len) || crc[1] != crc32c(frame + 12, bench.overhead - 12)))
    die("frame", "wrong crc");
}

/* Frames are collected here and written once per turn. */
static void put_frame(const char *body, uint32_t len) {
  if (scratch_len + bench.overhead + len > SCRATCH)
    die("scratch", "full");
  char *at = scratch + scratch_len;
  put_header(at, body, len);
  memcpy(at + bench.overhead, body, len);
  scratch_len += bench.overhead + len;
}

/* ---- links ------------------------------------------------------------- */

static struct link *new_link(int fd) {
  int on = 1;
  struct link *l = calloc(1, sizeof *l);
  if (!l)
    die("link", "out of memory");
  l->fd = fd;
  check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  if (bench.blocking)
    return l;
  check(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = l};
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev), "epoll_ctl");
  return l;
}

static void want_write(struct link *l, int wants) {
  struct epoll_event ev = {.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = l};
  if (l->wants_write != wants)
    check(epoll_ctl(epoll, EPOLL_CTL_MOD, l->fd, &ev), "epoll_ctl");
  l->wants_write = wants;
}

/* Writes what is left over and then the scratch buffer; keeps the rest. */
static void flush(struct link *l) {
  struct iovec iov[2] = {{l->out, l->out_len}, {scratch, scratch_len}};
  size_t total = l->out_len + scratch_len;
  if (!total)
    return;
  ssize_t n = l->out_len ? writev(l->fd, iov, 2) : send(l->fd, scratch, scratch_len, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN)
    gone("send");
  size_t done = n < 0 ? 0 : (size_t)n, old = done < l->out_len ? done : l->out_len;
  size_t rest = total - done, fresh = done - old;
  if (rest) {
    memmove(l->out, l->out + old, l->out_len - old);
    if (rest > l->out_cap && !(l->out = realloc(l->out, l->out_cap = rest + STAGE)))
      die("out", "out of memory");
    memcpy(l->out + l->out_len - old, scratch + fresh, scratch_len - fresh);
  }
  l->out_len = rest;
  scratch_len = 0;
  want_write(l, rest != 0);
}

static void handle_frame(struct link *l, const char *frame, uint32_t len);

/* Keeps what is left of the stage: a small piece as it is, a large frame in a
 * buffer of its own that later reads go to directly. */
static void keep(struct link *l, const char *at, size_t left) {
  uint32_t len = 0;
  l->in_len = 0;
  if (left >= bench.overhead)
    memcpy(&len, at, 4);
  if (len > LARGE) {
    l->body_need = bench.overhead + len;
    if (!l->body && !(l->body = malloc(l->body_need)))
      die("body", "out of memory");
    memcpy(l->body, at, left);
    l->body_have = left;
  } else if (left) {
    if (!l->in && !(l->in = malloc(MAX_HEADER + LARGE)))
      die("in", "out of memory");
    memcpy(l->in, at, left);
    l->in_len = left;
  } else {
    free(l->in);
    l->in = NULL;
  }
}

/* One read; everything complete is handled. 0: nothing was there. */
static int handle_readable(struct link *l) {
  struct iovec iov[2] = {{l->body + l->body_have, l->body_need - l->body_have}, {stage, STAGE}};
  size_t missing = iov[0].iov_len, have = l->in_len;
  memcpy(stage, l->in ? l->in : "", have);
  ssize_t n = missing ? readv(l->fd, iov, 2) : read(l->fd, stage + have, STAGE - have);
  if (n < 0 && errno == EAGAIN)
    return 0;
  if (n <= 0)
    gone("read");
  if (missing) {
    size_t mine = (size_t)n < missing ? (size_t)n : missing;
    l->body_have += mine;
    n -= (ssize_t)mine;
    if (l->body_have < l->body_need)
      return 1;
    handle_frame(l, l->body, (uint32_t)(l->body_need - bench.overhead));
    l->body_need = l->body_have = 0;
  }
  const char *at = stage;
  for (have += (size_t)n; have >= bench.overhead;) {
    uint32_t len;
    memcpy(&len, at, 4);
    if (len > bench.work->size)
      die("frame", "too long");
    if (have < bench.overhead + len)
      break;
    handle_frame(l, at, len);
    at += bench.overhead + len;
    have -= bench.overhead + len;
  }
  keep(l, at, have);
  return 1;
}

static void handle_frame(struct link *l, const char *frame, uint32_t len) {
  const char *body = frame + bench.overhead;
  (void)l;
  check_frame(frame, len);
  if (bench.is_server && bench.work->kind == REQUESTS) {
    put_frame(body, len);
  } else if (bench.is_server) {
    received++;
    if (should_ack(&bench, received, *body))
      put_frame((const char *)&received, sizeof received);
  } else if (bench.work->kind == REQUESTS) {
    if (!meter_reply(&meter, sent_at))
      return;
    if (meter.latencies)
      sent_at = now_ns();
    put_frame(payload, (uint32_t)bench.work->size);
  } else {
    memcpy(&highest, body, sizeof highest);
  }
}

enum { EVENTS = 256, SPIN_NS = 100000 };

static int await_events(struct epoll_event *events) {
  for (uint64_t since = now_ns(); bench.spin && now_ns() - since < SPIN_NS;) {
    int n = epoll_wait(epoll, events, EVENTS, 0);
    if (n)
      return n;
  }
  return epoll_wait(epoll, events, EVENTS, -1);
}

/* One turn of the loop; `listener` is marked by a null pointer. */
static void turn(int listener) {
  struct epoll_event events[EVENTS];
  int n = await_events(events);
  for (int i = 0; i < n; i++) {
    struct link *l = events[i].data.ptr;
    if (!l) {
      int fd = accept(listener, NULL, NULL);
      check(fd, "accept");
      new_link(fd);
      continue;
    }
    if (events[i].events & ~(unsigned)EPOLLOUT)
      handle_readable(l);
    flush(l);
  }
}

/* ---- server ------------------------------------------------------------ */

static struct sockaddr_in address(const char *text) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  const char *colon = strrchr(text, ':');
  char host[64] = "";
  if (!colon || (size_t)(colon - text) >= sizeof host)
    die(text, "not HOST:PORT");
  memcpy(host, text, (size_t)(colon - text));
  a.sin_port = htons((uint16_t)atoi(colon + 1));
  if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
    die(text, "not HOST:PORT");
  return a;
}

static void serve_blocking(int fd) {
  size_t whole = bench.overhead + bench.work->size;
  struct link *l = new_link(fd);
  char *frame = malloc(whole);
  if (!frame)
    die("frame", "out of memory");
  while (recv(fd, frame, whole, MSG_WAITALL) == (ssize_t)whole) {
    handle_frame(l, frame, (uint32_t)bench.work->size);
    if (scratch_len)
      check(send(fd, scratch, scratch_len, MSG_NOSIGNAL), "send");
    scratch_len = 0;
  }
}

static void serve(void) {
  struct sockaddr_in a = address(bench.addr);
  socklen_t len = sizeof a;
  char where[64];
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  check(bind(listener, (struct sockaddr *)&a, sizeof a), "bind");
  check(listen(listener, 1024), "listen");
  check(getsockname(listener, (struct sockaddr *)&a, &len), "getsockname");
  snprintf(where, sizeof where, "127.0.0.1:%u", ntohs(a.sin_port));
  print_ready(where);
  if (bench.blocking) {
    serve_blocking(accept(listener, NULL, NULL));
    return;
  }
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev), "epoll_ctl");
  for (;;)
    turn(listener);
}

/* ---- client ------------------------------------------------------------ */

static struct link *only;

static struct link *dial(void) {
  struct sockaddr_in a = address(bench.addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  check(connect(fd, (struct sockaddr *)&a, sizeof a), "connect");
  return new_link(fd);
}

static void request(struct link *l) {
  for (unsigned i = 0; i < bench.work->depth; i++)
    put_frame(payload, (uint32_t)bench.work->size);
  flush(l);
}

static void run_requests(void) {
  unsigned conns = bench.work->conns;
  meter_begin(&meter, &bench);
  sent_at = now_ns();
  request(dial());
  while (!meter.started)
    turn(-1);
  double before = server_kib(&bench);
  for (unsigned i = 1; i < conns; i++)
    request(dial());
  if (conns > 1)
    meter_begin(&meter, &bench);
  for (meter.started = conns > 1 ? 0 : meter.started; !meter.ended;)
    turn(-1);
  if (conns > 1)
    meter.kib_per_conn = (server_kib(&bench) - before) / (conns - 1);
  meter_print(&meter, &bench);
}

/* The messages are all alike: a slot says only with which byte it begins. */
static void make(slot *message, char first) { message->bytes[0] = first; }

static void drain(void) {
  while (scratch_len || only->out_len) {
    flush(only);
    if (only->out_len)
      turn(-1);
  }
}

/* One-way small: collected until a stage is full. */
static void send_small(slot *message) {
  payload[0] = message->bytes[0];
  if (scratch_len + bench.overhead + bench.work->size > STAGE)
    drain();
  put_frame(payload, (uint32_t)bench.work->size);
}

/* Written at once, the payload borrowed: what a call costs that does the work. */
static void send_at_once(slot *message) {
  char header[MAX_HEADER];
  size_t size = bench.work->size;
  payload[0] = message->bytes[0];
  put_header(header, payload, (uint32_t)size);
  struct iovec iov[2] = {{header, bench.overhead}, {payload, size}};
  while (iov[1].iov_len) {
    ssize_t n = writev(only->fd, iov, 2);
    if (n < 0 && errno == EAGAIN) {
      want_write(only, 1);
      turn(-1);
      continue;
    }
    check(n, "writev");
    for (int i = 0; i < 2; i++) {
      size_t part = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;
      iov[i].iov_base = (char *)iov[i].iov_base + part;
      iov[i].iov_len -= part;
      n -= (ssize_t)part;
    }
  }
}

static uint64_t acked(uint64_t least) {
  if (!bench.blocking)
    drain();
  while (!bench.blocking && highest < least)
    turn(-1);
  if (bench.blocking) {
    size_t whole = bench.overhead + sizeof highest;
    char frame[MAX_HEADER + sizeof highest];
    while (recv(only->fd, frame, whole, highest < least ? MSG_WAITALL : MSG_DONTWAIT) == (ssize_t)whole)
      memcpy(&highest, frame + bench.overhead, sizeof highest);
  } else if (!least) {
    handle_readable(only);
  }
  return highest;
}

int main(int argc, char **argv) {
  bench = parse(argc, argv, "epoll");
  payload = payload_of(bench.work->size);
  stage = malloc(STAGE);
  scratch = malloc(SCRATCH);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  check(epoll, "epoll_create1");
  if (bench.crc)
    crc_init();
  if (bench.is_server) {
    serve();
    return 0;
  }
  if (bench.work->kind == REQUESTS) {
    run_requests();
    return 0;
  }
  const struct sender small = {make, send_small, acked}, at_once = {make, send_at_once, acked};
  only = dial();
  if (bench.work->kind == SEND)
    send_cost(&bench, at_once);
  else
    one_way(&bench, bench.work->size < LARGE ? small : at_once);
  return 0;
}
