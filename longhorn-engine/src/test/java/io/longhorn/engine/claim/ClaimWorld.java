package io.longhorn.engine.claim;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.engine.claim.ClaimRequest.Kind;
import io.longhorn.engine.claim.ClaimRules.Rule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.IntStream;

/**
 * A small world around two real {@link ClaimCore}s, the two sides of a migration: replicas, a
 * store, links that delay and break, a guest that moves and writes where it likes, and a control
 * plane that ends the migration at any time. A value is (generation, number of the write in the
 * order of first sending), ordered as such, as in the model.
 */
final class ClaimWorld {
  /** A property that does not hold. */
  static final class Violation extends RuntimeException {
    private static final long serialVersionUID = 1;

    Violation(String message) {
      super(message);
    }
  }

  /** What may happen next, and how often beside the others. */
  enum Action {
    NOTHING(0, false),
    DELIVER(260, false),
    DELIVER_SLOW(6, false),
    PEER(90, false),
    PEER_SLOW(5, false),
    TIME(60, false),
    WRITE(60, false),
    READ(60, false),
    FLUSH(8, false),
    SNAPSHOT(2, false),
    CONNECT(50, false),
    NOTICE(20, false),
    EQUALIZE(50, false),
    RECONCILE(6, false),
    JOIN(20, false),
    EXECUTE(10, false),
    STORE(120, false),
    STORE_SLOW(6, false),
    STORE_TIMEOUT(10, false),
    START(10, false),
    MOVE(6, false),
    MEND(3, false),
    IDLE_PING(10, false),
    FINISH(1, true),
    CRASH(2, true),
    FREEZE(3, true),
    BREAK(6, true),
    CUT(4, true),
    CUT_PEER(3, true),
    SPLIT(3, true),
    LOSE_PEER(6, true),
    STOP_REPLICA(1, true),
    STORE_LATE(5, true),
    STORE_DOWN(2, true),
    STORE_LOSE(5, true);

    final int weight;
    final boolean isTrouble;

    Action(int weight, boolean isTrouble) {
      this.weight = weight;
      this.isTrouble = isTrouble;
    }
  }

  private record Value(long generation, long write) implements Comparable<Value> {
    static final Value NONE = new Value(0, 0);

    @Override
    public int compareTo(Value other) {
      int byGeneration = Long.compare(generation, other.generation);
      return byGeneration != 0 ? byGeneration : Long.compare(write, other.write);
    }

    static Value max(Value a, Value b) {
      return a.compareTo(b) < 0 ? b : a;
    }
  }

  private static final class Replica {
    final ReplicaId id;
    final Value[] values = {Value.NONE, Value.NONE};
    final Value[] flushed = {Value.NONE, Value.NONE};
    long promised;
    RecordStamp record = RecordStamp.NONE;
    long session = -1;
    boolean isDown;

    Replica(ReplicaId id) {
      this.id = id;
    }

    void flush() {
      System.arraycopy(values, 0, flushed, 0, BLOCKS);
    }
  }

  private enum Call {
    HELLO,
    PROMISE,
    WRITE,
    READ,
    FLUSH,
    PING
  }

  /** To a replica, on a link that is in order. */
  private record Frame(
      Call call,
      int slot,
      int replica,
      long link,
      long generation,
      long number,
      Object body,
      long sentNanos) {}

  private enum Answers {
    OK,
    FENCED
  }

  /** Back from a replica. */
  private record Reply(Answers answer, Frame frame, long promised, Object body) {}

  private enum Say {
    FORWARD,
    FORWARD_OK,
    FORWARD_NO,
    QUIESCE,
    QUIESCE_OK,
    QUIESCE_NO,
    GIVE_UP
  }

  /** Between the engines; for one start of the receiver. */
  private record Word(Say say, int to, int toStart, long number, Object body) {}

  private record Stopped(EngineId by, long generation, boolean isClean) {}

  /** A request as the world sees it. */
  private record Asked(
      ClaimRequest request,
      int block,
      Value[] least,
      Value[] acked,
      Value[] ownAcked,
      long origin,
      long served) {}

  private final class Engine {
    final int slot;
    EngineId id = new EngineId(new UUID(0, 0));
    int start;
    ClaimCore core;
    boolean isUp;
    boolean isFrozen;
    final long[] links = new long[MembershipRecord.MAX_REPLICAS];
    final boolean[] isGreeted = new boolean[MembershipRecord.MAX_REPLICAS];
    final long[] promisedOn = new long[MembershipRecord.MAX_REPLICAS];
    final Map<Long, Asked> asked = new LinkedHashMap<>();
    final Map<Long, Value> found = new TreeMap<>();
    final Map<Long, Value> writes = new TreeMap<>();
    final Map<Long, ClaimEffect.SendWrite> writing = new TreeMap<>();
    final Map<Long, ClaimEffect.SendRead> reading = new TreeMap<>();
    final Map<Long, Integer> readFrom = new TreeMap<>();
    final List<Long> executing = new ArrayList<>();
    final boolean[] isReturning = new boolean[MembershipRecord.MAX_REPLICAS];
    final Value[] ownAcked = {Value.NONE, Value.NONE};
    boolean isThroughOwner;
    int source = -1;
    boolean isReconciling;
    final boolean[] isEqual = new boolean[BLOCKS];
    Optional<StoreOfClaims.Caller> waiting = Optional.empty();

    Engine(int slot) {
      this.slot = slot;
      core = new ClaimCore(id, TIMING, rules);
      Arrays.fill(links, -1);
    }

    void reset() {
      Arrays.fill(links, -1);
      Arrays.fill(isGreeted, false);
      asked.clear();
      Arrays.fill(ownAcked, Value.NONE);
      waiting = Optional.empty();
      generationEnds();
    }

