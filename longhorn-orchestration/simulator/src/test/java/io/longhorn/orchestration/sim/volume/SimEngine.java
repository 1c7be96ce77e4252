package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.engine.claim.ClaimCore;
import io.longhorn.engine.claim.ClaimEffect;
import io.longhorn.engine.claim.ClaimEvent;
import io.longhorn.engine.claim.ClaimRequest;
import io.longhorn.engine.claim.ClaimRole;
import io.longhorn.engine.claim.ClaimTiming;
import io.longhorn.orchestration.decision.EngineSeen;
import io.longhorn.orchestration.sim.volume.ReplicaPort.Sent;
import io.longhorn.orchestration.sim.world.BlockValue;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimFailure;
import io.longhorn.orchestration.sim.world.SimKnobs.Sabotage;
import io.longhorn.orchestration.sim.world.SimNetwork.Link;
import io.longhorn.orchestration.sim.world.SimNode;
import io.longhorn.orchestration.sim.world.SimScheduler;
import io.longhorn.orchestration.sim.world.SimScheduler.Timer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The process of an engine: what is around the real {@link ClaimCore}. It waits until the record
 * names it as one that may have the volume; as the only one it takes it at once. Replicas are kept
 * equal by {@link EngineUpkeep}, empty ones filled by {@link EngineRebuild}.
 */
public final class SimEngine extends SimProcess {
  /** Pause before the record is looked at again, while it does not name this engine. */
  private static final long POLL_NANOS = 150 * SimScheduler.MILLI;

  /** The same for one that is named and does not own the volume. */
  private static final long WATCH_NANOS = 500 * SimScheduler.MILLI;

  private static final long RECONNECT_NANOS = 200 * SimScheduler.MILLI;
  private static final long SOON_NANOS = 20 * SimScheduler.MILLI;

  /**
   * A request that has no answer.
   *
   * @param acknowledged what of all writes was when it came
   * @param own the same of this engine's
   */
  private record Request(
      ClaimRequest request,
      int block,
      long stamp,
      @Nullable SimClient client,
      long operation,
      @Nullable Link origin,
      @Nullable SimFrame asked,
      Acknowledged acknowledged,
      Acknowledged own) {}

  private final EngineId id;
  private final String volume;
  private final VolumeId volumeId;
  private final String image;
  private final ClaimCore core;
  private final PeerPort peer = new PeerPort(this);
  private final StorePort store;
  private final ReplicaCalls calls = new ReplicaCalls(this);
  private final EngineUpkeep upkeep;
  private final EngineRebuild rebuild;
  private final TreeMap<ReplicaId, ReplicaPort> ports = new TreeMap<>();
  private final ArrayDeque<LongFunction<ClaimEvent>> inbox = new ArrayDeque<>();
  private final LinkedHashMap<Long, Request> requests = new LinkedHashMap<>();
  private final Map<Long, Long> found = new TreeMap<>();

  /** Blocks of reads and writes under way at replicas, by number of the sending. */
  private final TreeMap<Long, ClaimEffect> sends = new TreeMap<>();

  /** What this engine has acknowledged. */
  private final Acknowledged ownAcknowledged;

  private final List<SimClient> clients = new ArrayList<>();
  private boolean isStepping;
  private boolean isServing;
  private boolean isNamed;
  private boolean isListening;
  private boolean arePaused;
  private boolean isThroughOwner;
  private boolean isReconnecting;
  private long lastSequence;
  private long lastRequest;
  private @Nullable Timer wake;
  private long wakeNanos = Long.MAX_VALUE;
  private @Nullable EngineSeen said;
  private @Nullable Signs lastSigns;
  private boolean isReportDue = true;
  private boolean hasTakenBack;
  private long servedGeneration;

  /** One that does not serve yet. */
  public SimEngine(
      World world,
      String name,
      SimNode machine,
      String volume,
      VolumeId volumeId,
      String image,
      Collection<ReplicaId> replicas) {
    super(world, name, machine);
    this.volume = volume;
    this.volumeId = volumeId;
    this.image = image;
    id = new EngineId(world.scheduler.newUuid(3));
    core = new ClaimCore(id, ClaimTiming.DEFAULT);
    store = new StorePort(this, volumeId);
    upkeep = new EngineUpkeep(this);
    rebuild = new EngineRebuild(this);
    ownAcknowledged = world.oracle(volume).nothingYet();
    for (ReplicaId replica : replicas) {
      ports.put(replica, port(replica));
    }
  }

