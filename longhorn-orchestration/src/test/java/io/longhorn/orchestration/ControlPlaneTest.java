package io.longhorn.orchestration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.execution.InMemoryExecutor;
import io.longhorn.orchestration.store.MemoryClusterStore;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CopyOnWriteArraySet;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The facade over a store and an executor in memory, with the real planners and the real loop. */
final class ControlPlaneTest {
  private static final Duration LIMIT = Duration.ofSeconds(Await.SECONDS);

  private final MemoryClusterStore store = new MemoryClusterStore();
  private InMemoryExecutor executor = new InMemoryExecutor(store);
  private ControlPlane plane = ControlPlane.open(store, executor);

  private static EngineImage image(String name, String... nodes) {
    return EngineImage.of(
        name,
        "/images/" + name,
        name,
        EngineImage.Versions.first("commit of " + name),
        new TreeSet<>(List.of(nodes)));
  }

  @BeforeEach
  void threeNodes() {
    for (String name : List.of("default", "next")) {
      plane.addImage(image(name, "node-1", "node-2", "node-3"));
    }
    for (int i = 1; i <= 3; i++) {
      plane.addNode("node-" + i, "/disk");
    }
    Await.until(
        "nodes are ready", () -> plane.nodes().stream().allMatch(node -> node.ready().isTrue()));
  }

  @AfterEach
  void close() {
    plane.close();
    executor.close();
    store.close();
  }

  private VolumeStatus await(Predicate<VolumeStatus> isWanted) {
    return plane.await("v", LIMIT, isWanted);
  }

  private void attached() {
    plane.createVolume(VolumeRequest.of("v", 1 << 30).migratable());
    plane.attach("v", TicketRequest.of("va-1", "node-1"));
    await(now -> isWell(now, "node-1"));
  }

  private static boolean isWell(VolumeStatus now, String node) {
    return now.isSettledOn(node)
        && now.volume().status().robustness() == Volume.Robustness.HEALTHY
        && now.replicas().size() == now.volume().spec().numberOfReplicas()
        && now.replicas().stream().allMatch(replica -> replica.status().isHolder())
        && now.reasons().isEmpty();
  }

  private void migrating() {
    attached();
    plane.attach("v", TicketRequest.of("va-2", "node-2"));
    await(now -> now.isAttachedTo("node-2"));
  }

  private static String engine(VolumeStatus now) {
    return now.engine().orElseThrow().name();
  }

  private List<String> told() {
    return store.list(ObjectKind.EVENT).stream()
        .map(found -> ((Event) found.object()).message())
        .toList();
  }

  private String managerOf(String node) {
    return store.list(ObjectKind.INSTANCE_MANAGER).stream()
        .map(found -> (InstanceManager) found.object())
        .filter(manager -> manager.nodeID().equals(node))
        .map(InstanceManager::name)
        .findFirst()
        .orElseThrow();
  }

  // ---- the life of a volume ---------------------------------------------------------------------

  @Test
  void aVolumeIsMadeAttachedDetachedAndDeleted() {
    attached();
    plane.detach("v", "va-1");
    await(VolumeStatus::isDetached);
    plane.deleteVolume("v");
    Await.until("it is gone", () -> plane.volumes().isEmpty());
    assertThat(store.list(ObjectKind.REPLICA)).isEmpty();
    assertThat(store.list(ObjectKind.ENGINE)).isEmpty();
    assertThat(store.list(ObjectKind.MEMBERSHIP)).isEmpty();
    plane.createVolume(VolumeRequest.of("v", 1 << 30));
  }

  @Test
  void anEngineThatCrashesIsStartedAgainWhereItIsWanted() {
    attached();
    executor.crash("v-e-0");
    Await.until("it is noticed", () -> told().stream().anyMatch(line -> line.contains("is gone")));
    VolumeStatus now = await(one -> isWell(one, "node-1"));
    assertThat(engine(now)).isEqualTo("v-e-0");
  }

  @Test
  void aReplicaThatCrashesIsStartedAgainAndComesBack() {
    attached();
    Replica victim = plane.status("v").replicas().getFirst();
    executor.crash(victim.name());
    await(now ->
        isWell(now, "node-1")
            && now.replicas().stream()
                .filter(one -> one.name().equals(victim.name()))
                .noneMatch(one ->
                    one.status().instance().uuid().equals(victim.status().instance().uuid())));
  }