    void generationEnds() {
      writing.clear();
      reading.clear();
      readFrom.clear();
      executing.clear();
      Arrays.fill(isReturning, false);
      source = -1;
      isReconciling = false;
      Arrays.fill(isEqual, false);
    }

    boolean runs() {
      return isUp && !isFrozen;
    }
  }

  static final ClaimTiming TIMING =
      new ClaimTiming(
          200_000_000L,
          100_000_000L,
          600_000_000L,
          50_000_000L,
          400_000_000L,
          3_000_000_000L,
          50_000_000L);

  private static final int BLOCKS = 2;
  private static final int BLOCK = 4096;
  private static final int MAX_ASKED = 6;

  /** One word of so many, one link with a write of so many, takes very long. */
  private static final int SLOW = 20;

  private static final int SLOW_LINK = 5;

  private final RandomGenerator random;
  private final ClaimRules rules;
  private final boolean isTold;
  private final List<Replica> replicas = new ArrayList<>();
  private final List<ReplicaId> ids = new ArrayList<>();
  private final List<Engine> engines = new ArrayList<>();
  private final StoreOfClaims store;
  private final TreeMap<Long, List<Frame>> links = new TreeMap<>();
  private final TreeSet<Long> slowLinks = new TreeSet<>();
  private final List<Reply> replies = new ArrayList<>();
  private final List<Word> words = new ArrayList<>();
  private final List<Word> slowWords = new ArrayList<>();
  private final boolean[][] isCut;
  private boolean isPeerCut;
  private final List<Integer> weights = new ArrayList<>();
  private final List<String> story = new ArrayList<>();
  private final Value[] lastAcked = {Value.NONE, Value.NONE};
  private final Value[] seen = {Value.NONE, Value.NONE};
  private long nowNanos = 1_000_000_000L;
  private long nextLink = 1;
  private long nextRequest = 1;
  private long nextEngine = 1;
  private long nextWrite = 1;
  private int guest;
  private int winner = -1;
  private boolean isSlow = true;

  /** Highest generation in which something was answered. */
  private long lastServed;

  private int servings;
  private int acks;
  private int reads;
  private int flushes;
  private int finishes;

  /** A world of its own for each seed: its mixture of trouble varies. */
  ClaimWorld(long seed, int replicaCount, ClaimRules rules, Action focus, boolean isTold) {
    random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    this.rules = rules;
    this.isTold = isTold;
    for (int r = 0; r < replicaCount; r++) {
      ids.add(new ReplicaId(new UUID(0, r + 1)));
      replicas.add(new Replica(ids.get(r)));
    }
    isCut = new boolean[2][replicaCount];
    store = new StoreOfClaims(random, VolumeRecord.ofNewVolume(MembershipRecord.ofNewVolume(ids)));
    for (int e = 0; e < 2; e++) {
      engines.add(new Engine(e));
      start(e);
    }
    admit();
    if (random.nextBoolean()) {
      ownAlready();
    }
    // Swarm: each run has its own mixture of trouble, and much of it none.
    for (Action action : Action.values()) {
      int much = action == focus ? 7 : random.nextInt(3) * random.nextInt(3);
      weights.add(action.isTrouble || action == focus ? action.weight * much : action.weight);
    }
  }

  int servings() {
    return servings;
  }

  int acks() {
    return acks;
  }

  int reads() {
    return reads;
  }

  int flushes() {
    return flushes;
  }

  int finishes() {
    return finishes;
  }

  /** The latest events, for a report. */
  String story() {
    return String.join("\n", story.subList(Math.max(0, story.size() - 200), story.size()));
  }

  /** The source had opened the volume before the migration began. */
  private void ownAlready() {
    Engine source = engines.getFirst();
    SortedSet<ReplicaId> all = new TreeSet<>(ids);
    RecordStamp stamp = new RecordStamp(1, 2);
    store.change(record ->
        new VolumeRecord(
            record.membership().next(stamp, all),
            1,
            Optional.of(source.id),
            record.claimants(),
            record.phase()));
    for (int r = 0; r < replicas.size(); r++) {
      source.links[r] = nextLink++;
      source.isGreeted[r] = true;
      source.promisedOn[r] = source.links[r];
      replicas.get(r).promised = 1;
      replicas.get(r).record = stamp;
      replicas.get(r).session = source.links[r];
    }
    tell(0, new ClaimEvent.Owns(nowNanos, store.stored(), all, true));
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
    int e = random.nextInt(2);
    int r = random.nextInt(replicas.size());
    Engine engine = engines.get(e);
    switch (action) {
      case NOTHING -> {}
      case DELIVER -> {
        for (int i = 0; i < 4; i++) {
          deliver();
        }
      }
      case DELIVER_SLOW -> deliverSlow();
      case PEER -> {
        if (!words.isEmpty()) {
          hear(words.remove(random.nextInt(words.size())));
        }
      }
      case PEER_SLOW -> {
        if (!slowWords.isEmpty()) {
          hear(slowWords.remove(random.nextInt(slowWords.size())));
        }
      }
      case TIME -> pass(1_000_000L * (1 + random.nextInt(random.nextInt(5) == 0 ? 700 : 40)));
      case WRITE -> want(whereGuestIs(), Kind.WRITE);
      case READ -> want(random.nextInt(3) == 0 ? e : whereGuestIs(), Kind.READ);
      case FLUSH -> want(e, Kind.FLUSH);
      case SNAPSHOT -> want(e, random.nextBoolean() ? Kind.SNAPSHOT : Kind.STATUS);
      case CONNECT -> connectAll(e);
      case NOTICE -> notice(e, r);
      case EQUALIZE -> equalize(e);
      case RECONCILE -> reconcile(e);
      case JOIN -> join(e, r);
      case EXECUTE -> execute(e);
      case STORE -> store.move().ifPresent(this::storeAnswered);
      case STORE_SLOW -> store.serveSlow();
      case STORE_TIMEOUT -> storeTimeout(e, false);
      case STORE_LATE -> storeTimeout(e, true);
      case STORE_DOWN -> store.toggle();
      case STORE_LOSE -> store.lose();
      case START -> start(e);
      case MOVE -> guest = 1 - guest;
      case MEND -> mend();
      case IDLE_PING -> pingAll(e);
      case FINISH -> {
        if (random.nextInt(4) == 0) {
          finish(e);
        }
      }
      case CRASH -> crash(e);
      case FREEZE -> engine.isFrozen = !engine.isFrozen;
      case BREAK -> breakLink(e, r);
      case CUT -> isCut[e][r] = !isCut[e][r];
      case CUT_PEER -> isPeerCut = !isPeerCut;
      case SPLIT -> split(e, r);
      case LOSE_PEER -> {
        if (!words.isEmpty()) {
          words.remove(random.nextInt(words.size()));
        }
      }
      case STOP_REPLICA -> replicas.get(r).isDown = !replicas.get(r).isDown;
    }
  }

