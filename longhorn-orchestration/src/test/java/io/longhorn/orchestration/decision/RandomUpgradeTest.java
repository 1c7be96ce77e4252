package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.Seed;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;

/**
 * One volume, upgraded, rolled back and migrated at random, while processes crash, instance
 * managers die, freeze and get old, plans are cut off, switches are slow or fail. What the record
 * names is never without an object and a directory; what serves is never stopped for an upgrade;
 * and when all obey again the volume is whole, on one image, with nothing left over.
 */
final class RandomUpgradeTest {
  private static final int RUNS = Integer.getInteger("longhorn.runs", 100);
  private static final int STEPS = 100;

  /** The seed of one run, to see what its plans are. */
  private static final long REPLAY = Long.getLong("longhorn.replay", 0);

  private static final List<String> IMAGES = List.of("default", "v2", "v3");
  private static final List<String> NODES = List.of("node-1", "node-2", "node-3");

  @Test
  void whateverHappensTheVolumeIsWholeInTheEnd() {
    if (REPLAY != 0) {
      Run one = new Run(REPLAY);
      one.trouble();
      one.heal();
      return;
    }
    RandomGenerator seeds = Seed.random("RandomUpgradeTest");
    TreeMap<String, Integer> told = new TreeMap<>();
    for (int run = 0; run < RUNS; run++) {
      long seed = seeds.nextLong();
      Run one = new Run(seed);
      try {
        one.trouble();
        one.heal();
      } catch (AssertionError e) {
        throw new AssertionError(
            "run " + run + ", -Dlonghorn.replay=" + seed + ": " + one.trace(), e);
      }
      one.cluster.told.forEach(tell -> told.merge(tell.reason(), 1, Integer::sum));
    }
    // What was tried has happened: the test is not about nothing.
    assertThat(told)
        .containsKeys(
            "UpgradeStarted",
            "Upgraded",
            "UpgradeRolledBack",
            "UpgradeTryFailed",
            "MigrationStarted",
            "MigrationConfirmed",
            "EngineCrashed",
            "InstanceManagerCrashed");
  }

  private static final class Run {
    final RandomGenerator random;
    final SmallCluster cluster = new SmallCluster(4);
    final List<String> done = new ArrayList<>();

    Run(long seed) {
      random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
      cluster.addImage("v2");
      cluster.addImage("v3");
      if (random.nextInt(3) == 0) {
        cluster.put(Settings.setting(Settings.Key.INSTANCE_MANAGER_TYPES, "separate"));
      }
      if (random.nextBoolean()) {
        cluster.put(
            Settings.setting(Settings.Key.ENGINE_UPGRADE_TO_DEFAULT_INSTANCE_MANAGER, "true"));
      }
      cluster.create("v", 3, true);
      cluster.settle();
      cluster.attachCsi("v", "node-1");
      settle();
    }

    String trace() {
      return String.join(", ", done);
    }

    private Volume volume() {
      return cluster.volume("v");
    }

    private <T> T any(List<T> list) {
      return list.get(random.nextInt(list.size()));
    }

    void trouble() {
      for (int i = 0; i < STEPS; i++) {
        if (random.nextInt(3) == 0) {
          happen();
        }
        step(random.nextInt(4) == 0);
      }
    }

    // ---- what happens ---------------------------------------------------------------------------