  @Test
  void anInstanceManagerThatIsCutOffIsDoubtAndStopsNothing() {
    attached();
    String manager = managerOf("node-1");
    executor.cutOff(manager, true);
    VolumeStatus doubted =
        await(now -> now.volume().status().robustness() == Volume.Robustness.UNKNOWN);
    assertThat(doubted.volume().status().state()).isEqualTo(Volume.State.ATTACHED);
    long pid = doubted.engine().orElseThrow().status().instance().pid();
    executor.cutOff(manager, false);
    VolumeStatus now = await(one -> isWell(one, "node-1"));
    assertThat(now.engine().orElseThrow().status().instance().pid()).isEqualTo(pid);
  }

  // ---- migration --------------------------------------------------------------------------------

  @Test
  void aVolumeMigratesAndIsConfirmed() {
    migrating();
    assertThat(executor.ownerOf("v")).contains("node-1");
    executor.moveGuest("v", "node-2");
    assertThat(executor.ownerOf("v")).contains("node-2");
    plane.detach("v", "va-1");
    VolumeStatus now = await(one -> isWell(one, "node-2"));
    assertThat(engine(now)).isEqualTo("v-e-1");
    assertThat(executor.ownerOf("v")).contains("node-2");
    assertThat(told())
        .containsSubsequence(
            "Starting migration", "Volume migration engine is ready", "Confirming migration");
  }

  @Test
  void aMigrationIsConfirmedBeforeTheGuestHasWritten() {
    migrating();
    plane.detach("v", "va-1");
    await(now -> isWell(now, "node-2"));
    assertThat(executor.ownerOf("v")).contains("node-2");
  }

  @Test
  void aMigrationIsRolledBackAndTheGuestIsBack() {
    migrating();
    executor.moveGuest("v", "node-2");
    plane.detach("v", "va-2");
    VolumeStatus now = await(one -> isWell(one, "node-1"));
    assertThat(engine(now)).isEqualTo("v-e-0");
    assertThat(executor.ownerOf("v")).contains("node-1");
    assertThat(told()).contains("Rolling back migration");
    assertThatThrownBy(() -> executor.moveGuest("v", "node-2")).hasMessageContaining("no engine");
  }

  @Test
  void whatMigratesIsNotUpgradedAndWhatIsUpgradedDoesNotMigrate() {
    migrating();
    assertThatThrownBy(() -> plane.upgrade("v", "next")).hasMessageContaining("it is migrating");
    plane.detach("v", "va-2");
    await(now -> isWell(now, "node-1"));
    executor.failSwaps("not today");
    plane.upgrade("v", "next");
    assertThatThrownBy(() -> plane.attach("v", TicketRequest.of("va-2", "node-2")))
        .hasMessageContaining("is being upgraded to image next");
    plane.rollBack("v");
    await(now -> isWell(now, "node-1"));
    plane.attach("v", TicketRequest.of("va-2", "node-2"));
    await(now -> now.isAttachedTo("node-2"));
  }

  @Test
  void aControlPlaneThatIsReplacedInTheMiddleGoesOn() {
    migrating();
    plane.close();
    executor.moveGuest("v", "node-2");
    plane = ControlPlane.open(store, executor);
    plane.detach("v", "va-1");
    plane.close();
    plane = ControlPlane.open(store, executor);
    VolumeStatus now = await(one -> isWell(one, "node-2"));
    assertThat(engine(now)).isEqualTo("v-e-1");
  }

  // ---- upgrade ----------------------------------------------------------------------------------

  @Test
  void anEngineIsUpgradedUnderItsGuest() {
    attached();
    plane.upgrade("v", "next");
    VolumeStatus now =
        await(one -> isWell(one, "node-1") && one.volume().status().currentImage().equals("next"));
    assertThat(now.replicas()).allMatch(replica -> replica.spec().image().equals("next"));
    assertThat(now.engine().orElseThrow().status().currentImage()).isEqualTo("next");
    assertThat(told()).noneMatch(line -> line.contains("selected to detach"));
  }

