package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.engine.reconcile.RegionBits;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import io.longhorn.orchestration.sim.world.SimNetwork.Link;
import io.longhorn.orchestration.sim.world.SimNode;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The process of a replica: it has its directory, or stands by for it. Serves the engine whose
 * generation it has promised last, on the link on which that was asked for.
 */
public final class SimReplica extends SimProcess {
  /** What every replica of a simulation says its record is kept by. */
  static final String AUTHORITY = "store:sim";

  private static final int CREDITS = 64;

  /** No snapshot is ever taken. */
  private static final LayerList LAYERS =
      new LayerList(List.of(new LayerList.Layer(1, 0, 0, "", 0, false)));

  private final String volume;
  private final ReplicaId id;
  private final String path;
  private final String image;
  private final TreeMap<Long, Link> links = new TreeMap<>();
  private boolean isStandby;
  private boolean isServing;
  private boolean isHandingOver;
  private @Nullable SimDirectory directory;
  private @Nullable Link session;

  /** One that does not serve yet. */
  public SimReplica(
      World world,
      String name,
      SimNode machine,
      String volume,
      ReplicaId id,
      String path,
      String image,
      boolean isStandby) {
    super(world, name, machine);
    this.volume = volume;
    this.id = id;
    this.path = path;
    this.image = image;
    this.isStandby = isStandby;
  }

  @Override
  public String volume() {
    return volume;
  }

  /** Whose directory it serves, or stands by for. */
  public ReplicaId id() {
    return id;
  }

  /** What it runs from. */
  public String image() {
    return image;
  }

  /** Whether it serves without its directory. */
  public boolean isStandby() {
    return isServing && isStandby && isAlive();
  }

  /** Whether it has its directory. */
  public boolean isHolder() {
    return isServing && !isStandby && isAlive();
  }

  /** What it has; only while it is holder. */
  public SimDirectory directory() {
    SimDirectory there = directory;
    if (there == null) {
      throw new IllegalStateException(name() + " has no directory");
    }
    return there;
  }

  /** Whether an engine's session is on this link. */
  boolean isSession(Link link) {
    return isHolder() && !isHandingOver && session == link;
  }

  @Override
  public String serve() {
    if (isStandby) {
      isServing = true;
      return "";
    }
    Optional<SimDirectory> found = machine().directory(path);
    if (found.isEmpty()) {
      return "no directory " + path;
    }
    if (found.get().holder != 0 && !world.knobs.does(Sabotage.REPLICA_IGNORES_LOCK)) {
      return "another process has " + path;
    }
    isServing = true;
    take(found.get());
    return "";
  }

  private void take(SimDirectory found) {
    if (world.knobs.does(Sabotage.REPLICA_FORGETS_ITS_RECORD)) {
      found.record =
          new MembershipRecord(
              new RecordStamp(0, 0), new TreeSet<>(List.of(id)), Collections.emptySortedMap());
    }
    found.take(pid());
    directory = found;
    isStandby = false;
    isHandingOver = false;
    session = null;
    world.holds(this);
    tell(() -> name() + " has its directory");
    world.watcher().touched(volume);
  }

  @Override
  void gone() {
    release(0);
  }

  private void release(long successor) {
    SimDirectory had = directory;
    if (had != null && had.holder == pid()) {
      had.leave(successor);
    }
    directory = null;
    session = null;
    world.holdsNoMore(this);
  }

  // ---- promotion --------------------------------------------------------------------------------

  /**
   * Gives its directory to one that stands by: everything on the disk, nothing taken any more, then
   * unlocked. It stands by itself from then on.
   */
  public void handOver(SimReplica to) {
    if (!isHolder() || isHandingOver) {
      return;
    }
    isHandingOver = true;
    tell(() -> name() + " hands over to " + to.name());
    after(
        world.scheduler.millisBetween(2, 20),
        () -> {
          if (!to.isAlive()) {
            isHandingOver = false;
            return;
          }
          directory().flush();
          for (Link link : links.values()) {
            send(link, SimFrame.ask(FrameType.QUIESCE, 0, 0));
          }
          release(to.pid());
          isStandby = true;
          isHandingOver = false;
          to.after(world.scheduler.millisBetween(1, 15), to::promote);
        });
  }

  /** Takes its directory, if nobody has it when it gets to that. */
  public void promote() {
    run(this::takeOver);
  }

  private void takeOver() {
    Optional<SimDirectory> found = machine().directory(path);
    if (isStandby() && found.isPresent() && found.get().holder == 0) {
      take(found.get());
      changed();
    }
  }

  private Runnable whenChanged = () -> {};

  /** Called when it takes its directory, or gives it away. */
  public void whenChanged(Runnable task) {
    whenChanged = task;
  }

  private void changed() {
    whenChanged.run();
  }

  // ---- frames -----------------------------------------------------------------------------------

  @Override
  void isClosed(Link link) {
    links.remove(link.number);
    if (session == link) {
      session = null;
    }
  }

  @Override
  void received(Link link, SimFrame frame) {
    if (!isHolder() || frame.isReply()) {
      // Whoever asked is told that somebody else has it, or finds the link closed.
      return;
    }
    links.put(link.number, link);
    SimDirectory there = directory();
    boolean hasGate = !world.knobs.does(Sabotage.REPLICA_HAS_NO_GATE);
    if (frame.type() == FrameType.HELLO) {
      hello(link, frame);
    } else if (frame.type() == FrameType.PROMISE) {
      promise(link, frame);
    } else if (hasGate && frame.generation() < there.promised) {
      send(link, frame.reply(IoError.FENCED, new FieldWriter().number(1, there.promised)));
    } else if (!hasGate || session == link) {
      serve(link, frame);
    } else {
      links.remove(link.number);
      link.close(this);
    }
  }

