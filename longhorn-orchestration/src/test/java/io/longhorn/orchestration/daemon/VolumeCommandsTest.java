package io.longhorn.orchestration.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.command.Command;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Outcome;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import io.longhorn.orchestration.store.MemoryClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What people may ask of volumes, what is refused and how, and where replicas are placed. */
final class VolumeCommandsTest {
  private static final Clock CLOCK = Clock.fixed(Instant.ofEpochMilli(5_000), ZoneOffset.UTC);
  private static final long MIB = 1 << 20;

  /** A store that fails when it is told to, as one on a full disk does. */
  private static final class FillingStore implements ClusterStore {
    final ClusterStore base = new MemoryClusterStore();
    int changesLeft = Integer.MAX_VALUE;

    private void change() {
      if (changesLeft-- <= 0) {
        throw new VolumeException(IoError.ENOSPC, "no space left");
      }
    }

    @Override
    public Optional<Stored> get(ObjectKey key) {
      return base.get(key);
    }

    @Override
    public List<Stored> list(ObjectKind kind) {
      return base.list(kind);
    }

    @Override
    public Outcome put(ClusterObject object, long expected) {
      change();
      return base.put(object, expected);
    }

    @Override
    public Outcome delete(ObjectKey key, long expected) {
      change();
      return base.delete(key, expected);
    }

    @Override
    public long revision() {
      return base.revision();
    }

    @Override
    public Watch watch() {
      return base.watch();
    }

    @Override
    public void close() {
      base.close();
    }
  }

  private final FillingStore store = new FillingStore();
  private final VolumeCommands commands = new VolumeCommands(store, CLOCK);

  @BeforeEach
  void threeNodes() {
    for (int i = 1; i <= 3; i++) {
      node("node-" + i, true, false, false);
    }
  }

  private void node(String name, boolean isReady, boolean isCordoned, boolean isOff) {
    Condition ready =
        new Condition("Ready", isReady, "x", isReady ? "" : "its instance manager is gone", 0);
    put(new Node(name, isCordoned, isOff, "/d/" + name, ready));
  }

  private void put(ClusterObject object) {
    long version = store.get(object.key()).map(Stored::version).orElse(ClusterStore.ABSENT);
    store.put(object, version);
  }

  private void create(String name, int replicas) {
    commands.create(new Command.CreateVolume(name, MIB, replicas, false));
  }

  private void attach(String name, String node, String ticket) {
    commands.attach(new Command.AttachVolume(name, node, ticket, ""));
  }

  private void state(String name, State state) {
    Volume volume = commands.volume(name);
    put(volume.with(volume.status().with(state, state == State.ATTACHED ? "node-1" : "")));
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
    return (VolumeAttachment)
        store.get(new ObjectKey(ObjectKind.VOLUME_ATTACHMENT, volume)).orElseThrow().object();
  }

  private void requireRefused(IoError error, String says, Runnable command) {
    long before = store.revision();
    assertThatThrownBy(command::run)
        .isInstanceOfSatisfying(
            VolumeException.class,
            e -> {
              assertThat(e.error()).as(e.getMessage()).isEqualTo(error);
              assertThat(e.getMessage()).contains(says).doesNotContain("\n");
            });
    assertThat(store.revision()).as("nothing changed").isEqualTo(before);
  }

  // ---- create -----------------------------------------------------------------------------------

