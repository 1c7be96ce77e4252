package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.api.cluster.VolumeAttachment.Ticket;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.orchestration.Seed;
import io.longhorn.orchestration.decision.ManagerSeen.State;
import io.longhorn.orchestration.decision.control.ControlCore;
import io.longhorn.orchestration.decision.volume.AdmissionRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;

/**
 * Small clusters at random: tickets come and go, volumes migrate and guests move, engines are
 * upgraded, processes crash, instance managers die and freeze, nodes lose their power, actions are
 * lost or late, conflicts cut plans off anywhere. In between and after it the promises of the
 * planners hold; when all obey again, all is as wanted.
 */
final class RandomClusterTest {
  private static final int RUNS = Integer.getInteger("longhorn.runs", 60);
  private static final int STEPS = 120;
  private static final int FIXPOINT_ROUNDS = 12;
  private static final int HEALED_ROUNDS = 600;
  private static final List<String> IMAGES = List.of(Names.DEFAULT_IMAGE, "v2");

  private static final class Run {
    final RandomGenerator random;
    final SmallCluster cluster;
    final List<Action.ProcessAction> late = new ArrayList<>();
    int volumes;

    Run(long seed) {
      random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
      cluster = new SmallCluster(1 + random.nextInt(4));
      cluster.addImage("v2");
      create();
    }