  @Test
  void anUpgradeLeavesNothingInAnOldInstanceManagerIfThatIsSet() {
    attached();
    plane.setting("default-instance-manager-image", "next");
    plane.setting("engine-upgrade-to-default-instance-manager", "true");
    plane.upgrade("v", "next");
    await(one -> isWell(one, "node-1") && one.volume().status().currentImage().equals("next"));
    Await.until(
        "the old ones are gone",
        () ->
            store.list(ObjectKind.INSTANCE_MANAGER).stream()
                .map(found -> (InstanceManager) found.object())
                .allMatch(manager -> manager.image().equals("next")));
    assertThat(told()).noneMatch(line -> line.contains("selected to detach"));
  }

  @Test
  void aDetachedVolumeIsUpgradedAtOnce() {
    attached();
    plane.detach("v", "va-1");
    await(VolumeStatus::isDetached);
    plane.upgrade("v", "next");
    await(now -> now.volume().status().currentImage().equals("next"));
    plane.attach("v", TicketRequest.of("va-1", "node-3"));
    VolumeStatus now = await(one -> isWell(one, "node-3"));
    assertThat(now.engine().orElseThrow().status().currentImage()).isEqualTo("next");
  }

  @Test
  void anUpgradeThatFailsSaysWhyAndIsGivenUp() {
    attached();
    executor.failSwaps("it does not start");
    plane.upgrade("v", "next");
    VolumeStatus waiting =
        await(now -> now.reasons().stream().anyMatch(why -> why.message().contains("not start")));
    Condition why = waiting.reasons().getFirst();
    assertThat(why.reason()).isEqualTo("5.5");
    assertThat(why.sinceMillis()).isPositive();
    assertThat(waiting.toString()).contains("5.5: ").contains("it does not start");
    plane.rollBack("v");
    VolumeStatus now = await(one -> isWell(one, "node-1"));
    assertThat(now.volume().status().currentImage()).isEqualTo("default");
  }

  // ---- who watches ------------------------------------------------------------------------------

  @Test
  void whoWatchesIsToldOfEveryVolumeAndOfItsEnd() {
    attached();
    List<VolumeStatus> seen = new CopyOnWriteArrayList<>();
    Set<String> gone = new CopyOnWriteArraySet<>();
    VolumeListener listener =
        new VolumeListener() {
          @Override
          public void changed(VolumeStatus now) {
            seen.add(now);
            // Its own defects are its own.
            throw new IllegalStateException("on purpose");
          }

          @Override
          public void deleted(String name) {
            gone.add(name);
          }
        };
    try (VolumeWatch _ = plane.watch(listener)) {
      Await.until("it is told", () -> !seen.isEmpty());
      assertThat(seen.getFirst().volume().status().state()).isEqualTo(Volume.State.ATTACHED);
      plane.detachAll("v");
      Await.until("it is told", () -> seen.getLast().isDetached());
      plane.deleteVolume("v");
      Await.until("it is told", () -> gone.contains("v"));
      plane.createVolume(VolumeRequest.of("w", 4096));
      Await.until("it is told", () -> seen.getLast().name().equals("w"));
    }
    plane.deleteVolume("w");
    Await.until("it is gone", () -> plane.volumes().isEmpty());
    assertThat(gone).as("closed before").containsExactly("v");
  }

  @Test
  void whoWaitsTooLongIsToldHowItIs() {
    plane.createVolume(VolumeRequest.of("v", 4096));
    await(VolumeStatus::isDetached);
    assertThatThrownBy(() -> plane.await("v", Duration.ofMillis(1), now -> false))
        .isInstanceOfSatisfying(
            VolumeException.class, e -> assertThat(e.error()).isEqualTo(IoError.TIMEOUT))
        .hasMessage("not as wanted after 1 ms: v detached unknown, image default");
    assertThatThrownBy(() -> plane.status("w")).hasMessage("there is no volume w");
    assertThatThrownBy(() -> plane.detachFrom("v", "x")).hasMessage("there is no node x");
  }

  @Test
  void everyVolumeIsDetachedAndItsTicketStays() {
    attached();
    plane.stopVolumes();
    VolumeStatus now = await(VolumeStatus::isDetached);
    assertThat(now.attachment().tickets()).hasSize(1);
    plane.close();
    plane = ControlPlane.open(store, executor);
    await(one -> isWell(one, "node-1"));
  }
}