    private void happen() {
      switch (random.nextInt(13)) {
        case 0, 1, 2 -> {
          String image = any(IMAGES);
          done.add("want " + image);
          UpgradeFacts.want(cluster, image);
        }
        case 3 -> {
          String node = any(NODES);
          boolean isThere = cluster.attachment("v").tickets().containsKey(node);
          done.add((isThere ? "detach " : "attach ") + node);
          if (isThere) {
            cluster.detach("v", node);
          } else if (cluster.attachment("v").tickets().size() < 2) {
            cluster.attachCsi("v", node);
          }
        }
        case 4, 5 -> crashOne();
        case 6 -> {
          SmallCluster.Host host = any(cluster.allHosts());
          if (host.isAlive && random.nextInt(2) == 0) {
            done.add("die " + host.manager);
            host.die();
          }
        }
        case 7 -> {
          SmallCluster.Host host = any(cluster.allHosts());
          done.add((host.isFrozen ? "thaw " : "freeze ") + host.manager);
          if (host.isFrozen) {
            cluster.thaw(host);
          } else if (host.isAlive) {
            host.isFrozen = true;
          }
        }
        case 8 -> {
          done.add("slow " + !cluster.isSwapSlow);
          cluster.isSwapSlow = !cluster.isSwapSlow;
        }
        case 9 -> {
          cluster.swapError = random.nextInt(3) == 0 ? "no backend" : "";
          done.add("swap error " + cluster.swapError);
        }
        case 10 -> {
          done.add("go on swapping");
          List.copyOf(cluster.swapping.keySet()).forEach(cluster::goOnSwapping);
        }
        case 11 -> guestMoves();
        case 12 -> {
          String image = any(IMAGES);
          done.add("instance managers " + image);
          cluster.put(Settings.setting(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, image));
        }
        default -> throw new AssertionError();
      }
    }

    private void crashOne() {
      SmallCluster.Host host = any(cluster.allHosts());
      List<String> running =
          host.processes.entrySet().stream()
              .filter(entry -> entry.getValue().isRunning() && !host.isFrozen)
              .map(java.util.Map.Entry::getKey)
              .toList();
      if (!running.isEmpty()) {
        String name = any(running);
        done.add("crash " + name);
        host.processes.get(name).end(ManagerSeen.State.ERROR, "killed by signal 9");
      }
    }

    /** The other engine of a migration gets a write. */
    private void guestMoves() {
      VolumeRecord record = cluster.record("v");
      for (Engine engine : cluster.engines("v")) {
        boolean mayClaim =
            engine.status().id().filter(id -> record.claimants().contains(id)).isPresent()
                && !engine.status().id().equals(record.owner())
                && cluster.allHosts().stream()
                    .map(host -> host.processes.get(engine.name()))
                    .anyMatch(process ->
                        process != null
                            && process.isRunning()
                            && engine.status().id().filter(process.id::equals).isPresent());
        if (mayClaim) {
          done.add("claim " + engine.name());
          cluster.claim(engine.name());
          return;
        }
      }
    }

    // ---- a step ---------------------------------------------------------------------------------

    private boolean step(boolean isCut) {
      cluster.nowMillis += 1_000;
      ClusterView view = cluster.view();
      List<Action> plan = SmallCluster.plan(view);
      requireSafe(view, plan);
      print(plan);
      List<Action> carriedOut = isCut ? plan.subList(0, random.nextInt(plan.size() + 1)) : plan;
      cluster.store(carriedOut);
      for (Action action : carriedOut) {
        if (action instanceof Action.ProcessAction process && (!isCut || random.nextBoolean())) {
          cluster.carryOut(process);
        }
      }
      boolean isNews = cluster.advance();
      always();
      return isNews || !plan.isEmpty();
    }

    private void print(List<Action> plan) {
      if (REPLAY == 0) {
        return;
      }
      System.out.println(cluster.nowMillis + " after: " + (done.isEmpty() ? "" : done.getLast()));
      for (Action action : plan) {
        String line =
            switch (action) {
              case Action.Put(Replica replica) ->
                  replica.name()
                      + (replica.spec().isActive() ? " active " : " stands by ")
                      + replica.spec().image()
                      + " for '"
                      + replica.spec().engineName()
                      + "' wanted="
                      + replica.spec().isWanted()
                      + " holds="
                      + replica.status().isHolder()
                      + " "
                      + replica.status().instance().currentState().text()
                      + " in "
                      + replica.status().instance().instanceManagerName()
                      + (replica.spec().health().isFailed() ? " failed" : "");
              case Action.Put(Engine engine) -> engine.spec() + " " + engine.status();
              case Action.Put(Volume now) ->
                  now.spec().nodeID()
                      + "/"
                      + now.spec().migrationNodeID()
                      + " "
                      + now.spec().image()
                      + " "
                      + now.status();
              case Action.ProcessAction process ->
                  process.getClass().getSimpleName() + " " + process.subject();
              case Action.Put _, Action.Remove _, Action.Tell _ -> action.toString();
            };
        System.out.println("    " + line);
      }
    }

