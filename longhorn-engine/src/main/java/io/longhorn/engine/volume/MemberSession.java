package io.longhorn.engine.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.engine.link.ControlFrame;
import io.longhorn.engine.link.ControlReply;
import io.longhorn.engine.link.LinkListener;
import io.longhorn.engine.link.LocalReplicaConnection;
import io.longhorn.engine.link.ReplicaConnection;
import io.longhorn.engine.link.WireConnection;
import io.longhorn.engine.transport.Connector;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.VolumeLoop;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * One replica as the engine knows it: connects, greets, connects again after a pause, keeps the
 * unanswered control calls' times. A connection that is dropped is dead to everybody at once, also
 * while its memory is still in use.
 */
final class MemberSession {
  /** Pause before connecting again. */
  private static final long RETRY_NANOS = 500_000_000L;

  private static final long CONNECT_TIMEOUT_MILLIS = 2_000;

  /** A HELLO that is not answered by then ends the attempt. */
  private static final long HELLO_TIMEOUT_NANOS = 3_000_000_000L;

  /** Who is told. */
  interface Owner {
    /** HELLO was answered and fits. */
    void greeted(MemberSession session, ReplicaInfo info);

    /** The replica answers but cannot be used. */
    void unusable(MemberSession session, String why);

    /** The connection is over, and was not dropped by the owner. */
    void broken(MemberSession session, String why);

    /** Where the data of an answer goes. */
    @Nullable Loan target(int slot, long sequence);

    /** Bytes a successful answer has to have. */
    int expectedBytes(int slot, long sequence);

    /** A data frame was answered. */
    void answered(int slot, long sequence, IoError status, int payloadLength);

    /** What the replica must be of; empty until the first one said. */
    Optional<VolumeId> volume();
  }

  private final int slot;
  private final ReplicaAddress address;
  private final VolumeLoop loop;
  private final EngineId engine;
  private final String authority;
  private final Owner owner;
  private @Nullable Link link;
  private boolean isConnecting;
  private long retryAtNanos;

  MemberSession(
      int slot,
      ReplicaAddress address,
      VolumeLoop loop,
      EngineId engine,
      String authority,
      Owner owner) {
    this.slot = slot;
    this.address = address;
    this.loop = loop;
    this.engine = engine;
    this.authority = authority;
    this.owner = owner;
    retryAtNanos = loop.nowNanos();
  }

  int slot() {
    return slot;
  }

  ReplicaId id() {
    return address.id();
  }

  boolean isUp() {
    Link current = link;
    return current != null && current.isGreeted;
  }

  /** The connection of a session that is up. */
  ReplicaConnection connection() {
    Link current = link;
    if (current == null) {
      throw new IllegalStateException("no connection to replica " + id());
    }
    return current.connection();
  }

  /** Connects if it is time; ends an attempt that takes too long. */
  void tick() {
    Link current = link;
    if (current != null
        && !current.isGreeted
        && loop.nowNanos() - current.beganNanos > HELLO_TIMEOUT_NANOS) {
      current.connection().close("HELLO was not answered in time");
    }
    if (current != null || isConnecting || loop.nowNanos() - retryAtNanos < 0) {
      return;
    }
    switch (address) {
      case ReplicaAddress.Remote(ReplicaId _, Endpoint endpoint) -> {
        isConnecting = true;
        Connector.connect(
            loop,
            endpoint,
            CONNECT_TIMEOUT_MILLIS,
            stream -> {
              isConnecting = false;
              Link made = new Link();
              WireConnection connection = new WireConnection(stream, made, isLocal(endpoint));
              made.connection = connection;
              loop.execute(() -> greet(made));
              return connection;
            },
            why -> {
              isConnecting = false;
              later();
              owner.broken(this, "cannot connect to " + endpoint + ": " + why);
            });
      }
      case ReplicaAddress.Embedded(ReplicaId _, var open) -> {
        LocalReplica replica = open.get();
        if (replica == null) {
          later();
          return;
        }
        Link made = new Link();
        made.connection = new LocalReplicaConnection(loop, replica, made);
        greet(made);
      }
    }
  }

  private static boolean isLocal(Endpoint endpoint) {
    return endpoint instanceof Endpoint.Unix;
  }

