package io.longhorn.engine.frontend.nbd.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.longhorn.api.memory.Loan;
import io.longhorn.engine.request.MemoryVolumePort;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** In steady state a session allocates nothing per READ, WRITE and FLUSH. */
class AllocationTest {
  private static final int WARM_UP = 20_000;
  private static final int MEASURED = 20_000;

  /** What the measurement itself and a stray recompilation may cost, over all rounds. */
  private static final long SLACK_BYTES = 64 << 10;

  private static final class Sink implements Outbound {
    long bytes;

    @Override
    public void copy(MemorySegment source, int length) {
      bytes += length;
    }

    @Override
    public void append(Loan loan, int at, int length) {
      bytes += length;
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

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void readWriteAndFlushAllocateNothing(boolean isStructured) {
    var disk = new MemoryVolumePort.Disk(1 << 20);
    var port = new MemoryVolumePort(disk, 64, SessionRig.random(1)).quiet().immediate();
    Sink out = new Sink();
    NbdSession session = new NbdSession(new NbdExport("v", ""), port, out);
    byte[] hello = SessionRig.clientFlags(3);
    if (isStructured) {
      hello = SessionRig.concat(hello, SessionRig.option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
    }
    hello = SessionRig.concat(hello, SessionRig.go(Nbd.OPT_GO, "v"));
    session.start();
    session.consume(ByteBuffer.wrap(hello), 0, hello.length);
    byte[] turn =
        SessionRig.concat(
            SessionRig.request(Nbd.CMD_READ, 0, 1, 4096, 4096),
            SessionRig.request(Nbd.CMD_READ, 0, 2, 100, 300_000),
            SessionRig.write(0, 3, 8192, new byte[4096]),
            SessionRig.write(Nbd.CMD_FLAG_FUA, 4, 131_000, new byte[1000]),
            SessionRig.request(Nbd.CMD_FLUSH, 0, 5, 0, 0));
    ByteBuffer in = ByteBuffer.allocateDirect(turn.length).put(turn);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    for (int i = 0; i < WARM_UP; i++) {
      assert session.consume(in, 0, turn.length) == turn.length;
    }
    long sent = out.bytes;
    long before = threads.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < MEASURED; i++) {
      int taken = session.consume(in, 0, turn.length);
      if (taken != turn.length) {
        throw new IllegalStateException("took " + taken);
      }
    }
    long allocated = threads.getCurrentThreadAllocatedBytes() - before;
    assertThat(out.bytes - sent).isGreaterThan(MEASURED * 304_000L);
    assertThat(allocated).as("bytes in %d turns", MEASURED).isLessThan(SLACK_BYTES);
  }
}
