package io.longhorn.engine.membership;

import io.longhorn.api.EngineId;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.ReplicaInfo;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * A small world around real {@link MembershipCore}s: replicas that keep promise, record and the
 * last write applied; engines that start, crash and stand still; a network that delays, reorders
 * and loses frames, also after their sender has gone. One block: write ids grow in the order of
 * issue, so data is lost if a source holds a smaller id than the last one acknowledged.
 */
final class MembershipWorld {
  /** A property that does not hold. */
  static final class Violation extends RuntimeException {
    private static final long serialVersionUID = 1;

    final boolean isSafety;

    Violation(boolean isSafety, String message) {
      super(message);
      this.isSafety = isSafety;
    }
  }

  /** What may happen next, and how often beside the others. */
  enum Action {
    START(20, false),
    DELIVER(200, false),
    DELIVER_SLOW(6, false),
    TIME(60, false),
    WRITE(80, false),
    READ(30, false),
    CONNECT(40, false),
    JOIN(40, false),
    NOTICE(30, false),
    CRASH(3, true),
    SUSPECT(8, true),
    BREAK(5, true),
    FREEZE(3, true),
    CUT(3, true),
    SPLIT(3, true),
    MEND(3, false),
    STOP_REPLICA(1, true),
    LOSE(3, true),
    STORE(120, false, true),
    STORE_SLOW(6, false, true),
    STORE_GIVE_UP(10, false, true),
    STORE_LATE(4, true, true),
    STORE_DOWN(2, true, true),
    STORE_LOSE(4, true, true),
    STORE_ROLL_BACK(0, false, true);

    final int weight;
    final boolean isTrouble;
    final boolean isOfStore;

    Action(int weight, boolean isTrouble) {
      this(weight, isTrouble, false);
    }

    Action(int weight, boolean isTrouble, boolean isOfStore) {
      this.weight = weight;
      this.isTrouble = isTrouble;
      this.isOfStore = isOfStore;
    }
  }

  private enum Kind {
    HELLO,
    PROMISE,
    RECORD,
    WRITE,
    READ,
    HELLO_OK,
    PROMISE_OK,
    PROMISE_NO,
    RECORD_OK,
    WRITE_OK,
    READ_OK,
    FENCED
  }

  /** A frame on its way; {@code link} numbers connections, never reused. */
  private record Frame(
      Kind kind, int engine, int replica, long link, long generation, long number, Object body) {}

  private static final class Replica {
    final ReplicaId id;
    MembershipRecord record;
    long promised;
    EngineId promisedTo = new EngineId(new UUID(0, 0));
    long sessionLink = -1;
    long released;
    long value;
    boolean isDown;

    Replica(ReplicaId id, MembershipRecord record) {
      this.id = id;
      this.record = record;
    }

    ReplicaInfo info() {
      return new ReplicaInfo(
          1,
          VOLUME,
          id,
          1 << 20,
          "replicas",
          promised,
          record,
          released,
          new ProcessNonce(id.uuid()),
          true,
          RecordStamp.NONE,
          65_536,
          0,
          1,
          64);
    }
  }

  private record Served(EngineId engine, long generation) {}

  private final class Engine {
    EngineId id = new EngineId(new UUID(0, 0));
    MembershipCore core = core(id);
    boolean isUp;
    boolean isFrozen;
    final ReadWindow window = new ReadWindow();
    final long[] links = new long[MembershipRecord.MAX_REPLICAS];
    final boolean[] isGreeted = new boolean[MembershipRecord.MAX_REPLICAS];
    final boolean[] mayReturn = new boolean[MembershipRecord.MAX_REPLICAS];
    final boolean[] isReceiving = new boolean[MembershipRecord.MAX_REPLICAS];
    long write;
    int acks;
    long openedGeneration;
    final MembershipRecord[] promises = new MembershipRecord[MembershipRecord.MAX_REPLICAS];
    Optional<StoreOfWorld.Caller> waiting = Optional.empty();

    void reset() {
      for (int r = 0; r < links.length; r++) {
        links[r] = -1;
        isGreeted[r] = false;
        mayReturn[r] = false;
        isReceiving[r] = false;
        promises[r] = null;
      }
      write = 0;
      acks = 0;
      waiting = Optional.empty();
    }
  }

