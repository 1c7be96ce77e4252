package io.longhorn.orchestration.decision;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The seed "some old instance manager pods are still running after upgrade" (5.10, 5.9, 5.7): five
 * nodes, one volume with three replicas, attached to the first of them. Lists of instance managers:
 * kind, image, node.
 */
final class OldInstanceManagersTest {
  private static final String MASTER = "node-1";
  private static final List<String> NODES =
      List.of("node-1", "node-2", "node-3", "node-4", "node-5");

  private final SmallCluster cluster = new SmallCluster(5);
  private String endpoint = "";

  private List<String> listing() {
    TreeSet<String> lines = new TreeSet<>();
    cluster.objects.values().stream()
        .filter(InstanceManager.class::isInstance)
        .map(InstanceManager.class::cast)
        .forEach(manager -> {
          assertThat(manager.state()).isEqualTo(InstanceManager.State.RUNNING);
          String image = manager.image().equals(Names.DEFAULT_IMAGE) ? "old" : "new";
          lines.add(manager.type().text() + " " + image + " " + manager.nodeID());
        });
    return List.copyOf(lines);
  }

  private static List<String> lines(String... groups) {
    TreeSet<String> lines = new TreeSet<>();
    for (String group : groups) {
      int colon = group.indexOf(':');
      for (String node : group.substring(colon + 1).strip().split(" ", -1)) {
        lines.add(group.substring(0, colon) + " " + node);
      }
    }
    return List.copyOf(lines);
  }

  private static String all(String kind) {
    return kind + ": " + String.join(" ", NODES);
  }

  /** A volume that is attached to the master; everything of the first image. */
  private void begin(String types) {
    cluster.put(Settings.setting(Settings.Key.INSTANCE_MANAGER_TYPES, types));
    cluster.settle();
    cluster.create("pvc", 3);
    cluster.settle();
    cluster.attach("pvc", MASTER);
    cluster.settle();
    endpoint = cluster.engine("pvc").status().instance().uuid();
    assertServed();
  }

  private void upgradeManagers() {
    cluster.addImage("new");
    cluster.put(Settings.setting(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE, "new"));
    cluster.settle();
    assertServed();
  }

  private void upgradeEngine() {
    cluster.change("pvc", volume -> volume.with(volume.spec().withImage("new")));
    cluster.settle();
    assertServed();
  }

  private void reattach() {
    cluster.detach("pvc");
    cluster.settle();
    assertThat(cluster.volume("pvc").status().state()).isEqualTo(State.DETACHED);
    cluster.attach("pvc", MASTER);
    cluster.settle();
    endpoint = cluster.engine("pvc").status().instance().uuid();
    assertServed();
  }

  /** Healthy, by the engine that was there all the while. */
  private void assertServed() {
    assertThat(cluster.volume("pvc").status().state()).isEqualTo(State.ATTACHED);
    assertThat(cluster.volume("pvc").status().robustness()).isEqualTo(Robustness.HEALTHY);
    assertThat(cluster.engine("pvc").status().instance().uuid()).isEqualTo(endpoint);
    assertThat(cluster.replicas("pvc")).hasSize(3);
    assertThat(
            cluster.told.stream()
                .map(Action.Tell::reason)
                .filter(reason -> reason.endsWith("Crashed") || reason.equals("Degraded")))
        .isEmpty();
  }

  /** Kind and image of the instance manager that has the engine: what a person looks for. */
  private String whereTheEngineIs() {
    return where(cluster.engine("pvc").status().instance().instanceManagerName());
  }

  private String where(String name) {
    InstanceManager manager =
        (InstanceManager) cluster.get(ObjectKind.INSTANCE_MANAGER, name).orElseThrow();
    String image = manager.image().equals(Names.DEFAULT_IMAGE) ? "old" : "new";
    return manager.type().text() + " " + image + " " + manager.nodeID();
  }

  private List<String> whereReplicasAre() {
    return cluster.replicas("pvc").stream()
        .map(Replica::status)
        .map(status -> where(status.instance().instanceManagerName()))
        .sorted()
        .toList();
  }

  @Test
  void anEngineAndAReplicaInstanceManagerOnEachNode() {
    // 5.10
    begin("separate");
    assertThat(listing()).isEqualTo(lines(all("engine old"), all("replica old")));

    upgradeManagers();
    // 5.9/1 and 5.9/4: new ones everywhere; old ones without a process go at once, 5.9/2: others
    // stay.
    assertThat(listing())
        .isEqualTo(
            lines(
                all("engine new"),
                "engine old: node-1",
                all("replica new"),
                "replica old: node-1 node-2 node-3"));

    upgradeEngine();
    // As the seed lists them: six for engines, five for replicas.
    assertThat(listing())
        .isEqualTo(lines(all("engine new"), "engine old: node-1", all("replica new")))
        .hasSize(11);
    assertThat(whereTheEngineIs()).isEqualTo("engine old node-1");
    assertThat(cluster.engine("pvc").status().currentImage()).isEqualTo("new");
    assertThat(whereReplicasAre())
        .containsExactly("replica new node-1", "replica new node-2", "replica new node-3");

    reattach();
    // The tip of the seed: detached, the engine leaves it.
    assertThat(listing()).isEqualTo(lines(all("engine new"), all("replica new")));
    assertThat(whereTheEngineIs()).isEqualTo("engine new node-1");
  }