  private int whereGuestIs() {
    return random.nextInt(12) == 0 ? 1 - guest : guest;
  }

  /** One replica is seen by one engine only, the others by the other one only. */
  private void split(int e, int r) {
    for (int each = 0; each < replicas.size(); each++) {
      isCut[e][each] = each != r;
      isCut[1 - e][each] = each == r;
    }
    isPeerCut = true;
  }

  private void mend() {
    for (boolean[] row : isCut) {
      Arrays.fill(row, false);
    }
    isPeerCut = false;
  }

  private void pass(long nanos) {
    nowNanos += nanos;
    for (int e = 0; e < 2; e++) {
      tell(e, new ClaimEvent.Tick(nowNanos));
    }
  }

  // ---- engines --------------------------------------------------------------------------------

  private void start(int e) {
    Engine engine = engines.get(e);
    if (engine.isUp) {
      return;
    }
    engine.reset();
    engine.id = new EngineId(new UUID(1, nextEngine++));
    engine.start++;
    if (engines.size() == 2) {
      admit();
    }
    engine.core = new ClaimCore(engine.id, TIMING, rules);
    engine.isUp = true;
    engine.isFrozen = false;
    tellStory("start E", e, "as", engine.id);
    if (winner == e) {
      tell(e, new ClaimEvent.FinishWanted(nowNanos, store.record().reservedGeneration()));
    }
  }

  private void crash(int e) {
    Engine engine = engines.get(e);
    if (engine.isUp) {
      tellStory("crash E", e);
      engine.isUp = false;
      engine.reset();
    }
  }

  /** The control plane names an engine before it starts it; after the end the winner only. */
  private void admit() {
    SortedSet<EngineId> claimants = new TreeSet<>();
    for (Engine engine : engines) {
      if (winner < 0 || winner == engine.slot) {
        claimants.add(engine.id);
      }
    }
    VolumeRecord record = store.record();
    boolean isOver = winner >= 0 && record.claimants().size() == 1;
    if (!record.claimants().equals(claimants) && (winner < 0 || isOver)) {
      store.change(old ->
          new VolumeRecord(
              old.membership(),
              old.reservedGeneration(),
              old.owner(),
              claimants,
              isOver ? VolumeRecord.Phase.NONE : VolumeRecord.Phase.MIGRATING));
    } else if (winner >= 0 && !record.claimants().contains(engines.get(winner).id)) {
      store.change(old ->
          new VolumeRecord(
              old.membership(), old.reservedGeneration(), old.owner(), claimants, old.phase()));
    }
  }

  private void finish(int e) {
    if (winner < 0 && engines.get(e).runs()) {
      winner = e;
      tellStory("the winner is E", e);
      tell(e, new ClaimEvent.FinishWanted(nowNanos, store.record().reservedGeneration()));
    }
  }

  private void tell(int e, ClaimEvent event) {
    Engine engine = engines.get(e);
    if (!engine.runs()) {
      return;
    }
    List<ClaimEffect> effects = engine.core.step(event);
    if (!(event instanceof ClaimEvent.Tick && effects.isEmpty())) {
      tellStory("E", e, event, "->", effects);
    }
    for (ClaimEffect effect : effects) {
      carryOut(e, engine, effect);
    }
  }

