// loadgen: the client of the whole-system benchmark. It keeps a fixed number of requests in flight on one or more NBD
// connections, stamps every 4 KiB block it writes and checks the stamp of every block it reads.
//
// Contract
//   - One thread. Requests that are ready together leave in one sendmsg(2); replies that arrived together are all
//     handled before the next send. With one connection and nothing to send it blocks in recv(2): two system calls an
//     operation at depth 1.
//   - NBD: fixed newstyle, NBD_OPT_GO, simple replies (no structured replies, no extended headers).
//   - Offsets and lengths are multiples of 4 KiB. No two writes that overlap are ever in flight together, so the versions
//     of a block are ordered; a read may see any version from the last one acknowledged before the read was sent to the
//     last one sent before its answer came. Anything else counts as a bad stamp.
//   - One line of JSON on stdout; `operations` counts the measured interval, `all_operations` everything from the first
//     request to the last answer (divide server CPU time by that one).
//   - Exit status: 0 clean, 1 the server or the network failed, 2 usage, 3 errors or bad stamps in the answers.
//
// Protocol constants are those of the NBD specification (doc/proto.md of the NetworkBlockDevice project).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST_HEADER = 28,
    REPLY_HEADER = 16,
    OPTION_HEADER = 16,
    OPTION_REPLY_HEADER = 20,
    EXPORT_NAME_MAX = 255,
    OPTION_REPLY_MAX = 4096,
    STAMPED_BLOCK = 4096,
    CONNECTIONS_MAX = 64,
    DEPTH_MAX = 1024,
    PAYLOAD_MAX = 32 << 20,
    INBOX_BYTES = 256 << 10,
    SOCKET_BUFFER = 1 << 20,
    SEGMENTS_PER_SEND = 128,
    ANSWER_TIMEOUT_SECONDS = 30,
    ERRORS_MAX = 1000,        // after so many failed requests the run ends
};

static const uint64_t NBD_MAGIC = 0x4e42444d41474943, NBD_OPTION_MAGIC = 0x49484156454f5054;
static const uint64_t NBD_OPTION_REPLY_MAGIC = 0x0003e889045565a9;
static const uint32_t NBD_REQUEST_MAGIC = 0x25609513, NBD_REPLY_MAGIC = 0x67446698;
enum { NBD_FLAG_FIXED_NEWSTYLE = 1, NBD_FLAG_NO_ZEROES = 2 };
enum { NBD_OPT_GO = 7, NBD_REP_ACK = 1, NBD_REP_INFO = 3, NBD_INFO_EXPORT = 0 };
static const uint32_t NBD_REP_ERROR_BIT = 0x80000000;
enum { NBD_TRANSMIT_READ_ONLY = 1 << 1, NBD_TRANSMIT_FLUSH = 1 << 2, NBD_TRANSMIT_MULTI_CONN = 1 << 8 };
enum command { READ = 0, WRITE = 1, DISCONNECT = 2, FLUSH = 3 };

struct options {
    const char *address;      // unix:PATH or tcp:HOST:PORT (IPv4)
    const char *export_name;
    bool random;              // offsets: random, or one sequential cursor for all connections
    bool flush_each;          // an operation is a write and the FLUSH after its answer
    bool fill;                // write the whole volume once, flush, end
    bool zero_is_good;        // a block never written may read as zeroes
    unsigned read_percent;
    unsigned connections;
    unsigned depth;           // requests in flight per connection
    uint32_t length;          // bytes of one request
    uint64_t size;            // bytes of the volume to use; 0 = all
    double warmup_seconds, seconds;
    uint64_t seed;
};

// What this run knows of a block: `acked` < `sent` while a write is in flight (or has failed); both 0 until this run
// writes the block for the first time.
struct block {
    uint32_t sent, acked;
};

// First bytes of every written block.
struct stamp {
    uint64_t offset;
    uint32_t run;
    uint32_t version;
};