  @Test
  void aNewVolumeHasAllThatBelongsToIt() {
    create("v", 3);
    Volume volume = commands.volume("v");
    assertThat(volume.status().state()).isEqualTo(State.CREATING);
    assertThat(volume.spec().sizeBytes()).isEqualTo(MIB);
    assertThat(nodesOf("v")).containsExactly("node-1", "node-2", "node-3");
    assertThat(store.list(ObjectKind.ENGINE)).hasSize(1);
    assertThat(tickets("v").tickets()).isEmpty();
    Membership record =
        (Membership) store.get(new ObjectKey(ObjectKind.MEMBERSHIP, "v")).orElseThrow().object();
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
  void replicasGoWhereFewestAreAndEachToAnotherNode() {
    create("a", 1);
    assertThat(nodesOf("a")).containsExactly("node-1");
    create("b", 1);
    assertThat(nodesOf("b")).containsExactly("node-2");
    create("c", 2);
    assertThat(nodesOf("c")).containsExactly("node-1", "node-3");
    create("d", 1);
    assertThat(nodesOf("d")).containsExactly("node-2");
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
        IoError.INVALID,
        "3 replicas need as many nodes that are ready, and 2 are; use fewer replicas",
        () -> create("b", 3));
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
    "4096, 4, 4 replicas need as many nodes",
  })
  void aVolumeThatCannotBeIsRefused(long sizeBytes, int replicas, String says) {
    requireRefused(
        IoError.INVALID,
        says,
        () -> commands.create(new Command.CreateVolume("v", sizeBytes, replicas, false)));
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
    commands.removeUnfinished();
    assertThat(store.revision()).isEqualTo(before);
    put(new VolumeAttachment("gone", new java.util.TreeMap<>()));
    commands.removeUnfinished();
    assertThat(store.list(ObjectKind.VOLUME_ATTACHMENT)).hasSize(1);
  }

  // ---- attach -----------------------------------------------------------------------------------

  @Test
  void aTicketIsNamedAfterItsNodeUnlessItSaysAnother() {
    create("v", 1);
    attach("v", "node-2", "");
    attach("v", "node-2", "mine");
    assertThat(tickets("v").tickets().keySet()).containsExactly("mine", "node-2");
    long before = store.revision();
    attach("v", "node-2", "mine");
    assertThat(store.revision()).as("asked for again").isEqualTo(before);
  }

  @Test
  void whatCannotBeAttachedIsRefused() {
    create("v", 1);
    requireRefused(IoError.NOT_FOUND, "there is no volume w", () -> attach("w", "node-1", ""));
    requireRefused(IoError.NOT_FOUND, "there is no node n", () -> attach("v", "n", ""));
    requireRefused(IoError.INVALID, "a name has 1 to 128", () -> attach("v", "", ""));
    requireRefused(IoError.INVALID, "a name has 1 to 128", () -> attach("v", "n".repeat(129), ""));
    requireRefused(IoError.INVALID, "a ticket's id", () -> attach("v", "node-1", "x".repeat(129)));
    requireRefused(IoError.INVALID, "a ticket's id", () -> attach("v", "node-1", "a\nb"));
    node("node-2", false, false, false);
    requireRefused(
        IoError.INVALID,
        "node node-2 is not ready: its instance manager is gone",
        () -> attach("v", "node-2", ""));
    requireRefused(
        IoError.INVALID,
        "use unix:PATH or tcp:HOST:PORT",
        () -> commands.attach(new Command.AttachVolume("v", "node-1", "", "10809")));
    attach("v", "node-1", "mine");
    requireRefused(
        IoError.BUSY,
        "volume v has ticket mine for node-1; detach it there first: "
            + "longhorn volume detach v --ticket mine",
        () -> attach("v", "node-3", ""));
    requireRefused(
        IoError.BUSY,
        "is attached to node-1 with another address",
        () -> commands.attach(new Command.AttachVolume("v", "node-1", "", "unix:/x")));
    put(commands.volume("v").deletedAt(1));
    requireRefused(IoError.INVALID, "volume v is being deleted", () -> attach("v", "node-1", "t"));
  }

  @Test
  void aPortThatIsInUseIsRefused() throws IOException {
    create("v", 1);
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      String nbd = "tcp:127.0.0.1:" + taken.getLocalPort();
      requireRefused(
          IoError.BUSY,
          "nobody can listen at " + nbd,
          () -> commands.attach(new Command.AttachVolume("v", "node-1", "", nbd)));
    }
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

  // ---- detach, delete, ask ----------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    // node, ticket -> left
    "'', '', ''",
    "'', a, 'b node-1'",
    "node-1, '', ''",
    "node-1, b, 'a node-1'",
  })
  void ticketsAreRemovedById(String node, String ticket, String left) {
    create("v", 1);
    attach("v", "node-1", "");
    attach("v", "node-1", "a");
    attach("v", "node-1", "b");
    commands.detach(new Command.DetachVolume("v", node, ticket));
    assertThat(String.join(" ", tickets("v").tickets().keySet())).isEqualTo(left);
  }

  @Test
  void whatCannotBeDetachedIsRefused() {
    create("v", 1);
    requireRefused(
        IoError.NOT_FOUND,
        "volume v has no tickets: nobody wants it attached",
        () -> commands.detach(new Command.DetachVolume("v", "", "")));
    attach("v", "node-1", "a");
    requireRefused(
        IoError.NOT_FOUND,
        "no such ticket",
        () -> commands.detach(new Command.DetachVolume("v", "node-2", "")));
    requireRefused(
        IoError.NOT_FOUND,
        "there is no node x",
        () -> commands.detach(new Command.DetachVolume("v", "x", "")));
    requireRefused(
        IoError.NOT_FOUND,
        "there is no volume w",
        () -> commands.detach(new Command.DetachVolume("w", "", "")));
  }

  @ParameterizedTest
  @CsvSource({"ATTACHED, false", "ATTACHING, false", "CREATING, true", "DETACHED, true"})
  void onlyWhatNobodyHasAttachedIsDeleted(State state, boolean mayBe) {
    create("v", 1);
    state("v", state);
    Command.DeleteVolume delete = new Command.DeleteVolume("v");
    if (mayBe) {
      commands.delete(delete);
      assertThat(commands.volume("v").deletedAtMillis()).isEqualTo(5_000);
      long before = store.revision();
      commands.delete(delete);
      assertThat(store.revision()).as("asked for again").isEqualTo(before);
    } else {
      requireRefused(
          IoError.BUSY,
          "; detach it first: longhorn volume detach v --all",
          () -> commands.delete(delete));
    }
    requireRefused(
        IoError.NOT_FOUND,
        "there is no volume w",
        () -> commands.delete(new Command.DeleteVolume("w")));
  }

  @Test
  void aVolumeWithATicketIsNotDeleted() {
    create("v", 1);
    state("v", State.DETACHED);
    attach("v", "node-1", "");
    requireRefused(
        IoError.BUSY, "detach it first", () -> commands.delete(new Command.DeleteVolume("v")));
  }

  @Test
  void onlyTheEngineOfAnAttachedVolumeIsAsked() {
    create("v", 1);
    requireRefused(
        IoError.INVALID,
        "volume v is creating; attach it first: longhorn volume attach v --node NODE",
        () -> commands.attachedEngine("v"));
    state("v", State.ATTACHED);
    assertThat(commands.attachedEngine("v").name()).isEqualTo("v-e-0");
  }

  @Test
  void aChangeIsMadeAgainWhenSomebodyElseWasFaster() {
    List<Integer> tries = new ArrayList<>();
    UnaryOperator<ClusterObject> off =
        object -> {
          tries.add(1);
          if (tries.size() == 1) {
            node("node-1", true, true, false);
          }
          return ((Node) object).withPower(true);
        };
    commands.change(ObjectKind.NODE, "node-1", off);
    assertThat(tries).hasSize(2);
    assertThat(commands.node("node-1"))
        .satisfies(node -> assertThat(node.isOff()).isTrue())
        .satisfies(node -> assertThat(node.isCordoned()).isTrue());
    requireRefused(IoError.NOT_FOUND, "is gone", () -> commands.change(ObjectKind.NODE, "x", off));
  }
}
