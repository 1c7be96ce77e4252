package io.longhorn.orchestration.execution;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.instance.InstanceSpec;
import io.longhorn.orchestration.instance.InstanceType;
import io.longhorn.orchestration.supervisor.InstanceManagerClient;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Processes on this machine: instance managers are started here, engines and replicas through them;
 * each has a thread that watches it.
 */
public final class ProcessExecutor implements ActionExecutor {
  private static final Duration CONNECT = Duration.ofSeconds(5);

  /** A process that was killed ends at once, unless it waits for a disk. */
  private static final Duration END = Duration.ofSeconds(2);

  /**
   * Deletes a directory that no process has, under the lock that a replica holds while it serves:
   * the plan may be from before one was started there.
   */
  private static final String REMOVE =
      """
      test ! -e "$0" && exit
      flock --nonblock --conflict-exit-code 9 "$0/lock" rm -rf -- "$0"
      code=$?
      test $code -ne 9 || echo "$0 is in use" >&2
      exit $code
      """;

  private final RuntimeLayout layout;
  private final String authority;

  /** Instance managers started by this process: while one is coming up it is not started again. */
  private final Map<String, Process> starting = new ConcurrentHashMap<>();

  private @Nullable ProcessWatchers watchers;

  /**
   * An executor.
   *
   * @param authority who keeps the volumes' records, as text in every replica directory
   */
  public ProcessExecutor(RuntimeLayout layout, String authority) {
    this.layout = layout;
    this.authority = authority;
  }

  @Override
  public Set<Capability> capabilities() {
    return EnumSet.noneOf(Capability.class);
  }

  @Override
  public void observe(Observation observation) {
    watchers = new ProcessWatchers(layout, observation);
  }

  @Override
  public void watch(Targets targets) {
    Objects.requireNonNull(watchers, "observe is called first").watch(targets);
  }

  @Override
  public void close() {
    if (watchers != null) {
      watchers.close();
    }
  }

  @Override
  public void execute(Action.ProcessAction action) {
    switch (action) {
      case Action.StartInstanceManager start ->
          startManager(start.manager(), start.image().launcher());
      case Action.KillInstanceManager(InstanceManager manager) -> kill(manager);
      case Action.CreateDirectory create ->
          start(
              create.manager(),
              new InstanceSpec(
                  Names.creation(create.replica()),
                  InstanceType.REPLICA,
                  creation(
                      create.image().launcher(), create.replica(), create.volume(), create.all()),
                  List.of(),
                  // Once: asked for again after it was deleted it would be there, of nobody.
                  true));
      case Action.DeleteDirectory(InstanceManager manager, Replica replica) ->
          start(
              manager,
              Names.deletion(replica),
              InstanceType.REPLICA,
              List.of("/bin/sh", "-c", REMOVE, requireReplicaPath(replica)));
      case Action.StartReplica start ->
          start(
              start.manager(),
              start.replica().name(),
              InstanceType.REPLICA,
              replica(start.image().launcher(), start.replica()));
      case Action.StartEngine start ->
          start(
              start.manager(),
              start.engine().name(),
              InstanceType.ENGINE,
              engine(start.image().launcher(), start.engine(), start.volume(), start.replicas()));
      case Action.SwapEngine _,
          Action.ConfigureEngine _,
          Action.FinishMigration _,
          Action.PromoteReplica _ ->
          throw new VolumeException(
              IoError.UNSUPPORTED,
              action.getClass().getSimpleName()
                  + " of "
                  + action.subject()
                  + ": not on one machine");
      case Action.StopInstance(InstanceManager manager, String name, String uuid) ->
          call(manager, client -> client.stop(name, Optional.of(UUID.fromString(uuid))));
      case Action.ForgetInstance(InstanceManager manager, String name, String uuid) ->
          call(manager, client -> client.forget(name, Optional.of(UUID.fromString(uuid))));
    }
  }

