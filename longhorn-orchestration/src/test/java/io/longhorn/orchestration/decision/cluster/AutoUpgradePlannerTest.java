package io.longhorn.orchestration.decision.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Upgrade;
import io.longhorn.api.cluster.Volume.Upgrade.Phase;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.SmallCluster;
import io.longhorn.orchestration.decision.UpgradeFacts;
import io.longhorn.orchestration.decision.volume.UpgradePlanner;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 5.3: which volumes are upgraded without anybody asking, and how many at a time. */
final class AutoUpgradePlannerTest {
  private static final Settings.Key LIMIT = Settings.Key.CONCURRENT_AUTOMATIC_ENGINE_UPGRADE;

  private static void plan(SmallCluster cluster) {
    Draft draft = new Draft(cluster.view());
    AutoUpgradePlanner.plan(draft);
    cluster.store(draft.plan().actions());
  }

  private static void limit(SmallCluster cluster, int limit) {
    cluster.put(Settings.setting(LIMIT, Integer.toString(limit)));
    cluster.put(Settings.setting(Settings.Key.DEFAULT_ENGINE_IMAGE, "v2"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // limit | what is different | whether it is begun
        "0 | - | false",
        "1 | - | true",
        "1 | data=DEGRADED | false",
        "1 | data=UNKNOWN | false",
        "1 | state=ATTACHING | false",
        "1 | state=DETACHING | false",
        "1 | M=node-2 | false",
        "1 | cM=node-2 | false",
        "1 | engines=2 | false",
        "1 | strict-local | false",
        "1 | api=v2/3/2 | false",
        "1 | commit=v2/commit-default | false",
        "1 | cannot=LIVE_UPGRADE | false",
        "1 | not=v2@node-2 | false",
        "1 | not=default@node-2 | false",
        "1 | not=v2@node-4 | true",
        "1 | gone=v2 | false",
        "1 | deleted | false",
        // under way, by whomever
        "1 | spec=v3 | false",
      })
  void ofAVolumeThatIsAttached(int limit, String facts, boolean isBegun) {
    // 5.3/1
    SmallCluster cluster = UpgradeFacts.attached();
    limit(cluster, limit);
    UpgradeFacts.with(cluster, facts);
    plan(cluster);
    assertThat(cluster.volume("v").spec().image().equals("v2")).isEqualTo(isBegun);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // 5.3/1: detached, nothing has to be switched
        "- | true",
        "strict-local | true",
        "cannot=LIVE_UPGRADE commit=v2/commit-default api=v2/3/2 | true",
        "format=v2/3/2 | false",
        "not=v2@node-2 | false",
        "gone=v2 | false",
      })
  void ofAVolumeThatIsDetached(String facts, boolean isBegun) {
    SmallCluster cluster = UpgradeFacts.detached();
    limit(cluster, 1);
    UpgradeFacts.with(cluster, facts);
    plan(cluster);
    assertThat(cluster.volume("v").spec().image().equals("v2")).isEqualTo(isBegun);
  }

  @ParameterizedTest
  @CsvSource({
    // given up for that image: not again by itself; for another one: yes
    "ROLLED_BACK, v2, false",
    "ROLLED_BACK, v3, true",
    "NONE, '', true",
  })
  void whatWasGivenUpIsNotBegunAgain(Phase phase, String image, boolean isBegun) {
    // 5.3/4
    SmallCluster cluster = UpgradeFacts.attached();
    limit(cluster, 1);
    Upgrade last = new Upgrade(phase, image, 5, "no", 0, 0);
    cluster.change("v", volume -> volume.with(volume.status().with("default", last)));
    plan(cluster);
    assertThat(cluster.volume("v").spec().image().equals("v2")).isEqualTo(isBegun);
  }