  private MembershipCore core(EngineId id) {
    Authority authority = isStore ? new Authority.Store(id) : new Authority.Replicas();
    return new MembershipCore(ids, authority, TIMING, rules);
  }

  static final MembershipTiming TIMING =
      new MembershipTiming(300_000_000L, 100_000_000L, 1_000_000_000L);
  private static final VolumeId VOLUME = new VolumeId(new UUID(7, 7));
  private static final int MAX_FRAMES = 400;

  /** One frame of so many takes very long. */
  private static final int SLOW = 25;

  private final RandomGenerator random;
  private final RuleSet rules;
  private final boolean usesWindow;
  private final boolean isTold;
  private final boolean isStore;
  private final StoreOfWorld store;
  private final List<ReplicaId> ids = new ArrayList<>();
  private final List<Replica> replicas = new ArrayList<>();
  private final List<Engine> engines = new ArrayList<>();
  private final List<Frame> frames = new ArrayList<>();
  private final List<Frame> slow = new ArrayList<>();
  private final boolean[][] isCut;
  private final List<Integer> weights = new ArrayList<>();
  private final List<String> story = new ArrayList<>();
  private long nowNanos = 1_000_000_000L;
  private long nextLink = 1;
  private long nextEngine = 1;
  private long nextWrite = 1;
  private long lastAcked;
  private long topGeneration;
  private final List<Served> serves = new ArrayList<>();
  private boolean isSlow = true;
  private int opens;

  /** A world of its own for each seed: its size, its engines and its kind of trouble vary. */
  MembershipWorld(
      long seed,
      boolean isStore,
      int replicaCount,
      RuleSet rules,
      boolean usesWindow,
      Action focus,
      boolean isTold) {
    this.isTold = isTold;
    this.isStore = isStore;
    random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    this.rules = rules;
    this.usesWindow = usesWindow;
    for (int r = 0; r < replicaCount; r++) {
      ids.add(new ReplicaId(new UUID(0, r + 1)));
    }
    MembershipRecord first = MembershipRecord.ofNewVolume(ids);
    for (ReplicaId id : ids) {
      replicas.add(new Replica(id, first));
    }
    store = new StoreOfWorld(random, rules, VolumeRecord.ofNewVolume(first));
    int engineCount = 1 + random.nextInt(3);
    for (int e = 0; e < engineCount; e++) {
      Engine engine = new Engine();
      engine.reset();
      engines.add(engine);
    }
    isCut = new boolean[engineCount][replicaCount];
    // Swarm: each run has its own mixture of trouble, and much of it none.
    for (Action action : Action.values()) {
      if (action.isOfStore && !isStore) {
        weights.add(0);
        continue;
      }
      int weight = action == Action.STORE_ROLL_BACK && action == focus ? 1 : action.weight;
      int much = action == focus ? 12 : random.nextInt(3) * random.nextInt(3);
      weights.add(action.isTrouble ? weight * much : weight);
    }
  }

  /** How often an engine opened the volume. */
  int opens() {
    return opens;
  }

  /** The last acknowledged write. */
  long lastAcked() {
    return lastAcked;
  }

  /** The latest events, for a report. */
  String story() {
    return String.join("\n", story.subList(Math.max(0, story.size() - 120), story.size()));
  }

  /** Trouble: so many random steps. */
  void run(int steps) {
    int total = weights.stream().mapToInt(Integer::intValue).sum();
    Action[] actions = Action.values();
    for (int i = 0; i < steps; i++) {
      int pick = random.nextInt(total);
      int action = 0;
      for (; pick >= weights.get(action); action++) {
        pick -= weights.get(action);
      }
      act(actions[action]);
      check();
    }
  }

