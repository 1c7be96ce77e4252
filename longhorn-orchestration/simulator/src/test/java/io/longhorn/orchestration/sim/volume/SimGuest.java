package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.IoError;
import io.longhorn.engine.claim.ClaimRequest.Kind;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The virtual machine that has a volume. It writes and reads all the time if it is told to, through
 * the engine on the machine where it is, and knows what each block may hold. It moves to the other
 * machine when it is told to; when its engine is gone it mounts the volume anew where that is
 * attached.
 */
public final class SimGuest {
  private static final int MAX_OPERATIONS = 3;
  private static final long QUIET_NANOS = 5_000 * SimScheduler.MILLI;

  private record Operation(Kind kind, int block, long stamp, long least, Link link) {}

  /** One of its connections. */
  private final class Link implements SimClient.Listener {
    private @Nullable SimClient client;

    boolean connect(String machine) {
      Optional<SimEngine> engine = engineAt(machine);
      if (engine.isPresent()) {
        client = new SimClient(engine.get(), this);
      }
      return engine.isPresent();
    }

    boolean isOpen() {
      SimClient there = client;
      return there != null && there.isOpen();
    }

    void request(Kind kind, int block) {
      SimClient there = client;
      if (there == null || !there.isOpen()) {
        return;
      }
      VolumeOracle oracle = world.oracle(volume);
      long stamp = kind == Kind.WRITE ? oracle.asked(block) : 0;
      long least = kind == Kind.READ ? oracle.least(block) : 0;
      operations.put(++lastOperation, new Operation(kind, block, stamp, least, this));
      there.request(lastOperation, kind, block, stamp);
    }

    void close() {
      SimClient there = client;
      if (there != null && !isUsed()) {
        there.close();
      }
      client = null;
    }

    @Override
    public String toString() {
      SimEngine engine = client == null ? null : client.engine();
      return engine == null ? " of nobody" : " of " + engine.name() + " (" + engine.pid() + ")";
    }

    void drop() {
      SimClient there = client;
      if (there != null) {
        there.close();
      }
      client = null;
      operations.values().removeIf(one -> one.link == this);
    }

    private boolean isUsed() {
      return operations.values().stream().anyMatch(one -> one.link == this);
    }

    @Override
    public void answered(long number, long stamp) {
      Operation done = operations.remove(number);
      if (done != null) {
        SimGuest.this.answered(done, stamp);
      }
    }

    @Override
    public void failed(long number, IoError error) {
      Operation failed = operations.remove(number);
      if (failed != null) {
        errors++;
        world.trace.tell(
            node, () -> "guest of " + volume + ": " + failed.kind + " fails with " + error);
        flushDone |= failed.kind == Kind.FLUSH;
      }
    }

    @Override
    public void broken() {
      operations.values().removeIf(one -> one.link == this);
      world.trace.tell(node, () -> "guest of " + volume + " has lost its device");
      flushDone = true;
    }
  }

  private final World world;
  private final String volume;
  private final Supplier<String> attachedAt;
  private final TreeMap<Long, Operation> operations = new TreeMap<>();
  private Link link = new Link();
  private String node = "";
  private boolean isStarted;
  private boolean isTicking;
  private @Nullable String moveTo;
  private boolean isFlushing;
  private boolean flushDone;
  private long lostSinceNanos;
  private long remountNanos;
  private long lastOperation;
  private long errors;
  private long writes;
  private long reads;
  private long flushes;
  private int moves;
  private int remounts;
  private int toWrite;
  private int toRead;
  private int nextBlock;

  /**
   * One that does nothing yet.
   *
   * @param attachedAt the machine where the cluster says the volume is attached, empty if nowhere
   */
  public SimGuest(World world, String volume, Supplier<String> attachedAt) {
    this.world = world;
    this.volume = volume;
    this.attachedAt = attachedAt;
  }

  // ---- what it is told --------------------------------------------------------------------------