    void create() {
      cluster.create(
          "v" + ++volumes, 1 + random.nextInt(cluster.hosts.size()), random.nextInt(3) > 0);
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
      requireOwnersLeftAlone(before);
      requireReplicasKept(view, before);
      requireDirectoriesNamed();
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
      for (SmallCluster.Host host : cluster.allHosts()) {
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
      SmallCluster.Host host = any(cluster.allHosts());
      switch (random.nextInt(18)) {
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
        case 13, 14 -> moveGuest();
        case 15 -> upgrade();
        case 16 -> cluster.nowMillis += 1L << random.nextInt(20);
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
        VolumeAttachment attachment = cluster.attachment(volume.name());
        String type = volume.isMigratable() ? "csi-attacher" : "longhorn-api";
        Ticket ticket =
            new Ticket(
                node,
                type,
                node,
                "",
                false,
                cluster.nowMillis,
                new io.longhorn.api.cluster.Condition("Satisfied", false, "", "", 0));
        boolean isFirst = attachment.tickets().isEmpty();
        boolean isAdmitted = AdmissionRule.refusal(volume, attachment, ticket).isEmpty();
        if (!volume.isDeleted() && (isFirst || (volume.isMigratable() && isAdmitted))) {
          cluster.put(attachment.with(ticket));
        }
      }
    }

    void detach() {
      if (!cluster.volumes().isEmpty()) {
        String volume = any(cluster.volumes()).name();
        List<String> tickets = List.copyOf(cluster.attachment(volume).tickets().keySet());
        if (!tickets.isEmpty()) {
          cluster.detach(volume, any(tickets));
        }
      }
    }

    /** To wherever an engine may claim; before the control plane hears of it. */
    void moveGuest() {
      List<String> engines = new ArrayList<>();
      for (Volume volume : cluster.volumes()) {
        VolumeRecord record = cluster.record(volume.name());
        if (record.phase() == VolumeRecord.Phase.MIGRATING) {
          for (SmallCluster.Host host : cluster.allHosts()) {
            host.processes.forEach((name, process) -> {
              if (Names.volumeOf(name).equals(volume.name())
                  && process.isRunning()
                  && record.claimants().contains(process.id)) {
                engines.add(name);
              }
            });
          }
        }
      }
      if (!engines.isEmpty()) {
        cluster.claim(any(engines));
      }
    }

    void upgrade() {
      if (!cluster.volumes().isEmpty()) {
        Volume volume = any(cluster.volumes());
        if (!volume.isMigrating() && !volume.isDeleted()) {
          String image = any(IMAGES);
          cluster.change(volume.name(), now -> now.with(now.spec().withImage(image)));
        }
      }
    }

    <T> T any(List<T> all) {
      return all.get(random.nextInt(all.size()));
    }

    // ---- promises ------------------------------------------------------------------------------

    private static List<Engine> engines(
        SortedMap<ObjectKey, ClusterObject> objects, String volume) {
      return objects.values().stream()
          .filter(object -> object instanceof Engine)
          .map(object -> (Engine) object)
          .filter(engine -> engine.spec().volumeName().equals(volume))
          .toList();
    }

    private Optional<Engine> owner(SortedMap<ObjectKey, ClusterObject> objects, Volume volume) {
      // A deletion that was cut off may have left the volume, and nothing else of it.
      Optional<EngineId> owner =
          cluster
              .get(ObjectKind.MEMBERSHIP, volume.name())
              .flatMap(found -> ((Membership) found).record().owner());
      return engines(objects, volume.name()).stream()
          .filter(engine -> engine.status().id().isPresent())
          .filter(engine -> engine.status().id().equals(owner))
          .findFirst();
    }

    /** I9: no engine that owns its volume and is wanted is given up because it cannot be seen. */
    void requireOwnersLeftAlone(SortedMap<ObjectKey, ClusterObject> before) {
      for (Volume now : cluster.volumes()) {
        Optional<Engine> old = owner(before, now).filter(engine -> engine.spec().isWanted());
        if (old.isEmpty() || !(before.get(now.key()) instanceof Volume was)) {
          continue;
        }
        Optional<ClusterObject> engine = cluster.get(ObjectKind.ENGINE, old.get().name());
        boolean isWanted = engine.isPresent() && ((Engine) engine.get()).spec().isWanted();
        if (!isWanted) {
          boolean isTicketThere =
              cluster.attachment(now.name()).tickets().values().stream()
                  .anyMatch(ticket -> ticket.nodeID().equals(old.get().spec().nodeID()));
          boolean isLost =
              owner(cluster.objects, now)
                  .map(Engine::status)
                  .filter(status -> status.instance().currentState() != InstanceView.State.ERROR)
                  .isEmpty();
          boolean isGivenUp =
              now.isDeleted()
                  || !isTicketThere
                  || isLost
                  || now.spec().nodeID().isEmpty()
                  || was.spec().nodeID().isEmpty()
                  || was.status().state() == Volume.State.DETACHING
                  || now.status().robustness() == Robustness.FAULTED;
          assertThat(isGivenUp)
              .as("%s is stopped, owns its volume and is wanted there: %s", old.get(), now)
              .isTrue();
        }
        Optional<Engine> seen = owner(cluster.objects, now);
        boolean isUnknown =
            seen.filter(one -> one.status().instance().currentState() == InstanceView.State.UNKNOWN)
                .isPresent();
        boolean isWantedThere =
            !now.isDeleted()
                && !now.spec().nodeID().isEmpty()
                && now.status().robustness() != Robustness.FAULTED;
        boolean wasAttached =
            was.status().state() == Volume.State.ATTACHED
                && was.spec().nodeID().equals(was.status().currentNodeID());
        if (isUnknown && isWantedThere && wasAttached) {
          assertThat(now.status().state())
              .as("doubt detaches nothing")
              .isEqualTo(was.status().state());
        }
      }
    }

    /** A member of the record that has not failed is stopped only after every engine. */
    private void requireReplicasKept(ClusterView view, SortedMap<ObjectKey, ClusterObject> before) {
      for (ClusterObject object : cluster.objects.values()) {
        if (object instanceof Replica replica
            && !replica.spec().isWanted()
            && !replica.spec().health().isFailed()
            && before.get(replica.key()) instanceof Replica old
            && old.spec().isWanted()
            && old.spec().isActive()
            && replica.spec().isActive()) {
          requireEnginesStopped(view, replica);
        }
      }
    }

    private void requireEnginesStopped(ClusterView view, Replica replica) {
      String volume = replica.spec().volumeName();
      boolean isMember =
          cluster.record(volume).membership().members().contains(replica.spec().id());
      if (!isMember) {
        return;
      }
      for (Engine engine : view.enginesOf(volume).values()) {
        for (SmallCluster.Host host : cluster.allHosts()) {
          ManagerSeen seen = view.manager(host.manager);
          boolean isReachable =
              seen.reach() == ManagerSeen.Reach.CONNECTED && !cluster.node(host.node).isOff();
          ManagerSeen.Instance there = seen.instances().get(engine.name());
          assertThat(isReachable && there != null && !there.isOver())
              .as("%s is stopped before %s", replica, engine)
              .isFalse();
        }
      }
    }

    /** #7396, #5632: whoever has the newest data has an object that names its directory. */
    private void requireDirectoriesNamed() {
      for (Volume volume : cluster.volumes()) {
        if (volume.isDeleted() || cluster.get(ObjectKind.MEMBERSHIP, volume.name()).isEmpty()) {
          continue;
        }
        SortedSet<ReplicaId> named = new TreeSet<>();
        cluster.replicas(volume.name()).forEach(replica -> named.add(replica.spec().id()));
        assertThat(named).containsAll(cluster.record(volume.name()).membership().members());
        assertThat(engines(cluster.objects, volume.name()))
            .as("#6642, #4827: engines that are the volume's")
            .filteredOn(engine -> engine.spec().isActive())
            .hasSizeLessThanOrEqualTo(1);
      }
    }

    void requireSafe(ClusterView view, Action.ProcessAction action) {
      switch (action) {
        case Action.StartEngine start -> {
          assertThat(start.engine().spec().isWanted()).as("wanted").isTrue();
          requireNowhere(view, start.engine().name());
        }
        case Action.StartReplica start -> requireNowhere(view, start.replica().name());
        case Action.StopInstance stop -> {
          for (ClusterObject object : cluster.objects.values()) {
            if (object instanceof Engine engine
                && engine.name().equals(stop.instance())
                && engine.status().instance().uuid().equals(stop.uuid())) {
              assertThat(engine.spec().isWanted()).as("stopped although wanted").isFalse();
            }
          }
        }
        case Action.DeleteDirectory delete -> {
          Replica replica = delete.replica();
          Volume volume = cluster.volume(replica.spec().volumeName());
          assertThat(
                  volume.isDeleted()
                      || !cluster
                          .record(volume.name())
                          .membership()
                          .members()
                          .contains(replica.spec().id()))
              .as("%s has the newest data", replica)
              .isTrue();
          assertThat(isServed(view, replica)).as("%s is served", replica).isFalse();
        }
        case Action.SwapEngine swap ->
            assertThat(cluster.engines(swap.volume().name())).as("one at a time").hasSize(1);
        case Action.StartInstanceManager _,
            Action.KillInstanceManager _,
            Action.CreateDirectory _,
            Action.ConfigureEngine _,
            Action.FinishMigration _,
            Action.PromoteReplica _,
            Action.ForgetInstance _ -> {}
      }
    }

    private void requireNowhere(ClusterView view, String name) {
      for (SmallCluster.Host host : cluster.allHosts()) {
        ManagerSeen seen = view.manager(host.manager);
        ManagerSeen.Instance there = seen.instances().get(name);
        boolean isReachable = seen.reach() == ManagerSeen.Reach.CONNECTED;
        assertThat(isReachable && there != null && !there.isOver())
            .as("%s may still run in %s and is started", name, host.manager)
            .isFalse();
      }
    }

    /** As far as can be seen, by any process of its directory. */
    private boolean isServed(ClusterView view, Replica replica) {
      return view.replicasOf(replica.spec().volumeName()).values().stream()
          .filter(other -> other.spec().id().equals(replica.spec().id()))
          .anyMatch(other ->
              cluster.allHosts().stream()
                  .filter(host -> host.node.equals(replica.spec().nodeID()))
                  .map(host -> view.manager(host.manager).instances().get(other.name()))
                  .anyMatch(there -> there != null && !there.isOver()));
    }

    /** What is stored for one observation comes to rest, and every prefix of it goes on. */
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
      throw new AssertionError("what is stored does not come to rest: " + SmallCluster.plan(view));
    }