  private void act(Action action) {
    int e = random.nextInt(engines.size());
    int r = random.nextInt(replicas.size());
    Engine engine = engines.get(e);
    switch (action) {
      case START -> start(e);
      case DELIVER -> {
        for (int i = 0; i < 4; i++) {
          deliverAny(frames);
        }
      }
      case DELIVER_SLOW -> deliverAny(slow);
      case TIME -> tick();
      case WRITE -> write(e);
      case READ -> read(e);
      case CONNECT -> forEachReplica(each -> connect(e, each));
      case JOIN -> forEachReplica(each -> joinIfPossible(e, each));
      case NOTICE -> forEachReplica(each -> noticeClosed(e, each));
      case CRASH -> crash(e);
      case SUSPECT -> suspect(e, r);
      case BREAK -> {
        if (engine.isUp && !engine.isFrozen && engine.isGreeted[r]) {
          tellBroken(e, r);
        }
      }
      case FREEZE -> engine.isFrozen = !engine.isFrozen;
      case CUT -> isCut[e][r] = !isCut[e][r];
      case SPLIT -> split();
      case MEND -> mend();
      case STOP_REPLICA -> replicas.get(r).isDown = !replicas.get(r).isDown;
      case LOSE -> {
        if (!frames.isEmpty()) {
          frames.remove(random.nextInt(frames.size()));
        }
      }
      case STORE -> {
        for (int i = 0; i < 2; i++) {
          store.move().ifPresent(this::storeAnswered);
        }
      }
      case STORE_SLOW -> store.serveSlow();
      case STORE_GIVE_UP -> giveUpCall(e, false);
      case STORE_LATE -> giveUpCall(e, true);
      case STORE_DOWN -> store.toggle();
      case STORE_LOSE -> store.lose();
      case STORE_ROLL_BACK -> {
        store.rollBack();
        tellStory("the store is rolled back to", shorten(store.record()));
      }
    }
  }

  // ---- the store -----------------------------------------------------------------------------

  private void callStore(int e, long call, long expected, Optional<VolumeRecord> wanted) {
    Engine engine = engines.get(e);
    StoreOfWorld.Caller caller = new StoreOfWorld.Caller(e, engine.id, call);
    engine.waiting = Optional.of(caller);
    store.call(caller, expected, wanted);
  }

  private void storeAnswered(StoreOfWorld.Answer answer) {
    StoreOfWorld.Caller caller = answer.caller();
    Engine engine = engines.get(caller.engine());
    if (!engine.isUp || !engine.waiting.equals(Optional.of(caller))) {
      return;
    }
    if (engine.isFrozen) {
      store.later(answer);
      return;
    }
    engine.waiting = Optional.empty();
    if (answer.isRead()) {
      tell(
          caller.engine(), new MembershipEvent.StoreRead(nowNanos, caller.call(), answer.stored()));
    } else if (answer.isConflict()) {
      tell(
          caller.engine(),
          new MembershipEvent.StoreConflict(nowNanos, caller.call(), answer.stored()));
    } else {
      tell(
          caller.engine(),
          new MembershipEvent.StoreSet(nowNanos, caller.call(), answer.stored().revision()));
    }
  }

  /** The deadline of a call is over: of any, or of one that is lost. */
  private void giveUpCall(int e, boolean isAny) {
    Engine engine = engines.get(e);
    if (!engine.isUp || engine.isFrozen || engine.waiting.isEmpty()) {
      return;
    }
    StoreOfWorld.Caller caller = engine.waiting.get();
    if (isAny || !store.isUnderWay(caller)) {
      engine.waiting = Optional.empty();
      tell(e, new MembershipEvent.StoreUnreachable(nowNanos, caller.call(), "no answer"));
    }
  }

  /** An opening is never based on a record that is older than that of a replica which promised. */
  private void checkBase(int e, Engine engine, long expected, VolumeRecord wanted) {
    boolean isOpening =
        engine.core.record().isEmpty()
            && wanted.membership().stamp().generation() == engine.core.generation();
    if (!isOpening || expected != store.revision()) {
      return;
    }
    for (int r = 0; r < replicas.size(); r++) {
      MembershipRecord promised = engine.promises[r];
      if (promised != null && promised.stamp().isNewerThan(store.record().membership().stamp())) {
        throw new Violation(
            true,
            "E" + e + " opens by the store's " + shorten(store.record()) + ", R" + r + " is newer");
      }
    }
  }