  private ReplicaPort port(ReplicaId replica) {
    return new ReplicaPort(this, volumeId, replica, listener);
  }

  @Override
  public String volume() {
    return volume;
  }

  /** Of this start of it. */
  public EngineId id() {
    return id;
  }

  /** What it runs from. */
  public String image() {
    return image;
  }

  /** Its part in the volume. */
  public ClaimRole role() {
    return core.role();
  }

  /** The generation that it has, or had last. */
  public long generation() {
    return core.generation();
  }

  /** Whether it owns the volume. */
  public boolean isOwner() {
    return isAlive() && core.role() == ClaimRole.OWNER;
  }

  /** Whether it serves, or has served, the generation that it has. */
  boolean hasServed() {
    return servedGeneration == core.generation();
  }

  /** Members of all sets in force. */
  public SortedSet<ReplicaId> requiredMembers() {
    return core.requiredMembers();
  }

  /** Whether clients can connect. */
  public boolean takesClients() {
    return isAlive() && isListening;
  }

  /** Whether members may differ where nobody has looked yet. */
  public boolean isReconciling() {
    return upkeep.isReconciling();
  }

  /** Whether it is linked to every member of the record. */
  boolean isReady() {
    return isAlive()
        && store
            .known()
            .filter(record ->
                record.membership().members().stream()
                    .allMatch(id -> portOf(id).filter(ReplicaPort::isLinked).isPresent()))
            .isPresent();
  }

  /** Requests that have no answer. */
  public int underWay() {
    return requests.size();
  }

  EngineUpkeep upkeep() {
    return upkeep;
  }

  EngineRebuild rebuild() {
    return rebuild;
  }

  ReplicaCalls calls() {
    return calls;
  }

  boolean isStopping() {
    return core.isStopping();
  }

  /** Those of them that the record names: who was made equal and is not named yet is no source. */
  SortedSet<ReplicaId> committed(Collection<ReplicaId> of) {
    SortedSet<ReplicaId> named = new TreeSet<>(of);
    store.known().ifPresent(record -> named.retainAll(record.membership().members()));
    return named;
  }

  Optional<ReplicaPort> portOf(ReplicaId replica) {
    return Optional.ofNullable(ports.get(replica));
  }

  /** The replica process, if it would take a frame of this engine's session now. */
  public Optional<SimReplica> inSession(ReplicaId replica) {
    return portOf(replica).flatMap(port -> port.inSession(core.generation()));
  }

  boolean hasGeneration(long generation) {
    return generation != 0 && generation == core.generation() && !core.requiredMembers().isEmpty();
  }

  String shortly(ReplicaId replica) {
    return "r-" + replica.toString().substring(0, 8);
  }

  long nextSequence() {
    return ++lastSequence;
  }

  @Override
  public String serve() {
    isServing = true;
    world.serves(this);
    connectAll();
    poll();
    look();
    return "";
  }

  @Override
  void gone() {
    isServing = false;
    upkeep.ops().gone();
    List.copyOf(clients).forEach(client -> client.brokenBy(this));
    clients.clear();
    requests.clear();
  }

  // ---- the core ---------------------------------------------------------------------------------

  /** Tells the core something; what follows from it is done before this returns, or after. */
  void tell(LongFunction<ClaimEvent> event) {
    inbox.add(event);
    if (isStepping) {
      return;
    }
    isStepping = true;
    try {
      while (!inbox.isEmpty() && isAlive()) {
        ClaimEvent next = inbox.remove().apply(world.scheduler.nowNanos());
        for (ClaimEffect effect : core.step(next)) {
          if (isAlive()) {
            carryOut(effect);
          }
        }
        upkeep.marks().sendFlushes();
      }
    } finally {
      isStepping = false;
    }
    if (isAlive()) {
      wakeUp();
      look();
    }
  }

  /** The same, a little later. */
  void soon(LongFunction<ClaimEvent> event) {
    after(SOON_NANOS, () -> tell(event));
  }

  private void wakeUp() {
    long at = core.nextWakeNanos();
    if (at >= wakeNanos) {
      // It is woken before that, and asks again then.
      return;
    }
    Timer older = wake;
    if (older != null) {
      world.scheduler.cancel(older);
    }
    wakeNanos = at;
    wake =
        inBackground(
            at - world.scheduler.nowNanos(),
            () -> {
              wake = null;
              wakeNanos = Long.MAX_VALUE;
              tell(ClaimEvent.Tick::new);
            });
  }

