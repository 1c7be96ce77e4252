package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.VolumeRecordCodec;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;

/**
 * A cluster store with one volume's record, on a unix socket: goes down and comes up, can swallow
 * answers, counts what was asked of it. The record outlives {@link #down}.
 */
final class StoreServer implements AutoCloseable {
  private final Path socket;
  private final VolumeId volume;
  private final AtomicReference<VolumeRecordCodec.Stored> stored = new AtomicReference<>();
  private final AtomicInteger calls = new AtomicInteger();
  private final AtomicInteger swallows = new AtomicInteger();
  private final AtomicReference<Optional<UnaryOperator<VolumeRecord>>> overtaking =
      new AtomicReference<>(Optional.empty());
  private final AtomicBoolean isMute = new AtomicBoolean();
  private final List<SocketChannel> open = new CopyOnWriteArrayList<>();
  private final AtomicReference<Optional<ServerSocketChannel>> listening =
      new AtomicReference<>(Optional.empty());

  StoreServer(Path socket, VolumeId volume, Optional<VolumeRecord> record) {
    this.socket = socket;
    this.volume = volume;
    stored.set(
        new VolumeRecordCodec.Stored(
            record.isPresent() ? 1 : VolumeRecordCodec.NO_REVISION, record));
  }

  VolumeRecord record() {
    return stored.get().record().orElseThrow();
  }

  int calls() {
    return calls.get();
  }

  /** Somebody else changes the record. */
  void put(VolumeRecord record) {
    stored.updateAndGet(
        before -> new VolumeRecordCodec.Stored(before.revision() + 1, Optional.of(record)));
  }

  /** After the next change another one happens before it is answered, with what is there then. */
  void overtakeNext(UnaryOperator<VolumeRecord> by) {
    overtaking.set(Optional.of(by));
  }

  /** From now on it takes calls and says nothing. */
  void mute() {
    isMute.set(true);
  }

  /** So many changes happen and are not answered: the connection is closed instead. */
  void swallow(int answers) {
    swallows.set(answers);
  }

  boolean hasSwallowed() {
    return swallows.get() == 0;
  }

  void up() throws IOException {
    Files.deleteIfExists(socket);
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(socket));
    listening.set(Optional.of(server));
    Thread.ofPlatform().daemon().name("store-accept").start(() -> accept(server));
  }

  void down() throws IOException {
    Optional<ServerSocketChannel> server = listening.getAndSet(Optional.empty());
    if (server.isPresent()) {
      server.get().close();
    }
    Files.deleteIfExists(socket);
    for (SocketChannel each : open) {
      each.close();
    }
    open.clear();
  }

  private void accept(ServerSocketChannel server) {
    try {
      while (true) {
        SocketChannel channel = server.accept();
        open.add(channel);
        if (!server.isOpen()) {
          channel.close();
        }
        Thread.ofPlatform().daemon().name("store-serve").start(() -> serve(channel));
      }
    } catch (IOException _) {
      // down
    }
  }

  private void serve(SocketChannel channel) {
    try (channel;
        Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(FrameHeader.MAX_FRAME_BYTES, 64);
      Crc32c crc = new Crc32c();
      while (true) {
        fill(channel, memory, 0, FrameHeader.BYTES);
        if (FrameHeader.check(memory, memory.asByteBuffer(), 0, crc) != FrameHeader.Check.OK) {
          return;
        }
        int length = FrameHeader.payloadLength(memory, 0);
        fill(channel, memory, FrameHeader.BYTES, length);
        byte[] payload = memory.asSlice(FrameHeader.BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        AtomicBoolean isChanged = new AtomicBoolean();
        int type = FrameHeader.typeCode(memory, 0);
        IoError status = answer(type, new FieldReader(payload), isChanged);
        calls.incrementAndGet();
        if (isMute.get()) {
          continue;
        }
        if (isChanged.get() && swallows.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
          return;
        }
        if (isChanged.get()) {
          overtaking.getAndSet(Optional.empty()).ifPresent(by -> put(by.apply(record())));
        }
        byte[] reply = stored.get().write().toBytes();
        FrameHeader.writeReply(memory, 0, type, 0, FrameHeader.sequence(memory, 0), status.code());
        FrameHeader.payload(memory, 0, 0, reply.length);
        MemorySegment.copy(
            reply, 0, memory, ValueLayout.JAVA_BYTE, FrameHeader.BYTES, reply.length);
        FrameHeader.controlCrc(
            memory, 0, crc.of(memory.asByteBuffer(), FrameHeader.BYTES, reply.length));
        FrameHeader.seal(memory, memory.asByteBuffer(), 0, crc);
        ByteBuffer out = memory.asByteBuffer().limit(FrameHeader.BYTES + reply.length);
        while (out.hasRemaining()) {
          channel.write(out);
        }
      }
    } catch (IOException _) {
      // The engine went, or this went down.
    } finally {
      open.remove(channel);
    }
  }

  private IoError answer(int type, FieldReader in, AtomicBoolean isChanged) {
    if (type == FrameType.RECORD_GET.code()) {
      return VolumeRecordCodec.Query.read(in).volume().equals(volume)
          ? IoError.OK
          : IoError.NOT_FOUND;
    }
    if (type != FrameType.RECORD_SET.code()) {
      return IoError.UNSUPPORTED;
    }
    VolumeRecordCodec.Change change = VolumeRecordCodec.Change.read(in);
    VolumeRecordCodec.Stored before = stored.get();
    boolean isSet =
        before.revision() == change.expectedRevision()
            && stored.compareAndSet(
                before,
                new VolumeRecordCodec.Stored(before.revision() + 1, Optional.of(change.record())));
    isChanged.set(isSet);
    return isSet ? IoError.OK : IoError.CONFLICT;
  }

  private static void fill(SocketChannel channel, MemorySegment memory, int at, int length)
      throws IOException {
    ByteBuffer in = memory.asByteBuffer().position(at).limit(at + length);
    while (in.hasRemaining()) {
      if (channel.read(in) < 0) {
        throw new EOFException();
      }
    }
  }

  @Override
  public void close() throws IOException {
    down();
  }
}
