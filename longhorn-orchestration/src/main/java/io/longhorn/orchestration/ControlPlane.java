package io.longhorn.orchestration;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.orchestration.execution.ActionExecutor;
import io.longhorn.orchestration.reconcile.Pacer;
import io.longhorn.orchestration.reconcile.ReconcileLoop;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * The control plane of a cluster: takes wishes, and makes volumes so, over any store and any
 * executor. A wish is stored when the method returns; what comes of it is seen in {@link #status}
 * and told to who {@linkplain #watch watches}. What cannot be is refused with a {@link
 * VolumeException} whose one line says why; nothing was changed then.
 *
 * <p>A volume moves from one node to another with a second ticket: {@link #attach} on the other
 * node, wait until it {@linkplain VolumeStatus#isAttachedTo is usable there}, move the guest, then
 * {@link #detach} the first ticket to confirm, or the second one to go back. A volume does one such
 * thing at a time: another one is refused until it is done.
 *
 * <p>Any thread. One for each store, until it is closed; the store and the executor stay the
 * caller's.
 */
public final class ControlPlane implements AutoCloseable {
  private final Requests requests;
  private final VolumeRequests volumes;
  private final ClusterRequests cluster;
  private final ClusterStore store;
  private final ReconcileLoop loop;
  private final List<VolumeWatch> watches = new CopyOnWriteArrayList<>();

  private ControlPlane(
      ClusterStore store, ActionExecutor executor, Clock clock, Function<Remedy, String> words) {
    this.store = store;
    requests = new Requests(store, executor.capabilities(), clock, words);
    volumes = new VolumeRequests(requests);
    cluster = new ClusterRequests(requests);
    loop = new ReconcileLoop(store, executor, Pacer.system(clock));
  }

  /** Takes a cluster over, or begins one: what its store asks for is done from now on. */
  public static ControlPlane open(ClusterStore store, ActionExecutor executor) {
    return open(store, executor, Clock.systemUTC(), _ -> "");
  }

  /**
   * The same.
   *
   * @param words what a person can do whose wish was refused, as the end of the refusal's line;
   *     empty for nothing
   */
  public static ControlPlane open(
      ClusterStore store, ActionExecutor executor, Clock clock, Function<Remedy, String> words) {
    ControlPlane plane = new ControlPlane(store, executor, clock, words);
    plane.volumes.removeUnfinished();
    plane.loop.start();
    return plane;
  }

  // ---- volumes ----------------------------------------------------------------------------------

  /** A new volume; it can be attached at once, and is when its replicas are made. */
  public void createVolume(VolumeRequest wanted) {
    volumes.create(wanted);
  }

  /** Deletes a volume and its data; it may not be attached. */
  public void deleteVolume(String name) {
    volumes.delete(name);
  }

  /** Adds a ticket, or replaces the one of this id; the same again changes nothing. */
  public void attach(String volume, TicketRequest wanted) {
    volumes.attach(volume, wanted);
  }

  /** Takes a ticket away. */
  public void detach(String volume, String ticket) {
    volumes.detach(volume, one -> one.id().equals(ticket));
  }

  /** Takes the tickets for a node away. */
  public void detachFrom(String volume, String node) {
    requests.read(view -> requests.node(new Draft(view), node));
    volumes.detach(volume, one -> one.nodeID().equals(node));
  }

  /** Takes every ticket away. */
  public void detachAll(String volume) {
    volumes.detach(volume, _ -> true);
  }

  /**
   * Runs a volume from another image: under its clients if it is attached and that can be done,
   * otherwise when it is detached.
   */
  public void upgrade(String volume, String image) {
    volumes.upgrade(volume, image);
  }

  /** Gives an upgrade up that is not finished: the volume runs from the image that it did. */
  public void rollBack(String volume) {
    volumes.rollBack(volume);
  }

  // ---- what is ----------------------------------------------------------------------------------

  /** One volume; {@code NOT_FOUND} if there is none of the name. */
  public VolumeStatus status(String volume) {
    return requests.read(view -> {
      requests.volume(new Draft(view), volume);
      return VolumeStatus.of(view, volume).orElseThrow();
    });
  }

  /** Every volume, by name. */
  public List<VolumeStatus> volumes() {
    return requests.read(view ->
        view.volumeNames().stream().flatMap(name -> VolumeStatus.of(view, name).stream()).toList());
  }

  /** Tells what becomes of volumes, from what they are now on, until that is closed. */
  public VolumeWatch watch(VolumeListener listener) {
    VolumeWatch watch = VolumeWatch.start(store.watch(), requests, listener, watches::remove);
    watches.add(watch);
    return watch;
  }

  /**
   * Waits until a volume is as wanted.
   *
   * @return what it is then
   * @throws VolumeException {@code TIMEOUT}, saying what it waits for
   */
  public VolumeStatus await(String volume, Duration atMost, Predicate<VolumeStatus> isWanted) {
    return await(
        atMost,
        () -> status(volume),
        isWanted,
        now -> "not as wanted after " + atMost.toMillis() + " ms: " + now);
  }

  private <T> T await(
      Duration atMost, Supplier<T> look, Predicate<T> isWanted, Function<T, String> whatIsNot) {
    long deadline = System.nanoTime() + atMost.toNanos();
    try (Watch watch = store.watch()) {
      while (true) {
        T now = look.get();
        long left = deadline - System.nanoTime();
        if (isWanted.test(now)) {
          return now;
        }
        if (left <= 0 || Thread.currentThread().isInterrupted()) {
          throw new VolumeException(IoError.TIMEOUT, whatIsNot.apply(now));
        }
        watch.await(Duration.ofNanos(left));
      }
    }
  }

  // ---- nodes, images, settings ------------------------------------------------------------------

  /** A node with one disk; one that is there already stays as it is. */
  public void addNode(String name, String diskPath) {
    cluster.addNode(name, diskPath);
  }

  /** Nothing new is placed there, or again. */
  public void cordon(String node, boolean isCordoned) {
    cluster.changeNode(node, before -> before.withCordon(isCordoned));
  }

  /** Every replica has to leave it, and none is placed there; or all is as usual again. */
  public void evict(String node, boolean isRequested) {
    cluster.changeNode(node, before -> before.withScheduling(!isRequested, isRequested));
  }

  /** Its power is off, as far as that can be played; or on. */
  public void power(String node, boolean isOff) {
    cluster.changeNode(node, before -> before.withPower(isOff));
  }

  /** Every node, by name. */
  public List<Node> nodes() {
    return requests.read(view -> view.all(ObjectKind.NODE, Node.class));
  }

  /** Waits until every node is ready; throws {@link VolumeException}, {@code TIMEOUT}. */
  public void awaitNodes(Duration atMost) {
    await(
        atMost,
        this::nodes,
        nodes -> nodes.stream().allMatch(node -> node.ready().isTrue()),
        nodes ->
            "not every node is ready: "
                + nodes.stream()
                    .filter(node -> !node.ready().isTrue())
                    .map(node -> node.name() + " (" + node.ready().message() + ")")
                    .collect(Collectors.joining(", ")));
  }

  /** An image that engines and replicas can be run from. */
  public void addImage(EngineImage image) {
    cluster.addImage(image);
  }

  /** The image of this name is this one from now on, whether it was there before or not. */
  public void putImage(EngineImage image) {
    cluster.putImage(image);
  }

  /** Removes an image that nobody uses. */
  public void removeImage(String name) {
    cluster.removeImage(name);
  }

  /** New volumes run from this image from now on. */
  public void defaultImage(String name) {
    cluster.set(Settings.Key.DEFAULT_ENGINE_IMAGE.key(), name);
  }

  /** Every image, by name. */
  public List<EngineImage> images() {
    return requests.read(view -> view.all(ObjectKind.ENGINE_IMAGE, EngineImage.class));
  }

  /** The value of a setting, whether it was set or not. */
  public String setting(String name) {
    return cluster.setting(name);
  }

  /** Sets a setting; empty: as if it had not been set. */
  public void setting(String name, String value) {
    cluster.set(name, value);
  }

  /** Every setting and its value, by name. */
  public SortedMap<String, String> settings() {
    return requests.read(view -> {
      TreeMap<String, String> values = new TreeMap<>();
      for (Settings.Key key : Settings.Key.values()) {
        values.put(key.key(), view.settings().text(key));
      }
      return values;
    });
  }

  // ---- the end ----------------------------------------------------------------------------------

  /** From now on every volume is being detached; tickets stay. */
  public void stopVolumes() {
    loop.stopVolumes();
  }

  /** Ends control; what it started goes on, and the next control plane finds it. */
  @Override
  public void close() {
    loop.close();
    watches.forEach(VolumeWatch::close);
    requests.close();
  }
}
