package io.longhorn.orchestration.scenario;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.sim.Sim;
import io.longhorn.orchestration.sim.world.SimKnobs;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;

/** The stage in virtual time. */
final class SimStage implements Stage {
  private static final int RIVAL_PAUSE_MILLIS = 70;

  private final Sim sim;
  private final List<String> nodes;
  private int commits = 1;
  private Runnable rival = () -> {};

  /** A cluster that has just been installed. */
  SimStage(long seed, List<String> nodes, boolean isTyped) {
    this.nodes = List.copyOf(nodes);
    sim = new Sim(seed, nodes, isTyped, new SimKnobs());
  }

  /** Makes such stages. */
  static BiFunction<List<String>, Boolean, Stage> onSeed(long seed) {
    return (nodes, isTyped) -> new SimStage(seed, nodes, isTyped);
  }

  /** What it plays on. */
  Sim sim() {
    return sim;
  }

  @Override
  public long nowMillis() {
    return sim.nowMillis();
  }

  @Override
  public boolean runUntil(BooleanSupplier condition, long withinMillis) {
    long end = sim.nowMillis() + withinMillis;
    while (!condition.getAsBoolean()) {
      if (sim.nowMillis() >= end) {
        return false;
      }
      rival.run();
      sim.runUntil(condition, Math.min(RIVAL_PAUSE_MILLIS, end - sim.nowMillis()));
    }
    return true;
  }

  @Override
  public boolean settle(long withinMillis) {
    return sim.settle(withinMillis);
  }

  @Override
  public void whenStored(Runnable look) {
    sim.onStored(_ -> look.run());
  }

  @Override
  public <T extends ClusterObject> List<T> objects(ObjectKind kind, Class<T> type) {
    return sim.objects(kind, type);
  }

  @Override
  public List<Line> told() {
    return sim.told().stream()
        .map(told -> new Line(told.isWarning(), told.reason(), told.message()))
        .toList();
  }

  @Override
  public SortedSet<String> directories() {
    TreeSet<String> found = new TreeSet<>();
    sim.directories().forEach(directory -> found.add(directory.path));
    return found;
  }

  @Override
  public Optional<String> leftover() {
    return sim.checkQuiet();
  }

  @Override
  public int engineStarts(String volume) {
    return sim.engineStarts(volume);
  }

  @Override
  public void create(String volume, int replicas, boolean isMigratable, List<String> places) {
    List<String> others =
        nodes.stream().filter(node -> !places.isEmpty() && !places.contains(node)).toList();
    others.forEach(sim::cordon);
    sim.createVolume(volume, replicas, isMigratable);
    others.forEach(sim::uncordon);
  }

  @Override
  public void delete(String volume) {
    sim.deleteVolume(volume);
  }

  @Override
  public Optional<String> attach(String volume, String ticket, String node) {
    return sim.attach(ticket, volume, node);
  }

  @Override
  public void detach(String volume, String ticket) {
    sim.detach(ticket, volume);
  }

  @Override
  public Optional<String> upgrade(String volume, String image) {
    return sim.upgrade(volume, image);
  }

  @Override
  public void deploy(String image) {
    sim.addImage(image, "commit-" + ++commits);
  }

  @Override
  public void setting(String key, String value) {
    sim.setting(Settings.Key.of(key).orElseThrow(), value);
  }

  @Override
  public void cordon(String node, boolean isCordoned) {
    if (isCordoned) {
      sim.cordon(node);
    } else {
      sim.uncordon(node);
    }
  }

  @Override
  public void killInstanceManager(String node) {
    sim.killInstanceManager(node);
  }

  @Override
  public void killInstanceManager(String node, InstanceManager.Type type) {
    sim.killInstanceManager(node, type);
  }

  @Override
  public void killReplica(String volume, String node) {
    if (!sim.killReplica(volume, node)) {
      throw new AssertionError("there is no process of a replica on " + node);
    }
  }

  @Override
  public void power(String node, boolean isOn) {
    if (isOn) {
      sim.powerOn(node);
    } else {
      sim.powerOff(node);
    }
  }

  @Override
  public boolean isNotReady(String node) {
    return sim.isNotReady(node)
        && sim.objects(ObjectKind.NODE, Node.class).stream()
            .anyMatch(one -> one.name().equals(node) && !one.ready().isTrue());
  }

  @Override
  public boolean isEvicting(String node) {
    return sim.objects(ObjectKind.INSTANCE_MANAGER, InstanceManager.class).stream()
        .filter(manager -> manager.nodeID().equals(node))
        .allMatch(manager -> manager.state() == InstanceManager.State.ERROR);
  }

  @Override
  public void blip(String node, long millis) {
    sim.kubeletBlip(node, millis);
  }

  @Override
  public void partition(List<String> one, List<String> other) {
    sim.partition(one, other);
  }

  @Override
  public void heal() {
    sim.heal();
  }

  @Override
  public void restartControlPlane(long afterWrites, Runnable whenKilled) {
    if (afterWrites == 0) {
      sim.killControlPlane();
      whenKilled.run();
      sim.startControlPlaneLater();
    } else {
      sim.restartControlPlaneAfterWrites(afterWrites, whenKilled);
    }
  }

  @Override
  public void delayEngineStarts(long millis) {
    nodes.forEach(node -> sim.stallEngineStart(node, millis));
  }

  @Override
  public void killDuringSwap(boolean isBefore) {
    sim.knobs().swapTrouble =
        isBefore ? SimKnobs.SwapTrouble.DIES_BEFORE_COMMIT : SimKnobs.SwapTrouble.DIES_AFTER_COMMIT;
  }

  @Override
  public void guestRuns(String volume) {
    sim.guest(volume).start();
  }

  @Override
  public void guestIsKilled(String volume) {
    sim.guest(volume).die();
  }

  @Override
  public void guestMoves(String volume, String node) {
    sim.guest(volume).move(node);
  }

  @Override
  public void rival(String volume, String node, boolean isWriting) {
    rival =
        () -> {
          if (isWriting) {
            sim.guest(volume).writeAt(node);
          } else {
            sim.guest(volume).readAt(node);
          }
        };
  }

  @Override
  public void guestStops(String volume) {
    rival = () -> {};
    sim.guest(volume).stop();
  }

  @Override
  public long guestErrors(String volume) {
    return sim.guest(volume).errors() + sim.guest(volume).remounts();
  }

  @Override
  public Optional<String> verify(String volume) {
    sim.guest(volume).stop();
    Optional<String> wrong = sim.verify(volume);
    sim.guest(volume).start();
    return wrong;
  }
}
