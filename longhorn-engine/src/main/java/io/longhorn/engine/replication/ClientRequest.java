package io.longhorn.engine.replication;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.request.IoKind;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A client's request. READ goes to one readable member; WRITE, ZERO and TRIM to every writable one
 * and complete when all required ones acknowledged (I1, I2); FLUSH to all required ones (I6); MAP
 * to one. A write that does not cover whole blocks reads the blocks at its edges and merges under
 * its lock (T4).
 */
final class ClientRequest extends VolumeRequest {
  /** Blocks that are merged: the first, then the last. */
  private enum Merge {
    NONE,
    FIRST,
    LAST
  }

  final int[] crcs = new int[FrameHeader.MAX_CRCS];
  @Nullable ClientPort port;

  boolean isStarted;
  boolean isSubmitted;
  private int acked;
  private int outOfSpace;
  private int tried;
  private boolean isSent;
  private boolean isCompleted;
  private boolean isReleased;
  private boolean isSettled;
  private boolean isEqualized;
  private boolean isInRangeOp;
  private Merge merge = Merge.NONE;
  private @Nullable Loan mergeLoan;
  private long flushNumber;

  void begin(ClientPort taker, IoKind kind, long offset, int length, @Nullable Loan loan) {
    port = taker;
    acked = 0;
    outOfSpace = 0;
    tried = 0;
    pending = 0;
    isSent = false;
    isCompleted = false;
    isReleased = false;
    isSubmitted = false;
    isStarted = false;
    isSettled = false;
    isEqualized = false;
    isInRangeOp = false;
    merge = Merge.NONE;
    begin(kind, offset, length, loan);
    range(offset, length, kind == IoKind.WRITE || kind == IoKind.ZERO || kind == IoKind.TRIM);
  }

  // ---- life -----------------------------------------------------------------------------------

  @Override
  void granted(ReplicationCore core) {
    if (!core.isOpen()) {
      core.park(this);
      return;
    }
    switch (kind()) {
      case READ, MAP -> read(core);
      case WRITE -> {
        if (dataAt() != 0 || (length() & (Crc32c.BLOCK_BYTES - 1)) != 0) {
          mergeNext(core);
        } else {
          write(core);
        }
      }
      case ZERO, TRIM -> write(core);
      case FLUSH -> flush(core);
    }
  }

  @Override
  void answered(ReplicationCore core, int slot, IoError status, int payloadLength) {
    pending &= ~(1 << slot);
    switch (kind()) {
      case READ, MAP -> readAnswered(core, slot, status, payloadLength);
      case WRITE, ZERO, TRIM -> {
        if (merge != Merge.NONE) {
          mergeAnswered(core, slot, status);
        } else {
          writeAnswered(core, slot, status);
        }
      }
      case FLUSH -> flushAnswered(core, slot, status);
    }
  }

  @Override
  void linkLost(ReplicationCore core, int slot) {
    int bit = 1 << slot;
    acked &= ~bit;
    outOfSpace &= ~bit;
    boolean wasPending = (pending & bit) != 0;
    pending &= ~bit;
    if (!wasPending) {
      return;
    }
    if (isReading()) {
      retryRead(core);
    } else {
      evaluate(core);
    }
  }

  @Override
  void membersChanged(ReplicationCore core) {
    if (isCompleted || !isSent) {
      return;
    }
    if (kind() == IoKind.FLUSH) {
      // A set in force has a member that the FLUSH was not sent to: it is asked too.
      int missing = core.required() & core.writable() & ~(acked | pending);
      sendTo(core, missing, FrameType.FLUSH);
    }
    evaluate(core);
  }

  @Override
  void restart(ReplicationCore core) {
    if (isCompleted || isInRangeOp || isParked || isQueued) {
      return;
    }
    acked = 0;
    outOfSpace = 0;
    tried = 0;
    isEqualized = false;
    if (isReading()) {
      if (pending == 0) {
        retryRead(core);
      }
    } else if (isSent) {
      isSent = false;
      if (kind() != IoKind.FLUSH) {
        core.regions().writeEnded(first, span());
      }
      granted(core);
    }
  }

