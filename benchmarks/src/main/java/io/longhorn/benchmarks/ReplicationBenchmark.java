package io.longhorn.benchmarks;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.engine.replication.FrameDraft;
import io.longhorn.engine.replication.MemberLink;
import io.longhorn.engine.replication.Members;
import io.longhorn.engine.replication.Regions;
import io.longhorn.engine.replication.ReplicationCore;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the replication core adds to a request of 4 KiB: locks, checksums, three members, their
 * answers. Members answer from memory, a batch at a time, as they do when they are busy.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class ReplicationBenchmark {
  private static final int DEPTH = 32;
  private static final int MEMBERS = 3;
  private static final int ALL_MEMBERS = (1 << MEMBERS) - 1;
  private static final long SIZE_BYTES = 1L << 30;

  /** An open volume. */
  @State(Scope.Thread)
  public static class Volume {
    private final Client client = new Client();
  }

  /** The core, its surroundings and one client. */
  private static final class Client implements Members, Regions, IoRequest.Completion {
    private final ReplicationCore core =
        new ReplicationCore(SIZE_BYTES, this, this, 0, new LoanPool(Long.MAX_VALUE));
    private final Member[] members = new Member[MEMBERS];
    private final VolumePort port;
    private long nextBlock;
    private int completed;

    Client() {
      for (int slot = 0; slot < MEMBERS; slot++) {
        members[slot] = new Member(core, slot);
        core.linked(slot, members[slot]);
      }
      core.sets(ALL_MEMBERS, ALL_MEMBERS, 0);
      core.open();
      port = core.openPort();
    }

    int batch(IoKind kind) {
      completed = 0;
      for (int i = 0; i < DEPTH; i++) {
        long offset = nextBlock * Crc32c.BLOCK_BYTES;
        nextBlock = (nextBlock + 7919) % (SIZE_BYTES / Crc32c.BLOCK_BYTES);
        IoRequest request =
            Objects.requireNonNull(port.take(kind, offset, Crc32c.BLOCK_BYTES), "credits");
        request.onCompletion(this, null, i);
        port.submit(request);
      }
      for (Member member : members) {
        member.answerAll();
      }
      if (completed != DEPTH) {
        throw new IllegalStateException(completed + " of " + DEPTH + " requests completed");
      }
      return completed;
    }

    @Override
    public void completed(IoRequest request) {
      if (!request.error().isOk()) {
        throw new IllegalStateException("request failed: " + request.error());
      }
      completed++;
      port.release(request);
    }

    @Override
    public boolean mayServeReads() {
      return true;
    }

    @Override
    public void memberFailed(int slot, IoError error, String what) {
      throw new IllegalStateException("member " + slot + " failed " + what + ": " + error);
    }

    @Override
    public void fenced(int slot) {
      throw new IllegalStateException("member " + slot + " fenced");
    }

    @Override
    public boolean isUnreconciled(long offset, int length) {
      return false;
    }

    @Override
    public void unreconciled(long offset, int length) {}

    @Override
    public void writeSent(long offset, int length) {}

    @Override
    public void writeEnded(long offset, int length) {}

    @Override
    public boolean mayFlush() {
      return true;
    }

    @Override
    public long flushSent() {
      return 1;
    }

    @Override
    public void flushEnded(long number, boolean isDurable) {}
  }

  /** Keeps what it was sent, and answers all of it when told. */
  private static final class Member implements MemberLink {
    private final ReplicationCore core;
    private final int slot;
    private final long[] sequences = new long[DEPTH];
    private final int[] lengths = new int[DEPTH];
    private final MemorySegment content = MemorySegment.ofArray(new byte[Crc32c.BLOCK_BYTES]);
    private int waiting;

    Member(ReplicationCore core, int slot) {
      this.core = core;
      this.slot = slot;
    }

    @Override
    public void send(FrameDraft frame) {
      sequences[waiting] = frame.sequence();
      lengths[waiting] = frame.data() == null ? frame.length() : 0;
      waiting++;
    }

    @Override
    public boolean isLocal() {
      return false;
    }

    void answerAll() {
      int count = waiting;
      waiting = 0;
      for (int i = 0; i < count; i++) {
        Loan target = core.target(slot, sequences[i]);
        if (target != null) {
          MemorySegment.copy(content, 0, target.segment(), 0, Crc32c.BLOCK_BYTES);
        }
        core.answered(slot, sequences[i], IoError.OK, lengths[i]);
      }
    }
  }

  /** A write of 4 KiB at depth 32, to three members. */
  @Benchmark
  @OperationsPerInvocation(DEPTH)
  public int write4KiB(Volume volume) {
    return volume.client.batch(IoKind.WRITE);
  }

  /** A read of 4 KiB at depth 32. */
  @Benchmark
  @OperationsPerInvocation(DEPTH)
  public int read4KiB(Volume volume) {
    return volume.client.batch(IoKind.READ);
  }
}
