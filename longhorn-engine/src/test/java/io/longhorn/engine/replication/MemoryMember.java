package io.longhorn.engine.replication;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FrameType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A member in memory: keeps the frames it was sent and carries them out in any order, as a replica
 * may.
 */
final class MemoryMember implements MemberLink {
  /** A frame that was sent and not carried out. */
  private record Sent(
      FrameType type,
      int flags,
      long sequence,
      long offset,
      int length,
      byte @Nullable [] data,
      int[] crcs) {}

  final byte[] volume;
  private final int slot;
  private final List<Sent> queue = new ArrayList<>();
  private final Crc32c crc = new Crc32c();

  /** Blocks whose next reads do not match their checksum, until they are written. */
  final boolean[] damaged;

  /** What writes answer. */
  IoError writesAnswer = IoError.OK;

  MemoryMember(int slot, int sizeBytes) {
    this.slot = slot;
    volume = new byte[sizeBytes];
    damaged = new boolean[sizeBytes / Crc32c.BLOCK_BYTES];
  }

  @Override
  public void send(FrameDraft frame) {
    Loan data = frame.data();
    byte[] bytes = null;
    if (data != null) {
      bytes = new byte[frame.length()];
      data.buffer().clear().position(frame.dataAt());
      data.buffer().get(bytes);
      for (int i = 0; i < frame.length() / Crc32c.BLOCK_BYTES; i++) {
        int at = frame.dataAt() + i * Crc32c.BLOCK_BYTES;
        if (crc.of(data.buffer(), at, Crc32c.BLOCK_BYTES) != frame.crcs()[i]) {
          throw new AssertionError("block " + i + " of a write was sent with a wrong CRC");
        }
      }
    }
    queue.add(
        new Sent(
            frame.type(),
            frame.flags(),
            frame.sequence(),
            frame.offset(),
            frame.length(),
            bytes,
            frame.crcs().clone()));
  }

  @Override
  public boolean isLocal() {
    return false;
  }

  int waiting() {
    return queue.size();
  }

  void loseAll() {
    queue.clear();
  }

  /** Carries out one of the waiting frames, and answers. */
  void carryOutOne(ReplicationCore core, RandomGenerator random) {
    Sent frame = queue.remove(random.nextInt(queue.size()));
    int at = (int) frame.offset;
    switch (frame.type) {
      case READ -> read(core, frame, at);
      case WRITE -> {
        if (writesAnswer == IoError.OK) {
          System.arraycopy(
              frame.data == null ? new byte[0] : frame.data, 0, volume, at, frame.length);
          Arrays.fill(
              damaged, at / Crc32c.BLOCK_BYTES, (at + frame.length) / Crc32c.BLOCK_BYTES, false);
        }
        core.answered(slot, frame.sequence, writesAnswer, 0);
      }
      case ZERO, TRIM -> {
        Arrays.fill(volume, at, at + frame.length, (byte) 0);
        Arrays.fill(
            damaged, at / Crc32c.BLOCK_BYTES, (at + frame.length) / Crc32c.BLOCK_BYTES, false);
        core.answered(slot, frame.sequence, IoError.OK, 0);
      }
      case FLUSH -> core.answered(slot, frame.sequence, IoError.OK, 0);
      default -> throw new AssertionError("unexpected frame " + frame.type);
    }
  }

  private void read(ReplicationCore core, Sent frame, int at) {
    Loan target = core.target(slot, frame.sequence);
    if (target == null) {
      core.answered(slot, frame.sequence, IoError.OK, 0);
      return;
    }
    if (core.expectedBytes(frame.sequence) != frame.length) {
      throw new AssertionError(
          "read of " + frame.length + " expected " + core.expectedBytes(frame.sequence));
    }
    boolean isDamaged = false;
    for (int block = at / Crc32c.BLOCK_BYTES;
        block < (at + frame.length) / Crc32c.BLOCK_BYTES;
        block++) {
      isDamaged |= damaged[block];
    }
    target.buffer().clear();
    target.buffer().put(volume, at, frame.length);
    core.answered(slot, frame.sequence, isDamaged ? IoError.CHECKSUM : IoError.OK, frame.length);
  }
}
