package io.longhorn.orchestration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What may be asked of volumes, and what is refused and how. No loop: only what is stored. */
final class VolumeRequestsTest {
  private static final Clock CLOCK = Clock.fixed(Instant.ofEpochMilli(5_000), ZoneOffset.UTC);
  private static final long MIB = 1 << 20;

  private final FillingStore store = new FillingStore();
  private VolumeRequests volumes = with(EnumSet.allOf(Capability.class));

  private VolumeRequests with(Set<Capability> capabilities) {
    return new VolumeRequests(new Requests(store, capabilities, CLOCK, remedy -> "do " + remedy));
  }

  @BeforeEach
  void threeNodes() {
    for (String name : List.of("default", "next", "elsewhere")) {
      TreeSet<String> nodes = new TreeSet<>(Set.of("node-1", "node-2", "node-3"));
      store.force(
          EngineImage.of(
              name,
              "/" + name,
              name,
              EngineImage.Versions.first(name),
              name.equals("elsewhere") ? new TreeSet<>(Set.of("node-9")) : nodes));
    }
    for (int i = 1; i <= 3; i++) {
      node("node-" + i, true, false, false);
    }
  }

  private void node(String name, boolean isReady, boolean isCordoned, boolean isOff) {
    Condition ready =
        new Condition("Ready", isReady, "x", isReady ? "" : "its instance manager is gone", 0);
    store.force(Node.of(name, "/d/" + name, ready).withCordon(isCordoned).withPower(isOff));
  }

  private void create(String name, int replicas) {
    volumes.create(VolumeRequest.of(name, MIB).withReplicas(replicas));
  }

  private void attach(String name, String node, String ticket) {
    volumes.attach(name, TicketRequest.of(ticket, node));
  }

  private void attach(String name, String node, String ticket, String type, String nbd) {
    volumes.attach(name, new TicketRequest(ticket, type, node, nbd, false));
  }

  private <T extends ClusterObject> T find(ObjectKind kind, String name, Class<T> type) {
    return type.cast(store.get(new ObjectKey(kind, name)).orElseThrow().object());
  }

  private Volume volume(String name) {
    return find(ObjectKind.VOLUME, name, Volume.class);
  }

  private void state(String name, State state) {
    Volume.Status status =
        volume(name).status().with(state, state == State.ATTACHED ? "node-1" : "");
    store.force(volume(name).with(status.with(Robustness.HEALTHY, 0)));
  }

  private List<String> nodesOf(String volume) {
    List<String> nodes = new ArrayList<>();
    for (Stored found : store.list(ObjectKind.REPLICA)) {
      if (found.object() instanceof Replica replica && replica.spec().volumeName().equals(volume)) {
        nodes.add(replica.spec().nodeID());
      }
    }
    nodes.sort(null);
    return nodes;
  }

  private VolumeAttachment tickets(String volume) {
    return find(ObjectKind.VOLUME_ATTACHMENT, volume, VolumeAttachment.class);
  }

  private void requireRefused(IoError error, String says, Runnable request) {
    Refusals.require(store, error, says, request);
  }

  // ---- create -----------------------------------------------------------------------------------

  @Test
  void aNewVolumeHasAllThatBelongsToIt() {
    create("v", 3);
    Volume volume = volume("v");
    assertThat(volume.status().state()).isEqualTo(State.CREATING);
    assertThat(volume.spec().sizeBytes()).isEqualTo(MIB);
    assertThat(nodesOf("v")).containsExactly("node-1", "node-2", "node-3");
    assertThat(store.list(ObjectKind.ENGINE)).hasSize(1);
    assertThat(tickets("v").tickets()).isEmpty();
    Membership record = find(ObjectKind.MEMBERSHIP, "v", Membership.class);
    assertThat(record.record().membership().members())
        .hasSize(3)
        .containsExactlyInAnyOrderElementsOf(
            store.list(ObjectKind.REPLICA).stream()
                .map(found -> ((Replica) found.object()).spec().id())
                .toList());
    Stored last = store.get(volume.key()).orElseThrow();
    assertThat(last.version()).as("the volume is stored last").isEqualTo(store.revision());
    assertThat(store.list(ObjectKind.REPLICA))
        .allSatisfy(found -> {
          Replica replica = (Replica) found.object();
          assertThat(replica.spec().directory())
              .isEqualTo("/d/" + replica.spec().nodeID() + "/replicas/" + replica.name());
        });
  }

