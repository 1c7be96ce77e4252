package io.longhorn.orchestration.daemon;

import io.longhorn.api.Authority;
import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Setting;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.ControlPlane;
import io.longhorn.orchestration.VolumeStatus;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallServer;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.execution.ProcessEnd;
import io.longhorn.orchestration.execution.ProcessExecutor;
import io.longhorn.orchestration.execution.RuntimeLayout;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import io.longhorn.orchestration.store.DurableClusterStore;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The control plane of a cluster on one machine: keeps its objects, watches its processes, makes
 * them what they are to be, and answers people and engines. It is not on the path of I/O: killed at
 * any moment, engines go on, and the next one finds them. One per state directory.
 */
public final class Daemon implements AutoCloseable {
  /** Most nodes one machine plays. */
  public static final int MAX_NODES = 16;

  private static final String CLUSTER_ID = "cluster-id";
  private static final Duration DETACH_LIMIT = Duration.ofSeconds(90);
  private static final Duration STOP_LIMIT = Duration.ofSeconds(60);
  private static final long LOOK_AGAIN_NANOS = 20_000_000;

  private static final Logger LOG = LoggerFactory.getLogger(Daemon.class);

  private final ClusterStore store;
  private final ProcessExecutor executor;
  private final ControlPlane plane;
  private final CallServer server;
  private final CompletableFuture<Void> shutDown;

  private Daemon(
      ClusterStore store,
      ProcessExecutor executor,
      ControlPlane plane,
      CallServer server,
      CompletableFuture<Void> shutDown) {
    this.shutDown = shutDown;
    this.store = store;
    this.executor = executor;
    this.plane = plane;
    this.server = server;
  }

