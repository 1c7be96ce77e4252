package io.longhorn.engine.replication;

import io.longhorn.api.IoError;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Makes a range of at most one chunk equal on all members, under its exclusive lock: reads it from
 * each, compares byte by byte, writes what differs. Two uses: after an unclean stop, before such a
 * range is read (E1), with the source that the reconcile prefers (E3); and to mend a block whose
 * checksum or medium failed on some member, from one where it is good (the second read that makes a
 * mismatch count is this one).
 */
final class EqualizeOp extends VolumeRequest {
  private enum Step {
    READING,
    WRITING,
    OVER
  }

  private final @Nullable Loan[] loans = new @Nullable Loan[MembershipRecord.MAX_REPLICAS];
  private final int[] outstanding = new int[MembershipRecord.MAX_REPLICAS];
  private final boolean isMend;
  private final boolean isLockBorrowed;
  private final RangeOpOwner owner;
  private Step step = Step.READING;

  /**
   * The part of the range at work: all of it, or block by block once no member has the whole of it
   * undamaged.
   */
  private long windowFirst;

  private int windowBytes;

  /** Whether the keeper of regions was told of writes in the window that have no end yet. */
  private boolean isWriteTold;

  private @Nullable Loan assembled;
  private int participants;
  private int good;
  private int bad;
  private int source = -1;

  EqualizeOp(long first, int span, boolean isMend, boolean isLockBorrowed, RangeOpOwner owner) {
    range(first, span, true);
    this.isMend = isMend;
    this.isLockBorrowed = isLockBorrowed;
    this.owner = owner;
  }

  @Override
  void granted(ReplicationCore core) {
    writesEnded(core);
    Loan whole = assembled;
    if (whole != null) {
      assembled = null;
      whole.close();
    }
    windowFirst = first;
    windowBytes = span();
    readWindow(core);
  }

  private void readWindow(ReplicationCore core) {
    giveBackLoans();
    participants = core.isOpen() ? core.readable() : 0;
    good = 0;
    bad = 0;
    source = -1;
    step = Step.READING;
    if (participants == 0 || (core.required() & ~participants) != 0) {
      // A member of a set in force is missing: what it has would not be made equal. Wait until it
      // is back or out of the set.
      core.park(this);
      return;
    }
    pending = participants;
    int left = participants;
    while (left != 0) {
      int slot = Integer.numberOfTrailingZeros(left);
      left &= left - 1;
      loans[slot] = core.takeLoan(windowBytes);
      core.send(slot, core.draft(this, FrameType.READ, 0).range(windowFirst, windowBytes));
    }
  }

  @Override
  void answered(ReplicationCore core, int slot, IoError status, int payloadLength) {
    int bit = 1 << slot;
    if (step == Step.READING) {
      pending &= ~bit;
      switch (status) {
        case OK -> good |= bit;
        case CHECKSUM, EIO -> bad |= bit;
        case FENCED, STALE -> core.members().fenced(slot);
        default -> core.memberFailed(slot, status, "a read");
      }
      if (pending == 0) {
        compare(core);
      }
    } else if (step == Step.WRITING) {
      outstanding[slot]--;
      if (outstanding[slot] == 0) {
        pending &= ~bit;
      }
      switch (status) {
        case OK -> {}
        case FENCED, STALE -> core.members().fenced(slot);
        default -> core.memberFailed(slot, status, "a write that makes members equal");
      }
      if (pending == 0) {
        finishIfWhole(core);
      }
    }
  }

  @Override
  void linkLost(ReplicationCore core, int slot) {
    int bit = 1 << slot;
    participants &= ~bit;
    good &= ~bit;
    bad &= ~bit;
    outstanding[slot] = 0;
    if ((pending & bit) == 0) {
      return;
    }
    pending &= ~bit;
    if (pending == 0) {
      if (step == Step.READING) {
        compare(core);
      } else if (step == Step.WRITING) {
        finishIfWhole(core);
      }
    }
  }

  private void compare(ReplicationCore core) {
    if (good == 0) {
      if (bad != 0 && windowBytes > Crc32c.BLOCK_BYTES) {
        // Each member may have another damaged block: one by one there may still be a good one of
        // each.
        assembled = core.takeLoan(span());
        windowBytes = Crc32c.BLOCK_BYTES;
        readWindow(core);
      } else if (bad != 0) {
        finish(core, IoError.CHECKSUM);
      } else {
        core.park(this);
      }
      return;
    }
    source = core.preferredSource(good);
    step = Step.WRITING;
    int targets = isMend ? bad : (good | bad) & ~(1 << source);
    int left = targets;
    while (left != 0) {
      int slot = Integer.numberOfTrailingZeros(left);
      left &= left - 1;
      boolean isBad = (bad & (1 << slot)) != 0;
      if (isBad) {
        core.checksumFailed(slot);
      }
      writeDifferences(core, slot, isBad);
    }
    if (pending == 0) {
      finishIfWhole(core);
    }
  }

