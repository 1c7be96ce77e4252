package io.longhorn.engine.frontend.nbd.protocol;

/**
 * The numbers of the NBD protocol, as the specification names them (without its prefix): {@code
 * doc/proto.md} at commit 6725f91e6a33bc9f62d31d82798c04ec1cde1c73 (2025-06-26) of
 * NetworkBlockDevice/nbd. All of them are sent big-endian.
 */
public final class Nbd {
  /** "NBDMAGIC", first on the wire. */
  public static final long INIT_PASSWD = 0x4e42444d41474943L;

  /** "IHAVEOPT", second on the wire and before each option. */
  public static final long IHAVEOPT = 0x49484156454F5054L;

  /** Before each reply to an option. */
  public static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;

  /** Before each request. */
  public static final int REQUEST_MAGIC = 0x25609513;

  /** Before each simple reply. */
  public static final int SIMPLE_REPLY_MAGIC = 0x67446698;

  /** Before each chunk of a structured reply. */
  public static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;

  /** Bytes of a request without its payload. */
  public static final int REQUEST_BYTES = 28;

  /** Bytes of a simple reply without its payload. */
  public static final int SIMPLE_REPLY_BYTES = 16;

  /** Bytes of a chunk's header. */
  public static final int CHUNK_HEADER_BYTES = 20;

  /** Bytes of an option's header. */
  public static final int OPTION_BYTES = 16;

  /** Bytes of the header of a reply to an option. */
  public static final int OPTION_REPLY_BYTES = 20;

  /** Zeros after the answer to EXPORT_NAME, unless they were negotiated away. */
  public static final int EXPORT_NAME_ZEROES = 124;

  /** Longest string, in bytes. */
  public static final int MAX_STRING_BYTES = 4096;

  /** Most descriptors in one chunk of BLOCK_STATUS. */
  public static final int MAX_DESCRIPTORS = 1 << 20;

  /** Handshake flag and client flag. */
  public static final int FLAG_FIXED_NEWSTYLE = 1;

  /** Handshake flag and client flag. */
  public static final int FLAG_NO_ZEROES = 1 << 1;

  /** Transmission flags. */
  public static final int HAS_FLAGS = 1;

  public static final int READ_ONLY = 1 << 1;
  public static final int SEND_FLUSH = 1 << 2;
  public static final int SEND_FUA = 1 << 3;
  public static final int ROTATIONAL = 1 << 4;
  public static final int SEND_TRIM = 1 << 5;
  public static final int SEND_WRITE_ZEROES = 1 << 6;
  public static final int SEND_DF = 1 << 7;
  public static final int CAN_MULTI_CONN = 1 << 8;
  public static final int SEND_CACHE = 1 << 10;
  public static final int SEND_FAST_ZERO = 1 << 11;

  /** Options. */
  public static final int OPT_EXPORT_NAME = 1;

  public static final int OPT_ABORT = 2;
  public static final int OPT_LIST = 3;
  public static final int OPT_STARTTLS = 5;
  public static final int OPT_INFO = 6;
  public static final int OPT_GO = 7;
  public static final int OPT_STRUCTURED_REPLY = 8;
  public static final int OPT_LIST_META_CONTEXT = 9;
  public static final int OPT_SET_META_CONTEXT = 10;
  public static final int OPT_EXTENDED_HEADERS = 11;

  /** Replies to options. */
  public static final int REP_ACK = 1;

  public static final int REP_SERVER = 2;
  public static final int REP_INFO = 3;
  public static final int REP_META_CONTEXT = 4;

  /** Set in every reply that is an error. */
  public static final int REP_ERROR = 1 << 31;

  public static final int REP_ERR_UNSUP = REP_ERROR | 1;
  public static final int REP_ERR_POLICY = REP_ERROR | 2;
  public static final int REP_ERR_INVALID = REP_ERROR | 3;
  public static final int REP_ERR_UNKNOWN = REP_ERROR | 6;
  public static final int REP_ERR_SHUTDOWN = REP_ERROR | 7;
  public static final int REP_ERR_TOO_BIG = REP_ERROR | 9;

  /** Items of INFO and GO. */
  public static final int INFO_EXPORT = 0;

  public static final int INFO_NAME = 1;
  public static final int INFO_DESCRIPTION = 2;
  public static final int INFO_BLOCK_SIZE = 3;

  /** Commands. */
  public static final int CMD_READ = 0;

  public static final int CMD_WRITE = 1;
  public static final int CMD_DISC = 2;
  public static final int CMD_FLUSH = 3;
  public static final int CMD_TRIM = 4;
  public static final int CMD_CACHE = 5;
  public static final int CMD_WRITE_ZEROES = 6;
  public static final int CMD_BLOCK_STATUS = 7;

  /** Flags of commands. */
  public static final int CMD_FLAG_FUA = 1;

  public static final int CMD_FLAG_NO_HOLE = 1 << 1;
  public static final int CMD_FLAG_DF = 1 << 2;
  public static final int CMD_FLAG_REQ_ONE = 1 << 3;
  public static final int CMD_FLAG_FAST_ZERO = 1 << 4;

  /** The flag of a reply's last chunk. */
  public static final int REPLY_FLAG_DONE = 1;

  /** Types of chunks. */
  public static final int REPLY_NONE = 0;

  public static final int REPLY_OFFSET_DATA = 1;
  public static final int REPLY_OFFSET_HOLE = 2;
  public static final int REPLY_BLOCK_STATUS = 5;

  /** Set in every type that is an error. */
  public static final int REPLY_ERROR_BIT = 1 << 15;

  public static final int REPLY_ERROR = REPLY_ERROR_BIT | 1;
  public static final int REPLY_ERROR_OFFSET = REPLY_ERROR_BIT | 2;

  /** The metadata context that the specification defines. */
  public static final String BASE_ALLOCATION = "base:allocation";

  /** State flags of {@link #BASE_ALLOCATION}. */
  public static final int STATE_HOLE = 1;

  public static final int STATE_ZERO = 1 << 1;

  /** Errors. */
  public static final int EPERM = 1;

  public static final int EIO = 5;
  public static final int ENOMEM = 12;
  public static final int EINVAL = 22;
  public static final int ENOSPC = 28;
  public static final int EOVERFLOW = 75;
  public static final int ENOTSUP = 95;
  public static final int ESHUTDOWN = 108;

  /** Smallest request, by offset and length, in bytes. */
  public static final int MIN_BLOCK_BYTES = 1;

  /** The size that needs no read-modify-write. */
  public static final int PREFERRED_BLOCK_BYTES = 4096;

  /** Largest payload of a request or reply: what the specification asks everyone to take. */
  public static final int MAX_PAYLOAD_BYTES = 32 << 20;

  private Nbd() {}
}