  private void carryOut(int e, Engine engine, ClaimEffect effect) {
    switch (effect) {
      case ClaimEffect.Forward(ClaimRequest request) ->
          say(Say.FORWARD, 1 - e, request.id(), request);
      case ClaimEffect.RefuseForward(long id) -> {
        Asked asked = engine.asked.remove(id);
        say(Say.FORWARD_NO, 1 - e, asked.origin, "");
      }
      case ClaimEffect.Answer(long id) -> answered(e, engine, engine.asked.remove(id));
      case ClaimEffect.Fail(long id, _) -> {
        Asked asked = engine.asked.remove(id);
        if (asked.request.isForwarded()) {
          say(Say.FORWARD_NO, 1 - e, asked.origin, "");
        }
      }
      case ClaimEffect.SendWrite send -> sendWrite(e, engine, send);
      case ClaimEffect.SendRead send -> sendRead(e, engine, send);
      case ClaimEffect.Execute(long send, _, _) -> engine.executing.add(send);
      case ClaimEffect.FlushMember(long call, ReplicaId id, long generation) ->
          send(e, ids.indexOf(id), Call.FLUSH, generation, call, "");
      case ClaimEffect.AskQuiesce(long number) ->
          say(Say.QUIESCE, 1 - e, number, new QuiesceId(engine.id, number));
      case ClaimEffect.GiveUpQuiesce(long number) ->
          say(Say.GIVE_UP, 1 - e, number, new QuiesceId(engine.id, number));
      case ClaimEffect.AnswerQuiesce(QuiesceId asked, long generation, boolean isClean) ->
          say(Say.QUIESCE_OK, 1 - e, asked.number(), new Stopped(engine.id, generation, isClean));
      case ClaimEffect.RefuseQuiesce(QuiesceId asked) ->
          say(Say.QUIESCE_NO, 1 - e, asked.number(), "");
      case ClaimEffect.AskPromise(ReplicaId id, long generation, MembershipRecord record) ->
          send(e, ids.indexOf(id), Call.PROMISE, generation, 0, record.stamp());
      case ClaimEffect.Ping(ReplicaId id) ->
          send(e, ids.indexOf(id), Call.PING, engine.core.generation(), 0, "");
      case ClaimEffect.MakeEqual(ReplicaId id, _) -> engine.isReturning[ids.indexOf(id)] = true;
      case ClaimEffect.Reconcile _ -> engine.isReconciling = true;
      case ClaimEffect.ReadStore(long call) -> callStore(engine, call, 0, Optional.empty());
      case ClaimEffect.SetStore(long call, long expected, VolumeRecord record) ->
          callStore(engine, call, expected, Optional.of(record));
      case ClaimEffect.Serving _ -> {
        servings++;
        if (!engine.isReconciling && isListenedTo(engine)) {
          checkEqual(engine);
        }
      }
      case ClaimEffect.Lost _ -> engine.generationEnds();
      case ClaimEffect.Finished _ -> finishes++;
      case ClaimEffect.BothSidesWrite _, ClaimEffect.Over _ -> {}
    }
  }

  /** Whoever serves without reconcile has members that are equal. */
  private void checkEqual(Engine engine) {
    for (int b = 0; b < BLOCKS; b++) {
      int block = b;
      long different =
          engine.core.requiredMembers().stream()
              .map(id -> replicas.get(ids.indexOf(id)).values[block])
              .distinct()
              .count();
      if (different > 1) {
        throw new Violation("E" + engine.slot + " serves, members are not equal in " + block);
      }
    }
  }

  // ---- the guest ------------------------------------------------------------------------------

  private void want(int e, Kind kind) {
    Engine engine = engines.get(e);
    if (engine.runs() && engine.asked.size() < MAX_ASKED) {
      int block = random.nextInt(BLOCKS);
      boolean hasRange = kind == Kind.READ || kind == Kind.WRITE;
      ask(
          e,
          new ClaimRequest(
              nextRequest++, kind, hasRange ? block * BLOCK : 0, hasRange ? BLOCK : 0, false),
          block,
          0);
    }
  }

  private void ask(int e, ClaimRequest request, int block, long origin) {
    Value[] least = new Value[BLOCKS];
    for (int b = 0; b < BLOCKS; b++) {
      least[b] = Value.max(lastAcked[b], seen[b]);
    }
    engines
        .get(e)
        .asked
        .put(
            request.id(),
            new Asked(
                request,
                block,
                least,
                lastAcked.clone(),
                engines.get(e).ownAcked.clone(),
                origin,
                lastServed));
    tell(e, new ClaimEvent.Wanted(nowNanos, request));
  }

  private void answered(int e, Engine engine, Asked asked) {
    ClaimRequest request = asked.request;
    if (request.isForwarded()) {
      Value value = engine.found.remove(request.id());
      say(Say.FORWARD_OK, 1 - e, asked.origin, value == null ? "" : value);
      return;
    }
    int block = asked.block;
    boolean isOwner = engine.core.role() == ClaimRole.OWNER && !engine.isThroughOwner;
    if (isOwner && request.kind() == Kind.READ && engine.core.generation() < asked.served) {
      throw new Violation(
          "E" + e + " answers a read as " + engine.core.generation() + " after " + asked.served);
    }
    lastServed = isOwner ? Math.max(lastServed, engine.core.generation()) : lastServed;
    switch (request.kind()) {
      case WRITE -> {
        acks++;
        Value value = engine.writes.remove(request.id());
        engine.writing.values().removeIf(send -> send.id() == request.id());
        lastAcked[block] = Value.max(lastAcked[block], value);
        engine.ownAcked[block] = Value.max(engine.ownAcked[block], value);
      }
      case READ -> {
        reads++;
        Value value = engine.found.remove(request.id());
        if (value.compareTo(asked.least[block]) < 0) {
          throw new Violation(
              (value.compareTo(asked.acked[block]) < 0 ? "stale read" : "flip-flop")
                  + " at E"
                  + e
                  + " of "
                  + block
                  + ": "
                  + value
                  + " < "
                  + asked.least[block]);
        }
        seen[block] = Value.max(seen[block], value);
      }
      case FLUSH -> {
        flushes++;
        boolean isOfAll = engine.isThroughOwner || engine.core.role() == ClaimRole.OWNER;
        Value[] promised = isOfAll ? asked.acked : asked.ownAcked;
        for (ReplicaId id : store.record().membership().members()) {
          Replica replica = replicas.get(ids.indexOf(id));
          for (int b = 0; b < BLOCKS; b++) {
            if (replica.flushed[b].compareTo(promised[b]) < 0) {
              throw new Violation("E" + e + " says flushed, R" + ids.indexOf(id) + " is not: " + b);
            }
          }
        }
      }
      case SNAPSHOT, STATUS -> {}
    }
  }

  // ---- data -----------------------------------------------------------------------------------