  @Override
  void abort(ReplicationCore core, IoError error) {
    pending = 0;
    if (!isCompleted) {
      complete(core, error);
    } else {
      settle(core);
    }
  }

  @Override
  @Nullable Loan target(int slot) {
    return switch (kind()) {
      case READ, MAP -> loan();
      case WRITE -> merge != Merge.NONE ? mergeLoan : null;
      case ZERO, TRIM, FLUSH -> null;
    };
  }

  @Override
  int expectedBytes() {
    return switch (kind()) {
      case READ -> span();
      case MAP -> -1;
      case WRITE, ZERO, TRIM, FLUSH -> merge != Merge.NONE ? Crc32c.BLOCK_BYTES : 0;
    };
  }

  /** The client is done with it; it is reused when nothing of it is outstanding. */
  void released(ReplicationCore core) {
    if (!isSubmitted) {
      core.recycle(this);
      return;
    }
    isReleased = true;
    settle(core);
  }

  private boolean isReading() {
    return kind() == IoKind.READ || kind() == IoKind.MAP || merge != Merge.NONE;
  }

  private void complete(ReplicationCore core, IoError result) {
    isCompleted = true;
    dropMerge();
    if (isReadingKind() && isLocked) {
      core.unlock(this);
    }
    complete(result);
    settle(core);
  }

  private boolean isReadingKind() {
    return kind() == IoKind.READ || kind() == IoKind.MAP;
  }

  /**
   * Unlocks when every member has answered, so that each applies overlapping writes in one order;
   * reuses when released as well.
   */
  void settle(ReplicationCore core) {
    if (!isCompleted || pending != 0 || isQueued) {
      return;
    }
    if (!isSettled) {
      isSettled = true;
      if (isSent && !isReadingKind() && kind() != IoKind.FLUSH) {
        isSent = false;
        core.regions().writeEnded(first, span());
      }
      if (isLocked) {
        core.unlock(this);
      }
      core.settled(this);
    }
    if (isReleased) {
      isReleased = false;
      core.recycle(this);
    }
  }

  // ---- READ, MAP ------------------------------------------------------------------------------

  private void read(ReplicationCore core) {
    if (kind() == IoKind.READ && !isEqualized && core.regions().isUnreconciled(first, span())) {
      isInRangeOp = true;
      core.unlock(this);
      core.equalizeForRead(this);
      return;
    }
    if (!core.members().mayServeReads()) {
      core.park(this);
      return;
    }
    int slot = core.pickReader(tried);
    if (slot < 0) {
      if (tried != 0 && (core.readable() & ~tried) == 0 && core.readable() != 0) {
        tried = 0;
        complete(core, IoError.EIO);
        return;
      }
      core.park(this);
      return;
    }
    pending = 1 << slot;
    FrameType type = kind() == IoKind.READ ? FrameType.READ : FrameType.BLOCK_MAP;
    core.send(slot, core.draft(this, type, 0).range(first, span()));
  }

  private void readAnswered(ReplicationCore core, int slot, IoError status, int payloadLength) {
    if (isCompleted) {
      settle(core);
      return;
    }
    switch (status) {
      case OK -> {
        if (!core.members().mayServeReads()) {
          core.park(this);
          return;
        }
        resultLength(payloadLength);
        complete(core, IoError.OK);
      }
      case CHECKSUM, EIO -> {
        if (kind() == IoKind.READ) {
          isInRangeOp = true;
          core.unlock(this);
          core.mend(this);
        } else {
          tried |= 1 << slot;
          retryRead(core);
        }
      }
      case FENCED, STALE -> {
        core.members().fenced(slot);
        core.park(this);
      }
      case DISCONNECTED -> retryRead(core);
      default -> {
        core.memberFailed(slot, status, "a read");
        tried |= 1 << slot;
        retryRead(core);
      }
    }
  }

  private void retryRead(ReplicationCore core) {
    if (isCompleted) {
      settle(core);
    } else if (merge != Merge.NONE) {
      readForMerge(core);
    } else {
      read(core);
    }
  }