    // ---- the end -------------------------------------------------------------------------------

    void healAndRequireAllAsWanted() {
      cluster.allHosts().forEach(cluster::thaw);
      boolean keepsOneOff = cluster.hosts.size() > 1 && random.nextInt(3) == 0;
      cluster.hosts.keySet().forEach(node -> cluster.power(node, false));
      if (keepsOneOff) {
        cluster.power(cluster.hosts.lastKey(), true);
      }
      int rounds = 0;
      while (isBusy()) {
        step(true);
        assertThat(++rounds).as(() -> "converges: " + cluster.plan()).isLessThan(HEALED_ROUNDS);
      }
      cluster.volumes().forEach(this::requireAsWanted);
      requireNothingLeft();
    }

    /** Also what only time changes: that passes at once. */
    private boolean isBusy() {
      if (!late.isEmpty() || cluster.advance() || !cluster.plan().isEmpty()) {
        return true;
      }
      long next =
          ControlCore.planAll(cluster.view()).stream()
              .mapToLong(Plan::lookAgainMillis)
              .min()
              .orElse(Long.MAX_VALUE);
      boolean isLater = next != Long.MAX_VALUE && next > cluster.nowMillis + LONGEST_MILLIS;
      if (next == Long.MAX_VALUE || isLater) {
        return false;
      }
      cluster.nowMillis = Math.max(cluster.nowMillis, next);
      return true;
    }