struct request {
    unsigned char header[REQUEST_HEADER];
    enum command command;
    uint64_t offset, started_nanos;
    unsigned char *payload;   // `length` bytes of its own
    uint32_t *acked_at_start; // per stamped block, of a read
};

struct connection {
    int fd;
    struct request *requests;
    unsigned *send_ring;             // indices of requests waiting to be sent, depth + 1 places
    unsigned send_first, send_last;  // ring positions: first waiting, next free
    size_t sent_of_first;            // bytes of the first waiting request that have left
    unsigned in_flight;
    unsigned char *inbox;
    size_t inbox_start, inbox_end;
    struct request *filling;         // read whose payload continues in its own buffer
    size_t filled;
};

static struct options options = {
    .export_name = "", .random = true, .read_percent = 100, .connections = 1, .depth = 1, .length = 4096,
    .warmup_seconds = 0.5, .seconds = 5,
};
static struct connection connections[CONNECTIONS_MAX];
static struct block *blocks;
static uint32_t run_id;
static uint64_t cursor, random_state, measure_from_nanos, measure_to_nanos;
static uint64_t operations, all_operations, errors, bad_stamps;
static bool ending;

static void fail(const char *what) {
    fprintf(stderr, "loadgen: %s: %s\n", what, errno ? strerror(errno) : "protocol error");
    exit(1);
}

static uint64_t now_nanos(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// splitmix64: one multiplication chain per number, good enough to choose offsets.
static uint64_t next_random(void) {
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void put16(unsigned char *at, uint16_t v) { v = htobe16(v); memcpy(at, &v, sizeof v); }
static void put32(unsigned char *at, uint32_t v) { v = htobe32(v); memcpy(at, &v, sizeof v); }
static void put64(unsigned char *at, uint64_t v) { v = htobe64(v); memcpy(at, &v, sizeof v); }
static uint16_t get16(const unsigned char *at) { uint16_t v; memcpy(&v, at, sizeof v); return be16toh(v); }
static uint32_t get32(const unsigned char *at) { uint32_t v; memcpy(&v, at, sizeof v); return be32toh(v); }
static uint64_t get64(const unsigned char *at) { uint64_t v; memcpy(&v, at, sizeof v); return be64toh(v); }

// ---- latency histogram: exact below 64 ns, then 32 equal steps in every power of two (error at most 3 %) ----

enum { STEPS = 32, STEP_BITS = 5, BUCKETS = 64 * STEPS };
static uint64_t latency_counts[BUCKETS], latency_max_nanos;

static unsigned bucket_of(uint64_t nanos) {
    if (nanos < 2 * STEPS) return (unsigned)nanos;
    unsigned shift = 63u - (unsigned)__builtin_clzll(nanos) - STEP_BITS;
    return shift * STEPS + (unsigned)(nanos >> shift);
}

static uint64_t bucket_start(unsigned bucket) {
    if (bucket < 2 * STEPS) return bucket;
    unsigned shift = bucket / STEPS - 1;
    return (uint64_t)(bucket - shift * STEPS) << shift;
}

static void record_latency(uint64_t nanos) {
    latency_counts[bucket_of(nanos)]++;
    if (nanos > latency_max_nanos) latency_max_nanos = nanos;
}

static double percentile_micros(double fraction) {
    uint64_t wanted = (uint64_t)(fraction * (double)operations), seen = 0;
    for (unsigned b = 0; b < BUCKETS; b++) {
        seen += latency_counts[b];
        if (seen > wanted) return (double)bucket_start(b) / 1000;
    }
    return (double)latency_max_nanos / 1000;
}

// ---- connecting ----

static void receive_exactly(int fd, void *to, size_t bytes) {
    for (char *at = to; bytes > 0;) {
        errno = 0;
        ssize_t n = recv(fd, at, bytes, 0);
        if (n <= 0) fail("receive in the handshake");
        at += n;
        bytes -= (size_t)n;
    }
}

static void send_exactly(int fd, const void *from, size_t bytes) {
    for (const char *at = from; bytes > 0;) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);
        if (n <= 0) fail("send in the handshake");
        at += n;
        bytes -= (size_t)n;
    }
}