  private void sendWrite(int e, Engine engine, ClaimEffect.SendWrite send) {
    int block = engine.asked.get(send.id()).block;
    Value before = engine.writes.get(send.id());
    Value value = new Value(send.generation(), before == null ? nextWrite++ : before.write);
    engine.writes.put(send.id(), value);
    engine.writing.put(send.send(), send);
    for (ReplicaId id : send.replicas()) {
      send(e, ids.indexOf(id), Call.WRITE, send.generation(), send.send(), new Put(block, value));
    }
  }

  private record Put(int block, Value value) {}

  private void sendRead(int e, Engine engine, ClaimEffect.SendRead send) {
    engine.reading.put(send.send(), send);
    if (!send.isEqualFirst()) {
      List<ReplicaId> sources = new ArrayList<>(send.sources());
      if (sources.isEmpty()) {
        sources.addAll(ids);
      }
      int r = ids.indexOf(sources.get(random.nextInt(sources.size())));
      engine.readFrom.put(send.send(), r);
      int block = engine.asked.get(send.id()).block;
      send(e, r, Call.READ, send.generation(), send.send(), block);
    }
  }

  private boolean isWriting(Engine engine, int block) {
    return engine.writing.values().stream()
        .anyMatch(send -> engine.asked.containsKey(send.id()) && block(engine, send) == block);
  }

  private int block(Engine engine, ClaimEffect.SendWrite send) {
    return engine.asked.get(send.id()).block;
  }

  /** Whether a frame of this session would be answered. */
  private boolean isInSession(Engine engine, int r) {
    Replica replica = replicas.get(r);
    return !replica.isDown
        && !isCut[engine.slot][r]
        && engine.isGreeted[r]
        && replica.session == engine.links[r]
        && replica.promised == engine.core.generation();
  }

  /** One step of a copy from the source of this generation; whether all are equal. */
  private boolean copyStep(Engine engine, int block) {
    SortedSet<ReplicaId> required = engine.core.requiredMembers();
    List<Integer> members = required.stream().map(ids::indexOf).toList();
    if (members.isEmpty() || !members.stream().allMatch(r -> isInSession(engine, r))) {
      return false;
    }
    if (!members.contains(engine.source)) {
      engine.source = members.get(random.nextInt(members.size()));
    }
    Value value = replicas.get(engine.source).values[block];
    for (int r : members) {
      if (!replicas.get(r).values[block].equals(value)) {
        replicas.get(r).values[block] = value;
        tellStory("E", engine.slot, "copies", block, value, "from R", engine.source, "to R", r);
        return false;
      }
    }
    return true;
  }

  private void equalize(int e) {
    Engine engine = engines.get(e);
    Optional<ClaimEffect.SendRead> pick =
        engine.reading.values().stream().filter(ClaimEffect.SendRead::isEqualFirst).findFirst();
    if (!engine.runs() || pick.isEmpty()) {
      return;
    }
    ClaimEffect.SendRead send = pick.get();
    int block = engine.asked.get(send.id()).block;
    if (copyStep(engine, block)) {
      engine.reading.remove(send.send());
      engine.found.put(send.id(), replicas.get(engine.source).values[block]);
      tell(e, new ClaimEvent.ReadDone(nowNanos, send.send()));
    } else if (random.nextInt(6) == 0) {
      engine.reading.remove(send.send());
      tell(e, new ClaimEvent.ReadFailed(nowNanos, send.send()));
    }
  }

  private void reconcile(int e) {
    Engine engine = engines.get(e);
    if (!engine.runs() || !engine.isReconciling) {
      return;
    }
    for (int b = 0; b < BLOCKS; b++) {
      int block = b;
      boolean isBusy =
          isWriting(engine, b)
              || engine.reading.values().stream()
                  .anyMatch(s -> engine.asked.get(s.id()).block == block);
      if (!engine.isEqual[b] && !isBusy) {
        engine.isEqual[b] = copyStep(engine, b);
        break;
      }
    }
    if (IntStream.range(0, BLOCKS).allMatch(b -> engine.isEqual[b])) {
      engine.isReconciling = false;
      tell(e, new ClaimEvent.Reconciled(nowNanos, engine.core.generation()));
    }
  }

  /** A returned replica is made equal, between two writes. */
  private void join(int e, int r) {
    Engine engine = engines.get(e);
    // The copy goes the same way as the writes before it.
    if (!engine.runs()
        || !engine.isReturning[r]
        || !isInSession(engine, r)
        || links.containsKey(engine.links[r])) {
      return;
    }
    for (int b = 0; b < BLOCKS; b++) {
      if (isWriting(engine, b)) {
        return;
      }
    }
    for (ReplicaId id : engine.core.requiredMembers()) {
      int from = ids.indexOf(id);
      if (from != r && isInSession(engine, from)) {
        System.arraycopy(replicas.get(from).values, 0, replicas.get(r).values, 0, BLOCKS);
        replicas.get(r).flush();
        engine.isReturning[r] = false;
        tell(e, new ClaimEvent.MadeEqual(nowNanos, ids.get(r)));
        return;
      }
    }
  }

  private void execute(int e) {
    Engine engine = engines.get(e);
    if (engine.runs() && !engine.executing.isEmpty()) {
      tell(e, new ClaimEvent.Executed(nowNanos, engine.executing.removeFirst()));
    }
  }

  // ---- links ----------------------------------------------------------------------------------

  private void connectAll(int e) {
    for (int r = 0; r < replicas.size(); r++) {
      Engine engine = engines.get(e);
      if (engine.links[r] >= 0 && !engine.isGreeted[r] && random.nextInt(10) == 0) {
        engine.links[r] = -1;
      }
      if (engine.runs() && engine.links[r] < 0 && !isCut[e][r]) {
        engine.links[r] = nextLink++;
        send(e, r, Call.HELLO, 0, 0, "");
      }
    }
  }