  private void writeDifferences(ReplicationCore core, int slot, boolean whole) {
    Loan from = loan(source);
    Loan to = loan(slot);
    int block = 0;
    int blocks = windowBytes / Crc32c.BLOCK_BYTES;
    while (block < blocks) {
      if (!whole && isSame(from, to, block)) {
        block++;
        continue;
      }
      int begin = block;
      block++;
      // A repair is sent block by block: each may be shown by another layer.
      while (!isMend && block < blocks && (whole || !isSame(from, to, block))) {
        block++;
      }
      tellOfWrites(core);
      FrameDraft frame = core.draft(this, FrameType.WRITE, 0);
      int at = begin * Crc32c.BLOCK_BYTES;
      int length = (block - begin) * Crc32c.BLOCK_BYTES;
      frame
          .range(windowFirst + at, length)
          .data(from, at)
          .flags(isMend ? FrameHeader.FLAG_REPAIR : 0);
      core.checksum(from, at, length, frame.crcs());
      outstanding[slot]++;
      pending |= 1 << slot;
      core.send(slot, frame);
    }
  }

  /**
   * A FLUSH that began before these writes says nothing of them (E5): without this the range's
   * marks could go while a member has what it was made equal to in its cache only, and had
   * something else before.
   */
  private void tellOfWrites(ReplicationCore core) {
    if (!isWriteTold) {
      isWriteTold = true;
      core.regions().writeSent(windowFirst, windowBytes);
    }
  }

  private void writesEnded(ReplicationCore core) {
    if (isWriteTold) {
      isWriteTold = false;
      core.regions().writeEnded(windowFirst, windowBytes);
    }
  }

  private static boolean isSame(Loan a, Loan b, int block) {
    long at = (long) block * Crc32c.BLOCK_BYTES;
    long to = at + Crc32c.BLOCK_BYTES;
    return MemorySegment.mismatch(a.segment(), at, to, b.segment(), at, to) < 0;
  }

  private void finishIfWhole(ReplicationCore core) {
    writesEnded(core);
    if ((core.required() & ~participants) != 0) {
      // A set in force has a member that took no part: begin anew when the sets have changed.
      core.park(this);
      return;
    }
    Loan whole = assembled;
    if (whole == null) {
      finish(core, IoError.OK);
      return;
    }
    MemorySegment.copy(
        loan(source).segment(), 0, whole.segment(), windowFirst - first, windowBytes);
    windowFirst += windowBytes;
    if (windowFirst == end) {
      finish(core, IoError.OK);
    } else {
      readWindow(core);
    }
  }

  private void finish(ReplicationCore core, IoError result) {
    step = Step.OVER;
    writesEnded(core);
    if (isLocked && !isLockBorrowed) {
      core.unlock(this);
    }
    Loan whole = assembled;
    assembled = null;
    if (result == IoError.OK && source >= 0) {
      owner.rangeOpEnded(core, result, whole != null ? whole : loans[source]);
    } else {
      owner.rangeOpEnded(core, result, null);
    }
    if (whole != null) {
      whole.close();
    }
    giveBackLoans();
    core.forget(this);
  }

  private void giveBackLoans() {
    for (int slot = 0; slot < loans.length; slot++) {
      Loan loan = loans[slot];
      if (loan != null) {
        loans[slot] = null;
        loan.close();
      }
      outstanding[slot] = 0;
    }
  }

  private Loan loan(int slot) {
    Loan loan = loans[slot];
    if (loan == null) {
      throw new IllegalStateException("equalize without the data of slot " + slot);
    }
    return loan;
  }

  @Override
  void unparked(ReplicationCore core) {
    if (step != Step.OVER) {
      granted(core);
    }
  }

  @Override
  void restart(ReplicationCore core) {
    if (step != Step.OVER && !isParked && (isLocked || isLockBorrowed)) {
      granted(core);
    }
  }

  @Override
  boolean isOver() {
    return step == Step.OVER;
  }

  @Override
  void giveUp(ReplicationCore core) {
    abort(core, IoError.EIO);
  }

  @Override
  void abort(ReplicationCore core, IoError error) {
    if (step != Step.OVER) {
      pending = 0;
      finish(core, error);
    }
  }

  @Override
  @Nullable Loan target(int slot) {
    return step == Step.READING ? loans[slot] : null;
  }

  @Override
  int expectedBytes() {
    return step == Step.READING ? windowBytes : 0;
  }
}