  private void forEachReplica(IntConsumer action) {
    for (int r = 0; r < replicas.size(); r++) {
      action.accept(r);
    }
  }

  private void mend() {
    for (boolean[] row : isCut) {
      Arrays.fill(row, false);
    }
  }

  /** The trouble ends; the volume has to be open, written to, and whole again within the bound. */
  void heal() {
    for (Engine engine : engines) {
      engine.isFrozen = false;
    }
    for (Replica replica : replicas) {
      replica.isDown = false;
    }
    mend();
    frames.clear();
    slow.clear();
    store.heal();
    isSlow = false;
    // What was lost on a link breaks it, sooner or later.
    for (int e = 0; e < engines.size(); e++) {
      for (int r = 0; r < replicas.size(); r++) {
        if (engines.get(e).isUp && engines.get(e).links[r] >= 0) {
          tellBroken(e, r);
        }
      }
    }
    int survivor = -1;
    for (int e = 0; e < engines.size(); e++) {
      if (engines.get(e).isUp && survivor < 0) {
        survivor = e;
      } else if (engines.get(e).isUp) {
        crash(e);
      }
    }
    if (survivor < 0) {
      survivor = 0;
      start(0);
    }
    int e = survivor;
    giveUpCall(e, true);
    settle(
        "open",
        e,
        () -> {
          if (engines.get(e).core.state() instanceof MembershipState.Deposed) {
            crash(e);
            start(e);
          }
          return engines.get(e).core.isServing();
        });
    settle(
        "complete",
        e,
        () -> {
          for (int r = 0; r < replicas.size(); r++) {
            joinIfPossible(e, r);
            if (engines.get(e).core.isServing()
                && replicas.get(r).promised > engines.get(e).core.generation()) {
              tell(e, new MembershipEvent.ReopenWanted(nowNanos));
            }
          }
          return engines.get(e).core.isComplete() && engines.get(e).core.isServing();
        });
    long before = lastAcked;
    settle(
        "writable",
        e,
        () -> {
          write(e);
          return lastAcked > before;
        });
  }

  private void settle(String goal, int e, BooleanSupplier isReached) {
    for (int turn = 0; turn < 400; turn++) {
      if (isReached.getAsBoolean()) {
        return;
      }
      for (int r = 0; r < replicas.size(); r++) {
        noticeClosed(e, r);
        connect(e, r);
      }
      for (int delivered = 0; !frames.isEmpty() && delivered < 2 * MAX_FRAMES; delivered++) {
        deliver(frames.removeFirst());
        check();
      }
      store.serveSlow();
      for (int moved = 0; moved < 8; moved++) {
        store.move().ifPresent(this::storeAnswered);
        check();
      }
      nowNanos += 50_000_000L;
      tell(e, new MembershipEvent.Tick(nowNanos));
      check();
    }
    throw new Violation(false, "not " + goal + " after healing: " + engines.get(e).core.state());
  }

  // ---- actions -------------------------------------------------------------------------------

  private void start(int e) {
    Engine engine = engines.get(e);
    if (engine.isUp && !(engine.core.state() instanceof MembershipState.Deposed)) {
      return;
    }
    engine.reset();
    engine.id = new EngineId(new UUID(1, nextEngine++));
    engine.core = core(engine.id);
    engine.window.endedAll();
    engine.isUp = true;
    engine.isFrozen = false;
    tellStory("start E", e, "as", nextEngine - 1);
  }

  private void crash(int e) {
    Engine engine = engines.get(e);
    if (engine.isUp) {
      tellStory("crash E", e);
      engine.isUp = false;
      engine.reset();
    }
  }

  private void connect(int e, int r) {
    Engine engine = engines.get(e);
    if (engine.links[r] >= 0 && !engine.isGreeted[r] && random.nextInt(10) == 0) {
      engine.links[r] = -1;
    }
    if (engine.isUp
        && !engine.isFrozen
        && engine.links[r] < 0
        && !isCut[e][r]
        && !(engine.core.state() instanceof MembershipState.Deposed)) {
      engine.links[r] = nextLink++;
      send(new Frame(Kind.HELLO, e, r, engine.links[r], 0, nowNanos, ""));
    }
  }