  private void send(int e, int r, Call call, long generation, long number, Object body) {
    long link = engines.get(e).links[r];
    if (link >= 0) {
      if (call == Call.WRITE && isSlow && random.nextInt(SLOW_LINK) == 0) {
        slowLinks.add(link);
      }
      links
          .computeIfAbsent(link, _ -> new ArrayList<>())
          .add(new Frame(call, e, r, link, generation, number, body, nowNanos));
    } else if (call == Call.READ) {
      engines.get(e).reading.remove(number);
      engines.get(e).readFrom.remove(number);
      if (!rules.holds(Rule.K2)) {
        engines.get(e).core.step(new ClaimEvent.ReadFailed(nowNanos, number));
      }
    }
  }

  private void breakLink(int e, int r) {
    Engine engine = engines.get(e);
    if (!engine.runs() || engine.links[r] < 0) {
      return;
    }
    if (isSlow && random.nextBoolean()) {
      slowLinks.add(engine.links[r]);
    }
    engine.links[r] = -1;
    engine.isReturning[r] = false;
    if (engine.isGreeted[r]) {
      engine.isGreeted[r] = false;
      List<Long> failed =
          engine.readFrom.entrySet().stream()
              .filter(entry -> entry.getValue() == r)
              .map(Map.Entry::getKey)
              .toList();
      tell(e, new ClaimEvent.LinkBroke(nowNanos, ids.get(r)));
      for (long send : failed) {
        if (engine.reading.remove(send) != null) {
          engine.readFrom.remove(send);
          tell(e, new ClaimEvent.ReadFailed(nowNanos, send));
        }
      }
    }
  }

  /** A session that a replica has ended is closed at this end too, sooner or later. */
  private void notice(int e, int r) {
    Engine engine = engines.get(e);
    if (engine.isGreeted[r]
        && (isCut[e][r]
            || replicas.get(r).isDown
            || (engine.promisedOn[r] == engine.links[r]
                && replicas.get(r).session != engine.links[r]))) {
      breakLink(e, r);
    }
  }

  private void pingAll(int e) {
    for (int r = 0; r < replicas.size(); r++) {
      if (engines.get(e).runs() && engines.get(e).isGreeted[r]) {
        send(e, r, Call.PING, engines.get(e).core.generation(), 0, "");
      }
    }
  }

  private void deliver() {
    if (!replies.isEmpty() && random.nextBoolean()) {
      reply(replies.remove(random.nextInt(replies.size())));
    } else if (!links.isEmpty()) {
      List<Long> all = new ArrayList<>(links.keySet());
      long link = all.get(random.nextInt(all.size()));
      if (!slowLinks.contains(link)) {
        deliverFrom(link);
      }
    }
  }

  private void deliverFrom(long link) {
    List<Frame> frames = links.get(link);
    Frame frame = frames.getFirst();
    if (isCut[frame.slot][frame.replica] && isSlow) {
      return;
    }
    frames.removeFirst();
    if (frames.isEmpty()) {
      links.remove(link);
    }
    serve(frame);
  }

  private void deliverSlow() {
    if (!slowLinks.isEmpty()) {
      List<Long> all = new ArrayList<>(slowLinks);
      long link = all.get(random.nextInt(all.size()));
      slowLinks.remove(link);
      if (links.containsKey(link)) {
        deliverFrom(link);
      }
    }
  }

  /** What a replica does with a frame. */
  private void serve(Frame frame) {
    Replica replica = replicas.get(frame.replica);
    if (replica.isDown) {
      return;
    }
    if (frame.call == Call.HELLO) {
      replies.add(new Reply(Answers.OK, frame, replica.promised, replica.record));
    } else if (frame.call == Call.READ && frame.generation == 0) {
      replies.add(new Reply(Answers.OK, frame, 0, replica.values[(int) frame.body]));
    } else if (frame.generation < replica.promised) {
      replies.add(new Reply(Answers.FENCED, frame, replica.promised, ""));
    } else if (frame.call == Call.PROMISE) {
      replica.promised = frame.generation;
      replica.session = frame.link;
      replica.flush();
      RecordStamp stamp = (RecordStamp) frame.body;
      replica.record = stamp.isNewerThan(replica.record) ? stamp : replica.record;
      replies.add(new Reply(Answers.OK, frame, replica.promised, ""));
    } else if (frame.generation == replica.promised
        && (replica.session == frame.link || !rules.holds(Rule.K7))) {
      switch (frame.call) {
        case WRITE -> apply(frame, replica, (Put) frame.body);
        case READ -> replies.add(new Reply(Answers.OK, frame, 0, replica.values[(int) frame.body]));
        case FLUSH -> {
          replica.flush();
          replies.add(new Reply(Answers.OK, frame, 0, ""));
        }
        case PING -> replies.add(new Reply(Answers.OK, frame, 0, ""));
        case HELLO, PROMISE -> throw new IllegalStateException("answered above");
      }
    }
  }

  private void apply(Frame frame, Replica replica, Put put) {
    replica.values[put.block] = put.value;
    tellStory("R", frame.replica, "has", put.block, put.value);
    VolumeRecord record = store.record();
    if (record.membership().members().contains(replica.id)
        && frame.generation == record.reservedGeneration()
        && put.value.write < lastAcked[put.block].write) {
      throw new Violation(
          "zombie write of "
              + put.value
              + " after "
              + lastAcked[put.block]
              + " on R"
              + frame.replica);
    }
    replies.add(new Reply(Answers.OK, frame, 0, ""));
  }

