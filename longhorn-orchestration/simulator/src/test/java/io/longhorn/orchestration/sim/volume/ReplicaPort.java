package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.orchestration.sim.world.SimNetwork.Link;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An engine's end of what connects it to one replica: finds the process that has the directory,
 * greets it, keeps what was not answered. When the directory goes to another process in good order,
 * the session goes with it: the same promise there, and everything without an answer once more.
 */
final class ReplicaPort {
  /** What is told of the replica, in the order of the link. */
  interface Listener {
    void linked(ReplicaPort port, ReplicaInfo info);

    /** With what had no answer. */
    void broke(ReplicaPort port, List<Sent> lost);

    void answered(ReplicaPort port, Sent sent, SimFrame reply);
  }

  /**
   * A frame without an answer.
   *
   * @param context what it is about, for whoever sent it
   */
  record Sent(SimFrame frame, long sentNanos, long context) {}

  /** One that answers nothing for so long has failed, as far as its engine goes. */
  private static final long SUSPECT_NANOS = 2_500 * SimScheduler.MILLI;

  private static final long MOVE_NANOS = 2_000 * SimScheduler.MILLI;
  private static final long LOOK_NANOS = 5 * SimScheduler.MILLI;

  final ReplicaId id;
  private final SimEngine engine;
  private final VolumeId volume;
  private final Listener listener;
  private final LinkedHashMap<Long, Sent> unanswered = new LinkedHashMap<>();
  private final List<Sent> waiting = new ArrayList<>();
  private @Nullable Link link;
  private @Nullable SimReplica peer;
  private boolean isGreeted;
  private boolean isWatching;

  /** Generation that was promised on this link, 0 for none. */
  private long promised;

  /** What it said when it did. */
  private @Nullable ReplicaInfo info;

  private boolean isMoving;
  private long movesUntilNanos;

  ReplicaPort(SimEngine engine, VolumeId volume, ReplicaId id, Listener listener) {
    this.engine = engine;
    this.volume = volume;
    this.id = id;
    this.listener = listener;
  }

  /** Whether its replica is linked, as far as the core knows. */
  boolean isLinked() {
    return isGreeted;
  }

  boolean isDown() {
    return link == null && !isMoving;
  }

  boolean isOn(Link other) {
    return link == other;
  }

  /** The replica process, if the session of this generation is on this link and would be served. */
  Optional<SimReplica> inSession(long generation) {
    SimReplica there = peer;
    Link current = link;
    return isGreeted
            && !isMoving
            && promised == generation
            && there != null
            && current != null
            && there.isAlive()
            && there.isListening()
            && there.isSession(current)
            && there.directory().promised == generation
            && engine.world.network.isConnected(engine.node(), there.node())
        ? Optional.of(there)
        : Optional.empty();
  }

  /** Whether it promised this generation, as far as the engine knows. */
  boolean hasPromised(long generation) {
    return isGreeted && promised == generation;
  }

  /** What the replica said of itself in its promise of the generation that it has promised here. */
  Optional<ReplicaInfo> info() {
    return Optional.ofNullable(info);
  }

  /** Whether a frame of this type, about this block, has no answer yet; any block if below 0. */
  boolean isUnanswered(FrameType type, int block) {
    for (Sent sent : unanswered.values()) {
      if (sent.frame.type() == type && (block < 0 || sent.frame.block() == block)) {
        return true;
      }
    }
    return waiting.stream()
        .anyMatch(s -> s.frame.type() == type && (block < 0 || s.frame.block() == block));
  }

  /** Connects, if somebody has the directory. */
  void connect() {
    if (link != null || isMoving) {
      return;
    }
    Optional<SimReplica> holder = reachable();
    if (holder.isPresent()) {
      greet(holder.get());
    }
  }

  private Optional<SimReplica> reachable() {
    return engine
        .world
        .holder(id)
        .filter(there -> engine.world.network.isConnected(engine.node(), there.node()));
  }

  private void greet(SimReplica there) {
    peer = there;
    link = engine.world.network.connect(engine, there);
    Hello hello =
        new Hello(1, 1, Hello.Role.OWNER, SimReplica.AUTHORITY, volume, id, engine.id(), 0);
    transmit(
        new Sent(SimFrame.ask(FrameType.HELLO, 0, engine.nextSequence(), hello.write()), now(), 0));
  }

  private long now() {
    return engine.world.scheduler.nowNanos();
  }

  /** PROMISE, then RECORD. */
  void promise(long generation, EngineId id, MembershipRecord record) {
    send(
        SimFrame.ask(
            FrameType.PROMISE,
            generation,
            engine.nextSequence(),
            new Promise(generation, id).write()),
        0);
    record(generation, record);
  }