static int connect_to(const char *address) {
    int fd, bytes = SOCKET_BUFFER, on = 1;
    if (strncmp(address, "unix:", 5) == 0) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        if (strlen(address + 5) >= sizeof a.sun_path) { errno = ENAMETOOLONG; fail(address); }
        strcpy(a.sun_path, address + 5);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) fail(address);
    } else {
        const char *colon = strrchr(address, ':');
        char host[64] = "";
        if (strncmp(address, "tcp:", 4) != 0 || colon <= address + 4 || (size_t)(colon - address - 4) >= sizeof host) {
            errno = EINVAL;
            fail(address);
        }
        memcpy(host, address + 4, (size_t)(colon - address - 4));
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
        if (inet_pton(AF_INET, host, &a.sin_addr) != 1) { errno = EINVAL; fail(address); }
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) fail(address);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    struct timeval patience = {.tv_sec = ANSWER_TIMEOUT_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

// Fixed newstyle negotiation with NBD_OPT_GO; returns the size of the export and its transmission flags.
static uint64_t negotiate(int fd, uint16_t *flags) {
    unsigned char greeting[18], word[4];
    receive_exactly(fd, greeting, sizeof greeting);
    errno = 0;
    if (get64(greeting) != NBD_MAGIC || get64(greeting + 8) != NBD_OPTION_MAGIC) fail("not a newstyle NBD server");
    uint16_t server_flags = get16(greeting + 16);
    if (!(server_flags & NBD_FLAG_FIXED_NEWSTYLE)) fail("not a fixed newstyle NBD server");
    put32(word, server_flags & (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES));
    send_exactly(fd, word, sizeof word);

    unsigned char option[OPTION_HEADER + 4 + EXPORT_NAME_MAX + 2] = {0};
    size_t name_length = strlen(options.export_name);
    put64(option, NBD_OPTION_MAGIC);
    put32(option + 8, NBD_OPT_GO);
    put32(option + 12, (uint32_t)(4 + name_length + 2));
    put32(option + 16, (uint32_t)name_length);
    memcpy(option + 20, options.export_name, name_length);
    send_exactly(fd, option, 20 + name_length + 2); // no information requests

    uint64_t size = 0;
    for (;;) {
        unsigned char header[OPTION_REPLY_HEADER], data[OPTION_REPLY_MAX];
        receive_exactly(fd, header, sizeof header);
        uint32_t type = get32(header + 12), length = get32(header + 16);
        errno = 0;
        if (get64(header) != NBD_OPTION_REPLY_MAGIC || length > sizeof data) fail("option reply");
        receive_exactly(fd, data, length);
        if (type == NBD_REP_ACK) return size;
        if (type & NBD_REP_ERROR_BIT) {
            fprintf(stderr, "loadgen: export refused, NBD option error %u\n", type & ~NBD_REP_ERROR_BIT);
            exit(1);
        }
        if (type == NBD_REP_INFO && length >= 12 && get16(data) == NBD_INFO_EXPORT) {
            size = get64(data + 2);
            *flags = get16(data + 10);
        }
    }
}

// ---- issuing ----

static void encode(struct request *r, unsigned cookie) {
    bool flush = r->command == FLUSH;
    put32(r->header, NBD_REQUEST_MAGIC);
    put16(r->header + 4, 0);
    put16(r->header + 6, (uint16_t)r->command);
    put64(r->header + 8, cookie);
    put64(r->header + 16, flush ? 0 : r->offset);
    put32(r->header + 24, flush ? 0 : options.length);
}

static void queue_to_send(struct connection *c, unsigned index) {
    encode(&c->requests[index], index);
    c->send_ring[c->send_last] = index;
    c->send_last = (c->send_last + 1) % (options.depth + 1);
}

static struct block *blocks_at(uint64_t offset) { return &blocks[offset / STAMPED_BLOCK]; }

static bool has_write_in_flight(uint64_t offset) {
    struct block *b = blocks_at(offset);
    for (uint32_t i = 0; i < options.length / STAMPED_BLOCK; i++)
        if (b[i].sent != b[i].acked) return true;
    return false;
}

static uint64_t choose_offset(void) {
    uint64_t slots = options.size / options.length;
    return (options.random ? next_random() % slots : cursor++ % slots) * options.length;
}

// Chooses the next operation for a free request and queues it. False when a fill has reached the end.
static bool issue(struct connection *c, unsigned index) {
    struct request *r = &c->requests[index];
    if (options.fill && cursor == options.size / options.length) return false;
    r->command = next_random() % 100 < options.read_percent ? READ : WRITE;
    do r->offset = choose_offset();
    while (r->command == WRITE && has_write_in_flight(r->offset));
    struct block *b = blocks_at(r->offset);
    for (uint32_t i = 0, at = 0; at < options.length; i++, at += STAMPED_BLOCK) {
        if (r->command == READ) {
            r->acked_at_start[i] = b[i].acked;
        } else {
            struct stamp s = {.offset = r->offset + at, .run = run_id, .version = ++b[i].sent};
            memcpy(r->payload + at, &s, sizeof s);
        }
    }
    r->started_nanos = now_nanos();
    queue_to_send(c, index);
    return true;
}

// ---- completing ----

static void check_stamps(const struct request *r, const unsigned char *payload) {
    const struct block *b = blocks_at(r->offset);
    for (uint32_t i = 0, at = 0; at < options.length; i++, at += STAMPED_BLOCK) {
        struct stamp s;
        memcpy(&s, payload + at, sizeof s);
        bool written_by_us = r->acked_at_start[i] > 0, right_place = s.offset == r->offset + at;
        bool good;
        if (s.run == run_id) good = right_place && s.version >= r->acked_at_start[i] && s.version <= b[i].sent;
        else if (s.run == 0) good = !written_by_us && options.zero_is_good && s.offset == 0 && s.version == 0;
        else good = !written_by_us && right_place; // an earlier run's block, not yet written by this one
        if (good) continue;
        if (bad_stamps++ == 0)
            fprintf(stderr, "loadgen: block at %" PRIu64 " holds offset %" PRIu64 " run %08x version %u; wanted version %u to %u of run %08x\n",
                    r->offset + at, s.offset, s.run, s.version, r->acked_at_start[i], b[i].sent, run_id);
    }
}

// The server answered the request. `payload` is where a read's bytes are; `error` is the NBD errno.
static void complete(struct connection *c, unsigned index, uint32_t error, const unsigned char *payload) {
    struct request *r = &c->requests[index];
    if (error != 0) {
        if (errors++ == 0)
            fprintf(stderr, "loadgen: command %d at %" PRIu64 " failed with NBD error %u\n", r->command, r->offset, error);
        if (errors >= ERRORS_MAX) ending = true;
    } else if (r->command == READ) {
        check_stamps(r, payload);
    } else if (r->command == WRITE) {
        struct block *b = blocks_at(r->offset);
        for (uint32_t i = 0; i < options.length / STAMPED_BLOCK; i++) b[i].acked = b[i].sent;
        if (options.flush_each) {
            r->command = FLUSH;
            queue_to_send(c, index);
            return;
        }
    }
    uint64_t now = now_nanos();
    all_operations++;
    if (now >= measure_from_nanos && now <= measure_to_nanos) {
        operations++;
        record_latency(now - r->started_nanos);
    } else if (now > measure_to_nanos) {
        ending = true;
    }
    if (ending || !issue(c, index)) c->in_flight--;
}

// ---- moving bytes ----

static size_t wire_length(const struct request *r) {
    return REQUEST_HEADER + (r->command == WRITE ? options.length : 0);
}

// Sends what is queued until the socket is full. Never blocks.
static void send_queued(struct connection *c) {
    while (c->send_first != c->send_last) {
        struct iovec segments[SEGMENTS_PER_SEND];
        int count = 0;
        size_t skip = c->sent_of_first;
        for (unsigned at = c->send_first; at != c->send_last && count + 2 <= SEGMENTS_PER_SEND; at = (at + 1) % (options.depth + 1)) {
            struct request *r = &c->requests[c->send_ring[at]];
            if (skip < REQUEST_HEADER) {
                segments[count++] = (struct iovec){r->header + skip, REQUEST_HEADER - skip};
                skip = 0;
            } else {
                skip -= REQUEST_HEADER;
            }
            if (r->command == WRITE) segments[count++] = (struct iovec){r->payload + skip, options.length - skip};
            skip = 0;
        }
        struct msghdr message = {.msg_iov = segments, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) fail("send");
        for (size_t left = (size_t)sent; left > 0;) {
            size_t rest = wire_length(&c->requests[c->send_ring[c->send_first]]) - c->sent_of_first;
            if (left < rest) {
                c->sent_of_first += left;
                break;
            }
            left -= rest;
            c->sent_of_first = 0;
            c->send_first = (c->send_first + 1) % (options.depth + 1);
        }
    }
}

// Handles every whole reply in the inbox; a payload that is only partly here goes on in the request's own buffer.
static void handle_inbox(struct connection *c) {
    while (c->inbox_end - c->inbox_start >= REPLY_HEADER) {
        const unsigned char *header = c->inbox + c->inbox_start;
        uint64_t cookie = get64(header + 8);
        errno = 0;
        if (get32(header) != NBD_REPLY_MAGIC || cookie >= options.depth) fail("reply header");
        struct request *r = &c->requests[cookie];
        uint32_t error = get32(header + 4);
        c->inbox_start += REPLY_HEADER;
        if (r->command != READ || error != 0) {
            complete(c, (unsigned)cookie, error, NULL);
            continue;
        }
        size_t here = c->inbox_end - c->inbox_start;
        const unsigned char *payload = c->inbox + c->inbox_start;
        if (here < options.length) {
            memcpy(r->payload, payload, here);
            c->filling = r;
            c->filled = here;
            c->inbox_start = c->inbox_end = 0;
            return;
        }
        c->inbox_start += options.length;
        complete(c, (unsigned)cookie, 0, payload);
    }
}

// One receive and all that follows from it. Blocks when `wait` is set.
static void receive_replies(struct connection *c, bool wait) {
    struct request *r = c->filling;
    if (r == NULL && c->inbox_start == c->inbox_end) c->inbox_start = c->inbox_end = 0;
    if (r == NULL && INBOX_BYTES - c->inbox_end < INBOX_BYTES / 4) {
        memmove(c->inbox, c->inbox + c->inbox_start, c->inbox_end - c->inbox_start);
        c->inbox_end -= c->inbox_start;
        c->inbox_start = 0;
    }
    unsigned char *to = r != NULL ? r->payload + c->filled : c->inbox + c->inbox_end;
    size_t room = r != NULL ? options.length - c->filled : INBOX_BYTES - c->inbox_end;
    errno = 0;
    ssize_t got = recv(c->fd, to, room, wait ? 0 : MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN && !wait) return;
    if (got < 0 && errno == EAGAIN) { errno = ETIMEDOUT; fail("no answer"); }
    if (got <= 0) fail("server closed the connection");
    if (r == NULL) {
        c->inbox_end += (size_t)got;
        handle_inbox(c);
    } else if ((c->filled += (size_t)got) == options.length) {
        c->filling = NULL;
        complete(c, (unsigned)(r - c->requests), 0, r->payload);
    }
}

static unsigned total_in_flight(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < options.connections; i++) n += connections[i].in_flight;
    return n;
}

