package io.longhorn.benchmarks;

import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Loans and checksums: what every block of data pays. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class MemoryBenchmark {
  /** A pool with one block of data out. */
  @State(Scope.Thread)
  public static class Memory {
    private static final int CHUNK_BYTES = 128 << 10;

    private final LoanPool pool = new LoanPool(4L << 20);
    private final Crc32c crc = new Crc32c();
    private @Nullable Loan chunk;

    /** Fills a chunk with something. */
    @Setup(Level.Trial)
    public void fill() {
      chunk = Objects.requireNonNull(pool.take(CHUNK_BYTES));
      chunk.segment().fill((byte) 0x5A);
    }

    /** Gives everything back. */
    @TearDown(Level.Trial)
    public void free() {
      Objects.requireNonNull(chunk).close();
      pool.close();
    }
  }

  /** A block of 4 KiB taken and given back. */
  @Benchmark
  public long loanOf4KiB(Memory memory) {
    try (Loan loan = Objects.requireNonNull(memory.pool.take(Crc32c.BLOCK_BYTES))) {
      return loan.address();
    }
  }

  /** CRC32C of one block of 4 KiB. */
  @Benchmark
  public int crcOfABlock(Memory memory) {
    return memory.crc.of(Objects.requireNonNull(memory.chunk).buffer(), 0, Crc32c.BLOCK_BYTES);
  }

  /** CRC32C of each of the 32 blocks of a chunk. */
  @Benchmark
  public int crcOfTheBlocksOfAChunk(Memory memory) {
    int all = 0;
    for (int at = 0; at < Memory.CHUNK_BYTES; at += Crc32c.BLOCK_BYTES) {
      all ^= memory.crc.of(Objects.requireNonNull(memory.chunk).buffer(), at, Crc32c.BLOCK_BYTES);
    }
    return all;
  }
}
