package io.longhorn.engine.replication;

import io.longhorn.api.IoError;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FrameType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Reads a range of at most one chunk from every readable member, under a lock that keeps writes
 * away, and counts the blocks in which they differ. Changes nothing.
 */
final class CompareOp extends VolumeRequest {
  private final @Nullable Loan[] loans = new @Nullable Loan[MembershipRecord.MAX_REPLICAS];
  private final Comparison owner;
  private int good;
  private int damaged;
  private boolean isOver;

  CompareOp(long first, int span, Comparison owner) {
    range(first, span, false);
    this.owner = owner;
  }

  @Override
  void granted(ReplicationCore core) {
    int readable = core.isOpen() ? core.readable() : 0;
    pending = readable;
    if (readable == 0) {
      finish(core, IoError.DISCONNECTED);
      return;
    }
    for (int left = readable; left != 0; left &= left - 1) {
      int slot = Integer.numberOfTrailingZeros(left);
      loans[slot] = core.takeLoan(span());
      core.send(slot, core.draft(this, FrameType.READ, 0).range(first, span()));
    }
  }

  @Override
  void answered(ReplicationCore core, int slot, IoError status, int payloadLength) {
    if (isOver) {
      return;
    }
    pending &= ~(1 << slot);
    switch (status) {
      case OK -> good |= 1 << slot;
      case CHECKSUM, EIO -> damaged++;
      case FENCED, STALE -> core.members().fenced(slot);
      default -> core.memberFailed(slot, status, "a read");
    }
    finishIfAnswered(core);
  }

  @Override
  void linkLost(ReplicationCore core, int slot) {
    if ((pending & (1 << slot)) != 0) {
      pending &= ~(1 << slot);
      finishIfAnswered(core);
    }
  }

  private void finishIfAnswered(ReplicationCore core) {
    if (pending == 0) {
      finish(core, (good | damaged) == 0 ? IoError.DISCONNECTED : IoError.OK);
    }
  }

  private int differing() {
    int differing = 0;
    for (int at = 0; good != 0 && at < span(); at += Crc32c.BLOCK_BYTES) {
      Loan one = loans[Integer.numberOfTrailingZeros(good)];
      boolean isSame = true;
      for (int left = good; left != 0; left &= left - 1) {
        isSame &= isSame(one, loans[Integer.numberOfTrailingZeros(left)], at);
      }
      differing += isSame ? 0 : 1;
    }
    return differing;
  }

  private static boolean isSame(@Nullable Loan a, @Nullable Loan b, int at) {
    long to = (long) at + Crc32c.BLOCK_BYTES;
    return a != null
        && b != null
        && MemorySegment.mismatch(a.segment(), at, to, b.segment(), at, to) < 0;
  }

  private void finish(ReplicationCore core, IoError result) {
    if (isOver) {
      return;
    }
    isOver = true;
    pending = 0;
    int differing = result.isOk() ? differing() : 0;
    for (int slot = 0; slot < loans.length; slot++) {
      Loan loan = loans[slot];
      if (loan != null) {
        loans[slot] = null;
        loan.close();
      }
    }
    if (isLocked) {
      core.unlock(this);
    }
    core.forget(this);
    owner.compared(result, Integer.bitCount(good) + damaged, differing, damaged);
  }

  @Override
  void restart(ReplicationCore core) {
    abort(core, IoError.DISCONNECTED);
  }

  @Override
  void unparked(ReplicationCore core) {
    throw new IllegalStateException("a comparison is never parked");
  }

  @Override
  boolean isOver() {
    return isOver;
  }

  @Override
  void giveUp(ReplicationCore core) {
    abort(core, IoError.TIMEOUT);
  }

  @Override
  void abort(ReplicationCore core, IoError error) {
    if (isLocked) {
      finish(core, error);
    } else if (!isOver) {
      // Waits for its range; the locks let go of it when it has it.
      isOver = true;
      owner.compared(error, 0, 0, 0);
    }
  }

  @Override
  @Nullable Loan target(int slot) {
    return loans[slot];
  }

  @Override
  int expectedBytes() {
    return span();
  }
}