  private void tick() {
    nowNanos += 1_000_000L * (1 + random.nextInt(random.nextInt(4) == 0 ? 600 : 60));
    for (int e = 0; e < engines.size(); e++) {
      tell(e, new MembershipEvent.Tick(nowNanos));
    }
  }

  private void suspect(int e, int r) {
    Engine engine = engines.get(e);
    if (engine.links[r] >= 0) {
      tell(
          e,
          random.nextInt(3) == 0
              ? new MembershipEvent.Unsuspected(nowNanos, ids.get(r))
              : new MembershipEvent.Suspected(nowNanos, ids.get(r)));
    }
  }

  private void noticeClosed(int e, int r) {
    Engine engine = engines.get(e);
    Replica replica = replicas.get(r);
    boolean isOver =
        replica.isDown
            || (replica.sessionLink != engine.links[r] && engine.links[r] < replica.sessionLink);
    if (engine.isUp && !engine.isFrozen && engine.isGreeted[r] && isOver && !isCut[e][r]) {
      tellBroken(e, r);
    }
  }

  private void tellBroken(int e, int r) {
    Engine engine = engines.get(e);
    tellStory("link broke: E", e, "R", r);
    dropLink(engine, r);
    tell(e, new MembershipEvent.LinkBroke(nowNanos, ids.get(r)));
  }

  private static void dropLink(Engine engine, int r) {
    engine.links[r] = -1;
    engine.isGreeted[r] = false;
    engine.acks &= ~(1 << r);
    engine.mayReturn[r] = false;
    engine.isReceiving[r] = false;
    engine.promises[r] = null;
    engine.window.ended(r);
  }

  private void write(int e) {
    Engine engine = engines.get(e);
    if (!engine.isUp || engine.isFrozen || !engine.core.isServing() || engine.write != 0) {
      return;
    }
    engine.write = nextWrite++;
    engine.acks = 0;
    for (int r = 0; r < replicas.size(); r++) {
      if ((engine.core.targetMask() & 1 << r) != 0 || engine.isReceiving[r]) {
        send(
            new Frame(
                Kind.WRITE,
                e,
                r,
                engine.links[r],
                engine.core.generation(),
                engine.write,
                nowNanos));
      }
    }
  }

  private void read(int e) {
    Engine engine = engines.get(e);
    if (!engine.isUp
        || engine.isFrozen
        || !engine.core.isServing()
        || engine.core.readableMask() == 0) {
      return;
    }
    for (int r = 0; r < replicas.size(); r++) {
      // Each is also a PING, which keeps the read window open.
      if ((engine.core.targetMask() & 1 << r) != 0) {
        send(
            new Frame(
                Kind.READ, e, r, engine.links[r], engine.core.generation(), lastAcked, nowNanos));
      }
    }
  }

  private void joinIfPossible(int e, int r) {
    Engine engine = engines.get(e);
    if (!engine.isUp || engine.isFrozen || !engine.mayReturn[r] || engine.write != 0) {
      return;
    }
    int sources = engine.core.readableMask();
    for (int s = 0; s < replicas.size(); s++) {
      Replica source = replicas.get(s);
      // The copy goes over the sessions of this engine: both have to hold still.
      if ((sources & 1 << s) != 0
          && source.sessionLink == engine.links[s]
          && replicas.get(r).sessionLink == engine.links[r]
          && source.promised == engine.core.generation()
          && replicas.get(r).promised == engine.core.generation()) {
        replicas.get(r).value = source.value;
        engine.mayReturn[r] = false;
        engine.isReceiving[r] = true;
        tellStory("copy: E", e, "R", s, "to R", r, "value", source.value);
        tell(e, new MembershipEvent.JoinWanted(nowNanos, ids.get(r)));
        return;
      }
    }
  }

  // ---- frames --------------------------------------------------------------------------------

