// floor: the practical bound of the whole-system benchmark. The same topology as ours, an engine process in front of
// replica processes, with nothing in it but moving the bytes: no checksums, no ordering of overlapping requests, no
// bitmap, no membership, no recovery, no snapshots. It is a yardstick, not a product: when a replica goes, it ends.
//
//   floor replica --listen ADDRESS --file FILE [--direct]
//   floor engine  --listen ADDRESS --size BYTES --replica ADDRESS [--replica ADDRESS ...]
//
// ADDRESS is unix:PATH or tcp:HOST:PORT (IPv4; port 0: the kernel chooses). Both print `listening ADDRESS` when ready.
//
// Contract
//   - Engine: one thread, epoll; NBD fixed newstyle (EXPORT_NAME, INFO, GO, ABORT), simple replies, READ WRITE FLUSH
//     DISCONNECT, up to CLIENTS connections. A write or a flush is answered after every replica has answered; reads go
//     round robin. One gathering send per replica and one per client per turn of the loop.
//   - Replica: one thread, blocking, one link at a time. Writes are in the page cache (or on the device with --direct)
//     when they are answered; FLUSH is fdatasync. Answers leave together when the input is used up.
//   - Bounds: a request of PAYLOAD_MAX bytes at most, OPERATIONS requests in flight over all clients; a client that
//     breaks them, or the protocol, is disconnected.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    REPLICAS = 5,
    CLIENTS = 64,
    OPERATIONS = 2048,
    PAYLOAD_MAX = 32 << 20,
    SMALL_PAYLOAD = 64 << 10,       // buffers up to here are recycled apart from the large ones
    INBOX_BYTES = 256 << 10,
    OUTBOX_SEGMENTS = 4 * OPERATIONS, // an operation puts at most two on a stream
    SEGMENTS_PER_SEND = 256,
    SOCKET_BUFFER = 1 << 20,
    PAGE = 4096,
};

enum command { READ = 0, WRITE = 1, DISCONNECT = 2, FLUSH = 3 }; // NBD's numbers, used on the replica links as well
enum { ERROR_IO = 5, ERROR_INVALID = 22 };

static void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

// ---- sockets ----

union any_address {
    struct sockaddr generic;
    struct sockaddr_un local;
    struct sockaddr_in internet;
};

static socklen_t parse_address(const char *text, union any_address *to) {
    memset(to, 0, sizeof *to);
    errno = EINVAL;
    if (strncmp(text, "unix:", 5) == 0) {
        if (strlen(text + 5) >= sizeof to->local.sun_path) fail(text);
        to->local.sun_family = AF_UNIX;
        strcpy(to->local.sun_path, text + 5);
        return sizeof to->local;
    }
    const char *colon = strrchr(text, ':');
    char host[64] = "";
    if (strncmp(text, "tcp:", 4) != 0 || colon <= text + 4 || (size_t)(colon - text - 4) >= sizeof host) fail(text);
    memcpy(host, text + 4, (size_t)(colon - text - 4));
    to->internet.sin_family = AF_INET;
    to->internet.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &to->internet.sin_addr) != 1) fail(text);
    return sizeof to->internet;
}

static void tune(int fd) {
    int bytes = SOCKET_BUFFER, on = 1;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // refused by unix sockets, which do not need it
}

static int connect_to(const char *address) {
    union any_address a;
    socklen_t length = parse_address(address, &a);
    int fd = socket(a.generic.sa_family, SOCK_STREAM, 0);
    tune(fd);
    if (connect(fd, &a.generic, length) != 0) fail(address);
    return fd;
}

// Listens and says so on stdout.
static int listen_at(const char *address) {
    union any_address a;
    socklen_t length = parse_address(address, &a);
    int fd = socket(a.generic.sa_family, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    tune(fd); // before listen: an accepted socket inherits the buffer sizes
    if (a.generic.sa_family == AF_UNIX) unlink(a.local.sun_path);
    if (bind(fd, &a.generic, length) != 0 || listen(fd, CLIENTS) != 0) fail(address);
    if (a.generic.sa_family == AF_INET) {
        char host[64];
        getsockname(fd, &a.generic, &length);
        inet_ntop(AF_INET, &a.internet.sin_addr, host, sizeof host);
        printf("listening tcp:%s:%d\n", host, ntohs(a.internet.sin_port));
    } else {
        printf("listening %s\n", address);
    }
    fflush(stdout);
    return fd;
}

static int accept_from(int listener) {
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0) tune(fd);
    return fd;
}

