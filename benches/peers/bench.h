/* What every peer program shares: the workloads, the options, the clock, the
 * meter and the one-way driver. A peer only adds how its library moves a
 * message, so that all of them do the same work and are timed the same way.
 *
 *   X_peer version
 *   X_peer server ADDR WORKLOAD [options]      prints "ready ADDR"
 *   X_peer client ADDR WORKLOAD [options]      prints "result key=value ..."
 */
#ifndef MSGR_BENCH_H
#define MSGR_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum kind { REQUESTS, ONE_WAY, CROWD, SEND, OPS };

struct workload {
  const char *name;
  enum kind kind;
  size_t size;         /* payload bytes of a message */
  unsigned depth;      /* requests in flight on each connection */
  unsigned conns;
  uint64_t window;     /* one-way: messages the receiver has not acknowledged */
  uint64_t ack_every;  /* one-way: the receiver acknowledges every so many */
  unsigned threads;    /* a crowd: how many send on one connection; ops: jobs */
  unsigned idle;       /* connections beside those that are at work */
};

/* Bytes that an operation and its reply carry before the data. */
enum { OP_FRONT = 220, OP_REPLY_FRONT = 102 };

#define OPS_OF(name, jobs, depth) \
  {name "-0", OPS, 0, depth, 1, 0, 0, jobs, 0}, {name "-4k", OPS, 4096, depth, 1, 0, 0, jobs, 0}, \
      {name "-64k", OPS, 65536, depth, 1, 0, 0, jobs, 0}, {name "-1m", OPS, 1048576, depth, 1, 0, 0, jobs, 0}
#define SENDERS(name, threads) {name, CROWD, 64, 0, 1, 32768, 1024, threads, 0}
#define BESIDE(name, idle) {name, REQUESTS, 64, 64, 1, 0, 0, 0, idle}

/* The windows keep every sender's backlog below 64 MiB of payload. */
static const struct workload workloads[] = {
    {"a1", REQUESTS, 64, 1, 1, 0, 0, 0, 0},
    {"a2", REQUESTS, 64, 1, 1, 0, 0, 0, 0},
    {"a3", REQUESTS, 64, 1, 1, 0, 0, 0, 0},
    {"b", REQUESTS, 64, 64, 1, 0, 0, 0, 0},
    {"c", ONE_WAY, 64, 0, 1, 32768, 1024, 0, 0},
    {"d1", REQUESTS, 4096, 32, 1, 0, 0, 0, 0},
    {"d8", REQUESTS, 4096, 32, 8, 0, 0, 0, 0},
    {"e64k", ONE_WAY, 65536, 0, 1, 512, 32, 0, 0},
    {"e1m", ONE_WAY, 1048576, 0, 1, 48, 4, 0, 0},
    {"f", REQUESTS, 64, 1, 1000, 0, 0, 0, 0},
    {"g", SEND, 64, 0, 1, 0, 1024, 0, 0},
    SENDERS("s1", 1),
    SENDERS("s2", 2),
    SENDERS("s4", 4),
    SENDERS("s8", 8),
    SENDERS("s16", 16),
    SENDERS("s32", 32),
    BESIDE("n1", 1),
    BESIDE("n100", 100),
    BESIDE("n1000", 1000),
    BESIDE("n10000", 10000),
    OPS_OF("p1x0", 1, 1),
    OPS_OF("p1x1", 1, 2),
    OPS_OF("p1x32", 1, 33),
    OPS_OF("p4x32", 4, 33),
};

struct bench {
  int is_server;
  const char *addr;
  const struct workload *work;
  int loop;        /* msgr: the client answers on the messenger's own thread */
  int crc;         /* raw: CRC32C over header and payload, made and checked */
  int blocking;    /* raw: plain blocking sockets, one-way only */
  int spin;        /* raw: looks on for a while before it sleeps */
  size_t overhead; /* raw: bytes of a frame beside the payload */
  uint64_t ms;     /* how long the measured part lasts ... */
  uint64_t count;  /* ... or how many operations, whichever comes first */
  long server_pid; /* whose memory f reads */
  const char *set[8]; /* msgr: options, NAME=VALUE */
  unsigned settings;
};

static inline void pass_ns(uint64_t ns) {
  struct timespec left = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
  while (nanosleep(&left, &left) != 0) {
  }
}