  private void carryOut(ClaimEffect effect) {
    switch (effect) {
      case ClaimEffect.Forward(ClaimRequest request) ->
          request(request.id()).ifPresent(asked -> peer.forward(request, asked.block));
      case ClaimEffect.RefuseForward(long request) -> refuse(request);
      case ClaimEffect.Answer(long request) -> answer(request);
      case ClaimEffect.Fail(long request, IoError error) -> fail(request, error);
      case ClaimEffect.SendWrite send -> sendWrite(send);
      case ClaimEffect.SendRead send -> sendRead(send);
      case ClaimEffect.Execute(long send, _, _) ->
          after(2 * SOON_NANOS, () -> tell(now -> new ClaimEvent.Executed(now, send)));
      case ClaimEffect.FlushMember flush -> upkeep.marks().flush(flush);
      case ClaimEffect.AskQuiesce(long number) -> peer.askQuiesce(number);
      case ClaimEffect.GiveUpQuiesce(long number) -> peer.giveUpQuiesce(number);
      case ClaimEffect.AnswerQuiesce(var of, long generation, boolean isClean) -> {
        tell(() -> name() + " has stopped, " + (isClean ? "clean" : "unclean"));
        peer.answerQuiesce(of, generation, isClean);
      }
      case ClaimEffect.RefuseQuiesce(var of) -> peer.refuseQuiesce(of);
      case ClaimEffect.AskPromise(ReplicaId replica, long generation, MembershipRecord record) ->
          portOf(replica).ifPresent(port -> port.promise(generation, id, record));
      case ClaimEffect.Ping(ReplicaId replica) ->
          portOf(replica)
              .ifPresent(port ->
                  port.send(SimFrame.ask(FrameType.PING, core.generation(), nextSequence()), 0));
      case ClaimEffect.MakeEqual(ReplicaId replica, _) -> upkeep.makeEqual(replica);
      case ClaimEffect.Reconcile(long generation, _) -> upkeep.reconcileWanted(generation);
      case ClaimEffect.ReadStore(long call) -> store.read(call);
      case ClaimEffect.SetStore(long call, long expected, VolumeRecord record) ->
          store.set(call, expected, record);
      case ClaimEffect.Serving(long generation) -> serves(generation);
      case ClaimEffect.Lost(long generation, long by) -> {
        tell(() -> name() + " loses generation " + generation + " to " + by);
        generationEnds();
      }
      case ClaimEffect.BothSidesWrite _ -> {
        tell(() -> name() + ": both sides write");
        hasTakenBack = true;
        reportDue();
      }
      case ClaimEffect.Finished _ -> tell(() -> name() + " is the only one");
      case ClaimEffect.Over _ -> tell(() -> name() + " is over");
    }
  }

  private void serves(long generation) {
    tell(() -> name() + " serves as " + generation);
    isListening = true;
    servedGeneration = generation;
    reportDue();
    upkeep.serves();
  }

  private void generationEnds() {
    calls.generationEnds();
    upkeep.generationEnds();
    rebuild.generationEnds();
    sends.clear();
    ports.values().forEach(ReplicaPort::generationEnds);
  }

  private Optional<Request> request(long number) {
    return Optional.ofNullable(requests.get(number));
  }

  // ---- replicas ---------------------------------------------------------------------------------

  private final ReplicaPort.Listener listener =
      new ReplicaPort.Listener() {
        @Override
        public void linked(ReplicaPort port, ReplicaInfo info) {
          reportDue();
          SimEngine.this.tell(now ->
              new ClaimEvent.Linked(
                  now, port.id, info.promised(), info.record().stamp(), info.isContinuous()));
        }

        @Override
        public void broke(ReplicaPort port, List<Sent> lost) {
          tell(() -> name() + " has lost " + shortly(port.id));
          reportDue();
          calls.broke(port.id);
          upkeep.broke(port.id);
          rebuild.broke(port.id);
          SimEngine.this.tell(now -> new ClaimEvent.LinkBroke(now, port.id));
          for (Sent sent : lost) {
            if (sent.frame().type() == FrameType.READ) {
              readFailed(sent.context());
            }
          }
        }

        @Override
        public void answered(ReplicaPort port, Sent sent, SimFrame reply) {
          replied(port, sent, reply);
        }
      };