    private static final long LONGEST_MILLIS = 3_600_000;

    private void requireAsWanted(Volume volume) {
      List<String> nodes =
          cluster.attachment(volume.name()).tickets().values().stream()
              .filter(ticket -> !ticket.type().equals("eviction"))
              .map(Ticket::nodeID)
              .distinct()
              .toList();
      List<Replica> replicas = cluster.replicas(volume.name());
      SortedSet<ReplicaId> members = cluster.record(volume.name()).membership().members();
      boolean hasSource =
          replicas.stream()
              .anyMatch(replica ->
                  members.contains(replica.spec().id()) && isUp(replica.spec().nodeID()));
      boolean isMade = replicas.stream().allMatch(replica -> replica.status().isCreated());
      Volume.Status status = volume.status();
      if (volume.isDeleted()) {
        assertThat(replicas)
            .as("what keeps %s from being deleted is off", volume.name())
            .allMatch(replica -> !isUp(replica.spec().nodeID()));
      } else if (isMade && nodes.size() == 1 && isUp(nodes.getFirst()) && hasSource) {
        assertThat(status.state()).as("%s", volume).isEqualTo(Volume.State.ATTACHED);
        assertThat(status.currentNodeID()).isEqualTo(nodes.getFirst());
        assertThat(volume.isMigrating()).as("%s", volume).isFalse();
        requireRobust(volume);
      } else if (isMade && nodes.isEmpty()) {
        assertThat(status.state()).as("%s", volume).isEqualTo(Volume.State.DETACHED);
        assertThat(volume.isFullyDetached()).isTrue();
      } else if (isMade && nodes.size() == 2 && nodes.stream().allMatch(this::isUp) && hasSource) {
        boolean isRefused =
            status.condition(Names.MIGRATION).filter(why -> why.reason().equals("B3")).isPresent();
        if (!isRefused) {
          assertThat(status.state()).as("%s", volume).isEqualTo(Volume.State.ATTACHED);
          assertThat(volume.spec().migrationNodeID()).as("%s", volume).isNotEmpty();
          // The guest has moved, and the old engine is gone since: it says so, and stays as it is.
          assertThat(status.conditions())
              .as("ready")
              .allMatch(condition -> condition.reason().equals("7.2/5"));
        }
      }
    }

    private boolean isUp(String node) {
      return cluster.node(node).ready().isTrue();
    }

    private void requireRobust(Volume volume) {
      long up = cluster.hosts.keySet().stream().filter(this::isUp).count();
      assertThat(volume.status().robustness())
          .as("%s on %d nodes", volume, up)
          .isEqualTo(
              up >= volume.spec().numberOfReplicas() ? Robustness.HEALTHY : Robustness.DEGRADED);
    }

    /** No process without an object that wants it, wherever it can be seen. */
    private void requireNothingLeft() {
      for (SmallCluster.Host host : cluster.allHosts()) {
        for (String name : host.processes.keySet()) {
          boolean isWanted =
              cluster.objects.values().stream()
                  .anyMatch(object ->
                      (object instanceof Engine engine
                              && engine.name().equals(name)
                              && engine.spec().isWanted())
                          || (object instanceof Replica replica
                              && replica.name().equals(name)
                              && replica.spec().isWanted()));
          boolean isDeleted = cluster.get(ObjectKind.VOLUME, Names.volumeOf(name)).isEmpty();
          assertThat(isWanted || isDeleted)
              .as("%s is left over in %s", name, host.manager)
              .isTrue();
        }
      }
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
        throw new AssertionError("run " + i + " of this seed, " + seed, e);
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