  private void reply(Reply reply) {
    Frame frame = reply.frame;
    int e = frame.slot;
    int r = frame.replica;
    Engine engine = engines.get(e);
    if (!engine.isUp || engine.links[r] != frame.link) {
      return;
    }
    if (engine.isFrozen || (isCut[e][r] && isSlow)) {
      replies.add(reply);
      return;
    }
    ReplicaId id = ids.get(r);
    if (reply.answer == Answers.FENCED) {
      tell(
          e,
          frame.call == Call.PROMISE
              ? new ClaimEvent.PromiseRefused(nowNanos, id, frame.generation, reply.promised)
              : new ClaimEvent.Fenced(nowNanos, id, reply.promised));
      return;
    }
    switch (frame.call) {
      case HELLO -> {
        engine.isGreeted[r] = true;
        RecordStamp record = (RecordStamp) reply.body;
        tell(e, new ClaimEvent.Linked(nowNanos, id, reply.promised, record, true));
      }
      case PROMISE -> {
        engine.promisedOn[r] = frame.link;
        tell(e, new ClaimEvent.Promised(nowNanos, id, frame.generation, true));
      }
      case WRITE -> tell(e, new ClaimEvent.Wrote(nowNanos, frame.number, id));
      case READ -> {
        ClaimEffect.SendRead send = engine.reading.remove(frame.number);
        engine.readFrom.remove(frame.number);
        if (send != null) {
          engine.found.put(send.id(), (Value) reply.body);
          tell(e, new ClaimEvent.ReadDone(nowNanos, frame.number));
        }
      }
      case FLUSH -> tell(e, new ClaimEvent.MemberFlushed(nowNanos, frame.number, id));
      case PING -> {}
    }
    if (frame.call != Call.HELLO && frame.generation == engine.core.generation()) {
      tell(e, new ClaimEvent.Heard(nowNanos, id, frame.sentNanos));
    }
  }

  // ---- the other engine -----------------------------------------------------------------------

  private void say(Say say, int to, long number, Object body) {
    Word word = new Word(say, to, engines.get(to).start, number, body);
    (isSlow && random.nextInt(SLOW) == 0 ? slowWords : words).add(word);
  }

  private void hear(Word word) {
    Engine engine = engines.get(word.to);
    if (!engine.isUp || engine.start != word.toStart || isPeerCut) {
      if (word.say == Say.FORWARD || word.say == Say.QUIESCE) {
        // The sender's link is gone: it may know that.
        if (random.nextBoolean()) {
          say(
              word.say == Say.FORWARD ? Say.FORWARD_NO : Say.QUIESCE_NO,
              1 - word.to,
              word.number,
              "");
        }
      }
      return;
    }
    if (engine.isFrozen) {
      words.add(word);
      return;
    }
    switch (word.say) {
      case FORWARD -> {
        ClaimRequest request = (ClaimRequest) word.body;
        ask(
            word.to,
            new ClaimRequest(
                nextRequest++, request.kind(), request.offsetBytes(), request.lengthBytes(), true),
            (int) (request.offsetBytes() / BLOCK),
            word.number);
      }
      case FORWARD_OK -> {
        if (engine.asked.containsKey(word.number)) {
          if (word.body instanceof Value value) {
            engine.found.put(word.number, value);
          }
          engine.isThroughOwner = true;
          tell(word.to, new ClaimEvent.ForwardAnswered(nowNanos, word.number));
          engine.isThroughOwner = false;
        }
      }
      case FORWARD_NO -> tell(word.to, new ClaimEvent.ForwardRefused(nowNanos, word.number));
      case QUIESCE -> tell(word.to, new ClaimEvent.QuiesceAsked(nowNanos, (QuiesceId) word.body));
      case QUIESCE_OK -> {
        Stopped stopped = (Stopped) word.body;
        tell(
            word.to,
            new ClaimEvent.QuiesceAnswered(
                nowNanos, word.number, stopped.by, stopped.generation, stopped.isClean));
      }
      case QUIESCE_NO -> tell(word.to, new ClaimEvent.QuiesceRefused(nowNanos, word.number));
      case GIVE_UP -> tell(word.to, new ClaimEvent.QuiesceGivenUp(nowNanos, (QuiesceId) word.body));
    }
  }

  // ---- the store ------------------------------------------------------------------------------

  private void callStore(Engine engine, long call, long expected, Optional<VolumeRecord> wanted) {
    StoreOfClaims.Caller caller = new StoreOfClaims.Caller(engine.slot, engine.start, call);
    engine.waiting = Optional.of(caller);
    store.call(caller, expected, wanted);
  }

  private void storeAnswered(StoreOfClaims.Answer answer) {
    StoreOfClaims.Caller caller = answer.caller();
    int e = caller.slot();
    Engine engine = engines.get(e);
    if (!engine.runs() || !engine.waiting.equals(Optional.of(caller))) {
      return;
    }
    engine.waiting = Optional.empty();
    if (answer.isRead()) {
      tell(e, new ClaimEvent.StoreRead(nowNanos, caller.call(), answer.stored()));
    } else if (answer.isConflict()) {
      tell(e, new ClaimEvent.StoreConflict(nowNanos, caller.call(), answer.stored()));
    } else {
      tell(e, new ClaimEvent.StoreSet(nowNanos, caller.call(), answer.stored().revision()));
    }
  }

  private void storeTimeout(int e, boolean isAny) {
    Engine engine = engines.get(e);
    if (engine.runs()
        && engine.waiting.isPresent()
        && (isAny || !store.isUnderWay(engine.waiting.get()))) {
      long call = engine.waiting.get().call();
      engine.waiting = Optional.empty();
      tell(e, new ClaimEvent.StoreUnreachable(nowNanos, call));
    }
  }

