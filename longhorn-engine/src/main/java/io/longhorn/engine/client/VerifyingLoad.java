package io.longhorn.engine.client;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.jspecify.annotations.Nullable;

/**
 * Random reads, writes, zeroes, trims and flushes, 512 bytes to 1 MiB, against a device that nobody
 * else writes to, from a seed; every byte that comes back is checked against what may stand there.
 * The model outlives a run, so that one load goes on across reconnects, crashes and restarts of the
 * server: run, kill, {@link #crashed}, run again, {@link #verifyAll}.
 *
 * <p>The sequence of operations of each thread follows from the seed; how they interleave does not.
 */
public final class VerifyingLoad {
  /** Longest request, in bytes. */
  public static final int MAX_BYTES = 1 << 20;

  /** Largest device: the model takes 8 bytes a sector. */
  public static final long MAX_SIZE_BYTES = 64L << 30;

  /** Sectors whose content is uncertain until a flush; more of them force one. */
  private static final int MAX_UNSETTLED = 256 << 10;

  /** Errors that end a run: the device is beyond use. */
  private static final int MAX_ERRORS = 10_000;

  private static final String GENERATOR = "L64X128MixRandom";
  private static final int SECTOR = SectorContent.SECTOR_BYTES;

  private final long seed;
  private final SectorModel model;
  private final ReentrantLock lock = new ReentrantLock();
  private int runs;
  private volatile boolean isStopping;

  /**
   * A load for a device that is all zeros now.
   *
   * @param sizeBytes of the device, or of its beginning; whole blocks of 4 KiB
   */
  public VerifyingLoad(long seed, long sizeBytes) {
    if (sizeBytes <= 0 || sizeBytes > MAX_SIZE_BYTES || sizeBytes % 4096 != 0) {
      throw new IllegalArgumentException("size of " + sizeBytes + " bytes");
    }
    this.seed = seed;
    model = new SectorModel((int) (sizeBytes / SECTOR));
  }

  /** The seed, to be printed with every result. */
  public long seed() {
    return seed;
  }

  /**
   * Runs until so many operations were answered, all targets are lost, a read was wrong, or {@link
   * #stop}.
   *
   * @param depth threads, each with one call under way, per target
   */
  public LoadReport run(List<LoadTarget> targets, int depth, long operations) {
    isStopping = false;
    Tally tally = new Tally(operations);
    List<Thread> threads = new ArrayList<>();
    int run = runs++;
    for (LoadTarget target : targets) {
      for (int i = 0; i < depth; i++) {
        long lane = 1_000_003L * run + threads.size();
        RandomGenerator random = RandomGeneratorFactory.of(GENERATOR).create(seed + lane);
        Worker worker = new Worker(target, random, tally);
        threads.add(Thread.ofPlatform().daemon().name("load-" + lane).start(worker));
      }
    }
    threads.forEach(VerifyingLoad::join);
    return tally.report();
  }

