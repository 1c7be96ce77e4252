package io.longhorn.orchestration.scenario;

import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.orchestration.store.ClusterStore;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.function.BooleanSupplier;

/**
 * What a scenario acts on: a cluster, the people and the orchestrator around it, and a guest. Time
 * passes only in {@link #runUntil} and {@link #settle}; what is asked for between two of these
 * happens in one instant. One thread.
 */
interface World {
  // ---- time -------------------------------------------------------------------------------------

  /** Milliseconds since 1970, or since the world began. */
  long nowMillis();

  /** Lets time pass until something holds; false if it does not within that. */
  boolean runUntil(BooleanSupplier condition, long withinMillis);

  /**
   * Lets time pass until nothing goes on any more but what waits for a person or for Kubernetes;
   * false if something does for longer than that.
   */
  boolean settle(long withinMillis);

  /** To be called whenever something may have changed. */
  void whenChanged(Runnable look);

  // ---- what is known ----------------------------------------------------------------------------

  /** All objects. */
  ClusterStore store();

  /** Everything that was told, first to last. */
  List<Event> told();

  /** Directories that are on a node's disk, by the ids of their replicas. */
  SortedSet<String> directories(String node);

  /** Names of engines and replicas that have a process on a node. */
  SortedSet<String> processes(String node);

  /** How many processes of engines of a volume were started so far. */
  int engineStarts(String volume);

  // ---- people -----------------------------------------------------------------------------------

  /** A volume with a replica on each of the nodes; with no node: where there is room. */
  void create(String volume, int replicas, boolean isMigratable, List<String> nodes);

  /** Takes a volume away. */
  void delete(String volume);

  /** A ticket of Kubernetes; why it is refused, if it is. */
  Optional<String> attach(String volume, String ticket, String node);

  /** Takes a ticket back. */
  void detach(String volume, String ticket);

  /** Asks for another image; why it is refused, if it is. */
  Optional<String> upgrade(String volume, String image);

  /** An image that is deployed on every node; whether its engines work. */
  void deploy(String image, boolean isWorking);

  /** Changes a setting. */
  void setting(String key, String value);

  // ---- Kubernetes and the machines --------------------------------------------------------------

  /** Nothing new is placed there, instance managers that ended are not started again. */
  void cordon(String node, boolean isCordoned);

  /** Deletes the pod of the instance manager of a node that has the default image. */
  void killInstanceManager(String node, InstanceManager.Type type);

  /** Kills a process of an engine or a replica. */
  void killProcess(String name);

  /** Takes the power away; what is on disk stays. Or gives it back. */
  void power(String node, boolean isOn);

  /** Whether Kubernetes has noticed that a node is not ready. */
  boolean isNotReady(String node);

  /** Whether Kubernetes has begun to evict what ran on a node. */
  boolean isEvicting(String node);

  /** The node agent says NotReady for so long; everything on the node goes on. */
  void blip(String node, long millis);

  /** Nothing passes between the two sides. */
  void partition(List<String> one, List<String> other);

  /** Everything passes again. */
  void heal();

  /** The control plane ends: at once, or right after so many stored objects more. */
  void killControlPlane(int afterWrites);

  /** It is started again. */
  void startControlPlane();

  /** Whether it runs. */
  boolean isControlPlaneUp();

  /** New engine processes take so long until they serve. */
  void delayEngineStarts(long millis);

  /** The new process of a swap dies: before it has the volume, or as soon as it has. */
  void killDuringSwap(boolean isBeforeCommit);

  // ---- the guest --------------------------------------------------------------------------------

  /** The guest of a volume runs on a node from now on, as after a live migration; it writes all the while. */
  void guestOn(String volume, String node);

  /** A second guest writes on another node at the same time, against the rules. */
  void rivalOn(String volume, String node);

  /** The guest ends. */
  void guestStops(String volume);

  /** Requests of guests that failed so far. */
  int guestErrors(String volume);

  /**
   * Reads everything and compares: every acknowledged write is there, nothing older and nothing
   * that was never written, and replicas in sync are equal byte for byte. What is wrong, or nothing.
   */
  Optional<String> verify(String volume);

  /** More facts for a line of output, by name; sorted. */
  SortedMap<String, String> facts(String volume);
}