static void run(void) {
    for (unsigned i = 0; i < options.connections; i++) {
        for (unsigned k = 0; k < options.depth; k++) connections[i].in_flight += issue(&connections[i], k);
        send_queued(&connections[i]);
    }
    struct connection *only = options.connections == 1 ? &connections[0] : NULL;
    while (total_in_flight() > 0) {
        if (only != NULL && only->send_first == only->send_last) { // nothing to send: the cheapest wait is a blocking receive
            receive_replies(only, true);
            send_queued(only);
            continue;
        }
        struct pollfd ready[CONNECTIONS_MAX];
        for (unsigned i = 0; i < options.connections; i++) {
            bool more_to_send = connections[i].send_first != connections[i].send_last;
            ready[i] = (struct pollfd){.fd = connections[i].fd, .events = (short)(POLLIN | (more_to_send ? POLLOUT : 0))};
        }
        if (poll(ready, options.connections, ANSWER_TIMEOUT_SECONDS * 1000) == 0) { errno = ETIMEDOUT; fail("no answer"); }
        for (unsigned i = 0; i < options.connections; i++) {
            if (ready[i].revents & (POLLIN | POLLHUP | POLLERR)) receive_replies(&connections[i], false);
            if (ready[i].revents) send_queued(&connections[i]);
        }
    }
}