static bool send_all(int fd, const void *from, size_t bytes) {
    for (const char *at = from; bytes > 0;) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool receive_all(int fd, void *to, size_t bytes) {
    for (char *at = to; bytes > 0;) {
        ssize_t n = recv(fd, at, bytes, 0);
        if (n <= 0) return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

static void *page_aligned(size_t bytes) {
    void *p = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
    if (p == NULL) fail("memory");
    return p;
}

// ---- replica link: host byte order, both ends are this program on this machine ----

struct link_request { // a write's payload follows
    uint32_t command, length;
    uint64_t offset, operation;
};

struct link_reply { // a read's payload follows
    uint64_t operation;
    uint32_t error, length;
};

// ---- input: a buffer that headers are parsed from ----

struct inbox {
    unsigned char *bytes;
    size_t start, end;
};

static size_t inbox_length(const struct inbox *in) { return in->end - in->start; }

// Makes room, then receives once. The result of recv(2).
static ssize_t inbox_receive(struct inbox *in, int fd, int flags) {
    if (in->start == in->end) in->start = in->end = 0;
    if (INBOX_BYTES - in->end < INBOX_BYTES / 2 && in->start > 0) {
        memmove(in->bytes, in->bytes + in->start, inbox_length(in));
        in->end -= in->start;
        in->start = 0;
    }
    ssize_t n = recv(fd, in->bytes + in->end, INBOX_BYTES - in->end, flags);
    if (n > 0) in->end += (size_t)n;
    return n;
}

static size_t inbox_take(struct inbox *in, void *to, size_t bytes) {
    if (bytes > inbox_length(in)) bytes = inbox_length(in);
    memcpy(to, in->bytes + in->start, bytes);
    in->start += bytes;
    return bytes;
}

// ---- replica ----

struct replica {
    int file, link;
    bool direct;              // the file is O_DIRECT: only aligned buffers reach it
    struct inbox in;
    unsigned char *out;       // answers not yet sent
    size_t out_length;
    unsigned char *transfer;  // aligned, for payloads that do not fit the other two
};

static bool replica_send(struct replica *r) {
    bool sent = send_all(r->link, r->out, r->out_length);
    r->out_length = 0;
    return sent;
}

static bool replica_answer(struct replica *r, const struct link_request *q, uint32_t error, uint32_t length) {
    struct link_reply answer = {.operation = q->operation, .error = error, .length = length};
    if (INBOX_BYTES - r->out_length < sizeof answer && !replica_send(r)) return false;
    memcpy(r->out + r->out_length, &answer, sizeof answer);
    r->out_length += sizeof answer;
    return true;
}

static bool replica_read(struct replica *r, const struct link_request *q) {
    size_t whole = sizeof(struct link_reply) + q->length;
    if (whole <= INBOX_BYTES && !r->direct) { // straight behind the header in the answers
        if (INBOX_BYTES - r->out_length < whole && !replica_send(r)) return false;
        unsigned char *payload = r->out + r->out_length + sizeof(struct link_reply);
        bool good = pread(r->file, payload, q->length, (off_t)q->offset) == (ssize_t)q->length;
        if (!good) return replica_answer(r, q, ERROR_IO, 0);
        replica_answer(r, q, 0, q->length);
        r->out_length += q->length;
        return true;
    }
    bool good = pread(r->file, r->transfer, q->length, (off_t)q->offset) == (ssize_t)q->length;
    if (!good) return replica_answer(r, q, ERROR_IO, 0);
    return replica_answer(r, q, 0, q->length) && replica_send(r) && send_all(r->link, r->transfer, q->length);
}

// The payload starts in the inbox and may go on in the socket.
static bool replica_write(struct replica *r, const struct link_request *q) {
    const unsigned char *payload = r->in.bytes + r->in.start;
    bool good = true;
    if (inbox_length(&r->in) >= q->length && !r->direct) {
        good = pwrite(r->file, payload, q->length, (off_t)q->offset) == (ssize_t)q->length;
        r->in.start += q->length;
    } else if (r->direct) {
        size_t here = inbox_take(&r->in, r->transfer, q->length);
        if (!receive_all(r->link, r->transfer + here, q->length - here)) return false;
        good = pwrite(r->file, r->transfer, q->length, (off_t)q->offset) == (ssize_t)q->length;
    } else { // piece by piece, as it arrives: the bytes are still in the processor's cache
        size_t done = 0;
        for (;;) {
            size_t here = inbox_length(&r->in), rest = q->length - done;
            size_t piece = here < rest ? here : rest;
            if (piece == rest || piece >= INBOX_BYTES / 4) {
                good &= pwrite(r->file, r->in.bytes + r->in.start, piece, (off_t)(q->offset + done)) == (ssize_t)piece;
                r->in.start += piece;
                done += piece;
                if (done == q->length) break;
            }
            if (inbox_receive(&r->in, r->link, 0) <= 0) return false;
        }
    }
    return replica_answer(r, q, good ? 0 : ERROR_IO, 0);
}

static bool replica_handle(struct replica *r, const struct link_request *q) {
    switch (q->command) {
        case READ: return replica_read(r, q);
        case WRITE: return replica_write(r, q);
        default: return replica_answer(r, q, fdatasync(r->file) == 0 ? 0 : ERROR_IO, 0);
    }
}

static void serve_link(struct replica *r) {
    r->in.start = r->in.end = r->out_length = 0;
    for (;;) {
        if (inbox_receive(&r->in, r->link, 0) <= 0) return;
        struct link_request q;
        while (inbox_length(&r->in) >= sizeof q) {
            memcpy(&q, r->in.bytes + r->in.start, sizeof q);
            bool whole_soon = q.command == WRITE && q.length <= SMALL_PAYLOAD;
            if (whole_soon && inbox_length(&r->in) < sizeof q + q.length) break;
            r->in.start += sizeof q;
            if (!replica_handle(r, &q)) return;
        }
        if (r->out_length > 0 && !replica_send(r)) return;
    }
}

static _Noreturn void replica_main(const char *address, const char *path, bool direct) {
    struct replica r = {.direct = direct, .in.bytes = page_aligned(INBOX_BYTES), .out = page_aligned(INBOX_BYTES), .transfer = page_aligned(PAYLOAD_MAX)};
    r.file = open(path, O_RDWR | (direct ? O_DIRECT : 0));
    if (r.file < 0) fail(path);
    for (int listener = listen_at(address);;) {
        r.link = accept_from(listener);
        if (r.link < 0) continue;
        serve_link(&r);
        close(r.link);
    }
}

// ---- engine ----

struct stream;

// One request of a client, from its header to its answer on the client's socket.
struct operation {
    struct link_request link;
    unsigned char reply[16];      // NBD simple reply header
    unsigned char cookie[8];
    unsigned char *payload;
    size_t capacity;
    unsigned waiting_for;         // replicas that have not answered
    uint32_t error;
    struct stream *client;
    struct operation *next_free;
};

struct segment {
    const unsigned char *bytes;
    size_t length;
    struct operation *release;    // free it when this segment has been sent
};

struct stream {
    int fd;
    bool is_client, broken, wants_room; // wants_room: registered for EPOLLOUT
    struct inbox in;
    struct operation *filling;    // its payload is still arriving
    size_t filled;
    unsigned in_flight;           // a client's operations that are not free yet
    unsigned out_first, out_last; // ring positions
    size_t sent_of_first;
    struct segment out[OUTBOX_SEGMENTS];
};

static struct operation operations[OPERATIONS];
static struct operation *free_small, *free_large, *free_empty; // by the size of the buffer they own
static struct stream *replicas[REPLICAS], *clients[CLIENTS];
static unsigned replica_count, next_reader;
static int epoll;
static uint64_t volume_size;

static struct operation *take_operation(uint32_t length) {
    struct operation **list = length > SMALL_PAYLOAD ? &free_large : &free_small;
    if (*list == NULL) list = &free_empty;
    if (*list == NULL) list = length > SMALL_PAYLOAD ? &free_small : &free_large;
    struct operation *o = *list;
    if (o == NULL) return NULL;
    *list = o->next_free;
    if (o->capacity < length) {
        free(o->payload);
        o->capacity = length > SMALL_PAYLOAD ? length : SMALL_PAYLOAD;
        o->payload = page_aligned(o->capacity);
    }
    o->error = 0;
    return o;
}

static void release_operation(struct operation *o) {
    struct operation **list = o->capacity == 0 ? &free_empty : o->capacity > SMALL_PAYLOAD ? &free_large : &free_small;
    o->client->in_flight--;
    o->next_free = *list;
    *list = o;
}

static void enqueue(struct stream *s, const void *bytes, size_t length, struct operation *release) {
    s->out[s->out_last] = (struct segment){bytes, length, release};
    s->out_last = (s->out_last + 1) % OUTBOX_SEGMENTS;
}

static void watch(struct stream *s, bool for_room) {
    struct epoll_event e = {.events = EPOLLIN | (for_room ? EPOLLOUT : 0), .data.ptr = s};
    if (s->wants_room != for_room) epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &e);
    s->wants_room = for_room;
}

static void drop_sent(struct stream *s, size_t bytes) {
    while (s->out_first != s->out_last) {
        struct segment *first = &s->out[s->out_first];
        if (bytes < first->length - s->sent_of_first) break;
        bytes -= first->length - s->sent_of_first;
        s->sent_of_first = 0;
        s->out_first = (s->out_first + 1) % OUTBOX_SEGMENTS;
        if (first->release != NULL) release_operation(first->release);
    }
    s->sent_of_first += bytes;
}

static void send_outbox(struct stream *s) {
    while (s->out_first != s->out_last && !s->broken) {
        struct iovec v[SEGMENTS_PER_SEND];
        int count = 0;
        for (unsigned at = s->out_first; at != s->out_last && count < SEGMENTS_PER_SEND; at = (at + 1) % OUTBOX_SEGMENTS)
            v[count++] = (struct iovec){(void *)s->out[at].bytes, s->out[at].length};
        v[0].iov_base = (char *)v[0].iov_base + s->sent_of_first;
        v[0].iov_len -= s->sent_of_first;
        struct msghdr message = {.msg_iov = v, .msg_iovlen = (size_t)count};
        ssize_t n = sendmsg(s->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(s, true);
            return;
        }
        if (n < 0 && !s->is_client) fail("a replica is gone");
        if (n < 0) s->broken = true;
        else drop_sent(s, (size_t)n);
    }
    if (s->broken) { // nobody will read the answers
        while (s->out_first != s->out_last) drop_sent(s, s->out[s->out_first].length - s->sent_of_first);
    }
    watch(s, false);
}

static void answer(struct operation *o) {
    uint32_t magic = htobe32(0x67446698), error = htobe32(o->error);
    bool with_payload = o->link.command == READ && o->error == 0;
    memcpy(o->reply, &magic, 4);
    memcpy(o->reply + 4, &error, 4);
    memcpy(o->reply + 8, o->cookie, 8);
    enqueue(o->client, o->reply, sizeof o->reply, with_payload ? NULL : o);
    if (with_payload) enqueue(o->client, o->payload, o->link.length, o);
}

static void dispatch(struct operation *o) {
    if (o->error != 0) {
        answer(o);
    } else if (o->link.command == READ) {
        next_reader = (next_reader + 1) % replica_count;
        o->waiting_for = 1;
        enqueue(replicas[next_reader], &o->link, sizeof o->link, NULL);
    } else {
        o->waiting_for = replica_count;
        for (unsigned i = 0; i < replica_count; i++) {
            enqueue(replicas[i], &o->link, sizeof o->link, NULL);
            if (o->link.command == WRITE) enqueue(replicas[i], o->payload, o->link.length, NULL);
        }
    }
}

// Takes what is here of a payload; true when it is whole.
static bool fill_from_inbox(struct stream *s, struct operation *o) {
    s->filled = inbox_take(&s->in, o->payload, o->link.length);
    s->filling = s->filled < o->link.length ? o : NULL;
    return s->filling == NULL;
}

// Parses the client's requests; false when the client has to go.
static bool parse_client(struct stream *s) {
    enum { HEADER = 28 };
    while (inbox_length(&s->in) >= HEADER) {
        const unsigned char *h = s->in.bytes + s->in.start;
        uint32_t magic, length;
        uint16_t command;
        uint64_t offset;
        memcpy(&magic, h, 4);
        memcpy(&command, h + 6, 2);
        memcpy(&offset, h + 16, 8);
        memcpy(&length, h + 24, 4);
        command = be16toh(command);
        offset = be64toh(offset);
        length = be32toh(length);
        if (be32toh(magic) != 0x25609513 || command > FLUSH || command == DISCONNECT || length > PAYLOAD_MAX) return false;
        if (command == FLUSH) length = 0;
        struct operation *o = take_operation(length);
        if (o == NULL) return false;
        memcpy(o->cookie, h + 8, 8);
        o->client = s;
        s->in_flight++;
        o->link = (struct link_request){command, length, offset, (uint64_t)(o - operations)};
        if (offset > volume_size || length > volume_size - offset) o->error = ERROR_INVALID;
        s->in.start += HEADER;
        if (command == WRITE && !fill_from_inbox(s, o)) return true;
        dispatch(o);
    }
    return true;
}

static void parse_replica(struct stream *s) {
    struct link_reply a;
    while (inbox_length(&s->in) >= sizeof a) {
        inbox_take(&s->in, &a, sizeof a);
        struct operation *o = &operations[a.operation];
        if (a.error != 0) o->error = a.error;
        if (a.length > 0 && !fill_from_inbox(s, o)) return;
        if (--o->waiting_for == 0) answer(o);
    }
}

// One receive and what follows from it; false when the stream has ended or must end.
static bool receive_stream(struct stream *s) {
    struct operation *o = s->filling;
    ssize_t n = o != NULL ? recv(s->fd, o->payload + s->filled, o->link.length - s->filled, MSG_DONTWAIT)
                          : inbox_receive(&s->in, s->fd, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
    if (o == NULL) {
        if (s->is_client) return parse_client(s);
        parse_replica(s);
    } else if ((s->filled += (size_t)n) == o->link.length) {
        s->filling = NULL;
        if (s->is_client) dispatch(o);
        else if (--o->waiting_for == 0) answer(o);
    }
    return true;
}

static bool option_reply(int fd, uint32_t option, uint32_t type, const void *data, uint32_t length) {
    unsigned char header[20];
    uint64_t magic = htobe64(0x0003e889045565a9);
    uint32_t words[3] = {htobe32(option), htobe32(type), htobe32(length)};
    memcpy(header, &magic, 8);
    memcpy(header + 8, words, 12);
    return send_all(fd, header, sizeof header) && send_all(fd, data, length);
}

// NBD fixed newstyle, blocking; true when transmission begins.
static bool negotiate(int fd) {
    enum { EXPORT_NAME = 1, ABORT = 2, INFO = 6, GO = 7, ACK = 1, REP_INFO = 3 };
    const uint32_t unsupported = 0x80000001;
    uint32_t client_flags;
    if (!send_all(fd, "NBDMAGICIHAVEOPT\0\3", 18) || !receive_all(fd, &client_flags, 4)) return false;
    bool no_zeroes = be32toh(client_flags) & 2;
    unsigned char export[2 + 8 + 2 + 124] = {0}; // information type 0, size, transmission flags, zeroes
    uint64_t size = htobe64(volume_size);
    uint16_t flags = htobe16(1 | 1 << 2 | 1 << 8); // HAS_FLAGS, SEND_FLUSH, CAN_MULTI_CONN
    memcpy(export + 2, &size, 8);
    memcpy(export + 10, &flags, 2);
    for (;;) {
        unsigned char header[16], data[4096];
        uint32_t option, length;
        if (!receive_all(fd, header, sizeof header) || memcmp(header, "IHAVEOPT", 8) != 0) return false;
        memcpy(&option, header + 8, 4);
        memcpy(&length, header + 12, 4);
        option = be32toh(option);
        length = be32toh(length);
        if (length > sizeof data || !receive_all(fd, data, length)) return false;
        bool good;
        switch (option) {
            case EXPORT_NAME: return send_all(fd, export + 2, no_zeroes ? 10 : 134);
            case INFO:
            case GO:
                good = option_reply(fd, option, REP_INFO, export, 12) && option_reply(fd, option, ACK, NULL, 0);
                if (option == GO) return good;
                break;
            case ABORT:
                option_reply(fd, option, ACK, NULL, 0);
                return false;
            default: good = option_reply(fd, option, unsupported, NULL, 0);
        }
        if (!good) return false;
    }
}

static struct stream *open_stream(int fd, bool is_client) {
    struct stream *s = calloc(1, sizeof *s);
    if (s == NULL) fail("memory");
    s->fd = fd;
    s->is_client = is_client;
    s->in.bytes = page_aligned(INBOX_BYTES);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    return s;
}

static void accept_client(int listener) {
    int fd = accept_from(listener);
    for (unsigned i = 0; i < CLIENTS && fd >= 0; i++) {
        if (clients[i] != NULL) continue;
        if (!negotiate(fd)) break;
        clients[i] = open_stream(fd, true);
        return;
    }
    if (fd >= 0) close(fd);
}

// A broken client is freed when its last operation has come back from the replicas.
static void reap(struct stream **client) {
    struct stream *s = *client;
    if (!s->broken) return;
    if (s->fd >= 0) {
        if (s->filling != NULL) release_operation(s->filling);
        s->filling = NULL;
        epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, NULL);
        close(s->fd);
        s->fd = -1;
    }
    if (s->in_flight > 0) return;
    free(s->in.bytes);
    free(s);
    *client = NULL;
}

static _Noreturn void engine_main(const char *address, const char **replica_addresses) {
    epoll = epoll_create1(0);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        operations[i].next_free = free_empty;
        free_empty = &operations[i];
    }
    for (unsigned i = 0; i < replica_count; i++) replicas[i] = open_stream(connect_to(replica_addresses[i]), false);
    int listener = listen_at(address);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}; // no stream: the listener
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        struct epoll_event ready[CLIENTS];
        int count = epoll_wait(epoll, ready, CLIENTS, -1);
        for (int i = 0; i < count; i++) {
            struct stream *s = ready[i].data.ptr;
            if (s == NULL) accept_client(listener);
            else if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !s->broken && !receive_stream(s)) {
                if (!s->is_client) fail("a replica is gone");
                s->broken = true;
            }
            if (s != NULL && ready[i].events & EPOLLOUT) send_outbox(s);
        }
        for (unsigned i = 0; i < replica_count; i++)
            if (!replicas[i]->wants_room) send_outbox(replicas[i]);
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (clients[i] == NULL) continue;
            if (!clients[i]->wants_room || clients[i]->broken) send_outbox(clients[i]);
            reap(&clients[i]);
        }
    }
}

int main(int count, char **words) {
    const char *address = NULL, *file = NULL, *replica_addresses[REPLICAS];
    bool direct = false, bad = count < 2;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 2; i < count && !bad; i++) {
        if (!strcmp(words[i], "--direct")) { direct = true; continue; }
        bad = i + 1 == count;
        if (bad) break;
        if (!strcmp(words[i], "--listen")) address = words[++i];
        else if (!strcmp(words[i], "--file")) file = words[++i];
        else if (!strcmp(words[i], "--size")) volume_size = strtoull(words[++i], NULL, 0);
        else if (!strcmp(words[i], "--replica") && replica_count < REPLICAS) replica_addresses[replica_count++] = words[++i];
        else bad = true;
    }
    bool replica = !bad && !strcmp(words[1], "replica"), engine = !bad && !strcmp(words[1], "engine");
    if (replica && address != NULL && file != NULL) replica_main(address, file, direct);
    if (engine && address != NULL && replica_count > 0 && volume_size > 0) engine_main(address, replica_addresses);
    fputs("floor replica --listen ADDRESS --file FILE [--direct]\n"
          "floor engine --listen ADDRESS --size BYTES --replica ADDRESS [--replica ADDRESS ...]\n", stderr);
    return 2;
}
