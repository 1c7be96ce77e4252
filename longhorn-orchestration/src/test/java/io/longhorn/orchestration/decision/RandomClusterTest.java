package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.Seed;
import io.longhorn.orchestration.decision.ManagerSeen.State;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;

/**
 * Small clusters at random: tickets come and go, processes crash, instance managers die and freeze,
 * nodes lose their power, actions are lost or late, conflicts cut plans off. In between and after
 * it the promises of the planners hold; when all obey again, all is as wanted.
 */
final class RandomClusterTest {
  private static final int RUNS = Integer.getInteger("longhorn.runs", 60);
  private static final int STEPS = 120;
  private static final int FIXPOINT_ROUNDS = 12;
  private static final int HEALED_ROUNDS = 150;

  private static final class Run {
    final RandomGenerator random;
    final SmallCluster cluster;
    final List<Action.ProcessAction> late = new ArrayList<>();
    int volumes;

    Run(long seed) {
      random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
      cluster = new SmallCluster(1 + random.nextInt(4));
      create();
    }

    void create() {
      cluster.create("v" + ++volumes, 1 + random.nextInt(cluster.hosts.size()));
    }

    // ---- a step --------------------------------------------------------------------------------

    void step(boolean isCalm) {
      cluster.nowMillis += 7;
      ClusterView view = cluster.view();
      List<Action> plan = SmallCluster.plan(view);
      assertThat(SmallCluster.plan(view)).as("planned twice").isEqualTo(plan);
      int done = isCalm ? plan.size() : random.nextInt(2 * plan.size() + 1);
      List<Action> carriedOut = plan.subList(0, Math.min(done, plan.size()));
      TreeMap<ObjectKey, ClusterObject> before = new TreeMap<>(cluster.objects);
      cluster.store(carriedOut);
      requireEnginesLeftAlone(before);
      requireEnginesStoppedFirst(view, before);
      for (Action action : carriedOut) {
        if (action instanceof Action.ProcessAction process) {
          requireSafe(view, process);
          switch (isCalm ? 9 : random.nextInt(10)) {
            case 0 -> {} // lost
            case 1 -> late.add(process);
            case 2 -> {
              cluster.carryOut(process);
              cluster.carryOut(process);
            }
            default -> cluster.carryOut(process);
          }
        }
      }
      advance(isCalm);
    }

    void advance(boolean isCalm) {
      for (SmallCluster.Host host : cluster.hosts.values()) {
        for (String name : List.copyOf(host.processes.keySet())) {
          if (isCalm || random.nextBoolean()) {
            cluster.advance(host, name);
          }
        }
      }
      if (!late.isEmpty() && (isCalm || random.nextInt(4) == 0)) {
        cluster.carryOut(late.remove(random.nextInt(late.size())));
      }
    }

    // ---- what goes wrong, and what people want -------------------------------------------------

    void disturb() {
      SmallCluster.Host host = any(List.copyOf(cluster.hosts.values()));
      switch (random.nextInt(14)) {
        case 0 -> host.die();
        case 1 -> host.isFrozen = host.isAlive;
        case 2 -> cluster.thaw(host);
        case 3 -> cluster.power(host.node, true);
        case 4, 5 -> cluster.power(host.node, false);
        case 6, 7 -> crash(host);
        case 8 -> {
          if (volumes < 3) {
            create();
          }
        }
        case 9, 10, 11 -> attach(host.node);
        case 12 -> detach();
        default -> {
          if (random.nextInt(6) == 0 && !cluster.volumes().isEmpty()) {
            cluster.change(
                any(cluster.volumes()).name(), volume -> volume.deletedAt(cluster.nowMillis));
          }
        }
      }
    }

    void crash(SmallCluster.Host host) {
      if (!host.processes.isEmpty()) {
        SmallCluster.Child process = any(List.copyOf(host.processes.values()));
        if (!process.isOver()) {
          process.end(random.nextInt(5) == 0 ? State.STOPPED : State.ERROR, "crashed");
        }
      }
    }

    void attach(String node) {
      if (!cluster.volumes().isEmpty()) {
        Volume volume = any(cluster.volumes());
        if (!volume.isDeleted() && cluster.attachment(volume.name()).tickets().isEmpty()) {
          cluster.attach(volume.name(), node);
        }
      }
    }

    void detach() {
      if (!cluster.volumes().isEmpty()) {
        cluster.detach(any(cluster.volumes()).name());
      }
    }

    <T> T any(List<T> all) {
      return all.get(random.nextInt(all.size()));
    }

    // ---- promises ------------------------------------------------------------------------------