// ---- start and end ----

static void open_connection(struct connection *c) {
    uint16_t flags = 0;
    c->fd = connect_to(options.address);
    uint64_t size = negotiate(c->fd, &flags);
    errno = 0;
    if (options.size == 0) options.size = size;
    if (options.size > size) fail("the export is smaller than --size");
    if ((flags & NBD_TRANSMIT_READ_ONLY) && options.read_percent < 100) fail("the export is read-only");
    if (options.flush_each && !(flags & NBD_TRANSMIT_FLUSH)) fail("the export has no FLUSH");
    if (options.connections > 1 && !(flags & NBD_TRANSMIT_MULTI_CONN))
        fprintf(stderr, "loadgen: the export does not promise consistency over several connections\n");
    c->inbox = malloc(INBOX_BYTES);
    c->send_ring = calloc(options.depth + 1, sizeof *c->send_ring);
    c->requests = calloc(options.depth, sizeof *c->requests);
    for (unsigned k = 0; k < options.depth; k++) {
        struct request *r = &c->requests[k];
        r->payload = aligned_alloc(STAMPED_BLOCK, options.length);
        r->acked_at_start = calloc(options.length / STAMPED_BLOCK, sizeof *r->acked_at_start);
        for (uint32_t at = 0; at < options.length; at += 8) { // incompressible, and no page shared with another
            uint64_t v = next_random();
            memcpy(r->payload + at, &v, sizeof v);
        }
    }
}