  /** Two sides of a network: each engine reaches one of them. */
  private void split() {
    int side = random.nextInt(1 << replicas.size());
    for (int e = 0; e < engines.size(); e++) {
      boolean isThere = random.nextBoolean();
      for (int r = 0; r < replicas.size(); r++) {
        isCut[e][r] = ((side & 1 << r) != 0) != isThere;
      }
    }
  }

  private void send(Frame frame) {
    boolean maySlow = isSlow && frame.kind != Kind.HELLO && frame.kind != Kind.HELLO_OK;
    if (maySlow && slow.size() < MAX_FRAMES && random.nextInt(SLOW) == 0) {
      slow.add(frame);
    } else if (frames.size() < MAX_FRAMES) {
      frames.add(frame);
    }
  }

  private void deliverAny(List<Frame> from) {
    if (!from.isEmpty()) {
      deliver(from.remove(random.nextInt(from.size())));
    }
  }

  private void deliver(Frame frame) {
    if (isCut[frame.engine][frame.replica]) {
      // Stays on its way, or is lost.
      if (random.nextInt(8) != 0) {
        send(frame);
      }
      return;
    }
    switch (frame.kind) {
      case HELLO, PROMISE, RECORD, WRITE, READ -> {
        if (replicas.get(frame.replica).isDown) {
          return;
        }
        serve(replicas.get(frame.replica), frame);
      }
      case HELLO_OK, PROMISE_OK, PROMISE_NO, RECORD_OK, WRITE_OK, READ_OK, FENCED -> receive(frame);
    }
  }

  private void answer(Frame frame, Kind kind, long number, Object body) {
    send(new Frame(kind, frame.engine, frame.replica, frame.link, frame.generation, number, body));
  }

  private void serve(Replica replica, Frame frame) {
    switch (frame.kind) {
      case HELLO -> answer(frame, Kind.HELLO_OK, 0, replica.info());
      case PROMISE -> promise(replica, frame);
      default -> {
        boolean isOfSession = !rules.sessionFence() || replica.sessionLink == frame.link;
        if (frame.generation < replica.promised) {
          answer(frame, Kind.FENCED, replica.promised, "");
        } else if (isOfSession) {
          apply(replica, frame);
        }
      }
    }
  }

  private void promise(Replica replica, Frame frame) {
    EngineId engine = (EngineId) frame.body;
    boolean isMine = replica.promisedTo.equals(engine);
    boolean isRefused =
        frame.generation < replica.promised
            || (rules.promisesOnce() && frame.generation == replica.promised && !isMine);
    // A connection that its engine has given up is closed; a promise still under way on it is lost.
    if (engines.get(frame.engine).links[frame.replica] != frame.link && isRefusedWhenLate(frame)) {
      return;
    }
    if (isRefused) {
      answer(frame, Kind.PROMISE_NO, replica.promised, "");
      return;
    }
    replica.promised = frame.generation;
    replica.promisedTo = engine;
    replica.sessionLink = frame.link;
    answer(frame, Kind.PROMISE_OK, frame.number, replica.info());
  }

  /** With the session fence a replica ends sessions in the order they began. */
  private boolean isRefusedWhenLate(Frame frame) {
    return rules.sessionFence() && frame.link < replicas.get(frame.replica).sessionLink;
  }

  private void apply(Replica replica, Frame frame) {
    switch (frame.kind) {
      case RECORD -> {
        MembershipRecord record = (MembershipRecord) frame.body;
        if (OpenRule.isNewer(record.stamp(), replica.record.stamp(), rules)) {
          replica.record = record;
        }
        if (replica.record.stamp().equals(record.stamp())) {
          answer(frame, Kind.RECORD_OK, frame.number, record.stamp());
        }
      }
      case WRITE -> {
        replica.value = frame.number;
        answer(frame, Kind.WRITE_OK, frame.number, frame.body);
      }
      case READ ->
          answer(frame, Kind.READ_OK, replica.value, new long[] {frame.number, (long) frame.body});
      default -> throw new IllegalStateException("not a request: " + frame);
    }
  }