  /** So many volumes, attached to node-1 and node-2 in turns, and healthy. */
  private static SmallCluster many(int count) {
    SmallCluster cluster = new SmallCluster(3);
    cluster.addImage("v2");
    for (int i = 0; i < count; i++) {
      cluster.create("v" + i, 2);
    }
    cluster.settle();
    for (int i = 0; i < count; i++) {
      cluster.attach("v" + i, "node-" + (1 + i % 2));
    }
    return cluster.settle();
  }

  private static long underWay(SmallCluster cluster, String node) {
    return cluster.volumes().stream()
        .filter(Volume::isUpgrading)
        .filter(volume -> volume.spec().nodeID().equals(node))
        .count();
  }

  @ParameterizedTest
  @CsvSource({"1", "2", "3", "100"})
  void neverMoreOfANodeThanTheLimit(int limit) {
    // 5.3/2, #2328, #2470
    SmallCluster cluster = many(10);
    limit(cluster, limit);
    long most = 0;
    int rounds = 0;
    while (cluster.round()) {
      for (String node : List.of("node-1", "node-2")) {
        assertThat(underWay(cluster, node)).isLessThanOrEqualTo(limit);
        most = Math.max(most, underWay(cluster, node));
      }
      assertThat(++rounds).as("it comes to an end").isLessThan(400);
    }
    assertThat(most).as("the limit is used").isEqualTo(Math.min(limit, 5));
    assertThat(cluster.volumes()).allMatch(volume -> volume.status().currentImage().equals("v2"));
  }

  private static List<String> wanted(SmallCluster cluster) {
    return cluster.volumes().stream()
        .filter(volume -> volume.spec().image().equals("v2"))
        .map(Volume::name)
        .toList();
  }

  @Test
  void whoeverAskedForItIsCounted() {
    // 5.3/2, #2470
    SmallCluster cluster = many(4);
    cluster.change("v0", volume -> volume.with(volume.spec().withImage("v2")));
    limit(cluster, 1);
    plan(cluster);
    assertThat(wanted(cluster)).containsExactly("v0", "v1");
  }

  @Test
  void oneThatWaitsToBeDetachedTakesNobodysTurn() {
    // 5.3/3, U6
    SmallCluster cluster = many(4);
    UpgradeFacts.with(cluster, "commit=v2/commit-default");
    cluster.change("v0", volume -> volume.with(volume.spec().withImage("v2")));
    Draft draft = new Draft(cluster.view());
    UpgradePlanner.plan(draft, cluster.volume("v0"));
    cluster.store(draft, "v0");
    assertThat(cluster.volume("v0").status().upgrade().phase()).isEqualTo(Phase.WAITING);
    limit(cluster, 1);
    UpgradeFacts.with(cluster, "commit=v2/another");
    plan(cluster);
    assertThat(wanted(cluster)).containsExactly("v0", "v1", "v2");
  }

  @Test
  void oneThatIsStuckGivesItsTurnBack() {
    // 5.3/4: it is rolled back after its tries, and not begun again by itself.
    SmallCluster cluster = many(6);
    limit(cluster, 1);
    cluster.swapError = "no backend";
    int rounds = 0;
    while (cluster.round()) {
      assertThat(underWay(cluster, "node-1")).isLessThanOrEqualTo(1);
      assertThat(++rounds).as("it comes to an end").isLessThan(400);
    }
    assertThat(cluster.volumes())
        .allMatch(volume -> volume.status().upgrade().phase() == Phase.ROLLED_BACK)
        .allMatch(volume -> volume.status().upgrade().attempts() == 5)
        .allMatch(volume -> volume.status().currentImage().equals("default"))
        .allMatch(volume -> volume.status().robustness() == Volume.Robustness.HEALTHY);
    assertThat(cluster.objects.values().stream().filter(Replica.class::isInstance))
        .as("nothing is left of it")
        .hasSize(12);
    // Asked for by a person, it is tried again.
    cluster.swapError = "";
    cluster.change("v3", volume -> volume.with(volume.spec().withImage("v2")));
    cluster.settle();
    assertThat(cluster.volume("v3").status().currentImage()).isEqualTo("v2");
  }
}