// After a fill: one FLUSH, answered before the process ends.
static void flush_once(struct connection *c) {
    c->requests[0].command = FLUSH;
    options.flush_each = false;
    ending = true;
    c->in_flight = 1;
    queue_to_send(c, 0);
    send_queued(c);
    while (c->in_flight > 0) receive_replies(c, true);
}

static void close_connection(struct connection *c) {
    unsigned char farewell[REQUEST_HEADER] = {0};
    put32(farewell, NBD_REQUEST_MAGIC);
    put16(farewell + 6, DISCONNECT);
    send(c->fd, farewell, sizeof farewell, MSG_NOSIGNAL);
    close(c->fd);
}

static void report(double seconds) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    double per_second = (double)operations / seconds;
    printf("{\"operations\":%" PRIu64 ",\"all_operations\":%" PRIu64 ",\"seconds\":%.3f,\"iops\":%.1f,\"mib_per_second\":%.2f,"
           "\"p50_micros\":%.1f,\"p99_micros\":%.1f,\"p999_micros\":%.1f,\"max_micros\":%.1f,"
           "\"errors\":%" PRIu64 ",\"bad_stamps\":%" PRIu64 ",\"client_cpu_seconds\":%.3f}\n",
           operations, all_operations, seconds, per_second, per_second * options.length / 1048576.0, percentile_micros(0.5),
           percentile_micros(0.99), percentile_micros(0.999), (double)latency_max_nanos / 1000, errors, bad_stamps, cpu);
}

