package io.longhorn.engine;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.replica.FrameExchange;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.ReplicaOpener;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.ReplicaInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ServiceLoader;
import java.util.UUID;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Reads what one replica directory shows, by its own frames, without an engine. */
final class SingleReplica implements LocalReplica.Listener {
  private static final int CHUNK = FrameHeader.MAX_PAYLOAD_BYTES;

  private final ArrayBlockingQueue<FrameExchange> answers = new ArrayBlockingQueue<>(1);
  private long sequence;

  private SingleReplica() {}

  static byte[] contentOf(Path directory, int sizeBytes) {
    ReplicaOpener opener = ServiceLoader.load(ReplicaOpener.class).findFirst().orElseThrow();
    try (LocalReplica replica = opener.open(directory, ReplicaOpener.IoMode.BUFFERED);
        Arena arena = Arena.ofShared()) {
      SingleReplica listener = new SingleReplica();
      try (LocalReplica.LocalConnection connection = replica.connect(listener)) {
        return listener.read(connection, replica, arena, sizeBytes);
      }
    }
  }

  private byte[] read(
      LocalReplica.LocalConnection connection, LocalReplica replica, Arena arena, int sizeBytes) {
    EngineId engine = new EngineId(UUID.randomUUID());
    Hello hello =
        new Hello(
            1,
            1,
            Hello.Role.OWNER,
            ReplicaSpec.AUTHORITY_REPLICAS,
            replica.volume(),
            replica.replica(),
            engine,
            0);
    FrameExchange exchange = new FrameExchange(arena);
    ReplicaInfo info =
        ReplicaInfo.read(
            new FieldReader(
                control(connection, exchange, FrameType.HELLO, 0, hello.write().toBytes())));
    long generation = info.promised() + 1;
    control(
        connection,
        exchange,
        FrameType.PROMISE,
        generation,
        new Promise(generation, engine).write().toBytes());
    byte[] content = new byte[sizeBytes];
    MemorySegment memory = arena.allocate(CHUNK, 4096);
    for (int at = 0; at < sizeBytes; at += CHUNK) {
      FrameHeader.write(exchange.head(), 0, FrameType.READ, 0, generation, ++sequence);
      FrameHeader.range(exchange.head(), 0, at, Math.min(CHUNK, sizeBytes - at));
      exchange.payload(memory, memory.asByteBuffer(), 0);
      send(connection, exchange);
      MemorySegment.copy(
          memory, ValueLayout.JAVA_BYTE, 0, content, at, Math.min(CHUNK, sizeBytes - at));
    }
    return content;
  }

  private byte[] control(
      LocalReplica.LocalConnection connection,
      FrameExchange exchange,
      FrameType type,
      long generation,
      byte[] payload) {
    FrameHeader.write(exchange.head(), 0, type, 0, generation, ++sequence);
    FrameHeader.payload(exchange.head(), 0, 0, payload.length);
    exchange.noPayload();
    exchange.control(payload);
    send(connection, exchange);
    return exchange.control();
  }

  private void send(LocalReplica.LocalConnection connection, FrameExchange exchange) {
    if (!connection.send(exchange)) {
      throw new AssertionError("the replica takes no frame");
    }
    try {
      FrameExchange answered = answers.poll(20, TimeUnit.SECONDS);
      if (answered == null || FrameHeader.status(answered.head(), 0) != IoError.OK.code()) {
        throw new AssertionError(
            "no answer, or an error: "
                + (answered == null ? "" : IoError.ofCode(FrameHeader.status(answered.head(), 0))));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  @Override
  public void answered(FrameExchange exchange) {
    answers.add(exchange);
  }

  @Override
  public void closed() {}
}