  private static void join(Thread thread) {
    boolean wasInterrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException _) {
        wasInterrupted = true;
      }
    }
    if (wasInterrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ends the run that is under way, after the calls that are. Any thread. */
  public void stop() {
    isStopping = true;
  }

  /**
   * Between two runs: what was under way when the last one ended is over, with an unknown outcome,
   * because its server is dead, or alive and done with the old connections.
   *
   * @param unflushedMayBeLost whether every copy has lost its power, so that what was answered but
   *     not flushed may be gone
   */
  public void crashed(boolean unflushedMayBeLost) {
    lock.lock();
    try {
      model.crashed(unflushedMayBeLost);
    } finally {
      lock.unlock();
    }
  }

  /** Reads and checks the whole device once; nothing else may be running. */
  public LoadReport verifyAll(LoadTarget target) {
    isStopping = false;
    Tally tally = new Tally(Long.MAX_VALUE);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment memory = arena.allocate(MAX_BYTES, 4096);
      int step = MAX_BYTES / SECTOR;
      for (int at = 0; at < model.sectors() && !tally.isOver(); at += step) {
        read(target, memory, at, Math.min(step, model.sectors() - at), tally);
      }
    } catch (VolumeException e) {
      tally.failed(e);
    }
    return tally.report();
  }

  private void read(LoadTarget target, MemorySegment memory, int first, int count, Tally tally) {
    SectorModel.Sight sight = beginRead(first, count);
    MemorySegment wanted = memory.asSlice(0, (long) count * SECTOR);
    target.read((long) first * SECTOR, wanted);
    int[] versions = new int[count];
    for (int i = 0; i < count; i++) {
      versions[i] = SectorContent.versionAt(wanted, (long) i * SECTOR, seed, first + i);
    }
    lock.lock();
    try {
      for (int i = 0; i < count; i++) {
        String expected = model.saw(sight, i, versions[i]);
        if (expected != null) {
          tally.mismatch(describe(wanted, first, i, versions[i], expected));
          return;
        }
      }
      tally.answered(Kind.READ, wanted.byteSize());
    } finally {
      lock.unlock();
    }
  }

  private SectorModel.Sight beginRead(int first, int count) {
    lock.lock();
    try {
      return model.beginRead(first, count);
    } finally {
      lock.unlock();
    }
  }

  private String describe(MemorySegment memory, int first, int index, int version, String wanted) {
    String got =
        switch (version) {
          case SectorContent.ZEROS -> "zeros";
          case SectorContent.GARBAGE -> SectorContent.describe(memory, (long) index * SECTOR, seed);
          default -> "version " + version;
        };
    long offset = (first + (long) index) * SECTOR;
    return "at offset " + offset + ": " + got + ", but only " + wanted + " may be there";
  }

  private enum Kind {
    READ,
    WRITE,
    ZERO,
    TRIM,
    FLUSH
  }

  /** Counts of one run; under the load's lock. */
  private final class Tally {
    private final long wanted;
    private final long[] answered = new long[Kind.values().length];
    private long total;
    private long bytes;
    private long errors;
    private long lastNanos = System.nanoTime();
    private long longestNanos;
    private @Nullable String firstError;
    private @Nullable String firstMismatch;

    Tally(long wanted) {
      this.wanted = wanted;
    }

    void answered(Kind kind, long moved) {
      lock.lock();
      try {
        answered[indexOf(kind)]++;
        total++;
        bytes += moved;
        long now = System.nanoTime();
        longestNanos = Math.max(longestNanos, now - lastNanos);
        lastNanos = now;
      } finally {
        lock.unlock();
      }
    }

    void failed(VolumeException error) {
      lock.lock();
      try {
        errors++;
        firstError = firstError == null ? error.getMessage() : firstError;
      } finally {
        lock.unlock();
      }
    }

    void mismatch(String what) {
      firstMismatch = firstMismatch == null ? what + " (seed " + seed + ")" : firstMismatch;
      isStopping = true;
    }

    boolean isOver() {
      lock.lock();
      try {
        return isStopping || total >= wanted || errors >= MAX_ERRORS;
      } finally {
        lock.unlock();
      }
    }

    LoadReport report() {
      lock.lock();
      try {
        return new LoadReport(
            answered[indexOf(Kind.READ)],
            answered[indexOf(Kind.WRITE)],
            answered[indexOf(Kind.ZERO)],
            answered[indexOf(Kind.TRIM)],
            answered[indexOf(Kind.FLUSH)],
            bytes,
            errors,
            Math.max(longestNanos, System.nanoTime() - lastNanos) / 1_000_000,
            Optional.ofNullable(firstError),
            Optional.ofNullable(firstMismatch));
      } finally {
        lock.unlock();
      }
    }

    private static int indexOf(Kind kind) {
      return switch (kind) {
        case READ -> 0;
        case WRITE -> 1;
        case ZERO -> 2;
        case TRIM -> 3;
        case FLUSH -> 4;
      };
    }
  }

  /** One call under way at a time. */
  private final class Worker implements Runnable {
    private final LoadTarget target;
    private final RandomGenerator random;
    private final Tally tally;

    Worker(LoadTarget target, RandomGenerator random, Tally tally) {
      this.target = target;
      this.random = random;
      this.tally = tally;
    }

    @Override
    public void run() {
      try (Arena arena = Arena.ofShared()) {
        MemorySegment memory = arena.allocate(MAX_BYTES, 4096);
        while (!tally.isOver()) {
          try {
            operate(memory);
          } catch (VolumeException e) {
            tally.failed(e);
            if (e.error() == IoError.DISCONNECTED) {
              return;
            }
          }
        }
      }
    }

    private void operate(MemorySegment memory) {
      int dice = random.nextInt(100);
      int count = randomCount();
      int first = random.nextInt(model.sectors() - count + 1);
      if (dice < 6 || mustFlush()) {
        flush();
      } else if (dice < 45) {
        read(target, memory, first, count, tally);
      } else if (dice < 85) {
        write(memory, first, count, random.nextInt(8) == 0);
      } else if (dice < 93) {
        change(Kind.ZERO, first, count, random.nextInt(8) == 0);
      } else {
        change(Kind.TRIM, first, count, false);
      }
    }

    /** Sizes are spread evenly over their magnitudes; one in two is whole blocks. */
    private int randomCount() {
      int most = Math.min(MAX_BYTES / SECTOR, model.sectors());
      int magnitude = random.nextInt(32 - Integer.numberOfLeadingZeros(most));
      int count = Math.min(most, (1 << magnitude) + random.nextInt(1 << magnitude));
      boolean isWhole = random.nextBoolean() && count >= SectorModel.BLOCK_SECTORS;
      return isWhole ? count - count % SectorModel.BLOCK_SECTORS : count;
    }

    private boolean mustFlush() {
      lock.lock();
      try {
        return model.unsettled() > MAX_UNSETTLED;
      } finally {
        lock.unlock();
      }
    }

    private SectorModel.Change begin(int first, int count, Kind kind) {
      lock.lock();
      try {
        return model.begin(first, count, kind != Kind.WRITE, kind == Kind.TRIM);
      } finally {
        lock.unlock();
      }
    }

    private void end(SectorModel.Change change, Kind kind, boolean isDone, boolean isDurable) {
      lock.lock();
      try {
        model.end(change, isDone, isDurable);
      } finally {
        lock.unlock();
      }
      if (isDone) {
        tally.answered(kind, kind == Kind.WRITE ? (long) change.count * SECTOR : 0);
      }
    }

    /** A lost connection says nothing of the outcome, not even that it is over. */
    private void failed(SectorModel.Change change, Kind kind, VolumeException error) {
      if (error.error() != IoError.DISCONNECTED) {
        end(change, kind, false, false);
      }
      throw error;
    }

    private void write(MemorySegment memory, int first, int count, boolean isFua) {
      SectorModel.Change change = begin(first, count, Kind.WRITE);
      for (int i = 0; i < count; i++) {
        SectorContent.fill(memory, (long) i * SECTOR, seed, first + i, change.version);
      }
      try {
        target.write((long) first * SECTOR, memory.asSlice(0, (long) count * SECTOR), isFua);
      } catch (VolumeException e) {
        failed(change, Kind.WRITE, e);
      }
      end(change, Kind.WRITE, true, isFua);
    }

    private void change(Kind kind, int first, int count, boolean isFua) {
      SectorModel.Change change = begin(first, count, kind);
      try {
        if (kind == Kind.ZERO) {
          target.zero((long) first * SECTOR, (long) count * SECTOR, isFua);
        } else {
          target.trim((long) first * SECTOR, (long) count * SECTOR);
        }
      } catch (VolumeException e) {
        failed(change, kind, e);
      }
      end(change, kind, true, isFua);
    }

    private int beginFlush() {
      lock.lock();
      try {
        return model.beginFlush();
      } finally {
        lock.unlock();
      }
    }

    private void flush() {
      int issued = beginFlush();
      target.flush();
      lock.lock();
      try {
        model.endFlush(issued);
      } finally {
        lock.unlock();
      }
      tally.answered(Kind.FLUSH, 0);
    }
  }
}