  /** Writes, reads and flushes from now on. */
  public void start() {
    isStarted = true;
    tick();
  }

  /** Does no more by itself. */
  public void stop() {
    isStarted = false;
  }

  /** It is killed, and never learns what became of what it had asked for. Another one follows. */
  public void die() {
    world.trace.tell(node, () -> "guest of " + volume + " is killed");
    link.drop();
  }

  /** Writes so many blocks, one after the other. */
  public void write(int blocks) {
    toWrite += blocks;
    tick();
  }

  /** Reads every block once. */
  public void readAll() {
    toRead = world.oracle(volume).size();
    nextBlock = 0;
    tick();
  }

  /** Whether what it was told is done. */
  public boolean isDone() {
    return toWrite == 0 && toRead == 0 && operations.isEmpty() && moveTo == null;
  }

  /** Moves, as virtual machines do: stops, flushes, goes on over there. */
  public void move(String machine) {
    moveTo = machine;
    isFlushing = false;
    flushDone = false;
    tick();
  }

  /** Writes one block through the engine of a machine, wherever it is itself; whether it could. */
  public boolean writeAt(String machine) {
    Optional<Integer> block = freeBlock();
    Link other = new Link();
    if (block.isEmpty() || !other.connect(machine)) {
      return false;
    }
    other.request(Kind.WRITE, block.get());
    return true;
  }

  /** Reads one block through the engine of a machine; whether it could. */
  public boolean readAt(String machine) {
    Link other = new Link();
    if (!other.connect(machine)) {
      return false;
    }
    other.request(Kind.READ, world.scheduler.random().nextInt(world.oracle(volume).size()));
    return true;
  }

  // ---- what it says -----------------------------------------------------------------------------

  /** The machine where it is, empty before the first. */
  public String node() {
    return node;
  }

  /** Whether it has its device. */
  public boolean isConnected() {
    return link.isOpen();
  }

  /** Errors that it was told while it was connected. */
  public long errors() {
    return errors;
  }

  /** Writes that were acknowledged. */
  public long writes() {
    return writes;
  }

  /** Reads that were answered. */
  public long reads() {
    return reads;
  }

  /** Flushes that were answered. */
  public long flushes() {
    return flushes;
  }

  /** How often it has moved. */
  public int moves() {
    return moves;
  }

  /** How often it had to mount the volume anew. */
  public int remounts() {
    return remounts;
  }

  /** Requests that have no answer. */
  public int underWay() {
    return operations.size();
  }

  /** What it waits for. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("guest of " + volume + " on " + node);
    text.append(isConnected() ? "" : ", without a device");
    text.append(moveTo == null ? "" : ", on its way to " + moveTo);
    for (Operation one : operations.values()) {
      text.append(", waits for ").append(one.kind).append(' ').append(one.block).append(one.link);
    }
    return text.toString();
  }

  // ---- what it does -----------------------------------------------------------------------------

  private Optional<SimEngine> engineAt(String machine) {
    SimEngine found = null;
    for (SimEngine engine : world.enginesOf(volume)) {
      boolean isBetter = found == null || engine.pid() > found.pid();
      if (engine.node().equals(machine) && engine.takesClients() && isBetter) {
        found = engine;
      }
    }
    return Optional.ofNullable(found);
  }

  private boolean isWanted() {
    return isStarted || toWrite > 0 || toRead > 0 || moveTo != null;
  }

  private void tick() {
    if (!isTicking && isWanted()) {
      isTicking = true;
      boolean isQuiet =
          world.scheduler.nowNanos() - world.scheduler.lastActivityNanos() > QUIET_NANOS;
      long pause = world.knobs.guestPause.pick(world.scheduler);
      world.scheduler.inBackground(
          isQuiet ? world.knobs.idleFactor * pause : pause,
          () -> {
            isTicking = false;
            turn();
            tick();
          });
    }
  }

  private void turn() {
    if (moveTo != null) {
      moveOn(moveTo);
      return;
    }
    if (!link.isOpen() && !mount()) {
      return;
    }
    if (operations.size() < MAX_OPERATIONS) {
      next();
    }
  }

  /** Connects where it is; if nothing has been there for a while, where the volume is attached. */
  private boolean mount() {
    long now = world.scheduler.nowNanos();
    if (!node.isEmpty() && link.connect(node)) {
      lostSinceNanos = 0;
      return true;
    }
    if (lostSinceNanos == 0) {
      lostSinceNanos = now;
      remountNanos = world.knobs.remount.pick(world.scheduler);
    }
    String where = attachedAt.get();
    if (where.isEmpty() || now - lostSinceNanos < remountNanos || !link.connect(where)) {
      return false;
    }
    lostSinceNanos = 0;
    remounts += node.isEmpty() ? 0 : 1;
    node = where;
    world.trace.tell(node, () -> "guest of " + volume + " has it mounted");
    return true;
  }

