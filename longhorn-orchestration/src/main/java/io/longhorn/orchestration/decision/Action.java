package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import java.util.List;

/**
 * What a plan wants done. Every action is idempotent: it may be repeated, late, or lost; the next
 * plan looks again. One that was planned from an older view does no harm: objects are stored only
 * if they are as the plan saw them, processes are told to stop by the uuid of their start, and an
 * engine acts under a generation that its replicas check.
 */
public sealed interface Action {
  /** Store an object, if it is still as the plan saw it. */
  record Put(ClusterObject object) implements Action {}

  /** Remove an object, if it is still as the plan saw it. */
  record Remove(ObjectKey key) implements Action {}

  /** Something for people to know; it is recorded once per plan that has it. */
  record Tell(ObjectKey about, boolean isWarning, String reason, String message)
      implements Action {}

  /** What an {@link io.longhorn.orchestration.execution.ActionExecutor} carries out. */
  sealed interface ProcessAction extends Action {
    /** What it is about: one at a time is carried out for a subject. */
    String subject();
  }

  /** What is asked of an instance manager. */
  sealed interface ManagerAction extends ProcessAction {
    /** Which one. */
    InstanceManager manager();

    @Override
    default String subject() {
      return manager().name();
    }
  }

  /** Start the process of an instance manager. */
  record StartInstanceManager(InstanceManager manager, Node node, EngineImage image)
      implements ManagerAction {}

  /** End the process of an instance manager at once, and everything it had started with it. */
  record KillInstanceManager(InstanceManager manager) implements ManagerAction {}

  /**
   * Make the directory of a replica of a new volume, or of one more of a volume. An instance
   * manager does it once: a request that comes when it was done, and forgotten, would make one of
   * nobody.
   */
  record CreateDirectory(
      InstanceManager manager, Replica replica, Volume volume, List<Replica> all, EngineImage image)
      implements ManagerAction {
    @Override
    public String subject() {
      return Names.creation(replica);
    }
  }

  /** Delete the directory of a replica. */
  record DeleteDirectory(InstanceManager manager, Replica replica) implements ManagerAction {
    @Override
    public String subject() {
      return Names.deletion(replica);
    }
  }

  /**
   * Start the process of a replica.
   *
   * @param isStandby whether it is not to take the lock of its directory yet
   */
  record StartReplica(
      InstanceManager manager, Replica replica, EngineImage image, boolean isStandby)
      implements ManagerAction {
    @Override
    public String subject() {
      return replica.name();
    }
  }

  /**
   * Let a replica that stands by take its directory from the process that holds it, if one does.
   * The one that held it goes on as one that stands by, until it is stopped.
   *
   * @param holder whose process holds the directory; the standby itself if none does
   */
  record PromoteReplica(InstanceManager manager, Replica standby, Replica holder)
      implements ManagerAction {
    @Override
    public String subject() {
      return standby.name();
    }
  }

  /** Start the process of an engine. */
  record StartEngine(
      InstanceManager manager,
      Engine engine,
      Volume volume,
      List<Replica> replicas,
      EngineImage image)
      implements ManagerAction {
    @Override
    public String subject() {
      return engine.name();
    }
  }

  /**
   * Start another process of an engine, in the instance manager of the old one or in another one of
   * its node, let it take the clients and the volume over, then end the old one. The old one serves
   * until the new one owns the volume, however long that takes; if it fails, the old one goes on.
   * The instance keeps its name and its uuid, and has another pid. One that was asked for already,
   * or done, is not done twice. The new process takes the volume only while the record's phase is
   * {@link io.longhorn.api.membership.VolumeRecord.Phase#SWAPPING}: a roll-back ends the phase, and
   * one of the two is first.
   *
   * <p>Another instance manager has the instance as one that is starting, from when its process is
   * asked for, and as one that runs when that owns the volume; the one that had it forgets it then,
   * not before. If it fails the other one forgets it. One of the two always has it.
   *
   * <p>A failure is reported as {@link SwapSeen}, with what {@link SwapSeen#failed} says.
   *
   * @param manager that has the old process
   * @param next that is to have the new one; the same, or another one of its node
   * @param replicas for each directory the replica that is to use it from then on and, if that only
   *     stands by, the one that holds it
   */
  record SwapEngine(
      InstanceManager manager,
      InstanceManager next,
      Engine engine,
      Volume volume,
      List<Replica> replicas,
      EngineImage image)
      implements ManagerAction {
    @Override
    public String subject() {
      return engine.name();
    }
  }

  /** Tell an engine which replicas it is to use. */
  record ConfigureEngine(InstanceManager manager, Engine engine, List<Replica> replicas)
      implements ManagerAction {
    @Override
    public String subject() {
      return engine.name();
    }
  }

  /**
   * Tell an engine that it is the only one of its volume from now on: it claims, and stays. Whoever
   * is named after that is not meant, however late this comes.
   *
   * @param generation the volume's when this was decided; nothing is to be done by an engine that
   *     has taken the volume since
   */
  record FinishMigration(InstanceManager manager, Engine winner, long generation)
      implements ManagerAction {
    @Override
    public String subject() {
      return winner.name();
    }
  }

  /** Stop a process: first asked to, then made to. */
  record StopInstance(InstanceManager manager, String instance, String uuid)
      implements ManagerAction {
    @Override
    public String subject() {
      return instance;
    }
  }

  /** Forget a process that has ended. */
  record ForgetInstance(InstanceManager manager, String instance, String uuid)
      implements ManagerAction {
    @Override
    public String subject() {
      return instance;
    }
  }
}
