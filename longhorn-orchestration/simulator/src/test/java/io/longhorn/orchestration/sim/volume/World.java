package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.sim.world.SimDirectory;
import io.longhorn.orchestration.sim.world.SimKnobs;
import io.longhorn.orchestration.sim.world.SimNetwork;
import io.longhorn.orchestration.sim.world.SimNode;
import io.longhorn.orchestration.sim.world.SimScheduler;
import io.longhorn.orchestration.sim.world.SimTrace;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;

/** What every process has around it, and who else is there. */
public final class World {
  /** Where the record of a volume is kept. */
  public interface RecordService {
    /** A request, as bytes of the wire protocol, from a node; the answer may never come. */
    void call(String fromNode, byte[] request, Consumer<byte[]> answer);

    /** The record of a volume as it is, for checks. */
    Optional<VolumeRecord> record(String volume);
  }

  /** Who wants to know of processes. */
  public interface Watcher {
    /** What an engine says of itself has changed. */
    void engineChanged(SimEngine engine);

    /** Something of a volume has changed that may be checked. */
    void touched(String volume);
  }

  /** Time and chance. */
  public final SimScheduler scheduler;

  /** What connects machines. */
  public final SimNetwork network;

  /** Machines. */
  public final SortedMap<String, SimNode> nodes;

  /** How it all behaves. */
  public final SimKnobs knobs;

  /** What happened. */
  public final SimTrace trace;

  private final RecordService records;
  private final Watcher watcher;
  private final TreeMap<ReplicaId, SimDirectory> directories = new TreeMap<>();
  private final TreeMap<ReplicaId, SimReplica> holders = new TreeMap<>();
  private final TreeMap<EngineId, SimEngine> engines = new TreeMap<>();
  private final TreeMap<Long, SimProcess> processes = new TreeMap<>();
  private final TreeMap<String, VolumeOracle> oracles = new TreeMap<>();

  /** A world without processes. */
  public World(
      SimScheduler scheduler,
      SimNetwork network,
      SortedMap<String, SimNode> nodes,
      SimKnobs knobs,
      SimTrace trace,
      RecordService records,
      Watcher watcher) {
    this.scheduler = scheduler;
    this.network = network;
    this.nodes = nodes;
    this.knobs = knobs;
    this.trace = trace;
    this.records = records;
    this.watcher = watcher;
  }

  /** The record of a volume, as the store has it. */
  public Optional<VolumeRecord> recordOf(String volume) {
    return records.record(volume);
  }

  /** Where records are kept. */
  RecordService records() {
    return records;
  }

  Watcher watcher() {
    return watcher;
  }

  /** What has to hold for the content of a volume. */
  public VolumeOracle oracle(String volume) {
    return oracles.computeIfAbsent(volume, name -> new VolumeOracle(trace, name, knobs.blocks));
  }

  void began(SimProcess process) {
    processes.put(process.pid(), process);
  }

  void ended(SimProcess process) {
    processes.remove(process.pid());
    holders.values().removeIf(holder -> holder == process);
    engines.values().removeIf(engine -> engine == process);
  }

  void holds(SimReplica replica) {
    holders.put(replica.id(), replica);
  }

  void holdsNoMore(SimReplica replica) {
    holders.remove(replica.id(), replica);
  }

  void serves(SimEngine engine) {
    engines.put(engine.id(), engine);
  }

  /** The process that has the directory of a replica. */
  public Optional<SimReplica> holder(ReplicaId id) {
    return Optional.ofNullable(holders.get(id));
  }

  /** A directory is there. */
  public void made(SimDirectory directory) {
    directories.put(directory.replica, directory);
  }

  /** A directory is there no more. */
  public void deleted(SimDirectory directory) {
    directories.remove(directory.replica, directory);
  }

  /** The directory of a replica, on whichever machine. */
  public Optional<SimDirectory> directory(ReplicaId id) {
    return Optional.ofNullable(directories.get(id));
  }

  /** All directories. */
  public List<SimDirectory> directories() {
    return List.copyOf(directories.values());
  }

  /** An engine, by the id of its start. */
  public Optional<SimEngine> engine(EngineId id) {
    return Optional.ofNullable(engines.get(id));
  }

  /** All engines that are there, of a volume. */
  public List<SimEngine> enginesOf(String volume) {
    List<SimEngine> found = new ArrayList<>();
    for (SimEngine engine : engines.values()) {
      if (engine.volume().equals(volume)) {
        found.add(engine);
      }
    }
    return found;
  }

  /** All processes that are there. */
  public List<SimProcess> processes() {
    return List.copyOf(processes.values());
  }

  /** All replica processes that are there, of a volume. */
  public List<SimReplica> replicasOf(String volume) {
    List<SimReplica> found = new ArrayList<>();
    for (SimProcess process : processes.values()) {
      if (process instanceof SimReplica replica && replica.volume().equals(volume)) {
        found.add(replica);
      }
    }
    return found;
  }
}