  private void hello(Link link, SimFrame frame) {
    Hello hello = Hello.read(frame.fields());
    if (!hello.replica().equals(id) || !hello.authority().equals(AUTHORITY)) {
      send(link, frame.reply(IoError.WRONG_IDENTITY));
      return;
    }
    send(link, frame.reply(IoError.OK, info().write()));
  }

  private ReplicaInfo info() {
    SimDirectory there = directory();
    return new ReplicaInfo(
        1,
        there.volume,
        id,
        (long) there.size() * Crc32c.BLOCK_BYTES,
        AUTHORITY,
        there.promised,
        there.record,
        0,
        new ProcessNonce(new UUID(7, pid())),
        there.isContinuous(pid()),
        there.validSince,
        Crc32c.BLOCK_BYTES,
        0,
        1,
        CREDITS);
  }

  private void promise(Link link, SimFrame frame) {
    Promise promise = Promise.read(frame.fields());
    SimDirectory there = directory();
    boolean isOthers =
        promise.generation() == there.promised
            && !there.promisedTo.equals(Optional.of(promise.engine()));
    boolean hasGate = !world.knobs.does(Sabotage.REPLICA_HAS_NO_GATE);
    if (hasGate && (promise.generation() < there.promised || isOthers)) {
      send(link, frame.reply(IoError.FENCED, new FieldWriter().number(1, there.promised)));
      return;
    }
    Link older = session;
    if (older != null && older != link && hasGate) {
      // Rule R8: the older session is over before this is answered.
      links.remove(older.number);
      older.close(this);
    }
    there.flush();
    there.promised = promise.generation();
    there.promisedTo = Optional.of(promise.engine());
    session = link;
    tell(() -> name() + " promises " + promise.generation());
    world.watcher().touched(volume);
    send(link, frame.reply(IoError.OK, info().write()));
  }

  private void serve(Link link, SimFrame frame) {
    SimDirectory there = directory();
    switch (frame.type()) {
      case RECORD -> {
        MembershipRecord record = RecordCodec.read(frame.fields());
        boolean isNewer = record.stamp().isNewerThan(there.record.stamp());
        if (isNewer) {
          there.record = record;
          world.watcher().touched(volume);
        }
        send(link, frame.reply(IoError.OK));
      }
      case WRITE -> {
        if (frame.generation() != there.promised) {
          throw new SimFailure(
              "I3",
              name()
                  + " takes a write of generation "
                  + frame.generation()
                  + ", it has promised "
                  + there.promised);
        }
        if (!world.knobs.does(Sabotage.REPLICA_DROPS_WRITES)) {
          there.write(frame.block(), frame.value());
        }
        world.watcher().touched(volume);
        send(link, frame.reply(IoError.OK));
      }
      case READ -> send(link, frame.data(there.block(frame.block())));
      case BLOCK_HASHES -> send(link, frame.hash(there.block(frame.block())));
      case FLUSH -> {
        if (world.scheduler.happens(world.knobs.failFlushOneOf)) {
          tell(() -> name() + " cannot flush");
          send(link, frame.reply(IoError.EIO));
          after(SimScheduler.MILLI, this::exit);
          return;
        }
        if (!world.knobs.does(Sabotage.REPLICA_IGNORES_FLUSH)) {
          there.flush();
        }
        send(link, frame.reply(IoError.OK));
      }
      case PING -> send(link, frame.reply(IoError.OK));
      case LAYERS -> send(link, frame.reply(IoError.OK, LAYERS.write()));
      case INTENT_READ, INTENT_MERGE, INTENT_CLEAR, INTENT_VALID_SINCE, MARK_EQUAL ->
          serveMarks(link, frame);
      default -> send(link, frame.reply(IoError.UNSUPPORTED));
    }
  }

  /** What engines keep on it to know where copies differ. */
  private void serveMarks(Link link, SimFrame frame) {
    SimDirectory there = directory();
    RegionBits bits = new RegionBits(there.size());
    switch (frame.type()) {
      case INTENT_READ -> {
        there.marks.forEach(bits::set);
        send(link, frame.bits(bits.toBytes(0, there.size())));
        return;
      }
      case INTENT_MERGE -> {
        bits.orBytes(0, frame.payload());
        forEach(bits, block -> there.marks.add(block));
      }
      case INTENT_CLEAR -> {
        bits.orBytes(0, frame.payload());
        forEach(bits, block -> clearMark(there, block));
      }
      case INTENT_VALID_SINCE -> there.validSince = RecordCodec.stamp(frame.fields(), 1, 2);
      case MARK_EQUAL -> {
        there.equalProcess = pid();
        there.hasLost = false;
      }
      default -> throw new IllegalStateException("not about marks: " + frame.type());
    }
    send(link, frame.reply(IoError.OK));
  }

  private static void forEach(RegionBits bits, IntConsumer task) {
    for (int i = bits.nextSet(0); i >= 0; i = bits.nextSet(i + 1)) {
      task.accept(i);
    }
  }

  /** Rule E5: what is not on its disk could be missed by others if this were forgotten. */
  private void clearMark(SimDirectory there, int block) {
    if (!there.block(block).equals(there.durable(block))) {
      throw new SimFailure(
          "I6",
          name()
              + " is to forget its mark of block "
              + block
              + ", which is "
              + there.block(block)
              + " and on its disk "
              + there.durable(block));
    }
    there.marks.remove(block);
  }
}