    /** No engine that runs and is wanted is given up because it cannot be seen. */
    void requireEnginesLeftAlone(SortedMap<ObjectKey, ClusterObject> before) {
      for (Volume now : cluster.volumes()) {
        Engine old = engine(before, now);
        Engine engine = engine(cluster.objects, now);
        if (old != null && engine != null && old.spec().isWanted() && !engine.spec().isWanted()) {
          VolumeAttachment tickets = cluster.attachment(now.name());
          boolean isWantedThere =
              tickets.tickets().values().stream()
                  .anyMatch(ticket -> ticket.nodeID().equals(old.spec().nodeID()));
          boolean isGivenUp =
              now.isDeleted()
                  || !isWantedThere
                  || now.spec().nodeID().isEmpty()
                  || now.status().state() == Volume.State.DETACHING
                  || now.status().robustness() == Robustness.FAULTED;
          assertThat(isGivenUp).as("engine of %s is stopped, wanted and healthy", now).isTrue();
        }
        if (old != null
            && isUnknown(engine)
            && isAttachedByTicket(now)
            && isAttached(before, now)) {
          assertThat(now.status().state()).isEqualTo(Volume.State.ATTACHED);
        }
      }
    }

    private boolean isAttachedByTicket(Volume volume) {
      return !volume.isDeleted()
          && volume.status().robustness() != Robustness.FAULTED
          && !volume.spec().nodeID().isEmpty()
          && cluster.attachment(volume.name()).tickets().values().stream()
              .anyMatch(ticket -> ticket.nodeID().equals(volume.spec().nodeID()));
    }

    private static boolean isAttached(SortedMap<ObjectKey, ClusterObject> objects, Volume volume) {
      return objects.get(volume.key()) instanceof Volume before
          && before.status().state() == Volume.State.ATTACHED
          && before.spec().nodeID().equals(before.status().currentNodeID());
    }

    private static boolean isUnknown(Engine engine) {
      return engine != null
          && engine.status().instance().currentState() == InstanceView.State.UNKNOWN;
    }

    private static Engine engine(SortedMap<ObjectKey, ClusterObject> objects, Volume volume) {
      return objects.values().stream()
          .filter(object -> object instanceof Engine)
          .map(object -> (Engine) object)
          .filter(engine -> engine.spec().volumeName().equals(volume.name()))
          .findFirst()
          .orElse(null);
    }

    void requireSafe(ClusterView view, Action.ProcessAction action) {
      switch (action) {
        case Action.StartEngine start -> {
          String name = start.engine().name();
          assertThat(start.engine().spec().isWanted()).as("wanted").isTrue();
          for (String node : cluster.hosts.keySet()) {
            ManagerSeen seen = view.manager(SmallCluster.managerName(node));
            ManagerSeen.Instance there = seen.instances().get(name);
            boolean isReachable = seen.reach() == ManagerSeen.Reach.CONNECTED;
            assertThat(isReachable && there != null && !there.isOver())
                .as("%s may still run on %s and is started", name, node)
                .isFalse();
          }
        }
        case Action.StopInstance stop -> {
          for (ClusterObject object : cluster.objects.values()) {
            if (object instanceof Engine engine
                && engine.name().equals(stop.instance())
                && engine.spec().nodeID().equals(stop.manager().nodeID())) {
              assertThat(engine.spec().isWanted()).as("stopped although wanted").isFalse();
            }
          }
        }
        case Action.DeleteDirectory delete ->
            assertThat(isLive(delete.manager(), delete.replica().name()))
                .as("%s is deleted while it is served", delete.replica())
                .isFalse();
        case Action.StartInstanceManager _,
            Action.KillInstanceManager _,
            Action.CreateDirectory _,
            Action.StartReplica _,
            Action.SwapEngine _,
            Action.ConfigureEngine _,
            Action.FinishMigration _,
            Action.PromoteReplica _,
            Action.ForgetInstance _ -> {}
      }
    }

    private boolean isLive(InstanceManager manager, String name) {
      SmallCluster.Child process = cluster.host(manager.nodeID()).processes.get(name);
      return process != null && !process.isOver();
    }

    private void requireEnginesStoppedFirst(
        ClusterView view, SortedMap<ObjectKey, ClusterObject> before) {
      for (ClusterObject object : cluster.objects.values()) {
        if (object instanceof Replica replica
            && !replica.spec().isWanted()
            && before.get(replica.key()) instanceof Replica old
            && old.spec().isWanted()) {
          requireEngineStopped(view, replica);
        }
      }
    }

