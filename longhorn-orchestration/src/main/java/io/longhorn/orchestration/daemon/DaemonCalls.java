package io.longhorn.orchestration.daemon;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.wire.EngineStatus;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.orchestration.ControlPlane;
import io.longhorn.orchestration.TicketRequest;
import io.longhorn.orchestration.VolumeRequest;
import io.longhorn.orchestration.VolumeStatus;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallClient;
import io.longhorn.orchestration.call.CallHandler;
import io.longhorn.orchestration.command.Command;
import io.longhorn.orchestration.command.ObjectCalls;
import io.longhorn.orchestration.execution.RuntimeLayout;
import io.longhorn.orchestration.store.ClusterStore;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.TreeSet;

/** Answers people and engines. Any thread, one per connection; a call may take its time. */
final class DaemonCalls implements CallHandler {
  private static final Duration CONNECT = Duration.ofSeconds(5);
  private static final Duration SNAPSHOT = Duration.ofMinutes(2);
  private static final Duration CHECK = Duration.ofHours(24);
  private static final List<String> SIGNALS = List.of("KILL", "TERM", "STOP", "CONT");
  private static final String KILL = "/bin/kill";

  private final RuntimeLayout layout;
  private final ClusterStore store;
  private final ControlPlane plane;
  private final ObjectCalls objects;
  private final MembershipCalls memberships;
  private final Runnable shutDown;

  DaemonCalls(RuntimeLayout layout, ClusterStore store, ControlPlane plane, Runnable shutDown) {
    this.layout = layout;
    this.store = store;
    this.plane = plane;
    this.shutDown = shutDown;
    objects = new ObjectCalls(store);
    memberships = new MembershipCalls(store);
  }

  @Override
  public byte[] call(FrameType type, FieldReader request) {
    return switch (type) {
      case RECORD_GET -> memberships.get(request);
      case RECORD_SET -> memberships.set(request);
      case OBJECT_LIST -> objects.list(request);
      case OBJECT_WATCH -> objects.watch(request);
      case COMMAND -> run(Command.read(request)).toBytes();
      default ->
          throw new VolumeException(
              IoError.UNSUPPORTED, "the daemon takes no calls of type " + type);
    };
  }

  private FieldWriter run(Command command) {
    FieldWriter answer = new FieldWriter();
    switch (command) {
      case Command.CreateVolume wanted -> create(wanted);
      case Command.DeleteVolume(String volume) -> plane.deleteVolume(volume);
      case Command.AttachVolume wanted -> attach(wanted);
      case Command.DetachVolume wanted -> detach(wanted);
      case Command.UpgradeVolume(String volume, String image) when image.isEmpty() ->
          plane.rollBack(volume);
      case Command.UpgradeVolume(String volume, String image) -> plane.upgrade(volume, image);
      case Command.AddEngineImage wanted -> addImage(wanted);
      case Command.RemoveEngineImage(String image) -> plane.removeImage(image);
      case Command.ChangeSetting(String setting, String value) -> plane.setting(setting, value);
      case Command.CordonNode(String node, boolean isCordoned) -> plane.cordon(node, isCordoned);
      case Command.TakeSnapshot(String volume, String snapshot) -> snapshot(volume, snapshot);
      case Command.ListSnapshots(String volume) -> {
        return LayerList.read(ask(volume, FrameType.ENGINE_SNAPSHOTS, answer, SNAPSHOT)).write();
      }
      case Command.CheckVolume(String volume) -> {
        return EngineStatus.Check.read(ask(volume, FrameType.ENGINE_CHECK, answer, CHECK)).write();
      }
      case Command.PowerNode(String node, boolean isOff) -> plane.power(node, isOff);
      case Command.SignalInstanceManager(String name, String signal) -> signal(name, signal);
      case Command.ShutDown _ -> shutDown.run();
      case Command.Describe _ -> answer.number(1, ProcessHandle.current().pid());
    }
    return answer;
  }

  private void create(Command.CreateVolume wanted) {
    VolumeRequest request =
        VolumeRequest.of(wanted.name(), wanted.sizeBytes()).withReplicas(wanted.replicas());
    plane.createVolume(wanted.isMigratable() ? request.migratable() : request);
  }