  private void replied(ReplicaPort port, Sent sent, SimFrame reply) {
    ReplicaId from = port.id;
    if (reply.status() == IoError.FENCED) {
      long by = reply.fields().number(1);
      tell(now ->
          sent.frame().type() == FrameType.PROMISE
              ? new ClaimEvent.PromiseRefused(now, from, sent.frame().generation(), by)
              : new ClaimEvent.Fenced(now, from, by));
      if (sent.frame().type() == FrameType.READ) {
        readFailed(sent.context());
      }
      return;
    }
    if (!reply.status().isOk()) {
      port.disconnect();
      return;
    }
    long generation = sent.frame().generation();
    boolean isCall = calls.answered(reply);
    switch (sent.frame().type()) {
      // The promise counts when the record is answered too: that comes next, on the same link.
      case PROMISE -> {}
      case RECORD -> {
        if (port.hasPromised(generation)) {
          if (generation == core.generation()) {
            upkeep.ops().linked(from);
          }
          reportDue();
          boolean hasRun = port.info().filter(ReplicaInfo::isContinuous).isPresent();
          tell(now -> new ClaimEvent.Promised(now, from, generation, hasRun));
        }
      }
      case WRITE -> wrote(from, sent.context());
      case READ -> {
        if (sends.remove(sent.context())
            instanceof ClaimEffect.SendRead(_, long request, _, _, _)) {
          found(request, reply.value().stamp());
          tell(now -> new ClaimEvent.ReadDone(now, sent.context()));
        }
      }
      case FLUSH -> {
        if (!isCall) {
          upkeep.marks().flushed(sent.context(), from);
        }
      }
      default -> {}
    }
    if (generation == core.generation()) {
      tell(now -> new ClaimEvent.Heard(now, from, sent.sentNanos()));
    }
    upkeep.look();
    rebuild.look();
  }

  private void wrote(ReplicaId from, long send) {
    upkeep.marks().wrote(send, from);
    tell(now -> new ClaimEvent.Wrote(now, send, from));
    if (world.knobs.does(Sabotage.ENGINE_COUNTS_ONE_ANSWER)) {
      for (ReplicaId other : core.requiredMembers()) {
        tell(now -> new ClaimEvent.Wrote(now, send, other));
      }
    }
  }

  private void readFailed(long send) {
    if (sends.remove(send) instanceof ClaimEffect.SendRead) {
      soon(now -> new ClaimEvent.ReadFailed(now, send));
    }
  }

  private void sendWrite(ClaimEffect.SendWrite send) {
    int block = request(send.id()).orElseThrow().block;
    sends.put(send.send(), send);
    upkeep.ops().locks().request(block, () -> write(send));
  }

  private void write(ClaimEffect.SendWrite send) {
    Request request = requests.get(send.id());
    if (request == null || !sends.containsKey(send.send())) {
      return;
    }
    upkeep.marks().writeSent(send.send(), request.block, send.replicas());
    for (ReplicaId replica : send.replicas()) {
      SimFrame frame =
          SimFrame.write(
              send.generation(),
              nextSequence(),
              request.block,
              new BlockValue(send.generation(), request.stamp));
      if (portOf(replica).filter(port -> port.send(frame, send.send())).isEmpty()) {
        upkeep.marks().wrote(send.send(), replica);
      }
    }
  }

  private void sendRead(ClaimEffect.SendRead send) {
    int block = request(send.id()).orElseThrow().block;
    sends.put(send.send(), send);
    upkeep.ops().locks().request(block, () -> read(send));
  }

  private void read(ClaimEffect.SendRead send) {
    Request request = requests.get(send.id());
    if (request == null || !sends.containsKey(send.send())) {
      return;
    }
    if (send.isEqualFirst() && upkeep.isUnreconciled(request.block)) {
      upkeep
          .ops()
          .equalForRead(
              request.block,
              (isDone, value) -> {
                if (!isDone || value == null) {
                  readFailed(send.send());
                } else {
                  equalRead(send, value);
                }
              });
      return;
    }
    List<ReplicaId> sources = new ArrayList<>(send.sources());
    // Local first.
    ReplicaId source =
        sources.stream()
            .filter(one -> inSession(one).filter(r -> r.node().equals(node())).isPresent())
            .findFirst()
            .orElse(sources.get(world.scheduler.random().nextInt(sources.size())));
    ReplicaPort port = ports.get(source);
    SimFrame frame = SimFrame.ask(FrameType.READ, send.generation(), nextSequence(), request.block);
    if (port == null || !port.send(frame, send.send())) {
      readFailed(send.send());
    }
  }

