package io.longhorn.engine.replication;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.BlockState;
import io.longhorn.api.wire.FrameType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * Makes one layer of a returned replica equal to a member's over at most one chunk, under the
 * range's exclusive lock: compares state and hash of each block, then copies data, zero and absence
 * where they differ. Moves only what differs.
 */
final class CopyOp extends VolumeRequest {
  private enum Step {
    HASHING,
    READING,
    WRITING,
    OVER
  }

  private final int layer;
  private final int source;
  private final int target;
  private final RangeOpOwner owner;
  private Step step = Step.HASHING;
  private @Nullable Loan ofSource;
  private @Nullable Loan ofTarget;
  private @Nullable Loan data;
  private int outstanding;

  CopyOp(int layer, int source, int target, long first, int span, RangeOpOwner owner) {
    range(first, span, true);
    this.layer = layer;
    this.source = source;
    this.target = target;
    this.owner = owner;
  }

  @Override
  void granted(ReplicationCore core) {
    if (!core.isOpen()
        || (core.readable() & (1 << source)) == 0
        || (core.writable() & (1 << target)) == 0) {
      finish(core, IoError.DISCONNECTED);
      return;
    }
    ofSource = core.takeLoan(hashBytes());
    ofTarget = core.takeLoan(hashBytes());
    pending = 1 << source | 1 << target;
    core.send(source, core.draft(this, FrameType.BLOCK_HASHES, layer).range(first, span()));
    core.send(target, core.draft(this, FrameType.BLOCK_HASHES, layer).range(first, span()));
  }

  @Override
  void answered(ReplicationCore core, int slot, IoError status, int payloadLength) {
    if (step == Step.OVER) {
      return;
    }
    if (status != IoError.OK) {
      if (status == IoError.FENCED || status == IoError.STALE) {
        core.members().fenced(slot);
      } else if (slot == target || step == Step.WRITING) {
        core.memberFailed(slot, status, "resync");
      }
      finish(core, status);
      return;
    }
    switch (step) {
      case HASHING -> {
        pending &= ~(1 << slot);
        if (pending == 0) {
          compare(core);
        }
      }
      case READING -> {
        pending = 0;
        write(core);
      }
      case WRITING -> {
        outstanding--;
        if (outstanding == 0) {
          finish(core, IoError.OK);
        }
      }
      case OVER -> throw new IllegalStateException("answered after it was over");
    }
  }

  private void compare(ReplicationCore core) {
    boolean needsData = false;
    for (int block = 0; block < blocks(); block++) {
      needsData |= differs(block) && state(block) == BlockState.DATA;
    }
    if (!needsData) {
      write(core);
      return;
    }
    step = Step.READING;
    data = core.takeLoan(span());
    pending = 1 << source;
    core.send(source, core.draft(this, FrameType.READ, layer).range(first, span()));
  }

  private void write(ReplicationCore core) {
    step = Step.WRITING;
    int blocks = blocks();
    int block = 0;
    while (block < blocks) {
      if (!differs(block)) {
        block++;
        continue;
      }
      BlockState state = state(block);
      int begin = block;
      while (block < blocks && differs(block) && state(block) == state) {
        block++;
      }
      sendRun(core, state, begin, block);
    }
    if (outstanding == 0) {
      finish(core, IoError.OK);
    }
  }

  private void sendRun(ReplicationCore core, BlockState state, int begin, int end) {
    int at = begin * Crc32c.BLOCK_BYTES;
    int length = (end - begin) * Crc32c.BLOCK_BYTES;
    FrameType type =
        switch (state) {
          case DATA -> FrameType.WRITE;
          case ZERO -> FrameType.ZERO;
          case ABSENT -> FrameType.ABSENT;
        };
    FrameDraft frame = core.draft(this, type, layer).range(first + at, length);
    if (state == BlockState.DATA) {
      Loan loan = present(data);
      frame.data(loan, at);
      core.checksum(loan, at, length, frame.crcs());
    }
    outstanding++;
    pending = 1 << target;
    core.send(target, frame);
  }

  private boolean differs(int block) {
    long at = (long) block * FrameType.HASH_ENTRY_BYTES;
    long to = at + FrameType.HASH_ENTRY_BYTES;
    return MemorySegment.mismatch(
            present(ofSource).segment(), at, to, present(ofTarget).segment(), at, to)
        >= 0;
  }

  private BlockState state(int block) {
    return BlockState.ofCode(
        present(ofSource)
            .segment()
            .get(ValueLayout.JAVA_BYTE, (long) block * FrameType.HASH_ENTRY_BYTES));
  }

  private int blocks() {
    return span() / Crc32c.BLOCK_BYTES;
  }

  private int hashBytes() {
    return blocks() * FrameType.HASH_ENTRY_BYTES;
  }

  @Override
  void linkLost(ReplicationCore core, int slot) {
    if (slot == source || slot == target) {
      abort(core, IoError.DISCONNECTED);
    }
  }

  private void finish(ReplicationCore core, IoError result) {
    if (step == Step.OVER) {
      return;
    }
    step = Step.OVER;
    pending = 0;
    giveBack(ofSource);
    giveBack(ofTarget);
    giveBack(data);
    if (isLocked) {
      core.unlock(this);
    }
    core.forget(this);
    owner.rangeOpEnded(core, result, null);
  }

  private static void giveBack(@Nullable Loan loan) {
    if (loan != null) {
      loan.close();
    }
  }

  private static Loan present(@Nullable Loan loan) {
    if (loan == null) {
      throw new IllegalStateException("copy without its data");
    }
    return loan;
  }

  @Override
  void restart(ReplicationCore core) {
    abort(core, IoError.DISCONNECTED);
  }

  @Override
  void unparked(ReplicationCore core) {
    throw new IllegalStateException("a copy is never parked");
  }

  @Override
  boolean isOver() {
    return step == Step.OVER;
  }

  @Override
  void giveUp(ReplicationCore core) {
    abort(core, IoError.TIMEOUT);
  }

  @Override
  void abort(ReplicationCore core, IoError error) {
    if (isLocked) {
      finish(core, error);
    } else {
      // Waits for its range: finish when it has it, the locks know no other way out.
      step = Step.OVER;
      owner.rangeOpEnded(core, error, null);
    }
  }

  @Override
  @Nullable Loan target(int slot) {
    return switch (step) {
      case HASHING -> slot == source ? ofSource : ofTarget;
      case READING -> data;
      case WRITING, OVER -> null;
    };
  }

  @Override
  int expectedBytes() {
    return switch (step) {
      case HASHING -> hashBytes();
      case READING -> span();
      case WRITING, OVER -> 0;
    };
  }
}
