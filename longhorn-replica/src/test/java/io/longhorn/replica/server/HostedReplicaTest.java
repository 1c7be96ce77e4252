package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.replica.FrameExchange;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.LocalReplica.LocalConnection;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello.Role;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.replica.posix.Allocation;
import io.longhorn.replica.store.BareStore;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The same sessions, with frames handed over inside this JVM. */
@Timeout(60)
class HostedReplicaTest {
  private static final int BLOCK = 4096;
  private static final EngineId ENGINE = ServedReplica.ENGINE;

  private final Arena arena = Arena.ofShared();
  private DiskThreads disk;
  private BareStore store;
  private LocalReplica replica;

  @BeforeEach
  void open() {
    disk = new DiskThreads("test");
    store = new BareStore(disk);
    replica = HostedReplica.start(new ReplicaHost(store, disk));
  }

  @AfterEach
  void close() {
    store.letGo();
    replica.close();
    arena.close();
  }

  /** The engine's side of a connection. */
  private final class Engine implements LocalReplica.Listener {
    final BlockingQueue<FrameExchange> answers = new ArrayBlockingQueue<>(4096);
    final AtomicInteger closed = new AtomicInteger();
    final LocalConnection connection = replica.connect(this);
    final MemorySegment memory = arena.allocate(1 << 20, 4096);
    final ByteBuffer view = memory.asByteBuffer();
    // A queue with a lock costs its producer an object now and then.
    final AtomicInteger counted = new AtomicInteger();
    volatile boolean isCounting;
    long generation;
    private long sequence;

    @Override
    public void answered(FrameExchange exchange) {
      if (isCounting) {
        counted.incrementAndGet();
      } else {
        answers.add(exchange);
      }
    }

    @Override
    public void closed() {
      closed.incrementAndGet();
    }

    FrameExchange exchange(FrameType type, long offset, int length) {
      FrameExchange exchange = new FrameExchange(arena);
      fill(exchange, type, offset, length);
      return exchange;
    }

    void fill(FrameExchange exchange, FrameType type, long offset, int length) {
      FrameHeader.write(exchange.head(), 0, type, 0, generation, ++sequence);
      FrameHeader.range(exchange.head(), 0, offset, length);
      if (type == FrameType.WRITE) {
        FrameHeader.payload(exchange.head(), 0, length / BLOCK, length);
      }
    }

    FrameExchange control(FrameType type, byte[] payload) {
      FrameExchange exchange = exchange(type, 0, 0);
      FrameHeader.payload(exchange.head(), 0, 0, payload.length);
      exchange.control(payload);
      return exchange;
    }

    FrameExchange next() {
      try {
        FrameExchange answer = answers.poll(20, TimeUnit.SECONDS);
        if (answer == null) {
          throw new AssertionError("no answer");
        }
        return answer;
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }

    FrameExchange ask(FrameExchange exchange) {
      assertThat(connection.send(exchange)).isTrue();
      return next();
    }

    IoError own(long promised) {
      ask(
          control(
              FrameType.HELLO,
              WireClient.hello(Role.OWNER, store.volume, store.replica, ENGINE).write().toBytes()));
      return promise(promised);
    }

    IoError promise(long promised) {
      FrameExchange answer =
          ask(control(FrameType.PROMISE, new Promise(promised, ENGINE).write().toBytes()));
      if (status(answer).isOk()) {
        generation = ReplicaInfo.read(new FieldReader(answer.control())).promised();
      }
      return status(answer);
    }

    FrameExchange write(long offset, int value) {
      memory.asSlice(0, BLOCK).fill((byte) value);
      FrameExchange write = exchange(FrameType.WRITE, offset, BLOCK);
      write.payload(memory, view, 0);
      FrameHeader.blockCrc(write.head(), 0, 0, new Crc32c().of(view, 0, BLOCK));
      return write;
    }

    FrameExchange read(long offset, int length, long at) {
      FrameExchange read = exchange(FrameType.READ, offset, length);
      read.payload(memory, view, at);
      return read;
    }
  }