  private void equalRead(ClaimEffect.SendRead send, BlockValue value) {
    if (sends.remove(send.send()) != null) {
      found(send.id(), value.stamp());
      tell(now -> new ClaimEvent.ReadDone(now, send.send()));
    }
  }

  /** Whether a request that reads or writes a block is under way at replicas. */
  boolean isBusy(int block) {
    for (ClaimEffect effect : sends.values()) {
      long number =
          switch (effect) {
            case ClaimEffect.SendWrite write -> write.id();
            case ClaimEffect.SendRead read -> read.id();
            default -> throw new IllegalStateException("not sent to replicas: " + effect);
          };
      Request request = requests.get(number);
      if (request != null && request.block == block) {
        return true;
      }
    }
    return false;
  }

  /** Blocks of writes under way. */
  SortedSet<Integer> beingWritten() {
    SortedSet<Integer> blocks = new TreeSet<>();
    for (ClaimEffect effect : sends.values()) {
      if (effect instanceof ClaimEffect.SendWrite write) {
        request(write.id()).ifPresent(request -> blocks.add(request.block));
      }
    }
    return blocks;
  }

  // ---- requests ---------------------------------------------------------------------------------

  void connected(SimClient client) {
    clients.add(client);
    if (arePaused) {
      client.pause();
    }
  }

  /** Nothing is taken from clients any more, those that connect from now on included. */
  void pauseClients() {
    arePaused = true;
    clients.forEach(SimClient::pause);
  }

  /** They go on with this process: another one of this engine, or the same. */
  void handClientsTo(SimEngine next) {
    arePaused = false;
    List.copyOf(clients).forEach(client -> client.goOn(next));
  }

  void disconnected(SimClient client) {
    clients.remove(client);
  }

  /** A client wants something; the answer comes to it. */
  void wanted(SimClient client, long operation, ClaimRequest.Kind kind, int block, long stamp) {
    add(kind, block, stamp, client, operation, null, null);
  }

  /** Nobody but this engine wants everything on the disks. */
  void flush() {
    add(ClaimRequest.Kind.FLUSH, -1, 0, null, 0, null, null);
  }

  /** The other engine forwards something. */
  void forwardedHere(Link from, SimFrame frame) {
    ClaimRequest.Kind kind =
        switch (frame.type()) {
          case READ -> ClaimRequest.Kind.READ;
          case FLUSH -> ClaimRequest.Kind.FLUSH;
          default -> ClaimRequest.Kind.STATUS;
        };
    add(kind, frame.block(), 0, null, 0, from, frame);
  }

  private void add(
      ClaimRequest.Kind kind,
      int block,
      long stamp,
      @Nullable SimClient client,
      long operation,
      @Nullable Link origin,
      @Nullable SimFrame asked) {
    boolean hasRange = kind == ClaimRequest.Kind.READ || kind == ClaimRequest.Kind.WRITE;
    ClaimRequest request =
        new ClaimRequest(
            ++lastRequest,
            kind,
            hasRange ? (long) block * Crc32c.BLOCK_BYTES : 0,
            hasRange ? Crc32c.BLOCK_BYTES : 0,
            origin != null);
    requests.put(
        request.id(),
        new Request(
            request,
            hasRange ? block : -1,
            stamp,
            client,
            operation,
            origin,
            asked,
            world.oracle(volume).acknowledged(),
            ownAcknowledged.copy()));
    tell(now -> new ClaimEvent.Wanted(now, request));
  }

  void found(long request, long stamp) {
    found.put(request, stamp);
  }

  /** The owner answered what was forwarded to it. */
  void throughOwner(LongFunction<ClaimEvent> event) {
    isThroughOwner = true;
    tell(event);
    isThroughOwner = false;
  }

  private void answer(long number) {
    Request request = requests.remove(number);
    if (request == null) {
      return;
    }
    sends
        .values()
        .removeIf(effect -> effect instanceof ClaimEffect.SendWrite w && w.id() == number);
    Long value = found.remove(number);
    long stamp = value == null ? 0 : value;
    boolean isOwner = core.role() == ClaimRole.OWNER && !isThroughOwner;
    switch (request.request.kind()) {
      case WRITE -> written(request);
      case READ -> {
        if (isOwner) {
          checkEqual(request.block);
        }
      }
      case FLUSH -> flushed(request, isOwner);
      case SNAPSHOT, STATUS -> {}
    }
    Link origin = request.origin;
    SimFrame asked = request.asked;
    if (origin != null && asked != null) {
      send(
          origin,
          asked.type() == FrameType.READ
              ? asked.data(new BlockValue(0, stamp))
              : asked.reply(IoError.OK));
    }
    if (request.client != null) {
      request.client.answered(request.operation, stamp);
    }
  }

