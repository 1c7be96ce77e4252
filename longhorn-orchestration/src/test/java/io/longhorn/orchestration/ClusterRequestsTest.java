package io.longhorn.orchestration;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Settings;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What may be asked of nodes, engine images and settings. */
final class ClusterRequestsTest {
  private static final Clock CLOCK = Clock.fixed(Instant.ofEpochMilli(5_000), ZoneOffset.UTC);

  private final FillingStore store = new FillingStore();
  private final Requests requests =
      new Requests(store, EnumSet.allOf(Capability.class), CLOCK, remedy -> "do " + remedy);
  private final ClusterRequests cluster = new ClusterRequests(requests);

  private static EngineImage image(String name, String launcher) {
    return EngineImage.of(
        name,
        launcher,
        "1",
        EngineImage.Versions.first("c"),
        new TreeSet<>(Set.of("node-1", "node-2")));
  }

  @BeforeEach
  void twoNodes() {
    cluster.addImage(image("default", "/a"));
    cluster.addNode("node-1", "/d");
    store.force(
        node("node-1").with(node("node-1").kube(), new Condition("Ready", true, "", "", 0)));
  }

  private Node node(String name) {
    return (Node) store.get(new ObjectKey(ObjectKind.NODE, name)).orElseThrow().object();
  }

  private List<String> images() {
    return store.list(ObjectKind.ENGINE_IMAGE).stream()
        .map(found -> found.object().name())
        .toList();
  }

  private void requireRefused(IoError error, String says, Runnable request) {
    Refusals.require(store, error, says, request);
  }

  // ---- nodes ------------------------------------------------------------------------------------

  @Test
  void aNodeThatIsThereStaysAsItIs() {
    cluster.changeNode("node-1", node -> node.withCordon(true));
    cluster.addNode("node-1", "/elsewhere");
    assertThat(node("node-1").isCordoned()).isTrue();
    assertThat(node("node-1").disks().getFirst().path()).isEqualTo("/d");
    requireRefused(
        IoError.NOT_FOUND,
        "there is no node x; do SeeNodes",
        () -> cluster.changeNode("x", node -> node));
    requireRefused(IoError.INVALID, "node name 'A'", () -> cluster.addNode("A", "/d"));
  }

  @Test
  void aChangeIsMadeAgainWhenSomebodyElseWasFaster() {
    store.beforeChange = () -> store.force(node("node-1").withCordon(true));
    cluster.changeNode("node-1", node -> node.withPower(true));
    assertThat(node("node-1").isCordoned()).isTrue();
    assertThat(node("node-1").isOff()).isTrue();
  }

  // ---- images -----------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({"''", "A", "a/b", "-a", "a-", "..", "a b"})
  void anImageWhoseNameCannotBeIsRefused(String name) {
    requireRefused(
        IoError.INVALID,
        "engine image name '" + name + "'",
        () -> cluster.addImage(image(name, "/b")));
  }

  @Test
  void imagesAreAddedOnceAndReplacedOnPurpose() {
    cluster.addImage(image("v2", "/b"));
    requireRefused(IoError.EXISTS, "v2 exists already", () -> cluster.addImage(image("v2", "/c")));
    store.force(image("v2", "/b").withReferences(3, 0));
    cluster.putImage(image("v2", "/c"));
    EngineImage now =
        (EngineImage)
            store.get(new ObjectKey(ObjectKind.ENGINE_IMAGE, "v2")).orElseThrow().object();
    assertThat(now.launcher()).isEqualTo("/c");
    assertThat(now.refCount()).isEqualTo(3);
  }

  @Test
  void onlyAnImageThatNobodyUsesIsRemoved() {
    cluster.addImage(image("v2", "/b"));
    cluster.set("default-engine-image", "v2");
    requireRefused(IoError.BUSY, "v2 is the default-engine-image", () -> cluster.removeImage("v2"));
    new VolumeRequests(requests).create(VolumeRequest.of("v", 4096).withReplicas(1));
    cluster.set("default-engine-image", "default");
    // Not counted yet: refCount is what was seen.
    requireRefused(IoError.BUSY, "v2 is used by volume v", () -> cluster.removeImage("v2"));
    requireRefused(
        IoError.NOT_FOUND, "no engine image x; do SeeImages", () -> cluster.removeImage("x"));
    cluster.addImage(image("v3", "/c"));
    cluster.removeImage("v3");
    assertThat(images()).containsExactly("default", "v2");
  }

  // ---- settings ---------------------------------------------------------------------------------

  @Test
  void everySettingHasAValueThatItMayHave() {
    for (Settings.Key key : Settings.Key.values()) {
      assertThat(cluster.setting(key.key())).isEqualTo(key.otherwise());
      assertThat(key.mayBe(key.otherwise())).as(key.key()).isTrue();
    }
  }

  @Test
  void aSettingIsSetAndSetBack() {
    cluster.set("replica-soft-anti-affinity", "true");
    assertThat(cluster.setting("replica-soft-anti-affinity")).isEqualTo("true");
    cluster.set("replica-soft-anti-affinity", "");
    assertThat(cluster.setting("replica-soft-anti-affinity")).isEqualTo("false");
    long before = store.revision();
    cluster.set("replica-soft-anti-affinity", "");
    assertThat(store.revision()).isEqualTo(before);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "replica-soft-anti-affinity | maybe | INVALID | use true, false",
        "storage-minimal-available-percentage | 101 | INVALID | use a number from 0 to 100",
        "storage-minimal-available-percentage | -1 | INVALID | use a number from 0 to 100",
        "node-drain-policy | never | INVALID | use block-if-contains-last-replica, block-for",
        "default-engine-image | x | NOT_FOUND | there is no engine image x; do SeeImages",
        "nix | 1 | NOT_FOUND | there is no setting nix; do SeeSettings",
      })
  void aValueThatCannotBeIsRefused(String name, String value, IoError error, String says) {
    requireRefused(error, says, () -> cluster.set(name, value));
  }

  @Test
  void whatIsNoSettingHasNoValue() {
    requireRefused(IoError.NOT_FOUND, "there is no setting nix", () -> cluster.setting("nix"));
  }
}