  private static IoError status(FrameExchange exchange) {
    return IoError.ofCode(FrameHeader.status(exchange.head(), 0));
  }

  @Test
  void whatIsWrittenIsReadInPlaceWithItsChecksum() {
    Engine engine = new Engine();
    assertThat(engine.own(1)).isEqualTo(IoError.OK);
    assertThat(status(engine.ask(engine.write(8 * BLOCK, 5)))).isEqualTo(IoError.OK);
    FrameExchange read = engine.ask(engine.read(8 * BLOCK, 2 * BLOCK, BLOCK));
    assertThat(status(read)).isEqualTo(IoError.OK);
    assertThat(FrameHeader.crcCount(read.head(), 0)).isEqualTo(2);
    assertThat(FrameHeader.blockCrc(read.head(), 0, 1)).isEqualTo(Crc32c.ZERO_BLOCK);
    assertThat(FrameHeader.blockCrc(read.head(), 0, 0))
        .isEqualTo(new Crc32c().of(engine.view, BLOCK, BLOCK));
    assertThat(engine.memory.get(ValueLayout.JAVA_BYTE, BLOCK)).isEqualTo((byte) 5);
    assertThat(engine.memory.get(ValueLayout.JAVA_BYTE, 2 * BLOCK)).isZero();
  }

  @Test
  void answersThatAreNoFieldsComeInTheMemoryThatWasLentOrAsBytes() {
    Engine engine = new Engine();
    engine.own(1);
    FrameExchange lent = engine.exchange(FrameType.BLOCK_HASHES, BLOCK, 2 * BLOCK);
    lent.payload(engine.memory, engine.view, 64);
    engine.ask(lent);
    assertThat(FrameHeader.payloadLength(lent.head(), 0)).isEqualTo(34);
    assertThat(engine.memory.get(ValueLayout.JAVA_BYTE, 64 + 17 + 1)).isEqualTo((byte) 2);
    FrameExchange bytes = engine.ask(engine.exchange(FrameType.BLOCK_HASHES, BLOCK, 2 * BLOCK));
    assertThat(bytes.control()).hasSize(34);
    assertThat(bytes.control()[18]).isEqualTo((byte) 2);
    FrameExchange merged = engine.control(FrameType.INTENT_MERGE, new byte[] {5});
    assertThat(status(engine.ask(merged))).isEqualTo(IoError.OK);
    FrameExchange bits = engine.ask(engine.exchange(FrameType.INTENT_READ, 0, 16));
    assertThat(bits.control()).containsExactly(5, 0);
  }

  @Test
  void theGateIsTheSame() {
    Engine first = new Engine();
    assertThat(first.own(3)).isEqualTo(IoError.OK);
    Engine second = new Engine();
    assertThat(second.own(2)).isEqualTo(IoError.FENCED);
    assertThat(status(second.ask(second.read(0, BLOCK, 0)))).isEqualTo(IoError.FENCED);
    first.generation = 2;
    assertThat(status(first.ask(first.read(0, BLOCK, 0)))).isEqualTo(IoError.FENCED);
    assertThat(replica.record()).isEqualTo(store.record());
    assertThat(replica.sizeBytes()).isEqualTo(BareStore.SIZE_BYTES);
  }

  @Test
  void aNewerPromiseEndsTheOlderSessionAfterWhatItHadBegun() {
    Engine older = new Engine();
    older.own(1);
    Engine newer = new Engine();
    newer.ask(
        newer.control(
            FrameType.HELLO,
            WireClient.hello(Role.OWNER, store.volume, store.replica, ENGINE).write().toBytes()));
    store.hold();
    older.connection.send(older.write(0, 7));
    Eventually.until("the write is with a disk thread", store.permits::hasQueuedThreads);
    newer.connection.send(
        newer.control(FrameType.PROMISE, new Promise(2, ENGINE).write().toBytes()));
    Eventually.until(
        "the older one is cut off",
        () -> !older.connection.send(older.exchange(FrameType.FLUSH, 0, 0)));
    assertThat(older.closed).as("its memory is still in use").hasValue(0);
    assertThat(newer.answers).isEmpty();
    store.letGo();
    assertThat(status(newer.next())).isEqualTo(IoError.OK);
    Eventually.until("told", () -> older.closed.get() == 1);
    assertThat(older.answers).isEmpty();
    assertThat(store.blocks.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 7);
  }

