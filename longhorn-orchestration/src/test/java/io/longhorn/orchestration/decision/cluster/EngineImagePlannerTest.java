package io.longhorn.orchestration.decision.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Plan;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.decision.SmallCluster;
import io.longhorn.orchestration.decision.UpgradeFacts;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 5.1: how often an image is used, and how long one is kept that is not. */
final class EngineImagePlannerTest {
  private static Plan plan(SmallCluster cluster) {
    Draft draft = new Draft(cluster.view());
    EngineImagePlanner.plan(draft);
    Plan plan = draft.plan();
    cluster.store(plan.actions());
    return plan;
  }

  private static EngineImage image(SmallCluster cluster, String name) {
    return (EngineImage) cluster.get(ObjectKind.ENGINE_IMAGE, name).orElseThrow();
  }

  private static String counts(SmallCluster cluster) {
    return image(cluster, "default").refCount() + " " + image(cluster, "v2").refCount();
  }

  @Test
  void aVolumeItsEngineAndThreeReplicasAreFive() {
    // 5.1/1
    SmallCluster cluster = UpgradeFacts.attached();
    plan(cluster);
    assertThat(counts(cluster)).isEqualTo("5 0");
    // Asked for: the volume names both.
    UpgradeFacts.want(cluster, "v2");
    plan(cluster);
    assertThat(counts(cluster)).isEqualTo("5 1");
    cluster.settle();
    assertThat(counts(cluster)).isEqualTo("0 5");
    assertThat(image(cluster, "default").noRefSinceMillis()).isPositive();
    assertThat(image(cluster, "v2").noRefSinceMillis()).isZero();
    // And back again.
    UpgradeFacts.want(cluster, "default");
    cluster.settle();
    assertThat(counts(cluster)).isEqualTo("5 0");
    assertThat(image(cluster, "default").noRefSinceMillis()).isZero();
    // Gone with the volume.
    cluster.detach("v");
    cluster.settle();
    cluster.change("v", volume -> volume.deletedAt(cluster.nowMillis));
    cluster.settle();
    assertThat(counts(cluster)).isEqualTo("0 0");
  }

  @Test
  void whileItIsUpgradedBothAreUsed() {
    // 5.1/1: volume, engine and three replicas from each; who stands by counts too.
    SmallCluster cluster = UpgradeFacts.attached();
    cluster.isSwapSlow = true;
    UpgradeFacts.want(cluster, "v2");
    for (int i = 0; i < 8; i++) {
      cluster.round();
    }
    plan(cluster);
    assertThat(counts(cluster)).isEqualTo("5 5");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // what is different | minutes unused | whether it goes
        "- | 59 | false",
        "- | 60 | true",
        "- | 600 | true",
        // 5.1/2: what is used, or what is to be, stays
        "spec=v2 | 600 | false",
        "set=default-engine-image:v2 | 600 | false",
        "set=default-instance-manager-image:v2 | 600 | false",
      })
  void oneThatNobodyUsesGoes(String facts, int minutes, boolean isGone) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), facts);
    Plan first = plan(cluster);
    EngineImage image = image(cluster, "v2");
    cluster.nowMillis = image.noRefSinceMillis() + minutes * 60_000L;
    List<Action> plan = plan(cluster).actions();
    assertThat(cluster.get(ObjectKind.ENGINE_IMAGE, "v2").isEmpty()).isEqualTo(isGone);
    assertThat(cluster.get(ObjectKind.ENGINE_IMAGE, "default")).isPresent();
    assertThat(
            plan.stream()
                .filter(Action.Tell.class::isInstance)
                .map(Action.Tell.class::cast)
                .filter(tell -> tell.about().name().equals("v2"))
                .map(Action.Tell::reason)
                .toList())
        .isEqualTo(isGone ? List.of("EngineImageRemoved") : List.of());
    if (isGone) {
      assertThat(first.lookAgainMillis())
          .as("time alone brings the plan back")
          .isEqualTo(image.noRefSinceMillis() + EngineImagePlanner.UNUSED_MILLIS);
    }
  }

  @Test
  void whatAnInstanceManagerIsStartedFromStays() {
    // 5.1/2: an old instance manager may have to be started again.
    SmallCluster cluster = UpgradeFacts.attached();
    UpgradeFacts.want(cluster, "v2");
    cluster.put(Settings.setting(Settings.Key.DEFAULT_ENGINE_IMAGE, "v2"));
    cluster.settle();
    plan(cluster);
    cluster.nowMillis += 600 * 60_000L;
    plan(cluster);
    assertThat(image(cluster, "default").refCount()).isZero();
  }

  @Test
  void whereOneIsMissingIsAReason() {
    // 5.1/3: whoever deploys it writes where it is; here is only said where it is not.
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), "not=v2@node-3");
    assertThat(plan(cluster).reasons())
        .singleElement()
        .satisfies(reason -> {
          assertThat(reason.about()).isEqualTo(image(cluster, "v2").key());
          assertThat(reason.what().reason()).isEqualTo("5.1/3");
          assertThat(reason.what().message()).isEqualTo("engine image v2 is not on node-3");
        });
    cluster.power("node-3", true);
    cluster.settle();
    assertThat(plan(cluster).reasons()).as("not of a node that is not ready").isEmpty();
  }
}