  /** An equalize or mend of this read's range ended; its source's data was copied here. */
  void servedByRangeOp(ReplicationCore core, IoError result) {
    isInRangeOp = false;
    if (result == IoError.OK && !core.members().mayServeReads()) {
      core.park(this);
      return;
    }
    complete(core, result);
  }

  // ---- WRITE, ZERO, TRIM ----------------------------------------------------------------------

  private void write(ReplicationCore core) {
    FrameType type =
        switch (kind()) {
          case WRITE -> FrameType.WRITE;
          case ZERO -> FrameType.ZERO;
          default -> FrameType.TRIM;
        };
    if (kind() == IoKind.WRITE) {
      core.checksum(loan(), span(), crcs);
    }
    core.regions().writeSent(first, span());
    isSent = true;
    sendTo(core, core.writable(), type);
  }

  private void sendTo(ReplicationCore core, int slots, FrameType type) {
    pending |= slots;
    int left = slots;
    while (left != 0) {
      int slot = Integer.numberOfTrailingZeros(left);
      left &= left - 1;
      FrameDraft frame = core.draft(this, type, 0);
      if (type != FrameType.FLUSH) {
        frame.range(first, span());
        frame.flags(
            (isFua() ? FrameHeader.FLAG_FUA : 0)
                | (isAllocating() ? FrameHeader.FLAG_ALLOCATE : 0));
      }
      if (type == FrameType.WRITE) {
        frame.data(loan(), 0);
        System.arraycopy(crcs, 0, frame.crcs(), 0, span() / Crc32c.BLOCK_BYTES);
      }
      core.send(slot, frame);
    }
  }

  private void writeAnswered(ReplicationCore core, int slot, IoError status) {
    int bit = 1 << slot;
    switch (status) {
      case OK -> acked |= bit;
      case ENOSPC -> outOfSpace |= bit;
      case FENCED, STALE -> core.members().fenced(slot);
      default -> core.memberFailed(slot, status, "a write");
    }
    evaluate(core);
  }

  /** Whether it is done: every required member acknowledged, or all of them are out of space. */
  private void evaluate(ReplicationCore core) {
    if (isCompleted) {
      settle(core);
      return;
    }
    int required = core.required();
    if (required == 0 || !isSent) {
      return;
    }
    if ((required & ~acked) == 0 && (pending & core.receiving()) == 0) {
      if (kind() == IoKind.FLUSH) {
        core.regions().flushEnded(flushNumber, true);
      }
      // One that returns and has no space for it must not join.
      missedByLackOfSpace(core, outOfSpace);
      complete(core, IoError.OK);
    } else if (outOfSpace != 0 && (required & ~(acked | outOfSpace)) == 0 && pending == 0) {
      if ((acked & required) == 0) {
        // No member took it: they may have taken parts, each another one.
        core.regions().unreconciled(first, span());
        complete(core, IoError.ENOSPC);
      } else {
        missedByLackOfSpace(core, outOfSpace & required);
      }
    }
  }

  /** Others have it: these are not equal any more. */
  private void missedByLackOfSpace(ReplicationCore core, int slots) {
    outOfSpace &= ~slots;
    int left = slots;
    while (left != 0) {
      core.memberFailed(
          Integer.numberOfTrailingZeros(left), IoError.ENOSPC, "a write that others had space for");
      left &= left - 1;
    }
  }

  @Override
  void giveUp(ReplicationCore core) {
    if (isInRangeOp) {
      // That operation is given up by itself, and tells this request.
      return;
    }
    if (kind() == IoKind.FLUSH) {
      core.regions().flushEnded(flushNumber, false);
    } else if (!isReading() && isSent) {
      core.regions().unreconciled(first, span());
    }
    complete(core, IoError.EIO);
  }

  // ---- merge ----------------------------------------------------------------------------------

  private void mergeNext(ReplicationCore core) {
    if (!isEqualized && core.regions().isUnreconciled(first, span())) {
      isInRangeOp = true;
      core.equalizeUnderLock(this);
      return;
    }
    if (mergeLoan == null) {
      mergeLoan = core.takeLoan(Crc32c.BLOCK_BYTES);
    }
    boolean mergesFirst = dataAt() != 0 || span() == Crc32c.BLOCK_BYTES;
    merge = mergesFirst ? Merge.FIRST : Merge.LAST;
    readForMerge(core);
  }

