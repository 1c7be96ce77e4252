package io.longhorn.orchestration.decision.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.orchestration.decision.SmallCluster;
import io.longhorn.orchestration.decision.UpgradeFacts;
import io.longhorn.orchestration.decision.volume.UpgradeRule.Answer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Section 5.2: which requests for an upgrade are refused, and why. */
final class UpgradeRuleTest {
  private static final String AUTO = "concurrent-automatic-engine-upgrade-per-node-limit";

  private static Answer request(SmallCluster cluster, String image) {
    return UpgradeRule.request(cluster.view(), "v", image);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // rule | what is different | image | message
        "5.2/1 | set=" + AUTO + ":1 | v2 | engines are upgraded to default automatically",
        "5.2/1 | set="
            + AUTO
            + ":1 set=default-engine-image:v3 | v2 | upgraded to v3 automatically",
        "5.2/3 | - | default | it runs from it already",
        "5.2/3 | spec=v2 | v2 | that is under way",
        "5.2/4 | spec=v2 | v3 | to v2 is not finished; it can be rolled back to default",
        "5.2/5 | not=v2@node-1 | v2 | v2 is not on node-1",
        "5.2/5 | not=v2@node-3 | v2 | v2 is not on node-3",
        "5.2/5 | not=default@node-2 | v2 | default is not on node-2",
        // 5.2/6, 3.3/4: one check, by whatever shows that it migrates.
        "5.2/6 | M=node-2 | v2 | it is migrating",
        "5.2/6 | cM=node-2 | v2 | it is migrating",
        "5.2/6 | engines=2 | v2 | it is migrating",
        "5.2/7 | data=DEGRADED | v2 | it is degraded; it has to be healthy",
        "5.2/7 | data=UNKNOWN | v2 | it is unknown; it has to be healthy",
        "5.2/7 | data=FAULTED | v2 | it is faulted; it has to be healthy",
        "5.2/8 | strict-local | v2 | it is attached and strict-local: it has to be detached",
        "5.2/10 | - | v9 | there is no engine image v9",
        "5.2/10 | deleted | v2 | it is being deleted",
        "5.2/10 | format=v2/3/2 | v2 | it reads data of format 2 to 3, the volume's may be 1",
        "5.2/10 | format=default/2/1 | v2 | it reads data of format 1 to 1, the volume's may be 2",
        // Of several reasons the first: the automatic upgrade, what is so already, one at a time.
        "5.2/1 | set=" + AUTO + ":1 spec=v2 M=node-2 | v3 | upgraded to default automatically",
        "5.2/3 | spec=v2 M=node-2 data=DEGRADED | v2 | that is under way",
        "5.2/4 | spec=v2 M=node-2 data=DEGRADED | v3 | is not finished",
        "5.2/6 | M=node-2 not=v2@node-1 data=DEGRADED | v2 | it is migrating",
        "5.2/5 | not=v2@node-1 data=DEGRADED strict-local | v2 | v2 is not on node-1",
        "5.2/7 | data=DEGRADED strict-local | v2 | it is degraded",
      })
  void isRefused(String rule, String facts, String image, String message) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), facts);
    assertThat(request(cluster, image))
        .isInstanceOfSatisfying(
            Answer.Refused.class,
            no -> {
              assertThat(no.rule()).isEqualTo(rule);
              assertThat(no.message())
                  .startsWith("volume v: cannot upgrade the engine to " + image + ": ")
                  .contains(message);
            });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "- | v2",
        // 5.2/1: to where the automatic upgrade would bring it anyway.
        "set=" + AUTO + ":1 set=default-engine-image:v2 | v2",
        // 5.2/5: nobody needs it on the fourth node.
        "not=v2@node-4 | v2",
        // U6: it is done when the volume is detached.
        "api=v2/3/2 | v2",
        "commit=v2/commit-default | v2",
        "cannot=LIVE_UPGRADE | v2",
        // 5.2/10: a newer format that still reads the older one.
        "format=v2/2/1 | v2",
      })
  void isAccepted(String facts, String image) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), facts);
    assertThat(request(cluster, image))
        .isInstanceOfSatisfying(
            Answer.Accepted.class,
            yes -> {
              assertThat(yes.volume().spec().image()).isEqualTo(image);
              assertThat(yes.volume().status()).isEqualTo(cluster.volume("v").status());
            });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // 5.2/5 and 5.2/7 and 5.2/8 are about volumes that are attached, and where they are.
        "data=UNKNOWN | v2 | true",
        "strict-local | v2 | true",
        "not=v2@node-1 | v2 | false",
        "M=node-2 | v2 | false",
      })
  void ofADetachedVolume(String facts, String image, boolean isAccepted) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.detached(), facts);
    assertThat(request(cluster, image) instanceof Answer.Accepted).isEqualTo(isAccepted);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // 5.2/9: back to what runs, whatever else holds.
        "spec=v2",
        "spec=v2 data=DEGRADED",
        "spec=v2 data=UNKNOWN state=DETACHING",
        "spec=v2 not=default@node-1",
        "spec=v2 M=node-2",
        "spec=v2 gone=v2",
        "spec=v2 strict-local",
        "spec=v2 set=" + AUTO + ":1 set=default-engine-image:v2",
      })
  void goingBackIsAlwaysPossible(String facts) {
    SmallCluster cluster = UpgradeFacts.with(UpgradeFacts.attached(), facts);
    assertThat(request(cluster, "default"))
        .isInstanceOfSatisfying(
            Answer.RolledBack.class,
            back -> assertThat(back.volume().spec().image()).isEqualTo("default"));
  }

  @Test
  void aVolumeThatIsNotThere() {
    assertThat(UpgradeRule.request(UpgradeFacts.attached().view(), "w", "v2"))
        .isEqualTo(new Answer.Refused("5.2/10", "there is no volume w"));
  }
}