  private void receive(Frame frame) {
    int e = frame.engine;
    Engine engine = engines.get(e);
    if (!engine.isUp || engine.links[frame.replica] != frame.link) {
      return;
    }
    if (engine.isFrozen) {
      send(frame);
      return;
    }
    ReplicaId id = ids.get(frame.replica);
    switch (frame.kind) {
      case HELLO_OK -> {
        engine.isGreeted[frame.replica] = true;
        tell(e, new MembershipEvent.ReplicaAnswered(nowNanos, id, (ReplicaInfo) frame.body));
      }
      case PROMISE_OK -> {
        engine.window.answered(frame.replica, frame.number);
        engine.promises[frame.replica] = ((ReplicaInfo) frame.body).record();
        tell(
            e,
            new MembershipEvent.Promised(nowNanos, id, frame.generation, (ReplicaInfo) frame.body));
      }
      case PROMISE_NO ->
          tell(e, new MembershipEvent.PromiseRefused(nowNanos, id, frame.generation, frame.number));
      case RECORD_OK ->
          tell(e, new MembershipEvent.RecordStored(nowNanos, id, (RecordStamp) frame.body));
      case FENCED -> tell(e, new MembershipEvent.Fenced(nowNanos, id, frame.number));
      case WRITE_OK -> {
        engine.window.answered(frame.replica, (long) frame.body);
        if (engine.write == frame.number && frame.generation == engine.core.generation()) {
          engine.acks |= 1 << frame.replica;
        }
      }
      case READ_OK -> {
        long[] asked = (long[]) frame.body;
        engine.window.answered(frame.replica, asked[1]);
        readAnswered(engine, frame, asked[0]);
      }
      default -> throw new IllegalStateException("not an answer: " + frame);
    }
    acknowledge(e);
  }

  private void readAnswered(Engine engine, Frame frame, long ackedWhenAsked) {
    MembershipCore core = engine.core;
    boolean mayAnswer =
        core.isServing()
            && (core.readableMask() & 1 << frame.replica) != 0
            && frame.generation == core.generation()
            && (!usesWindow || engine.window.mayServeReads(nowNanos, core.requiredMask()));
    if (mayAnswer && frame.number < ackedWhenAsked && !store.isRolledBack()) {
      throw new Violation(
          true,
          "stale read of "
              + frame.number
              + " by E"
              + frame.engine
              + ", "
              + ackedWhenAsked
              + " was acknowledged before it was asked");
    }
  }

  private void acknowledge(int e) {
    Engine engine = engines.get(e);
    int needed = engine.core.requiredMask();
    for (int r = 0; r < replicas.size(); r++) {
      needed |= engine.isReceiving[r] ? 1 << r : 0;
    }
    if (engine.write != 0 && engine.core.isServing() && (needed & ~engine.acks) == 0) {
      tellStory("acknowledge: E", e, "write", engine.write);
      lastAcked = Math.max(lastAcked, engine.write);
      engine.write = 0;
      engine.acks = 0;
    }
  }

  // ---- effects -------------------------------------------------------------------------------

  private void tell(int e, MembershipEvent event) {
    Engine engine = engines.get(e);
    if (!engine.isUp || engine.isFrozen) {
      return;
    }
    List<MembershipEffect> effects = engine.core.step(event);
    if (isTold && !(event instanceof MembershipEvent.Tick && effects.isEmpty())) {
      tellStory("E", e, shorten(event), "->", shorten(effects));
    }
    for (MembershipEffect effect : effects) {
      carryOut(e, engine, effect);
    }
    acknowledge(e);
  }