  /** It was kept for ever: nobody finishes what a disk has done for a session that was released. */
  @Test
  void whatComesAfterAReleaseIsFencedAndTheReplicaCloses() {
    Engine engine = new Engine();
    engine.own(1);
    store.hold();
    engine.connection.send(engine.exchange(FrameType.RELEASE, 0, 0));
    FrameExchange late = engine.ask(engine.exchange(FrameType.FLUSH, 0, 0));
    assertThat(FrameHeader.typeCode(late.head(), 0)).isEqualTo(FrameType.FLUSH.code());
    assertThat(status(late)).isEqualTo(IoError.FENCED);
    assertThat(status(engine.ask(engine.exchange(FrameType.PING, 0, 0)))).isEqualTo(IoError.OK);
    store.letGo();
    assertThat(status(engine.next())).isEqualTo(IoError.OK);
    replica.close();
    assertThat(engine.closed).hasValue(1);
  }

  @Test
  void aReleaseThatFailsLeavesTheSessionAsItWas() {
    Engine engine = new Engine();
    engine.own(1);
    store.endings.put(FrameType.RELEASE, IoError.EIO);
    assertThat(status(engine.ask(engine.exchange(FrameType.RELEASE, 0, 0)))).isEqualTo(IoError.EIO);
    assertThat(status(engine.ask(engine.exchange(FrameType.FLUSH, 0, 0)))).isEqualTo(IoError.OK);
  }

  @Test
  void aConnectionThatEndsWaitsForTheDiskWithoutTurning() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Engine engine = new Engine();
    engine.own(1);
    long thread = replicaThread(threads);
    store.hold();
    engine.connection.send(engine.exchange(FrameType.FLUSH, 0, 0));
    Eventually.until("the flush is with a disk thread", store.permits::hasQueuedThreads);
    engine.connection.close();
    int[] parked = {0};
    Eventually.until(
        "it parks, and stays parked",
        () -> {
          boolean isParked = threads.getThreadInfo(thread).getThreadState() == Thread.State.WAITING;
          parked[0] = isParked ? parked[0] + 1 : 0;
          return parked[0] == 20;
        });
    assertThat(engine.closed).hasValue(0);
    store.letGo();
    Eventually.until("told", () -> engine.closed.get() == 1);
  }

  @Test
  void aBrokenProtocolIsAnsweredAndTheConnectionEnds() {
    Engine engine = new Engine();
    assertThat(status(engine.ask(engine.read(0, BLOCK, 0)))).isEqualTo(IoError.PROTOCOL);
    Eventually.until("told", () -> engine.closed.get() == 1);
    assertThat(engine.connection.send(engine.read(0, BLOCK, 0))).isFalse();
  }

  @Test
  void aFrameWhoseMemoryIsTooSmallIsTheSendersDefect() {
    Engine engine = new Engine();
    engine.own(1);
    FrameExchange read = engine.exchange(FrameType.READ, 0, 2 * BLOCK);
    read.payload(engine.memory, engine.view, (1 << 20) - BLOCK);
    assertThatThrownBy(() -> engine.connection.send(read))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> engine.connection.send(engine.exchange(FrameType.READ, 0, BLOCK)))
        .isInstanceOf(IllegalArgumentException.class);
    FrameExchange control = engine.exchange(FrameType.RECORD, 0, 0);
    FrameHeader.payload(control.head(), 0, 0, 50);
    assertThatThrownBy(() -> engine.connection.send(control))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void moreThanTheCreditsIsRefusedAndTheExchangeStaysTheSenders() {
    Engine engine = new Engine();
    engine.own(1);
    store.hold();
    int sent = 0;
    FrameExchange last = engine.exchange(FrameType.FLUSH, 0, 0);
    while (engine.connection.send(last)) {
      sent++;
      last = engine.exchange(FrameType.FLUSH, 0, 0);
      assertThat(sent).isLessThanOrEqualTo(ReplicaHost.CREDITS);
    }
    assertThat(sent).isEqualTo(ReplicaHost.CREDITS);
    store.letGo();
    for (int i = 0; i < sent; i++) {
      assertThat(status(engine.next())).isEqualTo(IoError.OK);
    }
    assertThat(status(engine.ask(last))).isEqualTo(IoError.OK);
  }