  @Test
  void aMigratableVolumeIsShared() {
    volumes.create(VolumeRequest.of("v", MIB).migratable());
    assertThat(volume("v").isMigratable()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "false, false, false", // not ready
    "true, true, false", // cordoned
    "true, false, true", // off
  })
  void aNodeThatIsOutTakesNothing(boolean isReady, boolean isCordoned, boolean isOff) {
    node("node-1", isReady, isCordoned, isOff);
    create("a", 2);
    assertThat(nodesOf("a")).containsExactly("node-2", "node-3");
    requireRefused(
        IoError.INVALID, "volume b: places for 2 of 3 replicas: node-1 is", () -> create("b", 3));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 1, size of 0 bytes: use a multiple of 4096",
    "4095, 1, size of 4095 bytes",
    "-4096, 1, size of -4096 bytes",
    "6000, 1, size of 6000 bytes",
    "70368744181760, 1, size of 70368744181760 bytes",
    "4096, 0, 0 replicas: use 1 to 8",
    "4096, 9, 9 replicas: use 1 to 8",
    "4096, -1, -1 replicas: use 1 to 8",
    "4096, 4, use fewer replicas; do SeeNodes",
  })
  void aVolumeThatCannotBeIsRefused(long sizeBytes, int replicas, String says) {
    requireRefused(
        IoError.INVALID,
        says,
        () -> volumes.create(VolumeRequest.of("v", sizeBytes).withReplicas(replicas)));
  }

  @ParameterizedTest
  @CsvSource({"''", "A", "a/b", "a b", "-a", "a..b"})
  void aNameThatCannotBeIsRefused(String name) {
    requireRefused(IoError.INVALID, "volume name '", () -> create(name, 1));
    requireRefused(IoError.INVALID, "volume name '", () -> create("n".repeat(64), 1));
  }

  @Test
  void aNameThatIsTakenIsRefused() {
    create("v", 1);
    requireRefused(IoError.EXISTS, "volume v exists already; use another", () -> create("v", 1));
  }

  /** Regression: the name could not be used again before the daemon was started again. */
  @Test
  void aCreationThatFailedInTheMiddleCanBeRepeated() {
    for (int changes = 0; changes < 7; changes++) {
      store.changesLeft = changes;
      assertThatThrownBy(() -> create("v", 3))
          .isInstanceOfSatisfying(
              VolumeException.class, e -> assertThat(e.error()).isEqualTo(IoError.ENOSPC));
      assertThat(store.list(ObjectKind.VOLUME)).isEmpty();
    }
    store.changesLeft = Integer.MAX_VALUE;
    create("w", 1);
    assertThat(nodesOf("v")).isEmpty();
    assertThat(nodesOf("w")).as("what was left does not count").containsExactly("node-1");
    create("v", 3);
    assertThat(nodesOf("v")).hasSize(3);
  }

  @Test
  void whatBelongsToNoVolumeIsRemovedAndNothingElse() {
    create("v", 2);
    long before = store.revision();
    volumes.removeUnfinished();
    assertThat(store.revision()).isEqualTo(before);
    store.force(new VolumeAttachment("gone", new TreeMap<>()));
    volumes.removeUnfinished();
    assertThat(store.list(ObjectKind.VOLUME_ATTACHMENT)).hasSize(1);
  }

  // ---- attach -----------------------------------------------------------------------------------

  @Test
  void theSameTicketAgainChangesNothing() {
    create("v", 1);
    attach("v", "node-2", "a");
    attach("v", "node-2", "mine");
    assertThat(tickets("v").tickets().keySet()).containsExactly("a", "mine");
    long before = store.revision();
    attach("v", "node-2", "mine");
    assertThat(store.revision()).as("asked for again").isEqualTo(before);
  }

  @Test
  void whatCannotBeAttachedIsRefused() {
    create("v", 1);
    requireRefused(
        IoError.NOT_FOUND, "there is no volume w; do SeeVolumes", () -> attach("w", "node-1", "t"));
    requireRefused(
        IoError.NOT_FOUND, "there is no node n; do SeeNodes", () -> attach("v", "n", "t"));
    requireRefused(IoError.NOT_FOUND, "there is no node", () -> attach("v", "", "t"));
    requireRefused(IoError.NOT_FOUND, "there is no node", () -> attach("v", "n".repeat(129), "t"));
    requireRefused(IoError.INVALID, "a ticket's id", () -> attach("v", "node-1", "x".repeat(129)));
    requireRefused(IoError.INVALID, "a ticket's id", () -> attach("v", "node-1", "a\nb"));
    requireRefused(IoError.INVALID, "a ticket's id", () -> attach("v", "node-1", ""));
    node("node-2", false, false, false);
    requireRefused(
        IoError.INVALID,
        "node node-2 is not ready: its instance manager is gone",
        () -> attach("v", "node-2", "t"));
    attach("v", "node-1", "mine");
    requireRefused(
        IoError.BUSY,
        "volume v has ticket mine for node-1; detach it there first; do DetachTicket",
        () -> attach("v", "node-3", "t"));
    requireRefused(
        IoError.BUSY,
        "is attached to node-1 with another address",
        () -> attach("v", "node-1", "t", TicketRequest.WORKLOAD, "unix:/x"));
    store.force(volume("v").deletedAt(1));
    requireRefused(IoError.INVALID, "volume v is being deleted", () -> attach("v", "node-1", "t"));
  }

  /** Regression: this was a defect, not a refusal. */
  @Test
  void moreTicketsThanAVolumeCanHaveAreRefused() {
    create("v", 1);
    for (int i = 0; i < VolumeAttachment.MAX_TICKETS; i++) {
      attach("v", "node-1", "t" + i);
    }
    requireRefused(IoError.LIMIT, "has 64 tickets", () -> attach("v", "node-1", "one more"));
  }

  @Test
  void whatTheControlPlaneItselfWantsElsewhereIsNoWorkload() {
    create("v", 1);
    attach("v", "node-1", "mine");
    attach("v", "node-2", "s", "snapshot-controller", "");
    assertThat(tickets("v").tickets()).hasSize(2);
  }

  // ---- a second node: W1 to W4, capability, transition slot -------------------------------------

  private void migratable() {
    volumes.create(VolumeRequest.of("v", MIB).migratable());
    attach("v", "node-1", "va-1");
    state("v", State.ATTACHED);
  }

  @Test
  void aSecondNodeIsAMigrationAndAThirdIsRefused() {
    migratable();
    attach("v", "node-2", "va-2");
    assertThat(tickets("v").tickets()).hasSize(2);
    // W4
    requireRefused(
        IoError.BUSY,
        "volume v: cannot attach migratable volume to more than two nodes",
        () -> attach("v", "node-3", "va-3"));
  }

  @ParameterizedTest
  @CsvSource({"DETACHED", "ATTACHING", "DETACHING"})
  void aSecondNodeIsRefusedWhereTheFirstIsNotThere(State state) {
    migratable();
    state("v", state);
    // W2
    requireRefused(
        IoError.BUSY, "it can be attached to a second node once", () -> attach("v", "node-2", "b"));
  }

  @Test
  void aClusterThatCannotMigrateSaysSo() {
    migratable();
    volumes = with(EnumSet.noneOf(Capability.class));
    requireRefused(
        IoError.UNSUPPORTED,
        "this cluster cannot migrate volumes yet: volume v has ticket va-1 for node-1; detach it",
        () -> attach("v", "node-2", "va-2"));
    attach("v", "node-1", "another");
  }

  @Test
  void aPersonsTicketElsewhereIsNoMigration() {
    migratable();
    requireRefused(
        IoError.BUSY,
        "detach it there first",
        () -> attach("v", "node-2", "mine", TicketRequest.PERSON, ""));
  }

  @Test
  void whatIsBeingUpgradedDoesNotMigrate() {
    migratable();
    volumes.upgrade("v", "next");
    requireRefused(
        IoError.BUSY,
        "volume v is being upgraded to image next: it can migrate when that is done or given up; "
            + "do RollBack",
        () -> attach("v", "node-2", "va-2"));
    volumes.rollBack("v");
    attach("v", "node-2", "va-2");
  }

  @Test
  void whatMigratesIsNotUpgraded() {
    migratable();
    store.force(volume("v").with(volume("v").spec().withMigrationNodeID("node-2")));
    // 5.2/6
    requireRefused(IoError.BUSY, "it is migrating", () -> volumes.upgrade("v", "next"));
  }

  // ---- upgrade ----------------------------------------------------------------------------------

  @Test
  void anUpgradeIsAskedForOnceAndCanBeGivenUp() {
    create("v", 1);
    state("v", State.DETACHED);
    volumes.upgrade("v", "next");
    assertThat(volume("v").spec().image()).isEqualTo("next");
    requireRefused(IoError.BUSY, "under way", () -> volumes.upgrade("v", "next"));
    // 5.2/9: back to what runs
    volumes.upgrade("v", "default");
    assertThat(volume("v").isUpgrading()).isFalse();
    requireRefused(
        IoError.INVALID,
        "volume v is not being upgraded: it runs from default",
        () -> volumes.rollBack("v"));
  }

  @Test
  void anUpgradeThatCannotBeIsRefused() {
    create("v", 1);
    state("v", State.DETACHED);
    requireRefused(IoError.NOT_FOUND, "there is no volume w", () -> volumes.upgrade("w", "next"));
    requireRefused(
        IoError.NOT_FOUND,
        "there is no engine image x; do SeeImages",
        () -> volumes.upgrade("v", "x"));
    requireRefused(
        IoError.INVALID, "it runs from it already", () -> volumes.upgrade("v", "default"));
    requireRefused(
        IoError.INVALID, "elsewhere is not on node-1", () -> volumes.upgrade("v", "elsewhere"));
    volumes.upgrade("v", "next");
    requireRefused(
        IoError.BUSY,
        "it can be rolled back to default; do RollBack",
        () -> volumes.upgrade("v", "elsewhere"));
  }

  // ---- detach, delete ---------------------------------------------------------------------------

  @Test
  void ticketsAreTakenAway() {
    create("v", 1);
    attach("v", "node-1", "a");
    attach("v", "node-1", "b");
    volumes.detach("v", ticket -> ticket.id().equals("a"));
    assertThat(tickets("v").tickets().keySet()).containsExactly("b");
    volumes.detach("v", _ -> true);
    assertThat(tickets("v").tickets()).isEmpty();
  }

  @Test
  void whatCannotBeDetachedIsRefused() {
    create("v", 1);
    requireRefused(
        IoError.NOT_FOUND,
        "volume v has no tickets: nobody wants it attached",
        () -> volumes.detach("v", _ -> true));
    attach("v", "node-1", "a");
    requireRefused(
        IoError.NOT_FOUND,
        "volume v has no such ticket; it has a",
        () -> volumes.detach("v", ticket -> ticket.id().equals("b")));
    requireRefused(IoError.NOT_FOUND, "there is no volume w", () -> volumes.detach("w", _ -> true));
  }

  @ParameterizedTest
  @CsvSource({"ATTACHED, false", "ATTACHING, false", "CREATING, true", "DETACHED, true"})
  void onlyWhatNobodyHasAttachedIsDeleted(State state, boolean mayBe) {
    create("v", 1);
    state("v", state);
    if (mayBe) {
      volumes.delete("v");
      assertThat(volume("v").deletedAtMillis()).isEqualTo(5_000);
      long before = store.revision();
      volumes.delete("v");
      assertThat(store.revision()).as("asked for again").isEqualTo(before);
    } else {
      requireRefused(IoError.BUSY, "; detach it first; do DetachAll", () -> volumes.delete("v"));
    }
    requireRefused(IoError.NOT_FOUND, "there is no volume w", () -> volumes.delete("w"));
  }

  @Test
  void aVolumeWithATicketIsNotDeleted() {
    create("v", 1);
    state("v", State.DETACHED);
    attach("v", "node-1", "a");
    requireRefused(IoError.BUSY, "detach it first", () -> volumes.delete("v"));
  }

  // ---- somebody else ----------------------------------------------------------------------------

  @Test
  void aRequestIsLookedAtAgainWhenSomebodyElseWasFaster() {
    create("v", 1);
    VolumeRequests other = with(EnumSet.allOf(Capability.class));
    store.beforeChange = () -> other.attach("v", TicketRequest.of("theirs", "node-1"));
    attach("v", "node-1", "mine");
    assertThat(tickets("v").tickets().keySet()).containsExactly("mine", "theirs");
    // What was right before may be wrong then.
    store.beforeChange =
        () -> {
          store.force(volume("v").deletedAt(1));
          other.detach("v", ticket -> ticket.id().equals("theirs"));
        };
    assertThatThrownBy(() -> attach("v", "node-1", "late"))
        .hasMessageContaining("volume v is being deleted");
  }
}