    /** Replicas go after the engine, wherever that can be seen. */
    private void requireEngineStopped(ClusterView view, Replica replica) {
      String engine = Names.engine(replica.spec().volumeName(), 0);
      for (ClusterObject object : view.objects().values()) {
        if (object instanceof Engine one && one.name().equals(engine)) {
          if (one.spec().nodeID().isEmpty()) {
            continue;
          }
          ManagerSeen seen = view.manager(SmallCluster.managerName(one.spec().nodeID()));
          boolean isReachable =
              seen.reach() == ManagerSeen.Reach.CONNECTED
                  && !cluster.node(one.spec().nodeID()).isOff();
          ManagerSeen.Instance there = seen.instances().get(engine);
          assertThat(isReachable && there != null && !there.isOver())
              .as("%s is stopped before its engine", replica)
              .isFalse();
        }
      }
    }

    /** What is stored for one observation comes to rest. */
    void requireFixpoint() {
      ClusterView view = cluster.view();
      for (int i = 0; i < FIXPOINT_ROUNDS; i++) {
        boolean isQuiet = true;
        for (Action action : SmallCluster.plan(view)) {
          if (action instanceof Action.Put(ClusterObject object)) {
            view.put(object);
            isQuiet = false;
          } else if (action instanceof Action.Remove(ObjectKey key)) {
            view.remove(key);
            isQuiet = false;
          } else if (action instanceof Action.Tell tell) {
            assertThat(isQuiet).as("told without a change: %s", tell).isFalse();
          }
        }
        if (isQuiet) {
          return;
        }
      }
      throw new AssertionError("what is stored does not come to rest");
    }

    // ---- the end -------------------------------------------------------------------------------

    void healAndRequireAllAsWanted() {
      cluster.hosts.values().forEach(cluster::thaw);
      boolean keepsOneOff = cluster.hosts.size() > 1 && random.nextInt(3) == 0;
      cluster.hosts.keySet().forEach(node -> cluster.power(node, false));
      if (keepsOneOff) {
        cluster.power(cluster.hosts.lastKey(), true);
      }
      int rounds = 0;
      while (!late.isEmpty() || cluster.advance() || !cluster.plan().isEmpty()) {
        step(true);
        assertThat(++rounds).as(() -> "converges: " + cluster.plan()).isLessThan(HEALED_ROUNDS);
      }
      cluster.volumes().forEach(this::requireAsWanted);
    }

    private void requireAsWanted(Volume volume) {
      VolumeAttachment tickets = cluster.attachment(volume.name());
      boolean isNodeUp =
          !tickets.tickets().isEmpty()
              && cluster.node(tickets.tickets().firstEntry().getValue().nodeID()).ready().isTrue();
      boolean hasReplica =
          cluster.replicas(volume.name()).stream()
              .anyMatch(replica -> cluster.node(replica.spec().nodeID()).ready().isTrue());
      boolean isMade =
          cluster.replicas(volume.name()).stream()
              .allMatch(replica -> replica.status().isCreated());
      if (volume.isDeleted()) {
        assertThat(cluster.replicas(volume.name()))
            .as("what keeps %s from being deleted is off", volume.name())
            .allMatch(replica -> cluster.node(replica.spec().nodeID()).isOff());
      } else if (isMade && isNodeUp && hasReplica) {
        assertThat(volume.status().state()).as("%s", volume).isEqualTo(Volume.State.ATTACHED);
        long inSync =
            cluster.replicas(volume.name()).stream()
                .filter(replica -> cluster.node(replica.spec().nodeID()).ready().isTrue())
                .count();
        assertThat(volume.status().robustness())
            .isEqualTo(
                inSync == volume.spec().numberOfReplicas()
                    ? Robustness.HEALTHY
                    : Robustness.DEGRADED);
      } else if (isMade && tickets.tickets().isEmpty()) {
        assertThat(volume.status().state()).as("%s", volume).isEqualTo(Volume.State.DETACHED);
      }
      requireOneEngineAtMost(volume);
    }

    private void requireOneEngineAtMost(Volume volume) {
      String engine = Names.engine(volume.name(), 0);
      assertThat(
              cluster.hosts.values().stream()
                  .filter(host -> host.processes.containsKey(engine))
                  .filter(host -> !host.processes.get(engine).isOver())
                  .count())
          .as("engines of %s", volume.name())
          .isLessThanOrEqualTo(1);
    }
  }

  @Test
  void whateverHappensTheClusterIsSafeAndInTheEndAsWanted() {
    RandomGenerator seeds = Seed.random("RandomClusterTest");
    for (int i = 0; i < RUNS; i++) {
      long seed = seeds.nextLong();
      try {
        run(seed);
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError("run " + i + " of this seed", e);
      }
    }
  }

  private static void run(long seed) {
    Run run = new Run(seed);
    for (int step = 0; step < STEPS; step++) {
      if (run.random.nextInt(3) == 0) {
        run.disturb();
      }
      run.step(false);
      if (step % 10 == 0) {
        run.requireFixpoint();
      }
    }
    run.healAndRequireAllAsWanted();
  }
}