  // ---- properties -----------------------------------------------------------------------------

  private void check() {
    VolumeRecord record = store.record();
    int writers = 0;
    for (Engine engine : engines) {
      if (!engine.isUp || engine.core.role() != ClaimRole.OWNER) {
        continue;
      }
      writers += isListenedTo(engine) ? 1 : 0;
      if (engine.core.generation() != record.reservedGeneration()) {
        continue;
      }
      for (ReplicaId id : record.membership().members()) {
        Replica replica = replicas.get(ids.indexOf(id));
        for (int b = 0; b < BLOCKS; b++) {
          if (replica.promised == record.reservedGeneration()
              && replica.values[b].compareTo(lastAcked[b]) < 0) {
            throw new Violation(
                "lost: R"
                    + ids.indexOf(id)
                    + " has "
                    + replica.values[b]
                    + " of "
                    + b
                    + ", acknowledged is "
                    + lastAcked[b]);
          }
        }
      }
    }
    if (writers > 1) {
      throw new Violation("two writers");
    }
  }

  private boolean isListenedTo(Engine engine) {
    return engine.core.requiredMembers().stream()
        .allMatch(id -> replicas.get(ids.indexOf(id)).promised == engine.core.generation());
  }

  // ---- the end --------------------------------------------------------------------------------

  /** The trouble ends; everything has to work within the bound, and the migration to end. */
  void heal() {
    tellStory("---- heal");
    isSlow = false;
    slowLinks.clear();
    mend();
    store.heal();
    replicas.forEach(replica -> replica.isDown = false);
    engines.forEach(engine -> engine.isFrozen = false);
    for (int e = 0; e < 2; e++) {
      start(e);
      for (int r = 0; r < replicas.size(); r++) {
        breakLink(e, r);
      }
    }
    if (winner < 0) {
      settle("written to at both sides", () -> writtenTo(0) && writtenTo(1));
      settle("read at both sides", () -> readAt(0) && readAt(1));
      finish(guest);
    } else {
      guest = winner;
    }
    int last = winner;
    settle("finished", () -> isFinished(last));
    settle("written to by the winner", () -> writtenTo(last));
    settle(
        "complete",
        () ->
            engines.get(last).core.role() == ClaimRole.OWNER
                && engines.get(last).core.requiredMembers().size() == ids.size());
    settle("flushed", () -> flushedAt(last));
    settle(
        "over",
        () -> {
          want(1 - last, Kind.WRITE);
          return engines.get(1 - last).core.role() == ClaimRole.OVER;
        });
  }

  private boolean isFinished(int e) {
    VolumeRecord record = store.record();
    return record.claimants().equals(new TreeSet<>(List.of(engines.get(e).id)))
        && record.owner().equals(Optional.of(engines.get(e).id));
  }

  private boolean writtenTo(int e) {
    int before = acks;
    want(e, Kind.WRITE);
    settleShort(() -> acks > before);
    return acks > before;
  }

  private boolean readAt(int e) {
    int before = reads;
    want(e, Kind.READ);
    settleShort(() -> reads > before);
    return reads > before;
  }

  private boolean flushedAt(int e) {
    int before = flushes;
    want(e, Kind.FLUSH);
    settleShort(() -> flushes > before);
    return flushes > before;
  }

  private void settle(String goal, BooleanSupplier isReached) {
    for (int turn = 0; turn < 200; turn++) {
      if (isReached.getAsBoolean()) {
        return;
      }
      settleTurn();
    }
    throw new Violation(
        "not "
            + goal
            + " after healing: "
            + engines.get(0).core.role()
            + " "
            + engines.get(1).core.role()
            + " "
            + store.record());
  }

  private void settleShort(BooleanSupplier isReached) {
    for (int turn = 0; turn < 40 && !isReached.getAsBoolean(); turn++) {
      settleTurn();
    }
  }

  private void settleTurn() {
    store.serveSlow();
    while (!slowWords.isEmpty()) {
      words.add(slowWords.removeFirst());
    }
    for (int e = 0; e < 2; e++) {
      connectAll(e);
      for (int r = 0; r < replicas.size(); r++) {
        notice(e, r);
        join(e, r);
      }
      equalize(e);
      reconcile(e);
      execute(e);
      storeTimeout(e, false);
    }
    for (int i = 0; i < 60; i++) {
      deliver();
      if (!words.isEmpty()) {
        hear(words.removeFirst());
      }
      if (i % 4 == 0) {
        store.move().ifPresent(this::storeAnswered);
      }
      check();
    }
    // Time passes as the cores ask for it, so that what they forget to ask for is found.
    long step = 20_000_000L;
    if (links.isEmpty() && replies.isEmpty() && words.isEmpty()) {
      long wake =
          engines.stream().mapToLong(engine -> engine.core.nextWakeNanos()).min().orElseThrow();
      step = Math.clamp(wake - nowNanos, step, 2_000_000_000L);
    }
    nowNanos += step;
    for (int e = 0; e < 2; e++) {
      if (engines.get(e).core.nextWakeNanos() <= nowNanos) {
        tell(e, new ClaimEvent.Tick(nowNanos));
      }
    }
    check();
  }

  private void tellStory(Object... parts) {
    if (isTold) {
      StringBuilder line = new StringBuilder();
      line.append(nowNanos / 1_000_000).append(' ');
      for (Object part : parts) {
        line.append(part).append(' ');
      }
      story.add(
          line.toString()
              .replaceAll("00000000-0000-000.-0000-00000000", "")
              .replaceAll("ReplicaId\\[uuid=0*(\\d+)\\]", "R$1-1")
              .replaceAll("nowNanos=\\d+, ", ""));
    }
  }
}
