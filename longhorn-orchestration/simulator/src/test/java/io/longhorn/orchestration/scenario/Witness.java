package io.longhorn.orchestration.scenario;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** Sees everything that happens to one volume, and remembers how it was when it began to watch. */
final class Witness {
  private final Stage stage;
  private final String volume;
  private final List<String> lines = new ArrayList<>();
  private int told;
  private String before = "";

  // ---- since it watches
  private int watchedFrom;
  private boolean wasDetached;
  private String engineThen = "";
  private SortedSet<String> replicasThen = new TreeSet<>();

  /** Watches from now on. */
  Witness(Stage stage, String volume) {
    this.stage = stage;
    this.volume = volume;
  }

  /** Something may have changed. */
  void look() {
    List<Stage.Line> all = stage.told();
    for (; told < all.size(); told++) {
      lines.add(all.get(told).toString());
    }
    String now =
        volume()
            .map(found -> found.status().state().text() + "/" + found.status().robustness().text())
            .orElse("gone");
    if (!now.equals(before)) {
      lines.add("  " + volume + " " + now);
      before = now;
    }
    wasDetached |= volume().filter(found -> found.status().currentNodeID().isEmpty()).isPresent();
  }

  /** Lines since the last time. */
  List<String> drain() {
    List<String> drained = List.copyOf(lines);
    lines.clear();
    return drained;
  }

  /** From now on it is watched whether the volume is detached, what is told, and who changes. */
  void watch() {
    watchedFrom = stage.told().size();
    wasDetached = false;
    engineThen = engine().map(Engine::name).orElse("");
    replicasThen = replicaNames();
  }

  /** Everything told since it watches. */
  List<Stage.Line> toldSince() {
    List<Stage.Line> all = stage.told();
    return all.subList(watchedFrom, all.size());
  }

  /** Whether the volume was not attached for a while since it is watched. */
  boolean wasDetached() {
    return wasDetached;
  }

  /** Whether the engine is another one: "same" or "new". */
  String engineIs() {
    return engine().map(Engine::name).orElse("").equals(engineThen) ? "same" : "new";
  }

  /** Whether the replicas are others: "same", "new", or "mixed". */
  String replicasAre() {
    SortedSet<String> now = replicaNames();
    if (replicasThen.containsAll(now)) {
      return "same";
    }
    now.retainAll(replicasThen);
    return now.isEmpty() ? "new" : "mixed";
  }

  // ---- objects ----------------------------------------------------------------------------------

  /** The volume, if it is there. */
  Optional<Volume> volume() {
    return find(ObjectKind.VOLUME, volume, Volume.class);
  }

  private <T extends ClusterObject> Optional<T> find(ObjectKind kind, String name, Class<T> type) {
    return all(kind, type).stream().filter(found -> found.name().equals(name)).findFirst();
  }

  private <T extends ClusterObject> List<T> all(ObjectKind kind, Class<T> type) {
    return stage.objects(kind, type);
  }

  /** Its engines. */
  List<Engine> engines() {
    return all(ObjectKind.ENGINE, Engine.class).stream()
        .filter(engine -> engine.spec().volumeName().equals(volume))
        .toList();
  }

  /** Its engine. */
  Optional<Engine> engine() {
    return engines().stream().filter(engine -> engine.spec().isActive()).findFirst();
  }

  /** Its replicas, those that stand by too. */
  List<Replica> replicas() {
    return all(ObjectKind.REPLICA, Replica.class).stream()
        .filter(replica -> replica.spec().volumeName().equals(volume))
        .toList();
  }

  /** Those that are known to run; if none is, all. */
  private SortedSet<String> replicaNames() {
    TreeSet<String> running = new TreeSet<>();
    TreeSet<String> all = new TreeSet<>();
    for (Replica replica : replicas()) {
      if (replica.spec().isActive()) {
        all.add(replica.name());
        if (replica.status().instance().currentState() == InstanceView.State.RUNNING) {
          running.add(replica.name());
        }
      }
    }
    return running.isEmpty() ? all : running;
  }

  /** A ticket, if it is there. */
  Optional<VolumeAttachment.Ticket> ticket(String id) {
    return find(ObjectKind.VOLUME_ATTACHMENT, volume, VolumeAttachment.class)
        .map(attachment -> attachment.tickets().get(id));
  }