  private void later() {
    retryAtNanos = loop.nowNanos() + RETRY_NANOS;
  }

  private void greet(Link made) {
    if (made.isDropped) {
      return;
    }
    link = made;
    VolumeId wanted = owner.volume().orElse(Hello.ANY_VOLUME);
    Hello hello =
        new Hello(
            FrameHeader.VERSION,
            FrameHeader.VERSION,
            Hello.Role.OWNER,
            authority,
            wanted,
            id(),
            engine,
            0);
    made.connection()
        .control(
            ControlFrame.of(FrameType.HELLO, hello.write().toBytes()),
            (status, payload) -> helloAnswered(made, status, payload));
  }

  private void helloAnswered(Link of, IoError status, byte[] payload) {
    if (of.isDropped || status == IoError.DISCONNECTED) {
      return;
    }
    if (status != IoError.OK) {
      owner.unusable(this, "it refused HELLO: " + status + words(payload));
      drop("HELLO was refused");
      return;
    }
    ReplicaInfo info;
    try {
      info = ReplicaInfo.read(new FieldReader(payload));
    } catch (WireFormatException e) {
      owner.unusable(this, "its HELLO cannot be read: " + e.getMessage());
      drop("HELLO cannot be read");
      return;
    }
    of.isGreeted = true;
    owner.greeted(this, info);
  }

  static String words(byte[] payload) {
    try {
      return payload.length == 0
          ? ""
          : new FieldReader(payload).optionalText(1).map(text -> " (" + text + ")").orElse("");
    } catch (WireFormatException _) {
      return "";
    }
  }

  /** Asks for a promise; the reply has the replica's info. */
  void promise(long generation, ControlReply reply) {
    connection().generation(generation);
    control(
        ControlFrame.of(FrameType.PROMISE, new Promise(generation, engine).write().toBytes()),
        reply);
  }

  /**
   * Sends a control frame; a session that is down answers DISCONNECTED. A dropped connection
   * answers nothing any more.
   */
  void control(ControlFrame frame, ControlReply reply) {
    Link current = link;
    if (current == null) {
      reply.answered(IoError.DISCONNECTED, new byte[0]);
      return;
    }
    Long sent = System.nanoTime();
    if (frame.type() != FrameType.PING) {
      current.controlSent.add(sent);
    }
    current
        .connection()
        .control(
            frame,
            (status, payload) -> {
              current.controlSent.remove(sent);
              if (!current.isDropped || status == IoError.DISCONNECTED) {
                reply.answered(status, payload);
              }
            });
  }

  /**
   * When the oldest unanswered control frame that is not a PING was sent; {@code none} if there is
   * none.
   */
  long oldestControlNanos(long none) {
    Link current = link;
    return current == null || current.controlSent.isEmpty() ? none : current.controlSent.first();
  }

  /** Ends the connection without telling the owner, and connects again after the pause. */
  void drop(String why) {
    Link current = link;
    if (current == null) {
      return;
    }
    link = null;
    later();
    current.isDropped = true;
    current.connection().close(why);
  }

  /** One connection's life. */
  private final class Link implements LinkListener {
    private final long beganNanos = loop.nowNanos();
    private final SortedSet<Long> controlSent = new TreeSet<>();
    private @Nullable ReplicaConnection connection;
    private boolean isGreeted;
    private boolean isDropped;

    ReplicaConnection connection() {
      ReplicaConnection made = connection;
      if (made == null) {
        throw new IllegalStateException("link without its connection");
      }
      return made;
    }

    @Override
    public @Nullable Loan target(long sequence) {
      return isDropped ? null : owner.target(slot, sequence);
    }

    @Override
    public int expectedBytes(long sequence) {
      return owner.expectedBytes(slot, sequence);
    }

    @Override
    public void answered(long sequence, IoError status, int payloadLength) {
      if (!isDropped) {
        owner.answered(slot, sequence, status, payloadLength);
      }
    }

    @Override
    public void closed(String reason) {
      if (isDropped) {
        return;
      }
      isDropped = true;
      link = null;
      later();
      owner.broken(MemberSession.this, reason);
    }
  }
}