    private void settle() {
      int rounds = 0;
      while (step(false)) {
        if (++rounds > 400) {
          throw new AssertionError("does not converge: " + cluster.plan());
        }
      }
    }

    private void always() {
      for (ReplicaId id : cluster.record("v").membership().members()) {
        List<Replica> named =
            cluster.replicas("v").stream()
                .filter(replica -> replica.spec().id().equals(id))
                .toList();
        assertThat(named).as("who names directory %s", id).isNotEmpty().hasSizeLessThan(5);
        assertThat(cluster.directories).contains(directoryOf(named.getFirst()));
      }
      TreeMap<String, Integer> standbys = new TreeMap<>();
      cluster.replicas("v").stream()
          .filter(replica -> !replica.spec().isActive() && replica.spec().isWanted())
          .filter(replica -> !replica.status().isHolder())
          .forEach(replica ->
              standbys.merge(
                  replica.spec().id() + " for " + replica.spec().engineName(), 1, Integer::sum));
      assertThat(standbys.values()).as("#11397, #12111: " + standbys).allMatch(count -> count <= 2);
    }

    private static String directoryOf(Replica replica) {
      return Names.replica("v", replica.spec().id());
    }

    /** What serves a volume that is wanted where it is, and is well, is left alone. */
    private void requireSafe(ClusterView view, List<Action> plan) {
      Volume volume = volume();
      boolean isServed =
          volume.status().state() == State.ATTACHED
              && volume.spec().nodeID().equals(volume.status().currentNodeID())
              && volume.spec().migrationNodeID().isEmpty()
              && volume.status().currentMigrationNodeID().isEmpty()
              && cluster.engines("v").size() == 1
              && cluster.attachment("v").tickets().containsKey(volume.spec().nodeID());
      if (!isServed) {
        return;
      }
      Engine engine = cluster.engines("v").getFirst();
      Optional<EngineSeen> said = view.engine(engine.name());
      for (Action action : plan) {
        if (action instanceof Action.StopInstance stop && said.isPresent()) {
          boolean isIt = stop.uuid().equals(engine.status().instance().uuid());
          boolean isWell =
              engine.status().instance().currentState() == InstanceView.State.RUNNING
                  && engine
                      .status()
                      .id()
                      .filter(id -> cluster.record("v").owner().filter(id::equals).isPresent())
                      .isPresent();
          assertThat(isIt && isWell).as("the engine that serves is stopped: " + stop).isFalse();
          requireNotServing(said.get(), stop);
        }
      }
    }

    private void requireNotServing(EngineSeen said, Action.StopInstance stop) {
      for (SmallCluster.Host host : cluster.allHosts()) {
        SmallCluster.Child child = host.processes.get(stop.instance());
        boolean isIt = child != null && child.uuid.equals(stop.uuid());
        if (!isIt || child.isStandby || !child.isRunning()) {
          continue;
        }
        Optional<Replica> replica =
            cluster.replicas("v").stream()
                .filter(one -> one.name().equals(stop.instance()))
                .findFirst();
        // What was given up while nobody could reach it is stopped when that is possible again; so
        // is a start that nobody has seen yet, in an instance manager that is not the default any
        // more.
        boolean isInSync =
            replica
                .filter(one -> one.spec().isWanted())
                .filter(one -> one.status().instance().uuid().equals(stop.uuid()))
                .map(one -> said.replicas().get(one.spec().id()))
                .filter(member -> member.mode() == ReplicaMode.RW)
                .isPresent();
        long own = cluster.replicas("v").stream().filter(one -> one.spec().isActive()).count();
        assertThat(isInSync && own <= 3)
            .as("a replica in sync that holds its directory is stopped: " + stop)
            .isFalse();
      }
    }

