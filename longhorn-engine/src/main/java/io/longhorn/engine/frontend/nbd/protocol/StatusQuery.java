package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.BlockState;
import io.longhorn.engine.request.IoRequest;
import java.nio.ByteBuffer;

/**
 * The BLOCK_STATUS that is being answered: extents of {@code base:allocation} gathered span by
 * span, neighbours of one state merged. The answer may cover less than was asked, never nothing.
 */
final class StatusQuery {
  /** Most extents in an answer; far below what the specification allows, to bound memory. */
  static final int MAX_EXTENTS = 8192;

  /** Most spans asked for one answer: 1 GiB. */
  static final int MAX_SPANS = 512;

  private static final int ENTRY_BYTES = 8;

  private final int[] lengths = new int[MAX_EXTENTS];
  private final int[] flags = new int[MAX_EXTENTS];
  private int count;
  private int spans;

  void begin() {
    count = 0;
    spans = 0;
  }

  /**
   * Adds the answer of one span to the command's; moves the command's {@code next} on.
   *
   * @return false if the answer makes no sense
   */
  boolean add(Command command, IoRequest request) {
    int bytes = request.resultLength();
    if (bytes <= 0 || bytes % ENTRY_BYTES != 0) {
      return false;
    }
    spans++;
    ByteBuffer extents = request.loan().buffer();
    long at = request.offset();
    for (int i = 0; i < bytes; i += ENTRY_BYTES) {
      long blocks = Integer.toUnsignedLong(Integer.reverseBytes(extents.getInt(i)));
      int state = Integer.reverseBytes(extents.getInt(i + 4));
      at += blocks * Crc32c.BLOCK_BYTES;
      if (blocks == 0 || at > request.offset() + request.length()) {
        return false;
      }
      long until = Math.min(at, command.end);
      if (until > command.next) {
        if (!append(command, until, flagsOf(state))) {
          command.end = command.next;
          return true;
        }
      }
    }
    return true;
  }

  private boolean append(Command command, long until, int flag) {
    int length = (int) (until - command.next);
    if (count > 0 && flags[count - 1] == flag) {
      lengths[count - 1] += length;
    } else if (count == (command.has(Nbd.CMD_FLAG_REQ_ONE) ? 1 : MAX_EXTENTS)) {
      return false;
    } else {
      lengths[count] = length;
      flags[count] = flag;
      count++;
    }
    command.next = until;
    return true;
  }

  private static int flagsOf(int state) {
    return state == BlockState.DATA.code() ? 0 : Nbd.STATE_HOLE | Nbd.STATE_ZERO;
  }

  boolean isComplete(Command command) {
    return command.next == command.end || spans == MAX_SPANS;
  }

  void reply(Command command, Replies replies) {
    replies.status(command, lengths, flags, count);
  }
}