  private void fail(long number, IoError error) {
    Request request = requests.remove(number);
    sends
        .values()
        .removeIf(effect -> effect instanceof ClaimEffect.SendWrite w && w.id() == number);
    if (request != null && request.client != null) {
      request.client.failed(request.operation, error);
    }
    if (request != null && request.origin != null && request.asked != null) {
      send(request.origin, request.asked.reply(IoError.STALE));
    }
  }

  private void refuse(long number) {
    Request request = requests.remove(number);
    if (request != null && request.origin != null && request.asked != null) {
      send(request.origin, request.asked.reply(IoError.STALE));
    }
  }

  private boolean isInRecord() {
    return world
        .records()
        .record(volume)
        .filter(record -> record.isOwnedBy(id, core.generation()))
        .isPresent();
  }

  private SortedSet<ReplicaId> members() {
    return world
        .records()
        .record(volume)
        .map(record -> record.membership().members())
        .orElseGet(TreeSet::new);
  }

  /** A write is answered: every member of the durable set has it (I2). */
  private void written(Request request) {
    ownAcknowledged.add(request.block, request.stamp);
    if (!isInRecord()) {
      return;
    }
    for (ReplicaId member : members()) {
      Optional<SimDirectory> directory = world.directory(member);
      if (directory.isPresent()
          && !directory.get().hasLost
          && directory.get().block(request.block).stamp() < request.stamp) {
        throw new SimFailure(
            "I2",
            name()
                + " acknowledges "
                + request.stamp
                + " in block "
                + request.block
                + ", "
                + shortly(member)
                + " is in the set and has "
                + directory.get().block(request.block));
      }
    }
  }

  /** A read is answered by the owner: what is not being written is equal everywhere (I4). */
  private void checkEqual(int block) {
    if (!isInRecord() || beingWritten().contains(block)) {
      return;
    }
    BlockValue first = null;
    for (ReplicaId member : core.requiredMembers()) {
      Optional<SimReplica> replica = inSession(member);
      if (replica.isEmpty() || isUnanswered(member, block)) {
        continue;
      }
      BlockValue value = replica.get().directory().block(block);
      if (first != null && first.stamp() != value.stamp()) {
        throw new SimFailure(
            "I4",
            name()
                + " answers a read of block "
                + block
                + ": members have "
                + first
                + " and "
                + value);
      }
      first = value;
    }
  }

  private boolean isUnanswered(ReplicaId member, int block) {
    return portOf(member).filter(p -> p.isUnanswered(FrameType.WRITE, block)).isPresent();
  }

  /** A flush is answered: everything that it speaks of is on the disk of every member (I6). */
  private void flushed(Request request, boolean isOwner) {
    boolean isOfAll = isThroughOwner || isOwner;
    Acknowledged promised = isOfAll ? request.acknowledged : request.own;
    for (ReplicaId member : members()) {
      Optional<SimDirectory> directory = world.directory(member);
      if (directory.isEmpty() || directory.get().hasLost) {
        continue;
      }
      for (int b = 0; b < world.knobs.blocks; b++) {
        if (promised.isTooOld(b, directory.get().durable(b).stamp())) {
          throw new SimFailure(
              "I6",
              name()
                  + " answers a FLUSH: block "
                  + b
                  + " of "
                  + shortly(member)
                  + " has "
                  + directory.get().durable(b)
                  + " on its disk, "
                  + promised.of(b)
                  + " was acknowledged");
        }
      }
    }
    if (isOfAll) {
      world.oracle(volume).flushed(request.acknowledged);
    }
  }

  // ---- frames -----------------------------------------------------------------------------------

  @Override
  void received(Link link, SimFrame frame) {
    if (link.other(this) instanceof SimEngine) {
      peer.received(link, frame);
      return;
    }
    for (ReplicaPort port : ports.values()) {
      if (port.isOn(link)) {
        port.received(frame);
        return;
      }
    }
  }