  private void readForMerge(ReplicationCore core) {
    int slot = core.pickReader(tried);
    if (slot < 0 || !core.members().mayServeReads()) {
      tried = 0;
      core.park(this);
      return;
    }
    pending = 1 << slot;
    long block = merge == Merge.FIRST ? first : end - Crc32c.BLOCK_BYTES;
    core.send(slot, core.draft(this, FrameType.READ, 0).range(block, Crc32c.BLOCK_BYTES));
  }

  private void mergeAnswered(ReplicationCore core, int slot, IoError status) {
    switch (status) {
      case OK -> merged(core);
      case CHECKSUM, EIO -> {
        merge = Merge.NONE;
        isInRangeOp = true;
        core.mendUnderLock(this);
      }
      case FENCED, STALE -> {
        core.members().fenced(slot);
        core.park(this);
      }
      default -> {
        if (status != IoError.DISCONNECTED) {
          core.memberFailed(slot, status, "a read");
        }
        readForMerge(core);
      }
    }
  }

  private void merged(ReplicationCore core) {
    MemorySegment old = mergeLoan().segment();
    MemorySegment data = loan().segment();
    int from = dataAt();
    int to = from + length();
    if (merge == Merge.FIRST) {
      MemorySegment.copy(old, 0, data, 0, from);
      if (span() == Crc32c.BLOCK_BYTES) {
        MemorySegment.copy(old, to, data, to, Crc32c.BLOCK_BYTES - to);
      } else if (to < span()) {
        merge = Merge.LAST;
        readForMerge(core);
        return;
      }
    } else {
      int lastBlock = span() - Crc32c.BLOCK_BYTES;
      MemorySegment.copy(old, to - lastBlock, data, to, span() - to);
    }
    merge = Merge.NONE;
    dropMerge();
    write(core);
  }

  /** The equalize or mend that this write asked for under its own lock ended. */
  void rangeOpUnderLockEnded(ReplicationCore core, IoError result) {
    isInRangeOp = false;
    if (result == IoError.OK) {
      isEqualized = true;
      mergeNext(core);
    } else {
      complete(core, result);
    }
  }

  private Loan mergeLoan() {
    Loan loan = mergeLoan;
    if (loan == null) {
      throw new IllegalStateException("merge without a loan");
    }
    return loan;
  }

  private void dropMerge() {
    merge = Merge.NONE;
    Loan loan = mergeLoan;
    if (loan != null) {
      mergeLoan = null;
      loan.close();
    }
  }

  // ---- FLUSH ----------------------------------------------------------------------------------

  private void flush(ReplicationCore core) {
    if (!core.regions().mayFlush()) {
      // Reconcile goes on, however long it takes: that is no reason to fail.
      startTick = core.now();
      core.park(this);
      return;
    }
    flushNumber = core.regions().flushSent();
    isSent = true;
    sendTo(core, core.writable(), FrameType.FLUSH);
    evaluate(core);
  }

  private void flushAnswered(ReplicationCore core, int slot, IoError status) {
    switch (status) {
      case OK -> acked |= 1 << slot;
      case FENCED, STALE -> core.members().fenced(slot);
      default -> core.memberFailed(slot, status, "a flush");
    }
    evaluate(core);
  }

  // ---- parking --------------------------------------------------------------------------------

  @Override
  void unparked(ReplicationCore core) {
    if (isCompleted) {
      settle(core);
    } else if (merge != Merge.NONE) {
      readForMerge(core);
    } else if (isLocked || kind() == IoKind.FLUSH) {
      granted(core);
    } else {
      core.lock(this);
    }
  }

  void dropLoan() {
    Loan had = end();
    if (had != null) {
      had.close();
    }
  }

  @Override
  boolean isSync() {
    return kind() == IoKind.FLUSH || isFua();
  }

  @Override
  boolean isOver() {
    return isCompleted;
  }
}