static inline void die(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  _exit(1);
}

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_ns(clockid_t clock) {
  struct timespec t = {0, 0};
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t own_cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

static inline uint64_t server_cpu_ns(const struct bench *b) {
  clockid_t server;
  if (!b->server_pid || clock_getcpuclockid((pid_t)b->server_pid, &server) != 0)
    return 0;
  return clock_ns(server);
}

/* CPU time of this process and of the server: what noise in the wall clock
 * does not reach. */
static inline uint64_t cpu_ns(const struct bench *b) { return own_cpu_ns() + server_cpu_ns(b); }

/* ---- options ----------------------------------------------------------- */

/* "0" or "0-3". The whole process is pinned, its library's threads with it,
 * because placement decides a round trip more than anything else does. */
static inline void pin(const char *cpus) {
  char *rest;
  long first = strtol(cpus, &rest, 10);
  long last = *rest == '-' ? strtol(rest + 1, &rest, 10) : first;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (long cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++)
    CPU_SET((size_t)cpu, &set);
  if (*rest || first < 0 || sched_setaffinity(0, sizeof set, &set) != 0)
    die("--cpu", cpus);
}

/* Where the kernel groups tasks by session, nice counts only within a group:
 * then a session of our own is what can be nice. */
static inline void set_nice(const char *value) {
  setsid();
  FILE *group = fopen("/proc/self/autogroup", "w");
  if (group) {
    fputs(value, group);
    fclose(group);
  }
  setpriority(PRIO_PROCESS, 0, (int)strtol(value, NULL, 10));
}

static inline void parse_option(struct bench *b, const char *name, const char *value) {
  if (!strcmp(name, "--cpu"))
    pin(value);
  else if (!strcmp(name, "--nice"))
    set_nice(value);
  else if (!strcmp(name, "--ms"))
    b->ms = strtoull(value, NULL, 10);
  else if (!strcmp(name, "--count"))
    b->count = strtoull(value, NULL, 10);
  else if (!strcmp(name, "--server-pid"))
    b->server_pid = strtol(value, NULL, 10);
  else if (!strcmp(name, "--deadline"))
    alarm((unsigned)strtoul(value, NULL, 10)); /* SIGALRM ends us, whatever hangs */
  else if (!strcmp(name, "--set")) {
    /* For libraries that have options: NAME=VALUE. */
    if (b->settings == sizeof b->set / sizeof *b->set)
      die(name, "too many");
    b->set[b->settings++] = value;
  } else if (!strcmp(name, "--frame"))
    /* msgr 2.1: preamble, header segment and its crc, epilogue. */
    b->overhead = strcmp(value, "msgr") ? 12 : 32 + 41 + 4 + 13;
  else
    die(name, "unknown option");
}

static inline struct bench parse(int argc, char **argv, const char *version) {
  struct bench b = {.overhead = 12, .ms = 500, .count = UINT64_MAX};
  if (argc == 2 && !strcmp(argv[1], "version")) {
    puts(version);
    exit(0);
  }
  if (argc < 4 || (strcmp(argv[1], "server") && strcmp(argv[1], "client")))
    die(argv[0], "version | server ADDR WORKLOAD | client ADDR WORKLOAD");
  /* Nothing may outlive the runner, nor hang for ever. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(60);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  b.is_server = !strcmp(argv[1], "server");
  b.addr = argv[2];
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
    if (!strcmp(workloads[i].name, argv[3]))
      b.work = &workloads[i];
  if (!b.work)
    die(argv[3], "unknown workload");
  for (int i = 4; i < argc; i++) {
    if (!strcmp(argv[i], "--loop"))
      b.loop = 1;
    else if (!strcmp(argv[i], "--crc"))
      b.crc = 1;
    else if (!strcmp(argv[i], "--blocking"))
      b.blocking = 1;
    else if (!strcmp(argv[i], "--spin"))
      b.spin = 1;
    else if (i + 1 < argc)
      parse_option(&b, argv[i], argv[i + 1]), i++;
    else
      die(argv[i], "unknown option");
  }
  return b;
}

static inline void print_ready(const char *addr) {
  printf("ready %s\n", addr);
  fflush(stdout);
}

/* What a client sends. The first byte says which: 'D' data, 'E' the last one. */
static inline char *payload_of(size_t size) {
  char *payload = malloc(size);
  if (!payload)
    die("payload", "out of memory");
  /* Words in no order: about as compressible as what is stored somewhere. */
  static const char *const words[] = {"object", "placement", "replica", "epoch", "0000", "monitor", "snap", "/"};
  uint64_t random = 0x9e3779b97f4a7c15;
  for (size_t at = 0; at < size;) {
    random = random * 6364136223846793005 + 1442695040888963407;
    const char *word = words[random >> 61];
    for (size_t i = 0; word[i] && at < size; i++)
      payload[at++] = word[i];
    if (at < size)
      payload[at++] = (char)(random >> 32);
  }
  return payload;
}

/* ---- request and reply ------------------------------------------------- */

enum { MAX_SAMPLES = 1 << 20 };

struct meter {
  const struct bench *bench;
  int latencies; /* one request in flight: time each */
  uint64_t warm_until, lasts, limit, seen, before, started, ended, cpu;
  uint32_t *samples;
  size_t sampled;
  double kib_per_conn;
};

static inline void meter_begin(struct meter *m, const struct bench *b) {
  m->bench = b;
  m->latencies = b->work->depth * b->work->conns == 1;
  if (m->latencies && !(m->samples = malloc(MAX_SAMPLES * sizeof *m->samples)))
    die("samples", "out of memory");
  m->limit = b->count;
  m->lasts = b->ms * 1000000;
  m->warm_until = now_ns() + m->lasts / 5;
}

/* Counts one reply; 0 when the run is over. Without latencies the clock is
 * read only now and then, for it costs as much as half a message. */
static inline int meter_reply(struct meter *m, uint64_t sent_at) {
  if (m->ended)
    return 0;
  m->seen++;
  if (!m->latencies && m->seen % 32)
    return 1;
  uint64_t now = now_ns();
  if (!m->started) {
    if (now >= m->warm_until) {
      m->started = now;
      m->before = m->seen;
      m->cpu = cpu_ns(m->bench);
    }
    return 1;
  }
  if (m->latencies && m->sampled < MAX_SAMPLES)
    m->samples[m->sampled++] = (uint32_t)(now - sent_at);
  if (now - m->started < m->lasts && m->seen - m->before < m->limit)
    return 1;
  m->cpu = cpu_ns(m->bench) - m->cpu;
  m->ended = now;
  return 0;
}

static inline int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* Sorts what it is given. */
static inline double percentile(uint32_t *samples, size_t n, double p) {
  if (n == 0)
    return 0;
  qsort(samples, n, sizeof *samples, by_value);
  return samples[(size_t)(p * (double)(n - 1))];
}

static inline void meter_print(struct meter *m, const struct bench *b) {
  double seconds = (double)(m->ended - m->started) / 1e9;
  double replies = (double)(m->seen - m->before);
  printf("result kops=%.4f cpu_us=%.5f", replies / seconds / 1e3, (double)m->cpu / replies / 1e3);
  if (m->latencies)
    printf(" p50_us=%.3f p99_us=%.3f", percentile(m->samples, m->sampled, 0.5) / 1e3,
           percentile(m->samples, m->sampled, 0.99) / 1e3);
  if (b->work->conns >= 1000 && b->server_pid)
    printf(" kib_per_conn=%.3f", m->kib_per_conn);
  printf("\n");
  fflush(stdout);
}

/* Resident KiB of the server. Its growth from one warm connection to all of
 * them is what a connection costs. */
static inline double server_kib(const struct bench *b) {
  char path[64];
  long pages = 0;
  snprintf(path, sizeof path, "/proc/%ld/statm", b->server_pid);
  FILE *f = b->server_pid ? fopen(path, "r") : NULL;
  if (!f)
    return 0;
  if (fscanf(f, "%*s %ld", &pages) != 1)
    pages = 0;
  fclose(f);
  return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* ---- one way ----------------------------------------------------------- */

/* The receiver counts; it answers every `ack_every`-th message and the one
 * that begins with 'E' with its count as a uint64_t. 1: acknowledge now. */
static inline int should_ack(const struct bench *b, uint64_t received, char first) {
  return first == 'E' || received % b->work->ack_every == 0;
}

/* A message in the making, as large as the largest library's own. */
typedef struct {
  _Alignas(16) char bytes[64];
} slot;

struct sender {
  void (*make)(slot *message, char first);
  void (*send)(slot *message);
  /* The highest count acknowledged, waiting until it is at least `least`. */
  uint64_t (*acked)(uint64_t least);
};

static inline void one_way(const struct bench *b, struct sender s) {
  const struct workload *w = b->work;
  /* Small messages: do not let the clock be what is measured. */
  uint64_t pace = w->size < 4096 ? 256 : 1;
  uint64_t lasts = b->ms * 1000000, warm_until = now_ns() + lasts / 5;
  uint64_t sent = 0, acked = 0, before = 0, started = 0, cpu = 0;
  slot message;
  for (;;) {
    if (sent % pace == 0) {
      uint64_t now = now_ns();
      if (!started && now >= warm_until) {
        before = acked = s.acked(0);
        cpu = cpu_ns(b);
        now = started = now_ns();
      }
      if ((started && now - started >= lasts) || sent >= b->count)
        break;
      if (sent - acked + pace > w->window)
        acked = s.acked(sent + pace - w->window);
    }
    s.make(&message, 'D');
    s.send(&message);
    sent++;
  }
  s.make(&message, 'E');
  s.send(&message);
  sent++;
  s.acked(sent);
  double seconds = (double)(now_ns() - started) / 1e9;
  double rate = (double)(sent - before) / seconds;
  double each = (double)(cpu_ns(b) - cpu) / (double)(sent - before);
  printf("result mmsgs=%.5f gbytes=%.5f cpu_us=%.5f\n", rate / 1e6, rate * (double)w->size / 1e9, each / 1e3);
  fflush(stdout);
}

/* The same from several threads, each of which takes a batch of the window. */
struct crowd {
  const struct bench *bench;
  struct sender sender;
  atomic_ulong sent;
  atomic_int over;
};

enum { SHARE = 256 };

static inline void *send_shares(void *arg) {
  struct crowd *crowd = arg;
  uint64_t window = crowd->bench->work->window;
  slot message;
  while (!atomic_load(&crowd->over)) {
    uint64_t upto = atomic_fetch_add(&crowd->sent, SHARE) + SHARE;
    if (upto > window)
      crowd->sender.acked(upto - window);
    for (int i = 0; i < SHARE; i++) {
      crowd->sender.make(&message, 'D');
      crowd->sender.send(&message);
    }
  }
  return NULL;
}

static inline void one_way_of_many(const struct bench *b, struct sender s) {
  enum { MOST = 64 };
  struct crowd crowd = {.bench = b, .sender = s};
  pthread_t threads[MOST];
  slot message;
  for (unsigned i = 0; i < b->work->threads && i < MOST; i++)
    if (pthread_create(&threads[i], NULL, send_shares, &crowd) != 0)
      die("sender", "no thread");
  pass_ns(b->ms * 200000);
  uint64_t before = s.acked(0), cpu = cpu_ns(b), started = now_ns();
  pass_ns(b->ms * 1000000);
  uint64_t after = s.acked(0), ended = now_ns();
  cpu = cpu_ns(b) - cpu;
  atomic_store(&crowd.over, 1);
  for (unsigned i = 0; i < b->work->threads && i < MOST; i++)
    pthread_join(threads[i], NULL);
  s.make(&message, 'E');
  s.send(&message);
  s.acked(atomic_load(&crowd.sent) + 1);
  double count = (double)(after - before);
  printf("result mmsgs=%.5f cpu_us=%.5f\n", count * 1e3 / (double)(ended - started), (double)cpu / count / 1e3);
  fflush(stdout);
}

enum { CHUNK = 256, BURST = 131072 };

/* Nanoseconds spent in CHUNK calls of send; the messages are made before. */
static inline uint64_t timed_chunk(struct sender s, slot *messages) {
  for (int i = 0; i < CHUNK; i++)
    s.make(&messages[i], 'D');
  uint64_t from = now_ns();
  for (int i = 0; i < CHUNK; i++)
    s.send(&messages[i]);
  return now_ns() - from;
}

/* What one send costs the thread that calls it: the mean over one burst, and
 * the median over batches after each of which everything was delivered. */
static inline void send_cost(const struct bench *b, struct sender s) {
  static slot messages[CHUNK];
  static uint32_t batches[1 << 16];
  uint64_t sent = 0, burst = 0, burst_sent, ack_every = b->work->ack_every;
  size_t n = 0;
  for (int warm = 0; warm < 8; warm++) {
    for (uint64_t i = 0; i < ack_every; i += CHUNK)
      timed_chunk(s, messages);
    s.acked(sent += ack_every);
  }
  uint64_t stop = now_ns() + b->ms * 500000;
  do {
    uint64_t spent = 0;
    for (uint64_t i = 0; i < ack_every; i += CHUNK)
      spent += timed_chunk(s, messages);
    s.acked(sent += ack_every);
    batches[n++] = (uint32_t)(spent * 100 / ack_every);
  } while (now_ns() < stop && n < sizeof batches / sizeof *batches);
  stop = now_ns() + b->ms * 500000;
  for (burst_sent = 0; burst_sent < BURST && now_ns() < stop; burst_sent += ack_every)
    for (uint64_t i = 0; i < ack_every; i += CHUNK)
      burst += timed_chunk(s, messages);
  s.acked(sent + burst_sent);
  printf("result burst_ns=%.2f batch_ns=%.2f\n", (double)burst / (double)burst_sent,
         percentile(batches, n, 0.5) / 100);
  fflush(stdout);
}

#endif