  @Override
  void isClosed(Link link) {
    if (link.other(this) instanceof SimEngine) {
      peer.closed(link);
      return;
    }
    for (ReplicaPort port : List.copyOf(ports.values())) {
      if (port.isOn(link)) {
        port.over();
      }
    }
  }

  private void connectAll() {
    isReconnecting = false;
    if (!isServing) {
      return;
    }
    for (ReplicaPort port : ports.values()) {
      port.connect();
      if (port.isDown()) {
        reconnect();
      }
    }
  }

  /** Links that are not there are tried again, a little later. */
  void reconnect() {
    if (!isReconnecting) {
      isReconnecting = true;
      inBackground(RECONNECT_NANOS, this::connectAll);
    }
  }

  // ---- the record -------------------------------------------------------------------------------

  /** The engine that owns the volume, or the other one that may. */
  Optional<EngineId> otherEngine() {
    Optional<VolumeRecord> record = store.known();
    Optional<EngineId> owner =
        record.flatMap(VolumeRecord::owner).filter(other -> !other.equals(id));
    return owner.isPresent()
        ? owner
        : record.stream()
            .flatMap(known -> known.claimants().stream())
            .filter(other -> !other.equals(id))
            .findFirst();
  }

  private void poll() {
    boolean isPolling = core.role() == ClaimRole.FORWARDING || core.role() == ClaimRole.FENCED;
    if (isPolling && isServing) {
      store.look(this::recordSeen);
    }
    if (core.role() != ClaimRole.OVER) {
      inBackground(isNamed ? WATCH_NANOS : POLL_NANOS, this::poll);
    }
  }

  private void recordSeen(VolumeRecord record) {
    reportDue();
    boolean isWaiting = core.role() == ClaimRole.FORWARDING || core.role() == ClaimRole.FENCED;
    if (!isWaiting || !record.claimants().contains(id)) {
      look();
      return;
    }
    isNamed = true;
    if (record.claimants().size() == 1 && record.phase() == VolumeRecord.Phase.NONE) {
      tell(ClaimEvent.OwnWanted::new);
    } else if (record.phase() == VolumeRecord.Phase.MIGRATING) {
      isListening = true;
    }
    look();
  }

  StorePort store() {
    return store;
  }

  /** Its volume is its own, if it has not taken it after that generation. */
  public void finish(long generation) {
    tell(now -> new ClaimEvent.FinishWanted(now, generation));
  }

  /** Which replicas it is to use. */
  public void configure(Collection<ReplicaId> replicas) {
    SortedSet<ReplicaId> wanted = new TreeSet<>(replicas);
    for (ReplicaPort port : List.copyOf(ports.values())) {
      if (!wanted.contains(port.id)) {
        ports.remove(port.id);
        port.disconnect();
      }
    }
    for (ReplicaId replica : wanted) {
      ports.computeIfAbsent(replica, this::port);
    }
    connectAll();
    reportDue();
    look();
  }

  SortedSet<ReplicaId> configured() {
    return Collections.unmodifiableSortedSet(ports.navigableKeySet());
  }

  // ---- what it says -----------------------------------------------------------------------------

  /** Whether it says something else than before. */
  void look() {
    upkeep.look();
    rebuild.look();
    Signs signs =
        new Signs(core.role(), core.generation(), core.isStopping(), core.requiredMembers());
    if (signs.equals(lastSigns) && !isReportDue) {
      return;
    }
    lastSigns = signs;
    isReportDue = false;
    world.watcher().touched(volume);
    EngineSeen now = seen();
    if (!now.equals(said)) {
      said = now;
      world.scheduler.active();
      world.watcher().engineChanged(this);
    }
  }

  private record Signs(
      ClaimRole role, long generation, boolean isStopping, SortedSet<ReplicaId> required) {}

  /** What it says of replicas may be something else than before. */
  void reportDue() {
    isReportDue = true;
  }

  /** What it says of itself. */
  public EngineSeen seen() {
    boolean isOwner = core.role() == ClaimRole.OWNER;
    return new EngineSeen(
        pid(),
        Optional.of(id),
        image,
        isOwner ? !core.isStopping() : isListening,
        core.generation(),
        core.role().name().toLowerCase(Locale.ROOT),
        isListening ? List.of("nbd://" + node() + "/" + name()) : List.of(),
        EngineReport.replicas(this, isOwner, isListening),
        hasTakenBack);
  }
}