  private void startManager(InstanceManager manager, String launcher) {
    Process before = starting.get(manager.name());
    if (before != null && before.isAlive()) {
      return;
    }
    String node = manager.nodeID();
    File log = layout.managerLog(node).toFile();
    ProcessBuilder builder =
        new ProcessBuilder(
                launcher,
                "instance-manager",
                "run",
                "--node",
                node,
                "--listen",
                manager.address(),
                "--logs",
                layout.logs(node).toString())
            .redirectErrorStream(true)
            .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log));
    try {
      Files.createDirectories(layout.logs(node));
      starting.put(manager.name(), builder.start());
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot start " + manager.name() + ": " + e.getMessage(), e);
    }
  }

  /**
   * Of a child of this process the end is waited for: nobody listens any more a moment before this
   * process knows that it has ended, and a start that is asked for in that moment would be none.
   */
  private void kill(InstanceManager manager) {
    Process child = starting.get(manager.name());
    if (child != null && child.pid() == manager.pid()) {
      try {
        child.destroyForcibly().waitFor(END.toMillis(), TimeUnit.MILLISECONDS);
      } catch (InterruptedException _) {
        Thread.currentThread().interrupt();
      }
    } else if (manager.pid() > 0) {
      ProcessHandle.of(manager.pid()).ifPresent(ProcessHandle::destroyForcibly);
    }
  }

  private static void start(
      InstanceManager manager, String name, InstanceType type, List<String> command) {
    start(manager, new InstanceSpec(name, type, command, List.of()));
  }

  private static void start(InstanceManager manager, InstanceSpec spec) {
    try {
      call(manager, client -> client.start(spec));
    } catch (VolumeException e) {
      // It runs already, or was done: the plan was made from an older view.
      if (e.error() != IoError.EXISTS) {
        throw e;
      }
    }
  }

  private static void call(InstanceManager manager, Consumer<InstanceManagerClient> what) {
    try (InstanceManagerClient client =
        InstanceManagerClient.connect(CallAddress.parse(manager.address()), CONNECT)) {
      what.accept(client);
    } catch (VolumeException e) {
      // It is gone already, or is another start of it: the plan was made from an older view.
      if (e.error() != IoError.NOT_FOUND) {
        throw e;
      }
    }
  }

  // ---- command lines ----------------------------------------------------------------------------

  private List<String> creation(
      String launcher, Replica replica, Volume volume, List<Replica> all) {
    Path directory = Path.of(requireReplicaPath(replica));
    try {
      Files.createDirectories(directory.getParent());
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot make " + directory.getParent() + ": " + e.getMessage(), e);
    }
    return List.of(
        launcher,
        "replica",
        "create",
        "--dir",
        directory.toString(),
        "--volume",
        volume.name(),
        "--volume-id",
        volume.spec().id().toString(),
        "--replica-id",
        replica.spec().id().toString(),
        "--size",
        Long.toString(volume.spec().sizeBytes()),
        "--members",
        all.stream().map(one -> one.spec().id().toString()).collect(Collectors.joining(",")),
        "--authority",
        authority);
  }

  /** What is deleted as a whole has to look like a replica's directory, whoever has it now. */
  private static String requireReplicaPath(Replica replica) {
    String name = Names.replica(replica.spec().volumeName(), replica.spec().id());
    Path directory = Path.of(replica.spec().directory());
    Path parent = directory.getParent();
    boolean isReplica =
        directory.isAbsolute()
            && directory.equals(directory.normalize())
            && directory.endsWith(name)
            && parent != null
            && parent.endsWith("replicas");
    if (!isReplica) {
      throw new VolumeException(
          IoError.INVALID, "'" + directory + "' is no directory of " + replica.name());
    }
    return directory.toString();
  }

  private List<String> replica(String launcher, Replica replica) {
    return List.of(
        launcher,
        "replica",
        "serve",
        "--dir",
        replica.spec().directory(),
        "--listen",
        layout.replicaAddress(replica),
        "--die-with-parent");
  }

  private List<String> engine(
      String launcher, Engine engine, Volume volume, List<Replica> replicas) {
    List<String> command =
        new ArrayList<>(
            List.of(
                launcher,
                "engine",
                "serve",
                "--volume",
                volume.name(),
                "--volume-id",
                volume.spec().id().toString(),
                "--authority",
                authority,
                "--store",
                layout.daemonAddress(),
                "--control",
                layout.engineControl(engine),
                "--nbd",
                engine.spec().nbd().isEmpty() ? layout.nbdAddress(engine) : engine.spec().nbd()));
    for (Replica replica : replicas) {
      command.add("--replica");
      command.add(replica.spec().id() + "@" + layout.replicaAddress(replica));
    }
    command.add("--die-with-parent");
    return command;
  }
}