  /**
   * Opens the cluster of a state directory, or makes one; throws {@link VolumeException} with one
   * line, and then nothing was started.
   *
   * @param nodes how many; a cluster that exists keeps those it has and gets what is missing
   * @param launcher what processes are started from
   * @param version of it
   */
  public static Daemon open(RuntimeLayout layout, int nodes, String launcher, String version) {
    if (nodes < 1 || nodes > MAX_NODES) {
      throw new VolumeException(IoError.INVALID, nodes + " nodes: use 1 to " + MAX_NODES);
    }
    try {
      Files.createDirectories(layout.state());
      Files.createDirectories(layout.runtime());
      Files.createDirectories(layout.logs());
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO,
          "cannot use the state directory " + layout.state() + ": " + e.getMessage(),
          e);
    }
    DurableClusterStore store = DurableClusterStore.openFile(layout.store());
    try {
      String clusterId = setUp(store, layout, nodes, launcher, version);
      return open(layout, store, new ProcessExecutor(layout, "store:" + clusterId));
    } catch (RuntimeException e) {
      store.close();
      throw e;
    }
  }

  private static Daemon open(RuntimeLayout layout, ClusterStore store, ProcessExecutor executor) {
    ControlPlane plane = ControlPlane.open(store, executor, Clock.systemUTC(), CommandWords::of);
    CompletableFuture<Void> shutDown = new CompletableFuture<>();
    try {
      DaemonCalls calls =
          new DaemonCalls(layout, store, plane, () -> shutDown(store, plane, shutDown));
      CallServer server = CallServer.open(CallAddress.parse(layout.daemonAddress()), calls);
      LOG.info("the daemon takes calls at {}", server.address());
      return new Daemon(store, executor, plane, server, shutDown);
    } catch (RuntimeException e) {
      plane.close();
      executor.close();
      throw e;
    }
  }

  private static String setUp(
      ClusterStore store, RuntimeLayout layout, int nodes, String launcher, String version) {
    Optional<Stored> found = store.get(new ObjectKey(ObjectKind.SETTING, CLUSTER_ID));
    String id =
        found
            .map(stored -> ((Setting) stored.object()).value())
            .orElseGet(() -> UUID.randomUUID().toString());
    Authority.requireValid("store:" + id);
    put(store, new Setting(CLUSTER_ID, id));
    TreeSet<String> names = new TreeSet<>();
    for (int i = 1; i <= nodes; i++) {
      names.add("node-" + i);
    }
    store.list(ObjectKind.NODE).forEach(node -> names.add(node.object().name()));
    put(
        store,
        EngineImage.of(
            Names.DEFAULT_IMAGE, launcher, version, EngineImage.Versions.first(version), names));
    // One machine: what is there is there for every node.
    for (Stored image : store.list(ObjectKind.ENGINE_IMAGE)) {
      put(store, ((EngineImage) image.object()).on(names));
    }
    names.forEach(name -> addNode(store, layout, name));
    return id;
  }

  private static void addNode(ClusterStore store, RuntimeLayout layout, String name) {
    Condition unknown =
        new Condition("Ready", false, "Unknown", "not looked at yet", System.currentTimeMillis());
    if (store.get(new ObjectKey(ObjectKind.NODE, name)).isEmpty()) {
      put(store, Node.of(name, layout.node(name).toString(), unknown));
    }
    String manager =
        Names.instanceManager(name, InstanceManager.Type.ALL_IN_ONE, Names.DEFAULT_IMAGE);
    if (store.get(new ObjectKey(ObjectKind.INSTANCE_MANAGER, manager)).isEmpty()) {
      put(
          store,
          new InstanceManager(
              manager,
              name,
              InstanceManager.Type.ALL_IN_ONE,
              Names.DEFAULT_IMAGE,
              layout.managerAddress(name),
              InstanceManager.State.STOPPED,
              0,
              System.currentTimeMillis()));
    }
  }

  private static void put(ClusterStore store, ClusterObject object) {
    long version = store.get(object.key()).map(Stored::version).orElse(ClusterStore.ABSENT);
    store.put(object, version);
  }

  /** Completed when the cluster was shut down; the daemon is to be closed then. */
  public CompletableFuture<Void> whenShutDown() {
    return shutDown;
  }

  /** Where it takes calls. */
  public String address() {
    return server.address().toString();
  }

  /**
   * Detaches every volume and stops every process; tickets stay. Returns when that is done, or has
   * taken too long: what is left is then stopped as it is.
   */
  public void shutDown() {
    shutDown(store, plane, shutDown);
  }

  private static void shutDown(
      ClusterStore store, ControlPlane plane, CompletableFuture<Void> shutDown) {
    plane.stopVolumes();
    if (!await(DETACH_LIMIT, () -> plane.volumes().stream().allMatch(Daemon::isDown))) {
      LOG.warn("not every volume could be detached in time; processes are stopped all the same");
    }
    List<ProcessHandle> managers = new ArrayList<>();
    for (Stored found : store.list(ObjectKind.INSTANCE_MANAGER)) {
      if (found.object() instanceof InstanceManager manager && manager.pid() > 0) {
        ProcessHandle.of(manager.pid()).ifPresent(managers::add);
      }
    }
    managers.forEach(ProcessHandle::destroy);
    if (!await(STOP_LIMIT, () -> managers.stream().allMatch(ProcessEnd::hasEnded))) {
      managers.forEach(ProcessHandle::destroyForcibly);
    }
    shutDown.complete(null);
  }

  private static boolean isDown(VolumeStatus now) {
    Volume.State state = now.volume().status().state();
    return state == Volume.State.DETACHED || state == Volume.State.CREATING;
  }

  private static boolean await(Duration limit, BooleanSupplier condition) {
    long deadline = System.nanoTime() + limit.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - deadline > 0) {
        return false;
      }
      LockSupport.parkNanos(LOOK_AGAIN_NANOS);
    }
    return true;
  }

  /** Ends the daemon, and nothing else: what it started goes on. */
  @Override
  public void close() {
    server.close();
    plane.close();
    executor.close();
    store.close();
  }
}