  void record(long generation, MembershipRecord record) {
    send(
        SimFrame.ask(
            FrameType.RECORD, generation, engine.nextSequence(), RecordCodec.write(record)),
        0);
  }

  /** Sends; whether there is a link to send it on. */
  boolean send(SimFrame frame, long context) {
    Sent sent = new Sent(frame, now(), context);
    if (isMoving) {
      waiting.add(sent);
      return true;
    }
    if (link == null) {
      return false;
    }
    transmit(sent);
    return true;
  }

  private void transmit(Sent sent) {
    Link current = link;
    if (current != null) {
      unanswered.put(sent.frame.sequence(), sent);
      engine.send(current, sent.frame);
      watch();
    }
  }

  private void watch() {
    if (!isWatching) {
      isWatching = true;
      engine.inBackground(SUSPECT_NANOS, this::suspect);
    }
  }

  private void suspect() {
    isWatching = false;
    if (unanswered.isEmpty()) {
      return;
    }
    if (now() - unanswered.firstEntry().getValue().sentNanos >= SUSPECT_NANOS) {
      engine.tell(() -> engine.name() + " gives up on " + engine.shortly(id) + ": no answer");
      disconnect();
    } else {
      watch();
    }
  }

  /** Ends the link, if there is one. */
  void disconnect() {
    Link current = link;
    if (current != null) {
      current.close(engine);
    }
    over();
  }

  /** The link is over. */
  void over() {
    boolean wasGreeted = isGreeted;
    List<Sent> lost = new ArrayList<>(unanswered.values());
    lost.addAll(waiting);
    reset();
    if (wasGreeted) {
      listener.broke(this, lost);
    }
    engine.reconnect();
  }

  private void reset() {
    link = null;
    peer = null;
    isGreeted = false;
    isMoving = false;
    promised = 0;
    info = null;
    unanswered.clear();
    waiting.clear();
  }

  /** The generation is over: what was sent under it has no answer that counts. */
  void generationEnds() {
    if (isMoving) {
      over();
    }
  }

  /** A frame of the replica. */
  void received(SimFrame frame) {
    if (!frame.isReply()) {
      moved();
      return;
    }
    Sent sent = unanswered.remove(frame.sequence());
    if (sent == null) {
      return;
    }
    if (frame.type() == FrameType.HELLO) {
      greeted(frame);
    } else if (isMoving) {
      followed(sent, frame);
    } else {
      if (frame.type() == FrameType.PROMISE && frame.status().isOk()) {
        promised = sent.frame.generation();
        info = ReplicaInfo.read(frame.fields());
      }
      listener.answered(this, sent, frame);
    }
  }

  private void greeted(SimFrame frame) {
    if (!frame.status().isOk()) {
      disconnect();
      return;
    }
    ReplicaInfo info = ReplicaInfo.read(frame.fields());
    if (isMoving) {
      followOn();
    } else {
      isGreeted = true;
      listener.linked(this, info);
    }
  }

  // ---- the directory changes hands --------------------------------------------------------------

  private void moved() {
    Link current = link;
    if (!engine.hasGeneration(promised) || current == null) {
      disconnect();
      return;
    }
    engine.tell(() -> engine.name() + " follows " + engine.shortly(id));
    current.close(engine);
    List<Sent> open = new ArrayList<>(unanswered.values());
    unanswered.clear();
    waiting.addAll(0, open);
    isMoving = true;
    link = null;
    peer = null;
    movesUntilNanos = now() + MOVE_NANOS;
    follow();
  }

  private void follow() {
    if (!isMoving || link != null) {
      return;
    }
    if (now() >= movesUntilNanos) {
      over();
      return;
    }
    Optional<SimReplica> holder = reachable();
    if (holder.isPresent()) {
      greet(holder.get());
    } else {
      engine.after(LOOK_NANOS, this::follow);
    }
  }

  private void followOn() {
    transmit(
        new Sent(
            SimFrame.ask(
                FrameType.PROMISE,
                promised,
                engine.nextSequence(),
                new Promise(promised, engine.id()).write()),
            now(),
            0));
  }

  private void followed(Sent sent, SimFrame frame) {
    if (sent.frame.type() != FrameType.PROMISE || frame.status() != IoError.OK) {
      disconnect();
      return;
    }
    isMoving = false;
    List<Sent> again = List.copyOf(waiting);
    waiting.clear();
    again.forEach(one -> transmit(new Sent(one.frame, now(), one.context)));
  }
}