  @Test
  void oneInstanceManagerForBothOnEachNode() {
    // 5.10
    begin("all-in-one");
    assertThat(listing()).isEqualTo(lines(all("all-in-one old")));

    upgradeManagers();
    assertThat(listing())
        .isEqualTo(lines(all("all-in-one new"), "all-in-one old: node-1 node-2 node-3"));

    upgradeEngine();
    assertThat(listing()).isEqualTo(lines(all("all-in-one new"), "all-in-one old: node-1"));
    assertThat(whereTheEngineIs()).isEqualTo("all-in-one old node-1");
    assertThat(whereReplicasAre())
        .containsExactly("all-in-one new node-1", "all-in-one new node-2", "all-in-one new node-3");

    reattach();
    assertThat(listing()).isEqualTo(lines(all("all-in-one new")));
    assertThat(whereTheEngineIs()).isEqualTo("all-in-one new node-1");
  }

  private void moveWithUpgrades() {
    cluster.put(Settings.setting(Settings.Key.ENGINE_UPGRADE_TO_DEFAULT_INSTANCE_MANAGER, "true"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"separate", "all-in-one"})
  void withTheSettingNothingLingers(String types) {
    // Rule 5.5/1, 6.2/12: as the seed has it, but the engine leaves the old one too, and serves.
    begin(types);
    moveWithUpgrades();
    upgradeManagers();
    assertThat(whereTheEngineIs()).contains(" old ");
    upgradeEngine();
    assertThat(listing()).noneMatch(line -> line.contains(" old ")).hasSize(kinds(types) * 5);
    assertThat(whereTheEngineIs()).contains(" new ");
    assertThat(cluster.engine("pvc").status().currentImage()).isEqualTo("new");
  }

  private static int kinds(String types) {
    return types.equals("separate") ? 2 : 1;
  }

  @Test
  void oneThatLingersGoesWithTheNextUpgrade() {
    // Rule 5.5/1: the setting came late.
    begin("separate");
    upgradeManagers();
    upgradeEngine();
    assertThat(whereTheEngineIs()).isEqualTo("engine old node-1");
    moveWithUpgrades();
    cluster.settle();
    assertThat(whereTheEngineIs()).as("not by itself").isEqualTo("engine old node-1");
    cluster.change("pvc", volume -> volume.with(volume.spec().withImage(Names.DEFAULT_IMAGE)));
    cluster.settle();
    assertServed();
    assertThat(listing()).isEqualTo(lines(all("engine new"), all("replica new")));
  }

  @Test
  void oneThatCannotMoveStaysWhereItIs() {
    // Rule 5.5/1, 5.8/3
    begin("all-in-one");
    moveWithUpgrades();
    upgradeManagers();
    cluster.swapError = "no backend";
    upgradeEngine();
    assertThat(cluster.volume("pvc").spec().image()).isEqualTo(Names.DEFAULT_IMAGE);
    assertThat(whereTheEngineIs()).isEqualTo("all-in-one old node-1");
    assertThat(listing())
        .isEqualTo(lines(all("all-in-one new"), "all-in-one old: node-1 node-2 node-3"));
  }

  @Test
  void detachedItLeavesThemAllWithoutAnotherEngineImage() {
    // 5.10: the order of the tip: detached first, then whatever is wanted.
    begin("separate");
    upgradeManagers();
    reattach();
    assertThat(listing()).isEqualTo(lines(all("engine new"), all("replica new")));
    assertThat(cluster.engine("pvc").status().currentImage()).isEqualTo(Names.DEFAULT_IMAGE);
    upgradeEngine();
    assertThat(listing()).isEqualTo(lines(all("engine new"), all("replica new")));
  }

  @Test
  void anEngineThatIsUpgradedTwiceStaysWhereItIs() {
    // Rule 5.5, 5.7/1: the third process of the engine is in the first one's instance manager
    // still.
    begin("separate");
    upgradeManagers();
    upgradeEngine();
    cluster.change("pvc", volume -> volume.with(volume.spec().withImage(Names.DEFAULT_IMAGE)));
    cluster.settle();
    assertServed();
    assertThat(whereTheEngineIs()).isEqualTo("engine old node-1");
    assertThat(listing())
        .isEqualTo(lines(all("engine new"), "engine old: node-1", all("replica new")));
  }

  @Test
  void anOldOneThatNobodyCanSeeIsKept() {
    // 5.9/3, #6479: nobody knows what runs in it.
    begin("separate");
    upgradeManagers();
    String name = cluster.engine("pvc").status().instance().instanceManagerName();
    SmallCluster.Host host = cluster.otherHosts.get(name);
    assertThat(host).isNotNull();
    host.isFrozen = true;
    for (int i = 0; i < 20; i++) {
      cluster.round();
    }
    assertThat(cluster.get(ObjectKind.INSTANCE_MANAGER, name)).isPresent();
    assertThat(cluster.volume("pvc").status().state()).isEqualTo(State.ATTACHED);
    cluster.thaw(host);
    cluster.settle();
    assertThat(cluster.engine("pvc").status().instance().uuid()).isEqualTo(endpoint);
    upgradeEngine();
    assertThat(whereTheEngineIs()).isEqualTo("engine old node-1");
  }
}