  @Test
  void closingAConnectionTellsOnceAndTheReplicaServesTheNext() {
    Engine engine = new Engine();
    engine.own(1);
    store.hold();
    engine.connection.send(engine.write(0, 7));
    Eventually.until("the write is with a disk thread", store.permits::hasQueuedThreads);
    engine.connection.close();
    engine.connection.close();
    assertThat(engine.connection.send(engine.read(0, BLOCK, 0))).isFalse();
    assertThat(engine.closed).hasValue(0);
    store.letGo();
    Eventually.until("told", () -> engine.closed.get() == 1);
    Engine next = new Engine();
    assertThat(next.own(2)).isEqualTo(IoError.OK);
    assertThat(engine.closed).hasValue(1);
  }

  @Test
  void killStopsWithoutClosingTheStore() {
    Engine engine = new Engine();
    engine.own(1);
    engine.ask(engine.write(0, 1));
    replica.kill();
    assertThat(store.isKilled).isTrue();
    assertThat(store.isClosed).isFalse();
    assertThat(engine.closed).hasValue(1);
    assertThat(engine.connection.send(engine.read(0, BLOCK, 0))).isFalse();
    assertThatThrownBy(() -> replica.connect(engine))
        .isInstanceOf(VolumeException.class)
        .hasMessageContaining("closed");
    replica.close();
    assertThat(store.isClosed).isFalse();
  }

  @Test
  void closeEndsEveryConnectionAndClosesTheStore() {
    Engine owner = new Engine();
    owner.own(1);
    Engine other = new Engine();
    replica.close();
    assertThat(store.isClosed).isTrue();
    assertThat(owner.closed).hasValue(1);
    assertThat(other.closed).hasValue(1);
    assertThat(Thread.getAllStackTraces().keySet())
        .noneMatch(thread -> thread.getName().equals("replica-" + store.replica));
  }

  private long replicaThread(ThreadMXBean threads) {
    return Arrays.stream(threads.getThreadInfo(threads.getAllThreadIds()))
        .filter(i -> i != null && i.getThreadName().equals("replica-" + store.replica))
        .findFirst()
        .orElseThrow()
        .getThreadId();
  }

  @Test
  void theReplicasThreadAllocatesNothingPerReadAndWrite() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Engine engine = new Engine();
    engine.own(1);
    long thread = replicaThread(threads);
    FrameExchange write = engine.write(0, 1);
    engine.ask(write);
    FrameExchange read = engine.read(0, BLOCK, BLOCK);
    engine.isCounting = true;
    int rounds = 2_000;
    double lowest =
        Allocation.lowest(() -> {
          long before = threads.getThreadAllocatedBytes(thread);
          for (int i = 0; i < rounds; i++) {
            engine.fill(write, FrameType.WRITE, 0, BLOCK);
            engine.fill(read, FrameType.READ, 0, BLOCK);
            engine.connection.send(write);
            engine.connection.send(read);
            while (engine.counted.get() < 2) {
              Thread.onSpinWait();
            }
            engine.counted.set(0);
          }
          long after = threads.getThreadAllocatedBytes(thread);
          return (after - before) / (2.0 * rounds);
        });
    assertThat(lowest).as("bytes per frame").isLessThan(Allocation.NOTHING);
  }
}
