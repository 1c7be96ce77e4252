package io.longhorn.orchestration.execution;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import io.longhorn.orchestration.store.Watch;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A cluster whose instance managers, engines and replicas are objects in this JVM: for programs
 * that try a control plane out, and for tests. Everything can be done and takes no time. Engines
 * treat the record of their volume in the store as real ones do: they take generations, name
 * members, claim and finish; there is no data.
 *
 * <p>What goes wrong goes wrong on command: {@link #crash}, {@link #crashInstanceManager}, {@link
 * #cutOff}; and a guest moves when {@link #moveGuest} says so. Thread-safe.
 */
public final class InMemoryExecutor implements ActionExecutor {
  private static final Duration WATCH = Duration.ofSeconds(1);
  private static final int MOST_TRIES = 1_000;

  private final ClusterStore store;
  private final Watch watch;

  // Guards everything below. Held while a record is changed: what is seen is never older than what
  // was done.
  private final ReentrantLock lock = new ReentrantLock();
  private final TreeMap<String, MemoryHost> hosts = new TreeMap<>();

  /** Directories there are, and the process that holds each; empty for none. */
  private final TreeMap<String, String> directories = new TreeMap<>();

  /** Those that are looked at. */
  private Set<String> engines = Set.of();

  private String whySwapsFail = "";
  private long lastPid = 1_000;
  private @Nullable Observation observation;

  /** An executor for the cluster of a store, which stays the caller's. */
  public InMemoryExecutor(ClusterStore store) {
    this.store = store;
    watch = store.watch();
    Thread.ofVirtual().name("memory-engines").start(this::followRecords);
  }

  @Override
  public Set<Capability> capabilities() {
    return EnumSet.allOf(Capability.class);
  }

  @Override
  public void observe(Observation into) {
    locked(() -> observation = into);
  }

  @Override
  public void watch(Targets targets) {
    locked(() -> {
      targets.managers().values().forEach(this::host);
      hosts.values().removeIf(host -> host.pid == 0 && !targets.managers().containsKey(host.name));
      lookOnlyAt(Set.copyOf(targets.engines().keySet()));
      tellAll();
    });
  }

  private void lookOnlyAt(Set<String> wanted) {
    Observation into = observation;
    if (into != null) {
      engines.stream().filter(name -> !wanted.contains(name)).forEach(into::forgetEngine);
    }
    engines = wanted;
  }

  @Override
  public void close() {
    watch.close();
    locked(() -> observation = null);
  }

  private void locked(Runnable what) {
    lock.lock();
    try {
      what.run();
    } finally {
      lock.unlock();
    }
  }

  private <T> T locked(Supplier<T> what) {
    lock.lock();
    try {
      return what.get();
    } finally {
      lock.unlock();
    }
  }

  // ---- actions ----------------------------------------------------------------------------------

  @Override
  public void execute(Action.ProcessAction action) {
    locked(() -> {
      switch (action) {
        case Action.StartInstanceManager start -> {
          MemoryHost host = host(start.manager());
          host.pid = host.pid == 0 ? nextPid() : host.pid;
        }
        case Action.KillInstanceManager(InstanceManager manager) -> end(host(manager));
        case Action.CreateDirectory create -> createDirectory(create);
        case Action.DeleteDirectory delete -> deleteDirectory(delete);
        case Action.StartReplica start -> startReplica(start);
        case Action.PromoteReplica promote -> promote(promote);
        case Action.StartEngine start -> startEngine(start);
        case Action.SwapEngine swap -> swap(swap);
        case Action.ConfigureEngine configure ->
            engine(configure.manager(), configure.engine()).use(configure.replicas());
        case Action.FinishMigration finish -> {
          MemoryEngine winner = engine(finish.manager(), finish.winner());
          change(winner, (now, serving) -> winner.finish(now, serving, finish.generation()));
        }
        case Action.StopInstance(InstanceManager manager, String name, String uuid) ->
            process(manager, name, uuid).ifPresent(process -> end(process, ""));
        case Action.ForgetInstance(InstanceManager manager, String name, String uuid) ->
            process(manager, name, uuid)
                .filter(process -> !process.isRunning())
                .ifPresent(_ -> forget(reachable(manager), name));
      }
      settle();
      tellAll();
    });
  }

  private long nextPid() {
    return ++lastPid;
  }

  private MemoryHost host(InstanceManager manager) {
    return hosts.computeIfAbsent(manager.name(), name -> new MemoryHost(name, manager.nodeID()));
  }

  private MemoryHost reachable(InstanceManager manager) {
    MemoryHost host = host(manager);
    if (host.pid == 0 || host.isCutOff) {
      throw new VolumeException(IoError.DISCONNECTED, manager.name() + " does not answer");
    }
    return host;
  }

  /** A process by its start; another start of it is none. */
  private Optional<MemoryProcess> process(InstanceManager manager, String name, String uuid) {
    return Optional.ofNullable(reachable(manager).processes.get(name))
        .filter(process -> process.uuid.equals(uuid));
  }

  /** A new process, unless one of the name runs. */
  private Optional<MemoryProcess> start(InstanceManager manager, String name) {
    MemoryHost host = reachable(manager);
    MemoryProcess before = host.processes.get(name);
    if (before != null && before.isRunning()) {
      return Optional.empty();
    }
    MemoryProcess started = new MemoryProcess(name, nextPid());
    host.processes.put(name, started);
    return Optional.of(started);
  }

  private static void forget(MemoryHost host, String name) {
    host.processes.remove(name);
    if (Names.isCreation(name)) {
      host.done.add(name);
    }
  }

  private void end(MemoryHost host) {
    host.processes.values().forEach(this::release);
    host.end();
  }

  private void end(MemoryProcess process, String why) {
    process.end(why);
    release(process);
  }

  // ---- replicas ---------------------------------------------------------------------------------

  private static String directory(Replica replica) {
    return replica.spec().nodeID() + ":" + replica.spec().directory();
  }

  private void createDirectory(Action.CreateDirectory create) {
    String name = Names.creation(create.replica());
    MemoryHost host = reachable(create.manager());
    if (host.done.contains(name) || host.processes.containsKey(name)) {
      // It was made.
      return;
    }
    start(create.manager(), name)
        .ifPresent(job -> {
          directories.putIfAbsent(directory(create.replica()), "");
          job.end("");
        });
  }

  private void deleteDirectory(Action.DeleteDirectory delete) {
    start(delete.manager(), Names.deletion(delete.replica()))
        .ifPresent(job -> {
          String directory = directory(delete.replica());
          if (directories.getOrDefault(directory, "").isEmpty()) {
            directories.remove(directory);
            job.end("");
          } else {
            job.end(directory + " is in use");
          }
        });
  }

  private void startReplica(Action.StartReplica start) {
    start(start.manager(), start.replica().name())
        .ifPresent(process -> {
          process.replica = start.replica().spec().id();
          process.directory = directory(start.replica());
          process.isStandby = true;
          if (!directories.containsKey(process.directory)) {
            process.end("there is no directory " + process.directory);
          } else if (!start.isStandby() && !hold(process)) {
            process.end("another process holds " + process.directory);
          }
        });
  }

  /** It takes its directory, if nobody has it. */
  private boolean hold(MemoryProcess process) {
    boolean isFree = directories.getOrDefault(process.directory, "").isEmpty();
    if (isFree) {
      directories.put(process.directory, process.uuid);
      process.isStandby = false;
    }
    return isFree;
  }

  private void release(MemoryProcess process) {
    directories.replace(process.directory, process.uuid, "");
  }

  private void promote(Action.PromoteReplica promote) {
    MemoryProcess standby =
        Optional.ofNullable(reachable(promote.manager()).processes.get(promote.standby().name()))
            .filter(MemoryProcess::isRunning)
            .orElseThrow(() ->
                new VolumeException(IoError.NOT_FOUND, promote.standby().name() + " does not run"));
    if (standby.isStandby) {
      // Who had it goes on as one that stands by.
      running().stream()
          .filter(process -> directories.get(standby.directory) != null)
          .filter(process -> process.uuid.equals(directories.get(standby.directory)))
          .forEach(holder -> {
            release(holder);
            holder.isStandby = true;
          });
      hold(standby);
    }
  }

  private List<MemoryProcess> running() {
    return hosts.values().stream()
        .flatMap(host -> host.processes.values().stream())
        .filter(MemoryProcess::isRunning)
        .toList();
  }

  // ---- engines ----------------------------------------------------------------------------------

  private void startEngine(Action.StartEngine start) {
    start(start.manager(), start.engine().name())
        .ifPresent(process ->
            process.engine =
                new MemoryEngine(
                    start.engine(),
                    start.image().name(),
                    start.replicas(),
                    start.engine().spec().isActive()));
  }

  private void swap(Action.SwapEngine swap) {
    MemoryEngine before = engine(swap.manager(), swap.engine());
    EngineImage image = swap.image();
    if (before.image.equals(image.name())) {
      return;
    }
    VolumeRecord record = record(before.volume).orElseThrow(() -> noRecord(before.volume)).record();
    if (!whySwapsFail.isEmpty()) {
      throw new VolumeException(IoError.EIO, whySwapsFail);
    }
    if (record.phase() != VolumeRecord.Phase.SWAPPING) {
      throw new VolumeException(
          IoError.CONFLICT, "volume " + before.volume + " does not change its engine any more");
    }
    MemoryHost next = reachable(swap.next());
    MemoryEngine after = new MemoryEngine(swap.engine(), image.name(), swap.replicas(), true);
    change(after, after::takeOver);
    MemoryProcess process = reachable(swap.manager()).processes.remove(swap.engine().name());
    if (process != null) {
      process.engine = after;
      process.pid = nextPid();
      next.processes.put(process.name, process);
    }
  }

  private MemoryEngine engine(InstanceManager manager, Engine engine) {
    return Optional.ofNullable(reachable(manager).processes.get(engine.name()))
        .filter(MemoryProcess::isRunning)
        .flatMap(MemoryProcess::engine)
        .orElseThrow(() -> new VolumeException(IoError.NOT_FOUND, engine.name() + " does not run"));
  }

  // ---- records ----------------------------------------------------------------------------------

  private Optional<Membership> record(String volume) {
    return store
        .get(new ObjectKey(ObjectKind.MEMBERSHIP, volume))
        .map(found -> (Membership) found.object());
  }

  private static VolumeException noRecord(String volume) {
    return new VolumeException(IoError.NOT_FOUND, "volume " + volume + " has no record");
  }

  /** Replicas with a process that can be talked to; with their directory, or at all. */
  private SortedSet<ReplicaId> replicas(boolean isHolder) {
    TreeSet<ReplicaId> found = new TreeSet<>();
    for (MemoryProcess process : running()) {
      ReplicaId replica = process.replica;
      if (replica != null && !(isHolder && process.isStandby)) {
        found.add(replica);
      }
    }
    return found;
  }

  /** Changes the record by compare-and-set, however often somebody else is faster. */
  private void change(
      MemoryEngine engine, BiFunction<VolumeRecord, SortedSet<ReplicaId>, VolumeRecord> how) {
    ObjectKey key = new ObjectKey(ObjectKind.MEMBERSHIP, engine.volume);
    for (int i = 0; i < MOST_TRIES; i++) {
      Stored now = store.get(key).orElseThrow(() -> noRecord(engine.volume));
      VolumeRecord next = how.apply(((Membership) now.object()).record(), replicas(true));
      if (store.put(new Membership(engine.volume, next), now.version()).isDone()) {
        return;
      }
    }
    throw new VolumeException(IoError.CONFLICT, "the record of " + engine.volume + " changes");
  }

  /** Every engine does to its record what it has to. */
  private void settle() {
    for (MemoryProcess process : running()) {
      process
          .engine()
          .filter(engine -> record(engine.volume).isPresent())
          .ifPresent(
              engine -> change(engine, (now, serving) -> engine.step(now, serving).orElse(now)));
    }
  }

  /** The control plane changes records too: says who may claim, and ends phases. */
  private void followRecords() {
    while (!watch.isClosed()) {
      boolean isRecord =
          watch.await(WATCH).stream().anyMatch(key -> key.kind() == ObjectKind.MEMBERSHIP);
      if (isRecord && !watch.isClosed()) {
        try {
          locked(() -> {
            settle();
            tellAll();
          });
        } catch (VolumeException _) {
          // The store does not answer, or is closed: engines go on with what they know.
        }
      }
    }
  }

  // ---- what is seen -----------------------------------------------------------------------------

  private void tellAll() {
    Observation into = observation;
    if (into == null) {
      return;
    }
    for (MemoryHost host : hosts.values()) {
      into.manager(host.name, host.seen());
      if (!host.isCutOff) {
        host.processes.values().stream()
            .filter(process -> process.isRunning() && engines.contains(process.name))
            .forEach(process -> process.engine().ifPresent(engine -> tell(into, process, engine)));
      }
    }
  }

  private void tell(Observation into, MemoryProcess process, MemoryEngine engine) {
    record(engine.volume)
        .ifPresent(found ->
            into.engine(
                process.name,
                engine.seen(process.pid, found.record().membership(), replicas(false))));
  }

  // ---- what people and accidents do -------------------------------------------------------------

  /** A process of an engine or replica ends, and nobody asked it to. */
  public void crash(String instance) {
    accident(() ->
        hosts
            .values()
            .forEach(host -> {
              MemoryProcess process = host.processes.get(instance);
              if (process != null) {
                end(process, "killed");
              }
            }));
  }

  /** An instance manager ends, and everything it had started. */
  public void crashInstanceManager(String name) {
    accident(() -> end(hostOf(name)));
  }

  /** An instance manager cannot be talked to any more, or again; what it started goes on. */
  public void cutOff(String instanceManager, boolean isCutOff) {
    accident(() -> hostOf(instanceManager).isCutOff = isCutOff);
  }

  /** From now on no engine can be followed by another process; an empty reason: it can again. */
  public void failSwaps(String why) {
    locked(() -> whySwapsFail = why);
  }

  private MemoryHost hostOf(String name) {
    MemoryHost host = hosts.get(name);
    if (host == null) {
      throw new VolumeException(IoError.NOT_FOUND, "there is no instance manager " + name);
    }
    return host;
  }

  /**
   * The guest of a volume that migrates moves: the engine on that node writes from now on. {@code
   * NOT_FOUND} if there is none that may.
   */
  public void moveGuest(String volume, String node) {
    accident(() -> {
      MemoryEngine target =
          running().stream()
              .flatMap(process -> process.engine().stream())
              .filter(engine -> engine.volume.equals(volume) && engine.node.equals(node))
              .filter(engine -> mayClaim(engine))
              .findFirst()
              .orElseThrow(() ->
                  new VolumeException(
                      IoError.NOT_FOUND,
                      "volume " + volume + " has no engine on " + node + " that may write"));
      change(target, target::claim);
    });
  }

  private boolean mayClaim(MemoryEngine engine) {
    return record(engine.volume)
        .filter(found -> found.record().claimants().contains(engine.id))
        .isPresent();
  }

  /** The node where the guest of a volume can write; empty if there is none. */
  public Optional<String> ownerOf(String volume) {
    return locked(() -> {
      Optional<VolumeRecord> record = record(volume).map(Membership::record);
      return running().stream()
          .flatMap(process -> process.engine().stream())
          .filter(engine -> engine.volume.equals(volume))
          .filter(
              engine -> record.flatMap(VolumeRecord::owner).filter(engine.id::equals).isPresent())
          .map(engine -> engine.node)
          .findFirst();
    });
  }

  private void accident(Runnable what) {
    locked(() -> {
      what.run();
      settle();
      tellAll();
    });
  }
}
