package io.longhorn.engine.client;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** A device in memory that can lose its power, and can be told to lie in one way. */
final class MemoryDevice implements LoadTarget {
  /** How it lies. */
  enum Lie {
    NONE,
    /** Some writes are answered and not done. */
    LOSES_WRITES,
    /** Some reads see what a sector held before its last write. */
    READS_OLD,
    /** Some writes are done in half of a sector only. */
    TEARS_SECTORS,
    /** Some writes land a sector further. */
    MISPLACES,
    /** TRIM does nothing. */
    IGNORES_TRIM,
    /** Zeroing leaves the last sector of some ranges. */
    ZEROES_SHORT,
    /** A flush makes nothing durable. */
    LIES_ABOUT_FLUSH,
    /** A durable write is not durable. */
    LIES_ABOUT_FUA,
    /** After a crash, what was not flushed is there or not from read to read. */
    DISAGREES
  }

  private static final int RARE = 200;
  private static final int SECTOR = 512;
  private static final int BLOCK = 4096;

  private final Lie lie;
  private final RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(5);
  private final byte[] now;
  private final byte[] before;
  private final byte[] durable;
  private byte[] alternative;
  private int callsUntilLoss = Integer.MAX_VALUE;
  private int failEvery = Integer.MAX_VALUE;
  private int calls;

  MemoryDevice(int sizeBytes, Lie lie) {
    this.lie = lie;
    now = new byte[sizeBytes];
    before = new byte[sizeBytes];
    durable = new byte[sizeBytes];
  }

  /** The connection breaks after so many calls; the call itself happens or not. */
  synchronized void disconnectAfter(int count) {
    callsUntilLoss = count;
  }

  /** Every n-th call fails, having happened or not. */
  synchronized void failEvery(int count) {
    failEvery = count;
  }

  /** What was not flushed is gone, sector by sector, or not. */
  synchronized void losePower() {
    callsUntilLoss = Integer.MAX_VALUE;
    if (lie == Lie.DISAGREES) {
      alternative = durable.clone();
      return;
    }
    for (int at = 0; at < now.length; at += SECTOR) {
      if (random.nextBoolean()) {
        System.arraycopy(durable, at, now, at, SECTOR);
      }
    }
    System.arraycopy(now, 0, durable, 0, now.length);
  }

  synchronized void reconnect() {
    callsUntilLoss = Integer.MAX_VALUE;
  }

  /** Whether the call is to be done; throws if it is to fail without. */
  private boolean call() {
    calls++;
    if (--callsUntilLoss < 0) {
      throw lost();
    }
    return calls % failEvery != 0 || random.nextBoolean();
  }

  private void answer(boolean done) {
    if (callsUntilLoss == 0) {
      throw lost();
    }
    if (!done || calls % failEvery == 0) {
      throw new VolumeException(IoError.EIO, "told to fail");
    }
  }

  private static VolumeException lost() {
    return new VolumeException(IoError.DISCONNECTED, "told to break");
  }

  private boolean isRare(Lie which) {
    return lie == which && random.nextInt(RARE) == 0;
  }

  @Override
  public synchronized void read(long offset, MemorySegment target) {
    boolean done = call();
    byte[] source = isRare(Lie.READS_OLD) ? before : now;
    int length = (int) target.byteSize();
    MemorySegment.copy(source, (int) offset, target, ValueLayout.JAVA_BYTE, 0, length);
    for (int at = 0; alternative != null && at < length; at += SECTOR) {
      if (random.nextBoolean()) {
        MemorySegment.copy(
            alternative, (int) offset + at, target, ValueLayout.JAVA_BYTE, at, SECTOR);
      }
    }
    answer(done);
  }

  @Override
  public synchronized void write(long offset, MemorySegment source, boolean isFua) {
    boolean done = call();
    int length = (int) source.byteSize();
    if (isRare(Lie.TEARS_SECTORS)) {
      length -= SECTOR / 2;
    }
    int at = (int) offset;
    if (isRare(Lie.MISPLACES)) {
      at = Math.min(at + SECTOR, now.length - length);
    }
    if (done && !isRare(Lie.LOSES_WRITES)) {
      System.arraycopy(now, at, before, at, length);
      MemorySegment.copy(source, ValueLayout.JAVA_BYTE, 0, now, at, length);
      changed(at, length, isFua);
    }
    answer(done);
  }

  private void changed(int at, int length, boolean isFua) {
    if (isFua && lie != Lie.LIES_ABOUT_FUA) {
      System.arraycopy(now, at, durable, at, length);
    }
    if (alternative != null) {
      System.arraycopy(now, at, alternative, at, length);
    }
  }

  @Override
  public synchronized void zero(long offset, long length, boolean isFua) {
    boolean done = call();
    if (done) {
      int shortBy =
          isRare(Lie.ZEROES_SHORT) || (lie == Lie.ZEROES_SHORT && length < 4096) ? SECTOR : 0;
      Arrays.fill(now, (int) offset, (int) (offset + length - shortBy), (byte) 0);
      changed((int) offset, (int) length, isFua);
    }
    answer(done);
  }

  @Override
  public synchronized void trim(long offset, long length) {
    boolean done = call();
    long from = (offset + BLOCK - 1) & -BLOCK;
    long to = (offset + length) & -BLOCK;
    if (done && from < to && lie != Lie.IGNORES_TRIM) {
      Arrays.fill(now, (int) from, (int) to, (byte) 0);
      changed((int) from, (int) (to - from), false);
    }
    answer(done);
  }

  @Override
  public synchronized void flush() {
    boolean done = call();
    if (done && lie != Lie.LIES_ABOUT_FLUSH) {
      System.arraycopy(now, 0, durable, 0, now.length);
    }
    answer(done);
  }
}