  private Optional<Integer> freeBlock() {
    SortedSet<Integer> busy = new TreeSet<>();
    for (Operation operation : operations.values()) {
      if (operation.kind == Kind.WRITE) {
        busy.add(operation.block);
      }
    }
    List<Integer> free = new ArrayList<>();
    for (int b = 0; b < world.oracle(volume).size(); b++) {
      if (!busy.contains(b)) {
        free.add(b);
      }
    }
    return free.isEmpty()
        ? Optional.empty()
        : Optional.of(free.get(world.scheduler.random().nextInt(free.size())));
  }

  private void next() {
    if (toWrite > 0) {
      Optional<Integer> block = freeBlock();
      if (block.isPresent()) {
        toWrite--;
        link.request(Kind.WRITE, block.get());
      }
    } else if (toRead > 0) {
      toRead--;
      link.request(Kind.READ, nextBlock++);
    } else if (isStarted) {
      int dice = world.scheduler.random().nextInt(20);
      if (dice < 11) {
        freeBlock().ifPresent(block -> link.request(Kind.WRITE, block));
      } else if (dice < 18) {
        link.request(Kind.READ, world.scheduler.random().nextInt(world.oracle(volume).size()));
      } else {
        link.request(Kind.FLUSH, 0);
      }
    }
  }

  private void moveOn(String target) {
    if (link.isOpen() && !isFlushing) {
      if (operations.isEmpty()) {
        isFlushing = true;
        flushDone = false;
        link.request(Kind.FLUSH, 0);
      }
      return;
    }
    if (link.isOpen() && !flushDone) {
      return;
    }
    moveTo = null;
    isFlushing = false;
    Link old = link;
    if (old.isOpen() && world.scheduler.random().nextBoolean()) {
      // Hypervisors flush the source when the guest has moved, too.
      world.scheduler.inBackground(world.scheduler.millisBetween(200, 3_000), () -> lateFlush(old));
    } else {
      old.close();
    }
    link = new Link();
    node = target;
    moves++;
    lostSinceNanos = 0;
    world.trace.tell(node, () -> "guest of " + volume + " goes on here");
    world.scheduler.active();
    link.connect(node);
  }

  private void lateFlush(Link old) {
    if (old.isOpen()) {
      old.request(Kind.FLUSH, 0);
      world.scheduler.inBackground(10_000 * SimScheduler.MILLI, old::close);
    }
  }

  private void answered(Operation done, long stamp) {
    VolumeOracle oracle = world.oracle(volume);
    switch (done.kind) {
      case WRITE -> {
        writes++;
        oracle.acknowledge(done.block, done.stamp);
        world.watcher().touched(volume);
      }
      case READ -> {
        reads++;
        oracle.read("guest of " + volume + " on " + node, done.block, stamp, done.least);
      }
      case FLUSH -> {
        flushes++;
        flushDone = true;
      }
      case SNAPSHOT, STATUS -> {}
    }
  }
}
