package io.longhorn.benchmarks;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.engine.frontend.nbd.protocol.Nbd;
import io.longhorn.engine.frontend.nbd.protocol.NbdExport;
import io.longhorn.engine.frontend.nbd.protocol.NbdSession;
import io.longhorn.engine.frontend.nbd.protocol.Outbound;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
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
 * What the NBD protocol adds to a request of 4 KiB: 32 commands that arrived together are parsed,
 * cut, completed at once and answered. Nothing of the volume is in it.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class NbdBenchmark {
  private static final int DEPTH = 32;
  private static final long SIZE_BYTES = 1L << 30;

  /** A client in transmission. */
  @State(Scope.Thread)
  public static class Client {
    private final Connection connection = new Connection();
  }

  /** The connection, its port and its outbound, and what the client sends. */
  private static final class Connection implements VolumePort, Outbound {
    private final LoanPool pool = new LoanPool(16L << 20);
    private final ArrayDeque<Request> free = new ArrayDeque<>();
    private final NbdSession session;
    private final ByteBuffer reads = batch(Nbd.CMD_READ);
    private final ByteBuffer writes = batch(Nbd.CMD_WRITE);
    private int taken;
    private long answeredBytes;

    /** Shakes hands, with structured replies. */
    Connection() {
      session = new NbdSession(new NbdExport("v", ""), this, this);
      session.start();
      byte[] name = "v".getBytes(StandardCharsets.UTF_8);
      ByteBuffer hello =
          ByteBuffer.allocateDirect(128)
              .putInt(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES)
              .putLong(Nbd.IHAVEOPT)
              .putInt(Nbd.OPT_STRUCTURED_REPLY)
              .putInt(0)
              .putLong(Nbd.IHAVEOPT)
              .putInt(Nbd.OPT_GO)
              .putInt(4 + name.length + 2)
              .putInt(name.length)
              .put(name)
              .putShort((short) 0);
      int end = hello.position();
      if (session.consume(hello, 0, end) != end || !session.isTransmitting()) {
        throw new IllegalStateException("the handshake did not end in transmission");
      }
    }

    private static ByteBuffer batch(int command) {
      int payload = command == Nbd.CMD_WRITE ? Crc32c.BLOCK_BYTES : 0;
      ByteBuffer out = ByteBuffer.allocateDirect(DEPTH * (Nbd.REQUEST_BYTES + payload));
      for (int i = 0; i < DEPTH; i++) {
        out.putInt(Nbd.REQUEST_MAGIC)
            .putShort((short) 0)
            .putShort((short) command)
            .putLong(i)
            .putLong((i * 7919L % (SIZE_BYTES / Crc32c.BLOCK_BYTES)) * Crc32c.BLOCK_BYTES)
            .putInt(Crc32c.BLOCK_BYTES);
        out.position(out.position() + payload);
      }
      return out;
    }

    long send(ByteBuffer batch) {
      answeredBytes = 0;
      int end = batch.capacity();
      int at = session.consume(batch, 0, end);
      if (at != end || taken != 0) {
        throw new IllegalStateException(at + " of " + end + " bytes taken, " + taken + " left");
      }
      return answeredBytes;
    }

    @Override
    public long sizeBytes() {
      return SIZE_BYTES;
    }

    @Override
    public @Nullable IoRequest take(IoKind kind, long offset, int length) {
      Request request = free.poll();
      if (request == null) {
        request = new Request();
      }
      request.start(kind, offset, length, Objects.requireNonNull(pool.take(length)));
      taken++;
      return request;
    }

    @Override
    public void submit(IoRequest request) {
      ((Request) request).finish();
    }

    @Override
    public void release(IoRequest request) {
      Request released = (Request) request;
      released.drop();
      free.push(released);
      taken--;
    }

    @Override
    public int taken() {
      return taken;
    }

    @Override
    public void close() {}

    @Override
    public void copy(MemorySegment source, int length) {
      answeredBytes += length;
    }

    @Override
    public void append(Loan loan, int at, int length) {
      answeredBytes += length;
    }

    @Override
    public boolean isCongested() {
      return false;
    }

    @Override
    public void close(String reason) {
      throw new IllegalStateException(reason);
    }
  }

  private static final class Request extends IoRequest {
    void start(IoKind kind, long offset, int length, Loan loan) {
      begin(kind, offset, length, loan);
    }

    void finish() {
      complete(IoError.OK);
    }

    void drop() {
      Objects.requireNonNull(end()).close();
    }
  }

  /** One WRITE of 4 KiB of a batch of 32, from its bytes to the bytes of its reply. */
  @Benchmark
  @OperationsPerInvocation(DEPTH)
  public long writeOfABatch(Client client) {
    return client.connection.send(client.connection.writes);
  }

  /** One READ of 4 KiB of a batch of 32, the same way. */
  @Benchmark
  @OperationsPerInvocation(DEPTH)
  public long readOfABatch(Client client) {
    return client.connection.send(client.connection.reads);
  }
}