  private void carryOut(int e, Engine engine, MembershipEffect effect) {
    switch (effect) {
      case MembershipEffect.AskPromise(ReplicaId id, long generation) ->
          send(
              new Frame(
                  Kind.PROMISE,
                  e,
                  index(id),
                  engine.links[index(id)],
                  generation,
                  nowNanos,
                  engine.id));
      case MembershipEffect.StoreRecord(ReplicaId id, MembershipRecord record) ->
          send(
              new Frame(
                  Kind.RECORD,
                  e,
                  index(id),
                  engine.links[index(id)],
                  engine.core.generation(),
                  nowNanos,
                  record));
      case MembershipEffect.ReadStore(long call) -> callStore(e, call, 0, Optional.empty());
      case MembershipEffect.SetStore(long call, long expected, VolumeRecord record) -> {
        checkBase(e, engine, expected, record);
        callStore(e, call, expected, Optional.of(record));
      }
      case MembershipEffect.Disconnect(ReplicaId id, _) -> dropLink(engine, index(id));
      case MembershipEffect.Opened opened -> {
        opens++;
        topGeneration = Math.max(topGeneration, opened.generation());
        if (opened.isContinuation()
            && servedSince(engine, opened.generation())
            && !store.isRolledBack()) {
          throw new Violation(true, "E" + e + " believes that nobody served since it did");
        }
        engine.openedGeneration = opened.generation();
        engine.write = 0;
        engine.acks = 0;
      }
      case MembershipEffect.Serve _ -> serves.add(new Served(engine.id, engine.core.generation()));
      case MembershipEffect.MayReturn(ReplicaId id, _) -> engine.mayReturn[index(id)] = true;
      case MembershipEffect.Joined(ReplicaId id, _) -> engine.isReceiving[index(id)] = false;
      case MembershipEffect.Left(ReplicaId id, _) -> {
        engine.isReceiving[index(id)] = false;
        engine.mayReturn[index(id)] = false;
      }
      case MembershipEffect.Held _, MembershipEffect.Deposed _ -> {
        engine.write = 0;
        engine.acks = 0;
      }
      case MembershipEffect.InForceChanged _,
          MembershipEffect.StaysOut _,
          MembershipEffect.Forced _ -> {}
    }
  }

  /** Whoever is above the new generation refuses what would be sent again under it. */
  private boolean servedSince(Engine engine, long generation) {
    return serves.stream()
        .anyMatch(served ->
            !served.engine.equals(engine.id)
                && served.generation > engine.openedGeneration
                && served.generation < generation);
  }

  private int index(ReplicaId id) {
    return ids.indexOf(id);
  }

  // ---- properties ----------------------------------------------------------------------------

  private void check() {
    if (store.isRolledBack()) {
      // What was acknowledged since may be lost; who opens is checked when it does.
      return;
    }
    // Without these two it would be seen here at once, before it does harm.
    boolean isKept = isStore && rules.comparesRevision() && rules.yieldsToOwner();
    for (int r = 0; isKept && r < replicas.size(); r++) {
      if (replicas.get(r).record.stamp().isNewerThan(store.record().membership().stamp())) {
        throw new Violation(true, "R" + r + " has a record that the store does not have");
      }
    }
    for (int e = 0; e < engines.size(); e++) {
      Engine engine = engines.get(e);
      if (!isOpen(engine)) {
        continue;
      }
      for (int other = 0; other < e; other++) {
        if (isOpen(engines.get(other))
            && engines.get(other).core.generation() == engine.core.generation()) {
          throw new Violation(
              true, "E" + e + " and E" + other + " are both open with " + engine.core.generation());
        }
      }
      if (engine.core.generation() == topGeneration) {
        checkSources(e, engine);
      }
    }
  }

  private void checkSources(int e, Engine engine) {
    for (int r = 0; r < replicas.size(); r++) {
      if ((engine.core.readableMask() & 1 << r) != 0 && replicas.get(r).value < lastAcked) {
        throw new Violation(
            true,
            "acknowledged write "
                + lastAcked
                + " is lost: source R"
                + r
                + " of E"
                + e
                + " has "
                + replicas.get(r).value
                + ", "
                + engine.core.state());
      }
    }
  }

  private static boolean isOpen(Engine engine) {
    return engine.isUp && engine.core.record().isPresent();
  }

  private void tellStory(Object... words) {
    if (isTold) {
      StringBuilder line = new StringBuilder();
      for (Object word : words) {
        line.append(word).append(' ');
      }
      story.add(line.toString());
    }
  }

  private static String shorten(Object value) {
    return value
        .toString()
        .replaceAll("00000000-0000-0000-0000-00000000000", "")
        .replaceAll("ReplicaInfo\\[[^\\]]*\\]*", "info")
        .replaceAll("ReplicaId\\[uuid=(.)\\]", "R$1");
  }
}
