package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.VolumeRecordCodec;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.engine.link.ControlFrame;
import io.longhorn.engine.link.LinkListener;
import io.longhorn.engine.link.WireConnection;
import io.longhorn.engine.membership.MembershipEvent;
import io.longhorn.engine.transport.Connector;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.VolumeLoop;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The way to the cluster store: one connection, made when it is needed and kept, to one of its
 * endpoints; the next one is tried when one fails, after a pause when all have. Each call is
 * answered once, within {@link #CALL_NANOS}; a connection that owes an answer is not used again.
 * Loop thread; never blocks.
 */
final class StoreLink {
  /** How long a call may take, connecting included. */
  static final long CALL_NANOS = 3_000_000_000L;

  private static final long CONNECT_TIMEOUT_MILLIS = 1_000;
  private static final long FIRST_PAUSE_NANOS = 100_000_000L;
  private static final long LONGEST_PAUSE_NANOS = 2_000_000_000L;

  private final VolumeLoop loop;
  private final List<Endpoint> endpoints;
  private final Consumer<MembershipEvent> told;
  private @Nullable Call call;
  private @Nullable Way way;
  private boolean isConnecting;
  private int turn;
  private int failures;
  private long retryAtNanos;
  private long pauseNanos = FIRST_PAUSE_NANOS;
  private boolean isClosed;

  /** What membership waits for. */
  private record Call(
      long number,
      FrameType type,
      byte[] payload,
      Optional<VolumeRecord> wanted,
      long untilNanos) {}

  StoreLink(VolumeLoop loop, List<Endpoint> endpoints, Consumer<MembershipEvent> told) {
    this.loop = loop;
    this.endpoints = endpoints;
    this.told = told;
    retryAtNanos = loop.nowNanos();
  }

  void read(long number, VolumeId volume) {
    begin(
        number,
        FrameType.RECORD_GET,
        new VolumeRecordCodec.Query(volume).write().toBytes(),
        Optional.empty());
  }

  void set(long number, VolumeId volume, long expectedRevision, VolumeRecord record) {
    begin(
        number,
        FrameType.RECORD_SET,
        new VolumeRecordCodec.Change(volume, expectedRevision, record).write().toBytes(),
        Optional.of(record));
  }

  /** One that is still unanswered was given up by membership: its answer is not told. */
  private void begin(long number, FrameType type, byte[] payload, Optional<VolumeRecord> wanted) {
    Call next = new Call(number, type, payload, wanted, loop.nowNanos() + CALL_NANOS);
    call = next;
    Way now = way;
    if (now != null) {
      now.send(next);
    } else {
      connectIfDue();
    }
  }

  void tick() {
    Call waiting = call;
    if (waiting == null || isClosed) {
      return;
    }
    if (loop.nowNanos() - waiting.untilNanos >= 0) {
      String why = "no answer in time from " + endpoints.get(turn);
      call = null;
      Way now = way;
      if (now != null) {
        now.drop("the store does not answer");
        nextEndpoint();
      }
      unreachable(waiting, why);
    } else if (way == null) {
      connectIfDue();
    }
  }

  void close() {
    isClosed = true;
    call = null;
    Way now = way;
    if (now != null) {
      now.drop("the volume is closed");
    }
  }

  private void connectIfDue() {
    if (isConnecting || isClosed || loop.nowNanos() - retryAtNanos < 0) {
      return;
    }
    isConnecting = true;
    Endpoint endpoint = endpoints.get(turn);
    Connector.connect(
        loop,
        endpoint,
        CONNECT_TIMEOUT_MILLIS,
        stream -> {
          Way made = new Way();
          WireConnection connection =
              new WireConnection(stream, made, endpoint instanceof Endpoint.Unix);
          loop.execute(() -> connected(made, connection));
          return connection;
        },
        why -> {
          isConnecting = false;
          failed("cannot connect to " + endpoint + ": " + why);
        });
  }

  private void connected(Way made, WireConnection connection) {
    isConnecting = false;
    made.connection = connection;
    if (isClosed || made.isOver) {
      made.drop("not needed any more");
      return;
    }
    way = made;
    Call waiting = call;
    if (waiting != null) {
      made.send(waiting);
    }
  }

  /** An endpoint is of no use at present. */
  private void failed(String why) {
    nextEndpoint();
    Call waiting = call;
    if (failures % endpoints.size() != 0) {
      connectIfDue();
    } else if (waiting != null) {
      unreachable(waiting, why);
    }
  }

  private void nextEndpoint() {
    turn = (turn + 1) % endpoints.size();
    failures++;
    if (failures % endpoints.size() == 0) {
      retryAtNanos = loop.nowNanos() + pauseNanos;
      pauseNanos = Math.min(2 * pauseNanos, LONGEST_PAUSE_NANOS);
    }
  }

  private void unreachable(Call of, String why) {
    call = null;
    told.accept(new MembershipEvent.StoreUnreachable(loop.nowNanos(), of.number, why));
  }

  private void storeAnswered(Way by, Call of, IoError status, byte[] payload) {
    if (!of.equals(call)) {
      return;
    }
    MembershipEvent event;
    try {
      event = eventOf(of, status, payload);
    } catch (WireFormatException e) {
      by.drop("its answer cannot be read");
      failed("its answer cannot be read: " + e.getMessage());
      return;
    }
    if (event == null) {
      // It lives and cannot help, or it is gone: perhaps another one can.
      by.drop("it answered " + status);
      nextEndpoint();
      unreachable(of, status + MemberSession.words(payload));
      return;
    }
    failures = 0;
    pauseNanos = FIRST_PAUSE_NANOS;
    call = null;
    told.accept(event);
  }

  private @Nullable MembershipEvent eventOf(Call of, IoError status, byte[] payload) {
    if (status != IoError.OK && status != IoError.CONFLICT) {
      return null;
    }
    VolumeRecordCodec.Stored stored = VolumeRecordCodec.Stored.read(new FieldReader(payload));
    long now = loop.nowNanos();
    // A store that has changed again meanwhile may answer with what it has now: not this call's.
    boolean isOther = of.wanted.isPresent() && !of.wanted.equals(stored.record());
    if (status == IoError.CONFLICT || isOther) {
      return new MembershipEvent.StoreConflict(now, of.number, stored);
    }
    return of.type == FrameType.RECORD_GET
        ? new MembershipEvent.StoreRead(now, of.number, stored)
        : new MembershipEvent.StoreSet(now, of.number, stored.revision());
  }

  /** One connection's life. */
  private final class Way implements LinkListener {
    private @Nullable WireConnection connection;
    private boolean isOver;

    void send(Call of) {
      WireConnection made = connection;
      if (made != null) {
        made.control(
            ControlFrame.of(of.type, of.payload),
            (status, payload) -> storeAnswered(this, of, status, payload));
      }
    }

    void drop(String why) {
      if (way == this) {
        way = null;
      }
      isOver = true;
      WireConnection made = connection;
      if (made != null) {
        made.close(why);
      }
    }

    @Override
    public @Nullable Loan target(long sequence) {
      return null;
    }

    @Override
    public int expectedBytes(long sequence) {
      return 0;
    }

    @Override
    public void answered(long sequence, IoError status, int payloadLength) {
      drop("it answered what nobody asked");
    }

    @Override
    public void closed(String reason) {
      isOver = true;
      if (way == this) {
        way = null;
      }
    }
  }
}