static void usage(void) {
    fputs("loadgen --address unix:PATH|tcp:HOST:PORT [--export NAME] [--size BYTES] [--length BYTES] [--depth N] [--connections N]\n"
          "        [--random | --sequential] [--read-percent P] [--flush-each] [--seconds S] [--warmup S] [--seed N]\n"
          "        [--zero-is-good] | --fill\n", stderr);
    exit(2);
}

static void parse(int count, char **words) {
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (!strcmp(word, "--random")) { options.random = true; continue; }
        if (!strcmp(word, "--sequential")) { options.random = false; continue; }
        if (!strcmp(word, "--flush-each")) { options.flush_each = true; continue; }
        if (!strcmp(word, "--fill")) { options.fill = true; continue; }
        if (!strcmp(word, "--zero-is-good")) { options.zero_is_good = true; continue; }
        if (++i == count) usage();
        const char *value = words[i];
        if (!strcmp(word, "--address")) options.address = value;
        else if (!strcmp(word, "--export")) options.export_name = value;
        else if (!strcmp(word, "--size")) options.size = strtoull(value, NULL, 0);
        else if (!strcmp(word, "--length")) options.length = (uint32_t)strtoul(value, NULL, 0);
        else if (!strcmp(word, "--depth")) options.depth = (unsigned)atoi(value);
        else if (!strcmp(word, "--connections")) options.connections = (unsigned)atoi(value);
        else if (!strcmp(word, "--read-percent")) options.read_percent = (unsigned)atoi(value);
        else if (!strcmp(word, "--seconds")) options.seconds = atof(value);
        else if (!strcmp(word, "--warmup")) options.warmup_seconds = atof(value);
        else if (!strcmp(word, "--seed")) options.seed = strtoull(value, NULL, 0);
        else usage();
    }
    if (options.fill) {
        options.random = false;
        options.read_percent = 0;
    }
    if (options.address == NULL || strlen(options.export_name) > EXPORT_NAME_MAX || options.length == 0 ||
        options.length % STAMPED_BLOCK != 0 || options.length > PAYLOAD_MAX || options.depth == 0 || options.depth > DEPTH_MAX ||
        options.connections == 0 || options.connections > CONNECTIONS_MAX || options.read_percent > 100 || options.seconds <= 0)
        usage();
}

int main(int count, char **words) {
    parse(count, words);
    random_state = options.seed != 0 ? options.seed : now_nanos() ^ ((uint64_t)getpid() << 40);
    run_id = (uint32_t)(now_nanos() ^ (uint64_t)getpid() << 20) | 1; // never 0: a zero block is not a stamp
    for (unsigned i = 0; i < options.connections; i++) open_connection(&connections[i]);
    if (options.size % options.length != 0) options.size -= options.size % options.length;
    errno = EINVAL;
    if (options.size / options.length < 2ull * options.depth * options.connections && !options.fill)
        fail("the volume is too small for that many requests in flight");
    blocks = calloc(options.size / STAMPED_BLOCK, sizeof *blocks);
    if (blocks == NULL) fail("memory");

    uint64_t start = now_nanos();
    measure_from_nanos = options.fill ? start : start + (uint64_t)(options.warmup_seconds * 1e9);
    measure_to_nanos = options.fill ? UINT64_MAX : measure_from_nanos + (uint64_t)(options.seconds * 1e9);
    run();
    double seconds = options.fill ? (double)(now_nanos() - start) / 1e9 : options.seconds;
    if (options.fill) flush_once(&connections[0]);
    for (unsigned i = 0; i < options.connections; i++) close_connection(&connections[i]);
    report(seconds);
    return errors != 0 || bad_stamps != 0 ? 3 : 0;
}
