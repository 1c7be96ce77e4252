package io.longhorn.orchestration.scenario;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKind;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.function.BooleanSupplier;

/**
 * What a scenario acts on: a cluster, the people and the orchestrator around it, and a guest. The
 * files are to be played on real processes too; this is all they need of whoever plays them.
 *
 * <p>Time passes only in {@link #runUntil}, {@link #settle} and {@link #verify}; what is asked for
 * between two of these happens in one instant. One thread.
 */
interface Stage {
  /** A line that the control plane told: as an event, and in its log. */
  record Line(boolean isWarning, String reason, String message) {
    @Override
    public String toString() {
      return (isWarning ? "Warning " : "Normal ") + reason + ": " + message;
    }
  }

  // ---- time -------------------------------------------------------------------------------------

  /** Milliseconds since it began. */
  long nowMillis();

  /** Lets time pass until something holds; whether it does within that. */
  boolean runUntil(BooleanSupplier condition, long withinMillis);

  /**
   * Lets time pass until nothing goes on any more but what waits for a person or for Kubernetes.
   */
  boolean settle(long withinMillis);

  /** To be called whenever an object was stored. */
  void whenStored(Runnable look);

  // ---- what is known ----------------------------------------------------------------------------

  /** Objects of a kind, by name. */
  <T extends ClusterObject> List<T> objects(ObjectKind kind, Class<T> type);

  /** Everything that was told, first to last. */
  List<Line> told();

  /** Directories that are on disks, as {@code node path}. */
  SortedSet<String> directories();

  /**
   * What is there and should not be when nothing is left to do: a process of nobody, a directory of
   * nobody, a migration that is over.
   */
  Optional<String> leftover();

  /** How often a process of an engine of the volume was started. */
  int engineStarts(String volume);

  // ---- people -----------------------------------------------------------------------------------

  /** A volume with a replica on each of the nodes; where there is room if there are none. */
  void create(String volume, int replicas, boolean isMigratable, List<String> nodes);

  /** Takes a volume away. */
  void delete(String volume);

  /** A ticket of Kubernetes; why it is refused, if it is. */
  Optional<String> attach(String volume, String ticket, String node);

  /** Takes a ticket back. */
  void detach(String volume, String ticket);

  /** Asks for another image; why that is refused, if it is. */
  Optional<String> upgrade(String volume, String image);

  /** An image that is on every node. */
  void deploy(String image);

  /** Changes a setting. */
  void setting(String key, String value);

  // ---- Kubernetes and machines ------------------------------------------------------------------

  /** Nothing new is placed there, instance managers that ended are not started again. */
  void cordon(String node, boolean isCordoned);

  /** Deletes the pods of the instance managers of a node. */
  void killInstanceManager(String node);

  /** Deletes those of one type. */
  void killInstanceManager(String node, InstanceManager.Type type);

  /** Kills the process that has the directory of a volume on a node. */
  void killReplica(String volume, String node);

  /** Takes the power away; what is on disk stays. Or gives it back. */
  void power(String node, boolean isOn);

  /** Whether Kubernetes has noticed that a node is not ready. */
  boolean isNotReady(String node);

  /** Whether Kubernetes takes away what ran on a node. */
  boolean isEvicting(String node);

  /** The node agent says for so long that it is not ready; everything on the node goes on. */
  void blip(String node, long millis);

  /** Nothing passes between the two sides. */
  void partition(List<String> one, List<String> other);

  /** Everything passes again. */
  void heal();

  /**
   * The control plane is killed when it has stored so many objects more, 0: at once; and another
   * one is started.
   */
  void restartControlPlane(long afterWrites, Runnable whenKilled);

  /** Engines that are started take so much longer until they serve. */
  void delayEngineStarts(long millis);

  /** The next process that is to take an engine over dies: before it has the volume, or after. */
  void killDuringSwap(boolean isBefore);

  // ---- the guest --------------------------------------------------------------------------------

  /** The guest of a volume runs: it writes, reads and flushes all the while. */
  void guestRuns(String volume);

  /** It is killed, with what it had asked for; started again where it is told to move to. */
  void guestIsKilled(String volume);

  /** It moves as virtual machines do: stops, flushes, and goes on over there. */
  void guestMoves(String volume, String node);

  /** A second one reads, or writes, through another node at the same time. */
  void rival(String volume, String node, boolean isWriting);

  /** Both end. */
  void guestStops(String volume);

  /** Requests of guests that failed so far, and how often one lost its device. */
  long guestErrors(String volume);

  /**
   * Has everything read and compares: every acknowledged write is there, nothing older, nothing
   * that was never written, and members are equal byte for byte. What is wrong, if anything is.
   */
  Optional<String> verify(String volume);
}
