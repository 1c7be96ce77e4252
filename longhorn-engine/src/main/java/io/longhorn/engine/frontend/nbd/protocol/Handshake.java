package io.longhorn.engine.frontend.nbd.protocol;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Option haggling in fixed newstyle. Ends in transmission, or in a closed connection. Options are
 * few and short: their number and length are bounded, what is longer is skipped and refused.
 */
final class Handshake {
  /** Longest option data that is looked at: the receive buffer holds it whole. */
  static final int MAX_OPTION_BYTES = 2 * Nbd.MAX_STRING_BYTES;

  /** Longest option data that is skipped; more is taken for an attack. */
  static final int MAX_SKIPPED_BYTES = 1 << 20;

  /** Most options of one connection. */
  static final int MAX_OPTIONS = 128;

  /** The id of base:allocation on every connection. */
  static final int ALLOCATION_CONTEXT_ID = 1;

  private static final int SCRATCH_BYTES = 1024;
  private static final byte[] BASE = "base:".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] ALLOCATION = Nbd.BASE_ALLOCATION.getBytes(StandardCharsets.US_ASCII);

  private static final int TRANSMISSION_FLAGS =
      Nbd.HAS_FLAGS
          | Nbd.SEND_FLUSH
          | Nbd.SEND_FUA
          | Nbd.SEND_TRIM
          | Nbd.SEND_WRITE_ZEROES
          | Nbd.CAN_MULTI_CONN
          | Nbd.SEND_CACHE
          | Nbd.SEND_FAST_ZERO;

  /** Where the haggling stands. */
  enum Phase {
    CLIENT_FLAGS,
    OPTION,
    SKIPPING,
    /** Over: the client may send requests. */
    TRANSMISSION,
    /** Over: the connection closes. */
    CLOSED
  }

  private final byte[] name;
  private final byte[] description;
  private final long sizeBytes;
  private final Outbound outbound;
  private final byte[] bytes = new byte[SCRATCH_BYTES];
  private final ByteBuffer scratch = ByteBuffer.wrap(bytes);
  private final MemorySegment segment = MemorySegment.ofArray(bytes);

  private Phase phase = Phase.CLIENT_FLAGS;
  private boolean hasNoZeroes;
  private boolean isStructured;
  private boolean isStopping;
  private byte @Nullable [] contextExport;
  private boolean hasContext;
  private int options;
  private long skipLeft;

  Handshake(NbdExport export, long sizeBytes, Outbound outbound) {
    name = export.name().getBytes(StandardCharsets.UTF_8);
    description = export.description().getBytes(StandardCharsets.UTF_8);
    this.sizeBytes = sizeBytes;
    this.outbound = outbound;
  }

  Phase phase() {
    return phase;
  }

  boolean isStructured() {
    return isStructured;
  }

  /** Whether BLOCK_STATUS may be asked on the export that was chosen. */
  boolean hasContext() {
    return hasContext;
  }

  /** From now on options are refused: the server is being shut down. */
  void stop() {
    isStopping = true;
  }

  void greet() {
    scratch.clear();
    scratch.putLong(Nbd.INIT_PASSWD).putLong(Nbd.IHAVEOPT);
    scratch.putShort((short) (Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES));
    send();
  }

  private void send() {
    outbound.copy(segment, scratch.position());
  }

  int consume(ByteBuffer in, int from, int to) {
    int at = from;
    while (true) {
      int taken =
          switch (phase) {
            case CLIENT_FLAGS -> clientFlags(in, at, to);
            case OPTION -> option(in, at, to);
            case SKIPPING -> skip(to - at);
            case TRANSMISSION -> 0;
            case CLOSED -> to - at;
          };
      if (taken == 0) {
        return at;
      }
      at += taken;
    }
  }

  private int clientFlags(ByteBuffer in, int at, int to) {
    if (to - at < 4) {
      return 0;
    }
    int flags = in.getInt(at);
    if ((flags & ~(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES)) != 0) {
      close("unknown client flags");
    } else {
      hasNoZeroes = (flags & Nbd.FLAG_NO_ZEROES) != 0;
      phase = Phase.OPTION;
    }
    return 4;
  }

  private int skip(int available) {
    int count = (int) Math.min(skipLeft, available);
    skipLeft -= count;
    if (skipLeft == 0) {
      phase = Phase.OPTION;
    }
    return count;
  }

  private void close(String reason) {
    phase = Phase.CLOSED;
    outbound.close(reason);
  }

  private int option(ByteBuffer in, int at, int to) {
    if (to - at < Nbd.OPTION_BYTES) {
      return 0;
    }
    int option = in.getInt(at + 8);
    long length = Integer.toUnsignedLong(in.getInt(at + 12));
    if (in.getLong(at) != Nbd.IHAVEOPT) {
      close("option without the magic number");
    } else if (length > MAX_OPTION_BYTES) {
      tooLong(option, length);
    } else if (to - at < Nbd.OPTION_BYTES + length) {
      return 0;
    } else if (++options > MAX_OPTIONS) {
      close("more than " + MAX_OPTIONS + " options");
    } else {
      handle(option, in, at + Nbd.OPTION_BYTES, (int) length);
      return Nbd.OPTION_BYTES + (int) length;
    }
    return Nbd.OPTION_BYTES;
  }

  private void tooLong(int option, long length) {
    if (option == Nbd.OPT_ABORT) {
      abort();
    } else if (option == Nbd.OPT_EXPORT_NAME || length > MAX_SKIPPED_BYTES) {
      close("option " + option + " of " + length + " bytes");
    } else if (++options > MAX_OPTIONS) {
      close("more than " + MAX_OPTIONS + " options");
    } else {
      boolean isKnown = option > 0 && option <= Nbd.OPT_SET_META_CONTEXT && option != 4;
      dropContext(option);
      reply(option, isKnown ? Nbd.REP_ERR_TOO_BIG : Nbd.REP_ERR_UNSUP);
      skipLeft = length;
      phase = Phase.SKIPPING;
    }
  }

  private void handle(int option, ByteBuffer in, int at, int length) {
    if (isStopping && option != Nbd.OPT_ABORT && option != Nbd.OPT_EXPORT_NAME) {
      reply(option, Nbd.REP_ERR_SHUTDOWN);
      return;
    }
    switch (option) {
      case Nbd.OPT_EXPORT_NAME -> exportName(in, at, length);
      case Nbd.OPT_ABORT -> abort();
      case Nbd.OPT_LIST -> list(length);
      // No TLS yet: refused as policy, which is what tells a client that the option is known.
      case Nbd.OPT_STARTTLS ->
          reply(option, length == 0 ? Nbd.REP_ERR_POLICY : Nbd.REP_ERR_INVALID);
      case Nbd.OPT_INFO, Nbd.OPT_GO -> info(option, in, at, length);
      case Nbd.OPT_STRUCTURED_REPLY -> {
        isStructured |= length == 0;
        reply(option, length == 0 ? Nbd.REP_ACK : Nbd.REP_ERR_INVALID);
      }
      case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT ->
          metaContext(option, in, at, length);
      default -> reply(option, Nbd.REP_ERR_UNSUP);
    }
  }

  private void abort() {
    reply(Nbd.OPT_ABORT, Nbd.REP_ACK);
    close("the client ended the haggling");
  }

  private void replyHeader(int option, int type, int length) {
    scratch.clear();
    scratch.putLong(Nbd.OPTION_REPLY_MAGIC).putInt(option).putInt(type).putInt(length);
  }

  private void reply(int option, int type) {
    replyHeader(option, type, 0);
    send();
  }

  private int transmissionFlags() {
    return isStructured ? TRANSMISSION_FLAGS | Nbd.SEND_DF : TRANSMISSION_FLAGS;
  }

  /** Whether the {@code length} bytes name our export: by name, or as the default one. */
  private boolean isOurs(ByteBuffer in, int at, int length) {
    return length == 0 || isText(in, at, length, name);
  }

  private static boolean isText(ByteBuffer in, int at, int length, byte[] text) {
    if (length != text.length) {
      return false;
    }
    for (int i = 0; i < length; i++) {
      if (in.get(at + i) != text[i]) {
        return false;
      }
    }
    return true;
  }

  private void exportName(ByteBuffer in, int at, int length) {
    if (isStopping || !isOurs(in, at, length)) {
      close("no such export");
      return;
    }
    scratch.clear();
    scratch.putLong(sizeBytes).putShort((short) transmissionFlags());
    if (!hasNoZeroes) {
      Arrays.fill(bytes, scratch.position(), scratch.position() + Nbd.EXPORT_NAME_ZEROES, (byte) 0);
      scratch.position(scratch.position() + Nbd.EXPORT_NAME_ZEROES);
    }
    send();
    enter(in, at, length);
  }

  private void enter(ByteBuffer in, int nameAt, int nameLength) {
    byte[] selectedFor = contextExport;
    hasContext = selectedFor != null && isText(in, nameAt, nameLength, selectedFor);
    phase = Phase.TRANSMISSION;
  }

  private void list(int length) {
    if (length != 0) {
      reply(Nbd.OPT_LIST, Nbd.REP_ERR_INVALID);
      return;
    }
    replyHeader(Nbd.OPT_LIST, Nbd.REP_SERVER, 4 + name.length + description.length);
    scratch.putInt(name.length).put(name).put(description);
    send();
    reply(Nbd.OPT_LIST, Nbd.REP_ACK);
  }

  private void info(int option, ByteBuffer in, int at, int length) {
    long nameLength = length < 6 ? -1 : Integer.toUnsignedLong(in.getInt(at));
    if (nameLength < 0 || nameLength > length - 6 || nameLength > Nbd.MAX_STRING_BYTES) {
      reply(option, Nbd.REP_ERR_INVALID);
      return;
    }
    int requestsAt = at + 4 + (int) nameLength;
    int requests = in.getShort(requestsAt) & 0xffff;
    if (length != 6 + nameLength + 2L * requests) {
      reply(option, Nbd.REP_ERR_INVALID);
      return;
    }
    if (!isOurs(in, at + 4, (int) nameLength)) {
      reply(option, Nbd.REP_ERR_UNKNOWN);
      return;
    }
    infoExport(option);
    int sent = 0;
    for (int i = 0; i < requests; i++) {
      int item = in.getShort(requestsAt + 2 + 2 * i) & 0xffff;
      if (item <= Nbd.INFO_BLOCK_SIZE && (sent & (1 << item)) == 0) {
        sent |= 1 << item;
        infoItem(option, item);
      }
    }
    reply(option, Nbd.REP_ACK);
    if (option == Nbd.OPT_GO) {
      enter(in, at + 4, (int) nameLength);
    }
  }

  private void infoExport(int option) {
    replyHeader(option, Nbd.REP_INFO, 12);
    scratch.putShort((short) Nbd.INFO_EXPORT).putLong(sizeBytes);
    scratch.putShort((short) transmissionFlags());
    send();
  }

  private void infoItem(int option, int item) {
    switch (item) {
      case Nbd.INFO_NAME -> infoText(option, item, name);
      case Nbd.INFO_DESCRIPTION -> infoText(option, item, description);
      case Nbd.INFO_BLOCK_SIZE -> {
        replyHeader(option, Nbd.REP_INFO, 14);
        scratch.putShort((short) item).putInt(Nbd.MIN_BLOCK_BYTES);
        scratch.putInt(Nbd.PREFERRED_BLOCK_BYTES).putInt(Nbd.MAX_PAYLOAD_BYTES);
        send();
      }
      default -> {
        // INFO_EXPORT has been sent already, asked for or not.
      }
    }
  }

  private void infoText(int option, int item, byte[] text) {
    replyHeader(option, Nbd.REP_INFO, 2 + text.length);
    scratch.putShort((short) item).put(text);
    send();
  }

  private void dropContext(int option) {
    if (option == Nbd.OPT_SET_META_CONTEXT) {
      contextExport = null;
    }
  }

  private void metaContext(int option, ByteBuffer in, int at, int length) {
    // What was set before is gone, however this ends.
    dropContext(option);
    int end = at + length;
    long nameLength = length < 8 ? -1 : Integer.toUnsignedLong(in.getInt(at));
    if (!isStructured
        || nameLength < 0
        || nameLength > length - 8
        || nameLength > Nbd.MAX_STRING_BYTES) {
      reply(option, Nbd.REP_ERR_INVALID);
      return;
    }
    int queriesAt = at + 4 + (int) nameLength;
    long queries = Integer.toUnsignedLong(in.getInt(queriesAt));
    boolean isListing = option == Nbd.OPT_LIST_META_CONTEXT;
    boolean isSelected = isListing && queries == 0;
    int next = queriesAt + 4;
    for (long i = 0; i < queries; i++) {
      long queryLength = end - next < 4 ? -1 : Integer.toUnsignedLong(in.getInt(next));
      if (queryLength < 0 || queryLength > end - next - 4) {
        reply(option, Nbd.REP_ERR_INVALID);
        return;
      }
      isSelected |= selects(in, next + 4, (int) queryLength, isListing);
      next += 4 + (int) queryLength;
    }
    if (next != end) {
      reply(option, Nbd.REP_ERR_INVALID);
    } else if (!isOurs(in, at + 4, (int) nameLength)) {
      reply(option, Nbd.REP_ERR_UNKNOWN);
    } else {
      answerContexts(option, isListing, isSelected);
      if (isSelected && !isListing) {
        byte[] selectedFor = new byte[(int) nameLength];
        in.get(at + 4, selectedFor);
        contextExport = selectedFor;
      }
    }
  }

  /** Whether a query means base:allocation; "base:" is a wildcard when listing, only then. */
  private static boolean selects(ByteBuffer in, int at, int length, boolean isListing) {
    return isText(in, at, length, ALLOCATION) || (isListing && isText(in, at, length, BASE));
  }

  private void answerContexts(int option, boolean isListing, boolean isSelected) {
    if (isSelected) {
      replyHeader(option, Nbd.REP_META_CONTEXT, 4 + ALLOCATION.length);
      scratch.putInt(isListing ? 0 : ALLOCATION_CONTEXT_ID).put(ALLOCATION);
      send();
    }
    reply(option, Nbd.REP_ACK);
  }
}