  private void attach(Command.AttachVolume wanted) {
    VolumeStatus now = plane.status(wanted.name());
    String id = wanted.ticket().isEmpty() ? wanted.node() : wanted.ticket();
    // With a ticket there, its own engine listens where this one wants it to.
    if (now.attachment().tickets().isEmpty()) {
      NbdAddress.requireFree(wanted.nbd());
    }
    // What a migration moves is a workload, whoever asks for it here.
    String type = now.volume().isMigratable() ? TicketRequest.WORKLOAD : TicketRequest.PERSON;
    plane.attach(wanted.name(), new TicketRequest(id, type, wanted.node(), wanted.nbd(), false));
  }

  private void detach(Command.DetachVolume wanted) {
    if (!wanted.ticket().isEmpty()) {
      plane.detach(wanted.name(), wanted.ticket());
    } else if (!wanted.node().isEmpty()) {
      plane.detachFrom(wanted.name(), wanted.node());
    } else {
      plane.detachAll(wanted.name());
    }
  }

  private void addImage(Command.AddEngineImage wanted) {
    TreeSet<String> everywhere = new TreeSet<>();
    plane.nodes().forEach(node -> everywhere.add(node.name()));
    plane.addImage(
        EngineImage.of(
            wanted.name(),
            wanted.launcher(),
            wanted.version(),
            EngineImage.Versions.first(wanted.version()),
            everywhere));
  }

  private void snapshot(String volume, String snapshot) {
    if (!SnapshotSpec.isName(snapshot)) {
      throw new VolumeException(
          IoError.INVALID,
          "a snapshot's name has 1 to "
              + SnapshotSpec.MAX_NAME_LENGTH
              + " characters, no control characters");
    }
    ask(volume, FrameType.ENGINE_SNAPSHOT, new FieldWriter().text(1, snapshot), SNAPSHOT);
  }

  /** Asks the engine of an attached volume. */
  private FieldReader ask(String volume, FrameType type, FieldWriter request, Duration timeout) {
    Engine engine = attachedEngine(volume);
    CallAddress control = CallAddress.parse(layout.engineControl(engine));
    try (CallClient client = CallClient.connect(control, CONNECT)) {
      return client.call(type, request, timeout);
    }
  }

  private Engine attachedEngine(String name) {
    VolumeStatus now = plane.status(name);
    Volume.State state = now.volume().status().state();
    String is = "volume " + name + " is " + state.text();
    if (state == Volume.State.ATTACHING) {
      throw new VolumeException(
          IoError.BUSY, is + "; wait until it is attached: longhorn volume get " + name);
    }
    if (state != Volume.State.ATTACHED) {
      throw new VolumeException(
          IoError.INVALID,
          is + "; attach it first: longhorn volume attach " + name + " --node NODE");
    }
    return now.engine()
        .orElseThrow(
            () -> new VolumeException(IoError.NOT_FOUND, "volume " + name + " has no engine"));
  }

  private void signal(String name, String signal) {
    if (!SIGNALS.contains(signal)) {
      throw new VolumeException(
          IoError.INVALID, "signal '" + signal + "': use one of " + String.join(", ", SIGNALS));
    }
    InstanceManager manager =
        store
            .get(new ObjectKey(ObjectKind.INSTANCE_MANAGER, name))
            .map(found -> (InstanceManager) found.object())
            .orElseThrow(() ->
                new VolumeException(
                    IoError.NOT_FOUND,
                    "there is no instance manager " + name + "; see longhorn instance-manager ls"));
    if (manager.pid() <= 0) {
      throw new VolumeException(
          IoError.NOT_FOUND, name + " has no process: it is " + manager.state().text());
    }
    try {
      Process kill =
          new ProcessBuilder(KILL, "-" + signal, Long.toString(manager.pid()))
              .redirectErrorStream(true)
              .start();
      String said = new String(kill.getInputStream().readAllBytes(), UTF_8);
      if (kill.waitFor() != 0) {
        throw new VolumeException(IoError.EIO, "cannot signal " + name + ": " + said.strip());
      }
    } catch (IOException e) {
      throw new VolumeException(IoError.EIO, "cannot signal " + name + ": " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new VolumeException(IoError.EIO, "interrupted while signalling " + name, e);
    }
  }
}