    // ---- the end --------------------------------------------------------------------------------

    void heal() {
      done.add("heal");
      cluster.isSwapSlow = false;
      cluster.swapError = "";
      cluster.swapping.clear();
      cluster.allHosts().stream().filter(host -> host.isFrozen).forEach(cluster::thaw);
      String node =
          cluster.attachment("v").tickets().values().stream()
              .map(ticket -> ticket.nodeID())
              .findFirst()
              .orElse("node-2");
      List.copyOf(cluster.attachment("v").tickets().keySet())
          .forEach(id -> cluster.detach("v", id));
      cluster.attachCsi("v", node);
      for (int i = 0; i < 6; i++) {
        // Waits of minutes go by.
        settle();
        cluster.nowMillis += 700_000;
      }
      // A replica that failed, and was replaced, is kept for two days.
      cluster.nowMillis += 2_881 * 60_000L;
      settle();
      assertIsWhole(node);
    }

    private void assertIsWhole(String node) {
      Volume volume = volume();
      String image = volume.spec().image();
      assertThat(volume.status().currentNodeID()).isEqualTo(node);
      assertThat(volume.status().robustness()).isEqualTo(Robustness.HEALTHY);
      assertThat(volume.status().currentImage()).isEqualTo(image);
      assertThat(volume.status().conditions()).isEmpty();
      assertThat(volume.isMigrating()).isFalse();
      assertThat(volume.status().upgrade().isUnderWay()).isFalse();
      assertThat(cluster.engines("v")).hasSize(1);
      Engine engine = cluster.engines("v").getFirst();
      assertThat(engine.spec().image()).isEqualTo(image);
      assertThat(engine.status().currentImage()).isEqualTo(image);
      assertThat(engine.spec().upgradedReplicas()).isEmpty();
      VolumeRecord record = cluster.record("v");
      assertThat(record.phase()).isEqualTo(VolumeRecord.Phase.NONE);
      assertThat(record.claimants()).containsExactly(record.owner().orElseThrow());
      assertThat(engine.status().id()).isEqualTo(record.owner());
      List<Replica> replicas = cluster.replicas("v");
      assertThat(replicas)
          .hasSize(3)
          .allMatch(one -> one.spec().isActive() && one.status().isHolder())
          .allMatch(one -> one.spec().image().equals(image))
          .allMatch(one -> one.spec().engineName().equals(engine.name()));
      TreeSet<String> directories = new TreeSet<>();
      replicas.forEach(replica -> directories.add(directoryOf(replica)));
      assertThat(cluster.directories).isEqualTo(directories);
      assertThat(record.membership().members()).hasSize(3);
      List<String> processes = new ArrayList<>();
      cluster.allHosts().forEach(host -> processes.addAll(host.processes.keySet()));
      List<String> known = new ArrayList<>(replicas.stream().map(Replica::name).toList());
      known.add(engine.name());
      assertThat(processes).containsExactlyInAnyOrderElementsOf(known);
      Settings settings = cluster.view().settings();
      String managers = settings.text(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE);
      TreeSet<String> used = new TreeSet<>();
      used.add(engine.status().instance().instanceManagerName());
      replicas.forEach(one -> used.add(one.status().instance().instanceManagerName()));
      assertThat(
              cluster.objects.values().stream()
                  .filter(InstanceManager.class::isInstance)
                  .map(InstanceManager.class::cast))
          .allMatch(one -> one.state() == InstanceManager.State.RUNNING)
          .allMatch(one -> one.image().equals(managers) || used.contains(one.name()));
    }
  }
}