  /** Whether a ticket has what it asks for. */
  boolean isAttached(String id) {
    return ticket(id).filter(found -> found.satisfied().isTrue()).isPresent();
  }

  /** Rules that wait, by what waits. */
  SortedMap<String, Condition> waits() {
    TreeMap<String, Condition> waits = new TreeMap<>();
    volume()
        .ifPresent(
            found -> found.status().conditions().forEach(what -> waits.put(what.type(), what)));
    return waits;
  }

  // ---- output -----------------------------------------------------------------------------------

  /** The five fields, as {@code grep -i nodeid} shows them. */
  SortedMap<String, String> fields() {
    TreeMap<String, String> fields = new TreeMap<>();
    volume()
        .ifPresent(found -> {
          fields.put("migrationNodeID", found.spec().migrationNodeID());
          fields.put("nodeID", found.spec().nodeID());
          fields.put("currentMigrationNodeID", found.status().currentMigrationNodeID());
          fields.put("currentNodeID", found.status().currentNodeID());
          fields.put("pendingNodeID", "");
        });
    return fields;
  }

  /** The same, line by line, in the order in which the object has them. */
  List<String> fieldLines() {
    List<String> shown = new ArrayList<>();
    for (String name :
        List.of(
            "migrationNodeID",
            "nodeID",
            "currentMigrationNodeID",
            "currentNodeID",
            "pendingNodeID")) {
      String value = fields().getOrDefault(name, "");
      shown.add("    " + name + ": " + (value.isEmpty() ? "\"\"" : value));
    }
    return shown;
  }

  /** How the volume is: engine, replicas, tickets, what waits. */
  List<String> summary() {
    List<String> shown = new ArrayList<>();
    for (Engine engine : engines()) {
      shown.add(
          "engine "
              + engine.name()
              + (engine.spec().isActive() ? "" : " (migration)")
              + where(engine)
              + (engine.spec().isActive() ? ": " + engineIs() : ""));
    }
    TreeSet<String> copies = new TreeSet<>();
    for (Replica replica : replicas()) {
      copies.add(replica.spec().nodeID() + " " + modeOf(replica));
    }
    shown.add("replicas " + String.join(", ", copies) + ": " + replicasAre());
    shown.add("was detached: " + (wasDetached ? "yes" : "no"));
    find(ObjectKind.VOLUME_ATTACHMENT, volume, VolumeAttachment.class)
        .ifPresent(attachment ->
            attachment
                .tickets()
                .values()
                .forEach(ticket ->
                    shown.add(
                        ticket.id()
                            + " "
                            + (ticket.satisfied().isTrue() ? "attached" : "not attached")
                            + " to "
                            + ticket.nodeID())));
    waits()
        .values()
        .forEach(what ->
            shown.add("waits " + what.type() + " " + what.reason() + ": " + what.message()));
    return shown;
  }

  private static String where(Engine engine) {
    InstanceView instance = engine.status().instance();
    if (!instance.mayRun()) {
      return " stopped";
    }
    boolean isUnknown = instance.currentState() == InstanceView.State.UNKNOWN;
    return " on " + engine.spec().nodeID() + (isUnknown ? ", unknown" : "");
  }

  /**
   * What the process of the engine is doing, and that of the replica on a node, if there is one.
   */
  Optional<InstanceView.State> stateOn(String node) {
    return node.isEmpty()
        ? engine().map(engine -> engine.status().instance().currentState())
        : replicas().stream()
            .filter(replica -> replica.spec().isActive() && replica.spec().nodeID().equals(node))
            .map(replica -> replica.status().instance().currentState())
            .findFirst();
  }

  private String modeOf(Replica replica) {
    if (!replica.spec().isActive()) {
      return "standby";
    }
    if (replica.status().instance().currentState() == InstanceView.State.UNKNOWN) {
      return "unknown";
    }
    if (!replica.status().instance().mayRun()) {
      return replica.spec().health().failedAtMillis() != 0 ? "failed" : "stopped";
    }
    return engine()
        .map(engine -> engine.status().replicas().get(replica.spec().id()))
        .map(Engine.Member::mode)
        .map(ReplicaMode::name)
        .orElse("running");
  }

  /** How many replicas the engine has in sync. */
  int inSync() {
    return engine().map(engine -> engine.status().inSync()).orElse(0);
  }
}
