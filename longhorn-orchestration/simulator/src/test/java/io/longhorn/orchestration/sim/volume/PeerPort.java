package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.claim.ClaimEvent;
import io.longhorn.engine.claim.ClaimRequest;
import io.longhorn.engine.claim.QuiesceId;
import io.longhorn.orchestration.sim.world.SimNetwork.Link;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * An engine's end of what connects it to the other engine of its volume: forwarded requests, and
 * who may go on. QUIESCE has no fields in the wire protocol yet; here they are 1 what is said, 2
 * the engine that claims, 3 its number, 4 the generation that was stopped, 5 whether it was left
 * clean.
 */
final class PeerPort {
  private static final int ASK = 1;
  private static final int STOPPED = 2;
  private static final int NOTHING = 3;
  private static final int GIVEN_UP = 4;

  private final SimEngine engine;
  private final TreeMap<Long, Long> forwarded = new TreeMap<>();
  private final TreeMap<String, Link> asked = new TreeMap<>();
  private @Nullable Link link;
  private @Nullable EngineId other;
  private long quiesce;

  PeerPort(SimEngine engine) {
    this.engine = engine;
  }

  boolean isOn(Link one) {
    return link == one;
  }

  /** A link to the engine that owns the volume, or may; empty if nobody can be reached. */
  private Optional<Link> toOther() {
    Optional<EngineId> wanted = engine.otherEngine();
    if (link != null && !wanted.equals(Optional.ofNullable(other))) {
      Link old = link;
      link = null;
      old.close(engine);
      nobodyAnswers();
    }
    if (link == null && wanted.isPresent()) {
      engine
          .world
          .engine(wanted.get())
          .filter(there -> engine.world.network.isConnected(engine.node(), there.node()))
          .ifPresent(there -> {
            link = engine.world.network.connect(engine, there);
            other = wanted.get();
          });
    }
    return Optional.ofNullable(link);
  }

  // ---- what this engine wants -------------------------------------------------------------------

  void forward(ClaimRequest request, int block) {
    Optional<Link> there = toOther();
    if (there.isEmpty()) {
      engine.soon(now -> new ClaimEvent.ForwardRefused(now, request.id()));
      return;
    }
    FrameType type =
        switch (request.kind()) {
          case READ -> FrameType.READ;
          case FLUSH -> FrameType.FLUSH;
          case SNAPSHOT, STATUS -> FrameType.STATUS;
          case WRITE -> throw new IllegalStateException("a WRITE is never forwarded");
        };
    long sequence = engine.nextSequence();
    forwarded.put(sequence, request.id());
    engine.send(there.get(), SimFrame.ask(type, 0, sequence, block));
  }

  void askQuiesce(long number) {
    quiesce = number;
    Optional<Link> there = toOther();
    if (there.isEmpty()) {
      engine.soon(now -> new ClaimEvent.QuiesceRefused(now, number));
      return;
    }
    engine.send(there.get(), say(number, ASK, engine.id(), 0, false));
  }

  void giveUpQuiesce(long number) {
    if (link != null) {
      engine.send(link, say(number, GIVEN_UP, engine.id(), 0, false));
    }
  }

  private SimFrame say(long number, int what, EngineId claimant, long generation, boolean isClean) {
    return SimFrame.ask(
        FrameType.QUIESCE,
        0,
        engine.nextSequence(),
        new FieldWriter()
            .number(1, what)
            .uuid(2, claimant.uuid())
            .number(3, number)
            .number(4, generation)
            .bool(5, isClean)
            .uuid(6, engine.id().uuid()));
  }

  // ---- what it answers --------------------------------------------------------------------------

  void answerQuiesce(QuiesceId of, long generation, boolean isClean) {
    Link there = asked.remove(of.toString());
    if (there != null) {
      engine.send(there, say(of.number(), STOPPED, of.engine(), generation, isClean));
    }
  }

  void refuseQuiesce(QuiesceId of) {
    Link there = asked.remove(of.toString());
    if (there != null) {
      engine.send(there, say(of.number(), NOTHING, of.engine(), 0, false));
    }
  }

  // ---- what arrives -----------------------------------------------------------------------------

  void received(Link from, SimFrame frame) {
    if (frame.type() == FrameType.QUIESCE) {
      quiesce(from, frame.fields());
    } else if (frame.isReply()) {
      Long request = forwarded.remove(frame.sequence());
      if (request != null) {
        answered(request, frame);
      }
    } else {
      engine.forwardedHere(from, frame);
    }
  }

  private void answered(long request, SimFrame frame) {
    if (frame.status() != IoError.OK) {
      engine.tell(now -> new ClaimEvent.ForwardRefused(now, request));
      return;
    }
    if (frame.type() == FrameType.READ) {
      engine.found(request, frame.value().stamp());
    }
    engine.throughOwner(now -> new ClaimEvent.ForwardAnswered(now, request));
  }

  private void quiesce(Link from, FieldReader fields) {
    long number = fields.number(3);
    QuiesceId of = new QuiesceId(new EngineId(fields.uuid(2)), number);
    EngineId by = new EngineId(fields.uuid(6));
    switch (fields.intNumber(1)) {
      case ASK -> {
        asked.put(of.toString(), from);
        engine.tell(now -> new ClaimEvent.QuiesceAsked(now, of));
      }
      case STOPPED ->
          engine.tell(now ->
              new ClaimEvent.QuiesceAnswered(now, number, by, fields.number(4), fields.bool(5)));
      case NOTHING -> engine.tell(now -> new ClaimEvent.QuiesceRefused(now, number));
      case GIVEN_UP -> engine.tell(now -> new ClaimEvent.QuiesceGivenUp(now, of));
      default -> throw new IllegalStateException("QUIESCE that says nothing");
    }
  }

  void closed(Link one) {
    asked.values().removeIf(there -> there == one);
    if (link == one) {
      link = null;
      nobodyAnswers();
    }
  }

  private void nobodyAnswers() {
    List<Long> lost = List.copyOf(forwarded.values());
    forwarded.clear();
    lost.forEach(request -> engine.tell(now -> new ClaimEvent.ForwardRefused(now, request)));
    if (quiesce > 0) {
      long number = quiesce;
      engine.tell(now -> new ClaimEvent.QuiesceRefused(now, number));
    }
  }
}
